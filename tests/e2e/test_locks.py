# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One deploy of an environment at a time: who is refused, who may take over, and what they are told."""

from __future__ import annotations

import os
import re
import shutil
import typing as t
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.deploy_lock import (
    machine_id,
    process_started,
    utc,
)

from tests.support.checkout import ROOT, copy_project, link_collection
from tests.support.emulated import TestSandbox
from tests.support.gate import Gate
from tests.support.moments import Proxy, Stop, wait_for
from tests.support.world import World, shared_packages

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def world(sandbox: TestSandbox, private_home: Path, tmp_path_factory: pytest.TempPathFactory) -> World:
    """An environment that is deployed."""
    folder = tmp_path_factory.mktemp("locks")
    project = copy_project(ROOT, folder / "project")
    link_collection(project)
    world = World(sandbox, project, folder, shared_packages(private_home), "locked")
    world.run().require()
    return world


@pytest.fixture(autouse=True)
def _nobody_holds_the_lock(world: World) -> t.Iterator[None]:
    yield
    world.client("s3").delete_object(Bucket=world.state_bucket, Key="lock.json")


def in_an_hour() -> str:
    """Return the end of a lease that has long to go."""
    return utc(datetime.now(UTC) + timedelta(hours=1))


def require_told(output: str, lock: dict[str, t.Any]) -> None:
    """The message names who, since when, until when, by which command, and what to type."""
    for key in ("operator", "since", "lease_until", "run_id", "command"):
        assert str(lock[key]) in output, key
    assert "type the same command again" in output
    assert "Traceback" not in output


def test_second_deploy_is_told_about_the_first(world: World) -> None:
    stop = Stop("GetParameters", ("PUT .*/lock.json",))
    with Proxy(stop) as proxy:
        first = world.start("-e", "mcp_operator=anna@laptop", env=proxy.environment)
        try:
            first.until(stop.reached.is_set, "it holds the lock and plans")
            lock = world.lock()
            assert lock and lock["operator"] == "anna@laptop" and lock["command"] == "deploy"
            second = world.run().require(2)
            require_told(second.output, lock)
            assert second.changed == 0
            assert world.lock() == lock
            proxy.let_go = True
            stop.released.set()
            assert first.end().require().changed == 0
        finally:
            first.kill_tree()
    assert world.lock() is None


def test_lock_of_a_foreign_machine_is_kept_until_its_lease_ends(world: World) -> None:
    lock = world.put_lock(lease_until=in_an_hour())
    require_told(world.run().require(2).output, lock)
    assert world.lock() == lock
    ended = utc(datetime.now(UTC) - timedelta(seconds=1))
    world.put_lock(lease_until=ended)
    after = world.run().require()
    assert f"its lease ended at {ended}" in after.output
    assert "taken over from anna@laptop since 2026-01-01T00:00:00Z" in after.output
    assert world.lock() is None


def test_lock_of_a_dead_process_is_taken_over_at_once(world: World) -> None:
    """The process id is one that lives again, as another process."""
    world.put_lock(machine_id=machine_id(), pid=os.getpid(), pid_started="1", lease_until=in_an_hour())
    run = world.run().require()
    assert f"its process {os.getpid()} on this machine is gone" in run.output
    assert world.lock() is None


def test_lock_of_a_living_process_is_kept_and_can_be_taken_by_name(world: World) -> None:
    """What the message says to type is typed as it stands; another run's id is refused."""
    here = {"machine_id": machine_id(), "pid": os.getpid(), "pid_started": process_started(os.getpid())}
    lock = world.put_lock(**here, lease_until=in_an_hour())
    refused = world.run("-e", "mcp_take_over_run_id=20260101T000000Z-abc124").require(2)
    require_told(refused.output, lock)
    assert world.lock() == lock
    hint = re.search(r"-e (\w+)=(\S+)", re.sub(r"\s+", " ", world.report()["failure"]["msg"]))
    assert hint and hint[2] == lock["run_id"]
    run = world.run("-e", f"{hint[1]}={hint[2]}").require()
    assert "it was named to be taken over" in run.output
    assert world.lock() is None


def lease_end(world: World) -> datetime:
    """Return the end of the lease."""
    lock = world.lock()
    assert lock
    return datetime.fromisoformat(lock["lease_until"])


def test_lease_is_renewed_while_a_package_is_built(world: World, tmp_path: Path) -> None:
    """A name that is new makes a new release; its first build takes longer than this lease."""
    options = ("-e", "mcp_lock_lease=3", "-e", "mcp_app_source=" + str(copied_server(world, tmp_path)))
    live = world.start(*options, "-e", f"mcp_build_dir={tmp_path / 'packages'}")
    try:
        live.until(world.lock, "it holds the lock")
        first_end = lease_end(world)
        live.until(lambda: datetime.now(UTC) > first_end, "the first lease would have ended")
        assert lease_end(world) > first_end
        assert "Plan" not in live.output, "it is still packaging"
    finally:
        live.kill_tree()


def copied_server(world: World, folder: Path) -> Path:
    """Return a copy of the runtime's project, with a change that makes it another server."""
    copy = shutil.copytree(world.project / "app", folder / "app")
    (copy / "src" / "pratiko_mcp" / "another.py").write_text('"""Another server."""\n', encoding="utf-8")
    return copy


def test_lease_is_renewed_while_a_stack_takes_long(world: World, sandbox: TestSandbox, tmp_path: Path) -> None:
    gate = Gate(sandbox, tmp_path / "gate")
    project = world.copy_project(tmp_path / "project")
    gate.build_into(project)
    gate.shut("Create")
    live = world.start("-e", "mcp_lock_lease=6", project=project)
    try:
        live.until(lambda: gate.waiting("Create"), "CloudFormation is at work")
        first_end = lease_end(world)
        wait_for(lambda: datetime.now(UTC) > first_end, "the first lease would have ended", 60)
        assert lease_end(world) > first_end
        held = t.cast(dict[str, t.Any], world.lock())
        # Its end moves on while the second run is refused.
        require_told(world.run().require(2).output, {**held, "lease_until": "at least until"})
        # Somebody takes the lock by force: the run notices, stops, and leaves that lock alone.
        other = world.put_lock(lease_until=in_an_hour())
        lost = live.end().require(2)
        assert f"Another run took the deploy lock s3://{world.state_bucket}/lock.json over" in lost.output
        assert world.lock() == other
    finally:
        live.kill_tree()
    gate.open("Create")
    wait_for(lambda: world.status("app").endswith("_COMPLETE"), "CloudFormation has ended by itself", 60)
    world.put_lock(lease_until="2026-01-01T00:00:00Z")
    world.run(project=project).require()
    assert world.run(project=project).require().changed == 0
