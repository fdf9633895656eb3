# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a resource says of its price: an amount of an item, a reason why it is free, or what is not known."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass
from decimal import Decimal

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.estimate_amount import (
    DAYS_A_MONTH,
    Amount,
    Usage,
    exact,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.estimate_template import Resource

HOURS_A_MONTH = Decimal(730)


@dataclass(frozen=True)
class Need:
    """An amount of something that is billed.

    :param item: key of the price book
    :param amount: counted in single pieces: requests, GB, hours
    :param once: several resources that say the same are counted once
    """

    item: str
    amount: Amount
    once: str = ""


@dataclass(frozen=True)
class Gap:
    """Something that is billed and whose price or amount is not known."""

    why: str


@dataclass(frozen=True)
class Free:
    """A reason why a resource costs nothing."""

    why: str


Said = t.Iterator[t.Union[Need, Gap, Free]]  # noqa: UP007  # ansible-test's pylint takes no | here
Reader = t.Callable[[Resource, Usage], Said]


def one(what: str) -> Amount:
    """Return the amount of a single thing that is there all month."""
    return exact(1, what)


def all_month(what: str = "hours of a month") -> Amount:
    """Return the hours of a month."""
    return exact(HOURS_A_MONTH, what)


def kept(days: Amount) -> Amount:
    """Return for how many months something is kept that goes after some days."""
    return Amount(None if days.value is None else days.value / DAYS_A_MONTH, f"{days.text} of 365/12 days", days.why)


def keyed(logical_id: str, known: dict[str, t.Any]) -> t.Any:
    """Return what is known under the longest name that a logical id begins with, None for nothing."""
    names = [name for name in known if logical_id.startswith(name)]
    return known[max(names, key=len)] if names else None
