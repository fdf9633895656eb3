# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a deploy stays within its budget: the decision, from figures that others have found."""

from __future__ import annotations

import calendar
import datetime
import typing as t
from dataclasses import dataclass
from decimal import ROUND_UP, Decimal

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import McpError
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.estimate_amount import plain

Guard = dict[str, t.Any]


@dataclass(frozen=True)
class Figure:
    """What is held against the budget.

    :param name: ``estimate``, ``month_to_date`` or ``forecast``
    :param value: US dollars; None where it is not known
    :param why: where it comes from, or why it is not known
    :param least: whether something that could not be priced comes on top
    """

    name: str
    value: Decimal | None
    why: str
    least: bool = False

    @property
    def title(self) -> str:
        """What people read."""
        return self.name.replace("_", " ")


def dollars(value: Decimal) -> str:
    """Return an amount as people read it."""
    return f"{value:.2f}" if not value or abs(value) >= Decimal("0.01") else plain(value)


def with_deploy(forecast: Decimal, difference: Decimal | None, today: datetime.date) -> tuple[Decimal, str]:
    """Return what a month will cost with what a deploy adds from today on, and how that comes about."""
    said = f"{dollars(forecast)} are expected without this deploy"
    if not difference or difference < 0:
        return forecast, said
    days = calendar.monthrange(today.year, today.month)[1]
    left = days - today.day + 1
    adds = f"which adds {dollars(difference)} a month for {left} of {days} days"
    return forecast + difference * left / days, f"{said}, {adds}"


def verdict(cap: Decimal | None, figures: list[Figure]) -> str:
    """Hold the figures that are known against the budget.

    Without any, or where something without a price comes on top of one, the answer is unknown, not within.
    """
    if cap is None:
        return "off"
    known = [figure for figure in figures if figure.value is not None]
    if any(figure.value > cap for figure in known if figure.value is not None):
        return "over"
    return "within" if known and not any(figure.least for figure in known) else "unknown"


def decision(found: str, policy: str, reason: str | None, difference: Decimal | None, known: bool) -> str:
    """Return what follows: ``go``, ``warned``, ``overridden`` or ``stopped``.

    :param difference: what the deploy adds to a month; one that adds nothing is no reason to stop, and one that makes
        it cheaper the way back into the budget
    :param known: whether any figure is known; what comes on top of a known one stops nothing
    """
    if found in ("off", "within"):
        return "go"
    if policy == "warn" or (difference is not None and difference <= 0) or (found == "unknown" and known):
        return "warned"
    return "overridden" if reason else "stopped"


def listing(figures: list[Figure]) -> str:
    """Return the figures as one text."""

    def said(figure: Figure) -> str:
        if figure.value is None:
            return f"{figure.title} unknown"
        return f"{figure.title} {'at least ' if figure.least else ''}{dollars(figure.value)}"

    return ", ".join(map(said, figures))


def sentence(guard: Guard, figures: list[Figure]) -> str:
    """Say in one sentence how the figures stand to the budget."""
    if guard["cap"] is None:
        return f"no budget is set for {guard['environment']}: {listing(figures)} USD a month"
    cap = dollars(Decimal(guard["cap"]))
    known = any(figure.value is not None for figure in figures)
    unknown = "not known to be within" if known else "nothing is known to hold against"
    how = {"within": "within", "over": "OVER", "unknown": unknown}[guard["verdict"]]
    return f"{how} the budget of {guard['environment']}, {cap} USD a month: {listing(figures)}"


def judge(
    environment: str,
    cap: Decimal | None,
    figures: list[Figure],
    policy: str = "warn",
    reason: str | None = None,
    difference: Decimal | None = None,
) -> Guard:
    """Return the whole judgement."""
    found = verdict(cap, figures)
    known = any(figure.value is not None for figure in figures)
    guard: Guard = {
        "environment": environment,
        "verdict": found,
        "policy": policy,
        "decision": decision(found, policy, reason, difference, known),
        "cap": None if cap is None else plain(cap),
        "figures": [
            {
                "name": figure.name,
                "value": None if figure.value is None else dollars(figure.value),
                "over": None if figure.value is None or cap is None else figure.value > cap,
                "why": figure.why,
            }
            for figure in figures
        ],
        "difference": None if difference is None else dollars(difference),
        "reason": None,
    }
    guard["reason"] = reason if guard["decision"] == "overridden" else None
    return {**guard, "text": sentence(guard, figures)}


def refusal(guard: Guard, figures: list[Figure], command: str) -> McpError:
    """Return the one error that a deploy over the budget gets, with the ways out.

    :param command: what was typed
    """
    enough = max((figure.value for figure in figures if figure.value is not None), default=None)
    raised = f"Raise it: -e mcp_budget_usd={enough.quantize(Decimal(1), ROUND_UP)}  " if enough is not None else ""
    unknown = "".join(f" {figure.title}: {figure.why}." for figure in figures if figure.value is None)
    return McpError(
        f"This deploy is {guard['text']}.{unknown} mcp_budget_policy is block, so nothing was changed. {raised}Or go "
        f"on with a reason that the audit trail keeps: {command} -e 'mcp_budget_override_reason=\"...\"'",
        budget_guard=guard,
    )


# What people read


def guard_lines(guard: Guard) -> list[str]:
    """Return the lines of a summary about the budget."""
    if not guard:
        return []
    lines = [f"budget:    {guard['text']}"]
    if guard["decision"] == "overridden":
        lines.append(f"OVER THE BUDGET, on purpose: {guard['reason']}")
    return lines + [
        f"unknown:   {figure['name'].replace('_', ' ')}: {figure['why']}"
        for figure in guard["figures"]
        if figure["value"] is None
    ]
