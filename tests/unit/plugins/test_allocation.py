# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The allocation file: what each phase says, how its lines are worked out, and what is refused in it."""

from __future__ import annotations

import copy
import datetime
import typing as t
from decimal import Decimal
from pathlib import Path

import pytest
import yaml
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import allocation, allocation_lines, price_book
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import McpError

from tests.support.checkout import ROOT

PATH = ROOT / "aws-resource-allocation.yaml"
DATA = yaml.safe_load(PATH.read_text(encoding="utf-8"))
FILE = allocation.load(str(PATH))
BOOK = price_book.load(str(ROOT / "price-book.yaml"))
DAY = datetime.date(2026, 11, 22)


def monthly(lines: list[dict[str, t.Any]]) -> dict[str, Decimal]:
    """Return what each line costs a month, less what is always free; lines of one item share that."""
    used: dict[str, Decimal] = {}
    found: dict[str, Decimal] = {}
    for line in lines:
        allowance, free = BOOK.allowance(line["item"]), Decimal(0)
        if allowance:
            free = min(line["quantity"], allowance.amount - used.get(allowance.pool, Decimal(0)))
            used[allowance.pool] = used.get(allowance.pool, Decimal(0)) + free
        found[line["resource"]] = BOOK.cost(line["item"], "us-east-1", line["quantity"] - free, DAY)
    return found


# What the file says


def test_every_phase_of_the_brief_is_there_with_its_claim_and_budget() -> None:
    assert tuple(FILE.phases) == allocation.PHASES
    claims = {name: (phase.claim or {}).get("stated") for name, phase in FILE.phases.items()}
    assert claims == {"local": "0", "staging": "0", "production": "2.30", "growth": "75", "scale": "200"}
    assert [(FILE.phase(name).claim or {}).get("later") for name in ("staging", "production")] == ["29.50", "32"]
    assert all(phase.budget is not None and (phase.claim or {}).get("note") for phase in FILE.phases.values())


def test_sizes_are_what_is_neither_usage_nor_money() -> None:
    assert FILE.phase("staging").sizes.keys() == {"ec2", "rds", "s3", "logs"}
    assert FILE.phase("staging").sizes["rds"] == DATA["phases"]["staging"]["rds"]


def test_what_the_prices_were_computed_with_is_in_the_file() -> None:
    usage = FILE.phase("production").usage
    assert usage["requests"] * usage["cdn_requests_per_request"] == 2_500_000
    assert usage["requests"] * usage["cdn_gb_per_request"] == 20
    logs = sum(value for key, value in usage.items() if key.endswith("_log_gb_per_request"))
    assert usage["requests"] * logs + usage["rotation_log_gb"] == 2
    staging = FILE.phase("staging").usage
    assert sum(staging[f"{name}_log_gb"] for name in ("server", "database", "database_upgrade", "flow")) == 1
    assert staging["lcu"] == Decimal("0.05")


@pytest.mark.parametrize("phase", ["growth", "scale"])
def test_every_line_has_an_item_of_the_book_in_its_unit(phase: str) -> None:
    lines = FILE.phase(phase).lines()
    assert lines and len({line["resource"] for line in lines}) == len(lines)
    for line in lines:
        assert BOOK.items[line["item"]].unit == line["unit"]
        assert line["assumption"]


# By hand, in the notes on prices that the project began with; per region but for what serves both.
SCALE = {
    "73.00": ["cluster"],
    "63.94": ["nodes", "nodes' disks"],
    "38.75": ["NAT gateway", "NAT gateway's address", "NAT gateway's traffic"],
    "24.31": ["load balancer", "load balancer's work", "load balancer's addresses"],
    "47.80": ["database", "database storage", "database I/O"],
    "11.68": ["cache"],
}


@pytest.mark.parametrize("region", ["first region", "second region"])
@pytest.mark.parametrize("total", SCALE)
def test_the_lines_of_scale_cost_what_they_should(total: str, region: str) -> None:
    costs = monthly(FILE.phase("scale").lines())
    found = sum(costs[f"{resource} ({region})"] for resource in SCALE[total])
    assert abs(found - Decimal(total)) < Decimal("0.01")


@pytest.mark.parametrize(("phase", "noted"), [("growth", Decimal("85.33")), ("scale", Decimal(550))])
def test_growth_and_scale_as_a_whole_are_near_the_notes(phase: str, noted: Decimal) -> None:
    total = sum(monthly(FILE.phase(phase).lines()).values(), Decimal(0))
    assert abs(total - noted) < noted / 100


def test_usage_and_sizes_move_the_lines() -> None:
    growth = FILE.phase("growth")
    before, after = (monthly(phase.lines()) for phase in (growth, growth.with_usage({"requests": 4000000})))
    assert after["API"] == 2 * before["API"] and after["database"] == before["database"]
    data = copy.deepcopy(DATA)
    data["phases"]["growth"]["lambda"]["provisioned_concurrency"] = 100
    data["phases"]["growth"]["rds"]["instance_class"] = "db.t4g.small"
    larger = monthly(allocation.Allocation(data, "file").phase("growth").lines())
    assert larger["server function, provisioned"] == 20 * before["server function, provisioned"]
    # 730 hours for 0.032 instead of 0.036 dollars.
    assert before["database"] - larger["database"] == Decimal("2.92")


def test_no_total_is_in_the_file() -> None:
    text = PATH.read_text(encoding="utf-8")
    totals = (
        "52.7",
        "25.36",
        "49.38",
        "10.37",
        "5.55",
        "3.13",
        "0.94",
        "85.33",
        "70.75",
        "550",
        "287",
        "109.5",
        "547.5",
    )
    assert not [total for total in totals if total in text]
    for line in [line for phase in FILE.phases.values() for line in phase.lines()]:
        assert not line.keys() & {"price", "unit_price", "monthly", "cost"}


# The brief's other claims


def test_other_claims_are_computed_from_prices() -> None:
    costs = {name: sum(monthly(FILE.claim_lines(name)).values()) for name in FILE.claims}
    # 100 executions of an eighth of a GB and of half a GB, each second of 730 hours.
    assert abs(costs["provisioned_100_small"] - Decimal("109.50")) < Decimal("0.01")
    assert abs(costs["provisioned_100_large"] - Decimal("547.50")) < Decimal("0.01")
    assert FILE.claims["cheaper"] | {"note": ""} == {
        "claim": "Serverless production against staging",
        "stated": "92",
        "unit": "%",
        "cheap": "production",
        "dear": "staging",
        "note": "",
    }


@pytest.mark.parametrize(
    ("name", "free"),
    [
        ("free_lambda", "1"),
        ("free_table_storage", "25"),
        ("free_table_writes", "18250"),
        ("free_table_reads", "18250"),
        ("free_cdn", "1024"),
        ("free_files", None),
        ("free_api", None),
        ("free_load_balancer", None),
        ("free_server", None),
        ("free_database", None),
    ],
)
def test_what_is_said_to_be_free_names_an_item_in_its_unit(name: str, free: str | None) -> None:
    claim = FILE.claims[name]
    allowance = BOOK.allowance(claim["item"])
    assert claim["unit"] == BOOK.items[claim["item"]].unit
    assert (allowance.amount if allowance else None) == (None if free is None else Decimal(free))


# Quantities


@pytest.mark.parametrize(
    ("formula", "quantity", "shown"),
    [
        (3, "3", ""),
        (0.05, "0.05", ""),
        ("2 * 730", "1460", ""),
        ("hours", "730", "730 (hours)"),
        ("2 * nodes.count * hours / 1000", "4.38", "2 * 3 (nodes.count) * 730 (hours) / 1000"),
        ("hours / 3", "243.3333333333333333333333333", "730 (hours) / 3"),
    ],
)
def test_quantities_are_worked_out_and_shown(formula: t.Any, quantity: str, shown: str) -> None:
    names = {"hours": Decimal(730), "nodes.count": 3}
    assert allocation_lines.worked_out(formula, names, "Line 1") == (Decimal(quantity), shown)


@pytest.mark.parametrize(
    ("formula", "told"),
    [
        ("hous", r"quantity has 'hous', which is no number, usage assumption or size. Did you mean hours\?"),
        ("hours + 1", r"quantity has '\+ 1': allowed are \* and / with spaces around them"),
        ("hours *", r"a number or name is missing at its end"),
        ("hours / 0", r"quantity has '/ 0'"),
        ("2 * -1", r"quantity has -1: allowed is a number of at least 0"),
        (-1, r"quantity has -1"),
        ("kind", r"quantity has 'kind', which is 't3.micro' and no number"),
        ("nan", r"quantity has nan: allowed is a number"),
        ("", r"quantity has ''"),
        (True, r"quantity is True"),
        (None, r"quantity is None"),
        ([], r"quantity is \[\]"),
        ("__import__('os')", r"which is no number"),
    ],
)
def test_wrong_quantities_are_refused(formula: t.Any, told: str) -> None:
    with pytest.raises(McpError, match=told):
        allocation_lines.worked_out(formula, {"hours": Decimal(730), "kind": "t3.micro"}, "Line 1")


LINE = {"resource": "node", "item": "ec2.{node.type}", "quantity": "hours", "unit": "hour"}
SIZES = {"node": {"type": "t3.micro"}}


def test_a_line_for_each_region_is_one_line_for_each() -> None:
    found = allocation_lines.resolve([{**LINE, "each": ["one", "two"]}], {"hours": Decimal(730)}, SIZES, "file")
    assert [(line["resource"], line["group"], line["item"]) for line in found] == [
        ("node (one)", "one", "ec2.t3.micro"),
        ("node (two)", "two", "ec2.t3.micro"),
    ]
    assert found[0]["assumption"] == "730 (hours)"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"quantitiy": 1}, r"Line 1 of file has the key 'quantitiy'. Did you mean quantity\?"),
        (
            {"item": "ec2.{node.tpye}"},
            r"Line 1 of file: item has '{node.tpye}', which is no size. Did you mean node.type\?",
        ),
    ],
)
def test_wrong_lines_are_refused(change: dict[str, t.Any], told: str) -> None:
    with pytest.raises(McpError, match=told):
        allocation_lines.resolve([{**LINE, **change}], {"hours": Decimal(730)}, SIZES, "file")


@pytest.mark.parametrize("key", allocation_lines.NEEDED)
def test_a_line_without_what_it_needs_is_refused(key: str) -> None:
    with pytest.raises(McpError, match=f"Line 1 of file has no '{key}'"):
        allocation_lines.resolve([{name: value for name, value in LINE.items() if name != key}], {}, SIZES, "file")
    with pytest.raises(McpError, match="Line 1 of file is 'text': allowed is a mapping"):
        allocation_lines.resolve(t.cast(list[dict[str, t.Any]], ["text"]), {}, {}, "file")


# Usage of one's own


def test_usage_of_ones_own_goes_before_the_files() -> None:
    staging = FILE.phase("staging")
    other = staging.with_usage({"server_hours": 220, "lcu": "0.5"})
    assert (other.usage["server_hours"], other.usage["lcu"]) == (220, Decimal("0.5"))
    assert other.usage["database_hours"] == staging.usage["database_hours"] == 730
    assert staging.usage["server_hours"] == 730


@pytest.mark.parametrize(
    ("phase", "usage", "told"),
    [
        ("production", {"requets": 1}, r"requets is no usage assumption. Did you mean requests\?"),
        ("production", {"requests": -1}, r"requests is -1, allowed is a number of at least 0"),
        ("production", {"requests": "many"}, r"requests is 'many', allowed is a number"),
        ("growth", {"requets": 1}, r"requets is no usage assumption of phase growth. Did you mean requests\?"),
        ("growth", {"requests": -1}, r"usage: requests is -1: allowed is a number of at least 0"),
        ("growth", {"requests": True}, r"usage: requests is True"),
        ("scale", {"server_hours": 1}, r"server_hours is no usage assumption of phase scale"),
    ],
)
def test_misspelt_and_negative_usage_is_refused(phase: str, usage: dict[str, t.Any], told: str) -> None:
    with pytest.raises(McpError, match=told):
        FILE.phase(phase).with_usage(usage)


# Mistakes in the file


def change(place: str, value: t.Any) -> dict[str, t.Any]:
    """Return the file's content with a value put at a place."""
    data = copy.deepcopy(DATA)
    *way, last = place.split("/")
    node = data
    for key in way:
        node = node[key]
    node[last] = value
    return data


@pytest.mark.parametrize(
    ("place", "value", "told"),
    [
        ("phases", [], "phases in file is []: allowed is a mapping"),
        ("phases/staging", "small", "phase staging in file is 'small': allowed is a mapping"),
        ("phases/staging/usage/sever_hours", 1, "sever_hours is no usage assumption. Did you mean server_hours?"),
        ("phases/staging/usage/lcu", -0.05, "In phase staging in file: usage: lcu is -0.05"),
        ("phases/staging/usage", [1], "usage of phase staging in file is [1]: allowed is a mapping"),
        ("phases/growth/usage/hours", "all", "usage: hours of phase growth in file is 'all'"),
        ("phases/growth/usage/hours", -730, "usage: hours of phase growth in file is -730"),
        ("phases/growth/lines", {"a": 1}, "lines of phase growth in file is {'a': 1}: allowed is a list"),
        ("phases/growth/lambda/memory_mb", -1, "(lambda.memory_mb): allowed is a number of at least 0"),
        ("phases/staging/budget", {"monthly": "60"}, "the key 'monthly'. Did you mean monthly_usd?"),
        ("phases/staging/budget/monthly_usd", "-1", "budget.monthly_usd of phase staging in file is '-1'"),
        ("phases/staging/claim/statde", "1", "the key 'statde'. Did you mean stated?"),
        ("phases/staging/claim", {"stated": "1"}, "claim of phase staging in file has no 'unit'"),
        ("phases/staging/claim/stated", "nothing", "claim.stated of phase staging in file is 'nothing'"),
        ("phases/staging/claim/later", "x", "claim.later of phase staging in file is 'x'"),
        ("claims/free_cdn", None, "claim of claim free_cdn in file has no 'stated'"),
        ("claims/free_cdn/lines", [], "needs one of 'lines', 'item', or 'cheap' and 'dear'"),
        ("claims/provisioned_100_small/lines", [{"item": "x"}], "Line 1 of claim provisioned_100_small in file has no"),
    ],
)
def test_each_mistake_in_the_file_has_one_clear_error(place: str, value: t.Any, told: str) -> None:
    with pytest.raises(McpError) as caught:
        allocation.Allocation(change(place, value), "file")
    assert told in caught.value.message


def test_a_file_of_sizes_alone_is_enough_for_sizes() -> None:
    data = {"phases": {"staging": {"ec2": {"instance_type": "t3.micro"}}}}
    phase = allocation.Allocation(data, "file").phase("staging")
    assert (phase.usage, phase.budget, phase.claim, phase.lines()) == ({}, None, None, [])


def test_an_unknown_phase_is_named_with_the_nearest() -> None:
    with pytest.raises(McpError, match=r"phase 'grwoth' is not in .*Did you mean growth\?.*local, staging"):
        FILE.phase("grwoth")


@pytest.mark.parametrize("text", [None, "a: [", "- one", "", "sizes: {}"])
def test_a_file_that_is_none_names_the_variable(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "sizes.yaml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(McpError, match=r"-e mcp_sizes_file=FILE"):
        allocation.load(str(path))
