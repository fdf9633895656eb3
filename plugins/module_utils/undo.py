# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Records of what was flipped beside the stacks: what to write before a flip, and which one an undo goes back to."""

from __future__ import annotations

import typing as t

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.releases import (
    GOOD,
    latest_events,
    own_traffic,
    present,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.traffic import FIELDS

# Of the app's outputs: another release changes at least one of them.
MARKS = ("McpTemplateSha256", "ServerVersion", "AuthorizerVersion")
LIVE_MARKS = ("LiveVersion", "LiveAuthorizerVersion")
CDN_FIELD = "cdn_maintenance"
# The rule of a load balancer (phase staging).
RULE_FIELD = "maintenance"

Record = dict[str, t.Any]
Stack = dict[str, t.Any]


def release_mark(app: Stack) -> dict[str, t.Any]:
    """Return what tells one applied release from another, known from the stack alone."""
    outputs, parameters = app.get("outputs", {}), app.get("parameters", {})
    return {name: outputs.get(name) for name in MARKS} | {name: parameters.get(name) for name in LIVE_MARKS}


def maintenance_deployments(app: Stack, records: dict[str, list[Record]]) -> list[str]:
    """Return the ids of deployments that are known to be maintenance answers.

    :param records: those of kind ``release`` and ``override``; an answer that a killed run made is in the latter alone
    """
    known = [app.get("outputs", {}).get("MaintenanceDeploymentId")]
    known += [item["body"].get("deployments", {}).get("maintenance") for item in records.get("release", [])]
    events = (item["body"] for item in records.get("override", []))
    known += [
        event.get("after")
        for event in events
        if event.get("field") == "stage_deployment" and event.get("reason") == "divert"
    ]
    return sorted({str(deployment) for deployment in known if deployment})


def live_deployment(app: Stack, records: dict[str, list[Record]]) -> str:
    """Return the deployment of the real methods that traffic was released to; empty where there is none.

    What the stack rendered last may have been refused: then the stack holds the stage where it was.

    :param records: those of kind ``release`` and ``override``, newest first; fewer where they cannot be read
    """
    rendered = app.get("outputs", {}).get("ApiDeploymentId")
    own = app.get("parameters", {}).get("StageDeploymentId") or rendered
    if own and own not in maintenance_deployments(app, records):
        return str(own)
    released = present(records.get("release", []), app)
    recorded = released["body"].get("deployments", {}).get("live") if released else None
    return str(recorded or rendered or "")


def diverted_since(app: Stack, records: dict[str, list[Record]], since: str) -> bool:
    """Say whether traffic was diverted after a moment, and that was not ended.

    :param records: those of kind ``release`` and ``override``, newest first
    :param since: ISO 8601 in UTC, with milliseconds
    """
    event = latest_events(records["override"]).get("stage_deployment")
    # The last letters differ: one writes Z, the other +00:00.
    return bool(
        event
        and event["time"][:23] >= since[:23]
        and event["body"].get("after") in maintenance_deployments(app, records)
    )


def with_undo(body: dict[str, t.Any], undoes: str | None, events: list[dict[str, t.Any]]) -> list[dict[str, t.Any]]:
    """Return the records of a flip: how to undo it, then what is set or no longer set."""
    undo = {"kind": "undo", "body": {**body, "undoes": undoes} if undoes else body}
    return [undo, *({"kind": "override", "body": event} for event in events)]


def cdn_records(flip: dict[str, str], undoes: str | None) -> list[dict[str, t.Any]]:
    """Return the records to add before the CDN, or the rule of a load balancer, is switched.

    :param flip: ``what``, ``target``, ``before`` and ``after``, the latter two ``true`` or ``false``
    :param undoes: id of the undo record that this goes back to
    """
    field = flip.get("target", CDN_FIELD)
    event = {
        "field": field,
        "action": "set" if flip["after"] == "true" else "clear",
        "before": flip["before"],
        "after": flip["after"],
        "reason": flip["what"],
    }
    return with_undo({"command": flip["what"], "fields": {field: flip["before"]}}, undoes, [event])


def rule_overrides(state: str | None, events: list[Record]) -> list[dict[str, t.Any]]:
    """Return what is set beside the stacks where the maintenance rule is not off, and who did it when.

    :param state: of the module listener_rule; None where there is no rule
    :param events: records of kind ``override``, newest first
    """
    if state in (None, "false"):
        return []
    event = latest_events(events).get(RULE_FIELD) or {"time": None, "who": None, "run_id": None}
    by = {"who": event["who"], "run_id": event["run_id"], "since": event["time"]}
    return [{"field": RULE_FIELD, "stack": "false", "actual": state, **by}]


def flip_records(
    look: dict[str, t.Any], app: Stack, throttle: dict[str, t.Any], command: str, undoes: str | None, live: str
) -> list[dict[str, t.Any]]:
    """Return the records to add before a flip: how to undo it, and for each field that it is set or no longer set.

    :param look: result of the module traffic in check mode
    :param throttle: the wanted ``throttle_rate`` and ``throttle_burst``
    :param undoes: id of the undo record that this goes back to
    :param live: the deployment that the stage serves when nothing holds it elsewhere
    """
    fields = {field: look["before"].get(field) for field in FIELDS}
    own = {**own_traffic(app, throttle), "stage_deployment": live}
    body = {"command": command, "fields": fields, "release": release_mark(app)}
    events = [
        {
            "field": item["field"],
            "action": "clear" if item["after"] == own.get(item["field"]) else "set",
            "before": item["before"],
            "after": item["after"],
            "reason": command,
        }
        for item in look["differences"]
        if item["field"] in FIELDS
    ]
    return with_undo(body, undoes, events)


def undone(records: list[Record]) -> dict[str, str]:
    """Return the ids of records that were undone, each with the record of the undo."""
    return {record["body"]["undoes"]: record["id"] for record in reversed(records) if record["body"].get("undoes")}


def choose(records: list[Record], wanted: str | None) -> Record | None:
    """Return the record to go back to: the one that is named, else of the last thing that was flipped.

    An undo is gone back from only when it is named: typing the same command twice must not flip twice.

    :param records: undo records, newest first
    """
    if wanted:
        return next((record for record in records if record["id"] == wanted), None)
    return next((record for record in records if not record["body"].get("undoes")), None)


def same_release(record: Record, app: Stack, releases: list[Record]) -> bool:
    """Say whether no other release was applied since the record was written.

    The stack itself tells where the record has a mark, also when records of releases cannot be read. What the CDN
    or a load balancer answers fits every release.
    """
    if {CDN_FIELD, RULE_FIELD} & record["body"].get("fields", {}).keys():
        return True
    mark = record["body"].get("release")
    if isinstance(mark, dict) and any(mark.get(name) != value for name, value in release_mark(app).items()):
        return False
    return not any(item["body"].get("outcome") in GOOD and item["time"] > record["time"] for item in releases)


def describe(record: Record) -> str:
    """Name a record for a person."""
    return f"{record['id']} (before {record['body'].get('command', '?')} at {record['time']} by {record['who']})"


def listed(records: list[Record]) -> str:
    """Name the records that can be gone back to."""
    return ", ".join(describe(record) for record in records[:5]) or "none"


def undo_target(records: list[Record], wanted: str | None, app: Stack, releases: list[Record]) -> dict[str, t.Any]:
    """Return what an undo goes back to.

    :param records: undo records, newest first
    :param releases: the newest records of releases
    :returns: ``record``, None where there is nothing to undo; ``problem``, a sentence where it must not be undone
    """
    record = choose(records, wanted)
    done = undone(records)
    if record is None:
        problem = f"mcp_undo is '{wanted}': no such undo record is known. Allowed: {listed(records)}." if wanted else ""
        return {"record": None, "problem": problem}
    if not wanted and record["id"] in done:
        return {"record": None, "problem": ""}
    if not same_release(record, app, releases):
        return {
            "record": None,
            "problem": f"Undo record {describe(record)} belongs to another release than the one that was applied since,"
            " so its versions and deployments no longer fit together. To go back to a release:"
            " ansible-playbook playbooks/rollback.yml -i <inventory>; to end a diversion:"
            " ansible-playbook playbooks/undivert.yml -i <inventory>",
        }
    return {"record": record, "problem": ""}


def flip_result(look: dict[str, t.Any], command: str) -> dict[str, t.Any]:
    """Return what a flip hands on.

    :param look: result of the module traffic
    :returns: ``fields``, every field with its value before and after; ``flips``, what the audit trail says
    """
    before, after = look["before"], look["after"]
    flips = [
        {"what": command, "target": item["field"], "before": item["before"], "after": item["after"]}
        for item in look["differences"]
    ]
    return {
        "fields": [{"field": field, "before": before.get(field), "after": after.get(field)} for field in FIELDS],
        "flips": flips,
    }
