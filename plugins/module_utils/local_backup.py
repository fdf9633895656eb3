# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Back up a local environment's database and files into a folder, prove that it can be restored, restore it."""

from __future__ import annotations

import contextlib
import hashlib
import json
import pathlib
import shutil
import typing as t
from dataclasses import dataclass
from datetime import UTC, datetime

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import local_database, local_first, records
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import (
    AWS_ERRORS,
    Context,
    McpError,
    error_code,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.local_database import Database
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.s3_objects import to_json

ARGUMENT_SPEC: dict[str, t.Any] = {
    "directory": {"type": "path", "required": True},
    "environment": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["taken", "restored", "listed"], "default": "taken"},
    "backup": {"type": "str"},
    "replaced": {"type": "str"},
    "pg_dump": {"type": "list", "elements": "str"},
    "psql": {"type": "list", "elements": "str"},
    "bucket": {"type": "str"},
    "describe": {"type": "dict", "default": {}},
}
SPEC_OPTIONS: dict[str, t.Any] = {
    "required_if": [("state", "taken", ("pg_dump", "psql")), ("state", "restored", ("pg_dump", "psql"))]
}
FORMAT = 1
LIST_THEM = "List them: ansible-playbook playbooks/backups.yml -i <inventory>"
MANIFEST, DATABASE, FILES = "backup.json", "database.sql", "files"


@dataclass
class Bucket:
    """The files of one bucket; only those that are there when it is asked."""

    s3: t.Any
    name: str

    def sizes(self) -> dict[str, int]:
        """Return the size of each file in bytes by its key.

        :raises McpError: the store does not answer
        """
        with self._told("listed"):
            pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.name)
            return {item["Key"]: item["Size"] for page in pages for item in page.get("Contents", [])}

    def save(self, folder: pathlib.Path) -> dict[str, dict[str, t.Any]]:
        """Copy all files into a folder; return each one's name there, size, hash and content type by its key.

        A key need not be a file name. What is removed meanwhile is not among them.

        :raises McpError: the store refuses
        :raises OSError: they cannot be written
        """
        folder.mkdir(mode=0o700)
        saved = {}
        for number, key in enumerate(sorted(self.sizes())):
            with self._told(f"copied ({key})"):
                try:
                    answer = self.s3.get_object(Bucket=self.name, Key=key)
                except AWS_ERRORS as error:
                    if error_code(error) == "NoSuchKey":
                        continue
                    raise
                with (folder / f"{number}").open("wb") as stream:
                    shutil.copyfileobj(answer["Body"], stream)
            path = folder / f"{number}"
            saved[key] = {
                "file": path.name,
                "bytes": path.stat().st_size,
                "sha256": digest(path),
                "type": answer.get("ContentType", ""),
            }
        return saved

    def load(self, folder: pathlib.Path, saved: dict[str, dict[str, t.Any]]) -> None:
        """Put files back; those that are there besides stay.

        :raises McpError: the store refuses
        :raises OSError: they cannot be read
        """
        for key, item in saved.items():
            extra = {"ContentType": item["type"]} if item["type"] else {}
            with self._told(f"put back ({key})"), (folder / item["file"]).open("rb") as stream:
                self.s3.put_object(Bucket=self.name, Key=key, Body=stream, **extra)
        there = self.sizes()
        lost = [key for key, item in saved.items() if there.get(key) != item["bytes"]]
        if lost:
            raise McpError(
                f"{len(lost)} files are not in bucket {self.name} as they were backed up, {lost[0]} among them. "
                "Type the same command again."
            )

    @contextlib.contextmanager
    def _told(self, done: str) -> t.Iterator[None]:
        """:raises McpError: what is done in the block fails, in one sentence"""
        try:
            yield
        except AWS_ERRORS as error:
            raise McpError(
                f"The files in bucket {self.name} cannot be {done}: {error}. Is the store up? Start everything with: "
                "ansible-playbook deploy.yml -i <inventory>"
            ) from error


def digest(path: pathlib.Path) -> str | None:
    """Return the SHA-256 of a file, None where it cannot be read."""
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        return None


def manifests(directory: pathlib.Path) -> list[dict[str, t.Any]]:
    """Return the descriptions of all complete backups, newest first."""
    found = []
    for path in sorted(directory.glob(f"*/{MANIFEST}"), reverse=True):
        try:
            item = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue  # not complete, or not ours: it is not among those that are offered
        if isinstance(item, dict) and item.get("id") == path.parent.name:
            found.append(item)
    return found


def choose(directory: pathlib.Path, wanted: str | None) -> dict[str, t.Any]:
    """Return the description of a backup, by default of the newest that was not made for the sake of a restore.

    :raises McpError: there is none
    """
    known = manifests(directory)
    # After a restore that failed, the same command means the same backup again, not what was there meanwhile.
    offered = [item for item in known if wanted == item["id"] or (wanted is None and not item.get("before_restore"))]
    found = offered[0] if offered else None
    if found is None:
        missing = "There is no backup but what restores replaced" if known else "There is no backup"
        named = f"mcp_backup is '{wanted}': no such backup" if wanted else missing
        make_one = "Make one: ansible-playbook playbooks/backup.yml -i <inventory>"
        raise McpError(
            f"{named} in {directory}. Allowed: {', '.join(item['id'] for item in known[:10]) or 'none'}. Nothing was "
            f"changed. {f'Name one with -e mcp_backup=... {LIST_THEM}' if known else make_one}",
            variable="mcp_backup",
        )
    if found.get("format") != FORMAT:
        raise McpError(
            f"Backup {found['id']} has format {found.get('format')!r}, and this version of the collection reads format "
            f"{FORMAT}. Nothing was changed. Use the version that made it."
        )
    return found


def take(ctx: Context, database: Database, bucket: Bucket | None) -> dict[str, t.Any]:
    """Make a backup, complete or not there, and prove that the database in it can be restored.

    :raises McpError: it cannot be made
    """
    directory, now = pathlib.Path(ctx.params["directory"]), datetime.now(UTC)
    made = records.new_id(now)
    part = directory / f".{made}.part"
    for killed in directory.glob(".*.part"):
        shutil.rmtree(killed, ignore_errors=True)
    try:
        part.mkdir(parents=True, mode=0o700)
        ctx.progress(f"backing up the database into {directory / made}")
        content = database.dump(part / DATABASE)
        files = bucket.save(part / FILES) if bucket else {}
        database.prove(part / DATABASE, content)
        manifest = {
            "format": FORMAT,
            "id": made,
            "time": now.isoformat(timespec="seconds").replace("+00:00", "Z"),
            "environment": ctx.params["environment"],
            **ctx.params["describe"],
            "database": {
                "bytes": (part / DATABASE).stat().st_size,
                "sha256": digest(part / DATABASE),
                "tables": content,
            },
            "files": files,
        }
        local_first.write_whole(part / MANIFEST, to_json(manifest))
        # What is removed because there is a backup stays removed after a power cut: so does the backup.
        for path in (*part.rglob("*"), part):
            local_first.sync_folder(path)
        part.rename(directory / made)
        local_first.sync_folder(directory)
    except OSError as error:
        raise McpError(
            f"The backup {directory / made} could not be written: {error}. Free some space, and type the same again."
        ) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return manifest


def check_whole(folder: pathlib.Path, manifest: dict[str, t.Any]) -> None:
    """:raises McpError: a file of a backup is not what it was"""
    kept = {DATABASE: manifest["database"]["sha256"]}
    kept |= {f"{FILES}/{item['file']}": item["sha256"] for item in manifest["files"].values()}
    wrong = sorted(name for name, value in kept.items() if digest(folder / name) != value)
    if wrong:
        raise McpError(
            f"Backup {manifest['id']} is damaged: {', '.join(wrong[:10])} in {folder} is not what its {MANIFEST} "
            f"describes. Nothing was changed. Use another one: -e mcp_backup=... {LIST_THEM}"
        )


def restore(ctx: Context, manifest: dict[str, t.Any], database: Database, bucket: Bucket | None) -> None:
    """Bring a backup back: the database beside the one in use first, then the files; last the two change places.

    :raises McpError: it cannot be restored; the database in use stays, some files may be those of the backup
    """
    directory = pathlib.Path(ctx.params["directory"])
    folder = directory / manifest["id"]
    ctx.progress(f"restoring the database from {folder}")
    try:
        database.load(local_database.RESTORED, folder / DATABASE, manifest["database"]["tables"])
        if bucket:
            bucket.load(folder / FILES, manifest["files"])
        database.swap()
    except (McpError, OSError) as error:
        with contextlib.suppress(McpError):
            database.drop(local_database.RESTORED)
        if isinstance(error, OSError):
            raise McpError(f"Backup {manifest['id']} cannot be read: {error}. Type the same command again.") from error
        raise
    if ctx.params["replaced"] is not None:
        forget_replaced(ctx, choose(directory, ctx.params["replaced"]), database)


def forget_replaced(ctx: Context, kept: dict[str, t.Any], database: Database) -> None:
    """Remove the database that was replaced, unless its backup lacks something of it."""
    try:
        written = database.forget_replaced(kept["database"]["tables"])
        problem = f"somebody wrote to {', '.join(written)} after it was begun" if written else ""
    except McpError as error:
        problem = error.message
    if problem:
        ctx.warn(
            f"Backup {kept['id']} may not have all of what was replaced ({problem}). It stays as the database "
            f"{local_database.REPLACED} beside {local_database.OWN} until the next restore or destroy of the data."
        )


def summary(directory: pathlib.Path, manifest: dict[str, t.Any]) -> dict[str, t.Any]:
    """Return what a person wants to know of a backup."""
    tables = manifest["database"]["tables"]
    return {
        "id": manifest["id"],
        "time": manifest["time"],
        "path": str(directory / manifest["id"]),
        "rows": sum(table["rows"] for table in tables.values()),
        "tables": {name: table["rows"] for name, table in tables.items()},
        "files": len(manifest["files"]),
        **{key: manifest.get(key) for key in ("runtime", "postgres_version", "release")},
    }


def lacks(folder: pathlib.Path, manifest: dict[str, t.Any]) -> list[str]:
    """Return what of a backup is not there in its size; the content is read by a restore alone, before it begins."""
    kept = {DATABASE: manifest["database"]["bytes"]}
    kept |= {f"{FILES}/{item['file']}": item["bytes"] for item in manifest["files"].values()}
    return sorted(
        name for name, size in kept.items() if not (folder / name).is_file() or (folder / name).stat().st_size != size
    )


def reason(manifest: dict[str, t.Any]) -> str:
    """Say why a backup was made."""
    if manifest.get("before_restore"):
        return f"before the restore of {manifest['before_restore']}"
    return "before the data were removed" if manifest.get("final") else "asked for"


def row(directory: pathlib.Path, manifest: dict[str, t.Any]) -> dict[str, t.Any]:
    """Return what a list says of a backup."""
    try:
        lacking = lacks(directory / manifest["id"], manifest)
        found = summary(directory, manifest)
        size = manifest["database"]["bytes"] + sum(item["bytes"] for item in manifest["files"].values())
    except (KeyError, TypeError, AttributeError):
        return broken(directory / manifest["id"], f"its format is {manifest.get('format')!r}, which is not read here")
    problem = f"{', '.join(lacking[:10])} is not there as it was" if lacking else ""
    return {**found, "bytes": size, "why": reason(manifest), "complete": not problem, "problem": problem}


def broken(folder: pathlib.Path, problem: str) -> dict[str, t.Any]:
    """Return what a list says of a folder that is no backup one could restore."""
    unknown = dict.fromkeys(("time", "rows", "files", "bytes", "why"))
    return {"id": folder.name, "path": str(folder), **unknown, "complete": False, "problem": problem}


def listed(directory: pathlib.Path) -> list[dict[str, t.Any]]:
    """Return a row for each backup, newest first, also for one that lost something."""
    known = {item["id"]: item for item in manifests(directory)}
    # What a run is writing now, or left when it was killed, begins with a dot.
    folders = [path for path in directory.glob("[!.]*") if path.is_dir()]
    return [
        row(directory, known[path.name]) if path.name in known else broken(path, f"{MANIFEST} is gone or damaged")
        for path in sorted(folders, reverse=True)
    ]


def run(ctx: Context) -> dict[str, t.Any]:
    """Take, restore or list backups.

    :raises McpError: the database or the store does not do what is needed
    """
    params, directory = ctx.params, pathlib.Path(ctx.params["directory"])
    if params["state"] == "listed":
        return {"changed": False, "backups": listed(directory)}
    database = Database(params["pg_dump"], params["psql"])
    bucket = Bucket(ctx.client("s3"), params["bucket"]) if params["bucket"] else None
    if params["state"] == "taken":
        if ctx.check_mode:
            return {"changed": True, "backup": None}
        return {"changed": True, "backup": summary(directory, take(ctx, database, bucket))}
    manifest = choose(directory, params["backup"])
    check_whole(directory / manifest["id"], manifest)
    if not ctx.check_mode:
        restore(ctx, manifest, database, bucket)
    return {"changed": True, "backup": summary(directory, manifest)}
