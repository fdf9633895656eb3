# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cost report, computed from an answer of Cost Explorer: groups, days, the period before, what moved most."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import cost_periods
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.cost_answers import NOT_GROUPED, Costs, Keys, Step
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.cost_periods import Period
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.estimate_amount import plain

PERCENT = Decimal("0.1")

Row = dict[str, t.Any]
Amounts = dict[Keys, Decimal]


@dataclass(frozen=True)
class Question:
    """What a report is about.

    :param by_month: whether the answer has months instead of days
    :param tag_value: only costs with this value of the tag
    :param services: only these services, where there are some
    """

    preset: str
    period: Period
    previous: Period | None
    group_by: Keys
    tag_key: str
    now: date
    by_month: bool = False
    monthly: bool = False
    tag_value: str | None = None
    services: tuple[str, ...] = ()


def percent(part: Decimal, whole: Decimal) -> str | None:
    """Return a share of a hundred with one decimal; None where there is nothing to compare with."""
    if whole <= 0:
        return None
    return plain((part * 100 / whole).quantize(PERCENT, rounding=ROUND_HALF_UP))


def selected(costs: Costs, question: Question) -> list[Step]:
    """Return the steps with what was asked for alone, grouped as it was asked for."""
    at = {key: place for place, key in enumerate(costs.keys)}
    steps = []
    for step in costs.steps:
        chosen = Step(step.period)
        for keys, amount in step.amounts.items():
            tag = keys[at["tag"]] if question.tag_value is not None else None
            service = keys[at["service"]] if question.services and "service" in at else None
            if tag == question.tag_value and (service is None or service in question.services):
                chosen.add(tuple(keys[at[key]] for key in question.group_by), amount)
        steps.append(chosen)
    return steps


def within(steps: t.Iterable[Step], period: Period) -> list[Step]:
    """Return the steps of a period."""
    return [step for step in steps if period.has(step.period)]


def amounts_of(steps: t.Iterable[Step], period: Period) -> Amounts:
    """Return what each group cost in a period."""
    total = Step(period)
    for step in within(steps, period):
        for keys, amount in step.amounts.items():
            total.add(keys, amount)
    return total.amounts


def sum_of(amounts: Amounts) -> Decimal:
    """Return the sum of all groups."""
    return sum(amounts.values(), Decimal())


def missing_days(steps: t.Iterable[Step], period: Period) -> int:
    """Return of how many days of a period the answer says nothing."""
    return period.days - sum(step.period.days for step in within(steps, period))


class Report:
    """The report on one question.

    :param costs: the answer, for every day that the question needs
    """

    def __init__(self, costs: Costs, question: Question) -> None:
        self.names, self.question = costs.names, question
        self.steps = selected(costs, question)
        self.amounts = amounts_of(self.steps, question.period)
        self.days: Period | None = None
        self.days_before: Period | None = None
        if question.previous and (
            pair := cost_periods.compared(question.period, question.previous, question.by_month, question.now)
        ):
            self.days, self.days_before = pair
        self.recent = amounts_of(self.steps, self.days) if self.days else {}
        self.before = amounts_of(self.steps, self.days_before) if self.days_before else {}

    def label(self, key: str, value: str) -> str:
        """Return what a value is called."""
        if key == "tag" and value in ("", NOT_GROUPED):
            return f"(no {self.question.tag_key})"
        name = self.names.get(value)
        return f"{name} ({value})" if key == "account" and name else value

    def name(self, keys: Keys) -> str:
        """Return what a group is called."""
        return " / ".join(self.label(key, value) for key, value in zip(self.question.group_by, keys, strict=True))

    def change(self, keys: Keys) -> Row:
        """Return what a group cost before, and the difference over complete days; None each where it is not known."""
        if self.days is None:
            return {"previous": None, "difference": None, "percent": None}
        before, now = self.before.get(keys, Decimal()), self.recent.get(keys, Decimal())
        return {
            "previous": plain(before),
            "difference": plain(now - before),
            "percent": percent(now - before, before),
        }

    def groups(self) -> list[Row]:
        """Return the groups, the dearest first."""
        total = sum_of(self.amounts)
        return [
            {
                "keys": dict(zip(self.question.group_by, keys, strict=True)),
                "name": self.name(keys),
                "amount": plain(amount),
                "share": percent(amount, total),
                **self.change(keys),
            }
            for keys, amount in sorted(self.amounts.items(), key=lambda item: (-item[1], item[0]))
        ]

    def movers(self, count: int) -> list[Row]:
        """Return the groups that changed most, those that are gone among them."""
        changes = {keys: self.change(keys) for keys in {**self.recent, **self.before}}
        order = sorted(changes, key=lambda keys: (-abs(Decimal(changes[keys]["difference"])), keys))
        return [
            {"name": self.name(keys), "amount": plain(self.recent.get(keys, Decimal())), **changes[keys]}
            for keys in order[:count]
            if changes[keys]["difference"] != "0"
        ]

    def previous(self) -> Row | None:
        """Return the period before in one line."""
        if self.days is None or self.days_before is None:
            return None
        now, before = sum_of(self.recent), sum_of(self.before)
        return {
            **self.days_before.shown(),
            "amount": plain(before),
            "compared_start": self.days.start.isoformat(),
            "compared_end": self.days.end.isoformat(),
            "compared": plain(now),
            "difference": plain(now - before),
            "percent": percent(now - before, before),
        }

    def by_day(self) -> list[Row]:
        """Return the period step by step, oldest first."""
        steps: dict[date, Step] = {}
        for step in within(self.steps, self.question.period):
            start = step.period.start.replace(day=1) if self.question.monthly else step.period.start
            whole = steps.setdefault(start, Step(step.period))
            whole.period = Period(whole.period.start, step.period.end)
            for keys, amount in step.amounts.items():
                whole.add(keys, amount)
        grows = cost_periods.grows_from(self.question.now)
        return [
            {
                **step.period.shown(),
                "total": plain(sum_of(step.amounts)),
                "groups": {self.name(keys): plain(amount) for keys, amount in sorted(step.amounts.items())},
                "may_grow": step.period.end >= grows,
            }
            for _start, step in sorted(steps.items())
        ]
