# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the cost review of several environments: JSON, a page for a browser, and a table."""

from __future__ import annotations

import datetime
import typing as t
from pathlib import Path

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import (
    allocation,
    cost_review_claims,
    estimate,
    price_book,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import Context, McpError
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.cost_review_data import build
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.cost_review_page import page
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.cost_review_table import lines
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.report import write_json, write_text

ENVIRONMENT: dict[str, t.Any] = {
    "environment": {"type": "str", "required": True},
    "phase": {"type": "str"},
    "region": {"type": "str"},
    "account": {"type": "str"},
    "sandbox": {"type": "bool", "default": False},
    "budget_usd": {"type": "str"},
    "account_budget_usd": {"type": "str"},
    "estimate": {"type": "dict"},
    "own": {"type": "dict"},
    "costs": {"type": "list", "elements": "dict", "default": []},
    "free_tier": {"type": "dict"},
    "budgets": {"type": "list", "elements": "dict", "default": []},
    "budgets_why": {"type": "str"},
    "failure": {"type": "str"},
}
ARGUMENT_SPEC: dict[str, t.Any] = {
    "environments": {"type": "list", "elements": "dict", "required": True, "options": ENVIRONMENT},
    "allocation": {"type": "path", "required": True},
    "price_book": {"type": "path", "required": True},
    "directory": {"type": "path", "required": True},
    "name": {"type": "str", "default": "cost_review"},
}
Row = dict[str, t.Any]


def from_lists(ctx: Context, file: allocation.Allocation) -> dict[str, Row]:
    """Return an estimate of each phase that the allocation file lists line by line; nobody is asked."""
    defaults = {name: option.get("default") for name, option in estimate.ARGUMENT_SPEC.items()}
    files = {key: ctx.params[key] for key in ("allocation", "price_book")}
    found = {}
    for name in (name for name, phase in file.phases.items() if phase.raw_lines is not None):
        params = {**defaults, **files, "phase": name, "region": price_book.BASE}
        found[name] = estimate.run(Context(params=params, make_client=ctx.make_client))["estimate"]
    return found


def by_phase(parts: list[Row], lists: dict[str, Row]) -> dict[str, Row]:
    """Return an estimate of each phase: of the first environment that has one, else that of its list."""
    own = {part["phase"]: part["estimate"] for part in reversed(parts) if part["estimate"]}
    found = {**lists, **own}
    return {phase: found[phase] for phase in allocation.PHASES if phase in found}


def promised(
    file: allocation.Allocation, estimates: dict[str, Row], book: price_book.PriceBook, today: datetime.date
) -> list[Row]:
    """Return the brief's claims beside what is true."""
    where = {"region": price_book.BASE, "today": today}
    found = cost_review_claims.of_phases(estimates)
    for name, told in file.claims.items():
        found.append(cost_review_claims.of_brief(told, file.claim_lines(name), estimates, book, where))
    return found


def run(ctx: Context) -> dict[str, t.Any]:
    """Build the review, write it, and show it.

    :raises McpError: it cannot be written
    """
    now, parts = datetime.datetime.now(datetime.UTC), ctx.params["environments"]
    file = allocation.load(ctx.params["allocation"])
    lists = from_lists(ctx, file)
    for part in parts:
        part["estimate"] = part["estimate"] or lists.get(part["phase"])
    book = price_book.load(ctx.params["price_book"])
    review = build(parts, promised(file, by_phase(parts, lists), book, now.date()), now, book)
    path = Path(ctx.params["directory"]) / f"{ctx.params['name']}.json"
    if not ctx.check_mode:
        try:
            write_json(path, review)
            write_text(path.with_suffix(".html"), page(review))
        except OSError as error:
            raise McpError(
                f"mcp_report_dir: {path} cannot be written: {error}. Choose another folder: -e mcp_report_dir=..."
            ) from error
    for line in lines(review):
        ctx.progress(line)
    if not ctx.check_mode:
        ctx.progress(f"page:      {path.with_suffix('.html')}")
    return {"changed": False, "review": review, "path": str(path), "page": str(path.with_suffix(".html"))}
