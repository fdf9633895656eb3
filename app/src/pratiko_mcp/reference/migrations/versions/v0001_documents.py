# SPDX-License-Identifier: MIT
"""Documents, the results of calls with a key, and what servers must know."""

from alembic import op
from sqlalchemy import text

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE documents (
            id text COLLATE "C" PRIMARY KEY,
            title text NOT NULL,
            body text NOT NULL,
            version integer NOT NULL,
            size_bytes integer NOT NULL,
            created_at timestamptz NOT NULL,
            updated_at timestamptz NOT NULL,
            terms text NOT NULL
        );
        COMMENT ON COLUMN documents.terms IS 'title and beginning of the body in lower case, as searches look for them';
        CREATE TABLE results (
            digest text COLLATE "C" PRIMARY KEY,
            call text NOT NULL,
            result text NOT NULL,
            expires_at timestamptz NOT NULL
        );
        CREATE INDEX results_expires_at ON results (expires_at);
        CREATE TABLE mcp_schema (needs_server text NOT NULL);
        COMMENT ON TABLE mcp_schema IS 'the revision that a server must know at least to work on this schema';
        INSERT INTO mcp_schema VALUES ('0001');
        """
    )


def downgrade() -> None:
    op.execute("LOCK TABLE documents")  # nobody writes one between the look and the drop
    if op.get_bind().execute(text("SELECT EXISTS (SELECT FROM documents)")).scalar():
        raise RuntimeError("there are documents, and a schema without their table would lose them. Delete them first")
    op.execute("DROP TABLE documents, results, mcp_schema")
