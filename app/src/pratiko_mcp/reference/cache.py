# SPDX-License-Identifier: MIT
"""Documents in Redis, in front of a store; the store alone decides what is true.

The value of a document's key says what may be done with it:

======================== =========== ===============================================================================
value                    for seconds means
======================== =========== ===============================================================================
``d:`` and a document    30          read it from here
``l:`` and a random text 10          one reader is fetching it from the store, and puts it here if this is still so
``w:`` and a random text 30          somebody is changing it: read from the store, put nothing here
======================== =========== ===============================================================================

A writer marks the key before it writes and removes it after, so a reader that fetched the document from before the
write finds its lease gone. The mark of a writer that dies stays until its transaction is long over.

Redis may be away: then reads go to the store, writes are made without a mark, and this process reads nothing from the
cache until all that it could not mark has expired. Every few seconds one write tries it again; the others do not wait
for it. Other processes that reach Redis all the time may meanwhile read a document of up to 40 seconds ago.
"""

from __future__ import annotations

import json
import logging
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from redis import Redis, RedisError
from redis.backoff import NoBackoff
from redis.credentials import CredentialProvider
from redis.retry import Retry

from ..metrics import Reading
from ..readiness import Degraded
from .address import Address
from .storage import Document, Once, Page, Saved, Storage

PREFIX = "mcp:document:1:"
ENTRY_SECONDS = 30
# Longer than a read of the store takes; a write takes less than WRITE_SECONDS.
LEASE_SECONDS = 10
WRITE_SECONDS = 30
PAUSE_SECONDS = ENTRY_SECONDS + LEASE_SECONDS
# A cache that takes longer is slower than the store.
ANSWER_SECONDS = 0.25
# To look up the name of a container that is stopped may take longer than that.
RETRY_SECONDS = 5.0

FILL = """
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3]) end"""
# Another writer's mark stays: that one is still at it.
DONE = """
local value = redis.call('GET', KEYS[1])
if value and (value == ARGV[1] or string.sub(value, 1, 2) ~= 'w:') then return redis.call('DEL', KEYS[1]) end"""

logger = logging.getLogger("pratiko_mcp")


class Cache:
    """The documents in one Redis. No method raises: what fails is a miss.

    :param clock: returns seconds that only grow
    """

    def __init__(self, address: Address, clock: Callable[[], float] = time.monotonic) -> None:
        self._redis = _client(address)
        self._fill = self._redis.register_script(FILL)
        self._done = self._redis.register_script(DONE)
        self._clock = clock
        self._trusted_from = 0.0
        self._away = False
        self._asked_from = 0.0
        self._lock = threading.Lock()
        self._requests = {"hit": 0, "miss": 0, "error": 0}

    def look(self, document_id: str) -> tuple[Document | None, str | None]:
        """Return the document if it is here, else a lease if the caller may `fill` it."""
        if self._clock() < self._trusted_from:
            self._count("miss")
            return None, None
        lease = f"l:{secrets.token_hex(8)}"
        try:
            found = self._redis.set(PREFIX + document_id, lease, ex=LEASE_SECONDS, nx=True, get=True)
            document = Document(**json.loads(found[2:])) if found and found.startswith("d:") else None
        except (RedisError, OSError, ValueError, TypeError) as error:
            self._failed(error)
            return None, None
        self._count("hit" if document else "miss")
        return document, None if found else lease

    def fill(self, lease: str, document: Document) -> None:
        """Put a document here that was read from the store under a lease."""
        entry = "d:" + json.dumps(asdict(document), ensure_ascii=False)
        with self._noticed():
            self._fill(keys=[PREFIX + document.document_id], args=[lease, entry, ENTRY_SECONDS])

    @contextmanager
    def changing(self, document_id: str) -> Iterator[None]:
        """Keep a document out of the cache while it is being changed."""
        key, mark = PREFIX + document_id, f"w:{secrets.token_hex(8)}"
        marked = False
        if self._may_ask():
            with self._noticed():
                marked = bool(self._redis.set(key, mark, ex=WRITE_SECONDS))
                self._away = False
        try:
            yield
        finally:
            if marked:
                with self._noticed():
                    self._done(keys=[key], args=[mark])
            else:
                self._distrust()

    def check(self) -> None:
        """Return when Redis answers.

        :raises Degraded: it does not; reads come from the store
        """
        try:
            self._redis.ping()
        except (RedisError, OSError) as error:
            raise Degraded(f"reads come from the store: {type(error).__name__}: {error}") from error

    def reset(self) -> None:
        """Drop the connections."""
        self._redis.connection_pool.disconnect()

    def readings(self) -> Iterator[Reading]:
        """Yield what became of the reads, for the metrics; an error may also be a write that could not be marked."""
        with self._lock:
            values = dict(self._requests)
        yield Reading("cache_requests", "Documents asked of the cache", values, "result", counter=True)

    @contextmanager
    def _noticed(self) -> Iterator[None]:
        try:
            yield
        except (RedisError, OSError) as error:
            self._failed(error)

    def _may_ask(self) -> bool:
        """Tell whether a write may try Redis: while it is away, one does now and then."""
        now = self._clock()
        with self._lock:
            if self._away and now < self._asked_from:
                return False
            self._asked_from = now + RETRY_SECONDS
            return True

    def _distrust(self) -> bool:
        """Trust nothing that is there now: it may have changed in the store unmarked. Tell whether it was trusted."""
        now = self._clock()
        with self._lock:
            before, self._trusted_from = now >= self._trusted_from, now + PAUSE_SECONDS
        return before

    def _failed(self, error: Exception) -> None:
        with self._lock:
            self._away, self._asked_from = True, self._clock() + RETRY_SECONDS
        self._count("error")
        if self._distrust():
            text = "the cache does not answer (%s: %s): for %d s and as long as it lasts, reads come from the store"
            logger.warning(text, type(error).__name__, error, PAUSE_SECONDS)

    def _count(self, result: str) -> None:
        with self._lock:
            self._requests[result] += 1


class CachedStorage:
    """A store whose documents are read from a cache where they can be."""

    def __init__(self, storage: Storage, cache: Cache) -> None:
        self._storage = storage
        self._cache = cache

    def get(self, document_id: str) -> Document | None:
        document, lease = self._cache.look(document_id)
        if document:
            return document
        document = self._storage.get(document_id)
        if document and lease:
            self._cache.fill(lease, document)
        return document

    def save(
        self, document_id: str, title: str, text: str, expected_version: int | None = None, once: Once | None = None
    ) -> Saved:
        with self._cache.changing(document_id):
            return self._storage.save(document_id, title, text, expected_version, once)

    def delete(self, document_id: str, expected_version: int | None = None, once: Once | None = None) -> bool:
        with self._cache.changing(document_id):
            return self._storage.delete(document_id, expected_version, once)

    def page(self, limit: int, after_id: str | None = None, query: str | None = None) -> Page:
        return self._storage.page(limit, after_id, query)

    def check(self) -> None:
        self._storage.check()

    def reset(self) -> None:
        self._cache.reset()
        self._storage.reset()


class _Password(CredentialProvider):
    """Reads the password for each connection."""

    def __init__(self, address: Address) -> None:
        self._address = address

    def get_credentials(self) -> tuple[str]:
        return (self._address.password() or "",)


def _client(address: Address) -> Any:
    return Redis.from_url(
        address.url,
        decode_responses=True,
        socket_timeout=ANSWER_SECONDS,
        socket_connect_timeout=ANSWER_SECONDS,
        # Once more: after a restart of Redis the connections of the pool are dead.
        retry=Retry(NoBackoff(), 1),
        **({"credential_provider": _Password(address)} if address.password_file else {}),
    )
