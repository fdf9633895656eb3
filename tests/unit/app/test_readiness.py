# SPDX-License-Identifier: MIT
"""Checks of what the server depends on: side by side, each within its own time, none started twice."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Mapping
from typing import Any

import pytest
from pratiko_mcp import runtime
from pratiko_mcp.readiness import Check, Degraded, Readiness
from pratiko_mcp.runtime import create_app

from tests.unit.app.served import MODERN, ask, bearer, headers_of, request, serve_calls, settings


def report(checks: Mapping[str, Check], seconds: float = 2.0) -> dict[str, Any]:
    return asyncio.run(Readiness(checks, seconds).report())


def raising(error: Exception) -> Check:
    def check() -> None:
        raise error

    return check


async def coroutine() -> str:
    return "up"


async def failing_coroutine() -> None:
    raise TimeoutError("no connection")


def test_nothing_to_ask_is_ready() -> None:
    assert report({}) == {"status": "ready", "checks": []}


def test_every_dependency_is_named() -> None:
    result = report({"a": lambda: False, "b": coroutine, "c": raising(OSError("gone")), "d": failing_coroutine})
    assert result["status"] == "not_ready"
    assert [(check["name"], check["status"], check["reason"]) for check in result["checks"]] == [
        ("a", "healthy", ""),
        ("b", "healthy", ""),
        ("c", "critical", "OSError: gone"),
        ("d", "critical", "TimeoutError: no connection"),
    ]
    assert all(0 <= check["latency_ms"] < 1000 for check in result["checks"])


def test_a_dependency_that_can_be_done_without() -> None:
    result = report({"store": coroutine, "cache": raising(Degraded("reads come from the store"))})
    assert result["status"] == "ready"
    assert [(check["status"], check["reason"]) for check in result["checks"]] == [
        ("healthy", ""),
        ("degraded", "reads come from the store"),
    ]
    assert report({"a": raising(Degraded("x")), "b": raising(OSError("gone"))})["status"] == "not_ready"


def test_a_reason_shows_no_secret_and_has_a_bounded_length() -> None:
    secret = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9"
    result = report({"a": raising(ValueError(f"Authorization: Bearer {secret} " + "x" * 1000))})
    reason = result["checks"][0]["reason"]
    assert secret not in reason
    assert len(reason) < 250


def test_checks_run_side_by_side_within_their_own_time() -> None:
    released = threading.Event()
    started = time.monotonic()
    result = report({"slow": lambda: released.wait(10), "other": lambda: released.wait(10), "fast": coroutine}, 0.2)
    assert time.monotonic() - started < 2
    released.set()
    assert [check["reason"] for check in result["checks"]] == ["no answer within 0.2 s", "no answer within 0.2 s", ""]


def test_a_check_that_hangs_is_not_started_again() -> None:
    released, started = threading.Event(), []

    def hanging() -> None:
        started.append(1)
        released.wait(10)

    async def ask_three_times() -> list[str]:
        readiness = Readiness({"a": hanging}, 0.05)
        reports = [await readiness.report(), await readiness.report()]
        released.set()
        await asyncio.sleep(0.1)
        reports.append(await readiness.report())
        return [found["status"] for found in reports]

    assert asyncio.run(ask_three_times()) == ["not_ready", "not_ready", "ready"]
    assert len(started) == 2


def test_callers_at_the_same_time_share_one_round() -> None:
    rounds = []

    async def check() -> None:
        rounds.append(1)
        await asyncio.sleep(0.05)

    async def ask_at_once() -> None:
        readiness = Readiness({"a": check})
        await asyncio.gather(*(readiness.report() for _ in range(20)))

    asyncio.run(ask_at_once())
    assert rounds == [1]


@pytest.fixture
def app(users_server: Any) -> runtime.Runtime:
    users_server.READY_CHECKS = {"database": raising(ConnectionError("refused"))}
    return create_app(settings(MCP_ENTRYPOINT="users_server:app"))


def test_ready_names_what_is_away(app: runtime.Runtime) -> None:
    reply = ask(app, "GET", "/ready")
    assert (reply.status, reply.json["status"], reply.json["release"]) == (503, "not_ready", "r1")
    assert [check["name"] for check in reply.json["checks"]] == ["database"]
    assert reply.headers["cache-control"] == "no-store"
    head = ask(app, "HEAD", "/ready")
    assert (head.status, head.body) == (503, b"")
    assert ask(app, "POST", "/ready").status == 405


def test_ready_includes_keys_and_limits(users_server: Any, tmp_path: Any) -> None:
    away = settings(
        MCP_ENTRYPOINT="users_server:app",
        MCP_JWKS="",
        MCP_JWKS_URL="http://127.0.0.1:9/keys",
        MCP_LIMITS_FILE=str(tmp_path / "limits.json"),
    )
    app = create_app(away)
    checks = {check["name"]: check for check in ask(app, "GET", "/ready").json["checks"]}
    assert checks.keys() == {"signing_keys", "limits"}
    assert checks["signing_keys"]["reason"].startswith("KeysUnavailable: ")
    assert "limits.json" in checks["limits"]["reason"]
    (tmp_path / "limits.json").write_text("{}")
    assert ask(create_app(settings(MCP_LIMITS_FILE=str(tmp_path / "limits.json"))), "GET", "/ready").status == 200


@pytest.mark.parametrize("path", ["/ready", "/metrics"])
@pytest.mark.parametrize("header", ["x-forwarded-for", "forwarded", "via"])
def test_operators_pages_are_not_public(app: runtime.Runtime, path: str, header: str) -> None:
    assert ask(app, "GET", path, headers={header: "10.0.0.1"}).status == 404
    assert ask(app, "GET", path, headers={"host": "evil.example"}).status == 421
    assert ask(app, "GET", path).status != 404


def test_metrics_are_rendered_apart_from_the_requests(app: runtime.Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    def render() -> tuple[str, bytes]:
        return "text/plain", threading.current_thread().name.encode()

    monkeypatch.setattr(app._recorder, "render", render)
    assert ask(app, "GET", "/metrics").body != b"MainThread"


def test_a_tool_that_always_fails_has_a_label_once_it_was_listed(users_server: Any) -> None:
    @users_server.mcp.tool()
    def fail() -> str:
        raise ValueError("on purpose")

    app = runtime.create_app(settings())
    calls = [
        (
            "POST",
            {**headers_of(MODERN, method, name), **bearer()},
            request(MODERN, method, **({"name": name} if name else {})),
        )
        for method, name in (("tools/call", "fail"), ("tools/list", ""), ("tools/call", "fail"), ("tools/call", "none"))
    ]
    serve_calls(app, *calls)
    rendered = app._recorder.render()
    assert rendered is not None
    shown = [line for line in rendered[1].decode().splitlines() if line.startswith("mcp_requests_total{")]
    counted = [line for line in shown if not line.endswith(" 0.0")]
    tools = {line.partition('tool="')[2].partition('"')[0]: line.rpartition(" ")[2] for line in counted}
    assert tools == {"other": "2.0", "": "1.0", "fail": "1.0"}


def test_fetching_the_metrics_asks_the_dependencies(users_server: Any) -> None:
    asked: list[str] = []
    users_server.READY_CHECKS = {
        "store": lambda: asked.append("store"),
        "files": raising(ConnectionError("away")),
        "cache": raising(Degraded("reads come from the store")),
    }
    shown = ask(runtime.create_app(settings()), "GET", "/metrics").body.decode()
    assert 'mcp_dependency_up{dependency="store"} 1.0' in shown
    assert 'mcp_dependency_up{dependency="files"} 0.0' in shown
    assert 'mcp_dependency_up{dependency="cache"} 0.5' in shown
    assert 'mcp_dependency_check_seconds{dependency="store"} ' in shown
    assert ask(runtime.create_app(settings(MCP_METRICS="emf")), "GET", "/metrics").status == 404
    assert asked == ["store"]


def test_metrics(app: runtime.Runtime, users_server: Any) -> None:
    reply = ask(app, "GET", "/metrics")
    assert reply.headers["content-type"].startswith("text/plain")
    assert b"mcp_requests_total" in reply.body
    assert ask(app, "POST", "/metrics").status == 405
    for mode in ("emf", "off"):
        other = create_app(settings(MCP_ENTRYPOINT="users_server:app", MCP_METRICS=mode))
        assert ask(other, "GET", "/metrics").status == 404
