# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes measured in turns, and their ratios: machines drift, so no absolute time is a result."""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import time
import typing as t
from collections.abc import Callable, Sequence
from pathlib import Path


class Sample(t.NamedTuple):
    """Seconds of one run, as a whole process with its children."""

    wall: float
    cpu: float


def rounds(default: int) -> int:
    """Return how many rounds count: MCP_BENCH_ROUNDS, or a benchmark's own default."""
    return int(os.environ.get("MCP_BENCH_ROUNDS") or default)


def measure(command: Sequence[str], cwd: Path, env: dict[str, str], says: str) -> Sample:
    """Run a command that has to end well; ``says`` must be in its output.

    :raises SystemExit: it failed or did something else
    """
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.monotonic()
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    wall = time.monotonic() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode or says not in done.stdout + done.stderr:
        tail = f"{done.stdout[-3000:]}{done.stderr[-3000:]}"
        raise SystemExit(f"{command[0]} (expected: {says!r}) ended with {done.returncode}:\n{tail}")
    return Sample(wall, after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)


T = t.TypeVar("T")


def in_turns(count: int, *sides: Callable[[], T]) -> list[list[T]]:
    """Run every side ``count`` times in turns, after one round that does not count; return each side's results.

    Who begins changes from round to round, so that nobody always follows the same neighbour.
    """
    results: list[list[T]] = [[] for _ in sides]
    for number in range(count + 1):
        for position in range(len(sides)):
            side = (number + position) % len(sides)
            result = sides[side]()
            if number:
                results[side].append(result)
    return results


def compare(what: str, unit: str, mine: Sequence[float], others: Sequence[float], peer: str, goal: str) -> None:
    """Print one figure: both medians, and the median of the pairs' ratios with the range that they span."""
    ratios = [a / b for a, b in zip(mine, others, strict=True)]
    print(
        f"{what}: ours {statistics.median(mine):.4g} {unit}, {peer} {statistics.median(others):.4g} {unit}, "
        f"ratio {statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f}, {len(ratios)} pairs; {goal})",
        flush=True,
    )


def compare_samples(what: str, mine: Sequence[Sample], others: Sequence[Sample], peer: str, goal: str) -> None:
    """Print wall and CPU seconds of two sides."""
    for label in Sample._fields:
        ours, theirs = ([getattr(sample, label) for sample in samples] for samples in (mine, others))
        compare(f"{what}, {label}", "s", ours, theirs, peer, goal)
