# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""State in a folder: the module state does there what it does in a bucket."""

from __future__ import annotations

import json
import multiprocessing
import os
import stat
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import deploy_lock, state
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import Context, McpError
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.folder_objects import Folder


def no_aws(service: str, _region: str | None) -> t.NoReturn:
    """Refuse to make a client: a folder needs none."""
    raise AssertionError(f"AWS was asked for {service}")


def call(
    folder: Path, run_id: str = "run-1", pid: int | None = None, check: bool = False, **options: t.Any
) -> dict[str, t.Any]:
    """Run the module state on a folder."""
    given = {"directory": str(folder), "environment": "local", "run_id": run_id, "operator": "ada@laptop", **options}
    defaults = {name: spec.get("default") for name, spec in state.ARGUMENT_SPEC.items()}
    return state.run(Context(params={**defaults, **given}, make_client=no_aws, check_mode=check), pid=pid)


def write_once(path: str, start: t.Any, results: t.Any, body: bytes) -> None:
    """Try to be the first to write an object."""
    start.wait()
    results.put(Folder(Path(path)).write("lock.json", body, IfNoneMatch="*") is not None)


def test_of_writers_at_the_same_moment_one_is_first(tmp_path):
    context = multiprocessing.get_context("fork")
    start, results = context.Event(), context.Queue()
    writers = [
        context.Process(target=write_once, args=(str(tmp_path), start, results, b"%d" % number)) for number in range(8)
    ]
    for writer in writers:
        writer.start()
    start.set()
    won = [results.get(timeout=30) for _writer in writers]
    for writer in writers:
        writer.join()
    assert won.count(True) == 1


def test_a_write_and_a_delete_hold_to_what_was_read(tmp_path):
    folder = Folder(tmp_path)
    first = folder.write("a.json", b"1")
    assert folder.write("a.json", b"2", IfMatch="other") is None
    second = folder.write("a.json", b"2", IfMatch=first)
    assert not folder.delete("a.json", first)
    assert folder.delete("a.json", second)
    assert folder.read("a.json") is None
    assert folder.write("a.json", b"3", IfMatch=second) is None


def test_keys_are_listed_in_their_order_in_pages(tmp_path):
    folder = Folder(tmp_path)
    for name in ("c", "a", "b"):
        folder.write(f"records/undo/{name}.json", b"{}")
    (tmp_path / "records" / "undo" / "x.json.99.part").write_text("half")
    assert list(folder.pages("records/undo/", 2)) == [
        ["records/undo/a.json", "records/undo/b.json"],
        ["records/undo/c.json"],
    ]
    assert list(folder.pages("records/plan/", 2)) == []


def test_everything_in_it_is_for_its_owner_alone(tmp_path):
    folder = tmp_path / "state"
    call(
        folder,
        lock="acquire",
        add=[{"kind": "release", "body": {"outcome": "live"}}],
        audit=[{"what": "a", "target": "b"}],
    )
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert len(files) == 4  # guard, lock, record, audit lines
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_lock_is_taken_kept_from_others_and_given_back(tmp_path):
    assert call(tmp_path, lock="acquire", pid=os.getpid(), command="deploy")["acquired"]
    with pytest.raises(
        deploy_lock.LockHeld, match=r"held by ada@laptop since .*run-1: deploy.*mcp_take_over_run_id=run-1"
    ):
        call(tmp_path, run_id="run-2", lock="acquire", pid=os.getpid())
    assert not call(tmp_path, run_id="run-2", lock="release")["released"]
    assert call(tmp_path, lock="release")["released"]
    assert call(tmp_path, run_id="run-2", lock="acquire", pid=os.getpid())["taken_over_from"] is None


def test_the_lock_of_a_dead_process_is_taken_over_at_once(tmp_path):
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as holder:
        call(tmp_path, lock="acquire", pid=holder.pid)
        with pytest.raises(deploy_lock.LockHeld):
            call(tmp_path, run_id="run-2", lock="acquire", pid=os.getpid())
        holder.kill()
    taken = call(tmp_path, run_id="run-2", lock="acquire", pid=os.getpid())
    assert taken["acquired"] and taken["taken_over_from"]["run_id"] == "run-1"


def test_a_process_that_lives_keeps_the_lock_after_its_lease(tmp_path):
    call(tmp_path, lock="acquire", pid=os.getpid(), lease=-60)
    with pytest.raises(deploy_lock.LockHeld):
        call(tmp_path, run_id="run-2", lock="acquire", pid=os.getpid())
    assert call(tmp_path, run_id="run-2", lock="acquire", take_over_run_id="run-1")["acquired"]


def test_a_lock_without_a_process_ends_with_its_lease(tmp_path):
    call(tmp_path, lock="acquire", lease=-60)
    assert call(tmp_path, run_id="run-2", lock="acquire")["taken_over_from"]["run_id"] == "run-1"


def test_records_and_audit_lines_are_kept_and_read_newest_first(tmp_path):
    first = call(tmp_path, add=[{"kind": "release", "body": {"outcome": "live", "n": 1}}])
    second = call(
        tmp_path, add=[{"kind": "release", "body": {"outcome": "live", "n": 2}}], audit=[{"what": "w", "target": "t"}]
    )
    found = call(tmp_path, records={"release": 5})["records"]["release"]
    assert [record["id"] for record in found] == [*second["added"], *first["added"]]
    assert json.loads((tmp_path / second["audit_key"]).read_text())["what"] == "w"
    assert call(tmp_path, records={"release": 1})["records"]["release"] == found[:1]


def test_a_check_writes_nothing(tmp_path):
    call(
        tmp_path / "state",
        check=True,
        lock="acquire",
        add=[{"kind": "release", "body": {}}],
        put={"used.json": {"a": 1}},
    )
    assert not (tmp_path / "state").exists()


def test_an_unreadable_record_and_an_unreadable_lock_are_told_with_a_command_of_this_machine(tmp_path):
    added = call(tmp_path, add=[{"kind": "release", "body": {}}])["added"][0]
    (record,) = (tmp_path / "records" / "release").glob(f"*{added}.json")
    record.write_text("{")
    with pytest.raises(McpError, match=rf"is not JSON.*cat {tmp_path}.*mv {tmp_path}") as caught:
        call(tmp_path, records={"release": 5})
    assert "aws s3" not in caught.value.message
    (tmp_path / "lock.json").write_text("?")
    with pytest.raises(deploy_lock.LockUnreadable, match=rf"cat {tmp_path}/lock.json.*rm {tmp_path}/lock.json"):
        call(tmp_path, lock="acquire")


def test_a_folder_that_cannot_be_written_to_is_one_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(McpError, match=r"Could not write to .*-e mcp_local_dir="):
        call(tmp_path / "file" / "state", lock="acquire")
