# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers that drip, nest without end or ask for secrets in a URL, and settings that are wrong: none blinds a look."""

from __future__ import annotations

import contextlib
import gc
import json
import socket
import threading
import time
import typing as t
import weakref
from pathlib import Path

import pytest
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import (
    health,
    health_kinds,
    http_pool,
    http_probe,
    lambda_probe,
    mcp_probe,
    time_limit,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import health_run_all as engine
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import McpError
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_kind import Finding, Look, Observation
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_options import checked

from tests.unit.plugins.broken_servers import SECONDS, Authority, hang, leave, listening
from tests.unit.plugins.loopback import Answer, check, context, serving

DEEP = b"[" * 100000


def dripping(begin: bytes, piece: bytes, pause: float = 0.05) -> t.Callable[[socket.socket, threading.Event], None]:
    """Return a server that answers piece by piece and never ends."""

    def serve(connection: socket.socket, over: threading.Event) -> None:
        connection.recv(65536)
        connection.sendall(begin)
        while not over.wait(pause):
            connection.sendall(piece)

    return serve


LINES = dripping(b"HTTP/1.1 200 OK\r\n", b"X-Y: z\r\n")
LONG_LINE = dripping(b"HTTP/1.1 200 OK\r\nX-Y: ", b"z")
STATUS_LINE = dripping(b"HTTP/1.1 ", b"2")
BODY = dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 999999\r\n\r\n", b"x")
SLOW_BODY = dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 999999\r\n\r\n", b"x", pause=0.4)


@pytest.mark.parametrize("kind", ["http", "mcp"])
@pytest.mark.parametrize("serve", [LINES, LONG_LINE, STATUS_LINE, BODY, SLOW_BODY])
def test_a_server_that_drips_does_not_outlive_the_timeout(kind: str, serve: t.Any) -> None:
    with listening(serve) as port:
        began = time.monotonic()
        result = check(f"http://127.0.0.1:{port}/", kind=kind, timeout=0.5)
        assert time.monotonic() - began < SECONDS
    assert result["status"] == "critical" and "no complete answer within 0.5 s" in result["evidence"]


def test_a_server_that_drips_over_tls_does_not_outlive_the_timeout(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    tls = authority.context()

    def serve(connection: socket.socket, over: threading.Event) -> None:
        with tls.wrap_socket(connection, server_side=True) as secure:
            LINES(secure, over)

    with listening(serve) as port:
        began = time.monotonic()
        result = check(f"https://127.0.0.1:{port}/", kind="http", timeout=0.5, ca_file=str(authority.file))
        assert time.monotonic() - began < SECONDS
    assert result["status"] == "critical" and "no complete answer within 0.5 s" in result["evidence"]


def test_a_server_that_drips_on_a_kept_connection_does_not_outlive_the_timeout() -> None:
    def serve(connection: socket.socket, over: threading.Event) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        LINES(connection, over)

    with listening(serve) as port:
        began = time.monotonic()
        result = check(f"http://127.0.0.1:{port}/", kind="http", timeout=0.5, samples=2)
        assert time.monotonic() - began < SECONDS
    assert result["status"] == "critical" and "no complete answer within 0.5 s" in result["evidence"]


def test_the_deadline_of_attempts_is_kept_by_a_dripping_server() -> None:
    with listening(LINES) as port:
        probe = {"name": "it", "kind": "http", "url": f"http://127.0.0.1:{port}/", "timeout": 0.4, "attempts": 2}
        began = time.monotonic()
        (result,) = health.run(context({**probe, "delay": 0}, deadline=8))["results"]
        assert time.monotonic() - began < SECONDS
    assert result["status"] == "critical"


@pytest.mark.parametrize("kind", ["postgres", "redis"])
@pytest.mark.parametrize("serve", [dripping(b"+", b"O"), dripping(b"+OK\r\n" * 9 + b"$99999\r\n", b"O"), hang])
def test_a_database_that_drips_does_not_outlive_the_timeout(kind: str, serve: t.Any) -> None:
    with listening(serve) as port:
        probe = {"name": "it", "kind": kind, "host": "127.0.0.1", "port": port, "timeout": 0.5, "samples": 3}
        began = time.monotonic()
        (result,) = health.run(context(probe))["results"]
        assert time.monotonic() - began < SECONDS
    assert result["status"] == "critical", result["evidence"]


def test_the_timeout_of_redis_is_of_each_request() -> None:
    def serve(connection: socket.socket, over: threading.Event) -> None:
        while data := connection.recv(65536):
            over.wait(0.3 if b"PING" in data else 0)
            connection.sendall(b"+PONG\r\n" if b"PING" in data else b"-NOPERM no\r\n" * data.count(b"*"))

    with listening(serve) as port:
        probe = {"name": "it", "kind": "redis", "host": "127.0.0.1", "port": port, "timeout": 0.9, "samples": 4}
        (result,) = health.run(context(probe))["results"]
    assert result["status"] == "healthy", result["evidence"]


def test_a_limit_is_about_its_own_request_and_one_thread_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[threading.Thread] = []
    start = threading.Thread.start

    def counted(thread: threading.Thread) -> None:
        started.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", counted)
    limits = time_limit.Limits()
    with contextlib.ExitStack() as stack:
        pairs = [socket.socketpair() for _number in range(50)]
        for pair in pairs:
            for end in pair:
                stack.enter_context(end)
        for ours, _theirs in pairs:
            limit = time_limit.Limit(limits)
            with limit.request(2):
                limit.watch(ours)
        assert len(started) == 1
        limit = time_limit.Limit(limits)
        with pytest.raises(TimeoutError), limit.request(0.05):  # shorter than what the thread waits for
            limit.watch(pairs[0][0])
            assert pairs[0][0].recv(1) == b""
        assert len(started) == 1
        started[0].join(10)
        assert not started[0].is_alive(), "the thread stays although nobody waits"
        assert all(ours.send(b"x") == 1 for ours, _theirs in pairs[1:]), "what ended in time was cut"


def test_what_has_ended_is_not_held_until_its_time_is_over() -> None:
    limits = time_limit.Limits()
    limit = time_limit.Limit(limits)
    with limit.request(60):
        pass
    gone = weakref.ref(limit)
    del limit
    gc.collect()
    assert gone() is None


def test_a_connection_that_is_made_too_late_is_cut_at_once() -> None:
    limit = time_limit.Limit(time_limit.Limits())
    ours, theirs = socket.socketpair()
    with ours, theirs, pytest.raises(TimeoutError), limit.request(0.01):
        time.sleep(0.1)
        limit.watch(ours)
        assert ours.recv(1) == b""


def test_the_repeated_get_has_what_is_left_of_the_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    from urllib3.exceptions import ProtocolError

    asked: list[float] = []

    class Manager:
        def request(self, _method: str, _url: str, timeout: t.Any, **_options: t.Any) -> t.Any:
            asked.append(timeout.total)
            if len(asked) == 1:
                time.sleep(0.2)
                raise ProtocolError("closed")
            return "answer"

    limit = time_limit.Limit(time_limit.Limits())
    assert http_pool.ask(Manager(), limit, "GET", "http://127.0.0.1/", 1.0) == "answer"
    assert asked[0] <= 1.0 and asked[1] <= 0.8


# Whatever a server answers


def test_stacks_are_large_enough_for_the_deepest_json() -> None:
    assert engine.STACK_BYTES >= 4 * 1024 * 1024


def test_threads_that_the_machine_does_not_give_are_done_without(monkeypatch: pytest.MonkeyPatch) -> None:
    start = threading.Thread.start
    started: list[threading.Thread] = []

    def few(self: threading.Thread) -> None:
        if len(started) >= 2:
            raise RuntimeError("can't start new thread")
        started.append(self)
        start(self)

    monkeypatch.setattr(threading.Thread, "start", few)
    jobs = [lambda number=number: number for number in range(40)]
    assert engine.run_all(jobs, engine.Clock(10), lambda _n: -1, lambda _n, _e: -1) == list(range(40))
    started[1:] = [threading.Thread()]  # not even one beside the one that starts them
    started[:1] = []
    assert engine.run_all(jobs, engine.Clock(10), lambda _n: -1, lambda _n, _e: -1) == list(range(40))


@pytest.mark.parametrize("body", [DEEP, b"[" * 500 + b"]" * 500, b'{"a":' * 500 + b"1" + b"}" * 500])
def test_json_that_is_nested_without_end_is_bad_json(body: bytes) -> None:
    with serving(lambda _request: Answer(body=body)) as (url, _seen):
        http = check(url, kind="http", expect_json={"status": "ok"}, return_json=True)
        plain = check(url, kind="http", return_json=True)
        mcp = check(url, kind="mcp")
    assert http["status"] == "critical" and "(expected JSON)" in http["evidence"] and http["json"] is None
    assert plain["status"] == "healthy" and plain["json"] is None
    assert mcp["status"] == "critical", mcp["evidence"]


def test_a_prometheus_that_nests_without_end_is_critical() -> None:
    with serving(lambda _request: Answer(body=DEEP)) as (url, _seen):
        (result,) = health.run(context({"name": "it", "kind": "prometheus", "url": url}))["results"]
    assert result["status"] == "critical" and "no list of activeTargets" in result["evidence"]


def test_every_answer_is_read_by_one_helper() -> None:
    with pytest.raises(ValueError, match="nested too deeply"):
        http_probe.parse_json(DEEP)
    assert http_probe.parse_json(b'{"a": [1, {"b": 2}]}') == {"a": [1, {"b": 2}]}
    assert mcp_probe.find_message(DEEP, 1, False) is None
    with pytest.raises(ValueError, match="nested too deeply"):
        lambda_probe.proxy_reply(DEEP, 1.0)


# What is not offered


@pytest.mark.parametrize("finding", [True, False])
def test_an_optional_check_that_is_not_offered_has_no_result(monkeypatch: pytest.MonkeyPatch, finding: bool) -> None:
    import dataclasses

    def look(_look: Look) -> Observation:
        if finding:
            raise Finding("unknown", "needs a plan", not_offered=True)
        return Observation("unknown", "needs a plan", not_offered=True)

    kind = dataclasses.replace(health_kinds.KINDS["tcp"], look=look)
    monkeypatch.setitem(health_kinds.KINDS, "tcp", kind)
    probe = {"kind": "tcp", "host": "127.0.0.1", "port": 1, "attempts": 2, "delay": 0}
    with serving(lambda _request: Answer()) as (url, _seen):
        good = {"name": "good", "kind": "http", "url": url, "optional": True}
        outcome = health.run(context({"name": "a", **probe, "optional": True}, good, {"name": "b", **probe}))
        alone = health.run(context({"name": "a", **probe, "optional": True}))
    assert [(result["check"], result["status"]) for result in outcome["results"]] == [
        ("good", "healthy"),
        ("b", "unknown"),
    ]
    assert outcome["status"] == "unknown" and alone["results"] == []


# Settings that are wrong


@pytest.mark.parametrize("deadline", [0, -1, float("nan"), float("inf"), "soon", [1], True])
def test_a_wrong_deadline_is_one_unknown_result_and_all_probes_run(deadline: t.Any) -> None:
    with serving(lambda _request: Answer()) as (url, _seen), pytest.raises(McpError) as failure:
        health.run(context({"name": "it", "kind": "http", "url": url}, deadline=deadline))
    good, wrong = failure.value.details["results"]
    assert good["status"] == "healthy" and failure.value.details["status"] == "unknown"
    assert (wrong["check"], wrong["kind"], wrong["status"]) == ("deadline", "deadline", "unknown")
    assert f"deadline={deadline!r} is not a number of seconds above 0" in wrong["evidence"]
    assert wrong["next_step"] and failure.value.message.startswith(wrong["evidence"])


def test_a_wrong_threshold_leaves_the_default_and_the_right_ones_hold() -> None:
    limits = {"own_p95_ms": {"warning": 0}, "own_p95": {"warning": 1}, "throttles": {"warning": "x"}}
    with serving(lambda _request: Answer()) as (url, _seen), pytest.raises(McpError) as failure:
        health.run(context({"name": "it", "kind": "http", "url": url}, thresholds=limits, deadline=-1))
    seen, *wrong = failure.value.details["results"]
    assert seen["status"] == "warning" and seen["evidence"].endswith("over own_p95_ms.warning=0")
    assert [result["check"] for result in wrong] == ["thresholds", "deadline"]
    assert "thresholds.own_p95 is unknown. Did you mean own_p95_ms?" in wrong[0]["evidence"]
    assert "thresholds.throttles.warning='x' is not a number" in wrong[0]["evidence"]
    assert "run the same command again" in failure.value.message


@pytest.mark.parametrize("given", ["own_p95_ms", [1], 5])
def test_thresholds_that_are_no_dictionary_blind_nothing(given: t.Any) -> None:
    with serving(lambda _request: Answer()) as (url, _seen), pytest.raises(McpError) as failure:
        health.run(context({"name": "it", "kind": "http", "url": url}, thresholds=given))
    good, wrong = failure.value.details["results"]
    assert good["status"] == "healthy" and f"thresholds={given!r} is not a dictionary" in wrong["evidence"]


def test_a_deadline_that_a_template_made_a_text_is_taken() -> None:
    with listening(hang) as port:
        (result,) = health.run(context({"name": "it", "kind": "tls", "host": "127.0.0.1", "port": port}, deadline="1"))[
            "results"
        ]
    assert result["status"] == "unknown" and "within the deadline of 1 s" in result["evidence"]


# URLs, commands and words


@pytest.mark.parametrize("line", [b"+OK\r\n", b":1\r\n", b"*0\r\n", b"$-1\r\n"])
def test_what_is_no_redis_is_critical(line: bytes) -> None:
    def serve(connection: socket.socket, _over: threading.Event) -> None:
        while data := connection.recv(65536):
            connection.sendall(line * data.count(b"*"))

    with listening(serve) as port:
        (result,) = health.run(context({"name": "it", "kind": "redis", "host": "127.0.0.1", "port": port}))["results"]
    assert result["status"] == "critical" and "does not answer as Redis does" in result["evidence"]


@pytest.mark.parametrize("kind", ["mcp", "http", "prometheus"])
@pytest.mark.parametrize("who", ["user:pass-word", "pass-word", ":pass-word"])
def test_a_url_with_a_password_is_refused_and_not_told(kind: str, who: str) -> None:
    _probe, wrong = checked({"name": "it", "kind": kind, "url": f"https://{who}@example.com/mcp?key=pass-word"})
    assert wrong and "url=https://example.com/mcp holds a user or a password" in wrong and "token_file" in wrong
    assert "pass-word" not in wrong


HOSTILE = "x$(touch /tmp/x)`id`;'y"
QUOTED = "'x$(touch /tmp/x)`id`;'\"'\"'y'"


@pytest.mark.parametrize(
    ("given", "command"),
    [
        ({"kind": "tcp", "host": HOSTILE, "port": 1}, f"nc -vz {QUOTED} 1"),
        ({"kind": "redis", "host": HOSTILE, "port": 1}, f"redis-cli -h {QUOTED} -p 1 --askpass ping"),
        (
            {"kind": "postgres", "host": HOSTILE, "port": 1, "user": HOSTILE, "database": HOSTILE},
            f"psql -h {QUOTED} -p 1 -U {QUOTED} -d {QUOTED} -c 'SELECT 1'",
        ),
        ({"kind": "http", "url": "http://127.0.0.1:1/a;b"}, "curl -i 'http://127.0.0.1:1/a;b'"),
        ({"kind": "mcp", "url": "http://a;b:1/mcp"}, "curl -i 'http://a;b:1/health'"),
        ({"kind": "prometheus", "url": "http://127.0.0.1:1/$(id)"}, "curl -s 'http://127.0.0.1:1/$(id)/api/v1/alerts'"),
        (
            {"kind": "mcp", "lambda": {"function_name": HOSTILE, "host": "h"}},
            "aws logs tail '/aws/lambda/x$(touch /tmp/x)`id`;'\"'\"'y' --since 15m",
        ),
    ],
)
def test_commands_can_be_typed_as_they_are(given: dict[str, t.Any], command: str) -> None:
    probe, _wrong = checked({"name": "it", **given})
    assert health_kinds.KINDS[probe["kind"]].step(probe) == command


def test_the_command_of_tls_is_quoted() -> None:
    probe, _wrong = checked({"name": "it", "kind": "tls", "host": HOSTILE, "port": 1})
    step = health_kinds.KINDS["tls"].step(probe)
    assert step.endswith(f"-servername {QUOTED}") and "connect 'x$(touch" in step


def test_commands_of_findings_are_quoted() -> None:
    result = check("http://127.0.0.1:1/$(id)", kind="http")
    assert result["next_step"].endswith("'http://127.0.0.1:1/$(id)'")
    with serving(lambda _request: Answer(500)) as (url, _seen):
        wrong = check(f"{url}/$(id)", kind="http")
    assert wrong["next_step"] == f"curl -i '{url}/$(id)'"
    missing = check(url, kind="http", ca_file="/nowhere/$(id)")
    https = check(url.replace("http:", "https:"), kind="http", ca_file="/nowhere/$(id)")
    assert missing["status"] == "critical" and https["next_step"] == "ls -l '/nowhere/$(id)'"


def test_a_handshake_that_the_server_breaks_off_is_not_told_as_an_old_protocol() -> None:
    with listening(leave) as port:
        (result,) = health.run(context({"name": "it", "kind": "tls", "host": "127.0.0.1", "port": port}))["results"]
    assert result["status"] == "critical" and "closed the connection during the handshake" in result["evidence"]


def test_a_redis_user_that_may_not_name_itself_is_not_critical(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("pass-word\n")
    asked: list[bytes] = []

    def serve(connection: socket.socket, _over: threading.Event) -> None:
        while data := connection.recv(65536):
            asked.append(data)
            for command in data.split(b"*")[1:]:
                refused = b"CLIENT" in command or b"INFO" in command
                good = b"+PONG\r\n" if b"PING" in command else b"+OK\r\n"
                connection.sendall(b"-NOPERM this user has no permissions\r\n" if refused else good)

    with listening(serve) as port:
        probe = {"name": "it", "kind": "redis", "host": "127.0.0.1", "port": port, "password_file": str(file)}
        (result,) = health.run(context(probe))["results"]
    assert b"SETNAME" not in b"".join(asked)
    assert result["status"] == "healthy" and "memory not readable" in result["evidence"], result["evidence"]


def test_a_wrong_password_of_a_password_file_is_critical(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("pass-word\n")

    def serve(connection: socket.socket, _over: threading.Event) -> None:
        while data := connection.recv(65536):
            connection.sendall(b"-WRONGPASS invalid username-password pair\r\n" * data.count(b"*"))

    with listening(serve) as port:
        probe = {"name": "it", "kind": "redis", "host": "127.0.0.1", "port": port, "password_file": str(file)}
        (result,) = health.run(context(probe))["results"]
    assert result["status"] == "critical" and "pass-word" not in json.dumps(result)


def test_a_result_that_cannot_be_made_tells_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import health_watch

    def fails(*_arguments: t.Any) -> t.Any:
        raise RuntimeError("Bearer abcdefghijklmnopqrstuvwx01")

    monkeypatch.setattr(health_watch, "result_of", fails)
    (result,) = health.run(context({"name": "it", "kind": "tcp", "host": "127.0.0.1", "port": 1}))["results"]
    assert result["status"] == "unknown" and "RuntimeError" in result["evidence"]
    assert "abcdefghij" not in json.dumps(result)
