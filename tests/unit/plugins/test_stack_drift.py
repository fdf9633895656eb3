# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looking for drift and reverting it: every request against the real service model."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from botocore.stub import ANY

from tests.unit.plugins.stack_world import ADD, ID, NOW, SET, Harness, event, quick_harness

DRIFT: dict[str, t.Any] = {"state": "drift", "template": None}
DETECTION = "d-1"


@pytest.fixture
def harness(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Harness:
    """A task whose waiting takes no time."""
    return quick_harness(tmp_path, monkeypatch)


def resource(logical_id: str, status: str, *differences: tuple[str, str, str], **more: t.Any) -> dict[str, t.Any]:
    """Return what CloudFormation says of one resource."""
    body: dict[str, t.Any] = {
        "StackId": ID,
        "LogicalResourceId": logical_id,
        "PhysicalResourceId": logical_id.lower(),
        "ResourceType": "AWS::SNS::Topic",
        "StackResourceDriftStatus": status,
        "Timestamp": NOW,
        **more,
    }
    if differences:
        body["PropertyDifferences"] = [
            {"PropertyPath": path, "ExpectedValue": expected, "ActualValue": actual, "DifferenceType": "NOT_EQUAL"}
            for path, expected, actual in differences
        ]
    return body


def expect_detection(harness: Harness, *resources: dict[str, t.Any], reason: str = "", stack: str = "") -> None:
    """Expect a detection that takes two looks, and its result."""
    harness.current(stack or "UPDATE_COMPLETE")
    harness.answer("detect_stack_drift", {"StackDriftDetectionId": DETECTION}, StackName=ID)
    status = {"StackId": ID, "StackDriftDetectionId": DETECTION, "Timestamp": NOW}
    running = {**status, "DetectionStatus": "DETECTION_IN_PROGRESS"}
    harness.answer("describe_stack_drift_detection_status", running, StackDriftDetectionId=DETECTION)
    ended = {**status, "DetectionStatus": "DETECTION_FAILED" if reason else "DETECTION_COMPLETE"}
    ended.update({"DetectionStatusReason": reason} if reason else {})
    harness.answer("describe_stack_drift_detection_status", ended)
    harness.answer("describe_stack_resource_drifts", {"StackResourceDrifts": list(resources[:1]), "NextToken": "n"})
    rest = {"StackResourceDrifts": list(resources[1:])}
    harness.answer("describe_stack_resource_drifts", rest, StackName=ID, NextToken="n")
    base = {"LastUpdatedTimestamp": NOW, "ResourceType": "AWS::SNS::Topic", "ResourceStatus": "CREATE_COMPLETE"}
    names = [each["LogicalResourceId"] for each in resources] + ["Deployment"]
    listed = [{**base, "LogicalResourceId": name} for name in names]
    gone = {**base, "LogicalResourceId": "Gone", "ResourceStatus": "DELETE_COMPLETE"}
    harness.answer("list_stack_resources", {"StackResourceSummaries": [*listed, gone]}, StackName=ID)


MODIFIED = resource("Topic", "MODIFIED", ("/DisplayName", "small", "big"))


class TestDetection:
    """What is found, and what could not be looked at."""

    def test_every_kind(self, harness: Harness) -> None:
        """Two pages: changed, deleted, in order, unknown, and a type that has no detection."""
        unknown = resource("Odd", "UNKNOWN", DriftStatusReason="no permission")
        deleted, same = resource("Away", "DELETED"), resource("Same", "IN_SYNC")
        expect_detection(harness, MODIFIED, deleted, same, unknown, reason="Failed on [Odd]")
        result = harness.run(**DRIFT)
        assert [(row["logical_id"], row["status"]) for row in result["drift"]] == [
            ("Away", "DELETED"),
            ("Topic", "MODIFIED"),
        ]
        assert result["drift"][1]["differences"] == [
            {"path": "/DisplayName", "expected": "small", "actual": "big", "kind": "NOT_EQUAL"}
        ]
        assert result["drift"][1]["physical_id"] == "topic"
        assert (result["in_sync"], result["reason"], result["changed"]) == (["Same"], "Failed on [Odd]", False)
        assert {row["logical_id"]: row["reason"] for row in result["not_checked"]} == {
            "Deployment": "no drift detection for this type",
            "Odd": "no permission",
        }

    @pytest.mark.parametrize(
        ("path", "expected"),
        [
            ("/Environment/Variables/KEY", "abc"),
            ("/DistributionConfig/Origins/0/OriginCustomHeaders/0/HeaderValue", "abc"),
            ("/SecretString", "abc"),
            ("/MasterUserPassword", "abc"),
            ("/Any", "{{resolve:secretsmanager:arn:SecretString}}"),
        ],
    )
    def test_no_secret_is_shown(self, harness: Harness, path: str, expected: str) -> None:
        """It is told that it differs, not how."""
        expect_detection(harness, resource("Topic", "MODIFIED", (path, expected, "opensesame")))
        result = harness.run(**DRIFT)
        (told,) = result["drift"][0]["differences"]
        assert (told["path"], told["expected"], told["actual"]) == (path, "(hidden)", "(hidden)")
        assert "opensesame" not in str(result)

    def test_no_stack(self, harness: Harness) -> None:
        """One clear error."""
        harness.missing()
        assert "There is no stack s" in harness.run(**DRIFT)["msg"]

    def test_a_stack_that_cannot_be_looked_at(self, harness: Harness) -> None:
        """Its status is named."""
        harness.described("ROLLBACK_COMPLETE")
        assert "Stack s is ROLLBACK_COMPLETE" in harness.run(**DRIFT)["msg"]

    def test_an_end(self, harness: Harness) -> None:
        """A detection that takes too long."""
        harness.current()
        harness.answer("detect_stack_drift", {"StackDriftDetectionId": DETECTION})
        running = {"StackId": ID, "StackDriftDetectionId": DETECTION, "Timestamp": NOW}
        for _ in range(2):
            harness.answer(
                "describe_stack_drift_detection_status", {**running, "DetectionStatus": "DETECTION_IN_PROGRESS"}
            )
        assert "within 1 s (timeout)" in harness.run(timeout=1, **DRIFT)["msg"]


def expect_revert(harness: Harness, *changes: dict[str, t.Any], mode: str | None = "REVERT_DRIFT") -> None:
    """Expect a drift-aware change set of the stack's own template and parameters."""
    expect_detection(harness, MODIFIED)
    harness.current()
    harness.answer(
        "create_change_set",
        {"Id": SET, "StackId": ID},
        StackName=ID,
        ChangeSetName=ANY,
        ClientToken=ANY,
        ChangeSetType="UPDATE",
        DeploymentMode="REVERT_DRIFT",
        UsePreviousTemplate=True,
        Parameters=[
            {"ParameterKey": "Size", "UsePreviousValue": True},
            {"ParameterKey": "Secret", "UsePreviousValue": True},
        ],
        Capabilities=ANY,
    )
    harness.change_set(*changes)
    harness.answer("describe_change_set", {"DeploymentMode": mode} if mode else {}, ChangeSetName=SET)


def expect_discard(harness: Harness) -> None:
    """Expect the change set to be removed, and nothing else."""
    harness.answer("delete_change_set", {}, ChangeSetName=SET)
    harness.described("UPDATE_COMPLETE")


CHANGE = {**ADD, "Action": "Modify", "ResourceDriftStatus": "MODIFIED"}


class TestRevert:
    """Going back from drift."""

    def test_reverted(self, harness: Harness) -> None:
        """By exactly the change set that was looked at."""
        expect_revert(harness, CHANGE)
        harness.events(event(1, "CREATE_COMPLETE", "s"))
        harness.answer("execute_change_set", {}, ChangeSetName=SET, ClientRequestToken="mcp-run-1")
        harness.described("UPDATE_COMPLETE")
        harness.events(event(1, "x", "s"), event(2, "UPDATE_COMPLETE", "s"))
        harness.described("UPDATE_COMPLETE")
        result = harness.run(revert_drift=True, **DRIFT)
        assert (result["changed"], result["reverted"]) == (True, True)
        assert [row["logical_id"] for row in result["changes"]] == ["Topic"] and result["drift"]
        assert "update" in result["diff"][0]["prepared"]

    def test_in_check_mode(self, harness: Harness) -> None:
        """Said, not done, nothing left behind."""
        expect_revert(harness, CHANGE)
        expect_discard(harness)
        result = harness.run(check_mode=True, revert_drift=True, **DRIFT)
        assert (result["changed"], result["reverted"]) == (True, False)

    def test_no_drift_no_change_set(self, harness: Harness) -> None:
        """Nothing to go back from."""
        expect_detection(harness, resource("Topic", "IN_SYNC"))
        assert harness.run(revert_drift=True, **DRIFT)["changed"] is False

    def test_an_endpoint_that_does_not_know_it(self, harness: Harness) -> None:
        """It would make an ordinary change set: seen by its mode, removed, said."""
        expect_revert(harness, mode=None)
        expect_discard(harness)
        result = harness.run(revert_drift=True, **DRIFT)
        assert (result["changed"], result["reverted"]) == (False, False)
        assert "does not revert drift" in result["not_available"]

    def test_data_is_not_given_up_for_it(self, harness: Harness) -> None:
        """The guard of every update."""
        expect_revert(harness, {**CHANGE, "ResourceType": "AWS::DynamoDB::Table", "Replacement": "True"})
        expect_discard(harness)
        assert "mcp_allow_replacement=Topic" in harness.run(revert_drift=True, **DRIFT)["msg"]

    def test_refused(self, harness: Harness) -> None:
        """In CloudFormation's own words."""
        expect_detection(harness, MODIFIED)
        harness.current()
        harness.fail("create_change_set", message="not supported for this stack")
        message = harness.run(revert_drift=True, **DRIFT)["msg"]
        assert "does not revert the drift of stack s" in message and "not supported for this stack" in message
