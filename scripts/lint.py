# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the linters one after the other, all of them, and say which ones failed and how long each took."""

from __future__ import annotations

import glob
import os
import subprocess
import sys
import time
from pathlib import Path

PYTHON_CODE = ["plugins", "app/src", "sandbox", "scripts", "tests"]
TEMPLATES = sorted(glob.glob("roles/*/files/*.yaml") + glob.glob("roles/*/templates/*.yaml"))
LINTERS = {
    "ruff": ["ruff", "check", "--output-format", "concise", "."],
    "ruff format": ["ruff", "format", "--check", "."],
    "yamllint": ["yamllint", "--strict", "."],
    "mypy": ["mypy", *PYTHON_CODE],
    "cfn-lint": ["cfn-lint", "--non-zero-exit-code", "warning", *TEMPLATES],
    "ansible-lint": ["ansible-lint", "--offline", "--nocolor"],
    "antsibull-changelog": ["antsibull-changelog", "lint"],
    "antsibull-docs": [
        "antsibull-docs",
        "lint-collection-docs",
        ".",
        "--plugin-docs",
        "--validate-collection-refs=all",
        "--skip-rstcheck",
    ],
}


def run(name: str, command: list[str]) -> bool:
    """Run one linter; its output is shown when it fails."""
    began = time.monotonic()
    # Linters call each other, and ansible, by name.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    done = subprocess.run(
        [str(Path(sys.executable).parent / command[0]), *command[1:]],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        env={**os.environ, "PATH": path, "NO_COLOR": "1"},
    )
    verdict = "ok" if done.returncode == 0 else "FAILED"
    print(f"{name}: {verdict} ({time.monotonic() - began:.1f} s)", flush=True)
    if done.returncode:
        print(done.stdout, flush=True)
    return done.returncode == 0


def main() -> int:
    """Run all, or those named on the command line."""
    wanted = sys.argv[1:] or list(LINTERS)
    unknown = [name for name in wanted if name not in LINTERS]
    if unknown:
        print(f"ERROR: no linter is called {', '.join(unknown)}; there are: {', '.join(LINTERS)}", file=sys.stderr)
        return 2
    return 0 if all([run(name, LINTERS[name]) for name in wanted]) else 1


if __name__ == "__main__":
    sys.exit(main())
