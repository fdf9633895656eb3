# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A page in headless Chromium, driven over a pipe: what it measures, complains of, asks the network for, looks like."""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import select
import shutil
import subprocess
import sys
import time
import typing as t
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
OPTIONS = (
    "--headless=new",
    # In a container there is no user name space for it; it opens our own files alone.
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--no-first-run",
    "--remote-debugging-pipe",
)
SECONDS = 60.0
# Away from 3 and 4, which Chromium reads from and writes to.
FIRST_FREE = 10
LAUNCH = """
import os, sys
for there, here in enumerate(sys.argv[1:3], 3):
    os.dup2(int(here), there)
os.execv(sys.argv[3], sys.argv[3:])
"""


def find() -> str | None:
    """Return the Chromium of this machine, None where there is none."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class Browser:
    """A running Chromium.

    :param profile: folder for its own files
    """

    def __init__(self, binary: str, profile: Path) -> None:
        read_command, write_command = os.pipe()
        read_answer, write_answer = os.pipe()
        theirs = [fcntl.fcntl(fd, fcntl.F_DUPFD, FIRST_FREE) for fd in (read_command, write_answer)]
        command = [binary, *OPTIONS, f"--user-data-dir={profile}", "about:blank"]
        self.process = subprocess.Popen(
            [sys.executable, "-c", LAUNCH, *map(str, theirs), *command],
            pass_fds=theirs,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for fd in (*theirs, read_command, write_answer):
            os.close(fd)
        self.commands, self.answers = write_command, read_answer
        self.buffer, self.last, self.events = b"", 0, []  # type: bytes, int, list[dict[str, t.Any]]

    def message(self, until: float) -> dict[str, t.Any]:
        """Return the next message."""
        while b"\0" not in self.buffer:
            ready, _, _ = select.select([self.answers], [], [], max(until - time.monotonic(), 0))
            if not ready:
                raise TimeoutError("Chromium did not answer")
            data = os.read(self.answers, 1 << 16)
            if not data:
                raise EOFError(f"Chromium ended with {self.process.wait(10)}")
            self.buffer += data
        message, _, self.buffer = self.buffer.partition(b"\0")
        found: dict[str, t.Any] = json.loads(message)
        return found

    def call(self, method: str, session: str | None = None, **params: t.Any) -> dict[str, t.Any]:
        """Send a command and return its result; what happens meanwhile is noted."""
        self.last += 1
        sent = {"id": self.last, "method": method, "params": params, **({"sessionId": session} if session else {})}
        os.write(self.commands, json.dumps(sent).encode() + b"\0")
        until = time.monotonic() + SECONDS
        while (message := self.message(until)).get("id") != self.last:
            self.events.append(message)
        assert "error" not in message, f"{method}: {message['error']}"
        result: dict[str, t.Any] = message["result"]
        return result

    def wait_for(self, method: str, session: str) -> None:
        """Wait until something has happened."""
        until = time.monotonic() + SECONDS
        while not any(event.get("method") == method and event.get("sessionId") == session for event in self.events):
            self.events.append(self.message(until))

    def close(self) -> None:
        """End it."""
        with contextlib.suppress(OSError, EOFError, TimeoutError, AssertionError):
            self.call("Browser.close")
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(10)
        self.process.kill()
        self.process.wait()
        os.close(self.commands)
        os.close(self.answers)


class Page:
    """One page in a browser."""

    def __init__(self, browser: Browser, url: str, width: int, height: int, dark: bool = False) -> None:
        self.browser = browser
        target = browser.call("Target.createTarget", url="about:blank")["targetId"]
        self.session: str = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        phone = width < 600
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone)
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.call("Emulation.setEmulatedMedia", features=scheme)
        self.call("Page.navigate", url=url)
        browser.wait_for("Page.loadEventFired", self.session)

    def call(self, method: str, **params: t.Any) -> dict[str, t.Any]:
        """Send a command to this page."""
        return self.browser.call(method, self.session, **params)

    def value(self, expression: str) -> t.Any:
        """Return what an expression is worth on the page."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def events(self, method: str) -> list[dict[str, t.Any]]:
        """Return what has happened."""
        return [
            event["params"]
            for event in self.browser.events
            if event.get("method") == method and event.get("sessionId") == self.session
        ]

    def complaints(self) -> list[str]:
        """Return errors of scripts, of the page's policy, and whatever else was logged."""
        thrown = [event["exceptionDetails"]["text"] for event in self.events("Runtime.exceptionThrown")]
        return thrown + [event["entry"]["text"] for event in self.events("Log.entryAdded")]

    def requests(self) -> list[str]:
        """Return the addresses that were asked for."""
        return [event["request"]["url"] for event in self.events("Network.requestWillBeSent")]

    def screenshot(self, path: Path) -> None:
        """Write a picture of the whole page."""
        answer = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(answer["data"]))

    def pdf(self, path: Path) -> None:
        """Write the page as it prints."""
        answer = self.call("Page.printToPDF", paperWidth=8.27, paperHeight=11.69, printBackground=False)
        path.write_bytes(base64.b64decode(answer["data"]))


@contextlib.contextmanager
def started(binary: str, profile: Path) -> t.Iterator[Browser]:
    """Start a browser and end it."""
    browser = Browser(binary, profile)
    try:
        yield browser
    finally:
        browser.close()
