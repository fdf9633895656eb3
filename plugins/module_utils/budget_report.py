# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a summary says of budgets and alerts."""

from __future__ import annotations

import typing as t
from decimal import Decimal

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.estimate_amount import cents

KINDS = {"ACTUAL": "spent", "FORECASTED": "expected"}
NOT_COUNTED = (
    "AWS has counted nothing for {name} yet: it counts by the tag mcp:environment once that is activated for cost "
    "allocation, for which there is: playbooks/cost_review.yml -e mcp_cost_activate_tags=true"
)

Result = dict[str, t.Any]


def thresholds_text(thresholds: list[Result]) -> str:
    """Say at which percentages AWS tells, and whom."""
    ways = []
    for kind, word in KINDS.items():
        percents = [f"{item['percent']:g}" for item in thresholds if item["type"] == kind]
        ways += [f"{word} {', '.join(percents)} %"] if percents else []
    people = sorted({address for item in thresholds for address in item["subscribers"]})
    return f"tells {', '.join(people)} at {' and '.join(ways)}" if ways else "tells nobody"


def budget_line(budget: Result) -> str:
    """Say in one line what a budget is and how it stands."""
    known = [(word, budget[key]) for word, key in (("spent", "spent"), ("expected", "forecast")) if budget[key]]
    stands = "".join(f", {word} {cents(Decimal(value))}" for word, value in known)
    whole = " for the whole account" if budget["kind"] == "account" else ""
    limit = f"{cents(Decimal(budget['limit']))} {budget['unit']} a month{whole}"
    return f"budget:    {budget['name']}: {limit}{stands}; {thresholds_text(budget['thresholds'])}"


def budget_lines(found: Result | None) -> list[str]:
    """Return the lines of a summary.

    :param found: ``budgets``, ``alarm``, ``anomalies`` and ``not_available``, as the module budget returns them
    """
    if found is None:
        return []
    lines = [budget_line(budget) for budget in found["budgets"]]
    for budget in found["budgets"]:
        lines += [
            f"action:    {item['ActionType']} on {budget['name']}, {item['Status']}"
            for item in budget.get("actions", [])
        ]
    if found["alarm"]:
        alarm = found["alarm"]
        lines.append(f"alarm:     {alarm['name']} rings above {alarm['threshold']} USD a month, in {alarm['region']}")
    for item in (found["anomalies"] or {}).get("subscriptions", []):
        lines.append(
            f"unusual:   {item['name']} tells {', '.join(item['subscribers'])} from {item['impact_usd']} USD on"
        )
    own = [budget for budget in found["budgets"] if budget["kind"] == "environment" and budget["spent"] is None]
    lines += [f"unknown:   {item}" for item in found["not_available"]]
    if own and not found["not_available"]:
        lines.append(f"unknown:   {NOT_COUNTED.format(name=own[0]['name'])}")
    return lines or ["budget:    there is none, and no alert"]
