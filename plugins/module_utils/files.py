# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Folders and files as they are wanted: compared first, written whole, and told without what is secret."""

from __future__ import annotations

import contextlib
import hashlib
import os
import pathlib
import stat
import typing as t
from dataclasses import dataclass

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import local_first
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import Context, McpError

FILE_OPTIONS: dict[str, t.Any] = {
    "path": {"type": "path", "required": True},
    "content": {"type": "str"},
    "secret": {"type": "str", "no_log": True},
    "src": {"type": "path"},
    "keep": {"type": "bool", "default": False},
    "mode": {"type": "str", "default": "0600"},
    "owner": {"type": "int"},
    "service": {"type": "str", "default": ""},
}
ARGUMENT_SPEC: dict[str, t.Any] = {
    "folders": {"type": "dict", "default": {}},
    "files": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": FILE_OPTIONS,
        "mutually_exclusive": [("content", "secret", "src")],
        "required_one_of": [("content", "secret", "src")],
    },
}
DIGEST_LENGTH = 16


@dataclass(frozen=True)
class Wanted:
    """One file as it is to be.

    :param data: None: whatever is in it
    :param mode: permission bits
    :param owner: id of user and group, None for those who make it
    :param secret: whether its content may be shown
    """

    path: pathlib.Path
    data: bytes | None
    mode: int
    owner: int | None
    secret: bool


def mode_of(text: str) -> int:
    """Return permission bits.

    :raises McpError: the text is no octal number
    """
    try:
        return int(text, 8)
    except ValueError:
        raise McpError(f"mode is {text!r}: allowed are octal digits as chmod takes them, for example '0600'.") from None


def sources(item: dict[str, t.Any]) -> dict[pathlib.Path, bytes]:
    """Return what the files of one entry hold, by path; the files of a folder each.

    :raises OSError: the source cannot be read
    """
    path = pathlib.Path(item["path"])
    if item["src"] is None:
        return {path: (item["secret"] if item["content"] is None else item["content"]).encode()}
    src = pathlib.Path(item["src"])
    if not src.is_dir():
        return {path: src.read_bytes()}
    return {path / file.relative_to(src): file.read_bytes() for file in sorted(src.rglob("*")) if file.is_file()}


def wanted_files(item: dict[str, t.Any], contents: dict[pathlib.Path, bytes]) -> list[Wanted]:
    """Return the files of one entry as they are to be."""
    mode, secret = mode_of(item["mode"]), item["secret"] is not None
    return [
        Wanted(path, None if item["keep"] and path.is_file() else data, mode, item["owner"], secret)
        for path, data in contents.items()
    ]


def look(path: pathlib.Path) -> os.stat_result | None:
    """Return what is at a path, None where nothing is; a link is not followed."""
    with contextlib.suppress(FileNotFoundError):
        return path.lstat()
    return None


def attributes(mode: int, owner: int | None) -> str:
    """Return mode and owner in words."""
    return f"mode {mode:04o}" + ("" if owner is None else f", owner {owner}") + "\n"


def ensure_folder(path: pathlib.Path, mode: int, check_mode: bool) -> dict[str, str] | None:
    """Make a folder, or correct its mode; return the difference, None where there is none.

    :raises OSError: it cannot be made
    """
    before = stat.S_IMODE(path.stat().st_mode) if path.is_dir() else None
    if before == mode:
        return None
    if not check_mode:
        path.mkdir(mode=mode, parents=True, exist_ok=True)
        # The umask has a say in what mkdir makes.
        path.chmod(mode)
    return {"before": "" if before is None else attributes(before, None), "after": attributes(mode, None)}


def ensure_file(wanted: Wanted, check_mode: bool) -> dict[str, str] | None:
    """Write a file, or correct its mode and owner; return the difference, None where there is none.

    :raises OSError: it cannot be read or written
    """
    path, found = wanted.path, look(wanted.path)
    present = path.read_bytes() if found and stat.S_ISREG(found.st_mode) else None
    same = present is not None and wanted.data in (None, present)
    owner = found.st_uid if found and wanted.owner is not None else None
    before = attributes(stat.S_IMODE(found.st_mode), owner) if found else ""
    after = attributes(wanted.mode, wanted.owner)
    if same and before == after:
        return None
    if not check_mode and same:
        local_first.settle(path, wanted.mode, wanted.owner)
    elif not check_mode:
        if not path.parent.is_dir():  # who may read the file may enter its folder
            ensure_folder(path.parent, 0o700 | (wanted.mode & 0o044) | (wanted.mode & 0o044) >> 2, check_mode)
        local_first.write_whole(path, wanted.data or b"", wanted.mode, wanted.owner)
    if before == after:
        before = after = ""
    if same:
        return {"before": before, "after": after}
    if wanted.secret:
        return {"before": before, "after": f"{after}new content, which is secret\n"}
    texts = [data.decode("utf-8", "replace") for data in (present or b"", wanted.data or b"")]
    return {"before": before + texts[0], "after": after + texts[1]}


def digests(entries: list[tuple[dict[str, t.Any], dict[pathlib.Path, bytes]]]) -> dict[str, str]:
    """Return for each service 16 hex digits over the paths and contents of all its files."""
    totals: dict[str, t.Any] = {}
    for item, files in entries:
        for path, data in files.items() if item["service"] and not item["keep"] else ():
            total = totals.setdefault(item["service"], hashlib.sha256())
            total.update(f"{path}\0{len(data)}\0".encode() + data)
    return {service: total.hexdigest()[:DIGEST_LENGTH] for service, total in totals.items()}


def run(ctx: Context) -> dict[str, t.Any]:
    """Make folders and files as they are wanted.

    :raises McpError: one of them cannot be read or written
    """
    differences: dict[str, dict[str, str]] = {}

    def note(path: pathlib.Path, difference: dict[str, str] | None) -> None:
        if difference is not None:
            differences[str(path)] = difference

    entries = []
    path = pathlib.Path()
    try:
        for folder, mode in ctx.params["folders"].items():
            path = pathlib.Path(folder)
            note(path, ensure_folder(path, mode_of(str(mode)), ctx.check_mode))
        for item in ctx.params["files"]:
            path = pathlib.Path(item["path"])
            entries.append((item, sources(item)))
            for wanted in wanted_files(*entries[-1]):
                path = wanted.path
                note(path, ensure_file(wanted, ctx.check_mode))
    except OSError as error:
        raise McpError(
            f"{path} cannot be written ({error.strerror}: {error.filename or path}). Allowed is a place where you may "
            "write, with space. What was written before it stays. Repair that, and type the same command again.",
            path=str(path),
        ) from error
    result = {"changed": bool(differences), "paths": list(differences), "digests": digests(entries)}
    if ctx.diff_mode and differences:
        result["diff"] = [
            {**difference, "before_header": name, "after_header": name} for name, difference in differences.items()
        ]
    return result
