# SPDX-License-Identifier: MIT
"""``python -m pratiko_mcp.reference.migrate``: brings the schema of the reference server's database up or down.

``upgrade [REVISION]`` and ``downgrade REVISION`` say ``changed: 0001 -> 0003`` or ``unchanged: 0003``; ``current`` says
the revision; ``check`` fails unless it is the newest. ``prepare`` lets the user of MCP_DATABASE_URL log in and make
tables, where so far only the master user can. Migrations run while servers write: they wait for locks only
shortly and try again, and one that was cut off is finished by the next run.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ..settings import SettingsError
from .address import Address, database_address
from .login import PasswordUnavailable
from .prepare import PrepareFailed, master_login, prepare
from .schema import COMMAND, EMPTY, NEWEST, Schema, SchemaMismatch, read_schema, require_fit

# A lock that is not had in this time is let go, or all writers would queue behind the one who waits for it.
LOCK_TIMEOUT = "2s"
LOCK_ATTEMPTS = 30
LOCK_PAUSE_SECONDS = 0.5
TURN_SECONDS = 600
# One migration at a time: any number that nothing else here uses.
ADVISORY_LOCK = 6_277_101_735_386_680


class MigrationFailed(Exception):
    """The schema is not as it was asked for; the message says what to do."""


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog=COMMAND, description="The schema of the database of MCP_DATABASE_URL")
    parser.add_argument(
        "--wait", type=float, default=10, help="seconds to wait for the database (default: %(default)s)"
    )
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("upgrade", help="bring the schema to a newer revision")
    up.add_argument("revision", nargs="?", default="head", help="for example 0002 (default: the newest)")
    down = commands.add_parser("downgrade", help="bring the schema back to an older revision")
    down.add_argument("revision", help="for example 0001; base for none, which is refused while there are documents")
    commands.add_parser("current", help="say the revision")
    commands.add_parser("check", help="fail unless the schema is the newest")
    first = commands.add_parser("prepare", help="make the user of MCP_DATABASE_URL, unless it can log in")
    allowed = 'ARN of the secret of the master user, {"username": ..., "password": ...}; read only when it is needed'
    first.add_argument("--master-secret", required=True, help=allowed)
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command; a failure is one sentence and exit code 1."""
    options = parse_arguments(arguments)
    try:
        import alembic  # noqa: F401  # only whether it is there
        import psycopg
        import sqlalchemy  # noqa: F401  # the same
    except ImportError as error:
        sys.exit(f"{error}. It changes the schema. Try: pip install 'pratiko-mcp[postgres]'")
    try:
        print(run(options, database_address()))
    except (MigrationFailed, PrepareFailed, SchemaMismatch, SettingsError, psycopg.Error, OSError) as error:
        sys.exit(f"{COMMAND} {options.command}: {str(error).strip()}")


def run(options: argparse.Namespace, address: Address, more: Path | None = None) -> str:
    """Run a command and return what it has to say.

    :param more: a folder with further revisions
    :raises MigrationFailed: it did not do what it was asked, like PrepareFailed
    """
    if options.command == "prepare":
        return prepare(address, master_login(options.master_secret), options.wait)
    with _connected(address, options.wait) as connection:
        if options.command in ("upgrade", "downgrade"):
            return Move(address, connection, more).make(options.command, options.revision)
        schema = read_schema(connection)
    if options.command == "check" and (schema.revision or "") < NEWEST:
        raise MigrationFailed(f"the schema is {schema.revision or EMPTY}, not {NEWEST}. Type: {COMMAND} upgrade")
    if options.command == "check":
        require_fit(schema)
    return schema.revision or EMPTY


class Move:
    """A change of the schema.

    :param connection: a psycopg connection in autocommit mode, which keeps others from changing it meanwhile
    :param more: a folder with further revisions
    """

    def __init__(self, address: Address, connection: Any, more: Path | None = None) -> None:
        from alembic.config import Config
        from alembic.script import ScriptDirectory

        self._address = address
        self._connection = connection
        folder = Path(__file__).parent / "migrations"
        folders = [folder / "versions", *([more] if more else [])]
        self._config = Config()
        self._config.set_main_option("script_location", _escaped(folder))
        self._config.set_main_option("path_separator", "newline")
        self._config.set_main_option("version_locations", "\n".join(map(_escaped, folders)))
        revisions = ScriptDirectory.from_config(self._config).walk_revisions()
        self._known = sorted(str(script.revision) for script in revisions)

    def make(self, command: str, revision: str) -> str:
        """Upgrade or downgrade to a revision.

        :raises MigrationFailed: there is no way to it
        :raises SchemaMismatch: a newer release has left a schema that this one does not fit
        """
        target = {"head": self._known[-1], "base": ""}.get(revision, revision)
        if target and target not in self._known:
            raise MigrationFailed(f"the revision is {revision!r}. Allowed: {', '.join(self._known)}, head, base")
        with _alone(self._connection):
            before = read_schema(self._connection)
            current = before.revision or ""
            if current > self._known[-1]:
                return self._after_a_newer_release(before, command)
            if command == "downgrade" and not target:
                self._refuse_documents(current)
            if current != target and (current < target) == (command == "upgrade"):
                self._run(command, target or "base")
            after = read_schema(self._connection).revision or EMPTY
        return f"unchanged: {after}" if after == (current or EMPTY) else f"changed: {current or EMPTY} -> {after}"

    def _refuse_documents(self, current: str) -> None:
        """Keep documents from being dropped with their table, before anything else is taken back."""
        if current and self._connection.execute("SELECT EXISTS (SELECT FROM documents)").fetchone()[0]:
            raise MigrationFailed(
                "there are documents, and a schema without their table would lose them. Delete them first"
            )

    def _after_a_newer_release(self, schema: Schema, command: str) -> str:
        """Leave a newer schema as it is, which a release that was rolled back to meets."""
        if command == "downgrade":
            raise MigrationFailed(
                f"the schema is {schema.revision}, and this release knows none after {self._known[-1]}. Type the "
                "command with the release that made it"
            )
        require_fit(schema)
        return f"unchanged: {schema.revision}, newer than {self._known[-1]} of this release, which it fits"

    def _run(self, command: str, target: str) -> None:
        """Let Alembic do it; what has to wait for a lock too long is tried again, from where it came to."""
        from alembic import command as commands
        from psycopg.errors import DeadlockDetected, LockNotAvailable
        from sqlalchemy.exc import DBAPIError

        for attempt in range(LOCK_ATTEMPTS):
            try:
                with _engine(self._address).connect() as connection:
                    self._config.attributes["connection"] = connection
                    getattr(commands, command)(self._config, target)
                return
            except RuntimeError as error:  # a revision's own refusal
                raise MigrationFailed(str(error)) from error
            except DBAPIError as error:
                in_the_way = isinstance(error.orig, DeadlockDetected | LockNotAvailable)
                if not in_the_way or attempt + 1 == LOCK_ATTEMPTS:
                    raise MigrationFailed(f"{error.orig}. Nothing is lost; repeat the command to go on") from error
                time.sleep(LOCK_PAUSE_SECONDS)


def _engine(address: Address) -> Any:
    from sqlalchemy import create_engine
    from sqlalchemy.pool import NullPool

    def connect() -> Any:
        return _connect(address, autocommit=False)

    return create_engine("postgresql+psycopg://", creator=connect, poolclass=NullPool)


def _connect(address: Address, autocommit: bool) -> Any:
    import psycopg

    return psycopg.connect(
        address.url,
        password=address.password(),
        autocommit=autocommit,
        connect_timeout=address.connect_seconds,
        options=f"-c lock_timeout={LOCK_TIMEOUT} -c timezone=UTC",
        application_name="pratiko-mcp-migrate",
    )


@contextlib.contextmanager
def _connected(address: Address, seconds: float) -> Iterator[Any]:
    """Connect, as soon as the database answers.

    :param seconds: how long to wait for it
    """
    import psycopg

    ends = time.monotonic() + seconds
    while True:
        try:
            connection = _connect(address, autocommit=True)
            break
        except (psycopg.OperationalError, PasswordUnavailable) as error:
            address.refused()
            if time.monotonic() > ends:
                raise MigrationFailed(f"no connection within {seconds:g} s: {str(error).strip()}") from error
            time.sleep(0.2)
    with connection:
        yield connection


@contextlib.contextmanager
def _alone(connection: Any) -> Iterator[None]:
    """Keep other migrations out. Asking is repeated: one that waits in a statement would keep an index from being made.

    :raises MigrationFailed: another one does not come to its end
    """
    ends = time.monotonic() + TURN_SECONDS
    while not connection.execute("SELECT pg_try_advisory_lock(%s)", [ADVISORY_LOCK]).fetchone()[0]:
        if time.monotonic() > ends:
            raise MigrationFailed(f"another migration has been running for {TURN_SECONDS} s. Repeat the command later")
        time.sleep(0.2)
    try:
        yield
    finally:
        connection.execute("SELECT pg_advisory_unlock(%s)", [ADVISORY_LOCK])


def _escaped(path: Path) -> str:
    return str(path).replace("%", "%%")


if __name__ == "__main__":
    main()
