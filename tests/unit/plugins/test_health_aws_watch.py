# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The health checks of alarms, secrets, money, and of AWS itself."""

from __future__ import annotations

import typing as t

import pytest

from tests.unit.plugins.test_health_aws import DEPLOY, Result, answer, before, look_at

PREFIX = "mcp-production-"


def alarm(name: str, state: str = "OK", **fields: t.Any) -> dict[str, t.Any]:
    return {"AlarmName": f"{PREFIX}{name}", "StateValue": state, "ActionsEnabled": True, **fields}


def alarms(*found: dict[str, t.Any], composite: t.Sequence[dict[str, t.Any]] = (), sandbox: bool = False) -> Result:
    request = {"AlarmNamePrefix": PREFIX, "AlarmTypes": ["MetricAlarm", "CompositeAlarm"]}
    calls = [
        answer("describe_alarms", {"MetricAlarms": list(found), "NextToken": "more"}, **request),
        answer("describe_alarms", {"CompositeAlarms": list(composite)}, **request, NextToken="more"),
    ]
    return look_at("alarms", {"cloudwatch": calls}, target=PREFIX, sandbox=sandbox)


def test_quiet_alarms_are_healthy() -> None:
    result = alarms(alarm("a"), alarm("b", "INSUFFICIENT_DATA"), composite=[alarm("c")])
    assert result["status"] == "healthy"
    assert result["evidence"] == "alarms mcp-production-*: 3 alarms, 2 OK, 1 without enough data"


def test_a_ringing_alarm_is_critical_in_its_own_words() -> None:
    text = "More than 1 percent of calls failed. Look: playbooks/releases.yml."
    ringing = alarm("error-rate", "ALARM", AlarmDescription=text, StateTransitionedTimestamp=before(minutes=14))
    other = alarm(
        "any", "ALARM", StateReason="Threshold Crossed: 1 datapoint.", StateUpdatedTimestamp=before(minutes=4)
    )
    result = alarms(ringing, alarm("b"), composite=[other])
    assert (result["status"], result["since"]) == ("critical", "2026-11-23T03:00:15Z")
    assert result["evidence"] == (
        "alarms mcp-production-*: 2 in ALARM: mcp-production-error-rate (More than 1 percent of calls failed); "
        "mcp-production-any (Threshold Crossed: 1 datapoint); 3 alarms, 1 OK, 0 without enough data"
    )
    assert result["next_step"] == (
        "aws cloudwatch describe-alarms --alarm-name-prefix mcp-production- --state-value ALARM "
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
    there = alarms(alarm("a", "INSUFFICIENT_DATA"), sandbox=True)["evidence"]
    assert there.endswith("1 without enough data (figures of AWS: not available on the emulator)")


def test_alarms_that_tell_nobody_are_a_warning() -> None:
    result = alarms(alarm("a"), alarm("b", ActionsEnabled=False))
    assert result["status"] == "warning" and "nobody is told by mcp-production-b: actions are off" in result["evidence"]
    assert result["next_step"].startswith("aws cloudwatch enable-alarm-actions --alarm-names mcp-production-b")


def test_no_alarms_are_unknown() -> None:
    assert (alarms()["status"], alarms()["next_step"]) == ("unknown", DEPLOY)


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


def test_the_emulator_is_not_asked() -> None:
    result = look_at("aws_health", {"health": []}, target=REGION, sandbox=True)
    assert (result["status"], result["evidence"]) == (
        "unknown", "AWS Health of eu-west-1: not available on the emulator",
    )  # fmt: skip
