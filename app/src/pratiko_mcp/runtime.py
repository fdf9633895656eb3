# SPDX-License-Identifier: MIT
"""The ASGI application around a user's MCP server: tokens, allowlists, limits, health, metadata and logs.

The MCP SDK is reached only through the user's own object, so that nobody's version of it is pinned.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import json
import logging
import re
import sys
import time
import uuid
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

from .auth import KeysUnavailable, Refusal, Token, TokenRefused, Verifier, bearer_token, current_token
from .request_state import share_request_state_key
from .settings import LOG_LEVELS, Settings

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = Iterable[tuple[bytes, bytes]]

MCP_PATH = "/mcp"
HEALTH_PATH = "/health"
METADATA_PATH = "/.well-known/oauth-protected-resource"
KEYS_PATH = "/.well-known/jwks.json"
MAX_BODY_BYTES = 4 * 1024 * 1024
# Key of the ASGI scope under which an adapter hands on the request id of its platform.
REQUEST_ID = "pratiko_mcp.request_id"

_JSON = (b"content-type", b"application/json")
_NO_STORE = (b"cache-control", b"no-store")
_CACHED = (b"cache-control", b"public, max-age=300")
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_LOGGED_CHARS = 128

logger = logging.getLogger("pratiko_mcp")


class EntrypointError(Exception):
    """MCP_ENTRYPOINT names nothing that can be served."""

    def __init__(self, value: str, reason: str) -> None:
        super().__init__(
            f"MCP_ENTRYPOINT is {value!r}. Expected package.module:object, where object is an MCPServer, a FastMCP "
            f'or an ASGI application: {reason}. Try it with: python -c "import {value.partition(":")[0]}"'
        )


def create_app(settings: Settings, verifier: Verifier | None = None) -> Runtime:
    """Build the application of the configured entry point.

    :param verifier: checks tokens; made from the settings unless given
    :raises EntrypointError: the entry point cannot be loaded or served
    """
    if settings.token and verifier is None:
        verifier = Verifier(settings.token)
    return Runtime(settings, build_inner_app(load_entrypoint(settings.entrypoint), settings), verifier)


def configure_logging(level: str) -> None:
    """Set how much is logged; the SDK's own lines for every request only show up when debugging."""
    logging.getLogger().setLevel(level)
    logging.getLogger("mcp").setLevel(level if level in ("DEBUG", "ERROR") else "WARNING")


def load_entrypoint(value: str) -> Any:
    """Import ``package.module:object``.

    :raises EntrypointError: with the reason why the import failed
    """
    module_name, _, path = value.partition(":")
    try:
        target = importlib.import_module(module_name)
    except (Exception, SystemExit) as error:  # a user's module may fail in any way, exiting included
        raise EntrypointError(value, f"importing {module_name} failed with {type(error).__name__}: {error}") from error
    for name in path.split("."):
        try:
            target = getattr(target, name)
        except AttributeError as error:
            raise EntrypointError(value, f"{module_name} has no {path}") from error
    return target


def build_inner_app(target: Any, settings: Settings) -> AsgiApp:
    """Turn what the entry point names into an ASGI application.

    :raises EntrypointError: it is neither an MCP server nor an ASGI application
    """
    try:
        if hasattr(target, "streamable_http_app"):
            share_request_state_key(target, settings)
            return _call_supported(target.streamable_http_app, _transport_options(target, settings))
        if hasattr(target, "http_app"):  # the fastmcp package's name for the same
            return _call_supported(target.http_app, {"path": MCP_PATH, "stateless_http": True, "json_response": False})
    except Exception as error:  # whatever the user's server raises, the entry point is what to look at
        reason = f"building its application failed with {type(error).__name__}: {error}"
        raise EntrypointError(settings.entrypoint, reason) from error
    if not _takes_three_arguments(target):
        raise EntrypointError(settings.entrypoint, f"it is of type {type(target).__name__}")
    return target


def _transport_options(target: Any, settings: Settings) -> dict[str, Any]:
    """Collect what `streamable_http_app` is asked for.

    Replies are SSE where a tool reports progress: with JSON replies the SDK drops progress and log messages.
    """
    options: dict[str, Any] = {
        "streamable_http_path": MCP_PATH,
        "stateless_http": True,
        "json_response": False,
        "max_request_body_size": MAX_BODY_BYTES,
    }
    owner = next(cls for cls in type(target).__mro__ if "streamable_http_app" in vars(cls))
    package = owner.__module__.partition(".")[0]
    security = importlib.import_module(f"{package}.server.transport_security")
    options["transport_security"] = security.TransportSecuritySettings(
        allowed_hosts=list(settings.allowed_hosts), allowed_origins=list(settings.allowed_origins)
    )
    return options


def _call_supported(function: Callable[..., Any], options: dict[str, Any]) -> Any:
    """Call with the options that the function takes: SDK versions differ."""
    known = inspect.signature(function).parameters
    takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in known.values())
    return function(**{name: value for name, value in options.items() if takes_any or name in known})


def _takes_three_arguments(target: Any) -> bool:
    try:
        inspect.signature(target).bind("scope", "receive", "send")
    except (TypeError, ValueError):
        return False
    return True


class Runtime:
    """ASGI application: answers what belongs to the deployment, checks, and hands the rest to the user's server."""

    def __init__(self, settings: Settings, inner: AsgiApp, verifier: Verifier | None) -> None:
        self._settings = settings
        self._inner = inner
        self._verifier = verifier
        self._log_from = LOG_LEVELS.index(settings.log_level)
        self._hosts = _Allowlist(settings.allowed_hosts)
        self._origins = _Allowlist(settings.allowed_origins)
        self._documents = _documents(settings)
        self._challenge = _challenge(settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI scope."""
        if scope["type"] == "http":
            await self._serve_http(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._inner(scope, receive, send)
        else:  # nothing behind this runtime speaks WebSocket, and its checks would not apply
            await send({"type": "websocket.close", "code": 1008})

    async def _serve_http(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        exchange = _Exchange(scope, headers, send)
        try:
            await self._route(scope, headers, receive, exchange)
        except Exception:  # the last line of defence: a client gets an answer, the log the traceback
            logger.exception("request %s failed", exchange.request_id)
            if not exchange.status:
                await exchange.answer(500, {"error": "internal_error", "request_id": exchange.request_id})
        finally:
            self._log(exchange)

    async def _route(self, scope: Scope, headers: dict[str, str], receive: Receive, exchange: _Exchange) -> None:
        path, method = scope["path"].rstrip("/") or "/", scope["method"]
        # Load balancers ask for health by address, not by name.
        if path != HEALTH_PATH and not self._hosts.allows(headers.get("host")):
            await exchange.answer(421, {"error": "host_not_allowed"})
        elif path in self._documents:
            await self._answer_document(path, method, exchange)
        elif "origin" in headers and not self._origins.allows(headers["origin"]):
            await exchange.answer(403, {"error": "origin_not_allowed"})
        elif path == MCP_PATH and method != "POST":
            await exchange.answer(405, {"error": "method_not_allowed"}, [(b"allow", b"POST")])
        else:
            await self._serve_protected({**scope, "path": path}, headers, receive, exchange)

    async def _answer_document(self, path: str, method: str, exchange: _Exchange) -> None:
        if method not in ("GET", "HEAD"):
            await exchange.answer(405, {"error": "method_not_allowed"}, [(b"allow", b"GET, HEAD")])
            return
        caching = _NO_STORE if path == HEALTH_PATH else _CACHED
        await exchange.answer(200, self._documents[path], [caching])

    async def _serve_protected(
        self, scope: Scope, headers: dict[str, str], receive: Receive, exchange: _Exchange
    ) -> None:
        try:
            token = await self._authenticate(headers)
        except TokenRefused as refused:
            await self._answer_unauthorized(refused.reason, exchange)
            return
        except KeysUnavailable as error:
            logger.error("%s", error)
            await exchange.answer(503, {"error": "keys_unavailable"}, [(b"retry-after", b"5")])
            return
        messages = await _read_body(headers, receive)
        if messages is None:
            await exchange.answer(413, {"error": "body_too_large", "limit_bytes": MAX_BODY_BYTES})
            return
        reset = current_token.set(token)
        try:
            await self._inner(scope, _replay(messages, receive), exchange.send)
        finally:
            current_token.reset(reset)

    async def _authenticate(self, headers: dict[str, str]) -> Token | None:
        if self._verifier is None:
            return None
        token = bearer_token(headers.get("authorization"))
        if self._verifier.may_block and not self._verifier.recall(token):
            return await asyncio.to_thread(self._verifier.verify, token)
        return self._verifier.verify(token)

    async def _answer_unauthorized(self, reason: Refusal, exchange: _Exchange) -> None:
        exchange.refusal = reason.name
        challenge = self._challenge
        if reason is not Refusal.MISSING:
            challenge += f', error="invalid_token", error_description="{reason.value}"'
        body = {"error": "unauthorized" if reason is Refusal.MISSING else "invalid_token", "reason": reason.value}
        await exchange.answer(401, body, [(b"www-authenticate", challenge.encode()), _NO_STORE])

    def _log(self, exchange: _Exchange) -> None:
        level = "ERROR" if exchange.status >= 500 else "INFO"
        if LOG_LEVELS.index(level) >= self._log_from:
            sys.stdout.write(json.dumps({"level": level, **exchange.log_fields()}) + "\n")
            sys.stdout.flush()


class _Exchange:
    """One request's reply and what the log says about it."""

    def __init__(self, scope: Scope, headers: dict[str, str], send: Send) -> None:
        given = str(scope.get(REQUEST_ID) or headers.get("x-request-id", ""))
        self.request_id = given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
        self.status = 0
        self.refusal = ""
        self._scope = scope
        self._headers = headers
        self._send = send
        self._started = time.perf_counter()

    async def send(self, message: Message) -> None:
        """Pass a message of the user's server on, with the request id added."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = [*message.get("headers", ()), (b"x-request-id", self.request_id.encode())]
            message = {**message, "headers": headers}
        await self._send(message)

    async def answer(self, status: int, document: object, headers: Headers = ()) -> None:
        """Reply with JSON."""
        body = json.dumps(document).encode()
        length = (b"content-length", str(len(body)).encode())
        await self.send({"type": "http.response.start", "status": status, "headers": [_JSON, length, *headers]})
        await self.send({"type": "http.response.body", "body": b"" if self._scope["method"] == "HEAD" else body})

    def log_fields(self) -> dict[str, Any]:
        """Return the fields of the request's log line: neither tokens nor arguments."""
        fields = {
            "event": "request",
            "method": self._scope["method"],
            "path": self._scope["path"][:_LOGGED_CHARS],
            "status": self.status,
            "ms": round((time.perf_counter() - self._started) * 1000, 1),
            "request_id": self.request_id,
            "mcp_method": self._headers.get("mcp-method", "")[:_LOGGED_CHARS],
            "mcp_name": self._headers.get("mcp-name", "")[:_LOGGED_CHARS],
            "refusal": self.refusal,
        }
        return {name: value for name, value in fields.items() if value != ""}


class _Allowlist:
    """Host or origin patterns: exact, or with ``:*`` for any port. Comparison ignores case."""

    def __init__(self, patterns: Iterable[str]) -> None:
        patterns = tuple(patterns)
        self._exact = frozenset(pattern for pattern in patterns if not pattern.endswith(":*"))
        self._any_port = frozenset(pattern[:-2] for pattern in patterns if pattern.endswith(":*"))

    def allows(self, value: str | None) -> bool:
        """Tell whether a header's value is on the list."""
        given = (value or "").lower()
        name, separator, port = given.rpartition(":")
        return given in self._exact or (bool(separator) and port.isdigit() and name in self._any_port)


def _documents(settings: Settings) -> dict[str, object]:
    """Return the public documents by path; without tokens there is no metadata about them."""
    health = {
        "status": "ok",
        "release": settings.release,
        "environment": settings.environment,
        "server": settings.server_name,
    }
    documents: dict[str, object] = {HEALTH_PATH: health}
    if settings.token:
        metadata = _resource_metadata(settings, settings.token.issuer)
        documents |= {METADATA_PATH: metadata, METADATA_PATH + MCP_PATH: metadata}
        if settings.token.jwks:
            documents[KEYS_PATH] = settings.token.jwks
    return documents


def _resource_metadata(settings: Settings, issuer: str) -> dict[str, object]:
    """Build the RFC 9728 document."""
    scopes = {"scopes_supported": list(settings.scopes_supported)} if settings.scopes_supported else {}
    return {
        "resource": settings.resource,
        "resource_name": settings.server_name,
        "authorization_servers": [issuer],
        "bearer_methods_supported": ["header"],
        **scopes,
    }


def _challenge(settings: Settings) -> str:
    challenge = f'Bearer resource_metadata="{settings.public_url}{METADATA_PATH}{MCP_PATH}"'
    return challenge + (f', scope="{" ".join(settings.scopes_supported)}"' if settings.scopes_supported else "")


async def _read_body(headers: dict[str, str], receive: Receive) -> list[Message] | None:
    """Read a request's messages up to the end of its body; None when that is over the limit."""
    declared = headers.get("content-length", "")
    if declared.isdigit() and int(declared) > MAX_BODY_BYTES:
        return None
    messages: list[Message] = []
    size = 0
    while True:
        message = await receive()
        messages.append(message)
        size += len(message.get("body", b""))
        if size > MAX_BODY_BYTES:
            return None
        if message["type"] != "http.request" or not message.get("more_body", False):
            return messages


def _replay(messages: list[Message], receive: Receive) -> Receive:
    """Return a receive function that gives the messages read so far, then those that still come."""
    pending = iter(messages)

    async def replayed() -> Message:
        message = next(pending, None)
        return message if message is not None else await receive()

    return replayed
