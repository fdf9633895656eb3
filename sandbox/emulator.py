# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the emulated AWS, and save its state while nobody uses it.

The emulator saves only when it is stopped: a killed process or a flat battery would lose every
environment. A stack that is being changed is polled all the time, so what is saved after a
quiet moment never holds a stack in mid-change.
"""

from __future__ import annotations

import argparse
import sys
import threading
import time
import typing as t
from pathlib import Path

import certificates
import deployments
import imports
import processes
import stand_ins

QUIET_SECONDS = 2.0


class Activity:
    """An ASGI application in front of the emulator's own, which notes when it was last used."""

    def __init__(self, inner: t.Callable[..., t.Awaitable[None]], page: stand_ins.Page | None = None) -> None:
        self.inner = inner
        self.page = page
        self.running = 0
        self.last_used = 0.0

    async def __call__(self, scope: dict[str, t.Any], receive: t.Any, send: t.Any) -> None:
        """Pass one request on."""
        if self.page and self.page.has(scope):
            return await self.page.answer(scope, send)
        if scope["type"] != "http" or scope["path"].startswith("/_ministack/"):
            return await self.inner(scope, receive, send)
        self.running += 1
        try:
            return await self.inner(scope, receive, send)
        finally:
            self.running -= 1
            self.last_used = time.monotonic()

    def quiet_since(self, saved: float) -> bool:
        """Say whether something happened after ``saved`` and has been over for a moment."""
        return self.running == 0 and saved < self.last_used < time.monotonic() - QUIET_SECONDS


def save_when_quiet(activity: Activity, emulator: t.Any, persistence: t.Any) -> None:
    """Save in the emulator's own event loop, where no request can change what is being written."""
    saved = 0.0

    def save() -> None:
        nonlocal saved
        if activity.quiet_since(saved):
            saved = time.monotonic()
            persistence.save_all(emulator._build_persistence_save_dict())

    while True:
        time.sleep(QUIET_SECONDS / 2)
        loop = emulator._MAIN_LOOP
        if loop is not None and loop.is_running() and activity.quiet_since(saved):
            loop.call_soon_threadsafe(save)


def main() -> None:
    """Start; the emulator's settings come from the environment (see sandbox.py)."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pid-file", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    arguments = parser.parse_args()
    processes.write_pid_file(arguments.pid_file, port=arguments.port)
    sys.argv = sys.argv[:1]  # the emulator parses it too
    # Imported only now: it takes a second, in which nobody could tell whose process this is.
    from ministack import app as emulator
    from ministack.core import persistence

    certificates.install()
    imports.install()
    deployments.install()
    activity = Activity(emulator.app, stand_ins.install(Path.cwd(), arguments.port, emulator))
    emulator.app = activity
    if persistence.PERSIST_STATE:
        threading.Thread(target=save_when_quiet, args=(activity, emulator, persistence), daemon=True).start()
    emulator.main()


if __name__ == "__main__":
    main()
