# SPDX-License-Identifier: MIT
"""Documents in this process: for a look without AWS."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

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
    next_document,
    searched_terms,
)


class MemoryStorage:
    """Documents in this process, gone when it ends.

    :param clock: returns seconds since 1970
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._documents: dict[str, Document] = {}
        # Fingerprint and result of a call, and when they are forgotten.
        self._results: dict[str, tuple[tuple[str, str], float]] = {}
        self._lock = threading.Lock()

    def get(self, document_id: str) -> Document | None:
        return self._documents.get(document_id)

    def save(
        self, document_id: str, title: str, text: str, expected_version: int | None = None, once: Once | None = None
    ) -> Saved:
        call = fingerprint("save_document", document_id, title, text, expected_version)
        with self._lock:
            if (first := self._recall(once, call)) is not None:
                return Saved(Summary(**first), changed=False)
            current = self._documents.get(document_id)
            document = next_document(current, document_id, title, text, expected_version)
            self._documents[document_id] = document
            self._remember(once, call, asdict(document.summary()))
        return Saved(document.summary(), document is not current)

    def delete(self, document_id: str, expected_version: int | None = None, once: Once | None = None) -> bool:
        call = fingerprint("delete_document", document_id, expected_version)
        with self._lock:
            if (first := self._recall(once, call)) is not None:
                return bool(first)
            current = self._documents.get(document_id)
            if current:
                check_version(current, document_id, expected_version)
                del self._documents[document_id]
            self._remember(once, call, current is not None)
        return current is not None

    def page(self, limit: int, after_id: str | None = None, query: str | None = None) -> Page:
        check_text("query", query or "")
        with self._lock:
            documents = sorted(self._documents.values(), key=lambda document: document.document_id)
        found = [
            document.summary()
            for document in documents
            if document.document_id > (after_id or "")
            and (query or "") in searched_terms(document.title, document.text)
        ]
        more = len(found) > limit
        return Page(tuple(found[:limit]), found[limit - 1].document_id if more else None)

    def check(self) -> None:
        """Memory always answers."""

    def reset(self) -> None:
        """Nothing here depends on the process that made it."""

    def _recall(self, once: Once | None, call: str) -> Any:
        """Return the first result of a key that was used before, else None."""
        if once is None or once.digest() not in self._results:
            return None
        stored, expires_at = self._results[once.digest()]
        return first_result(once, stored, call) if self._clock() < expires_at else None

    def _remember(self, once: Once | None, call: str, result: Any) -> None:
        if once is None:
            return
        now = self._clock()
        self._results = {name: kept for name, kept in self._results.items() if now < kept[1]}
        self._results[once.digest()] = ((call, json.dumps(result)), now + KEY_SECONDS)
