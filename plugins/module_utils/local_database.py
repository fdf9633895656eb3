# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Dump a PostgreSQL database, restore it beside the one in use, compare the two, and let it take the other's place."""

from __future__ import annotations

import contextlib
import hashlib
import os
import pathlib
import re
import subprocess
import tempfile
import typing as t
from dataclasses import dataclass

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import McpError

OWN, MAINTENANCE = "mcp", "postgres"
CHECKED, RESTORED, REPLACED = "mcp_backup_check", "mcp_restored", "mcp_replaced"
# A name with blanks or capitals is quoted; a table without columns has no list of them.
NAME = rb'(?:"(?:[^"]|"")+"|[^\s".(]+)'
COPY = re.compile(rb"COPY (" + NAME + rb"(?:\." + NAME + rb")*) .*FROM stdin;\n?")
PLAIN = ("--format=plain", "--no-owner", "--no-privileges")
# Somebody may connect between the moment in which all are sent away and that in which the name changes.
SWAPS = 5

Content = dict[str, dict[str, t.Any]]


def content_of(stream: t.IO[bytes]) -> Content:
    """Return rows and a hash of the data of each table in a plain dump; its comments and settings do not count."""
    found: Content = {}
    for line in stream:
        begins = COPY.fullmatch(line)
        if begins:
            found[begins[1].decode()] = _table(stream)
    return found


def _table(stream: t.IO[bytes]) -> dict[str, t.Any]:
    """Count and hash the rows up to the end of a COPY."""
    rows, total = 0, hashlib.sha256()
    for line in stream:
        if line.rstrip(b"\n") == rb"\.":
            break
        rows += 1
        total.update(line)
    return {"rows": rows, "sha256": total.hexdigest()}


def differing(wanted: Content, found: Content) -> list[str]:
    """Name the tables in which two contents differ."""
    return sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))


def named(command: list[str], name: str) -> list[str]:
    """Return a command with another database's name in its ``--dbname``, be it a name, a URL or a connection string."""
    return [
        re.sub(rf"(?<=[=/]){OWN}(?=$|[?\s])", name, part, count=1) if part.startswith("--dbname=") else part
        for part in command
    ]


@dataclass
class Database:
    """The database ``mcp`` and its server.

    :param pg_dump: the command as a list, with all that it needs to reach the server, ``--dbname`` among it
    :param psql: the same
    """

    pg_dump: list[str]
    psql: list[str]

    def dump(self, path: pathlib.Path) -> Content:
        """Write a plain dump of one moment of the database in use, and return what is in it.

        :raises McpError: pg_dump refuses
        :raises OSError: it cannot be written
        """
        with path.open("w+b") as stream:
            self._run([*self.pg_dump, *PLAIN], f"dump the database {OWN}", stdout=stream)
            stream.seek(0)
            return content_of(stream)

    def content(self, name: str) -> Content:
        """Return what a database has now, by a dump that is kept nowhere.

        :raises McpError: pg_dump refuses
        """
        found: list[Content] = []
        self._run(
            [*named(self.pg_dump, name), *PLAIN],
            f"dump the database {name}",
            read=lambda stream: found.append(content_of(stream)),
        )
        return found[0]

    def sql(self, text: str) -> None:
        """Run one statement."""
        self._psql(MAINTENANCE, f"run {text.split()[0]} {text.split()[1]}", "--command", text)

    def drop(self, name: str) -> None:
        """Remove a database, whoever is connected to it."""
        self.sql(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def load(self, name: str, dump: pathlib.Path, content: Content) -> None:
        """Make a database anew, fill it from a dump, whole or not at all, and compare.

        :raises McpError: psql refuses, or it does not have what it should
        :raises OSError: the dump cannot be read
        """
        self.drop(name)
        self.sql(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'")
        with dump.open("rb") as stream:
            self._psql(name, f"restore {dump} into the database {name}", "--single-transaction", stdin=stream)
        wrong = differing(content, self.content(name))
        if wrong:
            raise McpError(
                f"What was restored into the database {name} differs from the backup in {', '.join(wrong)}. The "
                "database in use was not touched."
            )

    def prove(self, dump: pathlib.Path, content: Content) -> None:
        """Restore a dump into a database of its own, compare, and remove that.

        :raises McpError: it cannot be restored, or differs
        """
        try:
            self.load(CHECKED, dump, content)
        finally:
            with contextlib.suppress(McpError):
                self.drop(CHECKED)

    def swap(self) -> None:
        """Let the restored database take the place of the one in use, which stays under another name.

        Both names change in one transaction: whoever is killed has left the one or the other in use, whole.

        :raises McpError: it cannot be; then the one in use is as it was
        """
        self.drop(REPLACED)
        for left in reversed(range(SWAPS)):
            try:
                self._psql(
                    MAINTENANCE,
                    "put the restored database in its place",
                    "--single-transaction",
                    f"--command=SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{OWN}'",
                    f"--command=ALTER DATABASE {OWN} RENAME TO {REPLACED}",
                    f"--command=ALTER DATABASE {RESTORED} RENAME TO {OWN}",
                )
                return
            except McpError:
                if not left:
                    raise

    def forget_replaced(self, kept: Content) -> list[str]:
        """Remove the database that was replaced when a backup has all of it; else name the tables that differ.

        :raises McpError: it cannot be read or removed
        """
        wrong = differing(kept, self.content(REPLACED))
        if not wrong:
            self.drop(REPLACED)
        return wrong

    def _psql(self, name: str, doing: str, *options: str, stdin: t.IO[bytes] | None = None) -> None:
        fixed = ["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1"]
        self._run([*named(self.psql, name), *fixed, *options], doing, stdin=stdin)

    def _run(
        self,
        command: list[str],
        doing: str,
        stdin: t.IO[bytes] | None = None,
        stdout: t.IO[bytes] | None = None,
        read: t.Callable[[t.IO[bytes]], None] | None = None,
    ) -> None:
        # PostgreSQL's programs take settings from the person's PGSSLMODE, PGOPTIONS, PGSERVICE and the like.
        own = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        # Else a dump writes points in time as the server's own zone has them, and equal data differ.
        own["PGTZ"] = "UTC"
        out = subprocess.PIPE if read else stdout or subprocess.DEVNULL
        with tempfile.TemporaryFile() as errors:
            try:
                process = subprocess.Popen(
                    command, stdin=stdin or subprocess.DEVNULL, stdout=out, stderr=errors, env=own
                )
            except OSError as error:
                raise McpError(f"{command[0]} could not be started to {doing}: {error}") from error
            with process:
                if read and process.stdout:
                    read(process.stdout)
            errors.seek(0)
            said = " ".join(errors.read().decode(errors="replace").split())[-600:]
        if process.returncode:
            raise McpError(
                f"PostgreSQL could not {doing}: {said or f'it ended with {process.returncode}'}  If it does not run, "
                "start everything with: ansible-playbook deploy.yml -i <inventory>"
            )
