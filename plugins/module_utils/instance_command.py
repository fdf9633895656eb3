# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a command on one instance of an Auto Scaling group by Session Manager, and read the JSON that it prints."""

from __future__ import annotations

import json
import time
import typing as t

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import (
    AWS_ERRORS,
    Context,
    McpError,
    error_code,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.lock_renewal import LOCK_OPTION, lock_kept

ARGUMENT_SPEC: dict[str, t.Any] = {
    "group": {"type": "str", "required": True},
    "command": {"type": "str", "required": True},
    "what": {"type": "str", "default": "the command"},
    "timeout": {"type": "int", "default": 600},
    "lock": LOCK_OPTION,
}
DOCUMENT = "AWS-RunShellScript"
# For an agent to take the command.
DELIVERY_S = 60
POLL_S = 2.0
PROGRESS_S = 30.0
# Systems Manager knows a command's outcome a moment after it has taken it.
UNKNOWN_S = 20.0
# Of what a command said that failed.
SHOWN = 600
UNDER_WAY = ("Pending", "InProgress", "Delayed", "Cancelling")


def in_service(client: t.Any, group: str) -> str:
    """Return the id of an instance that serves.

    :raises McpError: there is none
    """
    found = client.describe_auto_scaling_groups(AutoScalingGroupNames=[group])["AutoScalingGroups"]
    for instance in found[0].get("Instances", []) if found else []:
        if instance["LifecycleState"] == "InService" and instance["HealthStatus"] == "Healthy":
            return str(instance["InstanceId"])
    raise McpError(
        f"No instance of Auto Scaling group {group} is in service, so there is none to ask the database from. Nothing "
        "was changed. Deploy first: ansible-playbook deploy.yml -i <inventory>"
    )


def send(client: t.Any, instance: str, params: dict[str, t.Any]) -> str:
    """Hand a command to an instance's agent; return its id.

    :raises McpError: the agent is not there
    """
    try:
        answer = client.send_command(
            InstanceIds=[instance],
            DocumentName=DOCUMENT,
            Comment=params["what"][:100],
            TimeoutSeconds=DELIVERY_S,
            Parameters={"commands": [params["command"]], "executionTimeout": [str(params["timeout"])]},
        )
    except AWS_ERRORS as error:
        if error_code(error) != "InvalidInstanceId":
            raise
        raise McpError(
            f"Session Manager does not reach instance {instance}: its agent has not registered (a young instance takes "
            "a minute). Nothing was changed. Type the same command again, and see which are registered: aws ssm "
            "describe-instance-information"
        ) from error
    return str(answer["Command"]["CommandId"])


def outcome(client: t.Any, command: str, instance: str) -> dict[str, t.Any] | None:
    """Return what is known of a command, None where nothing is yet."""
    try:
        return dict(client.get_command_invocation(CommandId=command, InstanceId=instance))
    except AWS_ERRORS as error:
        if error_code(error) == "InvocationDoesNotExist":
            return None
        raise


def wait(ctx: Context, client: t.Any, command: str, instance: str) -> dict[str, t.Any]:
    """Wait for a command's end.

    :raises McpError: it does not come
    """
    began = shown = time.monotonic()
    ends = began + DELIVERY_S + ctx.params["timeout"] + UNKNOWN_S
    while True:
        found, now = outcome(client, command, instance), time.monotonic()
        if found and found["Status"] not in UNDER_WAY:
            return found
        if now > ends or (found is None and now > began + UNKNOWN_S):
            raise McpError(
                f"{ctx.params['what'].capitalize()} on instance {instance} has not ended after {now - began:.0f} s. It "
                f"may go on: aws ssm get-command-invocation --command-id {command} --instance-id {instance}"
            )
        if now - shown > PROGRESS_S:
            ctx.progress(f"{ctx.params['what']} on {instance}: {now - began:.0f} s")
            shown = now
        time.sleep(POLL_S)


def run(ctx: Context) -> dict[str, t.Any]:
    """Run the command and return what it printed.

    :raises McpError: it failed, or printed no JSON
    """
    instance = in_service(ctx.client("autoscaling"), ctx.params["group"])
    if ctx.check_mode:
        return {"changed": True, "instance_id": instance, "result": None}
    client = ctx.client("ssm")
    with lock_kept(ctx, ctx.params["what"]):
        found = wait(ctx, client, send(client, instance, ctx.params), instance)
    if found["Status"] != "Success":
        said = (found.get("StandardErrorContent") or found.get("StandardOutputContent") or "").strip()[-SHOWN:]
        raise McpError(
            f"{ctx.params['what'].capitalize()} on instance {instance} ended with {found['Status']}: "
            f"{said or 'it said nothing'}"
        )
    text = found.get("StandardOutputContent") or ""
    try:
        result = json.loads(text)
    except ValueError as error:
        raise McpError(
            f"{ctx.params['what'].capitalize()} on instance {instance} printed no JSON: {text[-SHOWN:]}"
        ) from error
    return {"changed": True, "instance_id": instance, "result": result}
