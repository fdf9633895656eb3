# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Let groups take what the emulator leaves out: target groups, hooks, warm-up and maintenance policy, launch templates.

From stacks (AWS::AutoScaling::AutoScalingGroup) and from calls (CreateAutoScalingGroup, UpdateAutoScalingGroup).
"""

from __future__ import annotations

import functools
import typing as t

import auto_scaling_api

Properties = dict[str, t.Any]
GROUP = "AWS::AutoScaling::AutoScalingGroup"


def further(properties: Properties) -> Properties:
    """Return what a template says of a group beyond what the emulator keeps."""
    policy = properties.get("InstanceMaintenancePolicy") or {}
    found: Properties = {
        "TargetGroupARNs": list(properties.get("TargetGroupARNs") or []),
        "InstanceMaintenancePolicy": {name: int(value) for name, value in policy.items() if int(value) >= 0},
    }
    if properties.get("DefaultInstanceWarmup") not in (None, ""):
        found["DefaultInstanceWarmup"] = int(properties["DefaultInstanceWarmup"])
    return found


def kept_capacity(properties: Properties, current: int) -> int:
    """Return the desired capacity after an update.

    One that the template does not give stays as it is, within the new minimum and maximum.
    """
    if properties.get("DesiredCapacity") not in (None, ""):
        return int(properties["DesiredCapacity"])
    return min(max(current, int(properties.get("MinSize", 0))), int(properties.get("MaxSize", 0)))


class Stacks:
    """Groups and launch templates as they come and go.

    :param service: the emulator's module of Auto Scaling
    :param templates: its launch templates
    """

    def __init__(self, service: t.Any, templates: t.Any) -> None:
        self.service = service
        self.templates = templates

    def template_of(self, specification: dict[str, str]) -> dict[str, t.Any]:
        """Return id, name, number and data of the launch template that a specification means.

        :raises NotFound: there is none
        """
        wanted = specification.get("LaunchTemplateId"), specification.get("LaunchTemplateName")
        for record in self.templates.values():
            if record["LaunchTemplateId"] == wanted[0] or (not wanted[0] and record["LaunchTemplateName"] == wanted[1]):
                return self._version(record, str(specification.get("Version") or "$Default"))
        raise auto_scaling_api.NotFound("The specified launch template does not exist")

    def _version(self, record: dict[str, t.Any], version: str) -> dict[str, t.Any]:
        named = {"$Latest": record["LatestVersionNumber"], "$Default": record["DefaultVersionNumber"]}
        number = str(named.get(version, version))
        found = [item for item in record["Versions"] if str(item["VersionNumber"]) == number]
        if not found:
            text = f"The specified launch template version {version} does not exist"
            raise auto_scaling_api.NotFound(text)
        whole = {"LaunchTemplateId": record["LaunchTemplateId"], "LaunchTemplateName": record["LaunchTemplateName"]}
        return {**whole, "Version": number, "data": found[0]["LaunchTemplateData"]}

    def set_hooks(self, name: str, wanted: t.Iterable[Properties], before: t.Iterable[Properties] = ()) -> None:
        """Let a group have the hooks that its own properties list."""
        hooks = self.service._hooks
        for hook in before:
            hooks.pop(f"{name}/{hook['LifecycleHookName']}", None)
        for hook in wanted:
            own = hook["LifecycleHookName"]
            hooks[f"{name}/{own}"] = self.service._hook_record(name, own, hook)

    def install(self, provisioners: t.Any) -> None:
        """Put this into the emulator's handlers of stacks and calls."""
        fields, handlers = provisioners._asg_fields, provisioners._RESOURCE_HANDLERS[GROUP]
        create, update = handlers["create"], handlers["update"]

        def all_fields(properties: Properties) -> Properties:
            return {**fields(properties), **further(properties)}

        @functools.wraps(create)
        def created(logical_id: str, properties: Properties, stack_name: str) -> t.Any:
            with auto_scaling_api.LOCK:
                if properties.get("LaunchTemplate"):
                    self.template_of(properties["LaunchTemplate"])
                name, attributes = create(logical_id, properties, stack_name)
                self.set_hooks(name, properties.get("LifecycleHookSpecificationList") or [])
            return name, attributes

        @functools.wraps(update)
        def updated(name: str, old: Properties, new: Properties, *rest: t.Any) -> t.Any:
            with auto_scaling_api.LOCK:
                group = self.service._asgs.get(name)
                before = group["DesiredCapacity"] if group else 0
                answer = update(name, old, new, *rest)
                if answer[0] == name and group:
                    group["DesiredCapacity"] = kept_capacity(new, before)
                hooks = [item.get("LifecycleHookSpecificationList") or [] for item in (new, old)]
                self.set_hooks(answer[0], *hooks)
            return answer

        provisioners._asg_fields = all_fields
        handlers.update(create=created, update=updated)
        for action in ("CreateAutoScalingGroup", "UpdateAutoScalingGroup"):
            self.service._ACTION_MAP[action] = self._called(self.service._ACTION_MAP[action])

    def _called(self, handler: auto_scaling_api.Handler) -> auto_scaling_api.Handler:
        @functools.wraps(handler)
        def handle(params: dict[str, t.Any]) -> t.Any:
            with auto_scaling_api.LOCK:
                answer = handler(params)
                group = self.service._asgs.get(params.get("AutoScalingGroupName", ""))
                if group and answer[0] == 200:
                    self._complete(group, params)
            return answer

        return handle

    def _complete(self, group: dict[str, t.Any], params: dict[str, t.Any]) -> None:
        asked = {
            "TargetGroupARNs": self.service._parse_member_list(params, "TargetGroupARNs"),
            "InstanceMaintenancePolicy": self.service._parse_nested(params, "InstanceMaintenancePolicy"),
            "DefaultInstanceWarmup": params.get("DefaultInstanceWarmup"),
        }
        for name, value in further(asked).items():
            if value or name not in group:
                group[name] = value
        template = self.service._parse_nested(params, "LaunchTemplate")
        if template:
            found = self.template_of(template)
            version = str(template.get("Version") or "$Default")
            names = {key: found[key] for key in ("LaunchTemplateId", "LaunchTemplateName")}
            group["LaunchTemplate"] = {**names, "Version": version}
        hooks = self.service._parse_nested(params, "LifecycleHookSpecificationList")
        self.set_hooks(group["AutoScalingGroupName"], hooks or [])
