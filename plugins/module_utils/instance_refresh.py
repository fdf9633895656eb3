# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Let an Auto Scaling group run one version of its launch template, and take back one that does not come to serve."""

from __future__ import annotations

import time
import typing as t

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import instance_group as groups
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import (
    AWS_ERRORS,
    Context,
    McpError,
    error_code,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.lock_renewal import LOCK_OPTION, lock_kept
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.stack_watch import is_transient

ARGUMENT_SPEC: dict[str, t.Any] = {
    "group": {"type": "str", "required": True},
    "launch_template_id": {"type": "str"},
    "version": {"type": "str"},
    "image_parameter": {"type": "str", "no_log": False},
    "alarms": {"type": "list", "elements": "str", "default": []},
    "warmup": {"type": "int", "default": 60},
    "bake_time": {"type": "int", "default": 0},
    "lost_launches": {"type": "int", "default": 2},
    "timeout": {"type": "int", "default": 1800},
    "poll_interval": {"type": "float", "default": 5.0},
    "lock": LOCK_OPTION,
}
SPEC_OPTIONS: dict[str, t.Any] = {"required_by": {"version": ("launch_template_id",)}}
# A new instance is there and serves before an old one goes.
HEALTHY_PERCENTAGE = {"MinHealthyPercentage": 100, "MaxHealthyPercentage": 200}
RUNNING = ("Pending", "InProgress", "Baking")
RETURNING = ("RollbackInProgress", "Cancelling")
DONE = "Successful"
# A return needs no new instance where none was replaced yet; else it boots old ones.
RETURN_TIMEOUT_S = 1800.0
# An answer that does not come is no reason to give up on what goes on without us.
PATIENCE_S = 300.0
BUSY = ("InstanceRefreshInProgress", "ResourceContention", "ScalingActivityInProgress")
BUSY_ATTEMPTS = 12
NO_WAY_BACK = ("IrreversibleInstanceRefresh", "ValidationError")
NOT_RUNNING = "ActiveInstanceRefreshNotFound"

Refresh = dict[str, t.Any]


class Trial:
    """One attempt to let a version serve: what is asked, since when, and what has come of it."""

    def __init__(self, ctx: Context, group: groups.Group) -> None:
        self.ctx = ctx
        self.name = str(group["AutoScalingGroupName"])
        self.version = str(ctx.params["version"])
        self.client = ctx.client("autoscaling")
        self.begun = time.monotonic()
        # What was lost before, and what others have begun, says nothing about this version. By ids: clocks differ.
        self.before = {activity["ActivityId"] for activity in groups.lost_launches(ctx, self.name)}
        self.others = {
            item["InstanceId"] for item in group.get("Instances", []) if groups.version_of(item) != self.version
        }
        self.answered = self.begun
        self._shown = ""

    def show(self, text: str) -> None:
        """Show a line when it is new."""
        if text != self._shown:
            self._shown = text
            self.ctx.progress(f"{self.name}: {text} {time.monotonic() - self.begun:.0f} s")

    def ask(self, look: t.Callable[[], t.Any]) -> t.Any:
        """Look once; None where AWS does not answer at the moment."""
        try:
            found = look()
        except AWS_ERRORS as error:
            if not is_transient(error) or time.monotonic() - self.answered > PATIENCE_S:
                raise
            return None
        self.answered = time.monotonic()
        return found

    def lost(self) -> list[groups.Activity]:
        """Return the launches of this version that came to nothing, newest first."""
        found = self.ask(lambda: groups.lost_launches(self.ctx, self.name)) or []
        return [
            activity
            for activity in found
            if activity["ActivityId"] not in self.before and groups.instance_of(activity) not in self.others
        ]

    def trouble(self) -> str:
        """Say why it is not waited any longer; an empty text: it is."""
        lost = self.lost()
        if len(lost) >= self.ctx.params["lost_launches"]:
            return f"{len(lost)} new instances did not come to serve. {groups.explain_launch(self.ctx, lost[0])}"
        if time.monotonic() - self.begun > self.ctx.params["timeout"]:
            first = f" {groups.explain_launch(self.ctx, lost[0])}" if lost else ""
            return f"new instances did not all serve within {self.ctx.params['timeout']} s (timeout).{first}"
        return ""


# Refreshes of AWS


def find_refresh(client: t.Any, name: str, refresh_id: str | None = None) -> Refresh | None:
    """Return a refresh by its id, else the newest one of the group."""
    which = {"InstanceRefreshIds": [refresh_id]} if refresh_id else {"MaxRecords": 1}
    found = client.describe_instance_refreshes(AutoScalingGroupName=name, **which)["InstanceRefreshes"]
    return found[0] if found else None


def wanted_version(refresh: Refresh) -> str:
    """Return the version that a refresh goes to."""
    return str(refresh.get("DesiredConfiguration", {}).get("LaunchTemplate", {}).get("Version") or "")


def watchable_alarms(ctx: Context) -> list[str]:
    """Return those of the alarms that exist and do not ring: AWS refuses a refresh that one of them would end."""
    if not ctx.params["alarms"]:
        return []
    alarms = ctx.client("cloudwatch").describe_alarms(AlarmNames=ctx.params["alarms"])["MetricAlarms"]
    ringing = [alarm["AlarmName"] for alarm in alarms if alarm["StateValue"] == "ALARM"]
    if ringing:
        ctx.warn(
            f"In ALARM already: {', '.join(ringing)}. A refresh that alarms watch would be refused for what rings, so "
            "no alarm takes this one back. Look at the alarms again after it."
        )
        return []
    return [alarm["AlarmName"] for alarm in alarms]


def start_refresh(trial: Trial) -> str:
    """Start the refresh; return its id. What somebody else does at this moment is waited out."""
    params = trial.ctx.params
    preferences: dict[str, t.Any] = {
        **HEALTHY_PERCENTAGE,
        "InstanceWarmup": params["warmup"],
        "AutoRollback": True,
        "SkipMatching": True,
        "ScaleInProtectedInstances": "Refresh",
        "StandbyInstances": "Ignore",
    }
    if alarms := watchable_alarms(trial.ctx):
        preferences["AlarmSpecification"] = {"Alarms": alarms}
        preferences["BakeTime"] = params["bake_time"]
    template = {"LaunchTemplateId": params["launch_template_id"], "Version": trial.version}
    for attempt in range(1, BUSY_ATTEMPTS + 1):
        try:
            return str(
                trial.client.start_instance_refresh(
                    AutoScalingGroupName=trial.name,
                    Strategy="Rolling",
                    DesiredConfiguration={"LaunchTemplate": template},
                    Preferences=preferences,
                )["InstanceRefreshId"]
            )
        except AWS_ERRORS as error:
            if error_code(error) not in BUSY or attempt == BUSY_ATTEMPTS:
                raise
        time.sleep(params["poll_interval"])
    raise AssertionError("the last attempt returns or raises")


def take_back(trial: Trial, refresh_id: str) -> Refresh:
    """Let AWS return to the version before, and wait for the end of that; return the refresh as it is then."""
    trial.show("taking the new version back")
    try:
        trial.client.rollback_instance_refresh(AutoScalingGroupName=trial.name)
    except AWS_ERRORS as error:
        if error_code(error) in NO_WAY_BACK:
            trial.client.cancel_instance_refresh(AutoScalingGroupName=trial.name)
        elif error_code(error) != NOT_RUNNING:
            raise
    return await_end(trial, refresh_id)


def await_end(trial: Trial, refresh_id: str) -> Refresh:
    """Wait until a refresh is neither running nor returning; return it as it is then, or as far as it came."""
    begun, refresh = time.monotonic(), Refresh()
    while time.monotonic() - begun < RETURN_TIMEOUT_S:
        refresh = trial.ask(lambda: find_refresh(trial.client, trial.name, refresh_id)) or refresh
        if refresh and refresh["Status"] not in (*RUNNING, *RETURNING):
            return refresh
        trial.show(f"instance refresh {refresh.get('Status', 'not seen')}")
        time.sleep(trial.ctx.params["poll_interval"])
    return refresh


def clear_way(trial: Trial) -> str | None:
    """End a refresh of a run that died; return the id of one that goes to the wanted version: it is gone on with."""
    refresh = find_refresh(trial.client, trial.name)
    if refresh is None or refresh["Status"] not in (*RUNNING, *RETURNING):
        return None
    if refresh["Status"] in RUNNING and wanted_version(refresh) == trial.version:
        trial.show("going on with the instance refresh of an earlier run")
        return str(refresh["InstanceRefreshId"])
    end = take_back if refresh["Status"] in RUNNING else await_end
    end(trial, str(refresh["InstanceRefreshId"]))
    return None


# The two ways to a new version


def refused(trial: Trial, reason: str, status: str, came_back: bool) -> McpError:
    """Return the failure of a version that did not come to serve.

    :param came_back: whether the group surely runs what it ran before
    """
    return McpError(reason, refused=came_back, refresh_status=status, version=trial.version)


def replace_instances(trial: Trial) -> str:
    """Replace the instances one after the other, each new one first; return the id of the refresh.

    :raises McpError: the new version did not come to serve
    """
    refresh_id = clear_way(trial) or start_refresh(trial)
    while True:
        refresh = trial.ask(lambda: find_refresh(trial.client, trial.name, refresh_id))
        if refresh is not None:
            status = refresh["Status"]
            trial.show(progress_of(refresh))
            if status == DONE:
                return refresh_id
            if status not in RUNNING:
                refresh = await_end(trial, refresh_id)
                raise refused(trial, explain_end(trial, refresh), refresh["Status"], has_returned(trial))
        if reason := trial.trouble():
            refresh = take_back(trial, refresh_id)
            if refresh.get("Status") == DONE:
                return refresh_id  # the last instance came into service meanwhile
            raise refused(trial, reason, refresh.get("Status", ""), has_returned(trial))
        time.sleep(trial.ctx.params["poll_interval"])


def progress_of(refresh: Refresh) -> str:
    """Say how far a refresh is."""
    left = refresh.get("InstancesToUpdate")
    count = "" if left is None else f", {left} to go"
    return f"instance refresh {refresh['Status']} {refresh.get('PercentageComplete', 0)} %{count}"


def explain_end(trial: Trial, refresh: Refresh) -> str:
    """Say why AWS ended a refresh."""
    why = refresh.get("RollbackDetails", {}).get("RollbackReason") or refresh.get("StatusReason") or "no reason given"
    lost = trial.lost()
    first = f" {groups.explain_launch(trial.ctx, lost[0])}" if lost else ""
    return f"AWS ended the instance refresh ({refresh['Status']}): {why.rstrip('.')}.{first}"


def has_returned(trial: Trial) -> bool:
    """Say whether the group runs other versions alone, as far as AWS tells."""
    group = trial.ask(lambda: groups.find_group(trial.ctx, trial.name))
    return bool(group) and trial.version not in groups.versions_in_service(group)


def await_first(trial: Trial) -> bool:
    """Wait until the first instances of a group serve; False: one of another version, launched before, serves by now.

    :raises McpError: they do not; the group goes on trying
    """
    while True:
        group = trial.ask(lambda: groups.find_group(trial.ctx, trial.name))
        if group is not None:
            if groups.runs_only(group, trial.version):
                return True
            if not groups.is_coming_up(group, trial.version):
                return False
            states = sorted(item["LifecycleState"] for item in group.get("Instances", []))
            trial.show(f"waiting for the first instances to serve ({', '.join(states) or 'none launched yet'})")
        if reason := trial.trouble():
            raise refused(trial, reason, "", True)
        time.sleep(trial.ctx.params["poll_interval"])


# The module


def newest_image(ctx: Context) -> str | None:
    """Return the image that AWS names as the newest; None where nobody asks."""
    name = ctx.params["image_parameter"]
    return str(ctx.client("ssm").get_parameter(Name=name)["Parameter"]["Value"]) if name else None


def describe(group: groups.Group | None) -> dict[str, t.Any]:
    """Return what a group runs."""
    if group is None:
        return {"there": False, "serving": "", "versions": {}, "instances": [], "launches": ""}
    return {
        "there": True,
        "serving": groups.serving_version(group),
        "versions": groups.versions_in_service(group),
        "instances": groups.describe_instances(group),
        "launches": template_version(group),
    }


def template_version(group: groups.Group) -> str:
    """Return the version that the group makes new instances from."""
    return str(groups.template_of(group).get("Version") or "")


def run(ctx: Context) -> dict[str, t.Any]:
    """Look, and bring the group to the version that is wanted.

    :raises McpError: it did not come to serve; ``refused`` in its details says whether the group surely runs what it
        ran before
    """
    name, version = ctx.params["group"], ctx.params["version"]
    if version is None:
        return {"changed": False, **describe(groups.find_group(ctx, name)), "image": newest_image(ctx)}
    group = groups.require_group(ctx, name)
    before = describe(group)
    if groups.runs_only(group, version) and template_version(group) == version:
        return {"changed": False, **before, "before": before["versions"], "refresh_id": None}
    refresh_id = None
    if not ctx.check_mode:
        trial = Trial(ctx, group)
        with lock_kept(ctx, "the instance refresh"):
            if not (groups.is_coming_up(group, version) and await_first(trial)):
                refresh_id = replace_instances(trial)
        group = groups.require_group(ctx, name)
    return {"changed": True, **describe(group), "before": before["versions"], "refresh_id": refresh_id}
