# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A request that AWS carried out and whose answer was lost is sent again by botocore: that is no failure."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import deploy_lock
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.s3_objects import to_json

from tests.support.memory_s3 import MemoryS3
from tests.unit.plugins.stack_world import ADD, ID, SET, event, quick_harness

NOW = "2026-01-01T00:00:00Z"


def test_a_change_set_that_exists_already_is_this_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    harness = quick_harness(tmp_path, monkeypatch)
    harness.missing()
    harness.fail("create_change_set", "AlreadyExistsException")
    harness.answer("describe_change_set", {"ChangeSetId": SET, "StackId": ID, "Status": "CREATE_IN_PROGRESS"})
    harness.change_set(ADD)
    harness.events()
    harness.answer("execute_change_set")
    harness.described()
    harness.events(event(1, "CREATE_IN_PROGRESS", "s"), event(2, "CREATE_COMPLETE", "s"))
    harness.described()
    result = harness.run()
    assert (result.get("msg"), result["changed"], result["status"]) == (None, True, "CREATE_COMPLETE")


class ForgetfulS3(MemoryS3):
    """Carries a put out, and the SDK sends it again because it got no answer."""

    def put_object(self, Key: str, Body: bytes, IfNoneMatch: str = "", IfMatch: str = "", **rest: str) -> t.Any:
        """Put the object twice."""
        super().put_object(Key, Body, IfNoneMatch, IfMatch, **rest)
        return super().put_object(Key, Body, IfNoneMatch, IfMatch, **rest)


def test_a_lock_that_was_renewed_is_held() -> None:
    s3 = ForgetfulS3()
    s3.objects["lock.json"] = to_json({**dict.fromkeys(deploy_lock.FIELDS, "x"), "run_id": "mine", "lease_until": NOW})
    assert deploy_lock.renew_lock(s3, "state", "lock.json", "mine", 900)
