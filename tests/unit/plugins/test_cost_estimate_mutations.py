# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each priced type: one, two, none and another size of it cost what one computes by hand."""

from __future__ import annotations

import json
import typing as t
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import pytest
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import estimate_types, template

from tests.unit.plugins import estimate_world as world
from tests.unit.plugins.estimate_world import price

# Nothing is free any more, so that no change hides in what is.
USED = {item.allowance.pool: item.allowance.amount for item in world.book().items.values() if item.allowance}
MONTH = Decimal(730)
# Months in days that a lifecycle counts.
DAY = 12 / Decimal(365)
Properties = dict[str, t.Any]


@dataclass(frozen=True)
class Case:
    """A resource, and what it costs by hand.

    :param sizes: changed properties, and what it costs then
    :param busier: changed usage, and what it costs then
    :param beside: resources that it refers to
    """

    id: str
    type: str
    properties: Properties
    usage: dict[str, t.Any]
    costs: Decimal
    sizes: tuple[tuple[Properties, Decimal], ...] = ()
    busier: tuple[tuple[dict[str, t.Any], Decimal], ...] = ()
    beside: dict[str, t.Any] = field(default_factory=dict)


def launch(kind: str, disk: int, mode: str = "standard", address: bool = True) -> dict[str, t.Any]:
    """Return a launch template."""
    data = {
        "InstanceType": kind,
        "CreditSpecification": {"CpuCredits": mode},
        "BlockDeviceMappings": [{"DeviceName": "/dev/xvda", "Ebs": {"VolumeType": "gp3", "VolumeSize": disk}}],
        "NetworkInterfaces": [{"AssociatePublicIpAddress": address}],
    }
    return {"Launch": ("AWS::EC2::LaunchTemplate", {"LaunchTemplateData": data})}


GROUP = {"MinSize": "1", "LaunchTemplate": {"LaunchTemplateId": {"Ref": "Launch"}}}
GROUP_USAGE = {"server_hours": 730, "extra_server_hours": 0, "surplus_vcpu_hours": 10, "agent_metrics": 0}
SERVER = MONTH * (price("ec2.t3.micro") + price("ipv4.public")) + 8 * price("ebs.gp3")
DATABASE = {
    "Engine": "postgres",
    "DBInstanceClass": "db.t3.micro",
    "StorageType": "gp3",
    "AllocatedStorage": "20",
    "ManageMasterUserPassword": True,
    "BackupRetentionPeriod": "7",
}
DATABASE_USAGE = {"database_hours": 730, "backup_gb": 20, "secret_calls": 0}
DATABASE_COST = MONTH * price("rds.postgres.db.t3.micro") + 20 * price("rds.gp3") + price("secretsmanager.secret")
BALANCER = {"Type": "application", "Scheme": "internet-facing", "Subnets": ["a", "b"]}
BALANCER_USAGE = {"load_balancer_hours": 730, "lcu": "0.05", "data_out_gb": 10, "cross_az_gb": 2}
BALANCER_COST = (
    MONTH * (price("alb.hour") + Decimal("0.05") * price("alb.lcu") + 2 * price("ipv4.public"))
    + 10 * price("data.out")
    + 2 * price("data.cross_az")
)
FUNCTION = {"MemorySize": "512", "Architectures": ["arm64"]}
FUNCTION_USAGE = {"requests": 1_000_000, "request_ms": 200, "cold_starts": 1000, "init_ms": 800}
CALL_TIME, START_TIME = 1_000_000 * Decimal("0.2"), 1000 * Decimal("0.8")


def function_cost(gb: str, chip: str = "arm64") -> Decimal:
    """Return what the function costs with another memory or processor."""
    return price("lambda.requests") + (CALL_TIME + START_TIME) * Decimal(gb) * price(f"lambda.gb_seconds.{chip}")


def alias(units: int) -> dict[str, t.Any]:
    """Return an alias that keeps instances ready."""
    kept = {"ProvisionedConcurrencyConfig": {"ProvisionedConcurrentExecutions": units}} if units else {}
    return {"ServerAlias": ("AWS::Lambda::Alias", {"FunctionName": {"Ref": "ServerFunction"}, **kept})}


def provisioned_cost(units: int, share: str) -> Decimal:
    """Return what the function costs with instances that are kept ready and answer a part of the calls."""
    part = Decimal(share)
    return (
        price("lambda.requests")
        + units * Decimal("0.5") * MONTH * 3600 * price("lambda.provisioned.arm64")
        + CALL_TIME * part * Decimal("0.5") * price("lambda.provisioned_duration.arm64")
        + (CALL_TIME * (1 - part) + START_TIME) * Decimal("0.5") * price("lambda.gb_seconds.arm64")
    )


TABLE = {"BillingMode": "PAY_PER_REQUEST", "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True}}
TABLE_USAGE = {
    "requests": 1_000_000,
    "reads_per_request": 2,
    "writes_per_request": 1,
    "table_gb": 3,
    "table_backup_gb": 1,
}
STORED = 3 * price("dynamodb.storage") + price("dynamodb.backup")
UNITS = price("dynamodb.write") + 2 * price("dynamodb.read")
PITR = 3 * price("dynamodb.pitr")
PROVISIONED = {"ReadCapacityUnits": "10", "WriteCapacityUnits": "5"}
CDN: Properties = {"DistributionConfig": {"DefaultCacheBehavior": {}}}
CDN_USAGE = {"cdn_requests": 100_000, "cdn_gb": 50, "cdn_europe_share": "0.25"}
CDN_COST = (
    50 * price("cloudfront.gb")
    + Decimal("7.5") * price("cloudfront.https.us")
    + Decimal("2.5") * price("cloudfront.https.eu")
)
ANSWERED = {"DistributionConfig": {"DefaultCacheBehavior": {"FunctionAssociations": [{"FunctionARN": "x"}]}}}
FILES_USAGE = {
    "files_gb": 100,
    "files_replaced_gb": 10,
    "files_objects": 4000,
    "files_added": 2000,
    "files_infrequent_share": "0.2",
    "files_archive_share": "0.1",
    "file_puts": 10_000,
    "file_gets": 200_000,
}


def files(days: int, tiered: bool = True) -> Properties:
    """Return a bucket of files."""
    rule: dict[str, t.Any] = {"Status": "Enabled", "NoncurrentVersionExpiration": {"NoncurrentDays": str(days)}}
    if tiered:
        rule["Transitions"] = [{"StorageClass": "INTELLIGENT_TIERING", "TransitionInDays": 0}]
    return {"VersioningConfiguration": {"Status": "Enabled"}, "LifecycleConfiguration": {"Rules": [rule]}}


FILE_REQUESTS = 10 * price("s3.put") + 200 * price("s3.get")


def files_cost(days: int) -> Decimal:
    """Return what the tiered files cost."""
    return (
        (70 + 10 * days * DAY) * price("s3.it.frequent")
        + 20 * price("s3.it.infrequent")
        + 10 * price("s3.it.archive_instant")
        + 4 * price("s3.it.monitoring")
        + 2 * price("s3.it.transition")
        + FILE_REQUESTS
    )


def access_log(days: int) -> Properties:
    """Return a bucket of access logs."""
    return {"LifecycleConfiguration": {"Rules": [{"Status": "Enabled", "ExpirationInDays": days}]}}


def logs_cost(days: int) -> Decimal:
    """Return what a log group costs that takes in 2 GB, with 8 metrics in it."""
    stored = 2 * Decimal("0.15") * days * DAY
    return 2 * price("logs.ingest") + stored * price("logs.storage") + 8 * price("cloudwatch.metric")


LOGS_USAGE = {"server_log_gb": 2, "log_stored_ratio": "0.15", "custom_metrics": 8}
RECEIVER = {"Protocol": "email"}
SECRET_COST = price("secretsmanager.secret") + price("secretsmanager.calls") / 10
RULE = {"Name": "r", "Priority": 0}

CASES = {
    "group": Case(
        "ServerGroup",
        "AWS::AutoScaling::AutoScalingGroup",
        GROUP,
        GROUP_USAGE,
        SERVER,
        sizes=(({"MinSize": "3"}, 3 * SERVER),),
        busier=(
            ({"extra_server_hours": 73}, SERVER * Decimal("1.1")),
            ({"server_hours": 365}, SERVER / 2),
            ({"agent_metrics": 2}, SERVER + 2 * price("cloudwatch.metric")),
        ),
        beside=launch("t3.micro", 8),
    ),
    "policy that tracks a target": Case(
        "CpuPolicy",
        "AWS::AutoScaling::ScalingPolicy",
        {"PolicyType": "TargetTrackingScaling", "TargetTrackingConfiguration": {"TargetValue": 50}},
        {},
        2 * price("cloudwatch.alarm"),
        sizes=(({"PolicyType": "StepScaling", "TargetTrackingConfiguration": None}, Decimal(0)),),
    ),
    "group of another type": Case(
        "ServerGroup",
        "AWS::AutoScaling::AutoScalingGroup",
        GROUP,
        GROUP_USAGE,
        SERVER + MONTH * (price("ec2.t3.small") - price("ec2.t3.micro")),
        beside=launch("t3.small", 8),
    ),
    "group with a larger disk": Case(
        "ServerGroup",
        "AWS::AutoScaling::AutoScalingGroup",
        GROUP,
        GROUP_USAGE,
        SERVER + 12 * price("ebs.gp3"),
        beside=launch("t3.micro", 20),
    ),
    "group without addresses": Case(
        "ServerGroup",
        "AWS::AutoScaling::AutoScalingGroup",
        GROUP,
        GROUP_USAGE,
        SERVER - MONTH * price("ipv4.public"),
        beside=launch("t3.micro", 8, address=False),
    ),
    "group with unlimited credits": Case(
        "ServerGroup",
        "AWS::AutoScaling::AutoScalingGroup",
        GROUP,
        GROUP_USAGE,
        SERVER + 10 * price("ec2.cpu_credits.t3"),
        busier=(({"surplus_vcpu_hours": 20}, SERVER + 20 * price("ec2.cpu_credits.t3")),),
        beside=launch("t3.micro", 8, "unlimited"),
    ),
    "instance": Case(
        "Server",
        "AWS::EC2::Instance",
        launch("t3.micro", 8)["Launch"][1]["LaunchTemplateData"],
        GROUP_USAGE,
        SERVER,
        sizes=(({"InstanceType": "t3.medium"}, SERVER + MONTH * (price("ec2.t3.medium") - price("ec2.t3.micro"))),),
        busier=(({"server_hours": 219}, SERVER * Decimal("0.3")),),
    ),
    "volume": Case(
        "Disk",
        "AWS::EC2::Volume",
        {"VolumeType": "gp3", "Size": 50},
        {},
        50 * price("ebs.gp3"),
        sizes=(({"Size": 80}, 80 * price("ebs.gp3")), ({"VolumeType": "gp2"}, 50 * price("ebs.gp2"))),
    ),
    "address": Case("Address", "AWS::EC2::EIP", {}, {}, MONTH * price("ipv4.public")),
    "NAT gateway": Case(
        "Nat",
        "AWS::EC2::NatGateway",
        {},
        {"nat_gb": 50},
        MONTH * price("nat.hour") + 50 * price("nat.gb"),
        busier=(({"nat_gb": 10}, MONTH * price("nat.hour") + 10 * price("nat.gb")),),
    ),
    "interface endpoint": Case(
        "Endpoint",
        "AWS::EC2::VPCEndpoint",
        {"VpcEndpointType": "Interface", "SubnetIds": ["a", "b"]},
        {},
        2 * MONTH * price("vpc_endpoint.interface"),
        sizes=(
            ({"SubnetIds": ["a"]}, MONTH * price("vpc_endpoint.interface")),
            ({"VpcEndpointType": "Gateway"}, Decimal(0)),
        ),
    ),
    "cluster": Case("Cluster", "AWS::EKS::Cluster", {}, {}, MONTH * price("eks.cluster")),
    "load balancer": Case(
        "LoadBalancer",
        "AWS::ElasticLoadBalancingV2::LoadBalancer",
        BALANCER,
        BALANCER_USAGE,
        BALANCER_COST,
        sizes=(
            ({"Subnets": ["a", "b", "c"]}, BALANCER_COST + MONTH * price("ipv4.public")),
            ({"Subnets": {"Ref": "PublicSubnetIds"}}, BALANCER_COST),
            ({"Scheme": "internal"}, BALANCER_COST - 2 * MONTH * price("ipv4.public") - 10 * price("data.out")),
        ),
        busier=(({"lcu": 1}, BALANCER_COST + MONTH * Decimal("0.95") * price("alb.lcu")),),
    ),
    "database": Case(
        "Database",
        "AWS::RDS::DBInstance",
        DATABASE,
        DATABASE_USAGE,
        DATABASE_COST,
        sizes=(
            (
                {"DBInstanceClass": "db.t3.small"},
                DATABASE_COST + MONTH * (price("rds.postgres.db.t3.small") - price("rds.postgres.db.t3.micro")),
            ),
            ({"AllocatedStorage": "50"}, DATABASE_COST + 30 * price("rds.gp3")),
            ({"StorageType": "gp2"}, DATABASE_COST + 20 * (price("rds.gp2") - price("rds.gp3"))),
            ({"MultiAZ": True}, 2 * DATABASE_COST - price("secretsmanager.secret")),
            ({"ManageMasterUserPassword": False}, DATABASE_COST - price("secretsmanager.secret")),
        ),
        busier=(
            ({"backup_gb": 35}, DATABASE_COST + 15 * price("rds.backup")),
            ({"database_hours": 220}, DATABASE_COST - 510 * price("rds.postgres.db.t3.micro")),
        ),
    ),
    "function": Case(
        "ServerFunction",
        "AWS::Lambda::Function",
        FUNCTION,
        FUNCTION_USAGE,
        function_cost("0.5"),
        sizes=(
            ({"MemorySize": "1024"}, function_cost("1")),
            ({"Architectures": ["x86_64"]}, function_cost("0.5", "x86_64")),
        ),
        busier=(({"request_ms": 400}, function_cost("0.5") + CALL_TIME * price("lambda.gb_seconds.arm64") / 2),),
    ),
    "function kept ready": Case(
        "ServerFunction",
        "AWS::Lambda::Function",
        FUNCTION,
        {**FUNCTION_USAGE, "provisioned_hours": 730, "provisioned_share": "0.9"},
        provisioned_cost(5, "0.9"),
        busier=(({"provisioned_share": 1}, provisioned_cost(5, "1")),),
        beside=alias(5),
    ),
    "REST API": Case(
        "Api",
        "AWS::ApiGateway::RestApi",
        {},
        {"requests": 500_000},
        price("apigateway.rest") / 2,
        busier=(({"requests": 2_000_000}, 2 * price("apigateway.rest")),),
    ),
    "HTTP API": Case(
        "Api",
        "AWS::ApiGatewayV2::Api",
        {"ProtocolType": "HTTP"},
        {"requests": 500_000},
        price("apigateway.http") / 2,
    ),
    "stage": Case(
        "Stage",
        "AWS::ApiGateway::Stage",
        {"TracingEnabled": True},
        {"traces": 1_000_000},
        price("xray.traces"),
        sizes=(({"TracingEnabled": False}, Decimal(0)),),
        busier=(({"traces": 500_000}, price("xray.traces") / 2),),
    ),
    "table": Case(
        "Documents",
        "AWS::DynamoDB::Table",
        TABLE,
        TABLE_USAGE,
        UNITS + STORED + PITR,
        sizes=(
            ({"PointInTimeRecoverySpecification": {}}, UNITS + STORED),
            (
                {"BillingMode": "PROVISIONED", "ProvisionedThroughput": PROVISIONED},
                MONTH * (5 * price("dynamodb.wcu") + 10 * price("dynamodb.rcu")) + STORED + PITR,
            ),
        ),
        busier=(({"requests": 3_000_000}, 3 * UNITS + STORED + PITR),),
    ),
    "distribution": Case(
        "Distribution",
        "AWS::CloudFront::Distribution",
        CDN,
        CDN_USAGE,
        CDN_COST,
        sizes=((ANSWERED, CDN_COST + price("cloudfront.functions") / 10),),
        busier=(({"cdn_gb": 60}, CDN_COST + 10 * price("cloudfront.gb")),),
    ),
    "state bucket": Case(
        "StateBucket",
        "AWS::S3::Bucket",
        {},
        {"state_gb": 2, "state_puts": 3000, "state_gets": 10_000},
        2 * price("s3.standard") + 3 * price("s3.put") + 10 * price("s3.get"),
    ),
    "files bucket": Case(
        "FilesBucket",
        "AWS::S3::Bucket",
        files(30),
        FILES_USAGE,
        files_cost(30),
        sizes=(
            (files(90), files_cost(90)),
            (files(30, tiered=False), (100 + 10 * 30 * DAY) * price("s3.standard") + FILE_REQUESTS),
            ({"VersioningConfiguration": {}}, files_cost(0)),
        ),
        busier=(
            (
                {
                    "files_gb": 5,
                    "files_infrequent_share": 0,
                    "files_archive_share": 0,
                    "files_objects": 0,
                    "files_added": 0,
                    "files_replaced_gb": 0,
                },
                5 * price("s3.it.frequent") + FILE_REQUESTS,
            ),
        ),
    ),
    "access log bucket": Case(
        "LogsBucket",
        "AWS::S3::Bucket",
        access_log(30),
        {"access_log_gb": 4, "access_log_puts": 17_000},
        4 * 30 * DAY * price("s3.standard") + 17 * price("s3.put"),
        sizes=((access_log(365), 48 * price("s3.standard") + 17 * price("s3.put")),),
    ),
    "log group": Case(
        "ServerLogs",
        "AWS::Logs::LogGroup",
        {"RetentionInDays": "30"},
        LOGS_USAGE,
        logs_cost(30),
        sizes=(({"RetentionInDays": "365"}, logs_cost(365)),),
        busier=(({"custom_metrics": 0}, logs_cost(30) - 8 * price("cloudwatch.metric")),),
    ),
    "alarm": Case(
        "Alarm",
        "AWS::CloudWatch::Alarm",
        {"MetricName": "Errors", "Period": 300},
        {},
        price("cloudwatch.alarm"),
        sizes=(
            (
                {"Metrics": [{"MetricStat": {}}, {"MetricStat": {}}, {"Expression": "a/b"}]},
                2 * price("cloudwatch.alarm"),
            ),
        ),
    ),
    "dashboard": Case("Dashboard", "AWS::CloudWatch::Dashboard", {}, {}, price("cloudwatch.dashboard")),
    "secret": Case(
        "Secret",
        "AWS::SecretsManager::Secret",
        {},
        {"secret_calls": 1000},
        SECRET_COST,
        busier=(({"secret_calls": 20_000}, price("secretsmanager.secret") + 2 * price("secretsmanager.calls")),),
    ),
    "parameter": Case(
        "Limits",
        "AWS::SSM::Parameter",
        {},
        {},
        price("ssm.parameter.standard"),
        sizes=(({"Tier": "Advanced"}, price("ssm.parameter.advanced")),),
    ),
    "topic": Case(
        "Topic",
        "AWS::SNS::Topic",
        {},
        {"alerts": 2_000_000},
        2 * price("sns.publish"),
        busier=(({"alerts": 0}, Decimal(0)),),
    ),
    "subscription": Case(
        "Mail",
        "AWS::SNS::Subscription",
        RECEIVER,
        {"alert_emails": 200_000},
        2 * price("sns.email"),
        sizes=(({"Protocol": "lambda"}, Decimal(0)),),
    ),
    "key": Case(
        "Key",
        "AWS::KMS::Key",
        {},
        {"kms_requests": 20_000},
        price("kms.key") + 2 * price("kms.requests"),
    ),
    "queue": Case("Queue", "AWS::SQS::Queue", {}, {"queue_requests": 500_000}, price("sqs.requests") / 2),
    "zone": Case(
        "Zone",
        "AWS::Route53::HostedZone",
        {},
        {"dns_queries": 2_000_000},
        price("route53.zone") + 2 * price("route53.queries"),
    ),
    "web ACL": Case(
        "Acl",
        "AWS::WAFv2::WebACL",
        {"Rules": [RULE, RULE]},
        {"requests": 1_000_000},
        price("waf.acl") + 2 * price("waf.rule") + price("waf.requests"),
        sizes=(({"Rules": [RULE]}, price("waf.acl") + price("waf.rule") + price("waf.requests")),),
    ),
    "metric filter": Case(
        "Filter",
        "AWS::Logs::MetricFilter",
        {"MetricTransformations": [{"MetricNamespace": "mcp", "MetricName": "Failures"}]},
        {},
        price("cloudwatch.metric"),
        sizes=(
            (
                {"MetricTransformations": [{"MetricNamespace": "mcp", "MetricName": name} for name in ("A", "B")]},
                2 * price("cloudwatch.metric"),
            ),
        ),
    ),
}
# Two filters into one metric are one metric.
COUNTED_ONCE = ("metric filter",)


def costs(resources: dict[str, t.Any], usage: dict[str, t.Any], region: str = world.REGION) -> Decimal:
    """Return what a template costs; nothing of it may be unknown."""
    bill = world.bill_of(resources, usage, region, USED)
    assert bill.unpriced == []
    assert bill.total("monthly") == bill.total("list")
    return bill.total("monthly")


def same(found: Decimal, by_hand: Decimal) -> bool:
    """Tell whether two sums are equal, but for what each line is rounded by."""
    return abs(found - by_hand) < Decimal("0.00002")


@pytest.mark.parametrize("name", CASES)
def test_one_two_and_none_cost_what_one_computes_by_hand(name: str) -> None:
    case = CASES[name]
    one = (case.type, case.properties)
    assert same(costs({**case.beside, case.id: one}, case.usage), case.costs)
    assert costs(case.beside, case.usage) == 0
    twice = 1 if name in COUNTED_ONCE else 2
    if "Alias" not in "".join(case.beside):
        assert same(costs({**case.beside, case.id: one, f"{case.id}2": one}, case.usage), twice * case.costs)


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.sizes])
def test_another_size_costs_what_one_computes_by_hand(name: str) -> None:
    case = CASES[name]
    for changed, by_hand in case.sizes:
        found = costs({**case.beside, case.id: (case.type, {**case.properties, **changed})}, case.usage)
        assert same(found, by_hand), changed


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.busier])
def test_other_usage_costs_what_one_computes_by_hand(name: str) -> None:
    case = CASES[name]
    for changed, by_hand in case.busier:
        found = costs({**case.beside, case.id: (case.type, case.properties)}, {**case.usage, **changed})
        assert same(found, by_hand), changed


@pytest.mark.parametrize("region", ["eu-west-1", "eu-central-1", "eu-south-1"])
@pytest.mark.parametrize("name", CASES)
def test_another_region_costs_what_one_computes_by_hand(name: str, region: str) -> None:
    case = CASES[name]
    bill = world.bill_of({**case.beside, case.id: (case.type, case.properties)}, case.usage, region, USED)
    by_hand = sum((Decimal(line["quantity"]) * price(line["item"], region) for line in bill.lines), Decimal(0))
    assert same(bill.total("monthly"), by_hand)


@pytest.mark.parametrize("units", [0, 100])
def test_instances_that_are_kept_ready(units: int) -> None:
    usage = {**FUNCTION_USAGE, "provisioned_hours": 730, "provisioned_share": 0}
    found = costs({**alias(units), "ServerFunction": ("AWS::Lambda::Function", FUNCTION)}, usage)
    assert same(found, provisioned_cost(units, "0"))


def test_instances_of_a_group_that_are_monitored_in_detail_are_a_gap() -> None:
    kind, properties = launch("t3.micro", 8)["Launch"]
    for enabled, gaps in ((True, 1), (False, 0)):
        data = {**properties["LaunchTemplateData"], "Monitoring": {"Enabled": enabled}}
        resources = {
            "Launch": (kind, {"LaunchTemplateData": data}),
            "Group": ("AWS::AutoScaling::AutoScalingGroup", GROUP),
        }
        bill = world.bill_of(resources, GROUP_USAGE)
        assert [item["why"].partition(":")[0] for item in bill.unpriced] == gaps * ["detailed monitoring"]


def test_every_priced_type_is_here() -> None:
    assert set(estimate_types.PRICED) == {case.type for case in CASES.values()}


GAPS: dict[str, tuple[str, str, Properties]] = {
    "group without its launch template": ("ServerGroup", "AWS::AutoScaling::AutoScalingGroup", {"MinSize": 1}),
    "instance without a type": ("Server", "AWS::EC2::Instance", {"InstanceType": {"Ref": "T"}}),
    "network load balancer": ("Lb", "AWS::ElasticLoadBalancingV2::LoadBalancer", {"Type": "network"}),
    "database without a class": ("Database", "AWS::RDS::DBInstance", {"Engine": "postgres"}),
    "database with IOPS": ("Database", "AWS::RDS::DBInstance", {**DATABASE, "Iops": 5000}),
    "database with insights": ("Database", "AWS::RDS::DBInstance", {**DATABASE, "EnablePerformanceInsights": True}),
    "instance that is monitored in detail": (
        "Server",
        "AWS::EC2::Instance",
        {"InstanceType": "t3.micro", "CreditSpecification": {"CpuCredits": "standard"}, "Monitoring": True},
    ),
    "function of no known use": ("Other", "AWS::Lambda::Function", FUNCTION),
    "function with SnapStart": (
        "ServerFunction",
        "AWS::Lambda::Function",
        {**FUNCTION, "SnapStart": {"ApplyOn": "PublishedVersions"}},
    ),
    "function with a disk": (
        "ServerFunction",
        "AWS::Lambda::Function",
        {**FUNCTION, "EphemeralStorage": {"Size": 1024}},
    ),
    "WebSocket API": ("Api", "AWS::ApiGatewayV2::Api", {"ProtocolType": "WEBSOCKET"}),
    "gateway with a cache": ("Stage", "AWS::ApiGateway::Stage", {"CacheClusterEnabled": True}),
    "metrics by method": ("Stage", "AWS::ApiGateway::Stage", {"MethodSettings": [{"MetricsEnabled": True}]}),
    "table of another class": ("T", "AWS::DynamoDB::Table", {"TableClass": "STANDARD_INFREQUENT_ACCESS"}),
    "table with indexes": ("T", "AWS::DynamoDB::Table", {**TABLE, "GlobalSecondaryIndexes": [{}]}),
    "Lambda@Edge": (
        "D",
        "AWS::CloudFront::Distribution",
        {"DistributionConfig": {"DefaultCacheBehavior": {"LambdaFunctionAssociations": [{}]}}},
    ),
    "bucket of no known use": ("Other", "AWS::S3::Bucket", {}),
    "old versions without an end": (
        "FilesBucket",
        "AWS::S3::Bucket",
        {"VersioningConfiguration": {"Status": "Enabled"}},
    ),
    "access log without an end": ("LogsBucket", "AWS::S3::Bucket", {}),
    "log without an end": ("ServerLogs", "AWS::Logs::LogGroup", {}),
    "log of no known use": ("Other", "AWS::Logs::LogGroup", {"RetentionInDays": 7}),
    "fast alarm": ("Alarm", "AWS::CloudWatch::Alarm", {"Period": 10}),
    "text messages": ("Phone", "AWS::SNS::Subscription", {"Protocol": "sms"}),
    "SAM that takes a translator": ("Api", "AWS::Serverless::Api", {}),
    "another type": ("Cache", "AWS::ElastiCache::ReplicationGroup", {}),
}
EVERYTHING = {key: value for case in CASES.values() for key, value in case.usage.items()}


@pytest.mark.parametrize("name", GAPS)
def test_what_has_no_price_is_named_once(name: str) -> None:
    logical_id, kind, properties = GAPS[name]
    bill = world.bill_of({logical_id: (kind, properties)}, EVERYTHING)
    gaps = [item for item in bill.unpriced if not item["why"].startswith("the disk")]
    assert [(item["resource"], item["type"]) for item in gaps] == [(f"app.{logical_id}", kind)]


SMALL_MORE = MONTH * (price("rds.postgres.db.t3.small") - price("rds.postgres.db.t3.micro"))
SECRETS = 2 * (price("secretsmanager.secret") + price("secretsmanager.calls"))


@pytest.mark.parametrize(
    ("phase", "changed", "by_hand"),
    [
        ("staging", {"InstanceClass": "db.t3.small"}, SMALL_MORE),
        ("staging", {"AllocatedStorage": "40"}, 20 * price("rds.gp3")),
        ("staging", {"InstanceType": "t3.small"}, MONTH * (price("ec2.t3.small") - price("ec2.t3.micro"))),
        ("staging", {"VolumeSize": "30"}, 22 * price("ebs.gp3")),
        ("staging", {"MinSize": "2"}, SERVER),
        ("staging", {"AlertsKey": "own"}, price("kms.key")),
        ("production", {"Secrets": "false"}, -SECRETS),
    ],
)
def test_a_changed_parameter_of_our_templates(phase: str, changed: Properties, by_hand: Decimal) -> None:
    before = world.total(world.estimated(phase))
    after = world.total(world.estimated(phase, stacks=world.stacks(phase, **changed)))
    assert same(after - before, by_hand)


def changed_template(folder: Path, stacks: dict[str, t.Any], layer: str, **resources: t.Any) -> dict[str, t.Any]:
    """Return stacks of which one has resources changed; None leaves one out."""
    path = Path(stacks[layer]["template"])
    document = template.load_template(path.read_text(), path.name)
    document["Resources"].update(resources)
    document["Resources"] = {name: body for name, body in document["Resources"].items() if body is not None}
    other = folder / "template.json"
    other.write_text(json.dumps(document))
    return {**stacks, layer: {**stacks[layer], "template": str(other)}}


@pytest.mark.parametrize("phase", ["staging", "production"])
def test_each_priced_resource_of_our_templates_counts_once_and_twice_when_doubled(phase: str, tmp_path: Path) -> None:
    options = {"allowances_used": {pool: str(amount) for pool, amount in USED.items()}}
    stacks = world.stacks(phase)
    before = world.estimated(phase, stacks=stacks, **options)
    own: dict[str, Decimal] = {}
    for line in before["lines"]:
        own[line["resource"]] = own.get(line["resource"], Decimal(0)) + Decimal(line["monthly"])
    assert len(own) > 20
    for resource, by_hand in own.items():
        layer, _, logical_id = resource.partition(".")
        text = Path(stacks[layer]["template"]).read_text()
        body = template.load_template(text, layer)["Resources"][logical_id]
        less = changed_template(tmp_path, stacks, layer, **{logical_id: None})
        twice = 1
        # The second filter of the same metric then stands for it.
        if body["Type"] != "AWS::Logs::MetricFilter":
            assert same(world.total(world.estimated(phase, stacks=less, **options)), world.total(before) - by_hand)
            twice = 2
        more = changed_template(tmp_path, stacks, layer, **{f"{logical_id}2": body})
        found = world.total(world.estimated(phase, stacks=more, **options))
        assert same(found, world.total(before) + (twice - 1) * by_hand), resource
