# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a cost review says of one account: its month, its days by service, what moved, what is free, what is unknown."""

from __future__ import annotations

from decimal import Decimal

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.cost_review_standing import (
    Part,
    Row,
    answered,
    asked_for,
    by_preset,
    expected,
    from_budgets,
    state_of,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.cost_review_text import number, text_of

# As many services have a colour of their own; the rest share the last one.
BANDS = 7
# What of an account is asked for, and under which preset of cost_info.
MONTH, CHART, WEEK = "month_to_date", "trailing_30", "trailing_7"
PARTS = {MONTH: "the month", CHART: "daily spend", WEEK: "movers"}


def bands(services: list[Row]) -> list[Row]:
    """Return what a bar is made of: the dearest services, and the others as one."""
    groups = [(item["service"], [item]) for item in services[:BANDS]]
    rest = services[BANDS:]
    groups += [(f"{len(rest)} others", rest)] if rest else []
    return [
        {
            "name": name,
            "services": [item["service"] for item in members],
            "amount": text_of(sum((number(item["amount"]) or Decimal(0) for item in members), Decimal(0))),
            "color": place,
        }
        for place, (name, members) in enumerate(groups)
    ]


def account_row(account: str, parts: list[Part]) -> Row:
    """Return what the review says of one account, asked for by one of its environments."""
    speaker = next((part for part in parts if by_preset(part)), parts[0])
    costs = by_preset(speaker)
    month, chart, week = (answered(costs.get(preset)) for preset in PARTS)
    services = [{"service": item["name"], "amount": item["amount"]} for item in chart.get("groups", [])]
    tier = asked_for(speaker.get("free_tier")) or {}
    tier_known = bool(tier.get("available") or (tier.get("plan") or {}).get("type") in ("FREE", "PAID"))
    # A billing alert of 0 is none.
    budget = number(from_budgets(speaker, "account", "limit")) or number(speaker.get("account_budget_usd")) or None
    spent, forecast = number(month.get("total")), expected(month)
    stands = state_of(
        budget,
        spent,
        {"At this rate the month comes to": number((forecast or {}).get("amount"))},
        costs.get(MONTH) or {},
    )
    return {
        "account": account,
        "environments": [part["environment"] for part in parts],
        "sandbox": bool(speaker.get("sandbox")),
        "budget": text_of(budget),
        "month_to_date": text_of(spent),
        "forecast": forecast,
        "aws_forecast": from_budgets(speaker, "account", "forecast"),
        "previous": month.get("previous"),
        **stands,
        "period": chart.get("period"),
        "days": [
            {"date": day["start"], "total": day["total"], "services": day["groups"], "may_grow": day["may_grow"]}
            for day in chart.get("by_day", [])
        ],
        "services": services,
        "bands": bands(services),
        "movers": movers(week),
        "free_tier": {key: tier.get(key) for key in ("plan", "offers")} if tier_known else None,
        "gaps": account_gaps(speaker, tier),
    }


def movers(week: Row) -> list[Row] | None:
    """Return what moved most in a week, None where there is nothing to compare with."""
    if not week.get("previous"):
        return None
    return [
        {"service": item["name"], **{key: item[key] for key in ("previous", "amount", "difference")}}
        for item in week["top_movers"]
    ]


def account_gaps(speaker: Part, tier: Row) -> list[Row]:
    """Return what is not known of an account: whole answers that did not come, and what is missing in the others."""
    found, costs = [], by_preset(speaker)
    for preset, what in PARTS.items():
        result = costs.get(preset) or {"why": speaker.get("failure") or "It was not asked for."}
        if not result.get("available"):
            found.append({"what": what, "why": str(result.get("why"))})
        elif preset == WEEK and not result.get("previous"):
            found.append({"what": what, "why": "Cost Explorer knows no whole week before this one."})
        found += [{"what": f"{what}: {item['what']}", "why": item["why"]} for item in result.get("unknown") or []]
    plan = tier.get("plan") or {}
    found += [{"what": "free tier: the plan", "why": plan["unknown"]}] if plan.get("unknown") else []
    if not tier.get("available"):
        found.append(
            {"what": "free tier", "why": str(tier.get("why") or speaker.get("failure") or "It was not asked for.")}
        )
    return found + [{"what": f"free tier: {item['what']}", "why": item["why"]} for item in tier.get("unknown") or []]
