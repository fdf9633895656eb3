# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a cost review says: figures as they were answered, a reason where there are none, nothing invented."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import (
    cost_review_data,
    cost_review_table,
    cost_review_text,
)

from tests.support import cost_world as world

DENIED = "ce:GetCostAndUsage is not allowed to arn:aws:iam::210987654321:user/ada"


def review(*parts, claims=()):
    """Build the review of these environments."""
    return cost_review_data.build(list(parts), list(claims), world.NOW)


def only(rows, **wanted):
    """Return the one row that has these values."""
    [found] = [row for row in rows if all(row[key] == value for key, value in wanted.items())]
    return found


def denied(**more):
    """Return what a host of another account found out, where nobody may ask."""
    absent = world.absent(DENIED)
    costs = [{**absent, "item": preset} for preset in ("month_to_date", "trailing_30", "trailing_7")]
    other = {"environment": "milan", "account": "210987654321", "region": "eu-south-1"}
    return world.production(**other, own=absent, costs=costs, free_tier=world.absent("no right"), **more)


# Text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("0", "$0.00"),
        ("12.345", "$12.35"),
        ("1234567.8", "$1,234,567.80"),
        ("-3.1", "-$3.10"),
        ("0.0049", "< $0.01"),
        ("-0.0001", "> -$0.01"),
        (None, "unknown"),
        ("", "unknown"),
        (Decimal("0.005"), "$0.01"),
    ],
)
def test_an_amount_is_written_to_the_cent_and_never_rounded_to_nothing(value, text):
    assert cost_review_text.usd(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [("1", "+$1.00"), ("-1", "-$1.00"), ("0", "$0.00"), (None, "unknown"), ("0.001", "+< $0.01")]
)
def test_a_difference_has_its_sign(value, text):
    assert cost_review_text.signed(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [("1000000", "1,000,000"), ("4.40", "4.4"), ("0.001", "< 0.01"), ("100", "100"), (None, "unknown")],
)
def test_a_quantity_has_at_most_two_decimals(value, text):
    assert cost_review_text.quantity(value) == text


@pytest.mark.parametrize(("value", "text"), [("36.6667", "37 %"), ("0.2", "< 1 %"), ("0", "0 %"), (None, "unknown")])
def test_a_share_has_no_decimals(value, text):
    assert cost_review_text.percent(value) == text


# Environments


def test_an_environment_has_its_own_figures():
    row = only(review(world.staging(), world.production())["environments"], environment="production")
    own = world.production()["own"]
    assert (row["month_to_date"], row["forecast"]["amount"]) == (own["total"], own["forecast"]["amount"])
    assert (row["estimate"], row["budget"], row["state"]) == ("5.55", "20", "within")


@pytest.mark.parametrize(
    ("changes", "state", "says"),
    [
        ({"budget_usd": "40"}, "over", "$41.36 spent so far is over the budget of $40.00"),
        ({"budget_usd": "55"}, "watch", "At this rate the month comes to $56.39, over the budget of $55.00"),
        (
            {"budget_usd": "57", "estimate": world.estimate("staging", "58", {"stated": "0"})},
            "watch",
            "estimated at $58",
        ),
        ({"budget_usd": ""}, "unknown", "No budget is set: mcp_budget_usd"),
        ({"own": world.absent(DENIED)}, "unknown", DENIED),
        ({"own": {"skipped": True, "changed": False}}, "unknown", "was not asked for"),
        ({"failure": "No AWS credentials were found."}, "unknown", "No AWS credentials"),
        ({"budget_usd": "50", "own": world.absent(DENIED)}, "watch", "estimated at $52.70"),
    ],
)
def test_an_environment_stands_as_well_as_what_is_known_of_it(changes, state, says):
    row = only(review(world.staging(**changes))["environments"], environment="staging")
    assert row["state"] == state and says in row["why"]


def test_a_tag_that_is_not_activated_is_unknown_and_not_nothing():
    why = "The tag mcp:environment is not activated for cost allocation"
    own = world.costs("month_to_date", total=None, forecast=None, tag={"key": "mcp:environment", "why": why})
    found = review(world.staging(own={**own, "unknown": [{"what": "total", "why": why}]}))
    row = only(found["environments"], environment="staging")
    assert row["month_to_date"] is None and row["forecast"] is None and row["state"] == "unknown" and why in row["why"]
    assert only(found["gaps"], where="staging")["why"] == why


def test_a_developers_machine_costs_nothing_on_aws():
    found = review(world.local(estimate=world.estimate("local", "0", {"stated": "0"})))
    assert found["environments"][0]["state"] == "free" and found["environments"][0]["estimate"] == "0"
    assert found["accounts"] == [] and found["gaps"] == []


def test_what_an_estimate_leaves_out_or_guesses_is_said():
    found = world.estimate("staging", "52.70", {"stated": "0"})
    found["unpriced"] = [{"resource": "app.Thing", "type": "AWS::X::Thing", "why": "no price is known"}]
    found["marks"] = [{"mark": "older than 90 days", "lines": 3}]
    gaps = review(world.staging(estimate=found))["gaps"]
    assert "AWS::X::Thing has no price: no price is known" in only(gaps, what="estimate: app.Thing")["why"]
    assert only(gaps, what="estimate: prices")["why"] == "3 lines: older than 90 days"


def test_the_forecast_of_a_budget_stands_beside_our_own():
    budgets = [
        {"kind": "environment", "limit": "60", "forecast": "57.10"},
        {"kind": "account", "limit": "55", "forecast": "61.20"},
    ]
    found = review(world.staging(budgets=budgets))
    assert found["environments"][0]["aws_forecast"] == "57.10"
    assert (found["accounts"][0]["aws_forecast"], found["accounts"][0]["budget"]) == ("61.20", "55")


def test_amounts_that_are_not_dollars_are_not_shown_as_dollars():
    found = review(world.staging(own=world.costs("month_to_date", currency="EUR")))
    row = only(found["environments"], environment="staging")
    assert row["month_to_date"] is None and "EUR" in row["why"] and "EUR" in only(found["gaps"], where="staging")["why"]


# Accounts


def test_a_billing_alert_of_nothing_is_no_budget():
    row = review(world.staging(account_budget_usd="0"))["accounts"][0]
    assert row["budget"] is None and row["state"] == "unknown"


def test_an_account_is_told_once_with_all_of_its_environments():
    found = review(world.staging(), world.production())
    [row] = found["accounts"]
    assert row["environments"] == ["staging", "production"]
    assert row["month_to_date"] == world.costs("month_to_date")["total"] and len(row["days"]) == 30
    assert found["api"] == {"calls": 1, "cost_usd": "0.01"}


def test_it_does_not_matter_which_environment_speaks_for_the_account():
    speaker, other = world.staging(), world.production()
    assert review(other, speaker)["accounts"][0]["days"] == review(speaker, other)["accounts"][0]["days"]


def test_the_bands_add_up_to_the_services():
    row = review(world.staging())["accounts"][0]
    assert [band["color"] for band in row["bands"]] == list(range(8)) and row["bands"][-1]["name"] == "3 others"
    added = sum(Decimal(band["amount"]) for band in row["bands"])
    assert added == sum(Decimal(item["amount"]) for item in row["services"])
    assert added == sum(Decimal(day["total"]) for day in row["days"])


def test_few_services_have_no_others():
    assert [band["name"] for band in review(few_services())["accounts"][0]["bands"]] == list(world.DAILY)[:3]


def few_services():
    """Return an environment of an account with three services."""
    part = world.staging()
    for result in part["costs"]:
        result["groups"] = sorted(
            (group for group in result["groups"] if group["name"] in list(world.DAILY)[:3]),
            key=lambda group: list(world.DAILY).index(group["name"]),
        )
    return part


def test_an_account_that_may_not_be_asked_is_a_gap_with_its_reason():
    found = review(world.staging(), denied())
    row = only(found["accounts"], account="210987654321")
    assert (row["month_to_date"], row["forecast"], row["movers"], row["free_tier"], row["days"]) == (
        None,
        None,
        None,
        None,
        [],
    )
    assert DENIED in row["why"]
    gap = only(found["gaps"], where="account 210987654321", why=DENIED)
    assert gap["what"] == "the month, daily spend, movers"
    assert only(found["gaps"], where="account 210987654321", why="no right")["what"] == "free tier"


def test_an_environment_that_failed_leaves_the_others():
    broken = {"environment": "milan", "phase": "production", "account": "", "budget_usd": "", "failure": "no answer"}
    found = review(world.staging(), broken)
    assert only(found["environments"], environment="staging")["state"] == "within"
    assert only(found["gaps"], where="milan") == {"where": "milan", "what": "environment", "why": "no answer"}


def test_in_the_sandbox_nothing_is_invented():
    absent = world.absent("not available on the emulator")
    costs = [{**absent, "item": preset} for preset in ("month_to_date", "trailing_30", "trailing_7")]
    found = review(world.staging(sandbox=True, own=absent, costs=costs, free_tier=absent))
    assert found["environments"][0]["month_to_date"] is None and found["accounts"][0]["month_to_date"] is None
    assert {gap["why"] for gap in found["gaps"]} == {"not available on the emulator"}
    assert found["api"] == {"calls": 0, "cost_usd": "0"}


def test_an_offer_that_is_not_listed_is_a_gap():
    gap = only(review(world.staging())["gaps"], what="free tier: AWS Key Management Service")
    assert "unknown, not free" in gap["why"]


def test_the_first_day_of_a_month_has_no_days_yet():
    empty = world.costs("month_to_date", total=None, by_day=[], groups=[], forecast=None, previous=None)
    empty["unknown"] = [{"what": "month to date", "why": "the month began today"}]
    part = world.staging(own=empty)
    part["costs"][0] = {**empty, "item": "month_to_date"}
    found = review(part)
    assert found["accounts"][0]["month_to_date"] is None and len(found["accounts"][0]["days"]) == 30
    assert "the month began today" in {gap["why"] for gap in found["gaps"]}


def test_every_amount_of_the_json_is_a_decimal_string():
    def amounts(value):
        if isinstance(value, float):
            yield value
        elif isinstance(value, dict):
            for item in value.values():
                yield from amounts(item)
        elif isinstance(value, list):
            for item in value:
                yield from amounts(item)

    found = json.loads(json.dumps(review(world.staging(), world.production(), denied(), world.local())))
    assert list(amounts(found)) == []


# The terminal


def test_the_table_has_every_environment_and_every_gap():
    found = review(world.staging(), world.production(), denied(), world.local())
    lines = cost_review_table.lines(found)
    assert " ".join(lines[0].split()) == "environment phase budget to date at this rate estimate state"
    assert any(line.split()[:4] == ["staging", "staging", "$60.00", "$41.36"] for line in lines)
    assert any(line.startswith("local ") and line.endswith("free") and "-" in line for line in lines)
    assert any("moved:" in line and "+$7.76" in line for line in lines)
    assert sum(line.startswith("not known: ") for line in lines) == len(found["gaps"])
    assert lines[-1] == "asked:     paid requests to Cost Explorer: 1, $0.01"
