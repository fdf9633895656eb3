# SPDX-License-Identifier: MIT
"""Two real databases: what is in them, where they differ, and one that takes over the other's rows, or none."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from pratiko_mcp.reference import compare, migrate
from pratiko_mcp.reference.address import Address
from pratiko_mcp.reference.compare import CompareFailed
from pratiko_mcp.reference.postgres import PostgresStorage

from tests.support.checkout import ROOT
from tests.support.services import Postgres, postgres

pytestmark = pytest.mark.integration


def new(service: Postgres, *documents: str, upgrade: bool = True) -> Address:
    """Make a database with the server's schema and these documents."""
    address = Address(service.new_database(), str(service.password_file))
    if upgrade:
        migrate.run(migrate.parse_arguments(["upgrade"]), address)
        write(address, *documents)
    return address


def write(address: Address, *documents: str) -> None:
    """Save documents."""
    storage = PostgresStorage(address)
    for name in documents:
        storage.save(name, f"About {name}", f"Text of {name}")
    storage.reset()


def titles(address: Address) -> list[str]:
    """Return the ids of the documents."""
    with compare.connected(address, 5) as connection:
        return [row[0] for row in connection.execute("SELECT id FROM documents ORDER BY id").fetchall()]


def sql(address: Address, *statements: str) -> None:
    """Run statements and commit them."""
    with compare.connected(address, 5) as connection:
        for statement in statements:
            connection.execute(statement)


def digest(address: Address) -> compare.Digest:
    """Return what is in a database."""
    with compare.connected(address, 5) as connection:
        return compare.digest(connection)


def take_over(own: Address, other: Address, **options: Any) -> dict[str, Any]:
    """Let one database take over the rows of another."""
    with compare.connected(own, 5) as connection, compare.connected(other, 5) as source:
        return compare.take_over(connection, source, **options)


@pytest.fixture
def live(shared_postgres: Postgres) -> Address:
    """The database in use."""
    return new(shared_postgres, "one", "two", "three")


@pytest.fixture
def copy(shared_postgres: Postgres) -> Address:
    """What a backup was restored to: some documents fewer, and one that is gone since."""
    return new(shared_postgres, "one", "four")


def test_equal_content_has_the_same_digest_in_whatever_order_it_was_written(shared_postgres: Postgres) -> None:
    rows = ["INSERT INTO t VALUES (1, 'a'), (2, NULL)", "INSERT INTO t VALUES (3, 'ü'), (3, 'ü')"]
    first, second = new(shared_postgres, upgrade=False), new(shared_postgres, upgrade=False)
    for address, statements in ((first, rows), (second, rows[::-1])):
        sql(address, "CREATE TABLE t (n int, words text)", *statements)
    assert digest(first) == digest(second)
    assert digest(first)['"public"."t"']["rows"] == 4


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE t SET words = 'b' WHERE n = 1",
        "UPDATE t SET words = '' WHERE words IS NULL",
        "DELETE FROM t WHERE n = 1",
        "INSERT INTO t VALUES (1, 'a')",
        "UPDATE t SET at = at + interval '1 microsecond'",
    ],
)
def test_any_other_content_has_another(shared_postgres: Postgres, change: str) -> None:
    address = new(shared_postgres, upgrade=False)
    made = "CREATE TABLE t (n int, words text, at timestamptz DEFAULT '2026-11-23 12:00+00')"
    sql(address, made, "INSERT INTO t VALUES (1, 'a'), (2, NULL)")
    before = digest(address)
    sql(address, change)
    assert digest(address) != before


def test_tables_of_any_name_are_found_and_parts_of_a_table_once(shared_postgres: Postgres) -> None:
    address = new(shared_postgres, upgrade=False)
    sql(
        address,
        'CREATE SCHEMA "My Shop"',
        'CREATE TABLE "My Shop"."a ""quoted"" name" (n int)',
        "CREATE TABLE empty ()",
        "CREATE TABLE parted (n int) PARTITION BY RANGE (n)",
        "CREATE TABLE part PARTITION OF parted FOR VALUES FROM (0) TO (10)",
        "INSERT INTO parted VALUES (1), (2)",
        "CREATE VIEW seen AS SELECT 1",
        "CREATE UNLOGGED TABLE cache (n int)",
    )
    found = {name: row["rows"] for name, row in digest(address).items()}
    assert found == {'"My Shop"."a ""quoted"" name"': 0, '"public"."empty"': 0, '"public"."part"': 2}


def test_they_are_compared_table_by_table(live: Address, copy: Address) -> None:
    sql(copy, "CREATE TABLE only_there (n int)")
    there = digest(copy)
    rows = {row["table"]: row for row in compare.compared(digest(live), there)}
    assert rows['"public"."documents"'] == {
        "table": '"public"."documents"',
        "rows": 3,
        "restored": 2,
        "checksum": there['"public"."documents"']["checksum"],
        "equal": False,
    }
    assert rows['"public"."alembic_version"']["equal"] is True
    assert rows['"public"."only_there"']["rows"] is None and not rows['"public"."only_there"']["equal"]


def test_the_rows_are_taken_over_and_the_server_goes_on_with_them(live: Address, copy: Address) -> None:
    found = take_over(live, copy)
    assert all(row["equal"] for row in found["tables"])
    assert titles(live) == titles(copy) == ["four", "one"]
    write(live, "five")
    assert titles(live) == ["five", "four", "one"]


def test_who_reads_meanwhile_sees_the_one_or_the_other(live: Address, copy: Address) -> None:
    """Nothing of the new rows is there before all are; and an end in the middle leaves what was."""

    class Killed(Exception):
        pass

    def die() -> None:
        raise Killed

    before = digest(live)
    with pytest.raises(Killed):
        take_over(live, copy, before_commit=die)
    assert digest(live) == before


def test_tables_that_refer_to_each_other_sequences_and_generated_columns(shared_postgres: Postgres) -> None:
    schema = (
        "CREATE TABLE a_line (id serial PRIMARY KEY, shop int)",
        "CREATE TABLE shop (id serial PRIMARY KEY, name text, big text GENERATED ALWAYS AS (upper(name)) STORED)",
        "ALTER TABLE a_line ADD FOREIGN KEY (shop) REFERENCES shop",
        "CREATE TABLE log (n int)",
        "CREATE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql AS "
        "'BEGIN INSERT INTO log VALUES (1); RETURN NEW; END'",
        "CREATE TRIGGER note AFTER INSERT ON shop FOR EACH ROW EXECUTE FUNCTION noted()",
    )
    own, other = new(shared_postgres, upgrade=False), new(shared_postgres, upgrade=False)
    sql(own, *schema, "INSERT INTO shop (name) VALUES ('x')", "INSERT INTO a_line (shop) VALUES (1)")
    sql(other, *schema, "INSERT INTO shop (name) VALUES ('y'), ('z')", "INSERT INTO a_line (shop) VALUES (2)")
    take_over(own, other)
    sql(own, "INSERT INTO shop (name) VALUES ('new')")
    with compare.connected(own, 5) as connection:
        assert connection.execute("SELECT id, big FROM shop ORDER BY id").fetchall() == [(1, "Y"), (2, "Z"), (3, "NEW")]
        # Two that came over, and one for the row that was written after: the trigger is as it was.
        assert connection.execute("SELECT count(*) FROM log").fetchone() == (3,)


def test_another_schema_is_refused_and_nothing_is_touched(live: Address, copy: Address) -> None:
    sql(copy, "ALTER TABLE documents ADD COLUMN owner text")
    before = digest(live)
    with pytest.raises(CompareFailed, match=r'differ in "public"."documents".*Nothing was changed.*rollback\.yml'):
        take_over(live, copy)
    assert digest(live) == before


def test_a_circle_of_tables_is_refused(shared_postgres: Postgres) -> None:
    schema = (
        "CREATE TABLE a (id int PRIMARY KEY, b int)",
        "CREATE TABLE b (id int PRIMARY KEY, a int REFERENCES a)",
        "ALTER TABLE a ADD FOREIGN KEY (b) REFERENCES b",
    )
    own, other = new(shared_postgres, upgrade=False), new(shared_postgres, upgrade=False)
    for address in (own, other):
        sql(address, *schema)
    with pytest.raises(CompareFailed, match="in a circle"):
        take_over(own, other)


@pytest.fixture(scope="module")
def second() -> Iterator[Postgres]:
    """Another server, as the one that a backup was restored to is."""
    with postgres() as service:
        yield service


def typed(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Type the command."""
    return subprocess.run(
        [sys.executable, "-m", "pratiko_mcp.reference.compare", "--wait", "3", *arguments],
        env={**os.environ, **environment, "PYTHONPATH": str(ROOT / "app" / "src")},
        capture_output=True,
        text=True,
        check=False,
    )


def test_as_it_is_typed(shared_postgres: Postgres, second: Postgres) -> None:
    """The same database, user and password on another server, by its host and port."""
    shared_postgres.execute("CREATE TABLE typed (n int)")
    second.execute("CREATE TABLE typed (n int)")
    second.execute("INSERT INTO typed VALUES (1), (2)")
    second.execute(f"ALTER ROLE mcp PASSWORD '{shared_postgres.password}'", database="postgres")
    where = ("--host", "127.0.0.1", "--port", str(second.port))
    try:
        for command, rows in (("against", (0, 2)), ("take-over", (2, 2)), ("against", (2, 2))):
            done = typed(shared_postgres.environment, command, *where)
            assert done.returncode == 0, done.stderr
            (row,) = json.loads(done.stdout)["tables"]
            assert (row["rows"], row["restored"], row["equal"]) == (*rows, rows[0] == rows[1])
        assert (
            json.loads(typed(shared_postgres.environment, "digest").stdout)["tables"]['"public"."typed"']["rows"] == 2
        )
    finally:
        shared_postgres.execute("DROP TABLE typed")


def test_a_server_that_does_not_answer_is_named(shared_postgres: Postgres) -> None:
    done = typed(shared_postgres.environment, "against", "--host", "127.0.0.1", "--port", "1")
    assert done.returncode == 1 and "no connection to 127.0.0.1 within 3 s" in done.stderr
    assert shared_postgres.password not in done.stderr and "Traceback" not in done.stderr
