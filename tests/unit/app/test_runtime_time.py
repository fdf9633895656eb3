# SPDX-License-Identifier: MIT
"""Time limits of bodies and calls, whatever the user's server does when its time is over."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest
from pratiko_mcp.deadline import TimeUp, Watch, within
from pratiko_mcp.runtime import Runtime, create_app

from tests.unit.app.served import CALL, LEGACY, MODERN, Reply, ask, bearer, call, headers_of, request, settings

JSON = [(b"content-type", b"application/json")]
EVENTS = [(b"content-type", b"text/event-stream")]
TOO_LATE = {"code": -32001, "message": "No answer within 0.1 s."}


async def silent(scope: Any, receive: Any, send: Any) -> None:
    await asyncio.sleep(5)


async def stubborn(scope: Any, receive: Any, send: Any) -> None:
    """Go on after having been cancelled, as a tool in a thread does, and answer in the end."""
    try:
        await asyncio.sleep(5)
    except asyncio.CancelledError:
        await asyncio.sleep(0.3)
    await send({"type": "http.response.start", "status": 200, "headers": JSON})
    await send({"type": "http.response.body", "body": b"late"})


async def begun_events(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": EVENTS})
    await send({"type": "http.response.body", "body": b": ping\r\n\r\n", "more_body": True})
    await asyncio.sleep(5)


async def begun_json(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": JSON})
    await send({"type": "http.response.body", "body": b'{"half', "more_body": True})
    await asyncio.sleep(5)


def app_of(users_server: Any, inner: Any, **variables: str) -> Runtime:
    users_server.app = inner
    return create_app(settings(MCP_ENTRYPOINT="users_server:app", MCP_REQUEST_TIMEOUT="0.1", **variables))


def post(app: Any, version: str, id: object = 1, method: str = "tools/call") -> Reply:
    headers = {**headers_of(version, method, "greet"), **bearer()}
    return ask(app, "POST", "/mcp", headers=headers, body=request(version, method, id, name="greet"))


@pytest.mark.parametrize("inner", [silent, stubborn])
@pytest.mark.parametrize(("version", "status"), [(LEGACY, 200), (MODERN, 504)])
def test_a_call_that_takes_too_long(users_server: Any, inner: Any, version: str, status: int) -> None:
    started = time.monotonic()
    reply = post(app_of(users_server, inner), version, "\u2028x")
    assert time.monotonic() - started < 2
    assert (reply.status, reply.json) == (status, {"jsonrpc": "2.0", "id": "\u2028x", "error": TOO_LATE})


def test_a_stream_that_has_begun_ends_with_the_error(users_server: Any) -> None:
    reply = post(app_of(users_server, begun_events), LEGACY)
    assert reply.body.startswith(b": ping\r\n\r\nevent: message\r\n")
    assert reply.result == {"jsonrpc": "2.0", "id": 1, "error": TOO_LATE}


def test_a_reply_that_has_begun_is_not_made_longer(users_server: Any) -> None:
    assert post(app_of(users_server, begun_json), MODERN).body == b'{"half'


def test_other_requests_have_a_limit_as_well(users_server: Any) -> None:
    app = app_of(users_server, silent)
    reply = ask(app, "GET", "/other", headers=bearer())
    assert (reply.status, reply.json) == (504, {"error": "timeout", "limit_seconds": 0.1})
    notification = b'{"jsonrpc": "2.0", "method": "notifications/initialized"}'
    late = ask(app, "POST", "/mcp", headers={**headers_of(MODERN), **bearer()}, body=notification)
    assert (late.status, late.body) == (504, b"")


def test_the_log_says_so(users_server: Any, capsys: pytest.CaptureFixture[str]) -> None:
    post(app_of(users_server, silent), LEGACY)
    line = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (line["level"], line["outcome"], line["status"]) == ("ERROR", "timeout", 200)


def test_the_log_line_of_a_late_call_has_its_own_trace(users_server: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """One timer serves all calls: it must not lend its request's trace to the others."""
    app = app_of(users_server, stubborn)
    traces = [digit * 32 for digit in "ab"]

    async def both() -> None:
        headers = [{**headers_of(MODERN), **bearer(), "traceparent": f"00-{trace}-{'1' * 16}-01"} for trace in traces]
        body = request(MODERN, "tools/call", name="greet")
        await asyncio.gather(*(call(app, "POST", "/mcp", each, body) for each in headers))

    asyncio.run(both())
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    found = [(line["trace_id"], line["outcome"]) for line in lines if line.get("event") == "request"]
    assert sorted(found) == [(trace, "timeout") for trace in traces]  # which of them is late first is chance


def test_subscriptions_are_streams_where_replies_stream(users_server: Any) -> None:
    async def listener(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.sleep(0.3)
        await send({"type": "http.response.start", "status": 200, "headers": EVENTS})
        await send({"type": "http.response.body", "body": b""})

    assert post(app_of(users_server, listener), MODERN, method="subscriptions/listen").status == 200
    on_lambda = app_of(users_server, listener, AWS_LAMBDA_FUNCTION_NAME="mcp")
    assert post(on_lambda, MODERN, method="subscriptions/listen").status == 504


class SlowClient:
    """Sends a body in parts, and leaves."""

    def __init__(self, *parts: bytes | None, pause: float) -> None:
        self._parts = list(parts)
        self._pause = pause

    async def receive(self) -> Any:
        await asyncio.sleep(self._pause)
        part = self._parts.pop(0) if self._parts else None
        if part is None:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": part, "more_body": True}


async def send_slowly(app: Any, client: SlowClient) -> list[Any]:
    sent: list[Any] = []
    pairs = {"host": "mcp.example.com", **bearer()}.items()
    headers = [(name.encode(), value.encode()) for name, value in pairs]

    async def send(event: Any) -> None:
        sent.append(event)

    await app({"type": "http", "method": "POST", "path": "/mcp", "headers": headers}, client.receive, send)
    return sent


def test_a_body_that_comes_too_slowly(users_server: Any) -> None:
    app = app_of(users_server, silent, MCP_BODY_TIMEOUT="0.2")
    start, body = asyncio.run(send_slowly(app, SlowClient(*[b" "] * 100, pause=0.05)))
    assert (start["status"], json.loads(body["body"])) == (408, {"error": "body_too_slow", "limit_seconds": 0.2})
    assert (b"connection", b"close") in start["headers"]


def test_a_client_that_leaves_gets_no_answer_and_is_no_error(
    users_server: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert asyncio.run(send_slowly(app_of(users_server, silent), SlowClient(b"{", None, pause=0))) == []
    line = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (line["level"], line["outcome"]) == ("INFO", "protocol_error")


def test_a_client_that_leaves_during_its_call(users_server: Any, capsys: pytest.CaptureFixture[str]) -> None:
    async def giving_up(scope: Any, receive: Any, send: Any) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    class Leaving(SlowClient):
        async def receive(self) -> Any:
            return {**await super().receive(), "more_body": False}

    app = app_of(users_server, giving_up)
    assert asyncio.run(send_slowly(app, Leaving(CALL, None, pause=0))) == []
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["level"] == "INFO"


def test_cancelling_from_outside_is_passed_on() -> None:
    answered: list[int] = []

    async def answer() -> None:
        answered.append(1)

    async def work() -> None:
        task = asyncio.create_task(within(Watch(), 5, asyncio.sleep(5), answer))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert answered == []

    asyncio.run(work())


def test_an_answer_that_nobody_reads_does_not_hold_the_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pratiko_mcp.deadline.ANSWER_SECONDS", 0.1)

    async def blocked() -> None:
        await asyncio.sleep(30)

    async def work() -> float:
        started = time.monotonic()
        await within(Watch(), 0.05, asyncio.sleep(30), blocked)
        await asyncio.sleep(0)
        assert asyncio.current_task() is not None
        return time.monotonic() - started

    assert asyncio.run(work()) < 2


def test_a_task_may_go_on_after_its_time_limit(users_server: Any) -> None:
    """What is cancelled for being late must not be cancelled for anything later."""

    async def twice() -> list[int]:
        app = app_of(users_server, silent)
        headers = {**headers_of(MODERN), **bearer()}
        replies = [await call(app, "POST", "/mcp", headers, CALL) for _ in range(2)]
        await asyncio.sleep(0.05)
        return [reply.status for reply in replies]

    assert asyncio.run(twice()) == [504, 504]


def test_one_timer_keeps_many_limits() -> None:
    """Limits end in their own order, whatever order they began in and however many end in time."""
    ended: list[str] = []

    async def limited(watch: Watch, name: str, limit: float, duration: float) -> None:
        try:
            await watch.run(limit, asyncio.sleep(duration))
            ended.append(f"{name} done")
        except TimeUp:
            ended.append(f"{name} late")

    async def all_at_once() -> None:
        watch = Watch()
        cases = (("a", 0.4, 5), ("b", 0.1, 5), ("c", 5, 0.2), ("d", 0.3, 5), ("e", 0.1, 0))
        await asyncio.gather(*(limited(watch, name, limit, duration) for name, limit, duration in cases))
        await limited(watch, "f", 0.05, 5)

    asyncio.run(all_at_once())
    assert ended == ["e done", "b late", "c done", "d late", "a late", "f late"]


def test_an_application_may_change_its_event_loop(users_server: Any) -> None:
    app = app_of(users_server, silent)
    assert [post(app, MODERN).status for _ in range(2)] == [504, 504]
