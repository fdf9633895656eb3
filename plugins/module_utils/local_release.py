# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring a release's package into a folder from which the server runs; keep the newest ones."""

from __future__ import annotations

import os
import pathlib
import re
import shutil
import stat
import tempfile
import typing as t

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import Context, McpError

ARGUMENT_SPEC: dict[str, t.Any] = {
    "directory": {"type": "path", "required": True},
    "release": {"type": "str", "required": True},
    "package": {"type": "path"},
    "keep": {"type": "int", "default": 10},
}
RELEASE = re.compile(r"[0-9a-f]{12}")
SHARED = "dependencies"
WRITABLE = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH


def link(source: str, target: str) -> None:
    """Give a file a second name, which costs no space; copy it where that is not possible.

    An edit in place would be one in the cache too, and in all later releases: an editor is told not to.
    """
    try:
        os.chmod(source, os.stat(source).st_mode & ~WRITABLE)
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def place(package: pathlib.Path, target: pathlib.Path) -> None:
    """Bring a package's folders here, complete or not at all; releases that need the same share it.

    :raises McpError: it cannot be done
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryDirectory(prefix=".unpacking-", dir=target.parent) as folder:
            new, needed = pathlib.Path(folder), (package / "dependencies").resolve(strict=True)
            shared = target.parent / SHARED / needed.parent.name
            shutil.copytree(package / "app", new / "release" / "app")
            (new / "release" / "dependencies").symlink_to(pathlib.Path("..", SHARED, shared.name))
            if not shared.is_dir():
                shutil.copytree(needed, new / "needed", copy_function=link)
                shared.parent.mkdir(exist_ok=True)
                (new / "needed").rename(shared)
            (new / "release").rename(target)
    except (OSError, shutil.Error) as error:
        raise McpError(
            f"Release {target.name} could not be brought from {package} to {target}: {error}. If the disk is full, "
            f"free some space; if the package is broken, remove it and type the same command again: rm -r {package}"
        ) from error


def too_old(directory: pathlib.Path, release: str, keep: int) -> list[pathlib.Path]:
    """Return the folders of releases that nobody goes back to any more, never that of the wanted one."""
    folders = [path for path in directory.glob("*") if RELEASE.fullmatch(path.name) and path.name != release]
    folders.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    return folders[max(keep - 1, 0) :]


def forget(directory: pathlib.Path, old: list[pathlib.Path]) -> None:
    """Remove releases, and what none of the others needs."""
    for folder in old:
        shutil.rmtree(folder, ignore_errors=True)
    needed = {path.resolve() for path in directory.glob("*/dependencies")}
    for folder in (directory / SHARED).glob("*"):
        if folder.resolve() not in needed:
            shutil.rmtree(folder, ignore_errors=True)


def run(ctx: Context) -> dict[str, t.Any]:
    """Make sure that a release's folder is there.

    :raises McpError: it is not, and there is no package to unpack
    """
    directory, release = pathlib.Path(ctx.params["directory"]), ctx.params["release"]
    target, package = directory / release, ctx.params["package"]
    missing = not target.is_dir()
    if missing and not package and not ctx.check_mode:
        known = sorted(path.name for path in directory.glob("*") if RELEASE.fullmatch(path.name))
        raise McpError(
            f"Release {release} is not in {directory} any more; there are: {', '.join(known) or 'none'}. Nothing was "
            "changed. Check its source out again and deploy that: ansible-playbook deploy.yml -i <inventory>"
        )
    if missing and not ctx.check_mode:
        place(pathlib.Path(package), target)
    if not ctx.check_mode:
        target.touch()
    old = too_old(directory, release, ctx.params["keep"])
    if old and not ctx.check_mode:
        forget(directory, old)
    return {"changed": missing, "path": str(target), "removed": [path.name for path in old]}
