# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who hears the alarms, as AWS says and as people are told."""

from __future__ import annotations

import typing as t

import boto3
import pytest
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.alerts import alert_lines, listener
from botocore.stub import Stubber

TOPIC = "arn:aws:sns:us-east-1:123456789012:mcp-production-alerts"
ADDRESS = "oncall@example.org"
FOUNDATION = {"outputs": {"AlertsTopicArn": TOPIC}, "parameters": {"AlertEmail": ADDRESS}}


@pytest.fixture
def sns() -> t.Iterator[Stubber]:
    """A stubbed SNS."""
    client = boto3.client("sns", region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test")
    with Stubber(client) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


def heard(sns: Stubber, foundation: dict[str, t.Any]) -> dict[str, t.Any]:
    """Ask who hears the alarms."""
    return listener(lambda _service: sns.client, foundation)


@pytest.mark.parametrize(
    ("arn", "confirmed"), [(f"{TOPIC}:0123", True), ("PendingConfirmation", False), ("Deleted", False), (None, False)]
)
def test_a_subscription_is_confirmed_once_it_has_an_arn(sns: Stubber, arn: str | None, confirmed: bool) -> None:
    other = {"SubscriptionArn": f"{TOPIC}:4567", "Endpoint": "else@example.org"}
    ours = [{"SubscriptionArn": arn, "Endpoint": ADDRESS}] if arn else []
    sns.add_response("list_subscriptions_by_topic", {"Subscriptions": [other, *ours]}, {"TopicArn": TOPIC})
    assert heard(sns, FOUNDATION) == {"address": ADDRESS, "confirmed": confirmed}


def test_a_refused_look_fails_nothing(sns: Stubber) -> None:
    sns.add_client_error("list_subscriptions_by_topic", "AuthorizationError")
    assert heard(sns, FOUNDATION) == {"address": ADDRESS, "confirmed": None}


@pytest.mark.parametrize("foundation", [{"outputs": {}, "parameters": {}}, {**FOUNDATION, "parameters": {}}])
def test_without_an_address_nobody_is_asked(sns: Stubber, foundation: dict[str, t.Any]) -> None:
    assert heard(sns, foundation) == {}


def deployment(address: str, **more: t.Any) -> dict[str, t.Any]:
    """Return what verbs handed on, with alarms."""
    stacks = {"foundation": {"parameters": {"AlertEmail": address}}, "watch": {"parameters": {"Alarms": "true"}}}
    return {"stacks": stacks, **more}


@pytest.mark.parametrize(
    ("told", "line"),
    [
        (deployment(ADDRESS, alerts={"address": ADDRESS, "confirmed": True}), f"alerts:    {ADDRESS}"),
        (deployment(ADDRESS, alerts={"address": ADDRESS, "confirmed": False}), "has to confirm AWS's mail first"),
        (deployment(ADDRESS), "has to confirm AWS's mail first"),
        (deployment(ADDRESS, alerts={"address": "old@example.org", "confirmed": True}), "has to confirm"),
        (deployment(ADDRESS, alerts={"address": ADDRESS, "confirmed": None}), "AWS did not say"),
        (deployment("none"), "set mcp_alert_email"),
    ],
)
def test_people_are_told_who_hears_the_alarms(told: dict[str, t.Any], line: str) -> None:
    (said,) = alert_lines(told)
    assert said.startswith("alerts:    ") and line in said


@pytest.mark.parametrize("told", [deployment("none", sandbox=True), {}, {"stacks": {"foundation": {}}}])
def test_nothing_is_said_where_there_is_nothing_to_hear(told: dict[str, t.Any]) -> None:
    assert alert_lines(told) == []
