# SPDX-License-Identifier: MIT
"""The ASGI application around a user's MCP server: what is for everybody, what is for operators, who may go on."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from . import limits, logs, restore, telemetry
from .asgi import MCP_PATH, AsgiApp, BodyTooLarge, BodyTooSlow, ClientGone, Receive, RequestHeaders, Scope, Send
from .auth import KeySource, KeysUnavailable, Refusal, Token, TokenRefused, Verifier, bearer_token, current_token
from .documents import HEALTH_PATH, challenge, public_documents
from .endpoint import Endpoint
from .entrypoint import EntrypointError, build_inner_app, describe, load_entrypoint, load_module
from .exchange import NO_STORE, Exchange
from .gate import Gate
from .metrics import Observation, Recorder, make_recorder
from .readiness import Check, Readiness
from .settings import LOG_LEVELS, TOOL_SCOPES_ALLOWED, Settings, SettingsError
from .tool_access import ToolScopes, ToolScopesError

READY_PATH = "/ready"
METRICS_PATH = "/metrics"

_CLOSE = (b"connection", b"close")  # the rest of a body that nobody reads would be taken for the next request
_CACHED = (b"cache-control", b"public, max-age=300")
_PROXY_HEADERS = ("x-forwarded-for", "forwarded", "via")
_FAILED = ("server_error", "timeout")

logger = logging.getLogger("pratiko_mcp")


def create_app(settings: Settings, verifier: Verifier | None = None) -> Runtime:
    """Build the application of the configured entry point.

    :param verifier: checks tokens; made from the settings unless given
    :raises EntrypointError: the entry point cannot be loaded or served
    :raises SettingsError: a variable does not fit what it is for
    """
    keys = KeySource(settings.token) if settings.token and verifier is None else None
    if settings.token and keys:
        verifier = Verifier(settings.token, keys)
        if not settings.token.jwks:
            restore.on_restore(keys.forget)
    os.environ.update(settings.app_environment)  # before anything of the server's is imported
    target = load_entrypoint(settings.entrypoint)
    inner = build_inner_app(target, settings)
    kind, eras = describe(target)
    logger.info("serving %s, %s; protocol eras: %s", settings.entrypoint, kind, ", ".join(eras) or "its own affair")
    source = limits.make_source(settings)
    limits.install(source)
    if source:
        restore.on_start(source.refresh)
        restore.on_restore(source.forget)
    scopes = _tool_scopes(settings)
    return Runtime(
        settings,
        inner,
        verifier,
        gate=Gate(scopes, source, challenge(settings)) if scopes or source else None,
        recorder=make_recorder(settings.metrics, settings.environment, settings.metrics_by_tool, settings.release),
        checks=_checks(settings, keys, source),
        # After the server: a tracer provider of its own stays in use.
        traces=telemetry.configure(settings.environment, settings.release, settings.server_name),
        eras=eras,
    )


def _tool_scopes(settings: Settings) -> ToolScopes:
    """Read which scopes tools need: from the environment, else from the entry point's module."""
    try:
        if settings.tool_scopes is not None:
            return ToolScopes(settings.tool_scopes)
    except ToolScopesError as error:
        raise SettingsError("MCP_TOOL_SCOPES", None, TOOL_SCOPES_ALLOWED, f"not usable: {error}") from error
    try:
        return ToolScopes(getattr(load_module(settings.entrypoint), "TOOL_SCOPES", {}))
    except ToolScopesError as error:
        raise EntrypointError(settings.entrypoint, f"TOOL_SCOPES of its module is not usable: {error}") from error


def _checks(settings: Settings, keys: KeySource | None, source: limits.PolicySource | None) -> dict[str, Check]:
    """Collect the dependencies to be asked: those of the entry point's module and our own."""
    checks = getattr(load_module(settings.entrypoint), "READY_CHECKS", {})
    if not isinstance(checks, Mapping) or not all(callable(check) for check in checks.values()):
        raise EntrypointError(settings.entrypoint, "READY_CHECKS of its module does not map names to functions")
    found: dict[str, Check] = {str(name): check for name, check in checks.items()}
    if keys is not None and settings.token and not settings.token.jwks:
        found["signing_keys"] = lambda: keys.find(None, "ES256")  # raises where there are no keys at all
    if source is not None:
        found["limits"] = lambda: _check_limits(source)
    return found


def _check_limits(source: limits.PolicySource) -> None:
    source.refresh()
    good, reason = source.state
    if not good:
        raise limits.PolicyError(reason)


class Runtime:
    """ASGI application: answers what belongs to the deployment, checks, and hands the rest to the user's server.

    :param eras: of the protocol that the server's SDK speaks; none for a plain ASGI application
    """

    def __init__(
        self,
        settings: Settings,
        inner: AsgiApp,
        verifier: Verifier | None,
        gate: Gate | None = None,
        recorder: Recorder | None = None,
        checks: Mapping[str, Check] | None = None,
        traces: telemetry.Telemetry | None = None,
        eras: Sequence[str] = ("session", "stateless"),
    ) -> None:
        self._inner = inner
        self._verifier = verifier
        self._recorder = recorder or Recorder()
        self._endpoint = Endpoint(settings, inner, gate, traces, tuple(eras) == ("session",))
        self._plain = not eras
        self._release = settings.release
        self._readiness = Readiness(checks or {})
        self._log_from = LOG_LEVELS.index(settings.log_level)
        self._hosts = _Allowlist(settings.allowed_hosts)
        self._origins = _Allowlist(settings.allowed_origins)
        self._documents = public_documents(settings)
        self._methods = ("POST", "GET", "DELETE") if settings.sessions else ("POST",)
        self._challenge = challenge(settings)
        self._scopes = f', scope="{" ".join(settings.scopes_supported)}"' if settings.scopes_supported else ""
        # Lambda names an invocation's trace there; elsewhere looking would be in vain.
        self._environ: Mapping[str, str] = os.environ if settings.on_lambda else {}
        self._cold = True
        self.telemetry = traces

    def close_streams(self) -> None:
        """End the streams that would stay open for ever: the process is about to end."""
        self._endpoint.close_streams()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI scope."""
        if scope["type"] == "http":
            await self._serve_http(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._inner(scope, receive, send)
        else:  # nothing behind this runtime speaks WebSocket, and its checks would not apply
            await send({"type": "websocket.close", "code": 1008})

    async def _serve_http(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = RequestHeaders(scope["headers"])
        exchange = Exchange(scope, headers, send)
        exchange.on_end = self._record
        logs.request_id.set(exchange.request_id)
        logs.trace_id.set(logs.trace_id_of(headers, self._environ))
        self._recorder.in_flight(1)
        try:
            await self._route(scope, headers, receive, exchange)
        except ClientGone:
            exchange.client_gone = True
        except Exception:  # the last line of defence: a client gets an answer, the log the traceback
            exchange.outcome = "server_error"
            logger.exception("request %s failed", exchange.request_id)
            if not exchange.status:
                await exchange.answer(500, {"error": "internal_error", "request_id": exchange.request_id})
        finally:
            self._recorder.in_flight(-1)
            exchange.end()

    async def _route(self, scope: Scope, headers: RequestHeaders, receive: Receive, exchange: Exchange) -> None:
        path, method = scope["path"].rstrip("/") or "/", scope["method"]
        # What is mounted there may take any path below for its own.
        exchange.at_mcp = path == MCP_PATH or (self._plain and path.startswith(MCP_PATH + "/"))
        exchange.is_message = exchange.at_mcp and method == "POST"
        if repeated := headers.repeated():
            await exchange.refuse(400, "repeated_header", header=repeated)
        # Load balancers ask for health by address, not by name.
        elif path != HEALTH_PATH and not self._hosts.allows(headers.get("host")):
            await exchange.refuse(421, "host_not_allowed")
        elif path in self._documents:
            await self._answer_document(path, method, exchange)
        elif path in (READY_PATH, METRICS_PATH):
            await self._answer_operator(path, method, headers, exchange)
        elif "origin" in headers and not self._origins.allows(headers["origin"]):
            await exchange.refuse(403, "origin_not_allowed")
        elif exchange.at_mcp and method not in self._methods:
            await _answer_wrong_method(exchange, ", ".join(self._methods))
        else:
            # An SDK's server knows its path without a slash only; where a plain one mounts it is its own affair.
            inner_scope = scope if self._plain or path == scope["path"] else {**scope, "path": path}
            await self._serve_protected(inner_scope, headers, receive, exchange)

    async def _answer_document(self, path: str, method: str, exchange: Exchange) -> None:
        if method not in ("GET", "HEAD"):
            await _answer_wrong_method(exchange, "GET, HEAD")
            return
        caching = NO_STORE if path == HEALTH_PATH else _CACHED
        await exchange.answer(200, self._documents[path], [caching])

    async def _answer_operator(self, path: str, method: str, headers: RequestHeaders, exchange: Exchange) -> None:
        """Answer /ready and /metrics, which are not for the public: what came through a proxy gets 404."""
        proxied = any(name in headers for name in _PROXY_HEADERS)
        metrics = await self._metrics() if path == METRICS_PATH and not proxied else None
        if proxied or (path == METRICS_PATH and metrics is None):
            await exchange.answer(404, {"error": "not_found"})
        elif method not in ("GET", "HEAD"):
            await _answer_wrong_method(exchange, "GET, HEAD")
        elif metrics:
            content_type, body = metrics
            await exchange.answer_bytes(200, body, [(b"content-type", content_type.encode()), NO_STORE])
        else:
            report = {"release": self._release, **await self._readiness.report()}
            await exchange.answer(200 if report["status"] == "ready" else 503, report, [NO_STORE])

    async def _metrics(self) -> tuple[str, bytes] | None:
        """Return what Prometheus fetches, with the dependencies as they are now: nobody else may be asking for them."""
        if self._recorder.is_fetched:
            self._recorder.learn_dependencies((await self._readiness.report())["checks"])
        return await asyncio.to_thread(self._recorder.render)

    async def _serve_protected(
        self, scope: Scope, headers: RequestHeaders, receive: Receive, exchange: Exchange
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
        current_token.set(token)
        try:
            await self._endpoint.serve(scope, headers, receive, exchange, token)
        except BodyTooLarge as error:
            await exchange.answer(413, {"error": "body_too_large", "limit_bytes": error.limit}, [_CLOSE])
        except BodyTooSlow as error:
            await exchange.answer(408, {"error": "body_too_slow", "limit_seconds": error.seconds}, [_CLOSE])

    async def _authenticate(self, headers: RequestHeaders) -> Token | None:
        if self._verifier is None:
            return None
        token = bearer_token(headers.get("authorization"))
        if self._verifier.may_block and not self._verifier.recall(token):
            return await asyncio.to_thread(self._verifier.verify, token)
        return self._verifier.verify(token)

    async def _answer_unauthorized(self, reason: Refusal, exchange: Exchange) -> None:
        exchange.refusal, exchange.outcome = reason.name, "refused"
        text = self._challenge + self._scopes
        if reason is not Refusal.MISSING:
            text += f', error="invalid_token", error_description="{reason.value}"'
        body = {"error": "unauthorized" if reason is Refusal.MISSING else "invalid_token", "reason": reason.value}
        await exchange.answer(401, body, [(b"www-authenticate", text.encode()), NO_STORE])

    def _record(self, exchange: Exchange) -> None:
        """Observe a message for the metrics and write the request's log line."""
        seconds, outcome = exchange.seconds(), exchange.final_outcome()
        fields: dict[str, Any] = {}
        if exchange.is_message:
            cold, self._cold = self._cold, False
            observation = Observation(exchange.mcp_method, exchange.tool, exchange.era, outcome, seconds, cold)
            self._recorder.learn_tools(exchange.tools_seen(outcome))
            fields = self._recorder.observe(observation)
        level = "ERROR" if outcome in _FAILED else "INFO"
        # Embedded metrics are read out of this line: no log level may suppress them.
        if fields or LOG_LEVELS.index(level) >= self._log_from:
            logs.write(exchange.log_fields(level, seconds, outcome) | fields)


async def _answer_wrong_method(exchange: Exchange, allowed: str) -> None:
    await exchange.answer(405, {"error": "method_not_allowed"}, [(b"allow", allowed.encode())])


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
