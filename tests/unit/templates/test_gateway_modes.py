# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The gateway's methods in both modes: what a stage serves while traffic is diverted, and what otherwise."""

from __future__ import annotations

import json
import typing as t

import pytest
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.template import (
    hash_logical_ids,
    holds,
    inline_literals,
    load_template,
)

from tests.support.checkout import ROOT

SOURCE = load_template((ROOT / "roles/production/files/app.yaml").read_text(), "app.yaml")
LITERALS = {"MaintenanceMessage": "Back at 9 o'clock", "MaintenanceRetryAfter": 120}
TEMPLATE = hash_logical_ids(inline_literals(SOURCE, LITERALS))
NO_VALUE = {"Ref": "AWS::NoValue"}


def named(template: dict[str, t.Any], prefix: str) -> tuple[str, dict[str, t.Any]]:
    """Return the logical id and body of the resource with this prefix and a hash."""
    ((name, body),) = [(key, body) for key, body in template["Resources"].items() if key.startswith(prefix)]
    return name, body


def rendered(node: t.Any, mode: str, stage_deployment: str = "") -> t.Any:
    """Return a part of the template with its Fn::If decided, as CloudFormation does."""
    values = {"GatewayMode": mode, "StageDeploymentId": stage_deployment}
    if isinstance(node, list):
        return [rendered(item, mode, stage_deployment) for item in node]
    if not isinstance(node, dict):
        return node
    if list(node) == ["Fn::If"]:
        condition, yes, no = node["Fn::If"]
        chosen = yes if holds({"Condition": condition}, TEMPLATE["Conditions"], values) else no
        return rendered(chosen, mode, stage_deployment)
    parts = {key: rendered(value, mode, stage_deployment) for key, value in node.items()}
    return {key: value for key, value in parts.items() if value != NO_VALUE}


def methods(mode: str) -> dict[str, dict[str, t.Any]]:
    """Return the properties of every method in this mode."""
    found = TEMPLATE["Resources"].items()
    return {
        name: rendered(body["Properties"], mode) for name, body in found if body["Type"] == "AWS::ApiGateway::Method"
    }


@pytest.mark.parametrize("name", sorted(methods("maintenance")))
def test_in_maintenance_mode_every_method_answers_by_itself(name):
    method = methods("maintenance")[name]
    assert method["AuthorizationType"] == "NONE" and method["Integration"]["Type"] == "MOCK"
    assert not {"AuthorizerId", "RequestValidatorId"} & set(method) and "Uri" not in method["Integration"]
    assert json.loads(method["Integration"]["RequestTemplates"]["application/json"]) == {"statusCode": 503}
    (answer,) = method["Integration"]["IntegrationResponses"]
    headers = answer["ResponseParameters"]
    assert answer["StatusCode"] == "503" and headers["method.response.header.Retry-After"] == "'120'"
    # A header that the method does not declare never leaves API Gateway.
    declared = {response["StatusCode"]: response["ResponseParameters"] for response in method["MethodResponses"]}
    assert set(headers) == set(declared["503"])


def test_posts_get_an_error_that_clients_show_and_reads_get_a_status():
    bodies = {
        name: json.loads(method["Integration"]["IntegrationResponses"][0]["ResponseTemplates"]["application/json"])
        for name, method in methods("maintenance").items()
    }
    assert bodies.pop("McpPost") == {
        "jsonrpc": "2.0",
        "id": None,
        "error": {
            "code": -32050,
            "message": "Back at 9 o'clock",
            "data": {"status": "maintenance", "retry_after": 120},
        },
    }
    assert {json.dumps(body) for body in bodies.values()} == {
        '{"status": "maintenance", "message": "Back at 9 o\'clock"}'
    }


def test_in_live_mode_the_server_answers_and_only_the_mcp_method_needs_a_token():
    live = methods("live")
    post = live.pop("McpPost")
    assert (post["AuthorizationType"], post["AuthorizerId"]) == ("CUSTOM", {"Ref": "Authorizer"})
    assert post["RequestValidatorId"] == {"Ref": "BodyValidator"} and post["Integration"]["Type"] == "AWS_PROXY"
    assert {method["AuthorizationType"] for method in live.values()} == {"NONE"}
    mocked = {name for name, method in live.items() if method["Integration"]["Type"] == "MOCK"}
    assert mocked == {"McpGet", "McpDelete"}
    assert {method["HttpMethod"] for name, method in live.items() if name not in mocked} == {"GET"}
    for name in mocked:
        (answer,) = live[name]["Integration"]["IntegrationResponses"]
        assert answer["StatusCode"] == "405"


def test_both_deployments_are_made_anew_together_after_all_that_they_snapshot():
    maintenance, live = named(TEMPLATE, "MaintenanceDeployment"), named(TEMPLATE, "ApiDeployment")
    assert maintenance[0].removeprefix("MaintenanceDeployment") == live[0].removeprefix("ApiDeployment")
    snapshot = [
        name
        for name, body in TEMPLATE["Resources"].items()
        if body["Type"] in ("AWS::ApiGateway::Method", "AWS::ApiGateway::GatewayResponse")
    ]
    for _, body in (maintenance, live):
        assert body["DependsOn"] == sorted(snapshot)
        # The stage may serve it when the stack lets go of it; what a rolled-back update made has to go.
        assert (body["DeletionPolicy"], body["UpdateReplacePolicy"]) == ("RetainExceptOnCreate", "Retain")
    assert "Condition" not in maintenance[1] and live[1]["Condition"] == "Live"


@pytest.mark.parametrize("name, value", [("MaintenanceMessage", "Another"), ("MaintenanceRetryAfter", 5)])
def test_another_answer_makes_another_deployment(name, value):
    other = hash_logical_ids(inline_literals(SOURCE, {**LITERALS, name: value}))
    assert named(other, "MaintenanceDeployment")[0] != named(TEMPLATE, "MaintenanceDeployment")[0]


def test_the_mode_and_the_stages_deployment_stay_parameters():
    assert {"GatewayMode", "StageDeploymentId"} <= set(TEMPLATE["Parameters"])
    hashed = SOURCE["Resources"]["ApiDeployment"]["Metadata"]["McpHashOf"]
    assert SOURCE["Resources"]["MaintenanceDeployment"]["Metadata"]["McpHashOf"] == hashed


@pytest.mark.parametrize(
    "mode, given, prefix",
    [("live", "", "ApiDeployment"), ("maintenance", "", "MaintenanceDeployment"), ("maintenance", "abc123", None)],
)
def test_the_stage_serves_what_it_is_told_or_the_deployment_of_its_mode(mode, given, prefix):
    wanted = {"Ref": named(TEMPLATE, prefix)[0] if prefix else "StageDeploymentId"}
    stage = TEMPLATE["Resources"]["ApiStage"]["Properties"]
    assert rendered(stage, mode, given)["DeploymentId"] == wanted


def test_the_live_deployments_id_is_told_in_live_mode_only():
    outputs = TEMPLATE["Outputs"]
    assert outputs["MaintenanceDeploymentId"] == {"Value": {"Ref": named(TEMPLATE, "MaintenanceDeployment")[0]}}
    assert outputs["ApiDeploymentId"] == {"Condition": "Live", "Value": {"Ref": named(TEMPLATE, "ApiDeployment")[0]}}
