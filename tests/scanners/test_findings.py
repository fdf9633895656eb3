# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two scanners look at every template as it is deployed: nothing is found but what we live with, for now, and why."""

from __future__ import annotations

import dataclasses
import datetime
import json
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.template import load_template

from tests.support import scanners
from tests.support.expanded import EVERY, LAYERS, SANDBOX, SANDBOX_ALONE, expanded
from tests.support.scanners import HERE, Accepted, Finding, offline, read_accepted, surprises

ACCEPTED = read_accepted(HERE / "accepted_findings.yaml")
FORMS = [*((given, tuple(LAYERS)) for given in EVERY.values()), (SANDBOX, SANDBOX_ALONE)]
FINDING = Finding("guard", "a_rule", "edge.Distribution")
TODAY = datetime.date(2026, 11, 22)
ENTRY = Accepted(FINDING, "A reason.", TODAY)


class Scan(t.NamedTuple):
    """What a scanner found in every layer, in each of the forms in which they are deployed."""

    findings: set[Finding]
    checks: int


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where calls of other hosts are written down."""
    return tmp_path_factory.mktemp("offline") / "calls"


@pytest.fixture(scope="module")
def scans(tmp_path_factory: pytest.TempPathFactory, calls: Path) -> dict[str, Scan]:
    """What each scanner found."""
    found = {"checkov": Scan(set(), 0), "guard": Scan(set(), 0)}
    for given, layers in FORMS:
        folder = tmp_path_factory.mktemp("templates")
        for layer in layers:
            (folder / f"{layer}.json").write_text(json.dumps(expanded(layer, given), indent=1), encoding="utf-8")
        for name, (findings, checks) in {
            "checkov": scanners.checkov(folder, calls),
            "guard": scanners.guard(folder),
        }.items():
            found[name] = Scan(found[name].findings | findings, found[name].checks + checks)
    return found


@pytest.mark.parametrize("scanner", ["checkov", "guard"])
def test_nothing_is_found_but_what_is_accepted(
    scanner: str, scans: dict[str, Scan], capsys: pytest.CaptureFixture[str]
) -> None:
    scan = scans[scanner]
    accepted = [entry for entry in ACCEPTED if entry.finding.scanner == scanner]
    with capsys.disabled():
        print(f"\n{scanner}: {scan.checks} checks, {len(scan.findings)} findings, {len(accepted)} accepted", end=" ")
    unexpected = surprises(scan.findings, accepted, datetime.datetime.now(datetime.UTC).date())
    assert not unexpected, "\n".join(unexpected)
    assert scan.checks > 80


@pytest.mark.parametrize("layer", LAYERS)
def test_every_resource_is_scanned(layer: str) -> None:
    """In at least one of the forms; the name of a version ends with a hash."""
    path = LAYERS[layer]
    written = set(load_template(path.read_text(encoding="utf-8"), path.name)["Resources"])
    scanned = {name for given, layers in FORMS if layer in layers for name in expanded(layer, given)["Resources"]}
    assert {name for name in written if not any(found.startswith(name) for found in scanned)} == set()


def test_the_scanners_call_nobody(scans: dict[str, Scan], calls: Path) -> None:
    assert scans and not calls.exists(), calls.read_text(encoding="utf-8")


def test_a_call_of_another_host_is_refused_and_written_down(tmp_path: Path) -> None:
    call = "import urllib.request; urllib.request.urlopen('http://192.0.2.1/')"
    done = subprocess.run(
        [sys.executable, "-c", call], env=offline(tmp_path / "calls"), capture_output=True, text=True, check=False
    )
    assert done.returncode and "offline: " in done.stderr
    assert "192.0.2.1" in (tmp_path / "calls").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("findings", "accepted", "says"),
    [
        ({FINDING}, [], "new"),
        (set(), [ENTRY], "not found any more"),
        ({FINDING}, [dataclasses.replace(ENTRY, expires=datetime.date(2026, 11, 21))], "until 2026-11-21 only"),
        ({FINDING}, [ENTRY, ENTRY], "twice"),
    ],
)
def test_other_findings_than_those_accepted_are_surprises(
    findings: set[Finding], accepted: list[Accepted], says: str
) -> None:
    assert surprises({FINDING}, [ENTRY], TODAY) == []
    assert {says in surprise for surprise in surprises(findings, accepted, TODAY)} == {True}


@pytest.mark.parametrize("left_out", ["scanner", "rule", "resources", "reason", "expires"])
def test_an_entry_without_a_part_is_refused(left_out: str, tmp_path: Path) -> None:
    entry = {"scanner": "guard", "rule": "r", "resources": ["edge.X"], "reason": "y", "expires": "2026-11-22"}
    path = tmp_path / "accepted.yaml"
    lines = [f"{key}: {json.dumps(value) if key != 'expires' else value}" for key, value in entry.items()]
    path.write_text("- " + "\n  ".join(lines), encoding="utf-8")
    assert len(read_accepted(path)) == 1
    kept = [line for line in lines if not line.startswith(left_out)]
    path.write_text("- " + "\n  ".join(kept), encoding="utf-8")
    with pytest.raises(ValueError, match=left_out):
        read_accepted(path)
