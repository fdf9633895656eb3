# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hold a deploy against its budget: find the figures, and judge."""

from __future__ import annotations

import datetime
import typing as t
from decimal import Decimal

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import (
    budget_credits,
    budget_guard,
    budget_options,
    free_plan,
    gate,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.budget_guard import Figure
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.budget_spent import number, spent, unknown
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import Context

ARGUMENT_SPEC: dict[str, t.Any] = {
    "environment": {"type": "str", "required": True},
    "account": {"type": "str", "required": True},
    "estimate": {"type": "dict", "default": {}},
    "deployed": {"type": "bool", "required": True},
    "cap_usd": {"type": "str"},
    "policy": {"type": "str", "choices": ["warn", "block"], "default": "warn"},
    "override_reason": {"type": "str"},
    "account_plan": {"type": "dict", "default": {}},
    "use_credits": {"type": "bool", "default": False},
    "bucket": {"type": "str"},
    "max_api_calls": {"type": "int", "default": 3},
    "cost_explorer_endpoint_url": {"type": "str"},
    "sandbox": {"type": "bool", "default": False},
    "command": {"type": "str", "default": "deploy"},
}
ASKING = ("deploy", "plan")
NOT_ASKED = "not asked for, because this deploy adds nothing and mcp_budget_policy is warn"


def estimated(estimate: dict[str, t.Any]) -> Figure:
    """Return what a month costs with this deploy, by the templates."""
    value = number(estimate.get("totals", {}).get("always_free"))
    if value is None:
        return Figure("estimate", None, "there is none of this deploy")
    unpriced = len(estimate.get("unpriced") or [])
    why = "of the templates and the assumed usage, always-free allowances taken off"
    why += f"; {unpriced} without a price come on top" if unpriced else ""
    return Figure("estimate", value, why, unpriced > 0)


def added(estimate: dict[str, t.Any]) -> Decimal | None:
    """Return what the deploy adds to a month, None where nobody knows: something without a price may add anything."""
    difference = estimate.get("difference") or {}
    value = number(difference.get("monthly"))
    new = [item for item in difference.get("unpriced") or [] if item in (estimate.get("unpriced") or [])]
    return None if new and value is not None and value <= 0 else value


def figures(ctx: Context, difference: Decimal | None, today: datetime.date) -> list[Figure]:
    """Return all that is held against the budget."""
    params = ctx.params
    needless = params["deployed"] and difference == 0 and params["policy"] == "warn" and not params["sandbox"]
    to_date, forecast = unknown(NOT_ASKED) if needless else spent(ctx)
    if forecast.value is not None:
        value, how = budget_guard.with_deploy(forecast.value, difference, today)
        forecast = Figure("forecast", value, f"{forecast.why}: {how}")
    return [estimated(ctx.params["estimate"]), to_date, forecast]


def check_credits(
    ctx: Context, monthly: Decimal | None, difference: Decimal | None, today: datetime.date, command: str
) -> None:
    """:raises McpError: the deploy would use up the credits of the account"""
    # What runs already, and is not known to add anything, was decided on before.
    if not ctx.params["deployed"] or (difference is not None and difference > 0):
        plan = ctx.params["account_plan"]
        # Preflight asks only before something is created, and nobody where time matters.
        if not plan and ctx.params["command"] in ASKING:
            plan = free_plan.look(ctx, ctx.params["sandbox"])
        budget_credits.check_runway(plan, monthly, today, command)


def run(ctx: Context) -> dict[str, t.Any]:
    """Hold a deploy against its budget; changes nothing.

    :raises McpError: it is over, and nobody has said why it may go on
    """
    params = ctx.params
    today = datetime.datetime.now(datetime.UTC).date()
    command = f"ansible-playbook {gate.typed(params['command'])} -i <inventory>"
    cap = budget_options.amount("cap_usd", params["cap_usd"], "cap_usd: '60'") if params["cap_usd"] else None
    estimate = params["estimate"]
    difference = added(estimate)
    known = figures(ctx, difference, today)
    if not params["use_credits"]:
        check_credits(ctx, known[0].value, difference, today, command)
    reason = params["override_reason"]
    guard = budget_guard.judge(params["environment"], cap, known, params["policy"], reason, difference)
    if guard["decision"] == "stopped":
        raise budget_guard.refusal(guard, known, command)
    if guard["decision"] != "go":
        ctx.warn(f"This deploy is {guard['text']}." + (f" On purpose: {guard['reason']}" if guard["reason"] else ""))
    return {"changed": False, "guard": guard}
