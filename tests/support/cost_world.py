# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a cost review is made of, in the shapes of cost_info, free_tier_info, cost_estimate and budget."""

from __future__ import annotations

import datetime
import typing as t
from decimal import Decimal

ACCOUNT = "123456789012"
TODAY = datetime.date(2026, 11, 23)
NOW = datetime.datetime(2026, 11, 23, 7, 0, tzinfo=datetime.UTC)
# By day, in dollars; ten services, so that some share a colour.
DAILY = {
    "Amazon Elastic Load Balancing": "0.554",
    "Amazon Elastic Compute Cloud - Compute": "0.2496",
    "Amazon Relational Database Service": "0.512",
    "Amazon Virtual Private Cloud": "0.24",
    "Amazon API Gateway": "0.0583",
    "Amazon DynamoDB": "0.0161",
    "AWS Lambda": "0.0011",
    "Amazon Simple Storage Service": "0.0779",
    "AWS Secrets Manager": "0.0267",
    "AmazonCloudWatch": "0.0004",
}
# A week in which the load balancer was busy.
BUSY = {"Amazon Elastic Load Balancing": Decimal(3)}


def days(first: datetime.date, last: datetime.date, parts: Decimal = Decimal(1)) -> list[dict[str, t.Any]]:
    """Return what Cost Explorer would say of each day."""
    found = []
    for number in range((last - first).days + 1):
        date = first + datetime.timedelta(days=number)
        busy = date > TODAY - datetime.timedelta(days=8)
        groups = {
            name: str(Decimal(amount) * parts * (BUSY.get(name, Decimal(1)) if busy else Decimal(1)))
            for name, amount in DAILY.items()
        }
        found.append(
            {
                "start": date.isoformat(),
                "end": date.isoformat(),
                "total": str(sum(map(Decimal, groups.values()))),
                "groups": groups,
                "may_grow": (TODAY - date).days < 2,
            }
        )
    return found


def costs(preset: str, parts: str = "1", calls: int = 0, **more: t.Any) -> dict[str, t.Any]:
    """Return a result of cost_info; by default the kept answer of the day."""
    last = TODAY - datetime.timedelta(days=1)
    first = {
        "month_to_date": TODAY.replace(day=1),
        "trailing_30": last - datetime.timedelta(days=29),
        "trailing_7": last - datetime.timedelta(days=6),
    }[preset]
    by_day = days(first, last, Decimal(parts))
    total = sum(Decimal(day["total"]) for day in by_day)
    sums = {name: sum(Decimal(day["groups"][name]) for day in by_day) for name in DAILY}
    groups = [
        {"keys": {"service": name}, "name": name, "amount": str(amount), "share": "0", "previous": None}
        for name, amount in sorted(sums.items(), key=lambda item: -item[1])
    ]
    forecast = {
        "method": "average",
        "start": TODAY.replace(day=1).isoformat(),
        "end": "2026-11-30",
        "amount": str(total / 22 * 30),
        "low": str(total / 22 * 28),
        "high": str(total / 22 * 33),
        "level": 80,
        "why": None,
    }
    movers = [
        {
            "name": "Amazon Elastic Load Balancing",
            "amount": str(sums["Amazon Elastic Load Balancing"]),
            "previous": "3.878",
            "difference": str(sums["Amazon Elastic Load Balancing"] - Decimal("3.878")),
            "percent": "200",
        },
        {"name": "Amazon DynamoDB", "amount": "0.1127", "previous": "0.2127", "difference": "-0.1", "percent": "-47"},
    ]
    return {
        "changed": False,
        "available": True,
        "why": None,
        "currency": "USD",
        "gross": True,
        "period": {
            "preset": preset,
            "start": first.isoformat(),
            "end": last.isoformat(),
            "days": len(by_day),
            "granularity": "daily",
        },
        "total": str(total),
        "groups": groups,
        "by_day": by_day,
        "previous": {"amount": "30.00", "compared": str(total), "difference": str(total - 30), "percent": "28"},
        "top_movers": movers if preset == "trailing_7" else [],
        "forecast": forecast,
        "anomalies": None,
        "tag": None,
        "unknown": [],
        "api_calls": calls,
        "api_cost_usd": str(Decimal("0.01") * calls),
        "cached": not calls,
        **more,
    }


def absent(why: str) -> dict[str, t.Any]:
    """Return a result of cost_info or free_tier_info that has nothing."""
    return {"changed": False, "available": False, "why": why, "unknown": [], "api_calls": 0, "api_cost_usd": "0"}


def free_tier() -> dict[str, t.Any]:
    """Return a result of free_tier_info."""
    offer = {"region": "us-east-1", "operation": None, "usage_type": None, "exhausted_on": None, "type": "Always Free"}
    return {
        "changed": False,
        "available": True,
        "why": None,
        "plan": {
            "type": "PAID",
            "status": "ACTIVE",
            "credits": {"amount": "154.20", "unit": "USD"},
            "expires": "2027-05-01",
            "why": None,
        },
        "offers": [
            {
                **offer,
                "service": "AWS Lambda",
                "description": "1,000,000 free requests per month",
                "used": "366667",
                "limit": "1000000",
                "unit": "Request",
                "forecast": "500000",
                "percent": "36.6667",
                "days_to_exhaustion": None,
                "state": "ok",
            },
            {
                **offer,
                "service": "AmazonCloudWatch",
                "description": "5 GB of logs",
                "used": "4.4",
                "limit": "5",
                "unit": "GB-Mo",
                "forecast": "6",
                "percent": "88",
                "days_to_exhaustion": 3,
                "state": "forecast_over",
            },
        ],
        "unknown": [{"what": "AWS Key Management Service", "why": "AWS does not list it: unknown, not free"}],
    }


def estimate(phase: str, monthly: str, claim: dict[str, t.Any], **more: t.Any) -> dict[str, t.Any]:
    """Return an estimate with one line."""
    line = {
        "resource": "app.All",
        "item": "all",
        "quantity": "1",
        "assumption": "",
        "monthly": monthly,
        "list": monthly,
        "marks": [],
    }
    verdicts = {
        name: "holds" if Decimal(monthly) <= Decimal(claim[key]) else "does_not_hold"
        for key, name in (("stated", "verdict"), ("later", "later_verdict"))
        if key in claim
    }
    return {
        "phase": phase,
        "region": "us-east-1",
        "lines": [line],
        "unpriced": [],
        "totals": {"list": monthly, "always_free": monthly, "credits": None},
        "claim": {"unit": "USD a month", "note": "", "recomputed": monthly, **claim, **verdicts},
        **more,
    }


def staging(**more: t.Any) -> dict[str, t.Any]:
    """Return what the host staging found out; it speaks for the account."""
    return {
        "environment": "staging",
        "phase": "staging",
        "region": "us-east-1",
        "account": ACCOUNT,
        "sandbox": False,
        "budget_usd": "60",
        "account_budget_usd": "50",
        "estimate": estimate("staging", "52.70", {"stated": "0", "later": "29.50", "note": "the free year is closed"}),
        "own": costs("month_to_date", "0.9"),
        "costs": [
            {**costs("month_to_date", calls=1), "item": "month_to_date"},
            {**costs("trailing_30"), "item": "trailing_30"},
            {**costs("trailing_7"), "item": "trailing_7"},
        ],
        "free_tier": free_tier(),
        "budgets": [],
        "failure": "",
        **more,
    }


def production(**more: t.Any) -> dict[str, t.Any]:
    """Return what the host production found out, in the same account."""
    found = estimate("production", "5.55", {"stated": "2.30", "later": "32", "note": "2.30 is 100 GB of S3 alone"})
    return {
        **staging(),
        "environment": "production",
        "phase": "production",
        "budget_usd": "20",
        "estimate": found,
        "own": costs("month_to_date", "0.1"),
        "costs": [{"skipped": True, "item": "month_to_date", "changed": False}],
        "free_tier": {"skipped": True, "changed": False},
        **more,
    }


def local(**more: t.Any) -> dict[str, t.Any]:
    """Return what a developer's machine found out."""
    return {"environment": "local", "phase": "local", "region": "", "account": "", "budget_usd": "", **more}
