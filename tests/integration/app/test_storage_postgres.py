# SPDX-License-Identifier: MIT
"""Documents in a real PostgreSQL: the contract of every store, searches, and a database that is away."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from pratiko_mcp.reference import migrate, postgres
from pratiko_mcp.reference.address import Address
from pratiko_mcp.reference.postgres import PostgresStorage
from pratiko_mcp.reference.storage import KEY_SECONDS, Once, Storage, StorageError

from tests.support import services
from tests.support.services import Postgres
from tests.support.storage_contract import Clock, Factory, StorageContract, at_once

pytestmark = pytest.mark.integration

AWAY = "The document store does not answer. Try again in a minute."


def migrated(service: Postgres) -> Address:
    """Make a database with the newest schema."""
    address = Address(service.new_database(), str(service.password_file))
    migrate.run(migrate.parse_arguments(["upgrade"]), address)
    return address


@pytest.fixture(scope="module")
def address(shared_postgres: Postgres) -> Address:
    return migrated(shared_postgres)


class TestPostgresStorage(StorageContract):
    """The contract of every store."""

    examples = 25
    steps = 20
    long_examples = 500

    @pytest.fixture
    def factory(self, address: Address) -> Iterator[Factory]:
        made: list[PostgresStorage] = []

        def make(clock: Clock) -> Storage:
            for storage in made:
                storage.reset()
            with postgres.connect(address) as connection:
                connection.execute("TRUNCATE documents, results")
            made.append(PostgresStorage(address, clock))
            return made[-1]

        yield make
        for storage in made:
            storage.reset()

    def test_expired_results_are_let_go(self, storage: PostgresStorage, clock: Clock, address: Address) -> None:
        for number in range(3):
            storage.save("a", "T", "x", None, Once((), str(number)))
        clock.now += KEY_SECONDS
        storage.save("a", "T", "x", None, Once((), "last"))
        with postgres.connect(address) as connection:
            assert connection.execute("SELECT count(*) FROM results").fetchone() == (1,)

    def test_search_uses_its_index(self, storage: PostgresStorage, address: Address) -> None:
        with postgres.connect(address) as connection:
            connection.execute(
                "INSERT INTO documents SELECT 'd' || n, 'T', '', 1, 0, now(), now(), md5(n::text) "
                "FROM generate_series(1, 1000) n; ANALYZE documents"
            )
            connection.execute("SET enable_seqscan = off")  # which reading so few rows would be
            connection.execute("SET enable_indexscan = off")
            values = {"after": "", "like": "%c4ca4238a0b9%", "limit": 26}
            plan = connection.execute("EXPLAIN " + postgres.SEARCH, values).fetchall()
        assert "documents_terms" in str(plan)
        assert [summary.document_id for summary in storage.page(25, None, "c4ca4238a0b9").documents] == ["d1"]

    def test_words_are_found_best_first(self, storage: PostgresStorage) -> None:
        storage.save("text", "T", "Long before it, an INVOICE was sent. " + "x " * 5000 + "Überweisung")
        storage.save("title", "The invoice", "Nothing else")
        storage.save("parts", "T", "invoices and reinvoiced")
        found = storage.find("invoice", 10)
        assert [match.document.document_id for match in found] == ["title", "text"]
        assert found[0].rank > found[1].rank > 0
        assert "**INVOICE**" in found[1].excerpt
        assert found[1].document == storage.page(1, "parts").documents[0]
        assert [match.document.document_id for match in storage.find("überweisung", 10)] == ["text"]
        assert len(storage.find("invoice", 1)) == 1

    @pytest.mark.parametrize(
        ("query", "ids"),
        [
            ("due date", ["a", "b"]),
            ('"due date"', ["a"]),
            ("due -paid", ["a"]),
            ("paid or nothing", ["b"]),
            ("DUE", ["a", "b"]),
            ("-", []),
            ("'\"(&|!:*", []),
            ("\\ % _", []),
        ],
    )
    def test_queries_for_words(self, storage: PostgresStorage, query: str, ids: list[str]) -> None:
        storage.save("a", "T", "the due date is near")
        storage.save("b", "T", "the date on which it was due: paid")
        assert sorted(match.document.document_id for match in storage.find(query, 10)) == ids

    @pytest.mark.parametrize("unit", ["{:x}-", "\U0001d41a{:x} ", "/{:x}", "a{:x}.example.com/{:x} ", "{:x}😀é-"])
    def test_texts_full_of_different_words_can_be_saved(self, storage: PostgresStorage, unit: str) -> None:
        """PostgreSQL refuses a row whose words take more than 1 MB."""
        text = (
            "".join(unit.format(number, number) for number in range(100_000)).encode()[:300_000].decode(errors="ignore")
        )
        assert storage.save("a", "T", text).changed
        assert storage.get("a").text == text

    def test_deletion_while_another_saves(self, storage: PostgresStorage) -> None:
        for number in range(20):
            storage.save("a", "T", "x")
            outcomes = at_once(lambda: storage.delete("a"), functools.partial(storage.save, "a", "T", str(number)))
            assert not [outcome for outcome in outcomes if isinstance(outcome, StorageError)]
            storage.delete("a")


@pytest.fixture(scope="module")
def own_postgres() -> Iterator[Postgres]:
    """One that tests may break and repair."""
    with services.postgres() as service:
        yield service


@pytest.fixture
def storage(own_postgres: Postgres) -> Iterator[PostgresStorage]:
    storage = PostgresStorage(migrated(own_postgres))
    storage.save("a", "T", "x")
    yield storage
    storage.reset()


def seconds_of(call: Callable[[], Any], problem: str) -> float:
    """Time a call that must fail."""
    began = time.monotonic()
    with pytest.raises(StorageError, match=problem):
        call()
    return time.monotonic() - began


def test_a_killed_database_is_told_and_comes_back(storage: PostgresStorage, own_postgres: Postgres) -> None:
    at_once(*[lambda: storage.get("a")] * 8)  # several connections, all of which will be dead
    own_postgres.kill()
    assert seconds_of(lambda: storage.get("a"), AWAY) < 5
    with pytest.raises(psycopg.OperationalError):
        storage.check()
    own_postgres.start()
    began = time.monotonic()
    assert storage.get("a") is not None
    storage.check()
    assert storage.save("a", "T", "y").summary.version == 2
    assert time.monotonic() - began < 3


def test_dead_connections_cost_no_call(storage: PostgresStorage, own_postgres: Postgres) -> None:
    at_once(*[lambda: storage.get("a")] * 8)
    own_postgres.kill()
    own_postgres.start()
    assert not [found for found in at_once(*[lambda: storage.get("a")] * 8) if isinstance(found, StorageError)]


def test_a_connection_lost_while_writing(storage: PostgresStorage, own_postgres: Postgres) -> None:
    with storage._open().connection() as connection:
        connection.execute("SELECT 1")
        own_postgres.kill()
        with pytest.raises(StorageError, match="may have been made or not"), postgres.told(changing=True):
            connection.execute("SELECT 1")
    own_postgres.start()


def test_a_frozen_database_does_not_hold_calls_for_ever(
    storage: PostgresStorage, own_postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "ANSWER_SECONDS", 1.0)
    own_postgres.freeze()
    try:
        assert seconds_of(lambda: storage.get("a"), AWAY) < 5
        assert seconds_of(lambda: storage.save("a", "T", "z"), AWAY) < 8
    finally:
        own_postgres.thaw()
    assert storage.get("a").text == "x"


def test_a_locked_document_is_told(storage: PostgresStorage, own_postgres: Postgres) -> None:
    with postgres.connect(storage._address) as other, other.transaction():
        other.execute("SELECT FROM documents WHERE id = 'a' FOR UPDATE")
        assert seconds_of(lambda: storage.save("a", "T", "y"), "busy. Wait a few seconds") < 4
    assert storage.save("a", "T", "y").changed


@pytest.mark.parametrize(
    ("state", "text"),
    [("53100", "no room left"), ("53300", "busy"), ("40P01", "busy"), ("57014", "busy"), ("57P01", "does not answer")],
)
def test_what_the_database_says_is_told(state: str, text: str) -> None:
    with pytest.raises(StorageError, match=text), postgres.told():
        raise psycopg.errors.lookup(state)


def test_what_nobody_can_wait_out_stays_a_crash() -> None:
    with pytest.raises(psycopg.errors.DivisionByZero), postgres.told():
        raise psycopg.errors.DivisionByZero


def test_the_password_is_read_for_each_connection(storage: PostgresStorage, own_postgres: Postgres) -> None:
    before = own_postgres.password
    try:
        own_postgres.execute("ALTER ROLE mcp PASSWORD 'another'")
        own_postgres.password_file.write_text("another\n", encoding="utf-8")
        storage.reset()
        assert storage.get("a") is not None
    finally:
        own_postgres.password = "another"
        own_postgres.execute(f"ALTER ROLE mcp PASSWORD '{before}'")
        own_postgres.password = before
        own_postgres.password_file.write_text(before, encoding="utf-8")


def test_readings_of_the_pool(storage: PostgresStorage) -> None:
    with storage._open().connection():
        values = {reading.name: reading.values for reading in storage.readings()}
    assert values["db_pool_connections"]["used"] == 1
    assert values["db_pool_size"] == {"": postgres.POOL_SIZE}
    storage.reset()
    assert {reading.name: reading.values for reading in storage.readings()}["db_pool_connections"] == {
        "idle": 0,
        "used": 0,
        "waiting": 0,
    }
