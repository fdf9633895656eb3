# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Cost Explorer with canned answers, which botocore checks against the real service model, and a bucket in memory."""

from __future__ import annotations

import typing as t
from datetime import date, timedelta

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import cost_info, cost_options, cost_periods
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import SHARED_SESSION, Context
from botocore.stub import Stubber

from tests.support.memory_s3 import MemoryS3

NOW = date(2026, 11, 22)
# What the standard request of that day asks for: the trailing 30 days and the 30 before.
WINDOW = {"Start": "2026-09-23", "End": "2026-11-23"}
GROSS = {"Not": {"Dimensions": {"Key": "RECORD_TYPE", "Values": ["Credit", "Refund"]}}}
SERVICE = {"Type": "DIMENSION", "Key": "SERVICE"}
TAG = {"Type": "TAG", "Key": "mcp:environment"}
LAMBDA, RDS, CLOUDWATCH = "AWS Lambda", "Amazon Relational Database Service", "AmazonCloudWatch"

Rows = list[tuple[tuple[str, ...], str]]


def usual(day: date) -> Rows:
    """Return what a day costs: 1.15 until October, 1.35 since."""
    return [
        ((LAMBDA, "mcp:environment$production"), "0.10"),
        ((RDS, "mcp:environment$staging"), "1.20" if day >= date(2026, 11, 1) else "1.00"),
        ((CLOUDWATCH, "mcp:environment$"), "0.05"),
    ]


def untagged(day: date) -> Rows:
    """Return the same of an account that does not count by the tag."""
    return [((service, "mcp:environment$"), amount) for (service, _tag), amount in usual(day)]


def step(start: date, end: date, rows: Rows, unit: str = "USD") -> dict[str, t.Any]:
    """Return a day, or another span of time, as Cost Explorer answers; the end is excluded."""
    groups = [
        {"Keys": list(keys), "Metrics": {"UnblendedCost": {"Amount": amount, "Unit": unit}}} for keys, amount in rows
    ]
    period = {"Start": start.isoformat(), "End": end.isoformat()}
    return {"TimePeriod": period, "Total": {}, "Groups": groups, "Estimated": True}


def by_day(rows: t.Callable[[date], Rows] = usual, window: dict[str, str] | None = None) -> list[dict[str, t.Any]]:
    """Return every day of a request."""
    start, end = (date.fromisoformat((window or WINDOW)[edge]) for edge in ("Start", "End"))
    days = [start + timedelta(days=count) for count in range((end - start).days)]
    return [step(day, day + timedelta(days=1), rows(day)) for day in days]


class World:
    """An account at one moment; every request has to be expected."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        options = {"aws_access_key_id": "x", "aws_secret_access_key": "x", "region_name": "us-east-1"}
        self.ce = SHARED_SESSION.client("ce", **options)
        self.stub = Stubber(self.ce)
        self.stub.activate()
        self.s3 = MemoryS3()
        self.warned: list[str] = []
        self.clients: list[tuple[str, str | None, dict[str, t.Any]]] = []
        self.now = NOW
        monkeypatch.setattr(cost_periods, "today", lambda: self.now)

    def expect(
        self,
        results: list[dict[str, t.Any]],
        window: dict[str, str] | None = None,
        group_by: list[dict[str, str]] | None = None,
        granularity: str = "DAILY",
        conditions: dict[str, t.Any] | None = GROSS,
        token: str | None = None,
        more: str | None = None,
        names: dict[str, str] | None = None,
        retries: int = 0,
    ) -> None:
        """Expect one request for costs and answer it."""
        wanted: dict[str, t.Any] = {
            "TimePeriod": window or WINDOW,
            "Granularity": granularity,
            "Metrics": ["UnblendedCost"],
            "GroupBy": group_by or [SERVICE, TAG],
            **({"Filter": conditions} if conditions else {}),
            **({"NextPageToken": token} if token else {}),
        }
        attributes = [{"Value": key, "Attributes": {"description": text}} for key, text in (names or {}).items()]
        answer = {
            "ResultsByTime": results,
            "DimensionValueAttributes": attributes,
            "ResponseMetadata": {"RetryAttempts": retries},
            **({"NextPageToken": more} if more else {}),
        }
        self.stub.add_response("get_cost_and_usage", answer, wanted)

    def expect_tag(self, status: str | None) -> None:
        """Expect the question about the tag."""
        tags = [{"TagKey": "mcp:environment", "Type": "UserDefined", "Status": status}] if status else []
        wanted = {"TagKeys": ["mcp:environment"], "Type": "UserDefined"}
        self.stub.add_response("list_cost_allocation_tags", {"CostAllocationTags": tags}, wanted)

    def fail(self, operation: str, code: str, message: str = "no") -> None:
        """Let a request fail."""
        self.stub.add_client_error(operation, code, message, 400)

    def client(self, service: str, region: str | None, params: dict[str, t.Any]) -> t.Any:
        """Return a client, and remember with which options."""
        self.clients.append((service, region, dict(params)))
        return {"ce": self.ce, "s3": self.s3}[service]

    def run(self, check_mode: bool = False, bucket: str | None = "state", **options: t.Any) -> dict[str, t.Any]:
        """Run the module; all that was expected has to have been asked."""
        given = {**({"bucket": bucket} if bucket else {}), **options}
        checked = ArgumentSpecValidator(cost_options.ARGUMENT_SPEC, **cost_options.SPEC_OPTIONS).validate(given)
        assert not checked.error_messages, checked.error_messages
        params = checked.validated_parameters
        ctx = Context(
            params,
            lambda service, region: self.client(service, region, params),
            check_mode=check_mode,
            warn=self.warned.append,
        )
        try:
            return cost_info.run(ctx)
        finally:
            self.stub.assert_no_pending_responses()
