# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The price book as a file: read, and validated as a whole."""

from __future__ import annotations

import datetime
import typing as t
from decimal import Decimal

from ansible.module_utils.common.yaml import yaml_load
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import McpError
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.options import closest, quantity_of

BASE = "us-east-1"
REGIONS = (BASE, "eu-west-1", "eu-central-1", "eu-south-1")
# In place of the regions, where AWS asks the same price in all of them.
EVERYWHERE = "everywhere"
CONFIDENCES = ("A", "B", "C", "M")
ANOTHER = "Name another one: -e mcp_price_book=FILE"
# Of each part of the file: the keys it must have, and those it may have.
KEYS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "file": (
        ("format", "currency", "as_of", "factors", "sources", "allowances", "families", "items"),
        ("lookups",),
    ),
    "factor": (("factor", "note"), ()),
    "allowance": (("amount", "unit", "scope"), ("note",)),
    "item": (("unit", "prices"), ("allowance", "note")),
    "price": (("source", "as_of", "confidence"), ("value", "tiers")),
    "tier": (("value",), ("upto",)),
    "lookup": (("service", "filters", "usagetype"), ("per", "region")),
}


def read(path: str, lookups: bool = True) -> dict[str, t.Any]:
    """Read the file.

    :param lookups: whether to read how AWS finds the prices, too: a third of the time, which no estimate needs
    :raises McpError: there is none, or it is broken
    """
    try:
        with open(path, encoding="utf-8") as handle:
            text = handle.read()
        data = yaml_load(text if lookups else text.partition("\nlookups:\n")[0])
        if not lookups and not set(KEYS["file"][0]) <= set(data or ()):
            data = yaml_load(text)  # somebody's own file, in another order
    except Exception as error:  # the YAML library's errors have no class that is known without it
        raise McpError(f"The price book {path} cannot be read: {error}. {ANOTHER}") from error
    if not isinstance(data, dict):
        raise McpError(f"The price book {path} is not a mapping. {ANOTHER}")
    return data


class Check:
    """Validates one file; every error names the file, the place and what is allowed there."""

    def __init__(self, data: dict[str, t.Any], path: str) -> None:
        self.data, self.path = data, path

    def fail(self, place: str, problem: str) -> t.NoReturn:
        """:raises McpError: always"""
        raise McpError(f"The price book {self.path}: {place} {problem}. Take the collection's own as the pattern.")

    def keys(self, kind: str, entry: t.Any, place: str) -> None:
        """Refuse keys that are missing or unknown."""
        if not isinstance(entry, dict):
            self.fail(place, f"is {entry!r}: allowed is a mapping")
        needed, more = KEYS[kind]
        missing = [key for key in needed if key not in entry]
        if missing:
            self.fail(place, f"has no '{missing[0]}'")
        for key in entry:
            if key not in needed + more:
                self.fail(
                    place, f"has the key '{key}'.{closest(key, needed + more)} Allowed: {', '.join(needed + more)}"
                )

    def number(self, value: t.Any, place: str) -> Decimal:
        """Return a decimal number that is given as text: a YAML float would not be exact."""
        number = quantity_of(value) if isinstance(value, str) else None
        if number is None:
            self.fail(place, f'is {value!r}: allowed is a number from 0 in quotes, for example "0.0104"')
        return number

    def date(self, value: t.Any, place: str) -> None:
        """Refuse what is no date."""
        try:
            datetime.date.fromisoformat(value)
        except (TypeError, ValueError):
            self.fail(place, f'is {value!r}: allowed is a date in quotes, for example "2026-11-22"')

    def price(self, entry: dict[str, t.Any], place: str) -> None:
        """Validate what one item costs in one region."""
        self.keys("price", entry, place)
        if ("value" in entry) == ("tiers" in entry):
            self.fail(place, "needs either a 'value' or 'tiers'")
        if entry["source"] not in self.data["sources"]:
            self.fail(f"{place}.source", f"is {entry['source']!r}: allowed is one of {', '.join(self.data['sources'])}")
        if entry["confidence"] not in CONFIDENCES:
            self.fail(f"{place}.confidence", f"is {entry['confidence']!r}: allowed is one of {', '.join(CONFIDENCES)}")
        self.date(entry["as_of"], f"{place}.as_of")
        if "value" in entry:
            self.number(entry["value"], f"{place}.value")
        else:
            self.tiers(entry["tiers"], f"{place}.tiers")

    def tiers(self, tiers: t.Any, place: str) -> None:
        """Validate prices by quantity: each starts where the one before ends, the last has no end."""
        if not isinstance(tiers, list) or not tiers:
            self.fail(place, "is no list of tiers")
        below = Decimal(0)
        for number, tier in enumerate(tiers):
            here = f"{place}[{number}]"
            self.keys("tier", tier, here)
            self.number(tier["value"], f"{here}.value")
            if ("upto" in tier) != (number < len(tiers) - 1):
                self.fail(here, "is wrong: every tier but the last has an 'upto'")
            if "upto" in tier:
                upto = self.number(tier["upto"], f"{here}.upto")
                if upto <= below:
                    self.fail(f"{here}.upto", f"is {upto}: allowed is more than {below}, the end of the tier before")
                below = upto

    def item(self, key: str, item: dict[str, t.Any]) -> None:
        """Validate one item: a price for each region, or one for all."""
        place = f"items.{key}"
        self.keys("item", item, place)
        pool = item.get("allowance")
        if pool is not None and pool not in self.data["allowances"]:
            self.fail(
                f"{place}.allowance", f"is '{pool}'.{closest(pool, self.data['allowances'])} There is no such allowance"
            )
        if pool is not None and self.data["allowances"][pool]["unit"] != item["unit"]:
            self.fail(
                f"{place}.allowance", f"'{pool}' is in {self.data['allowances'][pool]['unit']}, not in {item['unit']}"
            )
        if not isinstance(item["prices"], dict):
            self.fail(f"{place}.prices", "is not a mapping of regions")
        regions = (EVERYWHERE,) if EVERYWHERE in item["prices"] else REGIONS
        for region in item["prices"]:
            if region not in regions:
                self.fail(f"{place}.prices", f"has '{region}'.{closest(region, regions)} Allowed: {', '.join(regions)}")
        for region in regions:
            entry = item["prices"].get(region)
            if entry is None:
                self.fail(f"{place}.prices", f"has no {region}; give a value, or {{derived: true}}")
            if region in REGIONS[1:] and entry == {"derived": True}:
                continue
            self.price(entry, f"{place}.prices.{region}")

    def whole(self) -> None:
        """Validate the file."""
        self.keys("file", self.data, "the file")
        if self.data["format"] != 1 or self.data["currency"] != "USD":
            self.fail("the file", "has another format or currency: allowed are format 1 and USD")
        self.date(self.data["as_of"], "as_of")
        for region in REGIONS[1:]:
            self.keys("factor", self.data["factors"].get(region), f"factors.{region}")
            self.number(self.data["factors"][region]["factor"], f"factors.{region}.factor")
        for pool, allowance in self.data["allowances"].items():
            self.keys("allowance", allowance, f"allowances.{pool}")
            self.number(allowance["amount"], f"allowances.{pool}.amount")
        for key, item in self.data["items"].items():
            self.item(key, item)
        for key, lookup in self.data.get("lookups", {}).items():
            if key not in self.data["items"] and key.removesuffix(".*") not in self.data["families"]:
                self.fail(f"lookups.{key}", f"is no item.{closest(key, self.data['items'])}")
            self.keys("lookup", lookup, f"lookups.{key}")


def check(data: dict[str, t.Any], path: str) -> None:
    """Validate a whole file.

    :raises McpError: names the first thing that is wrong
    """
    Check(data, path).whole()
