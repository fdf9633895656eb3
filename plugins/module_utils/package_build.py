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
import re
import shutil
import tempfile
import typing as t
from dataclasses import dataclass, field

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import (
    package_check,
    package_pip,
    package_source,
    package_target,
    package_tree,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import McpError
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.package_source import Source
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.package_target import Target

RELEASES_KEPT = 10
INSTALL = ["install", "--only-binary=:all:", "--no-compile", "--no-warn-conflicts", "--ignore-installed"]


@dataclass
class Build:
    """What one build works with.

    :param cache: the folder of this release in the cache
    :param environment: variables that the server wants when it is imported
    :param notes: what the package lacks, in words
    :param wheel: the server, once it is built for every machine
    """

    source: Source
    entrypoint: str
    runtime_source: str
    release_id: str
    cache: pathlib.Path
    max_bytes: int
    environment: dict[str, str]
    sandbox_python: str | None
    progress: t.Callable[[str], None]
    notes: list[str] = field(default_factory=list)
    wheel: pathlib.Path | None = None


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


def server_wheel(build: Build, target: Target, work: pathlib.Path) -> pathlib.Path:
    """Return the server itself as a wheel, built once when it is for every machine.

    :raises McpError: it cannot be built
    """
    if build.source.kind == "wheel":
        return build.source.path
    if build.wheel is None or not build.wheel.name.endswith("-none-any.whl"):
        build.progress(f"building {target.name} package: server {build.source.label}")
        build.wheel = make_wheel(build, target, work)
    return build.wheel


def make_wheel(build: Build, target: Target, work: pathlib.Path) -> pathlib.Path:
    """Download or build the server's wheel.

    :raises McpError: neither is possible
    """
    source, folder = build.source, work / "wheel"
    command = ["wheel", "--no-deps", "--ignore-requires-python", "--wheel-dir", str(folder)]
    if source.kind == "index":
        download = ["download", "--no-deps", "--only-binary=:all:", *target.pip_options, "--dest", str(folder)]
        with contextlib.suppress(package_pip.PipError):  # no wheel on the index: build it from its source
            package_pip.pip(f"download {source.label}", [*download, source.text], target.python)
            return package_pip.only_file(folder)
        package_pip.pip(f"build {source.label} (mcp_app_source)", [*command, source.text])
    elif source.kind == "git":
        package_pip.pip(f"build {source.label} (mcp_app_source)", [*command, source.text])
    else:
        copy = work / "source"
        package_source.copy_files(source.path, package_source.source_files(source.path), copy)
        # Projects that take their version from git get one: the copy has no history.
        version = {"SETUPTOOLS_SCM_PRETEND_VERSION": f"0.0.0+{build.release_id}"}
        package_pip.pip(f"build {source.label} (mcp_app_source)", [*command, str(copy)], extra=version)
    return package_pip.only_file(folder)


def lock_without(lock: str, names: t.Container[str]) -> str:
    """Return a lock file's text without the entries of some distributions."""
    entries = re.split(r"(?m)^(?=[A-Za-z0-9])", lock)
    return "".join(
        entry for entry in entries if package_tree.normal_name(re.split(r"[^\w.-]", entry, maxsplit=1)[0]) not in names
    )


def pins(lock: str) -> str:
    """Return a lock file's versions as constraints."""
    return "\n".join(re.findall(r"(?m)^([A-Za-z0-9][\w.-]*==[^\s\\;]+)", lock)) + "\n"


def install_server(build: Build, target: Target, wheel: pathlib.Path, site: pathlib.Path, work: pathlib.Path) -> None:
    """Install the server and its dependencies: as it locks them, else as pip resolves them."""
    server = f"{build.source.label} (mcp_app_source)"
    doing = f"install {server} and its dependencies for {target.name} (Python {target.python_version})"
    command = [*INSTALL, *target.pip_options, "--target", str(site)]
    helper = target.helper
    own_lock = build.source.path / package_source.LOCK_FILE if build.source.kind == "folder" else None
    if own_lock and own_lock.is_file():
        hashes = ["--require-hashes"] if "--hash=" in own_lock.read_text(encoding="utf-8") else []
        package_pip.pip(doing, [*command, "--no-deps", *hashes, "-r", str(own_lock)], helper)
        package_pip.pip(doing, [*command, "--no-deps", str(wheel)], helper)
        return
    constraints = work / "constraints.txt"
    constraints.write_text(pins(package_source.runtime_lock(build.runtime_source).read_text(encoding="utf-8")))
    try:
        package_pip.pip(doing, [*command, "--constraint", str(constraints), str(wheel)], helper)
    except package_pip.PipError as error:
        if "ResolutionImpossible" not in error.output:
            raise
        package_pip.pip(doing, [*command, str(wheel)], helper)
        build.notes.append("the server's own versions replace those that the runtime was tested with")


def install_runtime(build: Build, target: Target, site: pathlib.Path, work: pathlib.Path) -> None:
    """Add the runtime and what it needs, in the locked versions; what the server brought stays."""
    text = package_source.runtime_lock(build.runtime_source).read_text(encoding="utf-8")
    wanted = lock_without(text, package_tree.distributions(site))
    if "--hash=" in wanted:
        lock, extra = work / "runtime.lock", work / "runtime"
        lock.write_text(wanted)
        options = [*INSTALL, *target.pip_options, "--no-deps", "--require-hashes", "--target", str(extra)]
        package_pip.pip(f"install the runtime for {target.name}", [*options, "-r", str(lock)], target.helper)
        shutil.copytree(extra, site, dirs_exist_ok=True)
    folder = package_source.runtime_folder(build.runtime_source)
    package_source.copy_files(folder, package_source.source_files(folder), site / "pratiko_mcp")


def unpacked(build: Build, target: Target, work: pathlib.Path) -> tuple[pathlib.Path, list[str]]:
    """Build the package as a folder; return it and what was left out of it."""
    site = work / "site"
    wheel = server_wheel(build, target, work)
    build.progress(f"building {target.name} package: dependencies")
    install_server(build, target, wheel, site, work)
    install_runtime(build, target, site, work)
    left_out = package_tree.leave_out(site)
    if left_out:
        build.progress(f"building {target.name} package: left out, the runtime has them: {', '.join(left_out)}")
    package_tree.strip(site, package_tree.normal_name(wheel.name.partition("-")[0]))
    return site, left_out


def check_elsewhere(build: Build, target: Target, work: pathlib.Path) -> None:
    """Try the entrypoint of another machine's package in a variant for this machine (once a release)."""
    done = build.cache / "checked"
    native = package_target.native_target(target.python_version, build.sandbox_python)
    if not done.exists() and not cached(build.cache, native.name):
        build.progress(f"building {target.name} package: trying {build.entrypoint} on this machine")
        assert native.python
        try:
            site, _left_out = unpacked(build, native, work / "native")
        except package_pip.PipError as error:
            build.notes.append(f"the entrypoint was not tried here: {error.message}")
            return
        package_check.check_entrypoint(site, native.python, build.entrypoint, build.environment)
        done.write_text(native.name)
    if native.python_version != target.python_version:
        used, wanted = native.python_version, target.python_version
        build.notes.append(f"the entrypoint was tried with Python {used}: there is no {wanted} here")


def make(build: Build, target: Target, work: pathlib.Path) -> dict[str, t.Any]:
    """Build one package in a working folder and return its description."""
    if target.python is None:
        check_elsewhere(build, target, work)
    site, left_out = unpacked(build, target, work)
    if target.python:
        package_check.check_entrypoint(site, target.python, build.entrypoint, build.environment)
    if target.helper:
        build.progress(f"building {target.name} package: bytecode")
        package_tree.compile_all(site, target.helper)
    else:
        wanted = target.python_version
        build.notes.append(
            f"no bytecode (a cold start takes about 0.5 s more), and dependencies' conditions were read for this "
            f"machine's Python: there is no Python {wanted} here"
        )
    package_tree.check_size(site, build.max_bytes)
    build.progress(f"building {target.name} package: zip")
    path = work / "out" / "package.zip"
    path.parent.mkdir()
    package_tree.make_zip(site, path)
    return {
        "target": target.name,
        "sha256": package_tree.sha256(path),
        "bytes": path.stat().st_size,
        "bytecode": target.helper is not None,
        "degraded": build.notes,
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
            (work / "out" / "package.json").write_text(json.dumps(package, indent=1))
            final = build.cache / target.name
            shutil.rmtree(final, ignore_errors=True)
            (work / "out").rename(final)
    forget_old(build.cache.parent)
    found = cached(build.cache, target.name)
    if not found:
        raise McpError(f"The package in {build.cache / target.name} vanished after it was built. Run the same again.")
    return found
