# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kinds postgres, redis and prometheus without their servers; real ones are asked in tests/integration."""

from __future__ import annotations

import json
import socket
import sys
import threading
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import health

from tests.unit.plugins.broken_servers import hang, leave, listening
from tests.unit.plugins.loopback import Answer, Request, context, serving

TARGETS = [
    {"labels": {"job": "server", "instance": "s:1"}, "health": "up", "lastError": ""},
    {"labels": {"job": "redis", "instance": "r:1"}, "health": "down", "lastError": "connection refused"},
    {"labels": {"job": "new", "instance": "n:1"}, "health": "unknown", "lastError": ""},
]


def alert(name: str, severity: str, state: str = "firing", at: str = "2026-11-22T03:14:15.123Z") -> dict[str, t.Any]:
    return {"labels": {"alertname": name, "severity": severity}, "state": state, "activeAt": at}


def prometheus(targets: t.Any = TARGETS[:1], alerts: t.Any = (), ready: int = 200) -> t.Callable[[Request], Answer]:
    """Return what answers as Prometheus does."""

    def answer(request: Request) -> Answer:
        if request.path == "/-/ready":
            return Answer(ready, b"Prometheus Server is Ready.\n")
        name, entries = ("activeTargets", targets) if "targets" in request.path else ("alerts", list(alerts))
        return Answer(body={"status": "success", "data": {name: entries}})

    return answer


def ask(answer: t.Callable[[Request], Answer], **options: t.Any) -> dict[str, t.Any]:
    with serving(answer) as (url, _seen):
        (result,) = health.run(context({"name": "it", "kind": "prometheus", "url": f"{url}/", **options}))["results"]
    return result


def test_a_prometheus_in_order_is_healthy() -> None:
    result = ask(prometheus(alerts=[alert("Watchdog", "none"), alert("Slow", "critical", "pending")]), samples=3)
    assert result["status"] == "healthy" and "ready, 1 targets, all up, no alert fires; p95 " in result["evidence"]
    assert result["evidence"].endswith(" of 2")


@pytest.mark.parametrize(
    ("targets", "jobs", "status", "words"),
    [
        (TARGETS[:2], [], "warning", "target redis (r:1) is down: connection refused"),
        (TARGETS[:2], ["server"], "healthy", "all up"),
        (TARGETS[:1], ["server", "redis"], "warning", "no target of job redis"),
        (TARGETS[::2], [], "unknown", "target new (n:1) is unknown: not asked yet"),
        ([], [], "unknown", "it watches nothing"),
    ],
)
def test_targets_that_are_not_up_are_named(targets: t.Any, jobs: list[str], status: str, words: str) -> None:
    result = ask(prometheus(targets), jobs=jobs)
    assert result["status"] == status and words in result["evidence"], result["evidence"]


def test_alerts_that_fire_are_named_the_worst_first_with_their_time() -> None:
    alerts = [alert("Full", "warning", at="2026-11-22T01:00:00Z"), alert("Down", "critical"), alert("Odd", "page")]
    result = ask(prometheus(alerts=alerts))
    assert result["status"] == "critical" and result["since"] == "2026-11-22T01:00:00Z"
    assert ": alert Down fires (critical); alert Full fires (warning); alert Odd fires (page)" in result["evidence"]
    assert result["next_step"].endswith("/api/v1/alerts")
    assert ask(prometheus(alerts=alerts[:1]))["status"] == "warning"
    many = ask(prometheus(alerts=[alert(f"A{number}", "warning") for number in range(9)]))
    assert "; and 4 more" in many["evidence"]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (prometheus(ready=503), "HTTP 503"),
        (prometheus(targets=None), "no list of activeTargets in"),
        (lambda _request: Answer(body=b"<html>"), "no list of activeTargets in <html>"),
    ],
)
def test_what_is_no_prometheus_is_critical(answer: t.Any, words: str) -> None:
    result = ask(answer)
    assert result["status"] == "critical" and words in result["evidence"]


def probe(kind: str, port: int = 1, **options: t.Any) -> dict[str, t.Any]:
    ctx = context({"name": "it", "kind": kind, "host": "127.0.0.1", "port": port, **options})
    (result,) = health.run(ctx)["results"]
    return result


@pytest.mark.parametrize(
    ("kind", "package", "command"),
    [("postgres", "psycopg", "pip install 'psycopg[binary]'"), ("redis", "redis", "pip install redis")],
)
def test_a_missing_package_is_unknown_with_the_command(
    monkeypatch: pytest.MonkeyPatch, kind: str, package: str, command: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    result = probe(kind)
    assert result["status"] == "unknown" and f"the Python package {package} is missing" in result["evidence"]
    assert result["next_step"] == command


@pytest.mark.parametrize("kind", ["postgres", "redis"])
def test_nobody_there_is_critical(kind: str) -> None:
    result = probe(kind)
    assert result["status"] == "critical" and "refused" in result["evidence"].lower()
    assert result["latency_ms"] is None and result["next_step"]


@pytest.mark.parametrize("kind", ["postgres", "redis"])
@pytest.mark.parametrize("serve", [hang, leave])
def test_a_server_that_says_nothing_is_critical_in_time(kind: str, serve: t.Any) -> None:
    with listening(serve) as port:
        began = time.monotonic()
        result = probe(kind, port, timeout=0.5)
        assert time.monotonic() - began < 4  # libpq counts whole seconds, at least two
    assert result["status"] == "critical", result["evidence"]


@pytest.mark.parametrize("kind", ["postgres", "redis"])
def test_a_password_file_that_cannot_be_read_is_unknown(tmp_path: Path, kind: str) -> None:
    result = probe(kind, password_file=str(tmp_path / "none"))
    assert result["status"] == "unknown" and "No such file or directory" in result["evidence"]
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    result = probe(kind, password_file=str(tmp_path / "binary"))
    assert result["status"] == "unknown" and "not a text file" in result["evidence"]


def redis_saying(line: bytes) -> t.Callable[[socket.socket, threading.Event], None]:
    """Return a server that answers every command with one line."""

    def serve(connection: socket.socket, _over: threading.Event) -> None:
        while data := connection.recv(65536):
            connection.sendall(line * data.count(b"*"))

    return serve


@pytest.mark.parametrize(
    ("line", "status", "words"),
    [
        (b"-LOADING Redis is loading the dataset in memory\r\n", "critical", "loads its data"),
        (b"-NOAUTH Authentication required.\r\n", "unknown", "no password_file is given"),
        (b"-ERR you sent pass-word\r\n", "critical", ""),
        (b"HTTP/1.1 400 Bad Request\r\n", "critical", ""),
    ],
)
def test_what_a_redis_says_is_judged(tmp_path: Path, line: bytes, status: str, words: str) -> None:
    file = tmp_path / "password"
    file.write_text("pass-word\n")
    given = {} if b"NOAUTH" in line else {"password_file": str(file)}
    with listening(redis_saying(line)) as port:
        result = probe("redis", port, timeout=2, **given)
    assert result["status"] == status and words in result["evidence"], result["evidence"]
    assert "pass-word" not in json.dumps(result)
