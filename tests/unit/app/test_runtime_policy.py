# SPDX-License-Identifier: MIT
"""Scopes, switches and limits in front of a user's server: what is refused how, in both eras of the protocol."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from pratiko_mcp import limits
from pratiko_mcp.runtime import Runtime, create_app

from tests.unit.app.served import (
    LEGACY,
    MODERN,
    PUBLIC_URL,
    Reply,
    ask,
    bearer,
    headers_of,
    make_server,
    request,
    serve_calls,
    settings,
)

SCOPES = {"greet": ["docs:read"], "two_*": ["docs:read", "docs:write"]}
Make = Callable[..., Runtime]


@pytest.fixture
def make(users_server: Any, tmp_path: Path) -> Make:
    """Make a runtime: ``make(scopes, policy)``."""

    def build(scopes: Mapping[str, Any] | None = None, policy: Any = None, **variables: str) -> Runtime:
        if policy is not None:
            (tmp_path / "limits.json").write_text(json.dumps(policy))
            variables["MCP_LIMITS_FILE"] = str(tmp_path / "limits.json")
        users_server.mcp = make_server()  # an SDK's server starts only once
        return create_app(settings(MCP_TOOL_SCOPES=json.dumps(scopes) if scopes else "", **variables))

    return build


def tool_call(version: str, name: str = "greet", scope: str = "", id: object = 1) -> tuple[str, dict[str, str], bytes]:
    arguments = {"name": "Bob"} if name == "greet" else {}
    body = request(version, "tools/call", id, name=name, arguments=arguments)
    return "POST", {**headers_of(version, name=name), **bearer(scope=scope)}, body


def listing(version: str, scope: str = "") -> tuple[str, dict[str, str], bytes]:
    headers = {**headers_of(version, "tools/list"), **bearer(scope=scope), "accept-encoding": "gzip"}
    return "POST", headers, request(version, "tools/list")


def names(reply: Reply) -> list[str]:
    return [tool["name"] for tool in reply.result["result"]["tools"]]


@pytest.mark.parametrize("version", [LEGACY, MODERN])
def test_a_tool_outside_the_scopes_is_neither_listed_nor_callable(make: Make, version: str) -> None:
    none, one, both, refused, allowed = serve_calls(
        make(SCOPES),
        listing(version),
        listing(version, "docs:read"),
        listing(version, "docs:write docs:read"),
        tool_call(version, "two_rounds", "docs:read", id='<"7">'),
        tool_call(version, "greet", "docs:read"),
    )
    assert [names(reply) for reply in (none, one, both)] == [[], ["greet"], ["greet", "two_rounds"]]
    assert int(one.headers.get("content-length", len(one.body))) == len(one.body)
    error = refused.json["error"]
    assert (refused.json["id"], error["code"]) == ('<"7">', -32003)
    assert error["data"] == {"scope": "docs:read docs:write"}
    assert error["message"] == "The tool two_rounds needs the scope docs:write, which the token does not have."
    assert "Hello Bob" in str(allowed.result)


def test_the_refusal_as_http_has_it(make: Make) -> None:
    modern, legacy = serve_calls(make(SCOPES), tool_call(MODERN), tool_call(LEGACY))
    metadata = PUBLIC_URL + "/.well-known/oauth-protected-resource/mcp"
    challenge = f'Bearer resource_metadata="{metadata}", error="insufficient_scope", scope="docs:read"'
    assert (modern.status, modern.headers["www-authenticate"]) == (403, challenge)
    assert legacy.status == 200  # clients of that era drop what comes with another status


def test_scopes_of_the_module(users_server: Any, make: Make) -> None:
    users_server.TOOL_SCOPES = {"*": ["admin"]}
    assert serve_calls(make(), tool_call(MODERN))[0].status == 403
    assert serve_calls(make({"greet": []}), tool_call(MODERN))[0].status == 200


def test_a_listing_is_marked_as_the_callers_own(make: Make) -> None:
    shared, own = serve_calls(make(), listing(MODERN))[0], serve_calls(make(SCOPES), listing(MODERN))[0]
    assert "cacheScope" in shared.json["result"]
    assert own.json["result"]["cacheScope"] == "private"


@pytest.mark.parametrize("version", [LEGACY, MODERN])
def test_a_tool_that_is_switched_off(make: Make, version: str) -> None:
    app = make(policy={"tools": {"greet": {"enabled": False}}})
    refused, listed, other = serve_calls(app, tool_call(version), listing(version), tool_call(version, "two_rounds"))
    assert (refused.status, refused.json["error"]["code"]) == (200, -32005)
    assert refused.json["error"]["message"] == "The tool greet is switched off at the moment."
    assert names(listed) == ["two_rounds"]
    assert "error" not in other.result or other.result["error"]["code"] != -32005


@pytest.mark.parametrize(("version", "status"), [(LEGACY, 200), (MODERN, 429)])
def test_limit_of_a_tool(make: Make, version: str, status: int) -> None:
    app = make(policy={"tools": {"greet": {"calls_per_minute": 2}}})
    replies = serve_calls(app, *[tool_call(version)] * 3, tool_call(version, "two_rounds"))
    assert [reply.status for reply in replies[:3]] == [200, 200, status]
    error = replies[2].json["error"]
    assert (error["code"], error["message"]) == (-32004, "Too many calls. The next one may come in 30 s.")
    assert (replies[2].headers["retry-after"], error["data"]) == ("30", {"retryAfter": 30})
    assert replies[3].result.get("error", {}).get("code") != -32004


def test_limit_of_a_token(make: Make) -> None:
    app = make(policy={"calls_per_minute": 2})
    bob = ("POST", {**headers_of(MODERN, "tools/list"), **bearer(sub="bob")}, request(MODERN, "tools/list"))
    replies = serve_calls(app, listing(MODERN), listing(MODERN, "other scopes"), tool_call(MODERN), bob)
    assert [reply.status for reply in replies] == [200, 200, 429, 200]


def test_notifications_are_not_limited_unless_they_call_a_tool(make: Make) -> None:
    app = make(policy={"calls_per_minute": 1})
    headers = {**headers_of(LEGACY), **bearer()}
    quiet = ("POST", headers, b'{"jsonrpc": "2.0", "method": "notifications/initialized"}')
    calling = ("POST", headers, b'{"jsonrpc": "2.0", "method": "tools/call", "params": {"name": "greet"}}')
    replies = serve_calls(app, quiet, quiet, calling, calling, quiet)
    assert [reply.status for reply in replies] == [202, 202, 202, 429, 202]


def test_what_was_checked_is_what_is_served(make: Make) -> None:
    app = make({"two_rounds": ["admin"]})
    method, headers, body = tool_call(MODERN)
    twice = body.replace(b'"name": "greet"', b'"name": "two_rounds", "name": "greet"', 1)
    assert twice != body
    reply = serve_calls(app, (method, headers | {"content-length": str(len(twice))}, twice))[0]
    assert "Hello Bob" in str(reply.json)
    hidden = body.replace(b'"name": "greet"', b'"name": "greet", "n\\u0061me": "two_rounds"', 1)
    reply = serve_calls(make({"two_rounds": ["admin"]}), (method, headers, hidden))[0]
    assert reply.json["error"]["code"] == -32003


def test_without_a_policy_a_body_passes_as_it_came(users_server: Any) -> None:
    app = create_app(settings(MCP_ENTRYPOINT="users_server:app"))
    body = b' { "jsonrpc": "2.0", "method" : "ping" , "method": "tools/list" } '
    assert ask(app, "POST", "/mcp", headers=bearer(), body=body).json["bytes"] == len(body)


def test_a_notification_that_is_refused_gets_no_body(make: Make) -> None:
    body = json.dumps({"jsonrpc": "2.0", "method": "tools/call", "params": {"name": "greet"}}).encode()
    disabling = {"tools": {"greet": {"enabled": False}}}
    for version in (LEGACY, MODERN):
        for app in (make(SCOPES), make(policy=disabling)):
            reply = serve_calls(app, ("POST", {**headers_of(version), **bearer()}, body))[0]
            assert (reply.status, reply.body) == (403, b"")


def replying(content_type: str, body: bytes, *more: tuple[bytes, bytes], status: int = 200) -> Any:
    """Return a server that gives one reply to everything."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"content-type", content_type.encode()), *more]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return app


UNREADABLE = {
    "not JSON": replying("application/json", b'{"result": {"tools": [{"name": "secret"'),
    "another type": replying("text/plain", b"secret"),
    "compressed": replying("application/json", b"secret", (b"content-encoding", b"gzip")),
    "no type": replying("", b'{"result": {"tools": [{"name": "secret"}]}}'),
    "tools without names": replying("application/json", b'{"result": {"tools": ["secret"]}}'),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_a_listing_that_cannot_be_read_is_held_back(name: str, users_server: Any, make: Make) -> None:
    users_server.app = UNREADABLE[name]
    app = make(SCOPES, MCP_ENTRYPOINT="users_server:app")
    for version, status in ((LEGACY, 200), (MODERN, 500)):
        _, headers, body = listing(version)
        reply = ask(app, "POST", "/mcp", headers=headers, body=body)
        assert (reply.status, reply.json["error"]["code"]) == (status, -32603)
        assert b"secret" not in reply.body


def test_an_error_in_place_of_a_listing_passes(users_server: Any, make: Make) -> None:
    users_server.app = replying("text/plain", b"not acceptable", status=406)
    _, headers, body = listing(MODERN)
    reply = ask(make(SCOPES, MCP_ENTRYPOINT="users_server:app"), "POST", "/mcp", headers=headers, body=body)
    assert (reply.status, reply.body) == (406, b"not acceptable")


def test_a_policy_that_becomes_unreadable_stays_in_force(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(limits, "REFRESH_SECONDS", 0)
    app = make(policy={"tools": {"two_rounds": {"enabled": False}}}, MCP_ENTRYPOINT="users_server:app")
    method, headers, body = tool_call(MODERN, "two_rounds")
    assert ask(app, method, "/mcp", headers=headers, body=body).json["error"]["code"] == -32005
    (tmp_path / "limits.json").write_text("{")
    assert ask(app, method, "/mcp", headers=headers, body=body).json["error"]["code"] == -32005
    (tmp_path / "limits.json").write_text("{}")
    assert "bytes" in ask(app, method, "/mcp", headers=headers, body=body).json


def test_features_come_from_the_policy(make: Make, users_server: Any) -> None:
    app = make(policy={"features": {"new_search": True}}, MCP_ENTRYPOINT="users_server:app")
    assert limits.feature("new_search") is False
    ask(app, "POST", "/mcp", headers=bearer(), body=request(LEGACY, "ping"))
    assert limits.feature("new_search") is True


def test_without_authentication_scopes_ask_for_nothing(make: Make) -> None:
    app = make(SCOPES, MCP_AUTH="none", MCP_JWKS="", MCP_ENTRYPOINT="users_server:app")
    assert ask(app, "POST", "/mcp", body=tool_call(LEGACY)[2]).status == 200


@pytest.mark.parametrize(
    ("outcome", "refusal"),
    [("refused", "INSUFFICIENT_SCOPE"), ("refused", "TOOL_DISABLED"), ("limited", "RATE_LIMITED")],
)
def test_a_refusal_in_the_log(make: Make, capsys: pytest.CaptureFixture[str], outcome: str, refusal: str) -> None:
    policies: dict[str, Any] = {
        "TOOL_DISABLED": {"tools": {"greet": {"enabled": False}}},
        "RATE_LIMITED": {"calls_per_minute": 1},
    }
    scopes = SCOPES if refusal == "INSUFFICIENT_SCOPE" else None
    serve_calls(make(scopes, policies.get(refusal)), *[tool_call(MODERN)] * 2)
    line = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (line["outcome"], line["refusal"], line["tool"]) == (outcome, refusal, "greet")


def test_invented_tools_displace_no_caller(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits.RateLimiter.__init__, "__defaults__", (time.monotonic, 4))
    app = make(policy={"calls_per_minute": 9, "tools": {"*": {"calls_per_minute": 1}}})
    bob = ("POST", {**headers_of(LEGACY, "tools/list"), **bearer(sub="bob")}, request(LEGACY, "tools/list"))
    inventing = [tool_call(LEGACY, f"tool {number}") for number in range(9)]
    replies = serve_calls(app, *[bob] * 9, *inventing, bob)
    assert [reply.result.get("error", {}).get("code") == -32004 for reply in replies] == [False] * 18 + [True]
