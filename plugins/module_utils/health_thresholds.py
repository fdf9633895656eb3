# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The limits of the health checks, as data: each can be set by the task's option ``thresholds``."""

from __future__ import annotations

import math
import typing as t
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import McpError
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.options import closest

Value = t.Union[float, dict[str, float]]  # noqa: UP007  # ansible-test's pylint takes no | here

DEFAULTS: dict[str, Value] = {
    "own_p95_ms": {"warning": 5000},
    "certificate_days": {"warning": 30, "critical": 7},
    "connections_percent": {"warning": 80, "critical": 95},
    "storage_free_percent": {"warning": 20, "critical": 10},
    "traffic_p95_ms": {"critical": 500},
    "traffic_error_percent": {"critical": 1},
    "traffic_minimum_calls": 100,
    "traffic_window_minutes": 60,
    "throttles": {"warning": 0},
    "backup_hours": {"warning": 26, "critical": 50},
    "secret_overdue_days": {"warning": 0, "critical": 30},
    "spend_percent": {"warning": 80, "critical": 100},
}
LEVELS = ("critical", "warning")
# Of these little is bad; of all others much is.
LOWER_IS_WORSE = frozenset({"certificate_days", "storage_free_percent"})
LEAST = {"traffic_minimum_calls": 1, "traffic_window_minutes": 1}
AGAIN = "Correct it, and run the same command again."


@dataclass(frozen=True)
class Thresholds:
    """The limits in force: the defaults with what the task sets."""

    values: Mapping[str, Value]

    def level(self, name: str, value: float) -> str:
        """Return ``healthy``, ``warning`` or ``critical``: the worst limit that the value passes (equal is within)."""
        rising = name not in LOWER_IS_WORSE
        limits = t.cast("dict[str, float]", self.values[name])
        for status in LEVELS:
            limit = limits.get(status)
            if limit is not None and (value > limit if rising else value < limit):
                return status
        return "healthy"

    def number(self, name: str) -> float:
        """Return a limit without levels (``traffic_minimum_calls``, ``traffic_window_minutes``)."""
        return t.cast("float", self.values[name])

    def limit(self, name: str, status: str) -> float | None:
        """Return the limit behind which a status begins, None where there is none."""
        return t.cast("dict[str, float]", self.values[name]).get(status)


def number_of(path: str, given: t.Any, least: float = 0) -> float:
    """Return a limit as a number.

    :raises McpError: it is none, or too small
    """
    try:
        number = math.nan if isinstance(given, bool) else float(given)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number) or number < least:
        raise McpError(f"thresholds.{path}={given!r} is not a number of at least {least:g}. {AGAIN}")
    return number


def refuse_unknown(what: str, name: t.Any, known: Collection[str]) -> None:
    """:raises McpError: there is no such name"""
    if name not in known:
        raise McpError(f"{what}{name} is unknown.{closest(str(name), known)} There are: {', '.join(known)}. {AGAIN}")


def levels_of(name: str, default: dict[str, float], given: t.Any) -> dict[str, float]:
    """Return the limits of one name: the defaults with those that are given.

    :raises McpError: naming the limit and its value
    """
    if not isinstance(given, dict):
        raise McpError(f"thresholds.{name}={given!r} is not a dictionary of warning and critical. {AGAIN}")
    merged = dict(default)
    for status, limit in given.items():
        refuse_unknown(f"thresholds.{name}.", status, LEVELS)
        merged[status] = number_of(f"{name}.{status}", limit)
    if len(merged) == 2 and (merged["warning"] - merged["critical"]) * (-1 if name in LOWER_IS_WORSE else 1) > 0:
        text = f"thresholds.{name}: critical={merged['critical']:g} comes before warning={merged['warning']:g}"
        raise McpError(f"{text}. {AGAIN}")
    return merged


def thresholds_of(given: Mapping[str, t.Any] | None) -> Thresholds:
    """Return the limits in force.

    :param given: the task's option; limits that it does not name keep their defaults
    :raises McpError: an unknown name, or a value that is no number, naming both
    """
    values = dict(DEFAULTS)
    for name, value in (given or {}).items():
        refuse_unknown("thresholds.", name, DEFAULTS)
        default = DEFAULTS[name]
        if isinstance(default, dict):
            values[name] = levels_of(name, default, value)
        else:
            values[name] = number_of(name, value, LEAST[name])
    return Thresholds(values)


def usable_thresholds(given: t.Any) -> tuple[Thresholds, list[str]]:
    """Return the limits in force, with the default for each that is wrong, and what is wrong with those.

    :param given: the task's option, of whatever type
    """
    if given is not None and not isinstance(given, Mapping):
        return Thresholds(DEFAULTS), [f"thresholds={given!r} is not a dictionary. {AGAIN}"]
    values, wrong = dict(DEFAULTS), []
    for name, value in (given or {}).items():
        try:
            values[name] = thresholds_of({name: value}).values[name]
        except McpError as error:
            wrong.append(error.message)
    return Thresholds(values), wrong
