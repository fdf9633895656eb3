# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backup and restore on a real PostgreSQL: taken, proven, restored, damaged, out of space, killed at every step."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import resource
import signal
import threading
import typing as t
from pathlib import Path

import pytest
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import local_backup, local_database
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import Context, McpError

from tests.support import services
from tests.support.memory_s3 import FileStore, refusal

OLD, NEW = ("old", "kept"), ("new",)
ROWS = "SELECT name FROM documents ORDER BY name DESC"


class Environment:
    """A database with documents, and the folder of its backups."""

    def __init__(self, database: services.Postgres, folder: Path) -> None:
        self.server, self.folder = database, folder
        self.directory = folder / "backups"
        self.store = FileStore()
        self.warnings: list[str] = []
        passwords = folder / "pgpass"
        passwords.touch(0o600)
        passwords.write_text(f"127.0.0.1:{database.port}:*:mcp:{database.password}\n", encoding="utf-8")
        self.where = f"--dbname={database.url()}?passfile={passwords}"

    def run(self, state: str, check_mode: bool = False, **options: t.Any) -> dict[str, t.Any]:
        """Run the module."""
        params = {
            "directory": str(self.directory),
            "environment": "local",
            "state": state,
            "backup": None,
            "replaced": None,
            "pg_dump": [services._binary("pg_dump"), self.where],
            "psql": [services._binary("psql"), self.where],
            "bucket": None,
            "describe": {"runtime": "process"},
            **options,
        }
        context = Context(params, lambda _service, _region: self.store, check_mode=check_mode)
        context.warn = self.warnings.append
        return local_backup.run(context)

    def take(self) -> str:
        """Back up; return the backup's id."""
        return str(self.run("taken")["backup"]["id"])

    def fill(self, *names: str) -> None:
        """Let the database have these documents and no others."""
        self.server.execute("TRUNCATE documents")
        for name in names:
            self.server.execute("INSERT INTO documents VALUES (%s, %s)", name, "text \u00e9\t\n\\.")

    def names(self, database: str = "mcp") -> tuple[str, ...]:
        """Return the documents of a database."""
        return tuple(row[0] for row in self.server.execute(ROWS, database=database))

    def databases(self) -> set[str]:
        """Return the databases beside those that PostgreSQL has itself."""
        found = self.server.execute("SELECT datname FROM pg_database", database="postgres")
        return {row[0] for row in found} - {"postgres", "template0", "template1"}

    def left_over(self) -> list[str]:
        """Return what of the backups' folder is no backup."""
        return [path.name for path in self.directory.glob(".*")]


@pytest.fixture(scope="module")
def server() -> t.Iterator[services.Postgres]:
    """A PostgreSQL."""
    with services.postgres() as database:
        yield database


@pytest.fixture
def environment(server: services.Postgres, tmp_path: Path) -> t.Iterator[Environment]:
    """A database with two documents."""
    made = Environment(server, tmp_path)
    server.execute('CREATE TABLE documents (name text PRIMARY KEY, "Some (text)" text)')
    server.execute('CREATE TABLE "Some (odd) name" AS SELECT generate_series(1, 3) AS number')
    made.fill(*OLD)
    yield made
    for name in made.databases():
        server.execute(f"DROP DATABASE {name} WITH (FORCE)", database="postgres")
    server.execute("CREATE DATABASE mcp", database="postgres")


def test_what_was_backed_up_comes_back_whole_and_what_it_replaces_can_be_had_back(environment: Environment) -> None:
    first = environment.run("taken")["backup"]
    assert (first["rows"], first["tables"]['public."Some (odd) name"']) == (5, 3)
    environment.fill(*NEW)
    second = environment.take()
    environment.run("restored", backup=first["id"], replaced=second)
    assert environment.names() == OLD
    with pytest.raises(Exception, match="duplicate key"):
        environment.server.execute("INSERT INTO documents VALUES ('old', '')")
    environment.run("restored", backup=second, replaced=environment.take())
    assert environment.names() == NEW
    assert (environment.databases(), environment.left_over(), environment.warnings) == ({"mcp"}, [], [])


def test_the_newest_is_the_default_and_a_look_changes_nothing(environment: Environment) -> None:
    environment.take()
    environment.fill(*NEW)
    newest = environment.take()
    environment.fill("later")
    assert environment.run("restored", check_mode=True)["backup"]["id"] == newest
    assert environment.run("taken", check_mode=True)["backup"] is None
    assert environment.names() == ("later",)
    environment.run("restored")
    assert environment.names() == NEW
    assert environment.run("listed")["backups"][0]["id"] == newest


def test_points_in_time_are_equal_in_every_zone(environment: Environment) -> None:
    """The restored database does not have the settings of the one that was dumped: another laptop, or a container."""
    environment.server.execute("CREATE TABLE times AS SELECT now() AS at")
    environment.server.execute("ALTER DATABASE mcp SET timezone = 'Asia/Tokyo'")
    backup = environment.take()
    environment.run("restored", backup=backup)
    assert environment.names() == OLD


def test_what_was_written_after_its_backup_is_kept_beside_and_told(environment: Environment) -> None:
    wanted = environment.take()
    before = environment.take()
    environment.server.execute("INSERT INTO documents VALUES ('acknowledged', '')")
    environment.run("restored", backup=wanted, replaced=before)
    assert environment.names() == OLD
    assert "acknowledged" in environment.names("mcp_replaced")
    assert "public.documents" in environment.warnings[0] and "mcp_replaced" in environment.warnings[0]


def test_whoever_is_connected_or_comes_back_does_not_stop_it(environment: Environment) -> None:
    wanted = environment.take()
    environment.fill(*NEW)
    done = threading.Event()

    def come_back() -> None:
        while not done.is_set():
            with contextlib.suppress(Exception), environment.server.connect() as connection:
                connection.execute("SELECT pg_sleep(0.05)")

    client = threading.Thread(target=come_back)
    client.start()
    try:
        environment.run("restored", backup=wanted)
    finally:
        done.set()
        client.join()
    assert environment.names() == OLD


def test_settings_of_the_persons_own_postgresql_do_not_count(environment, monkeypatch) -> None:
    for name, value in {"PGSERVICE": "work", "PGSSLMODE": "verify-full", "PGOPTIONS": "-c nonsense=1"}.items():
        monkeypatch.setenv(name, value)
    environment.run("restored", backup=environment.take())


def test_files_come_back_with_the_database_or_neither_does(environment: Environment) -> None:
    environment.store.objects = {"a": b"one"}
    made = environment.run("taken", bucket="files")["backup"]
    assert made["files"] == 1
    environment.fill(*NEW)
    environment.store.objects = {"b": b"two"}
    environment.store.fails["put_object"] = refusal("AccessDenied", 403, "PutObject")
    with pytest.raises(McpError, match=r"cannot be put back \(a\)"):
        environment.run("restored", bucket="files")
    assert (environment.names(), environment.databases()) == (NEW, {"mcp"})
    environment.store.fails.clear()
    environment.run("restored", bucket="files")
    assert environment.names() == OLD and environment.store.objects == {"a": b"one", "b": b"two"}


# What goes wrong


@pytest.mark.parametrize("damage", ["cut", "changed", "gone"])
def test_a_damaged_backup_changes_nothing(environment: Environment, damage: str) -> None:
    made = environment.take()
    dump = environment.directory / made / "database.sql"
    text = dump.read_bytes()
    # What follows the rows makes the keys: without it all rows would be there.
    dump.write_bytes(text[: text.index(b"PRIMARY KEY")] if damage == "cut" else text.replace(b"kept", b"kepd"))
    if damage == "gone":
        dump.unlink()
    environment.fill(*NEW)
    with pytest.raises(McpError, match=rf"Backup {made} is damaged: database\.sql .*Nothing was changed"):
        environment.run("restored", check_mode=True)
    assert (environment.names(), environment.databases()) == (NEW, {"mcp"})


def test_a_dump_that_cannot_be_restored_is_no_backup(environment: Environment) -> None:
    environment.server.execute(
        "CREATE FUNCTION mine() RETURNS text LANGUAGE sql AS 'SELECT name FROM documents LIMIT 1'"
    )
    environment.server.execute("ALTER TABLE documents ADD CHECK (name <> coalesce(mine(), 'x') || '!')")
    environment.server.execute("ALTER FUNCTION mine() SET search_path = nowhere")
    with pytest.raises(McpError, match="PostgreSQL could not restore"):
        environment.take()
    assert (environment.run("listed")["backups"], environment.left_over()) == ([], [])
    assert environment.databases() == {"mcp"}


@pytest.mark.parametrize("blocks", [0, 40])
def test_a_full_disk_leaves_no_half_a_backup(environment: Environment, blocks: int) -> None:
    environment.server.execute(
        "INSERT INTO documents SELECT 'n' || n, repeat('x', 100) FROM generate_series(1, 2000) n"
    )
    _soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (blocks * 1024, hard))
    try:
        with pytest.raises(McpError, match=r"could not (be written|dump the database mcp)"):
            environment.take()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (_soft, hard))
    assert (environment.run("listed")["backups"], environment.left_over()) == ([], [])


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        (b"CREATE EXTENSION nowhere;", r"could not restore .*nowhere"),
        (b"UPDATE public.documents SET name = name || '!';", r"differs from the backup in public\.documents"),
    ],
)
def test_a_restore_that_fails_leaves_what_is_in_use(environment: Environment, written: bytes, problem: str) -> None:
    folder = environment.directory / environment.take()
    with (folder / "database.sql").open("ab") as stream:
        stream.write(b"\n" + written + b"\n")
    manifest = json.loads((folder / "backup.json").read_text(encoding="utf-8"))
    manifest["database"]["sha256"] = local_backup.digest(folder / "database.sql")
    (folder / "backup.json").write_text(json.dumps(manifest), encoding="utf-8")
    environment.fill(*NEW)
    with pytest.raises(McpError, match=problem):
        environment.run("restored")
    assert (environment.names(), environment.databases()) == (NEW, {"mcp"})


def killed_at(environment: Environment, step: int, state: str, options: dict[str, t.Any]) -> None:
    """Run the module, and be killed before its n-th command."""
    run_command, left = local_database.Database._run, [step]

    def counted(*arguments: t.Any, **named: t.Any) -> None:
        left[0] -= 1
        if left[0] < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        run_command(*arguments, **named)

    local_database.Database._run = counted
    environment.run(state, **options)
    os._exit(0)


def test_a_restore_that_is_killed_anywhere_leaves_one_or_the_other_and_the_next_one_works(environment) -> None:
    wanted = environment.take()
    environment.fill(*NEW)
    before = environment.take()
    options = {"backup": wanted, "replaced": before}
    found, step, ended = [], 0, 1
    while ended:
        process = multiprocessing.get_context("fork").Process(
            target=killed_at, args=(environment, step, "restored", options)
        )
        process.start()
        process.join(60)
        ended, step = process.exitcode or 0, step + 1
        found.append(environment.names())
        assert ended in (0, -signal.SIGKILL)
        environment.run("restored", backup=before)
        assert environment.names() == NEW
    # First what was there, then what was wanted, and never anything else.
    assert found == sorted(found) and set(found) == {NEW, OLD} and step > 6


def test_a_backup_that_is_killed_is_none_and_the_next_one_clears_up(environment) -> None:
    for step in (1, 2, 4):
        process = multiprocessing.get_context("fork").Process(target=killed_at, args=(environment, step, "taken", {}))
        process.start()
        process.join(60)
        assert process.exitcode == -signal.SIGKILL
        assert environment.run("listed")["backups"] == [] and environment.left_over()
    environment.take()
    assert (environment.left_over(), environment.databases()) == ([], {"mcp"})
