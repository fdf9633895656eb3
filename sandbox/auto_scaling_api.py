# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Answer the calls of Auto Scaling that the emulator only takes, by the rules of auto_scaling.py."""

from __future__ import annotations

import functools
import re
import threading
import time
import typing as t

import auto_scaling
import instance_refresh

Params = dict[str, t.Any]
Answer = tuple[int, dict[str, str], bytes]
Handler = t.Callable[[Params], Answer]
NUMBERS = ("MinHealthyPercentage", "MaxHealthyPercentage", "InstanceWarmup", "BakeTime", "CheckpointDelay")
SWITCHES = ("SkipMatching", "AutoRollback")
# Held by whoever changes a group: a call, a stack, the thread that plays the rules, and the saving of all.
LOCK = threading.RLock()


class NotFound(Exception):
    """There is no such group or instance."""


def typed(preferences: dict[str, t.Any]) -> dict[str, t.Any]:
    """Return preferences with numbers and booleans instead of their text."""
    found = {name: int(value) if name in NUMBERS else value for name, value in preferences.items()}
    return {name: str(value).lower() == "true" if name in SWITCHES else value for name, value in found.items()}


def public(record: t.Any) -> t.Any:
    """Return a record without what only the rules know."""
    if isinstance(record, dict):
        return {name: public(value) for name, value in record.items() if not name.startswith("_")}
    return [public(item) for item in record] if isinstance(record, list) else record


class Api:
    """The calls.

    :param service: the emulator's module
    :param template_of: returns id, name, number and data of the launch template that a specification means
    """

    def __init__(self, service: t.Any, template_of: t.Callable[[dict[str, str]], dict[str, t.Any]]) -> None:
        self.service = service
        self.template_of = template_of

    def group(self, params: Params) -> dict[str, t.Any]:
        """Return the group that a call names.

        :raises NotFound: there is none
        """
        found = self.service._asgs.get(params.get("AutoScalingGroupName", ""))
        if found is None:
            raise NotFound("AutoScalingGroup name not found - null")
        return t.cast(dict[str, t.Any], found)

    def image(self, specification: dict[str, str]) -> str:
        """Return the ImageId of a launch template."""
        return str(self.template_of(specification)["data"].get("ImageId", "")) if specification else ""

    def answer(self, action: str, content: str = "") -> Answer:
        """Return an answer with its result."""
        inner = f"<{action}Result>{content}</{action}Result>"
        return t.cast(Answer, self.service._xml(200, f"{action}Response", inner))

    def handlers(self) -> dict[str, Handler]:
        """Return every call by its name, under the lock, with refusals as AWS answers them."""
        names = (
            "StartInstanceRefresh", "DescribeInstanceRefreshes", "CancelInstanceRefresh", "RollbackInstanceRefresh",
            "DescribeScalingActivities", "CompleteLifecycleAction", "RecordLifecycleActionHeartbeat",
            "TerminateInstanceInAutoScalingGroup", "SetInstanceHealth",
        )  # fmt: skip
        return {name: self._guarded(getattr(self, re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower())) for name in names}

    def _guarded(self, method: Handler) -> Handler:
        @functools.wraps(method)
        def handle(params: Params) -> Answer:
            try:
                with LOCK:
                    return method(params)
            except instance_refresh.Refused as refusal:
                return t.cast(Answer, self.service._error(refusal.code, str(refusal)))
            except NotFound as missing:
                return t.cast(Answer, self.service._error("ValidationError", str(missing)))

        return handle

    def start_instance_refresh(self, params: Params) -> Answer:
        """Begin to replace instances."""
        group = self.group(params)
        preferences = typed(self.service._parse_nested(params, "Preferences"))
        desired = self.service._parse_nested(params, "DesiredConfiguration") or None
        image = self.image(group["LaunchTemplate"])
        instance_refresh.check(group, preferences, desired, image)
        if desired:
            if instance_refresh.is_numbered(desired["LaunchTemplate"]):
                self.template_of(desired["LaunchTemplate"])
            desired["LaunchTemplate"] = {**group["LaunchTemplate"], **desired["LaunchTemplate"]}
        started = instance_refresh.start(group, preferences, desired, auto_scaling.members(group), time.time())
        content = f"<InstanceRefreshId>{started['InstanceRefreshId']}</InstanceRefreshId>"
        return self.answer("StartInstanceRefresh", content)

    def rollback_instance_refresh(self, params: Params) -> Answer:
        """Undo the one under way."""
        group = self.group(params)
        image = self.image(group["LaunchTemplate"])
        asked = instance_refresh.ask_for_rollback(group, auto_scaling.members(group), image, time.time())
        content = f"<InstanceRefreshId>{asked['InstanceRefreshId']}</InstanceRefreshId>"
        return self.answer("RollbackInstanceRefresh", content)

    def cancel_instance_refresh(self, params: Params) -> Answer:
        """Stop the one under way where it is."""
        asked = instance_refresh.ask_to_cancel(self.group(params))
        content = f"<InstanceRefreshId>{asked['InstanceRefreshId']}</InstanceRefreshId>"
        return self.answer("CancelInstanceRefresh", content)

    def describe_instance_refreshes(self, params: Params) -> Answer:
        """List them, newest first."""
        wanted = self.service._parse_member_list(params, "InstanceRefreshIds")
        every = self.group(params).get("InstanceRefreshes", [])
        found = [item for item in every if not wanted or item["InstanceRefreshId"] in wanted]
        return self.answer("DescribeInstanceRefreshes", self._listed("InstanceRefreshes", found))

    def describe_scaling_activities(self, params: Params) -> Answer:
        """List them, newest first."""
        name = params.get("AutoScalingGroupName")
        groups = [self.service._asgs.get(name)] if name else list(self.service._asgs.values())
        wanted = self.service._parse_member_list(params, "ActivityIds")
        every = [item for group in groups if group for item in group.get("Activities", [])]
        found = [item for item in every if not wanted or item["ActivityId"] in wanted]
        limit = int(params.get("MaxRecords") or 100)
        return self.answer("DescribeScalingActivities", self._listed("Activities", found[:limit]))

    def _listed(self, name: str, items: list[dict[str, t.Any]]) -> str:
        return f"<{name}>{self.service._member_xml(public(items))}</{name}>"

    def _waiting(self, params: Params) -> dict[str, t.Any]:
        name, token = params.get("InstanceId", ""), params.get("LifecycleActionToken")
        hook = params.get("LifecycleHookName", "")
        for instance in self.group(params)["Instances"]:
            wait = instance["_waits"].get(hook)
            if wait and not wait["result"] and (instance["InstanceId"] == name or (token and wait["token"] == token)):
                return t.cast(dict[str, t.Any], wait)
        raise NotFound(f"No active Lifecycle Action found with instance ID {name}")

    def complete_lifecycle_action(self, params: Params) -> Answer:
        """Let an instance that waits go on, or give it up."""
        result = params.get("LifecycleActionResult", "")
        if result not in ("CONTINUE", "ABANDON"):
            raise NotFound(f"LifecycleActionResult is '{result}': CONTINUE or ABANDON")
        self._waiting(params)["result"] = result
        return self.answer("CompleteLifecycleAction")

    def record_lifecycle_action_heartbeat(self, params: Params) -> Answer:
        """Let an instance wait for its timeout again."""
        hook = self.service._hooks[f"{params['AutoScalingGroupName']}/{params['LifecycleHookName']}"]
        self._waiting(params)["until"] = time.time() + hook["HeartbeatTimeout"]
        return self.answer("RecordLifecycleActionHeartbeat")

    def _instance(self, params: Params) -> tuple[dict[str, t.Any], dict[str, t.Any]]:
        name = params.get("InstanceId", "")
        for group in self.service._asgs.values():
            for instance in auto_scaling.members(group):
                if instance["InstanceId"] == name:
                    return group, instance
        raise NotFound(f"Instance Id not found - No managed instance found for instance ID: {name}")

    def terminate_instance_in_auto_scaling_group(self, params: Params) -> Answer:
        """Terminate one; another takes its place unless the capacity shrinks with it."""
        group, instance = self._instance(params)
        if str(params.get("ShouldDecrementDesiredCapacity", "")).lower() == "true":
            if group["DesiredCapacity"] - 1 < group["MinSize"]:
                raise NotFound("Currently, desiredSize equals minSize. Terminating would violate group's min size.")
            group["DesiredCapacity"] -= 1
        cause = "an instance was taken out of service in response to a user request."
        auto_scaling.terminate(group, instance, time.time(), cause)
        activity = self.service._member_xml(public(group["Activities"][0]))
        return self.answer("TerminateInstanceInAutoScalingGroup", f"<Activity>{activity}</Activity>")

    def set_instance_health(self, params: Params) -> Answer:
        """Let an instance count as healthy or not."""
        group, instance = self._instance(params)
        respects = str(params.get("ShouldRespectGracePeriod", "true")).lower() != "false"
        if not respects or time.time() - instance.get("_since", 0) >= group["HealthCheckGracePeriod"]:
            instance["HealthStatus"] = params.get("HealthStatus", "")
        return t.cast(Answer, self.service._xml(200, "SetInstanceHealthResponse", ""))
