# SPDX-License-Identifier: MIT
"""What DynamoDB is asked, and what becomes of its refusals."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.stub import ANY, Stubber
from pratiko_mcp.reference import dynamodb
from pratiko_mcp.reference.dynamodb import SEARCH_PAGES, WRITE_ATTEMPTS, DynamoStorage
from pratiko_mcp.reference.storage import Once, StorageError, VersionConflict

CREDENTIALS = {"region_name": "us-east-1", "aws_access_key_id": "x", "aws_secret_access_key": "x"}


class Table:
    """A DynamoStorage over a stubbed client."""

    def __init__(self) -> None:
        client = boto3.client("dynamodb", **CREDENTIALS, config=Config(retries={"total_max_attempts": 1}))
        self.stub = Stubber(client)
        self.stub.activate()
        self.storage = DynamoStorage("t", lambda patience: client, lambda: 1_800_000_000.5)

    def holds(self, version: int | None, text: str = "x") -> None:
        """Expect a read of document a."""
        key = {"pk": {"S": "doc#a"}, "sk": {"S": "content"}}
        item = {**key, "title": {"S": "T"}, "text": {"S": text}, "version": {"N": str(version)}}
        item |= {"size_bytes": {"N": "1"}, "created_at": {"S": "c"}, "updated_at": {"S": "u"}}
        expected = {"TableName": "t", "Key": key, "ConsistentRead": True}
        self.stub.add_response("get_item", {"Item": item} if version else {}, expected)

    def refuses_write(self, code: str) -> None:
        reasons = {"CancellationReasons": [{"Code": "None"}, {"Code": code}]}
        error = "TransactionCanceledException"
        self.stub.add_client_error("transact_write_items", error, modeled_fields=reasons)


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> Table:
    monkeypatch.setattr(dynamodb, "PAUSE_SECONDS", 0)
    return Table()


def test_new_document_is_written_only_where_none_is(table: Table) -> None:
    table.holds(None)
    condition = {"ConditionExpression": "attribute_not_exists(pk)", "TableName": "t", "Item": ANY}
    expected = {"TransactItems": [{"Put": condition}, {"Put": condition}]}
    table.stub.add_response("transact_write_items", {}, expected)
    assert table.storage.save("a", "T", "x").summary.version == 1


def test_same_content_is_not_written(table: Table) -> None:
    table.holds(3)
    assert table.storage.save("a", "T", "x").summary.version == 3
    table.stub.assert_no_pending_responses()


@pytest.mark.parametrize("code", ["ConditionalCheckFailed", "TransactionConflict"])
def test_save_beside_another_save_is_repeated(table: Table, code: str) -> None:
    table.holds(1)
    table.refuses_write(code)
    table.holds(2, "other")
    table.stub.add_response("transact_write_items", {})
    assert table.storage.save("a", "T", "y").summary.version == 3


def test_save_beside_another_save_keeps_the_expected_version(table: Table) -> None:
    table.holds(1)
    table.refuses_write("ConditionalCheckFailed")
    table.holds(2, "other")
    with pytest.raises(VersionConflict, match="at version 2, not at version 1"):
        table.storage.save("a", "T", "y", 1)


@pytest.mark.parametrize("operation", ["save", "delete"])
def test_writes_give_up(table: Table, operation: str) -> None:
    for _ in range(WRITE_ATTEMPTS):
        table.holds(1)
        table.refuses_write("ConditionalCheckFailed")
    with pytest.raises(StorageError, match="being changed by others"):
        table.storage.save("a", "T", "y") if operation == "save" else table.storage.delete("a")


def test_writes_give_up_in_time(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dynamodb, "WRITE_SECONDS", -1)
    with pytest.raises(StorageError, match="being changed by others"):
        table.storage.save("a", "T", "y")


def test_other_cancellations_are_crashes(table: Table) -> None:
    table.holds(None)
    table.refuses_write("ValidationError")
    with pytest.raises(ClientError, match="TransactionCanceledException"):
        table.storage.save("a", "T", "y")


@pytest.mark.parametrize("code", ["ThrottlingError", "ProvisionedThroughputExceeded"])
def test_throttled_write_is_told(table: Table, code: str) -> None:
    table.holds(None)
    table.refuses_write(code)
    with pytest.raises(StorageError, match="busy"):
        table.storage.save("a", "T", "y")


@pytest.mark.parametrize(("code", "status"), [("ThrottlingException", 400), ("Whatever", 500), ("Whatever", 503)])
def test_busy_table_is_told(table: Table, code: str, status: int) -> None:
    table.stub.add_client_error("get_item", code, http_status_code=status)
    with pytest.raises(StorageError, match=r"busy\. Wait a few seconds"):
        table.storage.get("a")


def test_key_is_looked_up_and_written_with_the_document(table: Table) -> None:
    once = Once(("i", "s", "c"), "k")
    key = {"pk": {"S": f"once#{once.digest()}"}, "sk": {"S": "result"}}
    table.stub.add_response("get_item", {}, {"TableName": "t", "Key": key, "ConsistentRead": True})
    table.holds(None)
    document = {"ConditionExpression": "attribute_not_exists(pk)", "TableName": "t", "Item": ANY}
    remembered = {
        "TableName": "t",
        "Item": {**key, "call": ANY, "result": ANY, "expires_at": {"N": "1800086400"}},
        "ConditionExpression": "attribute_not_exists(pk) OR expires_at <= :now",
        "ExpressionAttributeValues": {":now": {"N": "1800000000"}},
    }
    expected = {"TransactItems": [{"Put": document}, {"Put": document}, {"Put": remembered}]}
    table.stub.add_response("transact_write_items", {}, expected)
    assert table.storage.save("a", "T", "x", 0, once).changed


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
