# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a call of the state module adds: audit lines and records, on disk when the bucket does not take them."""

from __future__ import annotations

import json
import pathlib
import typing as t
from dataclasses import dataclass
from datetime import datetime

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import audit_log, local_first, records
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import Context, McpError
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.folder_objects import Folder
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.s3_objects import (
    Bucket,
    BucketMissing,
    Denied,
    NoAnswer,
    to_json,
)

AWAY = (BucketMissing, NoAnswer)
# One pair of ids of a millisecond in 4,096 is equal: more than three in a row is no chance.
SAME_MILLISECOND = 3


@dataclass
class Call:
    """One call of the module.

    :param away: why the bucket is not asked again
    """

    ctx: Context
    bucket: Bucket | Folder
    who: str
    now: datetime
    result: dict[str, t.Any]
    away: McpError | None = None

    @property
    def params(self) -> dict[str, t.Any]:
        """The task's options."""
        return self.ctx.params

    @property
    def folder(self) -> pathlib.Path | None:
        """Where things wait for the bucket."""
        fallback = self.params["fallback_dir"]
        if not fallback or isinstance(self.bucket, Folder):
            return None
        return local_first.local_folder(fallback, self.bucket.name)

    @property
    def away_mark(self) -> pathlib.Path | None:
        """Tells the later tasks of an emergency that S3 does not answer: each would wait for it again."""
        usable = self.folder and self.params["emergency"] and not self.ctx.check_mode
        return self.folder / f".away-{self.params['run_id'].replace('/', '_')}" if self.folder and usable else None

    def ask(self, step: t.Callable[[], t.Any]) -> t.Any:
        """Make one step with the bucket; none when it is known to be out of reach.

        :raises McpError: the step's own failure, or that of the one before it
        """
        if self.away:
            raise self.away
        try:
            return step()
        except AWAY as error:
            self.away = error
            self.result["bucket_exists"] = False if isinstance(error, BucketMissing) else None
            raise


class Entry(t.NamedTuple):
    """Audit lines or a record on their way into the bucket.

    :param name: path of its file below the folder of what waits
    :param key: its key; of audit lines the key without their number
    """

    name: str
    key: str
    body: bytes

    def send(self, bucket: Bucket | Folder) -> str:
        """Add it to the bucket and return its key."""
        if not self.name.startswith("records/"):
            return audit_log.upload(bucket, self.key, self.body)
        records.upload(bucket, self.key, self.body)
        return self.key

    def renamed(self) -> Entry:
        """Return the same record under another id of the same millisecond."""
        record = json.loads(self.body)
        record["id"] = records.another_id(record["id"])
        key = records.key_of(record["kind"], record["id"])
        return Entry(key, key, to_json(record))


def new_entries(call: Call) -> list[Entry]:
    """Return what this call adds, records first: they tell how to undo what the lines say.

    :raises McpError: a record cannot be written as JSON
    """
    if call.ctx.check_mode:
        return []
    entries = []
    for record in records.new_records(call.params, call.who, call.now):
        key = records.key_of(record["kind"], record["id"])
        entries.append(Entry(key, key, to_json(record)))
        call.result["added"].append(record["id"])
    lines = audit_log.audit_body(call.params, call.who, call.now)
    name = audit_log.audit_name(call.params["run_id"], call.now)
    return [*entries, Entry(audit_log.local_name(name), name, lines)] if lines else entries


def waiting_entry(call: Call, folder: pathlib.Path, path: pathlib.Path) -> Entry | None:
    """Read a file that waits; None when another run has uploaded it meanwhile.

    :raises ValueError: it is not one of ours
    """
    body = local_first.read(path)
    if body is None:
        return None
    name = path.relative_to(folder).as_posix()
    if path.suffix == ".jsonl":
        key, foreign = audit_log.name_of(path.name), audit_log.foreign(body, call.params["environment"])
    else:
        try:
            key, foreign = name, records.parse(body, "it", name)["environment"] != call.params["environment"]
        except records.Unreadable as error:
            raise ValueError(error.message) from error
    if foreign:
        raise ValueError(f"it is about another environment than {call.params['environment']}")
    return Entry(name, key, body)


def upload_waiting(call: Call, folder: pathlib.Path) -> None:
    """Upload what waits on this machine; a file that is not one of ours stays, with a warning."""
    for path in local_first.waiting(folder):
        try:
            entry = waiting_entry(call, folder, path)
            if entry:
                call.result["uploaded"].append(entry.send(call.bucket))
                path.unlink(missing_ok=True)
        except (ValueError, records.Taken) as error:
            call.ctx.warn(f"{path} is not uploaded and stays: {error}. Look at it, and remove it if it is junk.")


def send_new(call: Call, entry: Entry) -> str:
    """Add what this call made; a record whose id another machine has just taken gets another one.

    :raises Taken: that does not help either
    """
    for _attempt in range(SAME_MILLISECOND):
        try:
            return entry.send(call.bucket)
        except records.Taken:
            renamed = entry.renamed()
            before, after = (records.split_key(each.key)[1] for each in (entry, renamed))
            call.result["added"] = [after if each == before else each for each in call.result["added"]]
            entry = renamed
    return entry.send(call.bucket)


def append(call: Call) -> None:
    """Add what this call adds and what waits from earlier ones; lose nothing of it."""
    entries = new_entries(call)
    try:
        if call.folder:
            call.ask(lambda: upload_waiting(call, t.cast(pathlib.Path, call.folder)))
        while entries:
            key = call.ask(lambda: send_new(call, entries[0]))
            if entries.pop(0).name.endswith(".jsonl"):
                call.result["audit_key"] = key
    except (*AWAY, Denied) as error:
        keep_on_disk(call, entries, error)
    except McpError as error:
        keep_on_disk(call, entries, error)
        raise
    call.result["waiting"] = [str(path) for path in local_first.waiting(call.folder)] if call.folder else []


def keep_on_disk(call: Call, entries: list[Entry], why: McpError) -> None:
    """Write to disk what the bucket did not take, and say where.

    :raises McpError: a record can be written nowhere (in an emergency it is shown instead)
    """
    if not entries:
        return
    try:
        if not call.folder:
            raise McpError(f"{why.message} And fallback_dir is not set.")
        files = [local_first.save(call.folder, entry.name, entry.body) for entry in entries]
    except McpError as error:
        lost = b"".join(entry.body for entry in entries).decode()
        if any(entry.name.startswith("records/") for entry in entries) and not call.params["emergency"]:
            raise
        call.ctx.warn(f"{error.message} This was recorded nowhere, keep it: {lost}")
        return
    call.ctx.warn(f"{why.message} What this run recorded waits in {', '.join(files)} and is uploaded by a later run.")
