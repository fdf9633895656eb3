#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: key_rotation
version_added: 0.1.0
short_description: Rotate the request-state key of servers that read it by its stages
description:
  - Makes a new value in Secrets Manager as the pending version, waits until every server has read it, and makes it the
    current one. The value before stays good as the previous one. So no call is lost, whichever server takes it up.
  - The value is made by Secrets Manager and passes through this process once; it is never returned or shown.
  - A rotation that was interrupted is gone on with. Each run makes a new value, so it is never unchanged.
author: PratikoAI (@pratikoai)
options:
  secret:
    description: Name or ARN of the secret.
    type: str
    required: true
  revoke:
    description:
      - Have the value before refused afterwards, because it became known to others. It takes O(settle) seconds more.
      - States of calls that are under way with it cannot be gone on with.
    type: bool
    default: false
  settle:
    description: Seconds after which every server has read the stages again; they do so every minute.
    type: int
    default: 65
notes:
  - "IAM actions: secretsmanager:GetRandomPassword on C(*); secretsmanager:DescribeSecret,
    secretsmanager:ListSecretVersionIds, secretsmanager:PutSecretValue and secretsmanager:UpdateSecretVersionStage on
    the secret."
extends_documentation_fragment:
  - pratikoai.mcp_servers.deploy_lock
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
"""

EXAMPLES = r"""
- name: Rotate the request-state key
  pratikoai.mcp_servers.key_rotation:
    secret: mcp-staging-request-state
"""

RETURN = r"""
rotated:
  description: What was rotated; in check mode what would be. It never has a value.
  returned: success
  type: list
  elements: dict
  sample:
    - target: request_state
      id: arn:aws:secretsmanager:us-east-1:123456789012:secret:mcp-staging-request-state-AbCdEf
      before: 6f1c1d0e-8f0e-4a35-9b33-1c2d3e4f5a6b
      after: 0d9a8b7c-6e5f-4a3b-8c2d-1e0f9a8b7c6d
      resumed: false
      revoked: false
      seconds: 65.2
"""

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import run_module
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.key_rotation import ARGUMENT_SPEC, run


def main() -> None:
    """Run as a module."""
    run_module(ARGUMENT_SPEC, run)


if __name__ == "__main__":
    main()
