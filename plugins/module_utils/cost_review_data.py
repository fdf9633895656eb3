# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a cost review says: environments against their budgets, accounts day by day, and what nobody knows."""

from __future__ import annotations

import datetime
from decimal import Decimal

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.cost_review_spend import account_row
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.cost_review_standing import (
    Part,
    Row,
    answered,
    asked_for,
    by_preset,
    expected,
    from_budgets,
    gap,
    state_of,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.cost_review_text import number, text_of
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.cost_review_together import of_account
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.price_book import PriceBook


def environment_row(part: Part) -> Row:
    """Return what the review says of one environment."""
    estimate, asked_own = part.get("estimate") or {}, asked_for(part.get("own")) or {}
    own = answered(asked_own)
    totals, forecast = estimate.get("totals") or {}, expected(own)
    budget, spent = number(part.get("budget_usd")), number(own.get("total"))
    ahead = {
        "At this rate the month comes to": number((forecast or {}).get("amount")),
        "Its templates are estimated at": number(totals.get("always_free")),
    }
    stands = state_of(budget, spent, ahead, asked_own)
    if part.get("failure"):
        stands = {"state": "unknown", "why": str(part["failure"])}
    elif part.get("phase") == "local":
        stands = {"state": "free", "why": ""}
    return {
        **{key: part.get(key) for key in ("environment", "phase", "region", "account")},
        "sandbox": bool(part.get("sandbox")),
        "budget": text_of(budget),
        "month_to_date": text_of(spent),
        "forecast": forecast,
        "aws_forecast": from_budgets(part, "environment", "forecast"),
        "estimate": totals.get("always_free"),
        "estimate_list": totals.get("list"),
        "marks": estimate.get("marks") or [],
        "claim": estimate.get("claim"),
        **stands,
    }


def environment_gaps(part: Part, row: Row) -> list[Row]:
    """Return what is not known of an environment, and what its estimate leaves out or takes from afar."""
    name, own = str(part["environment"]), asked_for(part.get("own")) or {}
    found = [gap(name, "environment", str(part["failure"]))] if part.get("failure") else []
    if own and not own.get("available"):
        found.append(gap(name, "spend", str(own.get("why"))))
    found += [gap(name, "budgets", str(part["budgets_why"]))] if part.get("budgets_why") else []
    found += [gap(name, f"spend: {item['what']}", item["why"]) for item in own.get("unknown") or []]
    found += [
        gap(name, f"estimate: {item['resource']}", f"{item['type']} has no price: {item['why']}")
        for item in (part.get("estimate") or {}).get("unpriced", [])
    ]
    return found + [gap(name, "estimate: prices", f"{mark['lines']} lines: {mark['mark']}") for mark in row["marks"]]


def asked(parts: list[Part]) -> Row:
    """Return how often Cost Explorer was paid for an answer, and how much."""
    results = [asked_for(part.get("own")) or {} for part in parts]
    results += [result for part in parts for result in by_preset(part).values()]
    paid = sum((number(result.get("api_cost_usd")) or Decimal(0) for result in results), Decimal(0))
    return {"calls": sum(int(result.get("api_calls") or 0) for result in results), "cost_usd": text_of(paid)}


def together(gaps: list[Row]) -> list[Row]:
    """Return what has one reason at one place as one gap."""
    found: dict[tuple[str, str], list[str]] = {}
    for item in gaps:
        found.setdefault((item["where"], item["why"]), []).append(item["what"])
    return [gap(where, ", ".join(what), why) for (where, why), what in found.items()]


def build(parts: list[Part], claims: list[Row], now: datetime.datetime, book: PriceBook | None = None) -> Row:
    """Make the review of all environments.

    :param book: where it is given, estimates of one account are priced again together
    """
    environments = [environment_row(part) for part in parts]
    by_account: dict[str, list[Part]] = {}
    for part in parts:
        if part.get("account"):
            by_account.setdefault(str(part["account"]), []).append(part)
    accounts = [
        {**account_row(name, of), "estimate": of_account(of, book, now.date()) if book else None}
        for name, of in by_account.items()
    ]
    gaps = [item for part, row in zip(parts, environments, strict=True) for item in environment_gaps(part, row)]
    gaps = together(
        gaps
        + [gap(f"account {row['account']}", item["what"], item["why"]) for row in accounts for item in row["gaps"]]
        + [
            gap(f"account {row['account']}", "estimate together", row["estimate"]["why"])
            for row in accounts
            if row["estimate"] and row["estimate"]["why"]
        ]
    )
    return {
        "as_of": now.isoformat(timespec="seconds"),
        "currency": "USD",
        "environments": environments,
        "accounts": accounts,
        "claims": claims,
        "gaps": gaps,
        "api": asked(parts),
    }
