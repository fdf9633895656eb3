# SPDX-License-Identifier: MIT
"""One HTTP request: its reply on the way out, how it ended, and what the log says about it."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Mapping
from typing import Any

from .asgi import Event, Headers, Scope, Send
from .outcome import ReplyReader

# Keys of the ASGI scope under which an adapter hands on the request id of its platform, the seconds within which it
# needs an answer, and a future that is done once the request is answered and recorded.
REQUEST_ID = "pratiko_mcp.request_id"
SECONDS_LEFT = "pratiko_mcp.seconds_left"
ENDED = "pratiko_mcp.ended"
JSON = (b"content-type", b"application/json")
NO_STORE = (b"cache-control", b"no-store")

_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_LOGGED_CHARS = 128


class ReplyTooLarge(Exception):
    """Raised by an adapter at a reply's end: it tells the client that the reply cannot be delivered."""


class Exchange:
    """A request and its reply.

    ``at_mcp`` says that it is for the MCP endpoint, ``is_message`` that it counts in the metrics; ``outcome`` is set
    where the runtime itself decides how the request ended; ``on_start`` sees the headers of the user's server's reply
    before the client does; ``on_end`` records the request.
    """

    def __init__(self, scope: Scope, headers: Mapping[str, str], send: Send) -> None:
        self.started = time.perf_counter()
        given = str(scope.get(REQUEST_ID) or headers.get("x-request-id", ""))
        self.request_id = given if _REQUEST_ID.fullmatch(given) else os.urandom(16).hex()
        self.at_mcp = False
        self.is_message = False
        self.mcp_method = ""
        self.tool = ""
        self.era = "none"
        self.status = 0
        self.content_type = b""
        self.client_gone = False
        self.outcome = ""
        self.refusal = ""
        self.reader: ReplyReader | None = None
        self.on_start: Callable[[Headers], None] | None = None
        self.on_end: Callable[[Exchange], None] | None = None
        self._scope = scope
        self._send = send
        self._complete = False
        self._detached = False

    def note(self, method: str, tool: str | None) -> None:
        """Keep what is called for metrics and log, clipped: callers choose it."""
        self.mcp_method = method[:_LOGGED_CHARS]
        self.tool = (tool or "")[:_LOGGED_CHARS]

    async def send(self, event: Event) -> None:
        """Pass on what the user's server sends, until it is cut off."""
        if self._detached:
            return
        if self.on_start and event["type"] == "http.response.start":
            self.status = event["status"]
            self.on_start(event.get("headers", ()))
        await self._pass_on(event)

    def detach(self) -> None:
        """Cut the user's server off: what it still sends goes nowhere."""
        self._detached = True

    async def _pass_on(self, event: Event) -> None:
        kind = event["type"]
        if kind == "http.response.start":
            self.status = event["status"]
            headers = [*event.get("headers", ()), (b"x-request-id", self.request_id.encode())]
            for name, value in headers:
                if name.lower() == b"content-type":
                    self.content_type = value
            if self.reader:
                self.reader.start(self.content_type)
            event = {**event, "headers": headers}
        elif kind == "http.response.body":
            self._complete = not event.get("more_body", False)
            if self.reader:
                self.reader.feed(event.get("body", b""), self._complete)
        try:
            await self._send(event)
        except ReplyTooLarge:
            self.status, self.outcome = 500, "server_error"

    async def answer(self, status: int, document: object, headers: Headers = ()) -> None:
        """Reply with JSON."""
        await self.answer_bytes(status, json.dumps(document).encode(), (JSON, *headers))

    async def answer_bytes(self, status: int, body: bytes, headers: Headers = ()) -> None:
        """Reply with a body that is ready, which HEAD leaves out."""
        length = (b"content-length", str(len(body)).encode())
        await self._pass_on({"type": "http.response.start", "status": status, "headers": [*headers, length]})
        await self._pass_on({"type": "http.response.body", "body": b"" if self._scope["method"] == "HEAD" else body})

    async def refuse(self, status: int, error: str, **more: str) -> None:
        """Reply that this caller gets nothing."""
        self.outcome = "refused"
        await self.answer(status, {"error": error, **more})

    async def end_reply(self, last: bytes = b"") -> None:
        """End a reply that the user's server has begun and will not finish."""
        self.detach()
        if self.status and not self._complete:
            await self._pass_on({"type": "http.response.body", "body": last})

    def final_outcome(self) -> str:
        """Say how the request ended, as metrics and log call it."""
        if self.outcome:
            return self.outcome
        if not self.status:
            return "protocol_error" if self.client_gone else "server_error"
        if self.status >= 500 or not (self._complete or self.client_gone):
            return "server_error"
        if self.reader and self.reader.outcome:
            return self.reader.outcome
        return "protocol_error" if self.status >= 400 else "ok"

    def tools_seen(self, outcome: str) -> list[str]:
        """Return the tools that the reply shows to exist: those it lists, and the one whose result it is."""
        if self.reader is None:
            return []
        return self.reader.tools + ([self.tool] if self.tool and self.reader.result and outcome == "ok" else [])

    def end(self) -> None:
        """Have the request recorded, once: what still runs for it changes nothing any more."""
        record, self.on_end = self.on_end, None
        if record:
            record(self)
        ended = self._scope.get(ENDED)
        if ended and not ended.done():
            ended.set_result(None)

    def seconds(self) -> float:
        """Return how long the request has taken so far."""
        return time.perf_counter() - self.started

    def seconds_left(self, limit: float) -> float:
        """Return how long the rest of the request may take: the limit, or what the platform leaves of it."""
        if SECONDS_LEFT not in self._scope:
            return limit
        return min(limit, max(round(self._scope[SECONDS_LEFT] - self.seconds(), 1), 0.0))

    def log_fields(self, level: str, seconds: float, outcome: str) -> dict[str, Any]:
        """Return the fields of the request's log line: neither tokens nor arguments."""
        fields = {
            "level": level,
            "event": "request",
            "method": self._scope["method"],
            "path": self._scope["path"][:_LOGGED_CHARS],
            "status": self.status,
            "ms": round(seconds * 1000, 1),
            "request_id": self.request_id,
        }
        if self.refusal:
            fields["refusal"] = self.refusal
        if self.is_message:
            fields |= {"mcp_method": self.mcp_method, "era": self.era, "outcome": outcome}
            if self.tool:
                fields["tool"] = self.tool
        return fields
