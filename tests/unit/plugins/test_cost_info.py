# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""cost_info: the right sums out of one paid request. Figures are computed by hand from cost_explorer_world.usual."""

from __future__ import annotations

import json
import typing as t
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import cost_requests
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import McpError
from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError

from tests.support.memory_s3 import refusal
from tests.unit.plugins.cost_explorer_world import (
    CLOUDWATCH,
    GROSS,
    LAMBDA,
    RDS,
    SERVICE,
    TAG,
    WINDOW,
    Rows,
    World,
    by_day,
    step,
    usual,
)

USAGE_TYPE = {"Type": "DIMENSION", "Key": "USAGE_TYPE"}
ACCOUNT = {"Type": "DIMENSION", "Key": "LINKED_ACCOUNT"}


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch)


def amounts(result: dict[str, t.Any]) -> dict[str, str]:
    """Return the groups' amounts."""
    return {group["name"]: group["amount"] for group in result["groups"]}


# The standard report


def test_the_standard_report_is_one_request(world: World) -> None:
    world.expect(by_day())
    result = world.run()
    assert (result["available"], result["why"], result["unknown"]) == (True, None, [])
    assert (result["api_calls"], result["api_cost_usd"], result["cached"]) == (1, "0.01", False)
    assert result["period"] == {
        "preset": "month_to_date",
        "start": "2026-11-01",
        "end": "2026-11-22",
        "days": 22,
        "granularity": "daily",
    }
    assert (result["total"], result["account_total"], result["currency"]) == ("29.7", "29.7", "USD")
    assert amounts(result) == {RDS: "26.4", LAMBDA: "2.2", CLOUDWATCH: "1.1"}
    assert [group["share"] for group in result["groups"]] == ["88.9", "7.4", "3.7"]
    assert result["may_grow_from"] == "2026-11-21"


def test_days_are_listed_and_the_unfinished_ones_are_marked(world: World) -> None:
    world.expect(by_day())
    days = world.run()["by_day"]
    assert [day["start"] for day in days] == [f"2026-11-{day:02}" for day in range(1, 23)]
    assert {day["total"] for day in days} == {"1.35"} and days[0]["groups"][LAMBDA] == "0.1"
    assert [day["start"] for day in days if day["may_grow"]] == ["2026-11-21", "2026-11-22"]
    assert sum(Decimal(day["total"]) for day in days) == Decimal("29.7")


def test_only_complete_days_are_compared(world: World) -> None:
    world.expect(by_day())
    result = world.run()
    assert result["previous"] == {
        "start": "2026-10-01",
        "end": "2026-10-20",
        "amount": "23",
        "compared_start": "2026-11-01",
        "compared_end": "2026-11-20",
        "compared": "27",
        "difference": "4",
        "percent": "17.4",
    }
    assert result["top_movers"] == [
        {"name": RDS, "amount": "24", "previous": "20", "difference": "4", "percent": "20"},
    ]
    assert result["groups"][0]["difference"] == "4"


def test_nothing_is_compared_when_that_is_not_wanted(world: World) -> None:
    world.expect(by_day())
    result = world.run(previous=False)
    assert result["previous"] is None and result["top_movers"] == []
    assert {group["difference"] for group in result["groups"]} == {None}


@pytest.mark.parametrize(
    ("options", "total", "previous", "difference"),
    [
        ({"preset": "trailing_7"}, "9.45", "8.1", "0"),
        ({"preset": "trailing_30"}, "38.7", "33.35", "4"),
        ({"preset": "range", "start": "2026-10-30", "end": "2026-11-02"}, "5", "4.6", "0.4"),
        ({"tag_value": "production"}, "2.2", "2", "0"),
        ({"tag_value": "staging"}, "26.4", "20", "4"),
        ({"group_by": ["tag"]}, "29.7", "23", "4"),
        ({"group_by": ["tag", "service"]}, "29.7", "23", "4"),
        ({"services": [RDS, LAMBDA]}, "28.6", "22", "4"),
        ({"services": [RDS], "tag_value": "production"}, "0", "0", "0"),
        ({"granularity": "monthly"}, "29.7", "23", "4"),
    ],
)
def test_one_answer_of_the_day_makes_many_reports(
    world: World, options: dict[str, t.Any], total: str, previous: str, difference: str
) -> None:
    world.expect(by_day())
    world.run()
    result = world.run(**options)
    assert (result["api_calls"], result["api_cost_usd"], result["cached"]) == (0, "0", True)
    assert (result["total"], result["previous"]["amount"], result["previous"]["difference"]) == (
        total,
        previous,
        difference,
    )


def test_the_account_s_total_stands_beside_an_environment_s(world: World) -> None:
    world.expect(by_day())
    result = world.run(tag_value="production")
    assert (result["total"], result["account_total"]) == ("2.2", "29.7")
    assert result["tag"] == {
        "key": "mcp:environment",
        "value": "production",
        "status": "active",
        "first_seen": "2026-09-23",
        "why": None,
    }


def test_groups_by_tag_name_what_has_none(world: World) -> None:
    world.expect(by_day())
    assert amounts(world.run(group_by=["tag"])) == {
        "staging": "26.4",
        "production": "2.2",
        "(no mcp:environment)": "1.1",
    }
    both = world.run(group_by=["tag", "service"])["groups"]
    assert both[0]["name"] == f"staging / {RDS}" and both[0]["keys"] == {"tag": "staging", "service": RDS}


def test_by_month_the_days_are_added_up(world: World) -> None:
    world.expect(by_day())
    days = world.run(preset="trailing_30", granularity="monthly")["by_day"]
    assert [(day["start"], day["end"], day["total"]) for day in days] == [
        ("2026-10-23", "2026-10-31", "10.35"),
        ("2026-11-01", "2026-11-21", "28.35"),
    ]


@pytest.mark.parametrize(("now", "start"), [(date(2026, 11, 1), "2026-09-02"), (date(2026, 11, 2), "2026-09-03")])
def test_on_the_first_days_of_a_month_there_is_nothing_to_compare(world: World, now: date, start: str) -> None:
    world.now = now
    window = {"Start": start, "End": now.replace(day=now.day + 1).isoformat()}
    world.expect(by_day(window=window), window=window)
    result = world.run()
    assert result["previous"] is None and result["top_movers"] == []
    assert result["total"] == ("1.35" if now.day == 1 else "2.7")
    # The average is that of October, and nothing of November is complete.
    assert result["forecast"]["amount"] == "34.5"


def test_a_short_month_before_cuts_both(world: World) -> None:
    world.now = date(2027, 3, 31)
    window = {"Start": "2027-01-30", "End": "2027-04-01"}
    world.expect(by_day(window=window), window=window)
    previous = world.run()["previous"]
    assert (previous["start"], previous["end"]) == ("2027-02-01", "2027-02-28")
    assert (previous["compared_start"], previous["compared_end"]) == ("2027-03-01", "2027-03-28")
    assert previous["difference"] == "0"


# Other requests


def test_last_month_is_compared_with_the_whole_month_before(world: World) -> None:
    window = {"Start": "2026-09-01", "End": "2026-11-23"}
    world.expect(by_day(window=window), window=window)
    result = world.run(preset="last_month")
    assert (result["total"], result["previous"]["amount"]) == ("35.65", "34.5")
    assert (result["previous"]["compared_start"], result["previous"]["compared_end"]) == ("2026-10-01", "2026-10-31")
    assert result["forecast"]["amount"] == "40.5"


def test_last_month_alone_needs_no_other_request(world: World) -> None:
    world.expect(by_day())
    world.run()
    assert world.run(preset="last_month", previous=False)["total"] == "35.65"


def test_usage_types_are_asked_for_by_themselves(world: World) -> None:
    def rows(_day: date) -> Rows:
        return [(("BoxUsage:t3.micro",), "0.2496"), (("EBS:VolumeUsage.gp3",), "0.0533333333")]

    world.expect(by_day(rows), group_by=[USAGE_TYPE])
    result = world.run(group_by=["usage_type"])
    assert amounts(result) == {"BoxUsage:t3.micro": "5.4912", "EBS:VolumeUsage.gp3": "1.1733333326"}
    assert result["tag"] is None


def test_usage_types_of_an_environment_come_with_the_tag(world: World) -> None:
    def rows(_day: date) -> Rows:
        return [
            (("Requests", "mcp:environment$production"), "0.1"),
            (("Requests", "mcp:environment$staging"), "0.2"),
            (("Hours", "mcp:environment$staging"), "1"),
        ]

    world.expect(by_day(rows), group_by=[USAGE_TYPE, TAG])
    result = world.run(group_by=["usage_type"], tag_value="staging")
    assert amounts(result) == {"Hours": "22", "Requests": "4.4"}
    assert result["account_total"] == "28.6"


def test_usage_types_of_a_service_are_filtered_out_of_the_answer(world: World) -> None:
    def rows(_day: date) -> Rows:
        return [(("Requests", LAMBDA), "0.1"), (("Hours", RDS), "1")]

    world.expect(by_day(rows), group_by=[USAGE_TYPE, SERVICE])
    assert amounts(world.run(group_by=["usage_type"], services=[LAMBDA])) == {"Requests": "2.2"}


def test_a_filter_that_the_answer_has_no_room_for_is_aws_s(world: World) -> None:
    def rows(_day: date) -> Rows:
        return [(("Requests", "mcp:environment$production"), "0.1")]

    conditions = {"And": [GROSS, {"Dimensions": {"Key": "SERVICE", "Values": [LAMBDA]}}]}
    world.expect(by_day(rows), group_by=[USAGE_TYPE, TAG], conditions=conditions)
    result = world.run(group_by=["usage_type"], tag_value="production", services=[LAMBDA])
    assert (result["total"], result["account_total"]) == ("2.2", None)


def test_accounts_have_their_names(world: World) -> None:
    def rows(_day: date) -> Rows:
        return [(("111111111111",), "1"), (("222222222222",), "2")]

    world.expect(by_day(rows), group_by=[ACCOUNT], names={"111111111111": "Workloads"})
    result = world.run(group_by=["account"])
    assert amounts(result) == {"222222222222": "44", "Workloads (111111111111)": "22"}
    assert [group["name"] for group in world.run(group_by=["account"])["groups"]][1] == "Workloads (111111111111)"


def test_only_the_named_accounts_count(world: World) -> None:
    accounts = {"Dimensions": {"Key": "LINKED_ACCOUNT", "Values": ["111111111111"]}}
    world.expect(by_day(), conditions={"And": [GROSS, accounts]})
    world.run(accounts=["111111111111"])
    world.expect(by_day(), conditions=accounts)
    world.run(accounts=["111111111111"], gross=False)


def test_with_credits_and_refunds_the_costs_may_be_negative(world: World) -> None:
    def rows(day: date) -> Rows:
        credit = "-2.00" if day >= date(2026, 11, 1) else "-1.00"
        return [*usual(day), ((RDS, "mcp:environment$"), credit)]

    world.expect(by_day(rows), conditions=None)
    result = world.run(gross=False)
    # 22 days of 1.35 against 2 of credits a day; before, of 1.15 against 1.
    assert result["total"] == "-14.3" and not result["gross"]
    assert (result["previous"]["amount"], result["previous"]["compared"]) == ("3", "-13")
    assert amounts(result)[RDS] == "-17.6" and {group["share"] for group in result["groups"]} == {None}
    assert {group["percent"] for group in result["groups"] if group["name"] == RDS} == {None}


def test_a_long_history_is_asked_for_by_month_and_page_after_page(world: World) -> None:
    months = [date(year, month, 1) for year in (2024, 2025, 2026) for month in range(1, 13)][:34]

    def result_of(month: date) -> dict[str, t.Any]:
        following = date(month.year + month.month // 12, month.month % 12 + 1, 1)
        return step(month, following, [((LAMBDA, "mcp:environment$production"), f"{month.year - 2023}")])

    window = {"Start": "2024-01-01", "End": "2026-11-01"}
    pages = [[result_of(month) for month in months[at : at + 12]] for at in (0, 12, 24)]
    world.expect(pages[0], window=window, granularity="MONTHLY", more="two")
    world.expect(pages[1], window=window, granularity="MONTHLY", token="two", more="three")
    world.expect(pages[2], window=window, granularity="MONTHLY", token="three")
    days: dict[str, t.Any] = {"start": "2024-01-01", "end": "2026-10-31", "granularity": "monthly"}
    result = world.run(preset="range", previous=False, **days)
    assert (result["total"], result["api_calls"], result["api_cost_usd"]) == ("66", 3, "0.03")
    assert len(result["by_day"]) == 34 and result["by_day"][-1]["end"] == "2026-10-31"
    assert result["forecast"]["amount"] is None and "not those of this month" in result["forecast"]["why"]


def test_whole_months_are_compared_with_as_many_before(world: World) -> None:
    months = [date(2026, month, 1) for month in range(1, 7)]
    results = [step(day, date(2026, day.month + 1, 1), [((LAMBDA, ""), str(day.month))]) for day in months]
    world.expect(results, window={"Start": "2026-01-01", "End": "2026-07-01"}, granularity="MONTHLY")
    days: dict[str, t.Any] = {"start": "2026-04-01", "end": "2026-06-30", "granularity": "monthly"}
    previous = world.run(preset="range", **days)["previous"]
    assert (previous["start"], previous["end"], previous["amount"]) == ("2026-01-01", "2026-03-31", "6")
    assert (previous["compared"], previous["difference"], previous["percent"]) == ("15", "9", "150")


def test_a_day_that_two_pages_cut_in_half_is_whole(world: World) -> None:
    days = by_day()
    halves = [{**days[-1], "Groups": days[-1]["Groups"][:1]}, {**days[-1], "Groups": days[-1]["Groups"][1:]}]
    world.expect([*days[:-1], halves[0]], more="next")
    world.expect([halves[1]], token="next")
    result = world.run()
    assert (result["total"], result["api_calls"]) == ("29.7", 2)


def test_a_repeated_request_is_counted(world: World) -> None:
    world.expect(by_day(), retries=2)
    result = world.run()
    assert (result["api_calls"], result["api_cost_usd"]) == (3, "0.03")


# The day's cache


def test_the_answer_of_the_day_is_kept_and_the_next_day_has_its_own(world: World) -> None:
    world.expect(by_day())
    result = world.run()
    (key,) = world.s3.objects
    assert key.startswith("cost-cache/2026-11-22/") and result["cache"] == f"s3://state/{key}"
    kept = json.loads(world.s3.objects[key])
    assert kept["fetched_at"] == result["fetched_at"] and kept["request"]["TimePeriod"] == WINDOW
    again = world.run()
    assert {**again, "api_calls": 1, "api_cost_usd": "0.01", "cached": False} == result
    world.now = date(2026, 11, 23)
    window = {"Start": "2026-09-24", "End": "2026-11-24"}
    world.expect(by_day(window=window), window=window)
    assert world.run()["api_calls"] == 1 and len(world.s3.objects) == 2


def test_a_fresh_look_asks_again_and_is_kept(world: World) -> None:
    world.expect(by_day())
    world.run()
    world.expect(by_day(lambda _day: [((LAMBDA, ""), "1")]))
    assert world.run(refresh=True)["total"] == "22"
    assert world.run()["total"] == "22"


def test_accounts_and_credits_have_answers_of_their_own(world: World) -> None:
    for options in ({}, {"gross": False}, {"accounts": ["111111111111"]}, {"cost_explorer_endpoint_url": "http://x"}):
        world.stub.add_response("get_cost_and_usage", {"ResultsByTime": by_day()})
        assert world.run(**options)["api_calls"] == 1
    assert len(world.s3.objects) == 4


def test_the_order_of_accounts_does_not_matter(world: World) -> None:
    world.stub.add_response("get_cost_and_usage", {"ResultsByTime": by_day()})
    world.run(accounts=["222222222222", "111111111111"])
    assert world.run(accounts=["111111111111", "222222222222"])["cached"]


def test_a_folder_keeps_answers_too(world: World, tmp_path: Path) -> None:
    options: dict[str, t.Any] = {"bucket": None, "directory": str(tmp_path), "accounts": ["111111111111"]}
    world.stub.add_response("get_cost_and_usage", {"ResultsByTime": by_day()})
    assert world.run(**options)["api_calls"] == 1
    result = world.run(**options)
    assert result["cached"] and Path(result["cache"]).is_file() and not world.s3.calls


def test_without_a_place_every_report_is_paid_for(world: World) -> None:
    for _time in range(2):
        world.expect(by_day())
        result = world.run(bucket=None)
        assert (result["api_calls"], result["cache"]) == (1, None)


def test_check_mode_reads_what_is_kept_and_writes_nothing(world: World) -> None:
    world.expect(by_day())
    assert not world.run(check_mode=True)["changed"] and not world.s3.objects
    world.expect(by_day())
    world.run()
    assert world.run(check_mode=True)["cached"]


def test_what_aws_does_not_have_today_is_not_asked_for_again_today(world: World) -> None:
    world.fail("get_cost_and_usage", "DataUnavailableException")
    first = world.run(unavailable="mark")
    again = world.run(unavailable="mark")
    assert (first["api_calls"], again["api_calls"], again["available"]) == (1, 0, False)
    assert again["error_code"] == "DataUnavailableException" and again["why"].startswith(first["why"])
    world.expect(by_day())
    assert world.run(refresh=True)["total"] == "29.7"
    assert world.run()["total"] == "29.7"


def test_half_an_answer_is_not_paid_for_twice(world: World) -> None:
    """Until more requests are allowed."""
    world.expect(by_day()[:10], more="next")
    first = world.run(max_api_calls=1, unavailable="mark")
    again = world.run(max_api_calls=1, unavailable="mark")
    assert (first["api_calls"], again["api_calls"], again["total"]) == (1, 0, None)
    assert "max_api_calls is 1" in again["why"]
    world.expect(by_day()[:10], more="next")
    world.expect(by_day()[10:], token="next")
    assert world.run(max_api_calls=2)["total"] == "29.7"
    assert world.run(max_api_calls=1)["cached"]


def test_a_fresh_look_that_fails_keeps_the_answer_of_before(world: World) -> None:
    world.expect(by_day())
    world.run()
    world.fail("get_cost_and_usage", "DataUnavailableException")
    assert not world.run(refresh=True, unavailable="mark")["available"]
    assert world.run()["total"] == "29.7"


def test_a_refusal_may_be_over_in_a_minute(world: World) -> None:
    world.fail("get_cost_and_usage", "AccessDeniedException")
    world.run(unavailable="mark")
    world.expect(by_day())
    assert world.run()["total"] == "29.7"


@pytest.mark.parametrize("method", ["get_object", "put_object"])
def test_a_cache_that_cannot_be_used_is_said_once(world: World, method: str) -> None:
    world.s3.fails[method] = refusal("AccessDenied", 403, method)
    world.expect(by_day())
    result = world.run()
    assert (result["total"], result["cache"]) == ("29.7", None)
    assert len(world.warned) == 1 and "the next report pays for them again" in world.warned[0]


def test_before_the_environment_exists_nobody_is_told_of_its_bucket(world: World) -> None:
    world.s3.fails["get_object"] = refusal("NoSuchBucket", 404, "GetObject")
    world.expect(by_day())
    assert world.run()["total"] == "29.7" and world.warned == []


@pytest.mark.parametrize(
    "body", [b"{", b"[]", b'{"answer": {}}', b'{"answer": null, "fetched_at": "x", "failure": {}}']
)
def test_a_broken_answer_is_replaced(world: World, body: bytes) -> None:
    world.expect(by_day())
    world.run()
    (key,) = world.s3.objects
    world.s3.objects[key] = body
    world.expect(by_day())
    assert world.run()["total"] == "29.7"
    assert world.run()["cached"]


# What AWS does not have


def test_days_without_costs_are_zero(world: World) -> None:
    world.expect(by_day(lambda _day: []))
    world.expect(by_day(lambda _day: []), group_by=[SERVICE])
    result = world.run()
    assert (result["total"], result["groups"], result["unknown"]) == ("0", [], [])
    assert result["api_calls"] == 2 and world.run()["cached"]
    assert result["by_day"][0]["total"] == "0" and result["currency"] == "USD"
    assert result["previous"]["percent"] is None
    # Nothing to take an average of is no forecast of nothing.
    assert result["forecast"]["amount"] is None and "there are 0" in result["forecast"]["why"]


@pytest.mark.parametrize("refused", [True, False])
def test_a_tag_that_aws_does_not_know_hides_no_costs(world: World, refused: bool) -> None:
    if refused:
        world.fail("get_cost_and_usage", "ValidationException", "Tag key is not valid: mcp:environment")
    else:
        world.expect(by_day(lambda _day: []))
    world.expect(
        by_day(lambda day: [((service,), amount) for (service, _tag), amount in usual(day)]), group_by=[SERVICE]
    )
    result = world.run()
    assert (result["total"], result["api_calls"]) == ("29.7", 2)
    assert amounts(world.run()) == {RDS: "26.4", LAMBDA: "2.2", CLOUDWATCH: "1.1"}
    world.expect_tag("Inactive")
    assert world.run(tag_value="production")["total"] is None


def test_days_that_are_missing_are_a_gap(world: World) -> None:
    world.expect(by_day()[:-2])
    result = world.run()
    assert result["total"] == "27"
    assert result["unknown"] == [
        {"what": "days", "why": "Cost Explorer says nothing of 2 of the 22 days asked for."},
    ]


def test_an_answer_without_a_day_is_no_answer(world: World) -> None:
    world.expect([])
    with pytest.raises(McpError, match="without a single day"):
        world.run()
    with pytest.raises(McpError, match=r"without a single day.*kept since"):
        world.run()


def test_an_answer_without_groups_is_not_nothing(world: World) -> None:
    total = {"UnblendedCost": {"Amount": "1.5", "Unit": "USD"}}
    world.expect([{**day, "Total": total, "Groups": []} for day in by_day()])
    result = world.run()
    assert result["total"] == "33" and amounts(result) == {"(not grouped)": "33"}


def test_currencies_are_not_added_up(world: World) -> None:
    days = by_day()
    days[0] = step(date(2026, 9, 23), date(2026, 9, 24), usual(date(2026, 9, 23)), unit="EUR")
    world.expect(days)
    with pytest.raises(McpError, match=r"several currencies \(EUR, USD\)"):
        world.run()


DENIED = "AccessDeniedException"
TROUBLE = [
    (DENIED, "User not enabled for cost explorer access", "Cost Explorer is not enabled for this account"),
    ("DataUnavailableException", "Data is not available.", "no data for this yet .* Try again tomorrow"),
    (DENIED, "Linked account doesn't have access to cost explorer", "This is a member account"),
    (
        "ValidationException",
        "Operation not permitted for member accounts. This API is only allowed for regular or payer accounts.",
        "This is a member account",
    ),
    (DENIED, "User: u is not authorized to perform: ce:GetCostAndUsage", "may not use ce:GetCostAndUsage"),
    ("LimitExceededException", "You made too many calls in a short period of time.", "asked too often"),
    ("ThrottlingException", "Rate exceeded", "asked too often"),
    ("InternalFailure", "oops", "Cost Explorer does not tell"),
    ("ExpiredTokenException", "expired", "The AWS credentials have expired"),
]


@pytest.mark.parametrize(("code", "message", "said"), TROUBLE)
def test_what_aws_cannot_tell_is_one_clear_error(world: World, code: str, message: str, said: str) -> None:
    world.fail("get_cost_and_usage", code, message)
    with pytest.raises(McpError, match=said) as caught:
        world.run()
    assert caught.value.details == {"error_code": code, "api_calls": 1, "api_cost_usd": "0.01"}


@pytest.mark.parametrize(("code", "message", "said"), TROUBLE)
def test_or_a_marked_gap(world: World, code: str, message: str, said: str) -> None:
    world.fail("get_cost_and_usage", code, message)
    result = world.run(unavailable="mark")
    assert (result["available"], result["error_code"], result["total"]) == (False, code, None)
    assert (result["groups"], result["forecast"], result["api_cost_usd"]) == ([], None, "0.01")
    assert result["why"] and bool(world.s3.objects) is (code == "DataUnavailableException")


def test_no_answer_is_a_gap_too(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(**_request: t.Any) -> None:
        raise EndpointConnectionError(endpoint_url="https://ce.us-east-1.amazonaws.com")

    monkeypatch.setattr(world.ce, "get_cost_and_usage", away)
    result = world.run(unavailable="mark")
    assert result["error_code"] == "EndpointConnectionError" and "did not answer" in result["why"]


def test_a_wrong_request_is_an_error_in_any_case(world: World) -> None:
    world.fail("get_cost_and_usage", "ValidationException", "Start date is too far in the past")
    with pytest.raises(McpError, match=r"refuses the request .* too far in the past"):
        world.run(unavailable="mark")


def test_the_attempts_of_a_failed_request_are_counted(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def throttle(**_request: t.Any) -> None:
        answer = {"Error": {"Code": "ThrottlingException", "Message": "no"}, "ResponseMetadata": {"RetryAttempts": 4}}
        raise ClientError(answer, "GetCostAndUsage")

    monkeypatch.setattr(world.ce, "get_cost_and_usage", throttle)
    assert world.run(unavailable="mark")["api_calls"] == 5


# The limit


def test_no_request_goes_out_over_the_limit(world: World) -> None:
    world.expect(by_day()[:10], more="next")
    with pytest.raises(McpError, match=r"max_api_calls is 1, .*USD 0.01 each, 1 made.*max_api_calls: 6") as caught:
        world.run(max_api_calls=1)
    assert caught.value.details["api_calls"] == 1
    result = world.run(max_api_calls=0, unavailable="mark")
    assert (result["available"], result["api_calls"], result["total"]) == (False, 0, None)


@pytest.mark.parametrize(("limit", "attempts"), [(1, [1]), (3, [3, 2]), (9, [5])])
def test_repeating_does_not_go_over_the_limit_either(world: World, limit: int, attempts: list[int]) -> None:
    world.expect(by_day(), more=None if limit == 1 else "next")
    if limit > 1:
        world.expect([], token="next")
    assert world.run(max_api_calls=limit)["total"] == "29.7"
    made = [params["aws_config"] for service, _region, params in world.clients if service == "ce"]
    assert [config["retries"]["total_max_attempts"] for config in made] == attempts


@pytest.mark.parametrize(
    ("retries", "attempts"),
    [({"total_max_attempts": 9}, 2), ({"max_attempts": 4}, 2), ({"max_attempts": 0}, 1), (None, 2)],
)
def test_the_task_s_own_settings_do_not_go_over_the_limit(
    world: World, retries: dict[str, int] | None, attempts: int
) -> None:
    given = {"read_timeout": 7, **({"retries": retries} if retries else {})}
    assert cost_requests.patience(given, 2) == {
        "read_timeout": 7,
        "retries": {"mode": "standard", "total_max_attempts": attempts},
    }


def test_a_request_without_an_answer_may_have_cost_every_attempt(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(**_request: t.Any) -> None:
        raise ReadTimeoutError(endpoint_url="https://ce.us-east-1.amazonaws.com")

    monkeypatch.setattr(world.ce, "get_cost_and_usage", silent)
    result = world.run(unavailable="mark", max_api_calls=3)
    assert (result["api_calls"], result["api_cost_usd"]) == (3, "0.03")


def test_what_is_kept_needs_no_limit(world: World) -> None:
    world.expect(by_day())
    world.run()
    assert world.run(max_api_calls=0)["total"] == "29.7"


# Services


def test_a_service_of_ours_without_costs_costs_nothing(world: World) -> None:
    world.expect(by_day())
    assert world.run(services=["AWS WAF"])["total"] == "0"


def test_a_name_that_is_not_in_the_answer_is_looked_up_once(world: World) -> None:
    wanted = {"TimePeriod": WINDOW, "Dimension": "SERVICE"}
    page = {"ReturnSize": 1, "TotalSize": 2}
    world.expect(by_day())
    world.stub.add_response(
        "get_dimension_values", {**page, "DimensionValues": [{"Value": LAMBDA}], "NextPageToken": "next"}, wanted
    )
    world.stub.add_response(
        "get_dimension_values",
        {**page, "DimensionValues": [{"Value": "AWS Glue"}]},
        {**wanted, "NextPageToken": "next"},
    )
    result = world.run(services=["AWS Glue"])
    assert (result["total"], result["api_calls"]) == ("0", 3)
    with pytest.raises(McpError, match=r"'AWS Lamda', .*Did you mean AWS Lambda\?"):
        world.run(services=["AWS Lamda"])


# Options


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"group_by": []}, "one or two different ones"),
        ({"group_by": ["service", "service"]}, "one or two different ones"),
        ({"group_by": ["service", "tag", "account"]}, "one or two different ones"),
        ({"group_by": ["service", "account"], "tag_value": "production"}, "groups by at most 2"),
        ({"preset": "range"}, "start is ''"),
        ({"preset": "range", "start": "2026-11-31", "end": "2026-12-01"}, "start is '2026-11-31'"),
        ({"preset": "range", "start": "2026-11-05", "end": "2026-11-04"}, "before start"),
        ({"preset": "range", "start": "2026-11-05", "end": "2026-11-23"}, "in the future"),
        ({"preset": "range", "start": "2025-01-01", "end": "2026-11-01"}, "from 2025-10-01 on"),
        ({"preset": "range", "start": "2020-01-01", "end": "2026-10-31", "granularity": "monthly"}, "38 months"),
        ({"start": "2026-11-01"}, "for the preset range"),
        ({"accounts": ["12345"]}, "the 12 digits"),
        ({"max_api_calls": -1}, "max_api_calls is '-1'"),
        ({"forecast_level": 100}, "from 51 to 99"),
        ({"bucket": None, "directory": "costs"}, "a folder does not know whose costs it keeps"),
        ({"sandbox": True, "cost_explorer_endpoint_url": "https://ce.us-east-1.amazonaws.com"}, "a loopback address"),
    ],
)
def test_wrong_options_are_refused_before_anything_is_asked(world: World, options: dict[str, t.Any], said: str) -> None:
    with pytest.raises(McpError, match=said):
        world.run(**{"unavailable": "mark", **options})
    assert world.clients == [] or [service for service, _region, _params in world.clients] == ["s3"]


def test_the_emulator_has_no_costs(world: World) -> None:
    result = world.run(sandbox=True)
    assert (result["available"], result["why"]) == (False, "not available on the emulator")
    assert (result["total"], result["api_calls"], result["unknown"]) == (None, 0, [])
    assert "ce" not in [service for service, _region, _params in world.clients]


def test_an_emulated_cost_explorer_may_stand_elsewhere(world: World) -> None:
    world.expect(by_day())
    endpoint = "http://127.0.0.1:5000"
    result = world.run(sandbox=True, cost_explorer_endpoint_url=endpoint)
    assert result["total"] == "29.7"
    (asked,) = [(region, params) for service, region, params in world.clients if service == "ce"]
    assert asked[0] == "us-east-1" and asked[1]["endpoint_url"] == endpoint
    assert asked[1]["aws_config"]["retries"]["total_max_attempts"] == 3
    assert [params.get("endpoint_url") for service, _region, params in world.clients if service == "s3"] == [None]


def test_the_list_of_movers_has_an_end(world: World) -> None:
    def rows(day: date) -> Rows:
        grown = day >= date(2026, 11, 1)
        costs: Rows = [((f"Service {number}", ""), str(number if grown else 1)) for number in range(1, 9)]
        return costs if grown else [*costs, (("Gone", ""), "30")]

    world.expect(by_day(rows))
    movers = world.run(top=3)["top_movers"]
    assert [(item["name"], item["difference"]) for item in movers] == [
        ("Gone", "-600"),
        ("Service 8", "140"),
        ("Service 7", "120"),
    ]
    assert movers[0]["percent"] == "-100"
