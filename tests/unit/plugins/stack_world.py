# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One task of the stack module: options, canned answers that botocore checks against the real service model."""

from __future__ import annotations

import datetime
import typing as t
from pathlib import Path

import boto3
import pytest
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import stack, stack_watch
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import Context, call_run
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.template import HASH_OUTPUT, build_template
from botocore.stub import Stubber

ID = "arn:aws:cloudformation:us-east-1:123456789012:stack/s/1"
SET = "arn:aws:cloudformation:us-east-1:123456789012:changeSet/mcp-run-1/2"
NOW = datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC)
MISSING = {"service_error_code": "ValidationError", "service_message": "Stack with id s does not exist"}
TEMPLATE = """
Parameters:
  Size: {Type: String, Default: small}
  Secret: {Type: String, NoEcho: true, Default: x}
Resources:
  Topic: {Type: AWS::SNS::Topic, Properties: {DisplayName: !Ref Size}}
Outputs:
  Name: {Value: !Ref Topic}
"""
ADD = {"Action": "Add", "LogicalResourceId": "Topic", "ResourceType": "AWS::SNS::Topic", "AfterContext": "{}"}


class Harness:
    """One task: options, canned answers, what was shown."""

    def __init__(self, tmp_path: Path) -> None:
        self.path = tmp_path / "template.yaml"
        self.path.write_text(TEMPLATE, encoding="utf-8")
        self.clients = {
            name: boto3.client(name, region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b")
            for name in ("cloudformation", "s3", "dynamodb", "secretsmanager")
        }
        self.stubs = {name: Stubber(client) for name, client in self.clients.items()}
        for stub in self.stubs.values():
            stub.activate()
        self.lines: list[str] = []

    @property
    def sha256(self) -> str:
        """Hash of the template as it lies there."""
        return build_template(str(self.path), {}).sha256

    def answer(self, method: str, response: dict[str, t.Any] | None = None, **expected: t.Any) -> None:
        """Expect a request and answer it."""
        self.stubs["cloudformation"].add_response(method, response or {}, expected or None)

    def fail(
        self, method: str, code: str = "ValidationError", message: str = "no", service: str = "cloudformation"
    ) -> None:
        """Expect a request and refuse it."""
        self.stubs[service].add_client_error(method, service_error_code=code, service_message=message)

    def missing(self) -> None:
        """Expect a look at a stack that is not there."""
        self.stubs["cloudformation"].add_client_error("describe_stacks", **MISSING)

    def described(self, status: str = "CREATE_COMPLETE", **more: t.Any) -> None:
        """Expect a look at the stack."""
        body = {"StackName": "s", "StackId": ID, "CreationTime": NOW, "StackStatus": status, **more}
        self.answer("describe_stacks", {"Stacks": [body]})

    def current(self, status: str = "CREATE_COMPLETE", sha256: str = "", **more: t.Any) -> None:
        """Expect a look at the stack, which has the parameters and outputs of the template."""
        parameters = [
            {"ParameterKey": "Size", "ParameterValue": "small"},
            {"ParameterKey": "Secret", "ParameterValue": "****"},
        ]
        outputs = [{"OutputKey": "Name", "OutputValue": "n"}, {"OutputKey": HASH_OUTPUT, "OutputValue": sha256}]
        self.described(status, **{"Parameters": parameters, "Outputs": outputs, **more})

    def events(self, *events: dict[str, t.Any], token: str | None = None, **expected: t.Any) -> None:
        """Expect a look at the events; give them oldest first."""
        page: dict[str, t.Any] = {"StackEvents": list(events[::-1])}
        self.answer("describe_stack_events", {**page, "NextToken": token} if token else page, **expected)

    def validation(self, **expected: t.Any) -> None:
        """Expect a question for the reasons of a failed validation: a warning and an error."""
        base = {"LogicalResourceId": "Topic", "ResourceType": "AWS::SNS::Topic", "ValidationPath": "/Resources/Topic"}
        warning = {**base, "ValidationFailureMode": "WARN", "ValidationStatusReason": "Quota is near"}
        error = {**base, "ValidationFailureMode": "FAIL", "ValidationStatusReason": "Name is taken"}
        expected["Filters"] = {"FailedEvents": True}
        self.answer("describe_events", {"OperationEvents": [{"EventId": "1"}, warning, error]}, **expected)

    def change_set(self, *changes: dict[str, t.Any], status: str = "CREATE_COMPLETE", **more: t.Any) -> None:
        """Expect a look at the change set."""
        rows = [{"Type": "Resource", "ResourceChange": change} for change in changes]
        self.answer("describe_change_set", {"Status": status, "Changes": rows, **more})

    def run(self, check_mode: bool = False, **options: t.Any) -> dict[str, t.Any]:
        """Run the module; every expected request must have come."""
        params = {name: spec.get("default") for name, spec in stack.ARGUMENT_SPEC.items()}
        params.update({"name": "s", "template": str(self.path), **options})
        ctx = Context(
            params=params,
            make_client=lambda service, region: self.clients[service],
            check_mode=check_mode,
            diff_mode=True,
            progress=self.lines.append,
        )
        result = call_run(ctx, stack.run)
        for stub in self.stubs.values():
            stub.assert_no_pending_responses()
        return result


def quick_harness(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Harness:
    """Return a task whose waiting takes no time."""
    clock = iter(range(10_000_000))
    monkeypatch.setattr(stack_watch.time, "sleep", lambda seconds: None)
    monkeypatch.setattr(stack_watch.time, "monotonic", lambda: float(next(clock)))
    return Harness(tmp_path)


def event(number: int, status: str, logical_id: str = "Topic", reason: str | None = None) -> dict[str, t.Any]:
    """Return a stack event; logical id ``s`` is the stack itself."""
    own = logical_id == "s"
    body = {
        "StackId": ID,
        "EventId": str(number),
        "StackName": "s",
        "LogicalResourceId": logical_id,
        "PhysicalResourceId": ID if own else "p",
        "ResourceType": "AWS::CloudFormation::Stack" if own else "AWS::SNS::Topic",
        "Timestamp": NOW,
        "ResourceStatus": status,
    }
    return {**body, "ResourceStatusReason": reason} if reason else body
