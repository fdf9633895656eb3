# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Attack the HTTP face of a real server: ``python -m tests.fuzz --seconds 600 --seed 1``."""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from pathlib import Path

from tests.fuzz.runner import Attack
from tests.fuzz.target import Target


def main() -> int:
    """Run for a time; 1 after the first violation, which is printed as small as it could be made."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600, help="how long (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**9), help="default: a new one")
    parser.add_argument("--sessions", action="store_true", help="a server with sessions")
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder, Target(Path(folder), options.sessions) as target:
        report = Attack(target, options.seed, say=lambda line: print(line, flush=True)).run(seconds=options.seconds)
    print(report)
    return 1 if report.violation else 0


if __name__ == "__main__":
    sys.exit(main())
