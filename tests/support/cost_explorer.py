# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An emulated Cost Explorer with costs of one's own; it answers each new question with the next of them.

with cost_explorer(folder) as emulated:
    emulated.seed([{"ResultsByTime": [...]}])
"""

from __future__ import annotations

import contextlib
import http.client
import json
import subprocess
import sys
import time
import typing as t
from pathlib import Path

from tests.support.services import STOP_SECONDS, ServiceFailed, free_port

START_SECONDS = 60.0
SEED_PATH = "/moto-api/static/ce/cost-and-usage-results"
# moto writes a line for each request; those of the AWS API are posted to its root.
ASKED = '"POST / HTTP'


class CostExplorer:
    """The server, and how often it was asked."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.log = folder / "cost-explorer.log"
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    @property
    def endpoint(self) -> str:
        """Its base URL."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def requests(self) -> int:
        """How many questions it was asked."""
        return self.log.read_text(encoding="utf-8", errors="replace").count(ASKED)

    def post(self, path: str, body: t.Any) -> int:
        """Send JSON; return the status."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
            return connection.getresponse().status
        finally:
            connection.close()

    def seed(self, results: list[dict[str, t.Any]]) -> None:
        """Put answers into its queue."""
        status = self.post(SEED_PATH, {"results": results})
        if status != 201:
            raise ServiceFailed(f"the emulated Cost Explorer answered {status} to its seed")

    def wait(self) -> None:
        """Return when it answers.

        :raises ServiceFailed: it does not
        """
        ends = time.monotonic() + START_SECONDS
        while time.monotonic() < ends and self.process.poll() is None:
            with contextlib.suppress(OSError, http.client.HTTPException):
                self.seed([])
                return
            time.sleep(0.1)
        raise ServiceFailed(f"no emulated Cost Explorer on port {self.port}:\n{self.log.read_text()[-2000:]}")

    def stop(self) -> None:
        """End it."""
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@contextlib.contextmanager
def cost_explorer(folder: Path) -> t.Iterator[CostExplorer]:
    """Run an emulated Cost Explorer without costs."""
    emulated = CostExplorer(folder)
    try:
        emulated.wait()
        yield emulated
    finally:
        emulated.stop()
