# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hand on what became of an environment's stacks."""

from __future__ import annotations

import typing as t

HANDED_ON = (
    "name",
    "status",
    "outputs",
    "parameters",
    "changes",
    "source",
    "template_key",
    "template_sha256",
    "inputs_sha256",
    "stack_id",
    "updated_at",
)


def with_stacks(deployment: dict[str, t.Any], results: list[dict[str, t.Any]], state: str) -> dict[str, t.Any]:
    """Return the deployment with the results of the module stack put in.

    :param results: results of a loop over layers
    :param state: ``planned`` or ``present``; only the latter changes anything
    """
    stacks = dict(deployment["stacks"])
    for result in results:
        before = stacks[result["layer"]]
        applied = state == "present"
        stack = {"before": before["status"], **before, **{key: result[key] for key in HANDED_ON if key in result}}
        # Not "changed": a plan is never counted as a change, so changed_when has cleared it.
        stack["planned"] = before.get("planned", False) if applied else bool(result["changes"])
        stack["changed"] = before.get("changed", False) or (applied and result["changed"])
        stacks[result["layer"]] = stack
    return {**deployment, "stacks": stacks}


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Return them by name."""
        return {"with_stacks": with_stacks}
