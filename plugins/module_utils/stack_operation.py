# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stack as it is found, and one operation on it: wait, go on where a run was killed, say how it ended."""

from __future__ import annotations

import re
import time
import typing as t

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import (
    AWS_ERRORS,
    Context,
    McpError,
    error_code,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.deploy_lock import (
    renew_lock,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.stack_watch import (
    Event,
    LockLost,
    Stack,
    Watch,
    find_stack,
    first_failure,
    latest_event_id,
    of_stack_itself,
    validation_failure,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.template import (
    load_template,
)

# What a killed or failed create, or a deletion that stopped half-way, leaves: nothing that can be updated.
UNUSABLE = {"REVIEW_IN_PROGRESS", "CREATE_FAILED", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "DELETE_FAILED"}
# Of resources that a stack no longer, or not after all, holds.
NOT_HELD = {"DELETE_COMPLETE", "IMPORT_FAILED", "IMPORT_ROLLBACK_COMPLETE"}
ALARM_ARN = re.compile(r"arn:[\w-]+:cloudwatch:[\w-]*:\d*:alarm:([^\s,;\]\"']+)")
STATE_NOW = {
    "CREATE_FAILED": "what was made so far is left for a look; the next run removes it and starts again",
    "ROLLBACK_COMPLETE": "what was made is removed again; the next run starts afresh",
    "ROLLBACK_FAILED": "not everything could be removed again; the next run tries to",
    "UPDATE_ROLLBACK_COMPLETE": "it is back at the version before, which keeps running",
    "UPDATE_ROLLBACK_FAILED": "it is stuck between two versions",
    "IMPORT_ROLLBACK_COMPLETE": "it is as it was before the import, and what was to be imported stays on AWS",
    "IMPORT_ROLLBACK_FAILED": "the import is undone in part, and what was to be imported stays on AWS",
    "DELETE_COMPLETE": "what was made is removed again",
    "DELETE_FAILED": "what could not be deleted is still there",
}


def settled_stack(ctx: Context) -> Stack | None:
    """Describe the stack; wait first where an operation (of a run that was killed) is still going on."""
    client, name = ctx.client("cloudformation"), ctx.params["name"]
    stack = find_stack(client, name)
    if stack and stack["StackStatus"].endswith("_IN_PROGRESS") and stack["StackStatus"] not in UNUSABLE:
        ctx.progress(f"{name} is {stack['StackStatus']} by an earlier run: waiting for it")
        watch(ctx, stack["StackId"], events=True).until_settled()
        stack = find_stack(client, name)
    return stack


def updatable_stack(ctx: Context) -> Stack | None:
    """Describe the stack for a plan or an apply.

    :raises McpError: it is stuck in a failed rollback, which shall not or cannot be continued
    """
    stack, name = settled_stack(ctx), ctx.params["name"]
    if is_stuck(stack) and not ctx.params["continue_rollback"]:
        raise stuck(name, t.cast(Stack, stack))
    if stack and stack["StackStatus"] == "IMPORT_ROLLBACK_FAILED":
        reason = stack.get("StackStatusReason") or "no reason given."
        raise McpError(
            f"Stack {name} is IMPORT_ROLLBACK_FAILED: {reason} Nothing was changed, and CloudFormation cannot continue "
            "it. Delete the stack, which leaves on AWS what its template retains, then run the same command again: "
            f"aws cloudformation delete-stack --stack-name {name}",
            name=name,
            status=stack["StackStatus"],
            stack_id=stack["StackId"],
        )
    return stack


def is_unusable(ctx: Context, stack: Stack) -> bool:
    """Say whether there is nothing to update, so that the stack has to go before it can be made."""
    if stack["StackStatus"] != "IMPORT_ROLLBACK_COMPLETE":
        return stack["StackStatus"] in UNUSABLE
    # A stack that was there before the import can be updated; one that the import was to make is empty.
    return not list(held_resources(ctx.client("cloudformation"), stack))


def held_resources(client: t.Any, stack: Stack) -> t.Iterator[dict[str, t.Any]]:
    """Yield summaries of the resources that a stack holds."""
    for page in client.get_paginator("list_stack_resources").paginate(StackName=stack["StackId"]):
        yield from (item for item in page["StackResourceSummaries"] if item["ResourceStatus"] not in NOT_HELD)


def is_stuck(stack: Stack | None) -> bool:
    """Say whether the last update failed, and going back from it as well."""
    return bool(stack and stack["StackStatus"] == "UPDATE_ROLLBACK_FAILED")


def stuck(name: str, stack: Stack, attempt: str = "") -> McpError:
    """Return the error for a stack in a failed rollback.

    :param attempt: what was tried about it in this run
    """
    step = (
        "run the same command again" if attempt else f"aws cloudformation continue-update-rollback --stack-name {name}"
    )
    return McpError(
        f"Stack {name} is UPDATE_ROLLBACK_FAILED: {stack.get('StackStatusReason') or 'no reason given'} {attempt}"
        f"Repair what it names, then type: {step}  (what cannot be repaired: name it in skip_resources)",
        name=name,
        status=stack["StackStatus"],
        stack_id=stack["StackId"],
    )


def continue_rollback(ctx: Context, stack: Stack) -> Stack:
    """Let CloudFormation try once more to go back to the version before; return the stack as it is then.

    :raises McpError: it failed again, or refuses
    """
    client, skip = ctx.client("cloudformation"), ctx.params["skip_resources"]
    operation = watch(ctx, stack["StackId"])
    ctx.progress(f"{ctx.params['name']}: continuing the rollback that failed")
    try:
        client.continue_update_rollback(StackName=stack["StackId"], **({"ResourcesToSkip": skip} if skip else {}))
    except AWS_ERRORS as error:
        if error_code(error) != "ValidationError":
            raise
        raise stuck(ctx.params["name"], stack, f"CloudFormation does not continue it: {error}. ") from error
    ended = operation.until_settled()
    if ended["StackStatus"] != "UPDATE_ROLLBACK_COMPLETE":
        failure = first_failure(operation.events)
        reason = f" ({failure['LogicalResourceId']}: {failure.get('ResourceStatusReason', '')})" if failure else ""
        raise stuck(ctx.params["name"], ended, f"It was continued once and failed again{reason}. ")
    return ended


def watch(ctx: Context, stack_id: str, total: int = 0, events: bool = False) -> Watch:
    """Prepare to watch an operation.

    :param events: the operation has begun already, its start is in the history
    """
    client = ctx.client("cloudformation")
    return Watch(
        client=client,
        name=ctx.params["name"],
        stack_id=stack_id,
        progress=ctx.progress,
        timeout=ctx.params["timeout"],
        interval=ctx.params["poll_interval"],
        total=total,
        last_event=None if events else latest_event_id(client, stack_id),
        renew=lock_renewer(ctx),
    )


def lock_renewer(ctx: Context) -> t.Callable[[bool], None]:
    """Return what keeps the deploy lock's lease while we wait: at the first look, then a third of the lease apart."""
    lock = ctx.params["lock"]
    if not lock:
        return lambda now: None
    place = [lock[name] for name in ("bucket", "key", "run_id", "lease", "owner")]
    renewed = float("-inf")  # nobody knows here how much of the lease the tasks before have used up

    def renew(now: bool) -> None:
        nonlocal renewed
        if not now and time.monotonic() - renewed < lock["lease"] / 3:
            return
        if not renew_lock(ctx.client("s3"), *place):
            raise LockLost(
                f"Another run took the deploy lock s3://{lock['bucket']}/{lock['key']} over while this one waited for "
                f"stack {ctx.params['name']}. This run stops here. What CloudFormation "
                "has begun it carries on with, and the other run waits."
            )
        renewed = time.monotonic()

    return renew


def read_template(client: t.Any, stack_id: str, stage: str, **more: t.Any) -> dict[str, t.Any]:
    """Return the template of a stack (or of its change set) as data."""
    body = client.get_template(StackName=stack_id, TemplateStage=stage, **more)["TemplateBody"]
    return body if isinstance(body, dict) else load_template(body, stack_id)


def finish(operation: Watch, good: tuple[str, ...]) -> None:
    """Wait for the end of an operation.

    :raises McpError: it did not end well; names the first failed resource and the state things are in
    """
    stack = operation.until_settled()
    status = stack["StackStatus"]
    if status in good:
        return
    failure = first_failure(operation.events)
    if failure is None or of_stack_itself(failure):
        failure = validation_failure(operation.client, StackName=operation.stack_id) or failure
    cause = rolled_back_by(operation.events)
    details: dict[str, t.Any] = {"name": operation.name, "status": status, "stack_id": operation.stack_id}
    if failure:
        reason = failure.get("ResourceStatusReason", "no reason given")
        cause = f"{failure['LogicalResourceId']} ({failure['ResourceType']}) {failure['ResourceStatus']}: {reason}"
        details["failed_resource"] = {
            "logical_id": failure["LogicalResourceId"],
            "type": failure["ResourceType"],
            "status": failure["ResourceStatus"],
            "reason": reason,
        }
    raise McpError(
        f"Stack {operation.name}: {cause}. The stack is {status}: {next_step(operation.name, status)}", **details
    )


def rolled_back_by(events: list[Event]) -> str:
    """Say why a stack was rolled back though no resource failed; an alarm is called by its name."""
    turned = [event for event in events if of_stack_itself(event) and "ROLLBACK_IN_PROGRESS" in event["ResourceStatus"]]
    reasons = [event["ResourceStatusReason"] for event in turned if event.get("ResourceStatusReason")]
    if not reasons:
        return "CloudFormation gives no reason"
    alarms = ", ".join(dict.fromkeys(ALARM_ARN.findall(reasons[0])))
    return f"rolled back because of alarm {alarms}: {reasons[0]}" if alarms else reasons[0]


def next_step(name: str, status: str) -> str:
    """Say what a status means and what to type."""
    meaning = STATE_NOW.get(status, "look at its events")
    if status == "UPDATE_ROLLBACK_FAILED":
        return (
            f"{meaning}. Repair the cause, then type: aws cloudformation continue-update-rollback --stack-name {name}"
        )
    events = f"aws cloudformation describe-stack-events --stack-name {name}"
    return f"{meaning}. Correct the cause and run the same command again; every event: {events}"
