# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Switch the maintenance rule of a load balancer: it is there all the time, with a condition that decides."""

from __future__ import annotations

import time
import typing as t

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import (
    AWS_ERRORS,
    Context,
    McpError,
    error_code,
)

ARGUMENT_SPEC: dict[str, t.Any] = {
    "rule_arn": {"type": "str", "required": True},
    "maintenance": {"type": "str", "choices": ["true", "false"]},
}
FIELD = "maintenance"
ON, OFF, BY_HAND = "true", "false", "by hand"
# No name below .invalid resolves, so no caller sends it by accident.
OFF_HOST = "off.maintenance.invalid"
CONDITIONS: dict[str, list[dict[str, t.Any]]] = {
    ON: [{"Field": "path-pattern", "PathPatternConfig": {"Values": ["/*"]}}],
    OFF: [{"Field": "host-header", "HostHeaderConfig": {"Values": [OFF_HOST]}}],
}
# A stack update may hold the listener at this moment.
BUSY = ("ResourceInUse", "ResourceInUseException", "PriorityInUse")
BUSY_ATTEMPTS, BUSY_DELAY_S = 10, 1.0


def values_of(condition: dict[str, t.Any]) -> tuple[str, list[str]]:
    """Return a condition's field and values; AWS and the emulator write them in one of two places."""
    field = str(condition.get("Field"))
    config = {"path-pattern": "PathPatternConfig", "host-header": "HostHeaderConfig"}.get(field, "")
    return field, list((condition.get(config) or {}).get("Values") or condition.get("Values") or [])


def meaning(conditions: list[dict[str, t.Any]]) -> str:
    """Return what a rule's conditions come to: every call, none, or what somebody set by hand."""
    found = [values_of(condition) for condition in conditions]
    if len(found) == 1:
        field, values = found[0]
        if field == "path-pattern" and ("/*" in values or "*" in values):
            return ON
        if field == "host-header" and values == [OFF_HOST]:
            return OFF
    return BY_HAND


def read(client: t.Any, arn: str) -> str:
    """Return the rule's state.

    :raises McpError: there is no such rule
    """
    try:
        rules = client.describe_rules(RuleArns=[arn])["Rules"]
    except AWS_ERRORS as error:
        if error_code(error) not in ("RuleNotFound", "RuleNotFoundException"):
            raise
        rules = []
    if not rules:
        raise McpError(
            f"The maintenance rule {arn} is gone, but the stack that made it is there: somebody removed it by hand. "
            "Nothing was changed. See what else is missing: ansible-playbook playbooks/drift.yml -i <inventory>"
        )
    return meaning(rules[0]["Conditions"])


def switch(client: t.Any, arn: str, wanted: str) -> None:
    """Set the rule's condition; what it answers stays."""
    for attempt in range(1, BUSY_ATTEMPTS + 1):
        try:
            client.modify_rule(RuleArn=arn, Conditions=CONDITIONS[wanted])
            return
        except AWS_ERRORS as error:
            if error_code(error) not in BUSY or attempt == BUSY_ATTEMPTS:
                raise
        time.sleep(BUSY_DELAY_S)


def run(ctx: Context) -> dict[str, t.Any]:
    """Read the rule, and set it where it is not so yet."""
    client, arn = ctx.client("elbv2"), ctx.params["rule_arn"]
    before = read(client, arn)
    wanted = ctx.params["maintenance"] or before
    after = wanted
    if before != wanted and not ctx.check_mode:
        switch(client, arn, wanted)
        after = read(client, arn)
        if after != wanted:
            raise McpError(
                f"The maintenance rule {arn} was set to {wanted}, and AWS says it is {after}: somebody else sets it at "
                "the same time. Type the same command again."
            )
    result: dict[str, t.Any] = {
        "changed": before != wanted,
        "before": {FIELD: before},
        "after": {FIELD: after},
        "differences": [] if before == after else [{"field": FIELD, "before": before, "after": after}],
    }
    if ctx.diff_mode and before != after:
        result["diff"] = [{"before": {FIELD: before}, "after": {FIELD: after}}]
    return result
