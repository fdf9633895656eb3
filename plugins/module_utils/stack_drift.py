# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What somebody changed past CloudFormation, property by property; and going back from it where AWS offers that."""

from __future__ import annotations

import re
import time
import typing as t
import uuid

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import (
    AWS_ERRORS,
    Context,
    McpError,
    error_code,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.stack_change_set import (
    CHANGE_SET_PREFIX,
    described_change_set,
    discard,
    execute,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.stack_changes import (
    Change,
    describe_refusal,
    refusals,
    render,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.stack_desired import (
    current_parameters,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.stack_operation import (
    finish,
    settled_stack,
    watch,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.stack_watch import (
    Stack,
    find_stack,
    pauses,
)

# CloudFormation looks for drift in these states only.
DETECTABLE = {
    "CREATE_COMPLETE",
    "UPDATE_COMPLETE",
    "UPDATE_ROLLBACK_COMPLETE",
    "UPDATE_ROLLBACK_FAILED",
    "IMPORT_COMPLETE",
    "IMPORT_ROLLBACK_COMPLETE",
}
# A property that may carry a secret is told to differ, not how.
SECRET_PATH = re.compile(r"secret|password|token|private|customheaders|environment/variables", re.IGNORECASE)
HIDDEN = "(hidden)"

Drift = dict[str, t.Any]


def detect(ctx: Context) -> dict[str, t.Any]:
    """Compare the stack's resources with its template.

    :raises McpError: there is no stack, or it is in a state in which CloudFormation does not look
    """
    client, name = ctx.client("cloudformation"), ctx.params["name"]
    stack = settled_stack(ctx)
    if stack is None:
        raise McpError(f"There is no stack {name}, so nothing can have drifted. Deploy it first.")
    if stack["StackStatus"] not in DETECTABLE:
        raise McpError(
            f"Stack {name} is {stack['StackStatus']}: CloudFormation looks for drift only in a stack whose last "
            "operation has ended well or was rolled back. Deploy it first."
        )
    reason = detected(ctx, client.detect_stack_drift(StackName=stack["StackId"])["StackDriftDetectionId"])
    rows = sorted(map(drift_row, checked_resources(client, stack)), key=lambda row: str(row["logical_id"]))
    return {
        "name": name,
        "changed": False,
        "status": stack["StackStatus"],
        "stack_id": stack["StackId"],
        "changes": [],
        "source": "stack",
        "drift": [row for row in rows if row["status"] in ("MODIFIED", "DELETED")],
        "in_sync": [row["logical_id"] for row in rows if row["status"] == "IN_SYNC"],
        "not_checked": not_checked(client, stack, rows),
        "reason": reason,
    }


def detected(ctx: Context, detection: str) -> str:
    """Wait for the end of the detection; return why some resources could not be looked at, or an empty text.

    :raises McpError: it took longer than the timeout
    """
    client, begun = ctx.client("cloudformation"), time.monotonic()
    for pause in pauses(ctx.params["poll_interval"]):
        answer = client.describe_stack_drift_detection_status(StackDriftDetectionId=detection)
        if answer["DetectionStatus"] != "DETECTION_IN_PROGRESS":
            break
        if time.monotonic() - begun > ctx.params["timeout"]:
            raise McpError(
                f"CloudFormation has not compared stack {ctx.params['name']} with its resources within "
                f"{ctx.params['timeout']} s (timeout). Nothing was changed. Run the same command again."
            )
        time.sleep(pause)
    return str(answer.get("DetectionStatusReason", ""))


def checked_resources(client: t.Any, stack: Stack) -> list[dict[str, t.Any]]:
    """Return what the detection found, page by page (botocore has no paginator for it)."""
    answer = client.describe_stack_resource_drifts(StackName=stack["StackId"])
    found: list[dict[str, t.Any]] = list(answer["StackResourceDrifts"])
    while answer.get("NextToken"):
        answer = client.describe_stack_resource_drifts(StackName=stack["StackId"], NextToken=answer["NextToken"])
        found.extend(answer["StackResourceDrifts"])
    return found


def drift_row(item: dict[str, t.Any]) -> Drift:
    """Return what is told of one resource."""
    return {
        "logical_id": item["LogicalResourceId"],
        "physical_id": item.get("PhysicalResourceId", ""),
        "type": item["ResourceType"],
        "status": item["StackResourceDriftStatus"],
        "reason": item.get("DriftStatusReason", ""),
        "differences": [difference(each) for each in item.get("PropertyDifferences", [])],
    }


def difference(item: dict[str, str]) -> Drift:
    """Return one property that differs, without values that may be secret."""
    path, expected, actual = item["PropertyPath"], item["ExpectedValue"], item["ActualValue"]
    if SECRET_PATH.search(path) or "{{resolve:" in expected or "{{resolve:" in actual:
        expected = actual = HIDDEN
    return {"path": path, "expected": expected, "actual": actual, "kind": item["DifferenceType"]}


def not_checked(client: t.Any, stack: Stack, rows: list[Drift]) -> list[Drift]:
    """List the resources that CloudFormation cannot compare: they may have drifted unseen."""
    looked_at = {row["logical_id"] for row in rows if row["status"] in ("IN_SYNC", "MODIFIED", "DELETED")}
    reasons = {row["logical_id"]: row["reason"] for row in rows}
    pages = client.get_paginator("list_stack_resources").paginate(StackName=stack["StackId"])
    listed = [item for page in pages for item in page["StackResourceSummaries"]]
    return [
        {
            "logical_id": name,
            "type": item["ResourceType"],
            "reason": reasons.get(name) or "no drift detection for this type",
        }
        for name, item in sorted((item["LogicalResourceId"], item) for item in listed)
        if name not in looked_at and item["ResourceStatus"] != "DELETE_COMPLETE"
    ]


# Going back


def revert(ctx: Context, found: dict[str, t.Any]) -> dict[str, t.Any]:
    """Bring drifted resources back to the stack's own template and parameters; return what the result changes.

    :raises McpError: data would be lost, or CloudFormation could not do it
    """
    client, stack_id = ctx.client("cloudformation"), found["stack_id"]
    change_set = revert_change_set(ctx, stack_id)
    if change_set is None:
        return {"reverted": False, "not_available": f"{ctx.params['name']}: this endpoint does not revert drift"}
    rows = change_set.rows
    refused = refusals(rows, ctx.params["allow_replacement"])
    if refused or ctx.check_mode or not change_set.executable:
        discard(ctx, change_set.arn, stack_id)
    if refused:
        raise McpError(describe_refusal(ctx.params["name"], refused), name=ctx.params["name"], refused=refused)
    told = reverting(ctx, rows)
    if ctx.check_mode or not change_set.executable:
        return told
    operation = watch(ctx, stack_id, total=len(rows))
    ctx.progress(f"{ctx.params['name']}: reverting the drift of {', '.join(row['logical_id'] for row in rows)}")
    execute(client, change_set)
    finish(operation, ("UPDATE_COMPLETE",))
    stack = find_stack(client, stack_id) or {"StackStatus": "ABSENT"}
    return {**told, "reverted": True, "status": stack["StackStatus"]}


def reverting(ctx: Context, rows: list[Change]) -> dict[str, t.Any]:
    """Return the part of the result that says what is (or would be) brought back."""
    told: dict[str, t.Any] = {"changed": bool(rows), "changes": rows, "reverted": False, "source": "change_set"}
    if ctx.diff_mode and rows:
        told["diff"] = [{"prepared": render(ctx.params["name"], rows)}]
    return told


def revert_change_set(ctx: Context, stack_id: str) -> t.Any:
    """Ask for a change set that also compares with what is really there; None where the endpoint knows no such."""
    client = ctx.client("cloudformation")
    if "DeploymentMode" not in client.meta.service_model.operation_model("CreateChangeSet").input_shape.members:
        raise McpError("revert_drift needs botocore 1.41 or later. Install it with: pip install --upgrade boto3")
    name = f"{CHANGE_SET_PREFIX}{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{uuid.uuid4().hex[:8]}"
    kept = current_parameters(find_stack(client, stack_id) or {})
    try:
        created = client.create_change_set(
            StackName=stack_id,
            ChangeSetName=name,
            ClientToken=name,
            ChangeSetType="UPDATE",
            DeploymentMode="REVERT_DRIFT",
            UsePreviousTemplate=True,
            Parameters=[{"ParameterKey": key, "UsePreviousValue": True} for key in kept],
            Capabilities=ctx.params["capabilities"],
        )
    except AWS_ERRORS as error:
        if error_code(error) not in ("ValidationError", "InvalidParameterValue"):
            raise
        raise McpError(
            f"CloudFormation does not revert the drift of stack {ctx.params['name']}: {error}. Nothing was changed."
        ) from error
    change_set = described_change_set(ctx, created["Id"], stack_id)
    mode = client.describe_change_set(ChangeSetName=change_set.arn).get("DeploymentMode")
    if mode != "REVERT_DRIFT":
        discard(ctx, change_set.arn, stack_id)
        return None
    return change_set
