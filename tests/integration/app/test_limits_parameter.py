# SPDX-License-Identifier: MIT
"""The limits of a deployed server, in a parameter of an emulated AWS."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from pratiko_mcp.limits import PolicySource, make_source
from pratiko_mcp.settings import load_settings

from tests.support.emulated import TestSandbox

pytestmark = pytest.mark.integration


@pytest.fixture
def ssm(aws: Callable[..., Any], sandbox: TestSandbox, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A client of the emulator, to which the server's own calls go as well."""
    for name, value in {**sandbox.environment, "NO_PROXY": "127.0.0.1"}.items():
        monkeypatch.setenv(name, value)
    return aws("ssm")


def source_of(name: str) -> PolicySource:
    source = make_source(replace(load_settings({"MCP_AUTH": "none"}), limits_parameter=name))
    assert source is not None
    source.refresh()
    return source


@pytest.mark.parametrize("kind", ["String", "SecureString"])
def test_a_parameter_is_read_and_read_again(ssm: Any, kind: str) -> None:
    name = f"/mcp/{uuid.uuid4().hex}/limits"
    ssm.put_parameter(Name=name, Type=kind, Value='{"calls_per_minute": 5}')
    source = source_of(name)
    assert (source.policy.calls_per_minute, source.state) == (5, (True, ""))
    ssm.put_parameter(Name=name, Type=kind, Value='{"calls_per_minute": 7}', Overwrite=True)
    source.forget()
    source.refresh()
    assert source.policy.calls_per_minute == 7
    ssm.delete_parameter(Name=name)
    source.forget()
    source.refresh()
    ok, reason = source.state
    assert (ok, source.policy.calls_per_minute) == (False, 7)
    assert "ParameterNotFound" in reason and name in reason


def test_a_parameter_that_is_missing(ssm: Any) -> None:
    ok, reason = source_of("/mcp/nowhere/limits").state
    assert not ok
    assert reason.startswith("MCP_LIMITS_PARAMETER /mcp/nowhere/limits: ") and "ParameterNotFound" in reason
