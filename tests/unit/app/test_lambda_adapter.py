# SPDX-License-Identifier: MIT
"""Events through the adapter, invocation after invocation."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import http.server
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from pratiko_mcp import lambda_adapter
from pratiko_mcp.lambda_adapter import SECONDS_LEFT, LambdaAdapter
from pratiko_mcp.reference.server import TOOL_SCOPES
from pratiko_mcp.runtime import create_app
from pratiko_mcp.settings import SettingsError, load_settings

from tests.unit.app.lambda_calls import BALANCED, KINDS, TRACE, LambdaContext, event

PUBLIC_URL = "https://mcp.example.com"
KEY = ec.generate_private_key(ec.SECP256R1())
JWKS = {"keys": [{**jwt.algorithms.ECAlgorithm.to_jwk(KEY.public_key(), as_dict=True), "kid": "1"}]}
ENVIRONMENT = {
    "MCP_PUBLIC_URL": PUBLIC_URL,
    "MCP_JWKS": json.dumps(JWKS),
    "MCP_RELEASE": "r1",
    "MCP_ENTRYPOINT": "pratiko_mcp.reference.server:mcp",
}


def bearer() -> dict[str, str]:
    scopes = sorted({scope for needed in TOOL_SCOPES.values() for scope in needed})
    claims: dict[str, Any] = {"iss": PUBLIC_URL, "aud": PUBLIC_URL + "/mcp", "sub": "alice", "scope": " ".join(scopes)}
    claims["exp"] = int(time.time()) + 300
    return {"Authorization": "Bearer " + jwt.encode(claims, KEY, "ES256", headers={"kid": "1"})}


def rpc(method: str, modern: bool, **params: Any) -> tuple[dict[str, str], str]:
    """Return headers and body of one MCP request in either era."""
    headers = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream", **bearer()}
    headers["MCP-Protocol-Version"] = "2026-07-28" if modern else "2025-11-25"
    if modern:
        headers |= {"Mcp-Method": method, **({"Mcp-Name": params["name"]} if "name" in params else {})}
        params["_meta"] = {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
            "io.modelcontextprotocol/clientCapabilities": {},
        }
    return headers, json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})


def headers_of(reply: dict[str, Any]) -> dict[str, str]:
    """Return the headers of a reply in any form."""
    lists = {name: ", ".join(values) for name, values in reply.get("multiValueHeaders", {}).items()}
    return {**reply.get("headers", {}), **lists}


def result_of(reply: dict[str, Any]) -> Any:
    """Return a JSON-RPC result from a JSON or a buffered event-stream reply."""
    assert reply["statusCode"] == 200, reply
    body = reply["body"]
    if "event-stream" in headers_of(reply)["content-type"]:
        body = next(line[6:] for line in body.splitlines() if line.startswith("data: {"))
    return json.loads(body)["result"]


def stop(adapter: LambdaAdapter) -> None:
    """End what Lambda would end by stopping the instance."""
    tasks = asyncio.all_tasks(adapter._loop)
    for task in tasks:
        task.cancel()
    if tasks:
        adapter._loop.run_until_complete(asyncio.wait(tasks))
    adapter._loop.close()


@pytest.fixture(scope="module")
def reference() -> Iterator[LambdaAdapter]:
    adapter = LambdaAdapter(create_app(load_settings(ENVIRONMENT)))
    yield adapter
    stop(adapter)


Adapt = Callable[[Any], LambdaAdapter]


@pytest.fixture
def adapt() -> Iterator[Adapt]:
    """Make adapters and stop them after the test."""
    made: list[LambdaAdapter] = []

    def make(app: Any) -> LambdaAdapter:
        made.append(LambdaAdapter(app))
        return made[-1]

    yield make
    for adapter in made:
        stop(adapter)


@pytest.mark.parametrize("modern", [False, True], ids=["legacy", "modern"])
@pytest.mark.parametrize("kind", KINDS)
def test_invocations_follow_each_other(reference: LambdaAdapter, kind: str, modern: bool) -> None:
    for number in range(1, 4):
        document = {"document_id": f"{kind}-{modern}-{number}", "title": "T", "text": "x"}
        headers, body = rpc("tools/call", modern, name="save_document", arguments=document)
        reply = reference.handle(event(kind, "POST", "/mcp", headers, body=body), LambdaContext())
        assert result_of(reply)["structuredContent"]["version"] == 1
        assert reply["isBase64Encoded"] is False
        assert headers_of(reply)["x-request-id"] == ("invocation-1" if kind in BALANCED else "gw-1")


@pytest.mark.parametrize("kind", KINDS)
def test_base64_body(reference: LambdaAdapter, kind: str) -> None:
    headers, body = rpc("tools/list", True)
    encoded = base64.b64encode(body.encode()).decode()
    request = event(kind, "POST", "/mcp", headers, body=encoded, isBase64Encoded=True)
    assert len(result_of(reference.handle(request, LambdaContext()))["tools"]) == 5


@pytest.mark.parametrize("kind", KINDS)
def test_health_and_refusals(reference: LambdaAdapter, kind: str) -> None:
    health = reference.handle(event(kind, "GET", "/health"), LambdaContext())
    assert json.loads(health["body"])["release"] == "r1"
    refused = reference.handle(event(kind, "POST", "/mcp", body="{}"), LambdaContext())
    assert refused["statusCode"] == 401
    assert "resource_metadata" in headers_of(refused)["www-authenticate"]
    assert headers_of(reference.handle(event(kind, "GET", "/mcp"), LambdaContext()))["allow"] == "POST"


@pytest.mark.parametrize("path", ["/ready", "/metrics"])
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_for_operators_is_not_for_the_public(reference: LambdaAdapter, kind: str, path: str) -> None:
    request = event(kind, "GET", path)
    assert reference.handle(request, LambdaContext())["statusCode"] == 404
    if kind in BALANCED:  # a balancer may be set to leave the header out
        del request["multiValueHeaders" if kind == "alb-lists" else "headers"]["x-forwarded-for"]
        assert reference.handle(request, LambdaContext())["statusCode"] == 404


def test_an_operator_may_invoke_the_function(reference: LambdaAdapter) -> None:
    request = event("rest", "GET", "/ready")
    for name in ("headers", "multiValueHeaders"):
        del request[name]["X-Forwarded-For"]
    assert json.loads(reference.handle(request, LambdaContext())["body"])["status"] == "ready"


def test_health_check_of_a_load_balancer(reference: LambdaAdapter) -> None:
    request = event("alb", "GET", "/health")
    request["headers"] = {"user-agent": "ELB-HealthChecker/2.0"}
    reply = reference.handle(request, LambdaContext())
    assert (reply["statusCode"], reply["statusDescription"]) == (200, "200 OK")


def test_one_log_line_for_each_call(
    reference: LambdaAdapter, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("_X_AMZN_TRACE_ID", TRACE)
    reference.handle(event("rest", "GET", "/health"), LambdaContext())
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    ids = [(line["request_id"], line["trace_id"]) for line in lines]
    assert ids == [("gw-1", "1-67891233-abcdef012345678912345678")]


def app_answering(headers: list[tuple[bytes, bytes]], body: bytes) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "http", "no lifespan"
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body[:1], "more_body": True})
        await send({"type": "http.response.body", "body": body[1:]})

    return app


def test_reply_in_several_parts_is_one_answer(adapt: Adapt) -> None:
    adapter = adapt(app_answering([(b"X-One", b"1"), (b"content-type", b"text/plain")], b"whole"))
    reply = adapter.handle(event("rest", "GET", "/"), LambdaContext())
    assert (reply["statusCode"], reply["body"], reply["headers"]["x-one"]) == (200, "whole", "1")


def test_hanging_application(adapt: Adapt) -> None:
    cancelled: list[bool] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        try:
            await asyncio.sleep(60 if scope["type"] == "http" and scope["path"] == "/slow" else 0)
        except asyncio.CancelledError:
            cancelled.append(True)
            raise
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 204, "headers": []})
            await send({"type": "http.response.body"})

    adapter = adapt(app)
    started = time.monotonic()
    reply = adapter.handle(event("rest", "GET", "/slow"), LambdaContext(seconds=0.8))
    assert time.monotonic() - started < 0.5
    assert (reply["statusCode"], json.loads(reply["body"])) == (504, {"error": "timeout", "request_id": "gw-1"})
    assert cancelled == [True]
    assert adapter.handle(event("rest", "GET", "/fast"), LambdaContext())["statusCode"] == 204


def test_application_that_cannot_be_cancelled(adapt: Adapt) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "http", "no lifespan"
        work = asyncio.ensure_future(asyncio.to_thread(time.sleep, 0.8))
        while not work.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.shield(work)

    started = time.monotonic()
    reply = adapt(app).handle(event("rest", "GET", "/"), LambdaContext(seconds=0.6))
    assert reply["statusCode"] == 504
    assert time.monotonic() - started < 0.7


def test_application_knows_how_long_it_has(adapt: Adapt) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "http", "no lifespan"
        await app_answering([], str(scope[SECONDS_LEFT]).encode())(scope, receive, send)

    adapter = adapt(app)
    answers = [adapter.handle(event("rest", "GET", "/"), LambdaContext(seconds))["body"] for seconds in (29, 0.2)]
    assert answers == ["28.0", "0.0"]


@pytest.mark.parametrize(("seconds", "expected"), [(29.0, 2.0), (1.5, 1.0), (0.2, 0.0)])
def test_traces_are_sent_on_after_each_reply(seconds: float, expected: float) -> None:
    order: list[object] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "http", "no lifespan"
        await app_answering([], b"x")(scope, receive, send)
        order.append("answered")

    adapter = LambdaAdapter(app, order.append)
    adapter.handle(event("rest", "GET", "/"), LambdaContext(seconds))
    adapter.handle(event("rest", "GET", "/"), LambdaContext(seconds))
    stop(adapter)
    assert order == ["answered", expected] * 2


def test_application_that_crashes_or_says_nothing(adapt: Adapt) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and scope["path"] == "/silent":
            return
        raise ValueError("broken")

    adapter = adapt(app)
    for path in ("/crash", "/silent"):
        reply = adapter.handle(event("rest", "GET", path), LambdaContext())
        assert (reply["statusCode"], json.loads(reply["body"])["error"]) == (500, "no_reply")


def test_disconnect_is_told_only_after_the_reply(adapt: Adapt) -> None:
    order: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "http", "no lifespan"

        async def watch() -> None:
            await receive()
            order.append((await receive())["type"])

        watcher = asyncio.ensure_future(watch())
        await asyncio.sleep(0.01)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        order.append("sent")
        await send({"type": "http.response.body", "body": b"x"})
        await watcher

    assert adapt(app).handle(event("rest", "GET", "/"), LambdaContext())["body"] == "x"
    assert order == ["sent", "http.disconnect"]


def test_lifespan_is_entered_once_with_state(adapt: Adapt) -> None:
    starts: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            starts.append((await receive())["type"])
            scope["state"]["pool"] = "ready"
            await send({"type": "lifespan.startup.complete"})
            await receive()
        else:
            await app_answering([], scope["state"]["pool"].encode())(scope, receive, send)

    adapter = adapt(app)
    bodies = [adapter.handle(event("rest", "GET", "/"), LambdaContext())["body"] for _ in range(3)]
    assert (starts, bodies) == (["lifespan.startup"], ["ready"] * 3)


def test_server_that_does_not_start() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "lifespan.startup.failed", "message": "no database"})

    with pytest.raises(RuntimeError, match="did not start: no database"):
        LambdaAdapter(app)


def test_handler_keeps_its_adapter(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    lambda_adapter._adapter.cache_clear()
    first = lambda_adapter.handler(event("rest", "GET", "/health"), LambdaContext())
    monkeypatch.setenv("MCP_RELEASE", "r2")
    second = lambda_adapter.handler(event("rest", "GET", "/health"), LambdaContext())
    assert first["body"] == second["body"]
    stop(lambda_adapter._adapter())
    lambda_adapter._adapter.cache_clear()


def test_handler_refuses_to_run_without_authentication(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MCP_AUTH", "none")
    lambda_adapter._adapter.cache_clear()
    with pytest.raises(SettingsError, match="MCP_AUTH is 'none'"):
        lambda_adapter.handler(event("rest", "GET", "/health"), LambdaContext())


INIT = "import gc, pratiko_mcp.lambda_adapter as a; print(a._adapter.cache_info().currsize, gc.isenabled())"


def run_on_lambda(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Import the adapter as Lambda does, in a process of its own."""
    source = str(Path(lambda_adapter.__file__).parents[1])
    lambda_environment = {
        **os.environ,
        **ENVIRONMENT,
        "PYTHONPATH": source,
        "AWS_LAMBDA_FUNCTION_NAME": "mcp",
        "AWS_DEFAULT_REGION": "us-east-1",
        **environment,
    }
    return subprocess.run(
        [sys.executable, "-c", code], env=lambda_environment, capture_output=True, text=True, check=False
    )


def test_adapter_is_built_while_lambda_initialises() -> None:
    done = run_on_lambda(INIT, MCP_TABLE="documents")
    assert done.stdout.splitlines()[-1:] == ["1 True"], done.stderr


def test_limits_are_read_while_lambda_initialises_and_may_be_away() -> None:
    """Nothing listens at this address: the instance starts, says so, and has no limits."""
    nowhere = {"AWS_ENDPOINT_URL_SSM": "http://127.0.0.1:9", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
    done = run_on_lambda(INIT, MCP_TABLE="documents", MCP_LIMITS_PARAMETER="/mcp/limits", **nowhere)
    lines = done.stdout.splitlines()
    assert lines[-1:] == ["1 True"], done.stderr
    assert any("limits cannot be read" in json.loads(line)["message"] for line in lines[:-1])


def test_reference_server_on_lambda_needs_a_table() -> None:
    failed = run_on_lambda(INIT)
    assert failed.returncode == 1
    assert "SettingsError: MCP_TABLE is not set" in failed.stderr


class Collector(http.server.BaseHTTPRequestHandler):
    """Takes traces."""

    paths: ClassVar[list[str]] = []

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.paths.append(self.path)
        self.send_response(200)
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


TRACED = """
import json, os
from pratiko_mcp import lambda_adapter

class Context:
    aws_request_id = "invocation-1"
    get_remaining_time_in_millis = staticmethod(lambda: 29000)

print(lambda_adapter.handler(json.loads(os.environ["EVENT"]), Context())["statusCode"], flush=True)
os._exit(0)  # Lambda stops the process here
"""


def test_traces_leave_before_lambda_stops_the_process() -> None:
    headers, body = rpc("tools/list", True)
    request = json.dumps(event("rest", "POST", "/mcp", headers, body=body))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Collector) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        endpoint = f"http://127.0.0.1:{server.server_port}"
        done = run_on_lambda(TRACED, MCP_TABLE="documents", OTEL_EXPORTER_OTLP_ENDPOINT=endpoint, EVENT=request)
        server.shutdown()
    assert done.stdout.splitlines()[-1:] == ["200"], done.stderr
    assert Collector.paths == ["/v1/traces"]
