# SPDX-License-Identifier: MIT
"""The runtime in front of an MCP server, an ASGI application and things that are neither."""

from __future__ import annotations

import asyncio
import json
import socket
import sys
import threading
import time
import types
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import httpx2
import jwt
import pytest
import uvicorn
from cryptography.hazmat.primitives.asymmetric import ec
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.server.mcpserver import Context, MCPServer
from mcp_types import InputRequiredResult
from pratiko_mcp import runtime
from pratiko_mcp.auth import KeysUnavailable, Verifier, current_token
from pratiko_mcp.request_state import SecretCodec, share_request_state_key
from pratiko_mcp.runtime import MAX_BODY_BYTES, EntrypointError, build_inner_app, create_app, load_entrypoint
from pratiko_mcp.settings import Settings, load_settings

PUBLIC_URL = "https://mcp.example.com"
KEY = ec.generate_private_key(ec.SECP256R1())
JWKS = {"keys": [{**jwt.algorithms.ECAlgorithm.to_jwk(KEY.public_key(), as_dict=True), "kid": "1"}]}
ENVIRONMENT = {
    "MCP_ENVIRONMENT": "test",
    "MCP_RELEASE": "r1",
    "MCP_ENTRYPOINT": "users_server:mcp",
    "MCP_SERVER_NAME": "greeter",
    "MCP_PUBLIC_URL": PUBLIC_URL,
    "MCP_ALLOWED_HOSTS": "mcp.example.com,127.0.0.1:*",
    "MCP_ALLOWED_ORIGINS": "https://app.example.com,http://localhost:*",
    "MCP_JWKS": json.dumps(JWKS),
    "MCP_SCOPES_SUPPORTED": "greet,admin",
}
MODERN = "2026-07-28"


def settings(**changes: str) -> Settings:
    return load_settings({**ENVIRONMENT, **changes})


def token(**changes: Any) -> str:
    claims = {"iss": PUBLIC_URL, "aud": PUBLIC_URL + "/mcp", "sub": "alice", "exp": int(time.time()) + 300}
    return jwt.encode({**claims, **changes}, KEY, "ES256", headers={"kid": "1"})


def make_server() -> MCPServer:
    server = MCPServer("greeter")

    @server.tool()
    def greet(name: str) -> str:
        caller = current_token.get()
        return f"Hello {name}, from {caller.subject if caller else 'nobody'}"

    @server.tool()
    def two_rounds(ctx: Context) -> str | InputRequiredResult:
        return f"state was {ctx.request_state}" if ctx.request_state else InputRequiredResult(request_state="round one")

    return server


async def plain_app(scope: Any, receive: Any, send: Any) -> None:
    """Echo the request: an ASGI application without MCP and without a lifespan."""
    if scope["type"] != "http":
        raise RuntimeError("no lifespan here")
    body = b""
    while True:
        message = await receive()
        body += message["body"]
        if not message["more_body"]:
            break
    reply = {"path": scope["path"], "bytes": len(body)}
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": json.dumps(reply).encode()})


@dataclass
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


async def call(
    app: Any, method: str, path: str, headers: dict[str, str] | None = None, body: bytes | list[bytes] = b""
) -> Reply:
    """Send one request to an ASGI application."""
    all_headers = {"host": "mcp.example.com", **(headers or {})}
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in all_headers.items()],
    }
    parts = body if isinstance(body, list) else [body]
    incoming = [
        {"type": "http.request", "body": part, "more_body": index < len(parts) - 1} for index, part in enumerate(parts)
    ]
    sent: list[Any] = []

    async def receive() -> Any:
        return incoming.pop(0) if incoming else await asyncio.Event().wait()

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)
    found = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return Reply(sent[0]["status"], found, b"".join(message.get("body", b"") for message in sent[1:]))


def ask(app: Any, *arguments: Any, **options: Any) -> Reply:
    return asyncio.run(call(app, *arguments, **options))


def bearer(text: str | None = None) -> dict[str, str]:
    return {"authorization": f"Bearer {text or token()}"}


@pytest.fixture
def users_server(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """A user's module with one object of every kind."""
    module = types.ModuleType("users_server")
    module.mcp = make_server()  # type: ignore[attr-defined]  # modules take any attribute
    module.app = plain_app  # type: ignore[attr-defined]
    module.nothing = 42  # type: ignore[attr-defined]
    module.factory = lambda: plain_app  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "users_server", module)
    return module


@pytest.fixture
def plain(users_server: types.ModuleType) -> runtime.Runtime:
    return create_app(settings(MCP_ENTRYPOINT="users_server:app"))


@pytest.fixture
def served(users_server: types.ModuleType) -> Iterator[str]:
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


def test_published_keys(plain: runtime.Runtime, users_server: types.ModuleType) -> None:
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
    assert ask(plain, "POST", "/mcp", headers={**bearer(), "origin": origin}).status == status


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
    assert ask(plain, "POST", "/mcp", headers={**bearer(), "host": host}).status == status


def test_body_limit(plain: runtime.Runtime) -> None:
    def post(body: bytes | list[bytes], **headers: str) -> Reply:
        return ask(plain, "POST", "/mcp", headers={**bearer(), **headers}, body=body)

    assert post(b"x" * MAX_BODY_BYTES).json == {"path": "/mcp", "bytes": MAX_BODY_BYTES}
    assert post(b"x" * (MAX_BODY_BYTES + 1)).status == 413
    assert post([b"x" * MAX_BODY_BYTES, b"x"]).status == 413
    assert post([b"ab", b"", b"c"]).json["bytes"] == 3
    assert post(b"", **{"content-length": str(MAX_BODY_BYTES + 1)}).status == 413


def test_body_is_not_read_before_the_token_is_checked(plain: runtime.Runtime) -> None:
    assert ask(plain, "POST", "/mcp", body=b"x" * (MAX_BODY_BYTES + 1)).status == 401


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


def test_crash_of_the_users_server(users_server: types.ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    async def crashing(scope: Any, receive: Any, send: Any) -> None:
        raise ValueError("secret detail")

    users_server.app = crashing  # type: ignore[attr-defined]
    app = create_app(settings(MCP_ENTRYPOINT="users_server:app"))
    reply = ask(app, "POST", "/mcp", headers={**bearer(), "x-request-id": "req-7"})
    assert (reply.status, reply.json) == (500, {"error": "internal_error", "request_id": "req-7"})
    assert json.loads(capsys.readouterr().out)["level"] == "ERROR"


def test_keys_unavailable(users_server: types.ModuleType) -> None:
    class Unreachable(Verifier):
        def verify(self, token: str) -> Any:
            raise KeysUnavailable("down")

    chosen = settings(MCP_ENTRYPOINT="users_server:app", MCP_JWKS="", MCP_JWKS_URL="https://issuer.example/keys")
    assert chosen.token is not None
    reply = ask(create_app(chosen, Unreachable(chosen.token)), "POST", "/mcp", headers=bearer())
    assert (reply.status, reply.headers["retry-after"]) == (503, "5")


def test_log_line(plain: runtime.Runtime, capsys: pytest.CaptureFixture[str]) -> None:
    text = token()
    headers = {**bearer(text), "mcp-method": "tools/call", "mcp-name": "greet\n" + "x" * 500, "x-request-id": "req-1"}
    reply = ask(plain, "POST", "/mcp", headers=headers, body=b'{"secret": "argument"}')
    out = capsys.readouterr().out
    line = json.loads(out)
    assert out.count("\n") == 1
    assert line.pop("ms") >= 0
    assert line.pop("mcp_name") == ("greet\n" + "x" * 500)[:128]
    assert line == {
        "level": "INFO",
        "event": "request",
        "method": "POST",
        "path": "/mcp",
        "status": 200,
        "request_id": "req-1",
        "mcp_method": "tools/call",
    }
    assert reply.headers["x-request-id"] == "req-1"
    assert text not in out
    assert "argument" not in out


def test_log_line_says_why_a_token_was_refused(plain: runtime.Runtime, capsys: pytest.CaptureFixture[str]) -> None:
    ask(plain, "POST", "/mcp", headers={**bearer(token(aud="x")), "x-request-id": "bad id\n"})
    line = json.loads(capsys.readouterr().out)
    assert line["refusal"] == "AUDIENCE"
    assert line["request_id"].isalnum()


def test_log_level(users_server: types.ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    app = create_app(settings(MCP_ENTRYPOINT="users_server:app", MCP_LOG_LEVEL="WARNING"))
    ask(app, "GET", "/health")
    assert capsys.readouterr().out == ""


def test_without_authentication(users_server: types.ModuleType) -> None:
    app = create_app(load_settings({"MCP_AUTH": "none", "MCP_ENTRYPOINT": "users_server:app"}))
    assert ask(app, "POST", "/mcp", headers={"host": "127.0.0.1:8000"}).status == 200
    metadata = ask(app, "GET", "/.well-known/oauth-protected-resource", headers={"host": "127.0.0.1:8000"})
    assert metadata.json == {"path": "/.well-known/oauth-protected-resource", "bytes": 0}


def test_lifespan_of_the_users_server_is_entered(users_server: types.ModuleType) -> None:
    seen: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "lifespan"
        for answer in ("lifespan.startup.complete", "lifespan.shutdown.complete"):
            seen.append((await receive())["type"])
            await send({"type": answer})

    users_server.app = app  # type: ignore[attr-defined]
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(
            uvicorn.Config(create_app(settings(MCP_ENTRYPOINT="users_server:app")), lifespan="on", log_level="error")
        )
        server.should_exit = True
        asyncio.run(server.serve(sockets=[listener]))
    assert seen == ["lifespan.startup", "lifespan.shutdown"]


BROKEN_MODULES = {
    "missing": ("no_such_module_here:mcp", None, "ModuleNotFoundError: No module named 'no_such_module_here'"),
    "raises": ("broken_module:mcp", "raise ValueError('no database')", "failed with ValueError: no database"),
    "exits": ("broken_module:mcp", "raise SystemExit(3)", "failed with SystemExit: 3"),
    "syntax": ("broken_module:mcp", "def :", "failed with SyntaxError"),
    "no object": ("broken_module:mcp", "app = 1", "broken_module has no mcp"),
    "number": ("broken_module:mcp", "mcp = 42", "it is of type int"),
    "factory": ("broken_module:mcp", "def mcp():\n    return 1", "it is of type function"),
    "class": ("broken_module:mcp", "class mcp: pass", "it is of type type"),
    "fails to build": (
        "broken_module:mcp",
        "class S:\n    def http_app(self):\n        raise ValueError('no tools')\nmcp = S()",
        "building its application failed with ValueError: no tools",
    ),
}


@pytest.mark.parametrize("name", BROKEN_MODULES)
def test_broken_entrypoint(name: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    entrypoint, source, reason = BROKEN_MODULES[name]
    if source:
        (tmp_path / "broken_module.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "broken_module", raising=False)
    with pytest.raises(EntrypointError) as error:
        create_app(settings(MCP_ENTRYPOINT=entrypoint))
    assert str(error.value).startswith(f"MCP_ENTRYPOINT is {entrypoint!r}. Expected package.module:object")
    assert reason in str(error.value)


def test_nested_object(users_server: types.ModuleType) -> None:
    users_server.holder = types.SimpleNamespace(app=plain_app)  # type: ignore[attr-defined]
    assert load_entrypoint("users_server:holder.app") is plain_app


def test_fastmcp_package() -> None:
    class FastMCP:
        def http_app(self, path: str, stateless_http: bool) -> Callable[..., Awaitable[None]]:
            assert (path, stateless_http) == ("/mcp", True)
            return plain_app

    assert build_inner_app(FastMCP(), settings()) is plain_app


def test_subclass_of_the_sdks_server() -> None:
    class Mine(MCPServer[Any]):
        pass

    Mine.__module__ = "somewhere.else"
    assert callable(build_inner_app(Mine("mine"), settings()))


def test_sdk_checks_host_and_origin_too(users_server: types.ModuleType) -> None:
    """The SDK's own check gets our lists: its default would refuse the public host."""
    inner = build_inner_app(users_server.mcp, settings())
    statuses = []

    async def session() -> None:
        async with inner.router.lifespan_context(inner):
            for host in ("mcp.example.com", "evil.example"):
                headers = {**modern_headers("greet"), "host": host}
                statuses.append((await call(inner, "POST", "/mcp", headers, tool_call("greet", name="Bob"))).status)

    asyncio.run(session())
    assert statuses == [200, 421]


def modern_headers(tool: str) -> dict[str, str]:
    return {
        "content-type": "application/json",
        "accept": "application/json, text/event-stream",
        "mcp-protocol-version": MODERN,
        "mcp-method": "tools/call",
        "mcp-name": tool,
    }


def tool_call(tool: str, request_state: str | None = None, **arguments: Any) -> bytes:
    meta = {
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    params = {"name": tool, "arguments": arguments, "_meta": meta}
    if request_state:
        params["requestState"] = request_state
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).encode()


def two_instances(first: Settings, second: Settings, caller: str = "alice") -> dict[str, Any]:
    """Begin a call on one instance and go on with it on another; return the second reply."""

    async def one_round(chosen: Settings, subject: str, state: str | None) -> dict[str, Any]:
        inner = build_inner_app(make_server(), chosen)
        assert chosen.token is not None
        app = runtime.Runtime(chosen, inner, Verifier(chosen.token))
        async with inner.router.lifespan_context(inner):
            headers = {**modern_headers("two_rounds"), **bearer(token(sub=subject))}
            return dict((await call(app, "POST", "/mcp", headers, tool_call("two_rounds", state))).json)

    async def both() -> dict[str, Any]:
        begun = (await one_round(first, "alice", None))["result"]
        assert begun["resultType"] == "input_required"
        assert "round one" not in begun["requestState"]
        return await one_round(second, caller, begun["requestState"])

    return asyncio.run(both())


def test_request_state_moves_between_instances() -> None:
    shared = settings(MCP_REQUEST_STATE_KEY="k" * 32)
    reply = two_instances(shared, shared)
    assert reply["result"]["content"][0]["text"] == "state was round one"


@pytest.mark.parametrize(
    ("second", "caller"),
    [
        (settings(MCP_REQUEST_STATE_KEY="x" * 32), "alice"),
        (settings(MCP_REQUEST_STATE_KEY="k" * 32, MCP_SERVER_NAME="other"), "alice"),
        (settings(MCP_REQUEST_STATE_KEY="k" * 32), "mallory"),
        (settings(), "alice"),
    ],
    ids=["another key", "another server", "another caller", "key of the process"],
)
def test_request_state_of_somebody_else_is_refused(second: Settings, caller: str) -> None:
    reply = two_instances(settings(MCP_REQUEST_STATE_KEY="k" * 32), second, caller)
    assert reply["error"]["code"] == -32602


def test_request_state_secret_is_read_late_and_followed() -> None:
    from mcp.server import request_state as sdk

    stored, reads, now = ["a" * 32], [], [0.0]

    def read() -> list[str]:
        reads.append(list(stored))
        return list(stored)

    codec = SecretCodec(sdk, read, lambda: now[0])
    assert reads == []
    assert codec.unseal(codec.seal(b"one")) == b"one"
    assert len(reads) == 1
    newer = sdk.AESGCMRequestStateCodec(["b" * 32]).seal(b"two")
    stored[:] = ["b" * 32, "a" * 32]
    with pytest.raises(sdk.InvalidRequestState):
        codec.unseal(newer)
    now[0] += 61
    assert codec.unseal(newer) == b"two"
    assert len(reads) == 2


def test_secret_arn_replaces_the_key_of_the_process() -> None:
    server = make_server()
    before = list(server.middleware)
    arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:state-AbCdEf"
    share_request_state_key(server, replace(settings(), request_state_secret=arn))
    changed = [type(new).__name__ for old, new in zip(before, server.middleware, strict=True) if old is not new]
    assert changed == ["RequestStateBoundary"]
