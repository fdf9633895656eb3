# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The part of a cost review's page that is about one account: its month, its days, what moved, what is free."""

from __future__ import annotations

import typing as t
from html import escape

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import cost_review_charts as charts
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.cost_review_figures import (
    Figures,
    Path,
    items_list,
    table,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.cost_review_text import (
    percent,
    quantity,
    signed,
    usd,
)

# Figures of the period before, and how they are written.
PREVIOUS = {"amount": usd, "difference": signed}

Row = dict[str, t.Any]


class Accounts(Figures):
    """The accounts of one review."""

    def account(self, place: int) -> str:
        """Return everything about one account: spend is a matter of accounts."""
        row, path = self.review["accounts"][place], ("accounts", place)
        named = ", ".join(row["environments"]) + (", the emulated AWS" if row["sandbox"] else "")
        parts = [
            f'<p class="note">{escape(named)}. Everything that this account runs counts here, ours or not.</p>',
            self.month(row, path),
            "<h3>Daily spend by service</h3>",
            self.days(row, path) if row["days"] else self.absent(row, "daily spend"),
            "<h3>Top movers of the week</h3>",
            self.movers(row, path),
            "<h3>Free tier and credits</h3>",
            self.free_tier(row, path),
        ]
        return f"<h2>Account {escape(str(row['account']))}</h2>{''.join(parts)}"

    def absent(self, row: Row, what: str) -> str:
        """Return why something of an account is not known."""
        reasons = [gap["why"] for gap in row["gaps"] if gap["what"] == what] or ["AWS did not say."]
        return f'<p class="gap">Unknown: {escape(" ".join(reasons))}</p>'

    def month_items(self, row: Row, path: Path) -> list[tuple[str, str]]:
        """Return the figures of a month, of an account or of an environment."""
        items = [
            ("Budget", self.figure(*path, "budget")),
            ("Month to date", self.figure(*path, "month_to_date")),
            ("The month at this rate", self.forecast(row, path)),
        ]
        return items + (
            [("Forecast of AWS Budgets", self.figure(*path, "aws_forecast"))] if row["aws_forecast"] else []
        )

    def month(self, row: Row, path: Path) -> str:
        """Return the month of an account against its budget and its forecast."""
        chart = charts.against_budget(row, f"account {row['account']}: month to date against budget and forecast")
        items = self.month_items(row, path)
        if row["previous"]:
            amount, change = (self.figure(*path, "previous", key, form=form) for key, form in PREVIOUS.items())
            items.append(("Same days of the month before", f"{amount} ({change})"))
        if row["estimate"]:
            items += [
                ("Estimate of its environments together", self.figure(*path, "estimate", "together")),
                ("Free amounts that their own estimates count twice", self.figure(*path, "estimate", "overlap")),
            ]
        why = f'<p class="note">{escape(row["why"])}</p>' if row["why"] else ""
        return f"{chart}{items_list(items)}{why}"

    def forecast(self, row: Row, path: Path) -> str:
        """Return what the month may come to, with its range."""
        amount = self.figure(*path, "forecast", "amount")
        if not (row["forecast"] or {}).get("low"):
            return amount
        low, high = (self.figure(*path, "forecast", end) for end in ("low", "high"))
        return f"{amount} ({low} to {high})"

    def days(self, row: Row, path: Path) -> str:
        """Return the chart of an account's days, its legend, and the same as tables."""
        chart = charts.daily(row["days"], row["bands"], f"daily spend of account {row['account']} by service")
        legend = "".join(
            f'<li><span class="dot dot{band["color"]}"></span>{escape(band["name"])} '
            f"{self.figure(*path, 'bands', place, 'amount')}</li>"
            for place, band in enumerate(row["bands"])
        )
        services = [
            (escape(item["service"]), self.figure(*path, "services", place, "amount"))
            for place, item in enumerate(row["services"])
        ]
        dates = [
            (escape(day["date"]), self.figure(*path, "days", place, "total")) for place, day in enumerate(row["days"])
        ]
        tables = table(("Service", "Amount"), services) + table(("Day", "Amount"), dates)
        note = '<p class="note">Paler days may still grow.</p>' if any(day["may_grow"] for day in row["days"]) else ""
        return f'{chart}<ul class="legend">{legend}</ul>{note}<details><summary>As tables</summary>{tables}</details>'

    def movers(self, row: Row, path: Path) -> str:
        """Return what moved most against the seven days before."""
        if row["movers"] is None:
            return self.absent(row, "movers")
        rows = [
            (
                escape(item["service"]),
                self.figure(*path, "movers", place, "previous"),
                self.figure(*path, "movers", place, "amount"),
                self.figure(*path, "movers", place, "difference", form=signed),
            )
            for place, item in enumerate(row["movers"])
        ]
        return table(("Service", "The week before", "This week", "Difference"), rows, "Nothing moved.")

    def free_tier(self, row: Row, path: Path) -> str:
        """Return the account's plan and credits, and a bar for each offer that AWS lists."""
        tier = row["free_tier"]
        if tier is None:
            return self.absent(row, "free tier")
        path, plan = (*path, "free_tier"), tier["plan"] or {}
        items = [
            ("Plan", escape(str(plan.get("type") or "unknown"))),
            ("Credits left", self.figure(*path, "plan", "credits", "amount")),
        ]
        items += [("Ends", escape(str(plan["expires"])))] if plan.get("expires") else []
        offers = "".join(self.offer(item, (*path, "offers", place)) for place, item in enumerate(tier["offers"] or []))
        note = "AWS lists only offers with usage: one that is missing here is unknown, not free."
        return f'{items_list(items)}{offers}<p class="note">{note}</p>'

    def offer(self, item: Row, path: Path) -> str:
        """Return one offer: its bar, and how long it lasts."""
        used, limit = (self.figure(*path, key, form=quantity) for key in ("used", "limit"))
        detail = self.figure(*path, "percent", form=percent)
        if item.get("days_to_exhaustion") is not None:
            detail += f", used up in {self.figure(*path, 'days_to_exhaustion', form=quantity)} days"
        name = escape(f"{item['service']}: {item.get('description') or item.get('usage_type') or ''}")
        text = f"{name}<br>{used} of {limit} {escape(str(item.get('unit') or ''))} ({detail})"
        return f'<div class="offer"><p>{text}</p>{charts.used(item)}</div>'
