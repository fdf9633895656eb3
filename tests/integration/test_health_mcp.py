# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The probe kind mcp against a real server of the official SDK, and the module against its in-process form."""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
import sys
import time
import typing as t
from pathlib import Path
from types import SimpleNamespace

import pytest
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import health

from tests.support.playbook import PlaybookRun
from tests.unit.plugins.broken_servers import hang, listening
from tests.unit.plugins.loopback import check, context

# ``old`` hides the current revision as a server of the era before it would: the SDK itself then shakes hands.
SERVER = '''
import socket, sys
import uvicorn
from mcp.server.mcpserver import MCPServer

mode = sys.argv[1]
server = MCPServer("probed")

@server.tool()
def add(a: int, b: int) -> int:
    """Add."""
    return a + b

@server.tool()
def fail() -> str:
    """Fail."""
    raise RuntimeError("the disk is full")

app = server.streamable_http_app(json_response="json" in mode, stateless_http="stateful" not in mode)

def old(inner):
    async def outer(scope, receive, send):
        version = dict(scope.get("headers", [])).get(b"mcp-protocol-version")
        if version == b"2026-07-28":
            await send({"type": "http.response.start", "status": 400, "headers": []})
            await send({"type": "http.response.body", "body": b"Bad Request: Unsupported protocol version"})
        else:
            await inner(scope, receive, send)
    return outer

listening = socket.socket(proto=socket.IPPROTO_TCP)  # so that asyncio switches Nagle's delay off
listening.bind(("127.0.0.1", 0))
print(listening.getsockname()[1], flush=True)
config = uvicorn.Config(old(app) if "old" in mode else app, log_level="warning")
uvicorn.Server(config).run(sockets=[listening])
'''


@contextlib.contextmanager
def sdk_server(folder: Path, mode: str) -> t.Iterator[str]:
    """Run a server of the SDK in a process of its own; yield its endpoint."""
    script = folder / "server.py"
    script.write_text(SERVER)
    process = subprocess.Popen([sys.executable, str(script), mode], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    with process.stdout:
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}/mcp"
        finally:
            process.terminate()
            process.wait(10)


@pytest.mark.parametrize(
    ("mode", "steps", "version"),
    [
        ("sse", "server/discover", "2026-07-28"),
        ("json", "server/discover", "2026-07-28"),
        ("stateful", "server/discover", "2026-07-28"),
        ("old-sse", "initialize", "2025-11-25"),
        ("old-json", "initialize", "2025-11-25"),
        ("old-stateful", "initialize", "2025-11-25"),
    ],
)
def test_a_real_server_of_either_era(tmp_path: Path, mode: str, steps: str, version: str) -> None:
    with sdk_server(tmp_path, mode) as url:
        # The socket listens before the server accepts, so waiting is part of what is tested.
        good = check(url, tool="add", arguments={"a": 2, "b": 3}, samples=3, attempts=50, delay=0.1)
        failing = check(url, tool="fail")
        wrong = check(url, tool="add", arguments={"a": "x"})
        elsewhere = check(f"{url}/elsewhere")
    assert good["status"] == "healthy", good["evidence"]
    assert f"{steps}, tools/list (2 tools), tools/call add ok; MCP {version}" in good["evidence"]
    assert good["latency_ms"]["p95"] > 0
    assert failing["status"] == "critical" and "tools/call fail: the tool failed" in failing["evidence"]
    assert wrong["status"] == "critical" and "tools/call add" in wrong["evidence"]
    assert elsewhere["status"] == "critical" and "initialize: HTTP 404" in elsewhere["evidence"]


class LocalFunction:
    """A Lambda client whose function is our adapter around a server of the SDK, in this process."""

    def __init__(self, app: t.Any) -> None:
        from pratiko_mcp.lambda_adapter import LambdaAdapter

        self.adapter = LambdaAdapter(app)

    def get_function_configuration(self, FunctionName: str, Qualifier: str) -> dict[str, t.Any]:
        """Say where the function logs."""
        return {"LoggingConfig": {"LogGroup": f"/of/{FunctionName}/{Qualifier}"}}

    def invoke(self, **arguments: t.Any) -> dict[str, t.Any]:
        surroundings = SimpleNamespace(aws_request_id="1", get_remaining_time_in_millis=lambda: 10_000)
        reply = self.adapter.handle(json.loads(arguments["Payload"]), surroundings)
        return {"Payload": io.BytesIO(json.dumps(reply).encode())}


@pytest.mark.parametrize("json_response", [True, False])
def test_a_direct_invocation_speaks_to_the_runtime(json_response: bool) -> None:
    from mcp.server.mcpserver import MCPServer

    server = MCPServer("probed")
    server.tool()(divmod_of)
    function = LocalFunction(server.streamable_http_app(json_response=json_response, stateless_http=True))
    target = {"function_name": "server", "qualifier": "1", "host": "127.0.0.1:8000"}
    probe = {"name": "it", "lambda": target, "tool": "divmod_of", "arguments": {"a": 7, "b": 2}}
    (good,) = health.run(context(probe, clients=function))["results"]
    assert good["status"] == "healthy", good["evidence"]
    assert "server/discover, tools/list (1 tool), tools/call divmod_of ok; MCP 2026-07-28" in good["evidence"]
    (bad,) = health.run(context({**probe, "arguments": {"a": 1, "b": 0}}, clients=function))["results"]
    assert bad["status"] == "critical" and "the tool failed" in bad["evidence"]
    assert bad["next_step"] == "aws logs tail /of/server/1 --since 15m"
    foreign = {**probe, "lambda": {**target, "host": "evil.example"}}
    (refused,) = health.run(context(foreign, clients=function))["results"]
    assert refused["status"] == "critical" and "HTTP 421" in refused["evidence"]


def divmod_of(a: int, b: int) -> str:
    """Divide."""
    return str(divmod(a, b))


def play(url: str, save_to: Path, as_module: bool, fail_on: list[str]) -> list[dict[str, t.Any]]:
    """Return a play that probes and saves the result; an ``environment`` makes the plugin hand over to the module."""
    probes = [
        {"name": "mcp", "url": url, "tool": "add", "arguments": {"a": 1, "b": 2}, "attempts": 50, "delay": 0.1},
        {"name": "failing", "url": url, "tool": "fail"},
        {"name": "http", "kind": "http", "url": f"{url}/elsewhere", "expect_status": 404},
        {"name": "gone", "kind": "http", "url": "http://127.0.0.1:1/"},
    ]
    probing = {
        "pratikoai.mcp_servers.health": {"environment": "testing", "probes": probes, "fail_on": fail_on},
        "environment": {"AS_MODULE": "1"} if as_module else {},
        "ignore_errors": True,
        "register": "probed",
    }
    saving = {
        "ansible.builtin.copy": {"content": "{{ probed | to_json }}", "dest": str(save_to), "mode": "0600"},
        "check_mode": False,
    }
    python = {"ansible_python_interpreter": "{{ ansible_playbook_python }}"}
    return [{"hosts": "localhost", "gather_facts": False, "vars": python, "tasks": [probing, saving]}]


def comparable(outcome: dict[str, t.Any]) -> dict[str, t.Any]:
    """Return a result without what differs from run to run."""
    for result in outcome["results"]:
        result["since"] = "now"
        result["latency_ms"] = result["latency_ms"] and sorted(result["latency_ms"])
        result["evidence"] = result["evidence"].partition("; p95")[0]
    return {key: outcome[key] for key in ("changed", "failed", "status", "results", "msg") if key in outcome}


@pytest.mark.parametrize(
    ("options", "fail_on"), [((), []), (("--check",), []), ((), ["critical"])], ids=["run", "check", "fail"]
)
def test_module_and_in_process_form_say_the_same(
    tmp_path: Path, ansible_playbook: t.Callable[..., PlaybookRun], options: tuple[str, ...], fail_on: list[str]
) -> None:
    saved: dict[bool, dict[str, t.Any]] = {}
    with sdk_server(tmp_path, "json") as url:
        for as_module in (True, False):
            book, target = tmp_path / "play.yml", tmp_path / f"{as_module}.json"
            book.write_text(json.dumps(play(url, target, as_module, fail_on)))
            run = ansible_playbook("-vvv", "-i", "localhost,", "-c", "local", *options, str(book)).require()
            assert ("plugins/modules/health.py" in run.stdout) is as_module
            saved[as_module] = json.loads(target.read_text())
    module, in_process = comparable(saved[True]), comparable(saved[False])
    assert module == in_process
    assert [result["status"] for result in module["results"]] == ["healthy", "critical", "healthy", "critical"]
    assert module["status"] == "critical" and module["changed"] is False
    assert module.get("failed", False) is bool(fail_on)


def test_progress_is_shown_while_it_waits(tmp_path: Path, ansible_playbook: t.Callable[..., PlaybookRun]) -> None:
    book = tmp_path / "play.yml"
    probe = {"name": "gone", "kind": "http", "url": "http://127.0.0.1:1/", "attempts": 3, "delay": 0.1}
    task = {"pratikoai.mcp_servers.health": {"environment": "testing", "probes": [probe]}}
    book.write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": [task]}]))
    start = time.monotonic()
    run = ansible_playbook("-i", "localhost,", "-c", "local", str(book)).require()
    assert time.monotonic() - start < 30
    assert "gone: critical, attempt 1 of 3" in run.stdout and "gone: critical, attempt 2 of 3" in run.stdout
    assert "attempt 3 of 3" not in run.stdout


@pytest.mark.parametrize("as_module", [False, True], ids=["in process", "module"])
def test_what_hangs_does_not_hold_up_the_play(
    tmp_path: Path, ansible_playbook: t.Callable[..., PlaybookRun], as_module: bool
) -> None:
    book, saved = tmp_path / "play.yml", tmp_path / "saved.json"
    with listening(hang) as port:
        hung = {"kind": "http", "url": f"http://127.0.0.1:{port}/", "timeout": 300}
        probes = [{"name": f"hung {number}", **hung} for number in range(20)]
        wrong = {"name": "wrong", "kind": "htp"}
        asked = {"environment": "testing", "deadline": 2, "probes": [*probes, wrong]}
        probing = {
            "pratikoai.mcp_servers.health": asked,
            "environment": {"AS_MODULE": "1"} if as_module else {},
            "ignore_errors": True,
            "register": "probed",
        }
        saving = {"ansible.builtin.copy": {"content": "{{ probed | to_json }}", "dest": str(saved), "mode": "0600"}}
        python = {"ansible_python_interpreter": "{{ ansible_playbook_python }}"}
        play = {"hosts": "localhost", "gather_facts": False, "vars": python, "tasks": [probing, saving]}
        book.write_text(json.dumps([play]))
        began = time.monotonic()
        ansible_playbook("-i", "localhost,", "-c", "local", str(book)).require()
        assert time.monotonic() - began < 40
    outcome = json.loads(saved.read_text())
    *late, refused = outcome["results"]
    assert {result["evidence"] for result in late} == {"gave no answer within the deadline of 2 s"}
    assert "Did you mean http?" in refused["evidence"] and outcome["msg"].startswith("Probe wrong: kind=htp")
    assert outcome["failed"] is True and outcome["status"] == "unknown"
