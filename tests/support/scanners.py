# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two independent template scanners: checkov, and CloudFormation Guard with the rules of AWS Control Tower.

Neither tells offline how grave a finding is, so each one counts: it is repaired, or accepted with its reason and end.
"""

from __future__ import annotations

import datetime
import json
import os
import platform
import re
import subprocess
import sys
import typing as t
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.support.checkout import ROOT
from tests.support.node import install_node, install_packages, run

HERE = ROOT / "tests" / "scanners"
CACHE = ROOT / ".cache" / "scanners"
GUARD = Path("node_modules") / "@cdklabs" / "cdk-validator-cfnguard"
HASHED = re.compile(r"[0-9a-f]{10}$")
FIELDS = {"scanner", "rule", "resources", "reason", "expires"}


class ScannerFailed(Exception):
    """A scanner did not come to an end; the message has its words."""


class Finding(t.NamedTuple):
    """What a scanner dislikes about one resource; ``template.LogicalId``."""

    scanner: str
    rule: str
    resource: str


@dataclass(frozen=True)
class Accepted:
    """A finding that we live with, why, and until when."""

    finding: Finding
    reason: str
    expires: datetime.date


def install_checkov() -> Path:
    """Bring checkov to the pinned version; return its binary.

    :raises NotInstalled: it cannot be fetched
    """
    venv = CACHE / "venv"
    run([sys.executable, "scripts/venv.py", f"{venv}={HERE.relative_to(ROOT) / 'requirements.txt'}"], ROOT)
    return venv / "bin" / "checkov"


def install_guard() -> Path:
    """Bring CloudFormation Guard and its rules to the locked version; return their folder.

    :raises NotInstalled: they cannot be fetched
    """
    install_packages(install_node(), HERE / "guard", CACHE / "guard")
    return CACHE / "guard" / GUARD


def guard_binary(package: Path) -> Path:
    """Return the program for this machine out of those that the package brings."""
    system = "macos" if platform.system() == "Darwin" else "ubuntu"
    machine = "aarch64" if platform.machine() in ("arm64", "aarch64") else "x86_64"
    binary = package / "bin" / system / machine / "cfn-guard"
    binary.chmod(0o755)
    return binary


def offline(log: Path) -> dict[str, str]:
    """Return an environment in which a Python program that calls another host fails, and is written down in ``log``."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("BC_", "CKV_", "CHECKOV_"))}
    # Else checkov asks the package index for a newer checkov, once an hour.
    quiet = {"CKV_SKIP_PACKAGE_UPDATE_CHECK": "true", "LOG_LEVEL": "ERROR"}
    return {**kept, **quiet, "PYTHONPATH": str(HERE / "offline"), "OFFLINE_LOG": str(log)}


def _run(command: list[str], environment: dict[str, str] | None = None, failed: int = 1) -> str:
    """Run a scanner; return what it wrote.

    :param failed: its code when it found something
    :raises ScannerFailed: it ended otherwise
    """
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300, env=environment)
    if done.returncode not in (0, failed):
        raise ScannerFailed(f"{command[0]} ended with {done.returncode}: {(done.stdout + done.stderr)[-2000:]}")
    return done.stdout


def checkov(folder: Path, log: Path) -> tuple[set[Finding], int]:
    """Scan the templates of a folder; return the findings, and how many checks were made.

    :param log: gets a line for each call of another host
    :raises ScannerFailed: it did not come to an end, or understood a template not
    """
    command = [str(install_checkov()), "-d", str(folder), "--framework", "cloudformation", "-o", "json"]
    report = json.loads(_run([*command, "--skip-download", "--quiet"], offline(log)))
    summary = report["summary"]
    if summary["parsing_errors"]:
        raise ScannerFailed(f"checkov understands {summary['parsing_errors']} of the templates in {folder} not")
    failed = report["results"]["failed_checks"]
    return {_checkov_finding(check) for check in failed}, summary["passed"] + summary["failed"]


def _checkov_finding(check: dict[str, t.Any]) -> Finding:
    return _finding("checkov", check["check_id"], Path(check["file_path"]).stem, check["resource"].rpartition(".")[2])


def _finding(scanner: str, rule: str, template: str, logical_id: str) -> Finding:
    return Finding(scanner, rule, f"{template}.{HASHED.sub('', logical_id)}")


def guard(folder: Path) -> tuple[set[Finding], int]:
    """Scan the templates of a folder; return the findings, and how many rules applied.

    :raises ScannerFailed: it did not come to an end
    """
    package = install_guard()
    command = [str(guard_binary(package)), "validate", "--rules", str(package / "rules"), "--data", str(folder)]
    command += ["--output-format", "json", "--structured", "--show-summary", "none"]
    report = json.loads(_run(command, failed=19))
    findings = {
        finding
        for template in report
        for rule in template["not_compliant"]
        for finding in _guard_findings(Path(template["name"]).stem, rule["Rule"])
    }
    return findings, sum(len(template["not_compliant"]) + len(template["compliant"]) for template in report)


def _guard_findings(template: str, rule: dict[str, t.Any]) -> set[Finding]:
    text = json.dumps(rule)
    logical_ids = set(re.findall(r'"path": "/Resources/(\w+)', text))
    if not logical_ids:
        raise ScannerFailed(f"guard names no resource for {rule['name']}: {text[:1000]}")
    return {_finding("guard", rule["name"], template, logical_id) for logical_id in logical_ids}


def read_accepted(path: Path) -> list[Accepted]:
    """Read the findings that we live with.

    :raises ValueError: an entry that is not complete
    """
    accepted = []
    for entry in yaml.safe_load(path.read_text(encoding="utf-8")):
        complete = isinstance(entry, dict) and set(entry) == FIELDS and all(entry.values())
        if not complete or not isinstance(entry["expires"], datetime.date):
            raise ValueError(f"{path}: an entry wants {', '.join(sorted(FIELDS))} (a date), and has {entry}")
        accepted += [
            Accepted(Finding(entry["scanner"], entry["rule"], resource), entry["reason"], entry["expires"])
            for resource in entry["resources"]
        ]
    return accepted


def surprises(found: set[Finding], accepted: list[Accepted], today: datetime.date) -> list[str]:
    """Compare what was found with what is accepted; empty when it is that, no more and no less, and not too old."""
    known = {entry.finding for entry in accepted}
    return [
        *(f"{' '.join(finding)}: new; repair it, or accept it with a reason" for finding in sorted(found - known)),
        *(f"{' '.join(finding)}: accepted, but not found any more" for finding in sorted(known - found)),
        *(
            f"{' '.join(entry.finding)}: accepted until {entry.expires} only"
            for entry in accepted
            if entry.expires < today
        ),
        *(f"{' '.join(finding)}: accepted twice" for finding in sorted(known) if _times(finding, accepted) > 1),
    ]


def _times(finding: Finding, accepted: list[Accepted]) -> int:
    return sum(entry.finding == finding for entry in accepted)
