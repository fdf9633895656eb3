# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Unpack a server with the runtime into a folder, beside what they need, with pip and wheels only."""

from __future__ import annotations

import contextlib
import pathlib
import typing as t
from dataclasses import dataclass, field

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import (
    package_dependencies,
    package_pip,
    package_source,
    package_tree,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.package_source import Source
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.package_target import Target


class Unpacked(t.NamedTuple):
    """A package as folders.

    :param app: the server and the runtime, to be looked into first
    :param dependencies: what they need, in the cache; other packages have it too
    :param left_out: distributions that the target's runtime has
    """

    app: pathlib.Path
    dependencies: pathlib.Path
    left_out: list[str]


@dataclass
class Build:
    """What one build works with.

    :param cache: the folder of this release in the cache
    :param environment: variables that the server wants when it is imported
    :param as_folders: whether the package is to be run from here, not sent somewhere as one file
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
    as_folders: bool = False
    notes: list[str] = field(default_factory=list)
    wheel: pathlib.Path | None = None

    @property
    def dependencies(self) -> pathlib.Path:
        """Return the folder of all releases' dependencies, beside theirs."""
        return self.cache.parent.with_name("dependencies")


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


def own_files(build: Build, target: Target, wheel: pathlib.Path, work: pathlib.Path) -> pathlib.Path:
    """Return a folder with the server itself and the runtime, as they were written.

    :raises McpError: the wheel is not for this target
    """
    folder = work / "own"
    command = [*package_dependencies.INSTALL, *target.pip_options, "--no-deps", "--target", str(folder), str(wheel)]
    package_pip.pip(f"install {build.source.label} (mcp_app_source) for {target.name}", command, target.helper)
    runtime = package_source.runtime_folder(build.runtime_source)
    package_source.copy_files(runtime, package_source.source_files(runtime), folder / "pratiko_mcp")
    return folder


def unpacked(build: Build, target: Target, work: pathlib.Path) -> Unpacked:
    """Build the package as folders.

    :raises McpError: a part of it cannot be had
    """
    work.mkdir(exist_ok=True)
    wheel = server_wheel(build, target, work)
    own = package_tree.normal_name(wheel.name.partition("-")[0])
    wanted = package_dependencies.Wanted(
        build.source, wheel, own, build.runtime_source, build.release_id, build.dependencies, work, build.progress
    )
    found = package_dependencies.provide(wanted, target)
    if found.left_out:
        build.progress(f"building {target.name} package: left out, the runtime has them: {', '.join(found.left_out)}")
    folder, app = own_files(build, target, wheel, work), work / "app"
    infos = package_tree.distributions(folder)
    versions = {**found.versions, **{name: package_tree.version(info) for name, info in infos.items()}}
    tested = package_dependencies.tested_versions(build.runtime_source, target.standalone)
    if others := package_dependencies.replaced(tested, versions):
        build.notes.append(f"not the versions that the runtime was tested with: {others}")
    package_tree.strip(folder, own)
    package_tree.lay_over(folder, found.folder, app)
    return Unpacked(app, found.folder, found.left_out)
