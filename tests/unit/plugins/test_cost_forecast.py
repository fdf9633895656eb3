# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""cost_info's look ahead: the month at the average day or as AWS expects it, each with its interval; and anomalies."""

from __future__ import annotations

import typing as t
from datetime import date
from decimal import Decimal

import pytest

from tests.unit.plugins.cost_explorer_world import GROSS, LAMBDA, Rows, World, by_day, untagged

FORECAST = {
    "TimePeriod": {"Start": "2026-11-22", "End": "2026-12-01"},
    "Granularity": "MONTHLY",
    "Metric": "UNBLENDED_COST",
    "PredictionIntervalLevel": 80,
}
EXPECTED = {
    "Total": {"Amount": "12.5", "Unit": "USD"},
    "ForecastResultsByTime": [
        {
            "TimePeriod": FORECAST["TimePeriod"],
            "MeanValue": "12.5",
            "PredictionIntervalLowerBound": "10.25",
            "PredictionIntervalUpperBound": "15",
        }
    ],
}
BETWEEN = {"StartDate": "2026-11-01", "EndDate": "2026-11-22"}


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch)


def only(amounts: t.Callable[[date], str]) -> t.Callable[[date], Rows]:
    """Return days of one service and environment."""
    return lambda day: [((LAMBDA, "mcp:environment$production"), amounts(day))]


# By the average day


def test_equal_days_leave_no_doubt(world: World) -> None:
    world.expect(by_day())
    # 20 complete days of 1.35, and 10 that are left.
    assert world.run()["forecast"] == {
        "method": "average",
        "start": "2026-11-01",
        "end": "2026-11-30",
        "amount": "40.5",
        "low": "40.5",
        "high": "40.5",
        "level": 80,
        "why": None,
    }


def test_days_that_differ_make_the_interval(world: World) -> None:
    world.expect(by_day(only(lambda day: "1" if day.day % 2 else "2")))
    forecast = world.run()["forecast"]
    # 20 days of 1 and 2 in turn, 10 days of 1.5; variance 3.5 / 13 a day over 10 + 100 / 14 days, times 1.2816.
    assert forecast["amount"] == "45"
    assert abs(Decimal(forecast["high"]) - Decimal("47.7532")) < Decimal("0.0005")
    assert Decimal(forecast["high"]) - 45 == 45 - Decimal(forecast["low"])
    wider = world.run(forecast_level=95)["forecast"]
    assert abs(Decimal(wider["high"]) - Decimal("49.2107")) < Decimal("0.0005") and wider["level"] == 95


def test_a_month_cannot_come_to_less_than_it_has_cost(world: World) -> None:
    spikes = {date(2026, 11, 8): "100"}
    world.expect(by_day(only(lambda day: spikes.get(day, "0.1"))))
    forecast = world.run()["forecast"]
    assert forecast["low"] == "101.9"


def test_days_before_the_first_cost_are_no_days_of_average(world: World) -> None:
    world.expect(by_day(only(lambda day: "2" if day >= date(2026, 11, 16) else "0")))
    # 5 complete days of 2, then 10.
    assert world.run()["forecast"]["amount"] == "30"


@pytest.mark.parametrize(("first", "count"), [(19, 2), (21, 0)])
def test_a_young_environment_has_no_average_yet(world: World, first: int, count: int) -> None:
    world.expect(by_day(only(lambda day: "2" if day >= date(2026, 11, first) else "0")))
    forecast = world.run()["forecast"]
    assert (forecast["amount"], forecast["low"]) == (None, None)
    assert forecast["why"] == f"An average needs 3 complete days with costs, and there are {count}."


def test_an_environment_has_a_forecast_of_its_own(world: World) -> None:
    world.expect(by_day())
    assert world.run(tag_value="production")["forecast"]["amount"] == "3"


def test_no_forecast_is_made_when_that_is_not_wanted(world: World) -> None:
    world.expect(by_day())
    assert world.run(forecast="none")["forecast"] is None


def test_a_range_of_long_ago_says_nothing_of_this_month(world: World) -> None:
    window = {"Start": "2026-05-30", "End": "2026-06-03"}
    world.expect(by_day(window=window), window=window)
    result = world.run(preset="range", start="2026-06-01", end="2026-06-02")
    assert (result["total"], result["forecast"]["amount"]) == ("2.3", None)


# By Cost Explorer


def test_cost_explorer_s_forecast_is_added_to_what_was_spent(world: World) -> None:
    world.expect(by_day())
    world.stub.add_response("get_cost_forecast", EXPECTED, {**FORECAST, "Filter": GROSS})
    result = world.run(forecast="cost_explorer")
    # 21 days of 1.35 through yesterday.
    assert {name: result["forecast"][name] for name in ("amount", "low", "high")} == {
        "amount": "40.85",
        "low": "38.6",
        "high": "43.35",
    }
    assert (result["api_calls"], result["api_cost_usd"]) == (2, "0.02")
    assert world.run(forecast="cost_explorer") == {**result, "api_calls": 0, "api_cost_usd": "0", "cached": True}


def test_it_is_asked_for_what_the_report_is_about(world: World) -> None:
    accounts = {"Dimensions": {"Key": "LINKED_ACCOUNT", "Values": ["111111111111"]}}
    services = {"Dimensions": {"Key": "SERVICE", "Values": [LAMBDA]}}
    tags = {"Tags": {"Key": "mcp:environment", "Values": ["production"]}}
    world.expect(by_day(), conditions={"And": [GROSS, accounts]})
    wanted = {**FORECAST, "PredictionIntervalLevel": 95, "Filter": {"And": [GROSS, accounts, services, tags]}}
    world.stub.add_response("get_cost_forecast", EXPECTED, wanted)
    options: dict[str, t.Any] = {"accounts": ["111111111111"], "services": [LAMBDA], "tag_value": "production"}
    result = world.run(forecast="cost_explorer", forecast_level=95, **options)
    assert result["forecast"]["amount"] == "14.6"


def test_without_an_interval_there_is_none(world: World) -> None:
    world.expect(by_day())
    world.stub.add_response("get_cost_forecast", {"Total": {"Amount": "1", "Unit": "USD"}})
    forecast = world.run(forecast="cost_explorer")["forecast"]
    assert (forecast["amount"], forecast["low"], forecast["high"]) == ("29.35", None, None)


def test_on_the_first_of_a_month_all_of_it_is_ahead(world: World) -> None:
    world.now = date(2026, 12, 1)
    window = {"Start": "2026-10-02", "End": "2026-12-02"}
    world.expect(by_day(window=window), window=window)
    wanted = {**FORECAST, "TimePeriod": {"Start": "2026-12-01", "End": "2027-01-01"}, "Filter": GROSS}
    world.stub.add_response("get_cost_forecast", EXPECTED, wanted)
    assert world.run(forecast="cost_explorer")["forecast"]["amount"] == "12.5"


def test_a_young_account_has_no_forecast(world: World) -> None:
    world.expect(by_day())
    world.fail("get_cost_forecast", "DataUnavailableException", "Insufficient amount of historical data")
    result = world.run(forecast="cost_explorer")
    assert (result["available"], result["total"], result["forecast"]["amount"]) == (True, "29.7", None)
    assert [gap["what"] for gap in result["unknown"]] == ["forecast"]
    assert "no data for this yet" in result["unknown"][0]["why"]


def test_nothing_is_paid_for_a_forecast_of_the_unknown(world: World) -> None:
    world.expect(by_day(untagged))
    world.expect_tag("Inactive")
    result = world.run(tag_value="production", forecast="cost_explorer")
    assert (result["forecast"]["method"], result["forecast"]["amount"], result["api_calls"]) == (
        "cost_explorer",
        None,
        2,
    )


# Anomalies


def anomaly(number: int, **impact: float) -> dict[str, t.Any]:
    """Return an anomaly as AWS describes it."""
    return {
        "AnomalyId": f"a{number}",
        "AnomalyStartDate": "2026-11-12T00:00:00Z",
        "DimensionValue": LAMBDA,
        "AnomalyScore": {"MaxScore": 1.0, "CurrentScore": 0.5},
        "Impact": {"MaxImpact": 2.5, **impact},
        "MonitorArn": "arn:aws:ce::123456789012:anomalymonitor/m",
        "RootCauses": [{"Service": LAMBDA, "Region": "us-east-1", "UsageType": "Request"}],
    }


def test_anomalies_are_listed_page_after_page(world: World) -> None:
    world.expect(by_day())
    whole = anomaly(1, TotalImpact=4.2, TotalActualSpend=4.5, TotalExpectedSpend=0.3)
    world.stub.add_response("get_anomalies", {"Anomalies": [whole], "NextPageToken": "n"}, {"DateInterval": BETWEEN})
    world.stub.add_response(
        "get_anomalies", {"Anomalies": [anomaly(2)]}, {"DateInterval": BETWEEN, "NextPageToken": "n"}
    )
    result = world.run(anomalies=True)
    assert result["anomalies"] == [
        {
            "id": "a1",
            "start": "2026-11-12",
            "end": None,
            "what": LAMBDA,
            "impact": "4.2",
            "expected": "0.3",
            "actual": "4.5",
            "causes": ["AWS Lambda, Request, us-east-1"],
        },
        {
            "id": "a2",
            "start": "2026-11-12",
            "end": None,
            "what": LAMBDA,
            "impact": "2.5",
            "expected": None,
            "actual": None,
            "causes": ["AWS Lambda, Request, us-east-1"],
        },
    ]
    assert result["api_calls"] == 3 and world.run(anomalies=True)["api_calls"] == 0


@pytest.mark.parametrize("monitors", [0, 1])
def test_none_found_is_none_only_where_something_looks(world: World, monitors: int) -> None:
    world.expect(by_day())
    world.stub.add_response("get_anomalies", {"Anomalies": []}, {"DateInterval": BETWEEN})
    monitor = {"MonitorName": "m", "MonitorType": "DIMENSIONAL"}
    world.stub.add_response("get_anomaly_monitors", {"AnomalyMonitors": [monitor] * monitors}, {"MaxResults": 1})
    result = world.run(anomalies=True)
    assert result["anomalies"] == ([] if monitors else None)
    assert [gap["what"] for gap in result["unknown"]] == ([] if monitors else ["anomalies"])


def test_anomalies_that_aws_does_not_tell_are_a_gap(world: World) -> None:
    world.expect(by_day())
    world.fail("get_anomalies", "AccessDeniedException", "not authorized")
    result = world.run(anomalies=True)
    assert (result["total"], result["anomalies"]) == ("29.7", None)
    assert "ce:GetAnomalies" in result["unknown"][0]["why"]


def test_anomalies_are_not_paid_for_unasked(world: World) -> None:
    world.expect(by_day())
    assert world.run()["anomalies"] is None
