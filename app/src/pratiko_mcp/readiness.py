# SPDX-License-Identifier: MIT
"""Whether the things that the server depends on answer: the checks behind /ready."""

from __future__ import annotations

import asyncio
import inspect
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from .logs import redact

CHECK_SECONDS = 2.0
MAX_REASON_CHARS = 200

Check = Callable[[], object]


class Degraded(Exception):
    """What a check raises whose dependency is away, or not as it should be, while the server serves without it."""


class Readiness:
    """Runs checks side by side, each with its own deadline.

    :param checks: by name; a check raises when its dependency is away (`Degraded` where the server can do without it),
        and may be a coroutine function
    """

    def __init__(self, checks: Mapping[str, Check], seconds: float = CHECK_SECONDS) -> None:
        self._checks = dict(checks)
        self._seconds = seconds
        self._started: dict[str, asyncio.Future[object]] = {}
        self._running: asyncio.Task[dict[str, Any]] | None = None

    async def report(self) -> dict[str, Any]:
        """Return the state of every dependency; callers at the same time share one round of checks."""
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._run())
        return await asyncio.shield(self._running)

    async def _run(self) -> dict[str, Any]:
        results = await asyncio.gather(*(self._result(name, check) for name, check in self._checks.items()))
        ready = all(result["status"] != "critical" for result in results)
        return {"status": "ready" if ready else "not_ready", "checks": results}

    async def _result(self, name: str, check: Check) -> dict[str, Any]:
        started = time.perf_counter()
        status, reason = await self._verdict(name, check)
        return {
            "name": name,
            "status": status,
            "latency_ms": round((time.perf_counter() - started) * 1000, 1),
            "reason": reason,
        }

    async def _verdict(self, name: str, check: Check) -> tuple[str, str]:
        """Run a check and return status and reason; one that hangs is waited for, not started once more."""
        hanging = self._started.get(name)
        future = self._started[name] = hanging if hanging and not hanging.done() else _start(check)
        done, _ = await asyncio.wait({future}, timeout=self._seconds)
        if not done:
            return "critical", f"no answer within {self._seconds:g} s"
        if future.cancelled():
            return "critical", "the check was cancelled"
        error = future.exception()
        if error is None:
            return "healthy", ""
        text = redact(str(error))[:MAX_REASON_CHARS]
        return ("degraded", text) if isinstance(error, Degraded) else ("critical", f"{type(error).__name__}: {text}")


def _start(check: Check) -> asyncio.Future[object]:
    if inspect.iscoroutinefunction(check):
        return asyncio.ensure_future(check())
    return _in_daemon_thread(check)


def _in_daemon_thread(check: Check) -> asyncio.Future[object]:
    """Run a blocking check apart from the pool, which a few hanging ones would fill, and which exiting waits for."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[object] = loop.create_future()

    def settle(error: BaseException | None) -> None:
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)

    def run() -> None:
        problem: BaseException | None = None
        try:
            check()
        except Exception as error:  # whatever the user's check raises is its answer
            problem = error
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle, problem)

    threading.Thread(target=run, name="readiness-check", daemon=True).start()
    return future
