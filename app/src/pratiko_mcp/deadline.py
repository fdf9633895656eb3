# SPDX-License-Identifier: MIT
"""Time limits that hold for work which cannot be cancelled as well: a tool in a thread runs on, its caller does not."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import math
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

# For a client that does not read the answer either.
ANSWER_SECONDS = 2.0

Result = TypeVar("Result")


class TimeUp(Exception):
    """The work took too long and was cancelled."""


class _Limit:
    """The time limit of one task."""

    __slots__ = ("ends", "expired", "on_expiry", "task")

    def __init__(self, ends: float, task: asyncio.Task[Any], on_expiry: Callable[[], object] | None) -> None:
        self.ends = ends
        self.task = task
        self.on_expiry = on_expiry
        self.expired = False

    def expire(self) -> None:
        self.expired = True
        if self.on_expiry:
            self.on_expiry()
        self.task.cancel()


class Watch:
    """Keeps the time limits of all requests with one timer: starting and stopping one for each would cost more."""

    def __init__(self) -> None:
        self._limits: set[_Limit] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._rings_at = math.inf

    async def run(
        self, seconds: float, work: Awaitable[Result], on_expiry: Callable[[], object] | None = None
    ) -> Result:
        """Wait for work, and cancel it when the time is over.

        :param on_expiry: called first
        :raises TimeUp: the work ended by being cancelled
        """
        task = asyncio.current_task()
        assert task is not None
        loop = asyncio.get_running_loop()
        limit = _Limit(loop.time() + seconds, task, on_expiry)
        self._limits.add(limit)
        if limit.ends < self._rings_at or loop is not self._loop:
            self._set_timer(loop, limit.ends)
        try:
            return await work
        except asyncio.CancelledError as error:
            if not limit.expired or task.cancelling() > 1:  # somebody else wants this task to end
                raise
            raise TimeUp from error
        finally:
            self._limits.discard(limit)
            if limit.expired:
                task.uncancel()

    def _set_timer(self, loop: asyncio.AbstractEventLoop, when: float) -> None:
        if self._timer:
            self._timer.cancel()
        self._loop, self._rings_at, self._timer = loop, when, loop.call_at(when, self._ring, loop)

    def _ring(self, loop: asyncio.AbstractEventLoop) -> None:
        """End what is over time; the timer is set again for what is left."""
        now = loop.time()
        for limit in [limit for limit in self._limits if limit.ends <= now]:
            self._limits.discard(limit)
            limit.expire()
        self._timer, self._rings_at = None, math.inf
        if self._limits:
            self._set_timer(loop, min(limit.ends for limit in self._limits))


async def within(
    watch: Watch, seconds: float, work: Awaitable[None], expired: Callable[[], Coroutine[Any, Any, None]]
) -> None:
    """Wait for work; when the time is over, answer at once and cancel it.

    :param expired: answers the caller in the work's place
    """
    answers: list[asyncio.Task[None]] = []
    context = contextvars.copy_context()  # the timer that rings may be another request's

    def answer() -> None:
        answers.append(asyncio.create_task(expired(), context=context))

    with contextlib.suppress(TimeUp):
        await watch.run(seconds, work, answer)
    if answers:
        await asyncio.wait(answers, timeout=ANSWER_SECONDS)
        answers[0].cancel()
