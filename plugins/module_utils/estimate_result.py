# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an estimate hands on: totals, the brief's claim beside them, how long credits last."""

from __future__ import annotations

import collections
import datetime
import typing as t
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.estimate_amount import (
    CENT,
    DAYS_A_MONTH,
    plain,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.estimate_bill import Bill

HOLDS, BROKEN, NOT_COMPARABLE = "holds", "does_not_hold", "not_comparable"
TENTH = Decimal("0.1")


def verdict(stated: str | Decimal | None, recomputed: Decimal | None, complete: bool = True) -> str:
    """Compare a figure of the brief with today's.

    :param complete: whether everything is priced; what is missing can only add to the sum
    """
    if stated is None or recomputed is None:
        return NOT_COMPARABLE
    if recomputed.quantize(CENT, rounding=ROUND_HALF_UP) > Decimal(str(stated)):
        return BROKEN
    return HOLDS if complete else NOT_COMPARABLE


def judged(claim: dict[str, t.Any] | None, recomputed: Decimal | None, complete: bool) -> dict[str, t.Any] | None:
    """Return a claim of the brief with what is true today; None where it claims nothing."""
    if not claim:
        return None
    result = {
        **claim,
        "recomputed": None if recomputed is None else plain(recomputed),
        "verdict": verdict(claim.get("stated"), recomputed, complete),
    }
    if claim.get("later") is not None:
        result["later_verdict"] = verdict(claim["later"], recomputed, complete)
    return result


def runway(plan: dict[str, t.Any], monthly: Decimal, today: datetime.date) -> dict[str, t.Any] | None:
    """Return how long the credits of an account last; None where it has none, or nobody knows.

    :param plan: the account's plan, with its credits and the day they end
    """
    credits = plan.get("credits") or {}
    if credits.get("amount") is None:
        return None
    balance = Decimal(str(credits["amount"]))
    months = None if monthly <= 0 else balance / monthly
    if plan.get("expires"):
        days = (datetime.date.fromisoformat(str(plan["expires"])[:10]) - today).days
        left = max(Decimal(days) / DAYS_A_MONTH, Decimal(0))
        months = left if months is None else min(months, left)
    shown = None if months is None else plain(months.quantize(TENTH, rounding=ROUND_DOWN))
    return {"balance": plain(balance), "runway_months": shown}


def priced(bill: Bill, plan: dict[str, t.Any]) -> dict[str, t.Any]:
    """Return what a bill comes to."""
    monthly = bill.total("monthly")
    marks = collections.Counter(mark for line in bill.lines for mark in line["marks"])
    return {
        "as_of": bill.book.as_of,
        "lines": bill.lines,
        "free": bill.free,
        "unpriced": bill.unpriced,
        "totals": {
            "list": plain(bill.total("list")),
            "always_free": plain(monthly),
            "credits": runway(plan, monthly, bill.today),
        },
        "allowances": bill.allowances(),
        "marks": [{"mark": mark, "lines": count} for mark, count in sorted(marks.items())],
    }


def without_prices(as_of: str, why: str) -> dict[str, t.Any]:
    """Return an estimate of which nothing is known."""
    return {
        "as_of": as_of,
        "lines": [],
        "free": [],
        "unpriced": [{"resource": "all", "type": "region", "why": why}],
        "totals": {"list": None, "always_free": None, "credits": None},
        "allowances": [],
        "marks": [],
    }
