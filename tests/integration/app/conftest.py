# SPDX-License-Identifier: MIT
"""Services that the tests of one worker share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.services import Postgres, Redis, postgres, redis


@pytest.fixture(scope="session")
def shared_postgres() -> Iterator[Postgres]:
    """A PostgreSQL; each test makes a database of its own in it."""
    with postgres() as service:
        yield service


@pytest.fixture(scope="session")
def shared_redis() -> Iterator[Redis]:
    """A Redis; each test empties it."""
    with redis() as service:
        yield service
