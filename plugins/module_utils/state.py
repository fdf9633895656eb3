# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an environment knows about itself, in its state bucket or folder: deploy lock, audit lines, records."""

from __future__ import annotations

import contextlib
import getpass
import os
import pathlib
import platform
import typing as t
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import (
    deploy_lock,
    records,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import Context
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.folder_objects import Folder
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.s3_objects import (
    Bucket,
    BucketMissing,
    Denied,
    NoAnswer,
    to_json,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.state_append import (
    AWAY,
    Call,
    append,
    keep_on_disk,
    new_entries,
)

AUDIT_LINE = {
    "what": {"type": "str", "required": True},
    "target": {"type": "str", "required": True},
    "before": {"type": "raw"},
    "after": {"type": "raw"},
}
RECORD = {
    "kind": {"type": "str", "required": True, "choices": list(records.KINDS)},
    "body": {"type": "dict", "required": True},
}
ARGUMENT_SPEC: dict[str, t.Any] = {
    "bucket": {"type": "str"},
    "directory": {"type": "path"},
    "bucket_owner": {"type": "str"},
    "environment": {"type": "str", "required": True},
    "run_id": {"type": "str", "required": True},
    "lock": {"type": "str", "choices": ["acquire", "release", "keep"], "default": "keep"},
    "lease": {"type": "int", "default": 900},
    "operator": {"type": "str"},
    "command": {"type": "str", "default": ""},
    "take_over_run_id": {"type": "str"},
    "audit": {"type": "list", "elements": "dict", "default": [], "options": AUDIT_LINE},
    "add": {"type": "list", "elements": "dict", "default": [], "options": RECORD},
    "records": {"type": "dict", "default": {}},
    "put": {"type": "dict", "default": {}},
    "get": {"type": "list", "elements": "str", "default": []},
    "emergency": {"type": "bool", "default": False},
    "fallback_dir": {"type": "path"},
}
SPEC_OPTIONS: dict[str, t.Any] = {
    "required_one_of": [("bucket", "directory")],
    "mutually_exclusive": [("bucket", "directory")],
}
# Who acts in an outage does not wait minutes for an S3 that is part of it.
EMERGENCY_CLIENT = {"connect_timeout": 2, "read_timeout": 5, "retries": {"mode": "standard", "total_max_attempts": 5}}
REFUSED = (NoAnswer, Denied)


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
        "added": [],
        "records": {},
        "unreadable": [],
        "uploaded": [],
        "waiting": [],
    }


# The lock


def take_lock(call: Call, pid: int | None) -> dict[str, t.Any]:
    """Acquire the deploy lock, in check mode only tell who holds it."""
    if call.ctx.check_mode:
        stored = call.bucket.read(deploy_lock.LOCK_KEY)
        return {"lock": deploy_lock.parse_lock(call.bucket, stored) if stored else None}
    mine = deploy_lock.new_lock(call.params, call.who, pid, call.now)
    lock, before, why = deploy_lock.acquire(
        call.bucket, mine, call.params["take_over_run_id"], call.now, call.params["emergency"]
    )
    if before:
        call.ctx.warn(
            f"The deploy lock of {lock['environment']} was taken over from {deploy_lock.describe(before)}, because "
            f"{why}. That run may have stopped half-way; this one goes on from the state it finds."
        )
    return {"lock": lock, "acquired": True, "taken_over_from": before}


def acquire(call: Call, pid: int | None) -> None:
    """Take the lock; in an emergency go on without it where nobody can tell who holds it.

    :raises McpError: another run holds it, or (not in an emergency) nobody can tell
    """
    try:
        call.result.update(call.ask(lambda: take_lock(call, pid)))
    except (*AWAY, Denied, deploy_lock.LockUnreadable) as error:
        if call.params["emergency"]:
            call.ctx.warn(
                f"GOING ON WITHOUT THE DEPLOY LOCK of {call.params['environment']}, because this is an emergency: "
                f"{error.message}  Make sure that nobody else works on it."
            )
        elif not isinstance(error, BucketMissing):  # before the bucket exists, CloudFormation is the lock
            keep_on_disk(call, new_entries(call), error)
            raise


def release(call: Call) -> None:
    """Give the lock back; a failure is no reason to fail a run that has done its work."""
    try:
        call.result["released"] = call.ask(lambda: deploy_lock.release(call.bucket, call.params["run_id"]))
    except BucketMissing:
        return
    except (*REFUSED, deploy_lock.LockUnreadable) as error:
        call.ctx.warn(
            f"The deploy lock was not given back: {error.message}  If this run holds it, others can take it over when "
            f"its lease ends, or at once with: -e mcp_take_over_run_id={call.params['run_id']}"
        )


# Objects and records


def read_objects(call: Call) -> None:
    """Read JSON objects side by side; those that are missing are None."""
    bucket, keys = call.bucket, call.params["get"]

    def read() -> dict[str, t.Any]:
        with ThreadPoolExecutor(max_workers=8) as pool:
            found = zip(keys, pool.map(bucket.read, keys), strict=True)
            return {key: bucket.parse(key, stored) for key, stored in found}

    with contextlib.suppress(BucketMissing):
        call.result["objects"] = call.ask(read)


def write_objects(call: Call) -> None:
    """Write the objects that differ from what the bucket has (in check mode only tell)."""
    for key, value in call.params["put"].items():
        stored, body = call.bucket.read(key), to_json(value)
        if stored and stored.body == body:
            continue
        if not call.ctx.check_mode:
            call.bucket.write(key, body, ContentType="application/json")
        call.result["written"].append(key)


def put_objects(call: Call) -> None:
    """Write objects; before the bucket exists say that they were not."""
    try:
        call.ask(lambda: write_objects(call))
    except BucketMissing as error:
        call.ctx.warn(f"{error.message} Not written: {', '.join(call.params['put'])}")


def stored_records(bucket: Bucket | Folder, kind: str, wanted: int | str) -> records.Found:
    """Return the newest records of the bucket, or the one that has an id.

    :raises Unreadable: the one that was named cannot be read
    """
    if isinstance(wanted, int):
        return records.newest(bucket, kind, wanted)
    record = records.read(bucket, records.key_of(kind, wanted))
    return records.Found([record] if record else [])


def refuse_unreadable(call: Call, found: list[dict[str, str]]) -> None:
    """Skip unreadable records with a warning in an emergency.

    :raises Unreadable: there are some, and this is none
    """
    call.result["unreadable"] += found
    if found and not call.params["emergency"]:
        more = f" And {len(found) - 1} more: {', '.join(item['key'] for item in found[1:])}" if found[1:] else ""
        raise records.Unreadable(found[0]["reason"] + more, unreadable=found)
    for item in found:
        call.ctx.warn(f"SKIPPED a record of kind {item['kind']}, because this is an emergency: {item['reason']}")


def read_records(call: Call, kind: str, wanted: int | str) -> list[records.Record]:
    """Return records of one kind, newest first, those that wait on this machine among them.

    :raises McpError: the bucket cannot be asked, or has unreadable ones (in an emergency: warnings)
    """
    local = records.on_disk(call.folder, kind, call.params["environment"]) if call.folder else records.Found()
    stored = records.Found()
    try:
        stored = call.ask(lambda: stored_records(call.bucket, kind, wanted))
    except BucketMissing:
        pass
    except REFUSED as error:
        if not call.params["emergency"]:
            raise
        call.ctx.warn(f"{error.message} Of kind {kind} only the records that wait on this machine are known.")
    refuse_unreadable(call, stored.unreadable)
    if isinstance(wanted, int):
        return records.union(stored.records, local.records, wanted)
    return records.union(stored.records, [record for record in local.records if record["id"] == wanted], 1)


def use_bucket(call: Call, pid: int | None) -> None:
    """Do what the task asks for, in the order that loses nothing."""
    params = call.params
    limits = records.check_limits(params["records"])
    if params["lock"] == "acquire":
        acquire(call, pid)
    if not (params["lock"] != "keep" or any(params[name] for name in ("audit", "add", "put", "get", "records"))):
        with contextlib.suppress(BucketMissing):
            call.ask(call.bucket.require)
    if not call.ctx.check_mode:
        append(call)
    if params["put"]:
        put_objects(call)
    if params["get"]:
        read_objects(call)
    call.result["records"] = {kind: read_records(call, kind, wanted) for kind, wanted in limits.items()}
    if params["lock"] == "release" and not call.ctx.check_mode:
        release(call)


def place_of(ctx: Context) -> Bucket | Folder:
    """Return where the environment's state lives."""
    if ctx.params["directory"]:
        return Folder(pathlib.Path(ctx.params["directory"]))
    if ctx.params["emergency"] and not ctx.params.get("aws_config"):
        ctx.params["aws_config"] = EMERGENCY_CLIENT
    return Bucket(ctx.client("s3"), ctx.params["bucket"], ctx.params["bucket_owner"])


def run(ctx: Context, pid: int | None = None) -> dict[str, t.Any]:
    """Work on the state of one environment.

    :param pid: the process whose end frees the lock (None: only the lease does)
    :raises McpError: the lock is held, S3 refuses, or AWS does not answer what cannot wait
    """
    bucket = place_of(ctx)
    who = ctx.params["operator"] or default_operator()
    call = Call(ctx, bucket, who, datetime.now(UTC), empty_result(ctx.params["get"]))
    mark = call.away_mark
    if mark and mark.exists():
        call.away = NoAnswer(f"S3 did not answer an earlier task of this run ({bucket.url('')}).")
        call.result["bucket_exists"] = None
    use_bucket(call, pid)
    leave_mark(call, mark)
    return call.result


def leave_mark(call: Call, mark: pathlib.Path | None) -> None:
    """Note for the later tasks of an emergency that S3 does not answer; the last task removes the note."""
    with contextlib.suppress(OSError):
        if mark and call.params["lock"] == "release":
            mark.unlink(missing_ok=True)
        elif mark and isinstance(call.away, NoAnswer):
            mark.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            mark.touch()
