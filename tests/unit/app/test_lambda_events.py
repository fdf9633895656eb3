# SPDX-License-Identifier: MIT
"""Events of every HTTP trigger as ASGI scopes, and replies in the form that each of them wants."""

from __future__ import annotations

import base64
import json
import types
from typing import Any

import pytest
from pratiko_mcp import lambda_events
from pratiko_mcp.lambda_events import (
    MAX_ANSWER_BYTES,
    MAX_BALANCER_ANSWER_BYTES,
    Answer,
    Form,
    Invocation,
    read_event,
    write_answer,
)

from tests.unit.app.lambda_calls import BALANCED, KINDS, TRACE, event

INVOCATION = Invocation("invocation-1", None)


def scope_of(request: Any, invocation: Invocation = INVOCATION) -> dict[str, Any]:
    return read_event(request, invocation).scope


def header(scope: dict[str, Any], name: bytes) -> list[bytes]:
    return [value for found, value in scope["headers"] if found == name]


@pytest.mark.parametrize("kind", KINDS)
def test_scope(kind: str) -> None:
    scope = scope_of(event(kind, "POST", "/mcp", {"X-Test": "a"}))
    assert (scope["method"], scope["path"], scope["scheme"]) == ("POST", "/mcp", "https")
    assert (scope["query_string"], scope["server"]) == (b"", ("mcp.example.com", 443))
    assert header(scope, b"x-test") == [b"a"]
    assert header(scope, b"x-forwarded-for") == [b"192.0.2.1"]


@pytest.mark.parametrize("kind", KINDS)
def test_client(kind: str) -> None:
    # A load balancer tells the client's address in a header only, which the client may have begun.
    assert scope_of(event(kind, "GET", "/"))["client"] == (None if kind in BALANCED else ("192.0.2.1", 0))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("binary", [b"\x00\xff\xfe", "ü".encode()])
def test_bodies(kind: str, binary: bytes) -> None:
    encoded = event(kind, "POST", "/", body=base64.b64encode(binary).decode(), isBase64Encoded=True)
    assert read_event(encoded, INVOCATION).body == binary
    assert read_event(event(kind, "POST", "/", body="ü"), INVOCATION).body == "ü".encode()
    assert read_event(event(kind, "GET", "/", body=None), INVOCATION).body == b""


@pytest.mark.parametrize("kind", ["rest", "alb-lists"])
def test_several_values(kind: str) -> None:
    request = event(kind, "GET", "/a")
    request["multiValueHeaders"] = {"X-Test": ["a", "b"], "X-Forwarded-For": ["192.0.2.1"]}
    request["multiValueQueryStringParameters"] = {"q": ["1", "2"]}
    scope = scope_of(request)
    assert header(scope, b"x-test") == [b"a", b"b"]
    assert scope["query_string"] == b"q=1&q=2"


@pytest.mark.parametrize(("kind", "query"), [("rest", b"q=2+%26"), ("alb", b"q=2 &")])
def test_only_a_rest_api_has_decoded_the_query(kind: str, query: bytes) -> None:
    assert scope_of(event(kind, "GET", "/a", queryStringParameters={"q": "2 &"}))["query_string"] == query


def test_path_of_a_load_balancer_is_decoded() -> None:
    scope = scope_of(event("alb", "GET", "/a%20b%C3%BC"))
    assert (scope["path"], scope["raw_path"]) == ("/a bü", b"/a%20b%C3%BC")


def test_single_values_of_a_rest_api() -> None:
    request = event("rest", "GET", "/a", queryStringParameters={"q": "1"}, multiValueHeaders=None)
    assert scope_of(request)["query_string"] == b"q=1"
    assert header(scope_of(request), b"host") == [b"mcp.example.com"]


@pytest.mark.parametrize("kind", KINDS)
def test_origin_secret_does_not_reach_the_application(kind: str) -> None:
    scope = scope_of(event(kind, "GET", "/a", {"X-Mcp-Origin": "s1", "X-Mcp-Other": "kept"}))
    assert [value for name, value in scope["headers"] if name.startswith(b"x-mcp-")] == [b"kept"]


@pytest.mark.parametrize(
    ("kind", "offered"), [("rest", []), ("http", [b"gzip"]), ("url", [b"gzip"]), ("alb", [b"gzip"])]
)
def test_rest_api_is_offered_no_compression(kind: str, offered: list[bytes]) -> None:
    scope = scope_of(event(kind, "GET", "/a", {"Accept-Encoding": "gzip", "Accept": "text/html"}))
    assert (header(scope, b"accept-encoding"), header(scope, b"accept")) == (offered, [b"text/html"])


@pytest.mark.parametrize("kind", ["http", "url"])
def test_query_and_cookies_of_version_2(kind: str) -> None:
    scope = scope_of(event(kind, "GET", "/a", rawQueryString="q=1&q=2", cookies=["a=1", "b=2"]))
    assert scope["query_string"] == b"q=1&q=2"
    assert header(scope, b"cookie") == [b"a=1; b=2"]


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
    request = event("rest", "GET", path)
    request["requestContext"] = {"stage": stage}
    assert scope_of(request)["path"] == expected


def test_smallest_event() -> None:
    scope = scope_of({"httpMethod": "GET", "path": "/health"})
    assert (scope["client"], scope["pratiko_mcp.request_id"]) == (None, "invocation-1")


@pytest.mark.parametrize(
    ("kind", "trace", "expected"),
    [
        ("rest", TRACE, "gw-1"),
        ("http", TRACE, "gw-1"),
        ("url", TRACE, "gw-1"),
        ("alb", "Root=1-67891233-abcdef012345678912345678", "1-67891233-abcdef012345678912345678"),
        ("alb", "Self=1-67891234-12456789abcdef012345678;Root=1-67891233-abc", "1-67891234-12456789abcdef012345678"),
        ("alb-lists", "Root=1-67891233-abcdef012345678912345678", "1-67891233-abcdef012345678912345678"),
        ("alb", "", "invocation-1"),
    ],
)
def test_request_id(kind: str, trace: str, expected: str) -> None:
    headers = {"X-Amzn-Trace-Id": trace} if trace else {}
    assert scope_of(event(kind, "GET", "/", headers))["pratiko_mcp.request_id"] == expected


@pytest.mark.parametrize("kind", KINDS)
def test_trace_of_the_invocation(kind: str) -> None:
    invocation = Invocation("invocation-1", TRACE)
    assert header(scope_of(event(kind, "GET", "/"), invocation), b"x-amzn-trace-id") == [TRACE.encode()]
    own = event(kind, "GET", "/", {"X-Amzn-Trace-Id": "Root=1-2-3"})
    assert header(scope_of(own, invocation), b"x-amzn-trace-id") == [b"Root=1-2-3"]


def test_what_a_load_balancer_passes_on_is_known_to_come_through_it() -> None:
    request = event("alb", "GET", "/ready")
    del request["headers"]["x-forwarded-for"]
    assert header(scope_of(request), b"x-forwarded-for") == [b"unknown"]


def test_health_check_of_a_load_balancer() -> None:
    scope = scope_of(
        {
            "requestContext": {"elb": {"targetGroupArn": "arn:aws:elasticloadbalancing:us-east-1:123:targetgroup/a/b"}},
            "httpMethod": "GET",
            "path": "/health",
            "queryStringParameters": {},
            "headers": {"user-agent": "ELB-HealthChecker/2.0"},
            "body": "",
            "isBase64Encoded": False,
        }
    )
    assert (scope["path"], scope["query_string"], scope["client"]) == ("/health", b"", None)


@pytest.mark.parametrize(
    ("unknown", "outline"),
    [
        ({}, "an empty object"),
        ({"Records": [{"body": "secret"}]}, "an object with Records"),
        ({"version": "1.0", "source": "aws.events"}, "an object with version, source"),
        ({"version": "2.0", "rawPath": "/"}, "an object with version, rawPath"),
        ({"requestContext": "elb", "a": 1}, "an object with requestContext, a"),
        (["x"], "of type list"),
        ("ping", "of type str"),
        (None, "of type NoneType"),
    ],
)
def test_unknown_event(unknown: Any, outline: str) -> None:
    with pytest.raises(ValueError, match=f"this event is {outline}. Remove the other trigger") as caught:
        read_event(unknown, INVOCATION)
    assert "secret" not in str(caught.value)


FORMS = list(Form)
TEXT_HEADERS = [("content-type", "application/json"), ("x-one", "1")]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("headers", "body", "binary"),
    [
        ([("content-type", "image/png")], b"\x89PNG", True),
        ([("content-type", "text/plain; charset=latin-1")], b"\xe9", True),
        ([("content-type", "application/json"), ("content-encoding", "gzip")], b"abc", True),
        ([("Content-Type", "text/event-stream")], "data: ü\n\n".encode(), False),
        ([("content-type", "application/json")], b"{}", False),
        ([], b"plain", False),
    ],
)
def test_binary_replies_travel_as_base64(form: Form, headers: list[tuple[str, str]], body: bytes, binary: bool) -> None:
    document = write_answer(Answer(200, headers, body), form)
    assert document["isBase64Encoded"] is binary
    assert (base64.b64decode(document["body"]) if binary else document["body"].encode()) == body


def test_repeated_headers() -> None:
    headers = [("Set-Cookie", "a=1"), ("set-cookie", "b=2"), ("vary", "a"), ("vary", "b"), ("x-one", "1")]
    rest, version_2, single, lists = (write_answer(Answer(200, headers, b"x"), form) for form in FORMS)
    assert rest["headers"] == {"x-one": "1"}
    assert rest["multiValueHeaders"] == {"set-cookie": ["a=1", "b=2"], "vary": ["a", "b"]}
    assert (version_2["headers"], version_2["cookies"]) == ({"x-one": "1", "vary": "a, b"}, ["a=1", "b=2"])
    assert single["headers"] == {"x-one": "1", "vary": "a, b", "set-cookie": "a=1", "set-cookiE": "b=2"}
    assert lists["multiValueHeaders"] == {"set-cookie": ["a=1", "b=2"], "vary": ["a", "b"], "x-one": ["1"]}


@pytest.mark.parametrize(("status", "text"), [(200, "200 OK"), (421, "421 Misdirected Request"), (299, "299 Other")])
@pytest.mark.parametrize("form", FORMS)
def test_load_balancers_get_a_status_line_and_one_kind_of_headers(form: Form, status: int, text: str) -> None:
    document = write_answer(Answer(status, TEXT_HEADERS, b"{}"), form)
    balanced = form in (Form.BALANCER, Form.BALANCER_LISTS)
    assert document.get("statusDescription") == (text if balanced else None)
    assert ("headers" in document) is (form is not Form.BALANCER_LISTS)
    assert ("multiValueHeaders" in document) is (form in (Form.REST_API, Form.BALANCER_LISTS))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("content_type", "letter", "encoded"),
    [("text/plain", b"x", 1), ("text/plain", b'"', 2), ("text/plain", b"\0", 6), ("image/png", b"x", 4 / 3)],
    ids=["plain", "escaped twice as long", "escaped six times as long", "base64"],
)
def test_reply_over_the_limit(form: Form, content_type: str, letter: bytes, encoded: float) -> None:
    limit = MAX_BALANCER_ANSWER_BYTES if form in (Form.BALANCER, Form.BALANCER_LISTS) else MAX_ANSWER_BYTES
    headers = [("x-request-id", "r9"), ("content-type", content_type)]
    body = letter * int(limit / encoded)
    assert write_answer(Answer(200, headers, body[1000:]), form)["statusCode"] == 200
    document = write_answer(Answer(200, headers, body), form)
    assert (document["statusCode"], document["isBase64Encoded"]) == (500, False)
    assert json.loads(document["body"]) == {"error": "reply_too_large", "request_id": "r9"}


@pytest.mark.parametrize(("python", "status"), [((3, 11), 500), ((3, 12), 200)])
def test_only_older_runtimes_escape_other_scripts(
    monkeypatch: pytest.MonkeyPatch, python: tuple[int, int], status: int
) -> None:
    monkeypatch.setattr(lambda_events, "sys", types.SimpleNamespace(version_info=python))
    answer = Answer(200, [], "ü".encode() * (MAX_ANSWER_BYTES // 6))
    assert write_answer(answer, Form.REST_API)["statusCode"] == status
