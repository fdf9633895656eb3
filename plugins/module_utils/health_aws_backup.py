# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way back: how old the newest backups are."""

from __future__ import annotations

import typing as t
from datetime import timedelta

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_aws_common import (
    ANY_NAME,
    NO_EMULATION,
    TARGET,
    Part,
    Row,
    actions,
    ask,
    aws,
    command,
    missing,
    named,
    pages,
    play,
    quoted,
    target,
    together,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_aws_database import (
    DESCRIBE,
    find_database,
    gone,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_aws_words import (
    ago,
    between,
    iso,
    judged,
    plural,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_kind import Kind, Look, Observation

HOUR = timedelta(hours=1)
# A database that was made in this time has not seen a backup window yet.
FIRST_DAY = timedelta(hours=26)


def newest_snapshot(look: Look) -> Row | None:
    """Return the newest finished snapshot."""
    every = pages(look, "rds", "describe_db_snapshots", "DBSnapshots", DBInstanceIdentifier=target(look))
    done = [item for item in every if item.get("Status") == "available" and item.get("SnapshotCreateTime")]
    return max(done, key=lambda item: item["SnapshotCreateTime"], default=None)


def snapshot_part(look: Look, snapshot: Row | None) -> Part:
    """Judge the newest snapshot's age; the emulator takes none by itself."""
    if snapshot is None:
        status = "unknown" if look.sandbox else "critical"
        return Part(status, "no snapshot" + (f" (daily ones: {NO_EMULATION})" if look.sandbox else ""))
    made = snapshot["SnapshotCreateTime"]
    status, passed = judged(look, "backup_hours", between(made, look.now) / HOUR)
    text = f"newest snapshot {snapshot.get('DBSnapshotIdentifier')} {ago(made, look.now)}"
    if look.sandbox and status != "healthy":
        return Part("unknown", f"{text} (daily ones: {NO_EMULATION})", since=made)
    return Part(status, text + passed, since=made)


def backup_parts(look: Look, found: Row) -> list[Part]:
    """Judge the snapshots, and the moment up to which the database can be restored."""
    days = int(found.get("BackupRetentionPeriod") or 0)
    restorable = found.get("LatestRestorableTime")
    parts = [snapshot_part(look, newest_snapshot(look))]
    if days == 0:
        parts.append(Part("critical", "automated backups are off (retention 0 days)", play(look, "deploy")))
    elif look.sandbox:
        parts.append(Part("healthy", f"restore to a moment: {NO_EMULATION}"))
    elif restorable is None:
        parts.append(Part("unknown", "it cannot be restored to any moment yet"))
    else:
        status, passed = judged(look, "backup_hours", between(restorable, look.now) / HOUR)
        text = f"can be restored to any second of {plural(days, 'day')} up to {ago(restorable, look.now)}{passed}"
        parts.append(Part(status, text, since=restorable))
        made = found.get("InstanceCreateTime")
        if status == "healthy" and made and between(made, look.now) < FIRST_DAY:  # no night has passed yet
            parts = [part if part.status == "healthy" else Part("healthy", part.text) for part in parts]
    return parts


def look_at_backup(look: Look) -> Observation:
    """Look for a way back."""
    found = find_database(look)
    if found is None:
        return gone(look)
    seen = together(f"database {target(look)}", backup_parts(look, found))
    return Observation(seen.status, seen.evidence, since=seen.since, next_step=seen.next_step or play(look, "backup"))


# Tables


def recovery_of(look: Look) -> Row | None:
    """Return what DynamoDB says of a table's point-in-time recovery, None where there is no table."""
    gone_codes = ("TableNotFoundException", "ResourceNotFoundException")
    answer = ask(look, "dynamodb", "describe_continuous_backups", gone_codes, TableName=target(look))
    if answer is None:
        return None
    found = answer.get("ContinuousBackupsDescription") or {}
    return t.cast("Row", found.get("PointInTimeRecoveryDescription") or {})


def look_at_table_backup(look: Look) -> Observation:
    """Look whether a table can be restored to a moment, and how old the newest is."""
    what, found = f"table {target(look)}", recovery_of(look)
    if found is None:
        return missing(look, "dynamodb", what)
    if found.get("PointInTimeRecoveryStatus") != "ENABLED" and look.sandbox:
        return Observation("unknown", f"{what}: point-in-time recovery of a stack's table: {NO_EMULATION}")
    if found.get("PointInTimeRecoveryStatus") != "ENABLED":
        wanted = "--point-in-time-recovery-specification PointInTimeRecoveryEnabled=true"
        step = aws(look, "dynamodb", f"dynamodb update-continuous-backups --table-name {quoted(look)} {wanted}")
        return Observation(
            "critical", f"{what}: point-in-time recovery is off, nothing brings a row back", next_step=step
        )
    newest, days = found.get("LatestRestorableDateTime"), found.get("RecoveryPeriodInDays")
    if newest is None:
        why = NO_EMULATION if look.sandbox else "AWS names no moment yet"
        return Observation("unknown", f"{what}: point-in-time recovery is on; its newest moment: {why}")
    status, passed = judged(look, "backup_hours", between(newest, look.now) / HOUR)
    kept = f"of {plural(days, 'day')} " if days else ""
    text = f"{what}: can be restored to any second {kept}up to {ago(newest, look.now)}{passed}"
    return Observation(status, text, since=None if status == "healthy" else iso(newest))


KINDS = named(
    Kind(
        name="db_backup",
        look=look_at_backup,
        options=TARGET,
        required=("target",),
        services=("rds",),
        check=ANY_NAME,
        step=DESCRIBE,
        actions=actions(rds="DescribeDBInstances DescribeDBSnapshots"),
    ),
    Kind(
        name="table_backup",
        look=look_at_table_backup,
        options=TARGET,
        required=("target",),
        services=("dynamodb",),
        check=ANY_NAME,
        step=command("dynamodb describe-continuous-backups --table-name {target}"),
        actions=actions(dynamodb="DescribeContinuousBackups"),
    ),
)
