# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Alarms, and what AWS says of itself."""

from __future__ import annotations

import shlex
from datetime import datetime

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import AWS_ERRORS, error_code
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_aws_common import (
    ANY_NAME,
    NO_EMULATION,
    TARGET,
    Part,
    Row,
    actions,
    aws,
    command,
    must,
    named,
    pages,
    play,
    target,
    together,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_aws_stack import no_stack
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_aws_words import iso, plural
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_kind import Kind, Look, Observation

SHOWN = 5
# DescribeAlarms takes no more names.
AT_ONCE = 100
# A resource of which the stack has nothing yet, or nothing any more.
NOT_THERE = ("CREATE_IN_PROGRESS", "CREATE_FAILED", "DELETE_COMPLETE", "DELETE_IN_PROGRESS", "DELETE_SKIPPED")
GLOBAL_REGION = "us-east-1"
OWN_PAGE = "https://health.aws.amazon.com/health/status"
WHY = "MetricAlarms[].[AlarmName,StateReason,AlarmDescription]"

# Alarms


def transition(alarm: Row) -> datetime | None:
    """Return when an alarm came into its state; the other time moves also where only the reason is written again."""
    return alarm.get("StateTransitionedTimestamp") or alarm.get("StateUpdatedTimestamp")


def in_words(alarm: Row) -> str:
    """Name an alarm with the first sentence of its description."""
    text = str(alarm.get("AlarmDescription") or alarm.get("StateReason") or "").partition(". ")[0].rstrip(".")
    return f"{alarm['AlarmName']} ({text})" if text else str(alarm["AlarmName"])


def shown(names: list[str], between: str = ", ") -> str:
    """Name the first of them."""
    return between.join(names[:SHOWN]) + (f"{between}..." if len(names) > SHOWN else "")


def names_of(alarms: list[Row]) -> list[str]:
    return [str(item["AlarmName"]) for item in alarms]


def on(look: Look, operation: str, alarms: list[Row], rest: str = "") -> str:
    """Return a command about some alarms; whoever may make an alarm chose what it is called."""
    names = " ".join(map(shlex.quote, names_of(alarms)[:AT_ONCE]))
    return aws(look, "cloudwatch", f"cloudwatch {operation} --alarm-names {names}{rest}")


def why_step(look: Look, alarms: list[Row]) -> str:
    """Return the command that shows why some alarms are in their state."""
    return on(look, "describe-alarms", alarms[:SHOWN], f' --query "{WHY}" --output table')


def ringing_part(look: Look, ringing: list[Row], expected: bool) -> Part:
    """Say which alarms ring, and since when.

    :param expected: whether they are those that a maintenance answer sets off
    """
    since, step = min(filter(None, map(transition, ringing)), default=None), why_step(look, ringing)
    if expected:
        why = ", as expected while callers get the maintenance answer: "
        return Part("warning", f"{len(ringing)} in ALARM{why}{shown(names_of(ringing))}", step, since)
    return Part("critical", f"{len(ringing)} in ALARM: {shown(list(map(in_words, ringing)), '; ')}", step, since)


def alarm_parts(look: Look, alarms: list[Row]) -> list[Part]:
    """Judge alarms by their states."""
    ringing = [item for item in alarms if item.get("StateValue") == "ALARM"]
    fine = sum(item.get("StateValue") == "OK" for item in alarms)
    silent = len(alarms) - len(ringing) - fine
    parts = []
    for expected in (False, True):
        some = [item for item in ringing if (item["AlarmName"] in look.probe.get("expected", [])) == expected]
        parts += [ringing_part(look, some, expected)] if some else []
    text = f"{plural(len(alarms), 'alarm')}, {fine} OK, {silent} without enough data"
    text += f" (figures of AWS: {NO_EMULATION})" if look.sandbox and silent == len(alarms) else ""
    parts.append(Part("unknown" if silent == len(alarms) else "healthy", text, why_step(look, alarms)))
    mute = [item for item in alarms if item.get("ActionsEnabled") is False]
    if mute:
        text = f"nobody is told by {shown(names_of(mute))}: actions are off"
        parts.append(Part("warning", text, on(look, "enable-alarm-actions", mute)))
    return parts


def alarms_of_stack(look: Look) -> list[str] | None:
    """Return the names of the alarms that a stack made, None where there is no stack."""
    try:
        found = list(
            pages(look, "cloudformation", "list_stack_resources", "StackResourceSummaries", StackName=target(look))
        )
    except AWS_ERRORS as error:
        if no_stack(error):
            return None
        raise
    there = [item for item in found if item.get("ResourceStatus") not in NOT_THERE]
    names = [item.get("PhysicalResourceId") for item in there if item.get("ResourceType") == "AWS::CloudWatch::Alarm"]
    return [str(name) for name in names if name]


def look_at_alarms(look: Look) -> Observation:
    """Look at the alarms of a stack: not by the beginning of their names, which those of others may share."""
    names, found = alarms_of_stack(look), []
    if not names:
        gone = f"stack {target(look)} is not there, and no alarms with it: nobody is told of anything"
        text = gone if names is None else f"stack {target(look)} has no alarms, so nobody is told of anything"
        return Observation("unknown", text, next_step=play(look, "deploy"))
    for first in range(0, len(names), AT_ONCE):
        request = {"AlarmNames": names[first : first + AT_ONCE], "MaxRecords": AT_ONCE}
        found += list(pages(look, "cloudwatch", "describe_alarms", "MetricAlarms", **request))
    parts = alarm_parts(look, found) if found else []
    seen = set(names_of(found))
    lost = [name for name in names if name not in seen]
    if lost:
        parts.append(Part("warning", f"{len(lost)} deleted by somebody: {shown(lost)}", play(look, "drift")))
    return together(f"alarms of {target(look)}", parts)


# AWS itself


def look_at_aws(look: Look) -> Observation:
    """Ask AWS Health for open issues of a region; without a Business support plan AWS does not tell."""
    region = target(look)
    if look.sandbox:
        return Observation("unknown", f"AWS Health of {region}: {NO_EMULATION}", next_step=f"Open {OWN_PAGE}")
    wanted = {"eventStatusCodes": ["open"], "eventTypeCategories": ["issue"], "regions": [region, "global"]}
    try:
        found = list(pages(look, "health", "describe_events", "events", filter=wanted))
    except AWS_ERRORS as error:
        if error_code(error) != "SubscriptionRequiredException":
            raise
        text = f"AWS Health of {region}: its API needs a Business support plan or better"
        return Observation("unknown", text, next_step=f"Open {OWN_PAGE}", not_offered=True)
    if not found:
        return Observation("healthy", f"AWS Health of {region}: no open issues")
    issues = [f"{item.get('service')} in {item.get('region')} ({item.get('eventTypeCode')})" for item in found]
    since = min(filter(None, (item.get("startTime") for item in found)), default=None)
    step = aws(look, "health", f"health describe-event-details --event-arns {shlex.quote(str(found[0].get('arn')))}")
    text = f"AWS Health: {plural(len(found), 'open issue')}: {shown(issues)}"
    return Observation("warning", text, since=iso(since), next_step=step)


KINDS = named(
    Kind(
        name="alarms",
        look=look_at_alarms,
        options=TARGET | {"expected"},
        required=("target",),
        services=("cloudformation", "cloudwatch"),
        check=ANY_NAME,
        step=command("cloudformation describe-stack-resources --stack-name {target}"),
        actions=actions(cloudformation="ListStackResources", cloudwatch="DescribeAlarms"),
    ),
    Kind(
        name="aws_health",
        look=look_at_aws,
        options=frozenset({"target"}),
        required=("target",),
        services=("health",),
        region=GLOBAL_REGION,
        check=must(r"[a-z]{2}(?:-[a-z]+)+-\d+", "a region such as us-east-1"),
        step=lambda _probe: f"Open {OWN_PAGE}",
        actions=actions(health="DescribeEvents"),
    ),
)
