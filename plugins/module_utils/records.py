# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Append-only records of an environment: one object each, the newest first in S3's own order.

S3 lists forwards only, so a key begins with the time counted backwards: the newest N records are one
short listing, however many there are. The rest of the key is the record's id, which leads back to the key.
"""

from __future__ import annotations

import json
import pathlib
import re
import secrets
import typing as t
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import local_first
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import McpError
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.folder_objects import Folder
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.s3_objects import Bucket, NoAnswer, to_json

FORMAT = 1
KINDS = ("release", "evidence", "plan", "undo", "override", "rotation")
# botocore keeps ten connections; more threads would only wait for one.
READERS = 10
PAGE = 1000
# Date, time, milliseconds, and three digits that tell apart what two machines write in the same millisecond.
ID_PATTERN = re.compile(r"(\d{8})-(\d{6})-(\d{3})([0-9a-f]{3})", re.ASCII)
LAST_TIME = 10**17 - 1
TEXTS = ("id", "kind", "time", "who", "environment", "run_id")

Record = dict[str, t.Any]


class Unreadable(McpError):
    """An object is there and is no record that this version can read."""


class Taken(McpError):
    """Another object has a record's key."""


@dataclass
class Found:
    """Records of one kind, newest first, and what stood between them.

    :param unreadable: key, kind and reason of each object that is no readable record
    """

    records: list[Record] = field(default_factory=list)
    unreadable: list[dict[str, str]] = field(default_factory=list)


def new_id(moment: datetime) -> str:
    """Make the id of a record: it sorts by time."""
    return f"{moment:%Y%m%d-%H%M%S}-{moment.microsecond // 1000:03d}{secrets.token_hex(2)[:3]}"


def another_id(record_id: str) -> str:
    """Return another id of the same millisecond."""
    return f"{record_id[:-3]}{(int(record_id[-3:], 16) + 1 + secrets.randbelow(0xFFF)) % 0x1000:03x}"


def key_of(kind: str, record_id: str) -> str:
    """Return a record's key.

    :raises ValueError: this is no id
    """
    parts = ID_PATTERN.fullmatch(record_id)
    if not parts:
        raise ValueError(f"'{record_id}' is no id of a record")
    backwards = LAST_TIME - int("".join(parts.groups()[:3]))
    return f"records/{kind}/{backwards:017d}{0xFFF - int(parts[4], 16):03x}-{record_id}.json"


def split_key(key: str) -> tuple[str, str]:
    """Return kind and id of a key; both empty when it is not a record's."""
    parts = re.fullmatch(r"records/([a-z]+)/[0-9a-f]{20}-(.+)\.json", key)
    if parts and ID_PATTERN.fullmatch(parts[2]) and key_of(parts[1], parts[2]) == key:
        return parts[1], parts[2]
    return "", ""


def new_records(params: dict[str, t.Any], who: str, now: datetime) -> list[Record]:
    """Make the records that a task adds; their ids keep their order.

    :raises McpError: a body cannot be written as JSON
    """
    records = []
    for number, wanted in enumerate(params["add"] or []):
        moment = now + timedelta(milliseconds=number)
        record = {
            "format": FORMAT,
            "id": new_id(moment),
            "kind": wanted["kind"],
            "time": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "who": who,
            "environment": params["environment"],
            "run_id": params["run_id"],
            "body": wanted["body"],
        }
        try:
            records.append(parse(to_json(record), "the new record"))
        except (TypeError, ValueError, RecursionError, Unreadable) as error:
            raise McpError(f"The body of a new record '{wanted['kind']}' cannot be written as JSON: {error}") from error
    return records


def refuse_constant(name: str) -> None:
    """:raises ValueError: always (JSON has no NaN and no infinity)"""
    raise ValueError(f"{name} is no JSON")


def parse(body: bytes, where: str, key: str = "") -> Record:
    """Read a record.

    :param where: the object, for the message
    :param key: its key, which has to fit
    :raises Unreadable: it is none, or one of a newer version
    """
    try:
        value = json.loads(body, parse_constant=refuse_constant)
        to_json(value)  # what cannot be written again (half a character) cannot be handed on either
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"{where} is not JSON ({error})") from error
    if not isinstance(value, dict):
        raise Unreadable(f"{where} is no record (it is JSON of another type than an object)")
    found = value.get("format")
    if isinstance(found, int) and not isinstance(found, bool) and found > FORMAT:
        raise Unreadable(f"{where} has format {found}, and this version of the collection reads format {FORMAT} only")
    if found != FORMAT or isinstance(found, bool):
        raise Unreadable(f"{where} is no record (its format is {found!r}, known is {FORMAT})")
    wrong = [name for name in TEXTS if not isinstance(value.get(name), str)]
    wrong += [] if isinstance(value.get("body"), dict) else ["body"]
    if wrong:
        raise Unreadable(
            f"{where} is no whole record of format {FORMAT} (missing or of a wrong type: {', '.join(wrong)})"
        )
    if key and split_key(key) != (value["kind"], value["id"]):
        raise Unreadable(f"{where} does not fit its key (inside it says kind {value['kind']!r}, id {value['id']!r})")
    return value


def advice(bucket: Bucket | Folder, key: str) -> str:
    """Return what to type about an object that cannot be read."""
    return (
        "Nothing was overwritten or deleted. If a newer version of the collection wrote it: ansible-galaxy collection "
        f"install --upgrade pratikoai.mcp_servers  Look at it: {bucket.look_command(key)}  Its earlier versions: "
        f"{bucket.versions_command(key)}  To go on without it, put it aside: {bucket.aside_command(key)}"
    )


def read(bucket: Bucket | Folder, key: str) -> Record | None:
    """Read one record of the bucket, None when it is not there.

    :raises Unreadable: it cannot be read
    """
    stored = bucket.read(key)
    if stored is None:
        return None
    try:
        return parse(stored.body, bucket.url(key), key)
    except Unreadable as error:
        raise Unreadable(f"{error.message}. {advice(bucket, key)}", key=key) from error


def look(bucket: Bucket | Folder, key: str) -> Record | Unreadable | None:
    """Read one record of the bucket; what cannot be read is returned as its error."""
    try:
        return read(bucket, key)
    except Unreadable as error:
        return error


def newest(bucket: Bucket | Folder, kind: str, limit: int) -> Found:
    """Return the newest records of the bucket.

    :param limit: how many readable ones; 0: all
    """
    found = Found()
    with ThreadPoolExecutor(max_workers=READERS) as pool:
        for keys in bucket.pages(f"records/{kind}/", min(limit or PAGE, PAGE)):
            for key, outcome in zip(keys, pool.map(lambda key: look(bucket, key), keys), strict=True):
                if isinstance(outcome, Unreadable):
                    found.unreadable.append({"key": key, "kind": kind, "reason": outcome.message})
                elif outcome:
                    found.records.append(outcome)
            if limit and len(found.records) >= limit:
                break
    return found


def on_disk(folder: pathlib.Path, kind: str, environment: str) -> Found:
    """Return the records of one kind that wait on this machine for this environment."""
    found = Found()
    for path in folder.glob(f"records/{kind}/*.json"):
        body = local_first.read(path)
        try:
            record = parse(body, str(path), f"records/{kind}/{path.name}") if body is not None else None
        except Unreadable as error:
            found.unreadable.append({"key": str(path), "kind": kind, "reason": error.message})
            continue
        if record and record["environment"] == environment:
            found.records.append(record)
    return found


def union(stored: list[Record], local: list[Record], limit: int) -> list[Record]:
    """Merge records, newest first, each once (that of the bucket counts); at most ``limit``, 0: all."""
    merged = {record["id"]: record for record in [*local, *stored]}
    ordered = [merged[record_id] for record_id in sorted(merged, reverse=True)]
    return ordered[:limit] if limit else ordered


def upload(bucket: Bucket | Folder, key: str, body: bytes) -> None:
    """Add a record to the bucket; one that is already there stays once.

    :raises Taken: another object lies there
    :raises NoAnswer: S3 refused the write for another write of the same key, and neither is there
    """
    if bucket.write(key, body, IfNoneMatch="*", ContentType="application/json"):
        return
    there = bucket.read(key)
    if there is None:  # a conflict, not an existing object: S3 wants the write repeated
        raise NoAnswer(f"S3 did not take {bucket.url(key)}: another write of it was going on.")
    if there.body != body:
        raise Taken(f"{bucket.url(key)} is already there with another content. {advice(bucket, key)}")


def check_limits(wanted: dict[str, t.Any]) -> dict[str, int | str]:
    """Return for each kind of record its limit, or the id of the one to read.

    :raises McpError: no such kind, or neither a number nor an id
    """
    checked: dict[str, int | str] = {}
    for kind, value in wanted.items():
        if kind not in KINDS:
            raise McpError(f"records: '{kind}' is no kind of record: allowed are {', '.join(KINDS)}.")
        text = str(value)
        if text.isdecimal() and not isinstance(value, bool):
            checked[str(kind)] = int(text)
        elif ID_PATTERN.fullmatch(text):
            checked[str(kind)] = text
        else:
            raise McpError(
                f"records: {kind} is '{value}': allowed is how many to read (0 for all), or a record's id such as "
                "20261122-150001-1234f2."
            )
    return checked
