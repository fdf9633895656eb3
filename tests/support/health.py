# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ``scripts/health-check.sh`` says: its exit status, and its JSON checked against itself."""

from __future__ import annotations

import json
import subprocess
import time
import typing as t
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from tests.support.playbook import clean_environment

COUNTS = {
    "critical": "critical_issues",
    "warning": "warning_issues",
    "unknown": "unknown_checks",
    "healthy": "healthy_services",
}
RESULT = {"environment", "check", "status", "latency_ms", "evidence", "since", "next_step"}
# (environment, check): status
Statuses = dict[tuple[str, str], str]


@dataclass(frozen=True)
class Checked:
    """One run of the script in JSON mode."""

    code: int
    report: dict[str, t.Any]
    stderr: str
    seconds: float

    @property
    def statuses(self) -> Statuses:
        """Return the status of every check."""
        return {(item["environment"], item["check"]): item["status"] for item in self.report["results"]}

    def evidence(self, environment: str, check: str) -> str:
        """Return what a check saw."""
        (found,) = [r for r in self.report["results"] if (r["environment"], r["check"]) == (environment, check)]
        return str(found["evidence"])


def health_check(
    project: Path, home: Path, *arguments: str, env: dict[str, str] | None = None, timeout: float = 300
) -> subprocess.CompletedProcess[str]:
    """Type ``scripts/health-check.sh``, from another folder as a cron job would."""
    command = [str(project / "scripts" / "health-check.sh"), *arguments]
    environment = clean_environment(home, env)
    return subprocess.run(
        command, cwd=home, env=environment, capture_output=True, text=True, timeout=timeout, check=False
    )


def checked(project: Path, home: Path, *arguments: str, env: dict[str, str] | None = None) -> Checked:
    """Run the script in JSON mode; what it says has to agree with itself and with its exit status."""
    began = time.monotonic()
    run = health_check(project, home, *arguments, "json", env=env)
    seconds = time.monotonic() - began
    try:
        report = json.loads(run.stdout)
    except ValueError as error:
        raise AssertionError(f"no JSON, exit status {run.returncode}:\n{run.stdout}\n{run.stderr}"[-6000:]) from error
    found = Counter(item["status"] for item in report["results"])
    counts = {status: report[name] for status, name in COUNTS.items()}
    assert counts == {status: found[status] for status in COUNTS}
    assert report["total_checks"] == sum(counts.values()) == len(report["results"])
    assert all(type(report[name]) is int for name in (*COUNTS.values(), "total_checks"))
    assert datetime.fromisoformat(report["timestamp"]).utcoffset() is not None
    for item in report["results"]:
        assert item.keys() >= RESULT
        assert item["evidence"] and bool(item["next_step"]) == (item["status"] != "healthy"), item
    return Checked(run.returncode, report, run.stderr, seconds)


def turned(before: Statuses, after: Statuses) -> Statuses:
    """Return the checks whose status is another one, with what it is now; a check that is gone is ``gone``."""
    return {key: after.get(key, "gone") for key in {*before, *after} if before.get(key) != after.get(key)}
