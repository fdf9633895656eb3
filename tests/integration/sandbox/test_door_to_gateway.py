# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A door, the emulated CDN, the emulated API Gateway and a function, all in one line."""

from __future__ import annotations

import http.client
import io
import typing as t
import zipfile

import pytest

from tests.support.emulated import REGION, TestSandbox

pytestmark = pytest.mark.integration

FUNCTION = """
def handler(event, context):
    return {
        "statusCode": 401,
        "headers": {"WWW-Authenticate": "Bearer", "X-Seen-Proto": event["headers"].get("X-Forwarded-Proto", "")},
        "body": event["path"],
    }
"""


def make_function(sandbox: TestSandbox) -> str:
    """Create a function that always challenges; return its ARN."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as code:
        code.writestr("index.py", FUNCTION)
    made = sandbox.client("lambda").create_function(
        FunctionName="challenge",
        Runtime="python3.12",
        Role="arn:aws:iam::000000000000:role/none",
        Handler="index.handler",
        Code={"ZipFile": archive.getvalue()},
    )
    return made["FunctionArn"]


def make_api(sandbox: TestSandbox, function: str) -> str:
    """Create an API with an open path and one behind an authorizer; return its id."""
    gateway = sandbox.client("apigateway")
    api = gateway.create_rest_api(name="doors")["id"]
    root = gateway.get_resources(restApiId=api)["items"][0]["id"]
    uri = f"arn:aws:apigateway:{REGION}:lambda:path/2015-03-31/functions/{function}/invocations"
    authorizer = gateway.create_authorizer(
        restApiId=api,
        name="token",
        type="TOKEN",
        authorizerUri=uri,
        identitySource="method.request.header.Authorization",
    )["id"]
    for path, protection in (
        ("open", {"authorizationType": "NONE"}),
        ("guarded", {"authorizationType": "CUSTOM", "authorizerId": authorizer}),
    ):
        resource = gateway.create_resource(restApiId=api, parentId=root, pathPart=path)["id"]
        gateway.put_method(restApiId=api, resourceId=resource, httpMethod="GET", **protection)
        gateway.put_integration(
            restApiId=api,
            resourceId=resource,
            httpMethod="GET",
            type="AWS_PROXY",
            integrationHttpMethod="POST",
            uri=uri,
        )
    gateway.put_gateway_response(
        restApiId=api,
        responseType="UNAUTHORIZED",
        responseParameters={"gatewayresponse.header.WWW-Authenticate": "'Bearer resource_metadata=x'"},
    )
    gateway.create_deployment(restApiId=api, stageName="live")
    return api


def make_distribution(sandbox: TestSandbox, api: str) -> str:
    """Create a distribution in front of the API; return its domain."""
    origin = {
        "Id": "api",
        "DomainName": "localhost",
        "OriginPath": f"/_aws/execute-api/{api}/live",
        "CustomOriginConfig": {
            "HTTPPort": sandbox.port,
            "HTTPSPort": 443,
            "OriginProtocolPolicy": "http-only",
        },
    }
    behavior = {
        "TargetOriginId": "api",
        "ViewerProtocolPolicy": "https-only",
        "CachePolicyId": "4135ea2d-6df8-44a3-9df3-4b5a84be39ad",
        "OriginRequestPolicyId": "b689b0a8-53d0-40ab-baf2-68738e2966ac",
    }
    config = {
        "CallerReference": "doors",
        "Comment": "",
        "Enabled": True,
        "Origins": {"Quantity": 1, "Items": [origin]},
        "DefaultCacheBehavior": behavior,
    }
    made = sandbox.client("cloudfront").create_distribution(DistributionConfig=config)
    return made["Distribution"]["DomainName"]


@pytest.fixture(scope="module")
def door(sandbox: TestSandbox) -> dict[str, str]:
    """A door that leads to the API."""
    api = make_api(sandbox, make_function(sandbox))
    health = f"{sandbox.endpoint}/_aws/execute-api/{api}/live/open"
    return sandbox.door("gateway", host=make_distribution(sandbox, api), health_url=health)


def ask(door: dict[str, str], path: str) -> tuple[int, dict[str, str], bytes]:
    """GET a path at the door; header names in lower case."""
    connection = http.client.HTTPConnection(door["url"].removeprefix("http://"), timeout=30)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        headers: dict[str, str] = {key.lower(): value for key, value in response.getheaders()}
        return response.status, headers, response.read()
    finally:
        connection.close()


def test_the_functions_challenge_is_renamed_as_on_aws(door: dict[str, str]) -> None:
    status, headers, data = ask(door, "/open")
    assert (status, data) == (401, b"/open")
    assert headers["x-amzn-remapped-www-authenticate"] == "Bearer"
    assert "www-authenticate" not in headers
    assert "x-amz-cf-id" in headers


def test_the_gateways_challenge_arrives(door: dict[str, str]) -> None:
    status, headers, _data = ask(door, "/guarded")
    assert status == 401
    assert headers["www-authenticate"] == "Bearer resource_metadata=x"


def test_health_reaches_the_server_and_not_the_emulators_own_page(door: dict[str, str]) -> None:
    status, _headers, data = ask(door, "/health")
    assert (status, data) == (401, b"/open")


def test_the_emulator_cannot_be_emptied_through_a_door(door: dict[str, str], aws: t.Callable[..., t.Any]) -> None:
    assert ask(door, "/_ministack/reset")[0] == 403
    assert aws("lambda").get_function(FunctionName="challenge")["Configuration"]["FunctionName"] == "challenge"
