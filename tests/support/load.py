# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Official MCP clients at work while something happens, and the log of every call they made.

    with Load(endpoint, token, folder) as load:  # every client has had an answer
        deploy()
        log = load.finish()  # not before there are enough calls, some of them after the event
    assert log.failed == []

The clients live in a process of their own, half of them in each era of the protocol. They never connect again
and never repeat a call: a call that got no answer is a failed call.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import ssl
import subprocess
import sys
import time
import typing as t
from pathlib import Path

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from mcp.types import TextContent

from tests.support.checkout import ROOT

LOGS = ROOT / "tests" / "output" / "load"
ERAS = ("2026-07-28", "legacy")
CLIENTS = 4
CALLS = 500
PAUSE_S = 0.05
# So many by each client that began after the event: what only shows later is seen as well.
CALLS_AFTER = 10
ANSWER_S = 60.0


@dataclasses.dataclass(frozen=True)
class Call:
    """One call of a tool; times are seconds since the epoch.

    :param status: HTTP status of its answer; None: there was none
    :param version: what the server calls itself; empty: it did not say
    """

    client: int
    era: str
    tool: str
    started: float
    ended: float
    ok: bool
    error: str
    status: int | None
    version: str


@dataclasses.dataclass(frozen=True)
class Log:
    """The calls of one load, by the time at which they began."""

    calls: list[Call]

    @classmethod
    def read(cls, path: Path) -> Log:
        """Read a file of calls."""
        lines = path.read_text(encoding="utf-8").splitlines()
        return cls(sorted((Call(**json.loads(line)) for line in lines), key=lambda call: call.started))

    @property
    def failed(self) -> list[Call]:
        """The calls that did not get what they asked for."""
        return [call for call in self.calls if not call.ok]

    @property
    def versions(self) -> set[str]:
        """The versions that answered."""
        return {call.version for call in self.calls if call.ok}

    def first_answer_of(self, version: str) -> float:
        """Return when the first answer of a version came."""
        return min(call.ended for call in self.calls if call.version == version)

    def between(self, begin: float, end: float) -> list[Call]:
        """Return the calls that began in a window."""
        return [call for call in self.calls if begin <= call.started < end]

    def seconds_until(self, what: t.Callable[[Call], bool], moment: float) -> float:
        """Return how long after a moment the last call began that is not so; 0: every one after it is."""
        after = self.between(moment, float("inf"))
        assert after and what(after[-1]), "no call after it is so" if after else "no call after it"
        return max((call.started - moment for call in after if not what(call)), default=0.0)

    def require_span(self, begin: float, end: float, calls: int = CALLS) -> None:
        """Make sure that there was a load, before, during and after what happened."""
        assert len(self.calls) >= calls
        assert len({call.client for call in self.calls}) >= CLIENTS
        assert {call.era for call in self.calls} == set(ERAS)
        during = [call for call in self.calls if call.started < end and call.ended > begin]
        windows = {"before": self.between(0, begin), "during": during, "after": self.between(end, float("inf"))}
        for name, calls_then in windows.items():
            assert {call.client for call in calls_then} == set(range(CLIENTS)), f"not every client {name} it"

    def describe(self) -> str:
        """Say in a line what was measured."""
        seconds = self.calls[-1].ended - self.calls[0].started
        slowest = max(call.ended - call.started for call in self.calls)
        per_version = {name: sum(call.version == name for call in self.calls) for name in sorted(self.versions)}
        return (
            f"{len(self.calls)} calls in {seconds:.1f} s, {len(self.failed)} failed, slowest {slowest:.2f} s,"
            f" by version {per_version}"
        )


class Load:
    """Clients at an endpoint; use as a context manager.

    :param name: of the log under tests/output/load, which is kept
    :param token: valid for the whole load
    :param calls: how many there have to be, all clients together
    :param ca_file: the authority of an endpoint that no public one knows
    """

    def __init__(
        self,
        endpoint: str,
        token: str,
        name: str,
        tool: str = "which_version",
        calls: int = CALLS,
        pause: float = PAUSE_S,
        ca_file: str | None = None,
    ) -> None:
        LOGS.mkdir(parents=True, exist_ok=True)
        self.path = LOGS / f"{name}.jsonl"
        self.path.unlink(missing_ok=True)
        self._settings = {
            "endpoint": endpoint,
            "token": token,
            "tool": tool,
            "calls": calls,
            "pause": pause,
            "path": str(self.path),
            "ca_file": ca_file,
        }

    def __enter__(self) -> Load:
        """Start the clients, and wait until each has had an answer."""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.load"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        stdin, stdout = t.cast(t.IO[str], self.process.stdin), t.cast(t.IO[str], self.process.stdout)
        stdin.write(json.dumps(self._settings) + "\n")
        stdin.flush()
        if stdout.readline() != "ready\n":
            self.process.kill()
            raise AssertionError(f"the clients did not start: {self.process.communicate()[1][-4000:]}")
        return self

    def __exit__(self, *_error: object) -> None:
        """End the clients."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()

    def finish(self, timeout: float = 180.0) -> Log:
        """Wait until there are enough calls; return them."""
        _stdout, stderr = self.process.communicate(timeout=timeout)  # closes stdin: the event is over
        assert self.process.returncode == 0, stderr[-4000:]
        return Log.read(self.path)


# The clients' process


@dataclasses.dataclass
class Plan:
    """What the clients are to do, and how far they are."""

    endpoint: str
    token: str
    tool: str
    calls: int
    pause: float
    path: str
    ca_file: str | None = None
    made: int = 0
    is_over: bool = False

    def note(self, call: Call) -> None:
        """Write a call down."""
        self.made += 1
        with open(self.path, "a", encoding="utf-8") as log:
            log.write(json.dumps(dataclasses.asdict(call)) + "\n")


def main() -> None:
    """Run the clients of one plan, until the other end of stdin says that the event is over."""
    asyncio.run(run(Plan(**json.loads(sys.stdin.readline()))))


async def run(plan: Plan) -> None:
    """Run every client to its end; the event is over when stdin is closed."""
    ready = [asyncio.Event() for _ in range(CLIENTS)]
    clients = [asyncio.create_task(be_client(plan, number, ready[number])) for number in range(CLIENTS)]
    for event, client in zip(ready, clients, strict=True):
        first = asyncio.create_task(event.wait())
        await asyncio.wait({first, client}, return_when=asyncio.FIRST_COMPLETED)
        if client.done():
            client.result()  # what made it end before its first answer
            raise RuntimeError("a client ended before it was ready")
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    plan.is_over = True
    await asyncio.gather(*clients)


async def be_client(plan: Plan, number: int, ready: asyncio.Event) -> None:
    """Connect once, and call until there were enough; a connection that is lost ends this client."""
    statuses: list[int] = []
    after = 0

    async def note_status(response: httpx2.Response) -> None:
        statuses.append(response.status_code)

    era = ERAS[number % len(ERAS)]
    headers, hooks = {"Authorization": f"Bearer {plan.token}"}, {"response": [note_status]}
    tls = ssl.create_default_context(cafile=plan.ca_file)
    try:
        async with (
            httpx2.AsyncClient(headers=headers, event_hooks=hooks, timeout=ANSWER_S, verify=tls) as http,
            Client(streamable_http_client(plan.endpoint, http_client=http), mode=era) as client,
        ):
            while plan.made < plan.calls or after < CALLS_AFTER:
                after += plan.is_over
                statuses.clear()
                began = time.time()
                version, error = "", "the connection was lost"
                try:
                    version, error = await one_call(client, plan.tool)
                finally:
                    status = statuses[-1] if statuses else None
                    plan.note(Call(number, era, plan.tool, began, time.time(), not error, error, status, version))
                ready.set()
                await asyncio.sleep(plan.pause)
    except Exception:
        if not ready.is_set():
            raise


async def one_call(client: Client, tool: str) -> tuple[str, str]:
    """Call a tool once; return the version that answered and what was wrong."""
    try:
        # The session's own method: the client's would send a call again that the server found inconsistent.
        result = await client.session.call_tool(tool, {})
    except MCPError as error:
        return "", f"{error.error.code} {error.error.message}"
    text = " ".join(part.text for part in result.content if isinstance(part, TextContent))
    answer = result.structured_content or {}
    return str(answer.get("version", "")), (text or "no text") if result.is_error else ""


if __name__ == "__main__":
    main()
