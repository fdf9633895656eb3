# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an environment has cost this month, and what AWS expects of the whole month.

AWS Budgets is asked, which costs nothing. Cost Explorer is asked only where that has no answer and the policy is to
block, at most once a day, and never by a look in check mode.
"""

from __future__ import annotations

import contextlib
import typing as t
from decimal import Decimal

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import budget_limits, cost_info, cost_options
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.budget_guard import Figure
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.budget_steps import Names
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import (
    AWS_ERRORS,
    Context,
    McpError,
    describe_aws_error,
)

# Of figures that a deploy can go on without.
SHORT_WAIT = {"connect_timeout": 2, "read_timeout": 15, "retries": {"mode": "standard", "total_max_attempts": 2}}
NOT_AVAILABLE = "not available on the emulator"
NOT_PAID = "Cost Explorer is paid for, and asked only by a deploy or a plan with mcp_budget_policy=block"

Spent = tuple[Figure, Figure]


def number(value: t.Any) -> Decimal | None:
    """Return a decimal string as a number; nothing stays nothing."""
    return None if value is None else Decimal(str(value))


def unknown(why: str) -> Spent:
    """Return both figures of what was spent as not known."""
    return Figure("month_to_date", None, why), Figure("forecast", None, why)


def budget_of(ctx: Context) -> tuple[dict[str, t.Any], str]:
    """Return the environment's budget, else nothing and why."""
    name = Names(ctx.params["environment"]).budget
    try:
        budget = budget_limits.look(ctx.short_client("budgets"), ctx.params["account"], name)
    except AWS_ERRORS as error:
        return {}, f"AWS Budgets does not tell (budgets:ViewBudget): {describe_aws_error(error)}"
    if budget is None:
        return {}, f"there is no budget {name}; playbooks/budget.yml makes it"
    if budget_limits.spend(budget, "ActualSpend") is None:
        return {}, f"AWS has counted nothing for budget {name} yet; the tag mcp:environment may not be activated"
    return budget, ""


def of_budget(budget: dict[str, t.Any]) -> Spent:
    """Return what a budget says."""
    expected = number(budget_limits.spend(budget, "ForecastedSpend"))
    why = "of AWS Budgets" if expected is not None else "AWS Budgets has none, for which it needs about five weeks"
    spent = number(budget_limits.spend(budget, "ActualSpend"))
    return Figure("month_to_date", spent, "of AWS Budgets"), Figure("forecast", expected, why)


@contextlib.contextmanager
def asking(ctx: Context, options: dict[str, t.Any]) -> t.Iterator[None]:
    """Lend a task's context to another module's logic: clients are made from the options in place."""
    own = dict(ctx.params)
    ctx.params.update(options)
    try:
        yield
    finally:
        ctx.params.clear()
        ctx.params.update(own)


def of_cost_explorer(ctx: Context, before: str) -> Spent:
    """Return what Cost Explorer says of the environment.

    :param before: why AWS Budgets has no answer
    """
    defaults = {name: option.get("default") for name, option in cost_options.ARGUMENT_SPEC.items()}
    asked = {
        "tag_value": ctx.params["environment"],
        "accounts": [] if ctx.params["sandbox"] else [ctx.params["account"]],
        "bucket": ctx.params["bucket"],
        "bucket_owner": ctx.params["account"],
        "max_api_calls": ctx.params["max_api_calls"],
        "sandbox": ctx.params["sandbox"],
        "cost_explorer_endpoint_url": ctx.params["cost_explorer_endpoint_url"],
        "unavailable": "mark",
        "aws_config": ctx.params.get("aws_config") or SHORT_WAIT,
    }
    try:
        with asking(ctx, defaults | asked):
            costs = cost_info.run(ctx)
    except (McpError, *AWS_ERRORS) as error:
        return unknown(f"{before}; Cost Explorer: {error}")
    gaps = "; ".join(item["why"] for item in costs.get("unknown") or [])
    why = costs.get("why") or gaps or "it has no costs of this environment"
    spent, expected = number(costs.get("total")), costs.get("forecast") or {}
    value = number(expected.get("amount"))
    return (
        Figure("month_to_date", spent, "of Cost Explorer" if spent is not None else f"{before}; Cost Explorer: {why}"),
        Figure("forecast", value, "of Cost Explorer" if value is not None else expected.get("why") or why),
    )


def spent(ctx: Context) -> Spent:
    """Return what the environment has cost this month, and what AWS expects of the whole month."""
    params = ctx.params
    if not params["deployed"]:
        return unknown("nothing is deployed yet")
    if params["sandbox"]:
        if not params["cost_explorer_endpoint_url"]:
            return unknown(NOT_AVAILABLE)
        return of_cost_explorer(ctx, f"AWS Budgets: {NOT_AVAILABLE}")
    budget, why = budget_of(ctx)
    if budget:
        return of_budget(budget)
    if not params["max_api_calls"]:
        return unknown(why)
    if params["policy"] != "block" or ctx.check_mode:
        return unknown(f"{why}; {NOT_PAID}")
    return of_cost_explorer(ctx, why)
