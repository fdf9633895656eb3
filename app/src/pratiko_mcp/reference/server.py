# SPDX-License-Identifier: MIT
"""The reference server: documents in DynamoDB or PostgreSQL, files in S3, as tools, resources and a prompt.

Configured by MCP_TABLE or MCP_DATABASE_URL (documents), MCP_REDIS_URL (a cache in front of them), and MCP_BUCKET
(files). Without a store documents live in memory, which is for trying it on one machine and refused on Lambda; without
MCP_BUCKET the file tools are left out, and the search for words without PostgreSQL.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Annotated

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import ToolAnnotations
from pydantic import Field

from .. import metrics, restore
from ..auth import current_token
from ..metrics import count
from ..sessions import principal_of
from ..settings import SettingsError, check_url
from .address import database_address, redis_address
from .content import READ_SCOPE, DocumentServer, add_prompts, add_resources
from .dynamodb import DynamoStorage
from .files import Files, Link
from .memory import MemoryStorage
from .storage import ID_PATTERN, Document, Match, Once, Storage, StorageError, Summary, WordSearch
from .threads import Threads

MAX_TEXT_BYTES = 300_000
MAX_FILE_BYTES = 100 * 1024 * 1024
WRITE_SCOPE = "documents:write"
# Which scopes a token needs for a tool, unless the deployment says otherwise.
TOOL_SCOPES = {
    "save_document": (WRITE_SCOPE,),
    "get_document": (READ_SCOPE,),
    "list_documents": (READ_SCOPE,),
    "search_documents": (READ_SCOPE,),
    "find_documents": (READ_SCOPE,),
    "delete_document": (WRITE_SCOPE,),
    "create_upload_url": (WRITE_SCOPE,),
    "create_download_url": (READ_SCOPE,),
}
ID_RULE = "Letters, digits, dot, dash and underscore, starting with a letter or digit; at most 128 characters."

Id = Annotated[str, Field(pattern=ID_PATTERN, description=ID_RULE)]
Title = Annotated[str, Field(min_length=1, max_length=200, description="At most 200 characters.")]
Text = Annotated[str, Field(max_length=MAX_TEXT_BYTES, description=f"At most {MAX_TEXT_BYTES} bytes in UTF-8.")]
ExpectedVersion = Annotated[
    int | None,
    Field(ge=0, description="Fail unless the stored document is at this version; 0 means that it must not exist yet."),
]
IdempotencyKey = Annotated[
    str | None,
    Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$",
        description="A new text for each change, such as a UUID: within 24 hours the same call with the same key "
        "returns the first result and changes nothing, so it can safely be repeated.",
    ),
]
Limit = Annotated[int, Field(ge=1, le=100, description="How many documents to return at most.")]
After = Annotated[Id | None, Field(description="next_after of the previous page, to go on behind it.")]
Query = Annotated[str, Field(min_length=2, max_length=200, description="Text to look for; case does not matter.")]
Words = Annotated[str, Field(min_length=1, max_length=200, description='For example: invoice "due date" -paid')]
FindLimit = Annotated[int, Field(ge=1, le=25, description="How many documents to return at most.")]
ContentType = Annotated[
    str, Field(pattern=r"^[a-z]{1,50}/[a-z0-9.+-]{1,100}$", description="For example application/pdf.")
]
FileSize = Annotated[int, Field(ge=1, le=MAX_FILE_BYTES, description="Exact size of the file in bytes.")]

READS = ToolAnnotations(read_only_hint=True, idempotent_hint=True, open_world_hint=False)
WRITES = ToolAnnotations(read_only_hint=False, destructive_hint=True, idempotent_hint=True, open_world_hint=False)


@dataclass(frozen=True)
class DocumentList:
    """One page of documents. ``next_after`` is absent on the last page."""

    documents: list[Summary]
    next_after: str | None = None


@dataclass(frozen=True)
class Deletion:
    """Whether there was a document to delete."""

    document_id: str
    deleted: bool


@dataclass(frozen=True)
class DocumentFinds:
    """The best documents for a query."""

    documents: list[Match]


@dataclass(frozen=True)
class Stores:
    """Where documents are, and what else their store can do and has to tell."""

    documents: Storage
    words: WordSearch | None = None
    checks: Mapping[str, Callable[[], object]] = field(default_factory=dict)


def make_stores(env: Mapping[str, str] = os.environ) -> Stores:
    """Choose the store of documents, and the cache in front of it.

    :raises SettingsError: a variable cannot be used; on Lambda without a store memory would lose documents silently
    """
    stores = _make_store(env)
    if not env.get("MCP_REDIS_URL"):
        return stores
    with _installed("MCP_REDIS_URL"):
        from .cache import Cache, CachedStorage
    cache = Cache(redis_address(env))
    metrics.expose(cache.readings)
    return Stores(CachedStorage(stores.documents, cache), stores.words, {**stores.checks, "cache": cache.check})


def _make_store(env: Mapping[str, str]) -> Stores:
    table, on_lambda = env.get("MCP_TABLE"), "AWS_LAMBDA_FUNCTION_NAME" in env
    if env.get("MCP_DATABASE_URL"):
        if table:
            raise SettingsError("MCP_TABLE", None, "only one of the two", "set together with MCP_DATABASE_URL")
        with _installed("MCP_DATABASE_URL"):
            from .postgres import PostgresStorage
        database = PostgresStorage(database_address(env))
        metrics.expose(database.readings)
        return Stores(database, database, {"documents": database.check, "schema": database.check_schema})
    if on_lambda and not table:
        raise SettingsError("MCP_TABLE", None, "the name of a DynamoDB table")
    storage: Storage = DynamoStorage(table) if table else MemoryStorage()
    if isinstance(storage, DynamoStorage) and on_lambda:
        storage.connect()  # while the instance starts, when the processor is faster
    return Stores(storage, None, {"documents": storage.check})


def make_files(env: Mapping[str, str] = os.environ) -> Files | None:
    """Return the store of files; MCP_FILES_URL is how clients reach it, where that differs from how this server does.

    :raises SettingsError: MCP_FILES_URL cannot be used
    """
    if not env.get("MCP_BUCKET"):
        return None
    links_at = env.get("MCP_FILES_URL") or None
    return Files(env["MCP_BUCKET"], links_at=check_url("MCP_FILES_URL", links_at) if links_at else None)


@contextmanager
def _installed(variable: str) -> Iterator[None]:
    """Say what to install for what a variable asks for."""
    try:
        yield
    except ImportError as error:
        allowed = "a URL after: pip install 'pratiko-mcp[postgres]'"
        raise SettingsError(variable, None, allowed, f"set, and its client is not installed ({error})") from error


@contextmanager
def told_to_the_model() -> Iterator[None]:
    """Let the caller read what went wrong: other exceptions reach it without their text."""
    try:
        yield
    except StorageError as error:
        raise ToolError(str(error)) from error


def once(idempotency_key: str | None) -> Once | None:
    """Return the key in the namespace of whom the request's token speaks for."""
    if idempotency_key is None:
        return None
    return Once(principal_of(current_token.get()), idempotency_key)


def make_server(name: str, storage: Storage, files: Files | None, words: WordSearch | None = None) -> MCPServer:
    """Build the server over its stores."""
    server = DocumentServer(name, instructions="A document store. Ids are chosen by the caller.")
    threads = Threads()
    add_document_tools(server, storage, threads)
    if words:
        add_word_search(server, words, threads)
    add_resources(server, storage, threads)
    add_prompts(server, storage, threads)
    if files:
        add_file_tools(server, files, Threads())
    return server


def add_document_tools(server: MCPServer, storage: Storage, threads: Threads) -> None:
    """Register the tools on documents."""
    count("documents_saved", 0)

    @server.tool(annotations=WRITES)
    @threads
    def save_document(
        document_id: Id,
        title: Title,
        text: Text,
        expected_version: ExpectedVersion = None,
        idempotency_key: IdempotencyKey = None,
    ) -> Summary:
        """Create a document or replace it. Saving the same content again changes nothing."""
        size = len(text.encode())
        if size > MAX_TEXT_BYTES:
            raise ToolError(
                f"The text has {size} bytes, {MAX_TEXT_BYTES} are allowed. Split it into several documents."
            )
        with told_to_the_model():
            saved = storage.save(document_id, title, text, expected_version, once(idempotency_key))
        if saved.changed:
            count("documents_saved")
        return saved.summary

    @server.tool(annotations=READS)
    @threads
    def get_document(document_id: Id) -> Document:
        """Read a document with its text and version."""
        with told_to_the_model():
            document = storage.get(document_id)
        if document is None:
            raise ToolError(f"There is no document {document_id!r}. Find ids with list_documents or search_documents.")
        return document

    @server.tool(annotations=READS)
    @threads
    def list_documents(limit: Limit = 25, after: After = None) -> DocumentList:
        """List documents in the order of their ids, without their texts."""
        with told_to_the_model():
            page = storage.page(limit, after)
        return DocumentList(list(page.documents), page.next_id)

    @server.tool(annotations=READS)
    @threads
    def search_documents(query: Query, limit: Limit = 25, after: After = None) -> DocumentList:
        """Find documents by a part of their title or of the first 1,000 characters of their text.

        A large store is searched piece by piece: as long as next_after is set, there may be more.
        """
        with told_to_the_model():
            page = storage.page(limit, after, query.lower())
        return DocumentList(list(page.documents), page.next_id)

    @server.tool(annotations=WRITES)
    @threads
    def delete_document(
        document_id: Id, expected_version: ExpectedVersion = None, idempotency_key: IdempotencyKey = None
    ) -> Deletion:
        """Delete a document; deleting one that does not exist is no error."""
        with told_to_the_model():
            return Deletion(document_id, storage.delete(document_id, expected_version, once(idempotency_key)))


def add_word_search(server: MCPServer, words: WordSearch, threads: Threads) -> None:
    """Register the search that only some stores have."""

    @server.tool(annotations=READS)
    @threads
    def find_documents(query: Words, limit: FindLimit = 10) -> DocumentFinds:
        """Find documents by whole words in their title and the first 50,000 characters of their text, best first.

        Words are all needed; "in quotes" a phrase, or between two, - in front of one that must not be there.
        """
        with told_to_the_model():
            return DocumentFinds(words.find(query, limit))


def add_file_tools(server: MCPServer, files: Files, threads: Threads) -> None:
    """Register the tools on files."""
    count("links_created", 0)

    @server.tool(annotations=WRITES)
    @threads
    def create_upload_url(file_id: Id, content_type: ContentType, size_bytes: FileSize) -> Link:
        """Get a link to upload a file with one HTTP PUT, valid for 15 minutes; it replaces a file of the same id."""
        link = files.upload_link(file_id, content_type, size_bytes)
        count("links_created")
        return link

    @server.tool(annotations=READS)
    @threads
    def create_download_url(file_id: Id) -> Link:
        """Get a link to download a file with one HTTP GET, valid for 15 minutes."""
        with told_to_the_model():
            link = files.download_link(file_id)
        if link is None:
            raise ToolError(f"There is no file {file_id!r}. Upload it first, with a link from create_upload_url.")
        count("links_created")
        return link


def ready_checks(stores: Stores, files: Files | None) -> dict[str, Callable[[], object]]:
    """Return what tells whether each store answers; a check raises when its store does not."""
    return {**stores.checks, **({"files": files.check} if files else {})}


def reset() -> None:
    """Drop the stores' connections: after a restore from a snapshot nobody is at their other end."""
    _stores.documents.reset()
    if _files:
        _files.reset()


restore.on_restore(reset)
_stores = make_stores()
_files = make_files()

READY_CHECKS: Mapping[str, Callable[[], object]] = ready_checks(_stores, _files)
mcp = make_server(os.environ.get("MCP_SERVER_NAME") or "documents", _stores.documents, _files, _stores.words)
