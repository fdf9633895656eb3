# SPDX-License-Identifier: MIT
"""Fixtures of the server's tests."""

from __future__ import annotations

import sys
import types

import pytest

from tests.unit.app.served import make_server, plain_app


@pytest.fixture
def users_server(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """A user's module with one object of every kind."""
    module = types.ModuleType("users_server")
    module.mcp = make_server()  # type: ignore[attr-defined]  # modules take any attribute
    module.app = plain_app  # type: ignore[attr-defined]
    module.nothing = 42  # type: ignore[attr-defined]
    module.factory = lambda: plain_app  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "users_server", module)
    return module
