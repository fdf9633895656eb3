# SPDX-License-Identifier: MIT
"""AWS Lambda entry point: API Gateway events in, ASGI inside, whole replies out.

One event loop and one lifespan last as long as the instance: the SDK's session manager starts only once.
"""

from __future__ import annotations

import asyncio
import base64
import functools
import gc
import json
import logging
import os
import sys
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote, urlencode

from .authorizer import ORIGIN_HEADER
from .runtime import REQUEST_ID, configure_logging, create_app
from .settings import SettingsError, load_settings

# Left for the reply to travel before Lambda ends the invocation.
RESERVE_SECONDS = 1.0
CANCEL_SECONDS = 0.2
# Lambda refuses answers over 6 MiB, counted as JSON; what is left covers the little that its encoder adds.
MAX_ANSWER_BYTES = 6_000_000

_TEXT_TYPES = ("text/", "application/json", "application/xml", "application/javascript", "application/problem+json")

logger = logging.getLogger("pratiko_mcp")


class LambdaAdapter:
    """Runs an ASGI application for invocation after invocation."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._loop = asyncio.new_event_loop()
        self._lifespan = _Lifespan(app)
        self._loop.run_until_complete(self._lifespan.start())

    def handle(self, event: Mapping[str, Any], context: Any) -> dict[str, Any]:
        """Answer one API Gateway event, of a REST API (v1) or an HTTP API (v2)."""
        scope, body = read_event(event, getattr(context, "aws_request_id", None))
        scope["state"] = dict(self._lifespan.state)
        budget = max(context.get_remaining_time_in_millis() / 1000 - RESERVE_SECONDS, 0.0)
        reply = self._loop.run_until_complete(_run(self._app, scope, body, budget))
        return write_reply(reply, version_2=event.get("version") == "2.0")


class Reply:
    """What an application has sent so far."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: list[tuple[str, str]] = []
        self.body = bytearray()
        self.complete = asyncio.Event()

    async def send(self, message: Mapping[str, Any]) -> None:
        """Take one ASGI message."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = [
                (name.decode("latin-1"), value.decode("latin-1")) for name, value in message.get("headers", ())
            ]
        elif message["type"] == "http.response.body":
            self.body += message.get("body", b"")
            if not message.get("more_body", False):
                self.complete.set()

    @classmethod
    def error(cls, status: int, error: str, request_id: object) -> Reply:
        """Make a complete JSON reply."""
        reply = cls()
        reply.status = status
        reply.headers = [("content-type", "application/json")]
        reply.body += json.dumps({"error": error, "request_id": request_id}).encode()
        reply.complete.set()
        return reply


async def _run(app: Any, scope: dict[str, Any], body: bytes, budget: float) -> Reply:
    """Run the application for one request.

    :param budget: seconds until the caller is told that it took too long
    """
    reply = Reply()
    requests = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> dict[str, Any]:
        if requests:
            return requests.pop()
        # A disconnect told earlier would make the SDK drop the reply it is writing.
        await reply.complete.wait()
        return {"type": "http.disconnect"}

    task = asyncio.ensure_future(app(scope, receive, reply.send))
    done, _ = await asyncio.wait({task}, timeout=budget)
    if not done:
        task.cancel()
        # A tool in a thread cannot be cancelled: waiting longer would use up the reserve.
        await asyncio.wait({task}, timeout=CANCEL_SECONDS)
    elif task.exception():
        logger.error("the application failed", exc_info=task.exception())
    request_id = scope[REQUEST_ID]
    if reply.complete.is_set():
        return reply
    return Reply.error(500, "no_reply", request_id) if done else Reply.error(504, "timeout", request_id)


class _Lifespan:
    """The application's lifespan, entered once and left to the end of the instance."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._incoming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._answer: dict[str, Any] = {}
        self._answered = asyncio.Event()
        self.state: dict[str, Any] = {}

    async def start(self) -> None:
        """Start the application.

        :raises RuntimeError: it refused to start
        """
        self._incoming.put_nowait({"type": "lifespan.startup"})
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self.state}
        # Kept: an event loop holds tasks by weak references only.
        self._task = asyncio.ensure_future(self._app(scope, self._incoming.get, self._send))
        answered = asyncio.ensure_future(self._answered.wait())
        await asyncio.wait({self._task, answered}, return_when=asyncio.FIRST_COMPLETED)
        answered.cancel()
        if self._answer.get("type") == "lifespan.startup.failed":
            raise RuntimeError(f"The server did not start: {self._answer.get('message', '')}")
        if self._task.done() and not self._answer:
            # By the ASGI specification an application without lifespan support raises here.
            logger.info("the application has no lifespan: %s", self._task.exception())

    async def _send(self, message: dict[str, Any]) -> None:
        self._answer = message
        self._answered.set()


def read_event(event: Mapping[str, Any], request_id: str | None) -> tuple[dict[str, Any], bytes]:
    """Translate an API Gateway event into an ASGI scope and a body.

    :raises ValueError: the event is of neither payload format
    """
    if event.get("version") == "2.0":
        method, path, query, headers = _read_v2(event)
    elif "httpMethod" in event:
        method, path, query, headers = _read_v1(event)
    else:
        raise ValueError("This function answers API Gateway events (REST API or HTTP API payload format 1.0 or 2.0).")
    # The origin's secret is for the authorizer alone: the server behind it could log it or send it on.
    headers = [(name.lower(), value) for name, value in headers if name.lower() != ORIGIN_HEADER]
    found = dict(headers)
    gateway = event.get("requestContext") or {}
    client = (gateway.get("identity") or gateway.get("http") or {}).get("sourceIp")
    path = _without_stage(path, gateway.get("stage"))
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": method,
        "scheme": found.get("x-forwarded-proto", "https"),
        "path": path,
        "raw_path": quote(path).encode(),
        "root_path": "",
        "query_string": query.encode(),
        "headers": [(name.encode("latin-1"), value.encode("latin-1", "replace")) for name, value in headers],
        "client": (client, 0) if client else None,
        "server": (found.get("host", "lambda"), 443),
        REQUEST_ID: gateway.get("requestId") or request_id,
    }
    return scope, _read_body(event)


def _read_v1(event: Mapping[str, Any]) -> tuple[str, str, str, list[tuple[str, str]]]:
    """Read a REST API event; the fields with several values win over those with one."""
    headers = event.get("multiValueHeaders") or _as_lists(event.get("headers"))
    query = event.get("multiValueQueryStringParameters") or _as_lists(event.get("queryStringParameters"))
    # The API names no binary media types, so it would send a compressed reply on as base64.
    offered = {name: values for name, values in headers.items() if name.lower() != "accept-encoding"}
    pairs = [(name, value) for name, values in offered.items() for value in values]
    return event["httpMethod"], event["path"], urlencode(query, doseq=True), pairs


def _read_v2(event: Mapping[str, Any]) -> tuple[str, str, str, list[tuple[str, str]]]:
    """Read an HTTP API event; it carries cookies apart from the headers."""
    headers = list((event.get("headers") or {}).items())
    if event.get("cookies"):
        headers.append(("cookie", "; ".join(event["cookies"])))
    http = event["requestContext"]["http"]
    return http["method"], event["rawPath"], event.get("rawQueryString", ""), headers


def _as_lists(single: Mapping[str, str] | None) -> dict[str, list[str]]:
    return {name: [value] for name, value in (single or {}).items()}


def _without_stage(path: str, stage: str | None) -> str:
    """Drop a leading ``/stage/``; the path of a REST event has none, that of an HTTP API with named stages has."""
    prefix = f"/{stage}/"
    return path[len(prefix) - 1 :] if stage and path.startswith(prefix) else path


def _read_body(event: Mapping[str, Any]) -> bytes:
    body = event.get("body") or ""
    return base64.b64decode(body) if event.get("isBase64Encoded") else body.encode()


def write_reply(reply: Reply, version_2: bool) -> dict[str, Any]:
    """Translate a reply into API Gateway's form, or say that it is more than Lambda passes on."""
    answer = _to_answer(reply, version_2)
    size = _size_as_json(answer)
    if size <= MAX_ANSWER_BYTES:
        return answer
    logger.error("a reply of %d bytes, %d as JSON, is over Lambda's limit", len(reply.body), size)
    return _to_answer(Reply.error(500, "reply_too_large", dict(reply.headers).get("x-request-id")), version_2)


def _size_as_json(answer: Mapping[str, Any]) -> int:
    """Count the bytes that Lambda will count: its runtimes before Python 3.12 escape all but ASCII."""
    return len(json.dumps(answer, ensure_ascii=sys.version_info < (3, 12)).encode())


def _to_answer(reply: Reply, version_2: bool) -> dict[str, Any]:
    text = _as_text(reply)
    single, repeated = _group(reply.headers)
    answer: dict[str, Any] = {
        "statusCode": reply.status,
        "headers": single,
        "body": text if text is not None else base64.b64encode(reply.body).decode(),
        "isBase64Encoded": text is None,
    }
    if version_2:
        answer["cookies"] = repeated.pop("set-cookie", [])
        single |= {name: ", ".join(values) for name, values in repeated.items()}
    else:
        answer["multiValueHeaders"] = repeated
    return answer


def _group(headers: Iterable[tuple[str, str]]) -> tuple[dict[str, str], dict[str, list[str]]]:
    """Separate headers that occur once from those that repeat; cookies always count as repeating."""
    grouped: dict[str, list[str]] = {}
    for name, value in headers:
        grouped.setdefault(name.lower(), []).append(value)
    repeated = {name: values for name, values in grouped.items() if len(values) > 1 or name == "set-cookie"}
    return {name: values[0] for name, values in grouped.items() if name not in repeated}, repeated


def _as_text(reply: Reply) -> str | None:
    """Return the body as text, or None when it must travel as base64."""
    headers = {name.lower(): value for name, value in reply.headers}
    if "content-encoding" in headers or not headers.get("content-type", "text/plain").startswith(_TEXT_TYPES):
        return None
    try:
        return reply.body.decode()
    except UnicodeDecodeError:
        return None


@functools.cache
def _adapter() -> LambdaAdapter:
    """Build the instance's adapter.

    :raises SettingsError: authentication is off, which a public function must not be
    """
    settings = load_settings()
    if settings.token is None:
        raise SettingsError("MCP_AUTH", "none", "jwt on Lambda (none only for a server bound to loopback)")
    configure_logging(settings.log_level)
    return LambdaAdapter(create_app(settings))


def _prepare() -> None:
    """Build the adapter while Lambda initialises the instance: that phase has the full processor."""
    gc.disable()  # everything made here stays: collecting in between only costs time
    try:
        _adapter()
    finally:
        gc.freeze()
        gc.enable()


def handler(event: Mapping[str, Any], context: Any) -> dict[str, Any]:
    """Answer API Gateway (the Lambda entry point)."""
    return _adapter().handle(event, context)


if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
    _prepare()
