# SPDX-License-Identifier: MIT
"""Documents in memory keep the contract of every store."""

from __future__ import annotations

import pytest
from pratiko_mcp.reference.memory import MemoryStorage
from pratiko_mcp.reference.storage import KEY_SECONDS, Once

from tests.support.storage_contract import Clock, Factory, StorageContract


class TestMemoryStorage(StorageContract):
    """The contract."""

    @pytest.fixture
    def factory(self) -> Factory:
        return MemoryStorage

    def test_expired_results_are_let_go(self, storage: MemoryStorage, clock: Clock) -> None:
        for number in range(3):
            storage.save("a", "T", "x", None, Once((), str(number)))
        clock.now += KEY_SECONDS
        storage.save("a", "T", "x", None, Once((), "last"))
        assert len(storage._results) == 1
