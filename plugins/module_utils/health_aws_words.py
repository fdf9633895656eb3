# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Numbers and times in the words of the checks of AWS."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_kind import Look
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_thresholds import LOWER_IS_WORSE


def plural(count: float, word: str) -> str:
    return f"{count:,.0f} {word}" + ("" if count == 1 else "s")


def number(value: float, digits: int = 2) -> str:
    """Return a number without needless zeros."""
    text = f"{value:,.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def between(earlier: datetime, later: datetime) -> timedelta:
    return later.astimezone(UTC) - earlier.astimezone(UTC)


def span(length: timedelta) -> str:
    """Return a length of time as a person says it."""
    minutes = abs(length) / timedelta(minutes=1)
    if minutes < 120:
        return plural(int(minutes), "minute")
    return plural(int(minutes / 60), "hour") if minutes < 48 * 60 else plural(int(minutes / 1440), "day")


def ago(moment: datetime, now: datetime) -> str:
    return f"{span(max(between(moment, now), timedelta()))} ago"


def iso(moment: datetime | None) -> str | None:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if moment else None


def minute(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def judged(look: Look, name: str, value: float) -> tuple[str, str]:
    """Return the status of a figure, and how to say which limit it passed."""
    status = look.thresholds.level(name, value)
    if status == "healthy":
        return status, ""
    word = "under" if name in LOWER_IS_WORSE else "over"
    return status, f", {word} {name}.{status}={look.thresholds.limit(name, status):g}"
