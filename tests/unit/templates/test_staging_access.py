# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a server on an instance may do in AWS, and what not: its role's policies, asked as IAM would be."""

from __future__ import annotations

import functools
import json
import re
import typing as t

import pytest

from tests.support.expanded import PLAIN, SANDBOX, expanded

ACCOUNT = "123456789012"
HERE = f"us-east-1:{ACCOUNT}"
SECRET = f"arn:aws:secretsmanager:{HERE}:secret:mcp-production"
GIVEN = {
    "FilesBucket": "mcp-production-files",
    "DatabaseResourceId": "db-ABC",
    "RequestStateSecretArn": f"{SECRET}-request-state-AbCdEf",
    "DatabaseMasterSecretArn": f"arn:aws:secretsmanager:{HERE}:secret:rds!db-1-AbCdEf",
    "DatabaseSecretArn": f"{SECRET}-database-user-AbCdEf",
}
MASTER, USER, STATE = GIVEN["DatabaseMasterSecretArn"], GIVEN["DatabaseSecretArn"], GIVEN["RequestStateSecretArn"]
LOGS = f"arn:aws:logs:{HERE}:log-group:/mcp/production/server"
GROUPS = f"arn:aws:autoscaling:{HERE}:autoScalingGroup:0b6d:autoScalingGroupName"
# What a server, its agent and Session Manager call.
NEEDED = [
    ("s3:GetObject", "arn:aws:s3:::mcp-production-state/releases/0123456789ab/ec2-x86_64.zip"),
    ("s3:GetObject", "arn:aws:s3:::mcp-production-files/documents/1"),
    ("s3:PutObject", "arn:aws:s3:::mcp-production-files/documents/1"),
    ("s3:DeleteObject", "arn:aws:s3:::mcp-production-files/documents/1"),
    ("ssm:GetParameter", f"arn:aws:ssm:{HERE}:parameter/mcp/production/limits"),
    ("secretsmanager:GetSecretValue", STATE),
    ("rds-db:connect", f"arn:aws:rds-db:{HERE}:dbuser:db-ABC/mcp"),
    ("autoscaling:CompleteLifecycleAction", f"{GROUPS}/mcp-production"),
    ("logs:CreateLogStream", f"{LOGS}:log-stream:i-0/server"),
    ("logs:PutLogEvents", f"{LOGS}:log-stream:i-0/server"),
    ("cloudwatch:PutMetricData", "*"),
    ("ssm:UpdateInstanceInformation", "*"),
    ("ssmmessages:OpenControlChannel", "*"),
]
# What somebody who got into a server would like.
REFUSED = [
    ("s3:GetObject", "arn:aws:s3:::mcp-production-state/lock.json"),
    ("s3:GetObject", "arn:aws:s3:::mcp-production-state/templates/app.json"),
    ("s3:PutObject", "arn:aws:s3:::mcp-production-state/releases/0123456789ab/ec2-x86_64.zip"),
    ("s3:ListBucket", "arn:aws:s3:::mcp-production-files"),
    ("s3:GetObject", "arn:aws:s3:::mcp-other-files/documents/1"),
    ("s3:DeleteObjectVersion", "arn:aws:s3:::mcp-production-files/documents/1"),
    ("ssm:GetParameter", f"arn:aws:ssm:{HERE}:parameter/mcp/production/issuer/key"),
    ("ssm:PutParameter", f"arn:aws:ssm:{HERE}:parameter/mcp/production/limits"),
    ("ssm:SendCommand", "*"),
    ("secretsmanager:GetSecretValue", MASTER),
    ("secretsmanager:GetSecretValue", USER),
    ("secretsmanager:PutSecretValue", STATE),
    ("rds-db:connect", f"arn:aws:rds-db:{HERE}:dbuser:db-ABC/mcp_admin"),
    ("rds-db:connect", f"arn:aws:rds-db:{HERE}:dbuser:db-OTHER/mcp"),
    ("autoscaling:CompleteLifecycleAction", f"{GROUPS}/mcp-production2"),
    ("autoscaling:UpdateAutoScalingGroup", f"{GROUPS}/mcp-production"),
    ("logs:PutLogEvents", f"arn:aws:logs:{HERE}:log-group:/mcp/other/server:log-stream:x"),
    ("logs:DeleteLogStream", f"{LOGS}:log-stream:i-0/server"),
    ("logs:CreateLogGroup", LOGS),
    ("ec2:DescribeInstances", "*"),
    ("iam:PassRole", "*"),
    ("sts:AssumeRole", "*"),
]


@functools.cache
def statements(prepared: str = "true", sandbox: str = "false") -> tuple[dict[str, t.Any], ...]:
    """Return what the role of the servers allows."""
    form = SANDBOX if sandbox == "true" else PLAIN
    found = expanded("staging-app", {**form, **GIVEN, "DatabasePrepared": prepared})["Resources"]
    assert {name for name, body in found.items() if body["Type"].startswith("AWS::IAM::")} == {
        "ServerRole",
        "ServerProfile",
    }
    role = found["ServerRole"]["Properties"]
    assert "ManagedPolicyArns" not in role
    return tuple(item for policy in role["Policies"] for item in policy["PolicyDocument"]["Statement"])


def matches(pattern: str, text: str) -> bool:
    """Compare as IAM does: only the two wildcards mean anything."""
    expression = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    return re.fullmatch(expression, text) is not None


def allows(statement: dict[str, t.Any], action: str, resource: str) -> bool:
    """Say whether a statement allows this, its conditions aside."""
    actions, resources = (
        value if isinstance(value, list) else [value] for value in (statement["Action"], statement["Resource"])
    )
    assert statement["Effect"] == "Allow" and all(isinstance(item, str) for item in (*actions, *resources))
    return any(matches(item, action) for item in actions) and any(matches(item, resource) for item in resources)


def allowed(action: str, resource: str, **form: str) -> bool:
    """Say whether the role may do this."""
    return any(allows(statement, action, resource) for statement in statements(**form))


@pytest.mark.parametrize(("action", "resource"), NEEDED)
def test_what_a_server_needs_it_may_do(action: str, resource: str) -> None:
    assert allowed(action, resource)


@pytest.mark.parametrize(("action", "resource"), REFUSED)
def test_what_it_does_not_need_it_may_not_do(action: str, resource: str) -> None:
    assert not allowed(action, resource)


def test_the_administrators_secret_is_readable_only_until_the_servers_own_user_is_there() -> None:
    assert allowed("secretsmanager:GetSecretValue", MASTER, prepared="false")
    assert not allowed("secretsmanager:GetSecretValue", MASTER, prepared="true")


def test_a_password_of_the_servers_user_is_there_and_readable_in_the_sandbox_alone() -> None:
    assert allowed("secretsmanager:GetSecretValue", USER, sandbox="true")
    assert not allowed("secretsmanager:GetSecretValue", USER)


def test_metrics_go_into_the_agents_namespace_and_objects_come_from_this_account_over_tls() -> None:
    by_sid = {statement["Sid"]: statement for statement in statements()}
    assert by_sid["Metrics"]["Condition"] == {"StringEquals": {"cloudwatch:namespace": "CWAgent"}}
    for sid in ("Packages", "Files"):
        assert by_sid[sid]["Condition"] == {
            "StringEquals": {"aws:ResourceAccount": ACCOUNT},
            "Bool": {"aws:SecureTransport": "true"},
        }
    everywhere = {sid for sid, statement in by_sid.items() if statement["Resource"] == "*"}
    assert everywhere == {"Metrics", "Sessions"}


def test_only_an_instance_may_take_the_role() -> None:
    role = expanded("staging-app", PLAIN)["Resources"]["ServerRole"]["Properties"]
    (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "ec2.amazonaws.com"}


def test_no_secret_is_in_what_an_instance_is_launched_from() -> None:
    found = expanded("staging-app", {**PLAIN, **GIVEN})["Resources"]
    text = json.dumps({name: body for name, body in found.items() if name != "ServerRole"})
    assert "resolve:" not in text and "SecretString" not in text
