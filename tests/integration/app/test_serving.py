# SPDX-License-Identifier: MIT
"""``python -m pratiko_mcp`` as a process: limits, sessions, a policy that changes, and an orderly end."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from pratiko_mcp import __main__

from tests.unit.app.served import LEGACY, MODERN, headers_of, request

SERVER = """
import anyio, gc, time
from mcp.server.mcpserver import Context, MCPServer

mcp = MCPServer("slow")

@mcp.tool()
async def wait(seconds: float) -> str:
    await anyio.sleep(seconds)
    return "waited"

@mcp.tool()
def block(seconds: float) -> str:
    time.sleep(seconds)
    return "blocked"

@mcp.tool()
async def steps(ctx: Context) -> str:
    for step in range(3):
        await ctx.report_progress(step, 3)
    return "stepped"

@mcp.tool()
def frozen() -> int:
    return gc.get_freeze_count()

def away():
    raise ConnectionError("the database is away")

READY_CHECKS = {"database": away}
"""
# The policy is read again after this many seconds instead of thirty.
QUICK = "import sys; from pratiko_mcp import limits; limits.REFRESH_SECONDS = 0.1; "
QUICK += "from pratiko_mcp.__main__ import main; main(sys.argv[1:])"


class Served:
    """A server process, its log and its address."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.log: list[str] = []
        self._found: threading.Event = threading.Event()
        self.port = 0
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        assert self._found.wait(30), "".join(self.log)

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.log.append(line)
            if match := re.search(r"running on http://127\.0\.0\.1:(\d+)", line):
                self.port = int(match[1])
                self._found.set()
        self._found.set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def post(self, version: str, tool: str, **arguments: Any) -> tuple[int, str]:
        """Call a tool; return status and body."""
        body = request(version, "tools/call", name=tool, arguments=arguments)
        asked = urllib.request.Request(self.url + "/mcp", body, headers_of(version, name=tool))
        try:
            with urllib.request.urlopen(asked, timeout=30) as reply:
                return reply.status, reply.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def get(self, path: str, **headers: str) -> tuple[int, str]:
        """Fetch a path; return status and body."""
        try:
            with urllib.request.urlopen(urllib.request.Request(self.url + path, headers=headers), timeout=30) as reply:
                return reply.status, reply.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def end(self) -> int:
        """Ask the process to end and return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(30)
        self._reader.join()
        return code


Serve = Callable[..., Served]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Start server processes: ``serve(MCP_SESSIONS="true")``."""
    (tmp_path / "slow_server.py").write_text(SERVER)
    started: list[Served] = []

    def start(*program: str, **variables: str) -> Served:
        path = os.pathsep.join([str(Path(__main__.__file__).parents[1]), str(tmp_path)])
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": path, "MCP_AUTH": "none"}
        environment |= {"MCP_ENTRYPOINT": "slow_server:mcp", "MCP_ALLOWED_HOSTS": "127.0.0.1:*", **variables}
        command = [sys.executable, *(program or ("-m", "pratiko_mcp")), "--port", "0"]
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        started.append(Served(process))
        return started[-1]

    yield start
    for served in started:
        if served.process.poll() is None:
            served.process.kill()
            served.process.wait()


def in_background(work: Callable[[], Any]) -> Callable[[], Any]:
    """Start work in a thread; the returned function waits for its result."""
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(work()))
    thread.start()

    def result() -> Any:
        thread.join(30)
        return results[0]

    return result


def test_calls_in_flight_are_finished_before_the_end(serve: Serve) -> None:
    served = serve()
    calls = [
        in_background(functools.partial(served.post, version, tool, seconds=2))
        for version in (LEGACY, MODERN)
        for tool in ("wait", "block")
    ]
    time.sleep(1)
    assert served.end() == 0
    for call, expected in zip(calls, ["waited", "blocked"] * 2, strict=True):
        status, body = call()
        assert status == 200
        assert expected in body
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", served.port), timeout=1)


def test_the_end_waits_for_the_time_limit_and_no_longer(serve: Serve) -> None:
    served = serve(MCP_REQUEST_TIMEOUT="1")
    call = in_background(lambda: served.post(MODERN, "wait", seconds=30))
    time.sleep(0.3)
    started = time.monotonic()
    assert served.end() == 0
    assert time.monotonic() - started < 5
    assert json.loads(call()[1])["error"]["code"] == -32001


def test_open_streams_are_closed_at_the_end(serve: Serve) -> None:
    served = serve(MCP_SESSIONS="true")

    async def listen() -> tuple[int, bytes]:
        headers = headers_of(LEGACY)
        async with httpx2.AsyncClient(base_url=served.url) as http:
            parameters = {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
            begun = await http.post("/mcp", headers=headers, content=request(LEGACY, "initialize", **parameters))
            headers["mcp-session-id"] = begun.headers["mcp-session-id"]
            async with http.stream("GET", "/mcp", headers=headers) as stream:
                ended = asyncio.create_task(asyncio.to_thread(served.end))
                body = b"".join([part async for part in stream.aiter_bytes()])
            return await ended, body

    started = time.monotonic()
    code, _ = asyncio.run(listen())
    assert code == 0
    assert time.monotonic() - started < 10


def test_sessions_with_the_official_client(serve: Serve) -> None:
    served = serve(MCP_SESSIONS="true", MCP_METRICS="off")
    seen: list[float] = []

    async def note(progress: float, total: float | None, message: str | None) -> None:
        seen.append(progress)

    async def session() -> str:
        async with Client(streamable_http_client(served.url + "/mcp"), mode="legacy") as client:
            result = await client.call_tool("steps", {}, progress_callback=note)
            return str(result.structured_content)

    assert asyncio.run(session()) == "{'result': 'stepped'}"
    assert seen == [0, 1, 2]

    def deleted() -> list[int]:
        requests = [json.loads(line) for line in list(served.log) if '"event": "request"' in line]
        return [line["status"] for line in requests if line["method"] == "DELETE"]

    # The client has its answer before the line of it is written.
    until = time.monotonic() + 10
    while not deleted() and time.monotonic() < until:
        time.sleep(0.02)
    assert deleted() == [200]


def slow_client(port: int, *parts: bytes, pause: float) -> bytes:
    """Send parts of a request with pauses in between and return all that comes back."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        for part in parts:
            connection.sendall(part)
            time.sleep(pause)
        received = b""
        with contextlib.suppress(ConnectionResetError):
            while data := connection.recv(65536):
                received += data
        return received


def test_slow_body(serve: Serve) -> None:
    served = serve(MCP_BODY_TIMEOUT="0.5")
    head = f"POST /mcp HTTP/1.1\r\nHost: 127.0.0.1:{served.port}\r\nContent-Length: 1000\r\n\r\n".encode()
    reply = slow_client(served.port, head, b"{", b'"', pause=0.3)
    assert reply.startswith(b"HTTP/1.1 408 ")
    assert b'{"error": "body_too_slow", "limit_seconds": 0.5}' in reply
    assert served.post(MODERN, "wait", seconds=0)[0] == 200


@pytest.mark.parametrize("form", ["declared", "chunked"])
def test_large_body(serve: Serve, form: str) -> None:
    served = serve(MCP_MAX_BODY_BYTES="2000")
    start = f"POST /mcp HTTP/1.1\r\nHost: 127.0.0.1:{served.port}\r\n".encode()
    if form == "declared":
        reply = slow_client(served.port, start + b"Content-Length: 5000000000\r\n\r\n{", pause=0)
    else:
        chunk = b"400\r\n" + b" " * 1024 + b"\r\n"
        reply = slow_client(served.port, start + b"Transfer-Encoding: chunked\r\n\r\n", chunk, chunk, chunk, pause=0.05)
    assert reply.startswith(b"HTTP/1.1 413 ")
    assert b'"limit_bytes": 2000' in reply


def test_a_tool_that_blocks_a_thread_does_not_block_its_caller(serve: Serve) -> None:
    served = serve(MCP_REQUEST_TIMEOUT="0.5")
    for version, expected in ((MODERN, 504), (LEGACY, 200)):
        started = time.monotonic()
        status, body = served.post(version, "block", seconds=4)
        assert time.monotonic() - started < 3
        assert status == expected
        assert '"code":-32001' in body.replace(" ", "")
    assert served.post(MODERN, "wait", seconds=0)[0] == 200


def test_a_changed_policy_is_followed(serve: Serve, tmp_path: Path) -> None:
    policy = tmp_path / "limits.json"
    policy.write_text('{"tools": {"wait": {"enabled": false}}}')
    served = serve("-c", QUICK, MCP_LIMITS_FILE=str(policy))
    assert json.loads(served.post(MODERN, "wait", seconds=0)[1])["error"]["code"] == -32005
    policy.write_text("{}")
    time.sleep(0.2)
    assert served.post(MODERN, "wait", seconds=0)[0] == 200
    policy.write_text("{")
    time.sleep(0.2)
    assert served.post(MODERN, "wait", seconds=0)[0] == 200
    checks = {check["name"]: check for check in json.loads(served.get("/ready")[1])["checks"]}
    assert checks["limits"]["status"] == "critical"
    assert any("limits cannot be read" in line for line in served.log)


def test_a_dependency_that_is_away_degrades_readiness_alone(serve: Serve) -> None:
    served = serve()
    status, body = served.get("/ready")
    report = json.loads(body)
    assert (status, report["status"]) == (503, "not_ready")
    assert [(check["name"], check["status"], check["reason"]) for check in report["checks"]] == [
        ("database", "critical", "ConnectionError: the database is away")
    ]
    assert served.get("/health")[0] == 200
    assert served.post(MODERN, "wait", seconds=0)[0] == 200


def test_metrics_of_a_process(serve: Serve) -> None:
    served = serve()
    served.post(MODERN, "wait", seconds=0)
    served.post(LEGACY, "wait", seconds="long")
    status, text = served.get("/metrics")
    assert status == 200
    assert 'mcp_requests_total{era="stateless",method="tools/call",outcome="ok",tool="wait"} 1.0' in text
    assert 'mcp_requests_total{era="session",method="tools/call",outcome="tool_error",tool="wait"} 1.0' in text
    assert "mcp_cold_starts_total 1.0" in text
    assert served.get("/metrics", **{"x-forwarded-for": "10.0.0.1"})[0] == 404


def test_what_is_loaded_is_not_collected_again(serve: Serve) -> None:
    """It is what takes a collection tens of milliseconds, in which nobody is answered."""
    status, body = serve().post(MODERN, "frozen")
    assert status == 200
    assert json.loads(body)["result"]["structuredContent"]["result"] > 10_000


def test_an_idle_connection_stays_open_as_long_as_it_was_asked_for(serve: Serve) -> None:
    served = serve("-m", "pratiko_mcp", "--keep-alive", "1")
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=20)
    connection.request("GET", "/health")
    assert json.load(connection.getresponse())["status"] == "ok"
    began = time.monotonic()
    assert connection.sock.recv(1) == b""
    assert 0.5 < time.monotonic() - began < __main__.KEEP_ALIVE_SECONDS - 1
    connection.close()
