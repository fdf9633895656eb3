#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: gateway_account
version_added: 0.1.0
short_description: Let API Gateway write access logs in this account and region
description:
  - API Gateway writes logs with one role for each account and region. A fresh account has none, and a stage with access
    logs cannot be made there.
  - Sets the role only where none is set, and never changes or removes one, because every API of the account uses it.
  - Makes the role if it is missing. It trusts C(apigateway.amazonaws.com) and has the AWS-managed policy
    C(AmazonAPIGatewayPushToCloudWatchLogs). The trust policy of a role that exists stays as it is.
  - A new role is not known to API Gateway at once, so it asks again for up to 60 seconds.
  - In check mode it reads only and tells which role it would set.
author: PratikoAI (@pratikoai)
options:
  role_name:
    description: Name of the IAM role to use where none is set.
    type: str
    default: mcp-api-gateway-logs
notes:
  - "IAM actions: apigateway:GET and apigateway:PATCH on C(/account); and where no role is set yet iam:GetRole,
    iam:CreateRole, iam:AttachRolePolicy and iam:PassRole on the role."
  - An endpoint that answers clearly that it does not implement these calls (an emulator) is no failure, see
    RV(available). The sandbox's emulator has them, but does not check that the role may be used.
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
"""

EXAMPLES = r"""
- name: Let API Gateway write access logs
  pratikoai.mcp_servers.gateway_account:
    role_name: mcp-api-gateway-logs
"""

RETURN = r"""
role_arn:
  description: The role that API Gateway writes logs with; empty when RV(available=false).
  returned: success
  type: str
  sample: arn:aws:iam::123456789012:role/mcp-api-gateway-logs
available:
  description: Whether the endpoint has this setting at all; V(false) only on an emulator without it.
  returned: success
  type: bool
  sample: true
"""

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import run_module
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.gateway_account import ARGUMENT_SPEC, run


def main() -> None:
    """Run as a module."""
    run_module(ARGUMENT_SPEC, run)


if __name__ == "__main__":
    main()
