# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rollbacks that got stuck, and what an earlier stack left on AWS: every request against the real service model."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest
from botocore.stub import ANY

from tests.unit.plugins.stack_world import ADD, ID, NOW, SET, TEMPLATE, Harness, event, quick_harness

RETAINED = """
Parameters:
  Name: {Type: String}
  WithBucket: {Type: String, Default: "yes"}
Conditions:
  Bucket: !Equals [!Ref WithBucket, "yes"]
Resources:
  Table: {Type: AWS::DynamoDB::Table, DeletionPolicy: RetainExceptOnCreate, Properties: {TableName: !Ref Name}}
  Secret:
    Type: AWS::SecretsManager::Secret
    DeletionPolicy: Retain
    DependsOn: Topic
    Properties: {Name: !Sub "${Name}-key"}
  Bucket:
    Type: AWS::S3::Bucket
    Condition: Bucket
    DeletionPolicy: Retain
    Properties: {BucketName: !Sub "${Name}-files"}
  Unnamed: {Type: AWS::S3::Bucket, DeletionPolicy: Retain}
  Passing: {Type: AWS::S3::Bucket, Properties: {BucketName: passing}}
  Topic: {Type: AWS::SNS::Topic}
Outputs:
  Table: {Value: !Ref Table}
"""
# A stack that has given its secret up: its own values say that there is none.
GIVEN_UP = """
Parameters:
  Secrets: {Type: String}
Conditions:
  HasSecrets: !Equals [!Ref Secrets, "yes"]
Resources:
  Topic: {Type: AWS::SNS::Topic}
  Secret:
    Type: AWS::SecretsManager::Secret
    Condition: HasSecrets
    DeletionPolicy: RetainExceptOnCreate
    DependsOn: Topic
    Properties: {Name: env-key, Description: !Sub "of ${Secrets}"}
Outputs:
  Arn: {Condition: HasSecrets, Value: !Ref Secret}
"""
ARN = "arn:aws:secretsmanager:us-east-1:123456789012:secret:env-key-abcdef"
OWNER = "123456789012"


def summary(logical_id: str, physical_id: str, status: str) -> dict[str, t.Any]:
    """Return a resource as it is listed."""
    named = {"LogicalResourceId": logical_id, "PhysicalResourceId": physical_id, "ResourceType": "x"}
    return {**named, "ResourceStatus": status, "LastUpdatedTimestamp": NOW}


@pytest.fixture
def harness(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Harness:
    """A task whose waiting takes no time."""
    return quick_harness(tmp_path, monkeypatch)


def continued(harness: Harness, status: str, *events: dict[str, t.Any], **expected: t.Any) -> None:
    """Expect a rollback to be continued and to end in a status."""
    harness.described("UPDATE_ROLLBACK_FAILED", StackStatusReason="Role is gone.")
    harness.events(event(1, "UPDATE_ROLLBACK_FAILED", "s"))
    harness.answer("continue_update_rollback", {}, StackName=ID, **expected)
    harness.described(status, StackStatusReason="Role is gone.")
    harness.events(event(1, "x", "s"), *events, event(9, status, "s"))


class TestStuck:
    """UPDATE_ROLLBACK_FAILED."""

    def test_continued_and_updated(self, harness: Harness) -> None:
        """The same run goes on to the end."""
        continued(harness, "UPDATE_ROLLBACK_COMPLETE")
        harness.answer("list_change_sets", {"Summaries": []})
        harness.answer("create_change_set", {"Id": SET, "StackId": ID})
        harness.change_set({**ADD, "Action": "Modify"})
        harness.events(event(9, "UPDATE_ROLLBACK_COMPLETE", "s"))
        harness.answer("execute_change_set")
        harness.described("UPDATE_COMPLETE")
        harness.events(event(9, "x", "s"), event(10, "UPDATE_COMPLETE", "s"))
        harness.current("UPDATE_COMPLETE", sha256="new")
        result = harness.run()
        assert [row["logical_id"] for row in result["changes"]] == ["s", "Topic"]
        assert harness.lines[0] == "s: continuing the rollback that failed"

    def test_with_resources_left_out(self, harness: Harness) -> None:
        """Named to CloudFormation, and only once tried."""
        failure = event(2, "UPDATE_FAILED", "Topic", "No such topic")
        continued(harness, "UPDATE_ROLLBACK_FAILED", failure, ResourcesToSkip=["Role"])
        message = harness.run(skip_resources=["Role"])["msg"]
        assert "It was continued once and failed again (Topic: No such topic)" in message
        assert "Role is gone." in message and "run the same command again" in message and "skip_resources" in message

    def test_refused(self, harness: Harness) -> None:
        """In CloudFormation's own words."""
        harness.described("UPDATE_ROLLBACK_FAILED")
        harness.events(event(1, "UPDATE_ROLLBACK_FAILED", "s"))
        harness.fail("continue_update_rollback", message="cannot be skipped")
        result = harness.run(skip_resources=["Topic"])
        assert "CloudFormation does not continue it:" in result["msg"] and "cannot be skipped" in result["msg"]
        assert result["status"] == "UPDATE_ROLLBACK_FAILED"

    def test_other_errors_are_their_own(self, harness: Harness) -> None:
        """A missing permission is not about the rollback."""
        harness.described("UPDATE_ROLLBACK_FAILED")
        harness.events(event(1, "UPDATE_ROLLBACK_FAILED", "s"))
        harness.fail("continue_update_rollback", "AccessDenied", "no")
        assert harness.run()["error_code"] == "AccessDenied"

    def test_planned_without_touching_it(self, harness: Harness) -> None:
        """CloudFormation makes no change set for it: compared here, with the rollback as the first row."""
        harness.described("UPDATE_ROLLBACK_FAILED")
        harness.answer("validate_template")
        harness.answer("get_template", {"TemplateBody": TEMPLATE}, StackName=ID, TemplateStage="Original")
        result = harness.run(state="planned")
        assert result["source"] == "local" and result["changes"][0]["scope"] == ["Rollback"]


class TestImport:
    """Retained resources of an earlier stack."""

    OPTIONS: t.ClassVar[dict[str, t.Any]] = {
        "import_existing": True,
        "parameters": {"Name": "env"},
        "template_bucket_owner": OWNER,
    }

    def existing(self, harness: Harness, **secret: t.Any) -> None:
        """Expect three look-ups: table and secret are there, the bucket is not."""
        harness.path.write_text(RETAINED, encoding="utf-8")
        table = {"Table": {"TableName": "env", "TableStatus": "ACTIVE"}}
        harness.stubs["dynamodb"].add_response("describe_table", table, {"TableName": "env"})
        harness.stubs["secretsmanager"].add_response(
            "describe_secret", {"ARN": ARN, "Name": "env-key", **secret}, {"SecretId": "env-key"}
        )
        place = {"Bucket": "env-files", "ExpectedBucketOwner": OWNER}
        harness.stubs["s3"].add_client_error("head_bucket", "404", expected_params=place, http_status_code=404)

    def test_imported_then_updated(self, harness: Harness) -> None:
        """An import takes what exists alone, retained, without outputs and tags; an update makes the rest."""
        bodies: list[str] = []
        harness.missing()
        self.existing(harness)
        harness.clients["cloudformation"].meta.events.register(
            "provide-client-params.cloudformation.CreateChangeSet",
            lambda params, **_more: bodies.append(params["TemplateBody"]),
        )
        harness.answer(
            "create_change_set",
            {"Id": SET, "StackId": ID},
            StackName="s",
            ChangeSetName=ANY,
            ClientToken=ANY,
            ChangeSetType="IMPORT",
            Capabilities=ANY,
            Parameters=[{"ParameterKey": "Name", "ParameterValue": "env"}],
            ResourcesToImport=[
                {
                    "ResourceType": "AWS::SecretsManager::Secret",
                    "LogicalResourceId": "Secret",
                    "ResourceIdentifier": {"Id": ARN},
                },
                {
                    "ResourceType": "AWS::DynamoDB::Table",
                    "LogicalResourceId": "Table",
                    "ResourceIdentifier": {"TableName": "env"},
                },
            ],
            TemplateBody=ANY,
        )
        harness.change_set({**ADD, "Action": "Import"})
        harness.events(event(1, "REVIEW_IN_PROGRESS", "s"))
        harness.answer("execute_change_set")
        harness.described("IMPORT_COMPLETE")
        harness.events(event(1, "x", "s"), event(2, "IMPORT_COMPLETE", "s"))
        harness.described("IMPORT_COMPLETE")
        harness.answer("list_change_sets", {"Summaries": []})
        harness.answer("create_change_set", {"Id": SET, "StackId": ID})
        tagged = {**ADD, "Action": "Modify", "LogicalResourceId": "Table", "ResourceType": "AWS::DynamoDB::Table"}
        harness.change_set(ADD, tagged)
        harness.events(event(2, "IMPORT_COMPLETE", "s"))
        harness.answer("execute_change_set")
        harness.described("UPDATE_COMPLETE")
        harness.events(event(2, "x", "s"), event(3, "UPDATE_COMPLETE", "s"))
        harness.described("UPDATE_COMPLETE")
        result = harness.run(**self.OPTIONS)
        rows = [(row["action"], row["logical_id"]) for row in result["changes"]]
        assert rows == [("import", "Secret"), ("import", "Table"), ("create", "Topic")]
        body = json.loads(bodies[0])
        assert set(body["Resources"]) == {"Secret", "Table"} and "Outputs" not in body
        assert {part["DeletionPolicy"] for part in body["Resources"].values()} == {"Retain"}
        assert "DependsOn" not in body["Resources"]["Secret"]

    def test_planned(self, harness: Harness) -> None:
        """Nothing is made for a look."""
        harness.missing()
        harness.answer("validate_template")
        self.existing(harness)
        result = harness.run(state="planned", **self.OPTIONS)
        actions = {row["logical_id"]: row["action"] for row in result["changes"]}
        assert {name for name, action in actions.items() if action == "import"} == {"Secret", "Table"}
        assert actions["Bucket"] == actions["Unnamed"] == actions["Passing"] == "create"

    def test_nothing_exists(self, harness: Harness) -> None:
        """An ordinary creation."""
        harness.path.write_text(RETAINED, encoding="utf-8")
        harness.missing()
        harness.fail("describe_table", "ResourceNotFoundException", service="dynamodb")
        harness.fail("describe_secret", "ResourceNotFoundException", service="secretsmanager")
        harness.fail("create_change_set", message="stop here")
        assert "stop here" in harness.run(**{**self.OPTIONS, "parameters": {"Name": "env", "WithBucket": "no"}})["msg"]

    def test_an_unchanged_stack_imports_nothing(self, harness: Harness) -> None:
        """Its resources are its own: not even a look-up."""
        harness.current(sha256=harness.sha256)
        assert harness.run(import_existing=True)["changed"] is False

    def given_up(self, harness: Harness, *physical_ids: str) -> dict[str, t.Any]:
        """Expect a look at a stack whose secret left it and is there; return the options that take it back."""
        harness.path.write_text(GIVEN_UP, encoding="utf-8")
        harness.described(Parameters=[{"ParameterKey": "Secrets", "ParameterValue": "no"}])
        held = [summary("Topic", "t", "CREATE_COMPLETE"), summary("Secret", ARN, "DELETE_COMPLETE")]
        held += [summary("Other", physical_id, "CREATE_COMPLETE") for physical_id in physical_ids]
        harness.answer("list_stack_resources", {"StackResourceSummaries": held}, StackName=ID)
        harness.stubs["secretsmanager"].add_response("describe_secret", {"ARN": ARN}, {"SecretId": "env-key"})
        return {**self.OPTIONS, "parameters": {"Secrets": "yes"}}

    def test_an_existing_stack_takes_back_what_it_gave_up(self, harness: Harness) -> None:
        """An import allows nothing else: the stack's own template and values, with what is taken back written out."""
        bodies: list[str] = []
        options = self.given_up(harness)
        harness.clients["cloudformation"].meta.events.register(
            "provide-client-params.cloudformation.CreateChangeSet",
            lambda params, **_more: bodies.append(params["TemplateBody"]),
        )
        harness.answer("get_template", {"TemplateBody": GIVEN_UP}, StackName=ID, TemplateStage="Original")
        harness.answer(
            "create_change_set",
            {"Id": SET, "StackId": ID},
            StackName="s",
            ChangeSetName=ANY,
            ClientToken=ANY,
            ChangeSetType="IMPORT",
            Capabilities=ANY,
            Parameters=[{"ParameterKey": "Secrets", "UsePreviousValue": True}],
            ResourcesToImport=[
                {
                    "ResourceType": "AWS::SecretsManager::Secret",
                    "LogicalResourceId": "Secret",
                    "ResourceIdentifier": {"Id": ARN},
                }
            ],
            TemplateBody=ANY,
        )
        harness.change_set({**ADD, "Action": "Import"})
        harness.events(event(1, "UPDATE_COMPLETE", "s"))
        harness.answer("execute_change_set")
        harness.described("IMPORT_COMPLETE")
        harness.events(event(1, "x", "s"), event(2, "IMPORT_COMPLETE", "s"))
        harness.described("IMPORT_COMPLETE")
        harness.answer("list_change_sets", {"Summaries": []})
        harness.answer("create_change_set", {"Id": SET, "StackId": ID})
        harness.change_set({**ADD, "Action": "Modify"})
        harness.events(event(2, "IMPORT_COMPLETE", "s"))
        harness.answer("execute_change_set")
        harness.described("UPDATE_COMPLETE")
        harness.events(event(2, "x", "s"), event(3, "UPDATE_COMPLETE", "s"))
        harness.described("UPDATE_COMPLETE")
        rows = [(row["action"], row["logical_id"]) for row in harness.run(**options)["changes"]]
        assert rows == [("import", "Secret"), ("update", "Topic")]
        body = json.loads(bodies[0])
        assert body["Resources"].pop("Secret") == {
            "Type": "AWS::SecretsManager::Secret",
            "DeletionPolicy": "Retain",
            "Properties": {"Name": "env-key", "Description": "of yes"},
        }
        assert set(body["Resources"]) == {"Topic"} and set(body["Outputs"]) == {"Arn"}

    def test_an_update_that_is_refused_after_an_import_says_what_was_imported(self, harness: Harness) -> None:
        """By then something was changed."""
        options = self.given_up(harness)
        harness.answer("get_template", {"TemplateBody": GIVEN_UP}, StackName=ID, TemplateStage="Original")
        harness.answer("create_change_set", {"Id": SET, "StackId": ID})
        harness.change_set({**ADD, "Action": "Import"})
        harness.events(event(1, "UPDATE_COMPLETE", "s"))
        harness.answer("execute_change_set")
        harness.described("IMPORT_COMPLETE")
        harness.events(event(1, "x", "s"), event(2, "IMPORT_COMPLETE", "s"))
        harness.described("IMPORT_COMPLETE")
        harness.answer("list_change_sets", {"Summaries": []})
        harness.answer("create_change_set", {"Id": SET, "StackId": ID})
        harness.change_set(status="FAILED", StatusReason="A macro failed.")
        harness.answer("describe_events", {"OperationEvents": []})
        harness.answer("delete_change_set", {}, ChangeSetName=SET)
        harness.described("IMPORT_COMPLETE")
        message = harness.run(**options)["msg"]
        assert "A macro failed. Stack s took Secret over and keeps that; the update after it was not made." in message
        assert "Nothing was changed" not in message

    def test_what_an_existing_stack_would_take_back_is_planned_here(self, harness: Harness) -> None:
        """CloudFormation refuses a change set that would make what exists."""
        options = self.given_up(harness)
        harness.answer("validate_template")
        harness.answer("get_template", {"TemplateBody": GIVEN_UP}, StackName=ID, TemplateStage="Original")
        result = harness.run(state="planned", **options)
        assert {row["logical_id"]: row["action"] for row in result["changes"]} == {"Secret": "import"}
        assert result["source"] == "local"

    def test_what_the_stack_holds_under_another_id_is_not_imported(self, harness: Harness) -> None:
        """It would be in the stack twice: left to the ordinary plan, which refuses to let go of it."""
        options = self.given_up(harness, ARN)
        harness.answer("create_change_set", {"Id": SET, "StackId": ID})
        harness.change_set(ADD)
        harness.answer("delete_change_set")
        assert harness.run(state="planned", **options)["source"] == "change_set"

    def test_a_stack_that_its_failed_import_left_empty_is_made_afresh(self, harness: Harness) -> None:
        """IMPORT_ROLLBACK_COMPLETE is a stable state, but there is nothing to update."""
        harness.described("IMPORT_ROLLBACK_COMPLETE")
        harness.answer("list_stack_resources", {"StackResourceSummaries": []}, StackName=ID)
        harness.events(event(1, "IMPORT_ROLLBACK_COMPLETE", "s"))
        harness.answer("delete_stack", {}, StackName=ID)
        harness.missing()
        harness.fail("create_change_set", message="stop here")
        assert "stop here" in harness.run()["msg"]

    def test_a_stack_whose_later_import_failed_is_updated(self, harness: Harness) -> None:
        """It is as it was before, and what could not be imported is not in it."""
        harness.described("IMPORT_ROLLBACK_COMPLETE")
        resources = [
            summary("Topic", "t", "CREATE_COMPLETE"),
            summary("Secret", ARN, "IMPORT_ROLLBACK_COMPLETE"),
        ]
        harness.answer("list_stack_resources", {"StackResourceSummaries": resources}, StackName=ID)
        harness.answer("create_change_set", {"Id": SET, "StackId": ID})
        harness.change_set(ADD)
        harness.answer("delete_change_set")
        assert harness.run(state="planned")["source"] == "change_set"

    def test_an_import_whose_rollback_failed_says_what_is_left_to_do(self, harness: Harness) -> None:
        """Nothing continues it: not tried, not taken for a stack that can be updated."""
        harness.described("IMPORT_ROLLBACK_FAILED", StackStatusReason="No rights.")
        result = harness.run()
        assert "is IMPORT_ROLLBACK_FAILED: No rights." in result["msg"]
        assert "aws cloudformation delete-stack --stack-name s" in result["msg"]
        assert result["status"] == "IMPORT_ROLLBACK_FAILED"

    def test_a_secret_that_waits_for_its_deletion(self, harness: Harness) -> None:
        """The command that brings it back is named."""
        harness.path.write_text(RETAINED, encoding="utf-8")
        harness.missing()
        harness.fail("describe_table", "ResourceNotFoundException", service="dynamodb")
        secret = {"ARN": ARN, "DeletedDate": NOW}
        harness.stubs["secretsmanager"].add_response("describe_secret", secret)
        assert "aws secretsmanager restore-secret --secret-id env-key" in harness.run(**self.OPTIONS)["msg"]

    def test_a_table_that_is_being_deleted(self, harness: Harness) -> None:
        """Neither there nor free."""
        harness.path.write_text(RETAINED, encoding="utf-8")
        harness.missing()
        harness.stubs["dynamodb"].add_response("describe_table", {"Table": {"TableStatus": "DELETING"}})
        assert "Table env is still being deleted" in harness.run(**self.OPTIONS)["msg"]

    def test_a_bucket_of_somebody_else(self, harness: Harness) -> None:
        """Its name was taken first: said before anything is made."""
        harness.path.write_text(RETAINED, encoding="utf-8")
        harness.missing()
        harness.fail("describe_table", "ResourceNotFoundException", service="dynamodb")
        harness.fail("describe_secret", "ResourceNotFoundException", service="secretsmanager")
        harness.fail("head_bucket", "403", service="s3")
        message = harness.run(**self.OPTIONS)["msg"]
        assert f"env-files belongs to another account than {OWNER}" in message

    def test_a_refusal_leaves_nothing(self, harness: Harness) -> None:
        """The change set and the placeholder of a new stack go."""
        harness.missing()
        self.existing(harness)
        harness.answer("create_change_set", {"Id": SET, "StackId": ID})
        harness.change_set(status="FAILED", StatusReason="e already exists in stack x")
        harness.answer("describe_events", {"OperationEvents": []})
        harness.answer("delete_change_set", {}, ChangeSetName=SET)
        harness.described("REVIEW_IN_PROGRESS")
        harness.answer("delete_stack", {}, StackName=ID)
        assert "e already exists in stack x" in harness.run(**self.OPTIONS)["msg"]

    def test_a_failure_says_what_it_left(self, harness: Harness) -> None:
        """The reason of the resource, the state of the stack."""
        harness.missing()
        self.existing(harness)
        harness.answer("create_change_set", {"Id": SET, "StackId": ID})
        harness.change_set({**ADD, "Action": "Import"})
        harness.events(event(1, "REVIEW_IN_PROGRESS", "s"))
        harness.answer("execute_change_set")
        harness.described("ROLLBACK_COMPLETE")
        harness.events(
            event(1, "x", "s"), event(2, "IMPORT_FAILED", "Table", "Not readable"), event(3, "ROLLBACK_COMPLETE", "s")
        )
        message = harness.run(**self.OPTIONS)["msg"]
        assert "Table (AWS::SNS::Topic) IMPORT_FAILED: Not readable" in message
        assert "the next run starts afresh" in message

    def test_other_errors_are_not_taken_for_absence(self, harness: Harness) -> None:
        """Who may not look cannot know."""
        harness.path.write_text(RETAINED, encoding="utf-8")
        harness.missing()
        harness.fail("describe_table", "AccessDeniedException", service="dynamodb")
        assert harness.run(**self.OPTIONS)["error_code"] == "AccessDeniedException"
