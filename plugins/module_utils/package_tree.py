# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The unpacked package: leave out what the runtime has, make it the same every time, compile, measure, zip."""

from __future__ import annotations

import csv
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import zipfile

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import McpError

LEFT_OUT = ("boto3", "botocore", "jmespath", "pip", "s3transfer", "setuptools")
# They name the machine that built: paths, installer, hashes of scripts with that machine's interpreter.
MACHINE_FILES = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json")
ZIP_DATE = (1980, 1, 1, 0, 0, 0)
LAMBDA_ROOT = "/var/task"


def normal_name(name: str) -> str:
    """Return a distribution's name in the form in which two spellings are equal."""
    return re.sub(r"[-_.]+", "-", name).lower()


def distributions(site: pathlib.Path) -> dict[str, pathlib.Path]:
    """Return what is installed: the .dist-info folder of each distribution."""
    return {normal_name(path.name.partition("-")[0]): path for path in sorted(site.glob("*.dist-info"))}


def version(info: pathlib.Path) -> str:
    """Return the version that a .dist-info folder is of."""
    return info.name.removesuffix(".dist-info").partition("-")[2]


def recorded_files(info: pathlib.Path) -> list[str]:
    """Return the files of one distribution, relative to the folder it is installed in."""
    with (info / "RECORD").open(encoding="utf-8", newline="") as stream:
        return [row[0] for row in csv.reader(stream) if row and not row[0].startswith(("/", ".."))]


def remove_empty_folders(site: pathlib.Path) -> None:
    """Remove folders that nothing is left in."""
    for folder, _folders, _files in os.walk(site, topdown=False):
        if pathlib.Path(folder) != site and not os.listdir(folder):
            os.rmdir(folder)


def leave_out(site: pathlib.Path) -> list[str]:
    """Remove what Lambda's runtime ships and what only installs; return their names."""
    removed = {name: info for name, info in distributions(site).items() if name in LEFT_OUT}
    for info in removed.values():
        for name in recorded_files(info):
            (site / name).unlink(missing_ok=True)
        shutil.rmtree(info)
    remove_empty_folders(site)
    return sorted(removed)


def strip(site: pathlib.Path, own: str) -> None:
    """Remove caches, scripts, the tests of dependencies and what names the building machine.

    :param own: the server's distribution, whose files stay as they are
    """
    infos = distributions(site)
    keep = set(recorded_files(infos[own])) if own in infos else set()
    shutil.rmtree(site / "bin", ignore_errors=True)
    for path in sorted(site.rglob("*")):
        name = path.relative_to(site)
        if path.is_dir() or name.as_posix() in keep:
            continue
        if {"__pycache__", "tests"} & set(name.parts[:-1]):
            path.unlink()
    for info in infos.values():
        for machine_file in MACHINE_FILES:
            (info / machine_file).unlink(missing_ok=True)
    remove_empty_folders(site)


def compile_all(site: pathlib.Path, python: str) -> None:
    """Add bytecode that stays valid when files are copied; equal sources give equal bytes.

    A file that does not compile (a template, an old syntax) keeps its source only: importing it would say why.
    """
    subprocess.run(
        [python, "-m", "compileall", "-q", "-j", "0", "--invalidation-mode", "unchecked-hash",
         "-s", str(site), "-p", LAMBDA_ROOT, str(site)],
        env={**os.environ, "PYTHONHASHSEED": "0"}, capture_output=True, check=False,
    )  # fmt: skip


def set_modes(site: pathlib.Path) -> None:
    """Let everybody read: a container's user is another one, whatever umask the builder had."""
    for path in [site, *site.rglob("*")]:
        path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)


def lay_over(own: pathlib.Path, dependencies: pathlib.Path, target: pathlib.Path) -> None:
    """Copy a server's own files, and what dependencies have in the folders that both share.

    Python looks for a package in the first folder of its path alone. Bytecode is left out: it may be of another source.
    """
    for name in [path.name for path in own.iterdir() if path.is_dir() and (dependencies / path.name).is_dir()]:
        shutil.copytree(dependencies / name, target / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(own, target, dirs_exist_ok=True)


def files(app: pathlib.Path, dependencies: pathlib.Path) -> dict[str, pathlib.Path]:
    """Return the files of a package by name: those of the app, and what its dependencies have beside them."""
    taken = {path.name for path in app.iterdir()} - {"__pycache__"}
    found = {
        path.relative_to(dependencies).as_posix(): path
        for top in dependencies.iterdir()
        if top.name not in taken
        for path in (top.rglob("*") if top.is_dir() else [top])
    }
    found.update({path.relative_to(app).as_posix(): path for path in app.rglob("*")})
    return {name: path for name, path in sorted(found.items()) if path.is_file()}


def sizes(package: dict[str, pathlib.Path]) -> dict[str, int]:
    """Return the bytes of each top-level entry, largest first."""
    total: dict[str, int] = {}
    for name, path in package.items():
        top = name.partition("/")[0]
        total[top] = total.get(top, 0) + path.stat().st_size
    return dict(sorted(total.items(), key=lambda entry: -entry[1]))


def check_size(package: dict[str, pathlib.Path], max_bytes: int) -> int:
    """Return the size of an unpacked package in bytes.

    :param package: its files by name
    :raises McpError: it is larger than allowed, with the five largest entries
    """
    found = sizes(package)
    total = sum(found.values())
    largest = ", ".join(f"{name} {size / 2**20:.1f}" for name, size in list(found.items())[:5])
    check_limit(total, max_bytes, f" Largest, in MiB: {largest}.")
    return total


def check_limit(total: int, max_bytes: int, detail: str = "") -> None:
    """Refuse a package that is larger than allowed; its size may be known from an earlier build.

    :raises McpError: it is
    """
    if total > max_bytes:
        raise McpError(
            f"The package is {total / 2**20:.1f} MiB unzipped; mcp_package_max_bytes is {max_bytes} "
            f"({max_bytes / 2**20:.1f} MiB; Lambda's own limit is 250 MiB).{detail} Remove dependencies from the "
            "server's pyproject.toml and run the same command again.",
            variable="mcp_package_max_bytes",
            value=max_bytes,
            bytes=total,
        )


def make_zip(package: dict[str, pathlib.Path], target: pathlib.Path) -> None:
    """Zip files by name so that equal ones give equal bytes: sorted, one date, two kinds of permissions."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, path in sorted(package.items()):
            entry = zipfile.ZipInfo(name, ZIP_DATE)
            entry.create_system = 3  # Unix, whichever machine zips
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = (0o100755 if path.stat().st_mode & 0o100 else 0o100644) << 16
            archive.writestr(entry, path.read_bytes())


def sha256(path: pathlib.Path) -> str:
    """Return a file's SHA-256 as hex digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
