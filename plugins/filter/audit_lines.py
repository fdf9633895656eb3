# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Turn what a run did into lines of the audit trail."""

from __future__ import annotations

import typing as t


def audit_lines(deployment: dict[str, t.Any], failure: dict[str, t.Any] | None = None) -> list[dict[str, t.Any]]:
    """Return one line for each thing that was changed, and one for how the run ended."""
    lines = [
        {"what": "stack applied", "target": stack["name"], "before": stack.get("before"), "after": stack["status"]}
        for stack in deployment.get("stacks", {}).values()
        if stack.get("changed")
    ]
    lines += [
        {"what": f"service {row['action']}", "target": row["service"], "before": None, "after": row.get("why")}
        for row in deployment.get("services", [])
        if row.get("changed")
    ]
    gate = deployment.get("gate") or {}
    if gate.get("by") == "reason":
        lines.append(
            {"what": "staging skipped", "target": gate["release"], "before": None, "after": gate["reason"]},
        )
    guard = deployment.get("budget_guard") or {}
    if guard.get("decision") == "overridden":
        lines.append(
            {
                "what": "budget overridden",
                "target": guard["environment"],
                "before": guard["text"],
                "after": guard["reason"],
            }
        )
    lines += [
        {key: flip.get(key) for key in ("what", "target", "before", "after")} for flip in deployment.get("flips", [])
    ]
    lines += [
        {
            "what": "drift reverted",
            "target": stack["name"],
            "before": [row["logical_id"] for row in stack["drift"]],
            "after": None,
        }
        for stack in (deployment.get("drift") or {}).get("stacks", [])
        if stack.get("reverted")
    ]
    lines += [
        {"what": "removed", "target": item, "before": "present", "after": None}
        for item in deployment.get("removed", [])
    ]
    lines += [
        {"what": "backed up", "target": item["resource"], "before": None, "after": item["target"]}
        for item in deployment.get("backups", [])
    ]
    end = {
        "what": "failed" if failure else "finished",
        "target": deployment.get("environment"),
        "before": None,
        "after": failure["msg"] if failure else (deployment.get("release") or {}).get("id"),
    }
    return [*lines, end]


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Return them by name."""
        return {"audit_lines": audit_lines}
