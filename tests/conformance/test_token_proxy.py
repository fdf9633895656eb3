# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The proxy that adds the token must not stand in the way of anything else."""

from __future__ import annotations

import http.client
import socket
import threading
import typing as t
from contextlib import contextmanager

import pytest

from tests.support.token_proxy import TokenProxy

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
KEPT_ALIVE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\nKeep-Alive: timeout=75\r\n\r\nok"


class Upstream:
    """Takes one connection, remembers the request, and does what the test says."""

    def __init__(self, listener: socket.socket, answer: t.Callable[[socket.socket], None]) -> None:
        self.address = f"127.0.0.1:{listener.getsockname()[1]}"
        self.request = b""
        self._listener, self._answer = listener, answer

    def serve(self) -> None:
        connection, _address = self._listener.accept()
        with connection:
            while b"body" not in self.request:
                self.request += connection.recv(65536)
            self._answer(connection)


@contextmanager
def upstream(answer: t.Callable[[socket.socket], None]) -> t.Iterator[Upstream]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = Upstream(listener, answer)
        thread = threading.Thread(target=server.serve, daemon=True)
        thread.start()
        yield server
        thread.join(10)
        assert not thread.is_alive()


def send(proxy: TokenProxy, **headers: str) -> http.client.HTTPResponse:
    netloc = proxy.url.split("/")[2]
    connection = http.client.HTTPConnection(netloc, timeout=10)
    connection.request("POST", "/mcp", b"the body", headers)
    return connection.getresponse()


def test_stream_stays_a_stream() -> None:
    """The second event is sent only when the first one has arrived."""
    arrived = threading.Event()

    def answer(connection: socket.socket) -> None:
        connection.sendall(HEAD + b"data: 1\n")
        assert arrived.wait(10)
        connection.sendall(b"data: 2\n")

    with upstream(answer) as server, TokenProxy(f"http://{server.address}/mcp", "secret") as proxy:
        response = send(proxy)
        assert response.readline() == b"data: 1\n"
        arrived.set()
        assert response.read() == b"data: 2\n"


def test_client_that_hangs_up_is_seen_upstream() -> None:
    ended: list[bytes] = []

    def answer(connection: socket.socket) -> None:
        connection.sendall(HEAD + b"data: 1\n")
        connection.settimeout(10)
        ended.append(connection.recv(1))

    with upstream(answer) as server, TokenProxy(f"http://{server.address}/mcp", "secret") as proxy:
        response = send(proxy)
        assert response.readline() == b"data: 1\n"
        response.close()
    assert ended == [b""]


@pytest.mark.parametrize(("host", "foreign"), [("", False), ("evil.example.com", True)])
def test_request_gets_the_token_and_keeps_a_foreign_host(host: str, foreign: bool) -> None:
    """A server decides about foreign hosts; the proxy's own address means the server's."""
    with (
        upstream(lambda connection: connection.sendall(HEAD)) as server,
        TokenProxy(f"http://{server.address}/mcp", "secret") as proxy,
    ):
        own = proxy.url.split("/")[2]
        sent = host or own
        send(proxy, Host=sent, Origin=f"http://{sent}", Authorization="Bearer other", Connection="keep-alive").read()
    head, _, body = server.request.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    wanted = host if foreign else server.address
    assert lines[0] == "POST /mcp HTTP/1.1"
    assert [line for line in lines if line.startswith("Authorization:")] == ["Authorization: Bearer secret"]
    assert [line for line in lines if line.startswith("Connection:")] == ["Connection: close"]
    assert f"Host: {wanted}" in lines and f"Origin: http://{wanted}" in lines
    assert body == b"the body"


def test_client_learns_that_the_connection_ends() -> None:
    """It would send its next request on it otherwise, sometimes just before the end."""
    with (
        upstream(lambda connection: connection.sendall(KEPT_ALIVE)) as server,
        TokenProxy(f"http://{server.address}/mcp", "secret") as proxy,
    ):
        response = send(proxy)
        assert response.read() == b"ok"
    assert response.headers.get_all("Connection") == ["close"]
    assert response.headers["Keep-Alive"] is None
