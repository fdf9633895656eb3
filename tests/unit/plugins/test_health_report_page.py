# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page of a health report: what it shows is what the JSON has, and it needs nothing but itself."""

from __future__ import annotations

import base64
import hashlib
import html.parser
import re
import typing as t

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import (
    health_report_data,
    health_report_page,
    health_report_runs,
)

from tests.support import health_world as world

VOID = {"meta", "rect"}
HOSTILE = "<script>alert(1)</script>\"'&\x1b[2J"


class Reader(html.parser.HTMLParser):
    """Reads a page strictly: what is opened is closed, in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[tuple[str, dict[str, str | None]]] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.shown: dict[str, str] = {}
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append((tag, dict(attrs)))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop()[0] == tag, tag

    def handle_data(self, data: str) -> None:
        at = self.open[-1][1].get("data-at") if self.open else None
        if at:
            self.shown[at] = data


def report_of(*parts: dict[str, t.Any]) -> dict[str, t.Any]:
    """Return the report of these environments."""
    previous = {part["environment"]: health_report_runs.usable(part["previous"], world.NOW) for part in parts}
    return health_report_data.build(list(parts), previous, world.NOW)[0]


def at(report: t.Any, pointer: str) -> t.Any:
    """Return what a JSON pointer names."""
    for step in pointer.split("/")[1:]:
        report = report[int(step)] if isinstance(report, list) else report[step]
    return report


def test_everything_shown_is_what_the_json_has() -> None:
    report = report_of(*world.three())
    read = Reader(health_report_page.page(report))
    assert len(read.shown) > 41 * 3
    for pointer, shown in read.shown.items():
        value = at(report, pointer)
        assert shown == (f"{value:g}" if isinstance(value, float) else str(value)), pointer
    for place, row in enumerate(report["results"]):
        assert read.shown[f"/results/{place}/status"] == row["status"]
        assert read.shown[f"/results/{place}/evidence"] == row["evidence"]
        assert (f"/results/{place}/next_step" in read.shown) == (row["status"] != "healthy")


def test_a_trend_has_a_bar_for_each_run_that_had_the_check() -> None:
    report = report_of(*world.three())
    read = Reader(health_report_page.page(report))
    bars = sum(tag == "rect" for tag, _ in read.tags)
    runs = {row["environment"]: row["runs"] for row in report["environments"]}
    wanted = sum(row["check"] in run["statuses"] for row in report["results"] for run in runs[row["environment"]])
    assert bars == wanted + sum(len(found) for found in runs.values()) + 4  # and the legend's
    labels = [attrs["aria-label"] for tag, attrs in read.tags if tag == "svg" and "aria-label" in attrs]
    assert len(labels) == 41 + 3
    [database] = [label for label in labels if str(label).startswith("database of staging")]
    assert database == "database of staging in the last 50 runs: 11 critical, 10 unknown, 15 warning, 14 healthy"


def test_nothing_that_anybody_said_becomes_markup() -> None:
    hostile = world.result(HOSTILE, "critical", evidence=HOSTILE, next_step=HOSTILE, since=HOSTILE)
    report = report_of(world.part(HOSTILE, [hostile], phase=HOSTILE, region=HOSTILE, failure=HOSTILE, checked=False))
    read = Reader(health_report_page.page(report))
    assert not any(tag == "script" for tag, _ in read.tags)
    assert not any(name.startswith("on") for _, attrs in read.tags for name in attrs)


def test_it_needs_and_runs_nothing() -> None:
    text = health_report_page.page(report_of(*world.three()))
    [policy] = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]+)"', text)
    [style] = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy.startswith("default-src 'none'") and f"'sha256-{digest}'" in policy
    assert not any({"src", "href", "style"} & set(attrs) for _, attrs in Reader(text).tags)


def test_an_environment_without_checks_and_a_report_without_environments_have_a_page() -> None:
    Reader(health_report_page.page(report_of()))
    text = health_report_page.page(report_of(world.part("one", [], checked=False, failure="AWS did not answer")))
    assert "No check could run here." in text
    assert "AWS did not answer" in text
