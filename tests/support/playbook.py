# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run ansible-playbook as a person would, and read its recap."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import typing as t
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.checkout import ROOT

RECAP = re.compile(r"^(?P<host>\S+)\s+: (?P<counts>ok=\d+.*)$", re.MULTILINE)
# Nothing of the person's own cloud, and nothing that would hide the checkout's collection.
FOREIGN = ("AWS_", "ANSIBLE_", "MCP_", "BOTO_", "PYTEST_", "SANDBOX_")


def parse_recap(stdout: str) -> dict[str, dict[str, int]]:
    """Return the counts of PLAY RECAP by host, for example ``{"production": {"ok": 9, "changed": 0}}``."""
    _, _, recap = stdout.rpartition("PLAY RECAP")
    return {
        found["host"]: {key: int(value) for key, value in re.findall(r"(\w+)=(\d+)", found["counts"])}
        for found in RECAP.finditer(recap)
    }


@dataclass
class PlaybookRun:
    """How a run ended."""

    rc: int
    stdout: str
    stderr: str
    seconds: float
    recap: dict[str, dict[str, int]] = field(default_factory=dict)

    @property
    def output(self) -> str:
        """Everything it said."""
        return f"{self.stdout}\n{self.stderr}"

    @property
    def changed(self) -> int:
        """Changed tasks of all hosts."""
        return sum(counts["changed"] for counts in self.recap.values())

    def require(self, rc: int = 0) -> PlaybookRun:
        """Fail with the whole output unless the run ended with ``rc``."""
        assert self.rc == rc, f"ansible-playbook ended with {self.rc}, not {rc}:\n{self.output[-8000:]}"
        return self


def clean_environment(home: Path, extra: dict[str, str] | None = None) -> dict[str, str]:
    """Return an environment with a home of its own and without anybody's settings."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(FOREIGN)}
    binaries = str(Path(sys.executable).parent)
    return {
        **kept,
        "HOME": str(home),
        "PATH": f"{binaries}{os.pathsep}{kept.get('PATH', os.defpath)}",
        "AWS_EC2_METADATA_DISABLED": "true",
        "ANSIBLE_NOCOLOR": "1",
        **(extra or {}),
    }


def start_playbook(
    *arguments: str, home: Path, cwd: Path = ROOT, env: dict[str, str] | None = None, **options: t.Any
) -> subprocess.Popen[str]:
    """Start ansible-playbook in a process group of its own (for tests that kill it)."""
    command = [str(Path(sys.executable).parent / "ansible-playbook"), *arguments]
    return subprocess.Popen(
        command,
        cwd=cwd,
        env=clean_environment(home, env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        **options,
    )


def run_playbook(
    *arguments: str, home: Path, cwd: Path = ROOT, env: dict[str, str] | None = None, timeout: float = 600
) -> PlaybookRun:
    """Run ansible-playbook to its end; past the timeout it is killed with its children, and that is the failure."""
    began = time.monotonic()
    process = start_playbook(*arguments, home=home, cwd=cwd, env=env)
    try:
        stdout, stderr = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        stdout, stderr = process.communicate()
        stderr += f"\nkilled by the test after {timeout} s"
    return PlaybookRun(process.returncode, stdout, stderr, time.monotonic() - began, parse_recap(stdout))
