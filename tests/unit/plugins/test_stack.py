# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stack module against canned answers that botocore checks against the real service model."""

from __future__ import annotations

import re
import typing as t
from pathlib import Path

import pytest
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import stack_operation, stack_watch
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import McpError
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.template import HASH_OUTPUT
from botocore.exceptions import EndpointConnectionError
from botocore.stub import ANY

from tests.unit.plugins.stack_world import ADD, ID, NOW, SET, TEMPLATE, Harness, event, quick_harness


@pytest.fixture
def harness(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Harness:
    """A task whose waiting takes no time."""
    return quick_harness(tmp_path, monkeypatch)


class TestUnchanged:
    """The fast path and when it must not be taken."""

    def test_one_request_is_enough(self, harness: Harness) -> None:
        """Equal hash, parameters and tags."""
        harness.current(sha256=harness.sha256, Tags=[{"Key": "a", "Value": "true"}], EnableTerminationProtection=True)
        result = harness.run(parameters={"Size": "small"}, tags={"a": True}, termination_protection=True)
        assert result["changed"] is False and result["source"] == "unchanged" and "diff" not in result
        assert result["outputs"] == {"Name": "n"} and result["parameters"] == {"Size": "small"}
        assert result["template_sha256"] == harness.sha256 and result["changes"] == []

    @pytest.mark.parametrize(
        "options",
        [{"parameters": {"Size": "big"}}, {"parameters": {"Secret": "x"}}, {"tags": {"a": "c"}}, {"tags": {}}],
    )
    def test_a_difference_is_looked_at(self, harness: Harness, options: dict[str, t.Any]) -> None:
        """Another value, a hidden one, other tags: CloudFormation decides."""
        harness.current(sha256=harness.sha256, Tags=[{"Key": "a", "Value": "b"}])
        harness.answer("create_change_set", {"Id": SET, "StackId": ID})
        harness.change_set({**ADD, "Action": "Modify"})
        harness.answer("delete_change_set", {}, ChangeSetName=SET)
        result = harness.run(state="planned", **options)
        assert result["changed"] is True and result["source"] == "change_set"

    def test_a_failed_update_is_looked_at(self, harness: Harness) -> None:
        """Equal hashes prove nothing where an update stopped half-way."""
        harness.current("UPDATE_FAILED", sha256=harness.sha256)
        harness.answer("create_change_set", {"Id": SET, "StackId": ID})
        harness.change_set({**ADD, "Action": "Modify"})
        harness.answer("delete_change_set")
        assert harness.run(state="planned")["changed"] is True

    def test_moving_references_are_looked_at(self, harness: Harness) -> None:
        """An SSM reference without a version may mean something else today."""
        harness.path.write_text(TEMPLATE.replace("!Ref Size", "'{{resolve:ssm:/x}}'"), encoding="utf-8")
        harness.current(sha256=harness.sha256)
        harness.answer("create_change_set", {"Id": SET, "StackId": ID})
        harness.change_set({**ADD, "Action": "Modify"})
        harness.answer("delete_change_set")
        assert harness.run(state="planned")["changed"] is True

    def test_protection_alone_is_switched(self, harness: Harness) -> None:
        """It is no part of a change set."""
        harness.current(sha256=harness.sha256)
        harness.answer("update_termination_protection", {}, StackName="s", EnableTerminationProtection=True)
        result = harness.run(termination_protection=True)
        assert result["changed"] is True and result["source"] == "unchanged"
        assert "TerminationProtection: false -> true" in result["diff"][0]["prepared"]


class TestPlan:
    """What would change, leaving nothing behind."""

    def test_new_stack_is_expanded_here(self, harness: Harness) -> None:
        """No change set, no placeholder: one look and a validation."""
        harness.missing()
        harness.answer("validate_template", {}, TemplateBody=ANY)
        result = harness.run(check_mode=True)
        assert (result["source"], result["status"], result["changed"]) == ("local", "ABSENT", True)
        assert "+   create   AWS::SNS::Topic  Topic" in result["diff"][0]["prepared"]
        assert "not compared by AWS" in result["diff"][0]["prepared"]

    def test_template_error_names_the_file(self, harness: Harness) -> None:
        """CloudFormation's own words, and what to type."""
        harness.missing()
        harness.fail("validate_template", message="Template format error: x")
        result = harness.run(state="planned")
        assert result["failed"] and "template.yaml" in result["msg"] and "Template format error: x" in result["msg"]
        assert "--check --diff" in result["msg"]

    def test_every_page_is_read(self, harness: Harness) -> None:
        """A large change set comes in pages, and not at once."""
        harness.current()
        harness.answer("create_change_set", {"Id": SET, "StackId": ID})
        harness.change_set(status="CREATE_PENDING")
        harness.change_set(ADD, NextToken="more")
        harness.change_set({**ADD, "LogicalResourceId": "Second"})
        harness.answer("delete_change_set", {}, ChangeSetName=SET)
        result = harness.run(state="planned")
        assert [row["logical_id"] for row in result["changes"]] == ["Second", "Topic"]

    def test_missing_values_come_from_the_templates(self, harness: Harness) -> None:
        """An endpoint that tells no values: both templates are read."""
        harness.current()
        harness.answer("create_change_set", {"Id": SET, "StackId": ID})
        change = {"Action": "Modify", "LogicalResourceId": "Topic", "ResourceType": "AWS::SNS::Topic"}
        detail = {"Target": {"Attribute": "Properties", "Name": "DisplayName"}}
        harness.change_set({**change, "Details": [detail]})
        harness.answer("get_template", {"TemplateBody": TEMPLATE}, StackName=ID, TemplateStage="Processed")
        harness.answer(
            "get_template", {"TemplateBody": TEMPLATE}, StackName=ID, TemplateStage="Processed", ChangeSetName=SET
        )
        harness.answer("delete_change_set")
        result = harness.run(state="planned", parameters={"Size": "big", "Secret": "hidden"})
        assert "DisplayName: small -> big" in result["diff"][0]["prepared"]
        assert "hidden" not in str(result)

    def test_inputs_that_are_not_known_yet(self, harness: Harness) -> None:
        """Even an unchanged stack is then compared here."""
        harness.current(sha256=harness.sha256)
        harness.answer("validate_template")
        harness.answer("get_template", {"TemplateBody": TEMPLATE}, StackName=ID, TemplateStage="Original")
        result = harness.run(state="planned", unknown_parameters=["Size"])
        assert result["source"] == "local"
        assert "DisplayName: small -> (known after Size)" in result["diff"][0]["prepared"]

    def test_a_value_that_is_not_given_is_kept(self, harness: Harness) -> None:
        """Not the default of the template."""
        harness.described(Parameters=[{"ParameterKey": "Size", "ParameterValue": "big"}])
        harness.answer("validate_template")
        harness.answer("get_template", {"TemplateBody": TEMPLATE}, StackName=ID, TemplateStage="Original")
        result = harness.run(state="planned", parameters={"Size": None}, unknown_parameters=["Secret"])
        assert [row["logical_id"] for row in result["changes"]] == []

    def test_failed_change_set(self, harness: Harness) -> None:
        """The reason is passed on, the change set removed."""
        harness.current()
        harness.answer("create_change_set", {"Id": SET, "StackId": ID})
        harness.change_set(status="FAILED", StatusReason="Export X is in use.")
        harness.validation(ChangeSetName=SET)
        harness.answer("delete_change_set", {}, ChangeSetName=SET)
        harness.current()
        result = harness.run(state="planned")
        assert result["failed"] and "Nothing was changed" in result["msg"]
        assert "Export X is in use. Topic: Name is taken (/Resources/Topic)." in result["msg"]

    def test_change_set_that_never_ends(self, harness: Harness) -> None:
        """The timeout holds for it too, and it is taken away."""
        harness.current()
        harness.answer("create_change_set", {"Id": SET, "StackId": ID})
        harness.change_set(status="CREATE_IN_PROGRESS")
        harness.answer("delete_change_set", {}, ChangeSetName=SET)
        harness.current()
        assert "within 0 s (timeout)" in harness.run(state="planned", timeout=0)["msg"]

    def test_no_changes(self, harness: Harness) -> None:
        """CloudFormation calls that a failure; it is none."""
        harness.current(sha256=harness.sha256)
        harness.answer("create_change_set", {"Id": SET, "StackId": ID})
        harness.change_set(status="FAILED", StatusReason="The submitted information didn't contain changes.")
        harness.answer("get_template", {"TemplateBody": TEMPLATE})
        harness.answer("get_template", {"TemplateBody": TEMPLATE})
        harness.answer("delete_change_set", {}, ChangeSetName=SET)
        assert harness.run(state="planned", parameters={"Secret": "x"})["changed"] is False

    def test_refused_replacement(self, harness: Harness) -> None:
        """Stops, and says what to type."""
        harness.current()
        harness.answer("create_change_set", {"Id": SET, "StackId": ID})
        change = {"Action": "Modify", "LogicalResourceId": "Table", "ResourceType": "AWS::DynamoDB::Table"}
        harness.change_set({**change, "Replacement": "True", "AfterContext": "{}"})
        harness.answer("delete_change_set")
        result = harness.run(state="planned")
        assert result["failed"] and "-e mcp_allow_replacement=Table" in result["msg"]
        assert [row["logical_id"] for row in result["refused"]] == ["Table"]


class TestApply:
    """Create and update."""

    def test_create(self, harness: Harness) -> None:
        """Change set, execute exactly it, watch, protect."""
        harness.missing()
        harness.answer(
            "create_change_set",
            {"Id": SET, "StackId": ID},
            StackName="s",
            ChangeSetName=ANY,
            ClientToken=ANY,
            ChangeSetType="CREATE",
            OnStackFailure="DELETE",
            Capabilities=["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
            Parameters=[{"ParameterKey": "Size", "ParameterValue": "big"}],
            TemplateBody=ANY,
            Tags=[{"Key": "a", "Value": "1"}],
        )
        harness.change_set(ADD)
        harness.events(event(1, "REVIEW_IN_PROGRESS", "s"))
        harness.answer("execute_change_set", {}, ChangeSetName=SET, ClientRequestToken="mcp-run-1")
        harness.described("REVIEW_IN_PROGRESS")
        harness.events(event(1, "REVIEW_IN_PROGRESS", "s"))
        harness.described("CREATE_IN_PROGRESS")
        harness.events(event(1, "x", "s"), event(2, "CREATE_IN_PROGRESS", "s"), event(3, "CREATE_IN_PROGRESS"))
        harness.described("CREATE_COMPLETE")
        harness.events(event(3, "CREATE_IN_PROGRESS"), event(4, "CREATE_COMPLETE"), event(5, "CREATE_COMPLETE", "s"))
        harness.current(sha256="h")
        harness.answer("update_termination_protection", {}, StackName="s", EnableTerminationProtection=True)
        result = harness.run(
            parameters={"Size": "big", "Secret": None}, tags={"a": 1}, termination_protection=True, on_failure="DELETE"
        )
        assert result["changed"] and result["status"] == "CREATE_COMPLETE"
        assert [re.sub(r"\d+ s$", "N s", line) for line in harness.lines] == [
            "s: change set mcp-run-1 created, 1 changes",
            "s: executing change set mcp-run-1",
            "s 0/1 Topic CREATE_IN_PROGRESS N s",
            "s 1/1 CREATE_COMPLETE N s",
        ]

    def start_update(self, harness: Harness, *leftovers: dict[str, t.Any]) -> None:
        """Expect an update up to its execution."""
        harness.current(sha256="old")
        harness.answer("list_change_sets", {"Summaries": list(leftovers)}, StackName="s")
        for leftover in leftovers:
            if leftover["ChangeSetName"].startswith("mcp-run-") and leftover["ExecutionStatus"] == "AVAILABLE":
                harness.answer("delete_change_set", {}, ChangeSetName=leftover["ChangeSetId"])
        harness.answer("create_change_set", {"Id": SET, "StackId": ID})
        harness.change_set({**ADD, "Action": "Modify"})
        harness.events(event(1, "CREATE_COMPLETE", "s"))

    def finish_update(self, harness: Harness) -> None:
        """Expect an update to end well."""
        harness.described("UPDATE_COMPLETE")
        harness.events(event(1, "x", "s"), event(2, "UPDATE_COMPLETE"), event(3, "UPDATE_COMPLETE", "s"))
        harness.current("UPDATE_COMPLETE", sha256="new")

    def test_update_keeps_values_that_are_not_given(self, harness: Harness) -> None:
        """And does not take the status before it for its own end."""
        harness.current(sha256="old")
        harness.answer("list_change_sets", {"Summaries": []})
        kept = {"ParameterKey": "Secret", "UsePreviousValue": True}
        harness.answer(
            "create_change_set",
            {"Id": SET, "StackId": ID},
            StackName="s",
            ChangeSetName=ANY,
            ClientToken=ANY,
            ChangeSetType="UPDATE",
            Capabilities=ANY,
            Parameters=[{"ParameterKey": "Size", "ParameterValue": "big"}, kept],
            TemplateBody=ANY,
        )
        harness.change_set({**ADD, "Action": "Modify"})
        harness.events(event(1, "UPDATE_COMPLETE", "s"))
        harness.answer("execute_change_set")
        harness.described("UPDATE_COMPLETE")
        harness.events(event(1, "UPDATE_COMPLETE", "s"))
        self.finish_update(harness)
        assert harness.run(parameters={"Size": "big"})["status"] == "UPDATE_COMPLETE"

    def test_leftovers_of_killed_runs_go(self, harness: Harness) -> None:
        """Ours that were not executed; a saved plan and other people's stay."""
        base = {"StackId": ID, "ExecutionStatus": "AVAILABLE"}
        self.start_update(
            harness,
            {**base, "ChangeSetName": "mcp-run-0", "ChangeSetId": "left"},
            {**base, "ChangeSetName": "mcp-plan-0", "ChangeSetId": "plan"},
            {**base, "ChangeSetName": "mcp-run-9", "ChangeSetId": "done", "ExecutionStatus": "EXECUTE_COMPLETE"},
        )
        harness.answer("execute_change_set")
        self.finish_update(harness)
        harness.run()
        assert "s: removing change set mcp-run-0 of a killed run" in harness.lines

    def test_lost_answer_to_the_execution(self, harness: Harness) -> None:
        """A repeated request that finds it executing goes on."""
        self.start_update(harness)
        harness.fail("execute_change_set", "InvalidChangeSetStatus")
        harness.change_set(ExecutionStatus="EXECUTE_IN_PROGRESS")
        self.finish_update(harness)
        assert harness.run()["changed"] is True

    def test_execution_refused(self, harness: Harness) -> None:
        """A change set that became obsolete is a failure."""
        self.start_update(harness)
        harness.fail("execute_change_set", "InvalidChangeSetStatus", "obsolete")
        harness.change_set(ExecutionStatus="OBSOLETE")
        assert "obsolete" in harness.run()["msg"]

    def test_failure_names_its_cause(self, harness: Harness) -> None:
        """The first real failure, over several pages, not what was cancelled because of it."""
        self.start_update(harness)
        harness.answer("execute_change_set")
        harness.described("UPDATE_ROLLBACK_COMPLETE")
        harness.events(
            event(4, "UPDATE_FAILED", "Other", "Resource update cancelled"),
            event(5, "UPDATE_ROLLBACK_IN_PROGRESS", "s", "The following resource(s) failed"),
            event(6, "UPDATE_ROLLBACK_COMPLETE", "s"),
            token="next",
        )
        harness.events(
            event(1, "CREATE_COMPLETE", "s"),
            event(2, "CREATE_FAILED", "Other", "Resource creation cancelled"),
            event(3, "UPDATE_FAILED", "Topic", "Name is taken"),
        )
        result = harness.run()
        assert result["failed"] and result["status"] == "UPDATE_ROLLBACK_COMPLETE" and result["stack_id"] == ID
        assert result["failed_resource"] == {
            "logical_id": "Topic",
            "type": "AWS::SNS::Topic",
            "status": "UPDATE_FAILED",
            "reason": "Name is taken",
        }
        assert "Topic (AWS::SNS::Topic) UPDATE_FAILED: Name is taken" in result["msg"]
        assert "back at the version before" in result["msg"] and "describe-stack-events" in result["msg"]

    def test_validation_before_the_deployment(self, harness: Harness) -> None:
        """The stack's own event only says that it failed; the resource and the reason are asked for."""
        self.start_update(harness)
        harness.answer("execute_change_set")
        harness.described("UPDATE_ROLLBACK_COMPLETE")
        harness.events(
            event(1, "x", "s"),
            event(2, "UPDATE_FAILED", "s", "Validation failed"),
            event(3, "UPDATE_ROLLBACK_COMPLETE", "s"),
        )
        harness.validation(StackName=ID)
        result = harness.run()
        assert result["failed_resource"]["logical_id"] == "Topic"
        assert "Topic (AWS::SNS::Topic) VALIDATION_FAILED: Name is taken (/Resources/Topic)" in result["msg"]

    def test_rollback_that_fails(self, harness: Harness) -> None:
        """The next command is named."""
        self.start_update(harness)
        harness.answer("execute_change_set")
        harness.described("UPDATE_ROLLBACK_FAILED")
        harness.events(event(1, "x", "s"), event(2, "UPDATE_ROLLBACK_FAILED", "s"))
        harness.answer("describe_events", {"OperationEvents": []})
        assert "continue-update-rollback --stack-name s" in harness.run()["msg"]

    def test_refusal_removes_the_change_set(self, harness: Harness) -> None:
        """Nothing stays, nothing was executed."""
        harness.current(sha256="old")
        harness.answer("list_change_sets", {"Summaries": []})
        harness.answer("create_change_set", {"Id": SET, "StackId": ID})
        change = {"Action": "Remove", "LogicalResourceId": "Table", "ResourceType": "AWS::DynamoDB::Table"}
        harness.change_set({**change, "BeforeContext": "{}"})
        harness.answer("delete_change_set", {}, ChangeSetName=SET)
        harness.current()
        assert "mcp_allow_replacement=Table" in harness.run()["msg"]

    def test_outputs_without_a_change_set(self, harness: Harness) -> None:
        """Where the endpoint sees no change in them, they are updated directly."""
        harness.current(sha256="old", Outputs=[{"OutputKey": HASH_OUTPUT, "OutputValue": "old"}])
        harness.answer("list_change_sets", {"Summaries": []})
        harness.answer("create_change_set", {"Id": SET, "StackId": ID})
        harness.change_set(status="FAILED", StatusReason="No updates are to be performed.")
        harness.answer("get_template", {"TemplateBody": TEMPLATE})
        harness.answer("get_template", {"TemplateBody": TEMPLATE})
        harness.answer("delete_change_set", {}, ChangeSetName=SET)
        harness.events(event(1, "CREATE_COMPLETE", "s"))
        harness.answer("update_stack", {"StackId": ID})
        self.finish_update(harness)
        result = harness.run()
        assert result["changed"] is True and 'Outputs: [] -> ["Name"]' in result["diff"][0]["prepared"]

    def test_refused_template_of_a_new_stack(self, harness: Harness) -> None:
        """The placeholder that the change set brought along is removed."""
        harness.missing()
        harness.answer("create_change_set", {"Id": SET, "StackId": ID})
        harness.change_set(status="FAILED", StatusReason="Transform failed.")
        harness.fail("describe_events", "AccessDenied")
        harness.answer("delete_change_set", {}, ChangeSetName=SET)
        harness.described("REVIEW_IN_PROGRESS")
        harness.answer("delete_stack", {}, StackName=ID)
        assert "Transform failed." in harness.run()["msg"]


class TestRecovery:
    """What killed and failed runs leave."""

    @pytest.mark.parametrize("status", sorted(stack_operation.UNUSABLE))
    def test_what_cannot_be_updated_is_removed_first(self, harness: Harness, status: str) -> None:
        """Delete, wait, create."""
        harness.described(status)
        harness.events(event(1, status, "s"))
        harness.answer("delete_stack", {}, StackName=ID)
        harness.described("DELETE_COMPLETE")
        harness.events(event(1, status, "s"), event(2, "DELETE_COMPLETE", "s"))
        harness.fail("create_change_set", message="stop here")
        assert "stop here" in harness.run()["msg"]
        assert harness.lines[0] == f"s is {status}: removing it to start afresh"

    def test_operation_in_progress_is_waited_for(self, harness: Harness) -> None:
        """And its own history, not the one before, is shown."""
        harness.described("UPDATE_IN_PROGRESS")
        harness.described("UPDATE_IN_PROGRESS")
        harness.events(
            event(1, "CREATE_COMPLETE", "s"), event(2, "UPDATE_IN_PROGRESS", "s"), event(3, "UPDATE_IN_PROGRESS")
        )
        harness.described("UPDATE_COMPLETE")
        harness.events(event(3, "x"), event(4, "UPDATE_COMPLETE", "s"))
        harness.current("UPDATE_COMPLETE", sha256=harness.sha256)
        assert harness.run()["changed"] is False
        assert harness.lines[0] == "s is UPDATE_IN_PROGRESS by an earlier run: waiting for it"

    def test_deletion_in_progress_is_waited_for(self, harness: Harness) -> None:
        """Then there is nothing, and a plan is made for a new stack."""
        harness.described("DELETE_IN_PROGRESS")
        harness.missing()
        harness.missing()
        harness.answer("validate_template")
        assert harness.run(state="planned")["source"] == "local"

    def test_failed_rollback_stops(self, harness: Harness) -> None:
        """With the reason and the next command."""
        harness.described("UPDATE_ROLLBACK_FAILED", StackStatusReason="Role is gone.")
        result = harness.run(continue_rollback=False)
        assert "Role is gone." in result["msg"] and "continue-update-rollback --stack-name s" in result["msg"]
        assert result["status"] == "UPDATE_ROLLBACK_FAILED"

    def test_a_stuck_stack_can_be_deleted(self, harness: Harness) -> None:
        """Only its update is refused."""
        harness.described("UPDATE_ROLLBACK_FAILED")
        harness.answer("get_template", {"TemplateBody": TEMPLATE})
        harness.answer("list_stack_resources", {"StackResourceSummaries": []})
        assert harness.run(check_mode=True, state="absent", template=None)["changed"] is True

    def test_network_trouble_while_waiting(self, harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
        """An operation is not given up because one answer did not come."""
        harness.described("UPDATE_IN_PROGRESS")
        harness.fail("describe_stacks", "Throttling")
        harness.described("UPDATE_COMPLETE")
        harness.events(event(2, "UPDATE_IN_PROGRESS", "s"), event(4, "UPDATE_COMPLETE", "s"))
        harness.current("UPDATE_COMPLETE", sha256=harness.sha256)
        assert harness.run()["changed"] is False
        assert stack_watch.is_transient(EndpointConnectionError(endpoint_url="x"))

    def test_credentials_that_expire_while_waiting(self, harness: Harness) -> None:
        """Asking again does not help: said at once."""
        harness.described("UPDATE_IN_PROGRESS")
        harness.fail("describe_stacks", "ExpiredToken", "expired")
        assert "expired" in harness.run()["msg"]

    def test_patience_ends(self, harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
        """Minutes without any answer are reported as what they are."""
        monkeypatch.setattr(stack_watch, "PATIENCE_S", 0)
        harness.described("UPDATE_IN_PROGRESS")
        harness.fail("describe_stacks", "Throttling", "slow down")
        assert "slow down" in harness.run()["msg"]

    def test_timeout(self, harness: Harness) -> None:
        """It goes on without us, and the next run waits again."""
        harness.described("UPDATE_IN_PROGRESS")
        harness.described("UPDATE_IN_PROGRESS")
        harness.events(event(2, "UPDATE_IN_PROGRESS", "s"))
        message = harness.run(timeout=0)["msg"]
        assert "still UPDATE_IN_PROGRESS" in message and "run the same command again" in message

    def test_status_without_its_event(self, harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
        """Events that never come do not hold us up for ever."""
        monkeypatch.setattr(stack_watch, "EVENT_GRACE_S", 0)
        harness.described("UPDATE_IN_PROGRESS")
        harness.described("UPDATE_COMPLETE")
        harness.events()
        harness.current("UPDATE_COMPLETE", sha256=harness.sha256)
        assert harness.run()["changed"] is False


class TestAbsent:
    """Deletion."""

    def resources(self, harness: Harness) -> None:
        """Expect a look at the resources: one is kept by policy."""
        body = TEMPLATE + "  Kept: {Value: x}\n"
        harness.answer(
            "get_template", {"TemplateBody": body.replace("SNS::Topic,", "SNS::Topic, DeletionPolicy: Retain,")}
        )
        base = {"LastUpdatedTimestamp": NOW, "ResourceType": "AWS::SNS::Topic", "ResourceStatus": "CREATE_COMPLETE"}
        harness.answer(
            "list_stack_resources",
            {
                "StackResourceSummaries": [{**base, "LogicalResourceId": "Topic", "PhysicalResourceId": "t"}],
                "NextToken": "n",
            },
        )
        gone = {**base, "LogicalResourceId": "Gone", "ResourceStatus": "DELETE_COMPLETE"}
        harness.answer(
            "list_stack_resources", {"StackResourceSummaries": [gone, {**base, "LogicalResourceId": "Role"}]}
        )

    def deleted(self, harness: Harness, status: str = "DELETE_COMPLETE", first: int = 1, **request: t.Any) -> None:
        """Expect a deletion that ends in a status."""
        harness.events(event(first, "CREATE_COMPLETE", "s"))
        harness.answer("delete_stack", {}, StackName=ID, **request)
        harness.described(status)
        harness.events(
            event(first, "CREATE_COMPLETE", "s"),
            event(first + 1, "DELETE_FAILED", "Role", "Role is in use"),
            event(first + 2, status, "s"),
        )

    def test_nothing_there(self, harness: Harness) -> None:
        """A second deletion changes nothing."""
        harness.missing()
        result = harness.run(state="absent", template=None)
        assert result["changed"] is False and result["status"] == "ABSENT"

    def test_deletes_and_lists_what_stays(self, harness: Harness) -> None:
        """Retained resources with their physical ids."""
        harness.described()
        self.resources(harness)
        self.deleted(harness)
        result = harness.run(state="absent", template=None)
        assert result["changed"] and result["status"] == "ABSENT"
        assert [row["logical_id"] for row in result["changes"]] == ["Topic", "Role"]
        expected = {"logical_id": "Topic", "type": "AWS::SNS::Topic", "policy": "Retain", "physical_id": "t"}
        assert result["retained"] == [expected]

    def test_check_mode_changes_nothing(self, harness: Harness) -> None:
        """The same rows, no deletion."""
        harness.described(EnableTerminationProtection=True)
        self.resources(harness)
        result = harness.run(check_mode=True, state="absent", template=None, termination_protection=False)
        assert result["changed"] and "-   delete   AWS::SNS::Topic  Role" in result["diff"][0]["prepared"]

    @pytest.mark.parametrize("protection", [None, True])
    def test_protected(self, harness: Harness, protection: bool | None) -> None:
        """Refused unless it is switched off here."""
        harness.described(EnableTerminationProtection=True)
        result = harness.run(state="absent", template=None, termination_protection=protection)
        assert result["failed"] and "termination_protection: false" in result["msg"]

    def test_protection_switched_off(self, harness: Harness) -> None:
        """Then it goes."""
        harness.described(EnableTerminationProtection=True)
        self.resources(harness)
        harness.answer("update_termination_protection", {}, StackName="s", EnableTerminationProtection=False)
        self.deleted(harness)
        assert harness.run(state="absent", template=None, termination_protection=False)["changed"]

    def test_failed_deletion(self, harness: Harness) -> None:
        """The resource that would not go is named."""
        harness.described()
        self.resources(harness)
        self.deleted(harness, "DELETE_FAILED")
        result = harness.run(state="absent", template=None)
        assert "Role is in use" in result["msg"] and "is still there" in result["msg"]

    def test_retained_after_a_failed_deletion(self, harness: Harness) -> None:
        """CloudFormation takes the list of what to leave only then."""
        harness.described()
        self.resources(harness)
        self.deleted(harness, "DELETE_FAILED")
        self.deleted(harness, first=9, RetainResources=["Role"])
        result = harness.run(state="absent", template=None, retain_resources=["Role"])
        assert [row["logical_id"] for row in result["retained"]] == ["Topic", "Role"]


class TestInput:
    """Bad input, and long templates."""

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ({"parameters": {"Siz": "x"}}, "parameters: the template has no parameter Siz. Did you mean Size?"),
            ({"unknown_parameters": ["Siz"]}, "unknown_parameters: the template has no parameter Siz"),
            ({"literals": {"Siz": "x"}}, "literals: the template has no parameter Siz"),
            ({"template": "/nowhere/x.yaml"}, "/nowhere/x.yaml cannot be read"),
        ],
    )
    def test_misspelt_names(self, harness: Harness, options: dict[str, t.Any], words: str) -> None:
        """Said before AWS is asked anything."""
        assert words in harness.run(**options)["msg"]

    def test_parameter_without_a_value(self, harness: Harness) -> None:
        """Neither given, nor kept, nor a default."""
        harness.path.write_text(TEMPLATE.replace("Type: String, Default: small", "Type: String"), encoding="utf-8")
        harness.missing()
        assert "needs a value for Size" in harness.run()["msg"]

    def test_long_template_without_a_bucket(self, harness: Harness) -> None:
        """The limit and the option are named."""
        harness.path.write_text(TEMPLATE + f"  Long: {{Value: {'x' * 52_000}}}\n", encoding="utf-8")
        harness.missing()
        message = harness.run()["msg"]
        assert "51,200" in message and "template_bucket" in message

    def test_a_plan_takes_its_own_copy_of_a_long_template_away_again(self, harness: Harness) -> None:
        """By version, and never the copy under the template's hash: a deploy may be about to name that one."""
        harness.path.write_text(TEMPLATE + f"  Long: {{Value: {'x' * 52_000}}}\n", encoding="utf-8")
        keys: list[str] = []
        for operation in ("PutObject", "DeleteObject"):
            harness.clients["s3"].meta.events.register(
                f"provide-client-params.s3.{operation}", lambda params, **_more: keys.append(params["Key"])
            )
        for _plan in range(2):
            harness.current()
            put = {"Bucket": "b", "Key": ANY, "Body": ANY, "ContentType": "application/json"}
            harness.stubs["s3"].add_response("put_object", {"VersionId": "v"}, put)
            harness.answer("create_change_set", {"Id": SET, "StackId": ID})
            harness.change_set(ADD)
            harness.answer("delete_change_set")
            harness.stubs["s3"].add_response("delete_object", {}, {"Bucket": "b", "Key": ANY, "VersionId": "v"})
            assert harness.run(state="planned", template_bucket="b")["changed"]
        harness.current()
        harness.stubs["s3"].add_response("put_object", {"VersionId": "v"}, put)
        harness.fail("create_change_set", message="stop here")
        harness.stubs["s3"].add_response("delete_object", {}, {"Bucket": "b", "Key": ANY, "VersionId": "v"})
        assert "stop here" in harness.run(state="planned", template_bucket="b")["msg"]
        assert keys[::2] == keys[1::2] and len(set(keys)) == 3
        assert all(re.fullmatch(r"templates/look-[0-9a-f]{32}\.json", key) for key in keys)

    def test_a_long_template_of_an_update_lies_under_its_hash(self, harness: Harness) -> None:
        """Once for all runs; a run whose plan is refused leaves what was there before it."""
        harness.path.write_text(TEMPLATE + f"  Long: {{Value: {'x' * 52_000}}}\n", encoding="utf-8")
        harness.current()
        harness.answer("list_change_sets", {"Summaries": []})
        harness.stubs["s3"].add_response("head_object", {"ContentLength": 1}, {"Bucket": "b", "Key": ANY})
        harness.fail("create_change_set", message="stop here")
        assert "stop here" in harness.run(template_bucket="b")["msg"]

    def test_missing_credentials_are_no_traceback(self, harness: Harness) -> None:
        """The shared sentence about credentials."""
        harness.fail("describe_stacks", "ExpiredToken")
        result = harness.run()
        assert result["failed"] and "Sign in again" in result["msg"]


LOCK = {"bucket": "b", "key": "k", "run_id": "r", "lease": 60, "owner": "111122223333"}


def test_lock_is_renewed_while_waiting(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    """A third of the lease apart; S3's trouble does not end the watch."""
    renewed: list[tuple[t.Any, ...]] = []

    def renew(_s3: t.Any, *arguments: t.Any) -> bool:
        renewed.append(arguments)
        if len(renewed) == 1:
            raise McpError("S3 does not answer")
        return True

    monkeypatch.setattr(stack_operation, "renew_lock", renew)
    harness.described("UPDATE_IN_PROGRESS")
    for number in range(20):
        harness.described("UPDATE_IN_PROGRESS")
        harness.events(event(number, "UPDATE_IN_PROGRESS", "s"))
    harness.described("UPDATE_COMPLETE")
    harness.events(event(99, "UPDATE_COMPLETE", "s"))
    harness.current("UPDATE_COMPLETE", sha256=harness.sha256)
    assert harness.run(lock=LOCK)["changed"] is False
    assert set(renewed) == {("b", "k", "r", 60, "111122223333")} and 2 <= len(renewed) < 10
    assert any("could not be renewed" in line for line in harness.lines)


def test_a_lock_that_was_lost_before_the_update_leaves_the_stack_alone(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever took over may have set the stage beside the stack since this run looked."""
    monkeypatch.setattr(stack_operation, "renew_lock", lambda *_arguments: False)
    TestApply().start_update(harness)
    harness.answer("delete_change_set", {}, ChangeSetName=SET)
    harness.current(sha256="old")
    message = harness.run(lock=LOCK)["msg"]
    assert "took the deploy lock s3://b/k over" in message and "This run stops" in message


def test_a_lock_that_was_lost_during_a_short_update_stops_the_run(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The update may be over long before the next renewal is due."""
    held = iter([True])
    monkeypatch.setattr(stack_operation, "renew_lock", lambda *_arguments: next(held, False))
    harness.described("UPDATE_IN_PROGRESS")
    harness.described("UPDATE_IN_PROGRESS")
    harness.events(event(1, "UPDATE_IN_PROGRESS", "s"))
    harness.described("UPDATE_COMPLETE")
    harness.events(event(2, "UPDATE_COMPLETE", "s"))
    message = harness.run(lock=LOCK)["msg"]
    assert "took the deploy lock s3://b/k over" in message and "This run stops" in message


def test_lost_lock_stops_the_run(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two runs must not go on side by side."""
    monkeypatch.setattr(stack_operation, "renew_lock", lambda *_arguments: False)
    harness.described("UPDATE_IN_PROGRESS")
    message = harness.run(lock={**LOCK, "lease": 0})["msg"]
    assert "took the deploy lock s3://b/k over" in message and "This run stops" in message
