# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A plan that somebody looked at: what identifies it, and whether what would be done now is still the same."""

from __future__ import annotations

import datetime
import typing as t

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.template import (
    sha256_of,
)

PLACE = ("account", "region", "sandbox")
LISTED = 5

Record = dict[str, t.Any]


def plan_body(deployment: dict[str, t.Any]) -> dict[str, t.Any]:
    """Return what a saved plan holds: hashes of all that decides what an apply does, and the rows for the reader."""
    return {
        **{name: deployment[name] for name in PLACE},
        "release": (deployment.get("release") or {}).get("id"),
        "layers": {layer: layer_body(stack) for layer, stack in deployment["stacks"].items() if "changes" in stack},
        **({"monthly_usd": monthly(deployment["estimate"])} if "estimate" in deployment else {}),
    }


def monthly(estimate: dict[str, t.Any]) -> dict[str, t.Any]:
    """Return what a plan's result costs, for the reader: prices may be others when it is executed."""
    difference = estimate.get("difference") or {}
    return {"estimate": estimate["totals"]["always_free"], "difference": difference.get("monthly")}


def layer_body(stack: dict[str, t.Any]) -> dict[str, t.Any]:
    """Return what a saved plan holds of one stack."""
    return {
        "name": stack["name"],
        "stack_id": stack.get("stack_id", ""),
        "updated_at": stack.get("updated_at", ""),
        "template_sha256": stack.get("template_sha256", ""),
        "inputs_sha256": stack.get("inputs_sha256", ""),
        "rows_sha256": sha256_of(stack["changes"]),
        "rows": [f"{row['action']} {row['type']} {row['logical_id']}" for row in stack["changes"]],
    }


def refusal(
    plan_id: str, fresh: dict[str, t.Any], records: dict[str, list[Record]], environment: str, again: str
) -> str:
    """Say why a saved plan must not be executed, an empty text when it may.

    :param fresh: body of the plan as it is now
    :param records: of kind plan and release, newest first
    :param again: command that makes a new plan
    """
    plans = [record for record in records["plan"] if "layers" in record["body"]]
    saved = next((record for record in plans if record["id"] == plan_id), None)
    if saved is None or saved["environment"] != environment:
        known = ", ".join(f"{record['id']} of {record['time']}" for record in plans[:LISTED]) or "none"
        return (
            f"mcp_plan is '{plan_id}': {environment} has no such saved plan. Known are: {known}. Nothing was changed. "
            f"Make one: {again}"
        )
    for record in records["plan"]:
        if record["body"].get("executed") == plan_id:
            return (
                f"Plan {plan_id} was executed already, on {record['time']} by {record['who']} (run "
                f"{record['run_id']}). A plan is executed once. Nothing was changed. Make another: {again}"
            )
    moved = differences(saved, fresh, records.get("release", []))
    if not moved:
        return ""
    return (
        f"Plan {plan_id} of {saved['time']} is not what would be done now: {'; '.join(moved)}. Nothing was changed. "
        f"Look again: {again}"
    )


def differences(saved: Record, fresh: dict[str, t.Any], releases: list[Record]) -> list[str]:
    """Name what moved since a plan was saved."""
    body = saved["body"]
    moved = [f"{name} is {fresh[name]}, planned was {body[name]}" for name in PLACE if fresh[name] != body[name]]
    if fresh["release"] != body["release"]:
        moved.append(f"the release is {fresh['release']}, planned was {body['release']}")
    by = operator_since(saved["time"], releases)
    for layer in sorted({*body["layers"], *fresh["layers"]}):
        moved += moved_layer(body["layers"].get(layer), fresh["layers"].get(layer), by)
    return moved


def operator_since(when: str, releases: list[Record]) -> str:
    """Return who released something since, as far as there is a record of it."""
    then = datetime.datetime.fromisoformat(when)
    for record in releases:
        if datetime.datetime.fromisoformat(record["time"]) > then:
            return f" (since then {record['who']} released {(record['body'].get('release') or {}).get('id')})"
    return ""


def moved_layer(before: dict[str, t.Any] | None, after: dict[str, t.Any] | None, by: str) -> list[str]:
    """Name what moved in one stack."""
    if before is None or after is None:
        present = t.cast("dict[str, t.Any]", before or after)
        return [f"stack {present['name']} is {'new in' if before is None else 'no part of'} the plan"]
    name = after["name"]
    if before["stack_id"] != after["stack_id"] or before["updated_at"] != after["updated_at"]:
        if not after["updated_at"]:
            return [f"stack {name} is gone{by}"]
        verb = "updated" if before["stack_id"] == after["stack_id"] else "made"
        return [f"stack {name} was {verb} at {after['updated_at']}{by}"]
    parts = (("template_sha256", "template"), ("inputs_sha256", "parameters"), ("rows_sha256", "changes"))
    differing = [word for key, word in parts if before[key] != after[key]]
    return [f"stack {name} differs in its {' and '.join(differing)}"] if differing else []
