# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which snapshot or moment a restore means, and what is said of the copy."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import database_backups as backups


def snapshot(name: str, hour: int, **more: t.Any) -> dict[str, t.Any]:
    """Return a snapshot as the module rds_snapshot_info does."""
    return {
        "db_snapshot_identifier": name,
        "snapshot_create_time": f"2026-11-23T{hour:02d}:00:00+00:00",
        "snapshot_type": "manual",
        "allocated_storage": 20,
        "status": "available",
        **more,
    }


SNAPSHOTS = [snapshot("old", 7), snapshot("new", 9), snapshot("nightly", 8, snapshot_type="automated")]


def test_they_are_listed_newest_first() -> None:
    making = {key: value for key, value in snapshot("making", 9).items() if key != "snapshot_create_time"}
    rows = backups.database_backups([*SNAPSHOTS, {**making, "status": "creating"}])
    assert [row["id"] for row in rows] == ["making", "new", "nightly", "old"]
    assert backups.backup_rows(rows)[2] == "  nightly  2026-11-23T08:00:00+00:00  automated, 20 GB, available"
    assert backups.backup_rows([]) == ["backups:   none"]


def test_the_newest_that_is_whole_is_the_default() -> None:
    found = backups.restore_source([*SNAPSHOTS, snapshot("making", 10, status="creating")], None, None)
    assert found == {"snapshot": "new", "time": None, "label": "new", "problem": ""}


def test_one_can_be_named() -> None:
    assert backups.restore_source(SNAPSHOTS, "old", None)["snapshot"] == "old"


@pytest.mark.parametrize(
    ("given", "moment"),
    [
        ("latest", "latest"),
        ("2026-11-23T09:30:00Z", "2026-11-23T09:30:00Z"),
        ("2026-11-23 10:30:00.5+01:00", "2026-11-23T09:30:00Z"),
    ],
)
def test_a_moment_is_taken_in_any_zone(given: str, moment: str) -> None:
    found = backups.restore_source([], None, given)
    assert (found["time"], found["snapshot"], found["label"], found["problem"]) == (moment, None, f"time {moment}", "")


@pytest.mark.parametrize(
    ("snapshots", "backup", "time", "said"),
    [
        ([], None, None, "There is no snapshot yet. Available: none."),
        (SNAPSHOTS, "other", None, "mcp_backup is 'other': no such snapshot is available. Available: new (2026-"),
        (SNAPSHOTS, "new", "latest", "are both set: allowed is one of them"),
        (SNAPSHOTS, None, "2026-11-23T09:30:00", "allowed is latest, or a moment with its zone"),
        (SNAPSHOTS, None, "yesterday", "mcp_restore_time is 'yesterday'"),
        ([snapshot("making", 9, status="creating")], "making", None, "no such snapshot is available"),
    ],
)
def test_what_cannot_be_restored_is_said(snapshots: list[t.Any], backup: t.Any, time: t.Any, said: str) -> None:
    found = backups.restore_source(snapshots, backup, time)
    assert said in found["problem"] and found["snapshot"] is None and found["time"] is None


SIDE = {"db_instance_identifier": "mcp-staging-restored", "tags": {"mcp:restored-from": "new"}}


@pytest.mark.parametrize(
    ("side", "label", "named", "said"),
    [
        (None, "new", True, ""),
        (SIDE, "new", True, ""),
        (SIDE, "newer", False, ""),
        (SIDE, "old", True, "holds new, not old. Throw that copy away first: -e mcp_restore_action=discard"),
        ({**SIDE, "tags": {}}, "new", False, "--db-instance-identifier mcp-staging-restored --skip"),
    ],
)
def test_a_copy_that_is_there_is_used_or_named(side: t.Any, label: str, named: bool, said: str) -> None:
    problem = backups.side_problem(side, label, named)
    assert (said in problem) if said else problem == ""


TABLES = [
    {"table": "a", "rows": 3, "restored": 2, "checksum": "aa", "equal": False},
    {"table": "b", "rows": 1, "restored": 1, "checksum": "bb", "equal": True},
    {"table": "c", "rows": 1, "restored": None, "checksum": None, "equal": False},
]
WHOLE = {"a": {"rows": 2, "checksum": "aa"}, "b": {"rows": 1, "checksum": "bb"}}

OTHER = {**WHOLE, "b": {"rows": 1, "checksum": "cc"}}


@pytest.mark.parametrize(
    ("record", "proven"),
    [
        (None, None),
        ({"before": WHOLE, "after": {}}, None),
        ({"before": WHOLE, "after": WHOLE}, True),
        ({"before": {"a": WHOLE["a"]}, "after": {"a": WHOLE["a"]}}, False),
        ({"before": OTHER, "after": OTHER}, False),
    ],
)
def test_a_copy_is_proven_where_nobody_wrote_while_the_backup_was_made(record: t.Any, proven: bool | None) -> None:
    assert backups.is_proven(record, TABLES) is proven


def test_a_report_names_what_differs() -> None:
    said = backups.comparison_lines({"copy": "mcp-staging-restored", "label": "new", "tables": TABLES, "proven": True})
    assert said == [
        "copy:      mcp-staging-restored of new",
        "  a: 3 rows in use, 2 rows in the copy",
        "  c: 1 rows in use, no such table in the copy",
        "  the copy has the rows that the backup was made of: yes",
    ]


def test_a_report_says_where_nothing_differs() -> None:
    said = backups.comparison_lines({"copy": "x", "label": "y", "tables": TABLES[1:2]})
    assert said[1:] == ["  equal to the database in use, 1 tables"]
