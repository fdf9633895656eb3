# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Amounts of money as people give them, and the checks of the variables of budgets."""

from __future__ import annotations

import re
import typing as t
from decimal import Decimal

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import McpError
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.options import EMAIL_PATTERN

AMOUNT = re.compile(r"\d{1,9}(\.\d{1,6})?", re.ASCII)
REASON_LENGTH = 500
# AWS Budgets: ten notifications for a budget, each to ten addresses and one topic.
MOST_NOTIFICATIONS, MOST_EMAILS = 10, 10
HIGHEST_PERCENT = 1000


def amount(name: str, value: t.Any, example: str, zero: str = "") -> Decimal:
    """Return US dollars as a number that adds up.

    :param zero: what 0 means; without a meaning it is refused
    :raises McpError: it is no amount
    """
    text = str(value).strip()
    if not AMOUNT.fullmatch(text) or (not Decimal(text) and not zero):
        allowed = "an amount in US dollars such as 60 or 12.50" + (f", and 0 for {zero}" if zero else ", more than 0")
        raise McpError(
            f"{name} is '{value}': allowed is {allowed}. Nothing was changed. For example: {example}", variable=name
        )
    return Decimal(text)


def check_reason(reason: str | None) -> None:
    """:raises McpError: a reason says nothing"""
    if reason is not None and not (reason.strip() and len(reason) <= REASON_LENGTH and reason.isprintable()):
        raise McpError(
            f"mcp_budget_override_reason is {reason!r}: allowed is one line of 1 to {REASON_LENGTH} characters that "
            "says why this deploy goes on though it is over the budget; the audit trail keeps it. Nothing was changed. "
            "For example: -e 'mcp_budget_override_reason=\"load test until Friday\"'",
            variable="mcp_budget_override_reason",
        )


def check_emails(name: str, addresses: list[str]) -> None:
    """:raises McpError: AWS Budgets would refuse them, or write to nobody"""
    wrong = next((address for address in addresses if not EMAIL_PATTERN.fullmatch(address)), None)
    if wrong is not None or len(addresses) > MOST_EMAILS:
        value = f"{wrong!r}" if wrong is not None else f"a list of {len(addresses)}"
        raise McpError(
            f"{name} has {value}: allowed are up to {MOST_EMAILS} addresses such as oncall@example.org. Nothing was "
            f'changed. For example: -e \'{{"mcp_budget_emails": ["oncall@example.org"]}}\'',
            variable=name,
        )


def check_thresholds(actual: list[int], forecast: list[int], names: tuple[str, str]) -> None:
    """:raises McpError: AWS Budgets would refuse them

    :param names: what the two are called where they were set
    """
    for name, percents in zip(names, (actual, forecast), strict=True):
        wrong = next((percent for percent in percents if not 1 <= percent <= HIGHEST_PERCENT), None)
        if wrong is not None or len(set(percents)) < len(percents):
            value = wrong if wrong is not None else ", ".join(map(str, percents))
            raise McpError(
                f"{name} has '{value}': allowed are percentages of the budget from 1 to {HIGHEST_PERCENT}, each once. "
                f"Nothing was changed. For example: -e '{{\"{names[0]}\": [50, 80, 100]}}'",
                variable=name,
            )
    if len(actual) + len(forecast) > MOST_NOTIFICATIONS:
        raise McpError(
            f"{names[0]} and {names[1]} have {len(actual) + len(forecast)} percentages: allowed are "
            f"{MOST_NOTIFICATIONS} for a budget. Nothing was changed. For example: "
            f"-e '{{\"{names[0]}\": [50, 80, 100]}}'",
            variable=names[0],
        )


def check_values(values: dict[str, t.Any]) -> None:
    """Check the variables of budgets.

    :param values: the validated variables with their types
    :raises McpError: the first that is wrong
    """
    if values.get("mcp_budget_usd"):
        amount("mcp_budget_usd", values["mcp_budget_usd"], "-e mcp_budget_usd=60")
    for name, zero in (("mcp_billing_alert_usd", "no alert"), ("mcp_budget_anomaly_usd", "no alert")):
        if name in values:
            amount(name, values[name], f"-e {name}=50", zero)
    check_reason(values.get("mcp_budget_override_reason"))
    check_emails("mcp_budget_emails", values.get("mcp_budget_emails", []))
    names = ("mcp_budget_thresholds", "mcp_budget_forecast_thresholds")
    check_thresholds(values.get(names[0], []), values.get(names[1], []), names)
    most = values.get("mcp_cost_max_api_calls", 0)
    if most < 0:
        raise McpError(
            f"mcp_cost_max_api_calls is {most}: allowed is a whole number of paid requests from 0 for none. For "
            "example: -e mcp_cost_max_api_calls=3",
            variable="mcp_cost_max_api_calls",
        )
