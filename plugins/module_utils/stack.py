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
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.deploy_lock import LockLost
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.lock_renewal import LOCK_OPTION
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
    refusals,
    render,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.stack_desired import (
    Desired,
    current_outputs,
    hidden_parameters,
    is_unchanged,
    known_inputs,
    outline_rows,
    read_desired,
    readable_parameters,
    required_parameters,
    with_defaults,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.stack_drift import (
    detect,
    revert,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.stack_import import (
    existing_resources,
    import_resources,
    mark_imports,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.stack_operation import (
    continue_rollback,
    finish,
    is_stuck,
    is_unusable,
    read_template,
    updatable_stack,
    watch,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.stack_protection import (
    policy_rows,
    protection_rows,
    set_policy,
    set_protection,
    switch,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.stack_removal import (
    delete_and_wait,
    remove,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.stack_source import (
    keep_source,
    kept_key,
    read_source,
    source_name,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.stack_watch import (
    Stack,
    find_stack,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.template import (
    HASH_OUTPUT,
    expand,
    live_resources,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.template_references import substitute

ARGUMENT_SPEC: dict[str, t.Any] = {
    "name": {"type": "str", "required": True},
    "state": {"type": "str", "default": "present", "choices": ["planned", "present", "absent", "drift"]},
    "template": {"type": "path"},
    "template_key": {"type": "str", "no_log": False},
    "deployed_template": {"type": "bool"},
    "keep_template": {"type": "bool", "default": False},
    "literals": {"type": "dict", "default": {}},
    "parameters": {"type": "dict", "default": {}},
    "secret_parameters": {"type": "dict", "default": {}, "no_log": False},
    "unknown_parameters": {"type": "list", "elements": "str", "default": []},
    "tags": {"type": "dict"},
    "capabilities": {
        "type": "list",
        "elements": "str",
        "default": ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
    },
    "termination_protection": {"type": "bool"},
    "stack_policy": {"type": "dict"},
    "allow_replacement": {"type": "list", "elements": "str", "default": []},
    "retain_resources": {"type": "list", "elements": "str", "default": []},
    "on_failure": {"type": "str", "default": "ROLLBACK", "choices": ["ROLLBACK", "DELETE", "DO_NOTHING"]},
    "template_bucket": {"type": "str"},
    "template_prefix": {"type": "str", "default": "templates"},
    "template_bucket_owner": {"type": "str"},
    "rollback_alarms": {"type": "list", "elements": "str"},
    "rollback_monitoring_minutes": {"type": "int", "default": 0},
    "continue_rollback": {"type": "bool", "default": True},
    "skip_resources": {"type": "list", "elements": "str", "default": []},
    "import_existing": {"type": "bool", "default": False},
    "revert_drift": {"type": "bool", "default": False},
    "timeout": {"type": "int", "default": 3600},
    "poll_interval": {"type": "float"},
    "lock": LOCK_OPTION,
}
SPEC_OPTIONS: dict[str, t.Any] = {
    "required_if": [
        ("state", state, ["template", "template_key", "deployed_template"], True) for state in ("present", "planned")
    ],
    "mutually_exclusive": [("template", "template_key")],
}


def run(ctx: Context) -> dict[str, t.Any]:
    """Be the module: dispatch on the state."""
    begun = time.monotonic()
    if ctx.params["state"] == "absent":
        result = remove(ctx)
    elif ctx.params["state"] == "drift":
        result = drift(ctx)
    else:
        text = read_source(ctx)
        desired, key = read_desired(ctx.params, text, source_name(ctx)), kept_key(ctx, text)
        planning = ctx.check_mode or ctx.params["state"] == "planned"
        if not planning:
            keep_source(ctx, text, key)
        result = plan(ctx, desired) if planning else apply(ctx, desired)
        result["template_key"] = key
    return {**result, "duration_s": round(time.monotonic() - begun, 3)}


def drift(ctx: Context) -> dict[str, t.Any]:
    """Look for drift, and revert it where that is asked for and offered."""
    result = detect(ctx)
    if not ctx.params["revert_drift"] or not result["drift"]:
        return result
    return {**result, **revert(ctx, result)}


# What would change


def plan(ctx: Context, desired: Desired) -> dict[str, t.Any]:
    """Say what an apply would do; leave nothing behind."""
    stack = updatable_stack(ctx)
    there = None if stack is None or is_unusable(ctx, stack) else stack
    unknown = ctx.params["unknown_parameters"]
    if there and not unknown and is_unchanged(there, desired):
        source, rows = "unchanged", []
    else:
        found = existing_resources(ctx, desired, there)
        # CloudFormation makes no change set that would create what exists.
        if there is None or unknown or found or is_stuck(there):
            source, rows = "local", mark_imports(plan_locally(ctx, desired, there), found)
        else:
            source, rows = "change_set", plan_by_change_set(ctx, desired, there)
    rows = recovery_rows(stack) + rows + policy_rows(ctx, there) + protection_rows(there, desired)
    guard(desired.name, rows, ctx.params["allow_replacement"])
    return report(ctx, desired, stack, rows, source)


def recovery_rows(stack: Stack | None) -> list[Change]:
    """Return a row where a rollback that failed is continued first."""
    if stack is None or not is_stuck(stack):
        return []
    return [switch(stack["StackName"], "Rollback", "UPDATE_ROLLBACK_FAILED", "UPDATE_ROLLBACK_COMPLETE")]


def plan_by_change_set(ctx: Context, desired: Desired, stack: Stack) -> list[Change]:
    """Let CloudFormation compare, and remove the change set again."""
    client = ctx.client("cloudformation")
    body = Body(ctx, desired.template, look=True)
    try:
        change_set = create_change_set(ctx, desired, stack, body)
        try:
            return explain(client, desired, stack, change_set)
        finally:
            client.delete_change_set(ChangeSetName=change_set.arn)
    finally:
        body.forget()


def plan_locally(ctx: Context, desired: Desired, stack: Stack | None) -> list[Change]:
    """Compare expanded templates without CloudFormation: the stack, or one of its inputs, does not exist yet."""
    client = ctx.client("cloudformation")
    region = client.meta.region_name
    unknown = set(ctx.params["unknown_parameters"])
    required_parameters(desired, stack, unknown)
    current = {} if stack is None else readable_parameters(stack)
    values = {name: value for name, value in known_inputs(desired, stack).items() if name not in unknown}
    document = expand(desired.template.document, values, region)
    # The expanded form: of one that a macro will expand CloudFormation does not look at the resources' types.
    body = json.dumps(with_defaults(document, values), separators=(",", ":"))
    if len(body.encode()) <= BODY_LIMIT:
        with refused_by_cloudformation(ctx):
            client.validate_template(TemplateBody=body)
    after = live_resources(document, values)
    before: dict[str, t.Any] = {}
    if stack is not None:
        old = read_template(client, stack["StackId"], "Original")
        before = live_resources(expand(old, current, region), current)
    return compare_resources(substitute(before, current), substitute(after, values), unknown)


def explain(client: t.Any, desired: Desired, stack: Stack, change_set: ChangeSet) -> list[Change]:
    """Return the change set's rows; add what the endpoint left out, and what no resource shows."""
    rows = change_set.rows
    if not change_set.complete:
        old_values = readable_parameters(stack)
        hidden = hidden_parameters(desired)
        new_values = {name: value for name, value in known_inputs(desired, stack).items() if name not in hidden}
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
    stack, rows = recover(ctx, updatable_stack(ctx))
    differs = stack is None or not is_unchanged(stack, desired)
    found = existing_resources(ctx, desired, stack) if differs else {}
    if found:
        stack, imports = import_resources(ctx, desired, stack, found)
        rows = rows + imports
    created, source = stack is None, "unchanged"
    policy = policy_rows(ctx, stack)
    if differs:
        source = "change_set"
        imported = {row["logical_id"] for row in rows if row["action"] == "import"}
        try:
            updated = update_by_change_set(ctx, desired, stack, bool(policy))
        except McpError as error:
            raise after_import(error, desired.name, imported) from error
        # The update after an import also sets its tags and its own deletion policy: part of the import.
        rows = rows + [row for row in updated if row["logical_id"] not in imported]
        stack = find_stack(ctx.client("cloudformation"), desired.name)
    elif policy:
        set_policy(ctx)
    switched = protection_rows(stack, desired)
    if created and ctx.params["stack_policy"] is not None:
        set_policy(ctx)
    if switched:
        set_protection(ctx, desired)
    return report(ctx, desired, stack, rows if created else rows + policy + switched, source)


def after_import(error: McpError, name: str, imported: t.Collection[str]) -> McpError:
    """Return the failure of an update with what the import before it did."""
    if imported:
        done = f"Stack {name} took {', '.join(sorted(imported))} over and keeps that; the update after it was not made."
        error.message = error.message.replace("Nothing was changed.", done)
    return error


def recover(ctx: Context, stack: Stack | None) -> tuple[Stack | None, list[Change]]:
    """Make a stack that an earlier run left half-way one that can be updated, or none; return what was done."""
    if stack and is_stuck(stack):
        return continue_rollback(ctx, stack), recovery_rows(stack)
    if stack and is_unusable(ctx, stack):
        ctx.progress(f"{ctx.params['name']} is {stack['StackStatus']}: removing it to start afresh")
        delete_and_wait(ctx, stack)
        stack = None
    return stack, []


def update_by_change_set(ctx: Context, desired: Desired, stack: Stack | None, with_policy: bool) -> list[Change]:
    """Plan, guard, execute, wait; return the rows.

    :param with_policy: put the stack policy into force first, so that it holds for this update already
    """
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
    if with_policy:
        set_policy(ctx)
    label = change_set.arn.split("/")[-2]
    if not change_set.executable:
        client.delete_change_set(ChangeSetName=change_set.arn)
        return rows if rows and stack and update_outline(ctx, desired, stack, body) else []
    ctx.progress(f"{desired.name}: change set {label} created, {len(rows)} changes")
    operation = watch(ctx, change_set.stack_id, total=len(rows))
    try:
        operation.keep_lock()  # the last moment to leave everything to a run that took over
    except LockLost:
        discard(ctx, change_set.arn, change_set.stack_id)
        raise
    ctx.progress(f"{desired.name}: executing change set {label}")
    execute(client, change_set)
    finish(operation, ("UPDATE_COMPLETE",) if stack else ("CREATE_COMPLETE",))
    return rows


def created_rows(client: t.Any, desired: Desired, change_set: ChangeSet) -> list[Change]:
    """Return the rows of a new stack without resources whose condition is false, which an emulator may list."""
    if change_set.complete:
        return change_set.rows
    document = read_template(client, change_set.stack_id, "Processed", ChangeSetName=change_set.arn)
    live = live_resources(document, known_inputs(desired, None))
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
        "inputs_sha256": desired.inputs_sha256,
        "updated_at": updated_at(described),
    }
    if ctx.diff_mode and rows:
        note = "local expansion, not compared by AWS" if source == "local" else ""
        result["diff"] = [{"prepared": render(desired.name, rows, note)}]
    return result


def updated_at(stack: Stack) -> str:
    """Return when the stack was last created or updated (ISO 8601), empty for one that does not exist."""
    moment = stack.get("LastUpdatedTime") or stack.get("CreationTime")
    return moment.isoformat() if moment else ""
