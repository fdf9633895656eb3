# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What watches a local environment, for tests: Prometheus, Alertmanager, exporters, a webhook.

The programs are Debian's: apt-get install prometheus prometheus-alertmanager prometheus-postgres-exporter
prometheus-redis-exporter. Tests that need them are skipped without them; CI has them.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import queue
import shutil
import subprocess
import threading
import time
import typing as t
import urllib.parse
import urllib.request
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.support.checkout import ROOT
from tests.support.direct import wait_for

PACKAGES = {
    "prometheus": "prometheus",
    "promtool": "prometheus",
    "prometheus-alertmanager": "prometheus-alertmanager",
    "amtool": "prometheus-alertmanager",
    "prometheus-postgres-exporter": "prometheus-postgres-exporter",
    "prometheus-redis-exporter": "prometheus-redis-exporter",
}
RULES = ROOT / "roles" / "local" / "files" / "prometheus" / "rules"
DASHBOARDS = ROOT / "roles" / "local" / "files" / "grafana" / "dashboards"
Labels = tuple[tuple[str, str], ...]


def needs(*programs: str) -> pytest.MarkDecorator:
    """Skip a test where a program is missing, and say how to get it."""
    missing = [name for name in programs if not shutil.which(name)]
    packages = " ".join(sorted({PACKAGES[name] for name in missing}))
    reason = f"not on PATH: {', '.join(missing)}. On Debian: apt-get install --no-install-recommends {packages}"
    return pytest.mark.skipif(bool(missing), reason=reason)


class Program:
    """A process that is started again on the same port after a kill.

    :param ready: a URL that answers once it runs
    """

    def __init__(self, folder: Path, ready: str, *command: str, **environment: str) -> None:
        self.ready = ready
        self._command = command
        self._environment = environment
        self._log = folder / f"{Path(command[0]).name}-{urllib.parse.urlsplit(ready).port}.log"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> t.Self:
        self.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.kill()

    def start(self, **environment: str) -> None:
        """Start it and wait until it answers.

        :raises AssertionError: it does not
        """
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                env={**os.environ, **self._environment, **environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        wait_for(self.ready, self._process, self._log)

    def kill(self) -> None:
        """End it at once, as a crash would."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None


class Prometheus:
    """A Prometheus that can be asked.

    :param interval: what a dashboard's $__rate_interval stands for
    """

    def __init__(self, url: str, interval: str) -> None:
        self.url = url
        self.interval = interval

    def ask(self, expression: str) -> dict[Labels, float]:
        """Return the present value of every series of a dashboard's or an alert's expression.

        :raises AssertionError: Prometheus does not understand it
        """
        query = urllib.parse.urlencode({"query": expression.replace("$__rate_interval", self.interval)})
        with contextlib.closing(self._open(f"{self.url}/api/v1/query?{query}")) as answer:
            body = json.load(answer)
        assert body["status"] == "success", f"{expression}: {body.get('error')}"
        return {tuple(sorted(one["metric"].items())): float(one["value"][1]) for one in body["data"]["result"]}

    def until(self, holds: Callable[[], object], what: Callable[[], str], seconds: float = 30) -> None:
        """Wait until something holds.

        :raises AssertionError: it does not in that time
        """
        ends = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < ends, f"not within {seconds:g} s: {what()}"
            time.sleep(0.25)

    def _open(self, url: str) -> t.Any:
        try:
            return urllib.request.urlopen(url, timeout=10)
        except urllib.error.HTTPError as error:
            return error


class Webhook(ThreadingHTTPServer):
    """What an operator's chat or pager would be: keeps what Alertmanager posts. Use as a context manager."""

    daemon_threads = True

    def __init__(self, address: str = "127.0.0.1") -> None:
        super().__init__((address, 0), _Receiver)
        self.posted: queue.Queue[dict[str, t.Any]] = queue.Queue()
        self.url = f"http://{address}:{self.server_address[1]}/alerts"

    def __enter__(self) -> t.Self:
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.shutdown()
        self.server_close()

    def wait(self, alert: str, status: str, seconds: float = 60) -> dict[str, t.Any]:
        """Return the next alert of that name and status, ``firing`` or ``resolved``.

        :raises AssertionError: it does not come
        """
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            with contextlib.suppress(queue.Empty):
                for one in self.posted.get(timeout=0.25)["alerts"]:
                    if (one["labels"]["alertname"], one["status"]) == (alert, status):
                        return dict(one)
        raise AssertionError(f"{alert} did not come as {status} within {seconds:g} s")


class _Receiver(BaseHTTPRequestHandler):
    server: Webhook

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.posted.put(json.loads(body))
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nobody reads it."""


@functools.cache
def panels() -> dict[str, list[str]]:
    """Return the queries of every panel of the dashboards, by dashboard and title."""
    found: dict[str, list[str]] = {}
    for path in sorted(DASHBOARDS.glob("*.json")):
        for panel in json.loads(path.read_text(encoding="utf-8"))["panels"]:
            if panel["type"] != "row":
                found[f"{path.stem}: {panel['title']}"] = [target["expr"] for target in panel["targets"]]
    return found
