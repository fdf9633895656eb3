# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The health checks of alarms, secrets, money, and of AWS itself."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_aws import KINDS
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_kind import Look
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_options import defaults
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_thresholds import thresholds_of

from tests.unit.plugins.test_health_aws import DEPLOY, NOW, Call, Result, answer, before, look_at, stubbed

PREFIX = "mcp-production-"
STACK = "mcp-production-watch"


def alarm(name: str, state: str = "OK", **fields: t.Any) -> dict[str, t.Any]:
    return {"AlarmName": f"{PREFIX}{name}", "StateValue": state, "ActionsEnabled": True, **fields}


def listed(*names: str, kind: str = "AWS::CloudWatch::Alarm", status: str = "CREATE_COMPLETE") -> list[Result]:
    common = {"ResourceType": kind, "ResourceStatus": status, "LastUpdatedTimestamp": before(days=9)}
    return [{"LogicalResourceId": f"L{name[-9:]}", "PhysicalResourceId": name, **common} for name in names]


def stack_of(*resources: Result) -> list[Call]:
    """Return the calls that list a stack's resources: one page without an alarm, then these."""
    page = {"StackResourceSummaries": listed("mcp-production", kind="AWS::CloudWatch::Dashboard"), "NextToken": "more"}
    return [
        answer("list_stack_resources", page, StackName=STACK),
        answer("list_stack_resources", {"StackResourceSummaries": list(resources)}, StackName=STACK, NextToken="more"),
    ]


def alarms(*found: Result, deleted: t.Sequence[str] = (), sandbox: bool = False, **options: t.Any) -> Result:
    names = [*(item["AlarmName"] for item in found), *deleted]
    calls = {"cloudformation": stack_of(*listed(*names))}
    if names:
        request = {"AlarmNames": names, "MaxRecords": 100}
        pages = [
            answer("describe_alarms", {"MetricAlarms": list(found[:1]), "NextToken": "more"}, **request),
            answer("describe_alarms", {"MetricAlarms": list(found[1:])}, **request, NextToken="more"),
        ]
        calls["cloudwatch"] = pages
    return look_at("alarms", calls, target=STACK, sandbox=sandbox, **options)


def test_quiet_alarms_are_healthy() -> None:
    result = alarms(alarm("a"), alarm("b", "INSUFFICIENT_DATA"), alarm("c"))
    assert result["status"] == "healthy"
    assert result["evidence"] == "alarms of mcp-production-watch: 3 alarms, 2 OK, 1 without enough data"


def test_a_ringing_alarm_is_critical_in_its_own_words() -> None:
    text = "More than 1 percent of calls failed. Look: playbooks/releases.yml."
    ringing = alarm("error-rate", "ALARM", AlarmDescription=text, StateTransitionedTimestamp=before(minutes=14))
    other = alarm(
        "any", "ALARM", StateReason="Threshold Crossed: 1 datapoint.", StateUpdatedTimestamp=before(minutes=4)
    )
    result = alarms(ringing, alarm("b"), other)
    assert (result["status"], result["since"]) == ("critical", "2026-11-23T03:00:15Z")
    assert result["evidence"] == (
        "alarms of mcp-production-watch: 2 in ALARM: mcp-production-error-rate (More than 1 percent of calls failed); "
        "mcp-production-any (Threshold Crossed: 1 datapoint); 3 alarms, 1 OK, 0 without enough data"
    )
    assert result["next_step"] == (
        "aws cloudwatch describe-alarms --alarm-names mcp-production-error-rate mcp-production-any "
        '--query "MetricAlarms[].[AlarmName,StateReason,AlarmDescription]" --output table --region us-east-1'
    )


def test_the_time_of_the_change_counts_not_that_of_the_last_reason() -> None:
    times = {"StateTransitionedTimestamp": before(hours=9), "StateUpdatedTimestamp": before(minutes=1)}
    assert alarms(alarm("a", "ALARM", **times))["since"] == "2026-11-22T18:14:15Z"


def test_many_ringing_alarms_are_counted() -> None:
    result = alarms(*(alarm(f"a{number}", "ALARM") for number in range(7)))
    assert "7 in ALARM: " in result["evidence"] and "mcp-production-a4; ...; 7 alarms" in result["evidence"]


def test_alarms_without_any_data_are_unknown() -> None:
    result = alarms(alarm("a", "INSUFFICIENT_DATA"))
    assert (result["status"], "emulator" in result["evidence"]) == ("unknown", False)
    assert result["next_step"].startswith("aws cloudwatch describe-alarms --alarm-names mcp-production-a --query ")
    there = alarms(alarm("a", "INSUFFICIENT_DATA"), sandbox=True)["evidence"]
    assert there.endswith("1 without enough data (figures of AWS: not available on the emulator)")


def test_alarms_that_tell_nobody_are_a_warning() -> None:
    result = alarms(alarm("a"), alarm("b", ActionsEnabled=False))
    assert result["status"] == "warning" and "nobody is told by mcp-production-b: actions are off" in result["evidence"]
    assert result["next_step"].startswith("aws cloudwatch enable-alarm-actions --alarm-names mcp-production-b")


def test_no_alarms_are_unknown() -> None:
    assert (alarms()["status"], alarms()["next_step"]) == ("unknown", DEPLOY)


def test_the_alarms_of_another_environment_do_not_count() -> None:
    calls = {
        "cloudformation": [answer("list_stack_resources", {"StackResourceSummaries": listed(f"{PREFIX}a")})],
        "cloudwatch": [
            answer("describe_alarms", {"MetricAlarms": [alarm("a")]}, AlarmNames=[f"{PREFIX}a"], MaxRecords=100)
        ],
    }
    assert look_at("alarms", calls, target=STACK)["status"] == "healthy"


def test_an_alarm_that_somebody_deleted_is_a_warning() -> None:
    result = alarms(alarm("a"), deleted=[f"{PREFIX}cpu"])
    assert result["status"] == "warning"
    assert "1 deleted by somebody: mcp-production-cpu; 1 alarm, 1 OK" in result["evidence"]
    assert result["next_step"] == "ansible-playbook playbooks/drift.yml -i INVENTORY --limit production"
    every = alarms(deleted=[f"{PREFIX}{number}" for number in range(7)])
    assert every["status"] == "warning" and "7 deleted by somebody: " in every["evidence"]
    assert "mcp-production-4, ..." in every["evidence"]
    assert "0 OK" not in every["evidence"]


def test_a_ringing_alarm_counts_more_than_one_that_is_gone() -> None:
    assert alarms(alarm("a", "ALARM"), deleted=[f"{PREFIX}cpu"])["status"] == "critical"


@pytest.mark.parametrize("status", ["DELETE_COMPLETE", "DELETE_SKIPPED", "DELETE_IN_PROGRESS"])
def test_an_alarm_that_the_stack_gave_up_is_not_missed(status: str) -> None:
    resources = [*listed(f"{PREFIX}a"), *listed(f"{PREFIX}old", status=status)]
    never = {key: value for key, value in listed("x", status="CREATE_FAILED")[0].items() if key != "PhysicalResourceId"}
    calls = {
        "cloudformation": stack_of(*resources, never),
        "cloudwatch": [
            answer("describe_alarms", {"MetricAlarms": [alarm("a")]}, AlarmNames=[f"{PREFIX}a"], MaxRecords=100)
        ],
    }
    assert look_at("alarms", calls, target=STACK)["status"] == "healthy"


def test_many_alarms_are_asked_for_by_hundreds() -> None:
    names = [f"{PREFIX}{number}" for number in range(201)]
    asked = [names[:100], names[100:200], names[200:]]
    found = [[{"AlarmName": name, "StateValue": "OK"} for name in some] for some in asked]
    calls = {
        "cloudformation": stack_of(*listed(*names)),
        "cloudwatch": [
            answer("describe_alarms", {"MetricAlarms": some}, AlarmNames=of, MaxRecords=100)
            for some, of in zip(found, asked, strict=True)
        ],
    }
    assert "201 alarms, 201 OK" in look_at("alarms", calls, target=STACK)["evidence"]


def test_without_the_stack_the_alarms_are_unknown() -> None:
    gone = f"ValidationError: Stack with id {STACK} does not exist"
    result = look_at("alarms", {"cloudformation": [answer("list_stack_resources", gone)]}, target=STACK)
    assert (result["status"], result["next_step"]) == ("unknown", DEPLOY)
    assert (
        result["evidence"]
        == "stack mcp-production-watch is not there, and no alarms with it: nobody is told of anything"
    )
    other = look_at(
        "alarms", {"cloudformation": [answer("list_stack_resources", "ValidationError: bad name")]}, target=STACK
    )
    assert other["status"] == "unknown" and "is not there" not in other["evidence"]


def test_what_cannot_be_read_of_cloudwatch_is_named() -> None:
    calls = {
        "cloudformation": stack_of(*listed(f"{PREFIX}a")),
        "cloudwatch": [answer("describe_alarms", "AccessDenied")],
    }
    result = look_at("alarms", calls, target=STACK)
    assert result["status"] == "unknown" and "AWS refuses cloudwatch:DescribeAlarms" in result["evidence"]
    assert result["next_step"] == "aws sts get-caller-identity"


EXPECTED = [f"{PREFIX}error-rate", f"{PREFIX}cdn-errors"]


def test_an_alarm_that_follows_from_the_maintenance_answer_is_a_warning() -> None:
    ringing = alarm("error-rate", "ALARM", StateTransitionedTimestamp=before(minutes=14))
    result = alarms(ringing, alarm("cdn-errors"), alarm("cpu"), expected=EXPECTED)
    assert (result["status"], result["since"]) == ("warning", "2026-11-23T03:00:15Z")
    assert result["evidence"] == (
        "alarms of mcp-production-watch: 1 in ALARM, as expected while callers get the maintenance answer: "
        "mcp-production-error-rate; 3 alarms, 2 OK, 0 without enough data"
    )
    assert "--alarm-names mcp-production-error-rate --query" in result["next_step"]


def test_another_alarm_is_critical_also_then() -> None:
    result = alarms(alarm("error-rate", "ALARM"), alarm("cpu", "ALARM"), expected=EXPECTED)
    assert result["status"] == "critical"
    assert result["evidence"].startswith(
        "alarms of mcp-production-watch: 1 in ALARM: mcp-production-cpu; 1 in ALARM, as "
    )
    assert "--alarm-names mcp-production-cpu --query" in result["next_step"]


@pytest.mark.parametrize("state", [{"StateValue": "ALARM"}, {"ActionsEnabled": False}])
def test_what_an_alarm_is_called_is_no_command(state: Result) -> None:
    named = {**alarm("$(touch x) y"), **state}
    step = alarms(named)["next_step"]
    assert "--alarm-names 'mcp-production-$(touch x) y'" in step


# Secrets

NAME = "mcp-production-request-state"


def secret(**fields: t.Any) -> Result:
    found = {"ARN": f"arn:aws:secretsmanager:us-east-1:123456789012:secret:{NAME}-AbCdEf", "Name": NAME, **fields}
    calls = {"secretsmanager": [answer("describe_secret", found, SecretId=NAME)]}
    return look_at("secret", calls, target=NAME)


def test_a_secret_without_a_schedule_is_healthy_and_says_so() -> None:
    assert secret()["evidence"] == f"secret {NAME}: not rotated by schedule"
    result = secret(RotationEnabled=False, LastChangedDate=before(days=90))
    assert (result["status"], result["evidence"]) == (
        "healthy", f"secret {NAME}: not rotated by schedule, last changed 90 days ago",
    )  # fmt: skip
    assert "last changed 5 days ago" in secret(CreatedDate=before(days=5))["evidence"]


RULE = {"AutomaticallyAfterDays": 30}


def test_a_secret_that_was_rotated_in_time_is_healthy() -> None:
    dates = {"LastRotatedDate": before(days=3), "NextRotationDate": before(days=-27)}
    result = secret(RotationEnabled=True, RotationRules=RULE, **dates)
    assert result["status"] == "healthy"
    assert result["evidence"] == f"secret {NAME}: last rotated 3 days ago, due by 2026-12-20 03:14 UTC"
    never = secret(RotationEnabled=True, NextRotationDate=before(days=-1))
    assert never["status"] == "healthy" and "never rotated yet" in never["evidence"]


@pytest.mark.parametrize(("days", "status"), [(1, "warning"), (30, "warning"), (31, "critical")])
def test_a_secret_that_is_overdue(days: int, status: str) -> None:
    result = secret(RotationEnabled=True, LastRotatedDate=before(days=60), NextRotationDate=before(days=days))
    assert (result["status"], result["since"]) == (status, before(days=days).strftime("%Y-%m-%dT%H:%M:%SZ"))
    assert "last rotated 60 days ago, overdue for " in result["evidence"]
    assert result["next_step"] == "ansible-playbook playbooks/rotate_secrets.yml -i INVENTORY --limit production"


def test_a_rotation_that_keeps_failing_is_seen_by_its_rule() -> None:
    dates = {"LastRotatedDate": before(days=40), "NextRotationDate": before(days=-20)}
    result = secret(RotationEnabled=True, RotationRules=RULE, **dates)
    assert result["status"] == "warning" and "overdue for 9 days" in result["evidence"]


def test_the_secret_of_another_service_is_rotated_by_it() -> None:
    result = secret(RotationEnabled=True, NextRotationDate=before(days=3), OwningService="rds")
    assert result["next_step"] == f"aws secretsmanager rotate-secret --secret-id {NAME} --region us-east-1"


def test_a_secret_without_a_date_is_unknown() -> None:
    assert secret(RotationEnabled=True)["status"] == "unknown"
    assert secret(RotationEnabled=True, RotationRules=RULE)["status"] == "unknown"


def test_a_deleted_secret_is_critical() -> None:
    result = secret(DeletedDate=before(days=2), RotationEnabled=True)
    assert (result["status"], result["since"]) == ("critical", "2026-11-21T03:14:15Z")
    assert result["next_step"].startswith(f"aws secretsmanager restore-secret --secret-id {NAME}")


def test_a_secret_that_will_be_deleted_has_no_since_in_the_future() -> None:
    result = secret(DeletedDate=before(days=-7))
    assert result["status"] == "critical" and result["since"] != "2026-11-30T03:14:15Z"
    assert "scheduled for deletion (2026-11-30 03:14 UTC), nobody can read it" in result["evidence"]


def test_a_missing_secret_is_critical() -> None:
    calls = {"secretsmanager": [answer("describe_secret", "ResourceNotFoundException")]}
    result = look_at("secret", calls, target=NAME)
    assert (result["status"], result["next_step"]) == ("critical", DEPLOY)


# Money


def usd(text: str) -> dict[str, str]:
    return {"Amount": text, "Unit": "USD"}


def spend(response: t.Any, *, sandbox: bool = False) -> Result:
    request = {"AccountId": "123456789012", "BudgetName": "mcp-production"}
    calls = {"budgets": [answer("describe_budget", response, **request)]}
    return look_at("spend", calls, target="123456789012:mcp-production", sandbox=sandbox)


def budget(actual: str | None, limit: str | None = "60", forecast: str | None = None) -> dict[str, t.Any]:
    sums = {"ActualSpend": actual, "ForecastedSpend": forecast}
    found: dict[str, t.Any] = {"BudgetName": "mcp-production", "TimeUnit": "MONTHLY", "BudgetType": "COST"}
    found |= {"BudgetLimit": usd(limit)} if limit else {}
    if actual is not None:
        found["CalculatedSpend"] = {name: usd(text) for name, text in sums.items() if text is not None}
    return {"Budget": found}


@pytest.mark.parametrize(
    ("actual", "status"),
    [("0", "healthy"), ("48.0", "healthy"), ("48.1", "warning"), ("60", "warning"), ("61", "critical")],
)
def test_spend_against_the_limit(actual: str, status: str) -> None:
    assert spend(budget(actual))["status"] == status


def test_what_is_said_of_money() -> None:
    result = spend(budget("12.345", forecast="70.5"))
    assert result["evidence"] == "budget mcp-production: 12.35 of 60 USD spent (20.6 %); forecast 70.5 USD"
    over = "61 of 60 USD spent (101.7 %), over spend_percent.critical=100; forecast not known yet"
    assert spend(budget("61"))["evidence"] == f"budget mcp-production: {over}"
    assert spend(budget("61"), sandbox=True)["evidence"].endswith("forecast not available on the emulator")
    assert spend(budget("61"))["next_step"] == (
        "ansible-playbook playbooks/cost_review.yml -i INVENTORY --limit production"
    )


@pytest.mark.parametrize(
    "response", ["NotFoundException", budget("5", None), budget(None), budget("5", "0"), budget("much")]
)
def test_no_budget_is_unknown(response: t.Any) -> None:
    result = spend(response)
    assert result["status"] == "unknown"
    assert result["next_step"] == "ansible-playbook playbooks/budget.yml -i INVENTORY --limit production"


# AWS itself

REGION = "eu-west-1"
OPEN = {"eventStatusCodes": ["open"], "eventTypeCategories": ["issue"], "regions": [REGION, "global"]}


def aws_health(*pages: t.Any) -> Result:
    requests = [{"filter": OPEN} | ({"nextToken": "more"} if number else {}) for number in range(len(pages))]
    calls = [answer("describe_events", page, **request) for page, request in zip(pages, requests, strict=True)]
    return look_at("aws_health", {"health": calls}, target=REGION)


def event(service: str, hours: int) -> dict[str, t.Any]:
    code = f"AWS_{service}_OPERATIONAL_ISSUE"
    arn = f"arn:aws:health:{REGION}::event/{service}/{code}/x"
    return {"arn": arn, "service": service, "eventTypeCode": code, "region": REGION, "startTime": before(hours=hours)}


def test_no_open_issue_is_healthy() -> None:
    assert aws_health({"events": []})["evidence"] == "AWS Health of eu-west-1: no open issues"


def test_open_issues_are_a_warning() -> None:
    result = aws_health({"events": [event("LAMBDA", 1)], "nextToken": "more"}, {"events": [event("RDS", 5)]})
    assert (result["status"], result["since"]) == ("warning", "2026-11-22T22:14:15Z")
    assert result["evidence"] == (
        "AWS Health: 2 open issues: LAMBDA in eu-west-1 (AWS_LAMBDA_OPERATIONAL_ISSUE), "
        "RDS in eu-west-1 (AWS_RDS_OPERATIONAL_ISSUE)"
    )
    assert result["next_step"].startswith(f"aws health describe-event-details --event-arns arn:aws:health:{REGION}::")


def test_without_the_support_plan_it_is_unknown() -> None:
    result = aws_health("SubscriptionRequiredException")
    assert result["status"] == "unknown" and "needs a Business support plan" in result["evidence"]
    assert result["next_step"] == "Open https://health.aws.amazon.com/health/status"


def test_only_what_the_account_cannot_have_is_not_offered() -> None:
    def offered(code: str) -> bool:
        client, _stubber = stubbed("health", [answer("describe_events", code)])
        probe = defaults() | {"name": "it", "kind": "aws_health", "target": REGION}
        limits = thresholds_of(None)
        look = Look(probe, "production", None, limits, False, NOW, lambda _service: client, lambda: 10.0)
        return not KINDS["aws_health"].look(look).not_offered

    assert not offered("SubscriptionRequiredException")
    assert offered("AccessDeniedException")


def test_an_arn_of_aws_is_no_command() -> None:
    found = event("LAMBDA", 1) | {"arn": "arn:aws:health:eu-west-1::event/LAMBDA/X/$(x)"}
    assert (
        "--event-arns 'arn:aws:health:eu-west-1::event/LAMBDA/X/$(x)'" in aws_health({"events": [found]})["next_step"]
    )


def test_the_emulator_is_not_asked() -> None:
    result = look_at("aws_health", {"health": []}, target=REGION, sandbox=True)
    assert (result["status"], result["evidence"]) == (
        "unknown", "AWS Health of eu-west-1: not available on the emulator",
    )  # fmt: skip
