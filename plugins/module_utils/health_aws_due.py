# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is due: the rotation of secrets, and money."""

from __future__ import annotations

import re
import shlex
from datetime import datetime, timedelta

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_aws_common import (
    ANY_NAME,
    NO_EMULATION,
    TARGET,
    Row,
    actions,
    ask,
    aws,
    command,
    missing,
    must,
    named,
    play,
    quoted,
    target,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_aws_words import (
    ago,
    between,
    iso,
    judged,
    minute,
    number,
    span,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_kind import Kind, Look, Observation

GLOBAL_REGION = "us-east-1"

# Secrets


def rotation_due(found: Row) -> datetime | None:
    """Return by when a secret is to be rotated: AWS's own date, or a day after the rule asks for it."""
    last, days = found.get("LastRotatedDate"), (found.get("RotationRules") or {}).get("AutomaticallyAfterDays")
    by_rule = last + timedelta(days=days + 1) if last and days else None
    return min(filter(None, (found.get("NextRotationDate"), by_rule)), default=None)


def rotation(look: Look, found: Row, what: str) -> Observation:
    """Judge whether a secret was rotated when it should have been."""
    due, last = rotation_due(found), found.get("LastRotatedDate")
    done = f"last rotated {ago(last, look.now)}" if last else "never rotated yet"
    if due is None:
        return Observation("unknown", f"{what}: {done}, and AWS names no date for the next time")
    over = between(due, look.now)
    if over <= timedelta():
        return Observation("healthy", f"{what}: {done}, due by {minute(due)}")
    by_owner = aws(look, "secretsmanager", f"secretsmanager rotate-secret --secret-id {quoted(look)}")
    status, passed = judged(look, "secret_overdue_days", over / timedelta(days=1))
    return Observation(
        status,
        f"{what}: {done}, overdue for {span(over)} (was due by {minute(due)}){passed}",
        since=iso(due),
        next_step=by_owner if found.get("OwningService") else play(look, "rotate_secrets"),
    )


def look_at_secret(look: Look) -> Observation:
    """Look whether a secret is there and rotated in time; its value is never read."""
    answer = ask(look, "secretsmanager", "describe_secret", ("ResourceNotFoundException",), SecretId=target(look))
    if answer is None:
        return missing(look, "secretsmanager", f"secret {target(look)}")
    what, deleted = f"secret {answer.get('Name')}", answer.get("DeletedDate")
    if deleted:
        step = aws(look, "secretsmanager", f"secretsmanager restore-secret --secret-id {quoted(look)}")
        text = f"{what}: scheduled for deletion ({minute(deleted)}), nobody can read it until it is restored"
        since = iso(deleted) if between(deleted, look.now) > timedelta() else None
        return Observation("critical", text, since=since, next_step=step)
    if not answer.get("RotationEnabled"):
        changed = answer.get("LastChangedDate") or answer.get("CreatedDate")
        when = f", last changed {ago(changed, look.now)}" if changed else ""
        return Observation("healthy", f"{what}: not rotated by schedule{when}")
    return rotation(look, answer, what)


# Money


def amount(spend: Row | None) -> float | None:
    """Return a sum of money, None where there is none."""
    text = (spend or {}).get("Amount")
    return float(text) if text is not None and re.fullmatch(r"-?[0-9.]+(?:[eE][-+]?[0-9]+)?", text) else None


def account_of(probe: Row) -> str:
    return str(probe["target"]).partition(":")[0]


def look_at_spend(look: Look) -> Observation:
    """Hold what a budget has counted against its limit."""
    account, _colon, name = target(look).partition(":")
    request = {"AccountId": account, "BudgetName": name}
    answer = ask(look, "budgets", "describe_budget", ("NotFoundException",), **request)
    if answer is None:
        text = f"budget {name} of account {account} does not exist"
        return Observation("unknown", text, next_step=play(look, "budget"))
    found = answer["Budget"]
    counted = found.get("CalculatedSpend") or {}
    limit, actual = amount(found.get("BudgetLimit")), amount(counted.get("ActualSpend"))
    if not limit or actual is None:
        return Observation(
            "unknown", f"budget {name}: AWS names no limit or nothing spent yet", next_step=play(look, "budget")
        )
    percent, unit = 100 * actual / limit, str(found["BudgetLimit"].get("Unit") or "USD")
    forecast = amount(counted.get("ForecastedSpend"))
    ahead = f"{number(forecast)} {unit}" if forecast is not None else NO_EMULATION if look.sandbox else "not known yet"
    status, passed = judged(look, "spend_percent", percent)
    text = f"{number(actual)} of {number(limit)} {unit} spent ({number(percent, 1)} %){passed}; forecast {ahead}"
    return Observation(status, f"budget {name}: {text}", next_step=play(look, "cost_review"))


KINDS = named(
    Kind(
        name="secret",
        look=look_at_secret,
        options=TARGET,
        required=("target",),
        services=("secretsmanager",),
        check=ANY_NAME,
        step=command("secretsmanager describe-secret --secret-id {target}"),
        actions=actions(secretsmanager="DescribeSecret"),
    ),
    Kind(
        name="spend",
        look=look_at_spend,
        options=frozenset({"target"}),
        required=("target",),
        services=("budgets",),
        region=GLOBAL_REGION,
        check=must(r"\d{12}:[^:\\]+", "ACCOUNT:NAME, the 12 digits of the account and the name of a budget"),
        step=lambda probe: f"aws budgets describe-budgets --account-id {shlex.quote(account_of(probe))}",
        actions=actions(budgets="DescribeBudget"),
    ),
)
