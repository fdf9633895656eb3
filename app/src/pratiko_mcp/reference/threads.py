# SPDX-License-Identifier: MIT
"""Threads of its own for each store: calls that wait for one that is away must not hold the threads of the others."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from typing import ParamSpec, TypeVar

import anyio
import anyio.to_thread

THREADS = 32

P = ParamSpec("P")
R = TypeVar("R")


class Threads:
    """At most `THREADS` calls of the functions that it wraps run at once; more wait for their turn."""

    def __init__(self) -> None:
        self._limiter = anyio.CapacityLimiter(THREADS)

    def __call__(self, function: Callable[P, R]) -> Callable[P, Awaitable[R]]:
        """Return a coroutine function that runs a blocking one in these threads."""

        @functools.wraps(function)
        async def run(*args: P.args, **kwargs: P.kwargs) -> R:
            call = functools.partial(function, *args, **kwargs)
            return await anyio.to_thread.run_sync(call, limiter=self._limiter)

        return run
