# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The health checks of measured traffic."""

from __future__ import annotations

import typing as t

import pytest

from tests.unit.plugins.test_health_aws import NOW, Call, Result, answer, before, look_at

FUNCTION, API, BALANCER = "mcp-production-server", "mcp-production", "app/mcp-staging/1a2b"
OPTIONS: dict[str, dict[str, t.Any]] = {
    "function": {"target": FUNCTION},
    "api": {"target": API, "stage": "live"},
    "balancer": {"target": BALANCER},
}
DIMENSIONS = {
    "function": {"FunctionName": FUNCTION},
    "api": {"ApiName": API, "Stage": "live"},
    "balancer": {"LoadBalancer": BALANCER},
}
ARN = "arn:aws:lambda:us-east-1:123456789012"
NAMESPACES = {"function": "AWS/Lambda", "api": "AWS/ApiGateway", "balancer": "AWS/ApplicationELB"}


def asked(kind: str, metric: str, minutes: int = 60, **statistic: t.Any) -> dict[str, t.Any]:
    place = kind.partition("_")[0]
    return {
        "Namespace": NAMESPACES[place],
        "MetricName": metric,
        "Dimensions": [{"Name": name, "Value": value} for name, value in DIMENSIONS[place].items()],
        "StartTime": before(minutes=minutes, seconds=15),
        "EndTime": before(seconds=15),
        "Period": minutes * 60,
        **statistic,
    }


def summed(kind: str, metric: str, *values: float, statistic: str = "Sum") -> Call:
    points = [{"Timestamp": NOW, statistic: value} for value in values]
    return answer("get_metric_statistics", {"Datapoints": points}, **asked(kind, metric, Statistics=[statistic]))


def look(kind: str, *calls: Call, **more: t.Any) -> Result:
    return look_at(kind, {"cloudwatch": list(calls)}, **OPTIONS[kind.partition("_")[0]], **more)


def function_errors(calls: t.Sequence[float], errors: t.Sequence[float], **more: t.Any) -> Result:
    kind = "function_errors"
    return look(kind, summed(kind, "Invocations", *calls), summed(kind, "Errors", *errors), **more)


@pytest.mark.parametrize(("errors", "status"), [(0, "healthy"), (12, "healthy"), (13, "critical"), (1200, "critical")])
def test_errors_over_one_percent_are_critical(errors: int, status: str) -> None:
    assert function_errors([1200], [errors])["status"] == status


def test_what_is_said_of_errors() -> None:
    result = function_errors([600, 600], [13])
    assert result["evidence"] == (
        "function mcp-production-server: 1,200 calls in 60 minutes, 13 crashed or took too long (1.08 %), "
        "over traffic_error_percent.critical=1"
    )
    logs = "aws logs tail /mcp/production/server --since 1h --filter-pattern ERROR --region us-east-1"
    assert result["next_step"] == logs
    fine = function_errors([1200], [])
    assert fine["evidence"].endswith("1,200 calls in 60 minutes, none failed (0 %)")


def test_too_few_calls_are_not_judged_but_their_errors_told() -> None:
    result = function_errors([12], [12])
    assert result["status"] == "unknown"
    assert result["evidence"] == (
        "function mcp-production-server: 12 calls in 60 minutes, fewer than 100: not judged "
        "(12 crashed or took too long)"
    )
    assert result["next_step"] == (
        "aws cloudwatch list-metrics --namespace AWS/Lambda --dimensions "
        "Name=FunctionName,Value=mcp-production-server --region us-east-1"
    )
    assert function_errors([99], [])["status"] == "unknown" and function_errors([100], [])["status"] == "healthy"


def test_no_calls_are_unknown() -> None:
    assert function_errors([], [])["evidence"] == "function mcp-production-server: no calls in 60 minutes: not judged"
    there = function_errors([], [], sandbox=True)["evidence"]
    assert there.endswith("not judged (measured traffic: not available on the emulator)")


def test_window_and_minimum_can_be_set() -> None:
    kind = "function_errors"
    calls = [
        answer("get_metric_statistics", {"Datapoints": [{"Timestamp": NOW, "Sum": 5}]}, **asked(
            kind, metric, 15, Statistics=["Sum"])) for metric in ("Invocations", "Errors")
    ]  # fmt: skip
    limits = {"traffic_window_minutes": 15, "traffic_minimum_calls": 5, "traffic_error_percent": {"critical": 100}}
    result = look(kind, *calls, thresholds=limits)
    assert result["status"] == "healthy" and "5 calls in 15 minutes, 5 crashed" in result["evidence"]


@pytest.mark.parametrize(
    "target",
    [FUNCTION, f"arn:aws:lambda:us-east-1:1:function:{FUNCTION}", f"arn:aws:lambda:us-east-1:1:function:{FUNCTION}:7"],
)
def test_an_alias_has_figures_of_its_own(target: str) -> None:
    dimensions = [
        {"Name": "FunctionName", "Value": FUNCTION},
        {"Name": "Resource", "Value": f"{FUNCTION}:live"},
    ]
    calls = [
        answer("get_metric_statistics", {"Datapoints": []}, **{**request, "Dimensions": dimensions})
        for request in (
            asked("function_errors", "Invocations", Statistics=["Sum"]),
            asked("function_errors", "Errors", Statistics=["Sum"]),
        )
    ]
    result = look_at("function_errors", {"cloudwatch": calls}, target=target, qualifier="live")
    assert result["evidence"].startswith("function mcp-production-server:live: no calls")


def test_another_function_has_another_log() -> None:
    points = {"Datapoints": [{"Timestamp": NOW, "Sum": 500}]}
    calls = [answer("get_metric_statistics", points), answer("get_metric_statistics", points)]
    result = look_at("function_errors", {"cloudwatch": calls}, target="elsewhere")
    assert result["next_step"].startswith("aws logs tail /aws/lambda/elsewhere ")


def test_errors_of_the_api() -> None:
    kind = "api_errors"
    result = look(kind, summed(kind, "Count", 1000), summed(kind, "5XXError", 20))
    assert result["status"] == "critical"
    assert (
        result["evidence"] == "API mcp-production live: 1,000 calls in 60 minutes, 20 got a 5xx (2 %), "
        "over traffic_error_percent.critical=1"
    )


def balancer_errors(taken: float | None, target: float | None, own: float | None) -> Result:
    kind = "balancer_errors"
    counts = {"RequestCount": taken, "HTTPCode_ELB_5XX_Count": own, "HTTPCode_Target_5XX_Count": target}
    calls = [summed(kind, name, *([] if value is None else [value])) for name, value in counts.items()]
    return look(kind, *calls)


def test_errors_of_the_balancer_and_its_servers() -> None:
    result = balancer_errors(990, 4, 10)
    assert result["status"] == "critical"
    assert result["evidence"] == (
        "load balancer app/mcp-staging/1a2b: 1,000 calls in 60 minutes, 4 got a 5xx of a server, "
        "10 a 5xx of the balancer (1.4 %), over traffic_error_percent.critical=1"
    )
    assert balancer_errors(1000, None, None)["status"] == "healthy"


def test_a_balancer_without_servers_answers_nothing_else_and_is_critical() -> None:
    result = balancer_errors(None, None, 500)
    assert result["status"] == "critical" and "500 a 5xx of the balancer (100 %)" in result["evidence"]


# Latency

TIMES = {"function": "Duration", "api": "Latency", "balancer": "TargetResponseTime"}


def slowest(kind: str, *values: float) -> Call:
    points: list[dict[str, t.Any]] = [{"Timestamp": NOW, "ExtendedStatistics": {"p95": value}} for value in values]
    request = asked(kind, TIMES[kind.partition("_")[0]], ExtendedStatistics=["p95"])
    return answer("get_metric_statistics", {"Datapoints": points}, **request)


def counted(kind: str, *values: float) -> Call:
    return summed(kind, TIMES[kind.partition("_")[0]], *values, statistic="SampleCount")


@pytest.mark.parametrize(
    ("kind", "p95", "status", "said"),
    [
        ("function_latency", 500.0, "healthy", "P95 500 ms of 200 calls in 60 minutes (without cold starts)"),
        ("function_latency", 500.1, "critical", "P95 500.1 ms of"),
        ("api_latency", 499.0, "healthy", "API mcp-production live: P95 499 ms of 200 calls in 60 minutes"),
        ("api_latency", 1234.0, "critical", "P95 1,234 ms"),
        ("balancer_latency", 0.4, "healthy", "P95 400 ms of 200 calls in 60 minutes (of the servers alone)"),
        ("balancer_latency", 0.6, "critical", "P95 600 ms"),
    ],
)
def test_latency(kind: str, p95: float, status: str, said: str) -> None:
    result = look(kind, counted(kind, 200), slowest(kind, p95))
    assert result["status"] == status and said in result["evidence"]


def test_of_several_periods_the_slowest_counts() -> None:
    kind = "api_latency"
    assert look(kind, counted(kind, 60, 60), slowest(kind, 100, 700))["status"] == "critical"


@pytest.mark.parametrize("kind", ["function_latency", "api_latency", "balancer_latency"])
def test_few_calls_have_no_latency(kind: str) -> None:
    assert look(kind, counted(kind, 99))["status"] == "unknown"
    assert look(kind, counted(kind))["status"] == "unknown"


def test_no_percentile_is_unknown() -> None:
    kind = "api_latency"
    result = look(kind, counted(kind, 200), slowest(kind))
    assert result["status"] == "unknown"
    assert result["evidence"].endswith("200 calls in 60 minutes: not judged (CloudWatch has no P95)")
    without = answer("get_metric_statistics", {"Datapoints": [{"Timestamp": NOW}]})
    assert look(kind, counted(kind, 200), without, sandbox=True)["evidence"].endswith(
        "(P95: not available on the emulator)"
    )


# Throttles


def throttles(refused: t.Sequence[float], calls: t.Sequence[float], **more: t.Any) -> Result:
    kind = "function_throttles"
    return look(kind, summed(kind, "Throttles", *refused), summed(kind, "Invocations", *calls), **more)


def test_refused_calls_are_a_warning() -> None:
    assert throttles([0], [7])["status"] == "healthy"  # also where few call
    result = throttles([3], [7])
    assert result["status"] == "warning"
    assert (
        result["evidence"]
        == "function mcp-production-server: 3 calls refused beside 7 taken in 60 minutes, over throttles.warning=0"
    )
    assert result["next_step"] == "ansible-playbook playbooks/limits.yml -i INVENTORY --limit production"
    assert throttles([30], [])["status"] == "warning"
    assert throttles([30], [], thresholds={"throttles": {"critical": 10}})["status"] == "critical"


def test_a_function_that_nobody_calls_is_unknown() -> None:
    assert throttles([], [])["status"] == "unknown"
    assert throttles([], [], thresholds={"traffic_minimum_calls": 1})["status"] == "unknown"
