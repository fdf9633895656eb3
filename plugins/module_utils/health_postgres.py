# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The check kind postgres: a query, and how many connections are taken."""

from __future__ import annotations

import contextlib
import re
import shlex
import typing as t

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_kind import (
    TIMED,
    Finding,
    Kind,
    Look,
    Observation,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_tcp import (
    place_of,
    read_password,
    timed,
    whole_seconds,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.http_pool import is_loopback
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.http_probe import shorten
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.time_limit import Limit

# A line of libpq's password file: host:port:database:user:password.
PASSWORD_LINE = re.compile(r"^[^:#\n]+:(?:\d+|\*):[^:\n]+:[^:\n]+:(.+)$", re.MULTILINE)
# Visible to every role, unlike most of pg_stat_activity.
TAKEN = "SELECT sum(numbackends)::int, current_setting('max_connections')::int FROM pg_stat_database"


def postgres_step(probe: dict[str, t.Any]) -> str:
    given = {"-h": probe["host"], "-p": probe["port"], "-U": probe["user"], "-d": probe["database"]}
    options = " ".join(f"{name} {shlex.quote(str(value or 'postgres'))}" for name, value in given.items())
    return f"psql {options} -c 'SELECT 1'"


def login(look: Look) -> dict[str, t.Any]:
    """Return what tells the server who asks; the file is a password, or libpq's file of many."""
    text = read_password(look)
    if text is None:
        return {}
    passwords = PASSWORD_LINE.findall(text)
    look.secrets.extend(passwords)
    return {"passfile": look.probe["password_file"]} if passwords else {"password": text}


def connection_options(look: Look) -> dict[str, t.Any]:
    """Return libpq's options; on this machine TLS is taken where it is offered, elsewhere it is verified."""
    probe, seconds = look.probe, look.seconds_left()
    options: dict[str, t.Any] = {
        "host": probe["host"],
        "port": probe["port"],
        "user": probe["user"],
        "dbname": probe["database"],
        "connect_timeout": whole_seconds(seconds),
        "application_name": "pratikoai.mcp_servers.health",
        "options": "-c default_transaction_read_only=on",
    }
    if probe["ca_file"] or not is_loopback(probe["host"]):
        options |= {"sslmode": "verify-full", "sslrootcert": probe["ca_file"] or "system"}
    return options | login(look)


def query(look: Look, connection: t.Any) -> tuple[tuple[float, ...], int, int]:
    """Return the milliseconds of SELECT 1, the connections that are taken, and how many there may be.

    :raises TimeoutError: a query took too long; libpq itself would wait for ever
    """
    limit = Limit(look.pools.limits)
    limit.watch(connection)

    def answer(text: str) -> t.Any:
        with limit.request(look.seconds_left()):
            return connection.execute(text).fetchone()

    times = timed(lambda: answer("SELECT 1"), look.probe["samples"])
    taken, most = answer(TAKEN)
    return times, int(taken), int(most)


def ask(look: Look, psycopg: t.Any) -> tuple[tuple[float, ...], int, int]:
    """Connect and query.

    :raises Finding: critical: the server refuses, fails or says nothing
    """
    place, seconds = place_of(look.probe), look.seconds_left()
    try:
        with contextlib.closing(psycopg.connect(autocommit=True, **connection_options(look))) as connection:
            return query(look, connection)
    except (TimeoutError, psycopg.errors.ConnectionTimeout) as error:
        raise Finding("critical", f"{place}: no complete answer within {seconds:g} s") from error
    except psycopg.Error as error:
        text = " ".join(str(error).split())
        if "resolve host" in text or "Name or service not known" in text:
            raise Finding("unknown", f"{place}: the name {look.probe['host']} does not resolve from here") from error
        raise Finding("critical", f"{place}: {shorten(text or type(error).__name__)}") from error


def look_postgres(look: Look) -> Observation:
    """Query, and count the connections."""
    try:
        import psycopg
    except ImportError as error:
        text = f"the Python package psycopg is missing here ({error.name})"
        raise Finding("unknown", text, "pip install 'psycopg[binary]'") from error
    times, taken, most = ask(look, psycopg)
    percent = 100 * taken / most
    text = f"{place_of(look.probe)}: SELECT 1 ok, {taken} of {most} connections taken ({percent:.0f} %)"
    return Observation(look.thresholds.level("connections_percent", percent), text, times)


POSTGRES = Kind(
    "postgres",
    look_postgres,
    TIMED | {"host", "port", "user", "database", "password_file", "ca_file"},
    required=("host", "port"),
    step=postgres_step,
)
