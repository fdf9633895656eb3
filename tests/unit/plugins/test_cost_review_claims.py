# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The brief's claims beside what is true: recomputed from the price book, the allocation file and the estimates."""

from __future__ import annotations

import datetime
import json
from decimal import Decimal

import pytest
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import allocation, cost_review, price_book
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import cost_review_claims as claims
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import Context, call_run

from tests.support import cost_world as world
from tests.support.checkout import ROOT

FILES = {"allocation": str(ROOT / "aws-resource-allocation.yaml"), "price_book": str(ROOT / "price-book.yaml")}
WHERE = {"region": "us-east-1", "today": datetime.date(2026, 11, 23)}
STAGING = world.staging()["estimate"]
PRODUCTION = world.production()["estimate"]


def of_brief(name, estimates=None):
    """Return the claim of that name, from the files of the collection."""
    file = allocation.load(FILES["allocation"])
    book = price_book.load(FILES["price_book"])
    return claims.of_brief(file.claims[name], file.claim_lines(name), estimates or {}, book, WHERE)


def run(tmp_path, *parts, lines=None, check_mode=False, **params):
    """Run the module's logic."""
    params = {
        "environments": [
            {**dict.fromkeys(cost_review.ENVIRONMENT), "costs": [], "budgets": [], **part} for part in parts
        ],
        "directory": str(tmp_path),
        "name": "cost_review",
        **FILES,
        **params,
    }
    progress = [].append if lines is None else lines.append
    ctx = Context(params=params, make_client=lambda *_: None, check_mode=check_mode, progress=progress)
    return call_run(ctx, cost_review.run)


def test_a_phase_is_held_against_both_of_its_figures():
    first, later = claims.of_phases({"staging": STAGING})
    assert (first["claim"], first["stated"], first["recomputed"]) == ("Phase staging in its first year", "0", "52.7")
    assert (later["claim"], later["stated"]) == ("Phase staging after its first year", "29.50")
    assert {first["verdict"], later["verdict"]} == {"does_not_hold"} and first["why"] == "the free year is closed"


def test_a_figure_may_hold_later_that_did_not_hold_at_first():
    assert [row["verdict"] for row in claims.of_phases({"production": PRODUCTION})] == ["does_not_hold", "holds"]


def test_a_phase_without_a_claim_says_nothing():
    assert claims.of_phases({"scale": {**STAGING, "claim": None}}) == []


def test_what_has_no_price_is_said_beside_the_claim():
    missing = {**STAGING, "unpriced": [{"resource": "x", "type": "y", "why": "z"}]}
    assert "1 of its resources have no price" in claims.of_phases({"staging": missing})[0]["why"]


def test_a_saving_is_computed_from_two_phases():
    row = of_brief("cheaper", {"staging": STAGING, "production": PRODUCTION})
    assert Decimal(row["recomputed"]).quantize(Decimal("0.1")) == Decimal("89.5")
    assert (row["stated"], row["unit"], row["verdict"]) == ("92", "%", "does_not_hold")


def test_a_saving_between_phases_that_are_not_here_is_not_guessed():
    row = of_brief("cheaper", {"staging": STAGING})
    assert row["recomputed"] is None and row["verdict"] == "not_comparable" and "production" in row["why"]


@pytest.mark.parametrize(("size", "monthly"), [("small", "109.50"), ("large", "547.50")])
def test_what_is_kept_ready_costs_what_the_price_book_says(size, monthly):
    row = of_brief(f"provisioned_100_{size}")
    assert abs(Decimal(row["recomputed"]) / Decimal(monthly) - 1) < Decimal("0.01")
    assert (row["stated"], row["verdict"]) == ("24", "does_not_hold")


def test_what_is_said_to_be_free_is_looked_up_in_the_price_book():
    file, book = allocation.load(FILES["allocation"]), price_book.load(FILES["price_book"])
    free = {name: told for name, told in file.claims.items() if told.get("item")}
    assert len(free) >= 7
    for name, told in free.items():
        row, allowance = of_brief(name), book.allowance(told["item"])
        assert Decimal(row["recomputed"]) == (allowance.amount if allowance else 0), name
        assert row["verdict"] == ("holds" if allowance else "does_not_hold"), name


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        ("52.7", "USD a month", "$52.70 a month"),
        ("89.4687", "%", "89.47 %"),
        ("0", "GB-month", "0 GB-month"),
        (None, "USD a month", "unknown"),
    ],
)
def test_a_figure_has_its_unit(value, unit, text):
    assert claims.figure(value, unit) == text


# The module


def test_it_writes_both_files_and_shows_the_table(tmp_path):
    lines: list[str] = []
    result = run(tmp_path, world.staging(), world.production(), lines=lines)
    written = json.loads((tmp_path / "cost_review.json").read_text())
    assert written == json.loads(json.dumps(result["review"])) and result["changed"] is False
    assert (tmp_path / "cost_review.html").read_text().startswith("<!doctype html>")
    assert lines[-1] == f"page:      {tmp_path / 'cost_review.html'}"
    # Both phases twice, those of the lists once, and what the brief says beside them.
    assert len(written["claims"]) == 4 + 3 + len(allocation.load(FILES["allocation"]).claims)


def test_phases_without_templates_are_estimated_from_their_lists(tmp_path):
    review = run(tmp_path, world.production(), world.local())["review"]
    rows = {row["claim"]: row for row in review["claims"]}
    assert list(rows)[:5] == [
        "Phase local",
        "Phase production in its first year",
        "Phase production after its first year",
        "Phase growth",
        "Phase scale",
    ]
    assert review["environments"][1]["estimate"] == rows["Phase local"]["recomputed"] == "0"
    assert rows["Phase local"]["verdict"] == "holds" and rows["Phase scale"]["verdict"] == "does_not_hold"
    assert abs(Decimal(rows["Phase scale"]["recomputed"]) / 550 - 1) < Decimal("0.01")


def test_of_two_environments_of_a_phase_the_first_stands_for_it(tmp_path):
    other = world.production(environment="milan", estimate=world.estimate("production", "9", {"stated": "2.30"}))
    rows = {row["claim"]: row for row in run(tmp_path, world.production(), other)["review"]["claims"]}
    assert rows["Phase production in its first year"]["recomputed"] == "5.55"


def test_a_file_of_sizes_without_the_lists_leaves_them_out(tmp_path):
    own = tmp_path / "sizes.yaml"
    own.write_text("phases: {production: {budget: {monthly_usd: '15'}}}")
    claims = run(tmp_path, world.production(), allocation=str(own))["review"]["claims"]
    assert [row["claim"] for row in claims] == [f"Phase production {when} its first year" for when in ("in", "after")]


def test_check_mode_writes_nothing(tmp_path):
    assert run(tmp_path / "reports", world.staging(), check_mode=True)["review"]["environments"]
    assert not (tmp_path / "reports").exists()


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("in the way")
    result = run(tmp_path / "file", world.staging())
    assert result["failed"] and "mcp_report_dir" in result["msg"]


@pytest.mark.parametrize("name", ["allocation", "price_book"])
def test_a_file_that_is_missing_is_named(tmp_path, name):
    result = run(tmp_path, world.staging(), **{name: str(tmp_path / "none.yaml")})
    assert result["failed"] and "none.yaml" in result["msg"]
