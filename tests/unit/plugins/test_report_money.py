# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lines of a summary about money."""

from __future__ import annotations

import copy
import typing as t
from pathlib import Path

import pytest
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import report, report_money, saved_plan

from tests.unit.plugins import estimate_world as world


def estimate(**changed: t.Any) -> dict[str, t.Any]:
    """Return an estimate with some things otherwise."""
    return {**copy.deepcopy(world.estimated("growth")), **changed}


def difference(**changed: t.Any) -> dict[str, t.Any]:
    """Return a difference."""
    line = {"resource": "data.Database", "item": "rds.x", "before": "13.14", "after": "26.28", "monthly": "+13.14"}
    found = {
        "against": "deployed",
        "before": "52",
        "after": "65.14",
        "monthly": "+13.14",
        "lines": [line],
        "unpriced": [],
    }
    return {**found, **changed}


def test_cost_and_claim_stand_side_by_side() -> None:
    found = estimate()
    lines = report_money.money_lines({"estimate": found})
    assert lines[0].startswith(
        f"cost:      {report_money.usd(found['totals']['always_free'])} USD a month on AWS in us-east-1"
    )
    assert any(line.startswith("brief:     75 USD a month: does not hold") for line in lines)


def test_the_difference_comes_last() -> None:
    lines = report_money.money_lines({"estimate": estimate(difference=difference())})
    assert lines[-1] == "change:    +13.14 USD a month, 52.00 -> 65.14"
    assert lines[-2] == "  data.Database rds.x: 13.14 -> 26.28"


@pytest.mark.parametrize(
    ("changed", "last"),
    [
        ({"monthly": "0", "after": "52", "lines": []}, "change:    none, 52.00 USD a month as before"),
        ({"monthly": "-3", "after": "49"}, "change:    -3.00 USD a month, 52.00 -> 49.00"),
        ({"monthly": None, "why": "AccessDenied"}, "change:    unknown: AccessDenied"),
        (
            {"against": "nothing is deployed", "before": "0"},
            "change:    +13.14 USD a month, 0.00 -> 65.14 (nothing is deployed)",
        ),
    ],
)
def test_each_kind_of_difference(changed: dict[str, t.Any], last: str) -> None:
    assert report_money.difference_lines(difference(**changed))[-1] == last


def test_what_is_unknown_is_said_so() -> None:
    gaps = [{"resource": f"app.R{number}", "type": "AWS::X::Y", "why": "no price"} for number in range(7)]
    lines = report_money.estimate_lines(estimate(unpriced=gaps))
    assert "unpriced:  app.R0 (AWS::X::Y): no price" in lines and "unpriced:  and 2 more, see the report" in lines
    nothing = {"list": None, "always_free": None, "credits": None}
    assert report_money.estimate_lines(estimate(totals=nothing))[0].startswith("cost:      unknown USD a month")


def test_doubts_credits_and_notes_are_said() -> None:
    totals = {"list": "10", "always_free": "8", "credits": {"balance": "100", "runway_months": "12.5"}}
    marks = [{"mark": "older than 90 days", "lines": 1}, {"mark": "estimated", "lines": 2}]
    lines = report_money.estimate_lines(estimate(totals=totals, marks=marks, usage_notes=["measured"], claim=None))
    assert lines[0].endswith(
        "8.00 USD a month on AWS in us-east-1 (10.00 without what is always free), prices of 2026-11-22"
    )
    assert "           1 line uses a price older than 90 days" in lines
    assert "           2 lines use a price estimated" in lines
    assert "credits:   100.00 USD, which last 12.5 months" in lines and "usage:     measured" in lines


def test_a_table_has_a_row_for_each_line_that_takes_something() -> None:
    found = world.estimated("production")
    rows = report_money.table(found)
    taking = [line for line in found["lines"] if float(line["quantity"])]
    assert len([row for row in rows if " x " in row]) == len(taking)


def test_nothing_is_said_where_nothing_was_estimated() -> None:
    assert report_money.money_lines({}) == []


def test_the_report_has_the_estimate_and_its_summary_ends_with_it(tmp_path: Path) -> None:
    deployment = {"phase": "staging", "environment": "staging", "estimate": estimate(difference=difference())}
    params = {
        **{key: spec.get("default") for key, spec in report.ARGUMENT_SPEC.items()},
        "name": "deployment",
        "directory": str(tmp_path),
        "deployment": deployment,
    }
    found = report.build(params)
    assert found["estimate"] == deployment["estimate"]
    lines = report.summary({**found, "duration_s": 1}, ["next"], tmp_path / "x.json", check_mode=True)
    assert lines[-1] == "change:    +13.14 USD a month, 52.00 -> 65.14"


def test_a_saved_plan_has_its_dollars_and_they_do_not_refuse_it() -> None:
    place = {"account": "1", "region": "us-east-1", "sandbox": False, "stacks": {}}
    body = saved_plan.plan_body({**place, "estimate": estimate(difference=difference())})
    assert body["monthly_usd"]["difference"] == "+13.14"
    assert saved_plan.plan_body({**place, "estimate": estimate()})["monthly_usd"]["difference"] is None
    record = {"id": "p", "environment": "e", "time": "2026-11-23T00:00:00+00:00", "who": "me", "body": body}
    assert saved_plan.refusal("p", saved_plan.plan_body(place), {"plan": [record]}, "e", "again") == ""
