# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""cost_estimate with usage from CloudWatch: days become a month, and what is not measured stays an assumption."""

from __future__ import annotations

import datetime
import typing as t
from decimal import Decimal

import pytest
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import estimate_measured, estimate_usage
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import SHARED_SESSION
from botocore.stub import Stubber

from tests.unit.plugins import estimate_world as world

END = datetime.datetime(2026, 11, 23, tzinfo=datetime.UTC)
OUTPUTS = {
    "DistributionId": "E123",
    "StateBucket": "mcp-production-state",
    "LoadBalancerFullName": "app/mcp-staging/1",
}
Points = list[dict[str, t.Any]]


class CloudWatch:
    """Answers with the days of some metrics, in the shape that AWS answers in."""

    def __init__(self, days: dict[str, Points]) -> None:
        self.days = days
        self.asked: list[tuple[str, str]] = []

    def client(self, service: str, region: str | None) -> t.Any:
        """Return a client that knows the next metric."""
        assert service == "cloudwatch"
        options = {"aws_access_key_id": "x", "aws_secret_access_key": "x", "region_name": region or "eu-west-1"}
        client = SHARED_SESSION.client("cloudwatch", **options)
        stub = Stubber(client)
        stub.activate()
        world_of = self

        class Client:
            def get_metric_statistics(self, **request: t.Any) -> t.Any:
                name = f"{request['Namespace']}/{request['MetricName']}"
                world_of.asked.append((name, region or ""))
                assert request["EndTime"] - request["StartTime"] == datetime.timedelta(days=30)
                # CloudWatch gives at most 1,440 values.
                assert request["Period"] == 86400
                stub.add_response("get_metric_statistics", {"Datapoints": world_of.days.get(name, [])}, request)
                return client.get_metric_statistics(**request)

        return Client()


def day(before: int, **values: float) -> dict[str, t.Any]:
    """Return a day's values."""
    return {"Timestamp": END - datetime.timedelta(days=before), **values}


def measured(days: dict[str, Points], phase: str = "production", **options: t.Any) -> dict[str, t.Any]:
    """Return an estimate of a running environment."""
    watch = CloudWatch(days)
    options = {"outputs": OUTPUTS, "environment": phase, "usage_source": "cloudwatch", **options}
    stacks = world.stacks(phase)
    result: dict[str, t.Any] = world.run(phase, watch.client, stacks=stacks, **options)["estimate"]
    return {**result, "asked": watch.asked}


def test_days_become_a_month() -> None:
    days = {
        "AWS/ApiGateway/Count": [day(10, Sum=300.0, SampleCount=1.0), day(2, Sum=200.0, SampleCount=1.0)],
        "AWS/Lambda/Duration": [day(10, Sum=9000.0, SampleCount=90.0), day(2, Sum=1000.0, SampleCount=10.0)],
        "AWS/CloudFront/BytesDownloaded": [day(1, Sum=2.0 * 1024**3, SampleCount=1.0)],
        "AWS/S3/BucketSizeBytes": [day(3, Average=9.0 * 1024**3), day(2, Average=3.0 * 1024**3)],
    }
    estimate = measured(days)
    # 500 in ten days, since the first call.
    by_hand = Decimal(500) / 10 * 365 / 12
    items = {line["item"]: line for line in estimate["lines"] if line["resource"] != "app.AuthorizerFunction"}
    assert abs(Decimal(items["apigateway.rest"]["quantity"]) - by_hand / 1_000_000) < Decimal("0.000001")
    assert Decimal(items["s3.standard"]["quantity"]) == 3
    assert abs(Decimal(items["cloudfront.gb"]["quantity"]) - Decimal(2) / 10 * 365 / 12) < Decimal("0.001")
    server = next(line for line in estimate["lines"] if line["item"] == "lambda.gb_seconds.arm64")
    assert "request_ms 100 (measured)" in server["assumption"]
    assert estimate["usage_notes"][0].startswith("measured by CloudWatch in the 30 days to 2026-11-23: requests")
    assert "writes" in estimate["usage_notes"][1]
    # What was not measured is the file's.
    assert Decimal(items["dynamodb.write"]["quantity"]) == Decimal(items["apigateway.rest"]["quantity"])


@pytest.mark.parametrize(("oldest", "days"), [(1, 2), (20, 20), (30, 30), (45, 30)])
def test_a_few_calls_of_late_are_not_taken_for_a_busy_month(oldest: int, days: int) -> None:
    known = {
        "AWS/ApiGateway/Count": [day(2, Sum=3.0, SampleCount=3.0)],
        "AWS/S3/BucketSizeBytes": [day(oldest, Average=1.0)],
    }
    items = {line["item"]: line for line in measured(known)["lines"]}
    by_hand = Decimal(3) / days * 365 / 12 / 1_000_000
    assert abs(Decimal(items["apigateway.rest"]["quantity"]) - by_hand) < Decimal("0.00000001")


def test_the_cdn_is_asked_in_its_own_region_and_names_that_are_unknown_are_not_asked_for() -> None:
    asked = dict(measured({})["asked"])
    assert asked["AWS/CloudFront/Requests"] == "us-east-1" and asked["AWS/ApiGateway/Count"] == ""
    assert "AWS/CloudFront/Requests" not in dict(measured({}, outputs={})["asked"])


def test_what_is_given_goes_before_what_was_measured() -> None:
    days = {"AWS/ApiGateway/Count": [day(10, Sum=300.0, SampleCount=1.0)]}
    items = {line["item"]: line for line in measured(days, usage={"requests": 1_000_000})["lines"]}
    assert items["apigateway.rest"]["quantity"] == "1"


def test_nothing_measured_is_the_file() -> None:
    estimate = measured({})
    assert estimate["totals"] == world.estimated("production")["totals"]


def test_staging_is_measured_by_its_load_balancer() -> None:
    days = {"AWS/ApplicationELB/ConsumedLCUs": [day(3, Sum=14.4, SampleCount=144.0)]}
    items = {line["item"]: line for line in measured(days, "staging")["lines"]}
    assert Decimal(items["alb.lcu"]["quantity"]) == 73


def test_the_emulator_measures_nothing() -> None:
    estimate = measured({}, sandbox=True)
    assert estimate["asked"] == [] and "not available on the emulator" in estimate["usage_notes"][0]


def test_a_refusal_is_named_and_the_file_goes_on() -> None:
    client = SHARED_SESSION.client(
        "cloudwatch", aws_access_key_id="x", aws_secret_access_key="x", region_name="us-east-1"
    )
    with Stubber(client) as stub:
        stub.add_client_error("get_metric_statistics", "AccessDenied", "no GetMetricStatistics for you", 403)
        found = world.run(
            "production",
            lambda _service, _region: client,
            stacks=world.stacks("production"),
            usage_source="cloudwatch",
            environment="production",
        )["estimate"]
    assert "no GetMetricStatistics for you" in found["usage_notes"][-1]
    assert found["totals"] == world.estimated("production")["totals"]


@pytest.mark.parametrize("phase", estimate_measured.METRICS)
def test_every_metric_is_of_a_usage_key(phase: str) -> None:
    assert {metric.key for metric in estimate_measured.METRICS[phase]} <= set(estimate_usage.USAGE)
