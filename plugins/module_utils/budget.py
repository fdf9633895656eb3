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
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.budget_steps import (
    ACCOUNT_NAME,
    Step,
    diff,
    take,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.budget_wanted import (
    KINDS,
    check,
    limit_of,
    names_of,
    wanted,
)
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
    "only_budgets": {"type": "bool", "default": False},
    "sandbox": {"type": "bool", "default": False},
}
ACTION_NOT_AVAILABLE = "budget action: not available on the emulator"
SPEND_NOT_AVAILABLE = "what was spent and is expected: not available on the emulator"
METRIC_NOT_AVAILABLE = "the metric behind the billing alarm: not available on the emulator"
SHARED = (
    f"Budget, billing alarm and topic of the account ({ACCOUNT_NAME}) stay: all its environments share them. To remove "
    "them too: -e mcp_budget_state=absent -e mcp_billing_alert_usd=0"
)
# Tags that say which environment something is of.
OWN_TAGS = ("mcp:phase",)

Found = dict[str, t.Optional[budget_limits.Found]]  # noqa: UP045  # ansible-test's pylint takes no | here


# What has to be done


def budget_steps(ctx: Context, found: Found) -> list[Step]:
    """Return the steps to the environment's budget."""
    params, client, there = ctx.params, ctx.client("budgets"), found["monthly_usd"]
    limit = limit_of(params, "monthly_usd")
    if params["state"] == "absent" or limit == 0:
        return budget_limits.removal(client, params["account"], names_of(params)["monthly_usd"], there)
    if limit is None:
        return []
    budget = wanted(params, "monthly_usd", limit)
    return budget_limits.steps(client, params["account"], budget, there, params["tags"])


def account_steps(ctx: Context, found: Found) -> list[Step]:
    """Return the steps to what watches the whole account; no environment takes it along when it goes."""
    params, client, there = ctx.params, ctx.client("budgets"), found["account_usd"]
    limit = limit_of(params, "account_usd")
    if limit is None or (limit and params["state"] == "absent"):
        return []
    if not limit:
        return budget_limits.removal(client, params["account"], ACCOUNT_NAME, there) + budget_alarm.removal(ctx)
    tags = {key: value for key, value in params["tags"].items() if key not in (params["tag"], *OWN_TAGS)}
    topic = budget_alarm.topic(ctx, tags)
    budget = wanted(params, "account_usd", limit)
    budgets = budget_limits.steps(client, params["account"], budget, there, tags)
    return topic + budgets + budget_alarm.steps(ctx, limit)


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
    steps += account_steps(ctx, found)
    anomaly = limit_of(params, "anomaly_usd")
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
    budgets = [budget_limits.describe(KINDS[option], budget) for option, budget in found.items() if budget]
    if params["only_budgets"]:
        not_available = [SPEND_NOT_AVAILABLE] if params["sandbox"] else []
        return {"budgets": budgets, "alarm": None, "anomalies": None, "not_available": not_available}
    if found["monthly_usd"] and not params["sandbox"]:
        actions = budget_action.read(ctx.client("budgets"), params["account"], budgets[0]["name"])
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
    if (
        params["state"] == "absent"
        and (result["alarm"] or found["account_usd"])
        and limit_of(params, "account_usd") != 0
    ):
        ctx.warn(SHARED)
    result |= {"changed": bool(steps), "differences": [step.row() for step in steps]}
    if ctx.diff_mode and steps:
        result["diff"] = diff(steps)
    return result
