# SPDX-License-Identifier: MIT
"""The schema up and down in a real PostgreSQL, while others write, and what servers say that meet another one."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from pratiko_mcp.readiness import Degraded
from pratiko_mcp.reference import migrate, postgres, schema
from pratiko_mcp.reference.address import Address
from pratiko_mcp.reference.migrate import MigrationFailed
from pratiko_mcp.reference.postgres import PostgresStorage
from pratiko_mcp.reference.schema import SchemaMismatch
from pratiko_mcp.reference.storage import Once, StorageError

from tests.support.checkout import ROOT
from tests.support.services import Postgres

pytestmark = pytest.mark.integration

# What a release to come might do: take away what this one needs.
CONTRACT = """
from alembic import op
revision, down_revision = "0004", "0003"

def upgrade():
    op.execute("ALTER TABLE documents RENAME COLUMN body TO content; UPDATE mcp_schema SET needs_server = '0004'")

def downgrade():
    op.execute("ALTER TABLE documents RENAME COLUMN content TO body; UPDATE mcp_schema SET needs_server = '0001'")
"""
EXPAND = """
from alembic import op
revision, down_revision = "0004", "0003"

def upgrade():
    op.execute("ALTER TABLE documents ADD COLUMN owner text")

def downgrade():
    op.execute("ALTER TABLE documents DROP COLUMN owner")
"""


@pytest.fixture
def address(shared_postgres: Postgres) -> Address:
    return Address(shared_postgres.new_database(), str(shared_postgres.password_file))


@pytest.fixture
def storage(address: Address) -> Iterator[PostgresStorage]:
    storage = PostgresStorage(address)
    yield storage
    storage.reset()


def run(address: Address, *arguments: str, more: Path | None = None) -> str:
    return migrate.run(migrate.parse_arguments(arguments), address, more)


def later(folder: Path, revision: str) -> Path:
    """Write a revision of a later release."""
    (folder / "v0004_later.py").write_text(revision, encoding="utf-8")
    return folder


class Writer(threading.Thread):
    """Saves documents of every kind without a pause; what was acknowledged must be there at the end."""

    def __init__(self, address: Address, name: str) -> None:
        super().__init__()
        self._storage = PostgresStorage(address)
        self._prefix = name
        self._done = threading.Event()
        self.acknowledged: dict[str, str] = {}
        self.failures: list[str] = []
        self.longest = 0.0

    def run(self) -> None:
        number = 0
        while not self._done.is_set():
            number += 1
            name, text = f"{self._prefix}{number:05}", f"text {number} " * (number % 40)
            began = time.monotonic()
            try:
                self._storage.save(name, "T", text, None, Once(("w",), name))
                self.acknowledged[name] = text
                if number % 5 == 0:
                    self._storage.save(name, "T", text + "again")
                    self.acknowledged[name] = text + "again"
                if number % 7 == 0:
                    self._storage.delete(name)
                    del self.acknowledged[name]
            except StorageError as error:
                self.failures.append(str(error))
                self.acknowledged.pop(name, None)
            self.longest = max(self.longest, time.monotonic() - began)

    def stop(self) -> None:
        self._done.set()
        self.join()
        self._storage.reset()


def move_under_writers(address: Address, storage: PostgresStorage, rounds: int, writers: int) -> None:
    """Take the schema up and down, and compare every acknowledged document at the end."""
    run(address, "upgrade", "0001")
    threads = [Writer(address, "abcdefgh"[number]) for number in range(writers)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(rounds):
            time.sleep(0.3)
            assert run(address, "upgrade") == f"changed: 0001 -> {schema.NEWEST}"
            assert run(address, "downgrade", "0001") == f"changed: {schema.NEWEST} -> 0001"
        assert run(address, "upgrade") == f"changed: 0001 -> {schema.NEWEST}"
    finally:
        for thread in threads:
            thread.stop()
    for thread in threads:
        assert thread.failures == []
        assert len(thread.acknowledged) > 20
        # Below what a call may take: a lock is let go after 2 s.
        assert thread.longest < 5
        for name, text in thread.acknowledged.items():
            found = storage.get(name)
            assert found is not None
            assert found.text == text
    with postgres.connect(address) as connection:
        assert connection.execute("SELECT count(*) FROM documents WHERE words IS NULL").fetchone() == (0,)
        assert connection.execute("SELECT count(*) FROM pg_index WHERE NOT indisvalid").fetchone() == (0,)


def test_up_down_and_up_again_under_a_writer(address: Address, storage: PostgresStorage) -> None:
    move_under_writers(address, storage, rounds=1, writers=1)


@pytest.mark.proof
def test_up_and_down_many_times_under_writers(address: Address, storage: PostgresStorage) -> None:
    move_under_writers(address, storage, rounds=15, writers=4)


def test_commands_and_what_they_say(address: Address, storage: PostgresStorage) -> None:
    assert run(address, "current") == "empty"
    with pytest.raises(
        MigrationFailed, match=r"is empty, not .* Type: python -m pratiko_mcp\.reference\.migrate upgrade"
    ):
        run(address, "check")
    assert run(address, "upgrade", "0002") == "changed: empty -> 0002"
    assert run(address, "upgrade", "0001") == "unchanged: 0002"
    assert run(address, "downgrade", "0003") == "unchanged: 0002"
    assert run(address, "upgrade") == f"changed: 0002 -> {schema.NEWEST}"
    assert run(address, "upgrade") == f"unchanged: {schema.NEWEST}"
    assert run(address, "check") == run(address, "current") == schema.NEWEST
    with pytest.raises(MigrationFailed, match=r"the revision is '0099'\. Allowed: 0001, 0002, 0003, head, base"):
        run(address, "upgrade", "0099")


def test_documents_are_not_dropped(address: Address, storage: PostgresStorage) -> None:
    run(address, "upgrade")
    storage.save("a", "T", "x")
    with pytest.raises(MigrationFailed, match="there are documents"):
        run(address, "downgrade", "base")
    assert run(address, "current") == schema.NEWEST
    storage.delete("a")
    assert run(address, "downgrade", "base") == f"changed: {schema.NEWEST} -> empty"
    assert run(address, "upgrade") == f"changed: empty -> {schema.NEWEST}"


def test_the_newest_revision_is_the_one_that_servers_know() -> None:
    config = Config()
    config.set_main_option("script_location", str(ROOT / "app/src/pratiko_mcp/reference/migrations"))
    assert ScriptDirectory.from_config(config).get_current_head() == schema.NEWEST


def test_a_server_that_meets_another_schema_says_so(address: Address, storage: PostgresStorage, tmp_path: Path) -> None:
    def verdict() -> str:
        try:
            storage.check_schema()
        except (Degraded, SchemaMismatch) as error:
            return f"{type(error).__name__}: {error}"
        return "fits"

    assert verdict().startswith("SchemaMismatch: the schema is empty, this server needs 0001. Type: python -m")
    with pytest.raises(StorageError, match="is not set up for this yet"):
        storage.save("a", "T", "x")
    run(address, "upgrade", "0002")
    assert verdict().startswith("Degraded: the schema is 0002, older than 0003; it fits. Type: python -m")
    assert storage.save("a", "T", "some words").changed
    with pytest.raises(StorageError, match="is not set up for this yet"):
        storage.find("words", 5)
    run(address, "upgrade")
    assert verdict() == "fits"
    assert [match.document.document_id for match in storage.find("words", 5)] == ["a"]

    expanded = later(tmp_path, EXPAND)
    assert run(address, "upgrade", more=expanded) == "changed: 0003 -> 0004"
    assert verdict().startswith("Degraded: the schema is 0004, newer than 0003")
    assert storage.save("a", "T", "on a newer schema").changed
    # A release that was rolled back to leaves it.
    assert run(address, "upgrade") == "unchanged: 0004, newer than 0003 of this release, which it fits"
    assert run(address, "check") == "0004"
    with pytest.raises(MigrationFailed, match="with the release that made it"):
        run(address, "downgrade", "0002")
    assert run(address, "downgrade", "0003", more=expanded) == "changed: 0004 -> 0003"

    contracted = later(tmp_path, CONTRACT)
    assert run(address, "upgrade", more=contracted) == "changed: 0003 -> 0004"
    assert verdict().startswith("SchemaMismatch: the schema is 0004 and needs a server that knows 0004")
    for command in ("upgrade", "check"):
        with pytest.raises(SchemaMismatch, match="Deploy a newer release"):
            run(address, command)
    assert run(address, "downgrade", "0003", more=contracted) == "changed: 0004 -> 0003"
    assert verdict() == "fits"
    assert storage.get("a").text == "on a newer schema"


def test_words_of_documents_from_before(address: Address, storage: PostgresStorage) -> None:
    run(address, "upgrade", "0002")
    for number in range(450):  # more than two portions
        storage.save(f"d{number}", "T", f"number{number} everywhere")
    run(address, "upgrade")
    assert [match.document.document_id for match in storage.find("number449", 5)] == ["d449"]
    assert len(storage.find("everywhere", 25)) == 25


def test_two_migrations_at_once(address: Address) -> None:
    said: list[str] = []
    threads = [threading.Thread(target=lambda: said.append(run(address, "upgrade"))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    newest = schema.NEWEST
    assert sorted(said) == sorted([f"changed: empty -> {newest}", *[f"unchanged: {newest}"] * 3])


def test_another_migration_that_does_not_end(address: Address, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrate, "TURN_SECONDS", 0.5)
    with postgres.connect(address) as other:
        other.execute("SELECT pg_advisory_lock(%s)", [migrate.ADVISORY_LOCK])
        with pytest.raises(MigrationFailed, match="another migration has been running"):
            run(address, "upgrade")
    run(address, "upgrade")


def test_a_lock_in_the_way_is_waited_for_in_portions(address: Address, storage: PostgresStorage) -> None:
    """What waits for a table that somebody reads must not make everybody else wait behind it."""
    run(address, "upgrade", "0002")
    with postgres.connect(address) as reader:
        reader.execute("SET idle_in_transaction_session_timeout = 0")
        with reader.transaction():
            reader.execute("SELECT count(*) FROM documents")
            migrating = threading.Thread(target=run, args=(address, "upgrade"))
            migrating.start()
            time.sleep(0.5)
            began = time.monotonic()
            storage.save("a", "T", "x")
            assert time.monotonic() - began < 4
            assert migrating.is_alive()
    migrating.join(20)
    assert run(address, "current") == schema.NEWEST


def test_a_lock_that_stays_is_told(address: Address, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrate, "LOCK_ATTEMPTS", 1)
    run(address, "upgrade", "0002")
    with postgres.connect(address) as reader, reader.transaction():
        reader.execute("SELECT count(*) FROM documents")
        with pytest.raises(MigrationFailed, match=r"lock timeout.*repeat the command"):
            run(address, "upgrade")
    assert run(address, "upgrade") == "changed: 0002 -> 0003"


MIGRATING = "FROM pg_stat_activity WHERE application_name = 'pratiko-mcp-migrate' AND datname = current_database()"


def until(connection: postgres.Connection, condition: str) -> None:
    """Wait until a condition in SQL holds."""
    ends = time.monotonic() + 20
    while connection.execute(f"SELECT EXISTS (SELECT {condition})").fetchone() != (True,):
        assert time.monotonic() < ends, condition
        time.sleep(0.005)


@pytest.mark.parametrize("moment", ["filling", "indexing"])
def test_a_migration_that_was_killed_is_finished_by_the_next(
    address: Address, storage: PostgresStorage, moment: str
) -> None:
    run(address, "upgrade", "0002")
    with postgres.connect(address) as watcher, postgres.connect(address) as writer:
        watcher.execute(
            "INSERT INTO documents SELECT 'd' || n, 'T', 'words ' || repeat(md5(n::text) || ' ', 300), 1, 0, now(), "
            "now(), '' FROM generate_series(1, 300) n"
        )
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "app" / "src"), "MCP_DATABASE_URL": address.url}
        environment["MCP_DATABASE_PASSWORD_FILE"] = address.password_file or ""
        command = [sys.executable, "-m", "pratiko_mcp.reference.migrate", "upgrade"]
        process = subprocess.Popen(command, env=environment)
        try:
            until(watcher, "FROM pg_attribute WHERE attrelid = 'documents'::regclass AND attname = 'words'")
            with writer.transaction():
                # An index waits for the end of every transaction that writes.
                writer.execute("INSERT INTO documents VALUES ('new', 'T', 'words', 1, 5, now(), now(), '')")
                if moment == "indexing":
                    until(watcher, MIGRATING + " AND query LIKE 'CREATE INDEX%' AND wait_event_type = 'Lock'")
                process.kill()
                process.wait()
                assert run(address, "current") == "0002"
        finally:
            process.kill()
            process.wait()
        assert run(address, "upgrade") == "changed: 0002 -> 0003"
        assert watcher.execute("SELECT count(*) FROM documents WHERE words @@ 'words'::tsquery").fetchone() == (301,)
        assert watcher.execute("SELECT count(*) FROM pg_index WHERE NOT indisvalid").fetchone() == (0,)
