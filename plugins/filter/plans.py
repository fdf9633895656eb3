# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Save a plan, check a saved one, tell drift."""

from __future__ import annotations

import typing as t

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import drift_table, saved_plan


def plan_body(deployment: dict[str, t.Any]) -> dict[str, t.Any]:
    """Return what a saved plan holds."""
    return saved_plan.plan_body(deployment)


def plan_refusal(
    deployment: dict[str, t.Any], plan_id: str, records: dict[str, list[dict[str, t.Any]]], again: str
) -> str:
    """Say why a saved plan must not be executed, an empty text when it may."""
    return saved_plan.refusal(plan_id, plan_body(deployment), records, deployment["environment"], again)


def drift_report(
    results: list[dict[str, t.Any]], overrides: list[dict[str, t.Any]], left: dict[str, str] | None = None
) -> dict[str, t.Any]:
    """Return the drift of all stacks, with what was set on purpose marked, and why a layer was left as it is."""
    return drift_table.drift_report(results, overrides, left)


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Return them by name."""
        return {"plan_body": plan_body, "plan_refusal": plan_refusal, "drift_report": drift_report}
