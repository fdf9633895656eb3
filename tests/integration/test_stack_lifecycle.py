# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stack module over a stack's whole life on the emulated AWS: kept sources, policy, recovery, import, drift."""

from __future__ import annotations

import json
import threading
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import stack
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import McpError

from tests.support.stacks import Driver

pytestmark = pytest.mark.integration

DATA = """
Parameters:
  Name: {Type: String}
  Note: {Type: String, Default: one}
Resources:
  Table:
    Type: AWS::DynamoDB::Table
    DeletionPolicy: RetainExceptOnCreate
    UpdateReplacePolicy: Retain
    Properties:
      TableName: !Ref Name
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{AttributeName: pk, AttributeType: S}]
      KeySchema: [{AttributeName: pk, KeyType: HASH}]
      DeletionProtectionEnabled: true
  Bucket:
    Type: AWS::S3::Bucket
    DeletionPolicy: RetainExceptOnCreate
    UpdateReplacePolicy: Retain
    Properties:
      BucketName: !Sub "${Name}-files"
      VersioningConfiguration: {Status: Enabled}
  Secret:
    Type: AWS::SecretsManager::Secret
    DeletionPolicy: RetainExceptOnCreate
    UpdateReplacePolicy: Retain
    Properties:
      Name: !Sub "${Name}-key"
      GenerateSecretString: {PasswordLength: 32}
  Note:
    Type: AWS::SSM::Parameter
    Properties: {Type: String, Name: !Sub "/${Name}/note", Value: !Ref Note}
  Topic: {Type: AWS::SNS::Topic}
  TopicPolicy:
    Type: AWS::SNS::TopicPolicy
    Properties: {Topics: [!Ref Topic], PolicyDocument: {Version: "2012-10-17", Statement: []}}
Outputs:
  SecretArn: {Value: !GetAtt Secret.Id}
  TableName: {Value: !Ref Table}
"""
# The same, with a secret that can be given up.
GIVES_UP = (
    DATA.replace("Resources:", 'Conditions: {HasSecrets: !Equals [!Ref Secrets, "yes"]}\nResources:')
    .replace("Parameters:\n", "Parameters:\n  Secrets: {Type: String}\n")
    .replace("AWS::SecretsManager::Secret\n", "AWS::SecretsManager::Secret\n    Condition: HasSecrets\n")
    .replace("SecretArn: {", "SecretArn: {Condition: HasSecrets, ")
)
CALM = """
Parameters: {Name: {Type: String}}
Resources:
  Note: {Type: AWS::SSM::Parameter, Properties: {Type: String, Value: a}}
  Filter:
    Type: AWS::Logs::MetricFilter
    Properties:
      LogGroupName: !Ref Name
      FilterPattern: before
      MetricTransformations: [{MetricName: m, MetricNamespace: n, MetricValue: "1"}]
"""
# The filter is changed, then the wait condition fails; meanwhile somebody deletes its log group: no way back.
WAIT = """
  Wait:
    Type: AWS::CloudFormation::WaitCondition
    DependsOn: Filter
    CreationPolicy: {ResourceSignal: {Count: 1, Timeout: PT1M}}
"""
STUCK = CALM.replace("before", "after") + WAIT
POLICY = {
    "Statement": [
        {"Effect": "Allow", "Action": "Update:*", "Principal": "*", "Resource": "*"},
        {"Effect": "Deny", "Action": ["Update:Replace", "Update:Delete"], "Principal": "*", "Resource": "*"},
    ]
}


@pytest.fixture
def driver(sandbox_endpoint: str, tmp_path: Path) -> t.Iterator[Driver]:
    """A stack of its own, removed afterwards."""
    one = Driver(sandbox_endpoint, tmp_path)
    yield one
    one.remove()


@pytest.fixture
def data(driver: Driver) -> Driver:
    """A stack with everything that is retained."""
    driver.path.write_text(DATA, encoding="utf-8")
    return driver


def options(driver: Driver, **more: t.Any) -> dict[str, t.Any]:
    """Return the options of the stack of retained things."""
    return {"parameters": {"Name": driver.name}, **more}


def test_a_version_is_made_again_from_its_kept_source(data: Driver) -> None:
    """Keep, change the file, go back by the key; the file is not needed."""
    data.client("s3").create_bucket(Bucket=data.bucket)
    place = {"template_bucket": data.bucket, "template_bucket_owner": "000000000000"}
    assert data.good(check_mode=True, **options(data, keep_template=True, **place))["template_key"]
    assert data.keys(data.bucket) == []
    first = data.good(**options(data, keep_template=True, **place))
    assert data.keys(data.bucket) == [first["template_key"]]
    data.path.write_text(DATA.replace("Value: !Ref Note", "Value: another"), encoding="utf-8")
    second = data.good(**options(data, keep_template=True, **place))
    assert sorted(data.keys(data.bucket)) == sorted([first["template_key"], second["template_key"]])
    data.path.unlink()
    back = data.good(**options(data, template=None, template_key=first["template_key"], **place))
    assert back["template_sha256"] == first["template_sha256"] and back["changed"]
    assert data.client("ssm").get_parameter(Name=f"/{data.name}/note")["Parameter"]["Value"] == "one"
    data.client("s3").put_object(Bucket=data.bucket, Key=first["template_key"], Body=b"Resources: {}")
    again = data.task(**options(data, template=None, template_key=first["template_key"], **place))
    assert again["failed"] and "is not the text that was kept" in again["msg"]


def test_policy(data: Driver) -> None:
    """Set with the stack, kept, changed alone."""
    data.good(**options(data, stack_policy=POLICY))
    assert data.good(**options(data, stack_policy=POLICY))["changed"] is False
    other = {"Statement": POLICY["Statement"][:1]}
    assert data.good(check_mode=True, **options(data, stack_policy=other))["changed"]
    assert data.good(**options(data, stack_policy=other))["changed"]
    stored = data.cloudformation.get_stack_policy(StackName=data.name)["StackPolicyBody"]
    assert json.loads(stored) == other


def stick(driver: Driver) -> dict[str, t.Any]:
    """Make an update fail whose rollback fails as well."""
    driver.client("logs").create_log_group(logGroupName=driver.name)
    driver.path.write_text(CALM, encoding="utf-8")
    driver.good(**options(driver))
    driver.path.write_text(STUCK, encoding="utf-8")
    results: list[dict[str, t.Any]] = []
    update = threading.Thread(target=lambda: results.append(driver.task(**options(driver))))
    update.start()
    while not any(" Wait " in line for line in driver.lines):
        assert update.is_alive(), results
        time.sleep(0.05)
    driver.client("logs").delete_log_group(logGroupName=driver.name)
    driver.signal("FAILURE")
    update.join()
    return results[0]


def test_a_rollback_that_got_stuck(driver: Driver) -> None:
    """Planned, continued, failed again with the reason, and once that is gone continued to the end."""
    first = stick(driver)
    assert first["status"] == "UPDATE_ROLLBACK_FAILED", first["msg"]
    driver.path.write_text(CALM, encoding="utf-8")
    planned = driver.good(check_mode=True, **options(driver))
    assert planned["source"] == "local" and planned["changes"][0]["scope"] == ["Rollback"]
    refused = driver.task(**options(driver, continue_rollback=False))
    assert refused["failed"] and f"continue-update-rollback --stack-name {driver.name}" in refused["msg"]
    again = driver.task(**options(driver))
    assert again["failed"] and "It was continued once and failed again (Filter:" in again["msg"]
    assert "run the same command again" in again["msg"]
    driver.client("logs").create_log_group(logGroupName=driver.name)
    done = driver.good(**options(driver))
    assert done["changed"] and done["status"] in ("UPDATE_ROLLBACK_COMPLETE", "UPDATE_COMPLETE")
    assert driver.good(**options(driver))["changed"] is False


def test_a_resource_that_cannot_be_repaired_is_skipped(driver: Driver) -> None:
    """And a name that did not fail is CloudFormation's refusal, in its own words."""
    stick(driver)
    driver.path.write_text(CALM, encoding="utf-8")
    wrong = driver.task(**options(driver, skip_resources=["Note"]))
    assert wrong["failed"] and "CloudFormation does not continue it" in wrong["msg"]
    assert driver.good(**options(driver, skip_resources=["Filter"]))["changed"]


def delete_by_hand(driver: Driver) -> None:
    """Remove the stack as somebody at the console would; what is retained lives on."""
    driver.cloudformation.delete_stack(StackName=driver.name)
    while "does not exist" not in driver.state():
        time.sleep(0.05)


def test_what_a_deleted_stack_left_is_imported(data: Driver) -> None:
    """The same table with its item, the same bucket with its file, the same secret with its value."""
    created = data.good(**options(data, tags={"a": "1"}))
    data.client("dynamodb").put_item(TableName=data.name, Item={"pk": {"S": "kept"}})
    data.client("s3").put_object(Bucket=f"{data.name}-files", Key="k", Body=b"kept")
    secret = data.client("secretsmanager").get_secret_value(SecretId=f"{data.name}-key")
    delete_by_hand(data)

    refused = data.task(**options(data))
    assert refused["failed"] and "already" in refused["msg"].lower()
    planned = data.good(check_mode=True, **options(data, import_existing=True))
    imported = {"Table": "import", "Bucket": "import", "Secret": "import"}
    made = {"Note": "create", "Topic": "create", "TopicPolicy": "create"}
    assert {row["logical_id"]: row["action"] for row in planned["changes"]} == {**imported, **made}
    result = data.good(**options(data, import_existing=True, tags={"a": "1"}, stack_policy=POLICY))
    actions = {row["logical_id"]: row["action"] for row in result["changes"] if row["logical_id"] != data.name}
    assert actions == {**imported, **made}
    assert result["outputs"] == created["outputs"] and result["status"] == "UPDATE_COMPLETE"

    assert data.client("dynamodb").get_item(TableName=data.name, Key={"pk": {"S": "kept"}})["Item"]
    assert data.client("s3").get_object(Bucket=f"{data.name}-files", Key="k")["Body"].read() == b"kept"
    after = data.client("secretsmanager").get_secret_value(SecretId=f"{data.name}-key")
    assert (after["ARN"], after["SecretString"]) == (secret["ARN"], secret["SecretString"])
    assert data.good(**options(data, import_existing=True, tags={"a": "1"}, stack_policy=POLICY))["changed"] is False
    assert data.good(**options(data))["changed"] is False
    template = data.cloudformation.get_template(StackName=data.name)["TemplateBody"]
    body = template if isinstance(template, dict) else json.loads(template)
    assert body["Resources"]["Table"]["DeletionPolicy"] == "RetainExceptOnCreate"


def stop_after_the_import(driver: Driver, monkeypatch: pytest.MonkeyPatch, wanted: dict[str, t.Any]) -> None:
    """Run a task that ends before its update."""

    def stop(*_arguments: t.Any) -> t.NoReturn:
        raise McpError("stopped")

    with monkeypatch.context() as patch:
        patch.setattr(stack, "update_by_change_set", stop)
        assert driver.task(**wanted)["msg"] == "stopped"
    assert "IMPORT_COMPLETE" in driver.state()


def test_a_run_that_was_killed_between_import_and_update(data: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stack has what was imported; the next run makes the rest, with no import asked for."""
    data.good(**options(data))
    delete_by_hand(data)

    stop_after_the_import(data, monkeypatch, options(data, import_existing=True))
    result = data.good(**options(data))
    assert {row["logical_id"] for row in result["changes"]} >= {"Note", "Topic", "TopicPolicy"}
    assert data.good(**options(data))["changed"] is False


def test_an_existing_stack_takes_back_what_it_gave_up(data: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same secret with its value; after a run that was killed in between the next one goes on."""
    data.path.write_text(GIVES_UP, encoding="utf-8")
    common: dict[str, t.Any] = {"tags": {"a": "1"}, "import_existing": True, "allow_replacement": ["Secret"]}
    having, without = ({**common, "parameters": {"Name": data.name, "Secrets": have}} for have in ("yes", "no"))
    created = data.good(**having)
    client = data.client("secretsmanager")
    secret = client.get_secret_value(SecretId=f"{data.name}-key")
    for killed in (False, True):
        assert "SecretArn" not in data.good(**without)["outputs"]
        planned = data.good(check_mode=True, **having)
        assert {row["logical_id"]: row["action"] for row in planned["changes"]} == {"Secret": "import"}
        if killed:
            stop_after_the_import(data, monkeypatch, having)
        result = data.good(**having)
        assert result["outputs"] == created["outputs"] and result["status"] == "UPDATE_COMPLETE"
        assert killed or "import" in {row["action"] for row in result["changes"]}
        after = client.get_secret_value(SecretId=f"{data.name}-key")
        assert (after["ARN"], after["SecretString"]) == (secret["ARN"], secret["SecretString"])
        assert data.good(**having)["changed"] is False


def test_nothing_to_import(data: Driver) -> None:
    """An ordinary creation."""
    result = data.good(**options(data, import_existing=True))
    assert result["status"] == "CREATE_COMPLETE" and {row["action"] for row in result["changes"]} == {"create"}


def test_drift(data: Driver) -> None:
    """Each property with both values, what is in order, and what could not be looked at."""
    data.good(**options(data))
    calm = data.good(**options(data, state="drift"))
    assert (calm["drift"], calm["changed"]) == ([], False)
    assert {row["logical_id"] for row in calm["not_checked"]} == {"TopicPolicy"}
    data.client("dynamodb").update_table(TableName=data.name, DeletionProtectionEnabled=False)
    data.client("s3").put_bucket_versioning(
        Bucket=f"{data.name}-files", VersioningConfiguration={"Status": "Suspended"}
    )
    data.client("ssm").delete_parameter(Name=f"/{data.name}/note")
    found = data.good(**options(data, state="drift"))
    assert [(row["logical_id"], row["status"]) for row in found["drift"]] == [
        ("Bucket", "MODIFIED"),
        ("Note", "DELETED"),
        ("Table", "MODIFIED"),
    ]
    assert found["drift"][0]["differences"] == [
        {"path": "/VersioningConfiguration/Status", "expected": "Enabled", "actual": "Suspended", "kind": "NOT_EQUAL"}
    ]
    assert set(found["in_sync"]) == {"Secret", "Topic"}


def test_the_emulator_reverts_no_drift(data: Driver) -> None:
    """And says so, instead of claiming that nothing had to be done; nothing is left behind."""
    data.good(**options(data))
    data.client("dynamodb").update_table(TableName=data.name, DeletionProtectionEnabled=False)
    before = data.state()
    result = data.good(**options(data, state="drift", revert_drift=True))
    assert result["reverted"] is False and "does not revert drift" in result["not_available"]
    assert json.loads(data.state())[2] == json.loads(before)[2], "a change set was left behind"


def test_drift_of_nothing(driver: Driver) -> None:
    """No stack is one clear error."""
    result = driver.task(state="drift", template=None)
    assert result["failed"] and f"There is no stack {driver.name}" in result["msg"]
