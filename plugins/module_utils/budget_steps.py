# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What has to be done to budgets and alerts, as data: check mode, diff and the real run share it."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import (
    AWS_ERRORS,
    Context,
    McpError,
    describe_aws_error,
    error_code,
)

BILLING_REGION = "us-east-1"
# Budget, alarm and topic of the whole account, which its environments share. An underscore is in no environment's name.
ACCOUNT_NAME = "mcp-account_costs"


@dataclass(frozen=True)
class Step:
    """One change.

    :param what: what is done, in the past tense
    :param act: does it
    """

    what: str
    target: str
    before: t.Any
    after: t.Any
    act: t.Callable[[], t.Any]

    def row(self) -> dict[str, t.Any]:
        """Return it as a row of the result."""
        return {"what": self.what, "target": self.target, "before": self.before, "after": self.after}


@dataclass(frozen=True)
class Names:
    """What things of one environment are called."""

    environment: str

    @property
    def budget(self) -> str:
        """The environment's own budget."""
        return f"mcp-{self.environment}"

    @property
    def anomalies(self) -> str:
        """The subscription to anomalies by SNS; the one by mail has a suffix."""
        return f"mcp-{self.environment}-anomalies"


def diff(steps: list[Step]) -> list[dict[str, t.Any]]:
    """Return the changes as Ansible shows them."""
    return [
        {
            "before": {f"{step.what}: {step.target}": step.before for step in steps},
            "after": {f"{step.what}: {step.target}": step.after for step in steps},
            "before_header": "budgets",
            "after_header": "budgets",
        }
    ]


def take(ctx: Context, steps: list[Step]) -> None:
    """Do what is to be done, in order; check mode does nothing.

    :raises McpError: AWS does not do one; what was done before it is named
    """
    if ctx.check_mode:
        return
    for number, step in enumerate(steps):
        ctx.progress(f"{step.what}: {step.target}")
        try:
            step.act()
        except AWS_ERRORS as error:
            done = [f"{other.what}: {other.target}" for other in steps[:number]]
            raise McpError(
                f"Not done: {step.what}: {step.target}: {describe_aws_error(error)}. "
                f"{'Done before: ' + '; '.join(done) if done else 'Nothing was changed'}. Once that is put right, the "
                "same command does the rest.",
                error_code=error_code(error),
                done=[other.row() for other in steps[:number]],
            ) from error
