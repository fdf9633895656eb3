# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Staging is diverted by the rule that its load balancer has prepared: at once, kept by deploys, and undone."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest

from tests.e2e.conftest import new_environment
from tests.support.staging import Staging

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def staging(tmp_path_factory: pytest.TempPathFactory, private_home: Path) -> t.Iterator[Staging]:
    """An account of this file alone, with staging deployed."""
    new = new_environment(tmp_path_factory.mktemp("divert"), private_home)
    one = Staging(new.project, new.sandbox, new.home)
    try:
        one.sandbox.start()
        one.deploy().require()
        yield one
    finally:
        one.sandbox.stop()


def rule(staging: Staging) -> str:
    """Return the field of the maintenance rule's condition."""
    arn = staging.sandbox.client("cloudformation").describe_stacks(StackName="mcp-staging-edge")["Stacks"][0]["Outputs"]
    (found,) = [item["OutputValue"] for item in arn if item["OutputKey"] == "MaintenanceRuleArn"]
    (one,) = staging.sandbox.client("elbv2").describe_rules(RuleArns=[found])["Rules"]
    return str(one["Conditions"][0]["Field"])


def health(staging: Staging) -> tuple[int, t.Any]:
    """Return what callers are told of the server's health."""
    return staging.ask(staging.report()["health_url"])


def test_a_look_changes_nothing(staging: Staging) -> None:
    run = staging.play("playbooks/divert.yml", "--check").require()
    assert "would change: divert maintenance" in run.stdout
    assert rule(staging) == "host-header" and health(staging)[0] == 200


def test_a_cdn_is_not_there_to_divert_at(staging: Staging) -> None:
    run = staging.play("playbooks/divert.yml", "-e", "mcp_divert_at=cdn").require(2)
    said = " ".join(run.output.split())
    assert "mcp_divert_at is cdn: phase staging has no CDN" in said and "Nothing was changed." in said
    assert rule(staging) == "host-header"


def test_every_caller_gets_the_maintenance_answer(staging: Staging) -> None:
    """It passes the checks of its own, names the way back, and the same again changes nothing."""
    run = staging.play("playbooks/divert.yml").require()
    assert "DIVERTED:" in run.stdout and "-e mcp_undo=" in run.stdout
    status, answer = health(staging)
    assert (status, answer["status"], answer["error"]["code"]) == (503, "maintenance", -32050)
    assert staging.play("playbooks/divert.yml").require().changed == 0


def test_a_deploy_stays_diverted(staging: Staging) -> None:
    """It says so, changes nothing, and writes evidence that proves nothing of the release."""
    run = staging.deploy().require()
    assert run.changed == 0 and "DIVERTED:" in run.stdout
    assert "override:  maintenance is true instead of false" in run.stdout
    assert health(staging)[0] == 503


def test_it_is_ended(staging: Staging) -> None:
    staging.play("playbooks/undivert.yml").require()
    assert rule(staging) == "host-header" and health(staging)[0] == 200
    assert staging.play("playbooks/undivert.yml").require().changed == 0
    assert staging.deploy().require().changed == 0


def test_an_undo_goes_back_once(staging: Staging) -> None:
    """The last flip was the end of the diversion, so it is diverted again; then there is nothing left to undo."""
    staging.play("playbooks/undo.yml").require()
    undone = staging.report("undo")
    assert undone["fields"] == [
        {"what": "undo", "target": "maintenance", "before": "false", "after": "true", "field": "maintenance"}
    ]
    assert health(staging)[0] == 503
    again = staging.play("playbooks/undo.yml").require()
    assert again.changed == 0 and "nothing to undo" in again.stdout
    # An undo is undone by its own id.
    staging.play("playbooks/undo.yml", "-e", f"mcp_undo={undone['undo_id']}").require()
    assert rule(staging) == "host-header" and health(staging)[0] == 200


def test_what_somebody_switched_by_hand_is_an_override(staging: Staging) -> None:
    client = staging.sandbox.client("elbv2")
    stack = staging.sandbox.client("cloudformation").describe_stacks(StackName="mcp-staging-edge")["Stacks"][0]
    arn = {item["OutputKey"]: item["OutputValue"] for item in stack["Outputs"]}["MaintenanceRuleArn"]
    everything = [{"Field": "path-pattern", "PathPatternConfig": {"Values": ["/*"]}}]
    client.modify_rule(RuleArn=arn, Conditions=everything)
    run = staging.deploy().require()
    assert "override:  maintenance is true instead of false" in run.stdout and run.changed == 0
    staging.play("playbooks/undivert.yml").require()
    assert health(staging)[0] == 200
