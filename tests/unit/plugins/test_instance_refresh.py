# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""instance_refresh: what is started, gone on with, waited for, taken back. Stubs refuse every call not listed here."""

from __future__ import annotations

import datetime
import typing as t

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import instance_group, instance_refresh
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import SHARED_SESSION, Context, McpError
from botocore.stub import Stubber

GROUP, TEMPLATE = "mcp-staging", "lt-0123456789abcdef0"
OLD, NEW, THIRD = "i-00000000000000001", "i-00000000000000002", "i-00000000000000003"
MINE, THEIRS = "08b91cf7-8fa6-48af-b6a6-d227f40f1b9b", "18b91cf7-8fa6-48af-b6a6-d227f40f1b9b"
NOW = datetime.datetime(2026, 11, 23, 12, 0, tzinfo=datetime.UTC)
ABANDONED = (
    "Instance failed to complete user's Lifecycle Action: Lifecycle Action with token 1 was abandoned: Lifecycle "
    "Action Completed with ABANDON Result"
)
PREFERENCES = {
    "MinHealthyPercentage": 100,
    "MaxHealthyPercentage": 200,
    "InstanceWarmup": 60,
    "AutoRollback": True,
    "SkipMatching": True,
    "ScaleInProtectedInstances": "Refresh",
    "StandbyInstances": "Ignore",
}


class Aws:
    """Stubbed clients, and a clock that only moves by sleeping."""

    def __init__(self) -> None:
        options = {"aws_access_key_id": "x", "aws_secret_access_key": "x", "region_name": "us-east-1"}
        self.clients = {
            name: SHARED_SESSION.client(name, **options) for name in ("autoscaling", "ec2", "cloudwatch", "ssm")
        }
        self.stubs = {name: Stubber(client) for name, client in self.clients.items()}
        for stub in self.stubs.values():
            stub.activate()
        self.scaling = self.stubs["autoscaling"]
        self.now, self.said, self.warned = 1000.0, list[str](), list[str]()

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def client(self, service: str, _region: str | None) -> t.Any:
        return self.clients[service]

    def group(self, *instances: tuple[str, str, str], launches: str = "3", wanted: int = 1) -> None:
        """The group has these instances, each with its state and version."""
        answer = {
            "AutoScalingGroupName": GROUP,
            "MinSize": 1,
            "MaxSize": 2,
            "DesiredCapacity": wanted,
            "DefaultCooldown": 300,
            "AvailabilityZones": ["us-east-1a"],
            "HealthCheckType": "ELB",
            "CreatedTime": NOW,
            "LaunchTemplate": {"LaunchTemplateId": TEMPLATE, "Version": launches},
            "Instances": [
                {
                    "InstanceId": name,
                    "AvailabilityZone": "us-east-1a",
                    "LifecycleState": state,
                    "HealthStatus": "Healthy",
                    "LaunchTemplate": {"LaunchTemplateId": TEMPLATE, "Version": version},
                    "ProtectedFromScaleIn": False,
                }
                for name, state, version in instances
            ],
        }
        wanted_call = {"AutoScalingGroupNames": [GROUP]}
        self.scaling.add_response("describe_auto_scaling_groups", {"AutoScalingGroups": [answer]}, wanted_call)

    def no_group(self) -> None:
        self.scaling.add_response("describe_auto_scaling_groups", {"AutoScalingGroups": []})

    def activities(self, *lost: tuple[str, str], status: str = "Cancelled") -> None:
        """These launches came to nothing: id of the activity and of the instance."""
        items = [
            {
                "ActivityId": activity,
                "AutoScalingGroupName": GROUP,
                "Description": f"Launching a new EC2 instance: {instance}",
                "Cause": "an instance refresh",
                "StartTime": NOW,
                "StatusCode": status,
                "StatusMessage": ABANDONED,
            }
            for activity, instance in lost
        ]
        wanted = {"AutoScalingGroupName": GROUP, "MaxRecords": 50}
        self.scaling.add_response("describe_scaling_activities", {"Activities": items}, wanted)

    def newest(self, status: str | None = None, version: str = "4", refresh: str = MINE, **more: t.Any) -> None:
        """The group's newest refresh, none without a status."""
        self._refresh({"MaxRecords": 1}, status, version, refresh, more)

    def refresh(self, status: str, refresh: str = MINE, **more: t.Any) -> None:
        """A refresh, asked for by its id."""
        self._refresh({"InstanceRefreshIds": [refresh]}, status, "4", refresh, more)

    def _refresh(self, by: dict[str, t.Any], status: str | None, version: str, refresh: str, more: dict) -> None:
        found = {
            "InstanceRefreshId": refresh,
            "AutoScalingGroupName": GROUP,
            "Status": status,
            "DesiredConfiguration": {"LaunchTemplate": {"LaunchTemplateId": TEMPLATE, "Version": version}},
            **more,
        }
        answer = {"InstanceRefreshes": [found] if status else []}
        self.scaling.add_response("describe_instance_refreshes", answer, {"AutoScalingGroupName": GROUP, **by})

    def start(self, **preferences: t.Any) -> None:
        wanted = {
            "AutoScalingGroupName": GROUP,
            "Strategy": "Rolling",
            "DesiredConfiguration": {"LaunchTemplate": {"LaunchTemplateId": TEMPLATE, "Version": "4"}},
            "Preferences": {**PREFERENCES, **preferences},
        }
        self.scaling.add_response("start_instance_refresh", {"InstanceRefreshId": MINE}, wanted)

    def back(self) -> None:
        wanted = {"AutoScalingGroupName": GROUP}
        self.scaling.add_response("rollback_instance_refresh", {"InstanceRefreshId": MINE}, wanted)

    def console(self, text: str) -> None:
        answer = {"InstanceId": NEW, "Output": text}
        self.stubs["ec2"].add_response("get_console_output", answer, {"InstanceId": NEW, "Latest": True})

    def run(self, check_mode: bool = False, **params: t.Any) -> dict[str, t.Any]:
        given = {"group": GROUP, "version": "4", "launch_template_id": TEMPLATE, **params}
        checked = ArgumentSpecValidator(instance_refresh.ARGUMENT_SPEC).validate(
            {name: value for name, value in given.items() if value is not None}
        )
        assert not checked.error_messages, checked.error_messages
        ctx = Context(
            params=dict(checked.validated_parameters),
            make_client=self.client,
            check_mode=check_mode,
            progress=self.said.append,
            warn=self.warned.append,
        )
        result = instance_refresh.run(ctx)
        self.all_asked()
        return result

    def refused(self, **params: t.Any) -> McpError:
        with pytest.raises(McpError) as refusal:
            self.run(**params)
        self.all_asked()
        return refusal.value

    def all_asked(self) -> None:
        for stub in self.stubs.values():
            stub.assert_no_pending_responses()


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Aws:
    world = Aws()
    monkeypatch.setattr(instance_refresh.time, "sleep", world.sleep)
    monkeypatch.setattr(instance_refresh.time, "monotonic", lambda: world.now)
    return world


OLD_SERVES = (OLD, "InService", "3")
NEW_SERVES = (NEW, "InService", "4")


def test_without_a_version_it_only_looks(aws: Aws) -> None:
    aws.group(OLD_SERVES, (NEW, "Pending:Wait", "4"), wanted=2)
    result = aws.run(version=None, launch_template_id=None)
    assert (result["changed"], result["there"], result["serving"], result["launches"]) == (False, True, "3", "3")
    assert result["versions"] == {"3": 1}
    assert [item["state"] for item in result["instances"]] == ["InService", "Pending:Wait"]
    assert result["image"] is None


def test_without_a_group_it_says_so_and_still_names_the_image(aws: Aws) -> None:
    aws.no_group()
    parameter = {"Parameter": {"Name": "/aws/image", "Value": "ami-1", "Type": "String"}}
    aws.stubs["ssm"].add_response("get_parameter", parameter, {"Name": "/aws/image"})
    result = aws.run(version=None, launch_template_id=None, image_parameter="/aws/image")
    assert (result["there"], result["serving"], result["image"]) == (False, "", "ami-1")


def test_a_group_that_runs_it_already_is_left_alone(aws: Aws) -> None:
    aws.group(NEW_SERVES, (OLD, "Terminating", "3"), launches="4")
    result = aws.run()
    assert (result["changed"], result["refresh_id"], result["versions"]) == (False, None, {"4": 1})


def test_a_group_that_is_gone_is_one_clear_error(aws: Aws) -> None:
    aws.no_group()
    message = aws.refused().message
    assert "group is 'mcp-staging'" in message
    assert "Nothing was changed" in message
    assert "deploy.yml -i <inventory>" in message


def test_check_mode_says_that_instances_would_be_replaced(aws: Aws) -> None:
    aws.group(OLD_SERVES)
    result = aws.run(check_mode=True)
    assert (result["changed"], result["versions"]) == (True, {"3": 1})


def test_each_new_instance_comes_first_and_the_way_back_is_open(aws: Aws) -> None:
    aws.group(OLD_SERVES)
    aws.activities()
    aws.newest(None)
    aws.start()
    aws.refresh("InProgress", PercentageComplete=0, InstancesToUpdate=1)
    aws.activities()
    aws.refresh("Successful", PercentageComplete=100, InstancesToUpdate=0)
    aws.group(NEW_SERVES, launches="4")
    result = aws.run()
    assert (result["changed"], result["refresh_id"]) == (True, MINE)
    assert (result["before"], result["versions"]) == ({"3": 1}, {"4": 1})
    assert any("instance refresh InProgress 0 %, 1 to go" in line for line in aws.said)


def test_first_instances_are_waited_for_without_a_refresh(aws: Aws) -> None:
    aws.group((NEW, "Pending:Wait", "4"), launches="4")
    aws.activities()
    aws.group((NEW, "Pending:Wait", "4"), launches="4")
    aws.activities()
    aws.group(NEW_SERVES, launches="4")
    aws.group(NEW_SERVES, launches="4")
    result = aws.run()
    assert (result["changed"], result["refresh_id"], result["versions"]) == (True, None, {"4": 1})


def test_an_older_instance_that_came_up_meanwhile_is_replaced(aws: Aws) -> None:
    aws.group((OLD, "Pending:Wait", "3"), launches="4")
    aws.activities()
    aws.group(OLD_SERVES, launches="4")
    aws.newest(None)
    aws.start()
    aws.refresh("Successful")
    aws.group(NEW_SERVES, launches="4")
    assert aws.run()["refresh_id"] == MINE


def test_two_lost_launches_take_it_back_and_the_console_says_why(aws: Aws) -> None:
    aws.group(OLD_SERVES)
    aws.activities(("old", THIRD))
    aws.newest(None)
    aws.start()
    aws.refresh("InProgress", PercentageComplete=0)
    aws.activities(("a1", THIRD), ("old", THIRD))
    aws.refresh("InProgress", PercentageComplete=0)
    aws.activities(("a2", NEW), ("a1", THIRD), ("old", THIRD))
    aws.console("boot\r\n\r\nmcp: not ready: database\r\nmcp: ABANDON: failed at: waiting for /ready\r\n")
    aws.back()
    aws.refresh("RollbackInProgress")
    aws.refresh("RollbackSuccessful")
    aws.group(OLD_SERVES)
    refusal = aws.refused()
    assert "2 new instances did not come to serve" in refusal.message
    assert f"instance {NEW}: {ABANDONED}." in refusal.message
    assert "boot\nmcp: not ready: database\nmcp: ABANDON: failed at: waiting for /ready" in refusal.message
    assert refusal.details == {"refused": True, "refresh_status": "RollbackSuccessful", "version": "4"}


def test_the_console_shows_no_secret(aws: Aws) -> None:
    token = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl"
    aws.console(f"Authorization: Bearer {token}\nkey AKIAABCDEFGHIJKLMNOP")
    ctx = Context(params={}, make_client=aws.client)
    ctx.params["aws_config"] = None
    said = instance_group.console_of(ctx, NEW)
    assert token not in said and "AKIAABCDEFGHIJKLMNOP" not in said
    assert "key <AWS access key>" in said


def test_a_console_that_cannot_be_read_is_no_reason_to_say_nothing(aws: Aws) -> None:
    aws.stubs["ec2"].add_client_error("get_console_output", "UnauthorizedOperation", "no", 403)
    ctx = Context(params={"aws_config": None}, make_client=aws.client)
    activity = {"Description": f"Launching a new EC2 instance: {NEW}", "StatusMessage": ABANDONED}
    assert instance_group.explain_launch(ctx, activity) == f"instance {NEW}: {ABANDONED}."


def test_too_long_is_taken_back(aws: Aws) -> None:
    aws.group(OLD_SERVES)
    aws.activities()
    aws.newest(None)
    aws.start()
    for _look in range(2):
        aws.refresh("InProgress", PercentageComplete=0)
        aws.activities()
    aws.back()
    aws.refresh("RollbackSuccessful")
    aws.group(OLD_SERVES)
    refusal = aws.refused(timeout=4, poll_interval=5)
    assert "did not all serve within 4 s (timeout)" in refusal.message
    assert refusal.details["refused"] is True


def test_what_aws_takes_back_itself_is_told_in_its_words(aws: Aws) -> None:
    aws.group(OLD_SERVES)
    aws.activities()
    aws.newest(None)
    aws.start()
    aws.refresh("RollbackInProgress")
    ended: dict[str, t.Any] = {"RollbackDetails": {"RollbackReason": "Alarm mcp-staging-target-errors is in ALARM."}}
    aws.refresh("RollbackSuccessful", **ended)
    aws.activities()
    aws.group(OLD_SERVES)
    refusal = aws.refused()
    expected = "AWS ended the instance refresh (RollbackSuccessful): Alarm mcp-staging-target-errors is in ALARM."
    assert expected in refusal.message
    assert refusal.details["refused"] is True


def test_a_way_back_that_failed_is_no_refusal(aws: Aws) -> None:
    aws.group(OLD_SERVES)
    aws.activities()
    aws.newest(None)
    aws.start()
    aws.refresh("RollbackFailed", StatusReason="no capacity")
    aws.refresh("RollbackFailed", StatusReason="no capacity")
    aws.activities()
    aws.group(NEW_SERVES)
    assert aws.refused().details["refused"] is False


def test_the_refresh_of_a_dead_run_to_the_same_version_is_gone_on_with(aws: Aws) -> None:
    aws.group(OLD_SERVES)
    aws.activities()
    aws.newest("InProgress", version="4", refresh=THEIRS)
    aws.refresh("Successful", refresh=THEIRS)
    aws.group(NEW_SERVES, launches="4")
    assert aws.run()["refresh_id"] == THEIRS


def test_the_refresh_of_a_dead_run_to_another_version_is_taken_back_first(aws: Aws) -> None:
    aws.group(OLD_SERVES)
    aws.activities()
    aws.newest("InProgress", version="9", refresh=THEIRS)
    aws.back()
    aws.refresh("RollbackSuccessful", refresh=THEIRS)
    aws.start()
    aws.refresh("Successful")
    aws.group(NEW_SERVES, launches="4")
    assert aws.run()["refresh_id"] == MINE


def test_where_there_is_no_way_back_it_is_at_least_ended(aws: Aws) -> None:
    aws.group(OLD_SERVES)
    aws.activities()
    aws.newest("InProgress", version="9", refresh=THEIRS)
    aws.scaling.add_client_error("rollback_instance_refresh", "IrreversibleInstanceRefresh", "no", 400)
    aws.scaling.add_response("cancel_instance_refresh", {}, {"AutoScalingGroupName": GROUP})
    aws.refresh("Cancelled", refresh=THEIRS)
    aws.start()
    aws.refresh("Successful")
    aws.group(NEW_SERVES, launches="4")
    assert aws.run()["changed"] is True


def test_a_busy_group_is_asked_again(aws: Aws) -> None:
    aws.group(OLD_SERVES)
    aws.activities()
    aws.newest(None)
    for code in ("ScalingActivityInProgress", "ResourceContention"):
        aws.scaling.add_client_error("start_instance_refresh", code, "busy", 400)
    aws.start()
    aws.refresh("Successful")
    aws.group(NEW_SERVES, launches="4")
    assert aws.run()["changed"] is True
    assert aws.now >= 1010


def test_alarms_watch_unless_one_rings(aws: Aws) -> None:
    alarm = {"AlarmName": "mcp-staging-latency-p95", "StateValue": "OK"}
    wanted = {"AlarmNames": ["mcp-staging-latency-p95", "mcp-staging-gone"]}
    aws.stubs["cloudwatch"].add_response("describe_alarms", {"MetricAlarms": [alarm]}, wanted)
    aws.group(OLD_SERVES)
    aws.activities()
    aws.newest(None)
    aws.start(AlarmSpecification={"Alarms": ["mcp-staging-latency-p95"]}, BakeTime=300)
    aws.refresh("Successful")
    aws.group(NEW_SERVES, launches="4")
    aws.run(alarms=wanted["AlarmNames"], bake_time=300)
    assert aws.warned == []


def test_an_alarm_that_rings_already_does_not_refuse_its_own_repair(aws: Aws) -> None:
    alarm = {"AlarmName": "mcp-staging-latency-p95", "StateValue": "ALARM"}
    aws.stubs["cloudwatch"].add_response("describe_alarms", {"MetricAlarms": [alarm]})
    aws.group(OLD_SERVES)
    aws.activities()
    aws.newest(None)
    aws.start()
    aws.refresh("Successful")
    aws.group(NEW_SERVES, launches="4")
    aws.run(alarms=["mcp-staging-latency-p95"])
    assert "In ALARM already: mcp-staging-latency-p95" in aws.warned[0]


def test_an_answer_that_does_not_come_is_no_end(aws: Aws) -> None:
    aws.group(OLD_SERVES)
    aws.activities()
    aws.newest(None)
    aws.start()
    aws.scaling.add_client_error("describe_instance_refreshes", "ServiceUnavailable", "later", 503)
    aws.scaling.add_client_error("describe_scaling_activities", "Throttling", "slow down", 400)
    aws.refresh("Successful")
    aws.group(NEW_SERVES, launches="4")
    assert aws.run()["changed"] is True


def test_a_refusal_of_aws_is_not_waited_out(aws: Aws) -> None:
    aws.group(OLD_SERVES)
    aws.activities()
    aws.newest(None)
    aws.scaling.add_client_error("start_instance_refresh", "AccessDenied", "no", 403)
    from botocore.exceptions import ClientError

    with pytest.raises(ClientError, match="AccessDenied"):
        aws.run()


@pytest.mark.parametrize(
    "states, expected",
    [
        ([("InService", "4")], True),
        ([("InService", "4"), ("Terminating:Wait", "3")], True),
        ([("InService", "4"), ("InService", "3")], False),
        ([("InService", "4"), ("Pending:Wait", "3")], False),
        ([("Pending:Wait", "4")], False),
        ([], False),
    ],
)
def test_a_version_runs_alone_when_no_other_one_serves_or_comes(states: list[tuple[str, str]], expected: bool) -> None:
    group = {
        "DesiredCapacity": 1,
        "MinSize": 1,
        "Instances": [
            {"InstanceId": "i-1", "LifecycleState": state, "LaunchTemplate": {"Version": version}}
            for state, version in states
        ],
    }
    assert instance_group.runs_only(group, "4") is expected


def test_the_version_that_serves_is_that_of_most_instances() -> None:
    instances = [
        {"InstanceId": "i", "LifecycleState": "InService", "LaunchTemplate": {"Version": version}}
        for version in ("3", "4", "4")
    ]
    assert instance_group.serving_version({"Instances": instances}) == "4"
    assert instance_group.serving_version({"Instances": []}) == ""
