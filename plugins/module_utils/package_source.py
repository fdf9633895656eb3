# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a server comes from, and the release id that its content has on every machine."""

from __future__ import annotations

import contextlib
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import typing as t
from dataclasses import dataclass

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import package_pip
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import McpError

PACKAGE_FORMAT = b"2"  # raise it when the same inputs give another package or description: ids change with it
LOCK_FILE = "requirements.lock"
# With what a server that runs on its own needs besides: an HTTP server, the AWS SDK, PostgreSQL, Redis.
STANDALONE_LOCK = "requirements-local.lock"
RUNTIME_LOCKS = ("requirements-runtime.lock", LOCK_FILE)
IGNORED_NAMES = {"__pycache__", "node_modules", "venv", ".DS_Store", ".env"}
IGNORED_SUFFIXES = (".pyc", ".pyo", ".egg-info", ".swp")
IGNORED_AT_TOP = {"tests", "docs", "build", "dist"}
FORMS = (
    "Allowed: the path of a project folder with a pyproject.toml, the path of a wheel, name==1.2 from the package "
    "index, or git+https://host/repository@<commit>"
)
INDEX_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]*(?:\[[A-Za-z0-9,._ -]+\])?"


@dataclass(frozen=True)
class Source:
    """One server's source.

    :param kind: folder, wheel, index or git
    :param text: what pip gets
    :param label: what people and release.json get (no absolute path, no password)
    """

    kind: str
    text: str
    label: str

    @property
    def path(self) -> pathlib.Path:
        """Return the path of a folder or wheel."""
        return pathlib.Path(self.text)

    @property
    def extras(self) -> str:
        """Return the extras of a name from the index, such as ``[http]``."""
        return "".join(re.findall(r"\[.*?\]", self.text)) if self.kind == "index" else ""


def _bad(value: str, problem: str, step: str = FORMS) -> McpError:
    return McpError(f"mcp_app_source is {value!r}: {problem}. {step}.", variable="mcp_app_source", value=value)


def _from_path(text: str) -> Source:
    path = pathlib.Path(text).expanduser()
    if not path.exists():
        raise _bad(text, f"there is nothing at {path.absolute()}")
    if path.suffix == ".whl" and path.is_file():
        return Source("wheel", str(path.resolve()), path.name)
    if not path.is_dir():
        raise _bad(text, "this is neither a folder nor a wheel")
    if not any((path / name).is_file() for name in ("pyproject.toml", "setup.py")):
        raise _bad(
            text,
            "the folder has no pyproject.toml",
            'A short one does: [project] with name, version and dependencies = ["mcp"], and in [build-system] '
            'requires = ["hatchling"], build-backend = "hatchling.build"',
        )
    return Source("folder", str(path.resolve()), path.resolve().name)


def _without_password(address: str) -> str:
    return re.sub(r"//[^/@]+@", "//", address)


def _commit_of(repository: str, ref: str) -> str:
    """Ask a repository for the commit that a branch or tag is at now."""
    command = ["git", "ls-remote", repository, ref]
    quiet = {**os.environ, "GIT_TERMINAL_PROMPT": "0"}
    with contextlib.suppress(subprocess.TimeoutExpired):
        asked = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30, env=quiet)
        if asked.returncode == 0 and asked.stdout:
            return asked.stdout[:40]
    return "<commit, 40 hex digits>"


def _from_git(text: str) -> Source:
    label = _without_password(text)
    named = re.fullmatch(r"git\+(.+?/.+?)(?:@([^@/#]+))?(#.*)?", text)
    if not named:
        raise _bad(label, "this is no source")
    if shutil.which("git") is None:
        raise _bad(label, "git is not installed", "Install it (Debian, Ubuntu: apt install git; macOS: xcode-select)")
    repository, ref, fragment = named.groups()
    if re.fullmatch(r"[0-9a-f]{40}", ref or ""):
        return Source("git", text, label)
    pinned = f"git+{_without_password(repository)}@{_commit_of(repository, ref or 'HEAD')}{fragment or ''}"
    raise _bad(label, "a branch or tag can move under a release", f"Name the commit: {pinned}")


def _from_index(text: str) -> Source:
    if re.fullmatch(rf"{INDEX_NAME}\s*==\s*[A-Za-z0-9.!+_-]+", text):
        return Source("index", text.replace(" ", ""), text.replace(" ", ""))
    named = re.match(rf"({INDEX_NAME})\s*(?:[<>=!~;].*)?$", text)
    if not named:
        raise _bad(text, "this is no source")
    newest = package_pip.newest_version(named.group(1)) or "<version>"
    raise _bad(text, "the version is not pinned", f"Pin it: {named.group(1)}=={newest}")


def parse_source(text: str) -> Source:
    """Tell what kind of source ``mcp_app_source`` is.

    :raises McpError: it is none, does not exist, or could change under one release id
    """
    text = text.strip()
    if text.startswith("git+"):
        return _from_git(text)
    if "/" in text or text.startswith((".", "~")) or text.endswith(".whl") or os.path.exists(text):
        return _from_path(text)
    return _from_index(text)


def _ignored(name: str, at_top: bool) -> bool:
    return name in IGNORED_NAMES or name.endswith(IGNORED_SUFFIXES) or (at_top and name in IGNORED_AT_TOP)


def source_files(root: pathlib.Path) -> list[str]:
    """Return the files that make up a project, relative and sorted; caches, tests and hidden folders are left out."""
    found = []
    for folder, folders, files in os.walk(root):
        at_top = pathlib.Path(folder) == root
        folders[:] = [name for name in folders if not _ignored(name, at_top) and not name.startswith(".")]
        relative = pathlib.Path(folder).relative_to(root)
        found += [(relative / name).as_posix() for name in files if not _ignored(name, False)]
    return sorted(found)


def copy_files(root: pathlib.Path, files: list[str], target: pathlib.Path) -> None:
    """Copy a project's files, so that a build leaves no traces beside the original."""
    for name in files:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(root / name, target / name)


def runtime_folder(runtime_source: str) -> pathlib.Path:
    """Return the folder of the package ``pratiko_mcp``.

    :raises McpError: it or its lock file is missing
    """
    root = pathlib.Path(runtime_source).expanduser()
    for folder in (root / "src" / "pratiko_mcp", root / "pratiko_mcp"):
        if (folder / "__init__.py").is_file() and (root / LOCK_FILE).is_file():
            return folder
    raise McpError(
        f"runtime_source is {runtime_source!r}: it has no pratiko_mcp package with a {LOCK_FILE}. "
        "Point it at the folder app/ of the collection."
    )


def runtime_lock(runtime_source: str, standalone: bool = False) -> pathlib.Path:
    """Return the lock of what the runtime itself needs (the whole lock where there is no smaller one)."""
    root = pathlib.Path(runtime_source).expanduser()
    names = (STANDALONE_LOCK, *RUNTIME_LOCKS) if standalone else RUNTIME_LOCKS
    return next(root / name for name in names if (root / name).is_file())


def runtime_needs(runtime_source: str) -> str:
    """Return the ranges that the runtime's lock was made from, without extras (pip would list each version of one)."""
    declared = runtime_lock(runtime_source).with_suffix(".in")
    return re.sub(r"\[[^]\n]*\]", "", declared.read_text(encoding="utf-8")) if declared.is_file() else ""


def _parts(source: Source, runtime_source: str) -> t.Iterator[tuple[str, bytes]]:
    if source.kind == "folder":
        for name in source_files(source.path):
            yield f"source/{name}", (source.path / name).read_bytes()
    elif source.kind == "wheel":
        yield f"source/{source.path.name}", source.path.read_bytes()
    else:
        yield "source", source.label.encode()
    folder = runtime_folder(runtime_source)
    for name in source_files(folder):
        yield f"runtime/{name}", (folder / name).read_bytes()
    yield "runtime lock", runtime_lock(runtime_source).read_bytes()
    yield "standalone lock", runtime_lock(runtime_source, standalone=True).read_bytes()


def release_id(source: Source, runtime_source: str, python_version: str, entrypoint: str) -> str:
    """Return the release's id: 12 hex digits over everything that decides what the package does."""
    total = hashlib.sha256(PACKAGE_FORMAT)
    settings = [("python", python_version.encode()), ("entrypoint", entrypoint.encode())]
    for name, content in [*_parts(source, runtime_source), *settings]:
        total.update(f"{name}\0{len(content)}\0".encode())
        total.update(content)
    return total.hexdigest()[:12]
