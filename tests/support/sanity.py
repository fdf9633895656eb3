# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run ``ansible-test sanity`` on the working tree: ``python -m tests.support.sanity [--test NAME ...] [FILE ...]``.

ansible-test wants a git checkout in ``ansible_collections/<namespace>/<name>`` with its dependencies
beside it, and a script from a host that not every network reaches. Its virtual environments stay in
``.cache/sanity``: they take most of the first run's time. What is no Ansible content is left out:
its rules are those of ruff and mypy.
"""

from __future__ import annotations

import ast
import configparser
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import ansible_test

from tests.support.checkout import COLLECTION, ROOT, copy_project, link_amazon

CACHE = ROOT / ".cache" / "sanity"
LEFT_OUT = (
    "app/",
    "roles/production/files/",
    "roles/staging/files/",
    "sandbox/",
    "scripts/",
    "tests/bench/",
    "tests/conformance/",
    "tests/conftest.py",
    "tests/e2e/",
    "tests/fuzz/",
    "tests/integration/",
    "tests/support/",
    "tests/unit/",
)
# What get-pip.py is asked for, with what Python has on board.
GET_PIP = """\
import subprocess, sys
subprocess.check_call([sys.executable, "-m", "ensurepip", "--default-pip"], stdout=subprocess.DEVNULL)
options = [option for option in sys.argv[1:] if option not in ("--no-setuptools", "--no-wheel")]
subprocess.check_call([sys.executable, "-m", "pip", "install", *options])
"""


def bootstrap_version() -> str:
    """Return the pip version whose bootstrap script this ansible-test asks for."""
    source = Path(str(ansible_test.__file__)).parent / "_internal" / "python_requirements.py"
    found = re.search(r"pip='([0-9.]+)'", source.read_text(encoding="utf-8"))
    if not found:
        raise SystemExit(f"ERROR: {source} does not say which pip it wants; tests/support/sanity.py must learn it")
    return found.group(1)


def pip_settings() -> dict[str, str]:
    """Return pip's settings as they are in force here, from files and from the environment."""
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True
    ).stdout
    settings: dict[str, str] = {}
    for section in ("global", "install", ":env:"):  # the later ones win
        for key, value in re.findall(rf"^{section}\.([\w-]+)=(.+)$", listed, re.MULTILINE):
            settings[key] = ast.literal_eval(value)
    return settings


def prepare_home(home: Path) -> None:
    """ansible-test passes on HOME and PATH alone, so everything it needs lies in a home."""
    bootstrap = home / ".ansible" / "test" / "cache" / f"get_pip_{bootstrap_version().replace('.', '_')}.py"
    bootstrap.parent.mkdir(parents=True, exist_ok=True)
    bootstrap.write_text(GET_PIP, encoding="utf-8")
    config = configparser.RawConfigParser()
    config["global"] = pip_settings()
    path = home / ".config" / "pip" / "pip.conf"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as file:
        config.write(file)


def prepare_checkout(base: Path) -> Path:
    """Copy the working tree to where ansible-test wants it; return the copy."""
    checkout = copy_project(ROOT, base / COLLECTION, leave_out=LEFT_OUT)
    link_amazon(base)
    subprocess.run(["git", "init", "--quiet"], cwd=checkout, check=True)
    subprocess.run(["git", "add", "--all"], cwd=checkout, check=True)
    return checkout


def environment(home: Path) -> dict[str, str]:
    """Return an environment without version managers' shims: ansible-test would call each of them."""
    interpreter = Path(sys.executable).resolve().parent
    path = os.pathsep.join([str(interpreter), "/usr/local/bin", "/usr/bin", "/bin"])
    return {"HOME": str(home), "PATH": path, "LANG": "C.UTF-8", "TERM": "dumb"}


def main() -> int:
    """Run it; the exit code is ansible-test's."""
    began = time.monotonic()
    home = CACHE / "home"
    prepare_home(home)
    with tempfile.TemporaryDirectory(prefix="sanity-") as base:
        checkout = prepare_checkout(Path(base))
        command = [str(Path(sys.executable).parent / "ansible-test"), "sanity", "--venv", "--requirements"]
        command += ["--python", f"{sys.version_info.major}.{sys.version_info.minor}", "--color", "no", *sys.argv[1:]]
        done = subprocess.run(command, cwd=checkout, env=environment(home), check=False)
    print(f"ansible-test sanity: {'ok' if done.returncode == 0 else 'FAILED'} ({time.monotonic() - began:.0f} s)")
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
