# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A command on an instance in service, by Systems Manager, against AWS's own service models."""

from __future__ import annotations

import typing as t

import boto3
import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import instance_command
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import Context, McpError
from botocore.stub import Stubber

KEYS = {"region_name": "us-east-1", "aws_access_key_id": "x", "aws_secret_access_key": "x"}
INSTANCE, COMMAND = "i-0123456789abcdef0", "11111111-2222-3333-4444-555555555555"
SENT = {
    "InstanceIds": [INSTANCE],
    "DocumentName": "AWS-RunShellScript",
    "Comment": "the look",
    "TimeoutSeconds": 60,
    "Parameters": {"commands": ["mcp-run digest"], "executionTimeout": ["600"]},
}


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that only waiting moves; returns the waits."""
    waits: list[float] = []
    monkeypatch.setattr(instance_command.time, "sleep", waits.append)
    monkeypatch.setattr(instance_command.time, "monotonic", lambda: 1000.0 + sum(waits))
    return waits


class World:
    """Auto Scaling and Systems Manager."""

    def __init__(self, *states: tuple[str, str, str]) -> None:
        self.scaling, self.ssm = (Stubber(boto3.client(name, **KEYS)) for name in ("autoscaling", "ssm"))
        instances = [
            {
                "InstanceId": instance,
                "AvailabilityZone": "a",
                "LifecycleState": state,
                "HealthStatus": health,
                "ProtectedFromScaleIn": False,
            }
            for instance, state, health in states or ((INSTANCE, "InService", "Healthy"),)
        ]
        group = {
            "AutoScalingGroupName": "mcp-staging",
            "MinSize": 1,
            "MaxSize": 2,
            "DesiredCapacity": 1,
            "DefaultCooldown": 0,
            "AvailabilityZones": [],
            "HealthCheckType": "ELB",
            "CreatedTime": 0,
            "Instances": instances,
        }
        wanted = {"AutoScalingGroupNames": ["mcp-staging"]}
        self.scaling.add_response("describe_auto_scaling_groups", {"AutoScalingGroups": [group]}, wanted)

    def sends(self) -> World:
        """Expect the command."""
        self.ssm.add_response("send_command", {"Command": {"CommandId": COMMAND}}, SENT)
        return self

    def says(self, status: str, output: str = "", error: str = "") -> World:
        """Answer one look at how it goes."""
        answer = {"Status": status, "StandardOutputContent": output, "StandardErrorContent": error}
        wanted = {"CommandId": COMMAND, "InstanceId": INSTANCE}
        self.ssm.add_response("get_command_invocation", answer, wanted)
        return self

    def unknown(self) -> World:
        """Answer that there is no such invocation yet."""
        self.ssm.add_client_error("get_command_invocation", "InvocationDoesNotExist")
        return self

    def run(self, check: bool = False) -> dict[str, t.Any]:
        """Run the module's logic; every step has to be taken."""
        given = {"group": "mcp-staging", "command": "mcp-run digest", "what": "the look"}
        checked = ArgumentSpecValidator(instance_command.ARGUMENT_SPEC).validate(given)
        assert not checked.error_messages
        clients = {"autoscaling": self.scaling.client, "ssm": self.ssm.client}
        with self.scaling, self.ssm:
            context = Context(
                params=checked.validated_parameters, make_client=lambda name, _region: clients[name], check_mode=check
            )
            outcome = instance_command.run(context)
            self.ssm.assert_no_pending_responses()
        return outcome


def test_what_it_printed_comes_back(clock: list[float]) -> None:
    world = World().sends().unknown().says("Pending").says("InProgress").says("Success", '{"tables": {}}\n')
    assert world.run() == {"changed": True, "instance_id": INSTANCE, "result": {"tables": {}}}
    assert clock == [2.0, 2.0, 2.0]


def test_an_instance_that_serves_is_chosen() -> None:
    world = World(
        ("i-1", "Pending:Wait", "Healthy"), ("i-2", "InService", "Unhealthy"), (INSTANCE, "InService", "Healthy")
    )
    assert world.sends().says("Success", "[]").run()["instance_id"] == INSTANCE


def test_check_mode_runs_nothing() -> None:
    assert World().run(check=True)["result"] is None


def refused(world: World) -> str:
    with pytest.raises(McpError) as caught:
        world.run()
    return caught.value.message


def test_without_an_instance_in_service_it_says_what_to_type() -> None:
    said = refused(World(("i-1", "Terminating", "Healthy")))
    assert "No instance of Auto Scaling group mcp-staging is in service" in said and "deploy.yml -i <inventory>" in said


def test_an_agent_that_is_not_there_is_named() -> None:
    world = World()
    world.ssm.add_client_error("send_command", "InvalidInstanceId")
    assert "its agent has not registered" in refused(world)


@pytest.mark.parametrize("status", ["Failed", "TimedOut", "Cancelled"])
def test_a_failure_says_what_the_command_said(status: str) -> None:
    said = refused(World().sends().says(status, "half", "compare digest: no connection to db within 30 s"))
    assert (
        said == f"The look on instance {INSTANCE} ended with {status}: compare digest: no connection to db within 30 s"
    )


def test_what_is_no_json_is_shown() -> None:
    assert "printed no JSON: hello" in refused(World().sends().says("Success", "hello"))


def test_a_command_that_nobody_takes_is_given_up() -> None:
    world = World().sends()
    for _look in range(12):
        world.unknown()
    said = refused(world)
    assert "has not ended after 22 s" in said and f"--command-id {COMMAND}" in said
