# SPDX-License-Identifier: MIT
"""The reference server's tools, and the stores behind them."""

from __future__ import annotations

import asyncio
import functools
import types
from collections.abc import Awaitable, Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest
from botocore.config import Config
from botocore.stub import Stubber
from mcp import Client
from pratiko_mcp import restore
from pratiko_mcp.auth import Token, current_token
from pratiko_mcp.reference import server
from pratiko_mcp.reference.dynamodb import DynamoStorage
from pratiko_mcp.reference.files import Files
from pratiko_mcp.reference.memory import MemoryStorage
from pratiko_mcp.reference.server import MAX_TEXT_BYTES, TOOL_SCOPES, make_server, make_stores
from pratiko_mcp.reference.storage import Match, StorageError, Summary, WordSearch
from pratiko_mcp.settings import SettingsError

CREDENTIALS = {"region_name": "us-east-1", "aws_access_key_id": "x", "aws_secret_access_key": "x"}


class Caller:
    """Calls the tools of one server with the official client."""

    def __init__(self, storage: Any = None, files: Files | None = None, words: WordSearch | None = None) -> None:
        self._server = make_server("documents", storage or MemoryStorage(), files, words)

    def ok(self, tool: str, **arguments: Any) -> dict[str, Any]:
        result = self._call(tool, arguments)
        assert not result.is_error, result.content
        return dict(result.structured_content)

    def error(self, tool: str, **arguments: Any) -> str:
        result = self._call(tool, arguments)
        assert result.is_error
        return str(result.content[0].text)

    def tools(self) -> dict[str, Any]:
        return {tool.name: tool for tool in self.ask(lambda client: client.list_tools()).tools}

    def ask(self, question: Callable[[Client], Awaitable[Any]]) -> Any:
        async def run() -> Any:
            async with Client(self._server) as client:
                return await question(client)

        return asyncio.run(run())

    def _call(self, tool: str, arguments: dict[str, Any]) -> Any:
        return self.ask(lambda client: client.call_tool(tool, arguments))


@pytest.fixture
def caller() -> Caller:
    return Caller()


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the names of what is counted, without the zeros that a counter begins with."""
    names: list[str] = []
    monkeypatch.setattr(server, "count", lambda name, value=1: names.extend([name] * value))
    return names


@pytest.fixture
def as_token() -> Iterator[Callable[..., None]]:
    """Let the following calls come with a token."""
    before = current_token.get()

    def use(**claims: Any) -> None:
        usual = {"subject": "s", "client_id": "c", "scopes": (), "expires_at": 1, "issuer": "https://issuer.example"}
        current_token.set(Token(**{**usual, **claims}))

    yield use
    current_token.set(before)


def test_save_get_delete(caller: Caller) -> None:
    saved = caller.ok("save_document", document_id="a", title="T", text="tüxt")
    assert (saved["version"], saved["size_bytes"]) == (1, 5)
    assert "text" not in saved
    assert caller.ok("get_document", document_id="a")["text"] == "tüxt"
    assert caller.ok("delete_document", document_id="a") == {"document_id": "a", "deleted": True}
    assert caller.ok("delete_document", document_id="a") == {"document_id": "a", "deleted": False}
    assert "Find ids with list_documents" in caller.error("get_document", document_id="a")


def test_saving_again_changes_nothing(caller: Caller) -> None:
    first = caller.ok("save_document", document_id="a", title="T", text="x", expected_version=0)
    assert caller.ok("save_document", document_id="a", title="T", text="x", expected_version=0) == first
    assert caller.ok("save_document", document_id="a", title="T", text="y")["version"] == 2


def test_expected_version(caller: Caller) -> None:
    caller.ok("save_document", document_id="a", title="T", text="x")
    caller.ok("save_document", document_id="a", title="T", text="y", expected_version=1)
    text = caller.error("save_document", document_id="a", title="T", text="z", expected_version=1)
    assert "'a' is at version 2, not at version 1. Read it with get_document" in text
    assert "is at version 2" in caller.error("delete_document", document_id="a", expected_version=1)
    text = caller.error("save_document", document_id="b", title="T", text="z", expected_version=3)
    assert "'b' does not exist" in text
    assert caller.ok("delete_document", document_id="a", expected_version=2)["deleted"]


def test_pages(caller: Caller) -> None:
    for name in ("c", "a", "b"):
        caller.ok("save_document", document_id=name, title=name, text="x")
    first = caller.ok("list_documents", limit=2)
    assert [document["document_id"] for document in first["documents"]] == ["a", "b"]
    second = caller.ok("list_documents", limit=2, after=first["next_after"])
    assert [document["document_id"] for document in second["documents"]] == ["c"]
    assert second["next_after"] is None


def test_search(caller: Caller) -> None:
    caller.ok("save_document", document_id="a", title="Über Äpfel", text="rot")
    caller.ok("save_document", document_id="b", title="Pears", text="GREEN " + "x" * 1000 + " late")
    found = [caller.ok("search_documents", query=query)["documents"] for query in ("äpfel", "green", "late")]
    assert [[document["document_id"] for document in documents] for documents in found] == [["a"], ["b"], []]


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("save_document", {"document_id": "", "title": "T", "text": "x"}),
        ("save_document", {"document_id": "../a", "title": "T", "text": "x"}),
        ("save_document", {"document_id": "a\n", "title": "T", "text": "x"}),
        ("save_document", {"document_id": "a" * 129, "title": "T", "text": "x"}),
        ("save_document", {"document_id": "a", "title": "", "text": "x"}),
        ("save_document", {"document_id": "a", "title": "T" * 201, "text": "x"}),
        ("save_document", {"document_id": "a", "title": "T", "text": "x" * (MAX_TEXT_BYTES + 1)}),
        ("save_document", {"document_id": "a", "title": "T", "text": "x", "expected_version": -1}),
        ("list_documents", {"limit": 0}),
        ("list_documents", {"limit": 101}),
        ("list_documents", {"after": "#"}),
        ("search_documents", {"query": "x"}),
    ],
)
def test_arguments_out_of_bounds(caller: Caller, tool: str, arguments: dict[str, Any]) -> None:
    assert "validation error" in caller.error(tool, **arguments)


def test_size_counts_bytes(caller: Caller) -> None:
    text = caller.error("save_document", document_id="a", title="T", text="ü" * (MAX_TEXT_BYTES - 1))
    assert f"{2 * (MAX_TEXT_BYTES - 1)} bytes, {MAX_TEXT_BYTES} are allowed" in text


def test_tools_say_what_they_do(caller: Caller) -> None:
    tools = caller.tools()
    assert {name for name, tool in tools.items() if tool.annotations.read_only_hint} == {
        "get_document",
        "list_documents",
        "search_documents",
    }
    assert tools["save_document"].input_schema["properties"]["title"]["maxLength"] == 200
    assert tools["delete_document"].annotations.destructive_hint


def test_memory_is_refused_on_lambda() -> None:
    assert isinstance(make_stores({}).documents, MemoryStorage)
    assert isinstance(make_stores({"MCP_TABLE": "t"}).documents, DynamoStorage)
    with pytest.raises(SettingsError, match="MCP_TABLE is not set"):
        make_stores({"AWS_LAMBDA_FUNCTION_NAME": "f"})


@pytest.mark.parametrize("argument", ["title", "text"])
def test_text_that_cannot_be_stored(caller: Caller, argument: str) -> None:
    arguments = {"document_id": "a", "title": "T", "text": "x", argument: "a\x00b"}
    assert f"The {argument} has the character U+0000 at position 1" in caller.error("save_document", **arguments)


# Each argument that is a string, with what else its tool needs.
STRINGS = [
    ("save_document", "document_id", {"title": "T", "text": "x"}),
    ("save_document", "title", {"document_id": "a", "text": "x"}),
    ("save_document", "text", {"document_id": "a", "title": "T"}),
    ("save_document", "idempotency_key", {"document_id": "a", "title": "T", "text": "x"}),
    ("get_document", "document_id", {}),
    ("list_documents", "after", {}),
    ("search_documents", "query", {}),
    ("search_documents", "after", {"query": "term"}),
    ("delete_document", "document_id", {}),
    ("delete_document", "idempotency_key", {"document_id": "a"}),
    ("create_upload_url", "file_id", {"content_type": "text/plain", "size_bytes": 1}),
    ("create_upload_url", "content_type", {"file_id": "a", "size_bytes": 1}),
    ("create_download_url", "file_id", {}),
]
HOSTILE = ["\x00", "a\x00", "\ud800", "a\udfffb", "x" * 400_000, 7, True, ["a"], {"a": "b"}]
HOSTILE_IDS = [
    "",
    " ",
    "#",
    "a#b",
    "../a",
    "a/b",
    "a\n",
    "ä",
    "\u202e",
    "٣",
    "-a",
    ".",
    "..",
    "%00",
    "x" * 129,
    "a\r\nb",
]


@pytest.mark.parametrize(
    ("tool", "argument", "rest"), STRINGS, ids=lambda value: value if isinstance(value, str) else ""
)
def test_hostile_values_are_refused_with_a_reason(
    caplog: pytest.LogCaptureFixture, tool: str, argument: str, rest: dict[str, Any]
) -> None:
    caller = Caller(files=files_of(s3_client()))
    free = argument in ("title", "text", "query", "content_type")
    for value in HOSTILE if free else [*HOSTILE, *HOSTILE_IDS]:
        text = caller.error(tool, **rest, **{argument: value})
        assert argument in text or "The query has the character" in text
        assert len(text) < 600
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


def test_repeated_call_with_a_key_returns_the_first_result(caller: Caller) -> None:
    call = {"document_id": "a", "title": "T", "text": "x", "expected_version": 0, "idempotency_key": "k:1"}
    first = caller.ok("save_document", **call)
    caller.ok("save_document", document_id="a", title="T", text="moved on")
    assert caller.ok("save_document", **call) == first
    assert caller.ok("delete_document", document_id="a", idempotency_key="k:2")["deleted"]
    assert caller.ok("delete_document", document_id="a", idempotency_key="k:2")["deleted"]
    assert not caller.ok("delete_document", document_id="a", idempotency_key="k:3")["deleted"]


def test_key_of_another_call_is_refused(caller: Caller) -> None:
    caller.ok("save_document", document_id="a", title="T", text="x", idempotency_key="k")
    text = caller.error("delete_document", document_id="a", idempotency_key="k")
    assert "idempotency_key 'k' stands for another call of save_document" in text
    assert "Choose a new key for a new change" in text


def test_keys_belong_to_the_tokens_issuer_subject_and_client(caller: Caller, as_token: Callable[..., None]) -> None:
    callers = [{}, {"subject": "other"}, {"client_id": "other"}, {"issuer": "https://other.example"}]
    for number, token in enumerate(callers):
        as_token(**token)
        saved = caller.ok("save_document", document_id="a", title="T", text=str(number), idempotency_key="k")
        assert saved["version"] == number + 1
    as_token(scopes=("documents:write",), expires_at=9)
    assert caller.ok("save_document", document_id="a", title="T", text="0", idempotency_key="k")["version"] == 1


def test_only_changes_are_counted(caller: Caller, counted: list[str]) -> None:
    call = {"document_id": "a", "title": "T", "text": "x", "idempotency_key": "k"}
    for _ in range(3):
        caller.ok("save_document", **call)
    caller.ok("save_document", document_id="a", title="T", text="x")
    caller.error("save_document", document_id="a", title="T", text="y", expected_version=7)
    assert counted == ["documents_saved"]


def test_only_links_are_counted(counted: list[str]) -> None:
    client = s3_client()
    with Stubber(client) as stub:
        stub.add_client_error("head_object", "404")
        stub.add_response("head_object", {})
        caller = Caller(files=files_of(client))
        caller.ok("create_upload_url", file_id="a", content_type="text/plain", size_bytes=1)
        caller.error("create_download_url", file_id="a")
        assert counted == ["links_created"]
        caller.ok("create_download_url", file_id="a")
    assert counted == ["links_created"] * 2


class Words:
    """A store's search for words."""

    def find(self, query: str, limit: int) -> list[Match]:
        if query == "away":
            raise StorageError("The document store does not answer.")
        return [Match(Summary("a", query, limit, 1, "", ""), 0.5, "an **excerpt**")]


def test_words_are_found_where_the_store_can() -> None:
    assert "find_documents" not in Caller().tools()
    caller = Caller(words=Words())
    found = caller.ok("find_documents", query='"due date"', limit=3)["documents"]
    assert (found[0]["document"]["title"], found[0]["document"]["version"]) == ('"due date"', 3)
    assert (found[0]["rank"], found[0]["excerpt"]) == (0.5, "an **excerpt**")
    assert "The document store does not answer." in caller.error("find_documents", query="away")
    assert "at least 1 character" in caller.error("find_documents", query="")


def test_every_tool_has_its_scope() -> None:
    tools = Caller(files=files_of(s3_client()), words=Words()).tools()
    assert set(TOOL_SCOPES) == set(tools)
    for name, tool in tools.items():
        reads = tool.annotations.read_only_hint
        assert TOOL_SCOPES[name] == (("documents:read",) if reads else ("documents:write",))


def test_crash_is_not_told_to_the_model() -> None:
    class Broken(MemoryStorage):
        def get(self, document_id: str) -> None:
            raise ValueError("arn:aws:iam::123456789012:role/secret")

    assert Caller(Broken()).error("get_document", document_id="a") == "Error executing tool get_document"


def s3_client() -> Any:
    return boto3.client("s3", **CREDENTIALS, config=Config(signature_version="s3v4"))


def files_of(client: Any) -> Files:
    return Files("b", lambda patience: client)


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the server make its own S3 client, for a region with an endpoint of its own."""
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)  # it keeps the credentials it has seen
    for name, value in {"DEFAULT_REGION": "eu-south-1", "ACCESS_KEY_ID": "x", "SECRET_ACCESS_KEY": "x"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)


@pytest.mark.usefixtures("account")
def test_link_names_the_regions_own_host() -> None:
    """The global host answers with a redirect, which breaks the signature."""
    url = urlsplit(Files("files-1").upload_link("a", "text/plain", 1).url)
    assert (url.hostname, url.path) == ("files-1.s3.eu-south-1.amazonaws.com", "/files/a")


@pytest.mark.usefixtures("account")
@pytest.mark.parametrize("variable", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "emulator.example"])
def test_link_to_another_endpoint_has_the_bucket_in_its_path(
    monkeypatch: pytest.MonkeyPatch, variable: str, host: str
) -> None:
    monkeypatch.setenv(variable, f"http://{host}:4566")
    url = urlsplit(Files("files-1").upload_link("a", "text/plain", 1).url)
    assert (url.netloc, url.path) == (f"{host}:4566", "/files-1/files/a")


def test_file_tools_need_a_bucket() -> None:
    assert "create_upload_url" not in Caller().tools()
    assert {"create_upload_url", "create_download_url"} <= set(Caller(files=files_of(s3_client())).tools())


def test_upload_link_signs_type_and_size() -> None:
    link = Caller(files=files_of(s3_client())).ok(
        "create_upload_url", file_id="a.pdf", content_type="application/pdf", size_bytes=7
    )
    query = parse_qs(urlsplit(link["url"]).query)
    assert urlsplit(link["url"]).path.endswith("/files/a.pdf")
    assert query["X-Amz-SignedHeaders"] == ["content-length;content-type;host"]
    assert query["X-Amz-Expires"] == ["900"]
    assert (link["method"], link["headers"]) == ("PUT", {"Content-Type": "application/pdf", "Content-Length": "7"})


@pytest.mark.parametrize(
    "arguments",
    [
        {"file_id": "a/b", "content_type": "text/plain", "size_bytes": 1},
        {"file_id": "a", "content_type": "text/plain\r\nx: y", "size_bytes": 1},
        {"file_id": "a", "content_type": "x" * 51 + "/plain", "size_bytes": 1},
        {"file_id": "a", "content_type": "text/plain", "size_bytes": 0},
        {"file_id": "a", "content_type": "text/plain", "size_bytes": 104857601},
    ],
)
def test_upload_out_of_bounds(arguments: dict[str, Any]) -> None:
    assert "validation error" in Caller(files=files_of(s3_client())).error("create_upload_url", **arguments)


@pytest.mark.parametrize("code", ["404", "403"])
def test_download_of_a_missing_file(code: str) -> None:
    client = s3_client()
    with Stubber(client) as stub:
        stub.add_client_error("head_object", code)
        text = Caller(files=files_of(client)).error("create_download_url", file_id="a")
    assert "Upload it first, with a link from create_upload_url" in text


def test_download_link() -> None:
    client = s3_client()
    with Stubber(client) as stub:
        stub.add_response("head_object", {}, {"Bucket": "b", "Key": "files/a"})
        link = Caller(files=files_of(client)).ok("create_download_url", file_id="a")
    assert (link["method"], link["headers"]) == ("GET", {})
    assert "X-Amz-Signature" in link["url"]


def test_a_restored_instance_opens_its_own_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    dropped: list[str] = []
    documents, files = (types.SimpleNamespace(reset=functools.partial(dropped.append, name)) for name in "df")
    monkeypatch.setattr(server, "_stores", server.Stores(documents))
    monkeypatch.setattr(server, "_files", files)
    restore.run()
    assert dropped == ["d", "f"]
