# SPDX-License-Identifier: MIT
"""Bad input: the protocol's own error, with the request's own id, and nothing of the server's inside."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from pratiko_mcp import endpoint
from pratiko_mcp.messages import read_message
from pratiko_mcp.outcome import ReplyReader
from pratiko_mcp.runtime import Runtime, create_app

from tests.unit.app.served import (
    LEGACY,
    MODERN,
    Reply,
    ask,
    bearer,
    headers_of,
    request,
    serve_calls,
    settings,
    token,
)

HOSTILE_IDS = ["", "\x00\n\r\u2028", '"}],{"id":2', "\U0001f600" * 50, "../../etc/passwd", -1, 2**63, 10**100, 0, "1e5"]


@pytest.fixture
def app(users_server: Any) -> Iterator[Runtime]:
    yield create_app(settings())


def send(app: Runtime, body: bytes, version: str = LEGACY, **headers: str) -> Reply:
    return serve_calls(app, ("POST", {**headers_of(version), **bearer(), **headers}, body))[0]


MALFORMED = {
    "empty": (b"", -32700),
    "not JSON": (b"{", -32700),
    "not UTF-8": (b'{"method": "\xff"}', -32700),
    "UTF-16": ('{"method": "ping"}'.encode("utf-16"), -32700),
    "NaN": (b'{"jsonrpc": "2.0", "id": NaN, "method": "ping"}', -32700),
    "infinite number": (b'{"id": 1e999, "method": "ping"}', -32700),
    "huge integer": (b'{"id": ' + b"9" * 5000 + b', "method": "ping"}', -32700),
    "half a surrogate pair": (b'{"id": "\\ud800", "method": "ping"}', -32700),
    "two documents": (b'{"id": 1, "method": "ping"} {}', -32700),
    "deep": (b'{"params": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", -32700),
    "deep objects": (b'{"a":' * 5000 + b"1" + b"}" * 5000, -32700),
    "batch": (b'[{"jsonrpc": "2.0", "id": 1, "method": "ping"}]', -32600),
    "empty batch": (b"[]", -32600),
    "text": (b'"ping"', -32600),
    "null": (b"null", -32600),
    "call without a name": (b'{"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {}}', -32602),
    "call of a number": (b'{"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": 1}}', -32602),
}


@pytest.mark.parametrize("name", MALFORMED)
@pytest.mark.parametrize("version", [LEGACY, MODERN])
def test_malformed(app: Runtime, name: str, version: str, capsys: pytest.CaptureFixture[str]) -> None:
    body, code = MALFORMED[name]
    reply = send(app, body, version)
    assert (reply.status, reply.json["jsonrpc"], reply.json["error"]["code"]) == (400, "2.0", code)
    assert reply.json["id"] == (7 if code == -32602 else None)
    assert len(reply.body) < 500
    written = capsys.readouterr().out
    assert "Traceback" not in reply.body.decode() + written
    assert json.loads(written.splitlines()[-1])["outcome"] == "protocol_error"


ODD = {
    "no message": b'{"": "c4n4ry"}',
    "no version": b'{"id": 1, "method": "ping"}',
    "wrong version": b'{"jsonrpc": "1.0", "id": 1, "method": "ping"}',
    "no method": b'{"jsonrpc": "2.0", "id": 1}',
    "method is a number": b'{"jsonrpc": "2.0", "id": 1, "method": 1}',
    "id is an object": b'{"jsonrpc": "2.0", "id": {"c4n4ry": 1}, "method": "ping"}',
    "id is a fraction": b'{"jsonrpc": "2.0", "id": 1.5, "method": "ping"}',
    "params are text": b'{"jsonrpc": "2.0", "id": 1, "method": "ping", "params": "c4n4ry"}',
}


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("version", [LEGACY, MODERN])
def test_an_object_that_is_no_message(
    app: Runtime, name: str, version: str, capsys: pytest.CaptureFixture[str]
) -> None:
    reply = send(app, ODD[name], version)
    assert (reply.status, reply.json["error"]["code"]) == (400, -32600)
    assert reply.json["id"] == (None if name in ("no message", "id is an object", "id is a fraction") else 1)
    told = reply.body.decode() + capsys.readouterr().out
    assert "pydantic" not in told and "c4n4ry" not in told and len(reply.body) < 300


@pytest.mark.parametrize("version", [LEGACY, MODERN])
def test_a_request_that_has_a_result_too_is_served_as_a_request(app: Runtime, version: str) -> None:
    body = json.loads(request(version, "tools/list")) | {"result": {}}
    reply = serve_calls(app, ("POST", {**headers_of(version, "tools/list"), **bearer()}, json.dumps(body).encode()))[0]
    assert reply.result["result"]["tools"]


@pytest.mark.parametrize("id", HOSTILE_IDS, ids=range(len(HOSTILE_IDS)))
@pytest.mark.parametrize("version", [LEGACY, MODERN])
def test_an_id_is_echoed_exactly(users_server: Any, id: object, version: str) -> None:
    app = create_app(settings(MCP_TOOL_SCOPES='{"*": ["admin"]}', MCP_ENTRYPOINT="users_server:app"))
    headers = {**headers_of(version), **bearer()}
    reply = ask(app, "POST", "/mcp", headers=headers, body=request(version, "tools/call", id, name="greet"))
    assert reply.json["error"]["code"] == -32003
    assert (type(reply.json["id"]), reply.json["id"]) == (type(id), id)


@pytest.mark.parametrize("version", [LEGACY, MODERN])
def test_an_unknown_tool_and_wrong_arguments(app: Runtime, version: str) -> None:
    unknown, wrong = serve_calls(
        app,
        *(
            ("POST", {**headers_of(version, name=name), **bearer()}, request(version, "tools/call", name=name, **given))
            for name, given in (("no\nsuch", {}), ("greet", {"arguments": {"name": {"a": 1}}}))
        ),
    )
    for reply in (unknown, wrong):
        assert reply.status < 500
        found = reply.result
        assert "error" in found or found["result"]["isError"] is True
        assert "Traceback" not in reply.body.decode()


@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": "text/plain"},
        {"accept": "image/png"},
        {"mcp-protocol-version": "1999-01-01"},
        {"mcp-protocol-version": "2026-07-28' OR 1=1"},
        {"mcp-method": "tools/list"},
        {"mcp-name": "other"},
        {"mcp-session-id": "x" * 5000},
        {"content-length": "-1"},
        {"content-length": "x"},
        {"traceparent": "00-" + "z" * 9000},
        {"x-request-id": "a\x01b"},
        {"cookie": "session=secret"},
    ],
    ids=str,
)
@pytest.mark.parametrize("version", [LEGACY, MODERN])
def test_wrong_headers(app: Runtime, headers: dict[str, str], version: str, capsys: pytest.CaptureFixture[str]) -> None:
    reply = send(app, request(version, "tools/call", name="greet", arguments={"name": "Bob"}), version, **headers)
    written = capsys.readouterr().out
    assert reply.status < 500
    assert "Traceback" not in reply.body.decode() + written
    assert "secret" not in reply.body.decode() + written
    assert len(written.splitlines()[-1]) < 2000


@pytest.mark.parametrize(
    "name",
    ["host", "origin", "authorization", "content-type", "mcp-session-id", "mcp-protocol-version", "mcp-name"],
)
def test_a_header_that_says_two_things(users_server: Any, name: str) -> None:
    """The server behind might believe the other one."""
    app = create_app(settings(MCP_ENTRYPOINT="users_server:app"))
    good = {"host": "mcp.example.com", "origin": "https://app.example.com", **headers_of(MODERN), **bearer()}
    pairs = [(name, "first"), *good.items(), ("accept", "text/html")]
    reply = ask(app, "POST", "/mcp", [*pairs, (name, "last")], request(MODERN, "ping"))
    assert (reply.status, reply.json) == (400, {"error": "repeated_header", "header": name})
    assert ask(app, "POST", "/mcp", pairs[1:], request(MODERN, "ping")).status == 200


TOKENS = {
    "nothing": "",
    "another scheme": "Basic YWxpY2U6c2VjcmV0",
    "no token": "Bearer",
    "not a token": "Bearer abc",
    "two dots": "Bearer ..",
    "no signature": "Bearer " + token().rpartition(".")[0] + ".",
    "another signature": "Bearer " + token()[:-4] + "AAAA",
    "no algorithm": "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0.",
    "expired": "Bearer " + token(exp=1),
    "another audience": "Bearer " + token(aud="other"),
    "another issuer": "Bearer " + token(iss="https://evil.example"),
    "long": "Bearer " + "a" * 100_000,
    "bytes": "Bearer \xff\xfe",
    "two tokens": f"Bearer {token()} {token()}",
    "a line break": "Bearer " + token().replace(".", "\n.", 1),
}


@pytest.mark.parametrize("name", TOKENS)
def test_broken_tokens(app: Runtime, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    headers = {**headers_of(MODERN), "authorization": TOKENS[name]}
    # Headers are bytes: what is not ASCII comes as Latin-1.
    reply = ask(app, "POST", "/mcp", headers=headers, body=request(MODERN, "ping"))
    assert reply.status == 401
    assert reply.headers["www-authenticate"].startswith("Bearer resource_metadata=")
    line = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (line["outcome"], line["level"]) == ("refused", "INFO")
    secret = TOKENS[name].removeprefix("Bearer ").strip()
    assert len(secret) < 4 or secret not in json.dumps(line) + reply.body.decode()


def judged(content_type: bytes, *parts: bytes) -> str:
    reader = ReplyReader()
    reader.start(content_type)
    for number, part in enumerate(parts, 1):
        reader.feed(part, number == len(parts))
    return reader.outcome


FAILED = b'{"jsonrpc":"2.0","id":1,"result":{"content":[],"isError":true}}'
ERROR = b'{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"no such tool"}}'


@pytest.mark.parametrize(
    ("body", "outcome"),
    [
        (FAILED, "tool_error"),
        (FAILED.replace(b":true", b" : true"), "tool_error"),
        (FAILED.replace(b"true", b"false"), ""),
        (ERROR, "protocol_error"),
        (ERROR.replace(b"-32602", b"-32603"), "server_error"),
        (b'{"result":{"content":[{"text":"\\"isError\\":true"}],"isError":false}}', ""),
        (b'{"result":{"structuredContent":{"isError":true,"error":{"code":1}}}}', ""),
        (b'{"method":"sampling/createMessage","params":{"error":{}},"error":{}}', ""),
        (b'{"result":{"isError":true', ""),
        (b'["error"]', ""),
        (b"", ""),
    ],
)
def test_how_a_call_ended(body: bytes, outcome: str) -> None:
    events = b": ping\r\n\r\nevent: message\r\ndata: {}\r\n\r\nevent: message\r\ndata: " + body + b"\r\n\r\n"
    assert judged(b"application/json", body) == outcome
    assert judged(b"application/json; charset=utf-8", body[:30], body[30:]) == outcome
    assert judged(b"Text/Event-Stream", events) == outcome
    for size in (1, 7, 40):
        assert judged(b"text/event-stream", *(events[at : at + size] for at in range(0, len(events), size))) == outcome
    assert judged(b"text/event-stream", events.replace(b"\r\n", b"\n")) == outcome
    assert judged(b"text/plain", body) == ""


def test_outcomes_in_the_log(app: Runtime, users_server: Any, capsys: pytest.CaptureFixture[str]) -> None:
    @users_server.mcp.tool()
    def fail() -> str:
        raise ValueError("on purpose")

    calls = [
        ("POST", {**headers_of(version, name=name), **bearer()}, request(version, "tools/call", name=name, **given))
        for version in (LEGACY, MODERN)
        for name, given in (("greet", {"arguments": {"name": "Bob"}}), ("fail", {}), ("absent", {}))
    ]
    serve_calls(app, *calls)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"event": "request"' in line]
    assert [line["outcome"] for line in lines if line["tool"] == "greet"] == ["ok", "ok"]
    assert [line["outcome"] for line in lines if line["tool"] == "fail"] == ["tool_error", "tool_error"]
    assert all(line["outcome"] in ("tool_error", "protocol_error") for line in lines if line["tool"] == "absent")


def test_a_large_body_is_read_apart_from_the_other_requests(users_server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[str] = []

    def reading(body: bytes) -> Any:
        threads.append(threading.current_thread().name)
        return read_message(body)

    monkeypatch.setattr(endpoint, "read_message", reading)
    app = create_app(settings(MCP_ENTRYPOINT="users_server:app"))
    for size in (1, 256 * 1024):
        ask(app, "POST", "/mcp", headers=bearer(), body=request(LEGACY, "ping", text="x" * size))
    assert threads[0] == "MainThread" != threads[1]
    reply = ask(app, "POST", "/mcp", headers=bearer(), body=b"[" * 300_000)
    assert (reply.status, reply.json["error"]["code"]) == (400, -32700)


TOOLS = b'{"result":{"tools":[{"name":"a"},{"name":"b"},{"name":7},"c",{}]}}'


@pytest.mark.parametrize(
    ("body", "names"),
    [(TOOLS, ["a", "b"]), (b'{"result":{"tools":{}}}', []), (b'{"result":{}}', []), (b"{", []), (b"\x1f\x8b", [])],
)
def test_names_of_a_listing(body: bytes, names: list[str]) -> None:
    for content_type, sent in ((b"application/json", body), (b"text/event-stream", b"data: " + body + b"\n\n")):
        reader = ReplyReader(listing=True)
        reader.start(content_type)
        reader.feed(sent[:9], False)
        reader.feed(sent[9:], True)
        assert reader.tools == names
