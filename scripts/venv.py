# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make virtual environments: ``venv.py .venv=requirements.txt,requirements-dev.txt .sandbox/venv=...``.

Nothing is done where the requirements are installed already. pip is the user's: its configuration
says where packages come from.
"""

from __future__ import annotations

import concurrent.futures
import hashlib
import os
import platform
import re
import subprocess
import sys
import time
from pathlib import Path

# The `ansible` package brings a hundred collections: compiling those that nobody here imports takes a minute.
COMPILED_COLLECTIONS = ("amazon",)
UNREACHABLE = (
    "NewConnectionError",
    "ConnectTimeoutError",
    "ReadTimeoutError",
    "NameResolutionError",
    "Temporary failure in name resolution",
    "ProxyError",
    "SSLError",
    "Could not fetch URL",
    "Connection refused",
)


class VenvError(Exception):
    """What is wrong, and what to type."""


def fingerprint(requirements: Path) -> str:
    """Return what must be equal for an installation to be current."""
    return f"{platform.python_version()} {hashlib.sha256(requirements.read_bytes()).hexdigest()}\n"


def stamp_of(venv: Path, requirements: Path) -> Path:
    """Return the file that says what was installed."""
    return venv / f".installed-{str(requirements).replace(os.sep, '-')}"


def is_current(venv: Path, requirements: Path) -> bool:
    """Say whether these requirements are installed as they are now."""
    stamp = stamp_of(venv, requirements)
    return stamp.exists() and stamp.read_text(encoding="utf-8") == fingerprint(requirements)


def runs(venv: Path) -> bool:
    """Say whether the environment's pip starts; the scripts of one that was moved still name the old place."""
    pip = venv / "bin" / "pip"
    try:
        if str(venv.absolute()) not in pip.read_text(encoding="utf-8")[:500]:
            return False
        return subprocess.run([pip, "--version"], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def require_venv_module() -> None:
    """Refuse an interpreter that cannot make virtual environments.

    :raises VenvError: Debian and Ubuntu ship that part in a package of its own
    """
    try:
        import ensurepip  # noqa: F401  # only whether it is there
        import venv  # noqa: F401  # only whether it is there
    except ImportError as error:
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        line = f"brew install python@{version}"
        if platform.system() == "Linux":
            line = f"sudo apt-get install python{version}-venv (Debian, Ubuntu; elsewhere Python's own venv package)"
        raise VenvError(f"{sys.executable} cannot make virtual environments ({error}). Type: {line}") from error


def index_url(python: Path) -> str:
    """Return where pip looks for packages."""
    for key in ("global.index-url", "install.index-url"):
        answer = subprocess.run(
            [python, "-m", "pip", "config", "get", key], capture_output=True, text=True, check=False
        )
        if answer.returncode == 0 and answer.stdout.strip():
            return re.sub(r"//[^/@]*@", "//", answer.stdout.strip())  # without a password
    return re.sub(r"//[^/@]*@", "//", os.environ.get("PIP_INDEX_URL") or "https://pypi.org/simple")


def explain(output: str, python: Path, files: list[Path]) -> str:
    """Turn pip's failure into one message."""
    if any(sign in output for sign in UNREACHABLE):
        return (
            f"The package index {index_url(python)} cannot be reached. Check the network or the proxy "
            "(HTTPS_PROXY), or name another index, for example: "
            "make venv PIP_INDEX_URL=https://pypi.example.org/simple"
        )
    errors = [line for line in output.splitlines() if line.startswith("ERROR:")] or output.splitlines()[-5:]
    named = ", ".join(str(path) for path in files)
    return f"pip could not install {named}: {' '.join(errors)} - see the whole of it with: make venv VERBOSE=1"


def install(venv: Path, files: list[Path]) -> None:
    """Install requirement files together, so that their versions agree.

    :raises VenvError: pip failed
    """
    python = venv / "bin" / "python"
    command = [str(python), "-m", "pip", "install", "--no-compile", "--disable-pip-version-check", "--no-input"]
    for path in files:
        command += ["-r", str(path)]
    quiet = not os.environ.get("VERBOSE")
    done = subprocess.run(
        command, stdout=subprocess.PIPE if quiet else None, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode:
        raise VenvError(explain(done.stdout or "", python, files))


def compile_bytecode(venv: Path) -> None:
    """Compile once at install; without it every run would compile thousands of files again."""
    python = venv / "bin" / "python"
    packages = next((venv / "lib").glob("python3*/site-packages"))
    skip = r"site-packages/(ansible_collections/(?!(" + "|".join(COMPILED_COLLECTIONS) + r")/)|ansible_test/)"
    # Files that are templates or meant for another Python do not compile; that is not this step's business.
    command = [str(python), "-m", "compileall", "-q", "-q", "-j", "0", "-x", skip, str(packages)]
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)


def make(venv: Path, files: list[Path]) -> str:
    """Bring one environment up to date; return what was done, or an empty string.

    :raises VenvError: it cannot be made
    """
    works = runs(venv)
    if works and all(is_current(venv, path) for path in files):
        return ""
    began = time.monotonic()
    if not works:
        require_venv_module()
        if venv.is_symlink():
            venv.unlink()  # clearing would empty the environment of another checkout
        made = subprocess.run(
            [sys.executable, "-m", "venv", "--clear", str(venv)], capture_output=True, text=True, check=False
        )
        if made.returncode:
            raise VenvError(f"{venv} could not be made: {(made.stdout + made.stderr).strip()[-400:]}")
    install(venv, files)
    compile_bytecode(venv)
    for path in files:
        stamp_of(venv, path).write_text(fingerprint(path), encoding="utf-8")
    return f"{venv}: installed {', '.join(map(str, files))} in {time.monotonic() - began:.0f} s"


def parse(argument: str) -> tuple[Path, list[Path]]:
    """Split ``directory=file,file``."""
    directory, _, files = argument.partition("=")
    return Path(directory), [Path(name) for name in files.split(",")]


def main() -> int:
    """Make all environments at once; 1: one of them failed."""
    jobs = [parse(argument) for argument in sys.argv[1:]]
    with concurrent.futures.ThreadPoolExecutor(len(jobs)) as pool:
        for future in [pool.submit(make, venv, files) for venv, files in jobs]:
            try:
                done = future.result()
            except VenvError as error:
                print(f"ERROR: {error}", file=sys.stderr)
                return 1
            if done:
                print(done)
    return 0


if __name__ == "__main__":
    sys.exit(main())
