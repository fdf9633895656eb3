# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an environment knows about itself, in its state bucket: deploy lock, audit lines, records."""

from __future__ import annotations

import getpass
import os
import platform
import typing as t
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import audit_log, deploy_lock
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import Context, McpError
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.s3_objects import (
    Bucket,
    BucketMissing,
    NoAnswer,
    to_json,
)

AUDIT_LINE = {
    "what": {"type": "str", "required": True},
    "target": {"type": "str", "required": True},
    "before": {"type": "raw"},
    "after": {"type": "raw"},
}
ARGUMENT_SPEC: dict[str, t.Any] = {
    "bucket": {"type": "str", "required": True},
    "bucket_owner": {"type": "str"},
    "environment": {"type": "str", "required": True},
    "run_id": {"type": "str", "required": True},
    "lock": {"type": "str", "choices": ["acquire", "release", "keep"], "default": "keep"},
    "lease": {"type": "int", "default": 900},
    "operator": {"type": "str"},
    "command": {"type": "str", "default": ""},
    "take_over_run_id": {"type": "str"},
    "audit": {"type": "list", "elements": "dict", "default": [], "options": AUDIT_LINE},
    "put": {"type": "dict", "default": {}},
    "get": {"type": "list", "elements": "str", "default": []},
    "fallback_dir": {"type": "path"},
}


def default_operator() -> str:
    """Name the person at this machine (a container's user id may have no name)."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = str(os.getuid())
    return f"{user}@{platform.node()}"


def empty_result(keys: list[str]) -> dict[str, t.Any]:
    """Return the result of a call that found nothing."""
    return {
        "changed": False,
        "bucket_exists": True,
        "lock": None,
        "acquired": False,
        "released": False,
        "taken_over_from": None,
        "objects": dict.fromkeys(keys),
        "written": [],
        "audit_key": None,
        "uploaded": [],
        "waiting": [],
    }


def take_lock(ctx: Context, bucket: Bucket, operator: str, pid: int | None, now: datetime) -> dict[str, t.Any]:
    """Acquire the deploy lock, in check mode only tell who holds it."""
    if ctx.check_mode:
        stored = bucket.read(deploy_lock.LOCK_KEY)
        return {"lock": deploy_lock.parse_lock(bucket, stored) if stored else None}
    mine = deploy_lock.new_lock(ctx.params, operator, pid, now)
    lock, before, why = deploy_lock.acquire(bucket, mine, ctx.params["take_over_run_id"], now)
    if before:
        ctx.warn(
            f"The deploy lock of {lock['environment']} was taken over from {deploy_lock.describe(before)}, because "
            f"{why}. That run may have stopped half-way; this one goes on from the state it finds."
        )
    return {"lock": lock, "acquired": True, "taken_over_from": before}


def keep_audit(ctx: Context, bucket: Bucket, name: str, body: bytes) -> dict[str, t.Any]:
    """Upload the audit lines that wait on disk, then this call's; return their keys."""
    fallback = ctx.params["fallback_dir"]
    uploaded = audit_log.upload_waiting(bucket, audit_log.local_folder(fallback, bucket.name)) if fallback else []
    return {"uploaded": uploaded, "audit_key": audit_log.upload(bucket, name, body) if body else None}


def read_objects(bucket: Bucket, keys: list[str]) -> dict[str, t.Any]:
    """Read JSON objects side by side; those that are missing are None."""
    with ThreadPoolExecutor(max_workers=8) as pool:
        return {key: bucket.parse(key, stored) for key, stored in zip(keys, pool.map(bucket.read, keys), strict=True)}


def write_objects(bucket: Bucket, wanted: dict[str, t.Any], check_mode: bool) -> list[str]:
    """Write the objects that differ from what the bucket has; return their keys."""
    written = []
    for key, value in wanted.items():
        stored, body = bucket.read(key), to_json(value)
        if stored and stored.body == body:
            continue
        if not check_mode:
            bucket.write(key, body, ContentType="application/json")
        written.append(key)
    return written


def use_bucket(
    ctx: Context, bucket: Bucket, result: dict[str, t.Any], pid: int | None, now: datetime, body: bytes
) -> None:
    """Do what the task asks for, in the order that loses nothing; each step adds to ``result``."""
    params = ctx.params
    if params["lock"] == "acquire":
        result.update(take_lock(ctx, bucket, params["operator"] or default_operator(), pid, now))
    elif params["lock"] == "keep" and not (body or params["put"] or params["get"]):
        bucket.require()
    if not ctx.check_mode:
        result.update(keep_audit(ctx, bucket, audit_log.audit_name(params["run_id"], now), body))
    result["written"] = write_objects(bucket, params["put"], ctx.check_mode)
    result["objects"] = read_objects(bucket, params["get"])
    if params["lock"] == "release" and not ctx.check_mode:
        result["released"] = deploy_lock.release(bucket, params["run_id"])


def save_audit(ctx: Context, bucket: Bucket, now: datetime, body: bytes) -> list[str]:
    """Write audit lines that the bucket did not take to disk; return the file."""
    if not body:
        return []
    if not ctx.params["fallback_dir"]:
        ctx.warn("The audit lines of this task are lost: the bucket did not take them and fallback_dir is not set.")
        return []
    folder = audit_log.local_folder(ctx.params["fallback_dir"], bucket.name)
    return [audit_log.save_locally(folder, audit_log.audit_name(ctx.params["run_id"], now), body)]


def without_bucket(ctx: Context, error: BucketMissing) -> None:
    """Say what could not be written before the bucket exists; the lock and reads need no words."""
    if ctx.params["put"]:
        ctx.warn(f"{error.message} Not written: {', '.join(ctx.params['put'])}")


def without_answer(ctx: Context, error: NoAnswer, waiting: list[str]) -> None:
    """Go on with a warning when the task only wanted to add audit lines and they are safe on disk.

    :raises NoAnswer: the task wanted more than that
    """
    if ctx.params["lock"] != "keep" or ctx.params["put"] or ctx.params["get"] or not waiting:
        raise error
    ctx.warn(f"{error.message} The audit lines wait in {', '.join(waiting)} and are uploaded by a later run.")


def run(ctx: Context, pid: int | None = None) -> dict[str, t.Any]:
    """Work on the state of one environment.

    :param pid: the process whose end frees the lock (None: only the lease does)
    :raises McpError: the lock is held, S3 refuses, or AWS does not answer
    """
    now = datetime.now(UTC)
    bucket = Bucket(ctx.client("s3"), ctx.params["bucket"], ctx.params["bucket_owner"])
    who = ctx.params["operator"] or default_operator()
    body = b"" if ctx.check_mode else audit_log.audit_body(ctx.params, who, now)
    result = empty_result(ctx.params["get"])
    try:
        use_bucket(ctx, bucket, result, pid, now, body)
    except deploy_lock.LockHeld:  # nothing was done, so there is nothing to tell the audit
        raise
    except McpError as error:
        waiting = [] if result["audit_key"] else save_audit(ctx, bucket, now, body)
        result.update(bucket_exists=None, waiting=waiting)
        if isinstance(error, BucketMissing):
            result["bucket_exists"] = False
            without_bucket(ctx, error)
        elif isinstance(error, NoAnswer):
            without_answer(ctx, error, waiting)
        else:
            raise
    return result
