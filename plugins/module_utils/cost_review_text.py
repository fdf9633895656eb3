# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a cost review writes amounts, shares and days, on the terminal and on its page."""

from __future__ import annotations

import typing as t
from decimal import ROUND_HALF_UP, Decimal

CENT = Decimal("0.01")
UNKNOWN = "unknown"


def number(value: t.Any) -> Decimal | None:
    """Return a decimal string of a result as a number, None where it says nothing."""
    return None if value in (None, "", UNKNOWN) else Decimal(str(value))


def text_of(value: Decimal | None) -> str | None:
    """Return an amount as the JSON has it: a decimal string without an exponent."""
    return None if value is None else f"{value:f}"


def usd(value: t.Any) -> str:
    """Return an amount to the cent; less than that is not nothing, and what is not known is said to be so."""
    amount = number(value)
    if amount is None:
        return UNKNOWN
    if amount and abs(amount) < CENT / 2:
        return "< $0.01" if amount > 0 else "> -$0.01"
    rounded = amount.quantize(CENT, ROUND_HALF_UP)
    return f"{'-' if rounded < 0 else ''}${abs(rounded):,.2f}"


def signed(value: t.Any) -> str:
    """Return a difference with its sign."""
    amount = number(value)
    return usd(value) if amount is None or amount <= 0 else f"+{usd(value)}"


def quantity(value: t.Any) -> str:
    """Return a quantity with at most two decimals."""
    amount = number(value)
    if amount is None:
        return UNKNOWN
    if amount and abs(amount) < CENT:
        return "< 0.01" if amount > 0 else "> -0.01"
    text = f"{amount.quantize(CENT, ROUND_HALF_UP):,.2f}"
    return text.rstrip("0").rstrip(".")


def percent(value: t.Any) -> str:
    """Return a share of a hundred without decimals."""
    amount = number(value)
    if amount is None:
        return UNKNOWN
    return "< 1 %" if 0 < amount < 1 else f"{amount.quantize(Decimal(1), ROUND_HALF_UP)} %"
