# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Send a stand-in's logs to the emulated CloudWatch Logs, which the CloudWatch agent does on an instance."""

from __future__ import annotations

import contextlib
import time
import typing as t
from pathlib import Path

MOST_EVENTS = 1000
LINES = 20


class Logs:
    """The logs of one stand-in.

    :param group: log group; empty: nothing is sent
    :param name: the instance's id, with which its streams begin
    :param paths: files by kind, the end of a stream's name
    :param client: makes a client of CloudWatch Logs
    """

    def __init__(self, group: str, name: str, paths: dict[str, Path], client: t.Callable[[], t.Any]) -> None:
        self.group = group
        self.name = name
        self.paths = paths
        self._client = client
        self._sent: dict[str, int] = {}

    def end_of(self, kind: str) -> str:
        """Return the last lines of a log."""
        path = self.paths[kind]
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else []
        return "\n".join(lines[-LINES:])

    def ship(self) -> None:
        """Send the whole lines that are new."""
        for kind, path in self.paths.items() if self.group else ():
            content = path.read_bytes()[self._sent.get(kind, 0) :] if path.exists() else b""
            whole = content[: content.rfind(b"\n") + 1]
            lines = [line for line in whole.decode(errors="replace").splitlines() if line.strip()]
            if lines:
                self._put(f"{self.name}/{kind}", lines[-MOST_EVENTS:])
            self._sent[kind] = self._sent.get(kind, 0) + len(whole)

    def _put(self, stream: str, lines: list[str]) -> None:
        client, now = self._client(), int(time.time() * 1000)
        with contextlib.suppress(client.exceptions.ResourceAlreadyExistsException):
            client.create_log_stream(logGroupName=self.group, logStreamName=stream)
        events = [{"timestamp": now, "message": line} for line in lines]
        client.put_log_events(logGroupName=self.group, logStreamName=stream, logEvents=events)
