# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the suite found is compared with what is expected, in both directions."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from tests.support.conformance import HERE, REVISIONS, Check, Expected, Results, Suite, read_checks, read_expected

AS_EXPECTED = Results(
    required=["ping", "sampling", "stateless"],
    checks={
        "ping": [Check("ping", "SUCCESS"), Check("session", "WARNING", "none")],
        "sampling": [Check("sampling", "FAILURE", "no answer")],
        "stateless": [Check("discover", "SUCCESS"), Check("listen", "SKIPPED")],
        "tasks": [Check("not-required", "FAILURE")],
    },
    rc=0,
    seconds=1.0,
    output="",
)
EXPECTED = Expected(Path("x.yml"), frozenset({"sampling", "ping:session"}), frozenset({"stateless:listen"}))


def test_all_is_as_expected() -> None:
    assert AS_EXPECTED.surprises(EXPECTED) == []


@pytest.mark.parametrize(
    ("failed", "skipped", "surprise"),
    [
        ({"sampling", "ping:session", "stateless"}, {"stateless:listen"}, "stateless did not fail"),
        ({"sampling", "ping:session", "ping:ping"}, {"stateless:listen"}, "ping:ping did not fail"),
        ({"sampling", "ping:session", "simpling"}, {"stateless:listen"}, "simpling did not fail"),
        ({"ping:session"}, {"stateless:listen"}, "sampling:sampling failed: no answer"),
        ({"sampling"}, {"stateless:listen"}, "ping:session failed: none"),
        ({"sampling", "ping:session"}, set(), "stateless:listen was skipped"),
        ({"sampling", "ping:session"}, {"stateless:listen", "ping:ping"}, "ping:ping was not skipped"),
    ],
)
def test_other_expectations_are_surprised(failed: set[str], skipped: set[str], surprise: str) -> None:
    assert AS_EXPECTED.surprises(Expected(Path("x.yml"), frozenset(failed), frozenset(skipped))) == [surprise]


@pytest.mark.parametrize("checks", [None, [], [Check("ping", "INFO")], [Check("ping", "SKIPPED")]])
def test_scenario_without_a_verdict_is_no_success(checks: list[Check] | None) -> None:
    others = {name: found for name, found in AS_EXPECTED.checks.items() if name != "stateless"}
    changed = others if checks is None else {**others, "stateless": checks}
    surprises = dataclasses.replace(AS_EXPECTED, checks=changed).surprises(EXPECTED)
    assert "stateless found nothing out" in surprises


def test_suite_has_the_last_word() -> None:
    ended = dataclasses.replace(AS_EXPECTED, rc=1, output="a reason")
    assert ended.surprises(EXPECTED) == ["the suite ended with 1: a reason"]


def test_results_are_read_by_scenario(tmp_path: Path) -> None:
    folder = tmp_path / "server-tools-call-audio-2026-11-22T18-33-16-713Z"
    folder.mkdir()
    (folder / "checks.json").write_text(json.dumps([{"id": "a", "status": "SUCCESS", "name": "A"}]), encoding="utf-8")
    assert read_checks(tmp_path) == {"tools-call-audio": [Check("a", "SUCCESS")]}


@pytest.mark.parametrize("path", sorted((HERE / "expected").glob("*.yml")), ids=lambda path: path.stem)
def test_expectations_name_what_is_required(suite: Suite, path: Path) -> None:
    revisions = [revision for revision in REVISIONS if revision in path.name] or REVISIONS
    required = {name for revision in revisions for name in suite.required(revision)}
    expected = read_expected(path)
    assert {entry.partition(":")[0] for entry in expected.failed | expected.skipped} <= required


@pytest.mark.parametrize("entry", ["ping", "ping # why", "ping  #"])
def test_expectation_wants_a_reason(tmp_path: Path, entry: str) -> None:
    path = tmp_path / "expected.yml"
    path.write_text(f"server:\n  - {entry}\nskipped: []\n", encoding="utf-8")
    with pytest.raises(ValueError, match="reason"):
        read_expected(path)
