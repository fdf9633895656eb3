# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Alerts of unusual spending: subscriptions of ours to the account's monitor of its services."""

from __future__ import annotations

import functools
import typing as t
from decimal import Decimal

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.budget_steps import Names, Step
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import Context
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.estimate_amount import plain

# An account has one monitor of its services, AWS makes it for most: every environment uses it.
MONITOR = {"MonitorName": "mcp-services", "MonitorType": "DIMENSIONAL", "MonitorDimension": "SERVICE"}
NOT_AVAILABLE = "anomaly alerts: not available on the emulator"
SAME = ("SubscriptionName", "Frequency", "MonitorArnList", "ThresholdExpression")

Subscription = dict[str, t.Any]


def pages(call: t.Callable[..., dict[str, t.Any]], key: str) -> list[dict[str, t.Any]]:
    """Return the items of all pages; Cost Explorer has no paginator for these."""
    items: list[dict[str, t.Any]] = []
    token: dict[str, str] = {}
    while True:
        answer = call(**token)
        items += answer[key]
        if not answer.get("NextPageToken"):
            return items
        token = {"NextPageToken": answer["NextPageToken"]}


def monitor_of_services(client: t.Any) -> dict[str, t.Any] | None:
    """Return the account's monitor of its services, None where there is none."""
    monitors = pages(client.get_anomaly_monitors, "AnomalyMonitors")
    return next((item for item in monitors if item.get("MonitorDimension") == MONITOR["MonitorDimension"]), None)


def subscriptions(client: t.Any) -> list[Subscription]:
    """Return all subscriptions of the account."""
    return pages(client.get_anomaly_subscriptions, "AnomalySubscriptions")


def wanted(names: Names, limit: Decimal, emails: list[str], topic: str | None) -> list[Subscription]:
    """Return the subscriptions as AWS takes them, without their monitor: SNS at once, mail only once a day."""
    ways = [("", "IMMEDIATE", [("SNS", topic)])] if topic else []
    ways += [("-daily", "DAILY", [("EMAIL", email) for email in sorted(emails)])] if emails else []
    return [
        {
            "SubscriptionName": names.anomalies + suffix,
            "Frequency": frequency,
            "Subscribers": [{"Type": kind, "Address": address} for kind, address in told],
            "ThresholdExpression": {
                "Dimensions": {
                    "Key": "ANOMALY_TOTAL_IMPACT_ABSOLUTE",
                    "MatchOptions": ["GREATER_THAN_OR_EQUAL"],
                    "Values": [plain(limit)],
                }
            },
        }
        for suffix, frequency, told in ways
    ]


def shown(item: Subscription) -> dict[str, t.Any]:
    """Return a subscription as a result shows it."""
    impact = item.get("ThresholdExpression", {}).get("Dimensions", {}).get("Values", [])
    return {
        "name": item["SubscriptionName"],
        "frequency": item["Frequency"],
        "impact_usd": impact[0] if impact else None,
        "subscribers": sorted(told["Address"] for told in item["Subscribers"]),
    }


def is_so(found: Subscription, item: Subscription, monitor: str) -> bool:
    """Say whether a subscription is as it shall be."""
    return shown(found) == shown(item) and found["MonitorArnList"] == [monitor]


def making(client: t.Any, item: Subscription, monitor: str | None, tags: dict[str, str]) -> None:
    """Make a subscription, and the monitor first where the account has none."""
    if monitor is None:
        # Another environment may have made it meanwhile.
        made = monitor_of_services(client) or client.create_anomaly_monitor(AnomalyMonitor=MONITOR)
        monitor = made["MonitorArn"]
    labels = [{"Key": key, "Value": value} for key, value in tags.items()]
    client.create_anomaly_subscription(AnomalySubscription={**item, "MonitorArnList": [monitor]}, ResourceTags=labels)


def wanted_steps(
    client: t.Any, items: list[Subscription], found: dict[str, Subscription], monitor: str | None, tags: dict[str, str]
) -> list[Step]:
    """Return the steps that make or change what is wanted."""
    listed = []
    for item in items:
        name = item["SubscriptionName"]
        old = found.get(name)
        if old is None:
            act = functools.partial(making, client, item, monitor, tags)
            listed.append(Step("anomaly alert created", name, None, shown(item), act))
        elif monitor is None or not is_so(old, item, monitor):
            act = functools.partial(
                client.update_anomaly_subscription,
                SubscriptionArn=old["SubscriptionArn"],
                **{**item, "MonitorArnList": [monitor] if monitor else old["MonitorArnList"]},
            )
            listed.append(Step("anomaly alert changed", name, shown(old), shown(item), act))
    return listed


def steps(ctx: Context, limit: Decimal, gone: bool) -> list[Step]:
    """Return the steps to the alerts that are wanted.

    :param limit: impact in US dollars from which to tell; 0 for no alerts
    """
    params = ctx.params
    names = Names(params["environment"])
    client = ctx.client("ce")
    ours = {names.anomalies, names.anomalies + "-daily"}
    everyone = subscriptions(client)
    found = {item["SubscriptionName"]: item for item in everyone if item["SubscriptionName"] in ours}
    monitor = monitor_of_services(client)
    items = [] if gone or not limit else wanted(names, limit, params["emails"], params["topic_arn"])
    kept = {item["SubscriptionName"] for item in items}
    arn = monitor["MonitorArn"] if monitor else None
    listed = wanted_steps(client, items, found, arn, params["tags"])
    for name, old in found.items():
        if name not in kept:
            act = functools.partial(client.delete_anomaly_subscription, SubscriptionArn=old["SubscriptionArn"])
            listed.append(Step("anomaly alert removed", name, shown(old), None, act))
    return listed + monitor_removal(client, monitor, everyone, found) if not items else listed


def monitor_removal(
    client: t.Any, monitor: dict[str, t.Any] | None, everyone: list[Subscription], found: dict[str, Subscription]
) -> list[Step]:
    """Return the step that removes a monitor of ours that nobody else listens to."""
    others = [item for item in everyone if item["SubscriptionName"] not in found]
    if not found or monitor is None or monitor["MonitorName"] != MONITOR["MonitorName"]:
        return []
    if any(monitor["MonitorArn"] in item["MonitorArnList"] for item in others):
        return []
    act = functools.partial(client.delete_anomaly_monitor, MonitorArn=monitor["MonitorArn"])
    return [Step("anomaly monitor removed", monitor["MonitorName"], monitor["MonitorArn"], None, act)]


def describe(ctx: Context) -> dict[str, t.Any]:
    """Return the alerts of this environment."""
    names = Names(ctx.params["environment"])
    client = ctx.client("ce")
    monitor = monitor_of_services(client)
    ours = [item for item in subscriptions(client) if item["SubscriptionName"].startswith(names.anomalies)]
    ours = [item for item in ours if item["SubscriptionName"] in (names.anomalies, names.anomalies + "-daily")]
    return {
        "monitor": monitor["MonitorArn"] if monitor else None,
        "subscriptions": [shown(item) for item in sorted(ours, key=lambda item: item["SubscriptionName"])],
    }
