# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kill a run at a moment, look at what it left, and let the next run finish the work.

Every test says which state it interrupted. Afterwards the environment has to look like one whose
runs were never killed, and a further run has to change nothing.
"""

from __future__ import annotations

import shutil
import typing as t
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.checkout import ROOT, copy_project, link_collection
from tests.support.emulated import TestSandbox
from tests.support.gate import Gate
from tests.support.kills import Moment, by_name, kill_at, require_unchanged, run_after_kill
from tests.support.moments import Live, Proxy, Stop, is_alive, wait_for
from tests.support.world import LAYERS, World, shared_packages

pytestmark = pytest.mark.e2e

INVOKED = "POST .*/mcp-.*-server/invocations.*"
OLD_NAME = "never-updated"


@dataclass(frozen=True)
class Bench:
    """What the tests of this module share: a sandbox, and two copies of the project.

    :param gated: the copy whose app stack has a resource that can be kept waiting
    """

    sandbox: TestSandbox
    plain: Path
    gated: Path
    gate: Gate
    folder: Path
    packages: Path

    def world(self, name: str) -> World:
        """Return an environment of this sandbox."""
        return World(self.sandbox, self.plain, self.folder / name, self.packages, name)


@pytest.fixture(scope="module")
def bench(private_home: Path, tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Bench]:
    """A sandbox for this module."""
    folder = tmp_path_factory.mktemp("kill")
    sandbox = TestSandbox(folder / "sandbox")
    try:
        gate = Gate(sandbox.start(), folder / "gate")
        plain = copy_project(ROOT, folder / "plain")
        link_collection(plain)
        gated = shutil.copytree(plain, folder / "gated", symlinks=True)
        gate.build_into(gated)
        yield Bench(sandbox, plain, gated, gate, folder, shared_packages(private_home))
    finally:
        sandbox.stop()


@pytest.fixture(scope="module")
def never_killed(bench: Bench) -> tuple[World, dict[str, t.Any]]:
    """An environment and what it consists of after its first deploy."""
    world = bench.world("updated")
    world.run("-e", f"mcp_server_name={OLD_NAME}").require()
    return world, world.inventory()


@pytest.fixture(autouse=True)
def _gate_is_open(bench: Bench) -> t.Iterator[None]:
    """Let one test's failure be no other's."""
    yield
    bench.gate.forget()


def published_and_not_live(world: World) -> None:
    """A version was published, and the alias is still at the one before."""
    assert world.status("app") == "UPDATE_COMPLETE"
    published, live = world.outputs("app")["ServerVersion"], world.live_version()
    assert int(published) > int(live)
    assert world.parameters("app")["LiveVersion"] != published
    assert not world.open_change_sets("app")


def first_published(world: World) -> None:
    """The version that knows its public URL was published; nobody has called it, and nothing older served anybody."""
    assert world.status("app") == "UPDATE_COMPLETE"
    assert world.outputs("app")["ServerVersion"] == world.live_version() == "2"
    assert world.parameters("app")["LiveVersion"] == ""
    assert not world.open_change_sets("app")


def first_about_to_move(world: World) -> None:
    """The version has passed its round trip; the change set that names it as the live one waits."""
    assert len(world.open_change_sets("app")) == 1
    assert world.parameters("app")["LiveVersion"] == ""


def about_to_move(world: World) -> None:
    """The new version has passed its round trip; the change set that moves the alias waits."""
    assert len(world.open_change_sets("app")) == 1
    assert int(world.outputs("app")["ServerVersion"]) > int(world.live_version())


def moved(world: World) -> None:
    """The alias is at the new version."""
    version = world.outputs("app")["ServerVersion"]
    assert world.live_version() == version == world.parameters("app")["LiveVersion"]
    assert not world.open_change_sets("app")


def last_audit(world: World) -> list[str]:
    """Return what the last run wrote into the audit trail."""
    lines = world.audit()
    return [line["what"] for line in lines if line["run_id"] == lines[-1]["run_id"]]


def before_the_audit(world: World) -> None:
    """Everything is done, and the run has only said that it started."""
    moved(world)
    assert last_audit(world) == ["started"]


def audit_is_written(world: World) -> None:
    """Everything is done and told; only the lock is left."""
    moved(world)
    assert len(last_audit(world)) > 1
    assert world.lock()


def lock_is_released(world: World) -> None:
    """Everything is done but the report."""
    moved(world)
    assert world.lock() is None


def changed_data_waits(world: World) -> None:
    """The data stack is as it was, with a change set beside it."""
    assert world.status("data") in ("CREATE_COMPLETE", "UPDATE_COMPLETE")
    assert len(world.open_change_sets("data")) == 1


def changed_app_waits(world: World) -> None:
    """The app stack is as it was, with a change set beside it."""
    assert world.status("app") in ("CREATE_COMPLETE", "UPDATE_COMPLETE")
    assert len(world.open_change_sets("app")) == 1
    assert world.outputs("app")["ServerVersion"] == world.live_version()


def only_reviewed(layer: str) -> t.Callable[[World], None]:
    """Return the check that a new stack has a change set and no resource."""

    def check(world: World) -> None:
        assert world.status(layer) == "REVIEW_IN_PROGRESS"
        assert len(world.open_change_sets(layer)) == 1
        assert world.resources(layer) == {}

    return check


ALIAS_MOVED = (INVOKED, "ExecuteChangeSet mcp-{e}-app", "DescribeStacks mcp-{e}-app")
BEFORE_ALIAS = Moment("before the alias moves", "ExecuteChangeSet mcp-{e}-app", about_to_move, (INVOKED,))
ENDINGS = [
    Moment("after the alias moved", "GetParameters?", moved, ALIAS_MOVED),
    Moment("clean-up, before the audit", "PUT .*/audit/.*", before_the_audit, (*ALIAS_MOVED, "GetParameters?")),
    Moment("clean-up, before the lock", "DELETE .*/lock.json.*", audit_is_written),
    Moment("clean-up, after the lock", "DELETE .*/lock.json.*", lock_is_released, done=True, locked=False),
]
FIRST = [
    Moment("foundation planned", "ExecuteChangeSet mcp-{e}-foundation", only_reviewed("foundation"), locked=False),
    Moment("data planned", "ExecuteChangeSet mcp-{e}-data", only_reviewed("data")),
    Moment("app planned", "ExecuteChangeSet mcp-{e}-app", only_reviewed("app")),
    Moment("published", INVOKED, first_published),
    Moment("before the alias moves", BEFORE_ALIAS.call, first_about_to_move, (INVOKED,)),
    *ENDINGS,
]
UPDATE = [
    Moment("data planned", "ExecuteChangeSet mcp-{e}-data", changed_data_waits),
    Moment("app planned", "ExecuteChangeSet mcp-{e}-app", changed_app_waits),
    Moment("published", INVOKED, published_and_not_live),
    BEFORE_ALIAS,
    *ENDINGS,
]


def until_waiting(gate: Gate, request: str, live: Live) -> None:
    """Wait until CloudFormation waits for the test, in the middle of the app stack."""
    live.until(lambda: gate.waiting(request), f"CloudFormation waits with its {request}")


@pytest.mark.proof
@pytest.mark.parametrize("moment", FIRST, ids=by_name)
def test_first_deploy(bench: Bench, never_killed: tuple[World, dict[str, t.Any]], moment: Moment) -> None:
    world = bench.world(f"first{FIRST.index(moment)}")
    kill_at(world, moment)
    run_after_kill(world, moment.locked)
    assert world.inventory() == never_killed[1]
    require_unchanged(world)


def test_first_deploy_in_mid_stack(bench: Bench, never_killed: tuple[World, dict[str, t.Any]]) -> None:
    world = bench.world("middle")
    bench.gate.shut("Create")
    live = world.start(project=bench.gated)
    try:
        until_waiting(bench.gate, "Create", live)
    finally:
        live.kill_tree()

    assert world.status("app") == "CREATE_IN_PROGRESS"
    resources = world.resources("app")
    assert resources["Gate"] == "CREATE_IN_PROGRESS"
    assert resources["ServerFunction"] == "CREATE_COMPLETE"
    assert "ServerAlias" not in resources
    assert world.lock()

    again = world.start(project=bench.gated)
    try:
        again.says("mcp-middle-app is CREATE_IN_PROGRESS by an earlier run: waiting for it")
        bench.gate.open("Create")
        run = again.end().require()
    finally:
        again.kill_tree()
    assert "was taken over from" in run.output
    assert world.inventory() == never_killed[1]
    require_unchanged(world, project=bench.gated)


def update_options(name: str) -> tuple[str, ...]:
    """Return options that make a new version of the server and change the data stack."""
    units = 100 + sum(name.encode())
    return ("-e", f"mcp_server_name={name}", "-e", f"mcp_max_read_request_units={units}")


def require_one_release_more(world: World, before: dict[str, t.Any]) -> None:
    """What there was, and one version more unless an old one went that no release needs."""
    after, versions = world.inventory(), before["functions"]["mcp-E-server"]
    assert after["functions"]["mcp-E-server"] in (versions, versions + 1)
    assert after == {**before, "functions": {**before["functions"], **after["functions"]}}


def update_killed_at(world: World, moment: Moment) -> None:
    """Kill an update, and let the next run finish it; the old version answers until the new one passed."""
    before, old = world.inventory(), world.health()["server"]
    new = by_name(moment)
    assert old != new
    kill_at(world, moment, *update_options(new))
    assert world.health()["server"] == (new if moment.state in (moved, *AFTER_MOVE) else old)
    run_after_kill(world, moment.locked, *update_options(new))
    assert world.health()["server"] == new
    require_one_release_more(world, before)
    require_unchanged(world, *update_options(new))


AFTER_MOVE = (before_the_audit, audit_is_written, lock_is_released)


@pytest.mark.proof
@pytest.mark.parametrize("moment", UPDATE, ids=by_name)
def test_update(never_killed: tuple[World, dict[str, t.Any]], moment: Moment) -> None:
    update_killed_at(never_killed[0], moment)


@pytest.mark.proof
def test_update_in_mid_stack(bench: Bench, never_killed: tuple[World, dict[str, t.Any]]) -> None:
    world = never_killed[0]
    before, old = world.inventory(), world.health()["server"]
    options = update_options("in-mid-stack")
    bench.gate.shut("Create")
    live = world.start(*options, project=bench.gated)
    try:
        until_waiting(bench.gate, "Create", live)
    finally:
        live.kill_tree()

    assert world.status("app") == "UPDATE_IN_PROGRESS"
    assert world.resources("app")["Gate"].endswith("_IN_PROGRESS")
    assert world.resources("app")["ServerFunction"] == "UPDATE_COMPLETE"
    assert world.health()["server"] == old

    again = world.start(*options, project=bench.gated)
    try:
        again.says("mcp-updated-app is UPDATE_IN_PROGRESS by an earlier run: waiting for it")
        assert world.health()["server"] == old
        bench.gate.open("Create")
        again.end().require()
    finally:
        again.kill_tree()
    assert world.health()["server"] == "in-mid-stack"
    require_one_release_more(world, before)
    require_unchanged(world, *options, project=bench.gated)


# Destroy


def destroy_options(world: World, data: bool) -> tuple[str, ...]:
    """Return what destroy wants to be told."""
    return ("-e", f"mcp_confirm={world.name}", "-e", f"mcp_destroy_data={str(data).lower()}")


def require_destroyed(world: World, killed_run: str) -> None:
    """Destroy again: everything but the foundation goes, and a further run changes nothing."""
    run = world.run(*destroy_options(world, True), playbook="playbooks/destroy.yml").require()
    assert "was taken over from" in run.output, killed_run
    left = world.inventory()
    assert left["stacks"] == {**dict.fromkeys(LAYERS, "ABSENT"), "foundation": "COMPLETE"}
    gone = ("functions", "apis", "tables", "logs", "secrets", "roles", "lock", "unfinished reports")
    assert not any(left[key] for key in gone), left
    assert left["distributions"] == 0
    assert left["buckets"] == ["mcp-E-state-000000000000-us-east-1"]
    assert world.run(*destroy_options(world, True), playbook="playbooks/destroy.yml").require().changed == 0


@pytest.mark.proof
def test_destroy_in_mid_stack(bench: Bench) -> None:
    world = bench.world("goingapp")
    world.run(project=bench.gated).require()
    bench.gate.shut("Delete")
    live = world.start(*destroy_options(world, False), playbook="playbooks/destroy.yml", project=bench.gated)
    try:
        until_waiting(bench.gate, "Delete", live)
    finally:
        live.kill_tree()

    assert world.status("app") == "DELETE_IN_PROGRESS"
    resources = world.resources("app")
    assert resources["Gate"] == "DELETE_IN_PROGRESS"
    assert "ServerAlias" not in resources or resources["ServerAlias"] == "DELETE_COMPLETE"
    assert resources["ServerFunction"].endswith("_COMPLETE") and not resources["ServerFunction"].startswith("DELETE")
    assert world.lock()

    again = world.start(*destroy_options(world, False), playbook="playbooks/destroy.yml", project=bench.gated)
    try:
        again.says("mcp-goingapp-app is DELETE_IN_PROGRESS by an earlier run: waiting for it")
        bench.gate.open("Delete")
        run = again.end().require()
    finally:
        again.kill_tree()
    assert "was taken over from" in run.output
    left = world.inventory()
    assert left["stacks"] == {**dict.fromkeys(LAYERS, "COMPLETE"), "app": "ABSENT", "watch": "ABSENT"}
    assert (left["functions"], left["apis"], left["logs"], left["roles"], left["lock"]) == ({}, [], [], [], None)
    assert left["tables"] and left["secrets"] and len(left["buckets"]) == 2
    again_run = world.run(*destroy_options(world, False), playbook="playbooks/destroy.yml").require()
    assert again_run.changed == 0


def versions_left(world: World) -> list[tuple[str, bool]]:
    """Return key and newest-or-not of every version in the documents' bucket."""
    listed = world.client("s3").list_object_versions(Bucket=world.files_bucket)
    return [(item["Key"], item["IsLatest"]) for item in listed.get("Versions", []) + listed.get("DeleteMarkers", [])]


def backups(world: World) -> int:
    """Return the number of the table's finished backups."""
    listed = world.client("dynamodb").list_backups(TableName=world.table)["BackupSummaries"]
    return len([item for item in listed if item["BackupStatus"] == "AVAILABLE"])


def is_backed_up(world: World) -> None:
    """The copies are complete; table and bucket are as they were, without their stack."""
    assert world.status("app") == world.status("data") == "ABSENT"
    assert backups(world) == 1
    copies = [key for key in world.keys(world.state_bucket) if key.startswith("final-backup/")]
    assert len([key for key in copies if "/backups-" not in key]) == 2
    assert world.client("dynamodb").describe_table(TableName=world.table)["Table"]["TableStatus"] == "ACTIVE"
    assert sorted(versions_left(world)) == [("a.md", False), ("a.md", True), ("b.md", True)]


def is_half_emptied(world: World) -> None:
    """The table is gone; of the bucket's versions the old ones are gone and the newest are there."""
    assert world.table not in world.client("dynamodb").list_tables()["TableNames"]
    assert sorted(versions_left(world)) == [("a.md", True), ("b.md", True)]


def is_not_emptied_but_gone_from_lock(world: World) -> None:
    """Everything named is removed, and the lock is still held."""
    assert world.inventory()["tables"] == []
    assert world.buckets() == [world.state_bucket]
    assert world.lock()


DELETE_OBJECTS = "POST /mcp-{e}-files-.*[?]delete"
DESTROY = [
    Moment("app about to go", "DeleteStack mcp-{e}-app", lambda world: _app_is_whole(world)),
    Moment("backup made", "UpdateTable|DeleteTable", is_backed_up),
    Moment("bucket half emptied", DELETE_OBJECTS, is_half_emptied, (DELETE_OBJECTS,)),
    Moment("clean-up", "DELETE .*/lock.json.*", is_not_emptied_but_gone_from_lock),
]


def _app_is_whole(world: World) -> None:
    assert world.status("app").endswith("_COMPLETE")
    assert world.live_version()


@pytest.mark.proof
@pytest.mark.parametrize("moment", DESTROY, ids=by_name)
def test_destroy(bench: Bench, moment: Moment) -> None:
    world = bench.world(f"gone{DESTROY.index(moment)}")
    world.run().require()
    for key, body in (("a.md", b"one"), ("a.md", b"two"), ("b.md", b"three")):
        world.client("s3").put_object(Bucket=world.files_bucket, Key=key, Body=body)
    kill_at(world, moment, *destroy_options(world, True), playbook="playbooks/destroy.yml")
    require_destroyed(world, moment.name)
    assert backups(world) >= 1


@pytest.mark.proof
def test_a_worker_that_outlives_its_playbook_does_no_more(bench: Bench) -> None:
    """Ansible's workers have sessions of their own: a SIGKILL of the playbook does not reach them."""
    world = bench.world("orphaned")
    stop = Stop("CreateChangeSet mcp-orphaned-data")
    with Proxy(stop) as proxy:
        live = world.start(env=proxy.environment)
        try:
            live.until(stop.reached.is_set, "the data stack is being planned")
            workers = live.kill()
        finally:
            live.kill_tree()
        assert any(is_alive(worker) for worker in workers), "the worker that waits for its answer died as well"
        made = len(proxy.calls)
        proxy.let_go = True
        stop.released.set()
        wait_for(lambda: not any(is_alive(worker) for worker in workers), "the workers end", 30)
        assert [str(call) for call in proxy.calls[made:]] == []
    assert world.status("data") == "REVIEW_IN_PROGRESS"
    run_after_kill(world, True)
    require_unchanged(world)
