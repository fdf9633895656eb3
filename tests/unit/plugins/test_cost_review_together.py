# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an account has free it has once: the review prices the environments of an account together."""

from __future__ import annotations

import typing as t
from decimal import Decimal

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import (
    cost_review_data,
    cost_review_page,
    cost_review_table,
)

from tests.support import cost_world
from tests.unit.plugins import estimate_world as world


def part(phase: str, **more: t.Any) -> dict[str, t.Any]:
    """Return what a host found out, with the estimate of our own templates."""
    found: dict[str, t.Any] = getattr(cost_world, phase)(estimate=world.estimated(phase), **more)
    return found


def review(*parts: dict[str, t.Any]) -> dict[str, t.Any]:
    """Return the review of these environments."""
    found: dict[str, t.Any] = cost_review_data.build(list(parts), [], cost_world.NOW, world.book())
    return found


def test_what_is_free_is_taken_once_in_an_account() -> None:
    [account] = review(part("staging"), part("production"))["accounts"]
    estimate = {key: Decimal(value) for key, value in account["estimate"].items() if key != "why"}
    alone = world.estimated("staging"), world.estimated("production")
    assert estimate["alone"] == sum(world.total(item) for item in alone)
    taken: dict[str, Decimal] = {}
    for item in alone:
        for free in item["allowances"]:
            # Each of them noted what it took, so the second one's own estimate could start from the first one's.
            taken[free["key"]] = taken.get(free["key"], Decimal(0)) + Decimal(free["used"])
    second = world.estimated("production", allowances_used={row["key"]: row["used"] for row in alone[0]["allowances"]})
    assert estimate["together"] == world.total(alone[0]) + world.total(second)
    amounts = {row["key"]: Decimal(row["amount"]) for item in alone for row in item["allowances"]}
    assert {key for key, used in taken.items() if used > amounts[key]} >= {"cloudwatch-alarms", "cloudwatch-metrics"}
    assert estimate["overlap"] == estimate["together"] - estimate["alone"] > 1


def test_alone_in_an_account_nothing_is_counted_twice() -> None:
    accounts = review(part("staging"), part("production", account="210987654321"))["accounts"]
    assert [account["estimate"] for account in accounts] == [None, None]


def test_an_estimate_with_other_prices_is_a_gap() -> None:
    found = review(part("staging"), cost_world.production())
    [account] = found["accounts"]
    assert account["estimate"]["together"] is None
    assert "estimate together" in [gap["what"] for gap in found["gaps"] if "no item 'all'" in gap["why"]]
    assert "unknown together" in "\n".join(cost_review_table.lines(found))


def test_the_page_and_the_table_say_so() -> None:
    found = review(part("staging"), part("production"))
    page, lines = cost_review_page.page(found), cost_review_table.lines(found)
    estimate = found["accounts"][0]["estimate"]
    for key in ("together", "overlap"):
        assert f'<data value="{estimate[key]}" data-at="/accounts/0/estimate/{key}">' in page
    [line] = [line for line in lines if line.startswith("  estimates: ")]
    assert f"${Decimal(estimate['overlap']):.2f} of what is free" in line
