# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""processes: what a plan says of each program, and what is read of configurations, logs and answers."""

from __future__ import annotations

import http.server
import socket
import threading
import typing as t
from pathlib import Path

import pytest
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import processes, supervisor
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import Context, McpError

CONFIG = """
; a comment
[supervisord]
logfile=%(here)s/log

[program:redis]
command=valkey-server 100%%
environment=MCP_READS="abc"
; a comment in a program
priority=1
"""
REDIS = {"command": "valkey-server 100%%", "environment": 'MCP_READS="abc"', "priority": "1"}
RUNS = {"redis": {"statename": "RUNNING"}}


def test_programs_of_a_configuration() -> None:
    assert supervisor.programs_in(CONFIG) == {"redis": REDIS}


def test_broken_configuration_is_one_error() -> None:
    with pytest.raises(McpError, match=r"supervisord.conf cannot be read"):
        supervisor.programs_in("command=nothing")


@pytest.mark.parametrize(
    ("wanted", "applied", "running", "action", "why"),
    [
        (REDIS, None, {}, "create", "it is not there"),
        (REDIS, REDIS, RUNS, "none", ""),
        (REDIS, REDIS, {}, "start", "nothing is running"),
        (REDIS, REDIS, {"redis": {"statename": "FATAL"}}, "start", "it is failed"),
        # supervisord is at it already
        (REDIS, REDIS, {"redis": {"statename": "BACKOFF"}}, "none", ""),
        ({**REDIS, "command": "x"}, REDIS, RUNS, "update", "changed: command"),
        ({**REDIS, "environment": "x"}, REDIS, RUNS, "update", "changed: its files"),
        (None, REDIS, RUNS, "remove", "it is not part of the environment any more"),
    ],
)
def test_plan(
    wanted: dict[str, str] | None, applied: dict[str, str] | None, running: dict[str, t.Any], action: str, why: str
) -> None:
    named = [{"redis": value} if value else {} for value in (wanted, applied)]
    assert processes.plan(*named, running) == [{"service": "redis", "action": action, "why": why}]


def test_plan_without_anything_running_touches_nothing(tmp_path: Path) -> None:
    """A look before the first deploy: no folder, no supervisord, nobody to ask."""
    params: dict[str, t.Any] = {"directory": str(tmp_path / "none"), "config": CONFIG, "services": None, "probes": {}}
    params["state"] = "planned"
    result = processes.run(Context(params, lambda _service, _region: pytest.fail("asked AWS"), diff_mode=True))
    assert result["changed"] is False
    assert result["actions"] == [{"service": "redis", "action": "create", "why": "it is not there"}]
    assert result["diff"]["after"] == "redis: create, it is not there\n"
    assert list(tmp_path.iterdir()) == []


def test_crashes_are_counted_and_orderly_ends_are_not(tmp_path: Path) -> None:
    log = tmp_path / "supervisord.log"
    log.write_text(
        "2026-11-23 02:19:53,466 INFO success: server entered RUNNING state\n"
        "2026-11-23 02:20:00,000 WARN exited: server (terminated by SIGKILL; not expected)\n"
        "2026-11-23 02:21:00,000 WARN exited: server (exit status 1; not expected)\n"
        "2026-11-23 02:22:00,000 WARN stopped: redis (terminated by SIGTERM)\n"
        "2026-11-23 02:22:00,000 WARN exited: redis-exporter (exit status 2; not expected)\n",
        encoding="utf-8",
    )
    assert processes.crashes(log) == {"server": 2, "redis-exporter": 1}
    assert processes.crashes(tmp_path / "none") == {}


def test_end_of_log_is_short(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "s3.log").write_text("\n".join(f"line {number} {'x' * 900}" for number in range(50)))
    lines = processes.end_of_log(tmp_path, "s3").splitlines()
    assert len(lines) == processes.LOG_LINES and lines[-1].startswith("line 49 ") and len(lines[-1]) == 300
    assert processes.end_of_log(tmp_path, "none") == "there is no log"


@pytest.fixture
def page() -> t.Iterator[int]:
    """A web server that answers /good with 200 and everything else with 503."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/good" else 503)
            self.end_headers()

        def log_message(self, *_arguments: t.Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def test_probes(page: int) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        assert "refused" in processes.problem_of(closed.getsockname()[1])
        assert "refused" in processes.problem_of({"url": f"http://127.0.0.1:{closed.getsockname()[1]}/"})
    assert processes.problem_of(page) == ""
    assert processes.problem_of({"url": f"http://127.0.0.1:{page}/good"}) == ""
    assert processes.problem_of({"url": f"http://127.0.0.1:{page}/"}) == "HTTP 503"
    assert processes.problem_of({"command": ["true"]}) == ""
    assert processes.problem_of({"command": ["sh", "-c", "echo not yet; exit 2"]}) == "not yet"
    assert "No such file" in processes.problem_of({"command": ["/no/such/program"]})


def test_supervisord_that_cannot_start_says_why(tmp_path: Path) -> None:
    (tmp_path / "supervisord.conf").write_text("[supervisord]\nlogfile=/no/such/folder/log\n", encoding="utf-8")
    command = tmp_path / "supervisord"
    command.write_text("#!/bin/sh\necho 'Error: the directory does not exist' >&2\nexit 2\n", encoding="utf-8")
    command.chmod(0o700)
    with pytest.raises(McpError, match=r"supervisord does not start: Error: the directory does not exist"):
        supervisor.Supervisor(tmp_path).start(str(command))
