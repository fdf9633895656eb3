# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Drift of an environment's stacks as a person reads it; what was set on purpose is told apart."""

from __future__ import annotations

import typing as t

# Where an override shows in CloudFormation's terms: type, start of the property's path, end of the function's name.
OVERRIDES = {
    "stage_deployment": ("AWS::ApiGateway::Stage", "/DeploymentId", ""),
    "throttle_rate": ("AWS::ApiGateway::Stage", "/MethodSettings", ""),
    "throttle_burst": ("AWS::ApiGateway::Stage", "/MethodSettings", ""),
    "server_version": ("AWS::Lambda::Alias", "/FunctionVersion", "-server"),
    "authorizer_version": ("AWS::Lambda::Alias", "/FunctionVersion", "-authorizer"),
}
LONGEST_VALUE = 60

Drift = dict[str, t.Any]


def of_override(row: Drift, path: str, overrides: list[Drift]) -> str:
    """Return the override that a differing property comes from, empty where nobody recorded it."""
    for item in overrides:
        kind, prefix, function = OVERRIDES.get(item["field"], ("", "", ""))
        if row["type"] == kind and path.startswith(prefix) and f"{function}:" in f"{row['physical_id']}:":
            return str(item["field"])
    return ""


def drift_report(results: list[Drift], overrides: list[Drift], left: t.Mapping[str, str] | None = None) -> Drift:
    """Return the drift of all stacks.

    :param results: of the module stack with state drift, one for each stack
    :param overrides: what is set beside the stacks on purpose
    :param left: why a layer was not asked to revert its drift, by layer
    """
    stacks: list[Drift] = []
    for result in results:
        rows = [mark(row, overrides) for row in result["drift"]]
        kept = {
            key: result.get(key) for key in ("name", "status", "not_checked", "reason", "reverted", "not_available")
        }
        if rows and left and result.get("layer") in left:
            kept["not_available"] = left[result["layer"]]
        stacks.append({**kept, "drift": rows, "in_sync": len(result["in_sync"])})
    rows = [row for stack in stacks for row in stack["drift"]]
    unknown = sum(1 for row in rows if not row["on_purpose"])
    return {"unknown": unknown, "on_purpose": len(rows) - unknown, "stacks": stacks}


def mark(row: Drift, overrides: list[Drift]) -> Drift:
    """Say of a resource and each of its properties whether an override explains it."""
    told = [{**item, "override": of_override(row, item["path"], overrides)} for item in row["differences"]]
    return {**row, "differences": told, "on_purpose": bool(told) and all(item["override"] for item in told)}


def drift_lines(report: Drift) -> list[str]:
    """Return the table."""
    lines = [f"drift:     {report['unknown']} unknown, {report['on_purpose']} set on purpose"]
    for stack in report["stacks"]:
        lines += stack_lines(stack)
    return lines


def stack_lines(stack: Drift) -> list[str]:
    """Return the lines of one stack."""
    drifted, blind = len(stack["drift"]), len(stack["not_checked"])
    lines = [f"  {stack['name']}: {drifted} drifted, {stack['in_sync']} as in the template, {blind} not checked"]
    for row in stack["drift"]:
        lines.append(f"    {row['status']:<8} {row['type']:<28} {row['logical_id']} ({row['physical_id']})")
        for item in row["differences"]:
            note = f" (override {item['override']})" if item["override"] else ""
            lines.append(f"             {item['path']}: {short(item['expected'])} -> {short(item['actual'])}{note}")
    kinds = sorted({item["type"] for item in stack["not_checked"]})
    lines += [f"    not checked: {', '.join(kinds)}"] if kinds else []
    lines += [f"    reverted: {', '.join(row['logical_id'] for row in stack['drift'])}"] if stack["reverted"] else []
    return lines + [f"    {stack[key]}" for key in ("reason", "not_available") if stack.get(key)]


def short(value: str) -> str:
    """Return a value that fits into a line."""
    return value if len(value) <= LONGEST_VALUE else value[: LONGEST_VALUE - 3] + "..."
