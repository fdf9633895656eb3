# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Budgets and alerts of an environment and its account: AWS Budgets, the billing alarm, unusual spending."""

from __future__ import annotations

import typing as t
from decimal import Decimal

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import (
    budget_action,
    budget_alarm,
    budget_anomalies,
    budget_limits,
    budget_notifications,
    budget_options,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.budget_steps import Names, Step, diff, take
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import Context, McpError

ARGUMENT_SPEC: dict[str, t.Any] = {
    "environment": {"type": "str", "required": True},
    "account": {"type": "str", "required": True},
    "partition": {"type": "str", "default": "aws"},
    "state": {"type": "str", "default": "present", "choices": ["present", "absent", "read"]},
    "monthly_usd": {"type": "str"},
    "account_usd": {"type": "str"},
    "anomaly_usd": {"type": "str"},
    "thresholds": {"type": "list", "elements": "int", "default": [50, 80, 100]},
    "forecast_thresholds": {"type": "list", "elements": "int", "default": [100]},
    "tag": {"type": "str", "default": "mcp:environment"},
    "emails": {"type": "list", "elements": "str", "default": []},
    "topic_arn": {"type": "str"},
    "alert_email": {"type": "str"},
    "action": {"type": "dict", "options": budget_action.SPEC},
    "tags": {"type": "dict", "default": {}},
    "sandbox": {"type": "bool", "default": False},
}
KINDS = {"monthly_usd": "environment", "account_usd": "account"}
ACTION_NOT_AVAILABLE = "budget action: not available on the emulator"
SPEND_NOT_AVAILABLE = "what was spent and is expected: not available on the emulator"
METRIC_NOT_AVAILABLE = "the metric behind the billing alarm: not available on the emulator"

Found = dict[str, t.Optional[budget_limits.Found]]  # noqa: UP045  # ansible-test's pylint takes no | here


# What is wanted


def limit_of(params: dict[str, t.Any], name: str) -> Decimal | None:
    """Return an amount of the options; None: nothing was said, so what is there stays.

    :raises McpError: it is no amount
    """
    if params[name] in (None, ""):
        return None
    return budget_options.amount(name, params[name], f"{name}: '50'", "none at all")


def check(params: dict[str, t.Any]) -> None:
    """:raises McpError: an option is wrong, or nobody would be told"""
    budget_options.check_emails("emails", params["emails"])
    names = ("thresholds", "forecast_thresholds")
    budget_options.check_thresholds(params[names[0]], params[names[1]], names)
    for name in (*KINDS, "anomaly_usd"):
        limit_of(params, name)
    if params["state"] == "present" and not params["emails"] and not params["topic_arn"]:
        raise McpError(
            f"Nobody would be told: {params['environment']} is not deployed, so it has no topic of alerts, and "
            "mcp_budget_emails names no address. Nothing was changed. Deploy it first, or name one: "
            '-e \'{"mcp_budget_emails": ["oncall@example.org"]}\''
        )


def names_of(params: dict[str, t.Any]) -> dict[str, str]:
    """Return the names of the two budgets by the option that sets their limit."""
    names = Names(params["environment"])
    return {"monthly_usd": names.budget, "account_usd": names.account_budget}


def wanted(params: dict[str, t.Any], option: str, limit: Decimal) -> budget_limits.Wanted:
    """Return a budget as it shall be."""
    kind = KINDS[option]
    filters = budget_limits.of_tag(params["tag"], params["environment"]) if kind == "environment" else {}
    return budget_limits.Wanted(
        kind=kind,
        name=names_of(params)[option],
        limit=limit,
        filters=filters,
        keys=budget_notifications.keys(params["thresholds"], params["forecast_thresholds"]),
        addresses=budget_notifications.addresses(params["emails"], params["topic_arn"]),
    )


# What has to be done


def budget_steps(ctx: Context, found: Found) -> list[Step]:
    """Return the steps to the two budgets."""
    params, client = ctx.params, ctx.client("budgets")
    listed: list[Step] = []
    for option, name in names_of(params).items():
        limit = limit_of(params, option)
        if params["state"] == "absent" or limit == 0:
            listed += budget_limits.removal(client, params["account"], name, found[option])
        elif limit is not None:
            budget = wanted(params, option, limit)
            listed += budget_limits.steps(client, params["account"], budget, found[option], params["tags"])
    return listed


def action_steps(ctx: Context, action: budget_action.Action | None, found: Found) -> list[Step]:
    """Return the steps to the action of the environment's budget.

    :raises McpError: there is no budget that could have it
    """
    params = ctx.params
    gone = params["state"] == "absent" or limit_of(params, "monthly_usd") == 0
    if params["sandbox"] or (action is None and not gone):
        return []
    there = found["monthly_usd"] is not None
    if action and not gone and not there and limit_of(params, "monthly_usd") is None:
        raise McpError(
            "action is set, but the environment has no budget that could have one. Nothing was changed. Give it one: "
            "-e mcp_budget_usd=60"
        )
    client = ctx.client("budgets")
    where = {"AccountId": params["account"], "BudgetName": names_of(params)["monthly_usd"]}
    told = budget_notifications.addresses(params["emails"], params["topic_arn"])
    # The instances are in the environment's own region, the client of Budgets in none.
    request = budget_action.request(action, ctx.client("sns").meta.region_name, told) if action and not gone else None
    existing = budget_action.read(client, params["account"], where["BudgetName"]) if there else []
    return budget_action.steps(client, where, request, existing)


def plan(ctx: Context, found: Found) -> list[Step]:
    """Return all that has to be done; an action goes before its budget and comes after it."""
    params = ctx.params
    gone = params["state"] == "absent"
    action = budget_action.given(params["action"])
    if action and not gone and action["type"] in budget_action.WARNINGS:
        ctx.warn(budget_action.WARNINGS[action["type"]])
    budgets, actions = budget_steps(ctx, found), action_steps(ctx, action, found)
    removing = gone or limit_of(params, "monthly_usd") == 0
    steps = actions + budgets if removing else budgets + actions
    account, anomaly = limit_of(params, "account_usd"), limit_of(params, "anomaly_usd")
    if gone or account is not None:
        steps += budget_alarm.steps(ctx, account or Decimal(0), gone)
    if not params["sandbox"] and (gone or anomaly is not None):
        steps += budget_anomalies.steps(ctx, anomaly or Decimal(0), gone)
    return steps


# What is there


def read_budgets(ctx: Context) -> Found:
    """Return the two budgets."""
    params, client = ctx.params, ctx.client("budgets")
    return {option: budget_limits.read(client, params["account"], name) for option, name in names_of(params).items()}


def described(ctx: Context, found: Found) -> dict[str, t.Any]:
    """Return what is there."""
    params = ctx.params
    names = Names(params["environment"])
    budgets = [budget_limits.describe(KINDS[option], budget) for option, budget in found.items() if budget]
    if found["monthly_usd"] and not params["sandbox"]:
        actions = budget_action.read(ctx.client("budgets"), params["account"], names.budget)
        budgets[0]["actions"] = budget_action.describe(actions)
    missing = [ACTION_NOT_AVAILABLE, SPEND_NOT_AVAILABLE, METRIC_NOT_AVAILABLE, budget_anomalies.NOT_AVAILABLE]
    return {
        "budgets": budgets,
        "alarm": budget_alarm.describe(ctx),
        "anomalies": None if params["sandbox"] else budget_anomalies.describe(ctx),
        "not_available": missing if params["sandbox"] else [],
    }


def run(ctx: Context) -> dict[str, t.Any]:
    """Compare, change what differs, and read again what is there then."""
    params = ctx.params
    check(params)
    found = read_budgets(ctx)
    steps = [] if params["state"] == "read" else plan(ctx, found)
    take(ctx, steps)
    result = described(ctx, read_budgets(ctx) if steps and not ctx.check_mode else found)
    if result["alarm"] and params["state"] == "present" and not params["sandbox"]:
        budget_alarm.warn_of_silence(ctx)
    result |= {"changed": bool(steps), "differences": [step.row() for step in steps]}
    if ctx.diff_mode and steps:
        result["diff"] = diff(steps)
    return result
