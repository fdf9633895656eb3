# SPDX-License-Identifier: MIT
"""What a store of documents promises, and the rules that every backend shares.

Ids sort by the bytes of their characters, in every backend alike.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

ID_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$"
SEARCHED_CHARS = 1000
# For so long the same idempotency key answers with the first result.
KEY_SECONDS = 24 * 3600

_ID = re.compile(ID_PATTERN.replace("$", r"\Z"))
# PostgreSQL cannot store U+0000, and half a surrogate pair is no text in any encoding.
_UNUSABLE = re.compile("[\x00\ud800-\udfff]")


class StorageError(Exception):
    """A storage failure whose text tells the caller what to do."""


class VersionConflict(StorageError):
    """The document is not at the version that the caller expected."""


class KeyReused(StorageError):
    """The idempotency key stands for a call with other arguments."""


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
        return Summary(self.document_id, self.title, self.version, self.size_bytes, self.created_at, self.updated_at)


@dataclass(frozen=True)
class Saved:
    """What a save led to. ``changed`` is False when it repeated what was there, or an earlier call."""

    summary: Summary
    changed: bool


@dataclass(frozen=True)
class Page:
    """Some documents in the order of their ids. ``next_id`` is the id to go on after, None at the end.

    A page with a ``next_id`` may have fewer documents than asked for, even none.
    """

    documents: tuple[Summary, ...]
    next_id: str | None


@dataclass(frozen=True)
class Once:
    """Lets a write happen once: ``key`` names it among the writes of one caller."""

    caller: tuple[str, ...]
    key: str

    def digest(self) -> str:
        """Return a name for caller and key that is safe in any store."""
        return _digest(*self.caller, self.key)


@dataclass(frozen=True)
class Match:
    """A document that a search for words found. Higher ``rank`` is better; ``excerpt`` has the words between ``**``."""

    document: Summary
    rank: float
    excerpt: str


class Storage(Protocol):
    """What the server needs of a store. Ids match `ID_PATTERN`; every method may raise `StorageError`.

    With ``once`` a write that succeeded is remembered, atomically with what it changed, for `KEY_SECONDS`: the same
    call with the same key then returns the first result and changes nothing, whatever became of the document.
    """

    def get(self, document_id: str) -> Document | None:
        """Return a document, or None."""

    def save(
        self, document_id: str, title: str, text: str, expected_version: int | None = None, once: Once | None = None
    ) -> Saved:
        """Create or replace a document; saving the same content again changes nothing.

        :param expected_version: refuse when the stored version is another one (0: it must not exist yet)
        :raises VersionConflict: it is another one
        :raises KeyReused: the key stands for another call
        """

    def delete(self, document_id: str, expected_version: int | None = None, once: Once | None = None) -> bool:
        """Delete a document; False when there was none.

        :raises VersionConflict: the stored version is not the expected one
        :raises KeyReused: the key stands for another call
        """

    def page(self, limit: int, after_id: str | None = None, query: str | None = None) -> Page:
        """Return at most ``limit`` (1 or more) documents after an id, which need not exist.

        :param query: lower-case text that `searched_terms` of a document must contain
        """

    def check(self) -> None:
        """Return within two seconds when the store answers.

        :raises Exception: it does not
        """

    def reset(self) -> None:
        """Drop what does not survive a snapshot of the process, such as connections."""


class WordSearch(Protocol):
    """What some stores have besides: a search for whole words in whole texts."""

    def find(self, query: str, limit: int) -> list[Match]:
        """Return at most ``limit`` documents that have the words of a query, best first."""


def is_document_id(text: str) -> bool:
    """Tell whether a text can be a document's id."""
    return bool(_ID.match(text))


def searched_terms(title: str, text: str) -> str:
    """Return what a search looks through: the title and the beginning of the text, in lower case."""
    return f"{title}\n{text[:SEARCHED_CHARS]}".lower()


def check_text(name: str, text: str) -> None:
    """Refuse what not every backend can store.

    :raises StorageError: it names the character and its place
    """
    found = _UNUSABLE.search(text)
    if found:
        raise StorageError(
            f"The {name} has the character U+{ord(found[0]):04X} at position {found.start()}, which cannot be stored. "
            "Remove it, then try again."
        )


def next_document(
    current: Document | None, document_id: str, title: str, text: str, expected_version: int | None
) -> Document:
    """Return what a save stores: the current document itself when its content is the same.

    :raises VersionConflict: the current version is not the expected one
    """
    check_text("title", title)
    check_text("text", text)
    if current and (current.title, current.text) == (title, text):
        return current
    check_version(current, document_id, expected_version)
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


def check_version(current: Document | None, document_id: str, expected_version: int | None) -> None:
    """Refuse a write that expects another version than the current one.

    :raises VersionConflict: it does
    """
    version = current.version if current else 0
    if expected_version not in (None, version):
        state = f"is at version {version}" if version else "does not exist"
        raise VersionConflict(
            f"Document {document_id!r} {state}, not at version {expected_version}. Read it with get_document, "
            "then try again with expected_version set to the version you read."
        )


def away(store: str, changing: bool = False) -> StorageError:
    """Return the error for a store that does not answer.

    :param store: what the caller knows it as
    :param changing: whether the unanswered request may have changed something
    """
    unknown = " This change may have been made or not; repeated with the same idempotency_key it is made once."
    return StorageError(f"The {store} does not answer. Try again in a minute.{unknown if changing else ''}")


def busy(store: str) -> StorageError:
    """Return the error for a store to which the same request may succeed a little later."""
    return StorageError(f"The {store} is busy. Wait a few seconds, then try again.")


def in_use(document_id: str) -> StorageError:
    """Return the error for a write that others got in the way of all the time."""
    return StorageError(f"Document {document_id!r} is being changed by others right now. Try again in a moment.")


def fingerprint(tool: str, *arguments: str | int | None) -> str:
    """Return a short text that is the same for the same call only."""
    return f"{tool}:{_digest(*arguments)}"


def first_result(once: Once, stored: tuple[str, str], call: str) -> Any:
    """Return the result of a key's first call.

    :param stored: that call's fingerprint and its result as JSON
    :raises KeyReused: the call is another one
    """
    before, result = stored
    if before != call:
        raise KeyReused(
            f"idempotency_key {once.key!r} stands for another call of {before.partition(':')[0]}, made within "
            "24 hours. Choose a new key for a new change, or repeat that call with exactly its arguments."
        )
    return json.loads(result)


def _digest(*parts: str | int | None) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
