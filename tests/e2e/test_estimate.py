# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""playbooks/estimate.yml asks nobody; a plan ends with what it would change in a month."""

from __future__ import annotations

import json
import typing as t
from decimal import Decimal
from pathlib import Path

import pytest

from tests.support.environment import Environment
from tests.support.playbook import PlaybookRun
from tests.unit.plugins import estimate_world as world

pytestmark = pytest.mark.e2e

Run = t.Callable[..., PlaybookRun]
# Whoever is asked does not answer.
NOBODY = {"HTTPS_PROXY": "http://127.0.0.1:9", "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"}


def estimate(run: Run, project: Path, phase: str, *options: str) -> dict[str, t.Any]:
    """Run the playbook and return the file that it writes."""
    done = run("playbooks/estimate.yml", "-i", f"inventories/{phase}", *options, cwd=project, env=NOBODY).require()
    assert done.changed == 0
    found: dict[str, t.Any] = json.loads((project / "reports" / phase / "estimate.json").read_text())
    assert f"{world.total(found):.2f} USD a month" in done.stdout
    return found


@pytest.mark.parametrize("phase", ["local", "staging", "production"])
def test_a_phase_is_estimated_offline(ansible_playbook: Run, project: Path, phase: str) -> None:
    found = estimate(ansible_playbook, project, phase)
    assert found["unpriced"] == [] and found["totals"]["credits"] is None and found["difference"] is None
    assert sum(Decimal(line["monthly"]) for line in found["lines"]) == world.total(found)
    assert found["totals"]["always_free"] == world.estimated(phase)["totals"]["always_free"]
    assert found["claim"]["verdict"] == ("holds" if phase == "local" else "does_not_hold")


@pytest.mark.parametrize("phase", ["growth", "scale"])
def test_a_phase_without_templates_is_estimated_from_its_lines(
    ansible_playbook: Run, project: Path, phase: str
) -> None:
    found = estimate(ansible_playbook, project, "production", "-e", f"mcp_estimate_phase={phase}")
    assert found["phase"] == phase and found["totals"] == world.estimated(phase)["totals"]


def test_a_list_of_ones_own_is_estimated(ansible_playbook: Run, project: Path) -> None:
    path = world.LISTS / "staging-lean.yaml"
    options = ("-e", f"mcp_estimate_lines={path}", "-e", '{"mcp_usage": {"hours": 220}}')
    found = estimate(ansible_playbook, project, "staging", *options)
    assert found["totals"] == world.listed("staging-lean", hours=220)["totals"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["-e", '{"mcp_usage": {"requets": 1}}'], "requets is no usage assumption. Did you mean requests?"),
        (["-e", '{"mcp_usage": {"requests": -1}}'], "requests is -1, allowed is a number of at least 0"),
        (["-e", "mcp_region=ap-south-1"], "There are no prices for region 'ap-south-1'"),
        (["-e", "mcp_estimate_phase=staging"], "is estimated from its templates"),
    ],
)
def test_bad_input_is_one_clear_error(ansible_playbook: Run, project: Path, options: list[str], message: str) -> None:
    command = ("playbooks/estimate.yml", "-i", "inventories/production", *options)
    done = ansible_playbook(*command, cwd=project, env=NOBODY).require(2)
    assert message in " ".join(done.output.split())
    assert not (project / "reports" / "production" / "estimate.json").exists()


def test_a_deploy_says_what_it_costs_beside_what_was_claimed(first_runs: t.Any) -> None:
    found = first_runs.first_report["estimate"]
    assert found["totals"] == world.estimated("production")["totals"]
    assert "brief:     2.30 USD a month: does not hold" in first_runs.first.stdout
    assert "change:    none" in first_runs.second.stdout


def test_a_look_ends_with_the_monthly_difference(deployed: Environment) -> None:
    variables = {"mcp_memory_size": 1024, "mcp_usage": {"requests": 20_000_000, "cold_starts": 0}}
    run = deployed.deploy("--check", "--diff", "-e", json.dumps(variables)).require()
    more = 20_000_000 * Decimal("0.2") * Decimal("0.5") * world.price("lambda.gb_seconds.arm64")
    assert f"change:    +{more:.2f} USD a month" in run.stdout
    assert "monthly cost of production, USD" in run.stdout
