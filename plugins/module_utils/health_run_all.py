# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run many looks at once and wait for none of them longer than agreed."""

from __future__ import annotations

import queue
import threading
import time
import typing as t
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

T = t.TypeVar("T")

MAX_THREADS = 1024
# Files that the process itself needs beside one connection a thread.
OTHER_FILES = 128
# A parser that recurses may need this much of a thread's stack; what is not used costs no memory.
STACK_BYTES = 4 * 1024 * 1024
STEP_THREADS = 16
PAUSE_SECONDS = 0.01
# Jobs that are taken in a pause while servers answer at once.
ENOUGH_TAKEN = 8


@dataclass
class Clock:
    """The time that a task has.

    :param deadline: seconds for all probes together; None: as long as they take
    """

    deadline: float | None
    began: float = field(default_factory=time.monotonic)

    def left(self) -> float:
        """Return the seconds that are left, never below 0."""
        return float("inf") if self.deadline is None else max(self.began + self.deadline - time.monotonic(), 0.0)

    def over(self) -> bool:
        """Tell whether the deadline has passed."""
        return self.left() <= 0


def thread_count(jobs: int) -> int:
    """Return how many threads may run: each needs a file for its connection."""
    import resource

    files, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    room = MAX_THREADS if files == resource.RLIM_INFINITY else max(files - OTHER_FILES, files // 2)
    return min(jobs, MAX_THREADS, room)


def run_all(
    jobs: Sequence[Callable[[], T]], clock: Clock, late: Callable[[int], T], broken: Callable[[int, BaseException], T]
) -> list[T]:
    """Run all jobs at once; return their results in the order of the jobs.

    The threads are daemons: one that hangs ends with the process, and nobody waits for it.

    :param late: makes the result of a job that has none at the deadline
    :param broken: makes the result of a job that raised what it should not
    """
    waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
    ended: queue.SimpleQueue[tuple[int, T]] = queue.SimpleQueue()
    for number in range(len(jobs)):
        waiting.put(number)

    def work() -> None:
        while not clock.over():
            try:
                number = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                result = jobs[number]()
            except BaseException as error:
                result = broken(number, error)
            ended.put((number, result))

    threading.Thread(target=start_threads, args=(work, waiting, len(jobs)), daemon=True).start()
    found = collect(ended, len(jobs), clock)
    return [found[number] if number in found else late(number) for number in range(len(jobs))]


def start_threads(work: Callable[[], None], waiting: queue.SimpleQueue[int], jobs: int) -> None:
    """Start daemon threads: a few, and more whenever those are stuck while jobs wait.

    Where servers answer at once a few do it all, and measure what the server takes instead of each other.
    """
    threading.stack_size(STACK_BYTES)
    most, started = thread_count(jobs), 0
    left = jobs
    while left and started < most:
        step = min(STEP_THREADS, most - started)
        for _number in range(step):
            try:
                threading.Thread(target=work, daemon=True).start()
            except RuntimeError:  # the machine gives no more: those that there are do it, and this one
                return work()
        started += step
        left = wait_until_stuck(waiting)


def wait_until_stuck(waiting: queue.SimpleQueue[int]) -> int:
    """Return how many jobs still wait, as soon as hardly any is taken."""
    left = waiting.qsize()
    while left:
        time.sleep(PAUSE_SECONDS)
        before, left = left, waiting.qsize()
        if before - left < ENOUGH_TAKEN:
            break
    return left


def collect(ended: queue.SimpleQueue[tuple[int, T]], count: int, clock: Clock) -> dict[int, T]:
    """Return the results by their number, those that come before the deadline."""
    found: dict[int, T] = {}
    while len(found) < count:
        left = clock.left()
        try:
            number, result = ended.get(timeout=None if left == float("inf") else left)
        except queue.Empty:
            break
        found[number] = result
    return found
