# SPDX-License-Identifier: MIT
"""JSON-RPC messages as the runtime sees them: read once, strictly, and served as they were read."""

from __future__ import annotations

import json
import math
from types import NoneType
from typing import Any, Literal, NamedTuple

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
INVALID_PARAMS = -32602
# Ours, from the range that JSON-RPC leaves to implementations.
TIMEOUT = -32001
INSUFFICIENT_SCOPE = -32003
RATE_LIMITED = -32004
TOOL_DISABLED = -32005

# As deep as pydantic's own JSON parser goes, which is behind every message of the MCP SDK.
MAX_DEPTH = 200

# The parameter that says what a method is about.
_NAMED_BY = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}


class Message(NamedTuple):
    """A checked message. ``id`` is a string, an integer, or None; ``name`` is the tool, prompt or resource URI."""

    kind: Literal["request", "notification", "response"]
    id: str | int | None
    method: str
    name: str | None
    document: Any


class Malformed(ValueError):
    """A body that is not one JSON-RPC message; ``code``, ``text`` and ``id`` make the error reply."""

    def __init__(self, code: int, text: str, id: str | int | None = None) -> None:
        super().__init__(text)
        self.code = code
        self.text = text
        self.id = id


def read_message(body: bytes) -> Message:
    """Read one message; what else may be wrong with it is the inner server's to say.

    :raises Malformed: not JSON, a batch, no JSON-RPC message, or a call of a tool whose name is not text
    """
    try:
        document = decode_json(body)
    except NotJson as error:
        raise Malformed(PARSE_ERROR, f"Parse error: {error}") from error
    if not isinstance(document, dict):
        found = "a batch, which MCP does not have" if isinstance(document, list) else "not an object"
        raise Malformed(INVALID_REQUEST, f"Invalid request: the body is {found}. Send one JSON-RPC message at a time.")
    id = _id(document.get("id"))
    if problem := _problem(document, id):
        raise Malformed(INVALID_REQUEST, f"Invalid request: {problem}.", id)
    if "method" not in document:
        return Message("response", id, "", None, document)
    method = document["method"]
    name = _name(method, document.get("params"))
    if name is None and method == "tools/call":
        # What cannot be named cannot be checked, and an inner server might make a name of it.
        raise Malformed(INVALID_PARAMS, "Invalid params: tools/call needs params.name, a string.", id)
    return Message("request" if "id" in document else "notification", id, method, name, document)


def may_be_call(body: bytes) -> bool:
    """Tell whether some reader may find a request or notification in a body, however lenient it is."""
    try:
        # As text, numbers of any size are read. Bytes may be UTF-16 or UTF-32 here.
        document = json.loads(body, parse_int=str, parse_float=str)
    except RecursionError:
        return True
    except ValueError:
        return False
    parts = document if isinstance(document, list) else [document]
    return any(isinstance(part, dict) and "jsonrpc" in part and "method" in part for part in parts)


def _problem(document: dict[str, Any], id: str | int | None) -> str:
    """Say why an object is no JSON-RPC message; the SDK would, at length and with the caller's own values.

    Whatever has a method is checked like a call, whatever else it claims to be.
    """
    if document.get("jsonrpc") != "2.0":
        return 'jsonrpc must be "2.0"'
    if id is None and "id" in document and (document["id"] is not None or "error" not in document):
        return "id must be a string or an integer"
    if "method" not in document:
        return "" if _is_response(document) else "the body is neither a request (with method) nor a response (with id)"
    if not isinstance(document["method"], str):
        return "method must be a string"
    return "" if isinstance(document.get("params"), (dict, NoneType)) else "params must be an object"


def _is_response(document: dict[str, Any]) -> bool:
    error = document.get("error")
    told = isinstance(error, dict) and type(error.get("code")) is int and isinstance(error.get("message"), str)
    return "id" in document and (told or isinstance(document.get("result"), dict))


def _id(value: object) -> str | int | None:
    """Return an id that may be echoed; true and 1.5 are none."""
    return value if isinstance(value, (str, int)) and not isinstance(value, bool) else None


def _name(method: str, params: object) -> str | None:
    key = _NAMED_BY.get(method)
    value = params.get(key) if key and isinstance(params, dict) else None
    return value if isinstance(value, str) else None


def canonical(message: Message) -> bytes:
    """Encode what was checked: of a key that came twice, the inner server sees the value that the checks saw."""
    return encode_json(message.document)


def error_reply(id: str | int | None, code: int, text: str, data: object = None) -> dict[str, Any]:
    """Build a JSON-RPC error."""
    error: dict[str, Any] = {"code": code, "message": text}
    if data is not None:
        error["data"] = data
    return {"jsonrpc": "2.0", "id": id, "error": error}


class NotJson(ValueError):
    """Bytes that are not JSON as RFC 8259 has it, or that are beyond what Python reads; the text says which."""


def decode_json(body: bytes) -> Any:
    """Parse UTF-8 JSON.

    :raises NotJson: NaN, a number out of range, half a surrogate pair, nested over MAX_DEPTH, or no JSON at all
    """
    try:
        document = _DECODER.decode(body.decode())
    except UnicodeDecodeError as error:
        raise NotJson(f"not UTF-8 at byte {error.start}") from error
    except RecursionError as error:
        raise NotJson(_TOO_DEEP) from error
    except json.JSONDecodeError as error:
        raise NotJson(str(error)) from error
    except NotJson:
        raise
    except ValueError as error:  # of more digits than Python makes an integer of
        raise NotJson(_OUT_OF_RANGE) from error
    # Brackets bound the depth: hardly any message has enough of them to be worth a closer look.
    if body.count(b"[") + body.count(b"{") > MAX_DEPTH and _is_too_deep(document):
        raise NotJson(_TOO_DEEP)
    if b"\\ud" in body or b"\\uD" in body:
        _refuse_half_pairs(document)
    return document


def encode_json(document: object) -> bytes:
    """Encode as compact UTF-8 JSON.

    :raises ValueError: it holds what JSON has no form for
    """
    return _ENCODER.encode(document).encode()


def _is_too_deep(document: object) -> bool:
    level = [document]
    for _ in range(MAX_DEPTH):
        level = [
            child
            for node in level
            if isinstance(node, (dict, list))
            for child in (node.values() if isinstance(node, dict) else node)
            if isinstance(child, (dict, list))
        ]
        if not level:
            return False
    return True


def _refuse_half_pairs(document: object) -> None:
    """Python reads a lone ``\\ud800``, but nobody can write it as UTF-8."""
    try:
        encode_json(document)
    except UnicodeEncodeError as error:
        raise NotJson("half of a surrogate pair in a string") from error


def _refuse_constant(name: str) -> float:
    raise NotJson(f"{name} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise NotJson(_OUT_OF_RANGE)
    return number


_OUT_OF_RANGE = "a number is out of range"
_TOO_DEEP = f"nested deeper than {MAX_DEPTH} levels"
# Made once: json.loads makes a decoder for each call that has options.
_DECODER = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_finite)
_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, check_circular=False, separators=(",", ":"))
