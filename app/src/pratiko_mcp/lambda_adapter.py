# SPDX-License-Identifier: MIT
"""AWS Lambda entry point: HTTP events in, ASGI inside, whole replies out.

One event loop and one lifespan last as long as the instance: the SDK's session manager starts only once.
"""

from __future__ import annotations

import asyncio
import functools
import gc
import logging
import os
from collections.abc import Callable, Mapping
from typing import Any

from . import restore
from .exchange import ENDED, REQUEST_ID, SECONDS_LEFT, ReplyTooLarge
from .lambda_events import Answer, Call, Form, Invocation, error_answer, read_event, write_answer
from .logs import configure_logging
from .runtime import create_app
from .settings import SettingsError, load_settings
from .telemetry import FLUSH_SECONDS

# Left before Lambda ends the invocation: when the runtime gives up, which knows better how, and when this adapter does.
RESERVE_SECONDS = 1.0
LAST_RESERVE_SECONDS = 0.5
CANCEL_SECONDS = 0.2

logger = logging.getLogger("pratiko_mcp")


class LambdaAdapter:
    """Runs an ASGI application for invocation after invocation.

    :param flush: sends traces on, within the seconds that it is given; Lambda stops the process after each invocation
    """

    def __init__(self, app: Any, flush: Callable[[float], object] | None = None) -> None:
        self._app = app
        self._flush = flush
        self._loop = asyncio.new_event_loop()
        self._lifespan = _Lifespan(app)
        self._loop.run_until_complete(self._lifespan.start())

    def handle(self, event: Mapping[str, Any], context: Any) -> dict[str, Any]:
        """Answer one event.

        :raises ValueError: it is no HTTP request
        """
        call = read_event(event, Invocation(context.aws_request_id, os.environ.get("_X_AMZN_TRACE_ID")))
        call.scope["state"] = dict(self._lifespan.state)
        call.scope[SECONDS_LEFT] = _seconds_left(context, RESERVE_SECONDS)
        answer = self._loop.run_until_complete(_run(self._app, call, _seconds_left(context, LAST_RESERVE_SECONDS)))
        if self._flush:
            self._flush(min(_seconds_left(context, LAST_RESERVE_SECONDS), FLUSH_SECONDS))
        return answer


def _seconds_left(context: Any, reserve: float) -> float:
    return max(context.get_remaining_time_in_millis() / 1000 - reserve, 0.0)


class _Reply:
    """What an application has sent so far; ``document`` is the whole of it in the caller's form."""

    def __init__(self, form: Form) -> None:
        self.document: dict[str, Any] = {}
        self._form = form
        self._status = 0
        self._headers: list[tuple[str, str]] = []
        self._body = bytearray()
        self.complete = asyncio.Event()

    async def send(self, message: Mapping[str, Any]) -> None:
        """Take one ASGI message.

        :raises ReplyTooLarge: the reply is complete, and the caller is told that it cannot be delivered
        """
        if message["type"] == "http.response.start":
            self._status = message["status"]
            self._headers = [
                (name.decode("latin-1"), value.decode("latin-1")) for name, value in message.get("headers", ())
            ]
        elif message["type"] == "http.response.body":
            self._body += message.get("body", b"")
            if not message.get("more_body", False):
                self.document = write_answer(Answer(self._status, self._headers, bytes(self._body)), self._form)
                self.complete.set()
                if self.document["statusCode"] != self._status:
                    raise ReplyTooLarge


async def _run(app: Any, call: Call, budget: float) -> dict[str, Any]:
    """Run the application for one request.

    :param budget: seconds until the caller is told that it took too long
    """
    reply = _Reply(call.form)
    ended = call.scope[ENDED] = asyncio.get_running_loop().create_future()
    requests = [{"type": "http.request", "body": call.body, "more_body": False}]

    async def receive() -> dict[str, Any]:
        if requests:
            return requests.pop()
        # A disconnect told earlier would make the SDK drop the reply it is writing.
        await reply.complete.wait()
        return {"type": "http.disconnect"}

    task = asyncio.ensure_future(app(call.scope, receive, reply.send))
    done, _ = await asyncio.wait({task, ended}, timeout=budget, return_when=asyncio.FIRST_COMPLETED)
    if not done:
        task.cancel()
    if not task.done():
        # A tool in a thread cannot be cancelled: waiting longer would use up the reserve.
        await asyncio.wait({task}, timeout=CANCEL_SECONDS)
    elif task.exception():
        logger.error("the application failed", exc_info=task.exception())
    if reply.complete.is_set():
        return reply.document
    status, error = (500, "no_reply") if done else (504, "timeout")
    return write_answer(error_answer(status, error, call.scope[REQUEST_ID]), call.form)


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


@functools.cache
def _adapter() -> LambdaAdapter:
    """Build the instance's adapter.

    :raises SettingsError: authentication is off, which a public function must not be
    """
    settings = load_settings()
    if settings.token is None:
        raise SettingsError("MCP_AUTH", "none", "jwt on Lambda (none only for a server bound to loopback)")
    configure_logging(settings.log_level)
    app = create_app(settings)
    configure_logging(settings.log_level)  # the server may have set handlers of its own while it was loaded
    adapter = LambdaAdapter(app, app.telemetry.flush if app.telemetry else None)
    restore.start()
    return adapter


def _prepare() -> None:
    """Build the adapter while Lambda initialises the instance: that phase has the full processor."""
    gc.disable()  # everything made here stays: collecting in between only costs time
    try:
        _adapter()
    finally:
        gc.freeze()
        gc.enable()


def handler(event: Mapping[str, Any], context: Any) -> dict[str, Any]:
    """Answer API Gateway, a function URL or a load balancer (the Lambda entry point)."""
    return _adapter().handle(event, context)


if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
    _prepare()
