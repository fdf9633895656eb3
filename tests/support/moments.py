# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stop a run at one exact moment and kill it there.

The AWS SDK of the run talks through a proxy of this process (HTTP_PROXY), which sees every call and can
hold one: before it reaches the emulated AWS, or after it was carried out and before the answer is told.
So a moment does not depend on how fast a machine is. The test itself looks at the emulator directly.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import signal
import subprocess
import threading
import time
import typing as t
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote_plus, urlsplit

from tests.support.playbook import PlaybookRun, parse_recap

DEADLINE_S = 180.0
Answer = tuple[int, list[tuple[str, str]], bytes]


def wait_for(condition: t.Callable[[], t.Any], what: str, deadline: float = DEADLINE_S) -> t.Any:
    """Look until the condition holds; return its value.

    :raises AssertionError: it did not come true
    """
    end = time.monotonic() + deadline
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError(f"not within {deadline:.0f} s: {what}")


@dataclass(frozen=True)
class Call:
    """One request to AWS.

    :param operation: ``DeleteTable``, or ``PUT /bucket/key`` where the protocol has no names
    :param subject: the stack, where it is about one
    """

    operation: str
    subject: str = ""

    def __str__(self) -> str:
        return f"{self.operation} {self.subject}".strip()


@dataclass(frozen=True)
class Passed:
    """A call that was carried out; times are seconds since the epoch."""

    call: Call
    began: float
    ended: float


def read_call(method: str, path: str, headers: Message, body: bytes, earlier: list[Call]) -> Call:
    """Tell the operation of a request in any of AWS's protocols."""
    target, text = headers.get("X-Amz-Target"), body[:4000].decode("utf-8", "replace")
    action = re.search(r"(?:^|&)Action=(\w+)", text)
    if target or not action:
        return Call(target.rpartition(".")[2] if target else f"{method} {unquote_plus(path)}")
    if action[1] == "ExecuteChangeSet":  # its name is that of the run, not of the stack
        created = (call.subject for call in reversed(earlier) if call.operation == "CreateChangeSet")
        return Call(action[1], next(created, ""))
    stack = re.search(r"(?:^|&)StackName=(?:arn:[^&]*?stack/)?([\w-]+)", unquote_plus(text))
    return Call(action[1], stack[1] if stack else "")


@dataclass
class Stop:
    """A call to hold.

    :param call: pattern of the call as text
    :param after: patterns of calls that must have been made before, in this order
    :param done: carry the call out, and hold the answer
    """

    call: str
    after: tuple[str, ...] = ()
    done: bool = False
    reached: threading.Event = field(default_factory=threading.Event)
    released: threading.Event = field(default_factory=threading.Event)

    def fits(self, call: Call, earlier: list[Call]) -> bool:
        """Say whether this is the call."""
        if self.reached.is_set() or not re.fullmatch(self.call, str(call)):
            return False
        made = iter(earlier)
        return all(any(re.fullmatch(pattern, str(one)) for one in made) for pattern in self.after)


class Relay(BaseHTTPRequestHandler):
    """Pass one request on to where its absolute address leads."""

    protocol_version = "HTTP/1.1"
    server: Proxy

    def log_message(self, format: str, *args: t.Any) -> None:
        """The proxy keeps its own list."""

    def relay(self) -> None:
        """Serve one request; a held one whose run is dead is dropped."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        where = urlsplit(self.path)
        path = where.path + (f"?{where.query}" if where.query else "")
        call, stop = self.server.meet(self.command, path, self.headers, body)
        if stop and not stop.done and not self.server.hold(stop):
            self.close_connection = True
            return
        began = time.time()
        answer = self.ask(where.netloc, path, body)
        self.server.note(call, began)
        if stop and stop.done and not self.server.hold(stop):
            self.close_connection = True
            return
        if answer:
            self.send(*answer)

    def ask(self, netloc: str, path: str, body: bytes) -> Answer | None:
        """Return the answer to a request; None: the run gets none."""
        return self.server.forward(netloc, self.command, path, dict(self.headers), body)

    def send(self, status: int, headers: list[tuple[str, str]], answer: bytes) -> None:
        """Tell the run."""
        self.send_response_only(status)
        for key, value in headers:
            if key.lower() not in ("connection", "content-length", "transfer-encoding", "keep-alive"):
                self.send_header(key, value)
        if status not in (204, 304):
            self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = do_PATCH = relay


class Proxy(ThreadingHTTPServer):
    """The proxy between a run and the emulated AWS; use as a context manager.

    :param to: host and port for every call; None: where it is addressed to
    """

    daemon_threads = True
    relay: type[Relay] = Relay

    def __init__(self, *stops: Stop, to: str | None = None) -> None:
        super().__init__(("127.0.0.1", 0), self.relay)
        self.stops = stops
        self.to = to
        self.calls: list[Call] = []
        self.passed: list[Passed] = []
        self.let_go = False
        self._lock = threading.Lock()

    def __enter__(self) -> t.Self:
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_error: t.Any) -> None:
        for stop in self.stops:
            stop.released.set()
        self.shutdown()
        self.server_close()

    @property
    def environment(self) -> dict[str, str]:
        """What makes a run's AWS SDK come this way."""
        address = f"http://127.0.0.1:{self.server_address[1]}"
        return {"HTTP_PROXY": address, "http_proxy": address, "NO_PROXY": "", "no_proxy": ""}

    def handle_error(self, request: t.Any, client_address: t.Any) -> None:
        """A run that is killed hangs up in mid-sentence."""

    def meet(self, method: str, path: str, headers: Message, body: bytes) -> tuple[Call, Stop | None]:
        """Note a call; return it with the stop that it meets."""
        with self._lock:
            call = read_call(method, path, headers, body, self.calls)
            stop = next((stop for stop in self.stops if stop.fits(call, self.calls)), None)
            self.calls.append(call)
            return call, stop

    def note(self, call: Call, began: float) -> None:
        """Note when a call was carried out."""
        with self._lock:
            self.passed.append(Passed(call, began, time.time()))

    def last(self, pattern: str) -> Passed:
        """Return the last call that was carried out and fits a pattern."""
        return [one for one in self.passed if re.fullmatch(pattern, str(one.call))][-1]

    def hold(self, stop: Stop) -> bool:
        """Wait for the test; True: go on as if nothing was."""
        stop.reached.set()
        stop.released.wait(DEADLINE_S)
        return self.let_go

    def forward(self, netloc: str, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        """Ask the emulated AWS."""
        hop_by_hop = ("connection", "proxy-connection", "keep-alive", "expect", "transfer-encoding")
        kept = {key: value for key, value in headers.items() if key.lower() not in hop_by_hop}
        connection = http.client.HTTPConnection(self.to or netloc, timeout=DEADLINE_S)
        try:
            connection.request(method, path, body, kept)
            response = connection.getresponse()
            return response.status, response.getheaders(), response.read()
        finally:
            connection.close()


def descendants(pid: int) -> list[int]:
    """Return the processes that come from this one (ansible's workers have sessions of their own)."""
    listed = subprocess.run(["ps", "-axo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    pairs = [tuple(map(int, line.split())) for line in listed.splitlines()]
    found, parents = [], {pid}
    while parents:
        children = {child for child, parent in pairs if parent in parents}
        found += sorted(children)
        parents = children
    return found


def is_alive(pid: int) -> bool:
    """Say whether a process still runs."""
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return bool(state.strip()) and not state.strip().startswith("Z")


@dataclass
class Live:
    """A run of ansible-playbook under way; its output is read as it comes."""

    process: subprocess.Popen[str]
    began: float = field(default_factory=time.monotonic)
    lines: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        pairs = ((self.process.stdout, self.lines), (self.process.stderr, self.errors))
        self.readers = [threading.Thread(target=self._read, args=pair, daemon=True) for pair in pairs]
        for reader in self.readers:
            reader.start()

    @staticmethod
    def _read(stream: t.Any, into: list[str]) -> None:
        into.extend(iter(stream.readline, ""))

    @property
    def output(self) -> str:
        """Everything it said so far."""
        return "".join([*self.lines, *self.errors])

    def says(self, text: str) -> str:
        """Wait until the output has the text; return the output."""
        self.until(lambda: text in self.output, f"the output has '{text}'")
        return self.output

    def until(self, condition: t.Callable[[], t.Any], what: str) -> t.Any:
        """Wait until the condition holds; a run that ends before is the failure."""
        found: list[t.Any] = []

        def look() -> bool:
            ended = self.process.poll() is not None
            found[:] = [condition()]
            assert found[0] or not ended, f"the run ended ({self.process.returncode}) before {what}:\n{self.output}"
            return bool(found[0])

        wait_for(look, what)
        return found[0]

    def kill(self) -> list[int]:
        """SIGKILL the process group; return the workers that this leaves behind."""
        workers = descendants(self.process.pid)
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(30)
        return workers

    def kill_tree(self) -> None:
        """SIGKILL everything that the run consists of, as a machine that loses power does."""
        if self.process.poll() is not None:
            return
        os.kill(self.process.pid, signal.SIGSTOP)  # no new worker while the list is made
        for pid in [*descendants(self.process.pid), self.process.pid]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait(30)

    def end(self, timeout: float = DEADLINE_S) -> PlaybookRun:
        """Wait for its own end."""
        self.process.wait(timeout)
        for reader in self.readers:
            reader.join(10)
        stdout, stderr = "".join(self.lines), "".join(self.errors)
        seconds = time.monotonic() - self.began
        return PlaybookRun(self.process.returncode, stdout, stderr, seconds, parse_recap(stdout))
