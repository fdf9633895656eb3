# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page of a cost review: needs nothing but itself, and shows no number that its JSON does not have."""

from __future__ import annotations

import functools
from html import escape

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import cost_review_charts as charts
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.cost_review_account import Accounts
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.cost_review_claims import figure as claim_figure
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.cost_review_figures import Review, items_list, table
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.cost_review_style import STYLE, policy
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.cost_review_text import quantity

STATES = {
    "within": "within budget",
    "watch": "may pass its budget",
    "over": "over budget",
    "unknown": "unknown",
    "free": "costs nothing on AWS",
}
VERDICTS = {"holds": "holds", "does_not_hold": "does not hold", "not_comparable": "cannot be compared"}


class Page(Accounts):
    """The page over one review."""

    def environment(self, place: int) -> str:
        """Return the card of one environment."""
        row, path = self.review["environments"][place], ("environments", place)
        where = "this machine" if row["phase"] == "local" else row["region"] or "region unknown"
        chart = charts.against_budget(row, f"{row['environment']}: month to date against budget")
        items = self.month_items(row, path) if row["state"] != "free" else []
        items += [("Estimate from its templates", self.figure(*path, "estimate"))]
        items += [("The brief's claim", self.figure(*path, "claim", "stated"))] if row.get("claim") else []
        state = f'<span class="{row["state"]}">{STATES[row["state"]]}</span>'
        why = f'<p class="note">{escape(row["why"])}</p>' if row.get("why") else ""
        told = ", ".join(part for part in (row["phase"], where, "the emulated AWS" if row["sandbox"] else "") if part)
        head = f'<h3>{escape(row["environment"])}</h3><p class="note">{escape(told)}</p>'
        return f'<div class="card">{head}{state}{chart}{items_list(items)}{why}</div>'

    def environments(self) -> str:
        """Return the cards of all environments."""
        cards = "".join(self.environment(place) for place in range(len(self.review["environments"])))
        key = (
            "Bar: month to date. Solid line: budget. Dashed line: the forecast, with its range behind it. Estimates "
            "are list prices less what is always free, which each of them takes for itself."
        )
        return f'<div class="cards">{cards}</div><p class="note">{key}</p>'

    # The whole

    def claims(self) -> str:
        """Return what the brief promised beside what is true."""
        rows = [
            (
                escape(row["claim"]),
                self.figure("claims", place, "stated", form=functools.partial(claim_figure, unit=row["unit"])),
                self.figure("claims", place, "recomputed", form=functools.partial(claim_figure, unit=row["unit"])),
                f'<span class="{row["verdict"]}">{VERDICTS[row["verdict"]]}</span>',
                escape(row["why"]),
            )
            for place, row in enumerate(self.review["claims"])
        ]
        return table(
            ("The brief says", "Stated", "Recomputed", "Verdict", "Why"), rows, "No claim was looked at.", amounts=False
        )

    def gaps(self) -> str:
        """Return what is not known."""
        rows = [(escape(gap["where"]), escape(gap["what"]), escape(gap["why"])) for gap in self.review["gaps"]]
        return table(("Where", "What", "Why"), rows, "Everything was answered.", amounts=False)

    def cost(self) -> str:
        """Return what asking has cost."""
        calls = self.figure("api", "calls", form=quantity)
        return (
            f"<p>Paid requests to Cost Explorer: {calls}, {self.figure('api', 'cost_usd')}. Amounts are US dollars, as "
            "Cost Explorer has them, credits and refunds left out; its newest day may still grow.</p>"
        )

    def whole(self) -> str:
        """Return the page."""
        title = "Cost review"
        parts = [("Environments", self.environments())]
        accounts = "".join(self.account(place) for place in range(len(self.review["accounts"])))
        ends = [("Promised and true", self.claims()), ("Not known", self.gaps()), ("This review", self.cost())]
        body = "".join(f"<h2>{heading}</h2>{part}" for heading, part in parts) + accounts
        body += "".join(f"<h2>{heading}</h2>{part}" for heading, part in ends)
        return (
            '<!doctype html><html lang="en"><head><meta charset="utf-8">'
            f'<meta http-equiv="Content-Security-Policy" content="{policy()}">'
            '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="referrer" '
            f'content="no-referrer"><title>{title} {escape(self.review["as_of"][:10])}</title><style>{STYLE}</style>'
            f"</head><body><main><h1>{title}</h1><p>{escape(self.review['as_of'])}</p>{body}"
            "</main></body></html>\n"
        )


def page(review: Review) -> str:
    """Return the page of a review."""
    return Page(review).whole()
