# SPDX-License-Identifier: MIT
"""Sessions belong to who opened them, end when told to, and do not fill the memory."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from pratiko_mcp import endpoint
from pratiko_mcp.auth import Token
from pratiko_mcp.runtime import Runtime, create_app
from pratiko_mcp.sessions import Sessions, owner_of, principal_of

from tests.unit.app.served import (
    LEGACY,
    MODERN,
    Reply,
    ask,
    bearer,
    call,
    headers_of,
    make_server,
    request,
    settings,
    started,
)

ALICE, BOB = ("issuer", "alice", "app"), ("issuer", "bob", "app")
INITIALIZE = request(
    LEGACY, "initialize", protocolVersion=LEGACY, capabilities={}, clientInfo={"name": "test", "version": "1"}
)
NOT_FOUND = {"jsonrpc": "2.0", "id": None, "error": {"code": -32600, "message": "Session not found"}}


def test_a_session_is_its_owners_alone() -> None:
    sessions = Sessions()
    assert sessions.add("one", ALICE) is None
    assert sessions.allows("one", ALICE)
    assert not sessions.allows("one", BOB)
    assert not sessions.allows("two", ALICE)
    assert not sessions.allows("one", ())
    sessions.forget("one")
    sessions.forget("one")
    assert not sessions.allows("one", ALICE)
    assert len(sessions) == 0


def test_a_known_session_keeps_its_owner() -> None:
    sessions = Sessions(limit=10, limit_each=1)
    assert [sessions.add("one", owner) for owner in (ALICE, BOB, ALICE)] == [None] * 3
    assert (sessions.allows("one", ALICE), sessions.allows("one", BOB)) == (True, False)
    assert sessions.add("bobs", BOB) is None
    sessions.forget("one")
    assert list(sessions._counts) == [BOB]


def test_too_many_sessions_of_one_end_the_longest_unused_of_them() -> None:
    sessions = Sessions(limit=10, limit_each=2)
    sessions.add("bobs", BOB)
    assert [sessions.add(name, ALICE) for name in ("one", "two")] == [None, None]
    sessions.allows("one", ALICE)
    assert sessions.add("three", ALICE) == "two"
    assert sessions.allows("bobs", BOB)
    assert [sessions.allows(name, ALICE) for name in ("one", "two", "three")] == [True, False, True]


def test_too_many_sessions_of_all_end_the_longest_unused() -> None:
    sessions = Sessions(limit=3, limit_each=2)
    ended = [sessions.add(f"{number}", ("issuer", f"user {number}", "app")) for number in range(1000)]
    assert ended == [None] * 3 + [f"{number}" for number in range(997)]
    assert len(sessions) == 3
    assert len(sessions._counts) == 3


def test_whose_a_session_is() -> None:
    token = Token("alice", "app", ("b", "a"), 0, "issuer")
    assert principal_of(token) == owner_of(token, with_scopes=False) == ("issuer", "alice", "app")
    assert owner_of(token, with_scopes=True) == ("issuer", "alice", "app", "a", "b")
    assert owner_of(None, with_scopes=True) == principal_of(None) == ()


class Client:
    """Requests of one caller with one session."""

    def __init__(self, app: Runtime, session: str = "", **claims: Any) -> None:
        self._app = app
        self.session = session
        self._claims = claims

    async def send(self, method: str, body: bytes = b"", **headers: str) -> Reply:
        session = {"mcp-session-id": self.session} if self.session else {}
        return await call(
            self._app, method, "/mcp", {**headers_of(LEGACY), **bearer(**self._claims), **session, **headers}, body
        )

    async def open(self) -> str:
        self.session = (await self.send("POST", INITIALIZE)).headers["mcp-session-id"]
        await self.send("POST", b'{"jsonrpc": "2.0", "method": "notifications/initialized"}')
        return self.session

    async def greet(self, **headers: str) -> Reply:
        return await self.send(
            "POST", request(LEGACY, "tools/call", name="greet", arguments={"name": "Bob"}), **headers
        )


@pytest.fixture
def app(users_server: Any) -> Iterator[Runtime]:
    users_server.mcp = make_server()
    yield create_app(settings(MCP_SESSIONS="true"))


def run(app: Runtime, work: Any) -> Any:
    async def within_lifespan() -> Any:
        async with started(app):
            return await work

    return asyncio.run(within_lifespan())


def test_a_session_from_beginning_to_end(app: Runtime) -> None:
    async def work() -> None:
        alice = Client(app)
        assert await alice.open()
        assert "Hello Bob, from alice" in str((await alice.greet()).result)
        assert (await alice.send("DELETE")).status == 200
        ended = await alice.greet()
        assert (ended.status, ended.json) == (404, NOT_FOUND)

    run(app, work())


@pytest.mark.parametrize("claims", [{"sub": "mallory"}, {"client_id": "other"}], ids=["another user", "another client"])
def test_a_session_of_somebody_else_does_not_exist(app: Runtime, claims: dict[str, str]) -> None:
    async def work() -> None:
        alice = Client(app)
        mallory = Client(app, await alice.open(), **claims)
        unknown = await Client(app, "0" * 32, **claims).greet()
        for reply in (await mallory.greet(), await mallory.send("GET"), await mallory.send("DELETE")):
            assert (reply.status, reply.body) == (unknown.status, unknown.body) == (404, unknown.body)
            assert {**reply.headers, "x-request-id": ""} == {**unknown.headers, "x-request-id": ""}
        assert (await alice.greet()).status == 200

    run(app, work())


def test_the_stateless_era_has_no_sessions(app: Runtime) -> None:
    async def work() -> None:
        session = await Client(app).open()
        headers = {**headers_of(MODERN, name="greet"), **bearer(sub="mallory"), "mcp-session-id": session}
        body = request(MODERN, "tools/call", name="greet", arguments={"name": "Bob"})
        reply = await call(app, "POST", "/mcp", headers, body)
        assert "from mallory" in str(reply.json)
        assert (await call(app, "GET", "/mcp", headers)).status == 405

    run(app, work())


def test_a_token_with_other_scopes_may_go_on(app: Runtime) -> None:
    async def work() -> None:
        session = await Client(app, scope="greet").open()
        assert (await Client(app, session, scope="greet admin").greet()).status == 200

    run(app, work())


def test_with_sdk_1_a_token_with_other_scopes_must_begin_anew(app: Runtime) -> None:
    app._endpoint._old_sdk = True

    async def work() -> None:
        session = await Client(app, scope="greet").open()
        assert (await Client(app, session, scope="greet").greet()).status == 200
        assert (await Client(app, session, scope="greet admin").greet()).status == 404

    run(app, work())


def test_a_session_that_makes_room_ends_in_the_server(app: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    app._endpoint._sessions = Sessions(limit_each=1)
    ended: list[str] = []
    original = endpoint.end_session

    async def noting(inner: Any, scope: Any, session: str) -> None:
        await original(inner, scope, session)
        ended.append(session)

    monkeypatch.setattr(endpoint, "end_session", noting)

    async def work() -> None:
        alice = Client(app)
        first = await alice.open()
        alice.session = ""
        await alice.open()
        await asyncio.sleep(0.05)
        assert ended == [first]
        assert (await alice.greet()).status == 200
        direct = {**headers_of(LEGACY), "mcp-session-id": first}
        assert (await call(app._inner, "POST", "/mcp", direct, request(LEGACY, "tools/list"))).status == 404

    run(app, work())


def test_a_session_that_the_server_ended_is_forgotten(app: Runtime) -> None:
    async def work() -> None:
        alice = Client(app)
        session = await alice.open()
        await call(app._inner, "DELETE", "/mcp", {**headers_of(LEGACY), "mcp-session-id": session})
        assert (await alice.greet()).status == 404
        assert len(app._endpoint._sessions or ()) == 0

    run(app, work())


def test_a_refused_beginning_opens_no_session(app: Runtime) -> None:
    async def work() -> None:
        reply = await Client(app).send("POST", request(LEGACY, "tools/list"))
        assert reply.status == 400
        assert len(app._endpoint._sessions or ()) == 0

    run(app, work())


def test_a_stream_stays_open_beyond_the_time_limit_and_ends_with_the_process(users_server: Any) -> None:
    app = create_app(settings(MCP_SESSIONS="true", MCP_REQUEST_TIMEOUT="0.1"))

    async def work() -> None:
        alice = Client(app)
        await alice.open()
        stream = asyncio.create_task(alice.send("GET"))
        await asyncio.sleep(0.4)
        assert not stream.done()
        app.close_streams()
        reply = await asyncio.wait_for(stream, 5)
        assert (reply.status, reply.headers["content-type"]) == (200, "text/event-stream")

    run(app, work())


def test_other_methods_are_named(app: Runtime) -> None:
    reply = ask(app, "PUT", "/mcp", headers=bearer())
    assert (reply.status, reply.headers["allow"]) == (405, "POST, GET, DELETE")
