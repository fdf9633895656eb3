# SPDX-License-Identifier: MIT
"""What the runtime's tests share: settings, tokens, a user's servers, and requests to an ASGI application."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from mcp.server.mcpserver import Context, MCPServer
from mcp_types import InputRequiredResult
from pratiko_mcp.auth import current_token
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
LEGACY = "2025-11-25"


def settings(**changes: str) -> Settings:
    return load_settings({**ENVIRONMENT, **changes})


def token(**changes: Any) -> str:
    claims = {"iss": PUBLIC_URL, "aud": PUBLIC_URL + "/mcp", "sub": "alice", "exp": int(time.time()) + 300}
    return jwt.encode({**claims, **changes}, KEY, "ES256", headers={"kid": "1"})


def bearer(text: str | None = None, **claims: Any) -> dict[str, str]:
    return {"authorization": f"Bearer {text or token(**claims)}"}


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

    @property
    def result(self) -> Any:
        """The JSON-RPC message of a reply that may be an event stream."""
        if not self.headers["content-type"].startswith("text/event-stream"):
            return self.json
        return json.loads(self.body.decode().split("data: ")[-1])


async def call(
    app: Any,
    method: str,
    path: str,
    headers: Mapping[str, str] | Sequence[tuple[str, str]] | None = None,
    body: bytes | list[bytes] = b"",
) -> Reply:
    """Send one request to an ASGI application; headers that come as pairs may be repeated."""
    pairs = headers if isinstance(headers, Sequence) else {"host": "mcp.example.com", **(headers or {})}.items()
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in pairs],
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


def headers_of(version: str, method: str = "tools/call", name: str = "") -> dict[str, str]:
    """Return the headers that a client of a protocol version sends with a request."""
    headers = {
        "content-type": "application/json",
        "accept": "application/json, text/event-stream",
        "mcp-protocol-version": version,
    }
    if version == MODERN:
        headers |= {"mcp-method": method} | ({"mcp-name": name} if name else {})
    return headers


def request(version: str, method: str, id: object = 1, **params: Any) -> bytes:
    """Return a request as a client of a protocol version sends it."""
    if version == MODERN:
        params["_meta"] = {
            "io.modelcontextprotocol/protocolVersion": MODERN,
            "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
            "io.modelcontextprotocol/clientCapabilities": {},
        }
    return json.dumps({"jsonrpc": "2.0", "id": id, "method": method, "params": params}).encode()


CALL = request(LEGACY, "tools/call", name="greet", arguments={"name": "Bob"})


@contextlib.asynccontextmanager
async def started(app: Any) -> AsyncIterator[None]:
    """Run an application's lifespan."""
    told: asyncio.Queue[Any] = asyncio.Queue()
    heard: asyncio.Queue[Any] = asyncio.Queue()
    task = asyncio.create_task(app({"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}, told.get, heard.put))
    await told.put({"type": "lifespan.startup"})
    assert (await heard.get())["type"] == "lifespan.startup.complete"
    yield
    await told.put({"type": "lifespan.shutdown"})
    await task


def serve_calls(app: Any, *calls: tuple[str, dict[str, str], bytes]) -> list[Reply]:
    """Send requests for /mcp, one after the other, to an application that is started: method, headers and body."""

    async def run() -> list[Reply]:
        async with started(app):
            return [await call(app, method, "/mcp", headers, body) for method, headers, body in calls]

    return asyncio.run(run())
