# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Build one package of a release in the local cache: complete, or not there."""

from __future__ import annotations

import contextlib
import json
import pathlib
import shutil
import typing as t

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import (
    package_cache,
    package_check,
    package_pip,
    package_target,
    package_tree,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import McpError
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.package_install import Build, Unpacked, unpacked
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.package_target import Target

RELEASES_KEPT = 10


def folder_name(target: str, as_folders: bool) -> str:
    """Return the name of a package's folder in that of its release."""
    return f"{target}-folders" if as_folders else target


def cached(cache: pathlib.Path, name: str) -> dict[str, t.Any] | None:
    """Return a package's description when it lies complete in the cache, with its ``path``.

    :param name: of its folder
    """
    folder = cache / name
    try:
        package = json.loads((folder / "package.json").read_text(encoding="utf-8"))
        if package["bytes"] is None:
            # What it needs may have been forgotten since.
            return {**package, "path": str(folder)} if (folder / "dependencies").is_dir() else None
        path = folder / "package.zip"
        return {**package, "path": str(path)} if path.stat().st_size == package["bytes"] else None
    except (OSError, ValueError):
        return None


def no_bytecode(version: str) -> str:
    """Say what a package lacks that no interpreter of its Python version was at hand for."""
    return (
        f"no bytecode (a cold start takes about 0.5 s more), and dependencies' conditions were read for this "
        f"machine's Python: there is no Python {version} here"
    )


def foreseen(target: Target) -> list[str]:
    """Say what a package that is not built yet will lack."""
    return [] if package_target.with_helper(target).helper else [no_bytecode(target.python_version)]


def remembered(build: Build, native: str) -> dict[str, t.Any] | None:
    """Return what the server was found to be when this release was tried on this machine before."""
    package = cached(build.cache, native)
    if package:
        return dict(package["server"])
    with contextlib.suppress(OSError, ValueError):
        return dict(json.loads((build.cache / "checked").read_text(encoding="utf-8")))
    return None


def tried_here(build: Build, target: Target, work: pathlib.Path) -> dict[str, t.Any] | None:
    """Return what the server of another machine's package is, from a variant for this one (tried once a release)."""
    native = package_target.native_target(target.python_version, build.sandbox_python)
    server = remembered(build, native.name)
    if server is None:
        build.progress(f"building {target.name} package: trying {build.entrypoint} on this machine")
        try:
            parts = unpacked(build, native, work / "native")
        except package_pip.PipError as error:
            build.notes.append(f"the entrypoint was not tried here: {error.message}")
            return None
        server = tried(build, str(native.python), parts)
        (build.cache / "checked").write_text(json.dumps(server), encoding="utf-8")
    if native.python_version != target.python_version:
        used, wanted = native.python_version, target.python_version
        build.notes.append(f"the entrypoint was tried with Python {used}: there is no {wanted} here")
    return server


def tried(build: Build, python: str, parts: Unpacked) -> dict[str, t.Any]:
    """Return what the server of an unpacked package is.

    :raises McpError: it does not import, or is nothing that can be served
    """
    return package_check.check_entrypoint(parts.app, python, build.entrypoint, build.environment, parts.dependencies)


def make(build: Build, target: Target, work: pathlib.Path) -> dict[str, t.Any]:
    """Build one package in a working folder's folder ``out`` and return its description."""
    server = None if target.python else tried_here(build, target, work)
    parts = unpacked(build, target, work)
    if target.python:
        server = tried(build, target.python, parts)
    if target.helper:
        build.progress(f"building {target.name} package: bytecode")
        package_tree.compile_all(parts.app, target.helper)
    files = package_tree.files(parts.app, parts.dependencies)
    unzipped = package_tree.check_size(files, build.max_bytes)
    return {
        "target": target.name,
        **(save_folders(parts, work / "out") if build.as_folders else save_zip(build, target, files, work / "out")),
        "unzipped": unzipped,
        "bytecode": target.helper is not None,
        "server": server,
        "degraded": list(dict.fromkeys([*build.notes, *foreseen(target), *package_check.shortcomings(server)])),
        "left_out": parts.left_out,
    }


def save_zip(build: Build, target: Target, files: dict[str, pathlib.Path], out: pathlib.Path) -> dict[str, t.Any]:
    """Write the package as one file and return what identifies it."""
    build.progress(f"building {target.name} package: zip")
    path = out / "package.zip"
    package_tree.make_zip(files, path)
    return {"sha256": package_tree.sha256(path), "bytes": path.stat().st_size}


def save_folders(parts: Unpacked, out: pathlib.Path) -> dict[str, t.Any]:
    """Write the package as folders: the app itself, and where what it needs lies in the cache."""
    package_tree.set_modes(parts.app)
    parts.app.rename(out / "app")
    (out / "dependencies").symlink_to(parts.dependencies.resolve())
    return {"sha256": None, "bytes": None}


def forget_old(releases: pathlib.Path) -> None:
    """Keep the newest releases of each target in the cache: many of one target push out none of another."""
    folders = package_cache.newest(releases.iterdir())
    kept = set(folders[:RELEASES_KEPT])
    for target in {path.name for path in releases.glob("*/*") if path.is_dir()}:
        kept.update([folder for folder in folders if (folder / target).is_dir()][:RELEASES_KEPT])
    for folder in set(folders) - kept:
        shutil.rmtree(folder, ignore_errors=True)


def ensure(build: Build, target: Target) -> dict[str, t.Any]:
    """Return a package from the cache, built first when it is not there.

    :raises McpError: it cannot be built; the cache is as before
    """
    name = folder_name(target.name, build.as_folders)
    found = cached(build.cache, name)
    if found:
        return found
    with package_cache.only_one(build.cache):
        found = cached(build.cache, name)  # another run may have built it meanwhile
        if found:
            return found
        with package_cache.complete(build.cache / name) as work:
            package = make(build, package_target.with_helper(target), work)
            (work / "out" / "package.json").write_text(json.dumps(package, indent=1), encoding="utf-8")
    forget_old(build.cache.parent)
    found = cached(build.cache, name)
    if not found:
        raise McpError(f"The package in {build.cache / name} vanished after it was built. Run the same again.")
    return found
