# SPDX-License-Identifier: MIT
"""Authorizer and server of an emulated AWS through a rotation, each step seen by instances of every age."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from mcp.server import request_state as sdk
from pratiko_mcp import aws_secrets
from pratiko_mcp.authorizer import OriginSecret
from pratiko_mcp.request_state import RELOAD_INTERVAL_SECONDS, SecretCodec
from pratiko_mcp.rotation import STEPS, Clock, open_rotation
from pratiko_mcp.settings import RotationSettings

from tests.support.emulated import TestSandbox
from tests.unit.app.rotation_world import distribution_config

pytestmark = pytest.mark.integration

OLD = "o" * 64


class Ahead(Clock):
    """The real time, in which no test waits."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def now(self) -> float:
        return time.time() + self.ahead

    def sleep(self, seconds: float) -> None:
        self.ahead += seconds


@pytest.fixture(params=["secretsmanager", "ssm"])
def settings(
    request: pytest.FixtureRequest,
    aws: Callable[..., Any],
    sandbox: TestSandbox,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[RotationSettings]:
    """Two secrets and a distribution of one's own."""
    for name, value in {**sandbox.environment, "NO_PROXY": "127.0.0.1"}.items():
        monkeypatch.setenv(name, value)
    config = {**distribution_config(OLD), "CallerReference": uuid.uuid4().hex}
    distribution = aws("cloudfront").create_distribution(DistributionConfig=config)["Distribution"]
    make = secret if request.param == "secretsmanager" else parameter
    yield RotationSettings(make(aws), make(aws), distribution["Id"])


def secret(aws: Callable[..., Any]) -> str:
    """Make a secret of Secrets Manager."""
    made = aws("secretsmanager").create_secret(Name=f"rotating-{uuid.uuid4().hex}-key", SecretString=OLD)
    return str(made["ARN"])


def parameter(aws: Callable[..., Any]) -> str:
    """Make a secret in SSM."""
    name = f"/mcp/{uuid.uuid4().hex}/secrets/origin"
    text = f'{{"current": "{OLD}", "pending": null, "previous": null, "versions": {{"current": "{uuid.uuid4()}"}}}}'
    aws("ssm").put_parameter(Name=name, Type="SecureString", Value=text)
    return f"ssm:{name}"


def header(aws: Callable[..., Any], distribution: str) -> str:
    """Return what the distribution sends."""
    found = aws("cloudfront").get_distribution_config(Id=distribution)["DistributionConfig"]
    items = [item for origin in found["Origins"]["Items"] for item in origin["CustomHeaders"].get("Items", [])]
    assert {"HeaderName": "x-other", "HeaderValue": "stays"} in items
    return next(str(item["HeaderValue"]) for item in items if item["HeaderName"].lower() == "x-mcp-origin")


def test_no_authorizer_refuses_what_the_cdn_sends(settings: RotationSettings, aws: Callable[..., Any]) -> None:
    source, clock = settings.origin_secret, Ahead()
    veteran = OriginSecret(source, clock.now)
    assert veteran.matches(OLD)
    before = aws("cloudfront").get_distribution_config(Id=settings.distribution_id)["DistributionConfig"]
    token = open_rotation(source, settings, aws, clock).start(str(uuid.uuid4()))["token"]
    for step in STEPS:
        for instance in (veteran, OriginSecret(source, clock.now)):
            assert instance.matches(header(aws, str(settings.distribution_id))), step
            assert instance.matches(OLD) and not instance.matches("x" * 64), step
        assert open_rotation(source, settings, aws, clock).step(step, token, 60), step
    new = header(aws, str(settings.distribution_id))
    clock.sleep(61)
    for instance in (veteran, OriginSecret(source, clock.now)):
        assert instance.matches(new) and not instance.matches(OLD)
    after = aws("cloudfront").get_distribution_config(Id=settings.distribution_id)["DistributionConfig"]
    after["Origins"]["Items"][0]["CustomHeaders"]["Items"][1]["HeaderValue"] = OLD
    assert after == before  # nothing but the header went through


def test_no_server_refuses_a_state_under_way(settings: RotationSettings, aws: Callable[..., Any]) -> None:
    source, clock = settings.request_state_secret, Ahead()

    def instance() -> SecretCodec:
        return SecretCodec(sdk, lambda: aws_secrets.read_values(source), clock.now)

    servers = [instance()]
    states = [servers[0].seal(b"before")]
    token = open_rotation(source, settings, aws, clock).start(str(uuid.uuid4()))["token"]
    for step in STEPS:
        assert open_rotation(source, settings, aws, clock).step(step, token, 60), step
        servers.append(instance())
        states += [server.seal(step.encode()) for server in servers]
        # Each state reaches the server that knows least about it.
        for server in servers:
            assert [server.unseal(state) for state in states], step
    assert clock.ahead >= RELOAD_INTERVAL_SECONDS
    assert sdk.AESGCMRequestStateCodec([OLD]).unseal(states[0]) == b"before"
    open_rotation(source, settings, aws, clock).revoke()
    with pytest.raises(sdk.InvalidRequestState):
        instance().unseal(states[0])
