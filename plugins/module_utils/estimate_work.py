# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One estimate at work: what is wanted, what a month takes, the bill, and the bill of what is deployed."""

from __future__ import annotations

import datetime
import typing as t
from dataclasses import dataclass, field
from decimal import Decimal

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import (
    allocation,
    estimate_difference,
    estimate_measured,
    estimate_result,
    price_book,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import AWS_ERRORS, Context, McpError
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.estimate_amount import Usage
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.estimate_bill import Bill, add_lines
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.estimate_template import Resource, read_resources
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.estimate_types import add_resources
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.estimate_usage import pruned
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.template import read_text


@dataclass
class Work:
    """One estimate."""

    ctx: Context
    phase: allocation.Phase
    book: price_book.PriceBook
    today: datetime.date
    used: dict[str, Decimal]
    notes: list[str] = field(default_factory=list)

    def result(self) -> dict[str, t.Any]:
        """Return lines, totals and difference.

        :raises McpError: there is nothing to price, or no price for the region
        """
        params = self.ctx.params
        try:
            return self.priced()
        except McpError as error:
            if not params["allow_gaps"] or "region" not in error.details:
                raise
            return {**estimate_result.without_prices(self.book.as_of, error.message), "difference": None}

    def priced(self) -> dict[str, t.Any]:
        """Return it with prices."""
        params = self.ctx.params
        usage = self.usage()
        wanted = self.wanted()
        lines = self.phase.lines()
        if not wanted and not lines and self.phase.name != "local":
            raise McpError(
                f"stacks: phase {params['phase']} is estimated from its templates, and none of them are given. "
                f"Estimate it with its own inventory: playbooks/estimate.yml -i inventories/{self.phase.name}; or give "
                "a list of lines: -e mcp_estimate_lines=FILE (lines_file)."
            )
        everything = [item for resources in wanted.values() for item in resources]
        bill = self.bill(everything, usage, lines, params["beside"])
        result = estimate_result.priced(bill, params["account_plan"])
        return {**result, "difference": self.difference(bill, wanted, usage)}

    def usage(self) -> Usage:
        """Return what a month takes: as measured where that is asked for, and what was given goes before it."""
        params = self.ctx.params
        values, measured = pruned(self.phase.usage, params["usage"]), {}
        if params["usage_source"] == "cloudwatch":
            found, self.notes = estimate_measured.measured(self.ctx, self.today)
            fresh = {key: value for key, value in found.items() if key not in params["usage"]}
            values = {**pruned(values, fresh), **fresh}
            measured = dict.fromkeys(fresh, "measured")
        return Usage(values, measured)

    def wanted(self) -> dict[str, list[Resource]]:
        """Return the resources of the templates by layer."""
        found = {}
        for layer, stack in self.ctx.params["stacks"].items():
            if not isinstance(stack, dict) or not stack.get("template"):
                raise McpError(f"stacks: {layer} has no template. Give the path of its CloudFormation file.")
            path = stack["template"]
            found[layer] = read_resources(
                layer, read_text(path), path, stack.get("parameters") or {}, stack.get("literals") or {}, **self.how
            )
        return found

    @property
    def how(self) -> dict[str, t.Any]:
        """Return how templates are read."""
        return {"region": self.ctx.params["region"], "translate": self.ctx.params["translate"]}

    def bill(self, resources: list[Resource], usage: Usage, *lists: list[dict[str, t.Any]]) -> Bill:
        """Return the bill of resources, and of lists of lines beside them."""
        bill = Bill(self.book, self.ctx.params["region"], self.today, self.used)
        add_resources(bill, resources, usage)
        for lines in lists:
            add_lines(bill, lines)
        return bill

    def beside(self, there: bool) -> list[dict[str, t.Any]]:
        """Return what is beside the stacks by now: as much as is said, else all of it where there is anything."""
        given = self.ctx.params["beside"]
        return [
            {**line, "quantity": line["deployed"]} if "deployed" in line else line
            for line in given
            if there or "deployed" in line
        ]

    def difference(self, bill: Bill, wanted: dict[str, list[Resource]], usage: Usage) -> dict[str, t.Any] | None:
        """Return by how much the bill would change, None where nobody asks."""
        stacks = self.ctx.params["deployed"]
        if stacks is None or not wanted:
            return None
        if estimate_difference.unchanged(stacks, wanted) and self.beside(True) == self.ctx.params["beside"]:
            return estimate_difference.compared(bill, bill, estimate_difference.DEPLOYED)
        try:
            there = estimate_difference.deployed_resources(self.ctx, stacks, wanted, **self.how)
        except (*AWS_ERRORS, McpError) as error:
            return estimate_difference.not_compared(error)
        before = self.bill(there, usage, self.beside(bool(there)))
        against = estimate_difference.DEPLOYED if there or before.total("list") else estimate_difference.NOTHING
        return estimate_difference.compared(before, bill, against)
