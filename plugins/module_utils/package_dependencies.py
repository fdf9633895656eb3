# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a server and the runtime need besides their own files: installed once for each set of versions, then cached.

An edit of a server leaves its dependencies as they are, and they are nearly all of a package. They are cached by what
decides them: the text of a lock that lists hashes, else what pip resolves today, file by file.
"""

from __future__ import annotations

import hashlib
import json
import os
import pathlib
import re
import shutil
import typing as t
from dataclasses import dataclass

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import (
    package_cache,
    package_pip,
    package_source,
    package_tree,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import McpError
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.package_source import Source
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.package_target import Target

INSTALL = ["install", "--only-binary=:all:", "--no-compile", "--no-warn-conflicts", "--ignore-installed"]
KEPT = 4  # of each target, by last use: a checkout, a branch with other versions, and some to spare
FORMAT = b"1"  # raise it when the same key would have to give another folder


@dataclass(frozen=True)
class Dependencies:
    """What lies in the cache for one target.

    :param folder: the distributions, stripped, with bytecode where the target has a helper
    :param versions: those of what the server brought, by distribution
    :param left_out: distributions that the target's runtime has
    """

    folder: pathlib.Path
    versions: dict[str, str]
    left_out: list[str]


@dataclass(frozen=True)
class Wanted:
    """What one build wants.

    :param source: the server, as ``wheel`` once it is built
    :param own: its distribution
    :param release_id: stands for what nothing else identifies
    :param cache: the folder of all targets' dependencies
    :param work: a folder for files that only this build needs
    """

    source: Source
    wheel: pathlib.Path
    own: str
    runtime_source: str
    release_id: str
    cache: pathlib.Path
    work: pathlib.Path
    progress: t.Callable[[str], None]

    @property
    def lock(self) -> pathlib.Path | None:
        """Return the server's own lock, where it has one."""
        path = self.source.path / package_source.LOCK_FILE
        return path if self.source.kind == "folder" and path.is_file() else None


@dataclass(frozen=True)
class Needs:
    """What a server needs.

    :param arguments: with which pip installs exactly this
    :param lock: what decides it, as text
    """

    arguments: list[str]
    lock: str


def lock_without(lock: str, names: t.Container[str]) -> str:
    """Return a lock file's text without the entries of some distributions."""
    entries = re.split(r"(?m)^(?=[A-Za-z0-9])", lock)
    return "".join(
        entry for entry in entries if package_tree.normal_name(re.split(r"[^\w.-]", entry, maxsplit=1)[0]) not in names
    )


def pins(lock: str) -> str:
    """Return a lock file's versions as constraints."""
    return "\n".join(re.findall(r"(?m)^([A-Za-z0-9][\w.-]*==[^\s\\;]+)", lock)) + "\n"


def decides(lock: str) -> bool:
    """Tell whether a lock's text alone decides what is installed: hashes, and nothing that is read elsewhere."""
    return "--hash=" in lock and not re.search(r"(?m)^\s*(-(?!-hash)|[./])| @ ", lock)


def tested_versions(runtime_source: str, standalone: bool) -> str:
    """Return the versions that the runtime was tested with, as constraints."""
    return pins(package_source.runtime_lock(runtime_source, standalone).read_text(encoding="utf-8"))


def replaced(tested: str, found: dict[str, str]) -> str:
    """Say which versions differ from those of a constraints file."""
    pairs = (line.split("==") for line in tested.split())
    wanted = {package_tree.normal_name(name): version for name, version in pairs}
    differing = [name for name in sorted(found) if name in wanted and found[name] != wanted[name]]
    return ", ".join(f"{name} {found[name]} instead of {wanted[name]}" for name in differing)


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


def chosen(doing: str, arguments: list[str], target: Target, work: pathlib.Path) -> list[dict[str, t.Any]]:
    """Return what pip would install, as its report lists it.

    :raises McpError: it would install nothing
    """
    report = work / "report.json"
    command = [*INSTALL, *target.pip_options, "--target", str(work / "none"), "--dry-run", "--report", str(report)]
    package_pip.pip(doing, [*command, *arguments], target.helper)
    return list(json.loads(report.read_text(encoding="utf-8"))["install"])


def locked_needs(wanted: Wanted, target: Target, lock: pathlib.Path) -> Needs:
    """Return what a server's own lock lists.

    :raises McpError: a version does not exist
    """
    text = lock.read_text(encoding="utf-8")
    arguments = ["--no-deps", *(["--require-hashes"] if "--hash=" in text else []), "-r", str(lock)]
    if decides(text):
        return Needs(arguments, text)
    found = chosen(installing(wanted, target), arguments, target, wanted.work)
    return Needs(arguments, pinned(found, wanted.release_id))


def resolved_needs(wanted: Wanted, target: Target) -> Needs:
    """Return what pip resolves: in the runtime's versions, else in others that the runtime can live with.

    :raises McpError: there are none, or pip finds something else wrong
    """
    tested, lock = wanted.work / "constraints.txt", wanted.work / "resolved.lock"
    tested.write_text(tested_versions(wanted.runtime_source, target.standalone), encoding="utf-8")
    try:
        found = resolved(wanted, target, tested)
    except package_pip.PipError as error:
        if "ResolutionImpossible" not in error.output:
            raise
        found = resolved_otherwise(wanted, target)
    others = [item for item in found if package_tree.normal_name(item["metadata"]["name"]) != wanted.own]
    text = pinned(others, wanted.release_id)
    lock.write_text(text, encoding="utf-8")
    return Needs(["--no-deps", "-r", str(lock)], text)


def resolved(wanted: Wanted, target: Target, constraints: pathlib.Path) -> list[dict[str, t.Any]]:
    """Return what pip resolves under constraints, the server itself included.

    :raises McpError: nothing fits
    """
    arguments = [f"{wanted.wheel}{wanted.source.extras}", "--constraint", str(constraints)]
    return chosen(installing(wanted, target), arguments, target, wanted.work)


def resolved_otherwise(wanted: Wanted, target: Target) -> list[dict[str, t.Any]]:
    """Return what pip resolves within the ranges that the runtime can live with.

    :raises McpError: the server and the runtime exclude each other
    """
    needs = wanted.work / "needs.txt"
    needs.write_text(package_source.runtime_needs(wanted.runtime_source), encoding="utf-8")
    try:
        return resolved(wanted, target, needs)
    except package_pip.PipError as error:
        names = {"The user requested (constraint)": "the runtime needs"}
        raise clashing(wanted.source.label, error, names) from error


def installing(wanted: Wanted, target: Target) -> str:
    """Complete "pip could not ..." for what a server needs."""
    if wanted.lock:
        return f"install {wanted.source.label} (mcp_app_source) from its {wanted.lock.name} for {target.name}"
    return (
        f"install {wanted.source.label} (mcp_app_source) and its dependencies for {target.name} "
        f"(Python {target.python_version})"
    )


def requirement(item: dict[str, t.Any]) -> str:
    """Return one entry of pip's report as a requirement that installs the same again.

    pip's documentation, "Installation Report": https://pip.pypa.io/en/stable/reference/installation-report/
    """
    name, download = item["metadata"]["name"], item["download_info"]
    if not item["is_direct"]:
        return f"{name}=={item['metadata']['version']}"
    vcs, folder = download.get("vcs_info"), download.get("subdirectory")
    address = f"{vcs['vcs']}+{download['url']}@{vcs['commit_id']}" if vcs else download["url"]
    return f"{name} @ {address}{f'#subdirectory={folder}' if folder else ''}"


def pinned(items: list[dict[str, t.Any]], release_id: str) -> str:
    """Return what pip chose as a lock: with hashes, when all of it has one.

    :param release_id: makes the lock this release's alone, when something has neither a hash nor a commit
    """
    downloads = [item["download_info"] for item in items]
    digests = [download.get("archive_info", {}).get("hashes", {}).get("sha256") for download in downloads]
    sign = " --hash=sha256:" if all(digests) else "  # "
    lines = [f"{requirement(item)}{sign}{digest or 'none'}\n" for item, digest in zip(items, digests, strict=True)]
    known = all(digest or download.get("vcs_info") for download, digest in zip(downloads, digests, strict=True))
    return "".join([*lines, "" if known else f"# {release_id}\n"])


def identity(needs: Needs, wanted: Wanted, target: Target) -> str:
    """Return 12 hex digits over everything that decides what the folder holds."""
    helper = pathlib.Path(target.helper).resolve() if target.helper else None
    # Another patch version of the interpreter may compile to other bytecode.
    compiler = (str(helper), helper.stat().st_size, helper.stat().st_mtime_ns) if helper else None
    lock = package_source.runtime_lock(wanted.runtime_source, target.standalone).read_text(encoding="utf-8")
    runtime = [lock, package_source.runtime_needs(wanted.runtime_source)]
    parts = [needs.lock, runtime, wanted.own, target.name, target.pip_options, target.standalone, compiler]
    return hashlib.sha256(FORMAT + package_source.PACKAGE_FORMAT + json.dumps(parts).encode()).hexdigest()[:12]


def check_locked(wanted: Wanted, target: Target, lock: pathlib.Path) -> None:
    """Refuse a lock whose versions the runtime cannot live with.

    :raises McpError: they are
    """
    constraints, needs = wanted.work / "locked.txt", wanted.work / "needs.txt"
    constraints.write_text(pins(lock.read_text(encoding="utf-8")), encoding="utf-8")
    needs.write_text(package_source.runtime_needs(wanted.runtime_source), encoding="utf-8")
    doing = f"compare the {lock.name} of {wanted.source.label} (mcp_app_source) with the runtime's needs"
    try:
        chosen(doing, ["--constraint", str(constraints), "-r", str(needs)], target, wanted.work)
    except package_pip.PipError as error:
        names = {"The user requested (constraint)": "its lock has", "The user requested": "the runtime needs"}
        raise clashing(wanted.source.label, error, names) from error


def install_runtime(wanted: Wanted, target: Target, site: pathlib.Path, brought: t.Container[str]) -> None:
    """Add what the runtime needs, in the locked versions; what the server brought stays.

    :raises McpError: it cannot be had
    """
    text = package_source.runtime_lock(wanted.runtime_source, target.standalone).read_text(encoding="utf-8")
    text = lock_without(text, brought)
    if "--hash=" not in text:
        return
    lock, extra = wanted.work / "runtime.lock", wanted.work / "runtime"
    lock.write_text(text, encoding="utf-8")
    options = [*INSTALL, *target.pip_options, "--no-deps", "--require-hashes", "--target", str(extra)]
    package_pip.pip(f"install the runtime for {target.name}", [*options, "-r", str(lock)], target.helper)
    shutil.copytree(extra, site, dirs_exist_ok=True)


def install(wanted: Wanted, needs: Needs, target: Target, out: pathlib.Path) -> None:
    """Install, strip and compile what is wanted.

    :raises McpError: it cannot be had, or the runtime cannot live with it
    """
    site = out / "site"
    site.mkdir()
    if needs.lock.strip():
        command = [*INSTALL, *target.pip_options, "--target", str(site), *needs.arguments]
        package_pip.pip(installing(wanted, target), command, target.helper)
    infos = package_tree.distributions(site)
    versions = {name: package_tree.version(info) for name, info in infos.items()}
    tested = tested_versions(wanted.runtime_source, target.standalone)
    if wanted.lock and replaced(tested, versions):
        check_locked(wanted, target, wanted.lock)
    install_runtime(wanted, target, site, {*versions, wanted.own})
    left_out = [] if target.standalone else package_tree.leave_out(site)
    package_tree.strip(site, "")
    if target.helper:
        wanted.progress(f"building {target.name} package: bytecode of the dependencies")
        package_tree.compile_all(site, target.helper)
    package_tree.set_modes(site)
    (out / "about.json").write_text(json.dumps({"versions": versions, "left_out": left_out}), encoding="utf-8")


def provide(wanted: Wanted, target: Target) -> Dependencies:
    """Return the dependencies from the cache, installed first when they are not there.

    :raises McpError: they cannot be had, or the runtime cannot live with them
    """
    wanted.progress(f"building {target.name} package: dependencies")
    needs = locked_needs(wanted, target, wanted.lock) if wanted.lock else resolved_needs(wanted, target)
    final = wanted.cache / target.name / identity(needs, wanted, target)
    with package_cache.only_one(final.parent):
        if not final.is_dir():
            with package_cache.complete(final) as work:
                install(wanted, needs, target, work / "out")
        os.utime(final)
        folders = [path for path in final.parent.iterdir() if path.is_dir()]
        for folder in package_cache.newest(folders)[KEPT:]:
            shutil.rmtree(folder, ignore_errors=True)
    return Dependencies(final / "site", **json.loads((final / "about.json").read_text(encoding="utf-8")))
