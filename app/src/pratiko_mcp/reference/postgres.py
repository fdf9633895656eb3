# SPDX-License-Identifier: MIT
"""Documents in PostgreSQL, 14 or later; the tables are made by `pratiko_mcp.reference.migrate`.

Statements name the columns of revision 0001 only, so that writing goes on while a migration runs. Rows are locked while
they are changed, so writers of the same document wait for each other.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any, Self

import psycopg
from psycopg import errors
from psycopg.pq import TransactionStatus
from psycopg.rows import TupleRow
from psycopg_pool import ConnectionPool, PoolTimeout

from ..metrics import Reading
from .address import Address
from .schema import check_schema, read_schema
from .storage import (
    KEY_SECONDS,
    Document,
    Match,
    Once,
    Page,
    Saved,
    StorageError,
    Summary,
    away,
    busy,
    check_text,
    check_version,
    fingerprint,
    first_result,
    in_use,
    next_document,
    searched_terms,
)

STORE = "document store"
POOL_SIZE = 10
# Seconds: for a connection of the pool, for the pool to try again before it gives up.
POOL_SECONDS = 3.0
RECONNECT_SECONDS = 2.0
# For a statement, for a lock, and for a transaction whose process stopped in the middle.
LIMITS = {"statement_timeout": "5s", "lock_timeout": "2s", "idle_in_transaction_session_timeout": "10s"}
WRITE_ATTEMPTS = 5
# One write with a key also deletes so many results of keys that have expired.
EXPIRED_AT_ONCE = 100
# An excerpt is looked for in the part of the text that `words` has.
EXCERPT = "StartSel=**, StopSel=**, MaxFragments=2, MinWords=5, MaxWords=20"
WORDS_CHARS = 50_000

SUMMARY = "id, title, version, size_bytes, created_at, updated_at"
SELECT = f"SELECT {SUMMARY}, body FROM documents WHERE id = %s"
PAGE = f"SELECT {SUMMARY} FROM documents WHERE id > %(after)s ORDER BY id LIMIT %(limit)s"
SEARCH = f"SELECT {SUMMARY} FROM documents WHERE id > %(after)s AND terms LIKE %(like)s ORDER BY id LIMIT %(limit)s"
INSERT = """
    INSERT INTO documents (id, title, body, version, size_bytes, created_at, updated_at, terms)
    VALUES (%(id)s, %(title)s, %(body)s, %(version)s, %(size_bytes)s, %(created_at)s, %(updated_at)s, %(terms)s)
    ON CONFLICT (id) DO NOTHING"""
UPDATE = """
    UPDATE documents SET title = %(title)s, body = %(body)s, version = %(version)s, size_bytes = %(size_bytes)s,
    updated_at = %(updated_at)s, terms = %(terms)s WHERE id = %(id)s"""
CLAIM = """
    INSERT INTO results (digest, call, result, expires_at) VALUES (%(digest)s, %(call)s, 'null', %(expires_at)s)
    ON CONFLICT (digest) DO UPDATE SET call = excluded.call, result = 'null', expires_at = excluded.expires_at
    WHERE results.expires_at <= %(now)s RETURNING true"""
FORGET = """
    DELETE FROM results WHERE digest IN
    (SELECT digest FROM results WHERE expires_at <= %s LIMIT %s FOR UPDATE SKIP LOCKED)"""
FIND = f"""
    SELECT {SUMMARY}, rank::float8, ts_headline('simple', left(body, {WORDS_CHARS}), query, %(excerpt)s) FROM (
        SELECT {SUMMARY}, body, query, ts_rank_cd(words, query) AS rank
        FROM documents, websearch_to_tsquery('simple', %(query)s) AS query
        WHERE words @@ query ORDER BY rank DESC, id LIMIT %(limit)s) AS found"""

# A database that takes a statement and never answers: by then its own statement_timeout should have.
ANSWER_SECONDS = 7.0


class Connection(psycopg.Connection[TupleRow]):
    """A connection that does not wait for ever: a frozen database would hold every thread of the server."""

    @classmethod
    def connect(cls, conninfo: str = "", **kwargs: Any) -> Self:
        """Open a connection; where it cannot be had, call ``refused`` if given: the password may have changed."""
        refused: Callable[[], None] | None = kwargs.pop("refused", None)
        try:
            return super().connect(conninfo, **kwargs)
        except psycopg.OperationalError:
            if refused:
                refused()
            raise

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        try:
            return super().wait(gen, interval, ANSWER_SECONDS if timeout is None else timeout)
        except psycopg.OperationalError:
            if self.pgconn.transaction_status == TransactionStatus.ACTIVE:  # no answer: of no more use
                self.close()
            raise


def connect(address: Address) -> Connection:
    """Open a connection in autocommit mode, as the pool's are.

    :raises psycopg.Error: it cannot be had
    :raises OSError: the password cannot be had
    """
    return Connection.connect(address.url, **_parameters(address))


class PostgresStorage:
    """Documents in one PostgreSQL database.

    :param clock: returns seconds since 1970
    """

    def __init__(self, address: Address, clock: Callable[[], float] = time.time) -> None:
        self._address = address
        self._clock = clock
        self._opening = threading.Lock()
        self._pool: ConnectionPool[Connection] | None = None

    def get(self, document_id: str) -> Document | None:
        with self._connection() as connection:
            return _document(connection.execute(SELECT, [document_id]).fetchone())

    def save(
        self, document_id: str, title: str, text: str, expected_version: int | None = None, once: Once | None = None
    ) -> Saved:
        call = fingerprint("save_document", document_id, title, text, expected_version)
        with self._connection(changing=True) as connection, connection.transaction():
            if (first := self._recall(connection, once, call)) is not None:
                return Saved(Summary(**first), changed=False)
            for _ in range(WRITE_ATTEMPTS):
                current = _lock(connection, document_id)
                document = next_document(current, document_id, title, text, expected_version)
                if document is current or _put(connection, document, replacing=current is not None):
                    self._remember(connection, once, asdict(document.summary()))
                    return Saved(document.summary(), document is not current)
        raise in_use(document_id)

    def delete(self, document_id: str, expected_version: int | None = None, once: Once | None = None) -> bool:
        call = fingerprint("delete_document", document_id, expected_version)
        with self._connection(changing=True) as connection, connection.transaction():
            if (first := self._recall(connection, once, call)) is not None:
                return bool(first)
            current = _lock(connection, document_id)
            if current:
                check_version(current, document_id, expected_version)
                connection.execute("DELETE FROM documents WHERE id = %s", [document_id])
            self._remember(connection, once, current is not None)
            return current is not None

    def page(self, limit: int, after_id: str | None = None, query: str | None = None) -> Page:
        check_text("query", query or "")
        values = {"after": after_id or "", "limit": limit + 1, "like": _like(query or "")}
        with self._connection() as connection:
            # Planned anew each time: how many rows a search finds decides how to look for them.
            rows = connection.execute(SEARCH if query else PAGE, values, prepare=not query).fetchall()
        found = tuple(_summary(row) for row in rows[:limit])
        return Page(found, found[-1].document_id if len(rows) > limit else None)

    def find(self, query: str, limit: int) -> list[Match]:
        """Return the documents that have the words of a query, best first: a title counts more than a text.

        :param query: words, "phrases", or and -not, as in a web search
        """
        check_text("query", query)
        values = {"query": query, "limit": limit, "excerpt": EXCERPT}
        with self._connection() as connection:
            rows = connection.execute(FIND, values, prepare=False).fetchall()
        return [Match(_summary(row), round(row[6], 4), row[7]) for row in rows]

    def check(self) -> None:
        """Open a connection of its own: those of the pool may all be at work."""
        with connect(self._address) as connection:
            connection.execute("SELECT 1")

    def check_schema(self) -> None:
        """Return within two seconds when the schema is the one that this server knows.

        :raises SchemaMismatch: the server cannot work on the schema
        :raises Degraded: it can, and the schema is another one than it knows
        """
        with connect(self._address) as connection:
            check_schema(read_schema(connection))

    def reset(self) -> None:
        with self._opening:
            pool, self._pool = self._pool, None
        if pool:
            pool.close()

    def readings(self) -> Iterator[Reading]:
        """Yield the pool's state for the metrics."""
        stats = self._pool.get_stats() if self._pool else {}
        size, idle = stats.get("pool_size", 0), stats.get("pool_available", 0)
        states = {"idle": idle, "used": size - idle, "waiting": stats.get("requests_waiting", 0)}
        yield Reading(
            "db_pool_connections", "Connections to the database, and calls that wait for one", states, "state"
        )
        yield Reading("db_pool_size", "Connections to the database at most", {"": POOL_SIZE})

    @contextmanager
    def _connection(self, changing: bool = False) -> Iterator[Connection]:
        with told(changing), self._open().connection() as connection:
            yield connection

    def _open(self) -> ConnectionPool[Connection]:
        """Open the pool when it is first needed; connections are made as they are."""
        with self._opening:
            if self._pool is None:
                self._pool = ConnectionPool(
                    self._address.url,
                    connection_class=Connection,
                    kwargs=lambda: _parameters(self._address),
                    check=self._check,
                    min_size=0,
                    max_size=POOL_SIZE,
                    timeout=POOL_SECONDS,
                    reconnect_timeout=RECONNECT_SECONDS,
                    name=STORE,
                    open=True,
                )
            return self._pool

    def _check(self, connection: Connection) -> None:
        """Make sure that a connection of the pool still works: after a restart of the database none does."""
        try:
            connection.execute("")
        except psycopg.Error:
            if pool := self._pool:
                pool.check()  # throws out all others at once, each of which would cost a call a second
            raise

    def _recall(self, connection: Connection, once: Once | None, call: str) -> Any:
        """Return the first result of a key that was used before; else claim the key and return None.

        Another call with the key waits here until this one has ended.
        """
        if once is None:
            return None
        now = datetime.fromtimestamp(self._clock(), UTC)
        values = {"digest": once.digest(), "call": call, "now": now, "expires_at": now + timedelta(seconds=KEY_SECONDS)}
        if connection.execute(CLAIM, values).fetchone():
            connection.execute(FORGET, [now, EXPIRED_AT_ONCE])
            return None
        stored = connection.execute("SELECT call, result FROM results WHERE digest = %s", [once.digest()]).fetchone()
        if stored is None:  # expired by another process's clock, and deleted, between the two statements
            raise busy(STORE)
        return first_result(once, (stored[0], stored[1]), call)

    def _remember(self, connection: Connection, once: Once | None, result: Any) -> None:
        if once:
            values = [json.dumps(result), once.digest()]
            connection.execute("UPDATE results SET result = %s WHERE digest = %s", values)


@contextmanager
def told(changing: bool = False) -> Iterator[None]:
    """Turn what a caller can wait out into a `StorageError`; anything else stays a crash for the log.

    :param changing: whether a lost connection may have left a change behind
    """
    try:
        yield
    except psycopg.Error as error:
        problem = _problem(error, changing)
        if problem is None:
            raise
        raise problem from error


def _problem(error: psycopg.Error, changing: bool) -> StorageError | None:
    state = error.sqlstate or ""
    if isinstance(error, PoolTimeout):  # nothing was sent
        return away(STORE)
    if isinstance(error, errors.UndefinedTable | errors.UndefinedColumn):
        return StorageError(
            f"The {STORE} is not set up for this yet. Tell its operator, who finds the reason in /ready."
        )
    if isinstance(error, errors.DiskFull):
        return StorageError(f"The {STORE} has no room left. Tell its operator.")
    if isinstance(error, errors.QueryCanceled | errors.LockNotAvailable | errors.ReadOnlySqlTransaction):
        return busy(STORE)
    if state[:2] in ("40", "53"):  # the transaction was rolled back; resources
        return busy(STORE)
    if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):  # no connection, or lost
        return away(STORE, changing)
    return None


def _parameters(address: Address) -> dict[str, Any]:
    """Return what a connection is opened with, the password read anew."""
    options = " ".join(f"-c {name}={value}" for name, value in {**LIMITS, "timezone": "UTC"}.items())
    return {
        "autocommit": True,
        "password": address.password(),
        "refused": address.refused,
        "connect_timeout": address.connect_seconds,
        "options": options,
        "application_name": "pratiko-mcp",
        # A peer that is gone without a word is noticed after about 10 s, not after two hours.
        "keepalives_idle": 5,
        "keepalives_interval": 2,
        "keepalives_count": 3,
        "tcp_user_timeout": 8000,
    }


def _lock(connection: Connection, document_id: str) -> Document | None:
    """Return a document as it is, and keep it so until the transaction ends."""
    return _document(connection.execute(SELECT + " FOR UPDATE", [document_id]).fetchone())


def _put(connection: Connection, document: Document, replacing: bool) -> bool:
    """Write a document; False when another writer created it in the meantime."""
    values = asdict(document)
    values |= {"id": values.pop("document_id"), "body": values.pop("text")}
    values["terms"] = searched_terms(document.title, document.text)
    return connection.execute(UPDATE if replacing else INSERT, values).rowcount == 1


def _like(query: str) -> str:
    escaped = query.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")
    return f"%{escaped}%"


def _summary(row: TupleRow) -> Summary:
    name, title, version, size_bytes, created_at, updated_at = row[:6]
    return Summary(name, title, version, size_bytes, _iso(created_at), _iso(updated_at))


def _document(row: TupleRow | None) -> Document | None:
    return Document(**asdict(_summary(row)), text=row[6]) if row else None


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")
