# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A third of all calls to AWS fails, is throttled, comes late or breaks off: every command ends as without.

The seeds say which calls: a run that fails is repeated with the seed in the test's name.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.support.checkout import ROOT, copy_project, link_collection
from tests.support.emulated import TestSandbox
from tests.support.faults import Faults, Plan, at_first, later, sometimes
from tests.support.world import World, shared_packages

pytestmark = pytest.mark.e2e

THROTTLES = 4
SEEDS = range(1, 7)
# Four throttles cost 7.5 s on average, and a deploy uses thirty operations.
LONGEST_S = 900.0


@dataclass(frozen=True)
class Command:
    """One thing that an operator types."""

    name: str
    playbook: str = "deploy.yml"
    options: tuple[str, ...] = ()


FIRST = Command("first deploy")
RELEASE = Command("release", options=("-e", "mcp_server_name=second", "-e", "mcp_authorizer_ttl=60"))
ROLLBACK = Command("rollback", "playbooks/rollback.yml")
DIVERT = Command("divert", "playbooks/divert.yml")
UNDIVERT = Command("undivert", "playbooks/undivert.yml")
WHOLE_LIFE = (FIRST, RELEASE, ROLLBACK, DIVERT, UNDIVERT)
SHORT_LIFE = (FIRST, DIVERT)


@dataclass
class Bench:
    """A sandbox with as many environments as there are tests."""

    sandbox: TestSandbox
    project: Path
    folder: Path
    packages: Path
    made: int = 0
    calm: dict[tuple[Command, ...], list[dict[str, t.Any]]] = field(default_factory=dict)

    def world(self) -> World:
        """Return an environment that does not exist yet."""
        self.made += 1
        name = f"w{self.made}"
        return World(self.sandbox, self.project, self.folder / name, self.packages, name)

    def expected(self, life: tuple[Command, ...]) -> list[dict[str, t.Any]]:
        """Return the state after each command where AWS always answers."""
        if life not in self.calm:
            world = self.world()
            self.calm[life] = [state_after(world, command) for command in life]
        return self.calm[life]


@pytest.fixture(scope="module")
def bench(private_home: Path, tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Bench]:
    """A sandbox for this module."""
    folder = tmp_path_factory.mktemp("faults")
    sandbox = TestSandbox(folder / "sandbox")
    try:
        project = copy_project(ROOT, folder / "project")
        link_collection(project)
        yield Bench(sandbox.start(), project, folder, shared_packages(private_home))
    finally:
        sandbox.stop()


def state_after(world: World, command: Command, **options: t.Any) -> dict[str, t.Any]:
    """Run a command to a good end; return what there is then, and what takes traffic."""
    world.run(*command.options, playbook=command.playbook, **options).require()
    return {**world.inventory(), "traffic": world.traffic()}


def live_with(bench: Bench, life: tuple[Command, ...], plan: Plan) -> list[Faults]:
    """Run one command after another under faults; each ends well, in the state that it has without."""
    world, met = bench.world(), []
    for command, expected in zip(life, bench.expected(life), strict=True):
        with Faults(plan) as faults:
            state = state_after(world, command, env=faults.environment, timeout=LONGEST_S)
        print(f"{command.name}: {faults.describe()}")
        assert state == expected, faults.met
        met.append(faults)
    assert world.run().require().changed == 0
    return met


LIVES = [pytest.param(SHORT_LIFE, SEEDS[0], id="short-1")]
LIVES += [pytest.param(WHOLE_LIFE, seed, id=f"whole-{seed}", marks=pytest.mark.proof) for seed in SEEDS]


@pytest.mark.parametrize(("life", "seed"), LIVES)
def test_every_command_ends_as_if_every_call_had_been_answered(
    bench: Bench, life: tuple[Command, ...], seed: int
) -> None:
    assert all(faults.met for faults in live_with(bench, life, sometimes(seed)))


@pytest.mark.proof
def test_four_throttles_in_a_row_on_the_first_call_of_any_operation(bench: Bench) -> None:
    """Every operation that a command uses is throttled four times before it is answered."""
    for faults in live_with(bench, WHOLE_LIFE, at_first(THROTTLES, "throttled")):
        assert all(attempts > THROTTLES for attempts in faults.attempts.values()), faults.attempts


@pytest.mark.proof
@pytest.mark.parametrize("seed", SEEDS[:2])
def test_four_throttles_in_a_row_on_a_later_call_of_any_operation(bench: Bench, seed: int) -> None:
    """Polls, reads back and last records are not the first calls of their operations."""
    lives = live_with(bench, SHORT_LIFE, later(THROTTLES, "throttled", seed))
    # The end of a command may come before an operation's turn.
    assert all(faults.met for faults in lives)
    assert len({operation for faults in lives for operation, _attempt, _fault in faults.met}) >= 8
