# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Charts of a cost review: SVG that stretches with its place, so every label of theirs is text beside it."""

from __future__ import annotations

import typing as t
from decimal import Decimal
from html import escape

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.cost_review_text import number, quantity, usd

# A day's place in a chart, and how much of it its bar takes.
STEP, BAR = 10, 8
HEIGHT = 100


def top_of_axis(highest: Decimal) -> Decimal:
    """Return the first of 1, 2, 5, 10, ... that is not below the highest value."""
    if highest <= 0:
        return Decimal(1)
    power = Decimal(10) ** highest.adjusted()
    return next(step * power for step in (Decimal(1), Decimal(2), Decimal(5), Decimal(10)) if step * power >= highest)


def share(value: Decimal, whole: Decimal, of: int = HEIGHT) -> str:
    """Return a length in a chart; what is below nothing has none."""
    length = max(value, Decimal(0)) / whole * of if whole else Decimal(0)
    return f"{min(length, Decimal(of)):.2f}".rstrip("0").rstrip(".")


def svg(width: int, height: int, label: str, body: str, kind: str) -> str:
    """Return a picture that fills its place; who does not see it hears the label."""
    return (
        f'<svg class="{kind}" viewBox="0 0 {width} {height}" preserveAspectRatio="none" role="img" '
        f'aria-label="{escape(label)}">{body}</svg>'
    )


def day_bar(place: int, day: dict[str, t.Any], bands: t.Sequence[dict[str, t.Any]], top: Decimal) -> str:
    """Return the stacked bar of one day, the first band at the bottom."""
    body, floor, grows = "", Decimal(HEIGHT), " grows" if day["may_grow"] else ""
    for band in bands:
        amount = sum((number(day["services"].get(name)) or Decimal(0) for name in band["services"]), Decimal(0))
        height = Decimal(share(amount, top))
        if not height:
            continue
        floor -= height
        title = escape(f"{day['date']} {band['name']}: {usd(amount)}")
        where = f'x="{place * STEP + 1}" y="{floor}" width="{BAR}" height="{height}"'
        body += f'<rect class="band{band["color"]}{grows}" {where}><title>{title}</title></rect>'
    return body


def daily(days: t.Sequence[dict[str, t.Any]], bands: t.Sequence[dict[str, t.Any]], label: str) -> str:
    """Return the chart of daily spend by service, with its axes as text around it."""
    top = top_of_axis(max((positive_total(day) for day in days), default=Decimal(0)))
    bars = "".join(day_bar(place, day, bands, top) for place, day in enumerate(days))
    lines = "".join(f'<line class="grid" x1="0" x2="{len(days) * STEP}" y1="{y}" y2="{y}"/>' for y in (0, 50, 100))
    picture = svg(len(days) * STEP, HEIGHT, label, lines + bars, "daily")
    levels = "".join(f"<span>{usd(level)}</span>" for level in (top, top / 2, Decimal(0)))
    ends = [days[0]["date"], days[-1]["date"]] if len(days) > 1 else [days[0]["date"]]
    below = "".join(f"<span>{escape(str(date))}</span>" for date in ends)
    return f'<div class="chart"><div class="levels">{levels}</div>{picture}<div class="dates">{below}</div></div>'


def positive_total(day: dict[str, t.Any]) -> Decimal:
    """Return how high a day's bar is: a refund makes no bar shorter."""
    return sum((max(number(value) or Decimal(0), Decimal(0)) for value in day["services"].values()), Decimal(0))


def against_budget(row: dict[str, t.Any], label: str) -> str:
    """Return spend as a bar, the budget as a line, what the month may come to as a mark or, with its range, a band."""
    forecast = row.get("forecast") or {}
    spent, budget = number(row.get("month_to_date")), number(row.get("budget"))
    mean = number(forecast.get("amount"))
    low, high = number(forecast.get("low")), number(forecast.get("high"))
    known = [value for value in (spent, budget, mean, high) if value is not None]
    if not known or max(known) <= 0:
        return ""
    whole = max(known) * Decimal("1.05")
    body = '<rect class="track" x="0" y="3" width="100" height="14"/>'
    if low is not None and high is not None:
        left = Decimal(share(low, whole))
        body += f'<rect class="range" x="{left}" y="3" width="{Decimal(share(high, whole)) - left}" height="14"/>'
    if spent is not None:
        over = budget is not None and spent > budget
        body += f'<rect class="{"over" if over else "spent"}" x="0" y="6" width="{share(spent, whole)}" height="8"/>'
    body += mark("forecast", mean, whole) + mark("budget", budget, whole)
    return svg(100, 20, label, body, "bar")


def mark(kind: str, value: Decimal | None, whole: Decimal) -> str:
    """Return an upright line at a value, nothing where it is not known."""
    if value is None:
        return ""
    at = share(value, whole)
    return f'<line class="{kind}" x1="{at}" x2="{at}" y1="0" y2="20"/>'


def used(offer: dict[str, t.Any]) -> str:
    """Return how much of an offer is used and, as a mark, what the month may come to; nothing where it has no limit."""
    limit, taken = number(offer.get("limit")), number(offer.get("used"))
    if not limit or limit < 0 or taken is None:
        return ""
    forecast = number(offer.get("forecast"))
    whole = max(limit, taken, forecast or Decimal(0))
    kind = "over" if taken >= limit else "near" if (forecast or taken) >= limit else "spent"
    body = '<rect class="track" x="0" y="3" width="100" height="14"/>'
    body += f'<rect class="{kind}" x="0" y="6" width="{share(taken, whole)}" height="8"/>'
    body += mark("forecast", forecast, whole) + (mark("budget", limit, whole) if whole > limit else "")
    label = f"{quantity(taken)} of {quantity(limit)} {offer.get('unit') or ''} used"
    return svg(100, 20, label.strip(), body, "bar")
