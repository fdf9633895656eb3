# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Build one package of a release in the local cache: complete, or not there."""

from __future__ import annotations

import contextlib
import fcntl
import json
import pathlib
import shutil
import tempfile
import typing as t

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import (
    package_check,
    package_pip,
    package_target,
    package_tree,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import McpError
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.package_install import Build, unpacked
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.package_target import Target

RELEASES_KEPT = 10


@contextlib.contextmanager
def only_one(folder: pathlib.Path) -> t.Iterator[None]:
    """Let one build of a release work at a time; what a killed build left behind is removed."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "build.lock").open("w", encoding="utf-8") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        for left in folder.glob(".building-*"):
            shutil.rmtree(left)
        yield


def cached(cache: pathlib.Path, target: str) -> dict[str, t.Any] | None:
    """Return a package's description when it lies complete in the cache, with its ``path``."""
    folder = cache / target
    try:
        package = json.loads((folder / "package.json").read_text(encoding="utf-8"))
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
            site, _left_out = unpacked(build, native, work / "native")
        except package_pip.PipError as error:
            build.notes.append(f"the entrypoint was not tried here: {error.message}")
            return None
        server = package_check.check_entrypoint(site, str(native.python), build.entrypoint, build.environment)
        (build.cache / "checked").write_text(json.dumps(server), encoding="utf-8")
    if native.python_version != target.python_version:
        used, wanted = native.python_version, target.python_version
        build.notes.append(f"the entrypoint was tried with Python {used}: there is no {wanted} here")
    return server


def make(build: Build, target: Target, work: pathlib.Path) -> dict[str, t.Any]:
    """Build one package in a working folder and return its description."""
    server = None if target.python else tried_here(build, target, work)
    site, left_out = unpacked(build, target, work)
    if target.python:
        server = package_check.check_entrypoint(site, target.python, build.entrypoint, build.environment)
    if target.helper:
        build.progress(f"building {target.name} package: bytecode")
        package_tree.compile_all(site, target.helper)
    unzipped = package_tree.check_size(site, build.max_bytes)
    build.progress(f"building {target.name} package: zip")
    path = work / "out" / "package.zip"
    path.parent.mkdir()
    package_tree.make_zip(site, path)
    return {
        "target": target.name,
        "sha256": package_tree.sha256(path),
        "bytes": path.stat().st_size,
        "unzipped": unzipped,
        "bytecode": target.helper is not None,
        "server": server,
        "degraded": list(dict.fromkeys([*build.notes, *foreseen(target), *package_check.shortcomings(server)])),
        "left_out": left_out,
    }


def forget_old(releases: pathlib.Path) -> None:
    """Keep the newest releases in the cache."""
    folders = sorted(releases.iterdir(), key=lambda folder: folder.stat().st_mtime, reverse=True)
    for folder in folders[RELEASES_KEPT:]:
        shutil.rmtree(folder, ignore_errors=True)


def ensure(build: Build, target: Target) -> dict[str, t.Any]:
    """Return a package from the cache, built first when it is not there.

    :raises McpError: it cannot be built; the cache is as before
    """
    found = cached(build.cache, target.name)
    if found:
        return found
    with only_one(build.cache):
        found = cached(build.cache, target.name)  # another run may have built it meanwhile
        if found:
            return found
        with tempfile.TemporaryDirectory(prefix=".building-", dir=build.cache) as folder:
            work = pathlib.Path(folder)
            package = make(build, package_target.with_helper(target), work)
            (work / "out" / "package.json").write_text(json.dumps(package, indent=1), encoding="utf-8")
            final = build.cache / target.name
            shutil.rmtree(final, ignore_errors=True)
            (work / "out").rename(final)
    forget_old(build.cache.parent)
    found = cached(build.cache, target.name)
    if not found:
        raise McpError(f"The package in {build.cache / target.name} vanished after it was built. Run the same again.")
    return found
