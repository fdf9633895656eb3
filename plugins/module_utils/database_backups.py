# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which snapshot or moment of a database a restore means, and what it says of the copy that it makes."""

from __future__ import annotations

import datetime
import typing as t

LATEST = "latest"
TAG = "mcp:restored-from"
SHOWN = 5

Row = dict[str, t.Any]


def database_backups(snapshots: list[Row]) -> list[Row]:
    """Return what a person wants to know of each snapshot, the newest first.

    :param snapshots: of the module amazon.aws.rds_snapshot_info
    """
    found = [
        {
            "id": snapshot["db_snapshot_identifier"],
            "time": snapshot.get("snapshot_create_time"),
            "kind": snapshot.get("snapshot_type", "manual"),
            "gb": snapshot.get("allocated_storage"),
            "status": snapshot["status"],
        }
        for snapshot in snapshots
    ]
    return sorted(found, key=lambda row: str(row["time"] or "9"), reverse=True)


def listed(rows: list[Row]) -> str:
    """Name backups for a message."""
    return ", ".join(f"{row['id']} ({row['time']})" for row in rows[:SHOWN]) or "none"


def check_time(text: str) -> str:
    """Return a moment as RDS takes it, an empty text where it is none."""
    try:
        moment = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return ""
    if moment.tzinfo is None:
        return ""
    return moment.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def restore_source(snapshots: list[Row], backup: str | None, time: str | None) -> dict[str, t.Any]:
    """Return what to restore.

    :param backup: id of a snapshot; without it and without a time the newest
    :param time: ``latest``, or a moment in ISO 8601 with its zone
    :returns: ``snapshot`` or ``time`` (None each where it is the other), ``label``, and ``problem``, else empty
    """
    rows = [row for row in database_backups(snapshots) if row["status"] == "available"]
    found: dict[str, t.Any] = {"snapshot": None, "time": None, "label": "", "problem": ""}
    if backup and time:
        return {**found, "problem": "mcp_backup and mcp_restore_time are both set: allowed is one of them."}
    if time:
        moment = LATEST if time == LATEST else check_time(time)
        if not moment:
            return {
                **found,
                "problem": f"mcp_restore_time is '{time}': allowed is latest, or a moment with its zone such as "
                "2026-11-23T09:30:00Z.",
            }
        return {**found, "time": moment, "label": f"time {moment}"}
    chosen = next((row for row in rows if backup in (None, row["id"])), None)
    if chosen is None:
        wanted = f"mcp_backup is '{backup}': no such snapshot is available." if backup else "There is no snapshot yet."
        return {**found, "problem": f"{wanted} Available: {listed(rows)}."}
    return {**found, "snapshot": chosen["id"], "label": chosen["id"]}


def side_problem(side: Row | None, label: str, named: bool) -> str:
    """Say why the copy that is there cannot be used, an empty text where it can, or where there is none.

    :param side: of the module amazon.aws.rds_instance_info; None where there is no copy
    :param label: what is wanted
    :param named: whether it was named; without a name the copy that is there is meant
    """
    if side is None:
        return ""
    name, held = side["db_instance_identifier"], (side.get("tags") or {}).get(TAG)
    if not held:
        return (
            f"{name} has no tag {TAG}: it was not made by this playbook, and is left alone. Where nobody needs it: aws "
            f"rds delete-db-instance --db-instance-identifier {name} "
            "--skip-final-snapshot"
        )
    if named and held != label:
        return f"{name} holds {held}, not {label}. Throw that copy away first: -e mcp_restore_action=discard"
    return ""


def is_proven(record: Row | None, tables: list[Row]) -> bool | None:
    """Say whether a copy is what the backup was made of; None where nobody can tell, because somebody wrote meanwhile.

    :param record: written when the backup was made: what was there ``before`` and ``after``
    :param tables: of the comparison, with the rows of the copy
    """
    if not record or not record.get("before") or record["before"] != record.get("after"):
        return None
    found = {
        row["table"]: {"rows": row["restored"], "checksum": row["checksum"]}
        for row in tables
        if row["restored"] is not None
    }
    return bool(record["before"] == found)


def comparison_lines(comparison: dict[str, t.Any]) -> list[str]:
    """Return what a report says of a copy: each table that differs, and whether the copy is whole."""
    lines = [f"copy:      {comparison['copy']} of {comparison['label']}"]
    tables = comparison.get("tables") or []
    for row in tables:
        if not row["equal"]:
            here, there = ("no such table" if row[key] is None else f"{row[key]} rows" for key in ("rows", "restored"))
            lines.append(f"  {row['table']}: {here} in use, {there} in the copy")
    if tables and all(row["equal"] for row in tables):
        lines.append(f"  equal to the database in use, {len(tables)} tables")
    proven = {True: "yes", False: "NO", None: "cannot be told, somebody wrote while it was made"}
    if "proven" in comparison:
        lines.append(f"  the copy has the rows that the backup was made of: {proven[comparison['proven']]}")
    return lines


def backup_rows(rows: list[Row]) -> list[str]:
    """Return a line for each snapshot."""
    return [f"  {row['id']}  {row['time']}  {row['kind']}, {row['gb']} GB, {row['status']}" for row in rows] or [
        "backups:   none"
    ]
