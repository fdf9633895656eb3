# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The server under attack: a real process, what it uses, and what it logs."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import typing as t
from pathlib import Path

from tests.support.checkout import ROOT
from tests.support.direct import FOREIGN, Issuer, wait_for
from tests.support.emulated import free_ports

BODY_SECONDS = 0.5
MAX_BODY = 65_536
ORIGIN = "https://app.example.com"
# High enough that only the tool that is meant to be limited is; the switched-off one makes every listing filtered.
POLICY = {
    "calls_per_minute": 1_000_000,
    "tools": {
        "search_documents": {"calls_per_minute": 120},
        "create_upload_url": {"enabled": False},
        "*": {"calls_per_minute": 1_000_000},
    },
}


class Target:
    """``python -m pratiko_mcp`` with the reference server in memory, tokens, scopes and limits in force.

    :param folder: takes the log and the policy
    :param sessions: with sessions, and streams that stay open
    :param variables: more settings of the server
    """

    def __init__(self, folder: Path, sessions: bool = False, **variables: str) -> None:
        self.sessions = sessions
        self.issuer = Issuer()
        self.port = free_ports(1)
        self.url = f"http://127.0.0.1:{self.port}"
        self._log = folder / "server.log"
        self._seen = 0
        policy = folder / "limits.json"
        policy.write_text(json.dumps(POLICY), encoding="utf-8")
        self._variables = {
            "MCP_PUBLIC_URL": self.url,
            "MCP_JWKS": self.issuer.jwks,
            "MCP_LIMITS_FILE": str(policy),
            "MCP_ALLOWED_ORIGINS": ORIGIN,
            "MCP_BODY_TIMEOUT": str(BODY_SECONDS),
            "MCP_REQUEST_TIMEOUT": "10",
            "MCP_MAX_BODY_BYTES": str(MAX_BODY),
            "MCP_SESSIONS": str(sessions).lower(),
            **variables,
        }
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Target:
        self.ensure()
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()

    def ensure(self) -> None:
        """Start the process unless it runs."""
        if self.alive:
            return
        kept = {key: value for key, value in os.environ.items() if not key.startswith(FOREIGN)}
        env = {**kept, "PYTHONPATH": str(ROOT / "app" / "src"), "PYTHONDONTWRITEBYTECODE": "1", **self._variables}
        command = [sys.executable, "-m", "pratiko_mcp", "--port", str(self.port)]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                command, env=env, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL
            )
        wait_for(f"{self.url}/health", self._process, self._log)

    def stop(self) -> int:
        """End the process in its own way and return its exit code."""
        assert self._process is not None
        self._process.terminate()
        try:
            return self._process.wait(20)
        finally:
            self._process.kill()
            self._process.wait()

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process is not None and self._process.poll() is None

    def usage(self) -> Usage:
        """Return what the process uses now."""
        assert self._process is not None
        return read_usage(self._process.pid)

    def new_lines(self) -> list[str]:
        """Return the complete log lines that were not returned yet."""
        with self._log.open("rb") as log:
            log.seek(self._seen)
            text = log.read()
        complete = text[: text.rfind(b"\n") + 1]
        self._seen += len(complete)
        return complete.decode("utf-8", "backslashreplace").splitlines()

    def lines_with(self, request_ids: t.Collection[str], seconds: float = 5.0) -> list[str]:
        """Return the new lines, after waiting for the one of each request: it is written after the answer."""
        deadline, lines = time.monotonic() + seconds, self.new_lines()
        wanted = set(request_ids)
        while not wanted <= {found for line in lines for found in _REQUEST_ID.findall(line)}:
            if time.monotonic() > deadline:
                raise AssertionError(f"no log line for the requests {wanted} within {seconds:g} s")
            time.sleep(0.001)
            lines += self.new_lines()
        return lines


_REQUEST_ID = re.compile(r'"event": "request".*"request_id": "([^"]*)"')


class Usage(t.NamedTuple):
    """What a process uses: resident bytes, open files, threads."""

    rss: int
    files: int
    threads: int


def read_usage(pid: int) -> Usage:
    """Ask the kernel (Linux)."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    rss = int(fields["VmRSS"].split()[0]) * 1024
    return Usage(rss, len(os.listdir(f"/proc/{pid}/fd")), int(fields["Threads"]))
