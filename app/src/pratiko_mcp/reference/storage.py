# SPDX-License-Identifier: MIT
"""Where documents live: DynamoDB when deployed, memory for a look without AWS.

Layout of the table, two items for each document, written together:

=========== ======== ==================================================================
pk          sk       holds
=========== ======== ==================================================================
doc#<id>    content  title, text, version, created_at, updated_at, size_bytes
documents   <id>     the same without the text, and ``terms`` that searches look through
=========== ======== ==================================================================

Listing and searching read the small items only, so their price does not grow with the texts.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

SEARCHED_CHARS = 1000
SAVE_ATTEMPTS = 3
# One search reads at most this many pages of up to 1 MB, then hands out a cursor to go on from.
SEARCH_PAGES = 4
BUSY_CODES = frozenset(
    {
        "InternalServerError",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "ThrottlingException",
        "TransactionInProgressException",
    }
)


class StorageError(Exception):
    """A storage failure whose text tells the caller what to do."""


class VersionConflict(StorageError):
    """The document is not at the version that the caller expected."""


@dataclass(frozen=True)
class Summary:
    """A document without its text. Times are ISO 8601 in UTC."""

    document_id: str
    title: str
    version: int
    size_bytes: int
    created_at: str
    updated_at: str


@dataclass(frozen=True)
class Document(Summary):
    """A document."""

    text: str

    def summary(self) -> Summary:
        """Return the document without its text."""
        return Summary(**{name: value for name, value in asdict(self).items() if name != "text"})


@dataclass(frozen=True)
class Page:
    """Some documents in the order of their ids. ``next_id`` is the id to go on after, None at the end."""

    documents: tuple[Summary, ...]
    next_id: str | None


class Storage(Protocol):
    """What the tools need of a store. Every method may raise `StorageError`."""

    def get(self, document_id: str) -> Document | None:
        """Return a document, or None."""

    def save(self, document_id: str, title: str, text: str, expected_version: int | None) -> Document:
        """Create or replace a document; saving the same content again changes nothing.

        :param expected_version: refuse when the stored version is another one (0: it must not exist yet)
        :raises VersionConflict: it is another one
        """

    def delete(self, document_id: str, expected_version: int | None) -> bool:
        """Delete a document; False when there was none.

        :raises VersionConflict: the stored version is not the expected one
        """

    def page(self, limit: int, after_id: str | None, query: str | None = None) -> Page:
        """Return documents after an id, those that match a lower-case query when there is one."""


def searched_terms(title: str, text: str) -> str:
    """Return what a search looks through: the title and the beginning of the text, in lower case."""
    return f"{title}\n{text[:SEARCHED_CHARS]}".lower()


def next_document(
    current: Document | None, document_id: str, title: str, text: str, expected_version: int | None
) -> Document:
    """Return what a save stores: the current document itself when its content is the same.

    :raises VersionConflict: the current version is not the expected one
    """
    if current and (current.title, current.text) == (title, text):
        return current
    _check_version(current, document_id, expected_version)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return Document(
        document_id=document_id,
        title=title,
        version=current.version + 1 if current else 1,
        size_bytes=len(text.encode()),
        created_at=current.created_at if current else now,
        updated_at=now,
        text=text,
    )


def _check_version(current: Document | None, document_id: str, expected_version: int | None) -> None:
    version = current.version if current else 0
    if expected_version not in (None, version):
        state = f"is at version {version}" if version else "does not exist"
        raise VersionConflict(
            f"Document {document_id!r} {state}, not at version {expected_version}. Read it with get_document, "
            "then save again with expected_version set to the version you read."
        )


class MemoryStorage:
    """Documents in this process, gone when it ends: for trying the server without AWS."""

    def __init__(self) -> None:
        self._documents: dict[str, Document] = {}
        self._lock = threading.Lock()

    def get(self, document_id: str) -> Document | None:
        return self._documents.get(document_id)

    def save(self, document_id: str, title: str, text: str, expected_version: int | None) -> Document:
        with self._lock:
            current = self._documents.get(document_id)
            document = next_document(current, document_id, title, text, expected_version)
            self._documents[document_id] = document
        return document

    def delete(self, document_id: str, expected_version: int | None) -> bool:
        with self._lock:
            current = self._documents.get(document_id)
            _check_version(current, document_id, expected_version if current else None)
            return self._documents.pop(document_id, None) is not None

    def page(self, limit: int, after_id: str | None, query: str | None = None) -> Page:
        found = [
            document.summary()
            for document_id, document in sorted(self._documents.items())
            if document_id > (after_id or "") and (query or "") in searched_terms(document.title, document.text)
        ]
        more = len(found) > limit
        return Page(tuple(found[:limit]), found[limit - 1].document_id if more else None)


def make_dynamodb_client() -> Any:
    """Return a client that retries throttling, and gives up well before an API call ends."""
    import boto3
    from botocore.config import Config

    retries = {"mode": "standard", "total_max_attempts": 5}
    return boto3.client("dynamodb", config=Config(connect_timeout=2, read_timeout=5, retries=retries))


class DynamoStorage:
    """Documents in one DynamoDB table."""

    def __init__(self, table: str, make_client: Callable[[], Any] = make_dynamodb_client) -> None:
        self._table = table
        self._make_client = make_client
        self._lock = threading.Lock()
        self._made: Any = None

    def connect(self) -> Any:
        """Return the client, made once: tools run in several threads."""
        with self._lock:
            self._made = self._made or self._make_client()
            return self._made

    def get(self, document_id: str) -> Document | None:
        with _aws_errors():
            reply = self.connect().get_item(TableName=self._table, Key=_content_key(document_id), ConsistentRead=True)
        return _document(document_id, reply["Item"]) if "Item" in reply else None

    def save(self, document_id: str, title: str, text: str, expected_version: int | None) -> Document:
        for _ in range(SAVE_ATTEMPTS):
            current = self.get(document_id)
            document = next_document(current, document_id, title, text, expected_version)
            if document is current or self._write(_puts(document), current):
                return document
        raise StorageError(f"Document {document_id!r} is being changed by others right now. Try again in a moment.")

    def delete(self, document_id: str, expected_version: int | None) -> bool:
        for _ in range(SAVE_ATTEMPTS):
            current = self.get(document_id)
            if current is None:
                return False
            _check_version(current, document_id, expected_version)
            deletes = [{"Delete": {"Key": key}} for key in (_content_key(document_id), _summary_key(document_id))]
            if self._write(deletes, current):
                return True
        raise StorageError(f"Document {document_id!r} is being changed by others right now. Try again in a moment.")

    def page(self, limit: int, after_id: str | None, query: str | None = None) -> Page:
        found: list[Summary] = []
        next_id = after_id
        for _ in range(SEARCH_PAGES if query else 1):
            with _aws_errors():
                reply = self.connect().query(**_query(self._table, limit, next_id, query))
            found += [_summary(item["sk"]["S"], item) for item in reply["Items"]]
            next_id = reply.get("LastEvaluatedKey", {}).get("sk", {}).get("S")
            if next_id is None or len(found) >= limit:
                break
        if len(found) > limit:
            next_id = found[limit - 1].document_id
        return Page(tuple(found[:limit]), next_id)

    def _write(self, items: list[dict[str, dict[str, Any]]], current: Document | None) -> bool:
        """Write a document's two items if it still is as it was read; False when it is not."""
        condition: dict[str, Any] = {"ConditionExpression": "attribute_not_exists(pk)"}
        if current:
            condition = {
                "ConditionExpression": "#version = :version",
                "ExpressionAttributeNames": {"#version": "version"},
                "ExpressionAttributeValues": {":version": {"N": str(current.version)}},
            }
        for item in items:
            for operation in item.values():
                operation |= {"TableName": self._table, **condition}
        client = self.connect()
        with _aws_errors():
            try:
                client.transact_write_items(TransactItems=items)
            except client.exceptions.TransactionCanceledException as error:
                reasons = {reason.get("Code") for reason in error.response.get("CancellationReasons", ())}
                if reasons & {"ConditionalCheckFailed", "TransactionConflict"}:
                    return False
                raise
        return True


@contextmanager
def _aws_errors() -> Iterator[None]:
    """Turn what a caller can wait out into a `StorageError`; anything else stays a crash for the log."""
    from botocore.exceptions import ClientError

    try:
        yield
    except ClientError as error:
        if error.response["Error"]["Code"] in BUSY_CODES:
            raise StorageError("The document store is busy. Wait a few seconds, then try again.") from error
        raise


def _content_key(document_id: str) -> dict[str, Any]:
    return {"pk": {"S": f"doc#{document_id}"}, "sk": {"S": "content"}}


def _summary_key(document_id: str) -> dict[str, Any]:
    return {"pk": {"S": "documents"}, "sk": {"S": document_id}}


def _puts(document: Document) -> list[dict[str, dict[str, Any]]]:
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


def _fields(document_id: str, item: dict[str, Any]) -> dict[str, Any]:
    return {
        "document_id": document_id,
        "title": item["title"]["S"],
        "version": int(item["version"]["N"]),
        "size_bytes": int(item["size_bytes"]["N"]),
        "created_at": item["created_at"]["S"],
        "updated_at": item["updated_at"]["S"],
    }


def _summary(document_id: str, item: dict[str, Any]) -> Summary:
    return Summary(**_fields(document_id, item))


def _document(document_id: str, item: dict[str, Any]) -> Document:
    return Document(**_fields(document_id, item), text=item["text"]["S"])


def _query(table: str, limit: int, after_id: str | None, query: str | None) -> dict[str, Any]:
    """Build one Query; with a search term DynamoDB's Limit would count what was read, not what matched."""
    request: dict[str, Any] = {
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
