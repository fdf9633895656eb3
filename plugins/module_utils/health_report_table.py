# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A health report on the terminal: the worst first, and under it what to type."""

from __future__ import annotations

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.cost_review_table import columns
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_report_data import EXPLAINED
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_report_runs import Row

HEAD = ("status", "environment", "check", "p95 ms", "evidence")
NUMBERS = (3,)


def milliseconds(row: Row) -> str:
    """Return how long 95 of 100 requests took at most; nothing where none was timed."""
    return f"{row['latency_ms']['p95']:g}" if row["latency_ms"] else ""


def one_line(text: str) -> str:
    """Return a text on one line, and without what would move a terminal's cursor."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


def since_of(row: Row) -> str:
    """Say since when a check is not healthy."""
    return f" (since {row['since']})" if row["status"] != "healthy" else ""


def check_lines(report: Row) -> list[str]:
    """Return a row for each check; what is not healthy has its next step below it."""
    rows = report["results"]
    cells = [
        (row["status"], row["environment"], one_line(row["check"]), milliseconds(row), "") for row in report["results"]
    ]
    lines = columns([HEAD, *cells], NUMBERS)
    width = lines[0].index(HEAD[-1])
    found = [lines[0]]
    for row, line in zip(rows, lines[1:], strict=True):
        found.append(f"{line.ljust(width)}{one_line(row['evidence'])}{since_of(row)}")
        if row["status"] != "healthy" and row["next_step"]:
            found.append(f"{'':<{width}}next: {one_line(row['next_step'])}")
    return found


def environment_line(row: Row) -> str:
    """Say of an environment how it is; why it could not be looked at, its check says."""
    told = [row["phase"] or "unknown phase", row["region"], "the emulated AWS" if row["sandbox"] else ""]
    where = f"{row['environment']} ({', '.join(part for part in told if part)})"
    checked = "" if row["checked"] else ", NO CHECK COULD RUN"
    return f"{where}: {row['status']}{checked}"


def summary_line(report: Row) -> str:
    """Return the counts in one line."""
    return (
        f"{report['total_checks']} checks: {report['critical_issues']} critical, {report['unknown_checks']} unknown, "
        f"{report['warning_issues']} warning, {report['healthy_services']} healthy"
    )


def lines(report: Row) -> list[str]:
    """Return the lines of a report."""
    end = report["exit_status"]
    return [
        *(check_lines(report) if report["results"] else []),
        *[environment_line(row) for row in report["environments"]],
        summary_line(report),
        f"exit status {end}: {EXPLAINED[end]}",
    ]
