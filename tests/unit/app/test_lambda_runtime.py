# SPDX-License-Identifier: MIT
"""Runtime and Lambda adapter together: who answers when something goes wrong, and what the log says about it."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from mcp.server.mcpserver import MCPServer
from pratiko_mcp.lambda_adapter import LambdaAdapter
from pratiko_mcp.runtime import create_app

from tests.unit.app.lambda_calls import LambdaContext, event
from tests.unit.app.served import LEGACY, MODERN, bearer, headers_of, request, settings
from tests.unit.app.test_lambda_adapter import stop

ERAS = pytest.mark.parametrize(("version", "status"), [(LEGACY, 200), (MODERN, 504)])
BLOCKED_SECONDS = 1.5


def make_server() -> MCPServer:
    server = MCPServer("slow")

    @server.tool()
    async def waits() -> str:
        await asyncio.sleep(5)
        return "late"

    @server.tool()
    def blocks() -> str:
        time.sleep(BLOCKED_SECONDS)
        return "late"

    @server.tool()
    def large() -> str:
        return "x" * 7_000_000

    return server


class Function:
    """A deployed function, as far as a test can tell."""

    def __init__(self, users_server: Any) -> None:
        self._module = users_server
        self._made: list[LambdaAdapter] = []

    def call(self, version: str, tool: str, seconds: float = 29, app: Any = None, **variables: str) -> dict[str, Any]:
        self._module.mcp = app or make_server()
        adapter = LambdaAdapter(create_app(settings(AWS_LAMBDA_FUNCTION_NAME="mcp", **variables)))
        self._made.append(adapter)
        body = request(version, "tools/call", name=tool, arguments={}).decode()
        headers = {**headers_of(version, name=tool), **bearer()}
        return adapter.handle(event("rest", "POST", "/mcp", headers, body=body), LambdaContext(seconds))

    def stop(self) -> None:
        for adapter in self._made:
            stop(adapter)


@pytest.fixture
def function(users_server: Any) -> Iterator[Function]:
    made = Function(users_server)
    yield made
    made.stop()


def error_of(reply: dict[str, Any]) -> Any:
    """Return the JSON-RPC error of a reply, which an event stream that has begun ends with."""
    return json.loads(reply["body"].split("data: ")[-1])["error"]


def logged(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """Return the one line about the request that was there when Lambda stopped the process."""
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    (line,) = [line for line in lines if line.get("event") == "request"]
    return dict(line)


@ERAS
@pytest.mark.parametrize("tool", ["waits", "blocks"])
def test_the_runtime_answers_before_the_function_ends(
    function: Function, capsys: pytest.CaptureFixture[str], tool: str, version: str, status: int
) -> None:
    reply = function.call(version, tool, seconds=1.3)
    assert reply["statusCode"] == status
    error = error_of(reply)
    assert (error["code"], error["message"]) == (-32001, "No answer within 0.3 s.")
    line = logged(capsys)
    assert (line["level"], line["outcome"], line["status"], line["Errors"]) == ("ERROR", "timeout", status, 1)


@ERAS
def test_a_caller_does_not_wait_for_a_tool_that_cannot_be_stopped(
    function: Function, capsys: pytest.CaptureFixture[str], version: str, status: int
) -> None:
    started = time.monotonic()
    reply = function.call(version, "blocks", MCP_REQUEST_TIMEOUT="0.1")
    assert time.monotonic() - started < BLOCKED_SECONDS - 0.3
    assert (reply["statusCode"], error_of(reply)["code"]) == (status, -32001)
    assert logged(capsys)["outcome"] == "timeout"


@pytest.mark.parametrize("version", [LEGACY, MODERN])
def test_a_reply_that_is_too_large_is_no_success(
    function: Function, capsys: pytest.CaptureFixture[str], version: str
) -> None:
    reply = function.call(version, "large")
    assert (reply["statusCode"], json.loads(reply["body"])["error"]) == (500, "reply_too_large")
    assert json.loads(reply["body"])["request_id"] == "gw-1"
    line = logged(capsys)
    assert (line["level"], line["outcome"], line["status"], line["Errors"]) == ("ERROR", "server_error", 500, 1)


@pytest.mark.parametrize("begun", [False, True])
def test_no_reply_is_no_success(function: Function, capsys: pytest.CaptureFixture[str], begun: bool) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "http", "no lifespan"
        if begun:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"half", "more_body": True})

    reply = function.call(LEGACY, "any", app=app)
    assert (reply["statusCode"], json.loads(reply["body"])["error"]) == (500, "no_reply")
    line = logged(capsys)
    assert (line["level"], line["outcome"], line["Errors"]) == ("ERROR", "server_error", 1)
