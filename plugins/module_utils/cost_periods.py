# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Periods of a cost report, in whole UTC days; every end is the last day included, only requests to AWS exclude it."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import McpError

TRAILING = {"trailing_7": 7, "trailing_30": 30}
PRESETS = ("month_to_date", "last_month", *TRAILING, "range")
DAY = timedelta(days=1)
# Cost Explorer lags by about a day: yesterday and today may still grow.
LAG_DAYS = 2
# So far back the standard request reaches, or to the first of last month: the trailing 30 days and the 30 before.
STANDARD_DAYS = 60
# So many months Cost Explorer keeps, this one included; by month only where the account has opted in.
KEPT_MONTHS = {"DAILY": 14, "MONTHLY": 38}


@dataclass(frozen=True)
class Period:
    """Days from ``start`` through ``end``, both included."""

    start: date
    end: date

    @property
    def days(self) -> int:
        """Return how many days it has."""
        return (self.end - self.start).days + 1

    def has(self, other: Period) -> bool:
        """Tell whether another period lies in it."""
        return self.start <= other.start and other.end <= self.end

    def first(self, days: int) -> Period:
        """Return its first days."""
        return Period(self.start, min(self.end, self.start + (days - 1) * DAY))

    def request(self) -> dict[str, str]:
        """Return it as AWS takes it, the end excluded."""
        return {"Start": self.start.isoformat(), "End": (self.end + DAY).isoformat()}

    def shown(self) -> dict[str, str]:
        """Return it as it is shown."""
        return {"start": self.start.isoformat(), "end": self.end.isoformat()}


def today() -> date:
    """Return the day by which Cost Explorer counts."""
    return datetime.now(UTC).date()


def month_of(day: date) -> Period:
    """Return the whole month of a day."""
    following = (day.replace(day=28) + 4 * DAY).replace(day=1)
    return Period(day.replace(day=1), following - DAY)


def month_before(day: date) -> Period:
    """Return the whole month before that of a day."""
    return month_of(day.replace(day=1) - DAY)


def grows_from(now: date) -> date:
    """Return the first day whose costs may still grow."""
    return now - (LAG_DAYS - 1) * DAY


def parse_day(option: str, text: str | None) -> date:
    """Return a day of a range.

    :raises McpError: it is none
    """
    try:
        return date.fromisoformat(text or "")
    except ValueError as error:
        raise McpError(
            f"{option} is '{text or ''}': allowed with preset range is a day such as 2026-11-01. "
            "For example: start: 2026-11-01, end: 2026-11-15 (the last day is included)"
        ) from error


def given_range(start: str | None, end: str | None, now: date) -> Period:
    """Return the period of the preset range.

    :raises McpError: it has no day, or reaches where there are no costs yet
    """
    period = Period(parse_day("start", start), parse_day("end", end))
    if period.end < period.start:
        raise McpError(f"end is '{end}', before start '{start}': allowed is a day from {start} on.")
    if period.end > now:
        raise McpError(f"end is '{end}', in the future: allowed is a day through {now} (UTC), the last one included.")
    return period


def period_of(preset: str, start: str | None, end: str | None, now: date) -> Period:
    """Return the days that a report is about.

    :raises McpError: start and end do not fit the preset
    """
    if preset == "range":
        return given_range(start, end, now)
    if start or end:
        raise McpError(f"start and end are for the preset range, and preset is '{preset}'. Leave them out, or: range")
    if preset == "month_to_date":
        return Period(now.replace(day=1), now)
    if preset == "last_month":
        return month_before(now)
    return Period(now - TRAILING[preset] * DAY, now - DAY)


def whole_months(period: Period) -> int:
    """Return how many whole months a period is, 0 when it is no whole months."""
    if period.start.day != 1 or period.end != month_of(period.end).end:
        return 0
    return (period.end.year - period.start.year) * 12 + period.end.month - period.start.month + 1


def previous_of(preset: str, period: Period) -> Period:
    """Return the days to compare with: as many whole months before whole months, else as many days right before."""
    if preset == "month_to_date":
        return month_before(period.start).first(period.days)
    start = period.start
    for _month in range(whole_months(period)):
        start = month_before(start).start
    return Period(start if start < period.start else start - period.days * DAY, period.start - DAY)


def compared(period: Period, previous: Period, by_month: bool, now: date) -> tuple[Period, Period] | None:
    """Return the days of both that can be compared: complete ones, and of each the same number.

    Whole months are compared as they are. None: there are none, or (by month) they cannot be told apart.
    """
    complete = grows_from(now) - DAY
    if period.end <= complete and (by_month or whole_months(period)):
        return period, previous
    days = min((min(period.end, complete) - period.start).days + 1, previous.days)
    return (period.first(days), previous.first(days)) if days > 0 and not by_month else None


def standard_window(now: date) -> Period:
    """Return the days that one request of the day asks for, because they answer most reports."""
    return Period(min(month_before(now).start, now - STANDARD_DAYS * DAY), now)


def window_of(preset: str, wanted: t.Iterable[Period], now: date) -> Period:
    """Return the days to ask for: the standard ones where they do, so that reports share an answer."""
    periods = list(wanted)
    standard = standard_window(now)
    if all(standard.has(period) for period in periods):
        return standard
    start = min(period.start for period in periods)
    # The month in progress comes along for the forecast; a range may be long ago, and more days are more pages.
    end = max(period.end for period in periods) if preset == "range" else now
    return Period(start, end)


def check_reach(window: Period, steps: str, now: date) -> None:
    """:raises McpError: Cost Explorer no longer has these days"""
    oldest = now.replace(day=1)
    for _month in range(KEPT_MONTHS[steps] - 1):
        oldest = month_before(oldest).start
    if window.start < oldest:
        raise McpError(
            f"The report would reach back to {window.start}: allowed is from {oldest} on, because Cost Explorer keeps "
            f"{KEPT_MONTHS[steps]} months {'by day' if steps == 'DAILY' else 'at most'}. Choose a later start, compare "
            "with nothing (previous: false), or ask for whole months: granularity: monthly"
        )
