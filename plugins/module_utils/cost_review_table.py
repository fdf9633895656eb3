# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cost review on the terminal."""

from __future__ import annotations

import typing as t

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.cost_review_claims import figure
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.cost_review_text import (
    percent,
    quantity,
    signed,
    usd,
)

HEAD = ("environment", "phase", "budget", "to date", "at this rate", "estimate", "state")
NUMBERS = (2, 3, 4, 5)
MOVERS = 3
Review = dict[str, t.Any]


def columns(rows: t.Sequence[t.Sequence[str]], numbers: t.Container[int]) -> list[str]:
    """Return the rows with their columns below each other, numbers to the right."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if place in numbers else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def environment_rows(review: Review) -> list[tuple[str, ...]]:
    """Return a row for each environment; what costs nothing on AWS has no figures of AWS."""
    found = []
    for row in review["environments"]:
        month = (row["budget"], row["month_to_date"], (row["forecast"] or {}).get("amount"))
        shown = ("-",) * 3 if row["state"] == "free" else tuple(usd(value) for value in month)
        found.append((row["environment"], row["phase"] or "", *shown, usd(row["estimate"]), row["state"]))
    return found


def account_lines(row: dict[str, t.Any]) -> list[str]:
    """Return what is to be said of one account."""
    forecast = row["forecast"] or {}
    span = f" ({usd(forecast['low'])} to {usd(forecast['high'])})" if forecast.get("low") else ""
    lines = [
        f"account {row['account']}: {usd(row['month_to_date'])} to date, budget {usd(row['budget'])}, "
        f"at this rate {usd(forecast.get('amount'))}{span}"
    ]
    lines += [f"  {row['why']}"] if row["why"] else []
    if row["estimate"]:
        estimate = row["estimate"]
        lines.append(
            f"  estimates: {usd(estimate['together'])} together; {usd(estimate['overlap'])} of what is free for an "
            "account is counted twice in the estimates above"
        )
    lines += [
        f"  moved:     {item['service']} {usd(item['previous'])} -> {usd(item['amount'])} "
        f"({signed(item['difference'])})"
        for item in (row["movers"] or [])[:MOVERS]
    ]
    for offer in (row["free_tier"] or {}).get("offers", []):
        lines.append(
            f"  free tier: {offer['service']} {offer.get('description') or ''}: {quantity(offer.get('used'))} of "
            f"{quantity(offer.get('limit'))} {offer.get('unit') or ''} ({percent(offer.get('percent'))})"
        )
    return lines


def claim_lines(review: Review) -> list[str]:
    """Return each claim beside what is true."""
    return [
        f"promised:  {row['claim']}: {figure(row['stated'], row['unit'])}; recomputed "
        f"{figure(row['recomputed'], row['unit'])}: {row['verdict'].replace('_', ' ')}"
        for row in review["claims"]
    ]


def lines(review: Review) -> list[str]:
    """Return the lines of a review."""
    found = columns([HEAD, *environment_rows(review)], NUMBERS)
    found += [f"  {row['environment']}: {row['why']}" for row in review["environments"] if row["why"]]
    found += [line for row in review["accounts"] for line in account_lines(row)]
    found += claim_lines(review)
    found += [f"not known: {gap['where']}, {gap['what']}: {gap['why']}" for gap in review["gaps"]]
    return [
        *found,
        f"asked:     paid requests to Cost Explorer: {review['api']['calls']}, {usd(review['api']['cost_usd'])}",
    ]
