# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Cost Explorer answers, page after page, as plain data that a cache keeps: costs, tags, services, anomalies."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import McpError
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.cost_cache import DayCache
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.cost_periods import DAY, Period
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.cost_requests import (
    INVALID,
    CostExplorer,
    CostsUnknown,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.estimate_amount import plain

METRIC = "UnblendedCost"
DIMENSIONS = {"service": "SERVICE", "usage_type": "USAGE_TYPE", "account": "LINKED_ACCOUNT"}
# Two can be asked for in one request, and that answers every report by one of them or both.
STANDARD = ("service", "tag")
# An answer without groups says only how much.
NOT_GROUPED = "(not grouped)"

Keys = tuple[str, ...]


@dataclass
class Step:
    """The costs of a day or a month."""

    period: Period
    amounts: dict[Keys, Decimal] = field(default_factory=dict)

    def add(self, keys: Keys, amount: Decimal) -> None:
        """Add to one group: pages may cut a day in two."""
        self.amounts[keys] = self.amounts.get(keys, Decimal()) + amount


@dataclass
class Costs:
    """An answer.

    :param keys: what it is grouped by
    :param names: what AWS calls a value, such as an account's id
    """

    keys: Keys
    steps: list[Step]
    currency: str
    names: dict[str, str]


def grouping(keys: Keys, tag_key: str) -> list[dict[str, str]]:
    """Return what a request groups by."""
    return [
        {"Type": "TAG", "Key": tag_key} if key == "tag" else {"Type": "DIMENSION", "Key": DIMENSIONS[key]}
        for key in keys
    ]


def value_of(key: str, text: str, tag_key: str) -> str:
    """Return a group's value; AWS writes a tag as ``key$value``."""
    return text.removeprefix(tag_key + "$") if key == "tag" else text


def groups_of(result: dict[str, t.Any], keys: Keys, tag_key: str) -> t.Iterator[tuple[Keys, dict[str, str]]]:
    """Yield the groups of a day with amount and unit."""
    for group in result.get("Groups") or []:
        values = tuple(value_of(key, text, tag_key) for key, text in zip(keys, group["Keys"], strict=True))
        yield values, group["Metrics"][METRIC]
    if not result.get("Groups") and METRIC in (result.get("Total") or {}):
        yield (NOT_GROUPED,) * len(keys), result["Total"][METRIC]


def ask_costs(explorer: CostExplorer, keys: Keys, tag_key: str, request: dict[str, t.Any]) -> dict[str, t.Any]:
    """Ask for costs and return them as they are cached.

    :raises CostsUnknown: AWS answers without a single day, or in several currencies
    """
    steps: dict[str, Step] = {}
    units: set[str] = set()
    names: dict[str, str] = {}
    for page in explorer.pages("get_cost_and_usage", **request):
        for result in page.get("ResultsByTime", []):
            start, end = (date.fromisoformat(result["TimePeriod"][edge]) for edge in ("Start", "End"))
            step = steps.setdefault(start.isoformat(), Step(Period(start, end - DAY)))
            for values, metric in groups_of(result, keys, tag_key):
                step.add(values, Decimal(metric["Amount"]))
                units.add(metric.get("Unit", "USD"))
        for item in page.get("DimensionValueAttributes", []):
            if "description" in item.get("Attributes", {}):
                names[item["Value"]] = item["Attributes"]["description"]
    if not steps:
        raise CostsUnknown("Cost Explorer answered without a single day. Try again tomorrow.", error_code="NoData")
    if len(units) > 1:
        why = f"Cost Explorer answered in several currencies ({', '.join(sorted(units))})."
        raise CostsUnknown(why, error_code="SeveralCurrencies")
    return {
        "currency": next(iter(units), "USD"),
        "names": names,
        "steps": [
            {
                **step.period.shown(),
                "amounts": [[list(values), plain(amount)] for values, amount in step.amounts.items()],
            }
            for _start, step in sorted(steps.items())
        ],
    }


def asks_for_no_tag(error: McpError) -> bool:
    """Tell whether AWS takes a request without the tag, which it may not know yet."""
    return error.details.get("error_code") in INVALID and "tag" in error.message.lower()


def ask_standard(explorer: CostExplorer, tag_key: str, request: dict[str, t.Any]) -> dict[str, t.Any]:
    """Ask for costs by service and tag; where that shows none at all, by service alone.

    A tag that AWS does not know must not hide what was spent.
    """
    try:
        answer = ask_costs(explorer, STANDARD, tag_key, request)
        if any(step["amounts"] for step in answer["steps"]):
            return answer
    except McpError as error:
        if not asks_for_no_tag(error):
            raise
    alone = STANDARD[:1]
    answer = ask_costs(explorer, alone, tag_key, {**request, "GroupBy": grouping(alone, tag_key)})
    for step in answer["steps"]:
        step["amounts"] = [[[*values, ""], amount] for values, amount in step["amounts"]]
    return answer


def read_costs(keys: Keys, answer: dict[str, t.Any]) -> Costs:
    """Return costs as they were cached."""
    steps = [
        Step(
            Period(date.fromisoformat(step["start"]), date.fromisoformat(step["end"])),
            {tuple(values): Decimal(amount) for values, amount in step["amounts"]},
        )
        for step in answer["steps"]
    ]
    return Costs(keys, steps, answer["currency"], answer["names"])


def tag_request(tag_key: str) -> dict[str, t.Any]:
    """Return what asks about a cost allocation tag."""
    return {"TagKeys": [tag_key], "Type": "UserDefined"}


def tag_status(explorer: CostExplorer, cache: DayCache, tag_key: str) -> str:
    """Return what AWS says of a cost allocation tag: active, inactive or not_listed."""
    request = tag_request(tag_key)

    def ask() -> str:
        pages = explorer.pages("list_cost_allocation_tags", **request)
        found = [tag["Status"].lower() for page in pages for tag in page["CostAllocationTags"]]
        return found[0] if found else "not_listed"

    return str(cache.answer({"operation": "tag_status", **request}, ask)[0])


def keep_tag_status(cache: DayCache, tag_key: str, status: str) -> None:
    """Let the rest of the day know what a tag is now."""
    cache.keep({"operation": "tag_status", **tag_request(tag_key)}, status)


def activate_tag(explorer: CostExplorer, tag_key: str) -> None:
    """Let AWS count costs by a tag from now on.

    :raises McpError: it does not
    """
    wanted = [{"TagKey": tag_key, "Status": "Active"}]
    answer = explorer.ask("update_cost_allocation_tags_status", CostAllocationTagsStatus=wanted)
    for error in answer.get("Errors", []):
        raise McpError(
            f"tag_key is '{tag_key}', and AWS does not activate it for cost allocation: {error.get('Message')} "
            f"({error.get('Code')}). Try again a day after resources got the tag.",
            error_code=error.get("Code"),
        )


def known_services(explorer: CostExplorer, cache: DayCache, period: Period) -> set[str]:
    """Return the names of all services that the account used."""
    request = {"TimePeriod": period.request(), "Dimension": "SERVICE"}

    def ask() -> list[str]:
        pages = explorer.pages("get_dimension_values", **request)
        return sorted({item["Value"] for page in pages for item in page["DimensionValues"]})

    return set(cache.answer({"operation": "services", **request}, ask)[0])
