# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTP that is wrong: headers around good messages, and bytes that are hardly HTTP."""

from __future__ import annotations

import dataclasses
import typing as t

from hypothesis import strategies as st

from tests.fuzz import hostile
from tests.fuzz.messages import requests, versions
from tests.fuzz.requests import Case, Headers, Sent, case, ending, message, post
from tests.fuzz.target import BODY_SECONDS, MAX_BODY, ORIGIN
from tests.fuzz.tokens import Credentials
from tests.fuzz.wire import Wire

NAMES = (
    b"Host",
    b"Origin",
    b"Content-Type",
    b"Accept",
    b"MCP-Protocol-Version",
    b"Mcp-Method",
    b"Mcp-Name",
    b"Mcp-Session-Id",
    b"Last-Event-ID",
    b"Content-Length",
    b"Content-Encoding",
    b"Accept-Encoding",
    b"Transfer-Encoding",
    b"Expect",
    b"Upgrade",
    b"Cookie",
    b"X-Request-Id",
    b"traceparent",
    b"X-Amzn-Trace-Id",
    b"X-Forwarded-For",
    b"Forwarded",
    b"X-Forwarded-Host",
    b"X-HTTP-Method-Override",
    b"x-mcp-origin",
)
VALUES = (
    b"",
    b" ",
    b"*",
    b"*/*",
    b"null",
    b"application/json",
    b"application/json; charset=utf-7",
    b"application/json, application/json",
    b"text/event-stream",
    b"text/plain",
    b"multipart/form-data; boundary=x",
    b"2026-07-28",
    b"2025-11-25",
    b"2024-11-05",
    b"1999-01-01",
    b"9999-99-99",
    b"2026-07-28, 2025-11-25",
    b"tools/list",
    b"tools/call",
    b"get_document",
    b"=?base64?Z2V0X2RvY3VtZW50?=",
    b"=?base64?////?=",
    b"evil.example",
    b"127.0.0.1",
    b"127.0.0.1:1",
    b"localhost",
    b"[::1]",
    b"127.0.0.1@evil.example",
    b"https://evil.example",
    b"https://app.example.com.evil.example",
    ORIGIN.encode(),
    b"gzip",
    b"identity",
    b"chunked",
    b"chunked, chunked",
    b"100-continue",
    b"websocket",
    b"h2c",
    b"0",
    b"-1",
    b"+5",
    b"0x10",
    b"5, 5",
    b"99999999999999999999",
    b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01",
    b"Root=1-5759e988-bd862e3fe1be46a994272793",
    b"../../../etc/passwd",
    b"\xff\xfe",
    b"a\tb",
    "\u00e9".encode(),
    b"a" * 5000,
    hostile.CANARY.encode(),
)
header_values = st.sampled_from(VALUES) | st.text(st.characters(codec="latin-1"), max_size=20).map(
    lambda text: text.encode("latin-1").translate(None, b"\r\n\x00")
)


@st.composite
def changed(draw: st.DrawFn, headers: Headers) -> Headers:
    """Drop, replace, repeat or add headers; the connection still ends with the answer."""
    found = [header for header in headers if header[0] != b"Connection"]
    for _ in range(draw(st.integers(1, 3))):
        name = draw(st.sampled_from([*NAMES, *(header[0] for header in found)]))
        kind = draw(st.sampled_from(["drop", "replace", "repeat", "case"]))
        if kind == "case":
            found = [(given.swapcase() if given == name else given, value) for given, value in found]
        elif kind in ("drop", "replace"):
            found = [header for header in found if header[0] != name]
        if kind in ("replace", "repeat"):
            found = [*found, (name, draw(header_values))]
    return (*draw(st.permutations(found)), (b"Connection", b"close"))


@st.composite
def header_cases(draw: st.DrawFn, port: int, credentials: Credentials) -> Case:
    """Good messages with wrong headers."""
    version, credential = draw(versions), credentials.good()
    sent = post(port, credential, version, draw(requests(version)))
    altered = dataclasses.replace(sent, headers=draw(changed(sent.headers)))
    found = case("headers", altered, credential, statuses=refusals(altered, port))
    # A body that is announced longer than it is keeps the server waiting: the sending side says that it is over.
    return dataclasses.replace(found, wire=Wire((altered.raw(),), "half")) if _is_short(altered) else found


def _is_short(sent: Sent) -> bool:
    """Tell whether more of a body is announced than comes."""
    announced = sent.values(b"content-length") or [b"0"]
    return bool(sent.values(b"transfer-encoding")) or set(announced) != {b"%d" % len(sent.body)}


def refusals(sent: Sent, port: int) -> frozenset[int]:
    """Return the statuses of a request that must be refused for its host or origin; empty for any other."""
    hosts, origins = sent.values(b"host"), sent.values(b"origin")
    if b"127.0.0.1:%d" % port not in hosts or (origins and ORIGIN.encode() not in origins):
        return frozenset({400, 403, 421})
    return frozenset()


METHODS = (
    b"GET",
    b"DELETE",
    b"PUT",
    b"PATCH",
    b"HEAD",
    b"OPTIONS",
    b"TRACE",
    b"CONNECT",
    b"PROPFIND",
    b"post",
    b"X" * 40,
)
TARGETS = (
    b"/mcp",
    b"/mcp/",
    b"/mcp//",
    b"//mcp",
    b"/MCP",
    b"/mcp/..",
    b"/mcp/../health",
    b"/%6dcp",
    b"/mcp%00",
    b"/mcp%2f..%2fmetrics",
    b"/mcp;a=b",
    b"/mcp?a=b&c=%ff",
    b"/mcp?access_token=" + hostile.CANARY.encode(),
    b"/",
    b"*",
    b"http://evil.example/mcp",
    b"/health",
    b"/health/",
    b"/ready",
    b"/metrics",
    b"/metrics?name[]=x",
    b"/.well-known/jwks.json",
    b"/.well-known/oauth-protected-resource",
    b"/.well-known/oauth-protected-resource/mcp",
    b"/.well-known/oauth-authorization-server",
    b"/.well-known/../etc/passwd",
    b"/.env",
    b"/openapi.json",
    b"/sse",
    b"/messages/?session_id=1",
    b"/%ff%fe",
    b"/" + b"a" * 6000,
)


@st.composite
def route_cases(draw: st.DrawFn, port: int, credentials: Credentials) -> Case:
    """Any method on any path, with a body or without."""
    version, credential = draw(versions), credentials.good()
    sent = post(port, credential, version, draw(requests(version)))
    if draw(st.booleans()):
        sent = dataclasses.replace(sent, headers=without(sent.headers, b"Content-Length"), body=b"")
    method, target = draw(st.sampled_from(METHODS)), draw(st.sampled_from(TARGETS))
    if draw(st.booleans()):
        sent = dataclasses.replace(sent, headers=draw(changed(sent.headers)))
    altered = dataclasses.replace(sent, method=method, target=target)
    return Case("routes", Wire((altered.raw(),), "half" if _is_short(altered) else "read"), credential, (altered,))


@st.composite
def cut_up(draw: st.DrawFn, data: bytes) -> tuple[bytes, ...]:
    """Cut bytes into some parts."""
    places = sorted(draw(st.lists(st.integers(0, len(data)), max_size=6)))
    return tuple(data[start:end] for start, end in zip([0, *places], [*places, len(data)], strict=True))


SIZES = ("%x", "%x", "%X", "00%x")
WRONG_SIZES = ("-%x", "0x%x", "%xg", "f000000000000%x", "", "%x\x00")
ENDS = (b"0\r\n\r\n", b"0\r\n\r\n", b"0\r\nX-Trailer: a\r\n\r\n")
WRONG_ENDS = (b"", b"0\r\n", b"0\n\n", b"1\r\n\r\n\r\n")


@st.composite
def chunk_cases(draw: st.DrawFn, port: int, credentials: Credentials) -> Case:
    """Bodies in chunks, in packets of any size; some chunks are not what they say."""
    version, credential, wrong = draw(versions), credentials.good(), draw(st.booleans())
    sent = post(port, credential, version, draw(requests(version)))
    size = draw(st.sampled_from(SIZES + WRONG_SIZES if wrong else SIZES))
    extension = draw(st.sampled_from([b"", b"", b";a=b", b';a="b\\"c"', b" "]))
    chunks = [
        size.replace("%x", f"{len(part):x}").replace("%X", f"{len(part):X}").encode() + extension + b"\r\n" + part
        for part in draw(cut_up(sent.body))
        if part
    ]
    body = b"\r\n".join((*chunks, draw(st.sampled_from(ENDS + WRONG_ENDS if wrong else ENDS))))
    kept = sent.headers if wrong and draw(st.booleans()) else without(sent.headers, b"Content-Length")
    coded = dataclasses.replace(sent, headers=(*kept, (b"Transfer-Encoding", b"chunked")), body=body)
    parts = draw(cut_up(coded.raw()))
    end: t.Any = "half" if wrong else ending(sent.body)
    wire = Wire(parts, end, draw(st.sampled_from([0.0, 0.002])))
    return Case("chunks", wire, credential, said=sent.body)


@st.composite
def large_cases(draw: st.DrawFn, port: int, credentials: Credentials) -> Case:
    """Bodies around the limit, announced or not."""
    size = MAX_BODY + draw(st.sampled_from([-1, 0, 1, 100, MAX_BODY, 16 * MAX_BODY]))
    version, credential = draw(versions), credentials.good()
    empty = message("tools/call", {"name": "get_document", "arguments": {"document_id": ""}}, version)
    text = "x" * (size - len(post(port, credential, version, empty).body))
    sent = post(port, credential, version, message("tools/call", _reading(text), version))
    statuses = frozenset({413}) if size > MAX_BODY else frozenset()
    if draw(st.booleans()):
        kept = without(sent.headers, b"Content-Length")
        body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(sent.body), sent.body)
        sent = dataclasses.replace(sent, headers=(*kept, (b"Transfer-Encoding", b"chunked")), body=body)
    return Case("large", Wire((sent.raw(),)), credential, statuses=statuses)


def _reading(document_id: str) -> dict[str, t.Any]:
    return {"name": "get_document", "arguments": {"document_id": document_id}}


LINES = (
    b"POST /mcp\r\n\r\n",
    b"POST /mcp HTTP/0.9\r\n\r\n",
    b"POST /mcp HTTP/9.9\r\n\r\n",
    b"POST  /mcp  HTTP/1.1\r\n\r\n",
    b"POST /m cp HTTP/1.1\r\n\r\n",
    b"POST /mcp HTTP/1.1\n\n",
    b"\r\n\r\n\r\n",
    b"\x00" * 100,
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\xaa" * 200,
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n",
    b"SSH-2.0-x\r\n",
    b"GET /health HTTP/1.1\r\n" + b"a: b\r\n" * 3000,
    b"GET /health HTTP/1.1\r\nHost: a\r\n b: folded\r\n\r\n",
    b"GET /health HTTP/1.1\r\nHost : a\r\n\r\n",
    b"GET /health HTTP/1.1\r\nHo\x00st: a\r\n\r\n",
    b"GET /health HTTP/1.1\r\nHost: a\x00b\r\n\r\n",
    b"GET /health HTTP/1.1\r\nHost: a\rb\r\n\r\n",
    b"GET /health HTTP/1.1\r\n: a\r\n\r\n",
    b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /health HTTP/1.0\r\n\r\n",
    b"GET \xff\xfe HTTP/1.1\r\nHost: a\r\n\r\n",
)


@st.composite
def garbage_cases(draw: st.DrawFn, port: int, credentials: Credentials) -> Case:
    """Bytes that are no HTTP, or a request that damage was done to."""
    credential = credentials.good()
    whole = requests("2025-11-25").map(lambda document: post(port, credential, "2025-11-25", document).raw())
    data = draw(st.one_of(st.sampled_from(LINES), st.binary(max_size=200), hostile.damaged(whole)))
    end: t.Any = draw(st.sampled_from(["half", "leave", "reset"]))
    return Case("garbage", Wire((data,), end), credential)


@st.composite
def leaving_cases(draw: st.DrawFn, port: int, credentials: Credentials) -> Case:
    """Good requests whose client goes away at any moment."""
    version, credential = draw(versions), credentials.good()
    raw = post(port, credential, version, draw(requests(version))).raw()
    cut = draw(st.just(len(raw)) | st.integers(1, len(raw)))
    end: t.Any = draw(st.sampled_from(["half", "leave", "reset", "taste"])) if cut == len(raw) else "leave"
    return Case("leaving", Wire((raw[:cut],), end), credential)


@st.composite
def pipeline_cases(draw: st.DrawFn, port: int, credentials: Credentials) -> Case:
    """Several requests in one go, each with an answer of its own, in their order."""
    credential = credentials.good()
    sent = []
    for number in range(draw(st.integers(2, 4))):
        version = draw(versions)
        method = draw(st.sampled_from(["tools/list", "ping", "resources/list"]))
        sent.append(post(port, credential, version, message(method, {}, version, f"p{number}")))
    kept = [dataclasses.replace(each, headers=without(each.headers, b"Connection")) for each in sent[:-1]]
    data = b"".join(each.raw() for each in (*kept, sent[-1]))
    return Case("pipelines", Wire(draw(cut_up(data))), credential, (*kept, sent[-1]))


def without(headers: Headers, name: bytes) -> Headers:
    """Return the headers but one."""
    return tuple(header for header in headers if header[0] != name)


@st.composite
def slow_case(draw: st.DrawFn, port: int, credentials: Credentials) -> Case:
    """A body that drips, or stops: its client is told so."""
    version, credential = draw(versions), credentials.good()
    sent = post(port, credential, version, draw(requests(version)))
    head, body = sent.raw()[: -len(sent.body)], sent.body
    drops = draw(st.integers(0, 5))
    parts = (head, *(body[place : place + 1] for place in range(drops)))
    return Case("slow", Wire(parts, "read", BODY_SECONDS / 4), credential, statuses=frozenset({408}))


def slow_cases(port: int, credentials: Credentials) -> st.SearchStrategy[tuple[Case, ...]]:
    """Several of them at once, each of which takes its time."""
    return st.lists(slow_case(port, credentials), min_size=1, max_size=8).map(tuple)
