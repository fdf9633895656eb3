# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cost review of what Cost Explorer really answers: one paid request for all of it. Figures are computed by hand."""

from __future__ import annotations

import typing as t
from decimal import Decimal

import pytest
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import cost_review_data, cost_review_spend

from tests.support import cost_world
from tests.unit.plugins.cost_explorer_world import CLOUDWATCH, LAMBDA, RDS, World, by_day, untagged
from tests.unit.plugins.test_free_tier import World as FreeTier
from tests.unit.plugins.test_free_tier import usage

PRESETS = ("month_to_date", "trailing_30", "trailing_7")


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch)


def review(
    world: World,
    *names: str,
    always: t.Callable[[], None] = lambda: None,
    then: t.Callable[[], None] = lambda: None,
) -> dict[str, t.Any]:
    """Ask as the playbook does, and build the review.

    :param always: what is expected before each question
    :param then: what is expected before the first question of an environment about itself
    """
    costs = []
    for preset in PRESETS:
        always()
        costs.append({**world.run(preset=preset, unavailable="mark"), "item": preset})
    parts: list[dict[str, t.Any]] = []
    for name in names or ("staging", "production"):
        always()
        if not parts:
            then()
        own = world.run(preset="month_to_date", tag_value=name, unavailable="mark")
        speaks = {"costs": [], "free_tier": {"skipped": True}} if parts else {"costs": costs, "free_tier": free_tier()}
        parts.append({**getattr(cost_world, name)(), "own": own, **speaks})
    return cost_review_data.build(parts, [], cost_world.NOW)


def free_tier() -> dict[str, t.Any]:
    """Ask for the free tier."""
    asked = FreeTier()
    asked.expect_plan()
    asked.expect_usage(usage(310000.0, 400000.0, 420000.0, unit="Second"))
    return asked.run(unavailable="mark")


def test_two_environments_are_reviewed_for_a_cent(world: World) -> None:
    world.expect(by_day())
    found = review(world)
    assert found["api"] == {"calls": 1, "cost_usd": "0.01"}
    staging, production = found["environments"]
    # 22 days of November: 1.20 for staging's database, 0.10 for production's function, 0.05 without a tag.
    assert (staging["month_to_date"], production["month_to_date"]) == ("26.4", "2.2")
    [account] = found["accounts"]
    assert account["month_to_date"] == "29.7" and len(account["days"]) == 30
    assert {item["service"] for item in account["services"]} == {LAMBDA, RDS, CLOUDWATCH}
    assert sum(Decimal(day["total"]) for day in account["days"]) == sum(
        Decimal(item["amount"]) for item in account["services"]
    )
    assert Decimal(staging["forecast"]["amount"]) == Decimal("1.20") * 30


def test_a_plan_is_shown_where_the_offers_are_denied(world: World) -> None:
    """Two rights, of which one may be missing."""
    asked = FreeTier()
    asked.expect_plan()
    asked.fail("get_free_tier_usage", "AccessDeniedException")
    row = cost_review_spend.account_row(
        "123456789012", [{"environment": "staging", "costs": [], "free_tier": asked.run(unavailable="mark")}]
    )
    assert row["free_tier"]["plan"]["type"] == "FREE" and row["free_tier"]["offers"] == []
    assert any("freetier:GetFreeTierUsage" in gap["why"] for gap in row["gaps"] if gap["what"] == "free tier")


def test_the_free_tier_of_an_account_has_its_plan_and_bars(world: World) -> None:
    world.expect(by_day())
    tier = review(world)["accounts"][0]["free_tier"]
    assert (tier["plan"]["type"], tier["plan"]["credits"]["amount"]) == ("FREE", "87.5")
    assert (tier["offers"][0]["used"], tier["offers"][0]["limit"]) == ("310000", "400000")


def test_an_account_that_does_not_count_by_the_tag_knows_its_own_sum_alone(world: World) -> None:
    world.expect(by_day(untagged))
    found = review(world, then=lambda: world.expect_tag("Inactive"))
    assert {row["month_to_date"] for row in found["environments"]} == {None}
    assert {row["state"] for row in found["environments"]} == {"unknown"}
    assert found["accounts"][0]["month_to_date"] == "29.7"
    assert any("mcp:environment" in gap["why"] for gap in found["gaps"] if gap["where"] == "staging")


def test_an_account_that_may_not_be_asked_is_all_gaps(world: World) -> None:
    found = review(world, "staging", always=lambda: world.fail("get_cost_and_usage", "AccessDeniedException"))
    assert found["environments"][0]["month_to_date"] is None and found["accounts"][0]["movers"] is None
    assert any("ce:GetCostAndUsage" in gap["why"] for gap in found["gaps"])


def test_in_the_sandbox_nobody_is_asked(world: World) -> None:
    results = [{**world.run(preset=preset, sandbox=True, unavailable="mark"), "item": preset} for preset in PRESETS]
    own = world.run(tag_value="staging", sandbox=True, unavailable="mark")
    part = cost_world.staging(
        sandbox=True, costs=results, own=own, free_tier=FreeTier().run(sandbox=True, unavailable="mark")
    )
    found = cost_review_data.build([part], [], cost_world.NOW)
    assert {gap["why"] for gap in found["gaps"]} == {"not available on the emulator"}
