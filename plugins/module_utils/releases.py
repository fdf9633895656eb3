# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the records say about releases: which one is live, which one was before it, and what stands beside the stack.

A release has two records: one before its traffic moves (``approved``), and one after (``live``, or ``refused``), which
names the first. So a run that is killed between the two leaves a release that can still be gone back to.
"""

from __future__ import annotations

import typing as t

# Of the body of a release record, not of the record around it.
FORMAT = 1
# What may take traffic: it has answered a real round trip by its version.
GOOD = ("live", "approved")
VERSIONS = {"server_version": "LiveVersion", "authorizer_version": "LiveAuthorizerVersion"}

Record = dict[str, t.Any]
Stack = dict[str, t.Any]


def history(records: list[Record]) -> list[Record]:
    """Return each release once, newest first: the record after its move instead of the one before."""
    ended = {record["body"].get("approved") for record in records}
    return [record for record in records if record["id"] not in ended]


def own_versions(app: Stack) -> dict[str, str]:
    """Return the versions that the stack gives to the aliases."""
    parameters, outputs = app.get("parameters", {}), app.get("outputs", {})
    return {field: parameters.get(name) or outputs.get(name) or "" for field, name in VERSIONS.items()}


def has_versions(record: Record, versions: dict[str, t.Any]) -> bool:
    """Say whether these versions are those of a release."""
    recorded = record["body"].get("versions", {})
    # A phase without an authorizer has no version of one.
    wanted = {"server": versions.get("server_version"), "authorizer": versions.get("authorizer_version") or None}
    return bool(wanted["server"]) and {name: recorded.get(name) for name in wanted} == wanted


def find_live(records: list[Record], versions: dict[str, t.Any]) -> Record | None:
    """Return the release whose versions these are; of several the newest, None where it has no record.

    :param versions: ``server_version`` and ``authorizer_version``
    """
    good = (record for record in history(records) if record["body"].get("outcome") in GOOD)
    return next((record for record in good if has_versions(record, versions)), None)


def present(records: list[Record], app: Stack) -> Record | None:
    """Return the release that the stack holds, whatever an override does beside it."""
    return find_live(records, own_versions(app))


def find_by_id(records: list[Record], wanted: str) -> Record | None:
    """Return a release by the id of one of its records, else by the newest good one of its release id."""
    for record in history(records):
        if wanted in (record["id"], record["body"].get("approved")):
            return record
    good = [record for record in history(records) if record["body"].get("outcome") in GOOD]
    return next((record for record in good if release_id(record) == wanted), None)


def release_id(record: Record) -> str:
    """Return the id of the packages of a release."""
    return str((record["body"].get("release") or {}).get("id") or "")


def rows(records: list[Record], app: Stack, actual: dict[str, t.Any]) -> list[dict[str, t.Any]]:
    """Return what a person wants to know of each release, newest first.

    :param actual: where traffic goes, of the module traffic
    """
    live, own = find_live(records, actual), present(records, app)
    return [
        {
            "id": record["id"],
            "time": record["time"],
            "who": record["who"],
            # The stack holds it: a run that did not see the end of its move could not say so.
            "outcome": "live" if record is own else record["body"].get("outcome"),
            "reason": record["body"].get("reason"),
            "release": release_id(record),
            "versions": record["body"].get("versions", {}),
            "rolled_back_from": record["body"].get("rolled_back_from"),
            "live": record is live,
            # Differs from the live one while an alias is overridden.
            "in_stack": record is own,
        }
        for record in history(records)
    ]


def failure(result: dict[str, t.Any], approved: str | None) -> dict[str, t.Any]:
    """Return why a release failed (of a loop the item's reason), and whether its traffic surely stays where it was.

    It does before the move, and where CloudFormation has taken the move back; else that may go on without this run.

    :param result: of the task that failed
    :param approved: id of the record that it may take traffic, None where it did not get that far
    """
    failed = next((item for item in result.get("results") or [] if item.get("failed")), result)
    taken_back = str(failed.get("status", "")).endswith(("ROLLBACK_COMPLETE", "ROLLBACK_FAILED"))
    return {"refused": not approved or taken_back, "reason": failed.get("msg") or result.get("msg") or ""}


# Beside the stacks


def latest_events(records: list[Record]) -> dict[str, Record]:
    """Return the newest override event of each field, where it is one that sets."""
    newest: dict[str, Record] = {}
    for record in records:
        newest.setdefault(str(record["body"].get("field")), record)
    return {field: record for field, record in newest.items() if record["body"].get("action") == "set"}


def own_traffic(app: Stack, throttle: dict[str, t.Any]) -> dict[str, t.Any]:
    """Return where the stack sends traffic.

    :param throttle: ``throttle_rate`` and ``throttle_burst`` as they are wanted
    """
    parameters, outputs = app.get("parameters", {}), app.get("outputs", {})
    rendered = outputs.get("ApiDeploymentId") or outputs.get("MaintenanceDeploymentId") or ""
    return {
        "stage_deployment": parameters.get("StageDeploymentId") or rendered,
        **own_versions(app),
        **{field: float(value) for field, value in throttle.items()},
    }


def is_overridden(field: str, app: Stack, own: t.Any, actual: t.Any, is_set: bool) -> bool:
    """Say whether a field is held beside the stack.

    :param is_set: whether the newest record of this field says so
    """
    if field == "stage_deployment":
        # The real methods are none, whatever the stack was told while it was diverted. A deploy while diverted gives
        # the stage to the stack as it is, so the two may agree.
        return bool(actual != app["outputs"].get("ApiDeploymentId") and (actual != own or is_set))
    if field in VERSIONS:
        return bool(actual != own)
    # A new size is wanted, or somebody has set another one by hand: without a record only an unchanged app tells.
    return bool(actual != own and (is_set or not app.get("planned")))


def overrides(
    app: Stack, actual: dict[str, t.Any], throttle: dict[str, t.Any], events: list[Record]
) -> list[dict[str, t.Any]]:
    """Return what is set beside the stack: field, value of the stack, actual value, and who did it when.

    :param actual: where traffic goes, of the module traffic; fields without a value are left out
    :param events: records of kind override, newest first
    """
    latest, found = latest_events(events), []
    for field, own in own_traffic(app, throttle).items():
        value, event = actual.get(field), latest.get(field)
        if value is None or not is_overridden(field, app, own, value, event is not None):
            continue
        known = event or {"time": None, "who": None, "run_id": None}
        own = app["outputs"].get("ApiDeploymentId") if own == value else own
        found.append(
            {"field": field, "stack": own, "actual": value, **{key: known[key] for key in ("who", "run_id")}}
            | {"since": known["time"]}
        )
    return found


def is_diverted(app: Stack, found: list[dict[str, t.Any]], events: list[Record]) -> bool:
    """Say whether an override makes the stage serve a maintenance answer.

    :param found: the overrides
    :param events: records of kind override, newest first
    """
    held = {item["field"]: item["actual"] for item in found}
    if "stage_deployment" not in held:
        return False
    event = latest_events(events).get("stage_deployment")
    known = {app["outputs"].get("MaintenanceDeploymentId"), event["body"].get("after") if event else None} - {None}
    return held["stage_deployment"] in known


def ended(found: list[dict[str, t.Any]], app: Stack) -> list[dict[str, t.Any]]:
    """Return the records of the alias overrides that a release has ended.

    :param found: the overrides before the release
    :param app: the stack after it
    """
    own, reason = own_versions(app), "a new release passed its round trip"
    return [
        {
            "kind": "override",
            "body": {
                "field": item["field"],
                "action": "clear",
                "before": item["actual"],
                "after": own[item["field"]],
                "reason": reason,
            },
        }
        for item in found
        if item["field"] in own
    ]


def shifts_gradually(
    app: Stack,
    strategy: str,
    sandbox: bool,
    closed: bool,
    held: list[str],
    rollback: bool,
    ringing: list[str],
) -> bool:
    """Say whether a release gives the new versions a part of the traffic first, watched by alarms.

    Not where the alarms would tell of something else (a maintenance answer, the release that is left), nor where an
    alias is not where CodeDeploy expects it, nor before anything has taken traffic. An alarm that rings already would
    refuse the repair of what it rings for.

    :param closed: whether every call gets the maintenance answer
    :param held: fields of the aliases that are overridden
    :param ringing: names of the alarms that ring already
    """
    taken = bool(app.get("parameters", {}).get("LiveVersion"))
    return strategy != "AllAtOnce" and taken and not (sandbox or closed or held or rollback or ringing)
