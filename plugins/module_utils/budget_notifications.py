# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Notifications of a budget: who is told at which percentages."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.budget_steps import Step

Address = tuple[str, str]
# Type, comparison, threshold and its type: what AWS tells notifications apart by.
Key = tuple[str, str, float, str]


@dataclass(frozen=True)
class Told:
    """Whom a notification tells, and whether it did.

    :param state: ``OK`` or ``ALARM``
    """

    state: str
    addresses: frozenset[Address]


def keys(actual: list[int], forecast: list[int]) -> tuple[Key, ...]:
    """Return the notifications at these percentages."""
    both = [("ACTUAL", percent) for percent in actual] + [("FORECASTED", percent) for percent in forecast]
    return tuple((kind, "GREATER_THAN", float(percent), "PERCENTAGE") for kind, percent in both)


def addresses(emails: list[str], topic: str | None) -> frozenset[Address]:
    """Return who is told."""
    return frozenset({("EMAIL", email) for email in emails} | ({("SNS", topic)} if topic else set()))


def subscribers(told: t.Iterable[Address]) -> list[dict[str, str]]:
    """Return addresses as AWS takes them."""
    return [{"SubscriptionType": kind, "Address": address} for kind, address in sorted(told)]


def notification(key: Key) -> dict[str, t.Any]:
    """Return a notification as AWS takes it."""
    return dict(zip(("NotificationType", "ComparisonOperator", "Threshold", "ThresholdType"), key, strict=True))


def text(key: Key) -> str:
    """Say what a notification is about."""
    kind, comparison, threshold, unit = key
    sign = {"GREATER_THAN": "above", "LESS_THAN": "below"}.get(comparison, "at")
    number = f"{threshold:g} {'%' if unit == 'PERCENTAGE' else 'USD'}"
    return f"{'forecast' if kind == 'FORECASTED' else 'spent'} {sign} {number}"


def shown(told: t.Iterable[Address]) -> list[str]:
    """Return addresses as people read them."""
    return sorted(address for _kind, address in told)


def read(client: t.Any, where: dict[str, str]) -> dict[Key, Told]:
    """Return the notifications of a budget.

    :param where: its account and name, as AWS takes them
    """
    found = {}
    for page in client.get_paginator("describe_notifications_for_budget").paginate(**where):
        for item in page.get("Notifications", []):
            unit = item.get("ThresholdType", "PERCENTAGE")
            key = (item["NotificationType"], item["ComparisonOperator"], float(item["Threshold"]), unit)
            found[key] = Told(item.get("NotificationState", "OK"), read_addresses(client, where, key))
    return found


def read_addresses(client: t.Any, where: dict[str, str], key: Key) -> frozenset[Address]:
    """Return who a notification tells."""
    paginator = client.get_paginator("describe_subscribers_for_notification")
    pages = paginator.paginate(**where, Notification=notification(key))
    items = [item for page in pages for item in page.get("Subscribers", [])]
    return frozenset((item["SubscriptionType"], item["Address"]) for item in items)


def steps(
    client: t.Any, where: dict[str, str], wanted: tuple[Key, ...], told: frozenset[Address], found: dict[Key, Told]
) -> list[Step]:
    """Return the steps that make the notifications right; those that are not wanted go first, AWS takes ten."""

    def remove(key: Key) -> None:
        client.delete_notification(**where, Notification=notification(key))

    def add(key: Key) -> None:
        client.create_notification(**where, Notification=notification(key), Subscribers=subscribers(told))

    def change(key: Key) -> None:
        # As a whole: AWS removes a notification with its last subscriber, and takes one topic only.
        remove(key)
        add(key)

    def step(what: str, key: Key, after: t.Any, act: t.Callable[[Key], None]) -> Step:
        before = shown(found[key].addresses) if key in found else None
        target = f"{where['BudgetName']}: {text(key)}"
        return Step(f"notification {what}", target, before, after, lambda: act(key))

    removed = [step("removed", key, None, remove) for key in found if key not in wanted]
    added = [step("added", key, shown(told), add) for key in wanted if key not in found]
    kept = [key for key in wanted if key in found and found[key].addresses != told]
    return removed + added + [step("changed", key, shown(told), change) for key in kept]


def describe(found: dict[Key, Told]) -> list[dict[str, t.Any]]:
    """Return notifications as a result shows them."""
    return [
        {"type": key[0], "percent": key[2], "state": told.state, "subscribers": shown(told.addresses)}
        for key, told in sorted(found.items())
    ]
