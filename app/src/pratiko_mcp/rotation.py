# SPDX-License-Identifier: MIT
"""Rotation of the request-state key and of the origin secret, in the four steps of AWS Secrets Manager.

Each step looks at what is there first, so it can be repeated, and a rotation that stopped goes on where it was. Besides
`createSecret`, `setSecret`, `testSecret` and `finishSecret` there are `startRotation`, which makes the pending version
that Secrets Manager otherwise makes, `rotate`, which takes all steps (for a schedule), and `revokeSecret`.
"""

from __future__ import annotations

import functools
import importlib
import json
import secrets
import string
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from .authorizer import ORIGIN_HEADER
from .aws_secrets import CURRENT, PENDING, PREVIOUS
from .request_state import RELOAD_INTERVAL_SECONDS
from .secret_stores import RotationError, SecretStore, Version, open_store
from .settings import MIN_KEY_BYTES, RotationSettings, load_rotation_settings

STEPS = ("createSecret", "setSecret", "testSecret", "finishSecret")
VALUE_LENGTH = 64
# An instance that has just read its keys reads again after the interval; then it knows a key of this age.
KEY_AGE_SECONDS = RELOAD_INTERVAL_SECONDS + 5
POLL_SECONDS = 5.0
# What a step needs after it waited.
MARGIN_SECONDS = 10.0
ATTEMPTS = 4


class Clock:
    """Time, as the steps need it."""

    now = staticmethod(time.time)
    sleep = staticmethod(time.sleep)


class Target(Protocol):
    """What a secret is for."""

    keeps_previous: bool

    def put(self, version: Version) -> None:
        """Begin to use a value."""

    def is_ready(self, version: Version, wait: float) -> bool:
        """Say whether a value may become the current one; wait up to so many seconds for it.

        :raises RotationError: it never will
        """


class RequestStateKey:
    """A key that every instance of the server reads by itself; states sealed with the one before still open."""

    keeps_previous = True

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def put(self, version: Version) -> None:
        """Nothing is to be told."""

    def is_ready(self, version: Version, wait: float) -> bool:
        check_key(version.value)
        missing = version.since + KEY_AGE_SECONDS - self._clock.now()
        if missing > wait:
            return False
        self._clock.sleep(max(0.0, missing))
        return True


def check_key(value: str) -> None:
    """Seal and open something with a key.

    :raises RotationError: it is no key
    """
    try:
        sdk = importlib.import_module("mcp.server.request_state")
    except ImportError:  # an application without the SDK, or with one that seals nothing
        if len(value.encode()) < MIN_KEY_BYTES:
            raise RotationError(f"The pending key is shorter than {MIN_KEY_BYTES} bytes") from None
        return
    try:
        codec = sdk.AESGCMRequestStateCodec([value])
        opened = codec.unseal(codec.seal(b"rotation"))
    except ValueError:
        opened = None
    if opened != b"rotation":
        raise RotationError("The pending key does not open what it sealed")


class OriginHeader:
    """A header that CloudFront adds to its requests.

    :param client: boto3 client of CloudFront
    """

    keeps_previous = False

    def __init__(self, client: Any, distribution_id: str, clock: Clock) -> None:
        self._client = client
        self._id = distribution_id
        self._clock = clock

    def put(self, version: Version) -> None:
        """Change the header's value and nothing else; whoever changes the distribution meanwhile wins, then we."""
        for attempt in range(ATTEMPTS):
            found = self._client.get_distribution_config(Id=self._id)
            headers = origin_headers(found["DistributionConfig"], self._id)
            if all(header["HeaderValue"] == version.value for header in headers):
                return
            for header in headers:
                header["HeaderValue"] = version.value
            try:
                self._client.update_distribution(
                    Id=self._id, IfMatch=found["ETag"], DistributionConfig=found["DistributionConfig"]
                )
                return
            except self._client.exceptions.PreconditionFailed:
                self._clock.sleep(attempt)
        raise RotationError(f"The distribution {self._id} is being changed by somebody else. Run the rotation again")

    def is_ready(self, version: Version, wait: float) -> bool:
        deadline = self._clock.now() + wait
        while True:
            found = self._client.get_distribution(Id=self._id)["Distribution"]
            headers = origin_headers(found["DistributionConfig"], self._id)
            if any(header["HeaderValue"] != version.value for header in headers):
                raise RotationError(f"The distribution {self._id} does not send the pending value. Repeat setSecret")
            if found["Status"] == "Deployed":
                return True
            if self._clock.now() + POLL_SECONDS > deadline:
                return False
            self._clock.sleep(POLL_SECONDS)


def origin_headers(config: Mapping[str, Any], distribution_id: str) -> list[dict[str, str]]:
    """Return the origin header of each origin that has one, to be read or changed in place.

    :raises RotationError: there is none
    """
    found = [
        header
        for origin in config["Origins"]["Items"]
        for header in origin.get("CustomHeaders", {}).get("Items", [])
        if header["HeaderName"].lower() == ORIGIN_HEADER
    ]
    if not found:
        raise RotationError(f"The distribution {distribution_id} has no header {ORIGIN_HEADER}. Deploy again")
    return found


class Rotation:
    """The steps for one secret."""

    def __init__(self, store: SecretStore, target: Target) -> None:
        self._store = store
        self._target = target

    def start(self, token: str) -> dict[str, Any]:
        """Make a pending version; a rotation that has not ended is gone on with."""
        if pending := self._store.stages().get(PENDING):
            return {"token": pending, "resumed": pending != token}
        self._store.put_pending(token, new_value())
        return {"token": token, "resumed": False}

    def step(self, name: str, token: str, wait: float) -> bool:
        """Take one of the four steps; False: the same step has to be taken again.

        :raises RotationError: the version is not the pending one, or the step cannot be taken
        """
        stages = self._store.stages()
        if token != stages.get(CURRENT) and token != stages.get(PENDING):
            raise RotationError(f"Version {token} is not pending: it cannot be rotated to")
        if token == stages.get(CURRENT) and name != "finishSecret":
            return True  # it was completed before
        version = self._store.read(token)
        if name == "createSecret":
            if not version.value:
                self._store.put_pending(token, new_value())
            return True
        if not version.value:
            raise RotationError(f"Version {token} has no value. Repeat createSecret")
        if name == "setSecret":
            self._target.put(version)
            return True
        if not self._target.is_ready(version, wait):
            return False
        return name == "testSecret" or self._finish(token, stages)

    def _finish(self, token: str, stages: Mapping[str, str]) -> bool:
        if token != stages.get(CURRENT):
            self._store.promote(token)
        if not self._target.keeps_previous:
            self._store.drop(PREVIOUS)
        # Last: while it is there, a rotation that is started again comes here first.
        self._store.drop(PENDING)
        return True

    def revoke(self) -> None:
        """Refuse the value before, also where it would have been kept."""
        self._store.drop(PREVIOUS)


def new_value() -> str:
    """Return a new value of letters and digits, which any header takes."""
    return "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(VALUE_LENGTH))


def answer(event: Mapping[str, Any], rotation: Rotation, wait: float) -> dict[str, Any]:
    """Do what an event asks for.

    :raises RotationError: it names no step, or the step cannot be taken
    """
    name, token = str(event.get("Step")), str(event.get("ClientRequestToken") or uuid.uuid4())
    if name == "startRotation":
        return {"done": True, **rotation.start(token)}
    if name == "revokeSecret":
        rotation.revoke()
        return {"done": True}
    if name == "rotate":
        token = rotation.start(token)["token"]
        return {"done": all(rotation.step(step, token, wait) for step in STEPS), "token": token}
    if name not in STEPS:
        allowed = ", ".join(("startRotation", *STEPS, "rotate", "revokeSecret"))
        raise RotationError(f"Step is {name!r}. Allowed: {allowed}")
    return {"done": rotation.step(name, token, wait), "token": token}


@functools.cache
def _client(service: str) -> Any:
    import boto3

    return boto3.client(service)


def open_rotation(source: str, settings: RotationSettings, client: Callable[[str], Any], clock: Clock) -> Rotation:
    """Return the rotation of one of the two secrets.

    :raises RotationError: it is none of them, or there is no distribution yet
    """
    if source == settings.request_state_secret:
        return Rotation(open_store(source, client, clock.now), RequestStateKey(clock))
    if source != settings.origin_secret:
        raise RotationError(f"SecretId is {source!r}, which is none of the secrets of this environment")
    if not settings.distribution_id:
        raise RotationError("MCP_DISTRIBUTION_ID is not set: there is no distribution yet. Deploy first")
    header = OriginHeader(client("cloudfront"), settings.distribution_id, clock)
    return Rotation(open_store(source, client, clock.now), header)


def handler(event: Mapping[str, Any], context: Any) -> dict[str, Any]:
    """Take a step (the Lambda entry point).

    :param event: as Secrets Manager sends it; ``WaitSeconds`` beside it makes a step that is not done yet an answer
    :raises RotationError: the step cannot be taken, or did not end in the function's time; Secrets Manager tries again
    """
    left = context.get_remaining_time_in_millis() / 1000 - MARGIN_SECONDS
    rotation = open_rotation(str(event.get("SecretId")), load_rotation_settings(), _client, Clock())
    result = answer(event, rotation, min(left, float(event.get("WaitSeconds", left))))
    _log(event, result)
    if not result["done"] and "WaitSeconds" not in event:
        raise RotationError(f"{event['Step']} did not end in the time of this function. Run the rotation again")
    return result


def _log(event: Mapping[str, Any], result: Mapping[str, Any]) -> None:
    line = {"event": "rotation", "step": event["Step"], "secret": event["SecretId"], **result}
    print(json.dumps(line), flush=True)
