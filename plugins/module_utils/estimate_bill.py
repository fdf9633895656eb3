# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A month's bill: lines with their prices, and what an account has free taken off once."""

from __future__ import annotations

import datetime
import re
import typing as t
from decimal import ROUND_HALF_UP, Decimal

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import McpError
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.estimate_amount import Amount, plain, rounded
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.options import quantity_of
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.price_book import Price, PriceBook

PIECES = re.compile(r"(\d+)([KM]?) ")
# Less than a millionth of a dollar of anything.
FINEST = Decimal("0.000000001")
THOUSANDS = {"": 1, "K": 1000, "M": 1_000_000}
FALLS = "the price falls with the quantity; this is the first tier's"

Line = dict[str, t.Any]


def pieces(unit: str) -> Decimal:
    """Return how many single pieces a unit of the price book is: ``1M requests`` is a million."""
    found = PIECES.match(unit)
    return Decimal(int(found[1]) * THOUSANDS[found[2]]) if found else Decimal(1)


class Bill:
    """Adds up what an environment costs, at the prices of one region.

    :param used: what other environments of the account take of its free amounts, by pool
    """

    def __init__(
        self, book: PriceBook, region: str, today: datetime.date, used: dict[str, Decimal] | None = None
    ) -> None:
        self.book, self.region, self.today = book, region, today
        self.lines: list[Line] = []
        self.unpriced: list[dict[str, str]] = []
        self.free: list[dict[str, str]] = []
        self.pools: dict[str, Decimal] = dict(used or {})
        # Tiers count over the whole account: by item, with and without what is free.
        self.counted: dict[str, list[Decimal]] = {}

    def miss(self, resource: str, kind: str, why: str) -> None:
        """Note what is billed but not known."""
        self.unpriced.append({"resource": resource, "type": kind, "why": why})

    def count(self, resource: str, kind: str, item: str, amount: Amount) -> None:
        """Add an amount in single pieces; what is not known of it is noted."""
        if amount.value is None:
            self.miss(resource, kind, f"{item}: {amount.why}")
        elif not self.book.has(item):
            hint = f": add it with the module price_book: items=['{item}']" if self.book.family(item) else ""
            self.miss(resource, kind, f"the price book has no item {item}{hint}")
        else:
            unit = self.book.price(item, self.region, self.today).unit
            self.add(resource, item, amount.value / pieces(unit), amount.text)

    def add(self, resource: str, item: str, quantity: Decimal, assumption: str, **more: t.Any) -> None:
        """Add a quantity in the item's own unit.

        :raises McpError: there is no such item, or no price for the region
        """
        price = self.book.price(item, self.region, self.today)
        quantity = quantity.quantize(FINEST, rounding=ROUND_HALF_UP)
        taken = self._take(price, quantity)
        whole, paid = self.counted.setdefault(item, [Decimal(0), Decimal(0)])
        listed = self._cost(item, whole, quantity)
        monthly = self._cost(item, paid, quantity - taken)
        self.counted[item] = [whole + quantity, paid + quantity - taken]
        marks = list(price.marks)
        if price.tiers[0][0] is not None and whole + quantity > price.tiers[0][0]:
            marks.append(FALLS)
        self.lines.append(
            {
                "resource": resource,
                "item": item,
                "quantity": plain(quantity),
                "unit": price.unit,
                "unit_price": plain(price.value),
                "allowance": plain(taken),
                "monthly": plain(monthly),
                "list": plain(listed),
                "assumption": assumption,
                "source": price.source,
                "as_of": price.as_of,
                "confidence": price.confidence,
                "marks": marks,
                **more,
            }
        )

    def _take(self, price: Price, quantity: Decimal) -> Decimal:
        """Take a quantity off what the account has free, as far as that goes."""
        allowance = price.allowance
        if allowance is None:
            return Decimal(0)
        used = self.pools.get(allowance.pool, Decimal(0))
        taken = min(quantity, max(allowance.amount - used, Decimal(0)))
        self.pools[allowance.pool] = used + taken
        return taken

    def _cost(self, item: str, before: Decimal, quantity: Decimal) -> Decimal:
        """Return what a quantity costs on top of what was counted before it."""
        after = self.book.cost(item, self.region, before + quantity, self.today)
        return rounded(after - self.book.cost(item, self.region, before, self.today))

    def total(self, column: str) -> Decimal:
        """Return the sum of a column of the lines."""
        return sum((Decimal(line[column]) for line in self.lines), Decimal(0))

    def allowances(self) -> list[dict[str, str]]:
        """Return what was taken of the account's free amounts."""
        known = {item.allowance.pool: item.allowance for item in self.book.items.values() if item.allowance}
        return [
            {
                "key": pool,
                "amount": plain(known[pool].amount),
                "unit": known[pool].unit,
                "used": plain(used),
            }
            for pool, used in sorted(self.pools.items())
        ]


def amount_of(value: t.Any, what: str) -> Decimal:
    """Return a quantity as a number.

    :raises McpError: it is none, or negative
    """
    number = quantity_of(value)
    if number is None:
        raise McpError(f"{what}: the quantity is {value!r}, allowed is a number of at least 0.")
    return number


def add_lines(bill: Bill, lines: list[dict[str, t.Any]]) -> None:
    """Add the lines of a list, whose quantities are in the units of the price book; null is not known.

    :raises McpError: an item or a unit that is not in it
    """
    for line in lines:
        if line["quantity"] is None:
            bill.miss(line["resource"], line["item"], line.get("assumption") or "the quantity is not known")
            continue
        unit = bill.book.price(line["item"], bill.region, bill.today).unit
        if line.get("unit") not in (None, "", unit):
            raise McpError(
                f"lines: {line['resource']}: {line['item']} has the unit '{line['unit']}', the price book's is "
                f"'{unit}'. Give the quantity in that unit."
            )
        more = {"group": line["group"]} if line.get("group") else {}
        quantity = amount_of(line["quantity"], f"lines: {line['resource']}")
        bill.add(line["resource"], line["item"], quantity, line.get("assumption") or "", **more)
