# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether AWS counts costs by a tag: until the tag is activated for cost allocation they are unknown, not nothing."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass
from datetime import date

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import Context, McpError
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.cost_answers import (
    NOT_GROUPED,
    Costs,
    activate_tag,
    keep_tag_status,
    tag_status,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.cost_cache import DayCache
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.cost_report import Question, amounts_of, sum_of
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.cost_requests import CostExplorer

WHY = {
    "inactive": "The tag {key} is not activated for cost allocation, so AWS does not count costs by it. Activate it "
    "with activate_tags: true (in playbooks: -e mcp_cost_activate_tags=true); data come within a day, from then on.",
    "activated": "The tag {key} was activated for cost allocation just now; data come within a day, from then on.",
    "not_listed": "AWS has not seen the tag {key} on anything that costs. It can be activated a day after a resource "
    "has it.",
    "active": "The tag {key} is activated for cost allocation, but no cost carries it yet: that takes up to a day, and "
    "costs from before are not counted by it.",
}
UNSEEN = (
    "No cost of the days asked for carries {key}={value} (there are: {there}). It is not deployed, was deployed today, "
    "or the name is misspelt."
)
SHOWN_VALUES = 8


@dataclass
class Tag:
    """What is known of a tag.

    :param values: what costs carry
    :param first_seen: the first day whose costs carry it
    :param why: why costs by it are not known; None where they are
    """

    status: str
    values: frozenset[str] = frozenset()
    first_seen: date | None = None
    why: str | None = None
    changed: bool = False

    def shown(self, question: Question) -> dict[str, t.Any]:
        """Return it as a result has it."""
        return {
            "key": question.tag_key,
            "value": question.tag_value,
            "status": self.status,
            "first_seen": self.first_seen.isoformat() if self.first_seen else None,
            "why": self.why,
        }


def seen(costs: Costs) -> tuple[frozenset[str], date | None]:
    """Return the tag's values that costs carry, and the first day of one."""
    if "tag" not in costs.keys:
        return frozenset(), None
    at = costs.keys.index("tag")
    days = {
        keys[at]: step.period.start
        for step in reversed(costs.steps)
        for keys in step.amounts
        if keys[at] not in ("", NOT_GROUPED)
    }
    return frozenset(days), min(days.values(), default=None)


def ask_status(explorer: CostExplorer, cache: DayCache, tag_key: str) -> Tag:
    """Ask AWS about a tag that no cost carries."""
    try:
        status = tag_status(explorer, cache, tag_key)
    except McpError as error:
        return Tag("unknown", why=f"No cost carries the tag {tag_key}, and AWS does not tell why: {error.message}")
    return Tag(status, why=WHY[status].format(key=tag_key))


def activated(ctx: Context, explorer: CostExplorer, cache: DayCache, tag_key: str) -> Tag:
    """Activate a tag."""
    if not ctx.check_mode:
        activate_tag(explorer, tag_key)
        keep_tag_status(cache, tag_key, "active")
    return Tag("active", why=WHY["activated"].format(key=tag_key), changed=True)


def look(ctx: Context, explorer: CostExplorer, cache: DayCache, costs: Costs, question: Question) -> Tag | None:
    """Return what is known of the tag, and activate it where that is wanted; None where it has no part in this."""
    if "tag" not in question.group_by and question.tag_value is None and not ctx.params["activate_tags"]:
        return None
    values, first_seen = seen(costs)
    if not values:
        tag = ask_status(explorer, cache, question.tag_key)
        if tag.status == "inactive" and ctx.params["activate_tags"]:
            return activated(ctx, explorer, cache, question.tag_key)
        return tag
    why = None
    if question.tag_value is not None and question.tag_value not in values:
        there = ", ".join(sorted(values)[:SHOWN_VALUES]) + (", ..." if len(values) > SHOWN_VALUES else "")
        why = UNSEEN.format(key=question.tag_key, value=question.tag_value, there=there)
    return Tag("active", values, first_seen, why)


def counted_late(costs: Costs, question: Question, tag: Tag) -> str | None:
    """Return a warning where costs of the period came before any was counted by the tag."""
    if tag.why or tag.first_seen is None or tag.first_seen <= question.period.start:
        return None
    early = [step for step in costs.steps if step.period.start < tag.first_seen]
    if not sum_of(amounts_of(early, question.period)):
        return None
    return (
        f"Costs carry the tag {question.tag_key} from {tag.first_seen} on only; what was spent from "
        f"{question.period.start} until then is not counted by it."
    )
