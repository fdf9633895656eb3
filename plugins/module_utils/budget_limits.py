# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Monthly budgets of AWS Budgets: what is wanted, what is there, and the steps between."""

from __future__ import annotations

import functools
import typing as t
from dataclasses import dataclass
from decimal import Decimal

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import budget_notifications
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.budget_notifications import Address, Key, Told
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.budget_steps import Step
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import AWS_ERRORS, error_code
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.estimate_amount import plain

# Gross: with credits and refunds taken off, a budget tells nothing until the credits are used up.
GROSS = {"IncludeCredit": False, "IncludeRefund": False}


@dataclass(frozen=True)
class Wanted:
    """A budget as it shall be.

    :param kind: ``environment`` or ``account``
    :param filters: what it counts; nothing means the whole account
    """

    kind: str
    name: str
    limit: Decimal
    filters: dict[str, list[str]]
    keys: tuple[Key, ...]
    addresses: frozenset[Address]


@dataclass(frozen=True)
class Found:
    """A budget as it is, with its notifications."""

    budget: dict[str, t.Any]
    notifications: dict[Key, Told]


def of_tag(key: str, value: str) -> dict[str, list[str]]:
    """Return the filter that counts what has a tag of ours."""
    return {"TagKeyValue": [f"user:{key}${value}"]}


def look(client: t.Any, account: str, name: str) -> dict[str, t.Any] | None:
    """Return a budget without its notifications, None where there is none."""
    try:
        return dict(client.describe_budget(AccountId=account, BudgetName=name)["Budget"])
    except AWS_ERRORS as error:
        if error_code(error) == "NotFoundException":
            return None
        raise


def read(client: t.Any, account: str, name: str) -> Found | None:
    """Return a budget with its notifications, None where there is none."""
    budget = look(client, account, name)
    where = {"AccountId": account, "BudgetName": name}
    return None if budget is None else Found(budget, budget_notifications.read(client, where))


def spend(budget: dict[str, t.Any], kind: str) -> str | None:
    """Return what was spent or is expected, in US dollars; None where AWS has counted nothing: that is not 0.

    :param kind: ``ActualSpend`` or ``ForecastedSpend``
    """
    found = budget.get("CalculatedSpend", {}).get(kind)
    return plain(Decimal(found["Amount"])) if found and Decimal(found["Amount"]) else None


def definition(wanted: Wanted, old: dict[str, t.Any]) -> dict[str, t.Any]:
    """Return a budget as AWS takes it.

    :param old: the budget that is there; its period, and what it counts beside credits, stay
    """
    return {
        "BudgetName": wanted.name,
        "BudgetType": "COST",
        "TimeUnit": "MONTHLY",
        "BudgetLimit": {"Amount": plain(wanted.limit), "Unit": "USD"},
        "CostFilters": wanted.filters,
        "CostTypes": {**old.get("CostTypes", {}), **GROSS},
        **({"TimePeriod": old["TimePeriod"]} if old.get("TimePeriod") else {}),
    }


def terms(budget: dict[str, t.Any]) -> dict[str, t.Any]:
    """Return what two budgets are compared by."""
    limit = budget.get("BudgetLimit", {})
    counted = budget.get("CostTypes", {})
    return {
        "limit": f"{plain(Decimal(limit.get('Amount', '0')))} {limit.get('Unit', 'USD')}",
        "period": budget["TimeUnit"],
        "type": budget["BudgetType"],
        "filters": budget.get("CostFilters") or {},
        "gross": all(counted.get(name) is value for name, value in GROSS.items()),
    }


def creation(client: t.Any, account: str, wanted: Wanted, tags: dict[str, str]) -> Step:
    """Return the step that makes a budget with its notifications, in one call."""
    told = budget_notifications.subscribers(wanted.addresses)
    notifications = [
        {"Notification": budget_notifications.notification(key), "Subscribers": told} for key in wanted.keys
    ]
    budget = definition(wanted, {})

    def act() -> None:
        try:
            client.create_budget(
                AccountId=account,
                Budget=budget,
                NotificationsWithSubscribers=notifications,
                ResourceTags=[{"Key": key, "Value": value} for key, value in tags.items()],
            )
        except AWS_ERRORS as error:
            # That of the account may have been made by another environment meanwhile.
            if wanted.kind != "account" or error_code(error) != "DuplicateRecordException":
                raise

    names = budget_notifications.shown(wanted.addresses)
    after = {**terms(budget), "told": {budget_notifications.text(key): names for key in wanted.keys}}
    return Step("budget created", wanted.name, None, after, act)


def steps(client: t.Any, account: str, wanted: Wanted, found: Found | None, tags: dict[str, str]) -> list[Step]:
    """Return the steps from a budget that is there to one as it shall be."""
    if found is None:
        return [creation(client, account, wanted, tags)]
    budget = definition(wanted, found.budget)
    before, after = terms(found.budget), terms(budget)
    moved = [name for name in after if before[name] != after[name]]
    act = functools.partial(client.update_budget, AccountId=account, NewBudget=budget)
    differs = ({name: terms[name] for name in moved} for terms in (before, after))
    changes = [Step("budget changed", wanted.name, *differs, act)] if moved else []
    where = {"AccountId": account, "BudgetName": wanted.name}
    told = budget_notifications.steps(client, where, wanted.keys, wanted.addresses, found.notifications)
    return changes + told


def removal(client: t.Any, account: str, name: str, found: Found | None) -> list[Step]:
    """Return the step that removes a budget, its notifications with it."""
    if found is None:
        return []
    act = functools.partial(client.delete_budget, AccountId=account, BudgetName=name)
    return [Step("budget removed", name, terms(found.budget), None, act)]


def describe(kind: str, found: Found) -> dict[str, t.Any]:
    """Return a budget as a result shows it."""
    budget = found.budget
    limit = budget.get("BudgetLimit", {})
    return {
        "name": budget["BudgetName"],
        "kind": kind,
        "limit": plain(Decimal(limit.get("Amount", "0"))),
        "unit": limit.get("Unit", "USD"),
        "filters": budget.get("CostFilters") or {},
        "spent": spend(budget, "ActualSpend"),
        "forecast": spend(budget, "ForecastedSpend"),
        "thresholds": budget_notifications.describe(found.notifications),
    }
