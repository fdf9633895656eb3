#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Look at an environment's secrets and rotate them."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: secret_rotation
version_added: 0.1.0
short_description: Make, look at and rotate the origin secret and the request-state key of an environment
description:
  - An environment has two secrets. The origin secret is what its CloudFront distribution sends as C(x-mcp-origin); the
    authorizer refuses calls without it. The request-state key seals what the server hands to clients between two
    rounds of a call.
  - With O(store=secretsmanager) they are the secrets C(mcp-<environment>-origin-key) and
    C(mcp-<environment>-request-state), made by the data stack, at 0.40 USD a month each (2026-11). With O(store=ssm)
    they are the free SecureString parameters C(/mcp/<environment>/secrets/origin) and
    C(/mcp/<environment>/secrets/request-state), made by this module, as CloudFormation cannot make such.
  - A rotation is done by the environment's function C(mcp-<environment>-rotation), which alone reads and makes values;
    this module calls it step by step and says how far it came. No value is ever returned.
  - An origin rotation puts the new value into the distribution, waits until that is deployed everywhere, and only then
    stops accepting the old one. A request-state rotation keeps accepting the value before.
  - A rotation that was interrupted is gone on with by the next one, whoever starts it.
options:
  environment:
    description: Name of the environment (the inventory host).
    type: str
    required: true
  state:
    description:
      - V(present) makes missing parameters, carries values where O(in_use) is the other store, and returns which
        versions there are. A value that is in force is never changed by it.
      - V(rotated) rotates. Each run makes new values, so it is never unchanged.
      - V(absent) removes the parameters. Secrets of Secrets Manager belong to the data stack.
    type: str
    choices: [present, rotated, absent]
    default: present
  store:
    description: Where the secrets are to live.
    type: str
    choices: [secretsmanager, ssm]
    default: secretsmanager
  in_use:
    description:
      - The store that the distribution's header comes from now; empty where there is no distribution yet.
      - Where it is not O(store), the values are carried over, so that callers notice nothing. The copies there stay.
    type: str
    choices: [secretsmanager, ssm, '']
    default: ''
  secrets:
    description: Which to rotate, with O(state=rotated).
    type: list
    elements: str
    choices: [origin, request_state]
    default: [origin, request_state]
  revoke:
    description:
      - With O(state=rotated), have the value before refused at once, because it became known to others.
      - The new origin value has to be deployed everywhere first all the same, or the CDN itself would be refused. Then
        the module waits a minute, until no function has the old value in memory, and empties API Gateway's cache of
        the authorizer's answers.
      - States of calls that are under way while a revoked request-state key rotates cannot be gone on with.
    type: bool
    default: false
  api_id:
    description: REST API whose cache is emptied by O(revoke).
    type: str
  stage:
    description: Stage of that API.
    type: str
    default: live
  timeout:
    description: Seconds to wait for a step, such as for the deployment of the distribution.
    type: int
    default: 1800
  tags:
    description: Tags of parameters, set when they are made.
    type: dict
    default: {}
notes:
  - Permissions to look are C(secretsmanager:DescribeSecret) or C(ssm:GetParameter); to make parameters
    C(ssm:PutParameter) and C(ssm:AddTagsToResource); to rotate C(lambda:InvokeFunction) and
    C(lambda:GetFunctionConfiguration) on the environment's functions, with O(revoke) also C(apigateway:DELETE) on the
    stage's C(cache/authorizers); to carry values to Secrets Manager C(secretsmanager:PutSecretValue) and
    C(secretsmanager:UpdateSecretVersionStage), from it C(secretsmanager:GetSecretValue); to remove parameters
    C(ssm:DeleteParameters).
  - Check mode looks and says what a run would do.
author:
  - PratikoAI (@pratikoai)
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
  - pratikoai.mcp_servers.deploy_lock
"""

EXAMPLES = r"""
- name: Have the secrets in SSM, and learn their versions
  pratikoai.mcp_servers.secret_rotation:
    environment: production
    store: ssm
  register: secrets

- name: Move them from Secrets Manager to SSM without a new value
  pratikoai.mcp_servers.secret_rotation:
    environment: production
    store: ssm
    in_use: secretsmanager

- name: Rotate both
  pratikoai.mcp_servers.secret_rotation:
    environment: production
    state: rotated

- name: Replace an origin secret that became known to others
  pratikoai.mcp_servers.secret_rotation:
    environment: production
    state: rotated
    secrets: [origin]
    revoke: true
    api_id: abc123
"""

RETURN = r"""
secrets:
  description: The secrets by name, without their values.
  returned: with O(state=present)
  type: dict
  contains:
    origin:
      description: The origin secret; C(request_state) is described alike.
      type: dict
      returned: always
      contains:
        id:
          description: What the server and the authorizer are told to read, an ARN or C(ssm:) and a name; null where the
            data stack has not made it yet.
          type: str
          returned: always
          sample: ssm:/mcp/production/secrets/origin
        version:
          description: Version that a deploy gives to the distribution, which is the new one while a rotation is under
            way; null where it is not known yet.
          type: str
          returned: always
          sample: 0c1e6f4e-8b2f-4f1a-9a55-6f0d1f7f2a11
        field:
          description: Which of a parameter's values that is, V(current) or V(pending).
          type: str
          returned: always
          sample: current
        pending:
          description: Version of a rotation that has not ended; null where there is none.
          type: str
          returned: always
          sample: null
pending_changes:
  description: Whether the versions are not final, because in check mode nothing was made or carried, or because the
    data stack has not made the secrets yet.
  returned: with O(state=present)
  type: bool
  sample: false
rotated:
  description: What was rotated, or in check mode would be.
  returned: with O(state=rotated)
  type: list
  elements: dict
  contains:
    target:
      description: Name of the secret.
      type: str
      returned: always
      sample: origin
    id:
      description: Its ARN, or C(ssm:) and a name.
      type: str
      returned: always
      sample: arn:aws:secretsmanager:us-east-1:123456789012:secret:mcp-production-origin-key-AbCdEf
    before:
      description: Version that was current.
      type: str
      returned: always
      sample: 0c1e6f4e-8b2f-4f1a-9a55-6f0d1f7f2a11
    after:
      description: Version that is current now.
      type: str
      returned: not in check mode
      sample: 7a8f2c58-5d8f-4c5b-8e0e-0a6d5f6a3b22
    resumed:
      description: Whether this ended a rotation that was begun before.
      type: bool
      returned: always
      sample: false
    revoked:
      description: Whether the value before is refused at once.
      type: bool
      returned: not in check mode
      sample: false
    seconds:
      description: How long it took.
      type: float
      returned: not in check mode
      sample: 3.2
flushed:
  description: Whether API Gateway's cache was emptied.
  returned: with O(state=rotated)
  type: bool
  sample: false
removed:
  description: Names of the parameters that were removed, or in check mode would be.
  returned: with O(state=absent)
  type: list
  elements: str
  sample: [/mcp/production/secrets/origin]
"""

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import run_module
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.secret_rotation import (
    ARGUMENT_SPEC,
    SPEC_OPTIONS,
    run,
)


def main() -> None:
    """Run as a module."""
    run_module(ARGUMENT_SPEC, run, **SPEC_OPTIONS)


if __name__ == "__main__":
    main()
