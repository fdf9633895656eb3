# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Staging's templates as they are deployed: who reaches whom, what is kept, what a release moves."""

from __future__ import annotations

import ipaddress
import json
import re
import typing as t

import pytest
import yaml
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.template import build_template, load_template

from tests.support.checkout import ROOT
from tests.support.expanded import FULL, PLAIN, SANDBOX, STAGING, expanded

# AWS's quota for the text of a fixed response (2026-11), and the longest message that the options allow.
RESPONSE_CHARACTERS = 1024
MESSAGE_CHARACTERS = 200
SIZES = yaml.safe_load((ROOT / "aws-resource-allocation.yaml").read_text(encoding="utf-8"))["phases"]["staging"]


def resources(layer: str, form: dict[str, t.Any] = PLAIN, **given: t.Any) -> dict[str, dict[str, t.Any]]:
    """Return the resources of one of staging's layers."""
    return expanded(f"staging-{layer}", {**form, **given})["Resources"]


def properties(layer: str, logical_id: str, form: dict[str, t.Any] = PLAIN, **given: t.Any) -> dict[str, t.Any]:
    """Return the properties of a resource."""
    return resources(layer, form, **given)[logical_id]["Properties"]


def pairs(items: list[dict[str, str]]) -> dict[str, str]:
    """Turn a list of attributes into a dictionary."""
    return {item["Key"]: item["Value"] for item in items}


# Network


def rules(group: str, direction: str, **given: t.Any) -> set[tuple[int, str]]:
    """Return port and counterpart of the rules of a security group."""
    return {
        (rule.get("FromPort", -1), rule.get("CidrIp") or rule["SourceSecurityGroupId"]["Fn::GetAtt"][0])
        for rule in properties("network", group, **given)[f"SecurityGroup{direction}"]
    }


def test_four_subnets_in_two_zones_share_the_addresses_without_overlap() -> None:
    subnets = [body["Properties"] for body in resources("network").values() if body["Type"] == "AWS::EC2::Subnet"]
    networks = [ipaddress.IPv4Network(subnet["CidrBlock"]) for subnet in subnets]
    assert not any(one.overlaps(other) for one in networks for other in networks if one is not other)
    assert all(network.subnet_of(ipaddress.IPv4Network(PLAIN["VpcCidr"])) for network in networks)
    assert sorted(subnet["AvailabilityZone"][-1] for subnet in subnets) == ["a", "a", "b", "b"]
    assert not any(subnet["MapPublicIpOnLaunch"] for subnet in subnets)


def test_the_smallest_vpc_that_is_documented_is_enough() -> None:
    description = load_template(STAGING["staging-network"].read_text(), "")["Parameters"]["VpcCidr"]["Description"]
    smallest = re.findall(r"/\d+", description)[0]
    subnets = resources("network", VpcCidr=f"10.0.0.0{smallest}").values()
    assert len({body["Properties"]["CidrBlock"] for body in subnets if body["Type"] == "AWS::EC2::Subnet"}) == 4


def test_only_the_load_balancer_is_reached_from_outside_and_the_chain_ends_at_the_database() -> None:
    assert rules("LoadBalancerSecurityGroup", "Egress") == {(8000, "10.42.0.0/24"), (8000, "10.42.1.0/24")}
    assert rules("ServerSecurityGroup", "Ingress") == {(8000, "LoadBalancerSecurityGroup")}
    assert rules("ServerSecurityGroup", "Egress") == {
        (443, "0.0.0.0/0"),
        (5432, "10.42.2.0/24"),
        (5432, "10.42.3.0/24"),
    }
    assert rules("DatabaseSecurityGroup", "Ingress") == {(5432, "ServerSecurityGroup")}
    # A group without any rule out would be given one that allows everything.
    assert rules("DatabaseSecurityGroup", "Egress") == {(-1, "127.0.0.1/32")}


@pytest.mark.parametrize("count", range(1, 6))
def test_each_allowed_address_may_call_and_nobody_else(count: int) -> None:
    cidrs = [f"192.0.2.{number}/32" for number in range(count)]
    given = ",".join([*cidrs, *["none"] * (5 - count)])
    allowed = {(port, cidr) for port in (80, 443) for cidr in cidrs}
    assert rules("LoadBalancerSecurityGroup", "Ingress", AllowedCidrs=given) == allowed


def test_the_database_has_no_way_out_of_the_vpc() -> None:
    found = resources("network")
    (route,) = [body["Properties"] for body in found.values() if body["Type"] == "AWS::EC2::Route"]
    assert route["RouteTableId"] == {"Ref": "PublicRoutes"}
    tables = {
        body["Properties"]["SubnetId"]["Ref"]: body["Properties"]["RouteTableId"]["Ref"]
        for body in found.values()
        if body["Type"] == "AWS::EC2::SubnetRouteTableAssociation"
    }
    assert {tables["DatabaseSubnetA"], tables["DatabaseSubnetB"]} == {"DatabaseRoutes"}
    assert "AWS::EC2::NatGateway" not in {body["Type"] for body in found.values()}


def test_the_endpoint_of_s3_leads_to_our_own_buckets_and_to_packages() -> None:
    endpoint = properties("network", "S3Endpoint")
    assert endpoint["VpcEndpointType"] == "Gateway"
    for statement in endpoint["PolicyDocument"]["Statement"]:
        own = statement.get("Condition", {}).get("StringEquals", {}).get("aws:ResourceAccount") == "123456789012"
        assert own or (statement["Action"] == "s3:GetObject" and "*" not in statement["Resource"])


def test_refused_packets_are_logged_on_aws_alone() -> None:
    assert properties("network", "FlowLog")["TrafficType"] == "REJECT"
    sandbox = {body["Type"] for body in resources("network", SANDBOX).values()}
    assert not sandbox & {"AWS::EC2::FlowLog", "AWS::Logs::LogGroup", "AWS::IAM::Role"}


# Data


def test_the_database_is_private_encrypted_and_speaks_tls_only() -> None:
    database = properties("data", "Database")
    assert database["StorageType"] == "gp3" and database["StorageEncrypted"] is True
    assert database["PubliclyAccessible"] is False and database["EnableIAMDatabaseAuthentication"] is True
    group = properties("data", "DatabaseParameters")
    assert group["Parameters"]["rds.force_ssl"] == "1" and group["Family"] == "postgres17"
    assert database["DBParameterGroupName"] == {"Ref": "DatabaseParameters"}


def test_the_database_survives_mistakes() -> None:
    body = resources("data")["Database"]
    assert (body["DeletionPolicy"], body["UpdateReplacePolicy"]) == ("Snapshot", "Snapshot")
    database = body["Properties"]
    assert database["DeletionProtection"] is True and database["BackupRetentionPeriod"] == SIZES["rds"]["backup_days"]
    # A name of its own: CloudFormation refuses an update that would replace it.
    assert database["DBInstanceIdentifier"] == "mcp-production"
    assert properties("data", "Database", DeletionProtection="false")["DeletionProtection"] is False


def test_a_failed_first_create_has_no_protected_database_to_delete() -> None:
    """What can still fail after the database is there would leave the stack in ROLLBACK_FAILED."""
    for form in (PLAIN, SANDBOX):
        found = resources("data", form)
        before = {*found["Database"]["DependsOn"], *re.findall(r'"Ref": "(\w+)"', json.dumps(found["Database"]))}
        before |= set(re.findall(r"\$\{(\w+)\}", json.dumps(found["Database"])))
        # The policy needs its bucket. Nobody names the secret of the server's user; a name that is taken fails at once.
        assert set(found) - before - {"Database", "FilesBucket", "DatabaseSecret"} == set()


def test_the_administrator_s_password_is_made_by_aws_and_only_in_the_sandbox_by_the_stack() -> None:
    on_aws, sandbox = properties("data", "Database"), properties("data", "Database", SANDBOX)
    assert on_aws["ManageMasterUserPassword"] is True and "MasterUserPassword" not in on_aws
    assert "ManageMasterUserPassword" not in sandbox
    reference = "{{resolve:secretsmanager:${DatabaseMasterSecret}:SecretString:password}}"
    assert sandbox["MasterUserPassword"] == {"Fn::Sub": reference}
    secrets = {name for name, body in resources("data").items() if body["Type"] == "AWS::SecretsManager::Secret"}
    assert secrets == {"RequestStateSecret"}
    names = {"DatabaseMasterSecret": "mcp_admin", "DatabaseSecret": "mcp"}
    for name, user in names.items():
        generated = properties("data", name, SANDBOX)["GenerateSecretString"]
        assert json.loads(generated["SecretStringTemplate"]) == {"username": user}
        assert generated["GenerateStringKey"] == "password" and generated["PasswordLength"] >= 40


@pytest.mark.parametrize("layer", ["network", "data", "edge", "app"])
@pytest.mark.parametrize("form", [PLAIN, FULL, SANDBOX], ids=["aws", "full", "sandbox"])
def test_every_log_group_that_a_service_writes_into_is_ours_and_ends(layer: str, form: dict[str, t.Any]) -> None:
    found = resources(layer, form)
    groups = {
        body["Properties"]["LogGroupName"]: body["Properties"]["RetentionInDays"]
        for body in found.values()
        if body["Type"] == "AWS::Logs::LogGroup"
    }
    assert all(groups.values())
    for body in found.values():
        for kind in body["Properties"].get("EnableCloudwatchLogsExports", []):
            assert groups[f"/aws/rds/instance/mcp-production/{kind}"]


def test_files_limits_and_secret_are_made_as_in_production() -> None:
    for name in ("FilesBucket", "FilesBucketPolicy", "LimitsParameter", "RequestStateSecret"):
        assert resources("data")[name] == expanded("data", PLAIN)["Resources"][name], name


# Edge


def test_tls_is_modern_and_http_only_leads_to_it() -> None:
    https = properties("edge", "HttpsListener", FULL)
    assert (https["Port"], https["Protocol"]) == (443, "HTTPS")
    assert https["SslPolicy"] == "ELBSecurityPolicy-TLS13-1-2-2021-06"
    assert https["Certificates"] == [{"CertificateArn": FULL["CertificateArn"]}]
    assert https["DefaultActions"] == [{"Type": "forward", "TargetGroupArn": {"Ref": "TargetGroup"}}]
    (action,) = properties("edge", "HttpListener")["DefaultActions"]
    redirect = action["RedirectConfig"]
    assert (action["Type"], redirect["Protocol"], redirect["Port"]) == ("redirect", "HTTPS", "443")
    assert (redirect["Host"], redirect["Path"], redirect["Query"]) == ("#{host}", "/#{path}", "#{query}")


def test_before_there_is_a_certificate_nothing_is_served() -> None:
    first = resources("edge", CertificateArn="")
    assert "HttpsListener" not in first and "MaintenanceRule" not in first
    template = load_template(STAGING["staging-edge"].read_text(), "edge")
    conditioned = {name for name, output in template["Outputs"].items() if output.get("Condition") == "HasCertificate"}
    assert conditioned == {"HttpsListenerArn", "MaintenanceRuleArn"}


def test_the_load_balancer_drops_what_is_malformed_logs_and_is_protected() -> None:
    attributes = pairs(properties("edge", "LoadBalancer")["LoadBalancerAttributes"])
    assert attributes["routing.http.drop_invalid_header_fields.enabled"] == "true"
    assert attributes["access_logs.s3.enabled"] == "true"
    assert attributes["deletion_protection.enabled"] == "true"
    for form in ({**PLAIN, "DeletionProtection": "false"}, SANDBOX):
        off = pairs(properties("edge", "LoadBalancer", form)["LoadBalancerAttributes"])
        assert off["deletion_protection.enabled"] == "false"
    assert len(properties("edge", "LoadBalancer")["Subnets"]) == 2


def test_only_this_load_balancer_may_write_its_log_and_the_log_ends() -> None:
    statement = properties("edge", "LogsBucketPolicy")["PolicyDocument"]["Statement"][0]
    assert statement["Principal"] == {"Service": "logdelivery.elasticloadbalancing.amazonaws.com"}
    assert statement["Action"] == "s3:PutObject"
    balancer = properties("edge", "LoadBalancer")
    prefix = pairs(balancer["LoadBalancerAttributes"])["access_logs.s3.prefix"]
    assert statement["Resource"] == {"Fn::Sub": f"${{LogsBucket.Arn}}/{prefix}/AWSLogs/123456789012/*"}
    source = statement["Condition"]["ArnLike"]["aws:SourceArn"]
    assert source == (f"arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/app/{balancer['Name']}/*")
    (rule,) = properties("edge", "LogsBucket")["LifecycleConfiguration"]["Rules"]
    assert rule["ExpirationInDays"] == 30 and rule["NoncurrentVersionExpiration"] == {"NoncurrentDays": 1}
    # AWS tries the bucket at once.
    assert resources("edge")["LoadBalancer"]["DependsOn"] == "LogsBucketPolicy"


def test_health_decides_and_a_leaving_instance_ends_its_calls() -> None:
    group = properties("edge", "TargetGroup")
    assert (group["HealthCheckPath"], group["Matcher"], group["TargetType"]) == (
        "/health",
        {"HttpCode": "200"},
        "instance",
    )
    assert group["HealthCheckTimeoutSeconds"] < group["HealthCheckIntervalSeconds"]
    assert pairs(group["TargetGroupAttributes"])["deregistration_delay.timeout_seconds"] == "60"
    assert group["Port"] == properties("network", "ServerSecurityGroup")["SecurityGroupIngress"][0]["FromPort"]


def test_the_server_keeps_connections_open_for_longer_than_the_load_balancer() -> None:
    """Else the load balancer sends a call into a connection that the server is just closing: a 502."""
    idle = int(pairs(properties("edge", "LoadBalancer")["LoadBalancerAttributes"])["idle_timeout.timeout_seconds"])
    script = (ROOT / "roles/staging/templates/user-data.sh.j2").read_text(encoding="utf-8")
    (kept,) = re.findall(r"--keep-alive (\d+)", script)
    assert int(kept) > idle


def test_the_maintenance_rule_is_ready_off_and_says_when_to_come_back() -> None:
    off, on = (properties("edge", "MaintenanceRule", FULL, Maintenance=value) for value in ("false", "true"))
    assert off["Conditions"] == [{"Field": "host-header", "HostHeaderConfig": {"Values": ["off.maintenance.invalid"]}}]
    assert on["Conditions"] == [{"Field": "path-pattern", "PathPatternConfig": {"Values": ["/*"]}}]
    assert off["Actions"] == on["Actions"] and off["Priority"] == on["Priority"] == 1
    (action,) = on["Actions"]
    response = action["FixedResponseConfig"]
    assert (action["Type"], response["StatusCode"], response["ContentType"]) == (
        "fixed-response",
        "503",
        "application/json",
    )
    body = json.loads(response["MessageBody"])
    assert body["status"] == "maintenance" and body["id"] is None
    assert body["error"]["code"] == -32050
    assert body["error"]["data"] == {"status": "maintenance", "retry_after": 60}


def test_the_longest_maintenance_message_fits() -> None:
    rule = properties("edge", "MaintenanceRule", FULL, MaintenanceMessage="m" * MESSAGE_CHARACTERS)
    text = rule["Actions"][0]["FixedResponseConfig"]["MessageBody"]
    assert json.loads(text)["error"]["message"] == "m" * MESSAGE_CHARACTERS and len(text) < RESPONSE_CHARACTERS
    options = (ROOT / "roles/preflight/meta/argument_specs.yml").read_text(encoding="utf-8")
    assert f"{MESSAGE_CHARACTERS} characters" in options[options.index("mcp_maintenance_message:") :][:600]


def test_a_zone_gets_the_address_of_the_load_balancer() -> None:
    assert "AddressRecord" not in resources("edge")
    alias = properties("edge", "AddressRecord", FULL)["AliasTarget"]
    assert alias["DNSName"] == {"Fn::GetAtt": ["LoadBalancer", "DNSName"]}


# App


def data(**given: t.Any) -> dict[str, t.Any]:
    """Return what an instance is launched from."""
    return properties("app", "LaunchTemplate", **given)["LaunchTemplateData"]


def test_an_instance_is_hardened() -> None:
    launched = data()
    assert launched["MetadataOptions"] == {
        "HttpEndpoint": "enabled",
        "HttpTokens": "required",
        "HttpPutResponseHopLimit": 1,
    }
    (disk,) = launched["BlockDeviceMappings"]
    assert disk["Ebs"] == {"VolumeType": "gp3", "VolumeSize": 8, "Encrypted": True, "DeleteOnTermination": True}
    assert "KeyName" not in launched
    (interface,) = launched["NetworkInterfaces"]
    assert interface["Groups"] == ["serversecuritygroupid"]


def test_a_t_instance_is_never_billed_for_more_than_its_hours() -> None:
    assert data()["CreditSpecification"] == {"CpuCredits": "standard"}
    assert "CreditSpecification" not in data(InstanceType="m7i.large", CpuCredits="none")


def test_what_an_instance_costs_counts_for_its_environment() -> None:
    """Tags of the stack do not reach what a launch template starts."""
    for kind in data(Environment="blue")["TagSpecifications"]:
        assert {"Key": "mcp:environment", "Value": "blue"} in kind["Tags"], kind["ResourceType"]


def test_user_data_reaches_the_instance_as_it_is() -> None:
    """Also where the script has what would be a reference of CloudFormation's."""
    script = "#!/bin/bash\necho ${HOME} $(id)\n"
    assert data(UserData=script)["UserData"] == {"Fn::Base64": script}


def version(**given: t.Any) -> t.Any:
    """Return the version that the group launches."""
    return properties("app", "ServerGroup", **given)["LaunchTemplate"]["Version"]


def test_the_group_stays_at_the_version_in_service_until_a_release_moves_it() -> None:
    newest = {"Fn::GetAtt": ["LaunchTemplate", "LatestVersionNumber"]}
    assert version(LiveVersion="") == newest and version(LiveVersion="7") == "7"
    outputs = load_template(STAGING["staging-app"].read_text(), "app")["Outputs"]
    assert outputs["ServerVersion"]["Value"] == newest


CHANGES: dict[str, dict[str, t.Any]] = {
    "release": {"Release": "fedcba987654"},
    "script": {"UserData": "#!/bin/bash\nfalse\n"},
    "image": {"ImageId": "ami-0fedcba9876543210"},
    "type": {"InstanceType": "t3.small"},
}
OTHER_CHANGES: dict[str, dict[str, t.Any]] = {
    "move": {"LiveVersion": "8"},
    "prepared": {"DatabasePrepared": "false"},
    "sizes": {"MinSize": 2, "MaxSize": 4},
    "retention": {"LogRetentionDays": 7},
}


@pytest.mark.parametrize("given", CHANGES.values(), ids=CHANGES)
def test_what_reaches_an_instance_makes_a_new_version(given: dict[str, t.Any]) -> None:
    assert properties("app", "LaunchTemplate", **given) != properties("app", "LaunchTemplate")


@pytest.mark.parametrize("given", OTHER_CHANGES.values(), ids=OTHER_CHANGES)
def test_what_does_not_makes_none(given: dict[str, t.Any]) -> None:
    assert properties("app", "LaunchTemplate", **given) == properties("app", "LaunchTemplate")


def test_no_instance_takes_traffic_before_its_server_is_ready() -> None:
    group = properties("app", "ServerGroup")
    (hook,) = group["LifecycleHookSpecificationList"]
    assert hook["LifecycleTransition"] == "autoscaling:EC2_INSTANCE_LAUNCHING"
    assert (hook["DefaultResult"], hook["HeartbeatTimeout"]) == ("ABANDON", 900)
    assert hook["LifecycleHookName"] == "mcp-production-ready" and group["AutoScalingGroupName"] == "mcp-production"


def test_whoever_leaves_is_replaced_first_and_health_is_the_load_balancers() -> None:
    group = properties("app", "ServerGroup")
    assert (group["HealthCheckType"], group["TargetGroupARNs"]) == ("ELB", ["targetgrouparn"])
    assert 0 < group["HealthCheckGracePeriod"] <= 300
    assert group["InstanceMaintenancePolicy"] == {"MinHealthyPercentage": 100, "MaxHealthyPercentage": 200}
    assert group["VPCZoneIdentifier"] == ["subnet-0a", "subnet-0b"]
    # Auto Scaling's own: an update would set it back.
    assert "DesiredCapacity" not in group
    policy = properties("app", "CpuTracking")
    tracked = policy["TargetTrackingConfiguration"]["PredefinedMetricSpecification"]["PredefinedMetricType"]
    assert (policy["PolicyType"], tracked) == ("TargetTrackingScaling", "ASGAverageCPUUtilization")


# All


def test_sizes_are_complete_and_fit_the_templates() -> None:
    assert SIZES["ec2"]["min"] <= SIZES["ec2"]["max"] and SIZES["ec2"]["volume_gb"] >= 8
    assert SIZES["rds"]["storage_gb"] >= 20 and SIZES["rds"]["max_storage_gb"] >= SIZES["rds"]["storage_gb"] * 1.1
    parameters = {layer: load_template(path.read_text(), layer)["Parameters"] for layer, path in STAGING.items()}
    rds = parameters["staging-data"]
    assert re.fullmatch(rds["EngineVersion"]["AllowedPattern"], SIZES["rds"]["engine_version"])
    assert re.fullmatch(rds["InstanceClass"]["AllowedPattern"], SIZES["rds"]["instance_class"])
    assert re.fullmatch(parameters["staging-app"]["InstanceType"]["AllowedPattern"], SIZES["ec2"]["instance_type"])
    assert str(SIZES["rds"]["memory_mb"]) in parameters["staging-watch"]["InstanceClassMemoryMb"]["AllowedValues"]


def test_the_role_hands_every_parameter_over() -> None:
    """A parameter without a value would stop the first deploy, one that is not there every deploy."""
    variables = yaml.safe_load((ROOT / "roles/staging/vars/main.yml").read_text(encoding="utf-8"))
    for name, path in STAGING.items():
        layer = name.removeprefix("staging-")
        literals, given = set(variables["_mcp_literals"].get(layer, {})), set(variables["_mcp_parameters"][layer])
        parameters = load_template(path.read_text(), path.name)["Parameters"]
        needed = {parameter for parameter, spec in parameters.items() if "Default" not in spec}
        assert not literals & given
        assert needed <= literals | given <= set(parameters), layer


def test_a_release_is_the_same_text_every_time() -> None:
    path = str(STAGING["staging-app"])
    literals = {"UserData": "x", "PublicSubnetIds": "subnet-0a,subnet-0b"}
    assert build_template(path, literals).sha256 == build_template(path, dict(reversed(literals.items()))).sha256
