# SPDX-License-Identifier: MIT
"""Invocations as Lambda's HTTP triggers make them."""

from __future__ import annotations

from typing import Any

KINDS = ("rest", "http", "url", "alb", "alb-lists")
BALANCED = ("alb", "alb-lists")
TRACE = "Root=1-67891233-abcdef012345678912345678;Parent=463ac35c9f6413ad;Sampled=1"


class LambdaContext:
    """What Lambda tells a function about an invocation."""

    aws_request_id = "invocation-1"

    def __init__(self, seconds: float = 30.0) -> None:
        self._seconds = seconds

    def get_remaining_time_in_millis(self) -> int:
        return int(self._seconds * 1000)


def event(kind: str, method: str, path: str, headers: dict[str, str] | None = None, **more: Any) -> dict[str, Any]:
    """Build the event of one kind of trigger; an HTTP API's path starts with its stage.

    :param kind: rest and http (APIs), url (of a function), alb and alb-lists (load balancer without and with
        lambda.multi_value_headers.enabled)
    """
    proxy = {"Host": "mcp.example.com", "X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.1"}
    headers = {**proxy, **(headers or {})}
    make = {"rest": _rest, "http": _http, "url": _url, "alb": _alb, "alb-lists": _alb_lists}[kind]
    return {**make(method, path, headers), "isBase64Encoded": False, **more}


def _rest(method: str, path: str, headers: dict[str, str]) -> dict[str, Any]:
    gateway = {"stage": "live", "path": "/live" + path, "requestId": "gw-1", "identity": {"sourceIp": "192.0.2.1"}}
    return {
        "httpMethod": method,
        "path": path,
        "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "requestContext": gateway,
    }


def _http(method: str, path: str, headers: dict[str, str]) -> dict[str, Any]:
    return _version_2(method, "/live" + path, headers, "live")


def _url(method: str, path: str, headers: dict[str, str]) -> dict[str, Any]:
    return _version_2(method, path, headers, "$default")


def _version_2(method: str, path: str, headers: dict[str, str], stage: str) -> dict[str, Any]:
    request = {"method": method, "path": path, "sourceIp": "192.0.2.1"}
    gateway = {"stage": stage, "requestId": "gw-1", "http": request}
    return {"version": "2.0", "rawPath": path, "headers": _lower(headers), "requestContext": gateway}


def _alb(method: str, path: str, headers: dict[str, str]) -> dict[str, Any]:
    return {**_balancer(method, path), "queryStringParameters": {}, "headers": _lower(headers)}


def _alb_lists(method: str, path: str, headers: dict[str, str]) -> dict[str, Any]:
    lists = {name: [value] for name, value in _lower(headers).items()}
    return {**_balancer(method, path), "multiValueQueryStringParameters": {}, "multiValueHeaders": lists}


def _balancer(method: str, path: str) -> dict[str, Any]:
    target = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/mcp/0123456789abcdef"
    return {"requestContext": {"elb": {"targetGroupArn": target}}, "httpMethod": method, "path": path}


def _lower(headers: dict[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}
