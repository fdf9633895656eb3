# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What people read of budgets and alerts."""

from __future__ import annotations

import typing as t

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.budget_report import budget_lines

TOLD = [
    {"type": "ACTUAL", "percent": 50.0, "state": "OK", "subscribers": ["oncall@example.org"]},
    {"type": "ACTUAL", "percent": 100.0, "state": "OK", "subscribers": ["oncall@example.org"]},
    {"type": "FORECASTED", "percent": 100.0, "state": "OK", "subscribers": ["oncall@example.org"]},
]
BUDGET: dict[str, t.Any] = {
    "name": "mcp-production",
    "kind": "environment",
    "limit": "12.5",
    "unit": "USD",
    "filters": {},
    "spent": "3.216",
    "forecast": None,
    "thresholds": TOLD,
    "actions": [],
}
FOUND: dict[str, t.Any] = {"budgets": [BUDGET], "alarm": None, "anomalies": None, "not_available": []}


def test_nothing_is_said_where_nobody_asked() -> None:
    assert budget_lines(None) == []


def test_none_at_all_is_said() -> None:
    assert budget_lines({**FOUND, "budgets": []}) == ["budget:    there is none, and no alert"]


def test_a_budget_is_one_line() -> None:
    assert budget_lines(FOUND) == [
        "budget:    mcp-production: 12.50 USD a month, spent 3.22; tells oncall@example.org at spent 50, 100 % and "
        "expected 100 %"
    ]


def test_everything_that_tells_is_listed() -> None:
    account = {**BUDGET, "name": "mcp-account_costs", "kind": "account", "limit": "50", "thresholds": []}
    action = {"ActionType": "APPLY_IAM_POLICY", "Status": "STANDBY"}
    alarm = {"name": "mcp-account_costs", "threshold": "50", "region": "us-east-1", "topics": ["t"]}
    alert = {"name": "mcp-production-anomalies", "frequency": "IMMEDIATE", "impact_usd": "10", "subscribers": ["t"]}
    found = {**FOUND, "budgets": [{**BUDGET, "actions": [action]}, account], "alarm": alarm}
    assert budget_lines({**found, "anomalies": {"monitor": "m", "subscriptions": [alert]}})[1:] == [
        "budget:    mcp-account_costs: 50.00 USD a month for the whole account, spent 3.22; tells nobody",
        "action:    APPLY_IAM_POLICY on mcp-production, STANDBY",
        "alarm:     mcp-account_costs rings above 50 USD a month, in us-east-1",
        "unusual:   mcp-production-anomalies tells t from 10 USD on",
    ]


def test_nothing_counted_is_unknown_and_says_what_to_do() -> None:
    (line,) = budget_lines({**FOUND, "budgets": [{**BUDGET, "spent": None}]})[1:]
    assert line.startswith("unknown:   AWS has counted nothing for mcp-production yet")
    assert "-e mcp_cost_activate_tags=true" in line


def test_the_emulators_gaps_are_said_once() -> None:
    gap = "anomaly alerts: not available on the emulator"
    lines = budget_lines({**FOUND, "budgets": [{**BUDGET, "spent": None}], "not_available": [gap]})
    assert lines[1:] == [f"unknown:   {gap}"]
