# SPDX-License-Identifier: MIT
"""Which scopes a tool needs, and listings that show a caller nothing else."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp.server.mcpserver import MCPServer
from pratiko_mcp.auth import Token
from pratiko_mcp.tool_access import ListingUnreadable, ToolScopes, ToolScopesError, filter_listing

JSON, SSE = "application/json", "text/event-stream"
SCOPES = ToolScopes(
    {
        "save": ["docs:write", "docs:read"],
        "docs_*": ["docs:read"],
        "docs_admin_*": ["docs:admin"],
        "docs_admin_who": [],
        "*": ["any"],
    }
)


def token(*scopes: str) -> Token:
    return Token("me", "client", scopes, 0, "https://issuer.example")


def listing(*names: str, **result: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 1, "result": {"tools": [{"name": name} for name in names], **result}}


def encoded(*names: str, **result: Any) -> bytes:
    return json.dumps(listing(*names, **result), separators=(",", ":")).encode()


def without_drop(content_type: str, body: bytes, private: bool = False) -> bytes:
    return filter_listing(content_type, body, lambda name: name != "drop", private)


@pytest.mark.parametrize(
    ("tool", "required"),
    [
        ("save", ("docs:write", "docs:read")),
        ("docs_get", ("docs:read",)),
        ("docs_", ("docs:read",)),
        ("docs", ("any",)),
        ("docs_admin_drop", ("docs:admin",)),
        ("docs_admin_who", ()),
        ("SAVE", ("any",)),
        ("", ("any",)),
    ],
)
def test_an_exact_name_wins_over_the_longest_prefix_and_that_over_all(tool: str, required: tuple[str, ...]) -> None:
    assert SCOPES.required(tool) == required
    assert SCOPES.missing(tool, token()) == required
    assert SCOPES.missing(tool, token(*required)) == ()
    assert SCOPES.missing(tool, None) == ()


def test_all_scopes_of_a_tool_are_needed_and_scopes_are_no_prefixes() -> None:
    assert SCOPES.missing("save", token("docs:read", "docs")) == ("docs:write",)
    assert SCOPES.missing("save", token("docs:write:all", "DOCS:WRITE")) == ("docs:write", "docs:read")


def test_a_tool_that_nothing_is_said_about_needs_a_token_only() -> None:
    scopes = ToolScopes({"save": ["a", "b", "a"]})
    assert scopes and scopes.required("get") == ()
    assert scopes.required("save") == ("a", "b")
    assert not ToolScopes({})


@pytest.mark.parametrize(
    ("mapping", "said"),
    [
        ({"save": "docs:write"}, "'save' has 'docs:write'. Expected a list of scopes"),
        ({"save": None}, "'save' has None"),
        ({"save": {"docs:write": 1}}, "'save' has {'docs:write': 1}"),
        ({"save": ["a b"]}, "the scope 'a b'"),
        ({"save": ['a"b']}, "the scope 'a\"b'"),
        ({"save": ["a\r\nset-cookie:x"]}, "the scope 'a\\r\\nset-cookie:x'"),
        ({"save": [""]}, "the scope ''"),
        ({"save": [7]}, "the scope 7"),
        ({"": ["a"]}, "'' is not a tool's name"),
        ({"*_save": ["a"]}, "'*_save' is not"),
        ({"a*b*": ["a"]}, "'a*b*' is not"),
        ({"**": ["a"]}, "'**' is not"),
        ({7: ["a"]}, "7 is not"),
        (["save"], "['save'] is not an object"),
    ],
)
def test_a_mapping_that_cannot_be_meant_is_refused(mapping: Any, said: str) -> None:
    with pytest.raises(ToolScopesError) as caught:
        ToolScopes(mapping)
    assert said in str(caught.value)


@pytest.mark.parametrize("content_type", [JSON, "Application/JSON; charset=utf-8"])
def test_a_json_listing_loses_what_the_caller_must_not_see(content_type: str) -> None:
    filtered = without_drop(content_type, encoded("drop", "save", "drop", "get", nextCursor="c2", ttlMs=0))
    assert json.loads(filtered) == listing("save", "get", nextCursor="c2", ttlMs=0)


def test_what_is_left_of_a_listing_keeps_every_other_field() -> None:
    tool = {"name": "save", "inputSchema": {"type": "object", "default": 1.5e300, "maximum": 2**70}, "title": "Ü\n"}
    document = {"result": {"tools": [tool, {"name": "drop"}], "_meta": {"a": None}}, "id": "ü", "jsonrpc": "2.0"}
    kept = json.loads(without_drop(JSON, json.dumps(document).encode()))
    assert kept == {**document, "result": {"tools": [tool], "_meta": {"a": None}}}


@pytest.mark.parametrize("scope", ["public", "private"])
def test_a_listing_of_one_s_own_may_not_be_shared(scope: str) -> None:
    body = encoded("save", cacheScope=scope)
    assert json.loads(without_drop(JSON, body, private=True))["result"]["cacheScope"] == "private"
    assert json.loads(without_drop(JSON, body, private=False))["result"]["cacheScope"] == scope
    assert "cacheScope" not in json.loads(without_drop(JSON, encoded("save"), private=True))["result"]


@pytest.mark.parametrize(
    "body", [b'{"jsonrpc": "2.0", "id": 1, "error": {"code": -32602, "message": "bad cursor"}}', b""]
)
def test_a_reply_without_a_result_stays_as_it_is(body: bytes) -> None:
    assert without_drop(JSON, body, private=True) == body


@pytest.mark.parametrize(
    "body",
    [
        b"<html>drop</html>",
        b'[{"result": {"tools": [{"name": "drop"}]}}]',
        b'"drop"',
        b'{"result": {"tools": {"drop": {}}}}',
        b'{"result": {"tools": null}}',
        b'{"result": {}}',
        b'{"result": ["drop"]}',
        b'{"result": {"tools": ["drop"]}}',
        b'{"result": {"tools": [{"title": "drop"}]}}',
        b'{"result": {"tools": [{"name": ["drop"]}]}}',
        b'{"result": {"tools": [], "x": NaN}}',
        b'{"result": {"tools": [{"name": "a\\ud800"}]}}',
        b'{"result": {"tools": [{"name": "drop"}]}',
        b"[" * 100_000,
        b"\x1f\x8b\x08\x00drop",
    ],
)
@pytest.mark.parametrize("content_type", [JSON, SSE])
def test_what_cannot_be_read_is_not_shown(content_type: str, body: bytes) -> None:
    stream = b"data: " + body + b"\n\n" if content_type == SSE else body
    with pytest.raises(ListingUnreadable, match="A listing cannot be read"):
        without_drop(content_type, stream)


@pytest.mark.parametrize("content_type", ["text/html", "", "application/jsonp", "text/event-stream2"])
def test_a_listing_of_another_type_is_not_shown(content_type: str) -> None:
    with pytest.raises(ListingUnreadable, match="not as JSON or an event stream"):
        without_drop(content_type, encoded("save"))


def test_of_a_key_that_came_twice_only_the_filtered_one_is_left() -> None:
    body = b'{"result":{"tools":[{"name":"drop"}],"tools":[{"name":"drop","name":"save"}]},"id":1,"id":2}'
    assert without_drop(JSON, body) == b'{"result":{"tools":[{"name":"save"}]},"id":2}'


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_only_the_event_with_the_listing_is_rewritten(end: bytes) -> None:
    before = end.join(
        (
            b": ping",
            b"",
            b"id: 0",
            b"retry: 500",
            b"data:",
            b"",
            b"data",
            b"",
            b"event: message",
            b'data:  { "method" : "notifications/message", "params": {"data": "drop"} }',
            b"",
            b"",
        )
    )
    head = end.join((b": comment", b"event: message", b"id: 7"))
    tail = end.join((b"retry: 1", b"datum: kept", b"", b""))
    after = end.join((b'data: {"method":"x"}', b"", b": bye", b"", b""))
    stream = before + end.join((head, b"data: " + encoded("save", "drop"), tail)) + after
    assert without_drop(SSE, stream) == before + end.join((head, b"data: " + encoded("save"), tail)) + after


def test_data_over_several_lines_becomes_one() -> None:
    stream = b'data: {"result":\nid: 3\ndata:{"tools": [{"name":\ndata\ndata:   "drop"}, {"name": "save"}]}}\n\n'
    assert without_drop(SSE, stream) == b'data: {"result":{"tools":[{"name":"save"}]}}\nid: 3\n\n'


@pytest.mark.parametrize("end", [b"", b"\n", b"\r", b"\r\n"])
def test_an_event_that_is_cut_short_shows_nothing_either(end: bytes) -> None:
    assert without_drop(SSE, b"\xef\xbb\xbfdata: " + encoded("drop") + end) == (b"\xef\xbb\xbfdata: " + encoded() + end)


def test_every_listing_of_a_stream_is_filtered() -> None:
    stream = b"".join(b"data: " + encoded(name) + b"\n\n" for name in ("drop", "save", "drop"))
    assert without_drop(SSE, stream).count(b"drop") == 0


NAMES = st.text(min_size=1, max_size=8)
LINES = st.sampled_from([b": c", b"id: 1", b"event: message", b"retry: 9", b"data:", b"x"])
LISTING = b'{"result":{"tools":[{"name":"drop"}]}}'
PIECES = st.sampled_from(
    [b"data", b":", b" ", b"\n", b"\r", b"id: 1", LISTING, LISTING[:20], LISTING[20:], b"{}", b"\xef\xbb\xbf"]
)
ENDS = st.sampled_from([b"\n", b"\r\n", b"\r"])


@given(st.data())
def test_no_invisible_name_is_ever_in_a_listing(data: st.DataObject) -> None:
    names = data.draw(st.lists(NAMES, max_size=6))
    hidden = data.draw(st.sets(st.sampled_from(names)) if names else st.just(set()))
    text = json.dumps(
        listing(*names), indent=data.draw(st.sampled_from([None, 1])), ensure_ascii=data.draw(st.booleans())
    )
    end, body = data.draw(ENDS), text.encode(errors="replace")
    stream = end.join([*data.draw(st.lists(LINES)), b"", *(b"data: " + line for line in body.split(b"\n")), b"", b""])
    try:
        shown = filter_listing(JSON, body, lambda name: name not in hidden, True)
        streamed = filter_listing(SSE, stream, lambda name: name not in hidden, True)
    except ListingUnreadable:
        assert b"\\ud" in body
        return
    left = [tool["name"] for tool in json.loads(shown)["result"]["tools"]]
    assert left == [name for name in json_names(body) if name not in hidden]
    assert [name for event in events(streamed) for name in json_names(event)] == left
    assert b"data: " + shown + end in streamed


@given(st.lists(PIECES, max_size=20).map(b"".join))
def test_no_stream_shows_more_to_a_client_than_to_the_filter(stream: bytes) -> None:
    try:
        filtered = without_drop(SSE, stream)
    except ListingUnreadable:
        return
    assert all("drop" not in json_names(event) for event in events(filtered.removeprefix(b"\xef\xbb\xbf")))
    if b"data" not in stream:
        assert filtered == stream


def json_names(body: bytes) -> list[str]:
    return [tool["name"] for tool in json.loads(body).get("result", {}).get("tools", [])]


def events(stream: bytes) -> list[bytes]:
    """Read a stream as a client does (WHATWG HTML, 9.2.6)."""
    found, data = [], []
    for line in stream.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n"):
        name, _, value = line.partition(b":")
        if name == b"data":
            data.append(value.removeprefix(b" "))
        elif not line and any(data):
            found.append(b"\n".join(data))
            data = []
    return found


def sdk_server() -> MCPServer:
    server = MCPServer("listing")

    @server.tool()
    def save(text: str) -> str:
        """Säve."""
        return text

    @server.tool()
    def drop(count: int) -> int:
        """Forget."""
        return count

    return server


async def ask_sdk(modern: bool, json_response: bool) -> httpx2.Response:
    """List the tools of a real server."""
    app = sdk_server().streamable_http_app(stateless_http=True, json_response=json_response)
    version = "2026-07-28" if modern else "2025-11-25"
    prefix = "io.modelcontextprotocol"
    meta = {f"{prefix}/protocolVersion": version, f"{prefix}/clientInfo": {"name": "x", "version": "1"}}
    params = {"_meta": {**meta, f"{prefix}/clientCapabilities": {}}} if modern else {}
    headers = {"accept": f"{JSON}, {SSE}", "mcp-protocol-version": version, "mcp-method": "tools/list"}
    message = {"jsonrpc": "2.0", "id": "ü", "method": "tools/list", "params": params}
    transport = httpx2.ASGITransport(app=app)
    async with app.router.lifespan_context(app), httpx2.AsyncClient(transport=transport) as client:
        return await client.post("http://127.0.0.1:8000/mcp", json=message, headers=headers)


@pytest.mark.parametrize("json_response", [True, False])
@pytest.mark.parametrize("modern", [True, False])
def test_listings_of_the_sdk(modern: bool, json_response: bool) -> None:
    reply = asyncio.run(ask_sdk(modern, json_response))
    content_type, body = reply.headers["content-type"], reply.content
    assert content_type == (JSON if modern or json_response else SSE)
    replies = (body, without_drop(content_type, body), filter_listing(content_type, body, lambda name: True, False))
    before, after, kept = (reply if content_type == JSON else events(reply)[0] for reply in replies)
    assert (json_names(before), json_names(after)) == (["save", "drop"], ["save"])
    assert json.loads(kept) == json.loads(before)
    assert json.loads(after)["id"] == "ü"


def test_a_stream_as_the_sdk_s_first_generation_writes_it() -> None:
    head = b"event: message\r\ndata: "
    body = b'{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"save","title":"S\xc3\xa4ve"},{"name":"drop"}]}}'
    left = b'{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"save","title":"S\xc3\xa4ve"}]}}'
    assert without_drop(SSE, head + body + b"\r\n\r\n") == head + left + b"\r\n\r\n"
