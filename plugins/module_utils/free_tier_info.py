# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How much of each free offer is used, and how long it lasts; an offer that AWS does not list is unknown, not free."""

from __future__ import annotations

import calendar
import re
import typing as t
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_FLOOR, ROUND_HALF_UP, Decimal

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import (
    AWS_ERRORS,
    Context,
    McpError,
    describe_aws_error,
    error_code,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.estimate_amount import plain
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.free_tier import (
    DENIED,
    OLD_ERRORS,
    REGION,
    TOO_OLD,
    account_plan,
    no_plan,
)

# Services of the phases with an offer that is always free.
EXPECTED = [
    "AWS Data Transfer",
    "AWS Key Management Service",
    "AWS Lambda",
    "Amazon CloudFront",
    "Amazon DynamoDB",
    "Amazon Simple Notification Service",
    "AmazonCloudWatch",
]
ARGUMENT_SPEC: dict[str, t.Any] = {
    "expect": {"type": "list", "elements": "str", "default": EXPECTED},
    "sandbox": {"type": "bool", "default": False},
    "unavailable": {"type": "str", "choices": ["fail", "mark"], "default": "fail"},
}
NOT_AVAILABLE = "not available on the emulator"
NOT_LISTED = (
    "AWS does not list an offer of this service: nothing of it was used this month, or what is used has none. "
    "That is unknown, not free."
)
# It ends by itself; the others begin anew with each month.
TRIAL = "Free Trial"
PERCENT = Decimal("0.1")

Row = dict[str, t.Any]


def today() -> date:
    """Return the day by which AWS counts."""
    return datetime.now(UTC).date()


def number(value: float | None) -> Decimal | None:
    """Return a number of AWS's, which come as floating point, as it is written."""
    return None if value is None else Decimal(str(value))


def days_left(used: Decimal, limit: Decimal, now: date) -> int | None:
    """Return after how many days an offer is used up at the month's rate; None: not before it begins anew."""
    if used >= limit:
        return 0
    # Today is not over, so the days before it made up the amount.
    rate = used / max(now.day - 1, 1)
    rest = calendar.monthrange(now.year, now.month)[1] - now.day
    days = int(((limit - used) / rate).to_integral_value(ROUND_FLOOR)) if rate else rest + 1
    return days if days <= rest else None


def state_of(used: Decimal | None, limit: Decimal | None, forecast: Decimal | None) -> str:
    """Say in a word how an offer stands."""
    if used is None or not limit:
        return "unknown"
    if used >= limit:
        return "exhausted"
    return "forecast_over" if forecast is not None and forecast > limit else "ok"


def plain_offer(usage: Row, now: date) -> Row:
    """Return an offer as it is shown."""
    names = {"used": "actualUsageAmount", "limit": "limit", "forecast": "forecastedUsageAmount"}
    used, limit, forecast = (number(usage.get(key)) for key in names.values())
    lasts = None
    if used is not None and limit and (usage.get("freeTierType") != TRIAL or used >= limit):
        lasts = days_left(used, limit, now)
    return {
        "service": usage.get("service"),
        "description": usage.get("description"),
        "region": usage.get("region") or None,
        "operation": usage.get("operation") or None,
        "usage_type": usage.get("usageType") or None,
        "unit": usage.get("unit"),
        "type": usage.get("freeTierType"),
        **{
            name: None if value is None else plain(value)
            for name, value in zip(names, (used, limit, forecast), strict=True)
        },
        "percent": plain((used * 100 / limit).quantize(PERCENT, ROUND_HALF_UP)) if used is not None and limit else None,
        "days_to_exhaustion": lasts,
        "exhausted_on": (now + timedelta(days=lasts)).isoformat() if lasts is not None else None,
        "state": state_of(used, limit, forecast),
    }


def bare(service: str) -> str:
    """Return a service's name as all of AWS's lists have it: without the maker, spaces and brackets."""
    return re.sub(r"[^a-z0-9]", "", re.sub(r"^(amazon|aws)\s*|\(.*?\)", "", service.lower()))


def not_listed(expected: list[str], offers: list[Row]) -> list[Row]:
    """Return the expected services of which AWS lists no offer."""
    listed = {bare(offer["service"] or "") for offer in offers}
    return [{"what": service, "why": NOT_LISTED} for service in expected if bare(service) not in listed]


def read_offers(ctx: Context, now: date) -> list[Row]:
    """Return the offers that were used this month, the nearest to its end first.

    :raises McpError: AWS does not tell
    """
    try:
        pages = ctx.client("freetier", REGION).get_paginator("get_free_tier_usage").paginate()
        offers = [plain_offer(usage, now) for page in pages for usage in page["freeTierUsages"]]
    except AWS_ERRORS as error:
        why = f"AWS does not tell what is used of the free tier: {describe_aws_error(error)}"
        if error_code(error) in DENIED:
            why = "These credentials may not use freetier:GetFreeTierUsage. Allow it, and what is used is known."
        if type(error).__name__ in OLD_ERRORS:
            why = TOO_OLD.format(operation="GetFreeTierUsage")
        raise McpError(why, error_code=error_code(error) or type(error).__name__) from error
    return sorted(offers, key=lambda offer: (-Decimal(offer["percent"] or 0), offer["service"] or ""))


def run(ctx: Context) -> Row:
    """Report the account's plan and its free offers."""
    result: Row = {"changed": False, "available": False, "why": None, "error_code": None}
    result.update(plan=no_plan(NOT_AVAILABLE), offers=[], unknown=[])
    if ctx.params["sandbox"]:
        return {**result, "why": NOT_AVAILABLE}
    result["plan"] = account_plan(lambda: ctx.client("freetier", REGION))
    if why := result["plan"].get("unknown"):
        result["unknown"] = [{"what": "account plan", "why": why}]
    try:
        offers = read_offers(ctx, today())
    except McpError as error:
        if ctx.params["unavailable"] == "fail":
            raise
        return {**result, "why": error.message, "error_code": error.details["error_code"]}
    unknown = result["unknown"] + not_listed(ctx.params["expect"], offers)
    return {**result, "available": True, "offers": offers, "unknown": unknown}
