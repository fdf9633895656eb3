# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The probe kind mcp against servers of both eras, with canned answers; the real SDK is in tests/integration."""

from __future__ import annotations

import json
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import mcp_probe

from tests.unit.plugins.loopback import Answer, Request, check, closed_port, rpc_error, rpc_result, serving

DISCOVERED = {
    "resultType": "complete",
    "supportedVersions": ["2026-07-28"],
    "capabilities": {"tools": {}},
    "serverInfo": {"name": "x", "version": "1"},
}
SCHEMA = {
    "type": "object",
    "properties": {
        "region": {"type": "string", "x-mcp-header": "Region"},
        "filter": {"type": "object", "properties": {"deep": {"type": "boolean", "x-mcp-header": "Deep"}}},
        "plain": {"type": "string"},
    },
}
TOOLS = {"tools": [{"name": "look", "inputSchema": SCHEMA}, {"name": "Ünï", "inputSchema": {}}]}
FINE = {"content": [{"type": "text", "text": "fine"}]}
Override = t.Callable[[Request], Answer]


def modern(**overrides: t.Any) -> t.Callable[[Request], Answer]:
    """Return a server of 2026-07-28; an override is a result, or a function that answers."""
    replies: dict[str, t.Any] = {"server/discover": DISCOVERED, "tools/list": TOOLS, "tools/call": FINE, **overrides}

    def answer(request: Request) -> Answer:
        assert request.headers["mcp-protocol-version"] == "2026-07-28"
        assert request.headers["mcp-method"] == request.rpc["method"]
        assert request.rpc["params"]["_meta"] == mcp_probe.META
        reply = replies[request.rpc["method"]]
        return reply(request) if callable(reply) else rpc_result(request, reply)

    return answer


def handshake(first: Override, **replies: t.Any) -> t.Callable[[Request], Answer]:
    """Return a server of the old era with sessions, which answers ``first`` to ``server/discover``."""

    def answer(request: Request) -> Answer:
        if request.method == "DELETE":
            return Answer(405)
        method = request.rpc["method"]
        if method == "server/discover":
            return first(request)
        if method == "initialize":
            hello = {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}, "serverInfo": {}}
            return rpc_result(request, {**hello, **replies.get("hello", {})}, headers={"Mcp-Session-Id": "s1"})
        assert request.headers["mcp-session-id"] == "s1"
        assert request.headers["mcp-protocol-version"] == "2025-06-18"
        assert "mcp-method" not in request.headers and "_meta" not in request.rpc.get("params", {})
        if method == "notifications/initialized":
            return Answer(202)
        results: dict[str, dict[str, t.Any]] = {"tools/list": TOOLS, "tools/call": FINE, "ping": {}}
        return rpc_result(request, results[method])

    return answer


def methods(seen: list[Request]) -> list[str]:
    return [request.rpc["method"] if request.method == "POST" else request.method for request in seen]


def test_a_round_trip_of_the_current_revision() -> None:
    with serving(modern()) as (url, seen):
        result = check(f"{url}/mcp", samples=3)
    assert result["status"] == "healthy"
    assert result["evidence"].startswith(
        f"POST {url}/mcp: server/discover, tools/list (2 tools) ok; MCP 2026-07-28, JSON; p95 "
    )
    assert result["evidence"].endswith(" of 2")
    assert methods(seen) == ["server/discover", "tools/list", "tools/list", "tools/list"]
    assert len({request.rpc["id"] for request in seen}) == 4


def test_one_sample_of_the_listing_sends_no_extra_request() -> None:
    with serving(modern()) as (url, seen):
        result = check(f"{url}/mcp")
    assert methods(seen) == ["server/discover", "tools/list"]
    assert result["evidence"].endswith(" of 1")


def test_a_tool_is_called_with_the_headers_that_its_schema_asks_for() -> None:
    arguments = {"region": "Köln", "filter": {"deep": True}, "plain": "x"}
    with serving(modern()) as (url, seen):
        result = check(f"{url}/mcp", tool="look", arguments=arguments, samples=2)
    assert result["status"] == "healthy" and ", tools/call look ok; " in result["evidence"]
    assert methods(seen) == ["server/discover", "tools/list", "tools/call", "tools/call"]
    headers, params = seen[2].headers, seen[2].rpc["params"]
    assert (params["name"], params["arguments"]) == ("look", arguments)
    assert headers["mcp-name"] == "look"
    assert headers["mcp-param-region"] == "=?base64?S8O2bG4=?="
    assert headers["mcp-param-deep"] == "true"
    assert "mcp-param-plain" not in headers


@pytest.mark.parametrize(
    ("text", "header"),
    [("a b", "a b"), (" a", "=?base64?IGE=?="), ("=?base64?eA==?=", "=?base64?PT9iYXNlNjQ/ZUE9PT89?="), ("", "")],
)
def test_header_values(text: str, header: str) -> None:
    assert mcp_probe.header_value(text) == header


def test_only_the_measured_request_counts() -> None:
    def slowly(request: Request) -> Answer:
        time.sleep(0.3)
        return rpc_result(request, TOOLS)

    with serving(modern(**{"tools/list": slowly})) as (url, _seen):
        result = check(f"{url}/mcp", tool="look", warning_ms=250)
    assert result["status"] == "healthy"


def event_stream(request: Request, result: dict[str, t.Any], newline: str) -> Answer:
    message = json.dumps({"jsonrpc": "2.0", "id": request.rpc["id"], "result": result}, indent=1)
    notice = {"jsonrpc": "2.0", "method": "notifications/message", "params": {}}
    lines = [": ping", "", "event: message", f"data: {json.dumps(notice)}", "", "id: 7"]
    lines += [f"data: {line}" for line in message.split("\n")] + ["", ""]
    # The stream stays open after the answer, as a server may do.
    return Answer(headers={"Content-Type": "text/event-stream"}, chunks=[(newline.join(lines).encode(), 3.0)])


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_event_streams_are_read_until_the_answer(newline: str) -> None:
    replies = {
        "server/discover": lambda request: event_stream(request, DISCOVERED, newline),
        "tools/list": lambda request: event_stream(request, TOOLS, newline),
    }
    with serving(modern(**replies)) as (url, _seen):
        start = time.monotonic()
        result = check(f"{url}/mcp")
        assert time.monotonic() - start < 2
    assert result["status"] == "healthy" and "MCP 2026-07-28, event stream" in result["evidence"]


OLD_ANSWERS: dict[str, Override] = {
    "version unknown, names its own": lambda request: rpc_error(
        request, -32022, 400, data={"supported": ["2025-11-25"], "requested": "2026-07-28"}
    ),
    "version unknown, without data": lambda request: rpc_error(request, -32022, 400),
    "method unknown": lambda request: rpc_error(request, -32601, 404),
    "invalid, in HTTP 200": lambda request: rpc_error(request, -32602, 200),
    "error without id": lambda _request: Answer(
        400, {"jsonrpc": "2.0", "id": None, "error": {"code": -32600, "message": "Unsupported protocol version"}}
    ),
    "plain 400": lambda _request: Answer(400, b"Bad Request: Missing session ID"),
    "discovers only old versions": lambda request: rpc_result(
        request, {**DISCOVERED, "supportedVersions": ["2025-11-25"]}
    ),
}


@pytest.mark.parametrize("first", OLD_ANSWERS.values(), ids=OLD_ANSWERS)
def test_an_old_server_gets_the_handshake(first: Override) -> None:
    with serving(handshake(first)) as (url, seen):
        result = check(f"{url}/mcp", tool="look")
    assert result["status"] == "healthy", result["evidence"]
    assert "initialize, tools/list (2 tools), tools/call look ok; MCP 2025-06-18, JSON" in result["evidence"]
    assert methods(seen) == [
        "server/discover",
        "initialize",
        "notifications/initialized",
        "tools/list",
        "tools/call",
        "DELETE",
    ]
    assert "mcp-protocol-version" not in seen[1].headers and "mcp-method" not in seen[1].headers
    assert seen[1].rpc["params"]["protocolVersion"] == "2025-11-25"
    assert seen[-1].headers["mcp-session-id"] == "s1"


def test_servers_without_tools_are_measured_by_what_they_have() -> None:
    with serving(modern(**{"server/discover": {**DISCOVERED, "capabilities": {"resources": {}}}})) as (url, seen):
        new = check(f"{url}/mcp")
    assert new["status"] == "healthy" and "the server has no tools" in new["evidence"]
    assert methods(seen) == ["server/discover", "server/discover"]
    old_server = handshake(OLD_ANSWERS["plain 400"], hello={"capabilities": {}})
    with serving(old_server) as (url, seen):
        old = check(f"{url}/mcp")
    assert old["status"] == "healthy" and methods(seen)[-2:] == ["ping", "DELETE"]


def test_a_modern_server_of_another_revision_is_critical() -> None:
    other = {"supported": ["2027-01-01"], "requested": "2026-07-28"}
    with serving(lambda request: rpc_error(request, -32022, 400, data=other)) as (url, seen):
        result = check(f"{url}/mcp")
    assert result["status"] == "critical" and "speaks only ['2027-01-01']" in result["evidence"]
    assert methods(seen) == ["server/discover"]


def test_dropped_headers_are_critical_and_not_taken_for_an_old_server() -> None:
    with serving(lambda request: rpc_error(request, -32020, 400)) as (url, seen):
        result = check(f"{url}/mcp")
    assert result["status"] == "critical" and "drops or changes MCP headers" in result["evidence"]
    assert methods(seen) == ["server/discover"]


@pytest.mark.parametrize("status", [403, 429, 500, 502, 503, 204, 302])
def test_failures_that_are_no_matter_of_eras(status: int) -> None:
    with serving(lambda _request: Answer(status, b"" if status == 204 else b"no")) as (url, seen):
        result = check(f"{url}/mcp")
    assert result["status"] == "critical" and f"server/discover: HTTP {status}" in result["evidence"]
    assert len(seen) == 1
    assert result["next_step"] == f"curl -i {url}/health"


def test_an_endpoint_that_is_not_mcp_is_critical() -> None:
    with serving(lambda _request: Answer(404, b"<html>not here</html>")) as (url, _seen):
        result = check(f"{url}/mcp")
    assert result["status"] == "critical" and "initialize: HTTP 404 <html>not here</html>" in result["evidence"]
    with serving(lambda _request: Answer(200, {"hello": "world"})) as (url, _seen):
        result = check(f"{url}/mcp")
    assert result["status"] == "critical" and 'server/discover: HTTP 200 {"hello": "world"}' in result["evidence"]


def challenge(_request: Request) -> Answer:
    return Answer(401, {"message": "Unauthorized"}, {"WWW-Authenticate": 'Bearer resource_metadata="https://m"'})


def test_401_without_a_token_is_unknown_and_with_one_critical(tmp_path: Path) -> None:
    file = tmp_path / "token.json"
    file.write_text('{"access_token": "very-secret"}')
    with serving(challenge) as (url, seen):
        without = check(f"{url}/mcp")
        with_token = check(f"{url}/mcp", token_file=str(file))
    assert without["status"] == "unknown" and "no token_file is given" in without["evidence"]
    assert with_token["status"] == "critical" and "is refused" in with_token["evidence"]
    assert 'resource_metadata="https://m"' in with_token["evidence"]
    assert {without["next_step"], with_token["next_step"]} == {
        "ansible-playbook playbooks/token.yml -i INVENTORY --limit testing"
    }
    assert [request.headers.get("authorization") for request in seen] == [None, "Bearer very-secret"]
    assert "very-secret" not in json.dumps(with_token)


@pytest.mark.parametrize(
    ("replies", "status", "words"),
    [
        ({"tools/call": {"isError": True, "content": [{"text": "no such\ntable"}]}}, "critical", "no such table"),
        ({"tools/call": {"isError": True, "content": []}}, "critical", "the tool failed: {"),
        ({"tools/call": {"resultType": "input_required", "inputRequests": {}}}, "unknown", "asks its caller for input"),
        ({"tools/call": lambda r: rpc_error(r, -32602, 400)}, "critical", "tools/call: JSON-RPC error -32602: no"),
        ({"tools/list": lambda r: rpc_error(r, -32603, 200)}, "critical", "tools/list: JSON-RPC error -32603: no"),
        ({"tools/list": {"tools": None}}, "critical", "no list of tools"),
        ({"tools/list": lambda _r: Answer(200, b'{"jsonrpc": "2.0", "id": 99, "result": {}}')}, "critical", "HTTP 200"),
    ],
)
def test_a_failing_step(replies: dict[str, t.Any], status: str, words: str) -> None:
    with serving(modern(**replies)) as (url, _seen):
        result = check(f"{url}/mcp", tool="look")
    assert result["status"] == status and words in result["evidence"]
    assert result["latency_ms"] is None


def test_a_failure_among_the_samples_is_not_averaged_away() -> None:
    answers: t.Iterator[dict[str, t.Any]] = iter([FINE, FINE, {"isError": True, "content": [{"text": "third"}]}])
    with serving(modern(**{"tools/call": lambda r: rpc_result(r, next(answers))})) as (url, _seen):
        result = check(f"{url}/mcp", tool="look", samples=3)
    assert result["status"] == "critical" and "third" in result["evidence"]


def test_nobody_there() -> None:
    result = check(f"http://127.0.0.1:{closed_port()}/mcp")
    assert result["status"] == "critical" and "nobody accepts connections" in result["evidence"]
    assert result["latency_ms"] is None


def test_a_session_is_ended_after_a_failure_too() -> None:
    def failing(request: Request) -> Answer:
        if request.method == "POST" and request.rpc["method"] == "tools/list":
            return Answer(500)
        return handshake(OLD_ANSWERS["plain 400"])(request)

    with serving(failing) as (url, seen):
        result = check(f"{url}/mcp")
    assert result["status"] == "critical" and methods(seen)[-2:] == ["tools/list", "DELETE"]
