# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The billing alarm: AWS/Billing EstimatedCharges, which exists in us-east-1 alone, and the account's topic there."""

from __future__ import annotations

import functools
import json
import typing as t
from decimal import Decimal

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.budget_steps import (
    ACCOUNT_NAME,
    BILLING_REGION,
    Step,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import AWS_ERRORS, Context, error_code
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.estimate_amount import plain

METRIC = {
    "Namespace": "AWS/Billing",
    "MetricName": "EstimatedCharges",
    "Dimensions": [{"Name": "Currency", "Value": "USD"}],
}
NO_METRIC = (
    "AWS has no metric of this account's charges yet, so the billing alarm stays silent. The owner of the account (of "
    "an organization: of its management account) has to switch it on once, there is no API for it: Billing and Cost "
    "Management, Billing preferences, Alert preferences, Receive CloudWatch billing alerts. Charges show hours later."
)
NOBODY = (
    "Nobody hears the account's budget and billing alarm: their topic in us-east-1 has no subscriber. Name somebody: "
    '-e \'{"mcp_budget_emails": ["oncall@example.org"]}\''
)


# The alarm


def definition(name: str, limit: Decimal, topic: str) -> dict[str, t.Any]:
    """Return the alarm as AWS takes it; AWS counts the charges about four times a day."""
    return {
        "AlarmName": name,
        "AlarmDescription": f"This account's charges of the month are above {plain(limit)} USD",
        "ActionsEnabled": True,
        "AlarmActions": [topic],
        **METRIC,
        "Statistic": "Maximum",
        "Period": 21600,
        "EvaluationPeriods": 1,
        "Threshold": float(limit),
        "ComparisonOperator": "GreaterThanThreshold",
        "TreatMissingData": "notBreaching",
    }


def read(client: t.Any, name: str) -> dict[str, t.Any] | None:
    """Return an alarm, None where there is none."""
    alarms = client.describe_alarms(AlarmNames=[name], AlarmTypes=["MetricAlarm"])["MetricAlarms"]
    return dict(alarms[0]) if alarms else None


def shown(alarm: dict[str, t.Any]) -> dict[str, t.Any]:
    """Return an alarm as a result shows it."""
    return {
        "name": alarm["AlarmName"],
        "threshold": plain(Decimal(str(alarm["Threshold"]))),
        "region": BILLING_REGION,
        "topics": alarm.get("AlarmActions", []),
    }


def alarm_steps(client: t.Any, wanted: dict[str, t.Any], found: dict[str, t.Any] | None) -> list[Step]:
    """Return the step to the alarm as it shall be."""
    if found and all(found.get(key) == value for key, value in wanted.items()):
        return []
    what = "alarm changed" if found else "alarm created"
    act = functools.partial(client.put_metric_alarm, **wanted)
    return [Step(what, wanted["AlarmName"], shown(found) if found else None, shown(wanted), act)]


def alarm_removal(client: t.Any, found: dict[str, t.Any] | None) -> list[Step]:
    """Return the step that removes the alarm."""
    if found is None:
        return []
    act = functools.partial(client.delete_alarms, AlarmNames=[found["AlarmName"]])
    return [Step("alarm removed", found["AlarmName"], shown(found), None, act)]


def warn_of_silence(ctx: Context) -> None:
    """Warn where AWS does not count this account's charges, so that the alarm cannot ring."""
    if not ctx.client("cloudwatch", BILLING_REGION).list_metrics(**METRIC)["Metrics"]:
        ctx.warn(NO_METRIC)


def describe(ctx: Context) -> dict[str, t.Any] | None:
    """Return the account's alarm as a result shows it."""
    found = read(ctx.client("cloudwatch", BILLING_REGION), ACCOUNT_NAME)
    return shown(found) if found else None


# The topic: that of an environment goes with it, and lets alarms of that environment alone publish


def topic_arn(params: dict[str, t.Any]) -> str:
    """Return the ARN that the topic has or will have."""
    return f"arn:{params['partition']}:sns:{BILLING_REGION}:{params['account']}:{ACCOUNT_NAME}"


def policy(arn: str, account: str) -> str:
    """Return who may publish: alarms and budgets of this account, by TLS."""
    statement = {"Action": "sns:Publish", "Resource": arn}
    ours = {"Condition": {"StringEquals": {"aws:SourceAccount": account}}}
    alarms = {"Effect": "Allow", "Principal": {"Service": "cloudwatch.amazonaws.com"}, **statement}
    budgets = {"Effect": "Allow", "Principal": {"Service": "budgets.amazonaws.com"}, **statement}
    anyone = {"Effect": "Deny", "Principal": "*", **statement}
    statements = [
        {"Sid": "AlarmsOfThisAccount", **alarms, **ours},
        {"Sid": "BudgetsOfThisAccount", **budgets, **ours},
        {"Sid": "OnlyTls", **anyone, "Condition": {"Bool": {"aws:SecureTransport": "false"}}},
    ]
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def subscribed(client: t.Any, arn: str) -> list[str] | None:
    """Return the addresses that a topic tells, None where there is no such topic."""
    try:
        pages = client.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=arn)
        return [item["Endpoint"] for page in pages for item in page["Subscriptions"]]
    except AWS_ERRORS as error:
        if error_code(error) in ("NotFound", "NotFoundException"):
            return None
        raise


def topic_steps(
    client: t.Any, arn: str, emails: list[str], found: list[str] | None, tags: dict[str, str]
) -> list[Step]:
    """Return the steps to a topic with its subscribers; others that somebody added stay."""
    name, account = arn.split(":")[5], arn.split(":")[4]
    made = functools.partial(
        client.create_topic,
        Name=name,
        Attributes={"Policy": policy(arn, account)},
        Tags=[{"Key": key, "Value": value} for key, value in tags.items()],
    )
    listed = [] if found is not None else [Step("topic created", name, None, arn, made)]
    for email in emails:
        if email not in (found or []):
            act = functools.partial(client.subscribe, TopicArn=arn, Protocol="email", Endpoint=email)
            listed.append(Step("subscriber added", f"{name}: {email}", None, email, act))
    return listed


def topic_removal(client: t.Any, arn: str, found: list[str] | None) -> list[Step]:
    """Return the step that removes the topic, its subscribers with it."""
    if found is None:
        return []
    act = functools.partial(client.delete_topic, TopicArn=arn)
    return [Step("topic removed", arn.split(":")[5], sorted(found), None, act)]


# Both


def topic(ctx: Context, tags: dict[str, str]) -> list[Step]:
    """Return the steps to the topic; each environment adds whom it tells, and removes nobody."""
    params, sns = ctx.params, ctx.client("sns", BILLING_REGION)
    arn = topic_arn(params)
    told = subscribed(sns, arn)
    emails = sorted({*params["emails"], *([params["alert_email"]] if params["alert_email"] else [])})
    if not emails and not told:
        ctx.warn(NOBODY)
    return topic_steps(sns, arn, emails, told, tags)


def steps(ctx: Context, limit: Decimal) -> list[Step]:
    """Return the step to the alarm, which needs its topic."""
    client = ctx.client("cloudwatch", BILLING_REGION)
    return alarm_steps(client, definition(ACCOUNT_NAME, limit, topic_arn(ctx.params)), read(client, ACCOUNT_NAME))


def removal(ctx: Context) -> list[Step]:
    """Return the steps that remove the alarm, and then its topic."""
    cloudwatch, sns = ctx.client("cloudwatch", BILLING_REGION), ctx.client("sns", BILLING_REGION)
    arn = topic_arn(ctx.params)
    return alarm_removal(cloudwatch, read(cloudwatch, ACCOUNT_NAME)) + topic_removal(sns, arn, subscribed(sns, arn))
