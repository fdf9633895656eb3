# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Attacks a server round by round, and says what came of it."""

from __future__ import annotations

import concurrent.futures
import http.client
import random
import re
import statistics
import time
import typing as t
import urllib.request
from collections import Counter
from dataclasses import dataclass, field

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, example, given, seed, settings
from hypothesis import strategies as st

from tests.fuzz import described, forms, messages
from tests.fuzz.checks import BROKEN_HTTP, Violation, check_line, check_reply, check_valid, demand
from tests.fuzz.requests import Case
from tests.fuzz.sessions import Pair, session_cases
from tests.fuzz.target import Target, Usage
from tests.fuzz.tokens import Credential, Credentials
from tests.fuzz.wire import PATIENCE, SOON, Reply, converse, read_replies

# Cases of each kind in one round.
ROUND = {
    "described": 20,
    "valid": 25,
    "messages": 80,
    "tokens": 40,
    "headers": 50,
    "routes": 30,
    "chunks": 30,
    "garbage": 25,
    "leaving": 20,
    "pipelines": 12,
    "large": 8,
    "slow": 2,
    "together": 5,
    "sessions": 60,
}
# With sessions GET is a stream, which the description and the routes do not expect; and an id that is in flight twice
# in one session, as it can be when cases run together, is a client's mistake that costs it an answer.
WITHOUT_SESSIONS = ("described", "routes", "together", "pipelines")
# Until pools, caches and the limits' tables have their size.
WARM_UP_SHARE = 0.25
MAX_GROWTH = 1.2
MAX_GROWTH_BYTES = 10 * 1024 * 1024
MAX_MORE_FILES = 3
MAX_MORE_THREADS = 8
PROGRESS_SECONDS = 10


@dataclass
class Report:
    """What a run did and saw. Times in seconds."""

    seed: int
    began: float = field(default_factory=time.monotonic)
    seconds: float = 0.0
    rounds: int = 0
    cases: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    usage: list[tuple[float, Usage]] = field(default_factory=list)
    slowest: tuple[float, str] = (0.0, "")
    violation: str = ""

    def warm(self) -> list[tuple[float, Usage]]:
        """Return the samples after the warm-up."""
        return [sample for sample in self.usage if sample[0] >= WARM_UP_SHARE * self.seconds] or self.usage

    def rss(self) -> tuple[int, int, float]:
        """Return resident bytes after the warm-up and at the end, and the slope between in bytes a minute."""
        samples = self.warm()
        sizes = [usage.rss for _, usage in samples]
        edge = max(1, len(sizes) // 10)
        slope = statistics.linear_regression([at for at, _ in samples], sizes).slope * 60 if len(samples) > 1 else 0.0
        return int(statistics.median(sizes[:edge])), int(statistics.median(sizes[-edge:])), slope

    def __str__(self) -> str:
        first, last, slope = self.rss() if self.usage else (0, 0, 0.0)
        lines = [
            f"seed {self.seed}: {self.cases} cases in {self.rounds} rounds, {self.seconds:.0f} s, "
            f"{self.cases / max(self.seconds, 0.001):.0f} a second",
            "outcomes: " + ", ".join(f"{name} {count}" for name, count in sorted(self.outcomes.items())),
            f"RSS after the warm-up {first / 2**20:.1f} MiB, at the end {last / 2**20:.1f} MiB, "
            f"slope {slope / 2**20:+.2f} MiB a minute",
            f"slowest answer: {self.slowest[0]:.2f} s ({self.slowest[1]})",
        ]
        if self.usage:
            usage = self.usage[-1][1]
            lines.append(f"open files {self.warm()[0][1].files} -> {usage.files}, threads {usage.threads}")
        return "\n".join([*lines, *([f"VIOLATION: {self.violation}"] if self.violation else [])])


class Attack:
    """One run against one server.

    :param legs: the kinds of cases, all that fit the server unless given
    :param say: takes a line of progress
    """

    def __init__(
        self, target: Target, number: int, legs: t.Iterable[str] = (), say: t.Callable[[str], None] = print
    ) -> None:
        self.report = Report(number)
        left_out = WITHOUT_SESSIONS if target.sessions else ("sessions",)
        self._order = sorted(legs or (leg for leg in ROUND if leg not in left_out))
        self._target = target
        self._say = say
        self._said = time.monotonic()
        self._credentials = Credentials(target.issuer, target.url, target.sessions)
        self._sessions = Pair(target.port, self._credentials) if target.sessions else None
        self._session = requests.Session()
        self._last = ""
        self._patience = PATIENCE
        self._legs = self._strategies()
        self._always = {"messages": messages.notification(target.port, self._credentials)}

    def _strategies(self) -> dict[str, st.SearchStrategy[t.Any]]:
        where = self._target.port, self._credentials
        legs: dict[str, st.SearchStrategy[t.Any]] = {
            "described": described.cases(described.load()),
            "valid": messages.valid_cases(*where),
            "messages": messages.message_cases(*where),
            "tokens": messages.token_cases(*where),
            "headers": forms.header_cases(*where),
            "routes": forms.route_cases(*where),
            "chunks": forms.chunk_cases(*where),
            "garbage": forms.garbage_cases(*where),
            "leaving": forms.leaving_cases(*where),
            "pipelines": forms.pipeline_cases(*where),
            "large": forms.large_cases(*where),
            "slow": forms.slow_cases(*where),
            "sessions": session_cases(*where),
        }
        mixed = [legs[name] for name in ("valid", "messages", "headers", "leaving", "large")]
        return {**legs, "together": st.lists(st.one_of(*mixed), min_size=1, max_size=24).map(tuple)}

    def run(self, seconds: float = 0.0, rounds: int = 0) -> Report:
        """Go on for a time or for some rounds; the report has the first violation."""
        report = self.report
        try:
            while report.rounds < rounds or time.monotonic() - report.began < seconds:
                self._round(report.seed + report.rounds)
            self._check_usage()
        except Violation as violation:
            report.violation = str(violation)
        finally:
            report.seconds = time.monotonic() - report.began
            self._session.close()
        return report

    def _round(self, number: int) -> None:
        order = list(self._order)
        random.Random(number).shuffle(order)
        for leg in order:
            self._attack(leg, number)
        self._settle()
        self.report.rounds += 1
        self.report.usage.append((time.monotonic() - self.report.began, self._target.usage()))

    def _attack(self, leg: str, number: int) -> None:
        """Let hypothesis draw cases of one kind; it shrinks the first one that fails."""

        @seed(f"{number} {leg}")
        @settings(
            max_examples=ROUND[leg],
            database=None,
            deadline=None,
            derandomize=False,
            phases=[Phase.explicit, Phase.generate, Phase.shrink],
            report_multiple_bugs=False,
            print_blob=False,
            suppress_health_check=list(HealthCheck),
        )
        @given(self._legs[leg])
        def attempt(drawn: t.Any) -> None:
            self._try(leg, drawn)

        if leg in self._always:
            attempt = example(self._always[leg])(attempt)
        self._last = ""
        try:
            attempt()
        except Exception as error:
            # Of hypothesis's errors, those about itself have no case of ours.
            if not self._last:
                raise
            raise Violation(f"{self._last}\nround's seed {number}, {type(error).__name__}") from error

    def _try(self, leg: str, drawn: t.Any) -> None:
        """Send what was drawn; keep the text of what fails, of which the last one is the smallest."""
        ended = not self._target.alive and not self._last
        self._target.ensure()
        began = time.monotonic()
        try:
            demand(not ended, "the process ended after the case before")
            if isinstance(drawn, schemathesis.Case):
                self._try_described(drawn)
            else:
                self._try_cases(drawn if isinstance(drawn, tuple) else (drawn,))
            demand(self._target.alive, "the process ended")
        except (AssertionError, OSError) as error:
            shown = drawn.as_curl_command(base_url=self._target.url) if leg == "described" else repr(drawn)
            self._last = f"{'' if self._target.alive else 'the process ended: '}{error}\n{shown}"
            self._patience = PATIENCE / 5  # to make it small, hundreds like it are tried
            time.sleep(SOON)
            self._target.new_lines()  # what the log says about this one is not the next one's fault
            raise
        self._count(leg, drawn, time.monotonic() - began)

    def _count(self, leg: str, drawn: t.Any, seconds: float) -> None:
        self.report.cases += len(drawn) if isinstance(drawn, tuple) else 1
        if leg != "slow" and seconds > self.report.slowest[0]:
            self.report.slowest = seconds, leg
        if time.monotonic() - self._said > PROGRESS_SECONDS:
            self._said = time.monotonic()
            passed = self._said - self.report.began
            usage = self._target.usage()
            self._say(
                f"{passed:.0f} s: {self.report.cases} cases, {self.report.cases / passed:.0f} a second, "
                f"RSS {usage.rss / 2**20:.1f} MiB, {usage.files} files, {usage.threads} threads"
            )

    def _try_described(self, case: schemathesis.Case) -> None:
        credential = self._credentials.good()
        sent, reply = described.send(case, self._target.url, self._session, credential)
        check_reply(reply, credential, sent.raw(), sent)
        self.report.outcomes[f"{reply.status}"] += 1
        self._check_log([(reply, credential)])

    def _try_cases(self, cases: tuple[Case, ...]) -> None:
        if len(cases) == 1:
            answered = [self._try_case(cases[0])]
        else:
            with concurrent.futures.ThreadPoolExecutor(8) as pool:
                answered = list(pool.map(self._try_case, cases))
        if self._sessions:
            self._sessions.check(may_end=any(case.wire.parts[0].startswith(b"DELETE ") for case in cases))
        self._check_log(
            [(reply, case.credential) for case, replies in zip(cases, answered, strict=True) for reply in replies]
        )

    def _try_case(self, case: Case) -> list[Reply]:
        wire = self._sessions.fill(case.wire) if self._sessions else case.wire
        received = converse(self._target.port, wire, self._patience)
        first = case.sent[0].method.decode("latin-1") if case.sent else "POST"
        if first == "HEAD":  # uvicorn's own answer to broken HTTP has a body all the same
            received = received.removesuffix(BROKEN_HTTP)
        try:
            replies = read_replies(received, first)
        except http.client.HTTPException as error:
            # Whoever goes away may miss the end of an answer.
            demand(case.wire.end != "read" or case.leg == "large", f"no HTTP response: {error!r}: {received[:500]!r}")
            replies = []
        for number, reply in enumerate(replies):
            sent = case.sent[number] if number < len(case.sent) else None
            asked = b"".join((*case.wire.parts, case.said))
            check_reply(reply, case.credential, asked, sent, case.wire.end != "taste")
            demand(not case.statuses or reply.status in case.statuses, f"status {reply.status}, not {case.statuses}")
            if case.valid:
                check_valid(reply)
        if case.wire.end == "read" and case.leg != "large":
            demand(len(replies) >= max(1, len(case.sent)), f"{len(replies)} replies: {received[:500]!r}")
        self.report.outcomes.update([str(reply.status) for reply in replies] or ["no reply"])
        return replies

    def _check_log(self, answered: list[tuple[Reply, Credential]]) -> None:
        """Check the log's new lines, among which every reply of the runtime has one."""
        wanted = [reply.headers["x-request-id"] for reply, _ in answered if "x-request-id" in reply.headers]
        credentials = {credential for _, credential in answered} | {self._credentials.good()}
        for line in self._target.lines_with(wanted):
            check_line(line, credentials)

    def _settle(self, seconds: float = 10.0) -> None:
        """Wait until the server has nothing to do, which it must come to."""
        deadline = time.monotonic() + seconds
        while (busy := self._in_flight()) > 1:  # the question itself is one
            demand(time.monotonic() < deadline, f"{busy:g} requests still run {seconds:g} s after their clients left")
            time.sleep(0.02)
        for line in self._target.new_lines():
            check_line(line, [self._credentials.good()])

    def _in_flight(self) -> float:
        with urllib.request.urlopen(f"{self._target.url}/metrics", timeout=10) as reply:
            found = re.search(r"^mcp_requests_in_flight (\S+)", reply.read().decode(), re.MULTILINE)
        assert found, "/metrics has no mcp_requests_in_flight"
        return float(found[1])

    def _check_usage(self) -> None:
        """Check that memory, files and threads stayed flat after the warm-up."""
        self.report.seconds = time.monotonic() - self.report.began
        first, last, _ = self.report.rss()
        allowed = first * MAX_GROWTH + MAX_GROWTH_BYTES
        demand(last <= allowed, f"RSS grew from {first} to {last} bytes, {allowed:.0f} are allowed")
        early, late = self.report.warm()[0][1], self.report.usage[-1][1]
        demand(late.files <= early.files + MAX_MORE_FILES, f"open files: {early.files}, then {late.files}")
        demand(late.threads <= early.threads + MAX_MORE_THREADS, f"threads: {early.threads}, then {late.threads}")
