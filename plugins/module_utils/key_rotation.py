# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rotate a key that servers read by its stages: first all of them know the new one, then it is the current one."""

from __future__ import annotations

import datetime
import time
import typing as t
import uuid

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import (
    AWS_ERRORS,
    Context,
    McpError,
    error_code,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.lock_renewal import LOCK_OPTION, lock_kept

ARGUMENT_SPEC: dict[str, t.Any] = {
    "secret": {"type": "str", "required": True, "no_log": False},
    "revoke": {"type": "bool", "default": False},
    "settle": {"type": "int", "default": 65},
    "lock": LOCK_OPTION,
}
CURRENT, PENDING, PREVIOUS = "AWSCURRENT", "AWSPENDING", "AWSPREVIOUS"
LENGTH = 64

Versions = dict[str, list[str]]


def describe(ctx: Context) -> tuple[str, Versions]:
    """Return the secret's ARN and the stages of its versions.

    :raises McpError: there is no such secret
    """
    name = ctx.params["secret"]
    try:
        found = ctx.client("secretsmanager").describe_secret(SecretId=name)
    except AWS_ERRORS as error:
        if error_code(error) != "ResourceNotFoundException":
            raise
        raise McpError(
            f"secret is '{name}': there is no such secret. Nothing was changed. Deploy the environment first: "
            "ansible-playbook deploy.yml -i <inventory>"
        ) from error
    return str(found["ARN"]), found.get("VersionIdsToStages", {})


def holder(versions: Versions, stage: str) -> str | None:
    """Return the version that has a stage."""
    return next((version for version, stages in versions.items() if stage in stages), None)


def pending_of(versions: Versions) -> str | None:
    """Return the version of a rotation that was begun and not ended."""
    pending = holder(versions, PENDING)
    return pending if pending and CURRENT not in versions[pending] else None


def age_of(ctx: Context, arn: str, version: str) -> float:
    """Return the seconds since a version was made."""
    listed = ctx.client("secretsmanager").list_secret_version_ids(SecretId=arn)["Versions"]
    made = next((item["CreatedDate"] for item in listed if item["VersionId"] == version), None)
    return (datetime.datetime.now(datetime.UTC) - made).total_seconds() if made else 0.0


def begin(ctx: Context, arn: str) -> str:
    """Make a new value that is only pending; return its version."""
    client, version = ctx.client("secretsmanager"), str(uuid.uuid4())
    value = client.get_random_password(PasswordLength=LENGTH, ExcludePunctuation=True)["RandomPassword"]
    client.put_secret_value(SecretId=arn, ClientRequestToken=version, SecretString=value, VersionStages=[PENDING])
    return version


def wait(ctx: Context, seconds: float, why: str) -> None:
    """Wait, and say why."""
    if seconds > 0:
        ctx.progress(f"{ctx.params['secret']}: waiting {seconds:.0f} s until {why}")
        time.sleep(seconds)


def promote(ctx: Context, arn: str, version: str, before: str | None) -> None:
    """Make the pending version the current one; the one before stays good as the previous one."""
    client = ctx.client("secretsmanager")
    moved = {"RemoveFromVersionId": before} if before else {}
    client.update_secret_version_stage(SecretId=arn, VersionStage=CURRENT, MoveToVersionId=version, **moved)
    client.update_secret_version_stage(SecretId=arn, VersionStage=PENDING, RemoveFromVersionId=version)


def rotate(ctx: Context, arn: str, versions: Versions) -> dict[str, t.Any]:
    """Rotate, or end the rotation that was begun."""
    began, before, settle = time.monotonic(), holder(versions, CURRENT), ctx.params["settle"]
    pending = pending_of(versions)
    version = pending or begin(ctx, arn)
    known_for = age_of(ctx, arn, version) if pending else 0.0
    wait(ctx, settle - known_for, "every server knows the new key")
    promote(ctx, arn, version, before)
    if ctx.params["revoke"] and before:
        wait(ctx, settle, "no server seals with the key before any more")
        ctx.client("secretsmanager").update_secret_version_stage(
            SecretId=arn, VersionStage=PREVIOUS, RemoveFromVersionId=before
        )
    return {"after": version, "seconds": round(time.monotonic() - began, 3)}


def run(ctx: Context) -> dict[str, t.Any]:
    """Be the module. Each run makes a new value."""
    arn, versions = describe(ctx)
    resumed = pending_of(versions) is not None
    row = {"target": "request_state", "id": arn, "before": holder(versions, CURRENT), "resumed": resumed}
    if not ctx.check_mode:
        with lock_kept(ctx, "the rotation"):
            row.update(rotate(ctx, arn, versions), revoked=ctx.params["revoke"])
    return {"changed": True, "rotated": [row]}
