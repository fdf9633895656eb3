# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page of a health report in Chromium: at the width of a desk and of a telephone, in the dark, and on paper."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import (
    health_report_data,
    health_report_page,
    health_report_runs,
)

from tests.support import browser as browsers
from tests.support import health_world as world

pytestmark = pytest.mark.integration

WIDTHS = {"desk": (1280, 900), "phone": (360, 740)}
SHOWN = "[...document.querySelectorAll('[data-at]')].map(e => [e.dataset.at, e.textContent, e.checkVisibility()])"
# What reaches further right than the page is wide.
TOO_WIDE = (
    "[...document.querySelectorAll('body *')].filter(e => !e.closest('thead') && "
    "e.getBoundingClientRect().right > document.documentElement.clientWidth + 1).map(e => e.outerHTML.slice(0, 80))"
)
SMALLEST_TEXT = (
    "Math.min(...[...document.querySelectorAll('body *')].filter(e => [...e.childNodes].some(n => n.nodeType == 3 && "
    "n.data.trim()) && !e.closest('svg')).map(e => parseFloat(getComputedStyle(e).fontSize)))"
)
# How high the bars of each status are, and whether they are filled: nothing depends on colour alone.
BARS = (
    "[...new Set([...document.querySelectorAll('rect')].map(e => e.getAttribute('height') + "
    "(getComputedStyle(e).fill == 'none' ? ' empty' : ' filled') + ' ' + e.getAttribute('class')))].sort()"
)
# The contrast of text against the page, as WCAG counts it.
CONTRAST = """(() => {
  const light = c => { const v = c.match(/[\\d.]+/g).slice(0, 3).map(x => x / 255).map(
    x => x <= 0.03928 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4); return .2126*v[0] + .7152*v[1] + .0722*v[2]; };
  const probe = document.createElement('p'); probe.style.color = 'Canvas'; document.body.append(probe);
  const back = light(getComputedStyle(probe).color); probe.remove();
  return Math.min(...[...document.querySelectorAll('.state,td,th,code,.unknown')].map(e => {
    const l = light(getComputedStyle(e).color); return (Math.max(l, back) + .05) / (Math.min(l, back) + .05); }));
})()"""
HEADS = "[...document.querySelectorAll('td:not(.none)')].map(e => getComputedStyle(e, '::before').content)"


@pytest.fixture(scope="module")
def report() -> dict[str, t.Any]:
    """Build a report with everything in it: four statuses, a word that does not break, one that was not checked."""
    failed = world.result("environment", "unknown", evidence="AWS did not answer: " + "x" * 300)
    parts = [*world.three(), world.part("milan", [failed], checked=False, failure="AWS did not answer")]
    previous = {part["environment"]: health_report_runs.usable(part["previous"], world.NOW) for part in parts}
    return health_report_data.build(parts, previous, world.NOW)[0]


@pytest.fixture(scope="module")
def url(report: dict[str, t.Any], tmp_path_factory: pytest.TempPathFactory) -> str:
    """Write the page."""
    path = tmp_path_factory.mktemp("page") / "health.html"
    path.write_text(health_report_page.page(report), encoding="utf-8")
    return path.as_uri()


def at(report: t.Any, pointer: str) -> t.Any:
    """Return what a JSON pointer names."""
    for step in pointer.split("/")[1:]:
        report = report[int(step)] if isinstance(report, list) else report[step]
    return report


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("kind", WIDTHS)
def test_it_reads_well(browser: browsers.Browser, url: str, kind: str, dark: bool, tmp_path: Path) -> None:
    page = browsers.Page(browser, url, *WIDTHS[kind], dark=dark)
    assert page.complaints() == [] and page.requests() == [url]
    assert page.value("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert page.value(TOO_WIDE) == []
    assert page.value(SMALLEST_TEXT) >= 12
    assert page.value(CONTRAST) >= 4.5
    assert page.value(BARS) == ["10 empty unknown", "14 filled critical", "4 filled healthy", "9 filled warning"]
    page.screenshot(tmp_path / f"{kind}.png")
    assert (tmp_path / f"{kind}.png").stat().st_size > 10_000


@pytest.mark.parametrize("kind", WIDTHS)
def test_it_shows_what_the_json_has_at_every_width(
    browser: browsers.Browser, report: dict[str, t.Any], url: str, kind: str
) -> None:
    shown = browsers.Page(browser, url, *WIDTHS[kind]).value(SHOWN)
    assert len(shown) > 42 * 3
    for pointer, text, visible in shown:
        value = at(report, pointer)
        assert text == (f"{value:g}" if isinstance(value, float) else str(value)), pointer
        assert visible, pointer


def test_on_a_telephone_each_cell_names_its_environment(browser: browsers.Browser, url: str) -> None:
    assert set(browsers.Page(browser, url, *WIDTHS["phone"]).value(HEADS)) == {
        '"local"',
        '"staging"',
        '"production"',
        '"milan"',
    }
    assert set(browsers.Page(browser, url, *WIDTHS["desk"]).value(HEADS)) == {"none"}


def test_the_worst_is_on_the_first_screen(browser: browsers.Browser, url: str) -> None:
    page = browsers.Page(browser, url, *WIDTHS["desk"])
    assert page.value("document.querySelector('td.critical').getBoundingClientRect().top") < WIDTHS["desk"][1]


def test_it_prints(browser: browsers.Browser, url: str, tmp_path: Path) -> None:
    browsers.Page(browser, url, *WIDTHS["desk"], dark=True).pdf(tmp_path / "page.pdf")
    assert (tmp_path / "page.pdf").read_bytes().startswith(b"%PDF")
