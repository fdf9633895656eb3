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


def save(folder: pathlib.Path, name: str, body: bytes) -> str:
    """Write a new file that only its owner reads, complete or not at all; return its path.

    :param name: path below the folder
    :raises McpError: it cannot be written
    """
    path = folder / name
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as stream:
            stream.write(body)
            stream.flush()
            os.fsync(stream.fileno())
        part.rename(path)
        sync_folder(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
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
