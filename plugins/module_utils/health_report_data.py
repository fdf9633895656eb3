# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Put the looks at several environments together: one report, its counts, and how a shell is told."""

from __future__ import annotations

import itertools

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_kind import STATUSES, worst
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_report_runs import Row, with_run, with_since

# The counts of a report by status.
COUNTS = {
    "critical": "critical_issues",
    "warning": "warning_issues",
    "unknown": "unknown_checks",
    "healthy": "healthy_services",
}
PERFECT, NOT_HEALTHY, CRITICAL, NOT_CHECKED = 0, 1, 2, 3
EXPLAINED = {
    PERFECT: "everything is healthy",
    NOT_HEALTHY: "something is a warning or unknown",
    CRITICAL: "something is critical",
    NOT_CHECKED: "an environment could not be checked",
}


def published(result: Row, environment: str, now: str) -> Row:
    """Return a result in its published shape; one whose status nobody knows is unknown."""
    status = result.get("status")
    latency = result.get("latency_ms")
    return {
        "environment": environment,
        "check": str(result.get("check")),
        "kind": str(result.get("kind") or ""),
        "status": status if status in STATUSES else "unknown",
        "latency_ms": {"p50": latency["p50"], "p95": latency["p95"]} if latency else None,
        "evidence": str(result.get("evidence") or ""),
        "since": str(result.get("since") or now),
        "next_step": str(result.get("next_step") or ""),
    }


def told_apart(results: list[Row]) -> list[Row]:
    """Return the results of an environment with a name of its own for each: a person's probe may have one of ours."""
    found: list[Row] = []
    names: set[str] = set()
    for result in results:
        tried = (result["check"] if number == 1 else f"{result['check']} ({number})" for number in itertools.count(1))
        name = next(one for one in tried if one not in names)
        names.add(name)
        found.append({**result, "check": name})
    return found


def urgency(row: Row) -> tuple[int, str, str]:
    """Return what sorts the worst first."""
    return -STATUSES.index(row["status"]), row["check"], row["environment"]


def environment_of(part: Row, results: list[Row], runs: list[Row]) -> Row:
    """Return what the report says of an environment as a whole."""
    return {
        "environment": part["environment"],
        "phase": part["phase"] or "",
        "status": worst(result["status"] for result in results),
        # Where nothing at all is known, no check could run, whatever is there.
        "checked": bool(part["checked"]) and any(result["status"] != "unknown" for result in results),
        "why": part["failure"] or "",
        "region": part["region"] or "",
        "sandbox": bool(part["sandbox"]),
        "runs": runs,
    }


def exit_status(report: Row) -> int:
    """Return how a shell is told: critical before what could not be checked, before what is not healthy."""
    if report["critical_issues"]:
        return CRITICAL
    if not report["environments"] or not all(row["checked"] for row in report["environments"]):
        return NOT_CHECKED
    return NOT_HEALTHY if report["warning_issues"] or report["unknown_checks"] else PERFECT


def build(parts: list[Row], previous: dict[str, Row], now: str) -> tuple[Row, dict[str, Row]]:
    """Return the report, and of each environment the document of its runs with this one.

    :param previous: documents of the runs before
    :param now: ISO 8601, UTC
    """
    results: list[Row] = []
    environments: list[Row] = []
    documents: dict[str, Row] = {}
    for part in parts:
        name = part["environment"]
        before = previous[name]
        own = with_since(told_apart([published(result, name, now) for result in part["results"]]), before)
        documents[name] = with_run(before, own, now)
        environments.append(environment_of(part, own, documents[name]["runs"]))
        results += own
    counts = {key: sum(row["status"] == status for row in results) for status, key in COUNTS.items()}
    report = {
        "timestamp": now,
        "status": worst(row["status"] for row in results),
        "total_checks": len(results),
        **counts,
        "environments": environments,
        "results": sorted(results, key=urgency),
    }
    return {**report, "exit_status": exit_status(report)}, documents
