# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Staging's stacks on the emulated AWS, one after the other as the role applies them, without its servers and tasks.

No instance is wanted (MinSize 0): what a group launches is tested elsewhere.
"""

from __future__ import annotations

import base64
import json
import typing as t
import uuid
from pathlib import Path

import pytest

from tests.support.expanded import STAGING
from tests.support.stacks import Driver

pytestmark = pytest.mark.integration

CIDRS = ["192.0.2.0/24", "198.51.100.7/32"]
SCRIPT = "#!/bin/bash\necho ${HOME} $(id)\n"


class Stacks:
    """The stacks of one environment, and what was applied last."""

    def __init__(self, endpoint: str, tmp_path: Path) -> None:
        self.environment = f"t{uuid.uuid4().hex[:8]}"
        self.driver = Driver(endpoint, tmp_path)
        self.client = self.driver.client
        self.outputs: dict[str, dict[str, str]] = {}
        self.certificate = ""

    def parameters(self) -> dict[str, dict[str, t.Any]]:
        """Return what each layer is given, as far as it is known."""
        network, data, edge = (self.outputs.get(layer, {}) for layer in ("network", "data", "edge"))
        app = self.outputs.get("app", {})
        return {
            "network": {"VpcCidr": "10.42.0.0/16", "AllowedCidrs": ",".join([*CIDRS, "none", "none", "none"])},
            "data": {
                "FilesBucketName": f"mcp-{self.environment}-files",
                "NoncurrentDays": 30,
                "Limits": "{}",
                "InstanceClass": "db.t3.micro",
                "AllocatedStorage": 20,
                "MaxAllocatedStorage": 50,
                "EngineVersion": "17",
                "BackupRetentionDays": 7,
                "MultiAz": "false",
                "DatabaseSubnetIds": network.get("DatabaseSubnetIds"),
                "DatabaseSecurityGroupId": network.get("DatabaseSecurityGroupId"),
            },
            "edge": {
                "VpcId": network.get("VpcId"),
                "PublicSubnetIds": network.get("PublicSubnetIds"),
                "LoadBalancerSecurityGroupId": network.get("LoadBalancerSecurityGroupId"),
                "LogsBucketName": f"mcp-{self.environment}-logs",
                "CertificateArn": self.certificate,
                "MaintenanceMessage": "We are back at 10.",
            },
            "app": {"Release": "0123456789ab", "InstanceType": "t3.micro", "ImageId": "ami-0123456789abcdef0"}
            | {"MinSize": 0, "MaxSize": 2},
            "watch": {
                "LoadBalancerFullName": edge.get("LoadBalancerFullName"),
                "TargetGroupFullName": edge.get("TargetGroupFullName"),
                "AutoScalingGroupName": app.get("AutoScalingGroupName"),
                "DatabaseInstanceId": data.get("DatabaseInstanceId"),
                "AlertsTopicArn": "arn:aws:sns:us-east-1:000000000000:alerts",
                "CertificateArn": self.certificate,
                "InstanceClassMemoryMb": "1024",
                "Region": "us-east-1",
            },
        }

    def literals(self) -> dict[str, t.Any]:
        """Return what is written into the template of the app."""
        network, data, edge = (self.outputs[layer] for layer in ("network", "data", "edge"))
        taken = ("DatabaseResourceId", "DatabaseUser", "DatabaseMasterSecretArn", "DatabaseSecretArn")
        return {
            **{name: data[name] for name in (*taken, "RequestStateSecretArn", "FilesBucket")},
            "Environment": self.environment,
            "UserData": SCRIPT,
            "PublicSubnetIds": network["PublicSubnetIds"],
            "ServerSecurityGroupId": network["ServerSecurityGroupId"],
            "TargetGroupArn": edge["TargetGroupArn"],
            "StateBucket": f"mcp-{self.environment}-state",
            "LimitsParameter": f"/mcp/{self.environment}/limits",
            "LogRetentionDays": 30,
            "Sandbox": "true",
        }

    def apply(self, layer: str, check_mode: bool = False, **given: t.Any) -> dict[str, t.Any]:
        """Apply a layer, or look what would change."""
        self.driver.name = f"mcp-{self.environment}-{layer}"
        parameters = {**self.parameters()[layer], **given}
        if layer != "app":
            parameters["Environment"] = self.environment
        if layer not in ("app", "watch"):
            parameters["Sandbox"] = "true"
        literals = self.literals() if layer == "app" else {}
        literals |= {name: parameters.pop(name) for name in set(parameters) & set(literals)}
        result = self.driver.good(
            check_mode, template=str(STAGING[f"staging-{layer}"]), parameters=parameters, literals=literals
        )
        if not check_mode:
            self.outputs[layer] = result["outputs"]
        return result


@pytest.fixture(scope="module")
def stacks(sandbox_endpoint: str, tmp_path_factory: pytest.TempPathFactory) -> Stacks:
    """Every stack, applied as a first deploy does, then once more with a certificate and a version in service."""
    made = Stacks(sandbox_endpoint, tmp_path_factory.mktemp("staging"))
    for layer in ("network", "data", "edge"):
        made.apply(layer)
    assert "HttpsListenerArn" not in made.outputs["edge"]
    made.certificate = made.client("acm").request_certificate(DomainName="mcp.example.org")["CertificateArn"]
    for layer in ("edge", "app", "watch"):
        made.apply(layer)
    made.apply("app", LiveVersion=made.outputs["app"]["ServerVersion"], DatabasePrepared="true")
    return made


LIVE: dict[str, t.Any] = {"LiveVersion": "1", "DatabasePrepared": "true"}


@pytest.mark.parametrize("layer", ["network", "data", "edge", "app", "watch"])
def test_a_second_run_changes_nothing(stacks: Stacks, layer: str) -> None:
    result = stacks.apply(layer, **(LIVE if layer == "app" else {}))
    assert not result["changed"] and not result["changes"]


def test_who_may_call_is_what_was_given(stacks: Stacks) -> None:
    group = stacks.outputs["network"]["LoadBalancerSecurityGroupId"]
    (found,) = stacks.client("ec2").describe_security_groups(GroupIds=[group])["SecurityGroups"]
    allowed = {(rule["FromPort"], item["CidrIp"]) for rule in found["IpPermissions"] for item in rule["IpRanges"]}
    assert allowed == {(port, cidr) for port in (80, 443) for cidr in CIDRS}


def test_the_database_and_its_secrets_are_there(stacks: Stacks) -> None:
    outputs = stacks.outputs["data"]
    (database,) = stacks.client("rds").describe_db_instances(DBInstanceIdentifier=outputs["DatabaseInstanceId"])[
        "DBInstances"
    ]
    assert (database["StorageType"], database["DeletionProtection"]) == ("gp3", True)
    assert (database["MasterUsername"], database["BackupRetentionPeriod"]) == ("mcp_admin", 7)
    assert outputs["DatabaseHost"] == database["Endpoint"]["Address"]
    assert outputs["DatabasePort"] == str(database["Endpoint"]["Port"])
    secrets = stacks.client("secretsmanager")
    for output, user in {"DatabaseMasterSecretArn": "mcp_admin", "DatabaseSecretArn": "mcp"}.items():
        text = secrets.get_secret_value(SecretId=outputs[output])["SecretString"]
        assert json.loads(text)["username"] == user and len(json.loads(text)["password"]) == 40


def test_a_bigger_database_is_an_update_in_place(stacks: Stacks) -> None:
    result = stacks.apply("data", check_mode=True, InstanceClass="db.t3.small")
    (change,) = result["changes"]
    assert (change["action"], change["logical_id"], change["replacement"]) == ("update", "Database", "False")
    assert [item["path"] for item in change["details"]] == ["DBInstanceClass"]


def test_the_maintenance_rule_is_off_and_an_update_can_leave_it_on(stacks: Stacks) -> None:
    def rule() -> dict[str, t.Any]:
        described = stacks.client("elbv2").describe_rules(RuleArns=[stacks.outputs["edge"]["MaintenanceRuleArn"]])
        return described["Rules"][0]

    assert rule()["Priority"] == "1" and rule()["Conditions"][0]["Values"] == ["off.maintenance.invalid"]
    body = json.loads(rule()["Actions"][0]["FixedResponseConfig"]["MessageBody"])
    assert body["error"]["message"] == "We are back at 10."
    stacks.apply("edge", Maintenance="true")
    assert rule()["Conditions"][0]["Values"] == ["/*"]
    stacks.apply("edge", Maintenance="false")
    assert rule()["Conditions"][0]["Values"] == ["off.maintenance.invalid"]


def test_a_release_publishes_and_leaves_the_group_where_it_is(stacks: Stacks) -> None:
    ec2, group = stacks.client("ec2"), stacks.outputs["app"]["AutoScalingGroupName"]
    template = stacks.outputs["app"]["LaunchTemplateId"]

    def live() -> str:
        described = stacks.client("autoscaling").describe_auto_scaling_groups(AutoScalingGroupNames=[group])
        return str(described["AutoScalingGroups"][0]["LaunchTemplate"]["Version"])

    published = ec2.describe_launch_template_versions(LaunchTemplateId=template, Versions=["1"])
    data = published["LaunchTemplateVersions"][0]["LaunchTemplateData"]
    assert base64.b64decode(data["UserData"]).decode() == SCRIPT
    changed = {**LIVE, "Release": "fedcba987654", "UserData": "#!/bin/bash\ntrue\n"}
    assert stacks.apply("app", **changed)["outputs"]["ServerVersion"] == "2" and live() == "1"
    moved = stacks.apply("app", **{**changed, "LiveVersion": "2"})
    assert moved["outputs"]["ServerVersion"] == "2" and live() == "2"
    assert not stacks.apply("app", **{**changed, "LiveVersion": "2"})["changed"]
