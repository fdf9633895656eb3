# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which imports a cold start spends its time on: the interpreter's own count, summed by top-level package.

A package's share is what its modules do while they are imported, without what they import in turn; pratiko_mcp's holds
the building of the application, one_tool's that of its tools and its DynamoDB client. Counting slows imports down, so
the shares are the result and the milliseconds are not.
"""

from __future__ import annotations

import collections
import os
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.bench.figures import rounds
from tests.bench.package import ENTRYPOINT, PUBLIC_URL, Issuer, build_package, interpreter

ROUNDS = 5
SHOWN_SHARE = 0.01
LINE = re.compile(r"import time:\s+(?P<own>\d+) \|\s+\d+ \|\s+(?P<module>\S+)")


def package_of(module: str) -> str:
    """Return the package that a module belongs to; the standard library counts as one."""
    top = module.partition(".")[0]
    return "standard library" if top in sys.stdlib_module_names else top


def count_imports(site: Path) -> dict[str, int]:
    """Start the function once and return the microseconds of each package."""
    environment = {
        "PATH": os.defpath,
        "PYTHONPATH": str(site),
        "AWS_LAMBDA_FUNCTION_NAME": "mcp",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "MCP_ENTRYPOINT": ENTRYPOINT,
        "MCP_PUBLIC_URL": PUBLIC_URL,
        "MCP_JWKS": Issuer().jwks,
        "MCP_TABLE": "documents",
    }
    # The server first, by a statement: the interpreter does not count what importlib.import_module imports.
    code = "import gc; gc.disable(); import one_tool; import pratiko_mcp.lambda_adapter"
    command = [interpreter(), "-X", "importtime", "-c", code]
    done = subprocess.run(command, env=environment, cwd=site, capture_output=True, text=True, check=True)
    found: collections.Counter[str] = collections.Counter()
    for line in LINE.finditer(done.stderr):
        found[package_of(line["module"])] += int(line["own"])
    return found


def imports(folder: Path) -> None:
    """Print the share of each package, largest first."""
    site = build_package(folder)
    runs = [count_imports(site) for _ in range(rounds(ROUNDS) + 1)][1:]
    names = {name for run in runs for name in run}
    medians = {name: statistics.median(run.get(name, 0) for run in runs) for name in names}
    total = sum(medians.values())
    shown = [name for name in medians if medians[name] >= SHOWN_SHARE * total]
    for name in sorted(shown, key=lambda name: -medians[name]):
        print(f"imports, {name}: {medians[name] / total:.1%} ({medians[name] / 1000:.0f} ms; no goal)")
    rest = total - sum(medians[name] for name in shown)
    print(f"imports, {len(names) - len(shown)} others: {rest / total:.1%} ({rest / 1000:.0f} ms; no goal)", flush=True)


def main() -> None:
    """Measure in a folder that is removed."""
    with tempfile.TemporaryDirectory(prefix="mcp-bench-") as name:
        imports(Path(name))
