# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a stack operation will change: rows from a change set or from two templates, the readable diff, the guard."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.template_references import (
    Json,
    canonical,
    references,
)

# What holds data or secrets that a new resource of the same kind would not have.
STATEFUL_TYPES = {
    "AWS::Cognito::UserPool",
    "AWS::DynamoDB::GlobalTable",
    "AWS::DynamoDB::Table",
    "AWS::EFS::FileSystem",
    "AWS::KMS::Key",
    "AWS::RDS::DBCluster",
    "AWS::RDS::DBInstance",
    "AWS::S3::Bucket",
    "AWS::SecretsManager::Secret",
}
# All that can replace them, by CloudFormation's schemas: an endpoint without these calls every property conditional.
CREATE_ONLY = {
    # Without those that only matter to a replica or a cluster's member: one PostgreSQL instance takes them as it is.
    "AWS::RDS::DBInstance": {
        "AvailabilityZone",
        "BackupTarget",
        "CharacterSetName",
        "CustomIAMInstanceProfile",
        "DBClusterIdentifier",
        "DBClusterSnapshotIdentifier",
        "DBInstanceIdentifier",
        "DBName",
        "DBSnapshotIdentifier",
        "DBSubnetGroupName",
        "DBSystemId",
        "Engine",
        "KmsKeyId",
        "MasterUsername",
        "NcharCharacterSetName",
        "RestoreTime",
        "SourceDBClusterIdentifier",
        "SourceDBInstanceAutomatedBackupsArn",
        "SourceDBInstanceIdentifier",
        "SourceDbiResourceId",
        "SourceRegion",
        "StorageEncrypted",
        "Timezone",
        "UseLatestRestorableTime",
    },
    "AWS::S3::Bucket": {"BucketName", "BucketNamePrefix", "BucketNamespace"},
    "AWS::SecretsManager::Secret": {"Name"},
}
# What is interrupted for some minutes while its data stay.
RESTARTS = {"AWS::RDS::DBInstance": {"DBInstanceClass", "DBParameterGroupName", "EngineVersion"}}
STACK_TYPE = "AWS::CloudFormation::Stack"
ACTIONS = {"Add": "create", "Modify": "update", "Remove": "delete", "Import": "import", "Dynamic": "update"}
SIGNS = {"create": "+", "update": "~", "replace": "-/+", "delete": "-", "import": "<-"}
LONGEST_VALUE = 80
# CloudFormation masks a hidden parameter; of a property that has its value that is documented nowhere.
SECRET_PATH = re.compile(r"secret|password|token|private|customheaders", re.IGNORECASE)
SECRET_PART = re.compile(r'"\w*(headervalue|secretstring|password|token|private)\w*"\s*:', re.IGNORECASE)
HIDDEN = "(hidden)"

Change = dict[str, t.Any]


def make_change(action: str, logical_id: str, resource_type: str, **more: t.Any) -> Change:
    """Return one row of a plan."""
    row: Change = {"action": action, "logical_id": logical_id, "type": resource_type}
    row.update({"replacement": "", "scope": [], "policy": "", "details": []})
    return {**row, **more}


def make_detail(path: str, before: Json, after: Json, recreation: str = "Never", cause: str = "") -> Change:
    """Return one changed property of a row."""
    return {"path": path, "before": before, "after": after, "recreation": recreation, "cause": cause}


def from_change_set(changes: list[dict[str, t.Any]]) -> list[Change]:
    """Turn the change set's rows into ours, in the order of their logical ids."""
    rows = [_from_resource_change(item["ResourceChange"]) for item in changes if item.get("ResourceChange")]
    return sorted(rows, key=lambda row: row["logical_id"])


def _from_resource_change(change: dict[str, t.Any]) -> Change:
    replacement = change.get("Replacement", "")
    action = ACTIONS.get(change["Action"], "update")
    return make_change(
        "replace" if action == "update" and replacement == "True" else action,
        change["LogicalResourceId"],
        change["ResourceType"],
        replacement=replacement,
        scope=change.get("Scope", []),
        policy=change.get("PolicyAction", ""),
        details=_details(change.get("Details", [])),
    )


def _details(details: list[dict[str, t.Any]]) -> list[Change]:
    """Merge what CloudFormation says more than once about a property (direct change, changed reference)."""
    merged: dict[str, Change] = {}
    for detail in details:
        target = detail.get("Target", {})
        path = _path(target)
        row = merged.setdefault(path, make_detail(path, None, None))
        for key, name in (("before", "BeforeValue"), ("after", "AfterValue")):
            row[key] = without_secret(path, target[name]) if name in target else row[key]
        if target.get("RequiresRecreation", "Never") != "Never":
            row["recreation"] = target["RequiresRecreation"]
        row["cause"] = row["cause"] or detail.get("CausingEntity", "")
    return list(merged.values())


def without_secret(path: str, value: str) -> str:
    """Return a value before or after a change, unless it may be a secret, or one of its parts may be."""
    return HIDDEN if SECRET_PATH.search(path) or SECRET_PART.search(value) else value


def _path(target: dict[str, t.Any]) -> str:
    if target.get("Path"):
        return target["Path"].removeprefix("/Properties/").lstrip("/").replace("/", ".").replace("~1", "/")
    return target.get("Name") or target.get("Attribute", "")


def has_values(changes: list[dict[str, t.Any]]) -> bool:
    """Say whether the endpoint told the values before and after."""
    return any({"BeforeContext", "AfterContext"} & set(item.get("ResourceChange", {})) for item in changes)


def add_conditional(rows: list[Change], before: dict[str, Json], after: dict[str, Json]) -> list[Change]:
    """Add resources that appear or vanish because a condition turned, where the endpoint did not list them."""
    listed = {row["logical_id"] for row in rows}
    turned = [row for row in compare_resources(before, after, set()) if row["action"] in ("create", "delete")]
    return sorted(rows + [row for row in turned if row["logical_id"] not in listed], key=lambda row: row["logical_id"])


def fill_values(rows: list[Change], before: dict[str, Json], after: dict[str, Json]) -> None:
    """Add the values from the resources of the two templates, down to the leaves that differ."""
    for row in rows:
        old, new = before.get(row["logical_id"], {}), after.get(row["logical_id"], {})
        row["details"] = [leaf for detail in row["details"] for leaf in _leaves_of(detail, old, new)]


def _leaves_of(detail: Change, old: dict[str, Json], new: dict[str, Json]) -> list[Change]:
    path = detail["path"]
    pair = [side.get("Properties", {}).get(path, side.get(path)) for side in (old, new)]
    leaves = [
        make_detail(where, left, right, detail["recreation"], detail["cause"])
        for where, left, right in leaf_changes(pair[0], pair[1], path)
    ]
    return leaves or [detail]


def leaf_changes(before: Json, after: Json, path: str) -> list[tuple[str, Json, Json]]:
    """List (path, before, after) of the smallest parts in which two values differ."""
    if before == after:
        return []
    if isinstance(before, dict) and isinstance(after, dict):
        steps = [(key, before.get(key), after.get(key)) for key in sorted({*before, *after})]
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        steps = [(str(index), left, right) for index, (left, right) in enumerate(zip(before, after, strict=True))]
    else:
        return [(path, before, after)]
    return [leaf for key, left, right in steps for leaf in leaf_changes(left, right, f"{path}.{key}")]


def compare_resources(before: dict[str, Json], after: dict[str, Json], unknown: set[str]) -> list[Change]:
    """Plan from two expanded templates alone, where no change set can be had.

    :param unknown: parameters whose values are not known yet: what refers to them may change
    """
    rows = []
    for logical_id in sorted({*before, *after}):
        old, new = before.get(logical_id), after.get(logical_id)
        if new is None:
            rows.append(
                make_change(
                    "delete",
                    logical_id,
                    before[logical_id]["Type"],
                    policy=before[logical_id].get("DeletionPolicy", ""),
                )
            )
        elif old is None:
            rows.append(make_change("create", logical_id, new["Type"]))
        elif old != new or references(new) & unknown:
            rows.append(_compare_one(logical_id, old, new, unknown))
    return rows


def _compare_one(logical_id: str, old: dict[str, Json], new: dict[str, Json], unknown: set[str]) -> Change:
    waiting = {name: references(value) & unknown for name, value in new.get("Properties", {}).items()}
    details = [
        make_detail(name, old.get("Properties", {}).get(name), None, "Unknown", ", ".join(sorted(causes)))
        for name, causes in waiting.items()
        if causes
    ]
    for path, left, right in leaf_changes(old, new, ""):
        path = path.removeprefix(".").removeprefix("Properties.")
        if not waiting.get(path.partition(".")[0]):
            details.append(make_detail(path, left, right, "Unknown"))
    replaced = old["Type"] != new["Type"]
    return make_change(
        "replace" if replaced else "update",
        logical_id,
        new["Type"],
        replacement="True" if replaced else "Unknown",
        details=details,
    )


# The guard


def may_be_replaced(row: Change) -> bool:
    """Say whether CloudFormation leaves it open, and a changed property can indeed replace the resource."""
    known, paths = CREATE_ONLY.get(row["type"]), {detail["path"].partition(".")[0] for detail in row["details"]}
    return row["replacement"] == "Conditional" and (not known or not paths or bool(paths & known))


def refusals(rows: list[Change], allowed: t.Iterable[str]) -> list[Change]:
    """Return the rows that would lose or abandon data and are not allowed by name."""
    permitted = set(allowed)
    return [
        row
        for row in rows
        if row["type"] in STATEFUL_TYPES
        and row["logical_id"] not in permitted
        and (row["action"] in ("replace", "delete") or may_be_replaced(row))
    ]


def describe_refusal(name: str, rows: list[Change]) -> str:
    """Say what is refused, why, and what to type if it is wanted."""
    reasons = "; ".join(_reason(row) for row in rows)
    names = ",".join(row["logical_id"] for row in rows)
    return (
        f"Stack {name}: {reasons}. Nothing was changed. "
        f"If that is what you want, take a backup and add: -e mcp_allow_replacement={names}"
    )


def _reason(row: Change) -> str:
    subject = f"{row['logical_id']} ({row['type']}) holds data and"
    if row["action"] == "delete":
        kept = row["policy"] in ("Retain", "RetainExceptOnCreate", "Snapshot")
        return f"{subject} would leave the stack ({row['policy']})" if kept else f"{subject} would be deleted"
    verb = "would be replaced by an empty one" if row["action"] == "replace" else "may be replaced by an empty one"
    causes = sorted({detail["path"] for detail in row["details"] if detail["recreation"] not in ("Never", "")})
    return f"{subject} {verb}" + (f" because {', '.join(causes)} changes" if causes else "")


# The readable diff


def render(name: str, rows: list[Change], note: str = "") -> str:
    """Return the plan of one stack as aligned lines, ending with a line break."""
    if not rows:
        return ""
    counts = {action: sum(1 for row in rows if row["action"] == action) for action in SIGNS}
    summary = ", ".join(f"{count} to {action}" for action, count in counts.items() if count)
    width = max(len(row["type"]) for row in rows)
    lines = [f"stack {name}: {summary}" + (f" ({note})" if note else "")]
    for row in rows:
        lines.extend(_render_row(row, width))
    return "\n".join(lines) + "\n"


def _render_row(row: Change, width: int) -> list[str]:
    word = row["action"].upper() if row["action"] == "replace" else row["action"]
    remark = _remark(row)
    head = f"  {SIGNS[row['action']]:<3} {word:<8} {row['type']:<{width}}  {row['logical_id']}{remark}"
    return [head, *(f"        {_render_detail(detail)}" for detail in row["details"])]


def _remark(row: Change) -> str:
    """Say what becomes of a resource, and of its data where it holds some."""
    if may_be_replaced(row):
        return " (MAY BE REPLACED)"
    if row["action"] == "delete" and row["policy"] in ("Retain", "RetainExceptOnCreate"):
        return " (leaves the stack, stays on AWS)"
    if row["type"] not in STATEFUL_TYPES or row["action"] not in ("update", "replace"):
        return ""
    if row["action"] == "replace":
        return " (BY AN EMPTY ONE)"
    paths = {detail["path"].partition(".")[0] for detail in row["details"]}
    restarts = paths & RESTARTS.get(row["type"], set())
    return " (keeps its data; restarts, some minutes without it)" if restarts else " (keeps its data)"


def _render_detail(detail: Change) -> str:
    if detail["recreation"] == "Unknown" and detail["cause"]:
        text = f"{detail['path']}: {_short(detail['before'])} -> (known after {detail['cause']})"
    elif detail["before"] is None and detail["after"] is None:
        text = detail["path"] + (f": follows {detail['cause']}" if detail["cause"] else "")
    else:
        text = f"{detail['path']}: {_short(detail['before'])} -> {_short(detail['after'])}"
    return text + (" (forces replacement)" if detail["recreation"] == "Always" else "")


def _short(value: Json) -> str:
    if value is None:
        return "(none)"
    text = value if isinstance(value, str) else canonical(value)
    return text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 3] + "..."
