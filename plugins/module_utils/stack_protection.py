# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What keeps a stack from being deleted, and its resources from being replaced: protection, stack policy."""

from __future__ import annotations

import json

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import (
    Context,
    McpError,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.stack_changes import (
    STACK_TYPE,
    Change,
    make_change,
    make_detail,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.stack_desired import (
    Desired,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.stack_watch import (
    Stack,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.template_references import (
    Json,
    canonical,
)


def switch(name: str, what: str, before: Json, after: Json) -> Change:
    """Return the row of a property of the stack itself."""
    return make_change("update", name, STACK_TYPE, scope=[what], details=[make_detail(what, before, after)])


def protection_rows(stack: Stack | None, desired: Desired) -> list[Change]:
    """Return a row where termination protection is to be switched."""
    before = bool(stack and stack.get("EnableTerminationProtection"))
    if stack is None or desired.protection is None or desired.protection == before:
        return []
    return [switch(desired.name, "TerminationProtection", before, desired.protection)]


def current_policy(ctx: Context, stack: Stack) -> Json:
    """Return the stack's policy as data, None where it has none."""
    body = ctx.client("cloudformation").get_stack_policy(StackName=stack["StackId"]).get("StackPolicyBody")
    return json.loads(body) if body else None


def policy_rows(ctx: Context, stack: Stack | None) -> list[Change]:
    """Return a row where the stack policy is to be set.

    :raises McpError: the policy asked for is none
    """
    wanted = ctx.params["stack_policy"]
    if wanted is None:
        return []
    if not isinstance(wanted.get("Statement"), list) or not wanted["Statement"]:
        raise McpError(
            f"stack_policy is {canonical(wanted)[:80]}: allowed is a policy with a list Statement, for example "
            '{"Statement": [{"Effect": "Allow", "Action": "Update:*", "Principal": "*", "Resource": "*"}]}'
        )
    before = None if stack is None else current_policy(ctx, stack)
    if stack is None or canonical(before) == canonical(wanted):
        return []
    return [switch(ctx.params["name"], "StackPolicy", before, wanted)]


def set_policy(ctx: Context) -> None:
    """Put the stack policy into force: CloudFormation then refuses what it denies, whoever asks."""
    ctx.client("cloudformation").set_stack_policy(
        StackName=ctx.params["name"], StackPolicyBody=canonical(ctx.params["stack_policy"])
    )


def set_protection(ctx: Context, desired: Desired) -> None:
    """Switch termination protection."""
    ctx.client("cloudformation").update_termination_protection(
        StackName=desired.name, EnableTerminationProtection=bool(desired.protection)
    )
