# SPDX-License-Identifier: MIT
"""Fixtures of the server's tests."""

from __future__ import annotations

import sys
import types
from typing import Any

import pytest

from tests.unit.app.served import make_server, plain_app


@pytest.fixture
def users_server(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A user's module with one object of every kind."""
    module: Any = types.ModuleType("users_server")
    module.mcp = make_server()
    module.app = plain_app
    module.nothing = 42
    module.factory = lambda: plain_app
    monkeypatch.setitem(sys.modules, "users_server", module)
    return module
