# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every template of ours has to keep, whoever edits it."""

from __future__ import annotations

import json
import re
import typing as t

import pytest
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.template import load_template

from tests.support.checkout import ROOT
from tests.support.expanded import LAYERS

TEMPLATES = {layer: load_template(path.read_text(), path.name) for layer, path in LAYERS.items()}
STATEFUL = {"AWS::DynamoDB::Table", "AWS::S3::Bucket", "AWS::SecretsManager::Secret"}
# AWS's Service Authorization Reference (2026-11) names no resource for these, or the agent's guide asks for all.
WITHOUT_RESOURCE = {
    "cloudwatch:PutMetricData",
    "ssm:UpdateInstanceInformation",
    "ssmmessages:CreateControlChannel",
    "ssmmessages:CreateDataChannel",
    "ssmmessages:OpenControlChannel",
    "ssmmessages:OpenDataChannel",
    "xray:PutTelemetryRecords",
    "xray:PutTraceSegments",
}


def resources(*types: str) -> list[tuple[str, str, dict[str, t.Any]]]:
    """Return template, logical id and body of every resource of these types, or of all."""
    return [
        (template, logical_id, body)
        for template, document in TEMPLATES.items()
        for logical_id, body in document["Resources"].items()
        if not types or body["Type"] in types
    ]


def ids(case: t.Any) -> str | None:
    """Name a case by its template and logical id."""
    return case if isinstance(case, str) else None


def statements() -> list[tuple[str, str, dict[str, t.Any]]]:
    """Return every statement of every policy of a role."""
    return [
        (template, f"{logical_id}.{statement.get('Sid')}", statement)
        for template, logical_id, body in resources("AWS::IAM::Role", "AWS::IAM::Policy")
        for policy in body["Properties"].get("Policies", [body["Properties"]] if "Policy" in body["Type"] else [])
        for statement in policy["PolicyDocument"]["Statement"]
    ]


def as_list(value: t.Any) -> list[t.Any]:
    """Return a list, whether one was given or a single value."""
    return value if isinstance(value, list) else [value]


def test_there_is_something_to_check():
    assert set(TEMPLATES) >= {"foundation", "data", "edge", "app", "staging-network", "staging-data", "staging-app"}
    assert statements() and resources(*STATEFUL)


@pytest.mark.parametrize("template, name, statement", statements(), ids=ids)
def test_no_role_may_do_anything_everywhere(template, name, statement):
    assert statement["Effect"] == "Allow"
    assert not [action for action in as_list(statement["Action"]) if "*" in action]
    for resource in as_list(statement["Resource"]):
        if resource == "*":
            assert WITHOUT_RESOURCE.issuperset(as_list(statement["Action"]))
            continue
        if "Fn::Sub" in resource:
            assert "${AWS::AccountId}" in resource["Fn::Sub"] or ":s3:::" in resource["Fn::Sub"]


@pytest.mark.parametrize("template, name, body", resources(*STATEFUL), ids=ids)
def test_data_outlives_its_stack(template, name, body):
    assert (body["DeletionPolicy"], body["UpdateReplacePolicy"]) == ("RetainExceptOnCreate", "Retain")


@pytest.mark.parametrize("template, name, body", resources("AWS::S3::Bucket"), ids=ids)
def test_buckets_are_private_encrypted_and_versioned(template, name, body):
    properties = body["Properties"]
    assert set(properties["PublicAccessBlockConfiguration"].values()) == {True}
    assert properties["VersioningConfiguration"] == {"Status": "Enabled"}
    assert properties["BucketEncryption"] and properties["LifecycleConfiguration"]
    policies = [item for where, _, item in resources("AWS::S3::BucketPolicy") if where == template]
    policy = next(item for item in policies if item["Properties"]["Bucket"] == {"Ref": name})
    denied = [
        statement["Condition"]
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
        if statement["Effect"] == "Deny"
    ]
    assert {"Bool": {"aws:SecureTransport": "false"}} in denied
    assert {"NumericLessThan": {"s3:TlsVersion": "1.2"}} in denied


@pytest.mark.parametrize("template, name, body", resources("AWS::DynamoDB::Table"), ids=ids)
def test_tables_are_protected_and_bounded(template, name, body):
    properties = body["Properties"]
    assert properties["BillingMode"] == "PAY_PER_REQUEST" and set(properties["OnDemandThroughput"]) == {
        "MaxReadRequestUnits",
        "MaxWriteRequestUnits",
    }
    assert properties["DeletionProtectionEnabled"] is True and properties["SSESpecification"]["SSEEnabled"] is True
    assert properties["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"] is True
    assert properties["TimeToLiveSpecification"]["Enabled"] is True


@pytest.mark.parametrize("template, name, body", resources("AWS::Logs::LogGroup"), ids=ids)
def test_logs_end_some_day(template, name, body):
    assert body["Properties"]["RetentionInDays"]


@pytest.mark.parametrize("template, name, body", resources("AWS::Serverless::Function"), ids=ids)
def test_functions_write_to_a_log_group_of_ours_and_take_a_role_of_ours(template, name, body):
    assert body["Properties"]["LoggingConfig"]["LogGroup"] and body["Properties"]["Role"]["Fn::GetAtt"]


@pytest.mark.parametrize("template, name, body", resources("AWS::Lambda::Permission"), ids=ids)
def test_only_our_own_gateway_and_schedules_may_invoke(template, name, body):
    source = body["Properties"].get("SourceArn", {})
    if body["Properties"]["FunctionName"] != {"Ref": "RotationFunction"}:
        assert "${AWS::AccountId}:${Api}/" in source["Fn::Sub"]
    else:
        own_rule = source == {"Fn::GetAtt": ["RotationRule", "Arn"]}
        assert own_rule or body["Properties"]["SourceAccount"] == {"Ref": "AWS::AccountId"}


def test_no_update_of_the_edge_sends_an_old_secret():
    """CloudFormation reads a secret again only when the reference's text changes."""
    config = TEMPLATES["edge"]["Resources"]["Distribution"]["Properties"]["DistributionConfig"]
    (header,) = config["Origins"][0]["OriginCustomHeaders"]
    condition, parameter, reference = header["HeaderValue"]["Fn::If"]
    assert (condition, parameter) == ("SecretsInSsm", {"Ref": "OriginSecretValue"})
    assert reference["Fn::Sub"].endswith(":SecretString:::${OriginSecretVersion}}}")
    assert TEMPLATES["edge"]["Parameters"]["OriginSecretValue"]["NoEcho"] is True


def test_the_emulator_is_spared_rotation_schedules():
    schedules = resources("AWS::SecretsManager::RotationSchedule")
    assert {body["Condition"] for _, _, body in schedules} == {"RotatesSecrets"}
    assert {"Fn::Not": [{"Condition": "IsSandbox"}]} in TEMPLATES["app"]["Conditions"]["RotatesSecrets"]["Fn::And"]
    # Rotating at once would change what the deploy that makes the schedule has just told the distribution.
    assert {body["Properties"]["RotateImmediatelyOnUpdate"] for _, _, body in schedules} == {False}


@pytest.mark.parametrize("template, name, body", resources("AWS::Lambda::Version"), ids=ids)
def test_a_rolled_back_version_can_be_published_again(template, name, body):
    assert (body["DeletionPolicy"], body["UpdateReplacePolicy"]) == ("RetainExceptOnCreate", "Retain")


def test_names_of_secrets_do_not_end_like_their_arns():
    for _, _, body in resources("AWS::SecretsManager::Secret"):
        assert not re.search(r"-\w{6}$", body["Properties"]["Name"]["Fn::Sub"])


def test_the_challenge_names_the_metadata_and_the_scopes():
    parameters = TEMPLATES["app"]["Resources"]["UnauthorizedResponse"]["Properties"]["ResponseParameters"]
    challenge = parameters["gatewayresponse.header.WWW-Authenticate"]["Fn::Sub"]
    assert 'resource_metadata="${PublicUrl}/.well-known/oauth-protected-resource/mcp"' in challenge
    assert 'scope="${ChallengeScope}"' in challenge


def test_the_host_of_the_release_probe_is_one_the_server_allows_on_aws():
    variables = TEMPLATES["app"]["Resources"]["ServerFunction"]["Properties"]["Environment"]["Variables"]
    _, _, on_aws = variables["MCP_ALLOWED_HOSTS"]["Fn::If"]
    assert on_aws == {"Fn::Sub": "${Api}.execute-api.${AWS::Region}.${AWS::URLSuffix}"}
    probe = (ROOT / "roles/production/tasks/release_gate.yml").read_text()
    assert """host: "{{ _mcp_api_url | urlsplit('netloc') }}\"""" in probe
    api_url = (ROOT / "roles/production/vars/main.yml").read_text()
    assert "'https://' ~ _mcp_app.ApiId ~ '.execute-api.' ~ mcp_region ~ '.amazonaws.com/'" in api_url


def test_every_gateway_resource_counts_in_the_deployments_hash():
    gateway = {
        logical_id
        for template, logical_id, body in resources()
        if body["Type"].startswith("AWS::ApiGateway::") and body["Type"].split("::")[2] not in ("Stage", "Deployment")
    }
    hashed = TEMPLATES["app"]["Resources"]["ApiDeployment"]["Metadata"]["McpHashOf"]
    assert sorted(hashed) == sorted(gateway)


def test_the_access_log_takes_no_message_and_no_claim_as_it_came():
    """API Gateway's message may quote the header with the token, and neither it nor a claim is escaped."""
    _name, _id, stage = next(iter(resources("AWS::ApiGateway::Stage")))
    line = stage["Properties"]["AccessLogSetting"]["Format"]
    assert set(json.loads(line)) >= {"time", "id", "status", "sub", "error"}
    assert "$context.error.responseType" in line and "$context.error.message" not in line
    assert "$context.authorizer.log_sub" in line and "$context.authorizer.sub" not in line


def test_both_identity_sources_guard_the_authorizers_cache():
    source = TEMPLATES["app"]["Resources"]["Authorizer"]["Properties"]["IdentitySource"]
    assert set(source.split(",")) == {"method.request.header.Authorization", "method.request.header.x-mcp-origin"}


def test_the_cdn_never_speaks_old_tls_to_the_api_and_never_caches():
    config = TEMPLATES["edge"]["Resources"]["Distribution"]["Properties"]["DistributionConfig"]
    assert config["Origins"][0]["CustomOriginConfig"]["OriginSSLProtocols"] == ["TLSv1.2"]
    behavior = config["DefaultCacheBehavior"]
    # AWS's managed policies CachingDisabled and AllViewerExceptHostHeader, by their documented ids.
    assert behavior["CachePolicyId"] == "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
    assert behavior["OriginRequestPolicyId"] == "b689b0a8-53d0-40ab-baf2-68738e2966ac"
    assert behavior["ViewerProtocolPolicy"] == "https-only"


@pytest.mark.parametrize("layer", LAYERS)
def test_every_parameter_says_what_it_is(layer: str):
    parameters = TEMPLATES[layer].get("Parameters", {})
    assert [name for name, parameter in parameters.items() if not parameter.get("Description")] == []
