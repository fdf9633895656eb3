# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an environment remembers of the looks at its health: the last runs, and since when each check is as it is."""

from __future__ import annotations

import json
import re
import typing as t
from datetime import datetime, timedelta
from pathlib import Path

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_kind import STATUSES

FORMAT = 1
MOST_RUNS = 50
MOST_CHECKS = 200
FILE = "health-runs.json"
TIME = "%Y-%m-%dT%H:%M:%SZ"
# Two machines that look may disagree by this much.
CLOCKS_DIFFER = timedelta(minutes=5)
Row = dict[str, t.Any]


def empty() -> Row:
    """Return the document of an environment that was never looked at."""
    return {"format": FORMAT, "runs": [], "since": {}}


def is_past(moment: t.Any, now: str) -> bool:
    """Tell whether this is a time as we write it, and none that is still to come."""
    if not isinstance(moment, str) or not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", moment, re.ASCII):
        return False
    try:
        return datetime.strptime(moment, TIME) <= datetime.strptime(now, TIME) + CLOCKS_DIFFER
    except ValueError:
        return False


def known_status(status: t.Any) -> bool:
    """Tell whether this is one of the four."""
    return isinstance(status, str) and status in STATUSES


def first(items: dict[str, t.Any]) -> dict[str, t.Any]:
    """Return as many checks as a document may have."""
    return dict(list(items.items())[:MOST_CHECKS])


def usable_runs(runs: t.Any, now: str) -> list[Row]:
    """Return the runs that are as we write them, the newest last."""
    found = [
        {"at": run["at"], "statuses": first(run["statuses"])}
        for run in (runs if isinstance(runs, list) else [])
        if isinstance(run, dict)
        and is_past(run.get("at"), now)
        and isinstance(run.get("statuses"), dict)
        and all(known_status(status) for status in run["statuses"].values())
    ]
    return sorted(found, key=lambda run: run["at"])[-MOST_RUNS:]


def usable(document: t.Any, now: str) -> Row:
    """Return what can be believed of a document that anybody may have edited; of a broken one that is nothing."""
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        return empty()
    since = document.get("since")
    known = {
        str(check): {"status": item["status"], "since": item["since"]}
        for check, item in (since.items() if isinstance(since, dict) else ())
        if isinstance(item, dict) and known_status(item.get("status")) and is_past(item.get("since"), now)
    }
    return {"format": FORMAT, "runs": usable_runs(document.get("runs"), now), "since": first(known)}


def copy_path(directory: Path, environment: str, sandbox: bool) -> Path:
    """Return where the copy on this machine is, for a day on which the state cannot be reached."""
    return directory / f"{'sandbox-' if sandbox else ''}{environment}" / FILE


def read_copy(path: Path, now: str) -> Row:
    """Return what can be believed of the copy on this machine."""
    try:
        return usable(json.loads(path.read_text(encoding="utf-8")), now)
    except (OSError, ValueError, RecursionError):
        return empty()


def together(one: Row, other: Row) -> Row:
    """Return all runs of both, and since when each check is as the one with the newer run says."""
    older, newer = sorted((other, one), key=lambda document: document["runs"][-1]["at"] if document["runs"] else "")
    runs = {run["at"]: run for run in (*older["runs"], *newer["runs"])}
    since = {**older["since"], **newer["since"]}
    for check, item in older["since"].items():
        if item["status"] == since[check]["status"]:
            since[check] = min(item, since[check], key=lambda known: str(known["since"]))
    return {"format": FORMAT, "runs": [runs[at] for at in sorted(runs)][-MOST_RUNS:], "since": since}


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
    run = {"at": now, "statuses": first({result["check"]: result["status"] for result in results})}
    # Of checks that did not run this time too: one that is back tells how it was.
    since = {result["check"]: {"status": result["status"], "since": result["since"]} for result in results}
    recent = {check for earlier in before["runs"] for check in earlier["statuses"]}
    kept = {check: item for check, item in before["since"].items() if check in recent and check not in since}
    return {"format": FORMAT, "runs": [*before["runs"], run][-MOST_RUNS:], "since": first({**since, **kept})}
