# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Remove a stack, and say what stays on AWS."""

from __future__ import annotations

import json
import typing as t

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import (
    Context,
    McpError,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.stack_changes import (
    Change,
    make_change,
    render,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.stack_operation import (
    finish,
    held_resources,
    read_template,
    settled_stack,
    watch,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.stack_watch import (
    Stack,
)

RETAINING = ("Retain", "RetainExceptOnCreate")


def remove(ctx: Context) -> dict[str, t.Any]:
    """Delete the stack; say what stays on AWS."""
    name = ctx.params["name"]
    stack = settled_stack(ctx)
    if stack is None:
        return {
            "name": name,
            "changed": False,
            "status": "ABSENT",
            "changes": [],
            "retained": [],
            "source": "unchanged",
        }
    protected = bool(stack.get("EnableTerminationProtection"))
    if protected and ctx.params["termination_protection"] is not False:
        raise McpError(
            f"Stack {name} is protected against deletion. If it shall go, set termination_protection: false."
        )
    rows, retained = deletion_rows(ctx, stack)
    if not ctx.check_mode:
        if protected:
            ctx.client("cloudformation").update_termination_protection(
                StackName=name, EnableTerminationProtection=False
            )
        delete_and_wait(ctx, stack, total=len(rows))
    result: dict[str, t.Any] = {"name": name, "changed": True, "status": "ABSENT", "stack_id": stack["StackId"]}
    if ctx.check_mode:
        result["status"] = stack["StackStatus"]
    if ctx.diff_mode:
        result["diff"] = [{"prepared": render(name, rows)}]
    return {**result, "changes": rows, "retained": retained, "source": "stack"}


def deletion_rows(ctx: Context, stack: Stack) -> tuple[list[Change], list[dict[str, str]]]:
    """List the stack's resources: all as rows, and those that stay on AWS with their physical ids."""
    client = ctx.client("cloudformation")
    if stack["StackStatus"] == "REVIEW_IN_PROGRESS":
        return [], []
    bodies = read_template(client, stack["StackId"], "Processed")["Resources"]
    rows, retained = [], []
    for resource in held_resources(client, stack):
        logical_id = resource["LogicalResourceId"]
        policy = bodies.get(logical_id, {}).get("DeletionPolicy", "")
        policy = policy if isinstance(policy, str) else json.dumps(policy)
        rows.append(make_change("delete", logical_id, resource["ResourceType"], policy=policy))
        if policy in RETAINING or logical_id in ctx.params["retain_resources"]:
            entry = {"logical_id": logical_id, "type": resource["ResourceType"], "policy": policy}
            retained.append({**entry, "physical_id": resource.get("PhysicalResourceId", "")})
    return rows, retained


def delete_and_wait(ctx: Context, stack: Stack, total: int = 0) -> None:
    """Delete a stack and wait; resources in ``retain_resources`` are left out where their deletion fails.

    :raises McpError: something could not be deleted
    """
    client, stack_id, status = ctx.client("cloudformation"), stack["StackId"], stack["StackStatus"]
    retain = {"RetainResources": ctx.params["retain_resources"]} if ctx.params["retain_resources"] else {}
    if not (retain and status == "DELETE_FAILED"):
        operation = watch(ctx, stack_id, total=total)
        ctx.progress(f"{ctx.params['name']}: deleting")
        client.delete_stack(StackName=stack_id)
        # CloudFormation takes RetainResources only after a deletion has failed.
        if not retain or operation.until_settled()["StackStatus"] != "DELETE_FAILED":
            finish(operation, ("DELETE_COMPLETE",))
            return
    operation = watch(ctx, stack_id, total=total)
    ctx.progress(f"{ctx.params['name']}: deleting, without {', '.join(ctx.params['retain_resources'])}")
    client.delete_stack(StackName=stack_id, **retain)
    finish(operation, ("DELETE_COMPLETE",))
