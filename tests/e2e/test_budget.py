# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A deploy over its budget stops before anything is there, or goes on for a reason; budgets are made once."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest

from tests.e2e.conftest import new_environment
from tests.support.environment import Environment
from tests.support.snapshot import difference, snapshot

pytestmark = pytest.mark.e2e

ACCOUNT = "000000000000"
SHARED = "mcp-account_costs"
OVER = {"mcp_budget_usd": "0.01", "mcp_budget_policy": "block"}
REASON = "load test until Friday"


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory, private_home: Path) -> t.Iterator[Environment]:
    """An account of this file alone, where nothing is deployed yet."""
    one = new_environment(tmp_path_factory.mktemp("budget"), private_home)
    try:
        one.sandbox.start()
        yield one
    finally:
        one.sandbox.stop()


def audit(environment: Environment, what: str) -> list[dict[str, t.Any]]:
    """Return the lines of the audit trail of one kind."""
    s3, bucket = environment.sandbox.client("s3"), f"mcp-production-state-{ACCOUNT}-us-east-1"
    keys = [item["Key"] for item in s3.list_objects_v2(Bucket=bucket, Prefix="audit/").get("Contents", [])]
    texts = [s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode() for key in keys]
    lines = [json.loads(line) for text in texts for line in text.splitlines()]
    return [line for line in lines if line["what"] == what]


@pytest.mark.parametrize("arguments", [("deploy.yml",), ("deploy.yml", "--check"), ("playbooks/plan.yml",)])
def test_a_deploy_over_its_budget_stops_before_anything_is_there(
    environment: Environment, arguments: tuple[str, ...]
) -> None:
    before = snapshot(environment.sandbox)
    run = environment.play(*arguments, "-e", json.dumps(OVER)).require(2)
    touched = [line for line in difference(before, snapshot(environment.sandbox)) if "-state-" not in line]
    assert touched == []
    said = " ".join(run.output.split())
    assert "This deploy is OVER the budget of production, 0.01 USD a month: estimate" in said
    assert "month to date: nothing is deployed yet" in said
    assert f"ansible-playbook {arguments[0]} -i " in said and "mcp_budget_override_reason" in said


def test_a_reason_lets_it_go_on_and_is_kept(environment: Environment) -> None:
    run = environment.deploy("-e", json.dumps({**OVER, "mcp_budget_override_reason": REASON})).require()
    assert f"OVER THE BUDGET, on purpose: {REASON}" in run.stdout
    guard = environment.report()["budget_guard"]
    assert (guard["verdict"], guard["decision"], guard["cap"]) == ("over", "overridden", "0.01")
    (line,) = audit(environment, "budget overridden")
    assert (line["target"], line["after"]) == ("production", REASON)
    assert "OVER the budget of production, 0.01 USD a month" in line["before"]


def test_a_warning_is_no_stop_and_nothing_is_written_down(environment: Environment) -> None:
    """What was spent nobody knows in the sandbox, and it says so."""
    run = environment.deploy("-e", "mcp_budget_usd=0.01").require()
    assert run.changed == 0
    assert "forecast: not available on the emulator" in run.stdout
    guard = environment.report()["budget_guard"]
    assert guard["decision"] == "warned" and len(audit(environment, "budget overridden")) == 1


def test_within_its_budget_it_goes_on(environment: Environment) -> None:
    environment.deploy("-e", json.dumps({"mcp_budget_usd": "100000", "mcp_budget_policy": "block"})).require()
    assert environment.report()["budget_guard"]["verdict"] == "within"


def test_budgets_are_made_once_and_removed(environment: Environment) -> None:
    client = environment.sandbox.client("budgets")

    def limits() -> dict[str, str]:
        found = client.describe_budgets(AccountId=ACCOUNT).get("Budgets", [])
        return {item["BudgetName"]: item["BudgetLimit"]["Amount"] for item in found}

    arguments = ("playbooks/budget.yml", "-e", "mcp_budget_usd=12.50")
    look = environment.play(*arguments, "--check").require()
    assert look.changed == 1 and limits() == {}
    assert environment.play(*arguments).require().changed == 1
    assert limits() == {"mcp-production": "12.5", SHARED: "50"}
    again = environment.play(*arguments).require()
    assert again.changed == 0 and "anomaly alerts: not available on the emulator" in again.stdout
    assert "mcp-production: 12.50 USD a month" in again.stdout
    (alarm,) = environment.sandbox.client("cloudwatch").describe_alarms(AlarmNames=[SHARED])["MetricAlarms"]
    assert alarm["AlarmActions"][0].endswith(f":{SHARED}")
    assert {line["target"] for line in audit(environment, "budget created")} == {"mcp-production", SHARED}
    gone = ("playbooks/budget.yml", "-e", "mcp_budget_state=absent")
    said = " ".join(environment.play(*gone).require().output.split())
    assert limits() == {SHARED: "50"} and "all its environments share them" in said
    environment.play(*gone, "-e", "mcp_billing_alert_usd=0").require()
    assert limits() == {}


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"mcp_budget_usd": "-1"}, "mcp_budget_usd is '-1': allowed is an amount in US dollars"),
        ({"mcp_budget_polcy": "block"}, "Did you mean mcp_budget_policy?"),
        ({"mcp_budget_policy": "stop"}, "allowed is one of warn, block"),
        ({"mcp_budget_override_reason": ""}, "mcp_budget_override_reason is ''"),
    ],
)
def test_bad_input(environment: Environment, variables: dict[str, str], said: str) -> None:
    run = environment.deploy("-e", json.dumps(variables)).require(2)
    assert said in " ".join(run.output.split()) and "Traceback" not in run.output
