# SPDX-License-Identifier: MIT
"""``python -m pratiko_mcp.reference.compare``: what is in a database, and in a restored copy of it on another server.

``digest`` counts and hashes the rows of every table, in one moment of the database of MCP_DATABASE_URL. ``against
--host HOST --port PORT`` does so there too and says where they differ. ``take-over --host HOST --port PORT`` replaces
the rows of every table by those of the copy, all in one transaction: whoever is killed leaves the one or the other,
whole. Each prints one JSON object; no row leaves a database but those that are taken over.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from ..settings import SettingsError
from .address import Address, database_address
from .login import PasswordUnavailable

COMMAND = "python -m pratiko_mcp.reference.compare"
LOCK_TIMEOUT = "30s"
# Ordinary and partitioned tables of people's schemas, without those that belong to an extension. Of a partitioned table
# the parts hold the rows.
TABLES = """
    SELECT n.nspname, c.relname, c.oid FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.relkind = 'r' AND c.relpersistence = 'p'
    AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%'
    AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.objid = c.oid AND d.deptype = 'e') ORDER BY 1, 2"""
COLUMNS = """
    SELECT attname, format_type(atttypid, atttypmod), attgenerated = '' FROM pg_attribute
    WHERE attrelid = %s AND attnum > 0 AND NOT attisdropped ORDER BY attnum"""
REFERENCES = """
    SELECT conrelid, confrelid FROM pg_constraint WHERE contype = 'f' AND conrelid <> confrelid AND conparentid = 0"""
SEQUENCES = """
    SELECT schemaname, sequencename, last_value FROM pg_sequences WHERE schemaname NOT LIKE 'pg\\_%' ORDER BY 1, 2"""
# The same in whatever order the rows lie: the sum of 60 bits of each row's hash.
DIGEST = """
    SELECT count(*),
    to_hex(coalesce(sum(('x' || left(md5(t::text), 15))::bit(60)::bigint) % 1152921504606846976, 0)::bigint)
    FROM ONLY {} AS t"""

Digest = dict[str, dict[str, Any]]


class CompareFailed(Exception):
    """It was not compared, or nothing was taken over; the message says why."""


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog=COMMAND, description="What is in the database of MCP_DATABASE_URL")
    parser.add_argument("--wait", type=float, default=30, help="seconds to wait for a database (default: %(default)s)")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("digest", help="count and hash the rows of every table")
    for name, text in (
        ("against", "compare with the database of the same name on another server"),
        ("take-over", "replace the rows of every table by those of that database"),
    ):
        other = commands.add_parser(name, help=text)
        other.add_argument("--host", required=True, help="the other server")
        other.add_argument("--port", required=True, type=int)
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and print what it found; a failure is one sentence and exit code 1."""
    options = parse_arguments(arguments)
    try:
        import psycopg
    except ImportError as error:
        sys.exit(f"{error}. Try: pip install 'pratiko-mcp[postgres]'")
    try:
        print(json.dumps(run(options), sort_keys=True))
    except (CompareFailed, SettingsError, psycopg.Error, OSError) as error:
        sys.exit(f"{COMMAND} {options.command}: {str(error).strip()}")


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Run a command.

    :raises CompareFailed: a database does not answer, or what it has does not fit
    """
    own = database_address()
    with connected(own, options.wait) as connection:
        if options.command == "digest":
            return {"tables": digest(connection)}
        with connected(elsewhere(own, options.host, options.port), options.wait) as other:
            if options.command == "take-over":
                return take_over(connection, other)
            return {"tables": compared(digest(connection), digest(other))}


def elsewhere(address: Address, host: str, port: int) -> Address:
    """Return the address of the same database, user and kind of login on another server."""
    parts = urlsplit(address.url)
    user = f"{parts.netloc.rpartition('@')[0]}@" if "@" in parts.netloc else ""
    url = urlunsplit(parts._replace(netloc=f"{user}{host}:{port}"))
    return database_address({**os.environ, "MCP_DATABASE_URL": url})


@contextmanager
def connected(address: Address, seconds: float) -> Iterator[Any]:
    """Connect as soon as the database answers, and read one moment of it.

    :param seconds: how long to wait; a right that was just given takes a while to be known
    """
    import psycopg

    ends = time.monotonic() + seconds
    while True:
        try:
            connection = psycopg.connect(
                address.url,
                password=address.password(),
                connect_timeout=address.connect_seconds,
                application_name="pratiko-mcp-compare",
                options=f"-c timezone=UTC -c datestyle=ISO -c extra_float_digits=1 -c lock_timeout={LOCK_TIMEOUT} "
                "-c statement_timeout=0 -c bytea_output=hex -c intervalstyle=postgres",
            )
            break
        except (psycopg.OperationalError, PasswordUnavailable) as error:
            address.refused()
            if time.monotonic() > ends:
                where = urlsplit(address.url).hostname
                raise CompareFailed(f"no connection to {where} within {seconds:g} s: {str(error).strip()}") from error
            time.sleep(1)
    connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    with connection:
        yield connection


# What is there


def tables(connection: Any) -> dict[str, int]:
    """Return the tables by their quoted names, each with its number."""
    from psycopg import sql

    found = connection.execute(TABLES).fetchall()
    return {sql.Identifier(schema, name).as_string(connection): int(oid) for schema, name, oid in found}


def digest(connection: Any) -> Digest:
    """Return rows and a hash of each table."""
    found: Digest = {}
    for name in tables(connection):
        rows, checksum = connection.execute(DIGEST.format(name)).fetchone()
        found[name] = {"rows": rows, "checksum": checksum}
    return found


def compared(own: Digest, other: Digest) -> list[dict[str, Any]]:
    """Return a row for each table: how many rows here and there (None: no such table), the hash there, and if equal."""
    return [
        {
            "table": name,
            "rows": own.get(name, {}).get("rows"),
            "restored": other.get(name, {}).get("rows"),
            "checksum": other.get(name, {}).get("checksum"),
            "equal": own.get(name) == other.get(name),
        }
        for name in sorted(own.keys() | other.keys())
    ]


def shapes(connection: Any) -> dict[str, list[tuple[Any, ...]]]:
    """Return the columns of each table."""
    return {name: connection.execute(COLUMNS, [oid]).fetchall() for name, oid in tables(connection).items()}


def in_order(connection: Any) -> list[str]:
    """Return the tables so that each comes after those that it refers to.

    :raises CompareFailed: some refer to each other in a circle
    """
    names = {oid: name for name, oid in tables(connection).items()}
    needs: dict[str, set[str]] = {name: set() for name in names.values()}
    for table, referred in connection.execute(REFERENCES).fetchall():
        if table in names and referred in names:
            needs[names[table]].add(names[referred])
    ordered: list[str] = []
    while needs:
        free = sorted(name for name, wanted in needs.items() if not wanted - set(ordered))
        if not free:
            raise CompareFailed(f"the tables {', '.join(sorted(needs))} refer to each other in a circle")
        ordered += free
        needs = {name: wanted for name, wanted in needs.items() if name not in free}
    return ordered


# Taking over


def take_over(connection: Any, other: Any, before_commit: Callable[[], None] | None = None) -> dict[str, Any]:
    """Replace the rows of every table by those of the other database, and commit only where both are equal then.

    :param before_commit: called when all is copied (for tests)
    :raises CompareFailed: the schemas differ, or what was copied is not what is there; then nothing was changed
    """
    here, there = shapes(connection), shapes(other)
    wrong = sorted(name for name in here.keys() | there.keys() if here.get(name) != there.get(name))
    if wrong:
        raise CompareFailed(
            f"the schemas differ in {', '.join(wrong)}, so the rows do not fit. Nothing was changed. Serve the release "
            "of that time first (playbooks/rollback.yml), or look at the copy where it is"
        )
    ordered = in_order(connection)
    connection.rollback()  # what was read so far is an older moment than the lock
    if ordered:
        connection.execute(f"LOCK TABLE ONLY {', ONLY '.join(ordered)} IN ACCESS EXCLUSIVE MODE")
        connection.execute(f"TRUNCATE ONLY {', ONLY '.join(ordered)}")
    # Triggers of people's own fired once for these rows already.
    for name in ordered:
        connection.execute(f"ALTER TABLE ONLY {name} DISABLE TRIGGER USER")
    for name in ordered:
        copy_rows(connection, other, name, [column for column, _type, own in here[name] if own])
    connection.execute("SET CONSTRAINTS ALL IMMEDIATE")
    for name in ordered:
        connection.execute(f"ALTER TABLE ONLY {name} ENABLE TRIGGER USER")
    for schema, name, value in other.execute(SEQUENCES).fetchall():
        if value is not None:
            connection.execute(
                "SELECT setval(format('%%I.%%I', %s::text, %s::text)::regclass, %s)", [schema, name, value]
            )
    found = compared(digest(connection), digest(other))
    unequal = [row["table"] for row in found if not row["equal"]]
    if unequal:
        raise CompareFailed(f"after copying, {', '.join(unequal)} differ. Nothing was changed: all was rolled back")
    if before_commit:
        before_commit()
    connection.commit()
    return {"tables": found}


def copy_rows(connection: Any, other: Any, name: str, columns: list[str]) -> None:
    """Copy a table's rows, in PostgreSQL's own form."""
    from psycopg import sql

    listed = sql.SQL(", ").join(map(sql.Identifier, columns)).as_string(connection)
    with (
        other.cursor().copy(f"COPY {name} ({listed}) TO STDOUT (FORMAT binary)") as source,
        connection.cursor().copy(f"COPY {name} ({listed}) FROM STDIN (FORMAT binary)") as target,
    ):
        for data in source:
            target.write(data)


if __name__ == "__main__":
    main()
