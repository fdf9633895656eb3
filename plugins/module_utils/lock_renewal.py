# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep the deploy lock's lease while a task works on something else than AWS."""

from __future__ import annotations

import contextlib
import threading
import typing as t

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import Context, McpError
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.deploy_lock import LockLost, renew_lock

LOCK_OPTION: dict[str, t.Any] = {
    "type": "dict",
    "options": {
        "bucket": {"type": "str", "required": True},
        "key": {"type": "str", "required": True, "no_log": False},
        "run_id": {"type": "str", "required": True},
        "lease": {"type": "int", "default": 900},
        "owner": {"type": "str"},
    },
}
# A renewal under way when the task ends does no harm: it only ever moves the lease of this run's own lock.
LAST_RENEWAL_S = 5.0


@contextlib.contextmanager
def lock_kept(ctx: Context, what: str) -> t.Iterator[None]:
    """Renew the lock of the option ``lock`` from a thread, a third of the lease apart, until the block ends.

    :param what: what the block does, for the message
    :raises LockLost: at the end of the block, another run holds the lock
    """
    lock = ctx.params["lock"]
    if not lock or ctx.check_mode:
        yield
        return
    ended, lost = threading.Event(), threading.Event()
    thread = threading.Thread(target=keep, args=(ctx, lock, ended, lost), name="keep the lock", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(LAST_RENEWAL_S)
    if lost.is_set():
        raise LockLost(
            f"Another run took the deploy lock s3://{lock['bucket']}/{lock['key']} over during {what}. This run stops "
            "here. When the other run has ended, type the same command again."
        )


def keep(ctx: Context, lock: dict[str, t.Any], ended: threading.Event, lost: threading.Event) -> None:
    """Renew until the end, or until the lock is lost; what does not answer is asked again the next time."""
    place = [lock[name] for name in ("bucket", "key", "run_id", "lease", "owner")]
    while not ended.wait(lock["lease"] / 3):
        try:
            if not renew_lock(ctx.client("s3"), *place):
                lost.set()
                return
        except McpError as error:
            ctx.progress(f"The deploy lock could not be renewed, trying again: {error.message}")
