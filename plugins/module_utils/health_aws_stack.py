# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stacks, and what is set beside them."""

from __future__ import annotations

from datetime import datetime

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import AWS_ERRORS, error_code
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_aws_common import (
    ANY_NAME,
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
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_aws_words import ago, iso, minute, plural
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_kind import Kind, Look, Observation
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.http_probe import shorten

# Where the end of the word does not say it.
STATES = {
    "REVIEW_IN_PROGRESS": ("critical", "it was never created, there is only a change set"),
    "ROLLBACK_IN_PROGRESS": ("critical", "its creation failed and is being taken back"),
    "ROLLBACK_COMPLETE": ("critical", "its creation failed, so nothing of it is there"),
    "DELETE_IN_PROGRESS": ("critical", "it is being deleted"),
    "DELETE_COMPLETE": ("critical", "it was deleted"),
    "DELETE_FAILED": ("critical", "its deletion stopped half-way"),
    "UPDATE_FAILED": ("critical", "the last update stopped half-way"),
    "UPDATE_ROLLBACK_FAILED": ("critical", "it is stuck between two versions"),
    "UPDATE_ROLLBACK_IN_PROGRESS": ("warning", "the last update failed and is being taken back"),
    "UPDATE_ROLLBACK_COMPLETE": ("warning", "the last update was refused, what runs is the version before"),
    "IMPORT_ROLLBACK_COMPLETE": ("warning", "the last import was refused, it is as it was before"),
}
ENDS = {
    "_FAILED": ("critical", "what was begun did not end well"),
    "_IN_PROGRESS": ("warning", "a change of it is going on"),
    "_COMPLETE": ("healthy", ""),
}
# Of these the next deploy starts afresh.
AFRESH = ("REVIEW_IN_PROGRESS", "ROLLBACK_COMPLETE", "DELETE_COMPLETE")
FAILED = "StackEvents[?contains(ResourceStatus, 'FAILED')].[Timestamp,LogicalResourceId,ResourceStatusReason]"
# Fields that make callers get the maintenance answer: of the CDN, and of the load balancer.
AT_CDN, AT_BALANCER = "cdn_maintenance", "maintenance"


def no_stack(error: BaseException) -> bool:
    """Say whether AWS's error means that the stack does not exist."""
    return error_code(error) == "ValidationError" and "does not exist" in str(error)


def find_stack(look: Look) -> Row | None:
    """Return the stack, None where there is none."""
    try:
        answer = ask(look, "cloudformation", "describe_stacks", StackName=target(look)) or {}
    except AWS_ERRORS as error:
        if no_stack(error):
            return None
        raise
    return next(iter(answer.get("Stacks") or []), None)


def state_part(look: Look, stack: Row) -> Part:
    """Judge a stack's status."""
    status = str(stack["StackStatus"])
    by_end = next(
        (found for end, found in ENDS.items() if status.endswith(end)), ("unknown", "nobody knows this status")
    )
    level, meaning = STATES.get(status, by_end)
    since = stack.get("DeletionTime") or stack.get("LastUpdatedTime") or stack.get("CreationTime")
    text = f"{status}" + (f" since {minute(since)}" if since else "") + (f", {meaning}" if meaning else "")
    if level == "healthy":
        return Part(level, text, since=since)
    reason = str(stack.get("StackStatusReason") or "")
    return Part(level, text + (f" ({shorten(reason)})" if reason else ""), state_step(look, status), since)


def state_step(look: Look, status: str) -> str:
    """Return what to type about a status."""
    if status in AFRESH:
        return play(look, "deploy")
    events = f"cloudformation describe-stack-events --stack-name {quoted(look)}"
    running = status.endswith("_IN_PROGRESS") and "ROLLBACK" not in status
    query = "--max-items 10" if running else f'--query "{FAILED}" --output table'
    return aws(look, "cloudformation", f"{events} {query}")


def drift_part(look: Look, stack: Row) -> Part:
    """Judge what the last look for drift found."""
    found = stack.get("DriftInformation") or {}
    status, checked = found.get("StackDriftStatus"), found.get("LastCheckTimestamp")
    when = ago(checked, look.now) if checked else "at an unknown time"
    updated = stack.get("LastUpdatedTime")
    when += ", before the last update" if checked and updated and checked < updated else ""
    if status == "DRIFTED":
        return Part("warning", f"changed by hand, as was seen {when}", play(look, "drift"), checked)
    if status == "IN_SYNC":
        return Part("healthy", f"no drift {when}")
    return Part("healthy", "drift was never looked for (playbooks/drift.yml does)")


def look_at_stack(look: Look) -> Observation:
    """Look at a stack's status and drift."""
    stack = find_stack(look)
    if stack is None and look.probe.get("absent") == "unknown":
        return Observation("unknown", f"stack {target(look)} is not there", next_step=play(look, "deploy"))
    if stack is None:
        return missing(look, "cloudformation", f"stack {target(look)}")
    return together(f"stack {target(look)}", [state_part(look, stack), drift_part(look, stack)])


# What is set beside the stacks is handed over: whoever looked at the environment knows it.


def described(override: Row) -> str:
    """Say what is set, by whom, since when."""
    text = f"{override.get('field')} is {override.get('actual')} instead of {override.get('stack')}"
    by = [f"{word} {override[key]}" for word, key in (("by", "who"), ("since", "since")) if override.get(key)]
    return f"{text} ({' '.join(by) if by else 'nobody recorded who set it'})"


def seconds(moment: str) -> str:
    """Return a recorded moment in the form of all others, an empty text where it is none."""
    try:
        return iso(datetime.fromisoformat(moment)) or ""
    except ValueError:
        return ""


def undivert(look: Look, fields: set[str]) -> str:
    """Return what makes calls come through again, empty where they do; each place has its own end."""
    at_stage = bool(look.probe.get("diverted")) and ("stage_deployment" in fields or AT_CDN not in fields)
    commands = [play(look, "undivert")] if at_stage or AT_BALANCER in fields else []
    commands += [f"{play(look, 'undivert')} -e mcp_divert_at=cdn"] if AT_CDN in fields else []
    return " && ".join(commands)


def look_at_overrides(look: Look) -> Observation:
    """Say what is held beside the stacks: on purpose, so never more than a warning."""
    found: list[Row] = look.probe["overrides"]
    step = undivert(look, {str(item.get("field")) for item in found})
    if not found and not step:
        return Observation("healthy", "nothing is set beside the stacks")
    begin = "callers get the maintenance answer" if step else f"{plural(len(found), 'setting')} beside the stacks"
    text = ": ".join(filter(None, (begin, "; ".join(map(described, found)))))
    since = min(filter(None, (seconds(str(item.get("since"))) for item in found)), default=None)
    return Observation("warning", text, since=since, next_step=step or play(look, "undo"))


KINDS = named(
    Kind(
        name="stack",
        look=look_at_stack,
        options=TARGET | {"absent"},
        required=("target",),
        services=("cloudformation",),
        check=ANY_NAME,
        step=command("cloudformation describe-stacks --stack-name {target}"),
        actions=actions(cloudformation="DescribeStacks"),
    ),
    Kind(
        name="overrides",
        look=look_at_overrides,
        options=frozenset({"overrides", "diverted"}),
        required=("overrides",),
    ),
)
