# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pass a viewer's calls on to the emulated AWS, with the headers that the CDN's edge would send and take."""

from __future__ import annotations

import http.client
import json
import select
import socket
import sys
import typing as t
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

if t.TYPE_CHECKING:
    import doors

CHUNK = 65536
HOP_BY_HOP = {
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
}
# The emulator's own pages answer at every host: a door must not offer to wipe the emulator.
EMULATOR_PATHS = ("/_ministack", "/_localstack", "/_aws")
UPSTREAM_TIMEOUT = 60.0

Headers = list[tuple[str, str]]


def end_to_end(headers: t.Iterable[tuple[str, str]]) -> Headers:
    """Drop the headers that belong to one connection only."""
    items = list(headers)
    named = {token.strip().lower() for key, value in items if key.lower() == "connection" for token in value.split(",")}
    return [(key, value) for key, value in items if key.lower() not in HOP_BY_HOP | named]


def request_headers(headers: t.Iterable[tuple[str, str]], host: str) -> Headers:
    """Return the viewer's headers as they reach the distribution."""
    replaced = ("host", "x-forwarded-proto", "content-length", "expect")
    kept = [(key, value) for key, value in end_to_end(headers) if key.lower() not in replaced]
    return [("Host", host), *kept, ("X-Forwarded-Proto", "https")]


def response_headers(headers: t.Iterable[tuple[str, str]]) -> Headers:
    """Return the response's headers as API Gateway would have sent them.

    A WWW-Authenticate of an integration leaves API Gateway under another name; one of a gateway
    response stays as it is, and only gateway responses carry x-amzn-ErrorType.
    """
    kept = end_to_end(headers)
    if any(key.lower() == "x-amzn-errortype" for key, _value in kept):
        return kept
    remapped = {"www-authenticate": "x-amzn-Remapped-WWW-Authenticate"}
    return [(remapped.get(key.lower(), key), value) for key, value in kept]


def came_from_cdn(headers: t.Iterable[tuple[str, str]]) -> bool:
    """Say whether a distribution answered (without one the emulator takes the host for a bucket)."""
    return any(key.lower() == "x-amz-cf-id" for key, _value in headers)


class LoopbackServer(ThreadingHTTPServer):
    """A server for loopback only."""

    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: t.Any, client_address: t.Any) -> None:
        """A viewer that hangs up is no news; anything else is."""
        if not isinstance(sys.exc_info()[1], (ConnectionError, TimeoutError)):
            super().handle_error(request, client_address)


class DoorServer(LoopbackServer):
    """The listener of one door."""

    def __init__(self, address: tuple[str, int], handler: type[DoorHandler], door: doors.Door, emulator: str) -> None:
        self.door = door
        self.emulator = urlsplit(emulator)
        super().__init__(address, handler)


class Handler(BaseHTTPRequestHandler):
    """What doors and the control port have in common."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    timeout = 75.0

    def log_message(self, format: str, *args: t.Any) -> None:
        """Requests are the emulator's to log."""

    def version_string(self) -> str:
        """Name the stand-in, where no server is named by the answer itself."""
        return "sandbox-front-door"

    def answer(self, status: int, body: t.Any) -> None:
        """Send a small JSON answer."""
        data = json.dumps(body).encode() + b"\n" if body is not None else b""
        self.send_response(status)
        if status != 204:
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)
        self.wfile.flush()


class DoorHandler(Handler):
    """Pass a viewer's requests on; one connection of the viewer keeps one connection to the emulator."""

    server: DoorServer
    upstream: http.client.HTTPConnection | None = None

    def finish(self) -> None:
        """Close the emulator's connection with the viewer's."""
        self._drop_upstream()
        super().finish()

    def relay(self) -> None:
        """Serve one request."""
        path = self.path.partition("?")[0]
        if not self.path.startswith("/"):
            self.close_connection = True
            return self.answer(400, {"message": "The path must begin with a slash."})
        if path.startswith(EMULATOR_PATHS):
            self.close_connection = True  # its body, if any, stays unread
            return self.answer(403, {"message": "This path belongs to the emulator; the distribution has none such."})
        is_health = path == "/health" and bool(self.server.door.health_path)
        try:
            response = self._ask(is_health)
        except (OSError, http.client.HTTPException) as error:
            self._drop_upstream()
            self.close_connection = True
            return self.answer(502, {"message": self._away(error)})
        if not is_health and self.is_gone(response.getheaders()):
            self._drop_upstream()
            gone = f"The door '{self.server.door.name}' leads to {self.server.door.host}, which does not exist."
            return self.answer(404, {"message": f"{gone} Deploy the environment again: make deploy"})
        self._pass_back(response)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = relay

    def host_header(self) -> str:
        """Return the Host by which the emulator finds what the door leads to."""
        return self.server.door.host

    def renamed(self, headers: Headers) -> Headers:
        """Return the answer's headers as AWS would have sent them."""
        return response_headers(headers)

    def is_gone(self, headers: Headers) -> bool:
        """Tell whether somebody else than the door's own answered."""
        return not came_from_cdn(headers)

    def _away(self, error: Exception) -> str:
        where = self.server.emulator.geturl()
        return f"The emulated AWS at {where} does not answer ({error}). Start it again with: make deploy"

    def _ask(self, is_health: bool) -> http.client.HTTPResponse:
        emulator = self.server.emulator
        host = emulator.netloc if is_health else self.host_header()
        target = self._health_target() if is_health else self.path
        connection = self._connection()
        connection.putrequest(self.command, target, skip_host=True, skip_accept_encoding=True)
        for key, value in request_headers(self.headers.items(), host):
            connection.putheader(key, value)
        self._send_body(connection)
        return connection.getresponse()

    def _health_target(self) -> str:
        query = self.path.partition("?")[2]
        known = self.server.door.health_path
        return known + (("&" if "?" in known else "?") + query if query else "")

    def _connection(self) -> http.client.HTTPConnection:
        """Return a live connection; one that the emulator has closed shows as readable."""
        if self.upstream and self.upstream.sock:
            readable, _, _ = select.select([self.upstream.sock], [], [], 0)
            if not readable:
                return self.upstream
        self._drop_upstream()
        address = self.server.emulator
        self.upstream = http.client.HTTPConnection(str(address.hostname), address.port, timeout=UPSTREAM_TIMEOUT)
        self.upstream.connect()
        self.upstream.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self.upstream

    def _drop_upstream(self) -> None:
        if self.upstream:
            self.upstream.close()
            self.upstream = None

    def _send_body(self, connection: http.client.HTTPConnection) -> None:
        length = self.headers.get("Content-Length")
        if "chunked" in (self.headers.get("Transfer-Encoding") or "").lower():
            connection.putheader("Transfer-Encoding", "chunked")
            connection.endheaders(self._chunks(), encode_chunked=True)
        elif length is not None and length.isdigit():
            connection.putheader("Content-Length", length)
            connection.endheaders(self._sized(int(length)))
        else:
            connection.endheaders()

    def _sized(self, length: int) -> t.Iterator[bytes]:
        while length:
            data = self.rfile.read(min(length, CHUNK))
            if not data:
                raise ConnectionError("the viewer ended before its body did")
            length -= len(data)
            yield data

    def _chunks(self) -> t.Iterator[bytes]:
        while size := int(self.rfile.readline(100).partition(b";")[0], 16):
            yield self.rfile.read(size)
            self.rfile.readline(3)
        while self.rfile.readline(CHUNK).strip():
            pass  # trailers

    def _pass_back(self, response: http.client.HTTPResponse) -> None:
        headers = self.renamed(response.getheaders())
        sized = response.length is not None or response.status in (204, 304) or self.command == "HEAD"
        chunked = not sized and self.request_version == "HTTP/1.1"
        self.close_connection = self.close_connection or not (sized or chunked)
        self.send_response_only(response.status, response.reason)
        for key, value in headers:
            self.send_header(key, value)
        if chunked:
            self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        while data := response.read1(CHUNK):
            self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data) if chunked else data)
            if not sized:
                self.wfile.flush()  # a stream is passed on as it comes
        response.close()  # read1 does not notice the end, and the connection is wanted again
        if chunked:
            self.wfile.write(b"0\r\n\r\n")
        self.wfile.flush()
