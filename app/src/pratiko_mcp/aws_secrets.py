# SPDX-License-Identifier: MIT
"""Reading secrets that rotate."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

STAGES = ("AWSCURRENT", "AWSPENDING", "AWSPREVIOUS")


def make_client() -> Any:
    """Return a Secrets Manager client that gives up well before an API call ends."""
    import boto3
    from botocore.config import Config

    retries = {"mode": "standard", "total_max_attempts": 3}
    return boto3.client("secretsmanager", config=Config(connect_timeout=2, read_timeout=3, retries=retries))


def read_values(client: Any, arn: str, stages: Iterable[str] = STAGES) -> tuple[str, ...]:
    """Return the values of a secret's stages, in order and each once; one that is missing or empty is left out.

    :raises LookupError: no stage has a value
    """
    values: dict[str, None] = {}
    for stage in stages:
        try:
            reply = client.get_secret_value(SecretId=arn, VersionStage=stage)
        except client.exceptions.ResourceNotFoundException:
            continue
        if value := _plain(reply["SecretString"]):  # an empty secret would match a header that is not there
            values[value] = None
    if not values:
        raise LookupError(f"The secret {arn} has no value. Check it with: aws secretsmanager describe-secret")
    return tuple(values)


def _plain(text: str) -> str:
    """Unwrap ``{"value": "..."}``, the form that generated secrets have."""
    try:
        document = json.loads(text)
    except ValueError:
        return text
    return str(document["value"]) if isinstance(document, dict) and "value" in document else text
