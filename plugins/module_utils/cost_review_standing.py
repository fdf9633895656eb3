# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How something stands against its budget, from what Cost Explorer and Budgets answered."""

from __future__ import annotations

import typing as t
from decimal import Decimal

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.cost_review_text import number, usd

# What one host found out about its environment and, where it speaks for it, about its account.
Part = dict[str, t.Any]
Row = dict[str, t.Any]


def gap(where: str, what: str, why: str) -> Row:
    """Return one thing that is not known."""
    return {"where": where, "what": what, "why": why}


def answered(result: Row | None) -> Row:
    """Return what Cost Explorer said, nothing where it did not say."""
    return result if result and result.get("available") else {}


def asked_for(result: Row | None) -> Row | None:
    """Return a result of a task, None where the task was skipped; amounts that are not dollars are of no use."""
    if not result or result.get("skipped"):
        return None
    if result.get("currency") in (None, "USD"):
        return result
    why = f"Cost Explorer counts in {result['currency']}, and budgets and estimates are in USD."
    return {**result, "available": False, "why": why}


def by_preset(part: Part) -> dict[str, Row]:
    """Return what cost_info said of an account, by the preset that was asked for."""
    found = [result for given in part.get("costs") or [] if (result := asked_for(given))]
    return {str(result.get("item") or (result.get("period") or {}).get("preset")): result for result in found}


def expected(result: Row) -> Row | None:
    """Return what the whole month may come to, with its range; None where nobody knows."""
    found = result.get("forecast") or {}
    if number(found.get("amount")) is None:
        return None
    return {key: found.get(key) for key in ("amount", "low", "high", "level", "method")}


def from_budgets(part: Part, kind: str, key: str) -> str | None:
    """Return a figure of the AWS budget of a kind, None where there is no such budget."""
    return next((item.get(key) for item in part.get("budgets") or [] if item.get("kind") == kind), None)


def state_of(budget: Decimal | None, spent: Decimal | None, ahead: dict[str, Decimal | None], result: Row) -> Row:
    """Return how something stands against its budget, and why; without a measurement it does not stand well.

    :param ahead: what the month may come to, by who says so
    :param result: of cost_info, for the reason why it did not say
    """
    if budget is None:
        return {"state": "unknown", "why": "No budget is set: mcp_budget_usd."}
    if spent is not None and spent > budget:
        return {"state": "over", "why": f"{usd(spent)} spent so far is over the budget of {usd(budget)}."}
    for says, amount in ahead.items():
        if amount is not None and amount > budget:
            return {"state": "watch", "why": f"{says} {usd(amount)}, over the budget of {usd(budget)}."}
    if spent is None:
        why = result.get("why") or (result.get("tag") or {}).get("why") or "it was not asked for"
        return {"state": "unknown", "why": f"What it has cost so far is unknown: {why}"}
    return {"state": "within", "why": ""}
