# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Append-only objects that wait on this machine while their bucket is out of reach."""

from __future__ import annotations

import contextlib
import os
import pathlib

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import McpError


def local_folder(fallback_dir: str, bucket: str) -> pathlib.Path:
    """Return the folder of what waits for one bucket (it must not land in another's)."""
    return pathlib.Path(fallback_dir).expanduser() / bucket


def write_whole(path: pathlib.Path, body: bytes, mode: int = 0o600, owner: int | None = None) -> None:
    """Write a file, complete or not at all.

    :param mode: permission bits; by default only its owner reads it
    :param owner: id of user and group, None for those who write it
    :raises OSError: it cannot be written
    """
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as stream:
            stream.write(body)
            stream.flush()
            settle(stream.fileno(), mode, owner)
            os.fsync(stream.fileno())
        part.rename(path)
        sync_folder(path.parent)
    except OSError:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise


def settle(file: int | pathlib.Path, mode: int, owner: int | None) -> None:
    """Give a file its mode and owner; the parameters are those of write_whole.

    :raises OSError: it is not ours to give
    """
    if owner is not None:
        os.chown(file, owner, owner)
    os.chmod(file, mode)


def save(folder: pathlib.Path, name: str, body: bytes) -> str:
    """Write a new file that waits for the bucket; return its path.

    :param name: path below the folder
    :raises McpError: it cannot be written
    """
    path = folder / name
    try:
        write_whole(path, body)
    except OSError as error:
        raise McpError(
            f"{path} cannot be written: {error}, and the bucket could not be written to either. Free some space or "
            "choose another folder: -e mcp_report_dir=..."
        ) from error
    return str(path)


def sync_folder(folder: pathlib.Path) -> None:
    """Make a new name in a folder survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def waiting(folder: pathlib.Path) -> list[pathlib.Path]:
    """Return the files that wait to be uploaded: complete ones, oldest first within their kind."""
    return sorted([*folder.glob("*.jsonl"), *folder.glob("records/*/*.json")])


def read(path: pathlib.Path) -> bytes | None:
    """Return a file's content; None when another run has uploaded and removed it meanwhile."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
