# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Send HTTP requests to a Lambda function as API Gateway's REST proxy integration does, past the gateway itself."""

from __future__ import annotations

import base64
import json
import shlex
import time
import typing as t

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import (
    AWS_ERRORS,
    SENT,
    describe_aws_error,
    error_code,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.http_probe import (
    Complete,
    Finding,
    Reply,
    Send,
    parse_json,
    shorten,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.leaks import find_leak

# AWS answered and the answer is about the function: that is a verdict, not a lack of data.
VERDICT_CODES = ("ResourceNotFoundException", "TooManyRequestsException", "ResourceConflictException")


def proxy_event(method: str, path: str, host: str, headers: dict[str, str], body: bytes) -> dict[str, t.Any]:
    """Return the event (payload version 1.0) that API Gateway would pass on."""
    sent = {**headers, "Host": host, "X-Forwarded-Proto": "https", "X-Forwarded-Port": "443"}
    return {
        "version": "1.0",
        "resource": path,
        "path": path,
        "httpMethod": method,
        "headers": sent,
        "multiValueHeaders": {name: [value] for name, value in sent.items()},
        "queryStringParameters": None,
        "multiValueQueryStringParameters": None,
        "pathParameters": None,
        "stageVariables": None,
        "requestContext": {
            "resourcePath": path,
            "path": path,
            "httpMethod": method,
            "protocol": "HTTP/1.1",
            "stage": "probe",
            "requestId": "health-probe",
            "domainName": host,
            "identity": {"sourceIp": "127.0.0.1", "userAgent": "pratikoai.mcp_servers.health"},
        },
        "body": body.decode() or None,
        "isBase64Encoded": False,
    }


def proxy_reply(payload: bytes, ms: float) -> Reply:
    """Unwrap what a proxy integration returns.

    :raises ValueError: it is not a proxy response
    """
    answer = parse_json(payload)
    if not isinstance(answer, dict) or not isinstance(answer.get("statusCode"), int):
        raise ValueError(f"not a proxy response: {shorten(payload.decode('utf-8', 'replace'))}")
    headers = {name.lower(): str(value) for name, value in (answer.get("headers") or {}).items()}
    for name, values in (answer.get("multiValueHeaders") or {}).items():
        headers[name.lower()] = ", ".join(str(value) for value in values)
    body = str(answer.get("body") or "")
    data = base64.b64decode(body) if answer.get("isBase64Encoded") else body.encode()
    return Reply(answer["statusCode"], headers, data, ms)


def function_label(target: dict[str, t.Any]) -> str:
    """Return how evidence names the function."""
    return f"lambda {target['function_name']}:{target['qualifier'] or '$LATEST'}"


def logs_step(log_group: str) -> str:
    return f"aws logs tail {shlex.quote(log_group)} --since 15m"


def log_group_of(client: t.Any, target: dict[str, t.Any]) -> str | None:
    """Return the log group that a function was told to write to, if AWS says it."""
    wanted = {"FunctionName": target["function_name"], "Qualifier": target["qualifier"]}
    try:
        config = client.get_function_configuration(**{name: value for name, value in wanted.items() if value})
    except AWS_ERRORS:
        return None
    return config.get("LoggingConfig", {}).get("LogGroup")


def invoke(
    client: t.Any, target: dict[str, t.Any], event: dict[str, t.Any], timeout: float, next_step: str
) -> tuple[bytes, float]:
    """Invoke one version or alias of a function and return its answer and the milliseconds it took.

    :param target: ``function_name`` and ``qualifier`` (or None)
    :raises Finding: critical where the function failed or was too slow, unknown where AWS gave no answer
    """
    name = function_label(target)
    extra = {"Qualifier": target["qualifier"]} if target["qualifier"] else {}
    SENT.at = time.monotonic()
    try:
        answer = client.invoke(FunctionName=target["function_name"], Payload=json.dumps(event).encode(), **extra)
        payload = answer["Payload"].read()
    except AWS_ERRORS as error:
        status = "critical" if error_code(error) in VERDICT_CODES else "unknown"
        raise Finding(status, f"{name}: {describe_aws_error(error)}", next_step) from error
    ms = (time.monotonic() - SENT.at) * 1000
    if answer.get("FunctionError"):
        text = shorten(payload.decode("utf-8", "replace"))
        raise Finding("critical", f"{name}: {answer['FunctionError']} error: {text}", next_step)
    if ms > timeout * 1000:
        raise Finding("critical", f"{name}: answered after {ms:.0f} ms, not within {timeout:g} s", next_step)
    return payload, ms


def probe_authorizer(
    client: t.Any, probe: dict[str, t.Any], token: str | None, next_step: str
) -> tuple[list[float], str]:
    """Ask a REQUEST authorizer about a good token that came round the CDN: it has to deny, by a policy.

    Only an authorizer that could read both the issuer's keys and the origin secret answers so.

    :raises Finding: critical, because it failed, refused the token, let a wrong origin header pass or leaks
    """
    name = function_label(probe["lambda"])
    event = {
        "type": "REQUEST",
        "methodArn": probe["method_arn"],
        "httpMethod": "POST",
        "path": "/mcp",
        "headers": {"Authorization": f"Bearer {token}", "x-mcp-origin": "health-probe"},
        "requestContext": {"requestId": "health-probe"},
    }
    payload, ms = invoke(client, probe["lambda"], event, probe["timeout"], next_step)
    leak = find_leak(payload.decode("utf-8", "replace"), token) if probe["refuse_leaks"] else None
    if leak:
        raise Finding("critical", f"{name}: the answer contains {leak}", next_step)
    try:
        effects = {statement["Effect"] for statement in parse_json(payload)["policyDocument"]["Statement"]}
    except (ValueError, KeyError, TypeError) as error:
        text = shorten(payload.decode("utf-8", "replace"))
        raise Finding("critical", f"{name}: not a policy: {text}", next_step) from error
    if effects != {"Deny"}:
        raise Finding("critical", f"{name}: a wrong x-mcp-origin was not denied: {sorted(effects)}", next_step)
    return [ms], f"invoked {name}: token read, wrong x-mcp-origin denied"


def lambda_sender(client: t.Any, target: dict[str, t.Any], timeout: float, next_step: str) -> Send:
    """Return a function that sends requests to one version or alias of a function.

    :param target: ``function_name``, ``qualifier`` (or None) and ``host``
    """
    name = function_label(target)

    def send(method: str, headers: dict[str, str], body: bytes, _complete: Complete | None = None) -> Reply:
        event = proxy_event(method, "/mcp", target["host"], headers, body)
        payload, ms = invoke(client, target, event, timeout, next_step)
        try:
            return proxy_reply(payload, ms)
        except ValueError as error:
            raise Finding("critical", f"{name}: {error}", next_step) from error

    return send
