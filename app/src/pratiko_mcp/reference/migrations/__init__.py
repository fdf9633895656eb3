# SPDX-License-Identifier: MIT
"""The database's schema, revision by revision, for Alembic."""
