# SPDX-License-Identifier: MIT
"""The reference server's tools, and the stores behind them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest
from botocore.config import Config
from botocore.stub import ANY, Stubber
from mcp import Client
from pratiko_mcp.reference.files import Files, make_s3_client
from pratiko_mcp.reference.server import MAX_TEXT_BYTES, make_server, make_storage
from pratiko_mcp.reference.storage import (
    SAVE_ATTEMPTS,
    SEARCH_PAGES,
    DynamoStorage,
    MemoryStorage,
    StorageError,
    VersionConflict,
)
from pratiko_mcp.settings import SettingsError

CREDENTIALS = {"region_name": "us-east-1", "aws_access_key_id": "x", "aws_secret_access_key": "x"}


class Caller:
    """Calls the tools of one server with the official client."""

    def __init__(self, storage: Any = None, files: Files | None = None) -> None:
        self._server = make_server("documents", storage or MemoryStorage(), files)

    def ok(self, tool: str, **arguments: Any) -> dict[str, Any]:
        result = self._call(tool, arguments)
        assert not result.is_error, result.content
        return dict(result.structured_content)

    def error(self, tool: str, **arguments: Any) -> str:
        result = self._call(tool, arguments)
        assert result.is_error
        return str(result.content[0].text)

    def tools(self) -> dict[str, Any]:
        async def run() -> dict[str, Any]:
            async with Client(self._server) as client:
                return {tool.name: tool for tool in (await client.list_tools()).tools}

        return asyncio.run(run())

    def _call(self, tool: str, arguments: dict[str, Any]) -> Any:
        async def run() -> Any:
            async with Client(self._server) as client:
                return await client.call_tool(tool, arguments)

        return asyncio.run(run())


@pytest.fixture
def caller() -> Caller:
    return Caller()


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
    assert isinstance(make_storage(None, on_lambda=False), MemoryStorage)
    assert isinstance(make_storage("t", on_lambda=False), DynamoStorage)
    with pytest.raises(SettingsError, match="MCP_TABLE is not set"):
        make_storage(None, on_lambda=True)


class Table:
    """A DynamoStorage over a stubbed client."""

    def __init__(self) -> None:
        client = boto3.client("dynamodb", **CREDENTIALS, config=Config(retries={"total_max_attempts": 1}))
        self.stub = Stubber(client)
        self.stub.activate()
        self.storage = DynamoStorage("t", lambda: client)

    def holds(self, version: int | None, text: str = "x") -> None:
        """Expect a read of document a."""
        key = {"pk": {"S": "doc#a"}, "sk": {"S": "content"}}
        item = {**key, "title": {"S": "T"}, "text": {"S": text}, "version": {"N": str(version)}}
        item |= {"size_bytes": {"N": "1"}, "created_at": {"S": "c"}, "updated_at": {"S": "u"}}
        expected = {"TableName": "t", "Key": key, "ConsistentRead": True}
        self.stub.add_response("get_item", {"Item": item} if version else {}, expected)

    def refuses_write(self, code: str) -> None:
        reasons = {"CancellationReasons": [{"Code": code}, {"Code": "None"}]}
        error = "TransactionCanceledException"
        self.stub.add_client_error("transact_write_items", error, modeled_fields=reasons)


@pytest.fixture
def table() -> Table:
    return Table()


def test_new_document_is_written_only_where_none_is(table: Table) -> None:
    table.holds(None)
    condition = {"ConditionExpression": "attribute_not_exists(pk)", "TableName": "t", "Item": ANY}
    expected = {"TransactItems": [{"Put": condition}, {"Put": condition}]}
    table.stub.add_response("transact_write_items", {}, expected)
    assert table.storage.save("a", "T", "x", None).version == 1


def test_same_content_is_not_written(table: Table) -> None:
    table.holds(3)
    assert table.storage.save("a", "T", "x", None).version == 3
    table.stub.assert_no_pending_responses()


@pytest.mark.parametrize("code", ["ConditionalCheckFailed", "TransactionConflict"])
def test_save_beside_another_save_is_repeated(table: Table, code: str) -> None:
    table.holds(1)
    table.refuses_write(code)
    table.holds(2, "other")
    table.stub.add_response("transact_write_items", {})
    assert table.storage.save("a", "T", "y", None).version == 3


def test_save_beside_another_save_keeps_the_expected_version(table: Table) -> None:
    table.holds(1)
    table.refuses_write("ConditionalCheckFailed")
    table.holds(2, "other")
    with pytest.raises(VersionConflict, match="at version 2, not at version 1"):
        table.storage.save("a", "T", "y", 1)


@pytest.mark.parametrize("operation", ["save", "delete"])
def test_writes_give_up(table: Table, operation: str) -> None:
    for _ in range(SAVE_ATTEMPTS):
        table.holds(1)
        table.refuses_write("ConditionalCheckFailed")
    with pytest.raises(StorageError, match="being changed by others"):
        table.storage.save("a", "T", "y", None) if operation == "save" else table.storage.delete("a", None)


def test_other_cancellations_are_crashes(table: Table) -> None:
    table.holds(None)
    table.refuses_write("ValidationError")
    with pytest.raises(Exception, match="TransactionCanceledException"):
        table.storage.save("a", "T", "y", None)


def test_throttling_is_told_to_the_model(table: Table) -> None:
    table.stub.add_client_error("get_item", "ThrottlingException")
    assert "busy. Wait a few seconds" in Caller(table.storage).error("get_document", document_id="a")


def test_other_aws_errors_are_not_told_to_the_model(table: Table) -> None:
    table.stub.add_client_error("get_item", "AccessDeniedException", "arn:aws:iam::123456789012:role/secret")
    assert Caller(table.storage).error("get_document", document_id="a") == "Error executing tool get_document"


def query_page(ids: list[str], last: str | None) -> dict[str, Any]:
    values = {name: {"S": name} for name in ("title", "created_at", "updated_at")}
    numbers = {"version": {"N": "1"}, "size_bytes": {"N": "1"}}
    key = {"pk": {"S": "documents"}}
    items = [{**key, "sk": {"S": name}, **values, **numbers} for name in ids]
    return {"Items": items, **({"LastEvaluatedKey": {**key, "sk": {"S": last}}} if last else {})}


def ids_of(page: Any) -> list[str]:
    return [document.document_id for document in page.documents]


def test_search_goes_on_until_it_has_enough(table: Table) -> None:
    for ids, last in ((["a"], "f"), ([], "m"), (["p", "q", "r"], "s")):
        table.stub.add_response("query", query_page(ids, last))
    page = table.storage.page(3, None, "term")
    assert (ids_of(page), page.next_id) == (["a", "p", "q"], "q")


def test_search_has_a_bound(table: Table) -> None:
    for number in range(SEARCH_PAGES):
        table.stub.add_response("query", query_page([], f"m{number}"))
    page = table.storage.page(3, None, "term")
    assert (ids_of(page), page.next_id) == ([], f"m{SEARCH_PAGES - 1}")


def test_list_reads_one_page_after_the_cursor(table: Table) -> None:
    start = {"pk": {"S": "documents"}, "sk": {"S": "a"}}
    expected = {
        "TableName": "t",
        "KeyConditionExpression": "pk = :pk",
        "ExpressionAttributeValues": {":pk": {"S": "documents"}},
        "ConsistentRead": True,
        "ExclusiveStartKey": start,
        "Limit": 2,
    }
    table.stub.add_response("query", query_page(["b", "c"], None), expected)
    assert ids_of(table.storage.page(2, "a")) == ["b", "c"]


def s3_client() -> Any:
    return boto3.client("s3", **CREDENTIALS, config=Config(signature_version="s3v4"))


@pytest.fixture
def fresh_client(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the server make its own S3 client, for a region with an endpoint of its own."""
    for name, value in {"DEFAULT_REGION": "eu-south-1", "ACCESS_KEY_ID": "x", "SECRET_ACCESS_KEY": "x"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    make_s3_client.cache_clear()
    yield
    make_s3_client.cache_clear()


@pytest.mark.usefixtures("fresh_client")
def test_link_names_the_regions_own_host() -> None:
    """The global host answers with a redirect, which breaks the signature."""
    url = urlsplit(Files("files-1").upload_link("a", "text/plain", 1).url)
    assert (url.hostname, url.path) == ("files-1.s3.eu-south-1.amazonaws.com", "/files/a")


@pytest.mark.usefixtures("fresh_client")
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
    assert {"create_upload_url", "create_download_url"} <= set(Caller(files=Files("b", s3_client())).tools())


def test_upload_link_signs_type_and_size() -> None:
    link = Caller(files=Files("b", s3_client())).ok(
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
        {"file_id": "a", "content_type": "text/plain", "size_bytes": 0},
        {"file_id": "a", "content_type": "text/plain", "size_bytes": 104857601},
    ],
)
def test_upload_out_of_bounds(arguments: dict[str, Any]) -> None:
    assert "validation error" in Caller(files=Files("b", s3_client())).error("create_upload_url", **arguments)


@pytest.mark.parametrize("code", ["404", "403"])
def test_download_of_a_missing_file(code: str) -> None:
    client = s3_client()
    with Stubber(client) as stub:
        stub.add_client_error("head_object", code)
        text = Caller(files=Files("b", client)).error("create_download_url", file_id="a")
    assert "Upload it first, with a link from create_upload_url" in text


def test_download_link() -> None:
    client = s3_client()
    with Stubber(client) as stub:
        stub.add_response("head_object", {}, {"Bucket": "b", "Key": "files/a"})
        link = Caller(files=Files("b", client)).ok("create_download_url", file_id="a")
    assert (link["method"], link["headers"]) == ("GET", {})
    assert "X-Amz-Signature" in link["url"]
