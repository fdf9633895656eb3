# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page of a cost review in Chromium: at the width of a desk and of a telephone, in the dark, and on paper."""

from __future__ import annotations

import json
import re
import typing as t
from decimal import Decimal
from pathlib import Path

import pytest
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import (
    cost_review_claims,
    cost_review_data,
    cost_review_page,
)

from tests.support import browser as browsers
from tests.support import cost_world as world

pytestmark = pytest.mark.integration

WIDTHS = {"desk": (1280, 900), "phone": (360, 740)}
FIGURES = "[...document.querySelectorAll('data')].map(e => [e.dataset.at, e.value, e.textContent])"
# What reaches further right than the page is wide.
TOO_WIDE = (
    "[...document.querySelectorAll('body *')].filter(e => !e.closest('thead') && "
    "e.getBoundingClientRect().right > document.documentElement.clientWidth + 1).map(e => e.outerHTML.slice(0, 80))"
)
SMALLEST_TEXT = (
    "Math.min(...[...document.querySelectorAll('body *')].filter(e => [...e.childNodes].some(n => n.nodeType == 3 && "
    "n.data.trim()) && !e.closest('svg')).map(e => parseFloat(getComputedStyle(e).fontSize)))"
)
BARS = "document.querySelectorAll('svg.daily rect').length"
# The contrast of text against the page, as WCAG counts it.
CONTRAST = """(() => {
  const light = c => { const v = c.match(/[\\d.]+/g).slice(0, 3).map(x => x / 255).map(
    x => x <= 0.03928 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4); return .2126*v[0] + .7152*v[1] + .0722*v[2]; };
  const probe = document.createElement('p'); probe.style.color = 'Canvas'; document.body.append(probe);
  const back = light(getComputedStyle(probe).color); probe.remove();
  const text = [...document.querySelectorAll('.within,.over,.watch,.unknown,.does_not_hold,.holds,td')];
  return Math.min(...text.map(e => { const l = light(getComputedStyle(e).color);
    return (Math.max(l, back) + .05) / (Math.min(l, back) + .05); }));
})()"""


@pytest.fixture(scope="module")
def review() -> dict[str, t.Any]:
    """Build a review with everything in it: within, over, unknown and free."""
    absent = world.absent("ce:GetCostAndUsage is not allowed to arn:aws:iam::210987654321:user/ada")
    other = {"environment": "production-milan", "account": "210987654321", "region": "eu-south-1"}
    costs = [{**absent, "item": preset} for preset in ("month_to_date", "trailing_30", "trailing_7")]
    parts = [
        world.local(estimate=world.estimate("local", "0", {"stated": "0"})),
        world.staging(),
        world.production(budget_usd="4"),
        world.production(**other, own=absent, costs=costs, free_tier=world.absent("no right to ask")),
    ]
    claims = cost_review_claims.of_phases({part["phase"]: part["estimate"] for part in parts[:3]})
    return cost_review_data.build(parts, claims, world.NOW)


@pytest.fixture(scope="module")
def url(review: dict[str, t.Any], tmp_path_factory: pytest.TempPathFactory) -> str:
    """Write the page."""
    path = tmp_path_factory.mktemp("page") / "cost_review.html"
    path.write_text(cost_review_page.page(review), encoding="utf-8")
    return path.as_uri()


def at(review: t.Any, pointer: str) -> t.Any:
    """Return what a JSON pointer names."""
    for step in pointer.split("/")[1:]:
        review = review[int(step)] if isinstance(review, list) else review[step]
    return review


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("kind", WIDTHS)
def test_it_reads_well(
    browser: browsers.Browser, review: dict[str, t.Any], url: str, kind: str, dark: bool, tmp_path: Path
) -> None:
    page = browsers.Page(browser, url, *WIDTHS[kind], dark=dark)
    assert page.complaints() == [] and page.requests() == [url]
    assert page.value("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert page.value(TOO_WIDE) == []
    assert page.value(SMALLEST_TEXT) >= 12
    assert page.value(CONTRAST) >= 4.5
    # 30 days of seven services and the others; those whose part is too small for a pixel have none.
    assert page.value(BARS) > 150
    page.screenshot(tmp_path / f"{kind}.png")
    assert (tmp_path / f"{kind}.png").stat().st_size > 10_000


def test_its_numbers_are_those_of_the_json(browser: browsers.Browser, review: dict[str, t.Any], url: str) -> None:
    plain = json.loads(json.dumps(review))
    figures = browsers.Page(browser, url, *WIDTHS["desk"]).value(FIGURES)
    assert len(figures) > 90
    for pointer, value, shown in figures:
        assert str(at(plain, pointer)) == value, pointer
        if "<" not in shown:
            digits = len(shown.partition(".")[2].split(" ")[0])
            read = Decimal(re.sub(r"[^0-9.\-]", "", shown))
            assert abs(read - Decimal(value)) <= Decimal(10) ** -digits / 2, (pointer, value, shown)


def test_it_prints(browser: browsers.Browser, url: str, tmp_path: Path) -> None:
    browsers.Page(browser, url, *WIDTHS["desk"], dark=True).pdf(tmp_path / "page.pdf")
    assert (tmp_path / "page.pdf").read_bytes().startswith(b"%PDF")
