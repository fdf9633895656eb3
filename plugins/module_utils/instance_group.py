# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an Auto Scaling group runs: its instances by launch-template version, and the launches that came to nothing."""

from __future__ import annotations

import re
import typing as t
from collections import Counter

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import AWS_ERRORS, Context, McpError
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.leaks import redact

IN_SERVICE = "InService"
# They take no calls, and nothing replaces them.
LEAVING = ("Terminating", "Terminating:Wait", "Terminating:Proceed", "Terminated", "Standby", "EnteringStandby")
INSTANCE_ID = re.compile(r"\bi-[0-9a-f]{8,17}\b")
LAUNCHING = "Launching a new EC2 instance"
# AWS says Cancelled for a launch whose hook was abandoned, Failed where there was no instance at all.
CAME_TO_NOTHING = ("Cancelled", "Failed")
CONSOLE_LINES = 12
CONSOLE_CHARACTERS = 1500

Group = dict[str, t.Any]
Activity = dict[str, t.Any]


def find_group(ctx: Context, name: str) -> Group | None:
    """Return an Auto Scaling group, None where there is none."""
    found = ctx.client("autoscaling").describe_auto_scaling_groups(AutoScalingGroupNames=[name])["AutoScalingGroups"]
    return found[0] if found else None


def require_group(ctx: Context, name: str) -> Group:
    """Return an Auto Scaling group.

    :raises McpError: there is none
    """
    group = find_group(ctx, name)
    if group is None:
        raise McpError(
            f"group is '{name}': there is no such Auto Scaling group. Nothing was changed. Deploy the environment "
            "first: ansible-playbook deploy.yml -i <inventory>"
        )
    return group


def template_of(group: Group) -> dict[str, t.Any]:
    """Return the launch template that new instances of the group are made from."""
    mixed = group.get("MixedInstancesPolicy", {}).get("LaunchTemplate", {}).get("LaunchTemplateSpecification")
    return t.cast("dict[str, t.Any]", group.get("LaunchTemplate") or mixed or {})


def version_of(instance: dict[str, t.Any]) -> str:
    """Return the launch-template version that an instance was made from."""
    return str((instance.get("LaunchTemplate") or {}).get("Version") or "")


def in_service(group: Group) -> list[dict[str, t.Any]]:
    """Return the instances that take calls."""
    return [
        item
        for item in group.get("Instances", [])
        if item["LifecycleState"] == IN_SERVICE and item.get("HealthStatus", "Healthy").lower() == "healthy"
    ]


def versions_in_service(group: Group) -> dict[str, int]:
    """Return how many instances in service each version has."""
    return dict(sorted(Counter(version_of(item) for item in in_service(group)).items()))


def serving_version(group: Group) -> str:
    """Return the version that takes calls: where two do, that of most instances; empty where none does."""
    counted = versions_in_service(group)
    return max(counted, key=lambda version: counted[version]) if counted else ""


def runs_only(group: Group, version: str) -> bool:
    """Say whether as many instances as are wanted serve, all of one version, and no other one is left."""
    there = [item for item in group.get("Instances", []) if item["LifecycleState"] not in LEAVING]
    enough = len(in_service(group)) >= max(group["DesiredCapacity"], group["MinSize"], 1)
    return enough and all(version_of(item) == version for item in there)


def is_coming_up(group: Group, version: str) -> bool:
    """Say whether the group only has to be waited for: nothing of it serves yet, and it launches this version."""
    serves = in_service(group)
    return str(template_of(group).get("Version")) == version and all(version_of(item) == version for item in serves)


def describe_instances(group: Group) -> list[dict[str, str]]:
    """Return what a person wants to know of each instance."""
    return [
        {
            "id": item["InstanceId"],
            "state": item["LifecycleState"],
            "health": item.get("HealthStatus", ""),
            "version": version_of(item),
            "zone": item.get("AvailabilityZone", ""),
        }
        for item in group.get("Instances", [])
    ]


# Launches that came to nothing


def instance_of(activity: Activity) -> str:
    """Return the instance that an activity is about, empty where it names none."""
    found = INSTANCE_ID.search(activity.get("Description", ""))
    return found[0] if found else ""


def lost_launches(ctx: Context, name: str) -> list[Activity]:
    """Return the newest launches that came to nothing, newest first."""
    answer = ctx.client("autoscaling").describe_scaling_activities(AutoScalingGroupName=name, MaxRecords=50)
    return [
        activity
        for activity in answer["Activities"]
        if activity["StatusCode"] in CAME_TO_NOTHING and activity.get("Description", "").startswith(LAUNCHING)
    ]


def console_of(ctx: Context, instance: str) -> str:
    """Return the last lines of an instance's console, where its boot says why it gave up; empty where AWS has none."""
    try:
        output = ctx.short_client("ec2").get_console_output(InstanceId=instance, Latest=True).get("Output", "")
    except AWS_ERRORS:  # the reason is told without it
        return ""
    lines = [line.rstrip() for line in output.splitlines() if line.strip()]
    return redact("\n".join(lines[-CONSOLE_LINES:]))[-CONSOLE_CHARACTERS:]


def explain_launch(ctx: Context, activity: Activity) -> str:
    """Say why a launch came to nothing, in AWS's words and the instance's own."""
    why = activity.get("StatusMessage") or activity.get("Cause", "no reason given")
    instance = instance_of(activity)
    said = console_of(ctx, instance) if instance else ""
    named = f"instance {instance}: " if instance else ""
    return f"{named}{why.strip().rstrip('.')}." + (f" Its console ends with:\n{said}" if said else "")
