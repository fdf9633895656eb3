# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What would end an account's credits: nobody loses them, or the account with them, without having said so."""

from __future__ import annotations

import datetime
import typing as t
from decimal import Decimal

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import McpError
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.estimate_amount import DAYS_A_MONTH, cents

Plan = dict[str, t.Any]


def last_day(plan: Plan, monthly: Decimal | None, today: datetime.date) -> datetime.date | None:
    """Return the day on which credits run out before a free plan ends; None where they last, or are not known.

    :param monthly: what a month costs
    """
    credits, expires = plan.get("credits"), plan.get("expires")
    if plan.get("type") != "FREE" or monthly is None or monthly <= 0 or not credits or not expires:
        return None
    days = int(Decimal(credits["amount"]) / monthly * DAYS_A_MONTH)
    left = (datetime.date.fromisoformat(str(expires)[:10]) - today).days
    return today + datetime.timedelta(days=days) if days < left else None


def check_runway(plan: Plan, monthly: Decimal | None, today: datetime.date, command: str) -> None:
    """:raises McpError: the environment would use up the credits before their plan ends, and AWS close the account

    :param command: what was typed
    """
    ends = last_day(plan, monthly, today)
    if ends is None or monthly is None:
        return
    left = f"{cents(Decimal(plan['credits']['amount']))} {plan['credits']['unit']}"
    raise McpError(
        f"This account is on AWS's free plan until {str(plan['expires'])[:10]}, with {left} of credits. This "
        f"environment alone costs {cents(monthly)} USD a month and uses them up about {ends}; AWS then closes the "
        "account, unless it was upgraded to the paid plan. Nothing was changed. If that is what you want: "
        f"{command} -e mcp_use_credits=true"
    )
