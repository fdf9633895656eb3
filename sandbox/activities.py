# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The scaling activities of a group, in AWS's words. Simulated."""

from __future__ import annotations

import datetime
import typing as t
import uuid

KEPT = 100
LAST = ("Successful", "Cancelled", "Failed")

Group = dict[str, t.Any]
Instance = dict[str, t.Any]


def stamp(now: float) -> str:
    """Return a time as the API writes it."""
    return datetime.datetime.fromtimestamp(now, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def begin(group: Group, now: float, description: str, cause: str, status: str) -> str:
    """Note what begins; return the activity's id."""
    found = {
        "ActivityId": str(uuid.uuid4()),
        "AutoScalingGroupName": group["AutoScalingGroupName"],
        "Description": description,
        "Cause": f"At {stamp(now)} {cause}",
        "StartTime": stamp(now),
        "StatusCode": status,
        "Progress": 0,
        "AutoScalingGroupARN": group["AutoScalingGroupARN"],
    }
    group["Activities"] = [found, *group.get("Activities", [])][:KEPT]
    return str(found["ActivityId"])


def note(group: Group, instance: Instance, now: float, status: str, message: str = "") -> None:
    """Note how the activity of an instance goes on; a last status ends it."""
    found = next((item for item in group.get("Activities", []) if item["ActivityId"] == instance["_activity"]), None)
    if found is None or "EndTime" in found:
        return
    found["StatusCode"] = status
    if status in LAST:
        found.update(EndTime=stamp(now), Progress=100)
    if message:
        found["Description"] += f".  Status Reason: {message}"
        found["StatusMessage"] = message[:255]
