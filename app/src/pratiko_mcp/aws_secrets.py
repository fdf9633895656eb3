# SPDX-License-Identifier: MIT
"""Reading secrets that rotate, from Secrets Manager or from an SSM parameter."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

CURRENT, PENDING, PREVIOUS = "AWSCURRENT", "AWSPENDING", "AWSPREVIOUS"
STAGES = (CURRENT, PENDING, PREVIOUS)
PARAMETER_PREFIX = "ssm:"
# What an SSM parameter calls the stages; with "versions", their ids by the same names, that is the whole document.
FIELDS = {CURRENT: "current", PENDING: "pending", PREVIOUS: "previous"}
# As values move through the stages: who reads in this order misses none that moves meanwhile.
_READING_ORDER = (PENDING, CURRENT, PREVIOUS)


def read_values(source: str, stages: Iterable[str] = STAGES) -> tuple[str, ...]:
    """Return the values of a secret's stages, in order and each once; one that is missing or empty is left out.

    :param source: the ARN of a secret, or ``ssm:`` and the name of a parameter
    :raises LookupError: no stage has a value
    :raises Exception: what `aws_json.call` raises
    """
    wanted = tuple(stages)
    read = _reader(source)
    found = {stage: read(stage) for stage in _READING_ORDER if stage in wanted}
    # An empty secret would match a header that is not there.
    values = tuple(dict.fromkeys(found[stage] for stage in wanted if found[stage]))
    if not values:
        raise LookupError(f"The secret {source} has no value. Check it with: {_look_command(source)}")
    return values


def parameter_name(source: str) -> str | None:
    """Return the name of the SSM parameter that a source is; None for a secret of Secrets Manager."""
    return source.removeprefix(PARAMETER_PREFIX) if source.startswith(PARAMETER_PREFIX) else None


def _look_command(source: str) -> str:
    if name := parameter_name(source):
        return f"aws ssm get-parameter --name {name}"
    return f"aws secretsmanager describe-secret --secret-id {source}"


def _reader(source: str) -> Callable[[str], str]:
    """Return what reads a stage; a parameter holds all of them, and is read once."""
    if name := parameter_name(source):
        document = _read_parameter(name)
        return lambda stage: str(document.get(FIELDS[stage]) or "")
    return lambda stage: _plain(_read(source, stage))


def _read_parameter(name: str) -> dict[str, Any]:
    """Return a parameter's document.

    :raises LookupError: it is none (what it holds is not shown)
    """
    from . import aws_json

    answer = aws_json.call("ssm", "AmazonSSM.GetParameter", {"Name": name, "WithDecryption": True})
    try:
        document = json.loads(answer["Parameter"]["Value"])
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise LookupError(
            f"The SSM parameter {name} holds no secret. Remove it and deploy again, which makes a new one"
        )
    return document


def _read(arn: str, stage: str) -> str:
    """Return what a stage holds; nothing for a stage that is missing."""
    from botocore.exceptions import ClientError  # slow to load, and who only refuses tokens needs no secret

    from . import aws_json

    wanted = {"SecretId": arn, "VersionStage": stage}
    try:
        return str(aws_json.call("secretsmanager", "secretsmanager.GetSecretValue", wanted)["SecretString"])
    except ClientError as refused:
        if refused.response["Error"]["Code"] != "ResourceNotFoundException":
            raise
        return ""


def _plain(text: str) -> str:
    """Unwrap ``{"value": "..."}``, the form that generated secrets have."""
    try:
        document = json.loads(text)
    except ValueError:
        return text
    return str(document["value"]) if isinstance(document, dict) and "value" in document else text
