# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""JSON-RPC messages: what is meant well, what is meant ill, and what is neither."""

from __future__ import annotations

import typing as t

from hypothesis import strategies as st

from tests.fuzz import hostile
from tests.fuzz.requests import LEGACY, LISTEN, MODERN, Case, case, message, post
from tests.fuzz.tokens import Credentials

# A few of each: what the server stores must not grow with the run.
IDS = tuple(f"doc-{number}" for number in range(8))
KEYS = tuple(f"key-{number}" for number in range(8))
TEXTS = ("short", "\u00e9\u00e8 \U0001f600", hostile.CANARY, "x" * 2000)
ARGUMENTS: dict[str, dict[str, st.SearchStrategy[t.Any]]] = {
    "save_document": {
        "document_id": st.sampled_from(IDS),
        "title": st.sampled_from(["T", hostile.CANARY]),
        "text": st.sampled_from(TEXTS),
        "expected_version": st.none() | st.integers(0, 3),
        "idempotency_key": st.none() | st.sampled_from(KEYS),
    },
    "get_document": {"document_id": st.sampled_from(IDS)},
    "list_documents": {"limit": st.integers(1, 100), "after": st.none() | st.sampled_from(IDS)},
    "search_documents": {"query": st.sampled_from(["doc", "sh", "\u00e9\u00e8"]), "limit": st.integers(1, 5)},
    "delete_document": {"document_id": st.sampled_from(IDS), "expected_version": st.none() | st.integers(0, 3)},
}
PARAMS: dict[str, st.SearchStrategy[dict[str, t.Any]]] = {
    "prompts/get": st.fixed_dictionaries(
        {
            "name": st.just("summarize_document"),
            "arguments": st.fixed_dictionaries({"document_id": st.sampled_from(IDS)}),
        }
    ),
    "resources/read": st.fixed_dictionaries(
        {"uri": st.sampled_from(["documents://index", *(f"document://{name}" for name in IDS)])}
    ),
    "initialize": st.just(
        {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": {"name": "fuzz", "version": "1"}}
    ),
    LISTEN: st.just({"notifications": {"toolsListChanged": True}}),
}
METHODS = (
    *("tools/call",) * 6,
    *PARAMS,
    "server/discover",
    "ping",
    "tools/list",
    "prompts/list",
    "resources/list",
    "resources/templates/list",
)
OTHER_METHODS = (
    "resources/subscribe",
    "completion/complete",
    "logging/setLevel",
    "sampling/createMessage",
    "elicitation/create",
    "roots/list",
    "tasks/get",
    "tasks/cancel",
    "notifications/initialized",
    "notifications/cancelled",
    "notifications/progress",
    "rpc.discover",
    "tools/call ",
    "Tools/Call",
    "tools/call\x00",
    "__init__",
)
OTHER_TOOLS = ("create_upload_url", "get_document ", "GET_DOCUMENT", "../get_document", "__class__", "", "x" * 5000)
ids = st.sampled_from([0, 1, -1, 2**53, 2**63, 10**30, "", "a", "\x00", "\u2028", "1", "\U0001f600" * 20, "../x"])
versions = st.sampled_from([MODERN, LEGACY])


@st.composite
def calls(draw: st.DrawFn) -> dict[str, t.Any]:
    """Draw the params of a tool call with which nothing is wrong."""
    tool = draw(st.sampled_from(sorted(ARGUMENTS)))
    arguments = {name: draw(value) for name, value in ARGUMENTS[tool].items()}
    return {"name": tool, "arguments": {name: value for name, value in arguments.items() if value is not None}}


@st.composite
def requests(draw: st.DrawFn, version: str) -> dict[str, t.Any]:
    """Draw a message with which nothing is wrong."""
    method = draw(st.sampled_from(METHODS))
    params = calls() if method == "tools/call" else PARAMS.get(method, st.just({}))
    return message(method, draw(params), version, draw(ids | st.text(st.characters(codec="utf-8"), max_size=10)))


@st.composite
def altered(draw: st.DrawFn, document: t.Any) -> t.Any:
    """Replace, add or drop something somewhere in a document."""
    if not isinstance(document, dict) or not document or draw(st.integers(0, 4)) == 0:
        return draw(hostile.values)
    name = draw(st.sampled_from(sorted(document, key=str)))
    kind = draw(st.sampled_from(["inside", "inside", "inside", "drop", "add"]))
    if kind == "drop":
        return {key: value for key, value in document.items() if key != name}
    if kind == "add":
        return {**document, draw(hostile.texts | st.sampled_from(["_meta", "id", "result", "error"])): hostile.CANARY}
    return {**document, name: draw(altered(document[name]))}


@st.composite
def documents(draw: st.DrawFn, version: str) -> t.Any:
    """Draw something that is more or less a message."""
    document: t.Any = draw(requests(version))
    kind = draw(st.sampled_from(["as it is", "altered", "altered", "altered twice", "method", "tool", "batch"]))
    if kind == "method":
        return {**document, "method": draw(st.sampled_from(OTHER_METHODS) | hostile.texts)}
    if kind == "tool":
        called = {"name": draw(st.sampled_from(OTHER_TOOLS) | hostile.texts), "arguments": draw(hostile.values)}
        return {**document, "method": "tools/call", "params": {**document["params"], **called}}
    if kind == "batch":
        return [document] * draw(st.integers(0, 3))
    for _ in range(("as it is", "altered", "altered twice").index(kind)):
        document = draw(altered(document))
    return document


@st.composite
def bodies(draw: st.DrawFn, version: str) -> bytes:
    """Draw a body that may be no message, no JSON or no text."""
    encoded = documents(version).map(hostile.encode)
    others = st.one_of(
        hostile.damaged(encoded),
        st.sampled_from(hostile.NOT_JSON),
        st.builds(_with_depth, requests(version), hostile.deep),
        st.builds(_twice, requests(version), requests(version)),
        st.binary(max_size=60),
        encoded.map(lambda body: body.decode().encode("utf-16")),
    )
    return draw(others if draw(st.integers(0, 2)) == 0 else encoded)


def _with_depth(document: dict[str, t.Any], value: bytes) -> bytes:
    """Put a value into the params, of which there are then two."""
    return hostile.encode(document)[:-1] + b',"params":{"a":' + value + b"}}"


def _twice(document: dict[str, t.Any], other: dict[str, t.Any]) -> bytes:
    """Name every member twice, with different values."""
    return hostile.encode(document)[:-1] + b"," + hostile.encode(other)[1:]


@st.composite
def message_cases(draw: st.DrawFn, port: int, credentials: Credentials) -> Case:
    """Bodies of every kind in good requests."""
    version, credential = draw(versions), credentials.good()
    return case("messages", post(port, credential, version, draw(bodies(version))), credential)


def notification(port: int, credentials: Credentials) -> Case:
    """Return the one kind of message that has no answer: what is drawn may not have any."""
    credential = credentials.good()
    document = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    return case("messages", post(port, credential, LEGACY, document), credential)


@st.composite
def valid_cases(draw: st.DrawFn, port: int, credentials: Credentials) -> Case:
    """Tool calls with which nothing is wrong, so that there is something to break."""
    version, credential = draw(versions), credentials.good()
    document = message("tools/call", draw(calls()), version, draw(ids))
    return case("valid", post(port, credential, version, document), credential, valid=True)


@st.composite
def token_cases(draw: st.DrawFn, port: int, credentials: Credentials) -> Case:
    """Good messages with credentials of every kind."""
    version, credential = draw(versions), draw(credentials.strategy())
    sent = post(port, credential, version, draw(requests(version)))
    refused = frozenset({400, 401}) if credential.verdict == "bad" else frozenset()
    return case("tokens", sent, credential, statuses=refused)
