# SPDX-License-Identifier: MIT
"""What counts as one JSON-RPC message, and that the inner server gets what was checked."""

from __future__ import annotations

import json
from typing import Any

import pydantic_core
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pratiko_mcp.messages import (
    INVALID_PARAMS,
    INVALID_REQUEST,
    MAX_DEPTH,
    PARSE_ERROR,
    Malformed,
    NotJson,
    canonical,
    decode_json,
    encode_json,
    error_reply,
    read_message,
)

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
DOCUMENTS = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=30)


def body(**fields: Any) -> bytes:
    return json.dumps({"jsonrpc": "2.0", **fields}).encode()


def refusal(text: bytes) -> Malformed:
    with pytest.raises(Malformed) as caught:
        read_message(text)
    return caught.value


@pytest.mark.parametrize(
    ("method", "params", "name"),
    [
        ("tools/call", {"name": "save", "arguments": {"name": "x"}}, "save"),
        ("prompts/get", {"name": "greet", "uri": "x"}, "greet"),
        ("resources/read", {"uri": "doc://1", "name": "x"}, "doc://1"),
        ("resources/read", {"name": "x"}, None),
        ("prompts/get", {"name": ["greet"]}, None),
        ("tools/list", {"name": "x"}, None),
        ("tools/list", None, None),
    ],
)
def test_what_a_request_is_about(method: str, params: Any, name: str | None) -> None:
    message = read_message(body(id=1, method=method, params=params))
    assert (message.kind, message.id, message.method, message.name) == ("request", 1, method, name)
    assert message.document["params"] == params


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"method": "ping", "id": 1}, "request"),
        ({"method": "ping"}, "notification"),
        ({"method": "ping", "id": 1, "result": {}}, "request"),
        ({"method": "ping", "params": None, "more": 1}, "notification"),
        ({"id": "a", "result": {}}, "response"),
        ({"id": 1, "result": {}, "error": None}, "response"),
        ({"id": 1, "error": {"code": -1, "message": "no"}}, "response"),
        ({"id": None, "error": {"code": -1, "message": "no"}}, "response"),
    ],
)
def test_kinds(fields: dict[str, Any], kind: str) -> None:
    assert read_message(body(**fields)).kind == kind


NO_MESSAGES: dict[str, tuple[dict[str, Any], str]] = {
    "nothing": ({}, "is neither"),
    "no version": ({"jsonrpc": None, "method": "ping"}, 'jsonrpc must be "2.0"'),
    "a number as version": ({"jsonrpc": 2.0, "method": "ping"}, 'jsonrpc must be "2.0"'),
    "method is a number": ({"method": 7}, "method must be a string"),
    "method is null": ({"method": None, "result": {}}, "method must be a string"),
    "params are a list": ({"method": "ping", "params": ["c4n4ry"]}, "params must be an object"),
    "params are text": ({"method": "ping", "params": "c4n4ry"}, "params must be an object"),
    "result is text": ({"result": "c4n4ry"}, "is neither"),
    "error is text": ({"error": "c4n4ry"}, "is neither"),
    "error without a code": ({"error": {"message": "c4n4ry"}}, "is neither"),
    "error without a message": ({"error": {"code": 1, "message": ["c4n4ry"]}}, "is neither"),
}


@pytest.mark.parametrize("name", NO_MESSAGES)
def test_an_object_that_is_no_message(name: str) -> None:
    fields, reason = NO_MESSAGES[name]
    refused = refusal(body(**({"id": 7, "c4n4ry": "c4n4ry"} | fields)))
    assert (refused.code, refused.id) == (INVALID_REQUEST, 7)
    assert reason in refused.text
    assert "c4n4ry" not in refused.text and len(refused.text) < 200


@pytest.mark.parametrize("id", [None, True, 1.5, [], {"c4n4ry": 1}])
@pytest.mark.parametrize("fields", [{"method": "ping"}, {"result": {}}], ids=str)
def test_an_id_is_text_or_an_integer(fields: dict[str, Any], id: object) -> None:
    refused = refusal(body(id=id, **fields))
    assert (refused.code, refused.id) == (INVALID_REQUEST, None)
    assert "id" in refused.text and "c4n4ry" not in refused.text


@pytest.mark.parametrize("fields", [{"result": {}}, {"error": {"code": 1, "message": "no"}}], ids=str)
def test_a_response_names_what_it_answers(fields: dict[str, Any]) -> None:
    assert refusal(body(**fields)).code == INVALID_REQUEST


@pytest.mark.parametrize("name", ["", ',"params":{}', ',"params":{"name":7}', ',"params":null'])
@pytest.mark.parametrize("id", ["", ',"id":9'])
def test_a_call_without_a_tool_s_name_is_refused(id: str, name: str) -> None:
    refused = refusal(f'{{"jsonrpc":"2.0","method":"tools/call"{id}{name}}}'.encode())
    assert (refused.code, refused.id) == (INVALID_PARAMS, 9 if id else None)
    assert "params.name" in refused.text


@pytest.mark.parametrize(
    ("sent", "echoed"),
    [
        ("0", 0),
        ("-7", -7),
        ("9007199254740993", 9007199254740993),
        ('"7"', "7"),
        ('""', ""),
        ('"\\ud83d\\ude00\\u0000"', "😀\0"),
    ],
)
def test_ids_are_echoed_as_they_came(sent: str, echoed: object) -> None:
    message = read_message(f'{{"jsonrpc":"2.0","id":{sent},"method":"ping"}}'.encode())
    assert message.id == echoed and type(message.id) is type(echoed)
    assert error_reply(message.id, -32600, "no")["id"] == echoed


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"", "Expecting value"),
        (b"{", "Expecting property name"),
        (b"{'a':1}", "Expecting property name"),
        (b'{"a":1} {"a":2}', "Extra data"),
        (b'{"a":"\n"}', "Invalid control character"),
        (b'{"a":NaN}', "NaN is not JSON"),
        (b'{"a":-Infinity}', "-Infinity is not JSON"),
        (b'{"a":1e400}', "out of range"),
        (b'{"a":-1e400}', "out of range"),
        (b'{"a":' + b"9" * 5000 + b"}", "out of range"),
        (b'{"a":"\\ud800"}', "surrogate"),
        (b'{"\\uDC00":1}', "surrogate"),
        (b'{"a":"\\ud83d\\u0041"}', "surrogate"),
        (b'{"a":"\xff"}', "not UTF-8 at byte 6"),
        (b'{"a":"\xed\xa0\x80"}', "not UTF-8 at byte 6"),
        (b'\xef\xbb\xbf{"a":1}', "Expecting value"),
        ('{"a":1}'.encode("utf-16"), "not UTF-8 at byte 0"),
        (b"[" * 100_000, "nested deeper"),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "nested deeper"),
        (b'{"a":' * 300 + b"1" + b"}" * 300, "nested deeper"),
    ],
)
def test_what_is_not_json(text: bytes, reason: str) -> None:
    refused = refusal(text)
    assert (refused.code, refused.id) == (PARSE_ERROR, None)
    assert reason in refused.text
    assert len(refused.text) < 200


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"[]", "a batch"),
        (b'[{"id":1,"method":"ping"}]', "a batch"),
        (b"1", "not an object"),
        (b"null", "not an object"),
    ],
)
def test_what_is_not_a_message(text: bytes, reason: str) -> None:
    refused = refusal(text)
    assert (refused.code, refused.id) == (INVALID_REQUEST, None)
    assert reason in refused.text


def nested(depth: int) -> bytes:
    return b"[" * depth + b"]" * depth


def test_as_deep_as_the_sdk_reads() -> None:
    assert decode_json(nested(MAX_DEPTH)) == pydantic_core.from_json(nested(MAX_DEPTH))
    with pytest.raises(NotJson, match=f"nested deeper than {MAX_DEPTH} levels"):
        decode_json(nested(MAX_DEPTH + 1))


def test_many_brackets_are_not_depth() -> None:
    wide = [{"a": [index]} for index in range(1000)]
    assert decode_json(encode_json(wide)) == wide
    assert decode_json(encode_json("[" * 1000)) == "[" * 1000


def test_of_a_key_that_came_twice_the_inner_server_gets_the_one_that_was_checked() -> None:
    message = read_message(
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"drop"},"params":{"name":"r","name":"get"}}'
    )
    assert message.name == "get"
    assert canonical(message) == b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"get"}}'


def test_text_beyond_ascii_stays_what_it_is() -> None:
    text = '{"jsonrpc":"2.0","id":"😀","method":"ping","params":{"a":"ü\\u2028\\u0000"}}'
    assert json.loads(canonical(read_message(text.encode()))) == json.loads(text)


@given(DOCUMENTS)
def test_what_is_served_is_what_was_read(value: Any) -> None:
    try:
        message = read_message(body(id=1, method="tools/list", params={"value": value}))
    except Malformed as refused:
        assert "surrogate" in refused.text or "nested" in refused.text
        return
    assert message.document["params"] == {"value": value}
    assert json.loads(canonical(message)) == message.document
    assert pydantic_core.from_json(canonical(message)) == message.document


@given(st.binary() | st.text().map(str.encode) | DOCUMENTS.map(lambda value: json.dumps(value).encode()))
def test_no_body_brings_the_reader_down(text: bytes) -> None:
    try:
        message = read_message(text)
    except Malformed as refused:
        json.dumps(error_reply(refused.id, refused.code, refused.text)).encode()
    else:
        assert read_message(canonical(message)) == message


def test_an_error_carries_data_only_when_there_is_some() -> None:
    assert error_reply("a", -32003, "no", {"scope": "x"}) == {
        "jsonrpc": "2.0",
        "id": "a",
        "error": {"code": -32003, "message": "no", "data": {"scope": "x"}},
    }
    assert "data" not in error_reply(None, -32003, "no")["error"]
