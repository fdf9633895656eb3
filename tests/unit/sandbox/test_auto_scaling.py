# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The played rules of Auto Scaling: hooks, health, sizes, refreshes and their rollback, against a world of the test."""

from __future__ import annotations

import typing as t

import auto_scaling
import instance_refresh
import pytest

OLD, NEW = ({"LaunchTemplateId": "lt-1", "Version": version} for version in ("1", "2"))
HOOK = {"ready": {"HeartbeatTimeout": 900, "DefaultResult": "ABANDON"}}
PREFERENCES = {"MinHealthyPercentage": 100, "MaxHealthyPercentage": 200, "InstanceWarmup": 30, "SkipMatching": True}
IMAGE = "ami-1"


class World:
    """Instances that come up when the test says so."""

    def __init__(self, hooks: dict[str, dict[str, t.Any]] | None = None) -> None:
        self.now = 1000.0
        self.launching = hooks if hooks is not None else HOOK
        self.terminating: dict[str, dict[str, t.Any]] = {}
        self.dead: set[str] = set()
        self.targets: dict[str, str] = {}
        self.busy: set[str] = set()
        self.ended: list[str] = []
        self.alarming = ""
        self.count = 0

    def launch(self, group: dict[str, t.Any], template: dict[str, str]) -> dict[str, t.Any]:
        self.count += 1
        return {
            "InstanceId": f"i-{self.count}", "LifecycleState": "Pending", "HealthStatus": "Healthy",
            "LaunchTemplate": template, "_since": self.now, "_waits": {},
        }  # fmt: skip

    def end(self, instance: dict[str, t.Any]) -> None:
        self.ended.append(instance["InstanceId"])

    def runs(self, instance: dict[str, t.Any]) -> bool:
        return instance["InstanceId"] not in self.dead

    def register(self, group: dict[str, t.Any], instance: dict[str, t.Any]) -> None:
        self.targets.setdefault(instance["InstanceId"], "initial")

    def target_state(self, group: dict[str, t.Any], instance: dict[str, t.Any]) -> str:
        return self.targets.get(instance["InstanceId"], "none")

    def drained(self, group: dict[str, t.Any], instance: dict[str, t.Any]) -> bool:
        if instance["InstanceId"] in self.busy:
            return False
        self.targets.pop(instance["InstanceId"], None)
        return True

    def hooks(self, group: dict[str, t.Any], transition: str) -> dict[str, dict[str, t.Any]]:
        return self.launching if transition == auto_scaling.LAUNCHING else self.terminating

    def alarm(self, names: list[str]) -> str:
        return self.alarming if self.alarming in names else ""

    def warmup(self, seconds: float) -> float:
        return seconds


class Played:
    """One group and its world."""

    def __init__(self, desired: int = 1, hooks: dict[str, dict[str, t.Any]] | None = None, **settings: t.Any) -> None:
        self.world = World(hooks)
        self.group: dict[str, t.Any] = {
            "AutoScalingGroupName": "g", "AutoScalingGroupARN": "arn:g", "DesiredCapacity": desired, "Instances": [],
            "LaunchTemplate": OLD, "HealthCheckType": "ELB", "HealthCheckGracePeriod": 60,
            **settings,
        }  # fmt: skip

    def play(self, times: int = 1, seconds: float = 1.0) -> list[tuple[str, str, str]]:
        """Play, and return id, version and state of each instance."""
        for _ in range(times):
            self.world.now += seconds
            auto_scaling.tick(self.group, self.world)
        return [(i["InstanceId"], i["LaunchTemplate"]["Version"], i["LifecycleState"]) for i in self.group["Instances"]]

    def answer(self, result: str = "CONTINUE") -> None:
        """Complete every lifecycle action that waits."""
        for instance in self.group["Instances"]:
            for wait in instance["_waits"].values():
                wait["result"] = result

    def settle(self) -> list[tuple[str, str, str]]:
        """Let everything that is launched come into service, be healthy and warm."""
        for _ in range(12):
            self.play()
            self.answer()
            self.world.targets = dict.fromkeys(self.world.targets, "healthy")
        return self.play(40)

    def refresh(self, **preferences: t.Any) -> dict[str, t.Any]:
        """Start a refresh to the new template."""
        wanted = {**PREFERENCES, **preferences}
        desired = {"LaunchTemplate": NEW}
        instance_refresh.check(self.group, wanted, desired, IMAGE)
        members = auto_scaling.members(self.group)
        return instance_refresh.start(self.group, wanted, desired, members, self.world.now)

    def statuses(self) -> list[str]:
        """Return the status of each activity, newest first."""
        return [item["StatusCode"] for item in self.group["Activities"]]


@pytest.fixture
def settled() -> Played:
    """A group of two of the old template."""
    played = Played(desired=2)
    assert [state for _, _, state in played.settle()] == ["InService", "InService"]
    return played


def test_an_instance_waits_for_its_hook_and_only_then_becomes_a_target() -> None:
    played = Played()
    assert played.play() == [("i-1", "1", "Pending")]
    assert played.play(5) == [("i-1", "1", "Pending:Wait")]
    assert played.world.targets == {} and played.statuses() == ["MidLifecycleAction"]
    played.answer()
    assert played.play() == [("i-1", "1", "InService")]
    assert played.world.targets == {"i-1": "initial"} and played.statuses() == ["Successful"]


def test_an_abandoned_launch_is_terminated_named_and_tried_again() -> None:
    played = Played()
    played.play(2)
    played.answer("ABANDON")
    assert ("i-1", "1", "Terminating") in played.play()
    cancelled = [item for item in played.group["Activities"] if item["StatusCode"] == "Cancelled"]
    assert "was abandoned: Lifecycle Action Completed with ABANDON Result" in cancelled[0]["StatusMessage"]
    assert [name for name, _, _ in played.play(3)] == ["i-2"]
    assert played.world.ended == ["i-1"] and "i-1" not in played.world.targets


def test_a_heartbeat_that_runs_out_gives_the_default_result() -> None:
    played = Played()
    played.play(2)
    played.play(1, seconds=901)
    assert "Heartbeat Timeout Elapsed" in played.group["Activities"][1]["StatusMessage"]
    lenient = Played(hooks={"ready": {"HeartbeatTimeout": 900, "DefaultResult": "CONTINUE"}})
    lenient.play(2)
    assert lenient.play(1, seconds=901) == [("i-1", "1", "InService")]


def test_launches_that_fail_again_and_again_pause_longer_each_time() -> None:
    played = Played()
    for _ in range(60):
        played.play()
        played.answer("ABANDON")
    assert 4 <= played.world.count <= 7


def test_a_hook_that_is_deleted_holds_nobody() -> None:
    played = Played()
    played.play(2)
    played.world.launching = {}
    assert played.play() == [("i-1", "1", "InService")]


def test_an_instance_that_dies_while_it_waits_is_replaced() -> None:
    played = Played()
    played.play(2)
    played.world.dead.add("i-1")
    played.play()
    assert "Cancelled" in played.statuses()
    assert [name for name, _, _ in played.play(3)] == ["i-2"]


def test_the_load_balancers_opinion_counts_after_the_grace_period(settled: Played) -> None:
    settled.world.targets["i-1"] = "unhealthy"
    settled.group["Instances"][0]["_since"] = settled.world.now
    assert settled.play(30)[0] == ("i-1", "1", "InService")
    settled.play(35)
    assert settled.world.ended == ["i-1"]


def test_without_elb_health_only_a_dead_instance_is_replaced() -> None:
    played = Played(HealthCheckType="EC2")
    played.settle()
    played.world.targets["i-1"] = "unhealthy"
    assert played.play(100)[0][0] == "i-1"
    played.world.dead.add("i-1")
    assert "i-1" not in [name for name, _, _ in played.play(3)]


def test_a_maintenance_policy_launches_before_it_terminates_the_unhealthy() -> None:
    played = Played(InstanceMaintenancePolicy={"MinHealthyPercentage": 100, "MaxHealthyPercentage": 200})
    played.settle()
    played.group["Instances"][0]["HealthStatus"] = "Unhealthy"
    assert [name for name, _, _ in played.play(5)] == ["i-1", "i-2"]
    played.settle()
    assert [name for name, _, _ in played.play(60)] == ["i-2"]


def test_calls_in_flight_hold_an_instance_back(settled: Played) -> None:
    settled.world.busy.add("i-1")
    settled.group["DesiredCapacity"] = 1
    assert settled.play(20)[0] == ("i-1", "1", "Terminating")
    assert settled.statuses()[0] == "WaitingForELBConnectionDraining"
    settled.world.busy.clear()
    assert [name for name, _, _ in settled.play()] == ["i-2"]


def test_a_terminating_hook_holds_an_instance_until_it_is_completed(settled: Played) -> None:
    settled.world.terminating = {"last-words": {"HeartbeatTimeout": 60, "DefaultResult": "CONTINUE"}}
    settled.group["DesiredCapacity"] = 1
    assert settled.play(5)[0][2] == "Terminating:Wait"
    settled.answer()
    assert len(settled.play()) == 1


@pytest.mark.parametrize("desired", [1, 2, 3])
def test_a_refresh_never_goes_below_its_minimum_and_ends_with_the_new_template(desired: int) -> None:
    played = Played(desired=desired)
    played.settle()
    refresh = played.refresh()
    least, most = desired, 0
    for _ in range(200):
        members = played.play()
        played.answer()
        played.world.targets = dict.fromkeys(played.world.targets, "healthy")
        least = min(least, sum(state == "InService" for _, _, state in members))
        most = max(most, sum(not state.startswith("Terminating") for _, _, state in members))
    assert refresh["Status"] == "Successful" and refresh["PercentageComplete"] == 100
    assert {version for _, version, _ in members} == {"2"} and len(members) == desired
    assert least == desired and most == 2 * desired
    assert played.group["LaunchTemplate"] == NEW and "EndTime" in refresh


def test_an_instance_that_is_replaced_before_it_is_warm_serves_until_then() -> None:
    played = Played(desired=1)
    played.play(2)
    played.answer()
    assert played.play() == [("i-1", "1", "InService")]
    played.refresh()
    for _ in range(10):
        assert ("i-1", "1", "InService") in played.play()


def test_without_a_maximum_one_goes_while_the_next_one_comes(settled: Played) -> None:
    wanted = {"MinHealthyPercentage": 50, "InstanceWarmup": 1}
    refresh = instance_refresh.start(settled.group, wanted, {"LaunchTemplate": NEW}, settled.group["Instances"], 0.0)
    states = settled.play(2)
    assert sum(state == "InService" for _, _, state in states) == 1
    assert {version for _, version, _ in settled.settle()} == {"2"}
    assert refresh["Status"] == "Successful"


def test_what_matches_is_skipped_only_when_asked_for(settled: Played) -> None:
    settled.group["LaunchTemplate"] = NEW
    for instance in settled.group["Instances"]:
        instance["LaunchTemplate"] = NEW
    skipping = settled.refresh()
    settled.play(3)
    assert (skipping["Status"], skipping["InstancesToUpdate"]) == ("Successful", 0)
    assert settled.world.count == 2
    whole = settled.refresh(SkipMatching=False)
    assert whole["InstancesToUpdate"] == 2
    settled.settle()
    assert whole["Status"] == "Successful" and settled.world.count == 4


def test_a_release_that_is_not_ready_never_takes_traffic_and_rolls_back(settled: Played) -> None:
    refresh = settled.refresh(AutoRollback=True)
    for _ in range(20):
        settled.play()
        settled.answer("ABANDON")
    assert refresh["Status"] == "InProgress" and refresh["PercentageComplete"] == 0
    assert set(settled.world.targets) == {"i-1", "i-2"}
    members = auto_scaling.members(settled.group)
    instance_refresh.ask_for_rollback(settled.group, members, IMAGE, settled.world.now)
    assert refresh["Status"] == "RollbackInProgress"
    assert [name for name, _, _ in settled.settle()] == ["i-1", "i-2"]
    assert refresh["Status"] == "RollbackSuccessful" and settled.group["LaunchTemplate"] == OLD
    assert refresh["RollbackDetails"]["InstancesToUpdateOnRollback"] == 2


def test_an_alarm_takes_back_what_was_replaced_already(settled: Played) -> None:
    refresh = settled.refresh(AutoRollback=True, MaxHealthyPercentage=150, AlarmSpecification={"Alarms": ["errors"]})
    while refresh["InstancesToUpdate"] != 1:
        settled.play()
        settled.answer()
        settled.world.targets = dict.fromkeys(settled.world.targets, "healthy")
    settled.world.alarming = "errors"
    settled.play()
    assert refresh["Status"] == "RollbackInProgress" and "errors" in refresh["StatusReason"]
    assert refresh["RollbackDetails"]["PercentageCompleteOnRollback"] == 50
    assert {version for _, version, _ in settled.settle()} == {"1"}
    assert (refresh["Status"], refresh["PercentageComplete"]) == ("RollbackSuccessful", 0)


def test_without_automatic_rollback_an_alarm_fails_the_refresh(settled: Played) -> None:
    refresh = settled.refresh(AlarmSpecification={"Alarms": ["errors"]})
    settled.world.alarming = "errors"
    settled.play(2)
    assert refresh["Status"] == "Failed" and instance_refresh.active(settled.group) is None


def test_an_hour_without_progress_fails_it(settled: Played) -> None:
    settled.world.launching = {"ready": {"HeartbeatTimeout": 7200, "DefaultResult": "ABANDON"}}
    refresh = settled.refresh()
    settled.play(3, seconds=1500)
    assert refresh["Status"] == "Failed" and "one hour" in refresh["StatusReason"]


def test_a_cancelled_refresh_leaves_what_it_did(settled: Played) -> None:
    refresh = settled.refresh()
    settled.play(2)
    instance_refresh.ask_to_cancel(settled.group)
    assert refresh["Status"] == "Cancelling"
    settled.play()
    assert refresh["Status"] == "Cancelled" and settled.group["LaunchTemplate"] == OLD


@pytest.mark.parametrize(
    ("change", "image", "code"),
    [
        ({"AutoRollback": True}, "resolve:ssm:/aws/service/x", "ValidationError"),
        ({"MinHealthyPercentage": None}, IMAGE, "ValidationError"),
        ({"MinHealthyPercentage": 50}, IMAGE, "ValidationError"),
    ],
)
def test_what_aws_refuses_is_refused(settled: Played, change: dict[str, t.Any], image: str, code: str) -> None:
    wanted = {**PREFERENCES, **change}
    with pytest.raises(instance_refresh.Refused) as refused:
        instance_refresh.check(settled.group, wanted, {"LaunchTemplate": NEW}, image)
    assert refused.value.code == code


@pytest.mark.parametrize("version", ["$Latest", "$Default", ""])
def test_a_rollback_needs_numbered_versions(settled: Played, version: str) -> None:
    settled.refresh()
    settled.group["LaunchTemplate"] = {**OLD, "Version": version}
    with pytest.raises(instance_refresh.Refused) as refused:
        instance_refresh.ask_for_rollback(settled.group, [], IMAGE, 0.0)
    assert refused.value.code == "IrreversibleInstanceRefresh"


def test_one_refresh_at_a_time_and_none_to_undo(settled: Played) -> None:
    for ask in (lambda: instance_refresh.ask_for_rollback(settled.group, [], IMAGE, 0.0),
                lambda: instance_refresh.ask_to_cancel(settled.group)):  # fmt: skip
        with pytest.raises(instance_refresh.Refused, match="No in progress"):
            ask()
    settled.refresh()
    with pytest.raises(instance_refresh.Refused) as refused:
        settled.refresh()
    assert refused.value.code == "InstanceRefreshInProgress"
