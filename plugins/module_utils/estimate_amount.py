# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Numbers that remember how they came about, and what of them is not known."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.estimate_usage import (
    ONE_FOR_EACH,
    PER_REQUEST,
)

# A millionth of a dollar: finer than the smallest price of one call.
SMALLEST = Decimal("0.000001")
CENT = Decimal("0.01")
DAYS_A_MONTH = Decimal(365) / 12
SECONDS_AN_HOUR = Decimal(3600)
MB_A_GB = Decimal(1024)


def plain(value: Decimal) -> str:
    """Return a number as text without an exponent and without zeros at its end."""
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def rounded(value: Decimal) -> Decimal:
    """Return an amount of money in millionths of a dollar."""
    return value.quantize(SMALLEST, rounding=ROUND_HALF_UP)


def cents(value: Decimal) -> str:
    """Return an amount of money for people."""
    return format(value.quantize(CENT, rounding=ROUND_HALF_UP), "f")


def signed(value: Decimal) -> str:
    """Return a difference of money with its sign."""
    return f"+{plain(value)}" if value > 0 else plain(value)


@dataclass(frozen=True)
class Amount:
    """A number with its origin in words.

    :param value: None where it is not known
    :param why: the reason then
    """

    value: Decimal | None
    text: str
    why: str = ""

    def __mul__(self, other: Amount) -> Amount:
        """Multiply; what is not known stays so."""
        return _combined(self, other, lambda a, b: a * b, f"{_factor(self)} x {_factor(other)}")

    def __add__(self, other: Amount) -> Amount:
        """Add; what is not known stays so."""
        return _combined(self, other, lambda a, b: a + b, f"{self.text} + {other.text}")

    def above(self, other: Amount) -> Amount:
        """Return by how much it is more than another, at least 0."""
        return _combined(self, other, lambda a, b: max(a - b, Decimal(0)), f"{_factor(self)} above {_factor(other)}")

    def without(self, share: Amount) -> Amount:
        """Return what remains without a part of 0 to 1."""
        return _combined(self, share, lambda a, b: a * (1 - b), f"{_factor(self)} x (1 - {_factor(share)})")

    def over(self, number: int | Decimal) -> Amount:
        """Divide by a constant of units."""
        value = None if self.value is None else self.value / number
        return Amount(value, f"{_factor(self)} / {number}", self.why)


def _factor(amount: Amount) -> str:
    return f"({amount.text})" if " + " in amount.text else amount.text


def _combined(one: Amount, other: Amount, count: t.Callable[[Decimal, Decimal], Decimal], text: str) -> Amount:
    if one.value is None or other.value is None:
        return Amount(None, text, one.why or other.why)
    return Amount(count(one.value, other.value), text)


def exact(value: int | Decimal, what: str = "") -> Amount:
    """Return a number that is known, with what it counts."""
    number = Decimal(value)
    return Amount(number, f"{what} {plain(number)}" if what else plain(number))


def unknown(what: str, why: str) -> Amount:
    """Return a number that nobody knows."""
    return Amount(None, what, why)


@dataclass(frozen=True)
class Usage:
    """Usage assumptions of a month.

    :param values: by key of estimate_usage
    :param measured: where a value was measured, by key: when
    """

    values: dict[str, Decimal]
    measured: dict[str, str]

    def __call__(self, key: str) -> Amount:
        """Return what is assumed for a key, itself or by the call."""
        if key in self.values:
            note = f" ({self.measured[key]})" if key in self.measured else ""
            return Amount(self.values[key], f"{key} {plain(self.values[key])}{note}")
        by_call = key + PER_REQUEST
        if by_call in self.values:
            return self("requests") * Amount(self.values[by_call], f"{by_call} {plain(self.values[by_call])}")
        if key in ONE_FOR_EACH:
            return self("requests")
        return unknown(key, f"usage: {key} has no value")
