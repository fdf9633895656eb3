# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The deploy lock of an environment: one object in its state bucket, taken and renewed by conditional puts."""

from __future__ import annotations

import json
import os
import pathlib
import platform
import subprocess
import typing as t
import uuid
from datetime import UTC, datetime, timedelta

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import McpError
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.folder_objects import Folder
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.s3_objects import Bucket, Stored, to_json

LOCK_KEY = "lock.json"
FORMAT = 1
ATTEMPTS = 5
FIELDS = ("environment", "run_id", "operator", "host", "machine_id", "since", "lease_until", "command")


class LockHeld(McpError):
    """The lock cannot be had: another run holds it."""


class LockUnreadable(McpError):
    """Something lies where the lock should, and nobody can tell whether a run holds it."""


class LockLost(McpError):
    """Somebody else holds the lock now."""


def utc(moment: datetime) -> str:
    """Write a moment as ISO 8601 in UTC, to the second."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _text(path: str) -> str:
    try:
        return pathlib.Path(path).read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def _pid_namespace() -> str:
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""


def machine_id() -> str:
    """Name the place in which a process id means something: machine, boot and process namespace.

    Two containers of one image on one node share the first two, so a pid alone would prove nothing there.
    """
    boot = _text("/proc/sys/kernel/random/boot_id")
    if not boot:
        return f"{platform.node()}:{uuid.getnode():x}"
    return ":".join([_text("/etc/machine-id"), boot, _pid_namespace(), platform.node()])


def process_started(pid: int) -> str | None:
    """Return when a process of this machine started, in its kernel's own notation; None when it is gone."""
    if os.path.exists("/proc/self/stat"):
        # After the command's name in parentheses: the state, and as the 20th of these fields the start.
        fields = _text(f"/proc/{pid}/stat").rpartition(")")[2].split()
        return fields[19] if fields and fields[0] not in "ZX" else None
    listed = subprocess.run(["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    condition, _space, started = listed.stdout.strip().partition(" ")
    return None if condition.startswith("Z") else started.strip() or None


def new_lock(params: dict[str, t.Any], operator: str, pid: int | None, now: datetime) -> dict[str, t.Any]:
    """Describe this run as the lock's holder."""
    return {
        "format": FORMAT,
        "environment": params["environment"],
        "run_id": params["run_id"],
        "operator": operator,
        "host": platform.node(),
        "machine_id": machine_id(),
        "pid": pid,
        "pid_started": process_started(pid) if pid else None,
        "since": utc(now),
        "lease_until": utc(now + timedelta(seconds=params["lease"])),
        "command": params["command"],
    }


def unreadable(bucket: Bucket | Folder, why: str) -> LockUnreadable:
    """Say that what lies there is no lock, and what to do."""
    url = bucket.url(LOCK_KEY)
    return LockUnreadable(
        f"The deploy lock {url} cannot be read ({why}), so nobody knows whether a run is at work. Look at it with: "
        f"{bucket.look_command(LOCK_KEY)}  Its earlier versions: {bucket.versions_command(LOCK_KEY)}  When nobody "
        f"deploys, remove it with: {bucket.remove_command(LOCK_KEY)}",
        url=url,
    )


def newer(bucket: Bucket | Folder, found: int) -> LockUnreadable:
    """Say that a newer version of the collection holds the lock."""
    url = bucket.url(LOCK_KEY)
    return LockUnreadable(
        f"The deploy lock {url} has format {found}, and this version of the collection reads format {FORMAT} only: a "
        "run of a newer version holds it. Nothing was changed. Upgrade: ansible-galaxy collection install --upgrade "
        f"pratikoai.mcp_servers  Look at it with: {bucket.look_command(LOCK_KEY)}",
        url=url,
    )


def parse_lock(bucket: Bucket | Folder, stored: Stored) -> dict[str, t.Any]:
    """Read a lock.

    :raises LockUnreadable: it is not one, or one of a newer version
    """
    try:
        lock = json.loads(stored.body)
        found = lock.get("format", FORMAT)  # locks of the first version do not say
        if isinstance(found, int) and found > FORMAT:
            raise newer(bucket, found)
        wrong = [name for name in FIELDS if not isinstance(lock[name], str)]
        wrong += [] if found == FORMAT else ["format"]
        wrong += [] if isinstance(lock.get("pid"), int | None) else ["pid"]
        wrong += [] if datetime.fromisoformat(lock["lease_until"]).tzinfo else ["lease_until"]
        to_json(lock)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        wrong = [repr(error)]
    if wrong:
        raise unreadable(bucket, ", ".join(wrong))
    return dict(lock)


def reason_to_take(held: dict[str, t.Any], run_id: str, named: str | None, now: datetime, watched: bool = False) -> str:
    """Say why this run may take a lock that lies there; an empty string when it may not.

    :param watched: whether a holder on this machine keeps the lock for as long as it lives, whatever its lease says
    """
    if held["run_id"] == run_id:
        return "own"
    here = held.get("pid") and held["machine_id"] == machine_id()
    if here and process_started(held["pid"]) != held.get("pid_started"):
        return f"its process {held['pid']} on this machine is gone"
    if not (watched and here) and datetime.fromisoformat(held["lease_until"]) <= now:
        return f"its lease ended at {held['lease_until']}"
    if named and named == held["run_id"]:
        return "it was named to be taken over"
    return ""


def describe(held: dict[str, t.Any]) -> str:
    """Say who holds a lock since when."""
    return f"{held['operator']} since {held['since']} (run {held['run_id']}: {held['command'] or 'command not given'})"


def by_hand(environment: str) -> str:
    """Say how to end a gradual shift: a run that does one holds the lock for as long as that lasts."""
    # Without application and group AWS lists the deployments of the whole account.
    look = ", ".join(
        f"aws deploy list-deployments --application-name mcp-{environment} --deployment-group-name "
        f"mcp-{environment}-{role} --include-only-statuses InProgress --query deployments --output text"
        for role in ("server", "authorizer")
    )
    return (
        f" If it gives a bad release more and more of the traffic, end that by hand ({look}, then for each id "
        "aws deploy stop-deployment --deployment-id ID --auto-rollback-enabled), and when that run has ended, or with "
        "the take-over above, type the same command again."
    )


def refusal(bucket: Bucket | Folder, held: dict[str, t.Any], emergency: bool) -> LockHeld:
    """Say that another run is at work, and what to do."""
    return LockHeld(
        f"The deploy lock of {held['environment']} ({bucket.url(LOCK_KEY)}) is held by {describe(held)}, at least "
        f"until {held['lease_until']}. Wait for that run to end and type the same command again; a run that died "
        f"loses the lock at that time. If you know that it has ended: -e mcp_take_over_run_id={held['run_id']}"
        + (f".{by_hand(held['environment'])}" if emergency else ""),
        lock=held,
    )


def acquire(
    bucket: Bucket | Folder, mine: dict[str, t.Any], named: str | None, now: datetime, emergency: bool = False
) -> tuple[dict[str, t.Any], dict[str, t.Any] | None, str]:
    """Take the lock; return it, the holder from whom it was taken over (or None) and why.

    :raises LockHeld: another run holds it
    :raises LockUnreadable: it cannot be read
    """
    for _attempt in range(ATTEMPTS):
        if bucket.write(LOCK_KEY, to_json(mine), IfNoneMatch="*"):
            return mine, None, ""
        stored = bucket.read(LOCK_KEY)
        if stored is None:  # released between the two calls
            continue
        held = parse_lock(bucket, stored)
        reason = reason_to_take(held, mine["run_id"], named, now, bucket.watched)
        if not reason:
            raise refusal(bucket, held, emergency)
        own = reason == "own"
        lock = dict(mine, since=held["since"]) if own else mine
        if bucket.write(LOCK_KEY, to_json(lock), IfMatch=stored.etag):
            return lock, None if own else held, reason
    raise LockHeld(
        f"The deploy lock {bucket.url(LOCK_KEY)} changed hands {ATTEMPTS} times while this run tried to take it. "
        "Other runs are at work on this environment: wait for them and type the same command again.",
    )


def release(bucket: Bucket | Folder, run_id: str) -> bool:
    """Give the lock back when this run holds it; False when it does not."""
    stored = bucket.read(LOCK_KEY)
    if stored is None or parse_lock(bucket, stored)["run_id"] != run_id:
        return False
    return bucket.delete(LOCK_KEY, stored.etag)


def renew_lock(
    s3_client: t.Any, bucket: str, key: str, run_id: str, lease_seconds: int, owner: str | None = None
) -> bool:
    """Move a lease's end to ``lease_seconds`` from now; False when this run no longer holds the lock.

    :param owner: account that has to own the bucket
    :raises McpError: S3 refuses, or does not answer
    """
    place = Bucket(s3_client, bucket, owner)
    stored = place.read(key)
    if stored is None:
        return False
    lock = parse_lock(place, stored)
    if lock["run_id"] != run_id:
        return False
    lock["lease_until"] = utc(datetime.now(UTC) + timedelta(seconds=lease_seconds))
    body = to_json(lock)
    if place.write(key, body, IfMatch=stored.etag):
        return True
    written = place.read(key)  # a put whose answer was lost is refused when it is repeated
    return written is not None and written.body == body
