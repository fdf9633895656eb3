# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an account on AWS's free plan would refuse of an environment, found before anything is created."""

from __future__ import annotations

import typing as t

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import free_tier
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import Context, McpError

NOT_AVAILABLE = "not available on the emulator"
# What a free plan takes, by the variable that sets it.
SMALLEST = {
    "mcp_instance_type": "t3.micro",
    "mcp_database_instance_class": "db.t3.micro",
    "mcp_database_backup_days": 1,
}
# Where each comes from without a variable, and the stack's parameter that has it.
SIZES = {
    "mcp_instance_type": ("ec2", "instance_type", "app", "InstanceType"),
    "mcp_database_instance_class": ("rds", "instance_class", "data", "InstanceClass"),
    "mcp_database_backup_days": ("rds", "backup_days", "data", "BackupRetentionDays"),
}

Values = dict[str, t.Any]


def look(ctx: Context, sandbox: bool) -> Values:
    """Return the account's plan; what AWS does not tell is unknown, and fails nothing."""
    if sandbox:
        return free_tier.no_plan(NOT_AVAILABLE)
    return free_tier.account_plan(lambda: ctx.short_client("freetier", region=free_tier.REGION))


def matters(values: Values, sizes: Values, stacks: Values) -> bool:
    """Say whether a deploy creates something that the account's plan may refuse; else nobody has to ask for it."""
    if any(not stack.get("status") for stack in stacks.values()):
        return True
    return values["mcp_phase"] == "staging" and bool(new_sizes(values, sizes, stacks))


def new_sizes(values: Values, sizes: Values, stacks: Values) -> Values:
    """Return what is wanted of servers and database, without what the stacks have already: that AWS has taken."""
    wanted = {}
    for name, (group, key, layer, parameter) in SIZES.items():
        value = values.get(name, sizes.get(group, {}).get(key))
        there = stacks.get(layer, {}).get("parameters", {}).get(parameter)
        if value is not None and str(value) != str(there):
            wanted[name] = value
    return wanted


def check(plan: Values, values: Values, sizes: Values, stacks: Values) -> None:
    """Hold an environment against its account's plan.

    :param values: the validated variables
    :param sizes: the phase's part of the sizes file
    :raises McpError: AWS would refuse some of it, half-way through the deploy
    """
    wanted = new_sizes(values, sizes, stacks) if values["mcp_phase"] == "staging" else {}
    asked = {
        "phase": values["mcp_phase"],
        "ec2": [wanted[name] for name in ("mcp_instance_type",) if name in wanted],
        "rds": [wanted[name] for name in ("mcp_database_instance_class",) if name in wanted],
        "backup_days": wanted.get("mcp_database_backup_days"),
    }
    problems = free_tier.free_plan_problems(plan, asked)
    if not problems:
        return
    smaller = [f"-e {name}={SMALLEST[name]}" for name in wanted if refused(plan, name, wanted[name])]
    raise McpError(
        f"This account is on AWS's free plan, which would stop the deploy half-way: {'; '.join(problems)}. Nothing was "
        f"changed. Choose what it takes: {' '.join(smaller)}  Or let the account's owner upgrade it, from when on AWS "
        "bills what the credits do not cover: aws freetier upgrade-account-plan --account-plan-type PAID --region "
        f"{free_tier.REGION}",
        problems=problems,
    )


def refused(plan: Values, name: str, value: t.Any) -> bool:
    """Say whether a free plan refuses one variable's value."""
    alone = {"mcp_instance_type": {"ec2": [value]}, "mcp_database_instance_class": {"rds": [value]}}
    return bool(free_tier.free_plan_problems(plan, alone.get(name, {"backup_days": value})))
