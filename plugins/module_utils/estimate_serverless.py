# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the serverless half costs: functions, the gateway, the table, the CDN."""

from __future__ import annotations

import typing as t

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.estimate_amount import (
    MB_A_GB,
    SECONDS_AN_HOUR,
    Amount,
    Usage,
    exact,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.estimate_need import (
    HOURS_A_MONTH,
    Free,
    Gap,
    Need,
    Reader,
    Said,
    keyed,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.estimate_template import Resource

# Logical id -> usage keys of its calls, a call's time, its starts and a start's time.
FUNCTIONS: dict[str, tuple[str, str, str, str]] = {
    "ServerFunction": ("server_calls", "request_ms", "cold_starts", "init_ms"),
    "AuthorizerFunction": ("authorizer_calls", "authorizer_ms", "authorizer_cold_starts", "authorizer_init_ms"),
    "RotationFunction": ("rotation_runs", "rotation_ms", "", ""),
}
SMALLEST_FUNCTION_MB = 128
FREE_DISK_MB = 512


def function(resource: Resource, usage: Usage) -> Said:
    """Price a function: its calls, its time, and what it keeps ready."""
    keys = keyed(resource.logical_id, FUNCTIONS)
    if keys is None:
        yield Gap(f"nothing is assumed of its calls; assumptions are there for {', '.join(FUNCTIONS)}")
        return
    calls, time, starts, start = keys
    yield Need("lambda.requests", usage(calls))
    chip = architecture(resource)
    memory = resource.number("MemorySize", SMALLEST_FUNCTION_MB).over(MB_A_GB)
    busy = usage(calls) * usage(time).over(1000) * memory
    units = provisioned_units(resource)
    if units is not None:
        kept = units * memory * usage("provisioned_hours") * exact(SECONDS_AN_HOUR, "seconds an hour:")
        yield Need(f"lambda.provisioned.{chip}", kept)
        yield Need(f"lambda.provisioned_duration.{chip}", busy * usage("provisioned_share"))
        busy = busy.without(usage("provisioned_share"))
    yield Need(f"lambda.gb_seconds.{chip}", busy)
    if starts:
        yield Need(f"lambda.gb_seconds.{chip}", usage(starts) * usage(start).over(1000) * memory)
    yield from extras(resource)


def extras(resource: Resource) -> Said:
    """Say what else of a function is billed."""
    if resource.text("SnapStart.ApplyOn", "None") != "None":
        yield Gap("SnapStart is billed for every published version and every start, and is not in the price book")
    disk = resource.number("EphemeralStorage.Size", FREE_DISK_MB).value
    if disk is None or disk > FREE_DISK_MB:
        yield Gap(f"a function's disk above {FREE_DISK_MB} MB is not in the price book")


def architecture(resource: Resource) -> str:
    """Return the processor of a function."""
    given = resource.get("Architectures") or ["x86_64"]
    return "arm64" if given[0] == "arm64" else "x86_64"


def provisioned_units(resource: Resource) -> Amount | None:
    """Return how many instances of a function are kept ready: by itself, or by its aliases and versions."""
    path = "ProvisionedConcurrencyConfig.ProvisionedConcurrentExecutions"
    owners = [
        other
        for other in resource.siblings.values()
        if other.type in ("AWS::Lambda::Alias", "AWS::Lambda::Version") and other.referred("FunctionName") is resource
    ]
    found = [other.number(path) for other in [resource, *owners] if other.get(path) is not None]
    total: Amount | None = None
    for units in found:
        total = units if total is None else total + units
    return total


def rest_api(_resource: Resource, usage: Usage) -> Said:
    """Price a REST API by its requests."""
    yield Need("apigateway.rest", usage("api_requests"))


def http_api(resource: Resource, usage: Usage) -> Said:
    """Price an HTTP API by its requests."""
    if resource.text("ProtocolType", "HTTP") != "HTTP":
        yield Gap("WebSocket APIs are not in the price book")
        return
    yield Need("apigateway.http", usage("api_requests"))


def stage(resource: Resource, usage: Usage) -> Said:
    """Price what a stage adds: traces, a cache, metrics by method."""
    if resource.flag("CacheClusterEnabled"):
        yield Gap("the gateway's cache is not in the price book")
    if any(str(item.get("MetricsEnabled", "false")).lower() == "true" for item in resource.get("MethodSettings") or []):
        yield Gap("metrics by method: their number is not known")
    if resource.flag("TracingEnabled"):
        yield Need("xray.traces", usage("traces"))
    else:
        yield Free("a stage is billed by the API's requests")


def table(resource: Resource, usage: Usage) -> Said:
    """Price a table: on demand by its units, else by the hours of what is provisioned; its storage and its backups."""
    if resource.text("TableClass", "STANDARD") != "STANDARD":
        yield Gap("tables of class STANDARD_INFREQUENT_ACCESS are not in the price book")
        return
    indexes = resource.get("GlobalSecondaryIndexes") or []
    if resource.text("BillingMode", "PROVISIONED") == "PAY_PER_REQUEST":
        yield Need("dynamodb.write", usage("writes"))
        yield Need("dynamodb.read", usage("reads"))
        if indexes:
            yield Gap("what writes to its indexes take is not known")
    else:
        for part in [resource, *(Resource(resource.layer, resource.logical_id, "", index) for index in indexes)]:
            for unit, item in (("WriteCapacityUnits", "dynamodb.wcu"), ("ReadCapacityUnits", "dynamodb.rcu")):
                hours = exact(HOURS_A_MONTH, "hours of a month")
                yield Need(item, part.number(f"ProvisionedThroughput.{unit}") * hours)
    yield Need("dynamodb.storage", usage("table_gb"))
    if resource.flag("PointInTimeRecoverySpecification.PointInTimeRecoveryEnabled"):
        yield Need("dynamodb.pitr", usage("table_gb"))
    yield Need("dynamodb.backup", usage("table_backup_gb"))


def distribution(resource: Resource, usage: Usage) -> Said:
    """Price a distribution by what it sends and the requests it takes, at the prices of the US and Europe."""
    yield Need("cloudfront.gb", usage("cdn_gb"))
    europe = usage("cdn_europe_share")
    yield Need("cloudfront.https.us", usage("cdn_requests").without(europe))
    yield Need("cloudfront.https.eu", usage("cdn_requests") * europe)
    behaviours = [resource.get("DistributionConfig.DefaultCacheBehavior") or {}]
    behaviours += resource.get("DistributionConfig.CacheBehaviors") or []
    if any(behaviour.get("FunctionAssociations") for behaviour in behaviours):
        yield Need("cloudfront.functions", usage("cdn_requests"))
    if any(behaviour.get("LambdaFunctionAssociations") for behaviour in behaviours):
        yield Gap("Lambda@Edge is not in the price book")


READERS: dict[str, Reader] = {
    "AWS::ApiGateway::RestApi": rest_api,
    "AWS::ApiGateway::Stage": stage,
    "AWS::ApiGatewayV2::Api": http_api,
    "AWS::CloudFront::Distribution": distribution,
    "AWS::DynamoDB::Table": table,
    "AWS::Lambda::Function": function,
}
__all__: t.Final = ["READERS"]
