# SPDX-License-Identifier: MIT
"""Which tools the runtime believes in: callers must not make up CloudWatch metrics, each of which costs money."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pratiko_mcp.runtime import create_app

from tests.unit.app.served import LEGACY, MODERN, ask, bearer, headers_of, request, serve_calls, settings
from tests.unit.app.test_runtime_policy import replying

ERAS = pytest.mark.parametrize("version", [LEGACY, MODERN])
BY_TOOL = {"MCP_METRICS": "emf", "MCP_METRICS_BY_TOOL": "true"}


def tool_call(version: str, name: str) -> tuple[str, dict[str, str], bytes]:
    arguments = {"name": "Bob"}
    body = request(version, "tools/call", name=name, arguments=arguments)
    return "POST", {**headers_of(version, name=name), **bearer()}, body


def labels(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Return the tool that each request's metrics name."""
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return [line["Tool"] for line in lines if "Tool" in line]


@ERAS
def test_a_tool_is_known_once_it_has_answered(
    users_server: Any, capsys: pytest.CaptureFixture[str], version: str
) -> None:
    serve_calls(create_app(settings(**BY_TOOL)), tool_call(version, "greet"), tool_call(version, "invented"))
    assert labels(capsys) == ["greet", "other"]


@ERAS
def test_a_tool_is_known_once_it_was_listed(
    users_server: Any, capsys: pytest.CaptureFixture[str], version: str
) -> None:
    listing = ("POST", {**headers_of(version, "tools/list"), **bearer()}, request(version, "tools/list"))
    wrong = ("POST", tool_call(version, "greet")[1], request(version, "tools/call", name="greet", arguments={}))
    serve_calls(create_app(settings(**BY_TOOL)), wrong, listing, wrong)
    assert labels(capsys) == ["other", "greet"]


@ERAS
def test_a_notification_makes_no_tool_known(
    users_server: Any, capsys: pytest.CaptureFixture[str], version: str
) -> None:
    notification = {"jsonrpc": "2.0", "method": "tools/call", "params": {"name": "invented"}}
    call = ("POST", {**headers_of(version), **bearer()}, json.dumps(notification).encode())
    replies = serve_calls(create_app(settings(**BY_TOOL)), call, call)
    assert [reply.status for reply in replies] == [202, 202]
    assert labels(capsys) == ["other", "other"]


EVENTS = b'data: {"method": "notifications/message", "params": {"result": 1}}\n\n'
RESULT = b'data: {"jsonrpc": "2.0", "id": 1, "result": {"content": []}}\n\n'


@pytest.mark.parametrize(
    ("inner", "expected"),
    [
        (replying("text/event-stream", EVENTS + RESULT), "named"),
        (replying("text/event-stream", b": ping\n\n"), "other"),
        (replying("text/event-stream", EVENTS + b'data: {"id": 1, "error": {"code": -32602}}\n\n'), "other"),
        (replying("application/json", b'{"id": 1, "result": {"content": []}}'), "named"),
        (replying("application/json", b'{"id": 1, "result": {"isError": true}}'), "other"),
        (replying("application/json", b""), "other"),
        (replying("text/html", b'"result"'), "other"),
        (replying("application/json", b'{"id": 1, "result": {}}', status=404), "other"),
    ],
)
def test_only_a_result_makes_a_tool_known(
    users_server: Any, capsys: pytest.CaptureFixture[str], inner: Any, expected: str
) -> None:
    users_server.app = inner
    _, headers, body = tool_call(MODERN, "named")
    ask(create_app(settings(MCP_ENTRYPOINT="users_server:app", **BY_TOOL)), "POST", "/mcp", headers, body)
    assert labels(capsys) == [expected]
