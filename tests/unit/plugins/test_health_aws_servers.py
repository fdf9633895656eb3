# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The health checks of the servers."""

from __future__ import annotations

import typing as t

from tests.unit.plugins.test_health_aws import DEPLOY, TARGETS, Result, answer, before, look_at

GROUP = "mcp-staging"
GOOD = ("InService", "Healthy")


def group(desired: int, *instances: tuple[str, str], **fields: t.Any) -> Result:
    found = {
        "AutoScalingGroupName": GROUP,
        "MinSize": 0,
        "MaxSize": 4,
        "DesiredCapacity": desired,
        "DefaultCooldown": 300,
        "AvailabilityZones": ["us-east-1a"],
        "HealthCheckType": "ELB",
        "CreatedTime": before(days=3),
        "Instances": [
            {
                "InstanceId": f"i-{number}",
                "AvailabilityZone": "us-east-1a",
                "LifecycleState": state,
                "HealthStatus": health,
                "ProtectedFromScaleIn": False,
            }
            for number, (state, health) in enumerate(instances)
        ],
        **fields,
    }
    calls = [answer("describe_auto_scaling_groups", {"AutoScalingGroups": [found]}, AutoScalingGroupNames=[GROUP])]
    return look_at("auto_scaling_group", {"autoscaling": calls}, target=GROUP)


def test_a_full_group_is_healthy() -> None:
    result = group(2, GOOD, GOOD)
    assert (result["status"], result["evidence"]) == ("healthy", "group mcp-staging: 2 of 2 instances in service")


def test_one_more_than_wanted_is_a_replacement_and_healthy() -> None:
    assert group(1, GOOD, ("Pending", "Healthy"))["status"] == "healthy"


def test_fewer_than_wanted_is_a_warning_that_names_the_others() -> None:
    result = group(2, GOOD, ("InService", "Unhealthy"))
    assert result["status"] == "warning"
    assert result["evidence"] == "group mcp-staging: 1 of 2 instances in service (i-1 InService Unhealthy)"
    assert result["next_step"] == (
        "aws autoscaling describe-scaling-activities --auto-scaling-group-name mcp-staging --max-items 5 "
        "--region us-east-1"
    )


def test_none_in_service_is_critical() -> None:
    assert group(1, ("Pending:Wait", "Healthy"))["status"] == "critical"
    assert group(1)["evidence"] == "group mcp-staging: 0 of 1 instance in service"
    many = group(7, *[("Terminating", "Unhealthy")] * 7)["evidence"]
    assert "i-4 Terminating Unhealthy, ...)" in many and "i-5" not in many


def test_a_group_that_wants_none_is_a_warning() -> None:
    result = group(0)
    assert (result["status"], result["next_step"]) == ("warning", DEPLOY)
    assert "it was told to have none" in result["evidence"]


def test_suspended_processes_are_a_warning() -> None:
    suspended = [{"ProcessName": name, "SuspensionReason": "User suspended"} for name in ("Terminate", "Launch")]
    result = group(1, GOOD, SuspendedProcesses=suspended)
    assert result["status"] == "warning" and "suspended: Launch, Terminate" in result["evidence"]
    assert result["next_step"].startswith("aws autoscaling resume-processes --auto-scaling-group-name mcp-staging")


def test_a_group_that_is_deleted_is_critical() -> None:
    result = group(1, GOOD, Status="Delete in progress")
    assert result["status"] == "critical" and "Delete in progress" in result["evidence"]


def test_a_missing_group_is_critical() -> None:
    calls = {"autoscaling": [answer("describe_auto_scaling_groups", {"AutoScalingGroups": []})]}
    result = look_at("auto_scaling_group", calls, target=GROUP)
    assert (result["status"], result["next_step"]) == ("critical", DEPLOY)


def targets(*states: tuple[str, ...]) -> Result:
    found = [
        {
            "Target": {"Id": f"i-{number}", "Port": 8000},
            "TargetHealth": dict(zip(("State", "Reason", "Description"), state, strict=False)),
        }
        for number, state in enumerate(states)
    ]
    response = {"TargetHealthDescriptions": found}
    calls = [answer("describe_target_health", response, TargetGroupArn=TARGETS["target_group"])]
    return look_at("target_group", {"elbv2": calls}, target=TARGETS["target_group"])


FAILED = ("unhealthy", "Target.FailedHealthChecks", "Health checks failed")


def test_healthy_targets() -> None:
    result = targets(("healthy",), ("healthy",), ("draining", "Target.DeregistrationInProgress"))
    assert result["status"] == "healthy"
    assert result["evidence"] == "target group mcp: 2 of 2 targets healthy, 1 draining"


def test_some_unhealthy_targets_are_a_warning() -> None:
    result = targets(("healthy",), FAILED, FAILED, ("initial", "Elb.InitialHealthChecking"))
    assert result["status"] == "warning"
    assert result["evidence"] == (
        "target group mcp: 1 of 4 targets healthy; 2 unhealthy Target.FailedHealthChecks Health checks failed; "
        "1 initial Elb.InitialHealthChecking"
    )
    assert result["next_step"] == "aws logs tail /mcp/production/server --since 15m --region us-east-1"


def test_no_healthy_target_is_critical() -> None:
    assert targets(FAILED)["status"] == "critical"
    assert targets(("unused", "Target.NotInUse"))["status"] == "critical"


def test_targets_of_a_group_that_no_listener_uses_say_so() -> None:
    result = targets(("unused", "Target.NotInUse", "Target group is not configured to receive traffic"))
    assert (result["status"], result["next_step"]) == ("critical", DEPLOY)
    assert result["evidence"] == (
        "target group mcp: 0 of 1 target healthy; 1 unused Target.NotInUse: no listener sends calls to it"
    )
    assert targets(("healthy",), ("unused", "Target.NotInUse"))["next_step"] == DEPLOY
    stopped = targets(("unused", "Target.InvalidState", "Target is in the stopped state"))
    assert stopped["status"] == "critical" and "Target.InvalidState Target is in the stopped" in stopped["evidence"]
    assert stopped["next_step"].startswith("aws logs tail ")


def test_targets_whose_health_is_not_checked_are_not_unhealthy() -> None:
    off = ("unavailable", "Target.HealthCheckDisabled", "Health checks are not enabled for this target")
    result = targets(off, off)
    assert (result["status"], result["evidence"]) == (
        "unknown", "target group mcp: 2 targets, of none of which the balancer knows the health; "
        "2 unavailable Target.HealthCheckDisabled Health checks are not enabled for this target",
    )  # fmt: skip
    assert result["next_step"].startswith("aws elbv2 describe-target-health --target-group-arn ")
    some = targets(("healthy",), off)
    assert some["status"] == "healthy" and "1 of 1 target healthy; 1 unavailable " in some["evidence"]
    assert targets(FAILED, off)["status"] == "critical"


def test_no_targets_are_critical() -> None:
    result = targets(("unhealthy.draining", "Target.DeregistrationInProgress"))
    assert (result["status"], result["next_step"]) == ("critical", DEPLOY)
    assert result["evidence"] == "target group mcp: no targets, 1 draining, so callers get a 503"
    assert targets()["status"] == "critical"


def test_a_missing_target_group_is_critical() -> None:
    calls = {"elbv2": [answer("describe_target_health", "TargetGroupNotFound")]}
    result = look_at("target_group", calls, target=TARGETS["target_group"])
    assert result["status"] == "critical" and "target group mcp does not exist" in result["evidence"]
