# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the environments of an account are estimated at together: what is always free, an account has only once."""

from __future__ import annotations

import datetime
import typing as t
from decimal import Decimal

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import McpError
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.cost_review_text import text_of
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.estimate_bill import Bill
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.price_book import PriceBook

Row = dict[str, t.Any]


def priced_again(estimates: list[Row], book: PriceBook, today: datetime.date) -> Decimal:
    """Return what estimates come to one after the other, each with what those before it left of what is free.

    :raises McpError: an estimate has an item or a region that is not in the price book
    """
    used: dict[str, Decimal] = {}
    total = Decimal(0)
    for estimate in estimates:
        bill = Bill(book, estimate["region"], today, used)
        for line in estimate["lines"]:
            bill.add(line["resource"], line["item"], Decimal(line["quantity"]), line["assumption"])
        used, total = bill.pools, total + bill.total("monthly")
    return total


def of_account(parts: list[Row], book: PriceBook, today: datetime.date) -> Row | None:
    """Return what the environments of one account come to alone and together; None where no two are estimated.

    ``overlap`` is by how much their own estimates are too low, because each takes what is free for itself.
    """
    estimates = [part["estimate"] for part in parts if (part.get("estimate") or {}).get("lines")]
    if len(estimates) < 2:
        return None
    try:
        whole = priced_again(estimates, book, today)
        alone = sum((priced_again([estimate], book, today) for estimate in estimates), Decimal(0))
    except McpError as error:
        return {"alone": None, "together": None, "overlap": None, "why": error.message}
    return {"alone": text_of(alone), "together": text_of(whole), "overlap": text_of(whole - alone), "why": ""}
