# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The servers: a group of instances, and the targets of a load balancer."""

from __future__ import annotations

import shlex
from collections import Counter

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_aws_common import (
    ANY_NAME,
    TARGET,
    Part,
    Row,
    actions,
    ask,
    aws,
    command,
    missing,
    must,
    named,
    play,
    quoted,
    target,
    together,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_aws_words import plural
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_kind import Kind, Look, Observation

# On their way out; they say nothing of those that stay.
LEAVING = ("draining", "unhealthy.draining")
UNUSED = "Target.NotInUse"


def is_in_service(instance: Row) -> bool:
    return instance.get("LifecycleState") == "InService" and instance.get("HealthStatus") == "Healthy"


def listed(instances: list[Row]) -> str:
    """Name the instances that do not serve."""
    others = [item for item in instances if not is_in_service(item)]
    found = [f"{item.get('InstanceId')} {item.get('LifecycleState')} {item.get('HealthStatus')}" for item in others]
    return f" ({', '.join(found[:5])}{', ...' if len(found) > 5 else ''})" if found else ""


def capacity_part(look: Look, group: Row) -> Part:
    """Hold the instances in service against how many there should be."""
    instances, desired = group.get("Instances") or [], int(group["DesiredCapacity"])
    serving = sum(map(is_in_service, instances))
    text = f"{serving} of {plural(desired, 'instance')} in service{listed(instances)}"
    activities = f"autoscaling describe-scaling-activities --auto-scaling-group-name {quoted(look)} --max-items 5"
    step = aws(look, "autoscaling", activities)
    if desired == 0:
        return Part("warning", f"{text}: it was told to have none", play(look, "deploy"))
    if serving == 0:
        return Part("critical", text, step)
    return Part("warning" if serving < desired else "healthy", text, step)


def group_parts(look: Look, group: Row) -> list[Part]:
    """Judge a group: its instances, and what is switched off."""
    parts = [capacity_part(look, group)]
    suspended = sorted(str(item.get("ProcessName")) for item in group.get("SuspendedProcesses") or [])
    if suspended:
        step = aws(look, "autoscaling", f"autoscaling resume-processes --auto-scaling-group-name {quoted(look)}")
        parts.append(Part("warning", f"suspended: {', '.join(suspended)}", step))
    if group.get("Status"):  # it has one only while it is deleted
        parts.append(Part("critical", f"{group['Status']}", play(look, "deploy")))
    return parts


def look_at_group(look: Look) -> Observation:
    """Look at an Auto Scaling group."""
    answer = ask(look, "autoscaling", "describe_auto_scaling_groups", AutoScalingGroupNames=[target(look)]) or {}
    group = next(iter(answer.get("AutoScalingGroups") or []), None)
    if group is None:
        return missing(look, "autoscaling", f"Auto Scaling group {target(look)}")
    return together(f"group {target(look)}", group_parts(look, group))


def health_of(item: Row, what: str = "State") -> str:
    return str((item.get("TargetHealth") or {}).get(what) or "")


def reasons(targets: list[Row]) -> str:
    """Count what is wrong with the targets that are not healthy."""
    found: Counter[str] = Counter()
    for item in targets:
        words = [health_of(item, key) for key in ("State", "Reason", "Description")]
        words = [words[0], f"{UNUSED}: no listener sends calls to it"] if words[1] == UNUSED else words
        found[" ".join(filter(None, words))] += words[0] != "healthy"
    return "".join(f"; {count} {text}" for text, count in found.most_common() if count)


def target_step(look: Look, staying: list[Row]) -> str:
    """Return what to type about targets that are not healthy: the log, where calls would reach them."""
    if all(health_of(item, "Reason") == UNUSED for item in staying if health_of(item) != "healthy"):
        return play(look, "deploy")
    return aws(look, "elbv2", f"logs tail {shlex.quote(f'/mcp/{look.environment}/server')} --since 15m")


def look_at_targets(look: Look) -> Observation:
    """Look at the targets of a load balancer, without those that leave."""
    request = {"TargetGroupArn": target(look)}
    answer = ask(look, "elbv2", "describe_target_health", ("TargetGroupNotFound",), **request)
    name = target(look).rpartition(":targetgroup/")[2].partition("/")[0]
    if answer is None:
        return missing(look, "elbv2", f"target group {name}")
    every = answer.get("TargetHealthDescriptions") or []
    staying = [item for item in every if health_of(item) not in LEAVING]
    leaving = f", {len(every) - len(staying)} draining" if len(every) > len(staying) else ""
    if not staying:
        text = f"target group {name}: no targets{leaving}, so callers get a 503"
        return Observation("critical", text, next_step=play(look, "deploy"))
    known = [item for item in staying if health_of(item) != "unavailable"]
    if not known:
        text = f"{plural(len(staying), 'target')}, of none of which the balancer knows the health{leaving}"
        return Observation("unknown", f"target group {name}: {text}{reasons(staying)}")
    healthy = sum(health_of(item) == "healthy" for item in known)
    text = f"target group {name}: {healthy} of {plural(len(known), 'target')} healthy{leaving}{reasons(staying)}"
    if healthy == len(known):
        return Observation("healthy", text)
    return Observation("warning" if healthy else "critical", text, next_step=target_step(look, known))


KINDS = named(
    Kind(
        name="auto_scaling_group",
        look=look_at_group,
        options=TARGET,
        required=("target",),
        services=("autoscaling",),
        check=ANY_NAME,
        step=command("autoscaling describe-auto-scaling-groups --auto-scaling-group-names {target}"),
        actions=actions(autoscaling="DescribeAutoScalingGroups"),
    ),
    Kind(
        name="target_group",
        look=look_at_targets,
        options=TARGET,
        required=("target",),
        services=("elbv2",),
        check=must(r"arn:\S+:targetgroup/\S+", "the ARN of a target group"),
        step=command("elbv2 describe-target-health --target-group-arn {target}"),
        actions=actions(elbv2="DescribeTargetHealth"),
    ),
)
