# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The probe kind mcp over a direct invocation of a Lambda function."""

from __future__ import annotations

import base64
import io
import json
import time
import typing as t
from pathlib import Path

import boto3
import pytest
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import health, lambda_probe
from botocore.exceptions import EndpointConnectionError
from botocore.stub import ANY, Stubber

from tests.unit.plugins.loopback import RESULT_KEYS, context
from tests.unit.plugins.test_health_mcp import DISCOVERED, TOOLS

PROBE = {"name": "it", "lambda": {"function_name": "server", "qualifier": "7", "host": "x.example"}}


def proxied(rpc_id: int, result: dict[str, t.Any], **extra: t.Any) -> dict[str, t.Any]:
    body = json.dumps({"jsonrpc": "2.0", "id": rpc_id, "result": result})
    return {"statusCode": 200, "headers": {"Content-Type": "application/json"}, "body": body, **extra}


def stub(*payloads: t.Any, **extra: t.Any) -> tuple[t.Any, Stubber]:
    """Return a Lambda client that answers invocations of version 7 with these payloads."""
    client = boto3.client("lambda", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
    stubber = Stubber(client)
    for payload in payloads:
        answer = {"StatusCode": 200, "Payload": io.BytesIO(json.dumps(payload).encode()), **extra}
        stubber.add_response("invoke", answer, {"FunctionName": "server", "Qualifier": "7", "Payload": ANY})
    stubber.activate()
    return client, stubber


def probe(client: t.Any, **options: t.Any) -> dict[str, t.Any]:
    (result,) = health.run(context({**PROBE, **options}, clients=client))["results"]
    assert set(result) == RESULT_KEYS
    return result


def test_a_round_trip_by_version() -> None:
    client, stubber = stub(proxied(1, DISCOVERED), proxied(2, TOOLS))
    result = probe(client)
    stubber.assert_no_pending_responses()
    assert result["status"] == "healthy"
    assert result["evidence"].startswith("POST lambda server:7: server/discover, tools/list (2 tools) ok; MCP 2026")
    assert result["latency_ms"]["p50"] >= 0


def test_the_event_is_what_the_gateway_sends() -> None:
    event = lambda_probe.proxy_event("POST", "/mcp", "x.example", {"Authorization": "Bearer t"}, b'{"a": 1}')
    assert (event["httpMethod"], event["path"], event["body"]) == ("POST", "/mcp", '{"a": 1}')
    assert event["headers"]["Host"] == "x.example" and event["headers"]["Authorization"] == "Bearer t"
    assert event["multiValueHeaders"]["Host"] == ["x.example"]
    assert event["isBase64Encoded"] is False and event["requestContext"]["httpMethod"] == "POST"


def test_replies_are_unwrapped_in_each_form() -> None:
    message = b'{"jsonrpc": "2.0", "id": 1, "result": {}}'
    wrapped = {
        "statusCode": 400,
        "multiValueHeaders": {"Content-Type": ["text/event-stream"], "X": ["a", "b"]},
        "body": base64.b64encode(message).decode(),
        "isBase64Encoded": True,
    }
    reply = lambda_probe.proxy_reply(json.dumps(wrapped).encode(), 3.0)
    assert (reply.status, reply.body, reply.is_event_stream, reply.headers["x"]) == (400, message, True, "a, b")


@pytest.mark.parametrize("payload", [{}, [], "text", {"statusCode": "200"}, None])
def test_what_is_not_a_proxy_response_is_critical(payload: t.Any) -> None:
    client, _stubber = stub(payload)
    result = probe(client)
    assert result["status"] == "critical" and "lambda server:7: not a proxy response" in result["evidence"]
    assert result["next_step"] == "aws logs tail /aws/lambda/server --since 15m"


def test_a_function_error_is_critical_with_its_message() -> None:
    client, _stubber = stub({"errorMessage": "No module named 'x'"}, FunctionError="Unhandled")
    result = probe(client)
    assert result["status"] == "critical" and "Unhandled error" in result["evidence"]
    assert "No module named 'x'" in result["evidence"]


def test_an_answer_after_the_timeout_is_critical() -> None:
    class Late:
        def invoke(self, **_arguments: t.Any) -> t.Any:
            time.sleep(0.05)
            return {"Payload": io.BytesIO(json.dumps(proxied(1, DISCOVERED)).encode())}

        def get_function_configuration(self, **_arguments: t.Any) -> t.Any:
            return {}

    result = probe(Late(), timeout=0.01)
    assert result["status"] == "critical" and "not within 0.01 s" in result["evidence"]


@pytest.mark.parametrize(
    ("code", "status"),
    [("ResourceNotFoundException", "critical"), ("TooManyRequestsException", "critical"), ("AccessDenied", "unknown")],
)
def test_what_aws_says_about_the_function_is_a_verdict_and_all_else_is_not(code: str, status: str) -> None:
    client, stubber = stub()
    stubber.add_client_error("invoke", code, "because")
    result = probe(client)
    assert result["status"] == status and code in result["evidence"]


def test_the_log_group_is_named_for_an_arn_too() -> None:
    client, _stubber = stub()
    target = {"function_name": "arn:aws:lambda:us-east-1:123456789012:function:server:live", "host": "x.example"}
    result = probe(client, **{"lambda": target})
    assert result["next_step"] == "aws logs tail /aws/lambda/server --since 15m"


def test_the_log_group_is_the_one_that_the_function_writes_to() -> None:
    client, stubber = stub({}, {})
    config = {"LoggingConfig": {"LogFormat": "JSON", "LogGroup": "/mcp/production/server"}}
    stubber.add_response("get_function_configuration", config, {"FunctionName": "server", "Qualifier": "7"})
    assert probe(client, attempts=2, delay=0)["next_step"] == "aws logs tail /mcp/production/server --since 15m"
    stubber.assert_no_pending_responses()


@pytest.mark.parametrize("code", ["AccessDeniedException", "ResourceNotFoundException"])
def test_without_an_answer_the_log_group_is_the_usual_one(code: str) -> None:
    client, stubber = stub({})
    stubber.add_client_error("get_function_configuration", code)
    assert probe(client)["next_step"] == "aws logs tail /aws/lambda/server --since 15m"
    stubber.assert_no_pending_responses()


def test_a_next_step_of_the_callers_asks_nothing() -> None:
    client, stubber = stub({})
    stubber.add_client_error("get_function_configuration", "AccessDeniedException")
    assert probe(client, next_step="make deploy")["next_step"] == "make deploy"
    with pytest.raises(AssertionError):
        stubber.assert_no_pending_responses()


def test_an_aws_that_does_not_answer_is_unknown() -> None:
    class Silent:
        def invoke(self, **_arguments: t.Any) -> t.Any:
            raise EndpointConnectionError(endpoint_url="http://x")

    result = probe(Silent())
    assert result["status"] == "unknown" and "AWS did not answer" in result["evidence"]


ARN = "arn:aws:execute-api:us-east-1:123456789012:api/live/POST/mcp"


def policy(effect: str) -> dict[str, t.Any]:
    return {"principalId": "a", "policyDocument": {"Statement": [{"Effect": effect, "Resource": "*"}]}}


def ask_authorizer(tmp_path: Path, client: t.Any) -> dict[str, t.Any]:
    token_file = tmp_path / "token.json"
    token_file.write_text(json.dumps({"access_token": "good"}))
    return probe(client, kind="authorizer", method_arn=ARN, token_file=str(token_file))


def test_an_authorizer_that_reads_keys_and_secret_denies_a_wrong_origin(tmp_path: Path) -> None:
    client, stubber = stub(policy("Deny"))
    events: list[dict[str, t.Any]] = []
    client.meta.events.register(
        "provide-client-params.lambda.Invoke", lambda params, **_: events.append(json.loads(params["Payload"]))
    )
    result = ask_authorizer(tmp_path, client)
    stubber.assert_no_pending_responses()
    assert result["status"] == "healthy" and "good" not in result["evidence"].replace("wrong x-mcp-origin", "")
    assert events[0]["methodArn"] == ARN and events[0]["type"] == "REQUEST"
    assert events[0]["headers"] == {"Authorization": "Bearer good", "x-mcp-origin": "health-probe"}


@pytest.mark.parametrize(
    ("payload", "extra", "words"),
    [
        (policy("Allow"), {}, "a wrong x-mcp-origin was not denied"),
        ({"errorMessage": "Unauthorized"}, {"FunctionError": "Unhandled"}, "Unhandled error"),
        ({"errorMessage": "AccessDenied"}, {"FunctionError": "Unhandled"}, "AccessDenied"),
        (["no policy"], {}, "not a policy"),
    ],
)
def test_an_authorizer_that_would_lock_everybody_out_or_let_all_in_is_critical(
    tmp_path: Path, payload: t.Any, extra: dict[str, t.Any], words: str
) -> None:
    client, _stubber = stub(payload, **extra)
    result = ask_authorizer(tmp_path, client)
    assert result["status"] == "critical" and words in result["evidence"]
