# SPDX-License-Identifier: MIT
"""What the runtime's parts share about ASGI: its types, and reading a body within limits."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Event = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = Iterable[tuple[bytes, bytes]]

MCP_PATH = "/mcp"

# Of two such headers, the server behind might believe the one that was not checked.
_SINGLE = (b"authorization", b"content-length", b"content-type", b"host", b"last-event-id", b"origin")


class RequestHeaders(Mapping[str, str]):
    """A request's headers by lower-case name; of a name that comes twice, the last one. Decoded when asked for."""

    def __init__(self, headers: Collection[tuple[bytes, bytes]]) -> None:
        self._all = headers
        self._raw = dict(headers)

    def __getitem__(self, name: str) -> str:
        return self._raw[name.encode("latin-1")].decode("latin-1")

    def __contains__(self, name: object) -> bool:
        return str(name).encode("latin-1") in self._raw

    def get(self, name: str, default: Any = None) -> Any:
        """Return a header; the inherited way costs an exception for each one that is not there."""
        value = self._raw.get(name.encode("latin-1"))
        return default if value is None else value.decode("latin-1")

    def repeated(self) -> str:
        """Return the name of a header that says two things where it must say one; empty if there is none."""
        if len(self._raw) == len(self._all):
            return ""
        names = [name for name, _ in self._all if name in _SINGLE or name.startswith(b"mcp-")]
        return next((name.decode("latin-1") for name in names if names.count(name) > 1), "")

    def __iter__(self) -> Iterator[str]:
        return (name.decode("latin-1") for name in self._raw)

    def __len__(self) -> int:
        return len(self._raw)


class BodyTooLarge(Exception):
    """The body is, or says that it will be, over the limit."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"over {limit} bytes")
        self.limit = limit


class BodyTooSlow(Exception):
    """The body did not arrive in time."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"not complete after {seconds:g} s")
        self.seconds = seconds


class ClientGone(Exception):
    """The client went away before its body was complete: nobody waits for an answer."""


def check_length(headers: Mapping[str, str], limit: int) -> None:
    """Refuse a body by what its headers say.

    :raises BodyTooLarge: it will be over the limit
    """
    declared = headers.get("content-length", "")
    if declared.isdigit() and int(declared) > limit:
        raise BodyTooLarge(limit)


async def read_body(receive: Receive, limit: int) -> bytes:
    """Read a request's whole body.

    :param limit: bytes that it may have
    :raises BodyTooLarge: before the rest of it is read
    :raises ClientGone: the connection ended first
    """
    parts: list[bytes] = []
    size = 0
    while True:
        event = await receive()
        if event["type"] != "http.request":
            raise ClientGone
        parts.append(event.get("body", b""))
        size += len(parts[-1])
        if size > limit:
            raise BodyTooLarge(limit)
        if not event.get("more_body", False):
            return b"".join(parts)


def with_headers(scope: Scope, changes: Mapping[bytes, bytes | None]) -> Scope:
    """Return a copy of the scope with headers replaced; None drops one."""
    kept = [(name, value) for name, value in scope["headers"] if name.lower() not in changes]
    return {**scope, "headers": kept + [(name, value) for name, value in changes.items() if value is not None]}
