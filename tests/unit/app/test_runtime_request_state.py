# SPDX-License-Identifier: MIT
"""Sealed request state: shared by the instances of a deployment, bound to its caller."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from pratiko_mcp import aws_json, runtime
from pratiko_mcp.auth import Verifier
from pratiko_mcp.entrypoint import build_inner_app
from pratiko_mcp.request_state import (
    KEY_TTL_SECONDS,
    RELOAD_INTERVAL_SECONDS,
    SecretCodec,
    share_request_state_key,
)
from pratiko_mcp.settings import Settings

from tests.unit.app.served import MODERN, bearer, call, headers_of, make_server, request, settings, token


def two_rounds(state: str | None) -> bytes:
    more = {"requestState": state} if state else {}
    return request(MODERN, "tools/call", name="two_rounds", arguments={}, **more)


def two_instances(first: Settings, second: Settings, caller: str = "alice") -> dict[str, Any]:
    """Begin a call on one instance and go on with it on another; return the second reply."""

    async def one_round(chosen: Settings, subject: str, state: str | None) -> dict[str, Any]:
        inner = build_inner_app(make_server(), chosen)
        assert chosen.token is not None
        app = runtime.Runtime(chosen, inner, Verifier(chosen.token))
        async with inner.router.lifespan_context(inner):
            headers = {**headers_of(MODERN, name="two_rounds"), **bearer(token(sub=subject))}
            return dict((await call(app, "POST", "/mcp", headers, two_rounds(state))).json)

    async def both() -> dict[str, Any]:
        begun = (await one_round(first, "alice", None))["result"]
        assert begun["resultType"] == "input_required"
        assert "round one" not in begun["requestState"]
        return await one_round(second, caller, begun["requestState"])

    return asyncio.run(both())


def test_request_state_moves_between_instances() -> None:
    shared = settings(MCP_REQUEST_STATE_KEY="k" * 32)
    reply = two_instances(shared, shared)
    assert reply["result"]["content"][0]["text"] == "state was round one"


@pytest.mark.parametrize(
    ("second", "caller"),
    [
        (settings(MCP_REQUEST_STATE_KEY="x" * 32), "alice"),
        (settings(MCP_REQUEST_STATE_KEY="k" * 32, MCP_SERVER_NAME="other"), "alice"),
        (settings(MCP_REQUEST_STATE_KEY="k" * 32), "mallory"),
        (settings(), "alice"),
    ],
    ids=["another key", "another server", "another caller", "key of the process"],
)
def test_request_state_of_somebody_else_is_refused(second: Settings, caller: str) -> None:
    reply = two_instances(settings(MCP_REQUEST_STATE_KEY="k" * 32), second, caller)
    assert reply["error"]["code"] == -32602


def test_request_state_secret_is_read_late_and_followed() -> None:
    from mcp.server import request_state as sdk

    stored, reads, now = ["a" * 32], [], [0.0]

    def read() -> list[str]:
        reads.append(list(stored))
        return list(stored)

    codec = SecretCodec(sdk, read, lambda: now[0])
    assert reads == []
    assert codec.unseal(codec.seal(b"one")) == b"one"
    assert len(reads) == 1
    newer = sdk.AESGCMRequestStateCodec(["b" * 32]).seal(b"two")
    stored[:] = ["b" * 32, "a" * 32]
    with pytest.raises(sdk.InvalidRequestState):
        codec.unseal(newer)
    now[0] += RELOAD_INTERVAL_SECONDS + 1
    assert codec.unseal(newer) == b"two"
    assert len(reads) == 2


def test_a_key_that_rotated_seals_within_a_minute_and_the_one_before_still_opens() -> None:
    from mcp.server import request_state as sdk

    stored, now = ["a" * 32], [0.0]
    codec = SecretCodec(sdk, lambda: stored, lambda: now[0])
    before = codec.seal(b"one")
    stored[:] = ["b" * 32, "a" * 32]
    now[0] += KEY_TTL_SECONDS + 1
    assert sdk.AESGCMRequestStateCodec(["b" * 32]).unseal(codec.seal(b"two")) == b"two"
    assert codec.unseal(before) == b"one"


def test_keys_that_cannot_be_read_again_stay(caplog: pytest.LogCaptureFixture) -> None:
    from mcp.server import request_state as sdk

    reads, now = [], [0.0]

    def read() -> list[str]:
        reads.append(now[0])
        if now[0]:
            raise OSError("a" * 32)
        return ["a" * 32]

    codec = SecretCodec(sdk, read, lambda: now[0])
    sealed = codec.seal(b"one")
    now[0] += KEY_TTL_SECONDS + 1
    assert [codec.unseal(sealed), codec.unseal(sealed)] == [b"one", b"one"]
    assert len(reads) == 2  # and not at every call
    assert "cannot be read again: OSError" in caplog.text and "a" * 32 not in caplog.text


def test_secret_arn_replaces_the_key_of_the_process() -> None:
    server = make_server()
    before = list(server.middleware)
    arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:state-AbCdEf"
    share_request_state_key(server, replace(settings(), request_state_secret=arn))
    changed = [type(new).__name__ for old, new in zip(before, server.middleware, strict=True) if old is not new]
    assert changed == ["RequestStateBoundary"]


def test_secret_is_read_by_its_arn(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def call(*question: Any) -> dict[str, str]:
        asked.append(question)
        return {"SecretString": "k" * 32}

    monkeypatch.setattr(aws_json, "call", call)
    shared = replace(settings(), request_state_secret="arn:state")
    assert two_instances(shared, shared)["result"]["content"][0]["text"] == "state was round one"
    wanted = {"SecretId": "arn:state", "VersionStage": "AWSCURRENT"}
    assert ("secretsmanager", "secretsmanager.GetSecretValue", wanted) in asked
    assert len(asked) == 6  # every stage, once for each instance
