# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Unpack a server, its dependencies and the runtime into one folder, with pip and wheels only."""

from __future__ import annotations

import contextlib
import pathlib
import re
import shutil
import typing as t
from dataclasses import dataclass, field

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import (
    package_pip,
    package_source,
    package_tree,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import McpError
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.package_source import Source
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.package_target import Target

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


def replaced(constraints: pathlib.Path, site: pathlib.Path) -> str:
    """Say which installed versions differ from a constraints file."""
    pairs = (line.split("==") for line in constraints.read_text(encoding="utf-8").split())
    tested = {package_tree.normal_name(name): wanted for name, wanted in pairs}
    found = {name: package_tree.version(info) for name, info in package_tree.distributions(site).items()}
    differing = [name for name in sorted(found) if name in tested and found[name] != tested[name]]
    return ", ".join(f"{name} {found[name]} instead of {tested[name]}" for name in differing)


def clashing(label: str, error: package_pip.PipError, names: dict[str, str]) -> McpError:
    """Return the error to raise when a server was asked for together with what the runtime needs.

    :param names: what to call what pip says the user requested
    """
    said = package_pip.conflict(error.output)
    if "The user requested" not in said:
        return error
    for pips, ours in names.items():
        said = said.replace(pips, ours)
    return McpError(
        f"mcp_app_source is {label!r}: the server and the runtime share one package and cannot: {said}. Allow a "
        "version that fits both in the server's pyproject.toml or lock, and run the same command again.",
        variable="mcp_app_source",
        value=label,
    )


def install_locked(build: Build, target: Target, wheel: pathlib.Path, site: pathlib.Path, lock: pathlib.Path) -> None:
    """Install a server with what its own lock lists.

    :raises McpError: a hash or a version is wrong
    """
    doing = f"install {build.source.label} (mcp_app_source) from its {lock.name} for {target.name}"
    command = [*INSTALL, *target.pip_options, "--target", str(site), "--no-deps"]
    hashes = ["--require-hashes"] if "--hash=" in lock.read_text(encoding="utf-8") else []
    package_pip.pip(doing, [*command, *hashes, "-r", str(lock)], target.helper)
    package_pip.pip(doing, [*command, str(wheel)], target.helper)


def check_locked(build: Build, target: Target, lock: pathlib.Path, work: pathlib.Path) -> None:
    """Refuse a lock whose versions the runtime cannot live with.

    :raises McpError: they are
    """
    constraints, needs = work / "locked.txt", work / "needs.txt"
    constraints.write_text(pins(lock.read_text(encoding="utf-8")), encoding="utf-8")
    needs.write_text(package_source.runtime_needs(build.runtime_source), encoding="utf-8")
    command = [*INSTALL, *target.pip_options, "--target", str(work / "none"), "--dry-run"]
    try:
        doing = f"compare the {lock.name} of {build.source.label} (mcp_app_source) with the runtime's needs"
        package_pip.pip(doing, [*command, "--constraint", str(constraints), "-r", str(needs)], target.helper)
    except package_pip.PipError as error:
        names = {"The user requested (constraint)": "its lock has", "The user requested": "the runtime needs"}
        raise clashing(build.source.label, error, names) from error


def install_resolved(
    build: Build, target: Target, wheel: pathlib.Path, site: pathlib.Path, tested: pathlib.Path
) -> None:
    """Install a server as pip resolves it: in the runtime's versions, else in others that the runtime can live with.

    :param tested: the runtime's versions
    :raises McpError: there are none, or pip finds something else wrong
    """
    doing = (
        f"install {build.source.label} (mcp_app_source) and its dependencies for {target.name} "
        f"(Python {target.python_version})"
    )
    command = [*INSTALL, *target.pip_options, "--target", str(site), f"{wheel}{build.source.extras}", "--constraint"]
    try:
        package_pip.pip(doing, [*command, str(tested)], target.helper)
        return
    except package_pip.PipError as error:
        if "ResolutionImpossible" not in error.output:
            raise
    needs = tested.with_name("needs.txt")
    needs.write_text(package_source.runtime_needs(build.runtime_source), encoding="utf-8")
    try:
        package_pip.pip(doing, [*command, str(needs)], target.helper)
    except package_pip.PipError as error:
        raise clashing(build.source.label, error, {"The user requested (constraint)": "the runtime needs"}) from error


def install_server(build: Build, target: Target, wheel: pathlib.Path, site: pathlib.Path, work: pathlib.Path) -> None:
    """Install the server and its dependencies: as it locks them, else as pip resolves them.

    :raises McpError: they cannot be had, or the runtime cannot live with them
    """
    own_lock = build.source.path / package_source.LOCK_FILE
    tested = work / "constraints.txt"
    tested.write_text(
        pins(package_source.runtime_lock(build.runtime_source).read_text(encoding="utf-8")), encoding="utf-8"
    )
    locked = build.source.kind == "folder" and own_lock.is_file()
    if locked:
        install_locked(build, target, wheel, site, own_lock)
    else:
        install_resolved(build, target, wheel, site, tested)
    others = replaced(tested, site)
    if others and locked:
        check_locked(build, target, own_lock, work)
    if others:
        build.notes.append(f"not the versions that the runtime was tested with: {others}")


def install_runtime(build: Build, target: Target, site: pathlib.Path, work: pathlib.Path) -> None:
    """Add the runtime and what it needs, in the locked versions; what the server brought stays."""
    text = package_source.runtime_lock(build.runtime_source).read_text(encoding="utf-8")
    wanted = lock_without(text, package_tree.distributions(site))
    if "--hash=" in wanted:
        lock, extra = work / "runtime.lock", work / "runtime"
        lock.write_text(wanted, encoding="utf-8")
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
