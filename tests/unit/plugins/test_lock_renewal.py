# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The deploy lock stays ours while a package is built, and its renewal ends with the task."""

from __future__ import annotations

import threading
import time
import typing as t
from datetime import UTC, datetime, timedelta

import pytest
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import deploy_lock, package
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import Context
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.lock_renewal import lock_kept
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.s3_objects import to_json
from botocore.exceptions import ConnectTimeoutError

from tests.support.memory_s3 import MemoryS3
from tests.support.moments import wait_for

PLACE = {"bucket": "state", "key": "lock.json", "run_id": "mine", "lease": 1, "owner": None}


def held(s3: MemoryS3, **changes: t.Any) -> None:
    """Let a run hold the lock, for a second more."""
    lock = {**dict.fromkeys(deploy_lock.FIELDS, "x"), "run_id": "mine", "lease_until": in_a_second(), **changes}
    s3.objects["lock.json"] = to_json(lock)


def in_a_second() -> str:
    return deploy_lock.utc(datetime.now(UTC) + timedelta(seconds=1))


def context(s3: MemoryS3, lock: dict[str, t.Any] | None, said: list[str], check_mode: bool = False) -> Context:
    return Context({"lock": lock}, lambda *_any: s3, check_mode=check_mode, progress=said.append)


def test_the_lease_moves_on_until_the_work_ends() -> None:
    s3 = MemoryS3()
    held(s3)
    with lock_kept(context(s3, PLACE, []), "packaging"):
        wait_for(lambda: s3.calls["put_object"] >= 2, "two renewals", 20)
        assert threading.active_count() > 1
    assert s3.calls["put_object"] >= 2
    renewed = s3.calls["put_object"]
    assert [thread.name for thread in threading.enumerate() if "keep" in thread.name] == []
    time.sleep(0.8)
    assert s3.calls["put_object"] == renewed


def test_it_ends_when_the_work_fails() -> None:
    s3 = MemoryS3()
    held(s3)
    with pytest.raises(RuntimeError, match="pip"), lock_kept(context(s3, PLACE, []), "packaging"):
        raise RuntimeError("pip")
    assert [thread.name for thread in threading.enumerate() if "keep" in thread.name] == []


def test_a_lost_lock_stops_the_run_after_the_work() -> None:
    s3 = MemoryS3()
    held(s3, run_id="theirs")
    with (
        pytest.raises(deploy_lock.LockLost, match=r"took the deploy lock s3://state/lock.json over during packaging"),
        lock_kept(context(s3, PLACE, []), "packaging"),
    ):
        wait_for(lambda: s3.calls["get_object"], "the lock was looked at", 20)
        time.sleep(0.1)
    assert b"theirs" in s3.objects["lock.json"]


def test_an_s3_that_does_not_answer_is_asked_again() -> None:
    s3, said = MemoryS3(), list[str]()
    held(s3)
    s3.fails["get_object"] = ConnectTimeoutError(endpoint_url="https://s3.example")
    with lock_kept(context(s3, PLACE, said), "packaging"):
        wait_for(lambda: said, "the failure is said", 20)
        s3.fails.clear()
        wait_for(lambda: s3.calls["put_object"], "it is renewed after all", 20)
    assert "could not be renewed, trying again" in said[0]


@pytest.mark.parametrize(("lock", "check_mode"), [(None, False), (PLACE, True)])
def test_without_a_lock_nothing_is_renewed(lock: dict[str, t.Any] | None, check_mode: bool) -> None:
    threads = threading.active_count()
    with lock_kept(context(MemoryS3(), lock, [], check_mode), "packaging"):
        assert threading.active_count() == threads


def test_packaging_keeps_the_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    s3 = MemoryS3()
    held(s3)

    def slow(_ctx: Context) -> dict[str, t.Any]:
        wait_for(lambda: s3.calls["put_object"], "a renewal during the build", 20)
        return {"path": "x"}

    monkeypatch.setattr(package, "ensure", slow)
    assert package.run(context(s3, PLACE, [])) == {"path": "x"}
