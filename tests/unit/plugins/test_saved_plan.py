# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A saved plan and what would be done now: equal, or what moved by name."""

from __future__ import annotations

import copy
import typing as t

import pytest
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import saved_plan

AGAIN = "ansible-playbook playbooks/plan.yml -i inventories/production"
ID = "20261122-120000-000abc"
DEPLOYMENT: dict[str, t.Any] = {
    "environment": "production",
    "account": "123456789012",
    "region": "us-east-1",
    "sandbox": False,
    "release": {"id": "r1"},
    "stacks": {
        "data": {
            "name": "mcp-production-data",
            "stack_id": "arn:data",
            "updated_at": "2026-11-22T11:00:00+00:00",
            "template_sha256": "t",
            "inputs_sha256": "i",
            "changes": [{"action": "update", "type": "AWS::S3::Bucket", "logical_id": "FilesBucket"}],
        },
        "app": {"name": "mcp-production-app", "changes": [], "stack_id": "", "updated_at": ""},
        "watch": {"name": "mcp-production-watch", "status": None},
    },
}


def record(body: dict[str, t.Any], kind: str = "plan", **more: str) -> dict[str, t.Any]:
    """Return a record of the state."""
    base = {"id": ID, "kind": kind, "time": "2026-11-22T12:00:00.000Z", "who": "anna@laptop", "run_id": "run-1"}
    return {**base, "environment": "production", "body": body, **more}


SAVED = record(saved_plan.plan_body(DEPLOYMENT))


def refusal(fresh: dict[str, t.Any], *plans: dict[str, t.Any], **more: t.Any) -> str:
    """Check the saved plan against a deployment."""
    records = {"plan": list(plans) or [SAVED], "release": more.pop("release", [])}
    body = saved_plan.plan_body(fresh)
    return saved_plan.refusal(more.get("plan_id", ID), body, records, "production", AGAIN)


def changed(layer: str = "data", **values: t.Any) -> dict[str, t.Any]:
    """Return the deployment with other values of a stack."""
    fresh = copy.deepcopy(DEPLOYMENT)
    fresh["stacks"][layer].update(values)
    return fresh


def test_body():
    """Hashes decide, rows are for the reader; a stack that was not planned is not in it."""
    layers = saved_plan.plan_body(DEPLOYMENT)["layers"]
    assert set(layers) == {"data", "app"}
    assert layers["data"]["rows"] == ["update AWS::S3::Bucket FilesBucket"]
    assert layers["data"]["rows_sha256"] != layers["app"]["rows_sha256"]


def test_nothing_moved():
    """The plan may be executed."""
    assert refusal(copy.deepcopy(DEPLOYMENT)) == ""


@pytest.mark.parametrize(
    ("fresh", "words"),
    [
        (changed(updated_at="2026-11-22T13:00:00+00:00"), "stack mcp-production-data was updated at 2026-11-22T13:00"),
        (changed(stack_id="arn:other"), "stack mcp-production-data was made at 2026-11-22T11:00"),
        (changed(stack_id="", updated_at=""), "stack mcp-production-data is gone"),
        (changed("app", stack_id="a", updated_at="2026-11-22T13:00:00+00:00"), "stack mcp-production-app was made at"),
        (changed(template_sha256="x"), "stack mcp-production-data differs in its template"),
        (
            changed(inputs_sha256="x", template_sha256="x"),
            "stack mcp-production-data differs in its template and parameters",
        ),
        (changed(changes=[]), "stack mcp-production-data differs in its changes"),
        (changed("watch", changes=[], stack_id="", updated_at=""), "stack mcp-production-watch is new in the plan"),
        ({**DEPLOYMENT, "stacks": {"data": DEPLOYMENT["stacks"]["data"]}}, "mcp-production-app is no part of the plan"),
        ({**DEPLOYMENT, "release": {"id": "r2"}}, "the release is r2, planned was r1"),
        ({**DEPLOYMENT, "account": "111122223333"}, "account is 111122223333, planned was 123456789012"),
        ({**DEPLOYMENT, "sandbox": True}, "sandbox is True, planned was False"),
    ],
)
def test_what_moved_is_named(fresh: dict[str, t.Any], words: str):
    """One clear error, and what to type."""
    text = refusal(fresh)
    assert words in text and f"Plan {ID} of 2026-11-22T12:00:00.000Z is not what would be done now" in text
    assert text.endswith(f"Nothing was changed. Look again: {AGAIN}")


def test_who_released_since():
    """As far as there is a record; an older release is not to blame."""
    fresh = changed(updated_at="2026-11-22T13:00:00+00:00")
    body = {"release": {"id": "r2"}}
    assert "(since then anna@laptop released r2)" in refusal(
        fresh, release=[record(body, "release", time="2026-11-22T12:30:00.000Z")]
    )
    assert "released" not in refusal(fresh, release=[record(body, "release", time="2026-11-22T11:30:00.000Z")])


def test_executed_already():
    """When, by whom, in which run."""
    text = refusal(DEPLOYMENT, record({"executed": ID}, id="20261122-130000-000abc"), SAVED)
    assert f"Plan {ID} was executed already, on 2026-11-22T12:00:00.000Z by anna@laptop (run run-1)" in text


def test_another_plans_execution_does_not_count():
    """Each has its own."""
    assert refusal(DEPLOYMENT, record({"executed": "20261122-110000-000abc"}), SAVED) == ""


@pytest.mark.parametrize(
    ("plans", "known"),
    [([SAVED], f"Known are: {ID} of 2026-11-22T12:00:00.000Z"), ([record({"executed": "x"})], "Known are: none")],
)
def test_unknown(plans: list[dict[str, t.Any]], known: str):
    """With those that are known; what was executed is no plan."""
    text = refusal(DEPLOYMENT, *plans, plan_id="20261122-999999-000abc")
    assert "mcp_plan is '20261122-999999-000abc': production has no such saved plan" in text and known in text


def test_of_another_environment():
    """A record that does not belong here is none."""
    assert "production has no such saved plan" in refusal(DEPLOYMENT, {**SAVED, "environment": "staging"})
