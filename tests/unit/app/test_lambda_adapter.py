# SPDX-License-Identifier: MIT
"""API Gateway events through the adapter, invocation after invocation."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import subprocess
import sys
import time
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from pratiko_mcp import lambda_adapter
from pratiko_mcp.lambda_adapter import MAX_ANSWER_BYTES, LambdaAdapter, read_event
from pratiko_mcp.runtime import create_app
from pratiko_mcp.settings import SettingsError, load_settings

PUBLIC_URL = "https://mcp.example.com"
KEY = ec.generate_private_key(ec.SECP256R1())
JWKS = {"keys": [{**jwt.algorithms.ECAlgorithm.to_jwk(KEY.public_key(), as_dict=True), "kid": "1"}]}
ENVIRONMENT = {
    "MCP_PUBLIC_URL": PUBLIC_URL,
    "MCP_JWKS": json.dumps(JWKS),
    "MCP_RELEASE": "r1",
    "MCP_ENTRYPOINT": "pratiko_mcp.reference.server:mcp",
}
EVENTS = ["v1", "v2"]


class LambdaContext:
    """What Lambda tells a function about an invocation."""

    aws_request_id = "invocation-1"

    def __init__(self, seconds: float = 30.0) -> None:
        self._seconds = seconds

    def get_remaining_time_in_millis(self) -> int:
        return int(self._seconds * 1000)


def bearer() -> dict[str, str]:
    claims = {"iss": PUBLIC_URL, "aud": PUBLIC_URL + "/mcp", "sub": "alice", "exp": int(time.time()) + 300}
    return {"Authorization": "Bearer " + jwt.encode(claims, KEY, "ES256", headers={"kid": "1"})}


def event(version: str, method: str, path: str, headers: dict[str, str] | None = None, **more: Any) -> dict[str, Any]:
    """Build an event as API Gateway sends it; the path of version 2 starts with the stage."""
    headers = {"Host": "mcp.example.com", "X-Forwarded-Proto": "https", **(headers or {})}
    if version == "v1":
        many = {name: [value] for name, value in headers.items()}
        gateway = {"stage": "live", "path": "/live" + path, "requestId": "gw-1", "identity": {"sourceIp": "192.0.2.1"}}
        return {
            "httpMethod": method,
            "path": path,
            "headers": headers,
            "multiValueHeaders": many,
            "requestContext": gateway,
            "isBase64Encoded": False,
            **more,
        }
    lower = {name.lower(): value for name, value in headers.items()}
    http = {"method": method, "path": "/live" + path, "sourceIp": "192.0.2.1"}
    gateway = {"stage": "live", "requestId": "gw-1", "http": http}
    return {"version": "2.0", "rawPath": "/live" + path, "headers": lower, "requestContext": gateway, **more}


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


def result_of(reply: dict[str, Any]) -> Any:
    """Return a JSON-RPC result from a JSON or a buffered event-stream reply."""
    assert reply["statusCode"] == 200, reply
    body = reply["body"]
    if "event-stream" in reply["headers"]["content-type"]:
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
@pytest.mark.parametrize("version", EVENTS)
def test_invocations_follow_each_other(reference: LambdaAdapter, version: str, modern: bool) -> None:
    for number in range(1, 4):
        document = {"document_id": f"{version}-{modern}-{number}", "title": "T", "text": "x"}
        headers, body = rpc("tools/call", modern, name="save_document", arguments=document)
        reply = reference.handle(event(version, "POST", "/mcp", headers, body=body), LambdaContext())
        assert result_of(reply)["structuredContent"]["version"] == 1
        assert reply["isBase64Encoded"] is False
        assert reply["headers"]["x-request-id"] == "gw-1"


@pytest.mark.parametrize("version", EVENTS)
def test_base64_body(reference: LambdaAdapter, version: str) -> None:
    headers, body = rpc("tools/list", True)
    encoded = base64.b64encode(body.encode()).decode()
    request = event(version, "POST", "/mcp", headers, body=encoded, isBase64Encoded=True)
    assert len(result_of(reference.handle(request, LambdaContext()))["tools"]) == 5


@pytest.mark.parametrize("version", EVENTS)
def test_health_and_refusals(reference: LambdaAdapter, version: str) -> None:
    health = reference.handle(event(version, "GET", "/health"), LambdaContext())
    assert json.loads(health["body"])["release"] == "r1"
    refused = reference.handle(event(version, "POST", "/mcp", body="{}"), LambdaContext())
    assert refused["statusCode"] == 401
    assert "resource_metadata" in refused["headers"]["www-authenticate"]
    assert reference.handle(event(version, "GET", "/mcp"), LambdaContext())["headers"]["allow"] == "POST"


def test_one_log_line_for_each_call(reference: LambdaAdapter, capsys: pytest.CaptureFixture[str]) -> None:
    reference.handle(event("v1", "GET", "/health"), LambdaContext())
    lines = capsys.readouterr().out.splitlines()
    assert [json.loads(line)["request_id"] for line in lines] == ["gw-1"]


def scope_of(request: dict[str, Any]) -> dict[str, Any]:
    return read_event(request, "invocation-1")[0]


@pytest.mark.parametrize("version", EVENTS)
def test_scope(version: str) -> None:
    scope = scope_of(event(version, "POST", "/mcp", {"X-Test": "a"}))
    assert (scope["method"], scope["path"], scope["scheme"]) == ("POST", "/mcp", "https")
    assert (scope["client"], scope["server"]) == (("192.0.2.1", 0), ("mcp.example.com", 443))
    assert (b"x-test", b"a") in scope["headers"]


def test_several_values_v1() -> None:
    request = event("v1", "GET", "/a")
    request["multiValueHeaders"] = {"X-Test": ["a", "b"]}
    request["multiValueQueryStringParameters"] = {"q": ["1", "2 &"]}
    scope = scope_of(request)
    assert scope["headers"] == [(b"x-test", b"a"), (b"x-test", b"b")]
    assert scope["query_string"] == b"q=1&q=2+%26"


def test_single_values_v1() -> None:
    request = event("v1", "GET", "/a", queryStringParameters={"q": "1"}, multiValueHeaders=None)
    assert scope_of(request)["query_string"] == b"q=1"
    assert (b"host", b"mcp.example.com") in scope_of(request)["headers"]


@pytest.mark.parametrize("version", EVENTS)
def test_origin_secret_does_not_reach_the_application(version: str) -> None:
    scope = scope_of(event(version, "GET", "/a", {"X-Mcp-Origin": "s1", "X-Mcp-Other": "kept"}))
    assert [value for name, value in scope["headers"] if name.startswith(b"x-mcp-")] == [b"kept"]


@pytest.mark.parametrize(("version", "offered"), [("v1", []), ("v2", [b"gzip"])])
def test_rest_api_is_offered_no_compression(version: str, offered: list[bytes]) -> None:
    scope = scope_of(event(version, "GET", "/a", {"Accept-Encoding": "gzip", "Accept": "text/html"}))
    found = [(name, value) for name, value in scope["headers"] if name.startswith(b"accept")]
    assert found == [*((b"accept-encoding", value) for value in offered), (b"accept", b"text/html")]


def test_query_and_cookies_v2() -> None:
    scope = scope_of(event("v2", "GET", "/a", rawQueryString="q=1&q=2", cookies=["a=1", "b=2"]))
    assert scope["query_string"] == b"q=1&q=2"
    assert (b"cookie", b"a=1; b=2") in scope["headers"]


@pytest.mark.parametrize(
    ("stage", "path", "expected"),
    [
        ("live", "/live/mcp", "/mcp"),
        ("live", "/mcp", "/mcp"),
        ("mcp", "/mcp", "/mcp"),
        ("mcp", "/mcp/mcp", "/mcp"),
        ("live", "/lively/mcp", "/lively/mcp"),
        ("$default", "/mcp", "/mcp"),
        (None, "/mcp", "/mcp"),
    ],
)
def test_stage(stage: str | None, path: str, expected: str) -> None:
    request = event("v1", "GET", path)
    request["requestContext"] = {"stage": stage}
    assert scope_of(request)["path"] == expected


def test_smallest_event() -> None:
    scope = scope_of({"httpMethod": "GET", "path": "/health"})
    assert (scope["client"], scope["pratiko_mcp.request_id"]) == (None, "invocation-1")


@pytest.mark.parametrize("unknown", [{}, {"Records": []}, {"version": "1.0"}])
def test_unknown_event(unknown: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="answers API Gateway events"):
        read_event(unknown, None)


def app_answering(headers: list[tuple[bytes, bytes]], body: bytes) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "http", "no lifespan"
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body[:1], "more_body": True})
        await send({"type": "http.response.body", "body": body[1:]})

    return app


def answer(adapt: Adapt, headers: list[tuple[bytes, bytes]], body: bytes, version: str = "v1") -> dict[str, Any]:
    return adapt(app_answering(headers, body)).handle(event(version, "GET", "/"), LambdaContext())


@pytest.mark.parametrize(
    ("headers", "body", "binary"),
    [
        ([(b"content-type", b"image/png")], b"\x89PNG", True),
        ([(b"content-type", b"text/plain; charset=latin-1")], b"\xe9", True),
        ([(b"content-type", b"application/json"), (b"content-encoding", b"gzip")], b"abc", True),
        ([(b"Content-Type", b"text/event-stream")], "data: ü\n\n".encode(), False),
        ([(b"content-type", b"application/json")], b"{}", False),
        ([], b"plain", False),
    ],
)
def test_binary_replies_travel_as_base64(
    adapt: Adapt, headers: list[tuple[bytes, bytes]], body: bytes, binary: bool
) -> None:
    reply = answer(adapt, headers, body)
    assert reply["isBase64Encoded"] is binary
    assert (base64.b64decode(reply["body"]) if binary else reply["body"].encode()) == body


def test_repeated_reply_headers(adapt: Adapt) -> None:
    headers = [(b"Set-Cookie", b"a=1"), (b"set-cookie", b"b=2"), (b"vary", b"a"), (b"vary", b"b"), (b"x-one", b"1")]
    first = answer(adapt, headers, b"x")
    assert first["headers"] == {"x-one": "1"}
    assert first["multiValueHeaders"] == {"set-cookie": ["a=1", "b=2"], "vary": ["a", "b"]}
    second = answer(adapt, headers, b"x", "v2")
    assert (second["headers"], second["cookies"]) == ({"x-one": "1", "vary": "a, b"}, ["a=1", "b=2"])


@pytest.mark.parametrize("version", EVENTS)
@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (b"text/plain", b"x" * MAX_ANSWER_BYTES),
        (b"text/plain", b'"' * (MAX_ANSWER_BYTES // 2)),
        (b"text/plain", b"\0" * (MAX_ANSWER_BYTES // 6)),
        (b"image/png", b"x" * (MAX_ANSWER_BYTES * 3 // 4)),
    ],
    ids=["plain", "escaped twice as long", "escaped six times as long", "base64"],
)
def test_reply_over_lambdas_limit(adapt: Adapt, content_type: bytes, body: bytes, version: str) -> None:
    headers = [(b"x-request-id", b"r9"), (b"content-type", content_type)]
    assert answer(adapt, headers, body[1000:], version)["statusCode"] == 200
    reply = answer(adapt, headers, body, version)
    assert (reply["statusCode"], reply["isBase64Encoded"]) == (500, False)
    assert json.loads(reply["body"]) == {"error": "reply_too_large", "request_id": "r9"}


@pytest.mark.parametrize(("python", "status"), [((3, 11), 500), ((3, 12), 200)])
def test_only_older_runtimes_escape_other_scripts(
    adapt: Adapt, monkeypatch: pytest.MonkeyPatch, python: tuple[int, int], status: int
) -> None:
    monkeypatch.setattr(lambda_adapter, "sys", types.SimpleNamespace(version_info=python))
    assert answer(adapt, [], "ü".encode() * (MAX_ANSWER_BYTES // 6))["statusCode"] == status


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
    reply = adapter.handle(event("v1", "GET", "/slow"), LambdaContext(seconds=1.3))
    assert time.monotonic() - started < 1.0
    assert (reply["statusCode"], json.loads(reply["body"])) == (504, {"error": "timeout", "request_id": "gw-1"})
    assert cancelled == [True]
    assert adapter.handle(event("v1", "GET", "/fast"), LambdaContext())["statusCode"] == 204


def test_application_that_cannot_be_cancelled(adapt: Adapt) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "http", "no lifespan"
        work = asyncio.ensure_future(asyncio.to_thread(time.sleep, 0.8))
        while not work.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.shield(work)

    started = time.monotonic()
    reply = adapt(app).handle(event("v1", "GET", "/"), LambdaContext(seconds=1.1))
    assert reply["statusCode"] == 504
    assert time.monotonic() - started < 0.7


def test_application_that_crashes_or_says_nothing(adapt: Adapt) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and scope["path"] == "/silent":
            return
        raise ValueError("broken")

    adapter = adapt(app)
    for path in ("/crash", "/silent"):
        reply = adapter.handle(event("v1", "GET", path), LambdaContext())
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

    assert adapt(app).handle(event("v1", "GET", "/"), LambdaContext())["body"] == "x"
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
    bodies = [adapter.handle(event("v1", "GET", "/"), LambdaContext())["body"] for _ in range(3)]
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
    first = lambda_adapter.handler(event("v1", "GET", "/health"), LambdaContext())
    monkeypatch.setenv("MCP_RELEASE", "r2")
    second = lambda_adapter.handler(event("v1", "GET", "/health"), LambdaContext())
    assert first["body"] == second["body"]
    stop(lambda_adapter._adapter())
    lambda_adapter._adapter.cache_clear()


def test_handler_refuses_to_run_without_authentication(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MCP_AUTH", "none")
    lambda_adapter._adapter.cache_clear()
    with pytest.raises(SettingsError, match="MCP_AUTH is 'none'"):
        lambda_adapter.handler(event("v1", "GET", "/health"), LambdaContext())


def init_on_lambda(**environment: str) -> subprocess.CompletedProcess[str]:
    """Import the adapter as Lambda does, in a process of its own."""
    code = "import gc, pratiko_mcp.lambda_adapter as a; print(a._adapter.cache_info().currsize, gc.isenabled())"
    source = str(Path(lambda_adapter.__file__).parents[1])
    lambda_environment = {
        **os.environ,
        **ENVIRONMENT,
        "PYTHONPATH": source,
        "AWS_LAMBDA_FUNCTION_NAME": "mcp",
        **environment,
    }
    return subprocess.run(
        [sys.executable, "-c", code], env=lambda_environment, capture_output=True, text=True, check=False
    )


def test_adapter_is_built_while_lambda_initialises() -> None:
    done = init_on_lambda(MCP_TABLE="documents", AWS_DEFAULT_REGION="us-east-1")
    assert done.stdout.split() == ["1", "True"], done.stderr


def test_reference_server_on_lambda_needs_a_table() -> None:
    failed = init_on_lambda()
    assert failed.returncode == 1
    assert "SettingsError: MCP_TABLE is not set" in failed.stderr
