# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the brief promised beside what is true: both are computed here, by the same prices as every estimate."""

from __future__ import annotations

import datetime
import typing as t
from decimal import Decimal

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.cost_review_text import (
    number,
    quantity,
    text_of,
    usd,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.estimate_result import (
    BROKEN,
    HOLDS,
    NOT_COMPARABLE,
    verdict,
)

# Finer than any claim.
FOUR = Decimal("0.0001")
Row = dict[str, t.Any]


class Prices(t.Protocol):
    """What is asked of a price book."""

    def cost(self, item: str, region: str, quantity: Decimal, today: datetime.date) -> Decimal:
        """Return what a quantity costs by the list."""

    def allowance(self, item: str) -> t.Any:
        """Return what of an item is always free, None where nothing is."""


def figure(value: t.Any, unit: str) -> str:
    """Return a figure with its unit, as a person reads it."""
    amount = number(value)
    if amount is None:
        return "unknown"
    if unit.startswith("USD"):
        return f"{usd(amount)}{unit[3:]}"
    return f"{quantity(amount)} {unit}"


def row(claim: str, told: Row, recomputed: Decimal | None, judged: str, why: str = "") -> Row:
    """Return one claim beside its recomputed figure."""
    return {
        "claim": claim,
        "stated": str(told["stated"]),
        "recomputed": None if recomputed is None else text_of(recomputed.quantize(FOUR).normalize()),
        "unit": str(told.get("unit") or "USD a month"),
        "verdict": judged,
        "why": why or str(told.get("note") or ""),
    }


def at_least(stated: t.Any, recomputed: Decimal) -> str:
    """Return the verdict on a figure that should not be lower."""
    return HOLDS if recomputed >= Decimal(str(stated)) else BROKEN


def of_phases(estimates: dict[str, Row]) -> list[Row]:
    """Return what was said of each phase: in its first year, and after it."""
    found = []
    for phase, estimate in estimates.items():
        told = estimate.get("claim")
        if not told:
            continue
        recomputed = number(told.get("recomputed"))
        later = told.get("later")
        name = f"Phase {phase}" + (" in its first year" if later else "")
        unpriced = len(estimate.get("unpriced") or [])
        why = f"{told.get('note') or ''} {unpriced} of its resources have no price." if unpriced else ""
        found.append(row(name, told, recomputed, told["verdict"], why.strip()))
        if later:
            after = {**told, "stated": later}
            found.append(
                row(f"Phase {phase} after its first year", after, recomputed, told["later_verdict"], why.strip())
            )
    return found


def share_saved(told: Row, estimates: dict[str, Row]) -> Decimal | None:
    """Return by how many percent one phase is cheaper than another, None where one of the two is not estimated."""
    phases = [estimates.get(told[key]) or {} for key in ("cheap", "dear")]
    cheap, dear = (number((estimate.get("totals") or {}).get("always_free")) for estimate in phases)
    return None if cheap is None or not dear else (1 - cheap / dear) * 100


def of_brief(told: Row, lines: list[Row], estimates: dict[str, Row], prices: Prices, where: Row) -> Row:
    """Return one of the brief's other claims: of something free, of a saving, or of what some lines cost.

    :param where: ``region`` and ``today`` of the prices
    """
    claim = str(told.get("claim") or told.get("note"))
    if told.get("item"):
        allowance = prices.allowance(told["item"])
        amount = Decimal(0) if allowance is None else Decimal(allowance.amount)
        return row(claim, told, amount, at_least(told["stated"], amount))
    if told.get("cheap"):
        saved = share_saved(told, estimates)
        if saved is None:
            why = f"Phases {told['cheap']} and {told['dear']} are not both in this review."
            return row(claim, told, None, NOT_COMPARABLE, why)
        return row(claim, told, saved, at_least(told["stated"], saved))
    costs = [prices.cost(line["item"], where["region"], line["quantity"], where["today"]) for line in lines]
    total = sum(costs, Decimal(0))
    return row(claim, told, total, verdict(told["stated"], total, complete=True))
