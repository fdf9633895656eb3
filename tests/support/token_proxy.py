# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A loopback proxy that adds the access token, for clients that have no place to put one.

Each connection carries one request. Its head is changed, everything after it is copied as it comes in both
directions: streams stay streams, and a client that hangs up is seen upstream.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import typing as t
from urllib.parse import urlsplit

CHUNK = 65536
MAX_HEAD = 65536
END_OF_HEAD = b"\r\n\r\n"


def rewrite_request(head: bytes, own: str, upstream: str, token: str) -> bytes:
    """Return a request's head as it goes upstream: with the token, and for the right host.

    A foreign Host or Origin is passed on: refusing it is the server's part.

    :param own: the proxy's host and port, as clients name them
    """
    lines = without(head, "connection", "keep-alive", "authorization")
    named = [line.replace(own, upstream) if line.lower().startswith(("host:", "origin:")) else line for line in lines]
    return with_lines(named, f"Authorization: Bearer {token}", "Connection: close")


def rewrite_response(head: bytes) -> bytes:
    """Return a response's head as it goes to the client, which must not try the connection a second time."""
    return with_lines(without(head, "connection", "keep-alive"), "Connection: close")


def without(head: bytes, *names: str) -> list[str]:
    """Return a head's lines without some headers."""
    lines = head.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
    return [line for line in lines if line.partition(":")[0].strip().lower() not in names]


def with_lines(lines: list[str], *more: str) -> bytes:
    """Return a head of these lines."""
    return "\r\n".join([*lines, *more, "", ""]).encode("latin-1")


class TokenProxy:
    """Listens while its ``with`` block runs.

    :param target: URL of the MCP endpoint
    """

    def __init__(self, target: str, token: str) -> None:
        parts = urlsplit(target)
        self._upstream = (str(parts.hostname), parts.port or 80)
        self._netloc, self._path, self._token = parts.netloc, parts.path, token
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._own = ""

    @property
    def url(self) -> str:
        """The endpoint, as the client is to call it."""
        return f"http://{self._own}{self._path}"

    def __enter__(self) -> t.Self:
        """Start listening."""
        self._thread.start()
        listen = asyncio.start_server(self._serve, "127.0.0.1", 0, limit=MAX_HEAD)
        self._server = asyncio.run_coroutine_threadsafe(listen, self._loop).result(10)
        self._own = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    def __exit__(self, *_error: object) -> None:
        """Stop listening and cut what is open."""
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _stop(self) -> None:
        self._server.close()
        open_connections = asyncio.all_tasks() - {asyncio.current_task()}
        for task in open_connections:
            task.cancel()
        await asyncio.gather(*open_connections, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection; whoever hangs up first ends it."""
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            head = await reader.readuntil(END_OF_HEAD)
            up_reader, up_writer = await asyncio.open_connection(*self._upstream, limit=MAX_HEAD)
            try:
                up_writer.write(rewrite_request(head, self._own, self._netloc, self._token))
                ways = [asyncio.create_task(copy(reader, up_writer)), asyncio.create_task(answer(up_reader, writer))]
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
                for way in ways:
                    way.cancel()
            finally:
                up_writer.close()
        writer.close()


async def answer(source: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
    """Pass a response on."""
    with contextlib.suppress(OSError, asyncio.IncompleteReadError):
        client.write(rewrite_response(await source.readuntil(END_OF_HEAD)))
        await copy(source, client)


async def copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    """Copy bytes as they come, to the end."""
    with contextlib.suppress(OSError):
        while data := await source.read(CHUNK):
            target.write(data)
            await target.drain()
