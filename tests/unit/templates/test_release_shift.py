# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How CodeDeploy shifts traffic, in the template as it is deployed; the emulator has no CodeDeploy to see it."""

from __future__ import annotations

import typing as t

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

from tests.support.checkout import ROOT
from tests.support.expanded import PLAIN, expanded

SHIFTING = {"ReleaseStrategy": "Linear10PercentEvery1Minute", "ShiftTraffic": "true", "LiveVersion": "7"}


def app(**given: t.Any) -> dict[str, dict[str, t.Any]]:
    """Return the resources of the app with these parameters, deployed to AWS."""
    return expanded("app", {**PLAIN, **SHIFTING, "LiveAuthorizerVersion": "7", **given})["Resources"]


def of_codedeploy(resources: dict[str, dict[str, t.Any]]) -> set[str]:
    """Return the logical ids of what belongs to CodeDeploy."""
    return {name for name, body in resources.items() if body["Type"].startswith("AWS::CodeDeploy::")}


def shifting(resources: dict[str, dict[str, t.Any]]) -> set[str]:
    """Return the aliases that CodeDeploy moves."""
    return {name for name, body in resources.items() if "CodeDeployLambdaAliasUpdate" in body.get("UpdatePolicy", {})}


def test_both_aliases_are_shifted_each_by_its_own_group():
    resources = app()
    assert of_codedeploy(resources) == {"ReleaseApplication", "ServerReleaseGroup", "AuthorizerReleaseGroup"}
    assert shifting(resources) == {"ServerAlias", "AuthorizerAlias"}
    for role in ("Server", "Authorizer"):
        policy = resources[f"{role}Alias"]["UpdatePolicy"]["CodeDeployLambdaAliasUpdate"]
        assert policy["DeploymentGroupName"] == {"Ref": f"{role}ReleaseGroup"}
        group = resources[f"{role}ReleaseGroup"]["Properties"]
        assert group["DeploymentConfigName"] == "CodeDeployDefault.LambdaLinear10PercentEvery1Minute"
        assert group["DeploymentStyle"] == {
            "DeploymentType": "BLUE_GREEN",
            "DeploymentOption": "WITH_TRAFFIC_CONTROL",
        }
        assert "DEPLOYMENT_STOP_ON_ALARM" in group["AutoRollbackConfiguration"]["Events"]


@pytest.mark.parametrize("given", [{"ReleaseStrategy": "AllAtOnce"}, {"Sandbox": "true"}], ids=["strategy", "sandbox"])
def test_without_it_nothing_of_codedeploy_is_there(given: dict[str, str]):
    resources = app(**given)
    assert of_codedeploy(resources) == shifting(resources) == set() and "ReleaseRole" not in resources


@pytest.mark.parametrize(
    "given",
    [{"ShiftTraffic": "false"}, {"LiveVersion": "", "LiveAuthorizerVersion": ""}],
    ids=["this update does not", "nothing has taken traffic yet"],
)
def test_an_update_that_does_not_ask_for_it_moves_the_aliases_at_once(given: dict[str, str]):
    resources = app(**given)
    assert shifting(resources) == set() and len(of_codedeploy(resources)) == 3


@pytest.mark.parametrize(("planned", "told"), [(True, "false"), (False, None)])
def test_before_the_aliases_move_nothing_is_left_that_shifts_a_rollback_of_it(planned: bool, told: str | None):
    """And a deploy that changes nothing of the app does not change this either."""
    tasks = yaml.safe_load((ROOT / "roles/production/tasks/apply_app.yml").read_text())
    variables = {"mcp_deployment": {"stacks": {"app": {"planned": planned}}}}
    for task in tasks:
        written = trust_as_template(task["vars"]["_mcp_shift_traffic"])
        assert Templar(DataLoader(), variables).template(written) == told
    assert len(tasks) == 2


@pytest.mark.parametrize("alarms", ["true", "false"])
def test_alarms_end_a_shift_only_where_there_are_alarms(alarms: str):
    configuration = app(ReleaseAlarms=alarms)["ServerReleaseGroup"]["Properties"]["AlarmConfiguration"]
    assert configuration["Enabled"] is (alarms == "true")
    assert [item["Name"] for item in configuration.get("Alarms", [])] == (
        [f"mcp-production-{name}" for name in ("error-rate", "latency-p95", "authorizer-errors")]
        if alarms == "true"
        else []
    )


def test_the_stage_follows_when_the_aliases_have_moved():
    """It depends on them by the deployment and its methods: CloudFormation then updates it after them."""
    resources = app()
    (deployment,) = [name for name in resources if name.startswith("ApiDeployment")]
    assert "McpPost" in resources[deployment]["DependsOn"]
    assert {"ServerAlias", "AuthorizerAlias"} <= set(resources["McpPost"]["DependsOn"])
