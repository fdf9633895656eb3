# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where an environment's origin secret and request-state key live, and how they are carried from one store to another.

No value leaves this file. What an SSM parameter holds is described in app/src/pratiko_mcp/aws_secrets.py.
"""

from __future__ import annotations

import json
import secrets
import string
import typing as t
import uuid
from dataclasses import dataclass

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import (
    AWS_ERRORS,
    Context,
    McpError,
    error_code,
)

SECRETS = ("origin", "request_state")
STORES = ("secretsmanager", "ssm")
VALUE_LENGTH = 64
# The ends of their names: one in Secrets Manager must not end like an ARN, in a hyphen and six characters.
NAMES = {
    "secretsmanager": {"origin": "origin-key", "request_state": "request-state"},
    "ssm": {"origin": "origin", "request_state": "request-state"},
}


@dataclass(frozen=True)
class Found:
    """A secret as it is there.

    :param id: what the server is told: an ARN, or ``ssm:`` and a name
    :param versions: version ids by ``current``, ``pending`` and ``previous``
    """

    id: str
    versions: dict[str, str]

    @property
    def pending(self) -> str | None:
        """Version of a rotation that has not ended."""
        return self.versions.get("pending")

    @property
    def field(self) -> str:
        """Which value a deploy gives to the CDN: while a rotation is under way the new one, as the rotation does."""
        return "pending" if self.pending else "current"


class Values(t.NamedTuple):
    """The values that are carried."""

    current: str
    version: str
    previous: str | None


class Place(t.Protocol):
    """One secret in one store."""

    name: str

    def find(self) -> Found | None:
        """Look; None where there is none."""

    def values(self) -> Values:
        """Read what is in force."""

    def adopt(self, values: Values) -> None:
        """Put values of another store in force."""


def missing(error: BaseException) -> bool:
    """Say whether AWS has no such secret or parameter."""
    return error_code(error) in ("ResourceNotFoundException", "ParameterNotFound")


class SecretsManagerPlace:
    """A secret of Secrets Manager, made by the data stack."""

    def __init__(self, ctx: Context, name: str) -> None:
        self.name = name
        self._client = ctx.client("secretsmanager")

    def find(self) -> Found | None:
        try:
            secret = self._client.describe_secret(SecretId=self.name)
        except AWS_ERRORS as error:
            if missing(error):
                return None
            raise
        if secret.get("DeletedDate"):
            raise McpError(
                f"The secret {self.name} waits for its deletion, and every call would be refused. Nothing was changed. "
                f"To keep it, type: aws secretsmanager restore-secret --secret-id {self.name}"
            )
        staged = secret.get("VersionIdsToStages", {})
        versions = {stage.removeprefix("AWS").lower(): token for token, stages in staged.items() for stage in stages}
        pending = versions.get("pending")
        if pending and (pending == versions.get("current") or not self._has_value(pending)):
            del versions["pending"]
        return Found(str(secret["ARN"]), versions)

    def values(self) -> Values:
        found = self._client.get_secret_value(SecretId=self.name)
        try:
            previous = self._client.get_secret_value(SecretId=self.name, VersionStage="AWSPREVIOUS")["SecretString"]
        except AWS_ERRORS as error:
            if not missing(error):
                raise
            previous = None
        return Values(found["SecretString"], found["VersionId"], previous)

    def _has_value(self, version: str) -> bool:
        """Say whether a version is more than a label: a rotation that failed early leaves one without a value."""
        try:
            self._client.get_secret_value(SecretId=self.name, VersionId=version)
        except AWS_ERRORS as error:
            # Who may only rotate is not shown values; a deploy is, because CloudFormation reads them with its rights.
            if not missing(error) and error_code(error) != "AccessDeniedException":
                raise
            return not missing(error)
        return True

    def adopt(self, values: Values) -> None:
        for value in (values.previous, values.current):
            if value:
                self._client.put_secret_value(SecretId=self.name, SecretString=value, VersionStages=["AWSCURRENT"])
        left = self.find()
        if left and not values.previous and left.versions.get("previous"):
            # The value that CloudFormation made, which nobody has ever used.
            self._client.update_secret_version_stage(
                SecretId=self.name, VersionStage="AWSPREVIOUS", RemoveFromVersionId=left.versions["previous"]
            )


class ParameterPlace:
    """A SecureString with all stages of a secret; CloudFormation cannot make one."""

    def __init__(self, ctx: Context, name: str) -> None:
        self.name = name
        self._client = ctx.client("ssm")
        self._tags = [{"Key": str(key), "Value": str(tag)} for key, tag in (ctx.params.get("tags") or {}).items()]

    def find(self) -> Found | None:
        document = self._read()
        if document is None:
            return None
        versions = {stage: str(token) for stage, token in document["versions"].items() if token}
        return Found(f"ssm:{self.name}", versions)

    def values(self) -> Values:
        document = self._read() or {}
        return Values(document["current"], document["versions"]["current"], document.get("previous"))

    def adopt(self, values: Values) -> None:
        document = new_document(values)
        options = {"Name": self.name, "Value": json.dumps(document), "Type": "SecureString"}
        if self._read() is None:
            self._client.put_parameter(Overwrite=False, Tags=self._tags, **options)
        else:
            self._client.put_parameter(Overwrite=True, **options)

    def make(self) -> None:
        """Make the parameter with a new value; one that is there is never overwritten."""
        try:
            self.adopt(Values(new_value(), str(uuid.uuid4()), None))
        except self._client.exceptions.ParameterAlreadyExists:
            return  # another run was faster: its value is the value

    def remove(self) -> None:
        """Remove the parameter with all its values."""
        self._client.delete_parameters(Names=[self.name])

    def _read(self) -> dict[str, t.Any] | None:
        try:
            text = self._client.get_parameter(Name=self.name, WithDecryption=True)["Parameter"]["Value"]
        except AWS_ERRORS as error:
            if missing(error):
                return None
            raise
        return read_document(text, self.name)


def new_value() -> str:
    """Return a new value of letters and digits, which any header takes."""
    return "".join(secrets.choice(string.ascii_letters + string.digits) for _place in range(VALUE_LENGTH))


def new_document(values: Values) -> dict[str, t.Any]:
    """Return what an SSM parameter holds of a secret without a rotation under way."""
    previous = str(uuid.uuid4()) if values.previous else None
    return {
        "current": values.current,
        "pending": None,
        "previous": values.previous,
        "versions": {"current": values.version, "pending": None, "previous": previous},
    }


def read_document(text: str, name: str) -> dict[str, t.Any]:
    """Parse what an SSM parameter holds.

    :raises McpError: it is no secret of ours (its text is not shown)
    """
    try:
        document: dict[str, t.Any] = json.loads(text)
        usable = bool(document["current"] and document["versions"]["current"])
    except (ValueError, TypeError, KeyError):
        usable = False
    if not usable:
        raise McpError(
            f"The SSM parameter {name} holds no secret of an environment. Nothing was changed. If nothing else uses "
            f"it, remove it and run the same command again: aws ssm delete-parameter --name {name}"
        )
    return document


def make_place(ctx: Context, store: str, secret: str) -> Place:
    """Return where a secret of this environment lives in a store."""
    environment, end = ctx.params["environment"], NAMES[store][secret]
    if store == "ssm":
        return ParameterPlace(ctx, f"/mcp/{environment}/secrets/{end}")
    return SecretsManagerPlace(ctx, f"mcp-{environment}-{end}")


def source_of_values(ctx: Context, secret: str) -> Place | None:
    """Return the other store where that is the one in use; None where nothing is to be carried.

    :raises McpError: a rotation is under way there
    """
    in_use = ctx.params["in_use"]
    if not in_use or in_use == ctx.params["store"]:
        return None
    place = make_place(ctx, in_use, secret)
    found = place.find()
    if found and found.pending:
        raise McpError(
            f"store={ctx.params['store']}: a rotation of the {secret.replace('_', ' ')} secret in {place.name} has not "
            f"ended. Nothing was changed. End it first, with mcp_secret_store={in_use}: "
            "ansible-playbook playbooks/rotate_secrets.yml -i <inventory>"
        )
    return place if found else None


def prepare(ctx: Context, secret: str) -> tuple[Found | None, bool]:
    """Have a secret in the wanted store, with the value that is in force; a secret that is there stays as it is.

    :returns: what is there then (None: the data stack is about to make it), and whether something was, or in check mode
        would be, changed
    """
    place = make_place(ctx, ctx.params["store"], secret)
    found, source = place.find(), source_of_values(ctx, secret)
    if not is_due(place, found, source):
        return found, False
    if isinstance(place, ParameterPlace):
        found = found or Found(f"ssm:{place.name}", {})
    if found is None or ctx.check_mode:
        return found and Found(found.id, {}), True
    if source:
        place.adopt(source.values())
        ctx.progress(f"{secret}: carried from {source.name} to {place.name}")
    elif isinstance(place, ParameterPlace):
        place.make()
    return place.find(), True


def is_due(place: Place, found: Found | None, source: Place | None) -> bool:
    """Say whether a secret is to be made or carried."""
    if source:
        return found is None or place.values().current != source.values().current
    return found is None and isinstance(place, ParameterPlace)
