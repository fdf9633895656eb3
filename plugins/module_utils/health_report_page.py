# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page of a health report: needs nothing but itself, and shows nothing that its JSON does not have."""

from __future__ import annotations

import typing as t
from html import escape

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.cost_review_figures import Figures
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_kind import STATUSES, worst
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_report_data import COUNTS
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_report_runs import Row
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_report_style import STYLE, policy

# Nothing depends on colour alone: each status has its word and sign, and in a trend its own height and filling.
SIGNS = {"critical": "✕", "unknown": "?", "warning": "▲", "healthy": "✓"}
HEIGHTS = {"critical": 14, "unknown": 11, "warning": 9, "healthy": 4}
STEP, BAR, HEIGHT = 6, 5, 14
WORST_FIRST = STATUSES[::-1]


def mark(place: int, status: str) -> str:
    """Return one run of a trend; what is only outlined stays within its place."""
    tall, inside = HEIGHTS[status], 0.5 if status == "unknown" else 0
    return (
        f'<rect class="{status}" x="{place * STEP + inside:g}" y="{HEIGHT - tall + inside:g}" '
        f'width="{BAR - 2 * inside:g}" height="{tall - 2 * inside:g}"/>'
    )


def trend(statuses: t.Sequence[str | None], name: str) -> str:
    """Return the last runs, the newest at the right; a run that did not have the check leaves a gap."""
    counts = ", ".join(f"{statuses.count(status)} {status}" for status in WORST_FIRST if status in statuses)
    bars = "".join(mark(place, status) for place, status in enumerate(statuses) if status)
    width = len(statuses) * STEP
    return (
        f'<svg viewBox="0 0 {width} {HEIGHT}" preserveAspectRatio="xMinYMid meet" role="img" '
        f'aria-label="{escape(name)}: {counts}"><title>{escape(name)}: {counts}</title>{bars}</svg>'
    )


class Page(Figures):
    """The page over one report."""

    def text(self, *path: str | int, tag: str = "span", kind: str = "") -> str:
        """Return a text with the place in the JSON that it comes from."""
        pointer = "".join("/" + str(step) for step in path)
        shown = f' class="{kind}"' if kind else ""
        return f'<{tag}{shown} data-at="{pointer}">{escape(str(self.at(path)))}</{tag}>'

    def state(self, *path: str | int) -> str:
        """Return a status as sign and word."""
        status = self.at(path)
        return f'<span class="state {status}">{SIGNS[status]} {self.text(*path)}</span>'

    def counts(self) -> str:
        """Return how many there are of each."""
        items = "".join(
            f'<li><span class="state {status}">{SIGNS[status]}</span> {self.figure(key, form=str)} {status}</li>'
            for status, key in sorted(COUNTS.items(), key=lambda item: WORST_FIRST.index(item[0]))
        )
        return f'<ul class="counts"><li>{self.figure("total_checks", form=str)} checks</li>{items}</ul>'

    def environment(self, place: int) -> str:
        """Return the card of one environment."""
        row = self.review["environments"][place]
        told = (row["phase"], row["region"], "the emulated AWS" if row["sandbox"] else "")
        why = self.text("environments", place, "why", tag="p", kind="evidence") if row["why"] else ""
        checked = "" if row["checked"] else '<p class="unknown">No check could run here.</p>'
        statuses = [worst(run["statuses"].values()) for run in row["runs"]]
        name = f"The last {len(statuses)} runs of {row['environment']}"
        return (
            f'<div class="card"><h3>{self.text("environments", place, "environment")}</h3>'
            f'<p class="note">{escape(", ".join(part for part in told if part))}</p>'
            f"{self.state('environments', place, 'status')}{checked}{why}{trend(statuses, name)}</div>"
        )

    def cell(self, place: int, runs: list[Row]) -> str:
        """Return what one check of one environment says."""
        row, path = self.review["results"][place], ("results", place)
        timed = ""
        if row["latency_ms"]:
            p50, p95 = (self.figure(*path, "latency_ms", name, form="{:g}".format) for name in ("p50", "p95"))
            timed = f' <span class="note">p50 {p50} ms, p95 {p95} ms</span>'
        since = f'<p class="note">since <time data-at="/results/{place}/since">{escape(row["since"])}</time></p>'
        step = ""
        if row["status"] != "healthy" and row["next_step"]:
            step = f'<div class="next"><span class="note">Next:</span>{self.text(*path, "next_step", tag="code")}</div>'
        history = [run["statuses"].get(row["check"]) for run in runs]
        name = f"{row['check']} of {row['environment']} in the last {len(history)} runs"
        return (
            f"{self.state(*path, 'status')}{timed}{since}{self.text(*path, 'evidence', tag='p', kind='evidence')}"
            f"{step}{trend(history, name)}"
        )

    def checks(self) -> str:
        """Return all checks: environments across, checks down, the worst first."""
        environments = self.review["environments"]
        places: dict[str, dict[str, int]] = {}
        for place, row in enumerate(self.review["results"]):  # the worst first, so its check is
            places.setdefault(row["check"], {}).setdefault(row["environment"], place)
        head = "".join(f'<th scope="col">{escape(row["environment"])}</th>' for row in environments)
        body = "".join(
            f'<tr><th scope="row" class="check">{escape(check)}</th>'
            f"{''.join(self.place(there.get(row['environment']), row) for row in environments)}</tr>"
            for check, there in places.items()
        )
        head = f'<tr><th scope="col" class="check">Check</th>{head}</tr>'
        return f"<table><thead>{head}</thead><tbody>{body}</tbody></table>"

    def place(self, place: int | None, environment: Row) -> str:
        """Return a cell of the table, empty where the environment has no such check."""
        if place is None:
            return '<td class="none">-</td>'
        status = self.review["results"][place]["status"]
        head = escape(environment["environment"])
        return f'<td class="{status}" data-head="{head}">{self.cell(place, environment["runs"])}</td>'

    def whole(self) -> str:
        """Return the page."""
        cards = "".join(self.environment(place) for place in range(len(self.review["environments"])))
        legend = "".join(
            f'<li><svg viewBox="0 0 {BAR} {HEIGHT}" aria-hidden="true">{mark(0, status)}</svg>{status}</li>'
            for status in WORST_FIRST
        )
        return (
            '<!doctype html><html lang="en"><head><meta charset="utf-8">'
            f'<meta http-equiv="Content-Security-Policy" content="{policy()}">'
            '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="referrer" '
            f'content="no-referrer"><title>Health: {escape(self.review["status"])}</title><style>{STYLE}</style>'
            f"</head><body><main><h1>Health: {self.state('status')}</h1>"
            f'<p>{self.text("timestamp", tag="time")}</p>{self.counts()}<div class="cards">{cards}</div>'
            f'<h2>Checks</h2><p class="note">The worst first. Bars: the last runs, the newest at the right; a gap is a '
            f'run without this check.</p><ul class="legend">{legend}</ul>{self.checks()}</main></body></html>\n'
        )


def page(report: Row) -> str:
    """Return the page of a report."""
    return Page(report).whole()
