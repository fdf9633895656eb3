# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What both kinds of environments have: secrets, logs, alarms, alerts, keys."""

from __future__ import annotations

import typing as t

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.estimate_amount import (
    Usage,
    exact,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.estimate_need import (
    Free,
    Gap,
    Need,
    Reader,
    Said,
    kept,
    keyed,
    one,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.estimate_template import Resource

# Logical id -> usage key of the GB that it takes in a month.
LOG_GROUPS = {
    "ServerLogs": "server_log_gb",
    "AuthorizerLogs": "authorizer_log_gb",
    "RotationLogs": "rotation_log_gb",
    "AccessLogs": "access_log_gb",
    "DatabaseLogs": "database_log_gb",
    "DatabaseUpgradeLogs": "database_upgrade_log_gb",
    "FlowLogs": "flow_log_gb",
}
SERVER_LOGS = "ServerLogs"
SHORTEST_PERIOD_S = 60


def log_group(resource: Resource, usage: Usage) -> Said:
    """Price a log: what it takes in, what it keeps, and the metrics that are written into it."""
    key = keyed(resource.logical_id, LOG_GROUPS)
    if key is None:
        yield Gap(f"nothing is assumed of what it takes in; assumptions are there for {', '.join(LOG_GROUPS)}")
        return
    yield Need("logs.ingest", usage(key))
    if resource.get("RetentionInDays") is None:
        yield Gap("it keeps everything for ever, so what it stores grows every month")
    else:
        yield Need("logs.storage", usage(key) * usage("log_stored_ratio") * kept(resource.number("RetentionInDays")))
    if resource.logical_id.startswith(SERVER_LOGS):
        yield Need("cloudwatch.metric", usage("custom_metrics"))
        if usage("tool_metrics").value:
            yield Need("cloudwatch.metric", usage("tool_metrics"))


def metric_filter(resource: Resource, _usage: Usage) -> Said:
    """Price the metrics that filters make; AWS bills the hours in which one has data, here it is a whole month."""
    for made in resource.get("MetricTransformations") or []:
        name = f"{made.get('MetricNamespace')}/{made.get('MetricName')}"
        yield Need("cloudwatch.metric", one("metric, as if it had data all month:"), once=f"metric {name}")


def alarm(resource: Resource, _usage: Usage) -> Said:
    """Price an alarm, by each metric that it looks at."""
    looked_at = resource.get("Metrics")
    period = resource.number("Period", SHORTEST_PERIOD_S).value
    if period is not None and period < SHORTEST_PERIOD_S:
        yield Gap("alarms of a period below 60 seconds are not in the price book")
    elif looked_at:
        count = sum(1 for item in looked_at if "MetricStat" in item)
        yield Need("cloudwatch.alarm", exact(count, "metrics of the alarm:"))
    else:
        yield Need("cloudwatch.alarm", one("alarm:"))


def dashboard(_resource: Resource, _usage: Usage) -> Said:
    """Price a dashboard."""
    yield Need("cloudwatch.dashboard", one("dashboard:"))


def secret(_resource: Resource, usage: Usage) -> Said:
    """Price a secret of Secrets Manager."""
    yield Need("secretsmanager.secret", one("secret:"))
    yield Need("secretsmanager.calls", usage("secret_calls"))


def parameter(resource: Resource, _usage: Usage) -> Said:
    """Price a parameter of SSM."""
    advanced = resource.text("Tier", "Standard") != "Standard"
    yield Need(f"ssm.parameter.{'advanced' if advanced else 'standard'}", one("parameter:"))


def topic(_resource: Resource, usage: Usage) -> Said:
    """Price a topic by its messages."""
    yield Need("sns.publish", usage("alerts"))


def subscription(resource: Resource, usage: Usage) -> Said:
    """Price what a topic delivers."""
    protocol = resource.text("Protocol") or ""
    if protocol.startswith("email"):
        yield Need("sns.email", usage("alert_emails"))
    elif protocol in ("lambda", "sqs", "firehose"):
        yield Free("deliveries to Lambda and SQS are free")
    else:
        yield Gap(f"deliveries by {protocol or 'an unknown protocol'} are not in the price book")


def key(_resource: Resource, usage: Usage) -> Said:
    """Price a key of one's own; each of its first two rotations adds as much again."""
    yield Need("kms.key", one("key, before its first yearly rotation:"))
    yield Need("kms.requests", usage("kms_requests"))


def queue(_resource: Resource, usage: Usage) -> Said:
    """Price a queue by its requests."""
    yield Need("sqs.requests", usage("queue_requests"))


def zone(_resource: Resource, usage: Usage) -> Said:
    """Price a hosted zone and its queries."""
    yield Need("route53.zone", one("zone:"))
    yield Need("route53.queries", usage("dns_queries"))


def web_acl(resource: Resource, usage: Usage) -> Said:
    """Price a web ACL, its rules and the requests that it looks at."""
    yield Need("waf.acl", one("web ACL:"))
    yield Need("waf.rule", exact(len(resource.get("Rules") or []), "rules:"))
    yield Need("waf.requests", usage("api_requests"))


READERS: dict[str, Reader] = {
    "AWS::CloudWatch::Alarm": alarm,
    "AWS::CloudWatch::Dashboard": dashboard,
    "AWS::KMS::Key": key,
    "AWS::Logs::LogGroup": log_group,
    "AWS::Logs::MetricFilter": metric_filter,
    "AWS::Route53::HostedZone": zone,
    "AWS::SNS::Subscription": subscription,
    "AWS::SNS::Topic": topic,
    "AWS::SQS::Queue": queue,
    "AWS::SSM::Parameter": parameter,
    "AWS::SecretsManager::Secret": secret,
    "AWS::WAFv2::WebACL": web_acl,
}
__all__: t.Final = ["READERS"]
