# SPDX-License-Identifier: MIT
"""The reference server's resources and its prompt."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from mcp import Client
from mcp.shared.exceptions import MCPError
from mcp_types import INTERNAL_ERROR, INVALID_PARAMS
from pratiko_mcp.auth import Token, current_token
from pratiko_mcp.messages import INSUFFICIENT_SCOPE
from pratiko_mcp.reference.content import STYLES
from pratiko_mcp.reference.memory import MemoryStorage
from pratiko_mcp.reference.server import make_server
from pratiko_mcp.reference.storage import Document, StorageError, is_document_id

INDEX = "documents://index"
SURROGATE = "\ud800"


class StrictStorage(MemoryStorage):
    """A store that is asked for ids only, as other stores may not bear anything else."""

    def get(self, document_id: str) -> Document | None:
        assert is_document_id(document_id)
        return super().get(document_id)


class Reader:
    """Reads from one server with the official client, of either era."""

    def __init__(self, storage: Any, mode: str = "auto") -> None:
        self.storage = storage
        self._server = make_server("documents", storage, None)
        self._mode = mode

    def ask(self, question: Callable[[Client], Awaitable[Any]]) -> Any:
        async def run() -> Any:
            async with Client(self._server, mode=self._mode) as client:
                try:
                    return await question(client)
                except MCPError as refusal:
                    return refusal

        return asyncio.run(run())

    def read(self, uri: str) -> Any:
        return self.ask(lambda client: client.read_resource(uri))

    def prompt(self, name: str = "summarize_document", **arguments: str) -> Any:
        return self.ask(lambda client: client.get_prompt(name, arguments))

    def refusal(self, method: str, *names: str, **arguments: str) -> MCPError:
        refusal = getattr(self, method)(*names, **arguments)
        assert isinstance(refusal, MCPError)
        return refusal


@pytest.fixture(params=["legacy", "auto"])
def reader(request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture) -> Iterator[Reader]:
    """A server with three documents; whatever is asked, nothing is logged as an error."""
    storage = StrictStorage()
    for name in ("b", "a", "C.1"):
        storage.save(name, f"Title of {name}", f"text of {name}")
    yield Reader(storage, request.param)
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


@pytest.fixture
def scopes() -> Iterator[Callable[..., None]]:
    """Let the following requests come with a token of some scopes."""
    before = current_token.get()

    def use(*names: str) -> None:
        current_token.set(Token("subject", "client", names, 1, "https://issuer.example"))

    yield use
    current_token.set(before)


def test_what_there_is_to_read(reader: Reader) -> None:
    resources = reader.ask(lambda client: client.list_resources()).resources
    assert [(resource.uri, resource.mime_type) for resource in resources] == [(INDEX, "application/json")]
    templates = reader.ask(lambda client: client.list_resource_templates()).resource_templates
    assert [(template.uri_template, template.mime_type) for template in templates] == [
        ("document://{document_id}", "text/plain")
    ]


def test_a_document(reader: Reader) -> None:
    result = reader.read("document://C.1")
    contents = result.contents[0]
    assert (contents.uri, contents.mime_type, contents.text) == ("document://C.1", "text/plain", "text of C.1")
    assert result.cache_scope != "public"


def test_the_index(reader: Reader) -> None:
    contents = reader.read(INDEX).contents[0]
    index = json.loads(contents.text)
    assert (contents.mime_type, index["next_after"]) == ("application/json", None)
    assert [document["uri"] for document in index["documents"]] == ["document://C.1", "document://a", "document://b"]
    assert index["documents"][1]["title"] == "Title of a"
    assert "text" not in index["documents"][1]
    for document in index["documents"]:
        assert reader.read(document["uri"]).contents[0].text == f"text of {document['document_id']}"


def test_the_index_is_one_page(reader: Reader) -> None:
    for number in range(100):
        reader.storage.save(f"d{number:03}", "T", "x")
    index = json.loads(reader.read(INDEX).contents[0].text)
    assert (len(index["documents"]), index["next_after"]) == (100, "d096")


NOT_THERE = ["missing", "", "..", "a/b", "a?b", "a#b", "A", "%00", "a%00", "%ED%A0%80", "%2e%2e%2fa", "a%0A", "a\n"]


@pytest.mark.parametrize("name", [*NOT_THERE, "ä", "x" * 129, "x" * 100_000])
def test_a_document_that_is_not_there(reader: Reader, name: str) -> None:
    refusal = reader.refusal("read", f"document://{name}")
    assert (refusal.code, refusal.error.data) == (INVALID_PARAMS, {"uri": f"document://{name}"})
    assert "There is no document" in refusal.message or "Unknown resource" in refusal.message


def test_half_a_surrogate_pair_in_a_uri() -> None:
    """The client of the new era cannot send it."""
    assert Reader(StrictStorage(), "legacy").refusal("read", f"document://{SURROGATE}").code == INVALID_PARAMS


def test_a_missing_document_is_named(reader: Reader) -> None:
    assert reader.refusal("read", "document://c").message == "There is no document 'c'. Find ids in documents://index."


@pytest.mark.parametrize("uri", ["documents://other", "document:a", "file:///etc/passwd", "", "\x00"])
def test_an_unknown_resource(reader: Reader, uri: str) -> None:
    assert reader.refusal("read", uri).code == INVALID_PARAMS


def test_the_prompts_arguments(reader: Reader) -> None:
    (prompt,) = reader.ask(lambda client: client.list_prompts()).prompts
    assert prompt.name == "summarize_document"
    arguments = {argument.name: argument for argument in prompt.arguments}
    assert {name: argument.required for name, argument in arguments.items()} == {"document_id": True, "style": False}
    assert all(style in arguments["style"].description for style in STYLES)


@pytest.mark.parametrize("style", [None, *STYLES])
def test_the_prompt(reader: Reader, style: str | None) -> None:
    messages = reader.prompt(document_id="a", **({"style": style} if style else {})).messages
    assert [message.role for message in messages] == ["user", "user"]
    assert "'Title of a'" in messages[0].content.text
    assert STYLES[style or "brief"] in messages[0].content.text
    embedded = messages[1].content.resource
    assert (embedded.uri, embedded.mime_type, embedded.text) == ("document://a", "text/plain", "text of a")


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("other", {}, "There is no prompt 'other'. Allowed: summarize_document."),
        ("summarize_document", {}, "needs the argument document_id"),
        ("summarize_document", {"document_id": "a", "stile": "brief"}, "no argument 'stile'. Allowed: document_id, s"),
        ("summarize_document", {"document_id": "a", "style": "long"}, "'long'. Allowed: brief, bullets, detailed"),
        ("summarize_document", {"document_id": "c"}, "There is no document 'c'. Find ids with list_documents"),
        ("summarize_document", {"document_id": "../a"}, "There is no document '../a'"),
        ("summarize_document", {"document_id": f"a\x00{SURROGATE}"}, r"There is no document 'a\x00\ud800'"),
        ("summarize_document", {"document_id": "x" * 100_000}, "There is no document 'xxx"),
        ("x" * 100_000, {}, "There is no prompt 'xxx"),
    ],
)
def test_a_prompt_that_cannot_be_had(reader: Reader, name: str, arguments: dict[str, str], words: str) -> None:
    refusal = reader.refusal("prompt", name, **arguments)
    assert refusal.code == INVALID_PARAMS
    assert words in refusal.message
    assert len(refusal.message) < 400


ASKED = [("read", ("document://a",), {}), ("read", (INDEX,), {}), ("prompt", (), {"document_id": "a"})]


@pytest.mark.parametrize(("method", "names", "arguments"), ASKED)
def test_reading_needs_its_scope(
    reader: Reader, scopes: Callable[..., None], method: str, names: tuple[str, ...], arguments: dict[str, str]
) -> None:
    scopes("documents:write")
    refusal = reader.refusal(method, *names, **arguments)
    assert (refusal.code, refusal.error.data) == (INSUFFICIENT_SCOPE, {"scope": "documents:read"})
    assert "documents:read" in refusal.message
    scopes("other", "documents:read")
    assert not isinstance(getattr(reader, method)(*names, **arguments), MCPError)


@pytest.mark.parametrize(("method", "names", "arguments"), [("read", ("document://none",), {}), ASKED[2]])
def test_a_missing_scope_does_not_tell_what_exists(
    reader: Reader, scopes: Callable[..., None], method: str, names: tuple[str, ...], arguments: dict[str, str]
) -> None:
    scopes()
    assert reader.refusal(method, *names, **arguments).code == INSUFFICIENT_SCOPE


@pytest.mark.parametrize(("method", "names", "arguments"), ASKED)
def test_a_store_that_is_away(method: str, names: tuple[str, ...], arguments: dict[str, str]) -> None:
    class Away(MemoryStorage):
        def get(self, document_id: str) -> Any:
            raise StorageError("The document store does not answer.")

        def page(self, *arguments: Any) -> Any:
            raise StorageError("The document store does not answer.")

    refusal = Reader(Away()).refusal(method, *names, **arguments)
    assert (refusal.code, refusal.message) == (INTERNAL_ERROR, "The document store does not answer.")
