# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The health checks of stacks and of what is set beside them."""

from __future__ import annotations

import typing as t

import pytest
from botocore.session import get_session

from tests.unit.plugins.test_health_aws import DEPLOY, Result, answer, before, look_at

NAME = "mcp-production-app"
MADE, UPDATED = before(days=30), before(hours=5)
UNCHECKED = {"StackDriftStatus": "NOT_CHECKED"}


def stack(status: str, **fields: t.Any) -> Result:
    found = {"StackName": NAME, "CreationTime": MADE, "StackStatus": status, **fields}
    return look_at(
        "stack", {"cloudformation": [answer("describe_stacks", {"Stacks": [found]}, StackName=NAME)]}, target=NAME
    )


EXPECTED = {
    "CREATE_IN_PROGRESS": "warning",
    "CREATE_FAILED": "critical",
    "CREATE_COMPLETE": "healthy",
    "ROLLBACK_IN_PROGRESS": "critical",
    "ROLLBACK_FAILED": "critical",
    "ROLLBACK_COMPLETE": "critical",
    "DELETE_IN_PROGRESS": "critical",
    "DELETE_FAILED": "critical",
    "DELETE_COMPLETE": "critical",
    "UPDATE_IN_PROGRESS": "warning",
    "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS": "warning",
    "UPDATE_COMPLETE": "healthy",
    "UPDATE_FAILED": "critical",
    "UPDATE_ROLLBACK_IN_PROGRESS": "warning",
    "UPDATE_ROLLBACK_FAILED": "critical",
    "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS": "warning",
    "UPDATE_ROLLBACK_COMPLETE": "warning",
    "REVIEW_IN_PROGRESS": "critical",
    "IMPORT_IN_PROGRESS": "warning",
    "IMPORT_COMPLETE": "healthy",
    "IMPORT_ROLLBACK_IN_PROGRESS": "warning",
    "IMPORT_ROLLBACK_FAILED": "critical",
    "IMPORT_ROLLBACK_COMPLETE": "warning",
}


def test_every_status_of_cloudformation_is_judged() -> None:
    model = get_session().get_service_model("cloudformation")
    assert set(EXPECTED) == set(model.shape_for("StackStatus").enum)


@pytest.mark.parametrize("status", sorted(EXPECTED))
def test_a_status(status: str) -> None:
    result = stack(status, LastUpdatedTime=UPDATED, DriftInformation=UNCHECKED, StackStatusReason="it says why")
    assert result["status"] == EXPECTED[status]
    assert f"{status} since 2026-11-22 22:14 UTC" in result["evidence"]
    assert ("it says why" in result["evidence"]) == (result["status"] != "healthy")
    assert result["since"] == "2026-11-22T22:14:15Z"


def test_a_healthy_stack_says_that_drift_was_never_looked_for() -> None:
    result = stack("CREATE_COMPLETE", DriftInformation=UNCHECKED)
    expected = "stack mcp-production-app: CREATE_COMPLETE since 2026-10-24 03:14 UTC; drift was never looked for"
    assert result["evidence"] == f"{expected} (playbooks/drift.yml does)"
    assert stack("CREATE_COMPLETE")["evidence"] == result["evidence"]


def test_a_status_that_nobody_knows_is_unknown() -> None:
    assert stack("SOMETHING_NEW")["status"] == "unknown"


def test_what_to_type_about_a_failure() -> None:
    step = stack("UPDATE_ROLLBACK_FAILED")["next_step"]
    assert step.startswith("aws cloudformation describe-stack-events --stack-name mcp-production-app --query ")
    assert "contains(ResourceStatus, 'FAILED')" in step and step.endswith("--output table --region us-east-1")
    assert stack("ROLLBACK_COMPLETE")["next_step"] == DEPLOY
    assert "--max-items 10" in stack("UPDATE_IN_PROGRESS")["next_step"]


def test_drift_is_a_warning_with_the_time_it_was_seen() -> None:
    drifted = {"StackDriftStatus": "DRIFTED", "LastCheckTimestamp": before(hours=3)}
    result = stack("UPDATE_COMPLETE", LastUpdatedTime=UPDATED, DriftInformation=drifted)
    assert result["status"] == "warning" and "changed by hand, as was seen 3 hours ago;" in result["evidence"]
    assert result["since"] == "2026-11-23T00:14:15Z"
    assert result["next_step"] == "ansible-playbook playbooks/drift.yml -i INVENTORY --limit production"


def test_drift_of_before_the_last_update_says_so() -> None:
    checked = {"StackDriftStatus": "IN_SYNC", "LastCheckTimestamp": before(days=3)}
    result = stack("UPDATE_COMPLETE", LastUpdatedTime=UPDATED, DriftInformation=checked)
    assert result["status"] == "healthy" and "no drift 3 days ago, before the last update" in result["evidence"]


def test_a_failed_stack_that_drifted_is_critical() -> None:
    result = stack("UPDATE_FAILED", DriftInformation={"StackDriftStatus": "DRIFTED"})
    assert result["status"] == "critical" and result["evidence"].count(";") == 1
    assert "changed by hand, as was seen at an unknown time" in result["evidence"]


def test_a_deleted_stack_tells_when() -> None:
    result = stack("DELETE_COMPLETE", LastUpdatedTime=UPDATED, DeletionTime=before(minutes=14))
    assert result["since"] == "2026-11-23T03:00:15Z"


@pytest.mark.parametrize(
    "response", [{"Stacks": []}, "ValidationError: Stack with id mcp-production-app does not exist"]
)
def test_a_missing_stack_is_critical(response: t.Any) -> None:
    result = look_at("stack", {"cloudformation": [answer("describe_stacks", response)]}, target=NAME)
    assert (result["status"], result["next_step"]) == ("critical", DEPLOY)
    assert result["evidence"] == "stack mcp-production-app does not exist in us-east-1"


def test_a_stack_that_was_removed_on_purpose_is_unknown() -> None:
    calls = [answer("describe_stacks", "ValidationError: Stack with id mcp-production-app does not exist")]
    result = look_at("stack", {"cloudformation": calls}, target=NAME, absent="unknown")
    assert (result["status"], result["next_step"]) == ("unknown", DEPLOY)
    assert result["evidence"] == "stack mcp-production-app is not there"
    there = {"StackName": NAME, "CreationTime": MADE, "StackStatus": "UPDATE_FAILED"}
    calls = [answer("describe_stacks", {"Stacks": [there]}, StackName=NAME)]
    assert look_at("stack", {"cloudformation": calls}, target=NAME, absent="unknown")["status"] == "critical"


def test_another_validation_error_is_unknown() -> None:
    calls = {"cloudformation": [answer("describe_stacks", "ValidationError: no such name")]}
    assert look_at("stack", calls, target=NAME)["status"] == "unknown"


def override(field: str, **fields: t.Any) -> dict[str, t.Any]:
    return {"field": field, "stack": "false", "actual": "true", **fields}


def test_nothing_beside_the_stacks_is_healthy() -> None:
    assert look_at("overrides", overrides=[])["status"] == "healthy"


def test_a_maintenance_answer_is_a_warning_that_undivert_ends() -> None:
    found = override("maintenance", who="arn:aws:iam::1:user/ann", since="2026-11-23T01:00:00.123Z")
    result = look_at("overrides", overrides=[found])
    assert (result["status"], result["since"]) == ("warning", "2026-11-23T01:00:00Z")
    assert result["evidence"] == (
        "callers get the maintenance answer: maintenance is true instead of false (by arn:aws:iam::1:user/ann "
        "since 2026-11-23T01:00:00.123Z)"
    )
    assert result["next_step"] == "ansible-playbook playbooks/undivert.yml -i INVENTORY --limit production"


UNDIVERT = "ansible-playbook playbooks/undivert.yml -i INVENTORY --limit production"
AT_CDN = f"{UNDIVERT} -e mcp_divert_at=cdn"


@pytest.mark.parametrize(
    ("fields", "diverted", "step"),
    [
        (("maintenance",), False, UNDIVERT),
        (("maintenance",), True, UNDIVERT),
        (("cdn_maintenance",), False, AT_CDN),
        (("cdn_maintenance",), True, AT_CDN),
        (("stage_deployment",), True, UNDIVERT),
        (("stage_deployment", "cdn_maintenance"), True, f"{UNDIVERT} && {AT_CDN}"),
        (("stage_deployment", "throttle_rate"), True, UNDIVERT),
        (("cdn_maintenance", "throttle_rate"), False, AT_CDN),
        ((), True, UNDIVERT),
    ],
)
def test_a_diversion_is_told_and_ended_where_it_is(fields: tuple[str, ...], diverted: bool, step: str) -> None:
    result = look_at("overrides", overrides=[override(field) for field in fields], diverted=diverted)
    assert (result["status"], result["next_step"]) == ("warning", step)
    assert result["evidence"].startswith("callers get the maintenance answer")
    assert all(f"{field} is true instead of false" in result["evidence"] for field in fields)


def test_an_older_release_at_the_gateway_is_no_diversion() -> None:
    found = {"field": "stage_deployment", "stack": "b2", "actual": "a1"}
    result = look_at("overrides", overrides=[found])
    assert result["evidence"].startswith("1 setting beside the stacks: stage_deployment is a1 instead of b2")
    assert result["next_step"].startswith("ansible-playbook playbooks/undo.yml ")


def test_other_overrides_are_undone_and_the_oldest_counts() -> None:
    found = [
        {"field": "server_version", "stack": "8", "actual": "7", "since": "2026-11-22T01:00:00Z", "who": None},
        override("throttle_rate", since=None),
        override("throttle_burst", since="long ago"),
    ]
    result = look_at("overrides", overrides=found)
    assert (result["status"], result["since"]) == ("warning", "2026-11-22T01:00:00Z")
    assert "server_version is 7 instead of 8 (since 2026-11-22T01:00:00Z)" in result["evidence"]
    assert "throttle_rate is true instead of false (nobody recorded who set it)" in result["evidence"]
    assert result["evidence"].startswith("3 settings beside the stacks: ")
    assert result["next_step"].startswith("ansible-playbook playbooks/undo.yml ")
