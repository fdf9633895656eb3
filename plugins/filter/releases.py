# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the records of releases and overrides."""

from __future__ import annotations

import typing as t

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import releases as logic


def throttle_before(events: list[dict[str, t.Any]]) -> dict[str, t.Any]:
    """Return what the throttle was before it was set beside the stack: a wanted one may not be deployed yet."""
    latest = {field: record["body"].get("before") for field, record in logic.latest_events(events).items()}
    return {field: value for field, value in latest.items() if field.startswith("throttle_") and value is not None}


def traffic_state(
    app: dict[str, t.Any],
    actual: dict[str, t.Any],
    throttle: dict[str, t.Any],
    events: list[dict[str, t.Any]],
) -> dict[str, t.Any]:
    """Return what is set beside the stack, and whether that diverts all traffic."""
    if "planned" not in app:
        throttle = throttle_before(events)
    found = logic.overrides(app, actual, throttle, events)
    return {"overrides": found, "diverted": logic.is_diverted(app, found, events)}


def releases(records: list[dict[str, t.Any]], app: dict[str, t.Any], actual: dict[str, t.Any]) -> dict[str, t.Any]:
    """Return the release that the stack holds, the one that takes traffic, and a row for each."""
    return {
        "present": logic.present(records, app) or {},
        "live": logic.find_live(records, actual) or {},
        "rows": logic.rows(records, app, actual),
    }


def ended_overrides(overrides: list[dict[str, t.Any]], app: dict[str, t.Any]) -> list[dict[str, t.Any]]:
    """Return a record for each override that a release has ended."""
    return logic.ended(overrides, app)


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Return them by name."""
        return {
            "traffic_state": traffic_state,
            "releases": releases,
            "ended_overrides": ended_overrides,
            "release_failure": logic.failure,
            "shifts_gradually": logic.shifts_gradually,
        }
