# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/COSTS.md says what the code does: usage keys, options, playbooks, regions, states."""

from __future__ import annotations

import json
import re
from decimal import Decimal

import pytest
import yaml
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import (
    allocation,
    cost_review_page,
    estimate_amount,
    estimate_usage,
    price_book,
)

from tests.support.checkout import ROOT
from tests.unit.plugins import estimate_world

TEXT = (ROOT / "docs" / "COSTS.md").read_text(encoding="utf-8")
OPTIONS = yaml.safe_load((ROOT / "roles" / "preflight" / "meta" / "argument_specs.yml").read_text(encoding="utf-8"))


def rows(head: str) -> list[list[str]]:
    """Return the rows of the table with this head."""
    lines = TEXT[TEXT.index(head) :].splitlines()[2:]
    return [line.strip("| ").split(" | ") for line in lines[: lines.index("")]]


def table(head: str) -> dict[str, str]:
    """Return the first two columns of the table with this head."""
    return {row[0]: row[1] for row in rows(head)}


def same(told: str, monthly: Decimal) -> bool:
    """Say whether a figure of the text is that of the estimate, to the cent."""
    return Decimal(told) == Decimal(estimate_amount.cents(monthly))


@pytest.mark.parametrize(("phase", "told"), [(row[0], row[2]) for row in rows("| Phase | The project's brief said")])
def test_each_phase_costs_what_its_estimate_says(phase: str, told: str) -> None:
    monthly = estimate_world.total(estimate_world.estimated(phase.strip("`")))
    assert same(told, monthly), f"{phase} is estimated at {monthly:.2f}; bring docs/COSTS.md to that"


@pytest.mark.parametrize(("name", "told"), [row[:2] for row in rows("| List | Today |")])
def test_each_list_costs_what_its_estimate_says(name: str, told: str) -> None:
    name, _, usage = name.partition(", ")
    monthly = estimate_world.total(estimate_world.listed(name.strip("`"), **json.loads(usage.strip("`") or "{}")))
    assert same(told, monthly), f"{name} is estimated at {monthly:.2f}; bring docs/COSTS.md to that"


def test_what_24_dollars_keep_ready_is_what_the_price_book_says():
    claims = allocation.load(str(estimate_world.SIZES))
    bought = []
    for name in ("provisioned_100_small", "provisioned_100_large"):
        [line] = claims.claim_lines(name)
        one = line["quantity"] / 100 * estimate_world.price(line["item"])
        bought.append(int(Decimal(claims.claims[name]["stated"]) / one))
    small, large = bought
    assert f"buys {small} of the smallest functions or {large} of 512 MB" in TEXT


def test_every_usage_key_is_explained():
    explained = table("| Key | What it means |")
    assert {key.replace("\\*", "").strip(" `"): meaning for key, meaning in explained.items()} == estimate_usage.USAGE
    assert {key.split("`")[1] for key in explained if "*" in key} == set(estimate_usage.FOLLOWS_REQUESTS)


def test_every_option_exists():
    named = set(re.findall(r"\bmcp_[a-z_]+\b", TEXT)) - {"mcp_servers"}
    assert named - set(OPTIONS["argument_specs"]["main"]["options"]) == set()


def test_every_playbook_exists():
    for name in set(re.findall(r"playbooks/[a-z_]+\.yml", TEXT)):
        assert (ROOT / name).exists(), name


def test_every_region_with_prices_is_named():
    assert all(region in TEXT for region in price_book.REGIONS)


def test_every_state_of_a_review_is_explained():
    assert {key.strip("`") for key in table("| State of an environment | Means |")} == set(cost_review_page.STATES)
