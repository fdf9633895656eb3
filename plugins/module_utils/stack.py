# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan, make and remove one CloudFormation stack by change sets."""

from __future__ import annotations

import json
import time
import typing as t

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import (
    AWS_ERRORS,
    Context,
    McpError,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.deploy_lock import (
    renew_lock,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.stack_change_set import (
    BODY_LIMIT,
    NO_CHANGES,
    Body,
    ChangeSet,
    create_change_set,
    discard,
    execute,
    refused_by_cloudformation,
    remove_leftovers,
    stack_request,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.stack_changes import (
    Change,
    add_conditional,
    compare_resources,
    describe_refusal,
    fill_values,
    make_change,
    refusals,
    render,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.stack_desired import (
    Desired,
    current_outputs,
    hidden_parameters,
    is_unchanged,
    outline_rows,
    protection_rows,
    read_desired,
    readable_parameters,
    required_parameters,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.stack_watch import (
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
    HASH_OUTPUT,
    expand,
    known_values,
    live_resources,
    load_template,
    substitute,
)

ARGUMENT_SPEC: dict[str, t.Any] = {
    "name": {"type": "str", "required": True},
    "state": {"type": "str", "default": "present", "choices": ["planned", "present", "absent"]},
    "template": {"type": "path"},
    "literals": {"type": "dict", "default": {}},
    "parameters": {"type": "dict", "default": {}},
    "unknown_parameters": {"type": "list", "elements": "str", "default": []},
    "tags": {"type": "dict"},
    "capabilities": {
        "type": "list",
        "elements": "str",
        "default": ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
    },
    "termination_protection": {"type": "bool"},
    "allow_replacement": {"type": "list", "elements": "str", "default": []},
    "retain_resources": {"type": "list", "elements": "str", "default": []},
    "on_failure": {"type": "str", "default": "ROLLBACK", "choices": ["ROLLBACK", "DELETE", "DO_NOTHING"]},
    "template_bucket": {"type": "str"},
    "template_prefix": {"type": "str", "default": "templates"},
    "timeout": {"type": "int", "default": 3600},
    "poll_interval": {"type": "float"},
    "lock": {
        "type": "dict",
        "options": {
            "bucket": {"type": "str", "required": True},
            "key": {"type": "str", "required": True, "no_log": False},
            "run_id": {"type": "str", "required": True},
            "lease": {"type": "int", "default": 900},
            "owner": {"type": "str"},
        },
    },
}
SPEC_OPTIONS: dict[str, t.Any] = {
    "required_if": [("state", "present", ["template"]), ("state", "planned", ["template"])],
}

# What a killed or failed create, or a deletion that stopped half-way, leaves: nothing that can be updated.
UNUSABLE = {"REVIEW_IN_PROGRESS", "CREATE_FAILED", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "DELETE_FAILED"}
RETAINING = ("Retain", "RetainExceptOnCreate")
STATE_NOW = {
    "CREATE_FAILED": "what was made so far is left for a look; the next run removes it and starts again",
    "ROLLBACK_COMPLETE": "what was made is removed again; the next run starts afresh",
    "ROLLBACK_FAILED": "not everything could be removed again; the next run tries to",
    "UPDATE_ROLLBACK_COMPLETE": "it is back at the version before, which keeps running",
    "UPDATE_ROLLBACK_FAILED": "it is stuck between two versions",
    "DELETE_COMPLETE": "what was made is removed again",
    "DELETE_FAILED": "what could not be deleted is still there",
}


def run(ctx: Context) -> dict[str, t.Any]:
    """Be the module: dispatch on the state."""
    begun = time.monotonic()
    if ctx.params["state"] == "absent":
        result = remove(ctx)
    else:
        desired = read_desired(ctx.params)
        planning = ctx.check_mode or ctx.params["state"] == "planned"
        result = plan(ctx, desired) if planning else apply(ctx, desired)
    return {**result, "duration_s": round(time.monotonic() - begun, 3)}


# What is there


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

    :raises McpError: it is stuck in a failed rollback
    """
    stack, name = settled_stack(ctx), ctx.params["name"]
    if stack and stack["StackStatus"] == "UPDATE_ROLLBACK_FAILED":
        raise McpError(
            f"Stack {name} is UPDATE_ROLLBACK_FAILED: {stack.get('StackStatusReason', 'no reason given')} "
            f"Repair what it names, then type: aws cloudformation continue-update-rollback --stack-name {name}",
            name=name,
            status=stack["StackStatus"],
            stack_id=stack["StackId"],
        )
    return stack


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


def lock_renewer(ctx: Context) -> t.Callable[[], None]:
    """Return what keeps the deploy lock's lease while we wait, a third of the lease apart."""
    lock = ctx.params["lock"]
    if not lock:
        return lambda: None
    place = [lock[name] for name in ("bucket", "key", "run_id", "lease", "owner")]
    renewed = time.monotonic()

    def renew() -> None:
        nonlocal renewed
        if time.monotonic() - renewed < lock["lease"] / 3:
            return
        if not renew_lock(ctx.client("s3"), *place):
            raise LockLost(
                f"Another run took the deploy lock s3://{lock['bucket']}/{lock['key']} over while this one waited for "
                f"stack {ctx.params['name']}. This run stops here; CloudFormation carries on, and the other run waits."
            )
        renewed = time.monotonic()

    return renew


# What would change


def plan(ctx: Context, desired: Desired) -> dict[str, t.Any]:
    """Say what an apply would do; leave nothing behind."""
    stack = updatable_stack(ctx)
    usable = stack is not None and stack["StackStatus"] not in UNUSABLE
    unknown = ctx.params["unknown_parameters"]
    if stack and usable and not unknown and is_unchanged(stack, desired):
        source, rows = "unchanged", []
    elif unknown or not usable:
        source, rows = "local", plan_locally(ctx, desired, stack if usable else None)
    else:
        source, rows = "change_set", plan_by_change_set(ctx, desired, t.cast(Stack, stack))
    rows = rows + protection_rows(stack if usable else None, desired)
    guard(desired.name, rows, ctx.params["allow_replacement"])
    return report(ctx, desired, stack, rows, source)


def plan_by_change_set(ctx: Context, desired: Desired, stack: Stack) -> list[Change]:
    """Let CloudFormation compare, and remove the change set again."""
    client = ctx.client("cloudformation")
    with_body = Body(ctx, desired.template)
    change_set = create_change_set(ctx, desired, stack, with_body)
    try:
        return explain(client, desired, stack, change_set)
    finally:
        client.delete_change_set(ChangeSetName=change_set.arn)
        with_body.forget()


def plan_locally(ctx: Context, desired: Desired, stack: Stack | None) -> list[Change]:
    """Compare expanded templates without CloudFormation: the stack, or one of its inputs, does not exist yet."""
    client = ctx.client("cloudformation")
    region = client.meta.region_name
    unknown = set(ctx.params["unknown_parameters"])
    required_parameters(desired, stack, unknown)
    current = {} if stack is None else readable_parameters(stack)
    values = {**known_values(desired.template, {**current, **desired.parameters})}
    values = {name: value for name, value in values.items() if name not in unknown}
    document = expand(desired.template.document, values, region)
    # The expanded form: of one that a macro will expand CloudFormation does not look at the resources' types.
    body = json.dumps(document, separators=(",", ":"))
    if len(body.encode()) <= BODY_LIMIT:
        with refused_by_cloudformation(ctx):
            client.validate_template(TemplateBody=body)
    after = live_resources(document, values)
    before: dict[str, t.Any] = {}
    if stack is not None:
        old = read_template(client, stack["StackId"], "Original")
        before = live_resources(expand(old, current, region), current)
    return compare_resources(substitute(before, current), substitute(after, values), unknown)


def read_template(client: t.Any, stack_id: str, stage: str, **more: t.Any) -> dict[str, t.Any]:
    """Return the template of a stack (or of its change set) as data."""
    body = client.get_template(StackName=stack_id, TemplateStage=stage, **more)["TemplateBody"]
    return body if isinstance(body, dict) else load_template(body, stack_id)


def explain(client: t.Any, desired: Desired, stack: Stack, change_set: ChangeSet) -> list[Change]:
    """Return the change set's rows; add what the endpoint left out, and what no resource shows."""
    rows = change_set.rows
    if not change_set.complete:
        old_values = readable_parameters(stack)
        new_values = known_values(desired.template, {**old_values, **desired.parameters})
        new_values = {name: value for name, value in new_values.items() if name not in hidden_parameters(desired)}
        old = read_template(client, stack["StackId"], "Processed")
        new = read_template(client, change_set.stack_id, "Processed", ChangeSetName=change_set.arn)
        fill_values(rows, substitute(old["Resources"], old_values), substitute(new["Resources"], new_values))
        rows = add_conditional(rows, live_resources(old, old_values), live_resources(new, new_values))
    return rows or outline_rows(stack, desired)


def guard(name: str, rows: list[Change], allowed: list[str]) -> None:
    """Stop before data is lost.

    :raises McpError: a stateful resource would be replaced or leave the stack and is not named
    """
    refused = refusals(rows, allowed)
    if refused:
        raise McpError(describe_refusal(name, refused), name=name, changes=rows, refused=refused)


# Making it so


def apply(ctx: Context, desired: Desired) -> dict[str, t.Any]:
    """Create or update the stack by exactly the change set that was looked at."""
    stack = updatable_stack(ctx)
    if stack and stack["StackStatus"] in UNUSABLE:
        ctx.progress(f"{desired.name} is {stack['StackStatus']}: removing it to start afresh")
        delete_and_wait(ctx, stack)
        stack = None
    created = stack is None
    rows: list[Change] = []
    source = "unchanged"
    if stack is None or not is_unchanged(stack, desired):
        source = "change_set"
        rows = update_by_change_set(ctx, desired, stack)
        stack = find_stack(ctx.client("cloudformation"), desired.name)
    switched = protection_rows(stack, desired)
    if switched:
        ctx.client("cloudformation").update_termination_protection(
            StackName=desired.name, EnableTerminationProtection=bool(desired.protection)
        )
    return report(ctx, desired, stack, rows if created else rows + switched, source)


def update_by_change_set(ctx: Context, desired: Desired, stack: Stack | None) -> list[Change]:
    """Plan, guard, execute, wait; return the rows."""
    client = ctx.client("cloudformation")
    if stack:
        remove_leftovers(ctx)
    body = Body(ctx, desired.template)
    change_set = create_change_set(ctx, desired, stack, body)
    try:
        rows = explain(client, desired, stack, change_set) if stack else created_rows(client, desired, change_set)
        guard(desired.name, rows, ctx.params["allow_replacement"])
    except Exception:
        discard(ctx, change_set.arn, change_set.stack_id)
        body.forget()
        raise
    label = change_set.arn.split("/")[-2]
    if not change_set.executable:
        client.delete_change_set(ChangeSetName=change_set.arn)
        return rows if rows and stack and update_outline(ctx, desired, stack, body) else []
    ctx.progress(f"{desired.name}: change set {label} created, {len(rows)} changes")
    operation = watch(ctx, change_set.stack_id, total=len(rows))
    ctx.progress(f"{desired.name}: executing change set {label}")
    execute(client, change_set)
    finish(operation, ("UPDATE_COMPLETE",) if stack else ("CREATE_COMPLETE",))
    return rows


def created_rows(client: t.Any, desired: Desired, change_set: ChangeSet) -> list[Change]:
    """Return the rows of a new stack without resources whose condition is false, which an emulator may list."""
    if change_set.complete:
        return change_set.rows
    document = read_template(client, change_set.stack_id, "Processed", ChangeSetName=change_set.arn)
    live = live_resources(document, known_values(desired.template, desired.parameters))
    return [row for row in change_set.rows if row["logical_id"] in live]


def update_outline(ctx: Context, desired: Desired, stack: Stack, body: Body) -> bool:
    """Update outputs and descriptions where the endpoint makes no change set for them; False: nothing to do."""
    client = ctx.client("cloudformation")
    operation = watch(ctx, stack["StackId"])
    ctx.progress(f"{desired.name}: updating without a change set, no resource property differs")
    try:
        client.update_stack(**stack_request(ctx, desired, stack, body))
    except AWS_ERRORS as error:
        if any(text in str(error) for text in NO_CHANGES):
            return False
        raise
    finish(operation, ("UPDATE_COMPLETE",))
    return True


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
    cause = "CloudFormation gives no reason"
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


def next_step(name: str, status: str) -> str:
    """Say what a status means and what to type."""
    meaning = STATE_NOW.get(status, "look at its events")
    if status == "UPDATE_ROLLBACK_FAILED":
        return (
            f"{meaning}. Repair the cause, then type: aws cloudformation continue-update-rollback --stack-name {name}"
        )
    events = f"aws cloudformation describe-stack-events --stack-name {name}"
    return f"{meaning}. Correct the cause and run the same command again; every event: {events}"


# Removing


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
    for page in client.get_paginator("list_stack_resources").paginate(StackName=stack["StackId"]):
        for resource in page["StackResourceSummaries"]:
            logical_id = resource["LogicalResourceId"]
            if resource["ResourceStatus"] == "DELETE_COMPLETE":
                continue
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


# The answer


def report(ctx: Context, desired: Desired, stack: Stack | None, rows: list[Change], source: str) -> dict[str, t.Any]:
    """Return the result of a plan or an apply."""
    described = stack or {"StackStatus": "ABSENT", "StackId": ""}
    outputs = {name: value for name, value in current_outputs(described).items() if name != HASH_OUTPUT}
    hidden = hidden_parameters(desired)
    shown = {name: value for name, value in readable_parameters(described).items() if name not in hidden}
    result: dict[str, t.Any] = {
        "name": desired.name,
        "changed": bool(rows),
        "status": described["StackStatus"],
        "stack_id": described["StackId"],
        "outputs": outputs,
        "parameters": shown,
        "changes": rows,
        "source": source,
        "template_sha256": desired.template.sha256,
    }
    if ctx.diff_mode and rows:
        note = "local expansion, not compared by AWS" if source == "local" else ""
        result["diff"] = [{"prepared": render(desired.name, rows, note)}]
    return result
