# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stand for DNS and for the CDN's edge on loopback, so that a plain client can call an emulated CDN.

A door is one loopback port that leads to one emulated CloudFront distribution. It sets the Host
by which the emulator finds the distribution, says that the viewer came by https, and renames what
API Gateway renames. The doors are managed by HTTP on the control port:

    GET    /_sandbox/status
    GET    /_sandbox/doors
    PUT    /_sandbox/doors/<name>   {"host": "d1.cloudfront.net", "health_url": "http://127.0.0.1:4566/..."}
    DELETE /_sandbox/doors/<name>

What a door cannot do: the emulator keeps a few paths of any host for itself (/oauth2/*, /logout, /iceberg/*).
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import re
import select
import signal
import socket
import sys
import threading
import typing as t
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import processes

LOOPBACK = "127.0.0.1"
CHUNK = 65536
NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
HOST = re.compile(r"[a-z0-9]+\.cloudfront\.net")
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


class BadDoor(ValueError):
    """What was asked of the control port does not make a door."""


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


class Door:
    """One loopback port that leads to one distribution.

    :param health_path: path and query of the health page on the emulator, or empty
    """

    def __init__(self, name: str, host: str, health_path: str, port: int) -> None:
        self.name = name
        self.host = host
        self.health_path = health_path
        self.port = port
        self.error = ""
        self.server: LoopbackServer | None = None

    def as_dict(self, emulator: str) -> dict[str, str]:
        """Return what the control port tells about the door."""
        told = {"name": self.name, "url": f"http://{LOOPBACK}:{self.port}", "host": self.host}
        if self.health_path:
            told["health_url"] = emulator + self.health_path
        if self.error:
            told["error"] = self.error
        return told

    def open(self, emulator: str) -> None:
        """Listen; a port that is taken is remembered as this door's error."""
        try:
            self.server = DoorServer((LOOPBACK, self.port), DoorHandler, self, emulator)
        except OSError:
            holder = processes.port_holder(self.port) or "another process"
            self.error = f"port {self.port} is held by {holder}"
            return
        self.error = ""
        threading.Thread(target=self.server.serve_forever, args=(0.1,), daemon=True).start()

    def close(self) -> None:
        """Stop listening; running requests end by themselves."""
        if self.server:
            self.server.shutdown()
            self.server.server_close()
            self.server = None


class Doors:
    """The doors of one sandbox, kept in a file so that a restart opens the same ports.

    :param first_port: where the search for a free port begins
    """

    def __init__(self, path: Path, emulator: str, first_port: int) -> None:
        self.path = path
        self.emulator = emulator
        self.first_port = first_port
        self.lock = threading.Lock()
        self.doors = {record["name"]: Door(**record) for record in self._read()}
        for door in self.doors.values():
            door.open(emulator)

    def _read(self) -> list[dict[str, t.Any]]:
        try:
            return json.loads(self.path.read_text(encoding="utf-8"))["doors"]
        except FileNotFoundError:
            return []

    def _write(self) -> None:
        keys = ("name", "host", "health_path", "port")
        records = [{key: getattr(door, key) for key in keys} for door in self.doors.values()]
        partial = self.path.with_suffix(".new")
        partial.write_text(json.dumps({"doors": records}, indent=2), encoding="utf-8")
        partial.replace(self.path)

    def list(self) -> list[dict[str, str]]:
        """Return every door, by name."""
        with self.lock:
            return [self.doors[name].as_dict(self.emulator) for name in sorted(self.doors)]

    def put(self, name: str, wanted: t.Any) -> dict[str, str]:
        """Make or change a door; one that is open keeps its port.

        :raises BadDoor: wrong name, host or health_url, or no free port
        """
        host, health_path = self._checked(name, wanted)
        with self.lock:
            door = self.doors.get(name)
            if door is None or door.server is None:
                door = self._open(name, host, health_path, door.port if door else None)
                self.doors[name] = door
            door.host, door.health_path = host, health_path
            self._write()
            return door.as_dict(self.emulator)

    def _checked(self, name: str, wanted: t.Any) -> tuple[str, str]:
        if not NAME.fullmatch(name):
            raise BadDoor(f"the name '{name}' may only have lower-case letters, digits and dashes")
        if not isinstance(wanted, dict) or set(wanted) - {"host", "health_url"}:
            raise BadDoor('the body must be JSON like {"host": "d1.cloudfront.net", "health_url": "http://..."}')
        host = str(wanted.get("host", ""))
        if not HOST.fullmatch(host):
            raise BadDoor(f"host is '{host}'; it must be a distribution's domain, like d1.cloudfront.net")
        return host, self._health_path(str(wanted.get("health_url") or ""))

    def _health_path(self, url: str) -> str:
        """Keep the path alone: the emulator's port may be another one after a restart."""
        if not url:
            return ""
        parts, emulator = urlsplit(url), urlsplit(self.emulator)
        if parts.scheme != "http" or parts.hostname not in (LOOPBACK, "localhost") or parts.port != emulator.port:
            raise BadDoor(f"health_url is '{url}'; it must begin with {self.emulator}/")
        return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")

    def _open(self, name: str, host: str, health_path: str, sticky: int | None) -> Door:
        taken = {door.port for door in self.doors.values() if door.name != name}
        ports = [sticky] if sticky else []
        ports += [port for port in range(self.first_port, min(self.first_port + 200, 65536)) if port not in taken]
        for port in ports:
            door = Door(name, host, health_path, port)
            if processes.port_is_free(port):
                door.open(self.emulator)
            if door.server:
                return door
        raise BadDoor(f"no free port between {self.first_port} and {self.first_port + 199}")

    def delete(self, name: str) -> bool:
        """Close a door and give its port back; False: there was none."""
        with self.lock:
            door = self.doors.pop(name, None)
            if door:
                door.close()
                self._write()
            return door is not None


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

    def __init__(self, address: tuple[str, int], handler: type[DoorHandler], door: Door, emulator: str) -> None:
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
        if not is_health and not came_from_cdn(response.getheaders()):
            self._drop_upstream()
            gone = f"The door '{self.server.door.name}' leads to {self.server.door.host}, which does not exist."
            return self.answer(404, {"message": f"{gone} Deploy the environment again: make deploy"})
        self._pass_back(response)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = relay

    def _away(self, error: Exception) -> str:
        where = self.server.emulator.geturl()
        return f"The emulated AWS at {where} does not answer ({error}). Start it again with: make deploy"

    def _ask(self, is_health: bool) -> http.client.HTTPResponse:
        emulator = self.server.emulator
        host = emulator.netloc if is_health else self.server.door.host
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
        headers = response_headers(response.getheaders())
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


class ControlServer(LoopbackServer):
    """The listener of the control port."""

    def __init__(self, port: int, doors: Doors, directory: str) -> None:
        self.doors = doors
        self.directory = directory
        super().__init__((LOOPBACK, port), ControlHandler)


class ControlHandler(Handler):
    """Manage the doors."""

    server: ControlServer

    def parse_request(self) -> bool:
        """Refuse what a web page could send here by a name that resolves to loopback."""
        if not super().parse_request():
            return False
        port = self.server.server_address[1]
        if self.headers.get("Host") not in (f"{LOOPBACK}:{port}", f"localhost:{port}"):
            self.close_connection = True
            self.answer(403, {"message": f"The control port only answers to the name {LOOPBACK}:{port}."})
            return False
        return True

    def do_GET(self) -> None:
        """Answer status or doors."""
        if self.path == "/_sandbox/doors":
            return self.answer(200, {"doors": self.server.doors.list()})
        if self.path == "/_sandbox/status":
            return self.answer(200, {"directory": self.server.directory, "doors": self.server.doors.list()})
        return self._unknown()

    def do_PUT(self) -> None:
        """Make or change a door."""
        name = self._door_name()
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if not name:
            return self._unknown()
        try:
            return self.answer(200, self.server.doors.put(name, json.loads(body)))
        except BadDoor as error:
            return self.answer(400, {"message": f"This is no door: {error}."})
        except ValueError:
            return self.answer(400, {"message": "The body is not JSON."})

    def do_DELETE(self) -> None:
        """Close a door."""
        name = self._door_name()
        if name and self.server.doors.delete(name):
            return self.answer(204, None)
        return self.answer(404, {"message": f"There is no door '{name}'."}) if name else self._unknown()

    def _door_name(self) -> str:
        found = re.fullmatch(r"/_sandbox/doors/([^/?]+)", self.path)
        return found.group(1) if found else ""

    def _unknown(self) -> None:
        self.answer(404, {"message": "Known are /_sandbox/status, /_sandbox/doors and /_sandbox/doors/<name>."})


def main() -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(description="Stand for DNS and the CDN's edge on loopback.")
    parser.add_argument("--port", type=int, required=True, help="control port; doors are opened after it")
    parser.add_argument("--emulator", required=True, help="base URL of the emulated AWS")
    parser.add_argument("--directory", type=Path, required=True, help="the sandbox's directory")
    parser.add_argument("--pid-file", type=Path, required=True)
    options = parser.parse_args()
    processes.write_pid_file(options.pid_file, port=options.port)
    doors = Doors(options.directory / "doors.json", options.emulator, options.port + 1)
    server = ControlServer(options.port, doors, str(options.directory))
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    with contextlib.suppress(KeyboardInterrupt):
        server.serve_forever(0.1)


if __name__ == "__main__":
    main()
