# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Play Auto Scaling's documented rules on the emulator's groups: sizes, lifecycle hooks, health, activities.

Simulated. The rules are those of the user guide (docs.aws.amazon.com/autoscaling/ec2/userguide) and of the API
reference; each is cited where it is played. What an instance is, whether it answers and where it gets traffic is the
``world``'s to say. All that is known of a group lies in the emulator's own record of it, so that it is saved with it.
"""

from __future__ import annotations

import typing as t
import uuid

import capacity
import instance_refresh
from activities import begin, note

Group = dict[str, t.Any]
Instance = dict[str, t.Any]
LAUNCHING = "autoscaling:EC2_INSTANCE_LAUNCHING"
TERMINATING = "autoscaling:EC2_INSTANCE_TERMINATING"
# After launches that failed one after the other the next one waits: 1, 2, 4 ... seconds.
LONGEST_PAUSE = 30.0


class World(t.Protocol):
    """What the rules need of everything else."""

    now: float

    def launch(self, group: Group, template: dict[str, str]) -> Instance:
        """Start an instance; its state is Pending."""

    def end(self, instance: Instance) -> None:
        """End it."""

    def runs(self, instance: Instance) -> bool:
        """Tell whether it runs."""

    def register(self, group: Group, instance: Instance) -> None:
        """Give it to the group's target groups."""

    def target_state(self, group: Group, instance: Instance) -> str:
        """Return how it is as a target: initial, healthy, unhealthy, or none where the group has no targets."""

    def drained(self, group: Group, instance: Instance) -> bool:
        """Take it from the target groups; tell whether no call is in flight any more."""

    def hooks(self, group: Group, transition: str) -> dict[str, dict[str, t.Any]]:
        """Return the lifecycle hooks of a transition by name."""

    def alarm(self, names: list[str]) -> str:
        """Return the name of one that is in ALARM."""

    def warmup(self, seconds: float) -> float:
        """Return how long a warm-up of so many seconds takes here."""


def members(group: Group) -> list[Instance]:
    """Return the instances that are not being terminated, oldest first."""
    return [item for item in group["Instances"] if not item["LifecycleState"].startswith("Terminating")]


def terminate(group: Group, instance: Instance, now: float, cause: str) -> None:
    """Begin to terminate an instance."""
    note(group, instance, now, "Cancelled", "The instance was terminated before it was in service")
    description = f"Terminating EC2 instance: {instance['InstanceId']}"
    instance["_activity"] = begin(group, now, description, cause, "InProgress")
    instance.update(LifecycleState="Terminating", _since=now, _waits={})


def wait_for_hooks(instance: Instance, hooks: dict[str, dict[str, t.Any]], now: float) -> None:
    """Let an instance wait for its hooks, each up to its heartbeat timeout."""
    instance["LifecycleState"] += ":Wait"
    waits = {
        name: {"token": str(uuid.uuid4()), "until": now + hook["HeartbeatTimeout"], "result": "", "why": ""}
        for name, hook in hooks.items()
    }
    instance["_waits"] = waits


def hook_result(instance: Instance, hooks: dict[str, dict[str, t.Any]], now: float) -> tuple[str, str]:
    """Return what the hooks say by now: CONTINUE, ABANDON with its reason, or nothing yet.

    "If you do not complete the lifecycle action before the timeout period ends, the default result is used"; ABANDON
    "stops any remaining actions, such as other lifecycle hooks" (lifecycle-hooks-overview).
    """
    for name, wait in instance["_waits"].items():
        if not wait["result"] and name not in hooks:
            wait["result"] = "CONTINUE"  # the hook is gone, and nobody can complete it any more
        if not wait["result"] and now > wait["until"]:
            wait.update(result=hooks[name]["DefaultResult"], why="Heartbeat Timeout Elapsed")
        if wait["result"] == "ABANDON":
            why = wait["why"] or "Lifecycle Action Completed with ABANDON Result"
            token = f"Lifecycle Action with token {wait['token']} was abandoned: {why}"
            return "ABANDON", f"Instance failed to complete user's Lifecycle Action: {token}"
    return ("CONTINUE" if all(wait["result"] for wait in instance["_waits"].values()) else ""), ""


def enter_service(group: Group, instance: Instance, world: World) -> None:
    """Put an instance in service: only now does it become a target."""
    instance.update(LifecycleState="InService", _since=world.now, _waits={})
    group["_failed_launches"] = 0
    world.register(group, instance)
    note(group, instance, world.now, "Successful")


def advance_launch(group: Group, instance: Instance, world: World) -> None:
    """Move an instance that is being launched on."""
    hooks = world.hooks(group, LAUNCHING)
    if instance["LifecycleState"] == "Pending":
        if not hooks:
            return enter_service(group, instance, world)
        wait_for_hooks(instance, hooks, world.now)
        return note(group, instance, world.now, "MidLifecycleAction")
    result, why = hook_result(instance, hooks, world.now)
    if not result and not world.runs(instance):
        result, why = "ABANDON", "Instance became unhealthy while waiting for instance to be in InService state"
    if result == "CONTINUE":
        return enter_service(group, instance, world)
    if result == "ABANDON":
        # "If the instance is launching, an ABANDON result indicates that the custom actions were unsuccessful, and the
        # instance is terminated" and another one is launched (lifecycle-hooks-overview). The activity is Cancelled.
        failed = group["_failed_launches"] = group.get("_failed_launches", 0) + 1
        group["_launch_after"] = world.now + min(2.0 ** (failed - 1), LONGEST_PAUSE)
        note(group, instance, world.now, "Cancelled", why)
        cause = "an instance was taken out of service in response to its lifecycle hook."
        return terminate(group, instance, world.now, cause)
    return None


def advance_end(group: Group, instance: Instance, world: World) -> None:
    """Move an instance that is being terminated on: drained, then its hooks, then gone."""
    hooks = world.hooks(group, TERMINATING)
    if not world.drained(group, instance):
        return note(group, instance, world.now, "WaitingForELBConnectionDraining")
    if instance["LifecycleState"] == "Terminating" and hooks and world.runs(instance):
        wait_for_hooks(instance, hooks, world.now)
        return note(group, instance, world.now, "MidLifecycleAction")
    if instance["LifecycleState"] == "Terminating:Wait" and not hook_result(instance, hooks, world.now)[0]:
        return None  # either result ends in termination
    world.end(instance)
    group["Instances"].remove(instance)
    return note(group, instance, world.now, "Successful")


def judge(group: Group, instance: Instance, world: World) -> None:
    """Say whether an instance in service is healthy.

    An instance that does not run any more is unhealthy at once; the load balancer's opinion counts where the group
    asks for it, and only after the grace period (health-check-grace-period: it "starts when the instance is in
    service").
    """
    asks_targets = "ELB" in group["HealthCheckType"].split(",")
    graced = world.now - instance["_since"] < group["HealthCheckGracePeriod"]
    targets_say = asks_targets and not graced and world.target_state(group, instance) == "unhealthy"
    if not world.runs(instance) or targets_say:
        instance["HealthStatus"] = "Unhealthy"


def tick(group: Group, world: World) -> None:
    """Play the rules of one group once."""
    for instance in list(group["Instances"]):
        if instance["LifecycleState"].startswith("Pending"):
            advance_launch(group, instance, world)
        elif instance["LifecycleState"] == "InService":
            judge(group, instance, world)
        else:
            advance_end(group, instance, world)
    refresh = instance_refresh.active(group)
    ready = {item["InstanceId"] for item in members(group) if instance_refresh.is_ready(group, item, world)}
    if refresh:
        instance_refresh.advance(group, refresh, members(group), ready, world)
        refresh = instance_refresh.active(group)
    preferences = refresh["Preferences"] if refresh else group.get("InstanceMaintenancePolicy") or {}
    template = instance_refresh.template_of(group, refresh)
    outdated = set(refresh["_old"]) if refresh else set()
    bounds = capacity.bounds_of(group["DesiredCapacity"], preferences)
    version = group["LaunchTemplate"].get("Version", "")
    going, missing = capacity.size(members(group), bounds, outdated, ready, version)
    for instance in going:
        reason = "an instance refresh" if instance["InstanceId"] in outdated else "a health check or a changed capacity"
        terminate(group, instance, world.now, f"an instance was taken out of service in response to {reason}.")
    if world.now >= group.get("_launch_after", 0.0):
        for _ in range(missing):
            launch(group, template, world)


def launch(group: Group, template: dict[str, str], world: World) -> None:
    """Launch one instance."""
    instance = world.launch(group, template)
    description = f"Launching a new EC2 instance: {instance['InstanceId']}"
    cause = "an instance was started in response to a difference between desired and actual capacity."
    instance["_activity"] = begin(group, world.now, description, cause, "PreInService")
    group["Instances"].append(instance)
