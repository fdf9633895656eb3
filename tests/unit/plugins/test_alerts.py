# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who hears the alarms, as AWS says and as people are told."""

from __future__ import annotations

import typing as t
from types import SimpleNamespace

import boto3
import pytest
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.alerts import alert_lines, listener
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import Context
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.preflight import describe_environment
from botocore.exceptions import EndpointConnectionError
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
    return listener(Context(params={}, make_client=lambda _service, _region: sns.client), foundation)


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


class Aws:
    """A deployed environment whose alerts go to an address; SNS does not answer."""

    def __init__(self, **params: t.Any) -> None:
        self.asked: list[str] = []
        self.params: dict[str, t.Any] = {"emergency": False, **params}

    def client(self, service: str, _region: str | None) -> t.Any:
        """Return what stands for a service's client."""
        self.asked.append(service)
        if service == "sns":
            assert self.params["aws_config"]["retries"]["total_max_attempts"] <= 2
            return SimpleNamespace(get_paginator=self.no_answer)
        return SimpleNamespace(
            get_caller_identity=lambda: {"Account": "123456789012", "Arn": "arn:aws:iam::123456789012:user/ann"},
            describe_stacks=self.describe_stacks,
        )

    def no_answer(self, _operation: str) -> t.NoReturn:
        raise EndpointConnectionError(endpoint_url="https://sns.us-east-1.amazonaws.com")

    def describe_stacks(self, StackName: str) -> dict[str, t.Any]:
        outputs = [{"OutputKey": "AlertsTopicArn", "OutputValue": TOPIC}]
        parameters = [{"ParameterKey": "AlertEmail", "ParameterValue": ADDRESS}]
        stack = {"StackName": StackName, "StackStatus": "UPDATE_COMPLETE", "Outputs": outputs}
        return {"Stacks": [{**stack, "Parameters": parameters}]}

    def look(self) -> dict[str, t.Any]:
        """Find out what exists."""
        values = {
            "mcp_phase": "production",
            "mcp_environment": "production",
            "mcp_region": "us-east-1",
            "mcp_sandbox": False,
        }
        return describe_environment(Context(params=self.params, make_client=self.client), values)


def test_an_emergency_never_waits_for_the_service_that_would_tell_who_listens() -> None:
    aws = Aws(emergency=True)
    found = aws.look()
    assert "sns" not in aws.asked
    assert alert_lines(found) == []


def test_others_wait_for_it_a_few_seconds_only() -> None:
    (line,) = alert_lines(Aws().look())
    assert "AWS did not say" in line


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
