# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the current month may come to: its costs so far, and the rest by the average day or by Cost Explorer."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from statistics import NormalDist

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import cost_periods
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.cost_answers import Step
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.cost_cache import DayCache
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.cost_periods import DAY, Period
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.cost_report import missing_days, sum_of, within
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.cost_requests import CostExplorer
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.estimate_amount import plain, rounded

# The newest complete days that the average is taken of; with fewer than the least there is none.
SAMPLE_DAYS, LEAST_DAYS = 14, 3

Row = dict[str, t.Any]


@dataclass(frozen=True)
class Forecast:
    """What a month may come to; ``amount`` is None where nobody can tell, and ``why`` says it."""

    method: str
    month: Period
    level: int
    amount: Decimal | None = None
    low: Decimal | None = None
    high: Decimal | None = None
    why: str | None = None

    def shown(self) -> Row:
        """Return it as a result has it."""
        amounts = {name: getattr(self, name) for name in ("amount", "low", "high")}
        return {
            "method": self.method,
            **self.month.shown(),
            **{name: None if value is None else plain(rounded(value)) for name, value in amounts.items()},
            "level": self.level,
            "why": self.why,
        }


def costs_between(steps: list[Step], period: Period) -> Decimal:
    """Return what a period cost in all."""
    return sum((sum_of(step.amounts) for step in within(steps, period)), Decimal())


def sample_of(steps: list[Step], now: date) -> list[Decimal]:
    """Return what the newest complete days cost; days before the first cost say nothing about a day."""
    last = cost_periods.grows_from(now) - DAY
    days = [sum_of(step.amounts) for step in within(steps, Period(last - (SAMPLE_DAYS - 1) * DAY, last))]
    first = next((place for place, amount in enumerate(days) if amount), len(days))
    return days[first:]


def spread(sample: list[Decimal], days: int, level: int) -> Decimal:
    """Return half the width of the interval of a sum of days, if days differ as they did."""
    mean = sum(sample, Decimal()) / len(sample)
    variance = sum(((amount - mean) ** 2 for amount in sample), Decimal()) / (len(sample) - 1)
    # Each day varies, and the average itself is known from so few days only.
    of_the_sum = variance * (days + Decimal(days * days) / len(sample))
    return Decimal(str(NormalDist().inv_cdf(0.5 + level / 200))) * of_the_sum.sqrt()


def by_average(steps: list[Step], now: date, level: int) -> Forecast:
    """Return the month at the rate of the newest complete days; costs no request."""
    month = cost_periods.month_of(now)
    complete = cost_periods.grows_from(now) - DAY
    spent_days = Period(month.start, complete)
    if spent_days.days > 0 and missing_days(steps, spent_days):
        return Forecast("average", month, level, why="The days that were asked for are not those of this month.")
    sample = sample_of(steps, now)
    if len(sample) < LEAST_DAYS:
        why = f"An average needs {LEAST_DAYS} complete days with costs, and there are {len(sample)}."
        return Forecast("average", month, level, why=why)
    spent = costs_between(steps, spent_days)
    left = (month.end - max(complete, month.start - DAY)).days
    amount = spent + left * sum(sample, Decimal()) / len(sample)
    half = spread(sample, left, level)
    return Forecast("average", month, level, amount, max(spent, amount - half), amount + half)


def ask_forecast(explorer: CostExplorer, cache: DayCache, request: Row) -> Row:
    """Return Cost Explorer's own forecast of the days from today on; a further paid request."""

    def ask() -> Row:
        answer = explorer.ask("get_cost_forecast", **request)
        steps = answer.get("ForecastResultsByTime", [])
        bounds = {"low": "PredictionIntervalLowerBound", "high": "PredictionIntervalUpperBound"}
        return {
            "amount": answer["Total"]["Amount"],
            **{
                name: plain(sum((Decimal(step[key]) for step in steps), Decimal()))
                for name, key in bounds.items()
                if steps and all(key in step for step in steps)
            },
        }

    found: Row = cache.answer({"operation": "forecast", **request}, ask)[0]
    return found


def by_cost_explorer(
    explorer: CostExplorer, cache: DayCache, steps: list[Step], now: date, level: int, conditions: Row
) -> Forecast:
    """Return the month as Cost Explorer expects it: what came through yesterday, and its forecast from today on.

    :param conditions: the request's filter
    """
    month = cost_periods.month_of(now)
    before = Period(month.start, now - DAY)
    if before.days > 0 and missing_days(steps, before):
        return Forecast("cost_explorer", month, level, why="The days that were asked for are not those of this month.")
    rest = ask_forecast(
        explorer,
        cache,
        {
            "TimePeriod": Period(now, month.end).request(),
            "Granularity": "MONTHLY",
            "Metric": "UNBLENDED_COST",
            "PredictionIntervalLevel": level,
            **conditions,
        },
    )
    spent = costs_between(steps, before)
    low, high = (spent + Decimal(rest[name]) if name in rest else None for name in ("low", "high"))
    return Forecast("cost_explorer", month, level, spent + Decimal(rest["amount"]), low, high)
