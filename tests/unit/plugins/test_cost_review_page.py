# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page of a cost review: its numbers are those of the JSON, and it needs nothing but itself."""

from __future__ import annotations

import base64
import hashlib
import html.parser
import re
import typing as t
from decimal import Decimal

import pytest
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import (
    cost_review_charts,
    cost_review_claims,
    cost_review_data,
    cost_review_page,
)

from tests.support import cost_world as world

VOID = {"meta", "br"}
HOSTILE = "<script>alert(1)</script>\"'&"


class Reader(html.parser.HTMLParser):
    """Reads a page strictly: what is opened is closed, in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.figures: list[tuple[str, str, str]] = []
        self.text: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)
        if self.open and self.open[-1] == "data":
            given = self.seen[-1][1]
            self.figures.append((str(given["data-at"]), str(given["value"]), data))


def at(review: t.Any, pointer: str) -> t.Any:
    """Return what a JSON pointer names."""
    for step in pointer.split("/")[1:]:
        step = step.replace("~1", "/").replace("~0", "~")
        review = review[int(step)] if isinstance(review, list) else review[step]
    return review


def rounded(text: str) -> Decimal:
    """Return the number that a person reads."""
    return Decimal(re.sub(r"[^0-9.\-]", "", text))


def review(*parts: dict[str, t.Any]) -> dict[str, t.Any]:
    """Build the review of these environments."""
    parts = parts or (world.staging(), world.production(), world.local())
    estimates = {part["phase"]: part["estimate"] for part in parts if part.get("estimate")}
    return cost_review_data.build(list(parts), cost_review_claims.of_phases(estimates), world.NOW)


def page(*parts: dict[str, t.Any]) -> Reader:
    """Read the page of these environments."""
    return Reader(cost_review_page.page(review(*parts)))


def test_every_number_is_that_of_the_json():
    found, read = review(), page()
    assert len(read.figures) > 80
    for pointer, value, shown in read.figures:
        assert str(at(found, pointer)) == value, pointer
        if "<" not in shown:
            digits = len(shown.partition(".")[2].split(" ")[0])
            assert abs(rounded(shown) - Decimal(value)) <= Decimal(10) ** -digits / 2, (pointer, value, shown)


def test_what_the_json_has_is_on_the_page():
    shown = {pointer for pointer, _value, _text in page().figures}
    wanted = {f"/accounts/0/days/{place}/total" for place in range(30)}
    wanted |= {f"/accounts/0/services/{place}/amount" for place in range(10)}
    wanted |= {f"/accounts/0/movers/{place}/difference" for place in range(2)}
    wanted |= {f"/accounts/0/free_tier/offers/{place}/used" for place in range(2)}
    wanted |= {f"/environments/{place}/{key}" for place in range(2) for key in ("budget", "month_to_date", "estimate")}
    wanted |= {f"/claims/{place}/{key}" for place in range(4) for key in ("stated", "recomputed")}
    wanted |= {"/accounts/0/forecast/amount", "/accounts/0/forecast/low", "/accounts/0/forecast/high", "/api/cost_usd"}
    assert wanted - shown == set()


def test_it_loads_nothing_and_runs_nothing():
    text = cost_review_page.page(review())
    assert not re.search(r"\b(src|href|srcset|action|data)=|url\(|@import|<script|<link|<iframe|https?://", text)
    assert not any(name.startswith("on") or name == "style" for _tag, given in Reader(text).seen for name in given)


def test_its_policy_knows_its_own_style_alone():
    text = cost_review_page.page(review())
    [style] = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'sha256-{digest}'" in text.split("</style>")[0]


def test_what_others_wrote_is_text():
    part = world.staging(environment=HOSTILE, region=HOSTILE, failure=HOSTILE, free_tier=world.absent(HOSTILE))
    for result in part["costs"]:
        result["groups"][0]["name"] = HOSTILE
        result["by_day"] = [{**day, "groups": {HOSTILE: "3", **day["groups"]}} for day in result["by_day"]]
        result["top_movers"] = [{**item, "name": HOSTILE} for item in result["top_movers"]]
    part["estimate"]["claim"]["note"] = HOSTILE
    read = page(part)
    assert "script" not in {tag for tag, _given in read.seen} and HOSTILE in "".join(read.text)


@pytest.mark.parametrize(
    "part",
    [
        world.local(),
        world.staging(own=world.absent("denied"), costs=[], free_tier={"skipped": True}),
        {"environment": "milan", "phase": "", "region": "", "account": "", "failure": "no answer"},
    ],
)
def test_a_page_without_figures_says_why(part):
    found, read = review(part), page(part)
    text = "".join(read.text)
    assert all(gap["why"] in text for gap in found["gaps"])
    assert "None" not in text and "null" not in text


def test_nothing_unknown_is_shown_as_an_amount():
    part = world.staging(own=world.absent("denied"), budget_usd="")
    read = page(part)
    shown = {pointer for pointer, _value, _text in read.figures}
    assert "/environments/0/month_to_date" not in shown and "/environments/0/budget" not in shown
    unknown = {given.get("data-at") for tag, given in read.seen if tag == "span" and given.get("class") == "unknown"}
    assert {"/environments/0/month_to_date", "/environments/0/budget"} <= unknown


# Charts


@pytest.mark.parametrize(
    ("highest", "top"), [("0", "1"), ("0.013", "0.02"), ("1", "1"), ("2.3", "5"), ("7", "10"), ("10.01", "20")]
)
def test_an_axis_ends_at_a_round_number(highest, top):
    assert cost_review_charts.top_of_axis(Decimal(highest)) == Decimal(top)


def bars(text: str) -> list[tuple[Decimal, Decimal]]:
    """Return the place and the height of each part of a bar."""
    found = re.findall(r'<rect class="band\d(?: grows)?" x="(\d+)" y="([\d.]+)" width="8" height="([\d.]+)">', text)
    return [(Decimal(x), Decimal(height)) for x, _y, height in found]


def test_bars_are_as_high_as_what_was_spent():
    row = review()["accounts"][0]
    top = cost_review_charts.top_of_axis(max(Decimal(day["total"]) for day in row["days"]))
    drawn: dict[Decimal, Decimal] = {}
    for x, height in bars(cost_review_charts.daily(row["days"], row["bands"], "spend")):
        drawn[x] = drawn.get(x, Decimal(0)) + height
    assert len(drawn) == 30
    for place, day in enumerate(row["days"]):
        assert abs(drawn[Decimal(place * 10 + 1)] - Decimal(day["total"]) / top * 100) < Decimal("0.1")


def test_days_that_may_still_grow_are_paler():
    row = review()["accounts"][0]
    text = cost_review_charts.daily(row["days"], row["bands"], "spend")
    grown = {x for x in re.findall(r'grows" x="(\d+)"', text)}
    assert grown == {"291"} and [day["date"] for day in row["days"] if day["may_grow"]] == [row["days"][29]["date"]]


def test_a_refund_draws_no_bar():
    days = [{"date": "2026-11-01", "total": "-2", "services": {"a": "1", "b": "-3"}, "may_grow": False}]
    both = [
        {"name": "a", "services": ["a"], "amount": "1", "color": 0},
        {"name": "b", "services": ["b"], "amount": "-3", "color": 1},
    ]
    assert bars(cost_review_charts.daily(days, both, "spend")) == [(Decimal(1), Decimal(100))]


@pytest.mark.parametrize(
    ("spent", "budget", "kind"), [("10", "20", "spent"), ("21", "20", "over"), ("20", None, "spent")]
)
def test_a_bar_over_its_budget_has_another_colour(spent, budget, kind):
    text = cost_review_charts.against_budget({"month_to_date": spent, "budget": budget, "forecast": None}, "x")
    assert f'<rect class="{kind}"' in text and ('class="budget"' in text) is bool(budget)


def test_nothing_known_draws_nothing():
    assert cost_review_charts.against_budget({"month_to_date": None, "budget": None, "forecast": None}, "x") == ""
    assert cost_review_charts.used({"used": "3", "limit": None}) == ""


@pytest.mark.parametrize(
    ("used", "forecast", "kind"), [("1", "2", "spent"), ("1", "12", "near"), ("10", "12", "over"), ("9", None, "spent")]
)
def test_an_offer_has_the_colour_of_how_near_its_end_is(used, forecast, kind):
    text = cost_review_charts.used({"used": used, "limit": "10", "forecast": forecast, "unit": "GB"})
    assert f'<rect class="{kind}"' in text and f"{used} of 10 GB used" in text
