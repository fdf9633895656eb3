# SPDX-License-Identifier: MIT
"""How an instance of a function begins: what is done ahead of its first call, and what must not come from a snapshot.

Lambda SnapStart takes a snapshot of a process that is ready and starts all instances from it.
"""

from __future__ import annotations

import logging
import os
import random
from collections.abc import Callable

INITIALIZATION_TYPE = "AWS_LAMBDA_INITIALIZATION_TYPE"
SNAP_START = "snap-start"

Callback = Callable[[], object]

logger = logging.getLogger("pratiko_mcp")

_ahead: list[Callback] = []
_stale: list[Callback] = []


def on_start(callback: Callback) -> None:
    """Have something done ahead that the first call would wait for.

    :param callback: may fail, as the first call will try again
    """
    _ahead.append(callback)


def on_restore(callback: Callback) -> None:
    """Have something dropped that must not outlive a snapshot: connections, cached keys, values made by chance.

    :param callback: called before the snapshot is taken, so that nothing is open in it, and in each instance that
        starts from it; it may find nothing to drop
    """
    _stale.append(callback)


def start() -> None:
    """Make the process ready; where Lambda takes a snapshot of it, have `run` called around that."""
    if os.environ.get(INITIALIZATION_TYPE) != SNAP_START:
        _call(_ahead)
        return
    import snapshot_restore_py  # part of Lambda's Python runtimes that can take snapshots

    snapshot_restore_py.register_before_snapshot(run)
    snapshot_restore_py.register_after_restore(run)


def run() -> None:
    """Drop what must not come from a snapshot."""
    # Instances of one snapshot would go on with the same numbers. The operating system's own randomness differs.
    random.seed()
    _call(_stale)


def _call(callbacks: list[Callback]) -> None:
    for callback in callbacks:
        try:
            callback()
        except Exception as error:  # an instance that does not start answers nobody
            logger.error("%s failed: %s: %s", _name(callback), type(error).__name__, error)


def _name(callback: Callback) -> str:
    return f"{getattr(callback, '__module__', '')}.{getattr(callback, '__qualname__', type(callback).__name__)}"
