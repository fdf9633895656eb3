# SPDX-License-Identifier: MIT
"""Reading secrets that rotate."""

from __future__ import annotations

import json
from collections.abc import Iterable

STAGES = ("AWSCURRENT", "AWSPENDING", "AWSPREVIOUS")


def read_values(arn: str, stages: Iterable[str] = STAGES) -> tuple[str, ...]:
    """Return the values of a secret's stages, in order and each once; one that is missing or empty is left out.

    :raises LookupError: no stage has a value
    :raises Exception: what `aws_json.call` raises
    """
    values: dict[str, None] = {}
    for stage in stages:
        if value := _plain(_read(arn, stage)):  # an empty secret would match a header that is not there
            values[value] = None
    if not values:
        raise LookupError(f"The secret {arn} has no value. Check it with: aws secretsmanager describe-secret")
    return tuple(values)


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
