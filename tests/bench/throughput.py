# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests a second and memory of one uvicorn worker: ours against the bare SDK's application, the same server in both.

Ours checks the token, allowlists and the message, counts for Prometheus and writes a line of JSON for each request into
a file. The bare one has neither, nor uvicorn's access log. Both run at the same time and get the load in turns.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import math
import os
import subprocess
import sys
import tempfile
import time
import typing as t
from pathlib import Path

from tests.bench.figures import compare, in_turns, rounds
from tests.bench.package import ENTRYPOINT, HOST, PUBLIC_URL, SERVERS, Issuer, tool_call
from tests.support.checkout import ROOT
from tests.support.emulated import free_ports

ROUNDS = 40
SLICE_SECONDS = 0.5
CLIENTS = (1, 16)
START_SECONDS = 30.0


class Server:
    """One running server."""

    def __init__(self, name: str, command: list[str], port: int, folder: Path, issuer: Issuer) -> None:
        self.port = port
        environment = {
            "PATH": os.defpath,
            "PYTHONPATH": os.pathsep.join((str(ROOT / "app" / "src"), str(SERVERS))),
            "MCP_ENTRYPOINT": ENTRYPOINT,
            "MCP_PUBLIC_URL": PUBLIC_URL,
            "MCP_JWKS": issuer.jwks,
            "MCP_METRICS": "prometheus",
            "BARE_HOST": HOST,
        }
        log = (folder / f"{name}.log").open("wb")
        command = [sys.executable, "-m", *command, "--port", str(port)]
        self.process = subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT, cwd=folder)
        log.close()

    def memory(self) -> float:
        """Return the resident megabytes."""
        asked = subprocess.run(["ps", "-o", "rss=", "-p", str(self.process.pid)], capture_output=True, check=True)
        return int(asked.stdout) / 1024

    def cpu(self) -> float:
        """Return the processor seconds used so far, on Linux; elsewhere not a number."""
        stat = Path(f"/proc/{self.process.pid}/stat")
        if not stat.exists():
            return math.nan
        user, system = stat.read_text(encoding="utf-8").rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def stop(self) -> None:
        """End it."""
        self.process.terminate()
        self.process.wait()


def request_bytes(issuer: Issuer) -> bytes:
    """Return one call of the tool as it travels."""
    headers, body = tool_call(issuer.token(), "echo", text="hello")
    lines = [f"{name}: {value}" for name, value in (headers | {"Content-Length": str(len(body))}).items()]
    return "\r\n".join(["POST /mcp HTTP/1.1", *lines, "", body]).encode()


async def client(port: int, request: bytes, until: float) -> int:
    """Send one request after the other over one connection; return how many were answered.

    :raises SystemExit: an answer is not what it should be
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answered = 0
    try:
        while time.monotonic() < until:
            writer.write(request)
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            _, _, length = head.partition(b"content-length:")
            body = await reader.readexactly(int(length.split(b"\r\n", 1)[0] or 0))
            if not head.startswith(b"http/1.1 200") or b'"hello"' not in body:
                raise SystemExit(f"not an answer: {head.decode()}{body.decode()}")
            answered += 1
    finally:
        writer.close()
    return answered


class Rate(t.NamedTuple):
    """What one slice of load shows: answers a second, and processor milliseconds of the server for each."""

    answers: float
    cpu: float


def load(server: Server, request: bytes, clients: int) -> Rate:
    """Have so many clients ask for a while."""

    async def all_clients(until: float) -> int:
        return sum(await asyncio.gather(*(client(server.port, request, until) for _ in range(clients))))

    began, cpu = time.monotonic(), server.cpu()
    answered = asyncio.run(all_clients(began + SLICE_SECONDS))
    return Rate(answered / (time.monotonic() - began), (server.cpu() - cpu) / answered * 1000)


def wait_until_ready(port: int, request: bytes) -> None:
    """Wait for the first answer."""
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            asyncio.run(client(port, request, time.monotonic() + 0.05))
            return
        time.sleep(0.1)
    raise SystemExit(f"Nothing answers at port {port} after {START_SECONDS:.0f} s")


@contextlib.contextmanager
def servers(folder: Path, issuer: Issuer) -> t.Iterator[tuple[Server, Server]]:
    """Run both servers: ours and the bare one."""
    port = free_ports(2)
    # As our own command sets it; the rest of uvicorn's settings are its defaults on both sides.
    bare = ["uvicorn", "bare_asgi:app", "--no-access-log"]
    pair = (
        Server("ours", ["pratiko_mcp"], port, folder, issuer),
        Server("bare", bare, port + 1, folder, issuer),
    )
    try:
        yield pair
    finally:
        for server in pair:
            server.stop()


def throughput(folder: Path) -> None:
    """Print requests a second and memory."""
    issuer = Issuer()
    request = request_bytes(issuer)
    with servers(folder, issuer) as (ours, bare):
        for server in (ours, bare):
            wait_until_ready(server.port, request)
        compare("memory after start", "MB", [ours.memory()], [bare.memory()], "bare SDK", "no goal")
        for clients in CLIENTS:
            sides = [functools.partial(load, server, request, clients) for server in (ours, bare)]
            mine, others = in_turns(rounds(ROUNDS), *sides)
            for field, unit, goal in (("answers", "/s", "goal >= 0.9"), ("cpu", "ms a call", "no goal")):
                ours_now, bare_now = ([getattr(rate, field) for rate in rates] for rates in (mine, others))
                compare(f"tools/call with {clients} clients, {field}", unit, ours_now, bare_now, "bare SDK", goal)
        compare("memory after the load", "MB", [ours.memory()], [bare.memory()], "bare SDK", "no goal")


def main() -> None:
    """Measure in a folder that is removed."""
    with tempfile.TemporaryDirectory(prefix="mcp-bench-") as name:
        throughput(Path(name))
