# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A database of RDS: whether it works, and whether it fills up."""

from __future__ import annotations

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
    play,
    quoted,
    target,
    together,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_aws_metrics import (
    METRIC_ACTIONS,
    Metric,
    newest,
    window,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_aws_words import judged, minute, number
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_kind import Kind, Look, Observation

# "Viewing Amazon RDS DB instance status": of these it answers queries.
WORKING = (
    "available",
    "backing-up",
    "configuring-activity-stream",
    "configuring-associated-roles",
    "configuring-enhanced-monitoring",
    "configuring-iam-database-auth",
    "configuring-log-exports",
    "resetting-master-credentials",
    "storage-config-upgrade",
    "storage-initialization",
    "storage-optimization",
)
DOWN = ("stopped", "stopping", "deleting", "failed", "storage-full", "insufficient-capacity", "restore-error")
DOWN_BEGINS = ("inaccessible-", "incompatible-")
GIB = 1024**3
NOT_FOUND = ("DBInstanceNotFound", "DBInstanceNotFoundFault")
DESCRIBE = command("rds describe-db-instances --db-instance-identifier {target}")


def find_database(look: Look) -> Row | None:
    """Return the instance, None where there is none."""
    request = {"DBInstanceIdentifier": target(look)}
    answer = ask(look, "rds", "describe_db_instances", NOT_FOUND, **request) or {}
    return next(iter(answer.get("DBInstances") or []), None)


def gone(look: Look) -> Observation:
    return missing(look, "rds", f"database {target(look)}")


def metric(look: Look, name: str) -> Metric:
    return Metric("AWS/RDS", name, {"DBInstanceIdentifier": target(look)})


def no_figure(look: Look, name: str) -> Observation:
    """Return that CloudWatch has nothing."""
    why = f", {NO_EMULATION}" if look.sandbox else ""
    return Observation("unknown", f"database {target(look)}: no datapoint of {name} in {window(look)}{why}")


# State


def state_part(look: Look, status: str) -> Part:
    """Judge an instance's status; one that nobody knows is a change that is going on."""
    events = f"rds describe-events --source-type db-instance --source-identifier {quoted(look)} --duration 1440"
    if status in WORKING:
        return Part("healthy", status)
    if status not in DOWN and not status.startswith(DOWN_BEGINS):
        return Part("warning", f"{status}: it may not answer until that is done", aws(look, "rds", events))
    if status == "stopped":
        events = f"rds start-db-instance --db-instance-identifier {quoted(look)}"
    step = f"{play(look, 'deploy')} -e mcp_database_max_storage_gb=GB" if status == "storage-full" else ""
    return Part("critical", f"{status}: it answers no queries", step or aws(look, "rds", events))


def look_at_database(look: Look) -> Observation:
    """Look at an instance's status, and at what must never be otherwise."""
    found = find_database(look)
    if found is None:
        return gone(look)
    parts = [state_part(look, str(found.get("DBInstanceStatus")))]
    if not found.get("StorageEncrypted"):
        parts.append(Part("warning", "its storage is not encrypted", play(look, "drift")))
    if found.get("PubliclyAccessible"):
        parts.append(Part("warning", "it has a public address", play(look, "drift")))
    what = (
        f"database {target(look)} ({found.get('Engine')} {found.get('EngineVersion')}, {found.get('DBInstanceClass')})"
    )
    return together(what, parts)


# Storage


def look_at_storage(look: Look) -> Observation:
    """Hold the free storage against what there is; AWS may enlarge it up to a limit of its own."""
    found = find_database(look)
    if found is None:
        return gone(look)
    point, size = newest(look, metric(look, "FreeStorageSpace")), int(found.get("AllocatedStorage") or 0)
    if point is None or not size:
        return no_figure(look, "FreeStorageSpace")
    free, most = point["Minimum"] / GIB, int(found.get("MaxAllocatedStorage") or 0)
    percent, grows = 100 * free / size, most > size
    growth = f"AWS enlarges it by itself up to {most} GiB" if grows else "AWS does not enlarge it any more"
    text = f"{number(free)} of {size} GiB free ({number(percent)} %) at {minute(point['Timestamp'])}; {growth}"
    status, passed = judged(look, "storage_free_percent", percent)
    # AWS waits until less than 10 % are free, so that much is no failure where it still enlarges it.
    status = "warning" if grows and status == "critical" else status
    step = "" if grows else f"{play(look, 'deploy')} -e mcp_database_max_storage_gb=GB"
    return Observation(status, f"database {target(look)}: {text}{passed}", next_step=step)


KINDS = named(
    Kind(
        name="db_instance",
        look=look_at_database,
        options=TARGET,
        required=("target",),
        services=("rds",),
        check=ANY_NAME,
        step=DESCRIBE,
        actions=actions(rds="DescribeDBInstances"),
    ),
    Kind(
        name="db_storage",
        look=look_at_storage,
        options=TARGET,
        required=("target",),
        services=("rds", "cloudwatch"),
        check=ANY_NAME,
        step=DESCRIBE,
        actions=actions(rds="DescribeDBInstances") | METRIC_ACTIONS,
    ),
)
