# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The phases as they were counted by hand on 2026-11-22, before there was any code, and what the code makes of them.

``pytest -s`` prints every figure beside the code's, and what our templates have beyond those lists.
"""

from __future__ import annotations

import typing as t
from decimal import Decimal

import pytest

from tests.unit.plugins import estimate_world as world

ONE_PERCENT = Decimal("0.01")
Case = tuple[str, dict[str, t.Any], str]
# List, usage that differs, and the sum by hand.
FORCED: dict[str, Case] = {
    "staging": ("staging", {}, "52.70"),
    "staging, lean": ("staging-lean", {}, "25.36"),
    "staging, lean with a load balancer": ("staging-lean-alb", {}, "49.38"),
    "staging, lean in office hours": ("staging-lean", {"hours": 10 * 22}, "10.37"),
    "production, 500K requests": ("production", {}, "5.55"),
    "production, lean": ("production-lean", {}, "3.13"),
    "production, lean with 5 GB": ("production-lean", {"files_gb": 5}, "0.94"),
}
# By hand, with assumptions of which not all are written down: shown, not forced.
SHOWN: dict[str, Case] = {
    "production, 5M requests": ("production", {"requests": 5_000_000, "cdn_gb": 200}, "32.15"),
}
SCALE = {
    "EKS": (("cluster",), "73.00"),
    "nodes and disks": (("nodes", "nodes' disks"), "63.94"),
    "NAT, address, 50 GB": (("NAT gateway", "NAT gateway's address", "NAT gateway's traffic"), "38.75"),
    "load balancer and addresses": (("load balancer", "load balancer's work", "load balancer's addresses"), "24.31"),
    "Aurora": (("database", "database storage", "database I/O"), "47.80"),
    "cache": (("cache",), "11.68"),
}
REST = {"first region": "27.93", "second region": "3.50"}


def near(found: Decimal, by_hand: str) -> bool:
    """Tell whether a figure is within 1 % of the one by hand."""
    return abs(found - Decimal(by_hand)) <= Decimal(by_hand) * ONE_PERCENT


def show(what: str, found: Decimal, by_hand: str) -> None:
    """Print a figure beside the one by hand."""
    print(f"{what:<40} by hand {by_hand:>8}  here {found:>9.2f}  difference {found - Decimal(by_hand):+.2f}")


@pytest.mark.parametrize("case", FORCED)
def test_the_same_list_comes_to_the_same_sum(case: str) -> None:
    name, usage, by_hand = FORCED[case]
    found = world.total(world.listed(name, **usage))
    show(case, found, by_hand)
    assert near(found, by_hand)


def scale_sum(region: str, resources: tuple[str, ...] | None) -> Decimal:
    """Return what a region's resources cost in the scale phase; None: what no line by hand names."""
    named = {name for names, _by_hand in SCALE.values() for name in names}
    total = Decimal(0)
    for line in world.estimated("scale")["lines"]:
        name, _, group = line["resource"].partition(" (")
        group = group.rstrip(")") or "first region"
        if group == region and (name in resources if resources else name not in named):
            total += Decimal(line["monthly"])
    return total


@pytest.mark.parametrize("case", SCALE)
@pytest.mark.parametrize("region", REST)
def test_each_line_of_scale_is_that_by_hand(case: str, region: str) -> None:
    names, by_hand = SCALE[case]
    found = scale_sum(region, names)
    show(f"scale, {case}, {region}", found, by_hand)
    assert near(found, by_hand)


def test_every_other_figure_is_shown_beside_its_difference() -> None:
    for what, (name, usage, by_hand) in SHOWN.items():
        show(what, world.total(world.listed(name, **usage)), by_hand)
    lines = world.listed("staging")["lines"]
    without = [line for line in lines if "load balancer" not in line["resource"] and line["resource"] != "secret"]
    show("staging without its load balancer", sum((Decimal(line["monthly"]) for line in without), Decimal(0)), "28.28")
    show("growth", world.total(world.estimated("growth")), "85.33")
    for region, by_hand in REST.items():
        show(f"scale, logs/CDN/S3/secrets/KMS, {region}", scale_sum(region, None), by_hand)
    show("scale, two regions", world.total(world.estimated("scale")), "550")
    staging, production = (world.total(world.listed(name)) for name in ("staging", "production"))
    show("production cheaper than staging, %", (1 - production / staging) * 100, "89.5")
    show("break-even, M requests", break_even(staging), "7.3")


def break_even(staging: Decimal) -> Decimal:
    """Return at how many million requests production costs what staging does."""
    least, most = Decimal(0), Decimal(20)
    for _step in range(20):
        middle = (least + most) / 2
        costs = world.total(world.listed("production", requests=int(middle * 1_000_000)))
        least, most = (middle, most) if costs < staging else (least, middle)
    return least


# Item -> why our templates have it, where the list by hand does not, or has another amount.
STAGING_BEYOND = {
    "s3.standard": "state bucket with packages and records; the load balancer's access log",
    "s3.it.frequent": "files, kept for some days after they are deleted",
    "s3.it.monitoring": "files larger than 128 KB are watched",
    "s3.it.transition": "and moved once",
    "s3.put": "requests to the buckets; the access log is written every five minutes in each zone",
    "s3.get": "requests to the buckets",
    "secretsmanager.secret": "RDS keeps the administrator's password in a second one",
    "secretsmanager.calls": "servers read the secrets",
    "cloudwatch.alarm": "AWS makes two alarms of its own for target tracking, so that one is beyond the free ten",
    "data.cross_az": "between load balancer, servers and database",
    "ebs.gp3": "8 GB, the image's own size, instead of 20",
}
PRODUCTION_BEYOND = {
    "s3.standard": "state bucket; the files are in Intelligent-Tiering instead, at the same price",
    "s3.it.frequent": "files, and what is kept of them for some days after they are deleted",
    "s3.it.monitoring": "files larger than 128 KB are watched",
    "s3.it.transition": "and moved once",
    "s3.put": "requests to the state bucket",
    "s3.get": "requests to the state bucket",
    "secretsmanager.calls": "functions read the secrets again every minute",
}


@pytest.mark.parametrize(("phase", "beyond"), [("staging", STAGING_BEYOND), ("production", PRODUCTION_BEYOND)])
def test_what_our_templates_have_beyond_the_list_is_explained(phase: str, beyond: dict[str, str]) -> None:
    ours, by_hand = by_item(world.estimated(phase)), by_item(world.listed(phase))
    differing = {item for item in {*ours, *by_hand} if ours.get(item, Decimal(0)) != by_hand.get(item, Decimal(0))}
    for item in sorted(differing):
        here, there = ours.get(item, Decimal(0)), by_hand.get(item, Decimal(0))
        print(f"{phase:<11} {item:<24} {there:>7.2f} -> {here:>7.2f} {here - there:+.2f}  {beyond.get(item)}")
    print(f"{phase:<11} {'in all':<24} {sum(by_hand.values()):>7.2f} -> {sum(ours.values()):>7.2f}")
    assert differing <= set(beyond)


def by_item(estimate: dict[str, t.Any]) -> dict[str, Decimal]:
    """Return what an estimate comes to by item."""
    found: dict[str, Decimal] = {}
    for line in estimate["lines"]:
        found[line["item"]] = found.get(line["item"], Decimal(0)) + Decimal(line["monthly"])
    return {item: value for item, value in found.items() if value}


def test_credits_last_as_by_hand() -> None:
    plan = {"credits": {"amount": "200", "unit": "USD"}}
    found = world.estimated("staging", lines_file=str(world.LISTS / "staging.yaml"), account_plan=plan)
    assert abs(Decimal(found["totals"]["credits"]["runway_months"]) - Decimal("3.8")) <= Decimal("0.1")
