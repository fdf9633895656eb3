# SPDX-License-Identifier: MIT
"""Documents in DynamoDB.

Layout of the table. The two items of a document are written together, and with them the result that a key gives:

============= ======== ==================================================================
pk            sk       holds
============= ======== ==================================================================
doc#<id>      content  title, text, version, created_at, updated_at, size_bytes
documents     <id>     the same without the text, and ``terms`` that searches look through
once#<digest> result   call (a fingerprint), result (JSON), expires_at (the table's TTL)
============= ======== ==================================================================

Listing and searching read the small items only, so their price does not grow with the texts.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any

from .aws import CHECKING, WORKING, LazyClient, Patience, told
from .storage import (
    KEY_SECONDS,
    Document,
    Once,
    Page,
    Saved,
    Summary,
    check_text,
    check_version,
    fingerprint,
    first_result,
    in_use,
    next_document,
    searched_terms,
)

# Attempts at a write that others get in the way of; none begins after WRITE_SECONDS.
WRITE_ATTEMPTS = 5
WRITE_SECONDS = 10
PAUSE_SECONDS = 0.025
# One search reads at most this many pages of up to 1 MB, then hands out a cursor to go on from.
SEARCH_PAGES = 4
STORE = "document store"

Item = dict[str, Any]


def make_dynamodb_client(patience: Patience) -> Any:
    """Return a client of the region that the environment names."""
    import boto3

    return boto3.client("dynamodb", config=patience.config())


class DynamoStorage:
    """Documents in one DynamoDB table.

    :param clock: returns seconds since 1970
    """

    def __init__(
        self,
        table: str,
        make_client: Callable[[Patience], Any] = make_dynamodb_client,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._table = table
        self._clock = clock
        self._client = LazyClient(make_client, WORKING)
        self._checks = LazyClient(make_client, CHECKING)

    def connect(self) -> Any:
        """Return the client."""
        return self._client.get()

    def get(self, document_id: str) -> Document | None:
        item = self._get_item(_content_key(document_id))
        return _document(document_id, item) if item else None

    def save(
        self, document_id: str, title: str, text: str, expected_version: int | None = None, once: Once | None = None
    ) -> Saved:
        call = fingerprint("save_document", document_id, title, text, expected_version)
        for _ in _attempts():
            if (first := self._recall(once, call)) is not None:
                return Saved(Summary(**first), changed=False)
            current = self.get(document_id)
            document = next_document(current, document_id, title, text, expected_version)
            summary, changed = document.summary(), document is not current
            writes = _guarded(_puts(document), current) if changed else []
            if self._write(writes + self._remembering(once, call, asdict(summary))):
                return Saved(summary, changed)
        raise in_use(document_id)

    def delete(self, document_id: str, expected_version: int | None = None, once: Once | None = None) -> bool:
        call = fingerprint("delete_document", document_id, expected_version)
        for _ in _attempts():
            if (first := self._recall(once, call)) is not None:
                return bool(first)
            current = self.get(document_id)
            if current:
                check_version(current, document_id, expected_version)
            writes = _guarded(_deletes(document_id), current) if current else []
            if self._write(writes + self._remembering(once, call, current is not None)):
                return current is not None
        raise in_use(document_id)

    def page(self, limit: int, after_id: str | None = None, query: str | None = None) -> Page:
        check_text("query", query or "")
        found: list[Summary] = []
        next_id = after_id
        for _ in range(SEARCH_PAGES if query else 1):
            with told(STORE):
                reply = self.connect().query(**_query(self._table, limit, next_id, query))
            found += [_summary(item["sk"]["S"], item) for item in reply["Items"]]
            next_id = reply.get("LastEvaluatedKey", {}).get("sk", {}).get("S")
            if next_id is None or len(found) >= limit:
                break
        if len(found) > limit:
            next_id = found[limit - 1].document_id
        return Page(tuple(found[:limit]), next_id)

    def check(self) -> None:
        key = {"pk": {"S": "ready"}, "sk": {"S": "ready"}}
        self._checks.get().get_item(TableName=self._table, Key=key, ConsistentRead=True)

    def reset(self) -> None:
        for client in (self._client, self._checks):
            client.reset()

    def _get_item(self, key: Item) -> Item | None:
        with told(STORE):
            reply: Item = self.connect().get_item(TableName=self._table, Key=key, ConsistentRead=True)
        return reply.get("Item")

    def _recall(self, once: Once | None, call: str) -> Any:
        """Return the first result of a key that was used before, else None; DynamoDB deletes expired items late."""
        item = self._get_item(_result_key(once)) if once else None
        if once is None or item is None or int(item["expires_at"]["N"]) <= self._clock():
            return None
        return first_result(once, (item["call"]["S"], item["result"]["S"]), call)

    def _remembering(self, once: Once | None, call: str, result: Any) -> list[Item]:
        """Build the put of a call's result, which fails where its key has one already."""
        if once is None:
            return []
        now = int(self._clock())
        values = {
            "call": {"S": call},
            "result": {"S": json.dumps(result)},
            "expires_at": {"N": str(now + KEY_SECONDS)},
        }
        put = {
            "Item": {**_result_key(once), **values},
            "ConditionExpression": "attribute_not_exists(pk) OR expires_at <= :now",
            "ExpressionAttributeValues": {":now": {"N": str(now)}},
        }
        return [{"Put": put}]

    def _write(self, writes: list[Item]) -> bool:
        """Do all writes or none; False when a condition failed or others were writing the same."""
        if not writes:
            return True
        for write in writes:
            for operation in write.values():
                operation["TableName"] = self._table
        client = self.connect()
        with told(STORE, changing=True):
            try:
                client.transact_write_items(TransactItems=writes)
            except client.exceptions.TransactionCanceledException as error:
                reasons = {reason.get("Code") for reason in error.response.get("CancellationReasons", ())}
                if reasons & {"ConditionalCheckFailed", "TransactionConflict"}:
                    return False
                raise
        return True


def _attempts() -> Iterator[None]:
    """Allow some attempts at a write, with pauses of growing length between them."""
    began = time.monotonic()
    for attempt in range(WRITE_ATTEMPTS):
        if attempt:
            time.sleep(random.uniform(0, PAUSE_SECONDS * 2**attempt))
        if time.monotonic() - began > WRITE_SECONDS:
            return
        yield


def _content_key(document_id: str) -> Item:
    return {"pk": {"S": f"doc#{document_id}"}, "sk": {"S": "content"}}


def _summary_key(document_id: str) -> Item:
    return {"pk": {"S": "documents"}, "sk": {"S": document_id}}


def _result_key(once: Once) -> Item:
    return {"pk": {"S": f"once#{once.digest()}"}, "sk": {"S": "result"}}


def _guarded(writes: list[Item], current: Document | None) -> list[Item]:
    """Let writes of a document's items fail unless the document still is as it was read."""
    condition: Item = {"ConditionExpression": "attribute_not_exists(pk)"}
    if current:
        condition = {
            "ConditionExpression": "#version = :version",
            "ExpressionAttributeNames": {"#version": "version"},
            "ExpressionAttributeValues": {":version": {"N": str(current.version)}},
        }
    return [{name: {**operation, **condition}} for write in writes for name, operation in write.items()]


def _deletes(document_id: str) -> list[Item]:
    return [{"Delete": {"Key": key}} for key in (_content_key(document_id), _summary_key(document_id))]


def _puts(document: Document) -> list[Item]:
    """Build the two puts that store a document."""
    summary = {
        "title": {"S": document.title},
        "version": {"N": str(document.version)},
        "size_bytes": {"N": str(document.size_bytes)},
        "created_at": {"S": document.created_at},
        "updated_at": {"S": document.updated_at},
    }
    content = {**_content_key(document.document_id), **summary, "text": {"S": document.text}}
    terms = {"S": searched_terms(document.title, document.text)}
    listed = {**_summary_key(document.document_id), **summary, "terms": terms}
    return [{"Put": {"Item": content}}, {"Put": {"Item": listed}}]


def _fields(document_id: str, item: Item) -> Item:
    return {
        "document_id": document_id,
        "title": item["title"]["S"],
        "version": int(item["version"]["N"]),
        "size_bytes": int(item["size_bytes"]["N"]),
        "created_at": item["created_at"]["S"],
        "updated_at": item["updated_at"]["S"],
    }


def _summary(document_id: str, item: Item) -> Summary:
    return Summary(**_fields(document_id, item))


def _document(document_id: str, item: Item) -> Document:
    return Document(**_fields(document_id, item), text=item["text"]["S"])


def _query(table: str, limit: int, after_id: str | None, query: str | None) -> Item:
    """Build one Query; with a search term DynamoDB's Limit would count what was read, not what matched."""
    request: Item = {
        "TableName": table,
        "KeyConditionExpression": "pk = :pk",
        "ExpressionAttributeValues": {":pk": {"S": "documents"}},
        "ConsistentRead": True,
    }
    if after_id:
        request["ExclusiveStartKey"] = _summary_key(after_id)
    if query is None:
        return request | {"Limit": limit}
    request["FilterExpression"] = "contains(#terms, :query)"
    request["ExpressionAttributeNames"] = {"#terms": "terms"}
    request["ExpressionAttributeValues"][":query"] = {"S": query}
    return request
