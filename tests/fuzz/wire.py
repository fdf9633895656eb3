# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes over one connection, byte for byte, and what comes back."""

from __future__ import annotations

import contextlib
import http.client
import io
import select
import socket
import time
import typing as t
from dataclasses import dataclass

# How long an answer may take: over the server's own limits, under what a person would call hanging.
PATIENCE = 15.0
SOON = 0.03
_PART = 65_536


class Hang(AssertionError):
    """The server neither answered nor closed the connection."""


@dataclass(frozen=True)
class Wire:
    """Bytes for one connection.

    :param parts: sent one after the other, ``pause`` seconds apart
    :param end: ``read`` waits for the server to close, ``half`` shuts the sending side down as soon as nothing comes,
        ``leave`` closes without reading, ``reset`` the same with a TCP reset, ``taste`` closes after the first bytes
    """

    parts: tuple[bytes, ...]
    end: t.Literal["read", "half", "leave", "reset", "taste"] = "read"
    pause: float = 0.0


@dataclass(frozen=True)
class Reply:
    """One HTTP response; header names in lower case."""

    status: int
    headers: t.Mapping[str, str]
    body: bytes


def converse(port: int, wire: Wire, seconds: float = PATIENCE) -> bytes:
    """Send and return everything that comes back until the server closes.

    :raises Hang: it does not within the time
    """
    deadline = time.monotonic() + seconds
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            _send(connection, wire)
            return b"" if wire.end in ("leave", "reset") else _read(connection, deadline, wire.end)
        except TimeoutError as error:
            raise Hang(f"no end of the answer within {seconds:g} s") from error


def _send(connection: socket.socket, wire: Wire) -> None:
    # A server may answer and close before it has read everything.
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        for number, part in enumerate(wire.parts):
            if number and wire.pause:
                time.sleep(wire.pause)
            connection.sendall(part)
    if wire.end == "reset":
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")


def _read(connection: socket.socket, deadline: float, end: str) -> bytes:
    parts: list[bytes] = []
    with contextlib.suppress(ConnectionResetError):
        while True:
            if end == "half" and not select.select([connection], [], [], SOON)[0]:
                connection.shutdown(socket.SHUT_WR)
                end = "read"
            connection.settimeout(max(deadline - time.monotonic(), 0.001))
            part = connection.recv(_PART)
            parts.append(part)
            if not part or end == "taste":
                break
    return b"".join(parts)


class _Received(io.BytesIO):
    """Looks like a socket to `http.client`, for several responses one after the other."""

    def makefile(self, *_arguments: t.Any) -> _Received:
        return self

    def close(self) -> None:
        """Stay open for the next response."""


def read_replies(received: bytes, method: str = "POST") -> list[Reply]:
    """Split what came over a connection into responses.

    :raises http.client.HTTPException: it is not HTTP, or ends too early
    """
    stream, replies = _Received(received), []
    while stream.tell() < len(received):
        response = http.client.HTTPResponse(stream, method=method)  # type: ignore[arg-type]  # it only calls makefile()
        response.begin()
        headers = {name.lower(): value for name, value in response.getheaders()}
        replies.append(Reply(response.status, headers, response.read()))
    return replies
