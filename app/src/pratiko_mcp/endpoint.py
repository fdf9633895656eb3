# SPDX-License-Identifier: MIT
"""A known caller's request on its way to the user's server and back: what is let through, and for how long."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from .asgi import MCP_PATH, AsgiApp, BodyTooSlow, Event, Headers, Receive, Scope, check_length, read_body, with_headers
from .auth import Token
from .deadline import TimeUp, Watch, within
from .exchange import Exchange
from .gate import TOOL_CALL, Denial, Gate
from .messages import (
    INVALID_REQUEST,
    TIMEOUT,
    Malformed,
    Message,
    canonical,
    encode_json,
    error_reply,
    may_be_call,
    read_message,
)
from .metrics import era_of
from .outcome import INTERNAL_ERROR, ReplyReader
from .sessions import SESSION_HEADER, Principal, Sessions, end_session, owner_of
from .settings import Settings
from .telemetry import Telemetry
from .tool_access import ListingUnreadable, filter_listing

VERSION_HEADER = "mcp-protocol-version"
TOOLS_LIST = "tools/list"
LISTEN = "subscriptions/listen"
# Bytes; reading so many takes a few milliseconds.
LARGE_BODY = 256 * 1024

Given = TypeVar("Given")
Result = TypeVar("Result")

logger = logging.getLogger("pratiko_mcp")


@dataclass(slots=True)
class Call:
    """One request for the user's server. ``message`` is None where the body is not ours to read."""

    scope: Scope
    headers: Mapping[str, str]
    body: bytes
    receive: Receive
    exchange: Exchange
    token: Token | None
    message: Message | None = None
    replayed: bool = False

    async def replay(self) -> Event:
        """Give the body, then what still comes: the client's leaving."""
        if not self.replayed:
            self.replayed = True
            return {"type": "http.request", "body": self.body, "more_body": False}
        event = await self.receive()
        self.exchange.client_gone |= event["type"] == "http.disconnect"
        return event

    async def refuse(self, status: int, code: int, text: str, data: object = None, headers: Headers = ()) -> None:
        """Answer with a JSON-RPC error, to what is owed one.

        :param status: for clients of the stateless era; the others' drop what does not come with 200
        """
        if self.message and self.message.kind != "request":
            await self.exchange.answer_bytes(status if status >= 400 else 403, b"", headers)
            return
        reply = error_reply(self.message.id if self.message else None, code, text, data)
        await self.exchange.answer(status if self.exchange.era == "stateless" else 200, reply, headers)


class Endpoint:
    """Serves requests whose caller is known.

    :param gate: decides about messages; None where nothing is limited, so that bodies pass as they came
    :param old_sdk: the server speaks the era with sessions only
    """

    def __init__(
        self, settings: Settings, inner: AsgiApp, gate: Gate | None, traces: Telemetry | None, old_sdk: bool
    ) -> None:
        self._settings = settings
        self._inner = inner
        self._gate = gate
        self._traces = traces
        self._old_sdk = old_sdk
        self._sessions = Sessions() if settings.sessions else None
        # Each step between here and the server is passed again whenever the server waits: only those that are needed.
        self._forward = self._limited if traces is None else self._traced
        self._enter = self._forward if self._sessions is None else self._in_session
        self._watch = Watch()
        self._streams: set[asyncio.Task[Any]] = set()
        self._ending: set[asyncio.Task[None]] = set()

    async def serve(
        self, scope: Scope, headers: Mapping[str, str], receive: Receive, exchange: Exchange, token: Token | None
    ) -> None:
        """Read a request and serve it.

        :raises BodyTooLarge: the body is over the limit
        :raises BodyTooSlow: the body does not arrive in time
        """
        limit, seconds = self._settings.max_body_bytes, self._settings.body_timeout
        check_length(headers, limit)
        try:
            body = await self._watch.run(seconds, read_body(receive, limit))
        except TimeUp as error:
            raise BodyTooSlow(seconds) from error
        exchange.era = era_of(headers.get(VERSION_HEADER))
        call = Call(scope, headers, body, receive, exchange, token)
        if self._gate and not exchange.at_mcp:  # a plain application may serve MCP there as well
            exchange.is_message = await _unhurried(len(body), may_be_call, body)
        if exchange.is_message:
            await self._serve_message(call)
        elif exchange.at_mcp:  # GET and DELETE, which come this far with sessions only
            await self._enter(call)
        else:
            await self._forward(call)

    async def _serve_message(self, call: Call) -> None:
        try:
            call.message = message = await _unhurried(len(call.body), read_message, call.body)
        except Malformed as error:
            await call.exchange.answer(400, error_reply(error.id, error.code, error.text))
            return
        call.exchange.note(message.method, message.name if message.method == TOOL_CALL else None)
        if self._gate is not None:
            if denial := await self._gate.check(message, call.token):
                await _deny(call, denial)
                return
            # What was checked is what is served, whatever else the body can be read as.
            call.body = await _unhurried(len(call.body), canonical, message)
            length = str(len(call.body)).encode()
            call.scope = with_headers(call.scope, {b"content-length": length, b"transfer-encoding": None})
        await self._enter(call)

    async def _in_session(self, call: Call) -> None:
        """Serve a request in its session, where it names one."""
        assert self._sessions is not None
        session = call.headers.get(SESSION_HEADER)
        if session is not None and call.exchange.era == "stateless":  # which has none
            call.scope = with_headers(call.scope, {SESSION_HEADER.encode(): None})
            session = None
        owner = owner_of(call.token, self._old_sdk)
        if session is not None and not self._sessions.allows(session, owner):
            # As the server would answer for a session that it does not know.
            await call.exchange.answer(404, error_reply(None, INVALID_REQUEST, "Session not found"))
            return
        call.exchange.on_start = lambda headers: self._keep_session(call, session, owner, headers)
        await self._forward(call)
        gone = call.exchange.status == 404 or (call.scope["method"] == "DELETE" and call.exchange.status < 400)
        if session is not None and gone:
            self._sessions.forget(session)

    def _keep_session(self, call: Call, known: str | None, owner: Principal, headers: Headers) -> None:
        """Remember whose session a reply opens, before its client learns the name."""
        name = SESSION_HEADER.encode()
        opened = next((value.decode("latin-1") for key, value in headers if key.lower() == name), None)
        if self._sessions is None or opened in (None, known) or call.exchange.status >= 400:
            return
        surplus = self._sessions.add(str(opened), owner)
        if surplus is not None:
            task = asyncio.create_task(_end_quietly(self._inner, call.scope, surplus))
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)

    async def _traced(self, call: Call) -> None:
        """Serve a request within a span, parent of those that the SDK opens."""
        assert self._traces is not None
        name = span_name(call.scope["method"], call.scope["path"])
        attributes = {"http.request.method": call.scope["method"], "url.path": call.scope["path"]}
        if call.message:
            attributes["mcp.method.name"] = call.exchange.mcp_method
        with self._traces.span(call.headers, name, attributes, _meta(call.message)) as span:
            await self._limited(call)
            span.set_attribute("http.response.status_code", call.exchange.status)

    async def _limited(self, call: Call) -> None:
        """Hand a request to the user's server, within the time that it may take."""
        message = call.message
        if self._is_stream(call):
            await self._stream(call)
            return
        if message and message.kind == "request":
            call.exchange.reader = ReplyReader(listing=message.method == TOOLS_LIST)
        if message and message.method == TOOLS_LIST and self._gate and self._gate.hides():
            work: Awaitable[None] = self._listing(call, self._gate)
        else:
            work = self._inner(call.scope, call.replay, call.exchange.send)
        seconds = call.exchange.seconds_left(self._settings.request_timeout)
        await within(self._watch, seconds, work, lambda: _answer_late(call, seconds))

    def _is_stream(self, call: Call) -> bool:
        """Tell whether a reply may stay open as long as the process."""
        if call.message:
            return call.message.method == LISTEN and not self._settings.on_lambda
        return call.scope["method"] == "GET" and call.exchange.at_mcp

    async def _stream(self, call: Call) -> None:
        """Serve a stream until it ends by itself or the process does."""
        task = asyncio.current_task()
        assert task is not None
        if self._gate and self._gate.hides():
            # A server that stores events would send again what was filtered the first time.
            call.scope = with_headers(call.scope, {b"last-event-id": None})
        self._streams.add(task)
        try:
            await self._inner(call.scope, call.replay, call.exchange.send)
        except asyncio.CancelledError:
            if task in self._streams or task.uncancel():
                raise
            await call.exchange.end_reply()
        finally:
            self._streams.discard(task)

    def close_streams(self) -> None:
        """End all streams, each with a proper end of its reply."""
        while self._streams:
            self._streams.pop().cancel()

    async def _listing(self, call: Call, gate: Gate) -> None:
        """Serve a listing of tools without those that the caller must not see."""
        reply = _Whole()
        call.scope = with_headers(call.scope, {b"accept-encoding": None})
        await self._inner(call.scope, call.replay, reply.send)
        body = reply.body
        if reply.status < 400:
            try:
                body = reply.filtered(gate, call.token)
            except ListingUnreadable as error:
                logger.error("a listing of tools was held back: %s", error)
                await call.refuse(500, INTERNAL_ERROR, "The server's list of tools cannot be read.")
                return
        headers = [(name, value) for name, value in reply.headers if name.lower() != b"content-length"]
        headers.append((b"content-length", str(len(body)).encode()))
        await call.exchange.send({"type": "http.response.start", "status": reply.status, "headers": headers})
        await call.exchange.send({"type": "http.response.body", "body": body})


class _Whole:
    """A reply that is kept back until it is complete."""

    def __init__(self) -> None:
        self.status = 500
        self.headers: list[tuple[bytes, bytes]] = []
        self.body = b""

    async def send(self, event: Event) -> None:
        """Take one ASGI event."""
        if event["type"] == "http.response.start":
            self.status, self.headers = event["status"], list(event.get("headers", ()))
        elif event["type"] == "http.response.body":
            self.body += event.get("body", b"")

    def filtered(self, gate: Gate, token: Token | None) -> bytes:
        """Return the body as the caller may see it.

        :raises ListingUnreadable: nobody can say what is in it
        """
        found = {name.lower(): value.decode("latin-1") for name, value in self.headers}
        if b"content-encoding" in found:
            raise ListingUnreadable("It came compressed, though nobody had asked for that.")
        return filter_listing(found.get(b"content-type", ""), self.body, gate.visible(token), gate.personal)


async def _unhurried(size: int, work: Callable[[Given], Result], given: Given) -> Result:
    """Do in a thread what takes long when a body is large: other requests go on meanwhile."""
    return await asyncio.to_thread(work, given) if size > LARGE_BODY else work(given)


def span_name(method: str, path: str) -> str:
    """Name a span; callers choose methods and paths, and must not make up names without end."""
    known = method if method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS") else "HTTP"
    return f"{known} {path}" if path == MCP_PATH else known


def _meta(message: Message | None) -> object:
    params = message.document.get("params") if message else None
    return params.get("_meta") if isinstance(params, dict) else None


async def _deny(call: Call, denial: Denial) -> None:
    call.exchange.outcome, call.exchange.refusal = denial.outcome, denial.reason
    headers = [(name.encode(), value.encode()) for name, value in denial.headers]
    await call.refuse(denial.status, denial.code, denial.text, denial.data, headers)


async def _answer_late(call: Call, seconds: float) -> None:
    """Answer in place of a server that takes too long; where its reply has begun, only events can still follow."""
    exchange = call.exchange
    exchange.detach()
    exchange.outcome = "timeout"
    text = f"No answer within {seconds:g} s."
    if not exchange.status:
        if call.message:
            await call.refuse(504, TIMEOUT, text)
        else:
            await exchange.answer(504, {"error": "timeout", "limit_seconds": seconds})
    elif call.message and exchange.content_type.startswith(b"text/event-stream"):
        reply = encode_json(error_reply(call.message.id, TIMEOUT, text))
        await exchange.end_reply(b"event: message\r\ndata: " + reply + b"\r\n\r\n")
    exchange.end()  # what was to answer may run on in a thread


async def _end_quietly(inner: AsgiApp, scope: Scope, session: str) -> None:
    """End a session that makes room; a server that fails to is asked nothing more."""
    with contextlib.suppress(Exception):
        await end_session(inner, scope, session)
