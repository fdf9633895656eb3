# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Simulated Auto Scaling with stand-in instances in the running sandbox: released, refused, killed, restarted."""

from __future__ import annotations

import collections
import concurrent.futures
import http.client
import json
import os
import threading
import time
import typing as t
from pathlib import Path

import pytest

from tests.support.emulated import TestSandbox
from tests.support.fleet import HOOK, Fleet, until

pytestmark = pytest.mark.integration
IMAGE = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"


@pytest.fixture
def fleet(sandbox: TestSandbox, request: pytest.FixtureRequest) -> t.Iterator[Fleet]:
    """A group of one instance in service."""
    made = Fleet(sandbox, f"fleet-{abs(hash(request.node.name)) % 10**8}").make("first")
    until(lambda: made.targets() == ["healthy"])
    yield made
    made.remove()


def ask(fleet: Fleet, path: str = "/") -> tuple[int, dict[str, t.Any]]:
    """Call the load balancer."""
    connection = http.client.HTTPConnection("127.0.0.1", fleet.sandbox.port, timeout=20)
    try:
        connection.request("GET", path, headers={"Host": fleet.host})
        response = connection.getresponse()
        content = response.read()
        print(response.status, content[:300], time.monotonic()) if response.status != 200 else None
        return response.status, json.loads(content) if content.startswith(b"{") else {}
    finally:
        connection.close()


def cancelled(fleet: Fleet) -> list[dict[str, t.Any]]:
    """Return the launches that were given up."""
    return [item for item in fleet.activities() if item["StatusCode"] == "Cancelled"]


def test_a_good_release_replaces_the_old_one_without_a_failed_call(fleet: Fleet) -> None:
    seen: collections.Counter[tuple[int, str]] = collections.Counter()
    over = threading.Event()

    def load() -> None:
        while not over.is_set():
            status, said = ask(fleet)
            seen[status, said.get("release", "")] += 1

    version = fleet.publish("second")
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        calls = [pool.submit(load) for _ in range(4)]
        try:
            fleet.refresh(version)
            until(lambda: fleet.refreshed()["Status"] == "Successful")
            until(lambda: fleet.states() == [(version, "InService")])
        finally:
            over.set()
        for call in calls:
            call.result()
    assert set(seen) == {(200, "first"), (200, "second")} and min(seen.values()) > 10
    assert fleet.refreshed()["PercentageComplete"] == 100
    assert fleet.group()["LaunchTemplate"]["Version"] == version


def test_a_slow_call_is_answered_by_the_instance_that_goes(fleet: Fleet) -> None:
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        slow = pool.submit(ask, fleet, "/slow")
        time.sleep(0.3)
        name = fleet.group()["Instances"][0]["InstanceId"]
        fleet.scaling.terminate_instance_in_auto_scaling_group(InstanceId=name, ShouldDecrementDesiredCapacity=False)
        assert slow.result()[0] == 200
    until(lambda: name not in [item["InstanceId"] for item in fleet.group()["Instances"]])


def test_a_release_that_is_not_ready_takes_no_traffic_and_is_rolled_back(fleet: Fleet) -> None:
    version = fleet.publish("bad", ready="no", ready_seconds=1)
    fleet.refresh(version)
    until(lambda: len(cancelled(fleet)) >= 2, 60)
    assert ask(fleet)[1]["release"] == "first"
    assert "was abandoned: Lifecycle Action Completed with ABANDON Result" in cancelled(fleet)[0]["StatusMessage"]
    fleet.scaling.rollback_instance_refresh(AutoScalingGroupName=fleet.name)
    until(lambda: fleet.refreshed()["Status"] == "RollbackSuccessful")
    until(lambda: fleet.states() == [("1", "InService")])
    assert fleet.group()["LaunchTemplate"]["Version"] == "1"


def test_another_package_than_the_releases_is_not_installed(fleet: Fleet) -> None:
    fleet.refresh(fleet.publish("forged", sha256="0" * 64))
    until(lambda: cancelled(fleet))
    assert ask(fleet)[1]["release"] == "first"
    fleet.scaling.cancel_instance_refresh(AutoScalingGroupName=fleet.name)
    until(lambda: fleet.refreshed()["Status"] == "Cancelled")


def test_a_server_that_dies_is_started_again_by_its_unit(fleet: Fleet) -> None:
    before = ask(fleet)[1]["pid"]
    assert ask(fleet, "/die")[0] == 502
    until(lambda: ask(fleet)[0] == 200)
    assert ask(fleet)[1]["pid"] != before
    assert len(fleet.activities()) == 1


def test_a_sick_instance_is_replaced_and_an_ended_one_too(fleet: Fleet) -> None:
    (first,) = fleet.group()["Instances"]
    (fleet.sandbox.directory / "instances" / first["InstanceId"] / "sick").touch()
    until(lambda: first["InstanceId"] not in [item["InstanceId"] for item in fleet.group()["Instances"]], 40)
    until(lambda: fleet.targets() == ["healthy"])
    (second,) = fleet.group()["Instances"]
    fleet.ec2.terminate_instances(InstanceIds=[second["InstanceId"]])
    until(lambda: second["InstanceId"] not in [item["InstanceId"] for item in fleet.group()["Instances"]])
    until(lambda: fleet.targets() == ["healthy"])


def test_the_group_grows_and_shrinks(fleet: Fleet) -> None:
    fleet.scaling.set_desired_capacity(AutoScalingGroupName=fleet.name, DesiredCapacity=2)
    until(lambda: fleet.targets() == ["healthy", "healthy"])
    assert len({ask(fleet)[1]["pid"] for _ in range(4)}) == 2
    assert {item["AvailabilityZone"] for item in fleet.group()["Instances"]} == {"us-east-1a", "us-east-1b"}
    fleet.scaling.set_desired_capacity(AutoScalingGroupName=fleet.name, DesiredCapacity=1)
    until(lambda: len(fleet.group()["Instances"]) == 1)


def test_a_command_runs_in_the_instances_own_surroundings(fleet: Fleet) -> None:
    manager = fleet.sandbox.client("ssm")
    name = fleet.group()["Instances"][0]["InstanceId"]
    commands = [
        "set -a; . /etc/mcp/server.env; ls $MCP_FOLDER",
        "/usr/local/bin/mcp-run -m pratiko_mcp.tool compare",
        "PYTHONPATH=/opt/mcp/first runuser -u mcp -- python3.13 -S -m pratiko_mcp.tool again",
        "exit 3",
    ]
    sent = manager.send_command(
        InstanceIds=[name], DocumentName="AWS-RunShellScript", Parameters={"commands": commands}
    )["Command"]["CommandId"]

    def over() -> dict[str, t.Any] | None:
        found = manager.get_command_invocation(CommandId=sent, InstanceId=name)
        return None if found["Status"] in ("Pending", "InProgress") else t.cast(dict[str, t.Any], found)

    found = until(over)
    assert (found["Status"], found["ResponseCode"], found["StandardErrorContent"]) == ("Failed", 3, "")
    assert found["StandardOutputContent"].split() == ["pratiko_mcp", "first", "compare", "first", "again"]
    assert "first upgrade" in fleet.ec2.get_console_output(InstanceId=name)["Output"]


def test_hooks_activities_and_targets_are_told_as_by_aws(fleet: Fleet) -> None:
    (hook,) = fleet.scaling.describe_lifecycle_hooks(AutoScalingGroupName=fleet.name)["LifecycleHooks"]
    assert (hook["LifecycleHookName"], hook["DefaultResult"]) == (HOOK, "ABANDON")
    group = fleet.group()
    assert group["TargetGroupARNs"] == [fleet.target_group]
    assert group["Instances"][0]["InstanceType"] == "t3.micro"
    (target,) = fleet.balancing.describe_target_health(TargetGroupArn=fleet.target_group)["TargetHealthDescriptions"]
    assert target["Target"] == {"Id": group["Instances"][0]["InstanceId"], "Port": 8000}
    with pytest.raises(fleet.scaling.exceptions.ClientError, match="No active Lifecycle Action"):
        fleet.scaling.complete_lifecycle_action(
            LifecycleHookName=HOOK, AutoScalingGroupName=fleet.name, LifecycleActionResult="CONTINUE", InstanceId="i-0"
        )
    with pytest.raises(fleet.scaling.exceptions.ActiveInstanceRefreshNotFoundFault):
        fleet.scaling.rollback_instance_refresh(AutoScalingGroupName=fleet.name)


def test_instances_outlive_a_stop_and_a_killed_emulator(own_sandbox: TestSandbox) -> None:
    fleet = Fleet(own_sandbox.start(), "kept").make("first")
    until(lambda: fleet.targets() == ["healthy"])
    (before,) = fleet.group()["Instances"]
    own_sandbox.stop()
    assert not [path for path in Path("/proc").glob("[0-9]*/cmdline") if held(path, own_sandbox.directory)]
    own_sandbox.start()
    until(lambda: fleet.targets() == ["healthy"])
    assert fleet.group()["Instances"][0]["InstanceId"] == before["InstanceId"]
    pid = ask(fleet)[1]["pid"]
    time.sleep(3)  # what was saved before is complete
    os.kill(own_sandbox.status()["emulator"]["pid"], 9)
    own_sandbox.start()
    until(lambda: fleet.targets() == ["healthy"])
    assert ask(fleet)[1]["pid"] == pid
    fleet.remove()
    until(lambda: not list((own_sandbox.directory / "instances").glob("i-*")))


def held(command: Path, directory: Path) -> bool:
    """Tell whether a process works in the sandbox's directory."""
    try:
        return str(directory).encode() in command.read_bytes()
    except OSError:
        return False


def test_a_new_public_image_is_seen_without_a_restart(own_sandbox: TestSandbox) -> None:
    manager = own_sandbox.start().client("ssm")
    before = manager.get_parameter(Name=IMAGE)["Parameter"]["Value"]
    (own_sandbox.directory / "public-images.json").write_text(json.dumps({IMAGE: "ami-00000000000000002"}))
    assert manager.get_parameter(Name=IMAGE)["Parameter"]["Value"] == "ami-00000000000000002" != before
