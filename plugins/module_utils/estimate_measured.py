# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Usage of a running environment, from the metrics that AWS keeps anyway; asking costs nothing."""

from __future__ import annotations

import datetime
import typing as t
from dataclasses import dataclass
from decimal import Decimal

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import (
    AWS_ERRORS,
    Context,
    describe_aws_error,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.estimate_amount import DAYS_A_MONTH

Points = list[dict[str, t.Any]]

DAYS = 30
DAY_S = 86400
GB = Decimal(1024**3)
# CloudFront's metrics are in this region only.
CDN_REGION = "us-east-1"
NOT_AVAILABLE = "usage from CloudWatch: not available on the emulator; the assumptions of the file are used"


@dataclass(frozen=True)
class Metric:
    """A metric of CloudWatch that tells a usage value.

    :param dimensions: values may name the environment or an output of its stacks in braces
    :param how: ``sum`` is scaled to a month, ``average`` is over all samples, ``last`` is the newest day's
    """

    key: str
    namespace: str
    name: str
    dimensions: dict[str, str]
    how: str = "sum"
    unit: Decimal = Decimal(1)
    region: str | None = None


def _function(kind: str) -> dict[str, str]:
    return {"FunctionName": f"mcp-{{environment}}-{kind}"}


def _log(key: str, group: str) -> Metric:
    return Metric(key, "AWS/Logs", "IncomingBytes", {"LogGroupName": group}, unit=GB)


def _bucket(key: str, output: str) -> Metric:
    dimensions = {"BucketName": f"{{{output}}}", "StorageType": "StandardStorage"}
    return Metric(key, "AWS/S3", "BucketSizeBytes", dimensions, "last", GB)


TABLE = {"TableName": "mcp-{environment}-documents"}
CDN = {"DistributionId": "{DistributionId}", "Region": "Global"}
COMMON = (_log("server_log_gb", "/mcp/{environment}/server"), _bucket("state_gb", "StateBucket"))
METRICS: dict[str, tuple[Metric, ...]] = {
    "production": (
        Metric("requests", "AWS/ApiGateway", "Count", {"ApiName": "mcp-{environment}", "Stage": "live"}),
        Metric("server_calls", "AWS/Lambda", "Invocations", _function("server")),
        Metric("request_ms", "AWS/Lambda", "Duration", _function("server"), "average"),
        Metric("authorizer_calls", "AWS/Lambda", "Invocations", _function("authorizer")),
        Metric("authorizer_ms", "AWS/Lambda", "Duration", _function("authorizer"), "average"),
        Metric("rotation_runs", "AWS/Lambda", "Invocations", _function("rotation")),
        Metric("rotation_ms", "AWS/Lambda", "Duration", _function("rotation"), "average"),
        Metric("reads", "AWS/DynamoDB", "ConsumedReadCapacityUnits", TABLE),
        Metric("writes", "AWS/DynamoDB", "ConsumedWriteCapacityUnits", TABLE),
        Metric("cdn_requests", "AWS/CloudFront", "Requests", CDN, region=CDN_REGION),
        Metric("cdn_gb", "AWS/CloudFront", "BytesDownloaded", CDN, unit=GB, region=CDN_REGION),
        _log("authorizer_log_gb", "/mcp/{environment}/authorizer"),
        _log("access_log_gb", "/mcp/{environment}/access"),
        _log("rotation_log_gb", "/mcp/{environment}/rotation"),
        *COMMON,
    ),
    "staging": (
        Metric("lcu", "AWS/ApplicationELB", "ConsumedLCUs", {"LoadBalancer": "{LoadBalancerFullName}"}, "average"),
        _log("flow_log_gb", "/mcp/{environment}/refused-packets"),
        _log("database_log_gb", "/aws/rds/instance/mcp-{environment}/postgresql"),
        *COMMON,
    ),
}


def dimensions_of(metric: Metric, known: dict[str, str]) -> list[dict[str, str]] | None:
    """Return a metric's dimensions, None where one of them is not known."""
    try:
        return [{"Name": name, "Value": text.format_map(known)} for name, text in metric.dimensions.items()]
    except KeyError:
        return None


def value_of(metric: Metric, points: Points, length: Decimal) -> Decimal | None:
    """Return what the days of a metric say of a month, None where there are none.

    :param length: how many days were watched
    """
    days = sorted(points, key=lambda point: point["Timestamp"])
    if not days:
        return None
    if metric.how == "last":
        return Decimal(str(days[-1]["Average"])) / metric.unit
    total = sum(Decimal(str(day["Sum"])) for day in days)
    if metric.how == "average":
        samples = sum(Decimal(str(day["SampleCount"])) for day in days)
        return total / samples if samples else None
    return total / length * DAYS_A_MONTH / metric.unit


def watched(series: t.Iterable[Points], end: datetime.datetime) -> Decimal:
    """Return for how many days the environment is there, from 1 to the days that are looked at.

    A day without a call has no entry, so the oldest entry of all metrics tells: one metric may be used rarely.
    """
    oldest = min((point["Timestamp"] for points in series for point in points), default=end)
    length = Decimal(str((end - oldest) / datetime.timedelta(days=1)))
    return min(max(length, Decimal(1)), Decimal(DAYS))


def measured(ctx: Context, today: datetime.date) -> tuple[dict[str, Decimal], list[str]]:
    """Return usage values of the last 30 days, and what is to be said of them."""
    params = ctx.params
    if params["sandbox"]:
        return {}, [NOT_AVAILABLE]
    end = datetime.datetime.combine(today, datetime.time(), datetime.UTC)
    known = {**{name: str(value) for name, value in params["outputs"].items()}, "environment": params["environment"]}
    series: list[tuple[Metric, Points]] = []
    refused: list[str] = []
    for metric in METRICS.get(params["phase"], ()):
        dimensions = dimensions_of(metric, known)
        try:
            series.append((metric, [] if dimensions is None else points_of(ctx, metric, dimensions, end)))
        except AWS_ERRORS as error:
            refused = [f"usage from CloudWatch: {describe_aws_error(error)}; the rest is the file's"]
            break
    length = watched((points for _metric, points in series), end)
    values = {metric.key: value_of(metric, points, length) for metric, points in series}
    found = {key: value for key, value in values.items() if value is not None}
    return found, [*told(found, [key for key in values if key not in found], end), *refused]


def points_of(ctx: Context, metric: Metric, dimensions: list[dict[str, str]], end: datetime.datetime) -> Points:
    """Return a metric's days."""
    answer = ctx.client("cloudwatch", metric.region).get_metric_statistics(
        Namespace=metric.namespace,
        MetricName=metric.name,
        Dimensions=dimensions,
        StartTime=end - datetime.timedelta(days=DAYS),
        EndTime=end,
        Period=DAY_S,
        Statistics=["Average"] if metric.how == "last" else ["Sum", "SampleCount"],
    )
    return list(answer["Datapoints"])


def told(found: dict[str, Decimal], missing: list[str], end: datetime.datetime) -> list[str]:
    """Say which values were measured and which are the file's."""
    lines = []
    if found:
        lines.append(f"measured by CloudWatch in the {DAYS} days to {end.date()}: {', '.join(found)}")
    if missing:
        lines.append(f"not measured, so the file's: {', '.join(missing)}")
    return lines
