# SPDX-License-Identifier: MIT
"""Which schemas of the database this server works on.

Revisions are numbered in the order of their migrations. A migration only adds what servers of the release before can do
without (expand); what they need is taken away by a later one (contract), which says in the table ``mcp_schema`` which
revision a server must know at least. So the server that is about to be replaced, or the one that a rollback brings
back, goes on working on a newer schema.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ..readiness import Degraded

# The newest revision that this server knows, and the oldest that it works on.
NEWEST = "0003"
OLDEST = "0001"
EMPTY = "empty"
COMMAND = "python -m pratiko_mcp.reference.migrate"
READ = "SELECT (SELECT version_num FROM alembic_version), (SELECT needs_server FROM mcp_schema)"


class Schema(NamedTuple):
    """What the database says: its revision (None: there is none), and the one that a server must know at least."""

    revision: str | None
    needs_server: str | None


class SchemaMismatch(Exception):
    """The server cannot work on the schema."""


def read_schema(connection: Any) -> Schema:
    """Ask a psycopg connection in autocommit mode."""
    from psycopg.errors import UndefinedTable

    try:
        return Schema(*connection.execute(READ).fetchone())
    except UndefinedTable:
        return Schema(None, None)


def require_fit(schema: Schema) -> None:
    """Make sure that this server works on a schema.

    :raises SchemaMismatch: it does not
    """
    revision, needs = schema
    if revision is None or revision < OLDEST:
        raise SchemaMismatch(f"the schema is {revision or EMPTY}, this server needs {OLDEST}. Type: {COMMAND} upgrade")
    if needs is not None and needs > NEWEST:
        raise SchemaMismatch(
            f"the schema is {revision} and needs a server that knows {needs}, this one knows {NEWEST}. Deploy a newer "
            f"release, or type with the one that made it: {COMMAND} downgrade {NEWEST}"
        )


def check_schema(schema: Schema) -> None:
    """Tell whether a schema is the one that this server knows.

    :raises SchemaMismatch: the server does not work on it
    :raises Degraded: it is another one, on which the server works
    """
    require_fit(schema)
    revision = schema.revision or ""
    if revision > NEWEST:
        raise Degraded(f"the schema is {revision}, newer than {NEWEST}, the newest that this server knows; it fits")
    if revision < NEWEST:
        raise Degraded(f"the schema is {revision}, older than {NEWEST}; it fits. Type: {COMMAND} upgrade")
