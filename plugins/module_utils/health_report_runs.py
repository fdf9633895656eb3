# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an environment remembers of the looks at its health: the last runs, and since when each check is as it is."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

FORMAT = 1
MOST_RUNS = 50
FILE = "health-runs.json"
STATUSES = ("critical", "unknown", "warning", "healthy")
Row = dict[str, t.Any]


def empty() -> Row:
    """Return the document of an environment that was never looked at."""
    return {"format": FORMAT, "runs": [], "since": {}}


def is_run(run: t.Any) -> bool:
    """Tell whether this is a run as we write it."""
    return (
        isinstance(run, dict)
        and isinstance(run.get("at"), str)
        and isinstance(run.get("statuses"), dict)
        and isinstance(run.get("p95"), dict)
        and all(status in STATUSES for status in run["statuses"].values())
    )


def usable(document: t.Any) -> Row:
    """Return what can be used of a document that anybody may have edited; a broken one is none."""
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        return empty()
    runs, since = document.get("runs"), document.get("since")
    return {
        "format": FORMAT,
        "runs": [run for run in runs if is_run(run)][-MOST_RUNS:] if isinstance(runs, list) else [],
        "since": {
            str(check): item
            for check, item in since.items()
            if isinstance(item, dict) and item.get("status") in STATUSES and isinstance(item.get("since"), str)
        }
        if isinstance(since, dict)
        else {},
    }


def copy_path(directory: Path, environment: str, sandbox: bool) -> Path:
    """Return where the copy on this machine is, for a day on which the state cannot be reached."""
    return directory / f"{'sandbox-' if sandbox else ''}{environment}" / FILE


def read_copy(path: Path) -> Row:
    """Return the copy on this machine."""
    try:
        return usable(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return empty()


def newest(*documents: Row) -> Row:
    """Return the document with the newest run; the first one of equals."""
    return max(documents, key=lambda document: document["runs"][-1]["at"] if document["runs"] else "")


def with_since(results: list[Row], before: Row) -> list[Row]:
    """Return the results with since when they are so: a status that has not changed goes on from the earlier time."""
    found = []
    for result in results:
        known = before["since"].get(result["check"])
        since = result["since"]
        if known and known["status"] == result["status"]:
            since = min(since, known["since"])
        found.append({**result, "since": since})
    return found


def with_run(before: Row, results: list[Row], now: str) -> Row:
    """Return the document with this run added, and the oldest left out."""
    run = {
        "at": now,
        "statuses": {result["check"]: result["status"] for result in results},
        "p95": {result["check"]: result["latency_ms"]["p95"] for result in results if result["latency_ms"]},
    }
    # Of checks that did not run this time too: one that is back tells how it was.
    since = {result["check"]: {"status": result["status"], "since": result["since"]} for result in results}
    recent = {check for earlier in before["runs"] for check in earlier["statuses"]}
    kept = {check: item for check, item in before["since"].items() if check in recent}
    return {"format": FORMAT, "runs": [*before["runs"], run][-MOST_RUNS:], "since": {**kept, **since}}
