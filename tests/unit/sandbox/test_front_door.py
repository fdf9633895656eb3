# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The front door in front of a small server that stands for the emulator."""

from __future__ import annotations

import concurrent.futures
import http.client
import json
import socket
import threading
import typing as t
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import front_door
import pytest

from tests.support.emulated import free_ports

HOST = "d1.cloudfront.net"


class Emulator(BaseHTTPRequestHandler):
    """Tell what arrived; a few paths answer specially."""

    protocol_version = "HTTP/1.1"
    release = threading.Event()

    def log_message(self, format: str, *args: t.Any) -> None:
        """Stay silent."""

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            data = b""
            while size := int(self.rfile.readline(), 16):
                data += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return data
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _answer(self, status: int, headers: list[tuple[str, str]], data: bytes) -> None:
        self.send_response(status)
        for key, value in headers:
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def serve(self) -> None:
        """Answer any method."""
        body = self._body()
        cdn = [("X-Amz-Cf-Id", "id")]
        if self.path == "/stream":
            return self._stream(cdn)
        if self.path.startswith("/page"):
            return self._answer(200, [], b'{"status": "ok"}')
        if self.headers["Host"] != HOST:
            return self._answer(404, [], b"<Error/>")
        if self.path == "/challenge/function":
            return self._answer(401, [*cdn, ("WWW-Authenticate", "Bearer")], b"{}")
        if self.path == "/challenge/gateway":
            return self._answer(401, [*cdn, ("WWW-Authenticate", "Bearer"), ("x-amzn-ErrorType", "U")], b"{}")
        if self.path == "/hang-up":
            self._answer(200, cdn, b"bye")
            self.close_connection = True
            return None
        told = {
            "method": self.command,
            "path": self.path,
            "headers": {key.lower(): value for key, value in self.headers.items()},
            "body": body.decode(),
            "connection": self.client_address[1],
        }
        extra = [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("Connection", "x-private"), ("X-Private", "1")]
        return self._answer(200, [*cdn, *extra], json.dumps(told).encode())

    def _stream(self, headers: list[tuple[str, str]]) -> None:
        self.send_response(200)
        for key, value in [*headers, ("Transfer-Encoding", "chunked")]:
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(b"5\r\nfirst\r\n")
        self.release.wait(10)
        self.wfile.write(b"6\r\nsecond\r\n0\r\n\r\n")

    do_GET = do_HEAD = do_POST = do_OPTIONS = do_DELETE = serve


class Quiet(ThreadingHTTPServer):
    """A server whose clients may hang up."""

    daemon_threads = True
    hung_up: threading.Event

    def handle_error(self, request: t.Any, client_address: t.Any) -> None:
        """Stay silent."""

    def shutdown_request(self, request: t.Any) -> None:
        """Tell that a connection was closed from this side."""
        super().shutdown_request(request)
        self.hung_up.set()


class Stage:
    """A front door with its control port, before an emulator."""

    def __init__(self, directory: Path) -> None:
        self.port = free_ports()
        self.emulator = Quiet(("127.0.0.1", self.port), Emulator)
        self.emulator.hung_up = threading.Event()
        threading.Thread(target=self.emulator.serve_forever, args=(0.05,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self.port}"
        self.doors = front_door.Doors(directory / "doors.json", self.url, self.port + 2)
        self.control = front_door.ControlServer(self.port + 1, self.doors, str(directory))
        threading.Thread(target=self.control.serve_forever, args=(0.05,), daemon=True).start()

    def ask(
        self, port: int, method: str, path: str, body: t.Any = None, headers: dict[str, str] | None = None
    ) -> tuple[int, list[tuple[str, str]], bytes]:
        """Send one request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return response.status, response.getheaders(), response.read()
        finally:
            connection.close()

    def manage(self, method: str, path: str, body: t.Any = None, **headers: str) -> tuple[int, t.Any]:
        """Send one request to the control port."""
        data = None if body is None else json.dumps(body)
        status, _headers, answer = self.ask(self.port + 1, method, path, data, headers)
        return status, json.loads(answer) if answer else None

    def open(self, **wanted: str) -> int:
        """Open the door `production`; return its port."""
        status, door = self.manage("PUT", "/_sandbox/doors/production", {"host": HOST, **wanted})
        assert status == 200, door
        return int(door["url"].rpartition(":")[2])

    def close(self) -> None:
        """End all of it."""
        self.control.shutdown()
        self.control.server_close()
        for name in list(self.doors.doors):
            self.doors.doors[name].close()
        self.emulator.shutdown()
        self.emulator.server_close()


@pytest.fixture
def stage(tmp_path: Path) -> t.Iterator[Stage]:
    """A front door and what is behind it."""
    Emulator.release.clear()
    made = Stage(tmp_path)
    yield made
    Emulator.release.set()
    made.close()


def test_a_request_reaches_the_distribution_by_host_and_as_https(stage: Stage) -> None:
    port = stage.open()
    sent = {"X-Forwarded-Proto": "http", "Connection": "keep-alive, x-mine", "X-Mine": "1", "Accept": "a/b"}
    status, headers, data = stage.ask(port, "POST", "/mcp?x=%2F&y", '{"a": 1}', sent)
    told = json.loads(data)
    assert status == 200
    assert (told["method"], told["path"], told["body"]) == ("POST", "/mcp?x=%2F&y", '{"a": 1}')
    assert told["headers"]["host"] == HOST
    assert told["headers"]["x-forwarded-proto"] == "https"
    assert told["headers"]["accept"] == "a/b"
    assert not {"x-mine", "connection"} & set(told["headers"])
    assert [value for key, value in headers if key == "Set-Cookie"] == ["a=1", "b=2"]
    assert "x-private" not in {key.lower() for key, _value in headers}


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "DELETE"])
def test_other_methods_pass(stage: Stage, method: str) -> None:
    status, headers, data = stage.ask(stage.open(), method, "/mcp")
    assert status == 200
    assert int(dict(headers)["Content-Length"]) > 0
    assert (data == b"") is (method == "HEAD")


def test_a_challenge_of_the_function_is_renamed_and_one_of_the_gateway_is_not(stage: Stage) -> None:
    port = stage.open()
    _status, function, _data = stage.ask(port, "GET", "/challenge/function")
    _status, gateway, _data = stage.ask(port, "GET", "/challenge/gateway")
    names = [{key.lower() for key, _value in headers} for headers in (function, gateway)]
    assert "x-amzn-remapped-www-authenticate" in names[0] and "www-authenticate" not in names[0]
    assert "www-authenticate" in names[1] and "x-amzn-remapped-www-authenticate" not in names[1]


def test_health_goes_to_the_health_url(stage: Stage) -> None:
    port = stage.open(health_url=f"http://localhost:{stage.port}/page?stage=live")
    assert stage.ask(port, "GET", "/health")[2] == b'{"status": "ok"}'
    assert json.loads(stage.ask(port, "GET", "/healthy")[2])["path"] == "/healthy"


def test_without_a_health_url_health_is_a_path_like_any_other(stage: Stage) -> None:
    assert json.loads(stage.ask(stage.open(), "GET", "/health")[2])["path"] == "/health"


@pytest.mark.parametrize("path", ["/_ministack/reset", "/_localstack/health", "/_aws/execute-api/x/y"])
def test_the_emulators_own_paths_are_not_on_the_internet(stage: Stage, path: str) -> None:
    status, _headers, data = stage.ask(stage.open(), "POST", path, "x" * 100000)
    assert status == 403
    assert b"belongs to the emulator" in data


def test_one_connection_serves_many_requests_over_one_to_the_emulator(stage: Stage) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", stage.open(), timeout=10)
    seen = set()
    for _number in range(3):
        connection.request("POST", "/mcp", "x")
        seen.add(json.loads(connection.getresponse().read())["connection"])
    assert len(seen) == 1


def test_an_emulator_that_closed_the_connection_is_asked_again_on_a_new_one(stage: Stage) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", stage.open(), timeout=10)
    connection.request("GET", "/hang-up")
    assert connection.getresponse().read() == b"bye"
    assert stage.emulator.hung_up.wait(10)
    connection.request("POST", "/mcp", "again")
    assert json.loads(connection.getresponse().read())["body"] == "again"


def test_bodies_in_chunks_arrive_whole(stage: Stage) -> None:
    _status, _headers, data = stage.ask(stage.open(), "POST", "/mcp", iter([b"one ", b"two"]))
    assert json.loads(data)["body"] == "one two"


def test_a_stream_is_passed_on_as_it_comes(stage: Stage) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", stage.open(), timeout=10)
    connection.request("GET", "/stream")
    response = connection.getresponse()
    assert response.read1(100) == b"first"
    Emulator.release.set()
    assert response.read() == b"second"


def test_eight_clients_at_once_get_their_own_answers(stage: Stage) -> None:
    port = stage.open()

    def client(number: int) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        for turn in range(20):
            connection.request("POST", f"/mcp/{number}/{turn}", f"{number}-{turn}" * 1000)
            told = json.loads(connection.getresponse().read())
            if (told["path"], told["body"]) != (f"/mcp/{number}/{turn}", f"{number}-{turn}" * 1000):
                return False
        return True

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert all(pool.map(client, range(8)))


def test_a_missing_distribution_is_said(stage: Stage) -> None:
    port = stage.open()
    stage.manage("PUT", "/_sandbox/doors/production", {"host": "gone.cloudfront.net"})
    status, _headers, data = stage.ask(port, "GET", "/mcp")
    assert status == 404
    assert "gone.cloudfront.net, which does not exist" in json.loads(data)["message"]


def test_an_emulator_that_is_away_is_said(stage: Stage) -> None:
    port = stage.open()
    stage.emulator.shutdown()
    stage.emulator.server_close()
    status, _headers, data = stage.ask(port, "POST", "/mcp", "x")
    assert status == 502
    assert f"{stage.url} does not answer" in json.loads(data)["message"]
    assert "make deploy" in json.loads(data)["message"]


def test_a_door_keeps_its_port_when_it_changes_and_over_a_restart(stage: Stage, tmp_path: Path) -> None:
    first = stage.open()
    _status, other = stage.manage("PUT", "/_sandbox/doors/staging", {"host": "d2.cloudfront.net"})
    assert stage.open(health_url=f"{stage.url}/page") == first
    for door in stage.doors.doors.values():
        door.close()
    again = front_door.Doors(tmp_path / "doors.json", stage.url, stage.port + 2)
    try:
        listed = {door["name"]: door for door in again.list()}
        assert listed["production"]["url"] == f"http://127.0.0.1:{first}"
        assert listed["production"]["health_url"] == f"{stage.url}/page"
        assert listed["staging"] == other
    finally:
        for door in again.doors.values():
            door.close()


def test_a_door_whose_port_was_taken_says_so_and_gets_another(stage: Stage, tmp_path: Path) -> None:
    port = stage.open()
    stage.doors.doors["production"].close()
    with socket.socket() as squatter:
        squatter.bind(("127.0.0.1", port))
        squatter.listen()
        again = front_door.Doors(tmp_path / "doors.json", stage.url, stage.port + 2)
        assert f"port {port} is held by" in again.list()[0]["error"]
        opened = again.put("production", {"host": HOST})
        again.doors["production"].close()
    assert "error" not in opened
    assert opened["url"] != f"http://127.0.0.1:{port}"


def test_a_deleted_door_gives_its_port_back(stage: Stage) -> None:
    port = stage.open()
    assert stage.manage("DELETE", "/_sandbox/doors/production") == (204, None)
    assert stage.manage("DELETE", "/_sandbox/doors/production")[0] == 404
    assert stage.manage("GET", "/_sandbox/doors") == (200, {"doors": []})
    with pytest.raises(ConnectionRefusedError):
        stage.ask(port, "GET", "/")
    _status, door = stage.manage("PUT", "/_sandbox/doors/new", {"host": HOST})
    assert door["url"] == f"http://127.0.0.1:{port}"


@pytest.mark.parametrize(
    ("name", "wanted", "said"),
    [
        ("production", {"host": "example.org"}, "host is 'example.org'"),
        ("production", {}, "host is ''"),
        ("production", {"host": HOST, "health_url": "http://example.org/health"}, "must begin with http://127.0.0.1:"),
        ("production", {"host": HOST, "healt_url": "x"}, "the body must be JSON like"),
        ("production", [HOST], "the body must be JSON like"),
        ("Pro_duction", {"host": HOST}, "the name 'Pro_duction'"),
    ],
)
def test_what_is_no_door_is_refused(stage: Stage, name: str, wanted: t.Any, said: str) -> None:
    status, answer = stage.manage("PUT", f"/_sandbox/doors/{name}", wanted)
    assert status == 400
    assert said in answer["message"]
    assert stage.doors.list() == []


def test_the_control_port_does_not_answer_to_foreign_names(stage: Stage) -> None:
    status, answer = stage.manage("GET", "/_sandbox/status", Host="evil.example.org")
    assert status == 403
    assert "only answers to the name 127.0.0.1" in answer["message"]


def test_everything_listens_on_loopback_only(stage: Stage) -> None:
    stage.open()
    door = stage.doors.doors["production"].server
    assert door is not None
    assert {server.server_address[0] for server in (door, stage.control)} == {"127.0.0.1"}
