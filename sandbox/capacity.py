# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How many instances a group has to have while it replaces some: the documented percentages as numbers. Simulated."""

from __future__ import annotations

import dataclasses
import typing as t

Instance = dict[str, t.Any]


@dataclasses.dataclass(frozen=True)
class Bounds:
    """How far a group may shrink and grow while it replaces instances.

    :param launch_first: a new instance is in service before an old one goes
    """

    desired: int
    minimum: int
    maximum: int
    launch_first: bool


def bounds_of(desired: int, preferences: dict[str, t.Any]) -> Bounds:
    """Return the bounds that a minimum and a maximum healthy percentage give.

    MinHealthyPercentage is "rounded up to the nearest integer". A maximum that is given and would leave no room means
    that one is launched before one goes; one that is not given, that both happen at once (RefreshPreferences).
    """
    least = int(preferences.get("MinHealthyPercentage", 90))
    most = preferences.get("MaxHealthyPercentage")
    minimum, maximum = -(-desired * least // 100), desired * int(most or 100) // 100
    launch_first = most is not None and (int(most) > 100 or minimum >= desired)
    if launch_first:
        return Bounds(desired, minimum, max(maximum, desired + 1), True)
    return Bounds(desired, min(minimum, max(desired - 1, 0)), desired, False)


def size(
    staying: list[Instance], bounds: Bounds, outdated: set[str], ready: set[str], version: str
) -> tuple[list[Instance], int]:
    """Return which instances have to go now, and how many have to be launched.

    :param staying: the instances that are not being terminated, oldest first
    :param outdated: ids of those that an instance refresh replaces
    :param ready: ids of those that are in service, healthy and warmed up
    :param version: of the launch template that the group has
    """
    sick = [item for item in staying if item["HealthStatus"] != "Healthy"]
    old = [item for item in staying if item["InstanceId"] in outdated and item not in sick]
    going = [item for item in sick if not bounds.launch_first or len(ready) >= bounds.desired]
    going += [item for item in old if item["InstanceId"] not in ready]
    spare = len(ready) - bounds.minimum
    for item in old:
        enough = not bounds.launch_first or len(staying) - len(going) > bounds.desired
        if item["InstanceId"] in ready and spare > 0 and enough:
            going.append(item)
            spare -= 1
    if not sick and not old and len(staying) > bounds.desired:
        # Default termination policy: the oldest launch template first, then the oldest instance.
        order = sorted(staying, key=lambda item: (item["LaunchTemplate"].get("Version") == version, item["_since"]))
        going = order[: len(staying) - bounds.desired]
    left = [item for item in (*sick, *old) if item not in going]
    wanted = min(bounds.desired + len(left), bounds.maximum) if bounds.launch_first else bounds.desired
    return going, max(0, wanted - (len(staying) - len(going)))
