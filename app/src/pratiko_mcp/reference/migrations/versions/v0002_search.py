# SPDX-License-Identifier: MIT
"""An index for searches for any part, where the extension pg_trgm can be had; without it they read all rows."""

from alembic import op
from sqlalchemy import text

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    with op.get_context().autocommit_block():
        if not _has_trigrams():
            return
        # One that was cut off in the middle is there and of no use.
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS documents_terms")
        op.execute("CREATE INDEX CONCURRENTLY documents_terms ON documents USING gin (terms gin_trgm_ops)")


def downgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS documents_terms")


def _has_trigrams() -> bool:
    """Tell whether the extension is there, and make it where the role may."""
    may = """
        SELECT EXISTS (SELECT FROM pg_available_extension_versions WHERE name = 'pg_trgm' AND
        (trusted OR NOT superuser OR (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)))
        AND has_database_privilege(current_database(), 'CREATE')"""
    there = "SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_trgm')"
    connection = op.get_bind()
    if not connection.execute(text(there)).scalar() and connection.execute(text(may)).scalar():
        op.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
    return bool(connection.execute(text(there)).scalar())
