# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests to Cost Explorer: every one costs a cent, so each is counted, and none goes out over the limit."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field
from decimal import Decimal

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import (
    AWS_ERRORS,
    Context,
    McpError,
    describe_aws_error,
    error_code,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.s3_objects import THROTTLES

# AWS's price list: USD 0.01 a request, each page is one (2026-11).
REQUEST_USD = Decimal("0.01")
# A request that is repeated may be charged again, so it is repeated less often than others.
MOST_ATTEMPTS = 5
PATIENCE = {"connect_timeout": 10, "read_timeout": 60}
# Cost Explorer has one endpoint, and a task may have no region.
REGION = "us-east-1"
THROTTLED = (*THROTTLES, "LimitExceededException", "ThrottledException")
REFUSED = ("AccessDeniedException", "AccessDenied", "UnauthorizedOperation")
INVALID = ("ValidationException", "InvalidParameterException")
ENABLE = (
    "Open Cost Explorer once in the console (Billing and Cost Management), in an organization as its management "
    "account; the first data come within a day"
)
# Of errors without an answer: AWS may have taken each attempt, and charge for it.
UNANSWERED = ("ReadTimeoutError", "ConnectionClosedError", "HTTPClientError", "ResponseStreamingError")
# The operations that page, with the names of their tokens.
TOKENS = {"list_cost_allocation_tags": "NextToken"}


class CostsUnknown(McpError):
    """AWS cannot tell the costs: a gap to mark, not a zero."""


def explain(error: Exception, operation: str) -> McpError:
    """Return the error to raise for what Cost Explorer or botocore said."""
    code, text = error_code(error), str(error)
    action = "ce:" + "".join(word.capitalize() for word in operation.split("_"))
    facts = {"error_code": code or type(error).__name__}
    if code in INVALID and "member account" not in text.lower():
        return McpError(f"Cost Explorer refuses the request ({action}): {text}", **facts)
    if "not enabled for cost explorer" in text.lower():
        why = f"Cost Explorer is not enabled for this account. {ENABLE}."
    elif "member account" in text.lower() or "linked account" in text.lower():
        why = (
            f"This is a member account, and its organization does not let it use {action}. Ask with credentials of the "
            "management account, or let it allow this (Billing and Cost Management: Cost Management preferences)."
        )
    elif code in REFUSED:
        why = f"These credentials may not use {action} ({code}). Allow it; who they are: aws sts get-caller-identity"
    elif code == "DataUnavailableException":
        why = (
            f"Cost Explorer has no data for this yet ({code}), as in a young account, or within a day after it was "
            "enabled. Try again tomorrow."
        )
    elif code in THROTTLED:
        why = f"Cost Explorer was asked too often ({code}), also by others in this account. Try again in some minutes."
    else:
        why = f"Cost Explorer does not tell ({action}): {' '.join(describe_aws_error(error).split())}"
    return CostsUnknown(why, **facts)


def attempts(metadata: dict[str, t.Any]) -> int:
    """Return how often a request went out: what was repeated may be charged for."""
    return 1 + int(metadata.get("ResponseMetadata", {}).get("RetryAttempts", 0))


def lost_attempts(error: Exception, most: int) -> int:
    """Return how often a request that failed may have gone out.

    :param most: how often it was allowed to
    """
    if getattr(error, "response", None) is None and type(error).__name__ in UNANSWERED:
        return most
    return attempts(getattr(error, "response", None) or {})


def patience(given: dict[str, t.Any] | None, most: int) -> dict[str, t.Any]:
    """Return what botocore is told: the task's own settings, but never more attempts than are left."""
    settings = {**(given or PATIENCE)}
    retries = {"mode": "standard", **(settings.get("retries") or {})}
    # botocore's older word counts repetitions.
    theirs = retries.get("total_max_attempts", retries.pop("max_attempts", most - 1) + 1)
    return {**settings, "retries": {**retries, "total_max_attempts": min(int(theirs), most)}}


def make_client(ctx: Context, most: int) -> t.Any:
    """Return a client of Cost Explorer, wherever the task's options say that it is.

    :param most: how often it may send a request
    """
    settings: dict[str, t.Any] = {"aws_config": patience(ctx.params.get("aws_config"), most)}
    if ctx.params.get("cost_explorer_endpoint_url"):
        settings["endpoint_url"] = ctx.params["cost_explorer_endpoint_url"]
    saved = {name: ctx.params.get(name) for name in settings}
    ctx.params.update(settings)
    try:
        return ctx.make_client("ce", REGION)
    finally:
        ctx.params.update(saved)


@dataclass
class CostExplorer:
    """Cost Explorer with a purse.

    :param limit: how many requests may be made
    :param calls: how many went out
    """

    ctx: Context
    limit: int
    calls: int = 0
    _clients: dict[int, t.Any] = field(default_factory=dict)

    @property
    def cost(self) -> Decimal:
        """Return what the requests cost at most."""
        return self.calls * REQUEST_USD

    @property
    def left(self) -> int:
        """Return how many requests may still be made."""
        return max(self.limit - self.calls, 0)

    def client(self, most: int) -> t.Any:
        """Return a client that does not go over the limit by repeating either."""
        if most not in self._clients:
            self._clients[most] = make_client(self.ctx, most)
        return self._clients[most]

    def ask(self, operation: str, **request: t.Any) -> dict[str, t.Any]:
        """Make one request.

        :raises CostsUnknown: AWS cannot tell
        :raises McpError: the limit is reached, or the request is wrong
        """
        most = min(MOST_ATTEMPTS, self.left)
        if not most:
            raise McpError(
                f"max_api_calls is {self.limit}, and the report needs a further request to Cost Explorer ({operation}; "
                f"USD {REQUEST_USD} each, {self.calls} made). Allow it, for example: max_api_calls: {self.limit + 5}",
                limit_reached=True,
            )
        try:
            answer: dict[str, t.Any] = getattr(self.client(most), operation)(**request)
        except AWS_ERRORS as error:
            self.calls += lost_attempts(error, most)
            raise explain(error, operation) from error
        self.calls += attempts(answer)
        return answer

    def pages(self, operation: str, **request: t.Any) -> t.Iterator[dict[str, t.Any]]:
        """Yield the pages of an answer; botocore has no paginator for most of them, and would not count."""
        token = TOKENS.get(operation, "NextPageToken")
        while True:
            page = self.ask(operation, **request)
            yield page
            if not page.get(token):
                return
            request[token] = page[token]


def but_credits(accounts: list[str], gross: bool, *more: dict[str, t.Any]) -> dict[str, t.Any]:
    """Return the filter of a request, as arguments.

    :param gross: leave credits and refunds out
    :param more: further conditions
    """
    parts: list[dict[str, t.Any]] = []
    if gross:
        parts.append({"Not": {"Dimensions": {"Key": "RECORD_TYPE", "Values": ["Credit", "Refund"]}}})
    if accounts:
        parts.append({"Dimensions": {"Key": "LINKED_ACCOUNT", "Values": sorted(accounts)}})
    parts.extend(more)
    if not parts:
        return {}
    return {"Filter": parts[0] if len(parts) == 1 else {"And": parts}}
