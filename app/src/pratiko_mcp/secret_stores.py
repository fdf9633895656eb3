# SPDX-License-Identifier: MIT
"""Where a secret that rotates lives, for the function that rotates it: Secrets Manager, or one SSM parameter."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple, Protocol

from .aws_secrets import CURRENT, FIELDS, PENDING, PREVIOUS, _plain, parameter_name


class RotationError(Exception):
    """A step cannot be taken; no value is ever part of its text."""


class Version(NamedTuple):
    """One version of a secret.

    :param value: empty while Secrets Manager has only made room for it
    :param since: Unix seconds at which it was made
    """

    value: str
    since: float


class SecretStore(Protocol):
    """One secret with its stages."""

    def stages(self) -> dict[str, str]:
        """Return the version of each stage that there is."""

    def read(self, token: str) -> Version:
        """Return a version that has a stage."""

    def put_pending(self, token: str, value: str) -> None:
        """Make a version, or fill an empty one, and let it be pending."""

    def promote(self, token: str) -> None:
        """Let the pending version be current, and the current one previous."""

    def drop(self, stage: str) -> None:
        """Take a stage away; nothing happens where there is none."""


class SecretsManagerStore:
    """A secret of Secrets Manager.

    :param client: boto3 client of Secrets Manager
    """

    def __init__(self, client: Any, arn: str) -> None:
        self._client = client
        self._arn = arn

    def stages(self) -> dict[str, str]:
        versions = self._client.describe_secret(SecretId=self._arn).get("VersionIdsToStages", {})
        return {stage: token for token, stages in versions.items() for stage in stages}

    def read(self, token: str) -> Version:
        try:
            found = self._client.get_secret_value(SecretId=self._arn, VersionId=token)
        except self._client.exceptions.ResourceNotFoundException:
            return Version("", datetime.now(UTC).timestamp())
        return Version(_plain(found["SecretString"]), found["CreatedDate"].timestamp())

    def put_pending(self, token: str, value: str) -> None:
        self._client.put_secret_value(
            SecretId=self._arn, ClientRequestToken=token, SecretString=value, VersionStages=[PENDING]
        )

    def promote(self, token: str) -> None:
        current = self.stages().get(CURRENT)
        source = {"RemoveFromVersionId": current} if current else {}
        self._client.update_secret_version_stage(
            SecretId=self._arn, VersionStage=CURRENT, MoveToVersionId=token, **source
        )

    def drop(self, stage: str) -> None:
        if token := self.stages().get(stage):
            self._client.update_secret_version_stage(SecretId=self._arn, VersionStage=stage, RemoveFromVersionId=token)


class ParameterStore:
    """A SecureString with all stages.

    SSM cannot make a write depend on what it replaces; what a second writer did is noticed by the version, and the
    rotation is resumed from what holds then.

    :param client: boto3 client of SSM
    """

    def __init__(self, client: Any, name: str, now: Callable[[], float]) -> None:
        self._client = client
        self._name = name
        self._now = now

    def stages(self) -> dict[str, str]:
        versions = self._load()[0]["versions"]
        return {stage: str(versions[field]) for stage, field in FIELDS.items() if versions.get(field)}

    def read(self, token: str) -> Version:
        document, _ = self._load()
        for field in FIELDS.values():
            if document["versions"].get(field) == token:
                return Version(str(document.get(field) or ""), float(document.get("since") or 0))
        raise RotationError(f"{self._name} has no version {token}")

    def put_pending(self, token: str, value: str) -> None:
        self._change(lambda document: _placed(document, PENDING, token, value) | {"since": self._now()})

    def promote(self, token: str) -> None:
        def move(document: Mapping[str, Any]) -> dict[str, Any]:
            _require(document, PENDING, token, self._name)
            versions = document["versions"]
            moved = _placed(document, PREVIOUS, versions["current"], document["current"])
            return _placed(_placed(moved, CURRENT, token, document["pending"]), PENDING, None, None)

        self._change(move)

    def drop(self, stage: str) -> None:
        if self.stages().get(stage):
            self._change(lambda document: _placed(document, stage, None, None))

    def _load(self) -> tuple[dict[str, Any], int]:
        found = self._client.get_parameter(Name=self._name, WithDecryption=True)["Parameter"]
        try:
            document = json.loads(found["Value"])
            usable = bool(document["current"] and document["versions"]["current"])
        except (ValueError, TypeError, KeyError):
            usable = False
        if not usable:
            raise RotationError(f"The SSM parameter {self._name} holds no secret. Remove it and deploy again")
        return document, int(found["Version"])

    def _change(self, change: Callable[[Mapping[str, Any]], dict[str, Any]]) -> None:
        document, version = self._load()
        text = json.dumps(change(document))
        written = self._client.put_parameter(Name=self._name, Value=text, Type="SecureString", Overwrite=True)
        if written["Version"] != version + 1:
            raise RotationError(f"Another writer changed {self._name} meanwhile. Run the rotation again")


def _placed(document: Mapping[str, Any], stage: str, token: str | None, value: str | None) -> dict[str, Any]:
    field = FIELDS[stage]
    return {**document, field: value, "versions": {**document["versions"], field: token}}


def _require(document: Mapping[str, Any], stage: str, token: str, name: str) -> None:
    if document["versions"].get(FIELDS[stage]) != token:
        raise RotationError(f"Another writer changed {name} meanwhile. Run the rotation again")


def open_store(source: str, client: Callable[[str], Any], now: Callable[[], float]) -> SecretStore:
    """Return the place that a source names.

    :param client: makes a boto3 client of a service
    :param now: Unix seconds
    """
    if name := parameter_name(source):
        return ParameterStore(client("ssm"), name, now)
    return SecretsManagerStore(client("secretsmanager"), source)
