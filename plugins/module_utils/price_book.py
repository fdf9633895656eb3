# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prices by item and region, each with its source, its date and the reasons to doubt it."""

from __future__ import annotations

import datetime
import os
import typing as t
from dataclasses import dataclass
from decimal import Decimal

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import price_book_file
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import McpError
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.options import closest
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.price_book_file import BASE, EVERYWHERE, REGIONS
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.price_book_text import decimal_text

__all__ = ["BASE", "REGIONS", "Allowance", "Item", "Price", "PriceBook", "load"]

STALE_DAYS = 90
OLD = f"older than {STALE_DAYS} days"
FROM_MEMORY = "from memory, not checked against AWS"


@dataclass(frozen=True)
class Allowance:
    """What an account has free each month, for ever.

    :param pool: items with the same pool share one amount
    :param amount: in ``unit``, which is also the unit of the items
    :param scope: what the amount is for
    """

    pool: str
    amount: Decimal
    unit: str
    scope: str
    note: str


@dataclass(frozen=True)
class Item:
    """One thing that is billed."""

    key: str
    unit: str
    allowance: Allowance | None
    note: str


@dataclass(frozen=True)
class Price:
    """What an item costs in a region.

    :param value: for one unit; with tiers the price of the first
    :param tiers: pairs of the quantity up to which a price holds (None: without end) and the price
    :param marks: why the price may be wrong
    """

    item: str
    region: str
    value: Decimal
    unit: str
    source: str
    as_of: str
    confidence: str
    marks: list[str]
    tiers: tuple[tuple[Decimal | None, Decimal], ...]
    allowance: Allowance | None


def tiers_of(entry: dict[str, t.Any], factor: Decimal) -> tuple[tuple[Decimal | None, Decimal], ...]:
    """Return an entry's prices by quantity; a price without tiers is one that holds without end."""
    steps = entry.get("tiers") or [{"value": entry["value"]}]
    return tuple(
        (Decimal(step["upto"]) if step.get("upto") else None, Decimal(decimal_text(Decimal(step["value"]) * factor)))
        for step in steps
    )


class PriceBook:
    """A price book that was validated when it was read."""

    def __init__(self, data: dict[str, t.Any]) -> None:
        self.data = data
        self.as_of: str = data["as_of"]
        allowances = {
            pool: Allowance(pool, Decimal(entry["amount"]), entry["unit"], entry["scope"], entry.get("note", ""))
            for pool, entry in data["allowances"].items()
        }
        self.items = {
            key: Item(key, entry["unit"], allowances.get(entry.get("allowance", "")), entry.get("note", ""))
            for key, entry in data["items"].items()
        }

    def has(self, item: str) -> bool:
        """Tell whether there is a price for an item."""
        return item in self.items

    def family(self, item: str) -> str | None:
        """Return the family that an item which is not in the book could be added to by its name."""
        return next((name for name in self.data["families"] if item.startswith(name + ".")), None)

    def allowance(self, item: str) -> Allowance | None:
        """Return what is free of an item for every account, each month.

        :raises McpError: there is no such item
        """
        return self._item(item).allowance

    def price(self, item: str, region: str, today: datetime.date) -> Price:
        """Return an item's price in a region.

        :raises McpError: there are no prices for the region, or there is no such item
        """
        found = self._item(item)
        if region not in REGIONS:
            raise McpError(
                f"There are no prices for region '{region}'.{closest(region, REGIONS)} The price book has "
                f"{', '.join(REGIONS)}. Estimate for one of them: -e mcp_region={BASE}",
                region=region,
            )
        prices = self.data["items"][item]["prices"]
        entry = prices.get(EVERYWHERE) or prices[region]
        factor, marks = Decimal(1), []
        source = confidence = ""
        if entry.get("derived"):
            rule = self.data["factors"][region]
            entry, factor = prices[BASE], Decimal(rule["factor"])
            marks.append(f"estimated by a regional factor ({rule['factor']} of {BASE})")
            source = f"{self.data['sources'][entry['source']]}; times {rule['factor']}: {rule['note']}"
            confidence = "C"
        if (today - datetime.date.fromisoformat(entry["as_of"])).days > STALE_DAYS:
            marks.insert(0, OLD)
        if entry["confidence"] == "M":
            marks.append(FROM_MEMORY)
        tiers = tiers_of(entry, factor)
        return Price(
            item=item,
            region=region,
            value=tiers[0][1],
            unit=found.unit,
            source=source or self.data["sources"][entry["source"]],
            as_of=entry["as_of"],
            confidence=max(confidence, entry["confidence"]),
            marks=marks,
            tiers=tiers,
            allowance=found.allowance,
        )

    def cost(self, item: str, region: str, quantity: Decimal, today: datetime.date) -> Decimal:
        """Return what a quantity costs, not rounded; what is free of it has to be taken off before.

        :raises McpError: there are no prices for the region, or there is no such item, or the quantity is negative
        """
        if quantity < 0:
            raise McpError(f"The quantity of {item} is {quantity}: allowed is a number from 0.")
        total, below = Decimal(0), Decimal(0)
        for upto, value in self.price(item, region, today).tiers:
            here = quantity if upto is None else min(quantity, upto)
            total += max(here - below, Decimal(0)) * value
            below = here
        return total

    def _item(self, item: str) -> Item:
        if item in self.items:
            return self.items[item]
        family = self.family(item)
        hint = closest(item, self.items)
        if family:
            hint += f" Add it with the module price_book: items=['{item}']."
        raise McpError(f"The price book has no item '{item}'.{hint}", item=item)


def load(path: str) -> PriceBook:
    """Read a price book and validate the whole of it.

    :raises McpError: it cannot be read, or something in it is wrong
    """
    data = price_book_file.read(os.path.expanduser(path), lookups=False)
    price_book_file.check(data, path)
    return PriceBook(data)
