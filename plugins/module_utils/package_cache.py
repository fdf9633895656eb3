# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Folders of the local cache: made by one run at a time, complete or not there, the newest ones kept."""

from __future__ import annotations

import contextlib
import fcntl
import pathlib
import shutil
import tempfile
import typing as t


@contextlib.contextmanager
def only_one(folder: pathlib.Path) -> t.Iterator[None]:
    """Let one run at a time build in a folder; what a killed one left behind is removed."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "build.lock").open("w", encoding="utf-8") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        for left in folder.glob(".building-*"):
            shutil.rmtree(left)
        yield


@contextlib.contextmanager
def complete(final: pathlib.Path) -> t.Iterator[pathlib.Path]:
    """Give a working folder, whose folder ``out`` takes the final one's place when all went well."""
    with tempfile.TemporaryDirectory(prefix=".building-", dir=final.parent) as folder:
        work = pathlib.Path(folder)
        (work / "out").mkdir()
        yield work
        shutil.rmtree(final, ignore_errors=True)
        (work / "out").rename(final)


def newest(folders: t.Iterable[pathlib.Path]) -> list[pathlib.Path]:
    """Return folders, the newest first, without those that another run removes meanwhile."""
    times: list[tuple[float, pathlib.Path]] = []
    for folder in folders:
        with contextlib.suppress(FileNotFoundError):
            times.append((folder.stat().st_mtime, folder))
    return [folder for _time, folder in sorted(times, reverse=True)]
