# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Alarms that reach people, on the emulated AWS: metric, alarm, topic, message.

It evaluates an alarm when a metric arrives, over all values of that name in the whole window: neither dimensions nor
datapoints count there, which the unit tests look at instead.
"""

from __future__ import annotations

import json
import time
import typing as t
from pathlib import Path

import pytest

from tests.support.checkout import ROOT
from tests.support.expanded import FULL, expanded
from tests.support.stacks import Driver

pytestmark = pytest.mark.integration

FILES = ROOT / "roles" / "production" / "files"
ALARMS = {
    body["Properties"]["AlarmName"].removeprefix("mcp-production-"): body["Properties"]
    for body in expanded("watch", FULL)["Resources"].values()
    if body["Type"] == "AWS::CloudWatch::Alarm"
}


class Watch:
    """The stacks foundation and watch of an environment, and a queue that hears its alerts."""

    def __init__(self, endpoint: str, tmp_path: Path) -> None:
        self.foundation, self.stack = Driver(endpoint, tmp_path), Driver(endpoint, tmp_path)
        self.environment = self.stack.name
        self.cloudwatch = self.stack.client("cloudwatch")
        self.sqs = self.stack.client("sqs")
        self.topic = self.apply_foundation()["outputs"]["AlertsTopicArn"]
        self.queue = self.sqs.create_queue(QueueName=f"{self.environment}-heard")["QueueUrl"]
        attributes = self.sqs.get_queue_attributes(QueueUrl=self.queue, AttributeNames=["QueueArn"])["Attributes"]
        self.stack.client("sns").subscribe(TopicArn=self.topic, Protocol="sqs", Endpoint=attributes["QueueArn"])

    def apply_foundation(self, **parameters: str) -> dict[str, t.Any]:
        """Apply the stack with the topic."""
        given = {"Environment": self.environment, "StateBucketName": f"{self.environment}-state", **parameters}
        template = str(FILES / "foundation.yaml")
        return self.foundation.good(template=template, parameters=given, allow_replacement=["AlertsKmsKey"])

    def apply(self, check_mode: bool = False, **parameters: str) -> dict[str, t.Any]:
        """Apply the stack with alarms and dashboard."""
        given = {
            "Environment": self.environment,
            "ApiName": f"mcp-{self.environment}",
            "StageName": "live",
            "ServerFunctionName": f"mcp-{self.environment}-server",
            "AuthorizerFunctionName": f"mcp-{self.environment}-authorizer",
            "TableName": f"mcp-{self.environment}-documents",
            "AlertsTopicArn": self.topic,
            "DistributionId": "E0123456789ABC",
            "CertificateArn": FULL["CertificateArn"],
            "RotationFunctionName": f"mcp-{self.environment}-rotation",
            "Region": "us-east-1",
            **parameters,
        }
        return self.stack.good(check_mode, template=str(FILES / "watch.yaml"), parameters=given)

    def put(self, alarm: str, value: float, count: int) -> None:
        """Send a value that happened a number of times to the metric of an alarm."""
        described = self.describe(alarm)
        datum = {"MetricName": described["MetricName"], "Dimensions": described["Dimensions"]}
        self.cloudwatch.put_metric_data(
            Namespace=described["Namespace"], MetricData=[{**datum, "Values": [value], "Counts": [count]}]
        )

    def describe(self, alarm: str) -> dict[str, t.Any]:
        """Return what CloudWatch says of an alarm."""
        return self.cloudwatch.describe_alarms(AlarmNames=[f"mcp-{self.environment}-{alarm}"])["MetricAlarms"][0]

    def heard(self, wanted: set[tuple[str, str]]) -> set[tuple[str, str]]:
        """Return alarm and state of the messages, at the latest when those wanted are all there."""
        messages: set[tuple[str, str]] = set()
        deadline = time.monotonic() + 20
        while not wanted <= messages and time.monotonic() < deadline:
            answer = self.sqs.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10, WaitTimeSeconds=1)
            for message in answer.get("Messages", []):
                alert = json.loads(json.loads(message["Body"])["Message"])
                messages.add((alert["AlarmName"].removeprefix(f"mcp-{self.environment}-"), alert["NewStateValue"]))
                self.sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=message["ReceiptHandle"])
        return messages

    def remove(self) -> None:
        """Remove what was made."""
        self.stack.remove()
        self.foundation.remove()
        self.sqs.delete_queue(QueueUrl=self.queue)
        self.stack.client("s3").delete_bucket(Bucket=f"{self.environment}-state")


@pytest.fixture
def watch(sandbox_endpoint: str, tmp_path: Path) -> t.Iterator[Watch]:
    """A watched environment, removed afterwards."""
    one = Watch(sandbox_endpoint, tmp_path)
    yield one
    one.remove()


def breaching(alarm: dict[str, t.Any]) -> float:
    """Return a value that the alarm does not allow."""
    below = alarm["ComparisonOperator"].startswith("LessThan")
    return float(alarm["Threshold"]) + (-1 if below else 1)


def test_every_alarm_reaches_the_topic_and_ends_there_too(watch: Watch) -> None:
    assert watch.apply()["changed"]
    assert not watch.apply()["changed"] and not watch.apply(check_mode=True)["changed"]
    # One slow call in a hundred is no P95.
    watch.put("latency-p95", 80, 99)
    watch.put("latency-p95", 2400, 1)
    assert watch.describe("latency-p95")["StateValue"] == "OK"
    for name, alarm in ALARMS.items():
        watch.put(name, breaching(alarm), 20)
    wanted = {(name, "ALARM") for name in ALARMS}
    assert {message for message in watch.heard(wanted) if message[1] == "ALARM"} == wanted
    # Only what is averaged, or a percentile, can end within the window.
    watch.put("error-rate", 0, 10_000)
    watch.put("latency-p95", 80, 1000)
    over = {("error-rate", "OK"), ("latency-p95", "OK")}
    assert over <= watch.heard(over)


def test_without_alarms_there_is_a_dashboard(watch: Watch) -> None:
    watch.apply()
    watch.apply(Alarms="false")
    names = watch.cloudwatch.describe_alarms(AlarmNamePrefix=f"mcp-{watch.environment}-")["MetricAlarms"]
    assert names == []
    body = json.loads(watch.cloudwatch.get_dashboard(DashboardName=f"mcp-{watch.environment}")["DashboardBody"])
    assert f'"mcp-{watch.environment}-server"' in json.dumps(body)


def test_the_topic_takes_a_key_and_an_address_and_gives_them_back(watch: Watch) -> None:
    sns = watch.stack.client("sns")
    watch.apply_foundation(AlertsKey="own", AlertEmail="oncall@example.org")
    # That the topic uses it the emulator does not keep; the template's test looks at that.
    kms = watch.stack.client("kms")
    key = kms.describe_key(KeyId=f"alias/mcp-{watch.environment}-alerts")["KeyMetadata"]["KeyId"]
    assert kms.get_key_rotation_status(KeyId=key)["KeyRotationEnabled"]
    addresses = {item["Endpoint"] for item in sns.list_subscriptions_by_topic(TopicArn=watch.topic)["Subscriptions"]}
    assert "oncall@example.org" in addresses
    assert not watch.apply_foundation(AlertsKey="own", AlertEmail="oncall@example.org")["changed"]
    watch.apply_foundation(AlertsKey="none", AlertEmail="none")
    assert kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"] == "PendingDeletion"
    addresses = {item["Endpoint"] for item in sns.list_subscriptions_by_topic(TopicArn=watch.topic)["Subscriptions"]}
    assert "oncall@example.org" not in addresses
