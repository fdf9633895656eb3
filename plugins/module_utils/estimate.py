# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Estimate what an environment costs in a month, from its templates or from a list, without asking AWS for prices."""

from __future__ import annotations

import datetime
import typing as t
from decimal import Decimal
from pathlib import Path

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import (
    allocation,
    estimate_difference,
    estimate_list,
    estimate_result,
    price_book,
    report_money,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import Context, McpError
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.estimate_amount import plain
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.estimate_bill import amount_of
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.estimate_work import Work
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.options import closest
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.report import write_json

ARGUMENT_SPEC: dict[str, t.Any] = {
    "phase": {"type": "str", "required": True},
    "environment": {"type": "str"},
    "allocation": {"type": "path", "required": True},
    "price_book": {"type": "path", "required": True},
    "stacks": {"type": "dict", "default": {}},
    "lines_file": {"type": "path"},
    "beside": {"type": "list", "elements": "dict", "default": []},
    "usage": {"type": "dict", "default": {}},
    "usage_source": {"type": "str", "default": "file", "choices": ["file", "cloudwatch"]},
    "outputs": {"type": "dict", "default": {}},
    "sandbox": {"type": "bool", "default": False},
    "deployed": {"type": "dict"},
    "account_plan": {"type": "dict", "default": {}},
    "allowances_used": {"type": "dict", "default": {}},
    "translate": {"type": "bool", "default": False},
    "allow_gaps": {"type": "bool", "default": False},
    "path": {"type": "path"},
    "today": {"type": "str"},
}


def run(ctx: Context) -> dict[str, t.Any]:
    """Estimate, compare with what is deployed, and write the file.

    :raises McpError: an input is wrong, or there are no prices for the region
    """
    params = ctx.params
    if not params["region"]:
        raise McpError("region is not set: allowed is one that the price book has, such as us-east-1. Set mcp_region.")
    phase = allocation.load(params["allocation"]).phase(params["phase"])
    if params["lines_file"]:
        phase = estimate_list.with_list(phase, params["lines_file"])
    phase = phase.with_usage(params["usage"])
    book = price_book.load(params["price_book"])
    work = Work(ctx=ctx, phase=phase, book=book, today=day_of(params["today"]), used=used_of(params, book))
    result = work.result()
    monthly = result["totals"]["always_free"]
    estimate = {
        "phase": params["phase"],
        "environment": params["environment"] or params["phase"],
        "region": params["region"],
        "currency": "USD",
        "usage_source": params["usage_source"],
        "usage_notes": work.notes,
        **result,
        "claim": estimate_result.judged(
            phase.claim, None if monthly is None else Decimal(monthly), not result["unpriced"]
        ),
        "budget": None if phase.budget is None else {"monthly_usd": plain(phase.budget)},
    }
    return finished(ctx, estimate)


def used_of(params: dict[str, t.Any], book: price_book.PriceBook) -> dict[str, Decimal]:
    """Return what others take of what is always free.

    :raises McpError: the price book has no such allowance, or it is no number of at least 0
    """
    known = {item.allowance.pool for item in book.items.values() if item.allowance}
    for name in params["allowances_used"]:
        if name not in known:
            raise McpError(
                f"allowances_used: {name} is no allowance of the price book.{closest(name, known)} "
                f"Allowed are: {', '.join(sorted(known))}."
            )
    return {name: amount_of(value, f"allowances_used: {name}") for name, value in params["allowances_used"].items()}


def day_of(text: str | None) -> datetime.date:
    """Return the day of an estimate.

    :raises McpError: it is no date
    """
    if not text:
        return datetime.datetime.now(datetime.UTC).date()
    try:
        return datetime.date.fromisoformat(text)
    except ValueError as error:
        raise McpError(f"today is '{text}': allowed is a date such as 2026-11-22.") from error


def finished(ctx: Context, estimate: dict[str, t.Any]) -> dict[str, t.Any]:
    """Write and show an estimate.

    :raises McpError: the file cannot be written
    """
    path, difference = ctx.params["path"], estimate["difference"]
    result = {"changed": False, "estimate": estimate}
    if path:
        for line in report_money.table(estimate):
            ctx.progress(line)
        result["path"] = path
        if not ctx.check_mode:
            try:
                write_json(Path(path), estimate)
            except OSError as error:
                raise McpError(f"path: {path} cannot be written: {error}. Choose another folder.") from error
            ctx.progress(f"report:    {path}")
    if ctx.diff_mode and difference and difference["monthly"] and (difference["lines"] or difference["unpriced"]):
        # As lines of progress: Ansible shows a diff of a changed task only.
        for line in estimate_difference.diff_lines(estimate["environment"], difference):
            ctx.progress(line)
    return result
