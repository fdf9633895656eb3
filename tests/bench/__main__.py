# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure, as ratios within one run: ``make bench``, or ``python -m tests.bench NAME ...`` for some.

MCP_BENCH_ROUNDS sets how many rounds each benchmark counts.
"""

from __future__ import annotations

import sys

from tests.bench import cold_start, deploy, health, imports, throughput

BENCHMARKS = {
    "cold_start": cold_start.main,
    "throughput": throughput.main,
    "imports": imports.main,
    "deploy": deploy.main,
    "health": health.main,
}


def main() -> None:
    """Measure what the command line names, or everything."""
    wanted = sys.argv[1:] or list(BENCHMARKS)
    unknown = [name for name in wanted if name not in BENCHMARKS]
    if unknown:
        sys.exit(f"No benchmark is called {', '.join(unknown)}. There are: {', '.join(BENCHMARKS)}")
    for name in wanted:
        BENCHMARKS[name]()


if __name__ == "__main__":
    main()
