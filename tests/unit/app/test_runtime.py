# SPDX-License-Identifier: MIT
"""The runtime in front of a user's server: who is let in, what everybody may read, what is logged."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
import uvicorn
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from pratiko_mcp import runtime
from pratiko_mcp.auth import KeysUnavailable, Verifier
from pratiko_mcp.runtime import create_app
from pratiko_mcp.settings import load_settings

from tests.unit.app.served import (
    CALL,
    JWKS,
    MODERN,
    PUBLIC_URL,
    Reply,
    ask,
    bearer,
    request,
    settings,
    token,
)

LIMIT = 4 * 1024 * 1024
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def plain(users_server: Any) -> runtime.Runtime:
    return create_app(settings(MCP_ENTRYPOINT="users_server:app"))


@pytest.fixture
def served(users_server: Any) -> Iterator[str]:
    """The user's MCP server behind the runtime, on a loopback port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(create_app(settings(MCP_LOG_LEVEL="ERROR")), log_level="error"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        thread.join()


@pytest.mark.parametrize("mode", ["legacy", MODERN, "auto"])
def test_official_client(served: str, mode: str) -> None:
    async def session() -> tuple[list[str], str]:
        async with httpx2.AsyncClient(headers=bearer()) as http:
            transport = streamable_http_client(served + "/mcp", http_client=http)
            async with Client(transport, mode=mode) as client:
                names = [tool.name for tool in (await client.list_tools()).tools]
                result = await client.call_tool("greet", {"name": "Bob"})
                return names, str(result.structured_content)

    assert asyncio.run(session()) == (["greet", "two_rounds"], "{'result': 'Hello Bob, from alice'}")


def test_health_needs_neither_token_nor_host(plain: runtime.Runtime) -> None:
    reply = ask(plain, "GET", "/health", headers={"host": "10.0.0.7"})
    assert reply.status == 200
    assert reply.json == {"status": "ok", "release": "r1", "environment": "test", "server": "greeter"}
    assert reply.headers["cache-control"] == "no-store"
    head = ask(plain, "HEAD", "/health")
    assert (head.status, head.body) == (200, b"")
    assert ask(plain, "POST", "/health").status == 405


@pytest.mark.parametrize("suffix", ["", "/mcp", "/mcp/"])
def test_resource_metadata(plain: runtime.Runtime, suffix: str) -> None:
    reply = ask(plain, "GET", "/.well-known/oauth-protected-resource" + suffix)
    assert reply.status == 200
    assert reply.json == {
        "resource": PUBLIC_URL + "/mcp",
        "resource_name": "greeter",
        "authorization_servers": [PUBLIC_URL],
        "bearer_methods_supported": ["header"],
        "scopes_supported": ["greet", "admin"],
    }


def test_published_keys(plain: runtime.Runtime, users_server: Any) -> None:
    assert ask(plain, "GET", "/.well-known/jwks.json").json == JWKS
    external = create_app(
        settings(MCP_ENTRYPOINT="users_server:app", MCP_JWKS="", MCP_JWKS_URL="https://issuer.example/keys")
    )
    assert ask(external, "GET", "/.well-known/jwks.json").status == 401


def test_challenge_without_a_token(plain: runtime.Runtime) -> None:
    reply = ask(plain, "POST", "/mcp")
    metadata = PUBLIC_URL + "/.well-known/oauth-protected-resource/mcp"
    assert reply.status == 401
    assert reply.headers["www-authenticate"] == f'Bearer resource_metadata="{metadata}", scope="greet admin"'


def test_challenge_after_a_bad_token(plain: runtime.Runtime) -> None:
    reply = ask(plain, "POST", "/mcp", headers=bearer(token(exp=1)))
    assert reply.status == 401
    assert 'error="invalid_token", error_description="the token has expired"' in reply.headers["www-authenticate"]
    assert reply.headers["www-authenticate"].startswith("Bearer resource_metadata=")


def test_token_in_the_query_is_not_read(plain: runtime.Runtime) -> None:
    assert ask(plain, "POST", f"/mcp?access_token={token()}").status == 401


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT", "HEAD"])
@pytest.mark.parametrize("path", ["/mcp", "/mcp/"])
def test_only_post(plain: runtime.Runtime, method: str, path: str) -> None:
    reply = ask(plain, method, path)
    assert (reply.status, reply.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("https://app.example.com", 200),
        ("https://APP.example.com", 200),
        ("http://localhost:3000", 200),
        ("http://localhost:", 403),
        ("http://localhost:3000.evil.example", 403),
        ("https://app.example.com.evil.example", 403),
        ("http://app.example.com", 403),
        ("null", 403),
        ("", 403),
    ],
)
def test_origin(plain: runtime.Runtime, origin: str, status: int) -> None:
    assert ask(plain, "POST", "/mcp", headers={**bearer(), "origin": origin}, body=CALL).status == status


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("mcp.example.com", 200),
        ("MCP.example.com", 200),
        ("127.0.0.1:8123", 200),
        ("127.0.0.1", 421),
        ("mcp.example.com:8443", 421),
        ("evil.example", 421),
        ("", 421),
    ],
)
def test_host(plain: runtime.Runtime, host: str, status: int) -> None:
    assert ask(plain, "POST", "/mcp", headers={**bearer(), "host": host}, body=CALL).status == status


def test_body_limit(plain: runtime.Runtime) -> None:
    whole = CALL[:-1] + b" " * (LIMIT - len(CALL)) + b"}"

    def post(body: bytes | list[bytes], **headers: str) -> Reply:
        return ask(plain, "POST", "/mcp", headers={**bearer(), **headers}, body=body)

    assert post(whole).json == {"path": "/mcp", "bytes": LIMIT}
    assert post(whole + b" ").json == {"error": "body_too_large", "limit_bytes": LIMIT}
    assert post([whole, b" "]).status == 413
    assert post([CALL[:5], b"", CALL[5:]]).json["bytes"] == len(CALL)
    assert post(b"", **{"content-length": str(LIMIT + 1)}).headers["connection"] == "close"


def test_body_is_not_read_before_the_token_is_checked(plain: runtime.Runtime) -> None:
    assert ask(plain, "POST", "/mcp", body=b"x" * (LIMIT + 1)).status == 401


def test_other_paths_are_the_users_and_need_a_token(plain: runtime.Runtime) -> None:
    assert ask(plain, "GET", "/admin").status == 401
    assert ask(plain, "GET", "/admin", headers=bearer()).json["path"] == "/admin"


def test_websockets_are_closed(plain: runtime.Runtime) -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    asyncio.run(plain({"type": "websocket", "path": "/mcp", "headers": []}, receive, send))
    assert sent == [{"type": "websocket.close", "code": 1008}]


def test_crash_of_the_users_server(users_server: Any, capsys: pytest.CaptureFixture[str]) -> None:
    async def crashing(scope: Any, receive: Any, send: Any) -> None:
        raise ValueError("secret detail")

    users_server.app = crashing
    app = create_app(settings(MCP_ENTRYPOINT="users_server:app"))
    reply = ask(app, "POST", "/mcp", headers={**bearer(), "x-request-id": "req-7"}, body=CALL)
    assert (reply.status, reply.json) == (500, {"error": "internal_error", "request_id": "req-7"})
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["level"] == "ERROR"


def test_keys_unavailable(users_server: Any) -> None:
    class Unreachable(Verifier):
        def verify(self, token: str) -> Any:
            raise KeysUnavailable("down")

    chosen = settings(MCP_ENTRYPOINT="users_server:app", MCP_JWKS="", MCP_JWKS_URL="https://issuer.example/keys")
    assert chosen.token is not None
    reply = ask(create_app(chosen, Unreachable(chosen.token)), "POST", "/mcp", headers=bearer())
    assert (reply.status, reply.headers["retry-after"]) == (503, "5")


def test_log_line(plain: runtime.Runtime, capsys: pytest.CaptureFixture[str]) -> None:
    text, tool = token(), "greet\n" + "x" * 500
    capsys.readouterr()
    headers = {**bearer(text), "mcp-protocol-version": MODERN, "x-request-id": "req-1", "traceparent": TRACEPARENT}
    body = request(MODERN, "tools/call", name=tool, arguments={"secret": "argument"})
    reply = ask(plain, "POST", "/mcp", headers=headers, body=body)
    out = capsys.readouterr().out
    line = json.loads(out)
    assert out.count("\n") == 1
    assert line.pop("ms") >= 0
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "level": "INFO",
        "event": "request",
        "method": "POST",
        "path": "/mcp",
        "status": 200,
        "request_id": "req-1",
        "trace_id": TRACEPARENT[3:35],
        "mcp_method": "tools/call",
        "tool": tool[:128],
        "era": "stateless",
        "outcome": "ok",
    }
    assert reply.headers["x-request-id"] == "req-1"
    assert text not in out
    assert "argument" not in out


def test_log_line_says_why_a_token_was_refused(plain: runtime.Runtime, capsys: pytest.CaptureFixture[str]) -> None:
    ask(plain, "POST", "/mcp", headers={**bearer(token(aud="x")), "x-request-id": "bad id\n"})
    line = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (line["refusal"], line["outcome"]) == ("AUDIENCE", "refused")
    assert line["request_id"].isalnum()


def test_log_level(users_server: Any, capsys: pytest.CaptureFixture[str]) -> None:
    app = create_app(settings(MCP_ENTRYPOINT="users_server:app", MCP_LOG_LEVEL="WARNING"))
    capsys.readouterr()
    ask(app, "GET", "/health")
    assert capsys.readouterr().out == ""


def test_without_authentication(users_server: Any) -> None:
    app = create_app(load_settings({"MCP_AUTH": "none", "MCP_ENTRYPOINT": "users_server:app"}))
    assert ask(app, "POST", "/mcp", headers={"host": "127.0.0.1:8000"}, body=CALL).status == 200
    metadata = ask(app, "GET", "/.well-known/oauth-protected-resource", headers={"host": "127.0.0.1:8000"})
    assert metadata.json == {"path": "/.well-known/oauth-protected-resource", "bytes": 0}


def test_lifespan_of_the_users_server_is_entered(users_server: Any) -> None:
    seen: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "lifespan"
        for answer in ("lifespan.startup.complete", "lifespan.shutdown.complete"):
            seen.append((await receive())["type"])
            await send({"type": answer})

    users_server.app = app
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(
            uvicorn.Config(create_app(settings(MCP_ENTRYPOINT="users_server:app")), lifespan="on", log_level="error")
        )
        server.should_exit = True
        asyncio.run(server.serve(sockets=[listener]))
    assert seen == ["lifespan.startup", "lifespan.shutdown"]
