# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Restore a snapshot or a moment of an RDS instance to a second instance beside it, in the same network.

The module amazon.aws.rds_instance cannot tag what it restores to a moment, and waits without keeping the deploy lock.
"""

from __future__ import annotations

import time
import typing as t

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import (
    AWS_ERRORS,
    Context,
    McpError,
    error_code,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.lock_renewal import LOCK_OPTION, lock_kept

ARGUMENT_SPEC: dict[str, t.Any] = {
    "source": {"type": "str", "required": True},
    "name": {"type": "str", "required": True},
    "snapshot": {"type": "str"},
    "time": {"type": "str"},
    "tags": {"type": "dict", "default": {}},
    "timeout": {"type": "int", "default": 7200},
    "lock": LOCK_OPTION,
}
SPEC_OPTIONS: dict[str, t.Any] = {
    "mutually_exclusive": [("snapshot", "time")],
    "required_one_of": [("snapshot", "time")],
}
LATEST = "latest"
POLL_S = 10.0
FIRST_POLL_S = 2.0
PROGRESS_S = 60.0
# States in which an instance will not become available by itself.
DEAD = ("failed", "incompatible-restore", "incompatible-network", "incompatible-parameters", "deleting", "stopped")

# What RDS says of a snapshot or a moment that it does not have.
NOT_THERE = (
    "DBSnapshotNotFound",
    "DBSnapshotNotFoundFault",
    "InvalidRestoreFault",
    "PointInTimeRestoreNotEnabled",
    "InvalidParameterValue",
    "InvalidParameterCombination",
)

Instance = dict[str, t.Any]


def describe(client: t.Any, name: str) -> Instance | None:
    """Return an instance, None where there is none."""
    try:
        return dict(client.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"][0])
    except AWS_ERRORS as error:
        if error_code(error) in ("DBInstanceNotFound", "DBInstanceNotFoundFault"):
            return None
        raise


def same_major(client: t.Any, params: dict[str, t.Any], source: Instance) -> bool:
    """Say whether the copy can have the source's parameters: a snapshot from before an upgrade cannot."""
    if not params["snapshot"]:
        return True
    try:
        found = client.describe_db_snapshots(DBSnapshotIdentifier=params["snapshot"])["DBSnapshots"]
    except AWS_ERRORS as error:
        if error_code(error) in NOT_THERE:
            return True  # the restore says it
        raise
    versions = {item.get("EngineVersion", "").partition(".")[0] for item in [*found, source]}
    return len(versions) == 1


def request(params: dict[str, t.Any], source: Instance, with_parameters: bool) -> dict[str, t.Any]:
    """Return what both ways of restoring take: where the copy is, and who reaches it, as of the source."""
    groups = [group["VpcSecurityGroupId"] for group in source.get("VpcSecurityGroups", [])]
    named = source.get("DBParameterGroups", []) if with_parameters else []
    parameters = [group["DBParameterGroupName"] for group in named][:1]
    subnets = (source.get("DBSubnetGroup") or {}).get("DBSubnetGroupName")
    return {
        "DBInstanceClass": source["DBInstanceClass"],
        "PubliclyAccessible": False,
        "MultiAZ": False,
        "DeletionProtection": False,
        "EnableIAMDatabaseAuthentication": True,
        "Tags": [{"Key": key, "Value": str(value)} for key, value in sorted(params["tags"].items())],
        **({"DBSubnetGroupName": subnets} if subnets else {}),
        **({"VpcSecurityGroupIds": groups} if groups else {}),
        **({"DBParameterGroupName": parameters[0]} if parameters else {}),
    }


def restore(client: t.Any, params: dict[str, t.Any], source: Instance) -> None:
    """Ask RDS for the copy.

    :raises McpError: it does not have what was named
    """
    common = request(params, source, same_major(client, params, source))
    try:
        if params["snapshot"]:
            client.restore_db_instance_from_db_snapshot(
                DBInstanceIdentifier=params["name"], DBSnapshotIdentifier=params["snapshot"], **common
            )
            return
        moment = {"UseLatestRestorableTime": True} if params["time"] == LATEST else {"RestoreTime": params["time"]}
        client.restore_db_instance_to_point_in_time(
            SourceDBInstanceIdentifier=params["source"], TargetDBInstanceIdentifier=params["name"], **moment, **common
        )
    except AWS_ERRORS as error:
        what = f"snapshot {params['snapshot']}" if params["snapshot"] else f"time {params['time']}"
        if error_code(error) not in NOT_THERE:
            raise
        latest = source.get("LatestRestorableTime")
        raise McpError(
            f"RDS cannot restore {what} of {params['source']}: {error} The latest moment is {latest or 'not known'}. "
            "Nothing was changed. List the snapshots: ansible-playbook playbooks/backups.yml -i <inventory>"
        ) from error


def wait(ctx: Context, client: t.Any) -> Instance:
    """Wait until the copy answers.

    :raises McpError: it will not, or not in time
    """
    name, began, pause = ctx.params["name"], time.monotonic(), FIRST_POLL_S
    shown = began
    while True:
        found, now = describe(client, name), time.monotonic()
        state = found["DBInstanceStatus"] if found else "not there yet"
        if found and state == "available":
            return found
        if state in DEAD or now - began > ctx.params["timeout"]:
            raise McpError(
                f"The copy {name} is {state} after {now - began:.0f} s. The database in use was not touched. Wait on: "
                f"the same command again. Look at it: aws rds describe-db-instances --db-instance-identifier {name}  "
                "Throw it away: ansible-playbook playbooks/restore.yml -i <inventory> -e mcp_restore_action=discard"
            )
        if now - shown > PROGRESS_S:
            ctx.progress(f"{name}: {state}, {now - began:.0f} s")
            shown = now
        time.sleep(pause)
        pause = min(pause * 2, POLL_S)


def result_of(instance: Instance | None) -> dict[str, t.Any] | None:
    """Return what is said of a copy."""
    if instance is None:
        return None
    return {
        "name": instance["DBInstanceIdentifier"],
        "host": instance["Endpoint"]["Address"],
        "port": instance["Endpoint"]["Port"],
        "resource_id": instance["DbiResourceId"],
        "tags": {tag["Key"]: tag["Value"] for tag in instance.get("TagList", [])},
    }


def run(ctx: Context) -> dict[str, t.Any]:
    """Make the copy unless it is there, and wait until it answers."""
    client, params = ctx.client("rds"), ctx.params
    there = describe(client, params["name"])
    if there is None:
        source = describe(client, params["source"])
        if source is None:
            raise McpError(f"There is no database {params['source']} to restore beside. Nothing was changed.")
        if ctx.check_mode:
            return {"changed": True, "copy": None}
        restore(client, params, source)
    elif ctx.check_mode:
        return {"changed": False, "copy": result_of(there if there.get("Endpoint") else None)}
    with lock_kept(ctx, "the restore"):
        return {"changed": there is None, "copy": result_of(wait(ctx, client))}
