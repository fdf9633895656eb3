# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The protocol's official conformance suite: install it, run it against a server, read what it found."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
import typing as t
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.support.checkout import ROOT
from tests.support.node import install_node, install_packages

HERE = ROOT / "tests" / "conformance"
REVISIONS = ("2025-11-25", "2026-07-28")
PACKAGE = Path("node_modules") / "@modelcontextprotocol" / "conformance"
RESULT = re.compile(r"server-(?P<scenario>.+)-\d{4}-\d\d-\d\dT[\d-]+Z")
# As the suite itself counts once it is given expected failures: a SHOULD that is not met is one.
FAILED = ("FAILURE", "WARNING")
VERDICTS = ("SUCCESS", *FAILED, "SKIPPED")


class SuiteFailed(Exception):
    """The suite did not run to its end."""


@dataclass(frozen=True)
class Suite:
    """An installed suite and the Node it runs on."""

    node: Path
    directory: Path

    def required(self, revision: str) -> list[str]:
        """Return the scenarios that a server of a revision has to pass."""
        path = self.directory / PACKAGE / "requirements" / f"{revision}.yaml"
        return yaml.safe_load(path.read_text(encoding="utf-8"))["server"]


class Check(t.NamedTuple):
    """One thing that a scenario looked at, what came of it, and why."""

    id: str
    status: str
    message: str = ""


@dataclass(frozen=True)
class Expected:
    """What may fail and what may be left out; ``server`` in the file, which the suite reads too, is what may fail."""

    path: Path
    failed: frozenset[str]
    skipped: frozenset[str]


@dataclass(frozen=True)
class Results:
    """What one run found: for each scenario its checks."""

    required: list[str]
    checks: dict[str, list[Check]]
    rc: int
    seconds: float
    output: str

    def with_status(self, *statuses: str) -> dict[str, list[Check]]:
        """Return the required scenarios that have checks of these statuses, with those checks."""
        found = {
            name: [check for check in self.checks.get(name, []) if check.status in statuses] for name in self.required
        }
        return {name: checks for name, checks in found.items() if checks}

    @property
    def failed(self) -> dict[str, list[Check]]:
        """Required scenarios with a check that failed, and those checks."""
        return self.with_status(*FAILED)

    @property
    def unproven(self) -> list[str]:
        """Required scenarios that did not run, or in which not one check succeeded or failed."""
        return [name for name in self.required if name not in self.with_status("SUCCESS", *FAILED)]

    @property
    def skipped(self) -> set[str]:
        """Checks of required scenarios that were skipped, as ``scenario:check``."""
        return {f"{name}:{check.id}" for name, checks in self.with_status("SKIPPED").items() for check in checks}

    def __str__(self) -> str:
        """Say it in one line."""
        statuses = Counter(check.status for checks in self.with_status(*VERDICTS).values() for check in checks)
        failed = self.with_status("FAILURE")
        passed = len(self.required) - len(failed) - len(self.unproven)
        of = f"{passed} of {len(self.required)} required scenarios passed in {self.seconds:.1f} s"
        return f"{of}; failed: {list(failed)}; warned: {list(self.with_status('WARNING'))}; checks: {dict(statuses)}"

    def surprises(self, expected: Expected) -> list[str]:
        """Compare with what is expected; empty when it is all as expected, and nothing more or less.

        The suite itself does not mind a required scenario without results, nor an entry that names nothing.
        """
        failed = {f"{name}:{check.id}": check for name, checks in self.failed.items() for check in checks}
        allowed = {entry for entry in failed if {entry, entry.partition(":")[0]} & expected.failed}
        return [
            *(f"{entry} did not fail" for entry in sorted(expected.failed - failed.keys() - self.failed.keys())),
            *(f"{entry} failed: {failed[entry].message}" for entry in sorted(failed.keys() - allowed)),
            *(f"{entry} was not skipped" for entry in sorted(expected.skipped - self.skipped)),
            *(f"{entry} was skipped" for entry in sorted(self.skipped - expected.skipped)),
            *(f"{name} found nothing out" for name in self.unproven),
            *([] if self.rc == 0 else [f"the suite ended with {self.rc}: {self.output[-3000:]}"]),
        ]


def install(cache: Path = ROOT / ".cache" / "conformance") -> Suite:
    """Bring Node and the suite to the locked versions; where they are already, nothing is done.

    :raises NotInstalled: a package cannot be fetched
    """
    suite = Suite(install_node(cache), cache / "suite")
    install_packages(suite.node, HERE / "suite", suite.directory)
    return suite


def run(suite: Suite, url: str, revision: str, directory: Path, expected: Expected, timeout: float = 300) -> Results:
    """Run every scenario of a revision, one after another.

    :param directory: where the suite writes; it must not exist yet
    :raises SuiteFailed: it did not come to an end, or wrote nothing
    """
    command = [str(suite.node), str(suite.directory / PACKAGE / "dist" / "index.js"), "server", "--url", url]
    command += ["--requirements", revision, "--expected-failures", str(expected.path), "-o", str(directory)]
    environment = {key: value for key, value in os.environ.items() if not key.upper().startswith(("NODE_", "NPM_"))}
    began = time.monotonic()
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=timeout, env=environment, cwd=suite.directory
        )
    except subprocess.TimeoutExpired as error:
        raise SuiteFailed(f"the suite was still running after {timeout} s: {error.stdout!r:.2000}") from error
    seconds = time.monotonic() - began
    checks = read_checks(directory)
    if not checks:
        raise SuiteFailed(f"the suite wrote no results: {(done.stdout + done.stderr)[-2000:]}")
    return Results(suite.required(revision), checks, done.returncode, seconds, done.stdout + done.stderr)


def read_checks(directory: Path) -> dict[str, list[Check]]:
    """Read the results of every scenario that wrote some."""
    found = {}
    for path in directory.glob("*/checks.json"):
        name = RESULT.fullmatch(path.parent.name)
        assert name, f"an unknown result {path}"
        checks: list[dict[str, t.Any]] = json.loads(path.read_text(encoding="utf-8"))
        found[name["scenario"]] = [
            Check(check["id"], check["status"], check.get("errorMessage", "")) for check in checks
        ]
    return found


def read_expected(path: Path) -> Expected:
    """Read a file of expected failures.

    :raises ValueError: an entry without a comment behind it that says why
    """
    text = path.read_text(encoding="utf-8")
    entries: dict[str, list[str]] = yaml.safe_load(text)
    explained = re.findall(r"^  - (\S+)  # \S.*$", text, re.MULTILINE)
    if explained != [*entries["server"], *entries["skipped"]]:
        raise ValueError(f"{path}: every entry wants its reason behind it, as '  - scenario  # reason'")
    return Expected(path, frozenset(entries["server"]), frozenset(entries["skipped"]))
