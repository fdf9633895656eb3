# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prices as AWS's price list has them, found by GetProducts."""

from __future__ import annotations

import json
import typing as t
from decimal import Decimal, InvalidOperation

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import AWS_ERRORS, McpError, error_code
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.price_book_file import BASE, EVERYWHERE
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.price_book_text import decimal_text

# The list is the same at each of its few endpoints; in eu-south-1 botocore would make up one.
ENDPOINT_REGION = BASE
# What usage types of a region start with; us-east-1's do so in some services.
PREFIXES = {
    BASE: ("", "USE1-"),
    "eu-west-1": ("EU-", "EUW1-"),
    "eu-central-1": ("EUC1-",),
    "eu-south-1": ("EUS1-",),
    EVERYWHERE: ("",),
}
DENIED = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation")

Tiers = list[dict[str, str]]


def request(lookup: dict[str, t.Any], region: str) -> dict[str, t.Any]:
    """Return the arguments of GetProducts."""
    wanted = dict(lookup["filters"])
    if region != EVERYWHERE:
        wanted[lookup.get("region", "regionCode")] = region
    return {
        "ServiceCode": lookup["service"],
        "Filters": [{"Type": "TERM_MATCH", "Field": field, "Value": str(value)} for field, value in wanted.items()],
        "FormatVersion": "aws_v1",
    }


def products(client: t.Any, lookup: dict[str, t.Any], region: str) -> t.Iterator[dict[str, t.Any]]:
    """Read the products that a lookup finds, of all pages.

    :raises McpError: these credentials may not read the price list
    """
    names = {prefix + lookup["usagetype"] for prefix in PREFIXES[region]}
    try:
        for page in client.get_paginator("get_products").paginate(**request(lookup, region)):
            for text in page.get("PriceList", []):
                product = json.loads(text)
                if product.get("product", {}).get("attributes", {}).get("usagetype") in names:
                    yield product
    except AWS_ERRORS as error:
        if error_code(error) not in DENIED:
            raise
        raise McpError(
            f"AWS denied to read its price list ({error_code(error)}): it takes the IAM action pricing:GetProducts. "
            "The price book was not changed. Estimates go on with the prices that it has."
        ) from error


def amount(dimension: dict[str, t.Any], per: Decimal) -> Decimal:
    """Return a dimension's price in dollars for ``per`` of AWS's units.

    :raises InvalidOperation: it has none
    """
    value = Decimal(dimension.get("pricePerUnit", {}).get("USD", "none")) * per
    if not value.is_finite() or value < 0:
        raise InvalidOperation
    return value


def on_demand(product: dict[str, t.Any], per: Decimal) -> Tiers | None:
    """Return a product's on-demand price as tiers, None where its entry is not understood."""
    terms = list(product.get("terms", {}).get("OnDemand", {}).values())
    if len(terms) != 1:
        return None
    tiers = []
    try:
        dimensions = sorted(terms[0]["priceDimensions"].values(), key=lambda entry: Decimal(entry["beginRange"]))
        for dimension in dimensions:
            tier = {"value": decimal_text(amount(dimension, per))}
            if dimension["endRange"] != "Inf":
                tier = {"upto": whole(Decimal(dimension["endRange"]) / per), **tier}
            tiers.append(tier)
    except (InvalidOperation, KeyError, TypeError):
        return None
    return tiers if tiers and "upto" not in tiers[-1] else None


def whole(value: Decimal) -> str:
    """Return a quantity without exponent and trailing zeros."""
    return format(value.normalize(), "f") if value % 1 else str(int(value))


def without_allowance(tiers: Tiers) -> Tiers:
    """Leave out a free first tier: what is free is counted once, over all lines that share it."""
    if len(tiers) < 2 or Decimal(tiers[0]["value"]) > 0:
        return tiers
    free = Decimal(tiers[0]["upto"])
    return [{**tier, "upto": whole(Decimal(tier["upto"]) - free)} if "upto" in tier else tier for tier in tiers[1:]]


def find(client: t.Any, lookup: dict[str, t.Any], region: str, shares: bool) -> tuple[Tiers | None, str]:
    """Return the price that AWS's list has, else None and why there is none.

    :param shares: whether the item has a free amount, which AWS may list as a first tier
    """
    found: list[Tiers] = []
    for product in products(client, lookup, region):
        tiers = on_demand(product, Decimal(lookup.get("per", "1")))
        if tiers is None:
            return None, "AWS's entry is not understood"
        tiers = without_allowance(tiers) if shares else tiers
        if all(Decimal(tier["value"]) == 0 for tier in tiers):
            return None, "AWS's list says that it costs nothing"
        if tiers not in found:
            found.append(tiers)
    if len(found) == 1:
        return found[0], ""
    return None, "AWS's list has no such product" if not found else f"AWS's list has {len(found)} different prices"
