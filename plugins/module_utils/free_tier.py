# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An account's plan and credits, and what a FREE plan would refuse or lose; what AWS does not tell is unknown."""

from __future__ import annotations

import typing as t
from datetime import UTC, datetime
from decimal import Decimal

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import (
    AWS_ERRORS,
    describe_aws_error,
    error_code,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.estimate_amount import plain

# The service answers there only, and its clients get an invented host in other regions.
REGION = "us-east-1"
TOO_OLD = "The botocore of this Python does not know freetier:{operation} yet. Update it: pip install --upgrade boto3"
OLD_ERRORS = ("AttributeError", "UnknownServiceError", "OperationNotPageableError")
DENIED = ("AccessDeniedException", "AccessDenied", "UnauthorizedOperation")
NO_PLAN = (
    "AWS knows no plan of this account. Accounts opened before 2025-07-15 have none, and members of an organization "
    "have that of its management account."
)
# AWS, EC2 on a free plan account (2026-11).
FREE_PLAN_EC2 = ("t3.micro", "t3.small", "t4g.micro", "t4g.small", "c7i-flex.large", "m7i-flex.large")
# RDS answers FreeTierRestrictionError to more; reported by users, AWS does not publish the number (2026-11).
FREE_PLAN_BACKUP_DAYS = 1
# Their databases, clusters and networks need what a free plan account may not create.
PAID_PHASES = ("growth", "scale")

Row = dict[str, t.Any]


def no_plan(why: str) -> Row:
    """Return the plan of an account of which AWS does not tell."""
    unknown = {"status": None, "credits": None, "expires": None, "days_left": None, "account": None}
    return {"type": "unknown", **unknown, "unknown": why}


def plain_plan(answer: Row, now: datetime) -> Row:
    """Return a plan as it is shown."""
    left, expires = answer.get("accountPlanRemainingCredits"), answer.get("accountPlanExpirationDate")
    return {
        "type": answer["accountPlanType"],
        "status": answer["accountPlanStatus"],
        "credits": {"amount": plain(Decimal(str(left["amount"]))), "unit": left["unit"]} if left else None,
        "expires": expires.astimezone(UTC).date().isoformat() if expires else None,
        "days_left": max((expires - now).days, 0) if expires else None,
        "account": answer["accountId"],
    }


def account_plan(make_client: t.Callable[[], t.Any]) -> Row:
    """Return an account's plan and what is left of its credits.

    Nothing fails for it: where AWS does not tell, ``type`` is unknown, and ``unknown`` says why.

    :param make_client: returns one of freetier, in REGION
    """
    try:
        return plain_plan(make_client().get_account_plan_state(), datetime.now(UTC))
    except (AttributeError, *AWS_ERRORS) as error:
        if type(error).__name__ in OLD_ERRORS:
            return no_plan(TOO_OLD.format(operation="GetAccountPlanState"))
        if error_code(error) == "ResourceNotFoundException":
            return no_plan(NO_PLAN)
        if error_code(error) in DENIED:
            return no_plan(
                "These credentials may not use freetier:GetAccountPlanState. Allow it, and the plan is known."
            )
        return no_plan(f"AWS does not tell the account's plan: {describe_aws_error(error)}")


def free_plan_problems(plan: Row, wanted: Row) -> list[str]:
    """Return what AWS would refuse to an account on the FREE plan; nothing for others, and where the plan is unknown.

    :param wanted: ``phase``, ``ec2`` (instance types), ``rds`` (instance classes), ``backup_days`` (None: none)
    """
    if plan.get("type") != "FREE":
        return []
    problems = []
    if wanted.get("phase") in PAID_PHASES:
        problems.append(f"the phase {wanted['phase']} needs services that a FREE plan does not have")
    problems += [
        f"EC2 refuses {kind}: allowed are {', '.join(FREE_PLAN_EC2)}"
        for kind in wanted.get("ec2", ())
        if kind not in FREE_PLAN_EC2
    ]
    problems += [
        f"RDS refuses {kind}: allowed are micro classes, such as db.t4g.micro"
        for kind in wanted.get("rds", ())
        if not kind.endswith(".micro")
    ]
    if (days := wanted.get("backup_days")) is not None and int(days) > FREE_PLAN_BACKUP_DAYS:
        problems.append(f"RDS refuses to keep backups for {days} days: allowed is {FREE_PLAN_BACKUP_DAYS} at most")
    return problems
