# SPDX-License-Identifier: MIT
"""The words of a document for full-text search: a column that a trigger fills, whichever server writes.

The configuration is ``simple``, which knows no language. Words come from the first 50,000 characters: PostgreSQL keeps
at most 1 MB of them, and more could make a document that cannot be saved.
"""

from alembic import op
from sqlalchemy import text

revision = "0003"
down_revision = "0002"

ROWS_AT_ONCE = 200


def upgrade() -> None:
    op.execute(
        """
        ALTER TABLE documents ADD COLUMN IF NOT EXISTS words tsvector;
        CREATE OR REPLACE FUNCTION documents_words() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            NEW.words := setweight(to_tsvector('simple', NEW.title), 'A')
                || setweight(to_tsvector('simple', left(NEW.body, 50000)), 'B');
            RETURN NEW;
        END $$;
        CREATE OR REPLACE TRIGGER documents_words BEFORE INSERT OR UPDATE ON documents
            FOR EACH ROW EXECUTE FUNCTION documents_words();
        """
    )
    with op.get_context().autocommit_block():
        _fill()
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS documents_words")
        op.execute("CREATE INDEX CONCURRENTLY documents_words ON documents USING gin (words)")


def downgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS documents_words")
    op.execute(
        """
        DROP TRIGGER IF EXISTS documents_words ON documents;
        DROP FUNCTION IF EXISTS documents_words();
        ALTER TABLE documents DROP COLUMN IF EXISTS words;
        """
    )


def _fill() -> None:
    """Let the trigger fill the rows from before it; a few at a time, so that no writer waits long."""
    statement = text(
        """
        UPDATE documents SET words = NULL WHERE id IN
        (SELECT id FROM documents WHERE words IS NULL ORDER BY id LIMIT :rows FOR UPDATE SKIP LOCKED)
        """
    )
    while op.get_bind().execute(statement, {"rows": ROWS_AT_ONCE}).rowcount:
        pass
    # Rows that were locked meanwhile were written by the trigger, unless their writers gave up.
    op.execute("UPDATE documents SET words = NULL WHERE words IS NULL")
