# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stack module against the emulated AWS: real stacks, real failures, real leftovers."""

from __future__ import annotations

import json
import threading
import time
import typing as t
from pathlib import Path

import pytest
import yaml

from tests.support.stacks import Driver

pytestmark = pytest.mark.integration

TEMPLATE = """
AWSTemplateFormatVersion: 2010-09-09
Transform: AWS::Serverless-2016-10-31
Parameters:
  Name: {Type: String}
  CodeBucket: {Type: String}
  CodeKey: {Type: String}
  Greeting: {Type: String, Default: hello}
  WithTopic: {Type: String, Default: "no"}
Conditions:
  Topic: !Equals [!Ref WithTopic, "yes"]
Resources:
  Bucket:
    Type: AWS::S3::Bucket
    DeletionPolicy: RetainExceptOnCreate
    Properties: {BucketName: !Sub "${Name}-data"}
  Greeting:
    Type: AWS::SSM::Parameter
    Properties: {Type: String, Name: !Sub "/${Name}/greeting", Value: !Ref Greeting}
  Topic: {Type: AWS::SNS::Topic, Condition: Topic}
  Table:
    Type: AWS::DynamoDB::Table
    Properties:
      TableName: !Ref Name
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{AttributeName: pk, AttributeType: S}]
      KeySchema: [{AttributeName: pk, KeyType: HASH}]
  Function:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.12
      Handler: index.handler
      CodeUri: {Bucket: !Ref CodeBucket, Key: !Ref CodeKey}
  Version:
    Type: AWS::Lambda::Version
    DeletionPolicy: Retain
    Metadata: {McpHashOf: Function}
    Properties: {FunctionName: !Ref Function}
Outputs:
  Version: {Value: !GetAtt Version.Version}
"""
CREATED = {"Bucket", "Function", "FunctionRole", "Greeting", "Table"}
SLOW = """
Parameters: {Marker: {Type: String, Default: a}}
Resources:
  Wait:
    Type: AWS::CloudFormation::WaitCondition
    CreationPolicy: {ResourceSignal: {Count: 1, Timeout: PT1M}}
  Note: {Type: AWS::SSM::Parameter, Properties: {Type: String, Value: !Ref Marker}}
"""


@pytest.fixture
def driver(sandbox_endpoint: str, tmp_path: Path) -> t.Iterator[Driver]:
    """A stack of its own, removed afterwards."""
    one = Driver(sandbox_endpoint, tmp_path, TEMPLATE)
    yield one
    one.remove()


def labels(result: dict[str, t.Any]) -> dict[str, str]:
    """Return logical id -> action; a version's hash is cut off."""
    return {
        row["logical_id"][:7] if row["type"] == "AWS::Lambda::Version" else row["logical_id"]: row["action"]
        for row in result["changes"]
    }


def test_a_stack_and_its_life(driver: Driver) -> None:
    """Plan, create, nothing, check, update, refuse, fail, delete: each leaves what it says."""
    driver.upload("one.zip", "two.zip")
    options = driver.options()

    planned = driver.good(check_mode=True, **options)
    assert planned["source"] == "local" and "does not exist" in driver.state()
    assert set(labels(planned)) == {*CREATED, "Version"}

    created = driver.good(**options, termination_protection=True)
    assert created["status"] == "CREATE_COMPLETE" and created["outputs"] == {"Version": "1"}
    assert labels(created) == labels(planned)
    assert f"{driver.name}: change set " in driver.lines[0] and "executing" in driver.lines[1]
    assert f"{driver.name} 6/6 CREATE_COMPLETE" in driver.lines[-1]

    before = driver.state()
    for check_mode in (False, True):
        again = driver.good(check_mode, **options, termination_protection=True)
        assert (again["changed"], again["source"], again["changes"]) == (False, "unchanged", [])
    changed = driver.options("two.zip", parameters={"Name": driver.name, "Greeting": "bye", "WithTopic": "yes"})
    plan = driver.good(check_mode=True, **changed)
    assert driver.state() == before

    text = plan["diff"][0]["prepared"]
    assert "Code.S3Key: one.zip -> two.zip" in text and "Value: hello -> bye" in text
    assert "+   create   AWS::SNS::Topic" in text
    updated = driver.good(**changed)
    assert updated["diff"] == plan["diff"] and updated["outputs"] == {"Version": "2"}
    assert updated["parameters"] == {"Name": driver.name, "Greeting": "bye", "WithTopic": "yes"}

    kept = driver.good(**driver.options("two.zip", parameters={"Greeting": None}))
    assert kept["changed"] is False, "a value that is not given stays"

    protected = driver.task(state="absent", template=None)
    assert protected["failed"] and "termination_protection: false" in protected["msg"]
    listed = driver.good(state="absent", template=None, termination_protection=False, check_mode=True)
    gone = driver.good(state="absent", template=None, termination_protection=False)
    assert gone["changes"] == listed["changes"] and "does not exist" in driver.state()
    assert {"Bucket", "Version"} == {row["logical_id"][:7] for row in gone["retained"]}
    driver.client("s3").head_bucket(Bucket=f"{driver.name}-data")
    assert driver.good(state="absent", template=None)["changed"] is False


def test_a_table_is_not_replaced(driver: Driver) -> None:
    """Check mode and the real run stop alike, nothing is touched; by name it is allowed."""
    driver.upload("one.zip")
    driver.good(**driver.options())
    before = driver.state()
    driver.path.write_text(TEMPLATE.replace("AttributeName: pk", "AttributeName: id"), encoding="utf-8")
    for check_mode in (True, False):
        refused = driver.task(check_mode, **driver.options())
        assert refused["failed"] and "KeySchema" in refused["msg"] and "mcp_allow_replacement=Table" in refused["msg"]
    assert driver.state() == before
    assert labels(driver.good(check_mode=True, **driver.options(), allow_replacement=["Table"]))["Table"]


def test_a_failed_update_rolls_back(driver: Driver) -> None:
    """With the resource, AWS's reason and the state it is in; the next good run goes on from there."""
    driver.upload("one.zip", "two.zip")
    driver.good(**driver.options())
    failed = driver.task(**driver.options("missing.zip", parameters={"Name": driver.name, "Greeting": "bye"}))
    assert failed["failed"] and failed["status"] == "UPDATE_ROLLBACK_COMPLETE"
    assert failed["failed_resource"]["logical_id"] == "Function" and "missing.zip" in failed["msg"]
    greeting = driver.client("ssm").get_parameter(Name=f"/{driver.name}/greeting")["Parameter"]["Value"]
    assert greeting == "hello"
    assert driver.good(**driver.options())["changed"] is False
    assert driver.good(**driver.options("two.zip"))["status"] == "UPDATE_COMPLETE"


@pytest.mark.parametrize(("on_failure", "left"), [("ROLLBACK", "ROLLBACK_COMPLETE"), ("DELETE", "does not exist")])
def test_a_failed_create(driver: Driver, on_failure: str, left: str) -> None:
    """The next run removes what it left and starts afresh."""
    driver.upload("one.zip")
    taken = {"Bucket": f"{driver.name}-data"}
    driver.client("s3").create_bucket(**taken)
    failed = driver.task(**driver.options(), on_failure=on_failure)
    assert failed["failed"] and failed["failed_resource"]["logical_id"] == "Bucket"
    assert left in driver.state()
    driver.client("s3").delete_bucket(**taken)
    assert driver.good(**driver.options())["status"] == "CREATE_COMPLETE"


def test_leftovers_of_killed_runs(driver: Driver) -> None:
    """Killed after the change set of a new stack, and of an existing one."""
    driver.upload("one.zip", "two.zip")
    body = {"Resources": {"P": {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": "x"}}}}
    request = {"StackName": driver.name, "TemplateBody": json.dumps(body)}
    driver.cloudformation.create_change_set(**request, ChangeSetName="mcp-run-killed", ChangeSetType="CREATE")
    assert driver.good(check_mode=True, **driver.options())["source"] == "local"
    assert "REVIEW_IN_PROGRESS" in driver.state()
    driver.good(**driver.options())
    assert "REVIEW_IN_PROGRESS: removing it" in driver.lines[0]

    for name in ("mcp-run-killed", "of-somebody-else"):
        driver.cloudformation.create_change_set(**request, ChangeSetName=name)
    driver.task(**driver.options("missing.zip"))
    assert any("removing change set mcp-run-killed" in line for line in driver.lines)


def test_an_operation_in_progress_is_waited_for(driver: Driver) -> None:
    """A killed run's create goes on; the next run shows it, waits, and finds nothing to do."""
    driver.path.write_text(SLOW, encoding="utf-8")
    first = threading.Thread(target=driver.task)
    first.start()
    while not any("Wait CREATE_IN_PROGRESS" in line for line in driver.lines):
        time.sleep(0.05)
    driver.lines.clear()
    timer = threading.Timer(1.0, driver.signal)
    timer.start()
    result = driver.good()
    first.join()
    assert result["changed"] is False and result["status"] == "CREATE_COMPLETE"
    assert f"{driver.name} is CREATE_IN_PROGRESS by an earlier run: waiting for it" in driver.lines


def test_a_wait_has_an_end(driver: Driver) -> None:
    """The timeout is no failure of the stack."""
    driver.path.write_text(SLOW, encoding="utf-8")
    result = driver.task(timeout=1)
    assert result["failed"] and "still CREATE_IN_PROGRESS" in result["msg"]
    driver.signal()
    assert driver.good()["changed"] is False


def test_outputs_alone(driver: Driver) -> None:
    """A new output is a change, and is there afterwards."""
    body = "Resources: {P: {Type: AWS::SSM::Parameter, Properties: {Type: String, Value: x}}}\n"
    driver.path.write_text(body, encoding="utf-8")
    driver.good()
    driver.path.write_text(body + "Outputs: {New: {Value: y}}\n", encoding="utf-8")
    plan = driver.good(check_mode=True)
    assert 'Outputs: [] -> ["New"]' in plan["diff"][0]["prepared"]
    assert driver.good()["outputs"] == {"New": "y"}
    assert driver.good()["changed"] is False


def test_a_long_template(driver: Driver) -> None:
    """It goes by way of a bucket; a plan leaves nothing there."""
    parameter = {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": "x"}}
    body: dict[str, t.Any] = {"Resources": {"P": parameter}, "Metadata": {"Long": "x" * 60_000}}
    driver.path.write_text(json.dumps(body), encoding="utf-8")
    assert "template_bucket" in driver.task()["msg"]
    s3 = driver.client("s3")
    s3.create_bucket(Bucket=driver.bucket)
    s3.put_bucket_versioning(Bucket=driver.bucket, VersioningConfiguration={"Status": "Enabled"})
    driver.good(template_bucket=driver.bucket)
    stored = s3.list_object_versions(Bucket=driver.bucket)
    body["Resources"]["P"]["Properties"]["Value"] = "y"
    driver.path.write_text(json.dumps(body), encoding="utf-8")
    plan = driver.good(check_mode=True, template_bucket=driver.bucket)
    assert "Value: x -> y" in plan["diff"][0]["prepared"]
    after = s3.list_object_versions(Bucket=driver.bucket)
    assert [item["Key"] for item in after["Versions"]] == [item["Key"] for item in stored["Versions"]]
    assert not after.get("DeleteMarkers")


def test_refused_by_cloudformation(driver: Driver) -> None:
    """A template error leaves nothing, and names the file."""
    driver.path.write_text("Resources: {A: {Type: AWS::SNS::Topic, Properties: {X: !Ref Nobody}}}", encoding="utf-8")
    for check_mode in (True, False):
        result = driver.task(check_mode)
        assert result["failed"] and "Nobody" in result["msg"] and str(driver.path) in result["msg"]
        assert "does not exist" in driver.state()


def test_module_and_action_agree(driver: Driver, tmp_path: Path, ansible_playbook: t.Callable[..., t.Any]) -> None:
    """One playbook, the action plugin and the module (forced by ``environment``): the same results, live lines."""
    driver.upload("one.zip", "two.zip")
    connection = {
        "endpoint_url": driver.endpoint,
        "access_key": "test",
        "secret_key": "test",
        "region": "us-east-1",
    }
    tasks: list[dict[str, t.Any]] = []
    steps: list[tuple[str, dict[str, t.Any]]] = [
        ("create", driver.options()),
        ("again", driver.options()),
        ("plan", driver.options("two.zip", state="planned")),
        ("wrong", driver.options(parameters={"Nmae": "x"})),
        ("invalid", {"name": driver.name}),
    ]
    for label, options in steps:
        for way in ("action", "module") if label != "create" else ("action",):
            task = {"pratikoai.mcp_servers.stack": options, "register": f"{way}_{label}", "ignore_errors": True}
            tasks.append({**task, **({"environment": {"FORCE_MODULE": "1"}} if way == "module" else {})})
    names = [task["register"] for task in tasks]
    dump = {name: "{{ " + name + " }}" for name in names}
    report = tmp_path / "report.json"
    tasks.append(
        {"ansible.builtin.copy": {"content": "{{ dump | to_json }}", "dest": str(report)}, "vars": {"dump": dump}}
    )
    play = {
        "hosts": "localhost",
        "gather_facts": False,
        "vars": {"ansible_python_interpreter": "{{ ansible_playbook_python }}"},
        "module_defaults": {"pratikoai.mcp_servers.stack": connection},
        "tasks": tasks,
    }
    playbook = tmp_path / "play.yml"
    playbook.write_text(yaml.safe_dump([play]), encoding="utf-8")
    run = ansible_playbook(str(playbook), "--diff").require()
    assert f"{driver.name}: executing change set" in run.stdout
    results = json.loads(report.read_text(encoding="utf-8"))
    ignored = {"duration_s", "diff", "warnings", "deprecations", "exception", "invocation"}
    for label, _options in steps:
        if label == "create":
            continue
        pair = [
            {key: value for key, value in results[f"{way}_{label}"].items() if key not in ignored}
            for way in ("action", "module")
        ]
        assert pair[0] == pair[1], label
    assert results["action_create"]["changed"] and not results["action_again"]["changed"]
    assert "Did you mean Name" in results["action_wrong"]["msg"]
    assert "template" in results["action_invalid"]["msg"]
