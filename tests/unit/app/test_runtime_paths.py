# SPDX-License-Identifier: MIT
"""A plain ASGI application may serve MCP at more paths than /mcp: messages are checked at all of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pratiko_mcp.runtime import Runtime, create_app

from tests.unit.app.served import LEGACY, MODERN, Reply, ask, bearer, headers_of, request, settings
from tests.unit.app.test_runtime_policy import replying

PATHS = ["/x", "//mcp", "/mcp/../mcp", "/MCP", "/mcpx", "/"]
CALL = request(MODERN, "tools/call", name="greet")
BATCH = b"[" + CALL + b"]"
WITH_NAN = CALL.replace(b'"greet"', b'"greet", "arguments": {"n": NaN}')
DEEP = CALL.replace(b'"greet"', b'"greet", "arguments": {"n": ' + b"[" * 300 + b"]" * 300 + b"}")
TOO_DEEP = CALL.replace(b'"greet"', b'"greet", "arguments": {"n": ' + b"[" * 100_000 + b"]" * 100_000 + b"}")
DIGITS = CALL.replace(b'"greet"', b'"greet", "arguments": {"n": ' + b"9" * 5000 + b"}")
ESCAPED = CALL.replace(b'"jsonrpc"', b'"json\\u0072pc"').replace(b'"method"', b'"m\\u0065thod"')


@pytest.fixture
def app(users_server: Any, tmp_path: Path) -> Runtime:
    policy = {"tools": {"closed": {"enabled": False}, "rare": {"calls_per_minute": 1}}}
    (tmp_path / "limits.json").write_text(json.dumps(policy))
    return create_app(
        settings(
            MCP_ENTRYPOINT="users_server:app",
            MCP_TOOL_SCOPES='{"greet": ["docs:read"]}',
            MCP_LIMITS_FILE=str(tmp_path / "limits.json"),
        )
    )


def post(app: Runtime, path: str, body: bytes, version: str = MODERN, method: str = "POST") -> Reply:
    return ask(app, method, path, {**headers_of(version), **bearer()}, body)


@pytest.mark.parametrize("path", PATHS)
def test_a_message_is_checked_wherever_it_is_sent(app: Runtime, path: str) -> None:
    refused = post(app, path, CALL)
    assert (refused.status, refused.json["error"]["code"]) == (403, -32003)
    assert post(app, path, request(LEGACY, "tools/call", name="closed"), LEGACY).json["error"]["code"] == -32005
    rare = request(MODERN, "tools/call", name="rare")
    assert [post(app, path, rare).status for _ in range(2)] == [200, 429]


@pytest.mark.parametrize(
    "body",
    [CALL, ESCAPED, BATCH, WITH_NAN, DEEP, TOO_DEEP, DIGITS, CALL.decode().encode("utf-16"), b"\xef\xbb\xbf" + CALL],
    ids=["plain", "escaped", "batch", "nan", "deep", "too deep", "digits", "utf-16", "bom"],
)
@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_what_another_reader_would_take_for_a_message_does_not_pass(app: Runtime, body: bytes, method: str) -> None:
    assert post(app, "/x", body, method=method).status in (400, 403)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"title=x&text=jsonrpc",
        b'{"title": "x", "method": "card"}',
        b' [{"n": NaN}] ',
        b'{"jsonrpc": "2.0", "half"',
        '{"title": "é"}'.encode("utf-16"),
        b"\x89PNG\r\n\x1a\n\x00",
        b'{"jsonrpc": "2.0", "id": 1, "result": {}}',
        b'"method jsonrpc"',
    ],
)
def test_other_requests_reach_the_applications_own_routes_as_they_came(app: Runtime, body: bytes) -> None:
    reply = post(app, "/upload", body)
    assert (reply.status, reply.json) == (200, {"path": "/upload", "bytes": len(body)})


def test_listings_leave_out_the_same_tools(app: Runtime, users_server: Any, tmp_path: Path) -> None:
    tools = [{"name": name} for name in ("greet", "closed", "open")]
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "result": {"tools": tools}}).encode()
    users_server.app = replying("application/json", body)
    variables = {"MCP_ENTRYPOINT": "users_server:app", "MCP_TOOL_SCOPES": '{"greet": ["docs:read"]}'}
    listing = post(create_app(settings(**variables)), "/x", request(MODERN, "tools/list"))
    assert [tool["name"] for tool in listing.json["result"]["tools"]] == ["closed", "open"]


def test_a_message_counts_as_one(app: Runtime, capsys: pytest.CaptureFixture[str]) -> None:
    post(app, "/x", CALL)
    line = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (line["path"], line["mcp_method"], line["tool"], line["outcome"]) == ("/x", "tools/call", "greet", "refused")


def test_without_scopes_and_limits_nothing_is_read(users_server: Any) -> None:
    app = create_app(settings(MCP_ENTRYPOINT="users_server:app"))
    assert post(app, "/x", BATCH).json == {"path": "/x", "bytes": len(BATCH)}
