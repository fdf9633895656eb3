# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A plan that was looked at and saved: a deploy executes exactly it, once, or says what moved and touches nothing."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest

from tests.e2e.conftest import new_environment
from tests.support.environment import Environment
from tests.support.playbook import PlaybookRun
from tests.support.snapshot import difference, snapshot

pytestmark = pytest.mark.e2e

BUCKET = "mcp-production-state-000000000000-us-east-1"
LIMITS = '{"mcp_limits": {"calls_per_minute": 77}}'


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory, private_home: Path) -> t.Iterator[Environment]:
    """An environment of this file alone, not deployed yet."""
    one = new_environment(tmp_path_factory.mktemp("plans"), private_home)
    try:
        one.sandbox.start()
        yield one
    finally:
        one.sandbox.stop()


def save(environment: Environment, *arguments: str) -> str:
    """Save a plan; return its id."""
    run = environment.play("playbooks/plan.yml", *arguments).require()
    plan = environment.report("plan")["plan"]
    assert plan["id"] in run.stdout and f"-e mcp_plan={plan['id']}" in run.stdout
    return str(plan["id"])


def rows(environment: Environment) -> list[str]:
    """Return the rows of the last plan that was reported."""
    return [row for layer in environment.report("plan")["plan"]["layers"].values() for row in layer["rows"]]


def records(environment: Environment) -> list[dict[str, t.Any]]:
    """Return the bodies of the records of plans in the state bucket, oldest first."""
    s3 = environment.sandbox.client("s3")
    listed = s3.list_objects_v2(Bucket=BUCKET, Prefix="records/plan/").get("Contents", [])
    found = [json.loads(s3.get_object(Bucket=BUCKET, Key=item["Key"])["Body"].read()) for item in listed]
    return [record["body"] for record in sorted(found, key=lambda record: str(record["id"]))]


def without_state(lines: list[str]) -> list[str]:
    """Leave out the state bucket, which holds the records of plans and the audit trail."""
    return [line for line in lines if not line.startswith("bucket mcp-production-state-")]


def refused(environment: Environment, plan: str) -> PlaybookRun:
    """Deploy a plan that does not fit any more; nothing may have been touched."""
    before = snapshot(environment.sandbox)
    run = environment.deploy("-e", f"mcp_plan={plan}").require(2)
    assert without_state(difference(before, snapshot(environment.sandbox))) == []
    assert "Nothing was changed." in run.output and "playbooks/plan.yml" in run.output
    return run


def test_before_there_is_anything(environment: Environment) -> None:
    """The plan waits on this machine, leaves nothing on AWS, and the first deploy executes it."""
    empty = snapshot(environment.sandbox)
    looked = environment.play("playbooks/plan.yml", "--check").require()
    assert "not saved in check mode" in looked.stdout
    plan = save(environment)
    assert difference(empty, snapshot(environment.sandbox)) == []
    assert "create AWS::DynamoDB::Table DocumentsTable" in rows(environment)
    environment.deploy("-e", f"mcp_plan={plan}").require()
    saved, executed = records(environment)
    assert saved["layers"]["data"]["rows"] and executed == {"executed": plan}


def test_once(environment: Environment) -> None:
    """What was executed is history."""
    (plan,) = [body["executed"] for body in records(environment) if "executed" in body]
    run = refused(environment, plan)
    assert f"Plan {plan} was executed already" in run.output


def test_unknown(environment: Environment) -> None:
    """The known ones are named."""
    run = refused(environment, "20260101-000000-000000")
    assert "production has no such saved plan. Known are: 20" in run.output


def test_a_stack_moved(environment: Environment) -> None:
    """Somebody changed the limits meanwhile: the stack and the time are named, whatever else is."""
    plan = save(environment)
    assert rows(environment) == []
    environment.play("playbooks/limits.yml", "-e", LIMITS).require()
    run = refused(environment, plan)
    assert "stack mcp-production-data was updated at 20" in run.output


@pytest.mark.proof
def test_the_checkout_moved(environment: Environment, tmp_path: Path) -> None:
    """Another template than the one that was looked at; the plan of the old one still is good afterwards."""
    environment.deploy().require()  # alone it is the first of its file
    plan = save(environment)
    edited = environment.copied_to(tmp_path / "edited")
    template = edited.project / "roles" / "production" / "files" / "data.yaml"
    text = template.read_text(encoding="utf-8")
    template.write_text(text.replace("Key that seals MCP request state", "Another text"), encoding="utf-8")
    run = refused(edited, plan)
    assert "stack mcp-production-data differs in its template and changes" in run.output

    before = snapshot(environment.sandbox)
    environment.deploy("--check", "-e", f"mcp_plan={plan}").require()
    assert without_state(difference(before, snapshot(environment.sandbox))) == []
    wanted = save(edited)
    assert rows(edited) == ["update AWS::SecretsManager::Secret RequestStateSecret"]
    edited.deploy("-e", f"mcp_plan={wanted}").require()
    assert edited.deploy().require().changed == 0


def test_an_option_moved(environment: Environment) -> None:
    """Other values than those that were looked at."""
    plan = save(environment)
    before = snapshot(environment.sandbox)
    run = environment.deploy("-e", f"mcp_plan={plan}", "-e", "mcp_noncurrent_days=9").require(2)
    assert "stack mcp-production-data differs in its parameters and changes" in run.output
    assert without_state(difference(before, snapshot(environment.sandbox))) == []
