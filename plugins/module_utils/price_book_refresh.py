# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the prices of a price book again from AWS's price list; what is not found there keeps its price."""

from __future__ import annotations

import datetime
import os
import pathlib
import typing as t
from decimal import Decimal

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import price_book_file, price_list
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import Context, McpError
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.options import closest
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.price_book import BASE, REGIONS, PriceBook
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.price_book_file import EVERYWHERE
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.price_book_text import dump, text_of, write

ARGUMENT_SPEC: dict[str, t.Any] = {
    "path": {"type": "path", "required": True},
    "dest": {"type": "path"},
    "state": {"type": "str", "choices": ["refreshed", "checked"], "default": "refreshed"},
    "regions": {"type": "list", "elements": "str", "default": list(REGIONS)},
    "items": {"type": "list", "elements": "str", "default": []},
    "sandbox": {"type": "bool", "default": False},
}
SOURCE = "price-list"
SOURCE_TEXT = "AWS's price list, read with pricing:GetProducts"
NOT_AVAILABLE = "AWS's price list: not available on the emulator"


def today() -> datetime.date:
    """Return the date that a price read now is as of."""
    return datetime.datetime.now(datetime.UTC).date()


def check_regions(regions: list[str]) -> None:
    """:raises McpError: one of them has no place in a price book"""
    for region in regions:
        if region not in REGIONS:
            raise McpError(
                f"regions has '{region}'.{closest(region, REGIONS)} Allowed: {', '.join(REGIONS)}. "
                "For example: regions=['us-east-1']"
            )


def lookup_of(book: PriceBook, item: str) -> dict[str, t.Any] | None:
    """Return how AWS finds an item's price, None where it has to be looked up by hand."""
    lookups = book.data.get("lookups", {})
    if item in lookups:
        return t.cast(dict[str, t.Any], lookups[item])
    family = book.family(item)
    if family is None or f"{family}.*" not in lookups:
        return None
    name = item.removeprefix(family + ".")
    pattern = lookups[f"{family}.*"]
    filters = {field: value.replace("{name}", name) for field, value in pattern["filters"].items()}
    return {**pattern, "usagetype": pattern["usagetype"].replace("{name}", name), "filters": filters}


def entry_of(tiers: price_list.Tiers, date: datetime.date) -> dict[str, t.Any]:
    """Return a price as the book has it."""
    price: dict[str, t.Any] = {"value": tiers[0]["value"]} if len(tiers) == 1 else {"tiers": tiers}
    return {**price, "source": SOURCE, "as_of": date.isoformat(), "confidence": "A"}


def number_of(entry: dict[str, t.Any]) -> t.Any:
    """Return what of a price can differ; a derived one has no number of its own."""
    return [Decimal(entry["value"])] if "value" in entry else entry.get("tiers")


class Refresh:
    """One reading of the list: which prices differ, and which are not in it."""

    def __init__(self, ctx: Context, book: PriceBook, date: datetime.date) -> None:
        self.ctx, self.book, self.date = ctx, book, date
        self.differences: list[dict[str, t.Any]] = []
        self.not_found: list[dict[str, str]] = []
        self.by_hand: list[str] = []
        self.read = 0

    def add(self, item: str) -> None:
        """Make room for an item of a family that is not in the book yet; its price of us-east-1 comes next.

        :raises McpError: there is no such family, or us-east-1 is not asked
        """
        family = self.book.family(item)
        if family is None or lookup_of(self.book, item) is None:
            self.book.allowance(item)
            return
        if BASE not in self.ctx.params["regions"]:
            raise McpError(f"items has '{item}', which is new: regions must have {BASE}, which the others derive from.")
        prices: dict[str, t.Any] = {region: {"derived": True} for region in REGIONS}
        self.book.data["items"][item] = {"unit": self.book.data["families"][family], "prices": prices}

    def ask(self, item: str, region: str) -> None:
        """Read one price, and put it into the book where it is found."""
        lookup = lookup_of(self.book, item)
        entry = self.book.data["items"][item]
        client = self.ctx.client("pricing", price_list.ENDPOINT_REGION)
        tiers, why = price_list.find(client, t.cast(dict[str, t.Any], lookup), region, "allowance" in entry)
        if tiers is None:
            self.not_found.append({"item": item, "region": region, "why": why})
            return
        before, after = entry["prices"][region], entry_of(tiers, self.date)
        entry["prices"][region] = after
        self.read += 1
        if number_of(before) != number_of(after):
            self.differences.append({"item": item, "region": region, "before": before, "after": after})

    def all(self, items: list[str]) -> None:
        """Read the prices of some items, or of all."""
        data = self.book.data
        new = [item for item in items if item not in data["items"]]
        for item in new:
            self.add(item)
        wanted = items or list(data["items"])
        self.by_hand = [item for item in wanted if lookup_of(self.book, item) is None]
        asked = [item for item in wanted if item not in self.by_hand]
        for region in (*self.ctx.params["regions"], EVERYWHERE):
            here = [item for item in asked if (EVERYWHERE in data["items"][item]["prices"]) == (region == EVERYWHERE)]
            if here:
                self.ctx.progress(f"asking AWS for {len(here)} prices ({region})")
            for item in here:
                self.ask(item, region)
        for item in new:
            if data["items"][item]["prices"][BASE] == {"derived": True}:
                del data["items"][item]
                self.differences = [entry for entry in self.differences if entry["item"] != item]
        if self.read:
            data["sources"][SOURCE] = SOURCE_TEXT
            data["as_of"] = self.date.isoformat()


def doubts(book: PriceBook, date: datetime.date) -> list[dict[str, t.Any]]:
    """Return the prices that an estimate would mark, and why."""
    found = []
    for item in book.items:
        for region in REGIONS:
            marks = book.price(item, region, date).marks
            if marks:
                found.append({"item": item, "region": region, "marks": marks})
    return found


def refresh(ctx: Context, book: PriceBook, dest: pathlib.Path, date: datetime.date) -> dict[str, t.Any]:
    """Read the prices again, and write the book where it is to be."""
    work = Refresh(ctx, book, date)
    work.all(ctx.params["items"])
    price_book_file.check(book.data, ctx.params["path"])
    before = text_of(dest)
    # Without a price from AWS the file stays as somebody wrote it.
    after = dump(book.data) if work.read or not before else before
    result = {
        "changed": before != after,
        "differences": work.differences,
        "read": work.read,
        "not_found": work.not_found,
        "by_hand": work.by_hand,
    }
    if ctx.diff_mode and before != after:
        result["diff"] = [{"before": before, "after": after, "before_header": str(dest), "after_header": str(dest)}]
    if before != after and not ctx.check_mode:
        write(dest, after)
    return result


def run(ctx: Context) -> dict[str, t.Any]:
    """Validate the book, and read its prices again where that is wanted.

    :raises McpError: something in the book or an option is wrong, or it cannot be written
    """
    check_regions(ctx.params["regions"])
    path = os.path.expanduser(ctx.params["path"])
    dest = pathlib.Path(os.path.expanduser(ctx.params["dest"] or path))
    data = price_book_file.read(path)
    price_book_file.check(data, path)
    date = today()
    result: dict[str, t.Any] = {"changed": False}
    if ctx.params["state"] == "refreshed" and ctx.params["sandbox"]:
        result["not_available"] = [NOT_AVAILABLE]
    elif ctx.params["state"] == "refreshed":
        result.update(refresh(ctx, PriceBook(data), dest, date))
    book = PriceBook(data)
    return {**result, "path": str(dest), "as_of": book.as_of, "count": len(book.items), "doubts": doubts(book, date)}
