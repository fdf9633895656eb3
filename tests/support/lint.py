# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the linters, all of them, and say which ones failed and how long each took.

``python -m tests.support.lint [NAME ...]`` - they look at a copy of the working tree: one of them would
follow the link .ansible round in circles, another would read the virtual environments. Two run side by side.
"""

from __future__ import annotations

import concurrent.futures
import functools
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.support.checkout import COLLECTION, ROOT, copy_project, link_collection

BINARIES = Path(sys.executable).parent
SANITY = "ansible-test sanity"
# The long ones first.
LINTERS = {
    SANITY: "python -m tests.support.sanity",
    "ansible-lint": "ansible-lint --offline --nocolor",
    "mypy": "mypy plugins app/src sandbox scripts tests",
    "ruff": "ruff check --no-cache --output-format concise .",
    "ruff format": "ruff format --no-cache --check --output-format concise .",
    "yamllint": "yamllint --strict .",
    "cfn-lint": "cfn-lint --non-zero-exit-code warning roles/*/files/*.yaml",
    "antsibull-changelog": "antsibull-changelog lint",
    "antsibull-docs": "antsibull-docs lint-collection-docs . --plugin-docs --validate-collection-refs=dependent"
    " --skip-rstcheck",
}


def expand(command: str, checkout: Path) -> list[str]:
    """Split a command line and expand its patterns."""
    words = []
    for word in command.split():
        matches = sorted(str(path.relative_to(checkout)) for path in checkout.glob(word)) if "*" in word else []
        words += matches or [word]
    return [str(BINARIES / words[0]), *words[1:]]


def prepare(base: Path, name: str) -> Path:
    """Return what a linter looks at: a copy; with the link to the collection for the one that needs it."""
    if name == SANITY:
        return ROOT  # it makes its own copy
    checkout = base / ("linked" if name == "ansible-lint" else "plain") / COLLECTION
    if not checkout.exists():
        copy_project(ROOT, checkout)
        subprocess.run(["git", "init", "--quiet"], cwd=checkout, check=True)
        if name == "ansible-lint":
            link_collection(checkout)
    return checkout


def run(checkouts: dict[str, Path], name: str) -> bool:
    """Run one linter; its output is shown when it fails."""
    began, checkout = time.monotonic(), checkouts[name]
    environment = {
        **os.environ,
        "PATH": f"{BINARIES}{os.pathsep}{os.environ.get('PATH', os.defpath)}",  # they call each other by name
        "NO_COLOR": "1",
        # They leave logs and caches there; sanity prepares a home of its own.
        **({} if name == SANITY else {"HOME": str(checkout.parents[2])}),
        "MYPY_CACHE_DIR": str(ROOT / ".mypy_cache"),
    }
    environment.pop("ANSIBLE_CONFIG", None)  # the copy has its own
    if name == "antsibull-docs":
        # It copies our dependency with git when that lies in a checkout, and git ignores .venv.
        environment["GIT_CEILING_DIRECTORIES"] = str(BINARIES.parent.resolve())
    done = subprocess.run(
        expand(LINTERS[name], checkout),
        cwd=checkout,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    print(f"{name}: {'ok' if done.returncode == 0 else 'FAILED'} ({time.monotonic() - began:.1f} s)", flush=True)
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
    with tempfile.TemporaryDirectory(prefix="lint-") as base, concurrent.futures.ThreadPoolExecutor(2) as pool:
        checkouts = {name: prepare(Path(base), name) for name in wanted}
        verdicts = list(pool.map(functools.partial(run, checkouts), wanted))
    return 0 if all(verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
