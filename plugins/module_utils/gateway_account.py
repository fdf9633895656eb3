# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Let API Gateway write access logs in this account and region."""

from __future__ import annotations

import json
import time
import typing as t

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import (
    AWS_ERRORS,
    Context,
    McpError,
    describe_aws_error,
    error_code,
)

ARGUMENT_SPEC: dict[str, t.Any] = {"role_name": {"type": "str", "default": "mcp-api-gateway-logs"}}
# A new role is known everywhere after some seconds; AWS takes one UpdateAccount every 20 seconds.
PROPAGATION_S = 60.0
ATTEMPT_EVERY_S = 20.0
NOT_IMPLEMENTED = ("NotImplemented", "NotImplementedException", "NotImplementedError")
FORBIDDEN = ("AccessDenied", "AccessDeniedException", "UnauthorizedException")


def is_not_implemented(error: BaseException) -> bool:
    """Say whether the endpoint has no such call at all (an emulator)."""
    status = (getattr(error, "response", None) or {}).get("ResponseMetadata", {}).get("HTTPStatusCode")
    return error_code(error) in NOT_IMPLEMENTED or status == 501


# Without aws:SourceAccount: API Gateway is not documented to send it when it assumes this role.
TRUST_POLICY = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "apigateway.amazonaws.com"}, "Action": "sts:AssumeRole"}
        ],
    }
)


def find_role(iam: t.Any, name: str) -> str | None:
    """Return the role's ARN, None when there is none."""
    try:
        return str(iam.get_role(RoleName=name)["Role"]["Arn"])
    except AWS_ERRORS as error:
        if error_code(error) == "NoSuchEntity":
            return None
        raise


def make_role(ctx: Context, name: str) -> str:
    """Make the role if it is missing, give it its policy, and return its ARN; in check mode only the ARN."""
    identity = ctx.client("sts").get_caller_identity()
    partition, account = identity["Arn"].split(":")[1], identity["Account"]
    iam = ctx.client("iam")
    arn = find_role(iam, name)
    if ctx.check_mode:
        return arn or f"arn:{partition}:iam::{account}:role/{name}"
    if arn is None:
        role = iam.create_role(
            RoleName=name,
            AssumeRolePolicyDocument=TRUST_POLICY,
            Description="API Gateway writes access logs; for every API of the account",
        )
        arn = str(role["Role"]["Arn"])
    # Also for a role that exists: a killed run may have come only as far as making it.
    policy = f"arn:{partition}:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs"
    iam.attach_role_policy(RoleName=name, PolicyArn=policy)
    return arn


def set_role(ctx: Context, name: str, arn: str) -> None:
    """Set the account's role, with patience for one that is new.

    :raises McpError: API Gateway cannot assume the role
    """
    operation = {"op": "replace", "path": "/cloudwatchRoleArn", "value": arn}
    deadline = time.monotonic() + PROPAGATION_S
    while True:
        try:
            ctx.client("apigateway").update_account(patchOperations=[operation])
            return
        except AWS_ERRORS as error:
            if error_code(error) != "BadRequestException" or "role" not in str(error).lower():
                raise
            if time.monotonic() >= deadline:
                raise refused(name, error) from error
        ctx.progress(f"API Gateway does not know the role {name} yet; asking again in {ATTEMPT_EVERY_S:.0f} s")
        time.sleep(ATTEMPT_EVERY_S)


def refused(name: str, error: Exception) -> McpError:
    """Return what to say about a role that API Gateway does not take."""
    return McpError(
        f"API Gateway has refused the role {name} for {PROPAGATION_S:.0f} s: {describe_aws_error(error)}. It must "
        "trust apigateway.amazonaws.com and have the policy AmazonAPIGatewayPushToCloudWatchLogs; see: "
        f"aws iam get-role --role-name {name}. Repair the role, then run the same command again."
    )


def forbidden(name: str, error: Exception) -> McpError:
    """Return what to say where these credentials may not do it."""
    return McpError(
        f"{describe_aws_error(error)}. To let API Gateway write access logs, somebody who may needs to do it once for "
        f"this account and region: apigateway:GET and apigateway:PATCH on /account, iam:GetRole, iam:CreateRole, "
        f"iam:AttachRolePolicy and iam:PassRole on the role {name}. See who you are with: aws sts get-caller-identity",
        error_code=error_code(error),
    )


def run(ctx: Context) -> dict[str, t.Any]:
    """Set the role only where none is set: it belongs to every API of the account."""
    try:
        current = ctx.client("apigateway").get_account().get("cloudwatchRoleArn")
        if current:
            return {"changed": False, "available": True, "role_arn": current}
        arn = make_role(ctx, ctx.params["role_name"])
        if not ctx.check_mode:
            set_role(ctx, ctx.params["role_name"], arn)
    except AWS_ERRORS as error:
        if is_not_implemented(error):
            return {"changed": False, "available": False, "role_arn": ""}
        if error_code(error) in FORBIDDEN:
            raise forbidden(ctx.params["role_name"], error) from error
        raise
    return {"changed": True, "available": True, "role_arn": arn}
