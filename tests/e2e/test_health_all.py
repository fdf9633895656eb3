# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""scripts/health-check.sh over all three phases at once, each dependency of local and staging really broken in turn."""

from __future__ import annotations

import contextlib
import functools
import shutil
import tempfile
import typing as t
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.conftest import new_environment
from tests.support.environment import Environment
from tests.support.health import Checked, Statuses, checked, health_check, turned
from tests.support.local import Local, wait_until
from tests.support.staging import Staging
from tests.support.world import shared_packages

pytestmark = [pytest.mark.e2e, pytest.mark.proof]


@dataclass(frozen=True)
class Everything:
    """Three environments of one checkout: local on this machine, the other two in a sandbox."""

    local: Local
    staging: Staging
    production: Environment

    def look(self) -> Checked:
        """Check them all."""
        env = {"SANDBOX_PORT": str(self.staging.sandbox.port)}
        return checked(self.staging.project, self.staging.home, "--sandbox", "all", env=env)


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory, private_home: Path) -> t.Iterator[Everything]:
    """All three phases, deployed."""
    production = new_environment(tmp_path_factory.mktemp("all"), private_home)
    staging = Staging(production.project, production.sandbox, private_home)
    folder = Path(tempfile.mkdtemp(prefix="mcp-health-"))
    local = Local(production.project, folder, private_home, shared_packages(private_home))
    local.into_inventory()
    try:
        production.sandbox.start()
        local.play().require()
        staging.deploy().require()
        production.deploy().require()
        yield Everything(local, staging, production)
    finally:
        local.end()
        production.sandbox.stop()
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def calm(everything: Everything) -> Checked:
    """What is said while nothing is broken."""
    return everything.look()


def test_all_that_can_be_known_is_healthy(calm: Checked) -> None:
    assert calm.report["critical_issues"] == calm.report["warning_issues"] == 0, calm.report["results"]
    assert {item["environment"]: item["checked"] for item in calm.report["environments"]} == {
        "local": True, "staging": True, "production": True,
    }  # fmt: skip
    assert {status for (environment, _check), status in calm.statuses.items() if environment == "local"} == {"healthy"}
    # What the emulator has no figures for, and the budgets that nobody made.
    for item in calm.report["results"]:
        words = ("not available on the emulator", "fewer than 100", "does not exist")
        assert item["status"] == "healthy" or any(word in item["evidence"] for word in words), item


def test_the_report_is_a_table_and_a_page(everything: Everything, calm: Checked) -> None:
    env = {"SANDBOX_PORT": str(everything.staging.sandbox.port)}
    run = health_check(everything.staging.project, everything.staging.home, "--sandbox", "all", "report", env=env)
    assert run.returncode == calm.code
    for environment, check in calm.statuses:
        assert any(environment in line and check in line for line in run.stdout.splitlines()), (environment, check)
    (page,) = [line.removeprefix("page: ") for line in run.stdout.splitlines() if line.startswith("page: ")]
    assert Path(page).read_text(encoding="utf-8").startswith("<!doctype html>")


@contextlib.contextmanager
def stopped_database(everything: Everything) -> Iterator[None]:
    """Somebody stops the database of staging."""
    client, name = everything.staging.sandbox.client("rds"), "mcp-staging"

    def status() -> str:
        return str(client.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"][0]["DBInstanceStatus"])

    client.stop_db_instance(DBInstanceIdentifier=name)
    wait_until(lambda: status() == "stopped")
    try:
        yield
    finally:
        client.start_db_instance(DBInstanceIdentifier=name)
        wait_until(lambda: status() == "available")
        wait_until(functools.partial(serves, everything), 120)


def serves(everything: Everything) -> bool:
    """Tell whether staging answers a call that reads its database."""
    try:
        return bool(everything.staging.call("list_documents"))
    except (Exception, BaseExceptionGroup):
        return False


@contextlib.contextmanager
def without_targets(everything: Everything) -> Iterator[None]:
    """Somebody takes the only server out of the load balancer."""
    client = everything.staging.sandbox.client("elbv2")
    (group,) = client.describe_target_groups()["TargetGroups"]
    arn = group["TargetGroupArn"]
    targets = [item["Target"] for item in client.describe_target_health(TargetGroupArn=arn)["TargetHealthDescriptions"]]
    client.deregister_targets(TargetGroupArn=arn, Targets=targets)

    def states() -> set[str]:
        found = client.describe_target_health(TargetGroupArn=arn)["TargetHealthDescriptions"]
        return {item["TargetHealth"]["State"] for item in found}

    wait_until(lambda: "healthy" not in states())
    try:
        yield
    finally:
        client.register_targets(TargetGroupArn=arn, Targets=targets)
        wait_until(lambda: states() == {"healthy"}, 120)


@contextlib.contextmanager
def diverted(everything: Everything) -> Iterator[None]:
    """Every caller of staging gets the maintenance answer, on purpose."""
    everything.staging.play("playbooks/divert.yml").require()
    try:
        yield
    finally:
        everything.staging.play("playbooks/undivert.yml").require()


Broken = tuple[Callable[[Everything], AbstractContextManager[None]], dict[str, str], int]
BROKEN: dict[str, Broken] = {
    "database": (stopped_database, {"database": "critical", "mcp": "critical"}, 2),
    "targets": (without_targets, {"targets": "critical", "mcp": "critical", "health": "critical"}, 2),
    "diverted": (
        diverted,
        {
            "overrides": "warning", "maintenance answer": "healthy",
            "mcp": "gone", "health": "gone", "redirect from http": "gone",
            "traffic errors": "gone", "traffic latency": "gone",
        },
        1,
    ),
}  # fmt: skip


def test_exactly_what_depends_on_it_turns_in_all_of_them(everything: Everything, calm: Checked) -> None:
    before: Statuses = calm.statuses
    for name, (broken, expected, code) in BROKEN.items():
        with broken(everything):
            during = everything.look()
        assert turned(before, during.statuses) == {("staging", check): s for check, s in expected.items()}, name
        assert during.code == code, name
        wait_until(lambda: everything.look().statuses == before, 120)


def test_what_is_away_on_this_machine_is_said_beside_the_rest(everything: Everything, calm: Checked) -> None:
    with everything.local.away("redis"):
        during = everything.look()
    everything.local.wait_until_ready()
    assert turned(calm.statuses, during.statuses) == {("local", "redis"): "critical"}
    assert during.code == 2


def test_a_destroyed_environment_is_said_and_the_others_are_checked(everything: Everything, calm: Checked) -> None:
    everything.production.destroy("-e", "mcp_confirm=production").require()
    during = everything.look()
    lost = {
        check: status
        for (where, check), status in turned(calm.statuses, during.statuses).items()
        if where == "production"
    }
    assert lost["stack app"] == lost["stack watch"] == "unknown" and lost["mcp"] == "gone"
    assert during.code == 1
    assert not {where for where, _check in turned(calm.statuses, during.statuses)} - {"production"}
    everything.production.deploy().require()
    # New alarms may have data.
    after = turned(calm.statuses, everything.look().statuses)
    assert after.items() <= {("production", "alarms"): "healthy"}.items(), after
