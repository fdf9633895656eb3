# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A network to AWS on which calls fail, are throttled, come late, or are cut off.

    with Faults(sometimes(seed=7)) as faults:
        world.run(env=faults.environment).require()

The faults come from a plan that is asked for each attempt of each operation, so a run that failed can be repeated
with its seed. What an error looks like in the protocol of its service is microburst's knowledge.
"""

from __future__ import annotations

import random
import socket
import struct
import time
import typing as t
from collections import Counter
from urllib.parse import parse_qsl, urlsplit

from microburst.detection import RequestContext, detect
from microburst.protocols import render_error

from tests.support.moments import Answer, Proxy, Relay

SHARE = 0.3
SLOW_S = 1.0
# Half of the operations of a deploy are called more often than this.
LATEST_CALL = 8
# lost: carried out, and the connection is cut before the answer; cut: in the middle of the answer
KINDS = ("error 500", "error 503", "throttled", "slow", "reset", "lost", "cut")
ERRORS = {"error 500": ("InternalFailure", 500), "error 503": ("ServiceUnavailable", 503)}
THROTTLES = {
    "s3": ("SlowDown", 503),
    "cloudformation": ("Throttling", 400),
    "iam": ("Throttling", 400),
    "sts": ("Throttling", 400),
    "sns": ("Throttled", 429),
    "cloudfront": ("Throttling", 400),
    "ec2": ("RequestLimitExceeded", 503),
    "lambda": ("TooManyRequestsException", 429),
    "apigateway": ("TooManyRequestsException", 429),
}
THROTTLE = ("ThrottlingException", 400)

# Which fault the n-th attempt (from 0) of an operation meets; empty: none.
Plan = t.Callable[[str, int], str]


def sometimes(seed: int, share: float = SHARE, kinds: tuple[str, ...] = KINDS) -> Plan:
    """Return a plan that spoils a share of all calls, each kind alike; the same seed makes the same plan."""

    def choose(operation: str, attempt: int) -> str:
        chance = random.Random(f"{seed} {operation} {attempt}")
        return chance.choice(kinds) if chance.random() < share else ""

    return choose


def at_first(times: int, kind: str) -> Plan:
    """Return a plan that spoils the first attempts of every operation."""
    return lambda _operation, attempt: kind if attempt < times else ""


def later(times: int, kind: str, seed: int) -> Plan:
    """Return a plan that spoils as many attempts in a row of every operation, from a call that the seed chooses."""

    def choose(operation: str, attempt: int) -> str:
        first = random.Random(f"{seed} {operation}").randrange(1, LATEST_CALL)
        return kind if first <= attempt < first + times else ""

    return choose


class FaultyRelay(Relay):
    """Passes a request on, or does to it what the plan says."""

    server: Faults

    def ask(self, netloc: str, path: str, body: bytes) -> Answer | None:
        """Return the answer; None: the run gets none, or half of one."""
        where = urlsplit(path)
        seen = detect(self.headers, self.command, where.path, dict(parse_qsl(where.query)), body)
        fault = self.server.choose(seen) if seen.service else ""
        if fault in ERRORS or fault == "throttled":
            return self.refusal(seen, fault)
        if fault == "reset":
            self.hang_up()
            return None
        time.sleep(SLOW_S if fault == "slow" else 0)
        answer = super().ask(netloc, path, body)
        if fault == "cut" and answer:
            self.send_half(*answer)
        elif fault == "lost":
            self.hang_up()
        return None if fault in ("cut", "lost") else answer

    def refusal(self, seen: RequestContext, fault: str) -> Answer:
        """Return an error as the service would have said it."""
        code, status = ERRORS.get(fault) or THROTTLES.get(str(seen.service), THROTTLE)
        _status, headers, body = render_error(
            seen.service,
            code,
            fault,
            status,
            protocol=seen.protocol,
            query_compat=seen.query_compat,
            request_ct=self.headers.get("Content-Type"),
            resource=seen.path,
        )
        return status, list(headers.items()), body

    def hang_up(self) -> None:
        """Reset the connection."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True

    def send_half(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        """Send the head and half of the body."""
        self.send_response_only(status)
        for key, value in headers:
            if key.lower() not in ("connection", "content-length", "transfer-encoding"):
                self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2])
        self.hang_up()


class Faults(Proxy):
    """The proxy between a run and the emulated AWS that follows a plan; use as a context manager."""

    relay = FaultyRelay

    def __init__(self, plan: Plan, to: str | None = None) -> None:
        super().__init__(to=to)
        self.plan = plan
        self.attempts: Counter[str] = Counter()
        self.met: list[tuple[str, int, str]] = []

    def choose(self, seen: RequestContext) -> str:
        """Return what happens to a call; notes it."""
        operation = f"{seen.service}:{seen.operation or f'{seen.method} {seen.path}'}"
        with self._lock:
            attempt = self.attempts[operation]
            self.attempts[operation] += 1
            fault = self.plan(operation, attempt)
            if fault:
                self.met.append((operation, attempt, fault))
        return fault

    def describe(self) -> str:
        """Say in a line what happened."""
        kinds = Counter(fault for _operation, _attempt, fault in self.met)
        counts = ", ".join(f"{kind} {count}" for kind, count in sorted(kinds.items()))
        calls = f"{sum(self.attempts.values())} calls of {len(self.attempts)} operations"
        return f"{calls}, {len(self.met)} spoiled: {counts}"
