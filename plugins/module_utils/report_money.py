# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a summary says of money: the monthly cost with the brief's claim beside it, and what would change it."""

from __future__ import annotations

import typing as t
from decimal import Decimal

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.budget_guard import guard_lines
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.budget_report import budget_lines
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.estimate_amount import cents

# Keys of a deployment that its report has as they are.
MONEY = ("estimate", "budget_guard", "budgets")
VERDICTS = {
    "holds": "holds",
    "does_not_hold": "does not hold",
    "not_comparable": "cannot be compared",
}
# More would hide the rest of the summary; the report has them all.
MOST_GAPS = 5


def usd(value: t.Any, sign: bool = False) -> str:
    """Return an amount of money for people."""
    if value is None:
        return "unknown"
    amount = Decimal(str(value))
    return ("+" if sign and amount > 0 else "") + cents(amount)


def money_lines(report: dict[str, t.Any]) -> list[str]:
    """Return the lines of a summary about money."""
    estimate = report.get("estimate")
    lines = estimate_lines(estimate) if estimate else []
    return lines + guard_lines(report.get("budget_guard") or {}) + budget_lines(report.get("budgets"))


def estimate_lines(estimate: dict[str, t.Any]) -> list[str]:
    """Say what a month costs, what the brief said, what is not known, and by how much it would change."""
    totals = estimate["totals"]
    line = f"cost:      {usd(totals['always_free'])} USD a month on AWS in {estimate['region']}"
    if totals["list"] not in (None, totals["always_free"]):
        line += f" ({usd(totals['list'])} without what is always free)"
    lines = [f"{line}, prices of {estimate['as_of']}"]
    for item in estimate["marks"]:
        lines.append(
            f"           {item['lines']} {'line uses' if item['lines'] == 1 else 'lines use'} a price {item['mark']}"
        )
    lines += claim_lines(estimate.get("claim"))
    credits = totals.get("credits")
    if credits:
        lasts = f", which last {credits['runway_months']} months" if credits["runway_months"] else ""
        lines.append(f"credits:   {usd(credits['balance'])} USD{lasts}")
    gaps = estimate["unpriced"]
    lines += [f"unpriced:  {item['resource']} ({item['type']}): {item['why']}" for item in gaps[:MOST_GAPS]]
    if len(gaps) > MOST_GAPS:
        lines.append(f"unpriced:  and {len(gaps) - MOST_GAPS} more, see the report")
    lines += [f"usage:     {note}" for note in estimate.get("usage_notes") or []]
    return lines + difference_lines(estimate.get("difference"))


def claim_lines(claim: dict[str, t.Any] | None) -> list[str]:
    """Say what the brief claimed and whether it is so."""
    if not claim or claim.get("stated") is None:
        return []
    said = f"{claim['stated']} {claim.get('unit') or 'USD a month'}: {VERDICTS[claim['verdict']]}"
    if claim.get("later") is not None:
        said += f"; {claim['later']} later: {VERDICTS[claim['later_verdict']]}"
    return [f"brief:     {said}" + (f" ({claim['note']})" if claim.get("note") else "")]


def difference_lines(difference: dict[str, t.Any] | None) -> list[str]:
    """Say by how much the monthly cost would change."""
    if not difference:
        return []
    if difference["monthly"] is None:
        return [f"change:    unknown: {difference['why']}"]
    before, after = usd(difference["before"]), usd(difference["after"])
    lines = [
        f"  {row['resource']} {row['item']}: {usd(row['before'])} -> {usd(row['after'])}" for row in difference["lines"]
    ]
    if difference["against"] != "deployed":
        lines = []
    lines += [f"  {item['resource']} ({item['type']}): unknown" for item in difference["unpriced"]]
    moved = f"{usd(difference['monthly'], sign=True)} USD a month" if difference["monthly"] != "0" else "none"
    against = f", {before} -> {after}" if difference["monthly"] != "0" else f", {after} USD a month as before"
    return [
        *lines,
        f"change:    {moved}{against}" + ("" if difference["against"] == "deployed" else f" ({difference['against']})"),
    ]


def table(estimate: dict[str, t.Any]) -> list[str]:
    """Return an estimate line by line for a terminal; what takes nothing is only in the file."""
    lines = [f"{estimate['environment']} ({estimate['phase']})"]
    for line in estimate["lines"]:
        if Decimal(line["quantity"]) == 0:
            continue
        free = f", {line['allowance']} free" if line["allowance"] != "0" else ""
        marks = f"  [{'; '.join(line['marks'])}]" if line["marks"] else ""
        lines.append(
            f"{usd(line['monthly']):>10}  {line['resource']:<28} {line['item']:<30} {line['quantity']} {line['unit']} "
            f"x {line['unit_price']}{free}{marks}"
        )
    return lines + estimate_lines(estimate)
