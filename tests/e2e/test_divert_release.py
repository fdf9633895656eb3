# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Diversions that meet a release: while it runs, after it was refused, and where it was killed half-way.

Each release has a gateway of its own, so that going to the wrong one shows.
"""

from __future__ import annotations

import json
import typing as t

import pytest

from tests.e2e import test_kill_release as releases
from tests.e2e.test_kill_release import Site, maintenance_answers, require_whole
from tests.support.kills import Moment, by_name, held_at, kill_at, require_unchanged, run_after_kill
from tests.support.moments import Answer, Proxy
from tests.support.world import World

pytestmark = pytest.mark.e2e
site = releases.site

PUBLISHED, MOVING = releases.BEFORE[2], releases.AFTER[1]
BETWEEN = Moment("between the passes", releases.EXECUTED, lambda world: None, (releases.EXECUTED,))
DIVERT, UNDIVERT, UNDO = (f"playbooks/{name}.yml" for name in ("divert", "undivert", "undo"))
# No server answers that fast.
REFUSE = ("-e", "mcp_release_max_ms=1")


def stage(world: World) -> str:
    """Return the deployment that the stage serves."""
    api = world.outputs("app")["ApiId"]
    return str(world.client("apigateway").get_stage(restApiId=api, stageName="live")["deploymentId"])


def take_over(world: World, lock: dict[str, t.Any] | None) -> None:
    """Divert as somebody who takes the lock of the run that is held."""
    assert lock
    world.run("-e", f"mcp_take_over_run_id={lock['run_id']}", playbook=DIVERT).require()
    maintenance_answers(world)


def divert_unlocked(world: World) -> None:
    """Divert as somebody whom the lock does not reach: the run that is held has it afterwards as before."""
    lock = world.lock()
    take_over(world, lock)
    world.client("s3").put_object(Bucket=world.state_bucket, Key="lock.json", Body=json.dumps(lock).encode())


def require_undiverted(site: Site, name: str) -> None:
    """Once the diversion is ended, the release is live and whole."""
    site.world.run(playbook=UNDIVERT).require()
    # The stack may still hold the stage where the release left it.
    site.release(name)
    require_whole(site, name)
    assert site.world.report()["overrides"] == []


def require_healthy(world: World, playbook: str, diverted: bool) -> None:
    """What the run has found at the public address is what it was about."""
    report = world.report(playbook)
    assert report["diverted"] is diverted and {item["status"] for item in report["health"]} == {"healthy"}


@pytest.mark.proof
@pytest.mark.parametrize("moment", [PUBLISHED, MOVING], ids=by_name)
def test_a_diversion_during_a_release_outlives_it(site: Site, moment: Moment) -> None:
    """Before the last update is made it is read, and after it the stage is set back."""
    world, new = site.world, site.new_name()
    with held_at(world, moment, *site.options(new)) as live:
        divert_unlocked(world)
    live.end().require()
    maintenance_answers(world)
    require_healthy(world, "deployment", True)
    assert [item["field"] for item in world.report()["overrides"]] == ["stage_deployment"]
    require_unchanged(world, *site.options(new))
    require_undiverted(site, new)


@pytest.mark.proof
def test_a_run_that_was_taken_over_says_that_the_diversion_may_end(site: Site) -> None:
    """It does not see the end of its update any more, so it cannot keep anything."""
    world, new = site.world, site.new_name()
    with held_at(world, MOVING, *site.options(new)) as live:
        take_over(world, world.lock())
    said = " ".join(live.end().require(2).output.split())
    assert "may still go on by itself" in said and "where it did, divert again" in said
    world.run(playbook=DIVERT).require()
    site.release(new)
    maintenance_answers(world)
    require_undiverted(site, new)


class Updating(Proxy):
    """CloudFormation as it answers while it updates."""

    def forward(self, *request: t.Any) -> Answer:
        """Ask the emulated AWS."""
        status, headers, body = super().forward(*request)
        return status, headers, body.replace(b"UPDATE_COMPLETE<", b"UPDATE_IN_PROGRESS<")


def test_a_diversion_during_an_update_that_nobody_watches_says_what_to_type(site: Site) -> None:
    world = site.world
    with Updating() as proxy:
        run = world.run(playbook=DIVERT, env=proxy.environment).require()
    maintenance_answers(world)
    assert "stack mcp-killed-app is UPDATE_IN_PROGRESS, and that may end this diversion" in run.stdout
    assert "aws cloudformation wait stack-update-complete --stack-name mcp-killed-app" in run.stdout
    assert "may end this diversion" not in world.run(playbook=DIVERT).require().stdout
    world.run(playbook=UNDIVERT).require()
    require_unchanged(world, *site.options(site.live))


@pytest.mark.proof
def test_undivert_after_a_refused_release_leads_to_the_gateway_that_was_released(site: Site) -> None:
    world, before, new = site.world, stage(site.world), site.new_name()
    world.run(*site.options(new), *REFUSE).require(2)
    assert stage(world) == before != world.outputs("app")["ApiDeploymentId"]
    world.run(playbook=DIVERT).require()
    maintenance_answers(world)
    world.run(playbook=UNDIVERT).require()
    assert stage(world) == before
    require_healthy(world, "undivert", False)
    site.release(new)
    require_whole(site, new)


@pytest.mark.proof
def test_a_release_that_was_refused_while_diverted_leaves_both_ways(site: Site) -> None:
    """The stage has the answer of the gateway before: undivert leaves it, and undo leads back to it."""
    world, before, new = site.world, stage(site.world), site.new_name()
    world.run(playbook=DIVERT).require()
    diverted = stage(world)
    world.run(*site.options(new), *REFUSE).require(2)
    assert stage(world) == diverted != world.outputs("app")["MaintenanceDeploymentId"]
    world.run(playbook=UNDIVERT).require()
    assert stage(world) == before
    require_healthy(world, "undivert", False)
    world.run(playbook=UNDO).require()
    assert stage(world) == diverted
    require_healthy(world, "undo", True)
    site.release(new)
    maintenance_answers(world)
    require_undiverted(site, new)


@pytest.mark.proof
@pytest.mark.parametrize("diverted", [False, True], ids=["then diverted", "diverted before"])
def test_undivert_after_a_kill_between_the_passes_leads_to_the_gateway_that_was_released(
    site: Site, diverted: bool
) -> None:
    """The stack has no real methods at that moment; what was released is there all the same."""
    world, before, new = site.world, stage(site.world), site.new_name()
    if diverted:
        world.run(playbook=DIVERT).require()
    kill_at(world, BETWEEN, *site.options(new))
    assert "ApiDeploymentId" not in world.outputs("app")
    run_after_kill(world, True, playbook=UNDIVERT if diverted else DIVERT)
    if not diverted:
        maintenance_answers(world)
        world.run(playbook=UNDIVERT).require()
    assert stage(world) == before
    require_healthy(world, "undivert", False)
    site.release(new)
    require_whole(site, new)
