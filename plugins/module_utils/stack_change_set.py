# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Change sets: ask for one, read it, execute exactly it, and never leave one lying about."""

from __future__ import annotations

import contextlib
import hashlib
import time
import typing as t
import uuid
from dataclasses import dataclass

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import (
    AWS_ERRORS,
    Context,
    McpError,
    error_code,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.s3_objects import (
    Bucket,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.stack_changes import (
    Change,
    from_change_set,
    has_values,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.stack_desired import (
    Desired,
    current_parameters,
    required_parameters,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.stack_secrets import with_secrets
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.stack_source import (
    bucket_owner,
    source_name,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.stack_watch import (
    Stack,
    find_stack,
    pauses,
    validation_failure,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.template import (
    Template,
)

# What runs make for themselves; somebody else's change sets stay.
CHANGE_SET_PREFIX = "mcp-run-"

BODY_LIMIT = 51_200
# What CloudFormation takes of rollback triggers.
MOST_ALARMS = 5
LONGEST_MONITORING = 180

NO_CHANGES = ("didn't contain changes", "No updates are to be performed")


@dataclass(frozen=True)
class ChangeSet:
    """A change set as CloudFormation described it.

    :param executable: False when CloudFormation found nothing to change
    :param complete: its rows carry property values, as AWS's do; an emulator's may lack them
    """

    arn: str
    stack_id: str
    executable: bool
    complete: bool
    rows: list[Change]


@contextlib.contextmanager
def refused_by_cloudformation(ctx: Context) -> t.Iterator[None]:
    """Turn CloudFormation's refusal of a template into a message that names the file."""
    try:
        yield
    except AWS_ERRORS as error:
        if error_code(error) not in ("ValidationError", "InsufficientCapabilitiesException"):
            raise
        raise McpError(
            f"CloudFormation refuses stack {ctx.params['name']} from {source_name(ctx)}: {error}. "
            "Nothing was changed. Correct it and look again with --check --diff."
        ) from error


class Body:
    """The template as a request carries it: inline, or by way of a bucket when it is too long.

    :param look: for a plan only, which has no lock: under a name of its own, as what it forgets a deploy may need
    """

    def __init__(self, ctx: Context, template: Template, look: bool = False) -> None:
        self._ctx = ctx
        self._template = template
        self._look = look
        self._uploaded: dict[str, str] = {}

    def request(self) -> dict[str, str]:
        """Return TemplateBody or TemplateURL.

        :raises McpError: too long, and no bucket to put it
        """
        data = self._template.body.encode("utf-8")
        if len(data) <= BODY_LIMIT:
            return {"TemplateBody": self._template.body}
        name = self._ctx.params["template_bucket"]
        if not name:
            raise McpError(
                f"template: {source_name(self._ctx)} has {len(data):,} bytes minified; CloudFormation takes "
                f"{BODY_LIMIT:,} in a request. Name a bucket for it in template_bucket."
            )
        own_name = f"look-{uuid.uuid4().hex}" if self._look else hashlib.sha256(data).hexdigest()
        key = f"{self._ctx.params['template_prefix'].strip('/')}/{own_name}.json"
        self._upload(Bucket(self._ctx.client("s3"), name, bucket_owner(self._ctx)), key, data)
        region = self._ctx.client("cloudformation").meta.region_name
        return {"TemplateURL": f"https://s3.{region}.amazonaws.com/{name}/{key}"}

    def _upload(self, bucket: Bucket, key: str, data: bytes) -> None:
        if not self._look and bucket.size(key) is not None:
            return
        try:
            answer = bucket.s3.put_object(**bucket.place, Key=key, Body=data, ContentType="application/json")
        except AWS_ERRORS as error:
            raise bucket.failure(error, "write", key) from error
        version = {"VersionId": answer["VersionId"]} if answer.get("VersionId") else {}
        self._uploaded = {**bucket.place, "Key": key, **version}

    def forget(self) -> None:
        """Remove what was put into the bucket for a look only."""
        if self._uploaded:
            self._ctx.client("s3").delete_object(**self._uploaded)


def request_parameters(desired: Desired, stack: Stack | None) -> list[dict[str, t.Any]]:
    """Return the parameters of a change set: what is given, else what the stack has."""
    current = set() if stack is None else set(current_parameters(stack))
    request: list[dict[str, t.Any]] = []
    for name in desired.template.parameters:
        value = desired.parameters.get(name)
        if value is not None:
            request.append({"ParameterKey": name, "ParameterValue": value})
        elif name in current:
            request.append({"ParameterKey": name, "UsePreviousValue": True})
    return request


def stack_request(ctx: Context, desired: Desired, stack: Stack | None, body: Body) -> dict[str, t.Any]:
    """Return what CreateChangeSet and UpdateStack have in common."""
    request: dict[str, t.Any] = {
        "StackName": desired.name,
        "Capabilities": ctx.params["capabilities"],
        "Parameters": with_secrets(ctx, desired.template, request_parameters(desired, stack)),
        **body.request(),
    }
    if desired.tags is not None:
        request["Tags"] = [{"Key": key, "Value": value} for key, value in sorted(desired.tags.items())]
    if ctx.params["rollback_alarms"] is not None:
        request["RollbackConfiguration"] = rollback_configuration(ctx)
    return request


def rollback_configuration(ctx: Context) -> dict[str, t.Any]:
    """Return what shall make CloudFormation roll an operation back by itself.

    :raises McpError: more alarms or minutes than CloudFormation takes
    """
    alarms, minutes = ctx.params["rollback_alarms"], ctx.params["rollback_monitoring_minutes"]
    if len(alarms) > MOST_ALARMS:
        raise McpError(f"rollback_alarms: {len(alarms)} alarms are given: allowed are up to {MOST_ALARMS}.")
    if not 0 <= minutes <= LONGEST_MONITORING:
        raise McpError(f"rollback_monitoring_minutes is {minutes}: allowed are 0 to {LONGEST_MONITORING}.")
    triggers = [{"Arn": arn, "Type": "AWS::CloudWatch::Alarm"} for arn in alarms]
    return {"RollbackTriggers": triggers, "MonitoringTimeInMinutes": minutes}


def create_change_set(ctx: Context, desired: Desired, stack: Stack | None, body: Body) -> ChangeSet:
    """Ask CloudFormation to compare, and wait for its answer.

    :raises McpError: it refuses the template or the parameters
    """
    client = ctx.client("cloudformation")
    required_parameters(desired, stack, set())
    name = f"{CHANGE_SET_PREFIX}{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{uuid.uuid4().hex[:8]}"
    request = stack_request(ctx, desired, stack, body)
    request.update({"ChangeSetName": name, "ClientToken": name, "ChangeSetType": "UPDATE" if stack else "CREATE"})
    if stack is None:
        request["OnStackFailure"] = ctx.params["on_failure"]
    with refused_by_cloudformation(ctx):
        created = create_once(client, request)
    return described_change_set(ctx, created["Id"], created["StackId"])


def create_once(client: t.Any, request: dict[str, t.Any]) -> dict[str, str]:
    """Create a change set; one of its name is this one: the answer to an earlier attempt was lost."""
    try:
        created: dict[str, str] = client.create_change_set(**request)
    except AWS_ERRORS as error:
        if error_code(error) != "AlreadyExistsException":
            raise
        found = client.describe_change_set(StackName=request["StackName"], ChangeSetName=request["ChangeSetName"])
        return {"Id": found["ChangeSetId"], "StackId": found["StackId"]}
    return created


def described_change_set(ctx: Context, arn: str, stack_id: str) -> ChangeSet:
    """Wait until a change set is ready and read all its pages.

    :raises McpError: it failed for another reason than having no changes, or took longer than the timeout
    """
    client, begun = ctx.client("cloudformation"), time.monotonic()
    for pause in pauses(ctx.params["poll_interval"]):
        answer = client.describe_change_set(ChangeSetName=arn, IncludePropertyValues=True)
        if answer["Status"] not in ("CREATE_PENDING", "CREATE_IN_PROGRESS"):
            break
        if time.monotonic() - begun > ctx.params["timeout"]:
            discard(ctx, arn, stack_id)
            raise McpError(
                f"CloudFormation has not compared stack {ctx.params['name']} within {ctx.params['timeout']} s "
                "(timeout). Nothing was changed. Run the same command again."
            )
        time.sleep(pause)
    reason = answer.get("StatusReason", "")
    failed = answer["Status"] != "CREATE_COMPLETE"
    if failed and not any(text in reason for text in NO_CHANGES):
        invalid = validation_failure(client, ChangeSetName=arn)
        reason += f" {invalid['LogicalResourceId']}: {invalid['ResourceStatusReason']}." if invalid else ""
        discard(ctx, arn, stack_id)
        raise McpError(
            f"CloudFormation cannot plan stack {ctx.params['name']} from {source_name(ctx)}: {reason} "
            "Nothing was changed. Correct it and look again with --check --diff."
        )
    changes = list(answer.get("Changes", []))
    while answer.get("NextToken"):
        answer = client.describe_change_set(
            ChangeSetName=arn, IncludePropertyValues=True, NextToken=answer["NextToken"]
        )
        changes.extend(answer.get("Changes", []))
    return ChangeSet(
        arn=arn,
        stack_id=stack_id,
        executable=not failed,
        complete=has_values(changes),
        rows=from_change_set(changes),
    )


def discard(ctx: Context, arn: str, stack_id: str) -> None:
    """Remove a change set, and the empty stack that one for a new stack brought along."""
    client = ctx.client("cloudformation")
    client.delete_change_set(ChangeSetName=arn)
    stack = find_stack(client, stack_id)
    if stack and stack["StackStatus"] == "REVIEW_IN_PROGRESS":
        client.delete_stack(StackName=stack_id)


def remove_leftovers(ctx: Context) -> None:
    """Remove change sets of runs that were killed before they executed them."""
    client = ctx.client("cloudformation")
    for page in client.get_paginator("list_change_sets").paginate(StackName=ctx.params["name"]):
        for summary in page["Summaries"]:
            ours = summary["ChangeSetName"].startswith(CHANGE_SET_PREFIX)
            if ours and summary.get("ExecutionStatus") in ("AVAILABLE", "UNAVAILABLE"):
                ctx.progress(f"{ctx.params['name']}: removing change set {summary['ChangeSetName']} of a killed run")
                client.delete_change_set(ChangeSetName=summary["ChangeSetId"])


def execute(client: t.Any, change_set: ChangeSet) -> None:
    """Execute a change set; a repeated request whose first answer was lost is no error."""
    try:
        client.execute_change_set(ChangeSetName=change_set.arn, ClientRequestToken=change_set.arn.split("/")[-2])
    except AWS_ERRORS as error:
        if error_code(error) != "InvalidChangeSetStatus":
            raise
        status = client.describe_change_set(ChangeSetName=change_set.arn)["ExecutionStatus"]
        if not status.startswith("EXECUTE"):
            raise
