# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a local environment's records and runtime say: releases, the one to go back to, what becomes of its services."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import releases
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.local_environment import port_of, taken_message

KEPT = 10
LIST_THEM = "List them: ansible-playbook playbooks/releases.yml -i <inventory>"
# How `pratiko_mcp.reference.schema` ends what an upgrade would mend.
BEHIND = re.compile(r"the schema is (.+?)(?:; it fits)?\. Type: \S.* upgrade$")
SIGNS = {"none": " ", "create": "+", "remove": "-"}

Row = dict[str, t.Any]


def good(records: list[releases.Record]) -> list[releases.Record]:
    """Return the releases that have served, newest first: a folder keeps what the runtime does not know."""
    return [record for record in releases.history(records) if record["body"].get("outcome") in releases.GOOD]


def live_release(records: list[releases.Record]) -> releases.Record | None:
    """Return the release that serves."""
    return next(iter(good(records)), None)


def rows(records: list[releases.Record]) -> list[Row]:
    """Return what a person wants to know of each release, newest first."""
    live = live_release(records)
    return [
        {
            "id": record["id"],
            "time": record["time"],
            "who": record["who"],
            "outcome": "live" if record is live else record["body"].get("outcome"),
            "reason": record["body"].get("reason"),
            "release": releases.release_id(record),
            "versions": {},
            "rolled_back_from": record["body"].get("rolled_back_from"),
            "live": record is live,
            "in_stack": record is live,
        }
        for record in releases.history(records)
    ]


def describe(records: list[releases.Record]) -> dict[str, t.Any]:
    """Return the release that serves (empty where none does) and a row for each."""
    return {"present": live_release(records) or {}, "rows": rows(records)}


def known(records: list[releases.Record]) -> str:
    """Name the releases that one can go back to."""
    named = [f"{record['id']} (release {releases.release_id(record)}, {record['time']})" for record in good(records)]
    return ", ".join(named[:KEPT]) or "none"


def target(records: list[releases.Record], wanted: str | None, runtime: str) -> dict[str, t.Any]:
    """Return the release to go back to, or what is wrong.

    :param wanted: id of a record or of a release; None: the one before the one that serves
    :param runtime: the runtime of today, for which a release has to have been packaged
    :return: ``record`` (None with a problem) and ``problem`` (empty without one)
    """
    now = live_release(records)
    if wanted:
        record = releases.find_by_id(records, wanted)
        problem = f"mcp_release is '{wanted}': no such release is recorded"
    elif now is None:
        record, problem = None, "No release is recorded, so there is none to go back to"
    else:
        before = now["body"].get("previous")
        record = releases.find_by_id(records, before) if before else None
        problem = f"There is no release before {releases.release_id(now)}, which serves: it is the first one recorded"
    if record is None:
        return {"record": None, "problem": f"{problem}. Allowed: {known(records)}. Nothing was changed. {LIST_THEM}"}
    return {"record": record, "problem": refusal(record, now, runtime)}


def refusal(record: releases.Record, now: releases.Record | None, runtime: str) -> str:
    """Say why a release cannot be gone back to; empty when it can."""
    body, name = record["body"], f"Release {releases.release_id(record)} ({record['id']})"
    if body.get("format") != releases.FORMAT:
        why = f"was recorded in format {body.get('format')!r}, and this collection reads {releases.FORMAT}"
    elif body.get("outcome") not in releases.GOOD:
        why = f"was refused and never served: {body.get('reason')}"
    elif now and record["id"] == now["id"]:
        why = "is the one that serves"
    elif body.get("runtime") != runtime:
        why = f"was packaged for the runtime {body.get('runtime')}, and this environment runs by {runtime}"
    else:
        return ""
    return f"{name} {why}. Nothing was changed. {LIST_THEM}"


def port_problem(taken: list[str], ports: dict[str, int], status: dict[str, t.Any]) -> str:
    """Say whose ports somebody else holds: those of services that do not run; empty when there are none.

    :param taken: services on whose ports something listens
    :param status: state of each service
    """
    foreign = [name for name in taken if (status.get(name) or {}).get("state") != "running"]
    return taken_message({name: ports[port_of(name)] for name in foreign}) if foreign else ""


def changes(planned: list[Row], applied: list[Row] | None = None, released: t.Collection[str] = ()) -> list[Row]:
    """Return what was planned for each service and whether it was done.

    :param planned: ``service``, ``action``, ``why``
    :param applied: the same with ``changed``; None where nothing was done yet
    :param released: services of the release, for which all was done that was planned
    """
    done = {row["service"]: row for row in applied or []}
    done |= {row["service"]: {"changed": row["action"] != "none"} for row in planned if row["service"] in released}
    found = []
    for row in planned:
        own = done.pop(row["service"], {})
        found.append({**row, **own, "planned": row["action"] != "none", "changed": bool(own.get("changed"))})
    found += [{**row, "planned": False, "changed": bool(row.get("changed"))} for row in done.values()]
    return found


def with_schema(planned: list[Row], ready: t.Any) -> list[Row]:
    """Return a plan with the migration of a database whose schema is behind what the server that runs expects.

    :param ready: what its /ready says; anything where nobody asked, or nobody answered
    """
    checks = ready.get("checks") or [] if isinstance(ready, dict) else []
    said = [check.get("reason") or "" for check in checks if check.get("name") == "schema"]
    behind = [BEHIND.search(reason) for reason in said]
    due = [row["service"] for row in planned if row["service"] == "migrate" and row["action"] != "none"]
    if due or not any(behind):
        return planned
    why = f"the schema is behind: {next(filter(None, behind))[1]}"
    return [
        *(row for row in planned if row["service"] != "migrate"),
        {"service": "migrate", "action": "update", "why": why},
    ]


def is_planned(planned: list[Row]) -> bool:
    """Tell whether something would change."""
    return any(row["action"] != "none" for row in planned)


def lines(services: list[Row]) -> list[str]:
    """Return a line for each service of which something changes."""
    changing = [row for row in services if row["action"] != "none"]
    texts = [f"{row['service']}: {row['action']}" + (f" ({row['why']})" if row["why"] else "") for row in changing]
    return [f"  {SIGNS.get(row['action'], '~')} {text}" for row, text in zip(changing, texts, strict=True)]
