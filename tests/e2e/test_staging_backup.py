# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A snapshot of staging's database is restored beside it, compared row by row, and taken over or thrown away."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest

from tests.e2e.conftest import new_environment
from tests.support.staging import Staging

pytestmark = pytest.mark.e2e

COPY = "mcp-staging-restored"
TAKE_OVER = ("-e", "mcp_restore_action=take_over", "-e", "mcp_confirm=staging")


@pytest.fixture(scope="module")
def staging(tmp_path_factory: pytest.TempPathFactory, private_home: Path) -> t.Iterator[Staging]:
    """An account of this file alone, with staging deployed and two documents."""
    new = new_environment(tmp_path_factory.mktemp("backup"), private_home)
    one = Staging(new.project, new.sandbox, new.home)
    try:
        one.sandbox.start()
        one.deploy().require()
        save(one, "first", "second")
        yield one
    finally:
        one.sandbox.stop()


def save(staging: Staging, *names: str) -> None:
    """Save documents as a client does."""
    for name in names:
        staging.call("save_document", document_id=name, title=f"About {name}", text=f"Text of {name}")


def documents(staging: Staging) -> list[str]:
    """Return the ids of the documents as a client sees them."""
    listed = staging.call("list_documents")
    return sorted(item["document_id"] for item in listed["documents"])


def databases(staging: Staging) -> list[str]:
    """Return the databases of the account."""
    found = staging.sandbox.client("rds").describe_db_instances()["DBInstances"]
    return sorted(item["DBInstanceIdentifier"] for item in found)


def comparison(staging: Staging) -> dict[str, t.Any]:
    """Return the comparison of the last restore, with its tables by name."""
    found = staging.report("restore")["comparison"]
    return {**found, "tables": {row["table"]: row for row in found["tables"]}}


def test_without_a_backup_it_says_how_to_make_one(staging: Staging) -> None:
    run = staging.play("playbooks/restore.yml").require(2)
    assert "There is no snapshot yet." in run.output and "Nothing was changed." in run.output


def test_a_backup_is_a_snapshot_with_what_it_was_made_of(staging: Staging) -> None:
    looked = staging.play("playbooks/backup.yml", "--check").require()
    assert "Take a snapshot" in looked.stdout
    assert staging.sandbox.client("rds").describe_db_snapshots()["DBSnapshots"] == []
    run = staging.play("playbooks/backup.yml").require()
    (snapshot,) = staging.sandbox.client("rds").describe_db_snapshots()["DBSnapshots"]
    assert f"snapshot {snapshot['DBSnapshotIdentifier']}" in run.stdout
    assert snapshot["DBSnapshotIdentifier"].startswith("mcp-staging-backup-20")


def test_it_is_restored_beside_and_compared(staging: Staging) -> None:
    """What was written since is missing in the copy, which is proven to be what was backed up."""
    save(staging, "third")
    staging.play("playbooks/restore.yml").require()
    found = comparison(staging)
    table = found["tables"]['"public"."documents"']
    assert (table["rows"], table["restored"], table["equal"], found["proven"]) == (3, 2, False, True)
    assert databases(staging) == ["mcp-staging", COPY]
    assert documents(staging) == ["first", "second", "third"]


def test_another_backup_is_not_mixed_up_with_the_copy_that_is_there(staging: Staging) -> None:
    run = staging.play("playbooks/restore.yml", "-e", "mcp_restore_time=latest").require(2)
    said = " ".join(run.output.split())
    assert f"{COPY} holds mcp-staging-backup-" in said and "mcp_restore_action=discard" in said


def test_a_take_over_wants_to_be_meant_and_diverted(staging: Staging) -> None:
    run = staging.play("playbooks/restore.yml", *TAKE_OVER).require(2)
    said = " ".join(run.output.split())
    assert "diverted traffic (it is not)" in said and "playbooks/divert.yml" in said
    assert documents(staging) == ["first", "second", "third"]


def test_its_rows_are_taken_over_after_another_backup(staging: Staging) -> None:
    """And the way back is the backup that was made of what was replaced."""
    staging.play("playbooks/divert.yml").require()
    run = staging.play("playbooks/restore.yml", *TAKE_OVER).require()
    assert all(row["equal"] for row in comparison(staging)["tables"].values())
    assert databases(staging) == ["mcp-staging"]
    staging.play("playbooks/undivert.yml").require()
    assert documents(staging) == ["first", "second"]
    (before,) = staging.report("restore")["backups"]
    assert f"{before['resource']} -> {before['target']}" in run.stdout
    assert staging.deploy().require().changed == 0


@pytest.mark.proof
def test_a_moment_is_restored_and_thrown_away(staging: Staging) -> None:
    staging.play("playbooks/restore.yml", "-e", "mcp_restore_time=latest").require()
    assert comparison(staging)["label"] == "time latest" and comparison(staging)["proven"] is None
    discard = ("-e", "mcp_restore_action=discard")
    assert COPY in staging.play("playbooks/restore.yml", *discard).require().stdout
    assert databases(staging) == ["mcp-staging"]
    assert staging.play("playbooks/restore.yml", *discard).require().changed == 0
