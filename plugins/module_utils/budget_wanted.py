# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the options of budget ask for: limits, names, budgets."""

from __future__ import annotations

import typing as t
from decimal import Decimal

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import (
    budget_alarm,
    budget_limits,
    budget_notifications,
    budget_options,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.budget_steps import ACCOUNT_NAME, Names
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import McpError

KINDS = {"monthly_usd": "environment", "account_usd": "account"}


def limit_of(params: dict[str, t.Any], name: str) -> Decimal | None:
    """Return an amount of the options; None: nothing was said, so what is there stays.

    :raises McpError: it is no amount
    """
    if params[name] in (None, ""):
        return None
    return budget_options.amount(name, params[name], f"{name}: '50'", "none at all")


def check(params: dict[str, t.Any]) -> None:
    """:raises McpError: an option is wrong, or nobody would be told"""
    if params["only_budgets"] and params["state"] != "read":
        raise McpError(
            f"only_budgets is true and state is '{params['state']}': it is for state: read. Nothing was changed."
        )
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
    return {"monthly_usd": Names(params["environment"]).budget, "account_usd": ACCOUNT_NAME}


def wanted(params: dict[str, t.Any], option: str, limit: Decimal) -> budget_limits.Wanted:
    """Return a budget as it shall be."""
    kind = KINDS[option]
    filters = budget_limits.of_tag(params["tag"], params["environment"]) if kind == "environment" else {}
    told = budget_notifications.addresses(params["emails"], params["topic_arn"])
    if kind == "account":
        # Whom each environment tells is subscribed to the topic.
        told = budget_notifications.addresses([], budget_alarm.topic_arn(params))
    return budget_limits.Wanted(
        kind=kind,
        name=names_of(params)[option],
        limit=limit,
        filters=filters,
        keys=budget_notifications.keys(params["thresholds"], params["forecast_thresholds"]),
        addresses=told,
    )
