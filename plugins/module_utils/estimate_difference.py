# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""By how much a month's bill would change: what is wanted against what is deployed."""

from __future__ import annotations

import json
import typing as t
from decimal import Decimal

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import (
    AWS_ERRORS,
    Context,
    describe_aws_error,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.estimate_amount import cents, plain, signed
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.estimate_bill import Bill
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.estimate_template import Resource, read_resources

DEPLOYED, NOTHING = "deployed", "nothing is deployed"
# Of a stack that has no resources.
EMPTY = (None, "ABSENT", "REVIEW_IN_PROGRESS", "ROLLBACK_COMPLETE", "DELETE_COMPLETE")
Rows = dict[tuple[str, str], Decimal]


def deployed_resources(
    ctx: Context, stacks: dict[str, dict[str, t.Any]], wanted: dict[str, list[Resource]], **how: t.Any
) -> list[Resource]:
    """Return the resources that are deployed; of a stack that stays as it is they are those that are wanted.

    :param stacks: what is known of the stacks, by layer
    :raises McpError: a deployed template is none that can be read
    """
    found: list[Resource] = []
    for layer, resources in wanted.items():
        stack = stacks.get(layer) or {}
        if stack.get("status") in EMPTY:
            continue
        if not stack.get("planned"):
            found += resources
            continue
        answer = ctx.client("cloudformation").get_template(StackName=stack["name"], TemplateStage="Processed")
        body = answer["TemplateBody"]
        text = body if isinstance(body, str) else json.dumps(body)
        there = read_resources(layer, text, stack["name"], stack.get("parameters") or {}, {}, **how)
        found += in_order_of(resources, there)
    return found


def in_order_of(resources: list[Resource], others: list[Resource]) -> list[Resource]:
    """Return others in the order of resources: AWS changes that of a template, and the first take what is free."""
    place = {resource.logical_id: number for number, resource in enumerate(resources)}
    return sorted(others, key=lambda item: (place.get(item.logical_id, len(place)), item.logical_id))


def unchanged(stacks: dict[str, dict[str, t.Any]], wanted: dict[str, list[Resource]]) -> bool:
    """Tell whether every stack is there and stays as it is."""
    known = [stacks.get(layer) or {} for layer in wanted]
    return all(stack.get("status") not in EMPTY and not stack.get("planned") for stack in known)


def rows(bill: Bill) -> Rows:
    """Return what each resource costs by item."""
    found: Rows = {}
    for line in bill.lines:
        key = (line["resource"], line["item"])
        found[key] = found.get(key, Decimal(0)) + Decimal(line["monthly"])
    return found


def compared(before: Bill, after: Bill, against: str) -> dict[str, t.Any]:
    """Return how two bills differ, line by line."""
    old, new = rows(before), rows(after)
    keys = list(new) + [key for key in old if key not in new]
    lines = [
        {
            "resource": resource,
            "item": item,
            "before": plain(old.get((resource, item), Decimal(0))),
            "after": plain(new.get((resource, item), Decimal(0))),
            "monthly": signed(new.get((resource, item), Decimal(0)) - old.get((resource, item), Decimal(0))),
        }
        for resource, item in keys
        if old.get((resource, item), Decimal(0)) != new.get((resource, item), Decimal(0))
    ]
    return {
        "against": against,
        "before": plain(before.total("monthly")),
        "after": plain(after.total("monthly")),
        "monthly": signed(after.total("monthly") - before.total("monthly")),
        "lines": lines,
        "unpriced": [item for item in after.unpriced if item not in before.unpriced]
        + [item for item in before.unpriced if item not in after.unpriced],
    }


def not_compared(error: Exception) -> dict[str, t.Any]:
    """Return a difference that is not known, because AWS did not show what is deployed."""
    why = describe_aws_error(error) if isinstance(error, AWS_ERRORS) else str(error)
    return {
        "against": DEPLOYED,
        "before": None,
        "after": None,
        "monthly": None,
        "lines": [],
        "unpriced": [],
        "why": why,
    }


def diff_lines(name: str, difference: dict[str, t.Any]) -> list[str]:
    """Return a difference, as far as it is known, for ``--diff``."""
    lines = [f"monthly cost of {name}, USD"]
    for line in difference["lines"]:
        before, after = cents(Decimal(line["before"])), cents(Decimal(line["after"]))
        lines.append(f"  {line['resource']} {line['item']}: {before} -> {after}")
    lines += [f"  {item['resource']} ({item['type']}): unknown, {item['why']}" for item in difference["unpriced"]]
    total = Decimal(difference["monthly"])
    sign = "+" if total > 0 else ""
    lines.append(
        f"  in all: {cents(Decimal(difference['before']))} -> {cents(Decimal(difference['after']))} "
        f"({sign}{cents(total)} a month)"
    )
    return lines
