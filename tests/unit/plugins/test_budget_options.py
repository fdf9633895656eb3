# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The variables of budgets: each wrong one gets one error that says what is allowed."""

from __future__ import annotations

import typing as t
from decimal import Decimal

import pytest
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import budget_options
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import McpError

RIGHT: dict[str, t.Any] = {
    "mcp_budget_usd": "60",
    "mcp_billing_alert_usd": "50",
    "mcp_budget_anomaly_usd": "10.5",
    "mcp_budget_override_reason": "load test until Friday",
    "mcp_budget_emails": ["oncall@example.org"],
    "mcp_budget_thresholds": [50, 80, 100],
    "mcp_budget_forecast_thresholds": [100],
    "mcp_cost_max_api_calls": 0,
}


@pytest.mark.parametrize(
    "values",
    [
        RIGHT,
        {},
        {"mcp_budget_usd": ""},
        {"mcp_budget_usd": "0.000001"},
        {"mcp_billing_alert_usd": "0", "mcp_budget_anomaly_usd": "0.00"},
        {"mcp_budget_thresholds": [], "mcp_budget_forecast_thresholds": []},
        {"mcp_budget_thresholds": [1, 1000]},
    ],
)
def test_right_values_pass(values: dict[str, t.Any]) -> None:
    budget_options.check_values(values)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("mcp_budget_usd", "0", "such as 60 or 12.50, more than 0"),
        ("mcp_budget_usd", "-60", "mcp_budget_usd is '-60'"),
        ("mcp_budget_usd", "60 USD", "mcp_budget_usd is '60 USD'"),
        ("mcp_budget_usd", "6e1", "mcp_budget_usd is '6e1'"),
        ("mcp_budget_usd", "12,50", "mcp_budget_usd is '12,50'"),
        ("mcp_budget_usd", "inf", "mcp_budget_usd is 'inf'"),
        ("mcp_budget_usd", "٦٠", "mcp_budget_usd is '٦٠'"),
        ("mcp_billing_alert_usd", "-1", "and 0 for no alert"),
        ("mcp_budget_anomaly_usd", "ten", "and 0 for no alert"),
        ("mcp_budget_override_reason", " ", "one line of 1 to 500 characters"),
        ("mcp_budget_override_reason", "a\nb", "one line of 1 to 500 characters"),
        ("mcp_budget_override_reason", "x" * 501, "one line of 1 to 500 characters"),
        ("mcp_budget_emails", ["oncall@example.org", "nobody"], "mcp_budget_emails has 'nobody'"),
        ("mcp_budget_thresholds", [0], "mcp_budget_thresholds has '0'"),
        ("mcp_budget_forecast_thresholds", [1001], "mcp_budget_forecast_thresholds has '1001'"),
        ("mcp_budget_thresholds", list(range(10, 21)), "have 11 percentages: allowed are 10 for a budget"),
        ("mcp_cost_max_api_calls", -1, "allowed is a whole number of paid requests from 0"),
    ],
)
def test_a_wrong_value_is_named(name: str, value: t.Any, said: str) -> None:
    with pytest.raises(McpError) as caught:
        budget_options.check_values({name: value})
    assert said in caught.value.message
    assert "For example: " in caught.value.message
    assert caught.value.details["variable"].startswith("mcp_")


@pytest.mark.parametrize("value", ["60", 60, " 60 "])
def test_amounts_have_a_type_that_adds_up(value: t.Any) -> None:
    found = budget_options.amount("mcp_budget_usd", value, "...")
    assert found == Decimal(60) and isinstance(found, Decimal)
