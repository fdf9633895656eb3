# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kill releases, rollbacks and diversions where it hurts, and type the same command again.

Until the command is through, either what was live before answers or what is to be live: never nothing. The moments are
events, not seconds: each is a call of the run that is held, before it reaches AWS or after it was carried out.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.checkout import ROOT, copy_project, link_collection
from tests.support.emulated import TestSandbox
from tests.support.kills import Moment, by_name, kill_at, require_unchanged, run_after_kill
from tests.support.world import World, shared_packages

pytestmark = pytest.mark.e2e

EXECUTED = "ExecuteChangeSet mcp-{e}-app"
INVOKED = "POST .*/mcp-{e}-server/invocations.*"
RECORDED = "PUT .*/records/release/.*"
UNDO = "PUT .*/records/undo/.*"
SWITCHED = "PATCH /restapis/.*/stages/.*"
CLEANED = "DELETE /restapis/.*/deployments/.*"
UNLOCKED = "DELETE .*/lock.json.*"


@dataclass
class Site:
    """One environment in which one release follows another.

    :param names: the servers' names, by release; each release also changes the gateway
    """

    world: World
    names: list[str]

    def options(self, name: str) -> tuple[str, ...]:
        """Return what is typed to release a server; every one has another gateway than the one before."""
        ttl = 60 + self.names.index(name)
        return ("-e", f"mcp_server_name={name}", "-e", f"mcp_authorizer_ttl={ttl}")

    def new_name(self) -> str:
        """Return the name of the next release."""
        self.names.append(f"release-{len(self.names)}")
        return self.names[-1]

    def release(self, name: str) -> None:
        """Release without being killed."""
        self.world.run(*self.options(name)).require()

    @property
    def live(self) -> str:
        """The name of the server that answers."""
        return str(self.world.health()["server"])


@pytest.fixture(scope="module")
def site(private_home: Path, tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Site]:
    """An environment that is deployed."""
    folder = tmp_path_factory.mktemp("kill-release")
    sandbox = TestSandbox(folder / "sandbox")
    try:
        project = copy_project(ROOT, folder / "project")
        link_collection(project)
        site = Site(World(sandbox.start(), project, folder, shared_packages(private_home), "killed"), [])
        site.release(site.new_name())
        yield site
    finally:
        sandbox.stop()


def old_answers(world: World) -> None:
    """The stage is at methods that a release made, and an alias may not have moved yet."""
    assert world.traffic()["server"] == world.parameters("app")["LiveVersion"]
    assert world.outputs("app")["ServerVersion"] != world.traffic()["server"]


def new_answers(world: World) -> None:
    """The newest version takes traffic."""
    assert world.traffic()["stage"] == "ApiDeploymentId"
    assert world.traffic()["server"] == world.outputs("app")["ServerVersion"]


def nothing_began(world: World) -> None:
    """The app is as it was."""
    assert world.traffic()["stage"] == "ApiDeploymentId"
    assert world.traffic()["server"] == world.outputs("app")["ServerVersion"]
    assert len(world.open_change_sets("app")) == 1


def maintenance_answers(world: World) -> None:
    """The stage is at the maintenance answer."""
    assert world.traffic()["stage"] == "MaintenanceDeploymentId"


def live_answers(world: World) -> None:
    """The stage is at the real methods."""
    assert world.traffic()["stage"] == "ApiDeploymentId"


# Before the round trip: the maintenance deployment (pass A), the new version and its methods (pass B).
BEFORE = [
    Moment("pass A planned", EXECUTED, nothing_began),
    Moment("pass B planned", EXECUTED, old_answers, (EXECUTED,)),
    Moment("published", INVOKED, old_answers),
]
AFTER = [
    Moment("passed and not recorded", RECORDED, old_answers),
    Moment("recorded and not moved", EXECUTED, old_answers, (RECORDED,)),
    Moment("moved and not recorded", RECORDED, new_answers, (RECORDED,)),
    Moment("recorded and not cleaned", CLEANED, new_answers, (RECORDED, RECORDED)),
    Moment("before the lock", UNLOCKED, new_answers),
]
RELEASE = [*BEFORE, *AFTER]
ROLLBACK = [*BEFORE, *AFTER]
DIVERT = [
    Moment("not recorded", UNDO, live_answers),
    Moment("recorded and not switched", SWITCHED, live_answers, (UNDO,)),
    Moment("switched", SWITCHED, maintenance_answers, (UNDO,), done=True),
    Moment("before the lock", UNLOCKED, maintenance_answers),
]
UNDIVERT = [
    Moment("recorded and not switched", SWITCHED, maintenance_answers, (UNDO,)),
    Moment("switched", SWITCHED, live_answers, (UNDO,), done=True),
    Moment("before the lock", UNLOCKED, live_answers),
]


def moments(found: list[Moment], normal: tuple[str, ...]) -> t.Any:
    """Return the parameters of a test; all but the normal ones belong to the long form."""
    marks = {moment.name: () if moment.name in normal else (pytest.mark.proof,) for moment in found}
    return [pytest.param(moment, id=by_name(moment), marks=marks[moment.name]) for moment in found]


def require_whole(site: Site, name: str) -> None:
    """The server of a name is live with its gateway, and nothing of anything before is left over."""
    world = site.world
    assert site.live == name
    new_answers(world)
    assert world.parameters("app")["LiveVersion"] == world.outputs("app")["ServerVersion"]
    inventory = world.inventory()
    assert inventory["lock"] is None and not any(inventory["open change sets"].values())
    require_unchanged(world, *site.options(name))


def require_clean(site: Site) -> None:
    """No deployment of the gateway is left over from earlier releases."""
    assert site.world.inventory()["apis"][0]["deployments"] == 2


@pytest.mark.parametrize("moment", moments(RELEASE, ("recorded and not moved",)))
def test_release(site: Site, moment: Moment) -> None:
    old, new = site.live, site.new_name()
    kill_at(site.world, moment, *site.options(new))
    assert site.live == (new if moment.state is new_answers else old)
    run_after_kill(site.world, moment.locked, *site.options(new))
    require_whole(site, new)
    if moment.state is new_answers:  # what was left to be cleaned the next release cleans
        site.release(site.new_name())
    require_clean(site)


@pytest.mark.parametrize("moment", moments(ROLLBACK, ()))
def test_rollback(site: Site, moment: Moment) -> None:
    old, new = site.live, site.new_name()
    site.release(new)
    kill_at(site.world, moment, playbook="playbooks/rollback.yml")
    assert site.live == (old if moment.state is new_answers else new)
    run_after_kill(site.world, moment.locked, playbook="playbooks/rollback.yml")
    require_whole(site, old)


def require_undone(site: Site) -> None:
    """Nothing is set beside the stacks any more."""
    live_answers(site.world)
    require_unchanged(site.world, *site.options(site.live))
    assert site.world.report()["overrides"] == []


@pytest.mark.parametrize("moment", moments(DIVERT, ("switched",)))
def test_divert(site: Site, moment: Moment) -> None:
    kill_at(site.world, moment, playbook="playbooks/divert.yml")
    run_after_kill(site.world, moment.locked, playbook="playbooks/divert.yml")
    maintenance_answers(site.world)
    site.world.run(playbook="playbooks/undivert.yml").require()
    require_undone(site)


@pytest.mark.parametrize("moment", moments(UNDIVERT, ()))
def test_undivert(site: Site, moment: Moment) -> None:
    site.world.run(playbook="playbooks/divert.yml").require()
    kill_at(site.world, moment, playbook="playbooks/undivert.yml")
    run_after_kill(site.world, moment.locked, playbook="playbooks/undivert.yml")
    require_undone(site)
