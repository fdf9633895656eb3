# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Alarms, and what AWS says of itself."""

from __future__ import annotations

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
    quoted,
    target,
    together,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_aws_words import (
    iso,
    plural,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_kind import Kind, Look, Observation

SHOWN = 5
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


def ringing_part(look: Look, ringing: list[Row]) -> Part:
    """Say which alarms ring, and since when."""
    names = "; ".join(map(in_words, ringing[:SHOWN])) + ("; ..." if len(ringing) > SHOWN else "")
    since = min(filter(None, map(transition, ringing)), default=None)
    query = f'--state-value ALARM --query "{WHY}" --output table'
    step = aws(look, "cloudwatch", f"cloudwatch describe-alarms --alarm-name-prefix {quoted(look)} {query}")
    return Part("critical", f"{len(ringing)} in ALARM: {names}", step, since)


def alarm_parts(look: Look, alarms: list[Row]) -> list[Part]:
    """Judge alarms by their states."""
    by_state = {state: [item for item in alarms if item.get("StateValue") == state] for state in ("ALARM", "OK")}
    ringing, silent = by_state["ALARM"], len(alarms) - len(by_state["ALARM"]) - len(by_state["OK"])
    parts = [ringing_part(look, ringing)] if ringing else []
    status = "unknown" if silent == len(alarms) else "healthy"
    text = f"{plural(len(alarms), 'alarm')}, {len(by_state['OK'])} OK, {silent} without enough data"
    text += f" (figures of AWS: {NO_EMULATION})" if look.sandbox and silent == len(alarms) else ""
    parts.append(Part(status, text))
    mute = [str(item["AlarmName"]) for item in alarms if item.get("ActionsEnabled") is False]
    if mute:
        step = aws(look, "cloudwatch", f"cloudwatch enable-alarm-actions --alarm-names {' '.join(mute)}")
        parts.append(Part("warning", f"nobody is told by {', '.join(mute[:SHOWN])}: actions are off", step))
    return parts


def look_at_alarms(look: Look) -> Observation:
    """Look at all alarms whose names begin alike."""
    request = {"AlarmNamePrefix": target(look), "AlarmTypes": ["MetricAlarm", "CompositeAlarm"]}
    found = list(pages(look, "cloudwatch", "describe_alarms", "MetricAlarms CompositeAlarms", **request))
    if not found:
        text = f"alarms {target(look)}*: there are none, so nobody is told of anything"
        return Observation("unknown", text, next_step=play(look, "deploy"))
    return together(f"alarms {target(look)}*", alarm_parts(look, found))


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
        return Observation("unknown", text, next_step=f"Open {OWN_PAGE}")
    if not found:
        return Observation("healthy", f"AWS Health of {region}: no open issues")
    shown = [f"{item.get('service')} in {item.get('region')} ({item.get('eventTypeCode')})" for item in found[:SHOWN]]
    since = min(filter(None, (item.get("startTime") for item in found)), default=None)
    step = aws(look, "health", f"health describe-event-details --event-arns {found[0].get('arn')}")
    text = f"AWS Health: {plural(len(found), 'open issue')}: {', '.join(shown)}"
    return Observation("warning", text, since=iso(since), next_step=step)


KINDS = named(
    Kind(
        name="alarms",
        look=look_at_alarms,
        options=TARGET,
        required=("target",),
        services=("cloudwatch",),
        check=ANY_NAME,
        step=command("cloudwatch describe-alarms --alarm-name-prefix {target}"),
        actions=actions(cloudwatch="DescribeAlarms"),
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
