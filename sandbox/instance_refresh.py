# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Play the documented rules of an instance refresh and its rollback. Simulated, like auto_scaling.py.

Sources: API reference (StartInstanceRefresh, RollbackInstanceRefresh, CancelInstanceRefresh, InstanceRefresh,
RefreshPreferences) and user guide (instance-refresh-overview, instance-refresh-rollback).
"""

from __future__ import annotations

import typing as t
import uuid

from activities import stamp

Group = dict[str, t.Any]
Instance = dict[str, t.Any]
Refresh = dict[str, t.Any]
RUNNING = ("Pending", "InProgress", "RollbackInProgress", "Cancelling", "Baking")
# Of a refresh that makes no progress: RefreshPreferences "waits one hour", then it fails.
PATIENCE = 3600.0
NUMBERED = "0123456789"


class Refused(Exception):
    """AWS's error: its code and its message."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def active(group: Group) -> Refresh | None:
    """Return the refresh that is under way."""
    return next((item for item in group.get("InstanceRefreshes", []) if item["Status"] in RUNNING), None)


def template_of(group: Group, refresh: Refresh | None) -> dict[str, str]:
    """Return the launch template that new instances are made of: the desired one while a refresh goes forward.

    "Once the instance refresh succeeds, Amazon EC2 Auto Scaling updates the settings of the Auto Scaling group to
    reflect the new desired configuration" (StartInstanceRefresh); a rollback uses the one saved on the group.
    """
    if refresh and refresh["Status"] in ("Pending", "InProgress") and refresh.get("DesiredConfiguration"):
        return dict(refresh["DesiredConfiguration"]["LaunchTemplate"])
    return dict(group["LaunchTemplate"])


def is_numbered(template: dict[str, str]) -> bool:
    """Tell whether a launch template is given with a numbered version, which a rollback needs."""
    version = str(template.get("Version", ""))
    return bool(version) and not version.strip(NUMBERED)


def problem_of_rollback(group: Group, desired: dict[str, t.Any] | None, image: str) -> str:
    """Return why a rollback is not supported: the three reasons of RollbackInstanceRefresh.

    :param image: ImageId of the launch template that the group has now
    """
    if not desired:
        return "there is no desired configuration specified for the instance refresh"
    if not is_numbered(group["LaunchTemplate"]) or not is_numbered(desired["LaunchTemplate"]):
        return "the Auto Scaling group uses the launch template's $Latest or $Default version"
    if image.startswith("resolve:ssm:"):
        return "the launch template uses a Systems Manager parameter instead of an AMI ID"
    return ""


def check(group: Group, preferences: dict[str, t.Any], desired: dict[str, t.Any] | None, image: str) -> None:
    """Refuse what AWS refuses.

    :raises Refused: with AWS's code
    """
    if active(group):
        text = "An Instance Refresh is already in progress and blocks the execution of this Instance Refresh."
        raise Refused("InstanceRefreshInProgress", text)
    least, most = preferences.get("MinHealthyPercentage"), preferences.get("MaxHealthyPercentage")
    if most is not None and least is None:
        raise Refused("ValidationError", "If you specify MaxHealthyPercentage, specify MinHealthyPercentage too.")
    if most is not None and not (100 <= most <= 200 and most - least <= 100):
        raise Refused("ValidationError", "MaxHealthyPercentage is 100 to 200 and at most 100 above the minimum.")
    problem = problem_of_rollback(group, desired, image) if preferences.get("AutoRollback") else ""
    if problem:
        raise Refused("ValidationError", f"AutoRollback is not supported: {problem}.")


def start(
    group: Group, preferences: dict[str, t.Any], desired: dict[str, t.Any] | None, members: list[Instance], now: float
) -> Refresh:
    """Begin a refresh of what is there; newest first, as DescribeInstanceRefreshes lists them.

    SkipMatching "skips replacing instances that match the desired configuration" (RefreshPreferences).
    """
    template = (desired or {}).get("LaunchTemplate") or group["LaunchTemplate"]
    skip = bool(preferences.get("SkipMatching"))
    old = [item["InstanceId"] for item in members if not (skip and same_template(item["LaunchTemplate"], template))]
    refresh: Refresh = {
        "InstanceRefreshId": str(uuid.uuid4()),
        "AutoScalingGroupName": group["AutoScalingGroupName"],
        "Status": "Pending",
        "StatusReason": "",
        "StartTime": stamp(now),
        "PercentageComplete": 0,
        "InstancesToUpdate": len(old),
        "Preferences": preferences,
        "Strategy": "Rolling",
        "_old": old,
        "_total": len(old),
        "_kept": [item["InstanceId"] for item in members],
        "_progress": now,
    }
    if desired:
        refresh["DesiredConfiguration"] = desired
    group["InstanceRefreshes"] = [refresh, *group.get("InstanceRefreshes", [])][:20]
    return refresh


def same_template(one: dict[str, str], other: dict[str, str]) -> bool:
    """Compare id and version of two launch templates."""
    keys = ("LaunchTemplateId", "Version")
    return [str(one.get(key)) for key in keys] == [str(other.get(key)) for key in keys]


def is_ready(group: Group, instance: Instance, world: t.Any) -> bool:
    """Tell whether an instance counts as updated: healthy, a healthy target, and warmed up.

    "When the instance's health status changes to healthy and the specified warm-up time passes, the instance is
    considered updated" (InstanceRefresh, PercentageComplete).
    """
    if instance["LifecycleState"] != "InService" or instance["HealthStatus"] != "Healthy":
        return False
    refresh = active(group)
    if refresh and instance["InstanceId"] in refresh["_old"]:
        return True  # it serves until it is replaced, however short it has been there
    preferences = refresh["Preferences"] if refresh else {}
    given = (preferences.get("InstanceWarmup"), group.get("DefaultInstanceWarmup"), group["HealthCheckGracePeriod"])
    seconds = float(next(value for value in given if value is not None))
    warm = world.now - instance["_since"] >= world.warmup(seconds)
    return warm and world.target_state(group, instance) in ("healthy", "none")


def finish(refresh: Refresh, status: str, reason: str, now: float) -> None:
    """End a refresh."""
    refresh.update(Status=status, StatusReason=reason, EndTime=stamp(now))


def roll_back(group: Group, refresh: Refresh, members: list[Instance], reason: str, now: float) -> None:
    """Begin to replace what the refresh has launched by what the group had before."""
    saved = group["LaunchTemplate"]
    launched = [item for item in members if item["InstanceId"] not in refresh["_kept"]]
    old = [item["InstanceId"] for item in launched if not same_template(item["LaunchTemplate"], saved)]
    refresh["RollbackDetails"] = {
        "RollbackReason": reason,
        "RollbackStartTime": stamp(now),
        "PercentageCompleteOnRollback": refresh["PercentageComplete"],
        "InstancesToUpdateOnRollback": refresh["InstancesToUpdate"],
    }
    refresh.update(Status="RollbackInProgress", StatusReason=reason, _old=old, _total=len(old), _progress=now)


def ask_for_rollback(group: Group, members: list[Instance], image: str, now: float) -> Refresh:
    """RollbackInstanceRefresh.

    :raises Refused: there is none, or it cannot be undone
    """
    refresh = active(group)
    if refresh is None or refresh["Status"] == "Cancelling":
        raise Refused("ActiveInstanceRefreshNotFound", "No in progress or pending Instance Refresh found.")
    problem = problem_of_rollback(group, refresh.get("DesiredConfiguration"), image)
    if problem:
        raise Refused("IrreversibleInstanceRefresh", f"A rollback is not supported: {problem}.")
    if refresh["Status"] != "RollbackInProgress":
        roll_back(group, refresh, members, "Rollback was initiated manually by RollbackInstanceRefresh.", now)
    return refresh


def ask_to_cancel(group: Group) -> Refresh:
    """CancelInstanceRefresh: "this does not roll back any changes that it made".

    :raises Refused: there is none
    """
    refresh = active(group)
    if refresh is None:
        raise Refused("ActiveInstanceRefreshNotFound", "No in progress or pending Instance Refresh found.")
    refresh.update(Status="Cancelling", StatusReason="Cancelled by a user request.")
    return refresh


def advance(group: Group, refresh: Refresh, members: list[Instance], ready: set[str], world: t.Any) -> None:
    """Move a refresh on by what its instances are by now."""
    now = world.now
    if refresh["Status"] == "Cancelling":
        return finish(refresh, "Cancelled", refresh["StatusReason"], now)
    if refresh["Status"] == "Pending":
        refresh["Status"] = "InProgress"
    there = {item["InstanceId"] for item in members}
    left = [name for name in refresh["_old"] if name in there]
    if len(left) < len(refresh["_old"]):
        refresh.update(_old=left, _progress=now)
    complete = not left and there == ready and len(there) == group["DesiredCapacity"]
    if refresh["Status"] == "RollbackInProgress":
        return advance_rollback(refresh, left, complete, now)
    done = refresh["_total"] - len(left)
    percent = 100 * done // refresh["_total"] if refresh["_total"] else 0
    refresh.update(InstancesToUpdate=len(left), PercentageComplete=percent)
    if complete:
        group["LaunchTemplate"] = template_of(group, refresh)
        refresh["PercentageComplete"] = 100
        return finish(refresh, "Successful", "", now)
    alarm = world.alarm((refresh["Preferences"].get("AlarmSpecification") or {}).get("Alarms", []))
    late = now - refresh["_progress"] > PATIENCE
    if alarm or late:
        reason = f"CloudWatch alarm {alarm} is in ALARM state." if alarm else "No progress was made for one hour."
        if refresh["Preferences"].get("AutoRollback"):
            # "rolls back ... if the instance refresh fails or a CloudWatch alarm threshold is met" (AutoRollback)
            return roll_back(group, refresh, members, f"Auto rollback: {reason}", now)
        return finish(refresh, "Failed", reason, now)
    return None


def advance_rollback(refresh: Refresh, left: list[str], complete: bool, now: float) -> None:
    """Move a rollback on; its PercentageComplete "gradually goes back down to zero" (InstanceRefresh)."""
    before = refresh["RollbackDetails"]["PercentageCompleteOnRollback"]
    refresh["PercentageComplete"] = before * len(left) // refresh["_total"] if refresh["_total"] else 0
    if complete:
        return finish(refresh, "RollbackSuccessful", refresh["StatusReason"], now)
    if now - refresh["_progress"] > PATIENCE:
        return finish(refresh, "RollbackFailed", "No progress was made for one hour.", now)
    return None
