#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep the key that signs an environment's tokens."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: issuer_key
version_added: 0.1.0
short_description: Manage the token-signing key of an environment in SSM Parameter Store
description:
  - Keeps an ES256 key pair in two parameters, C(<prefix>/private-key) (SecureString, a JWK) and C(<prefix>/jwks)
    (String, the JWKS to publish). Both are free standard parameters.
  - The key id is the RFC 7638 thumbprint of the key.
  - An existing key is never replaced. Where a run was interrupted, or one of the two parameters was removed, the next
    run completes the pair; the private key is then the one that counts.
  - An unchanged key costs one call and no decryption.
author:
  - PratikoAI (@pratikoai)
options:
  prefix:
    description: Path under which the two parameters live, without a slash at its end.
    type: str
    required: true
  state:
    description:
      - Whether the key should exist.
      - After V(absent) no token of this key can be checked any more once the servers have the new JWKS.
    type: str
    choices: [present, absent]
    default: present
  tags:
    description: Tags of the parameters, set when they are created.
    type: dict
    default: {}
  kms_key_id:
    description: KMS key that encrypts the private key, instead of C(alias/aws/ssm); used when it is created.
    type: str
requirements:
  - cryptography
notes:
  - Permissions on the two parameters are C(ssm:GetParameters), C(ssm:GetParameter), C(ssm:PutParameter),
    C(ssm:AddTagsToResource) and C(ssm:DeleteParameters); with O(kms_key_id) also C(kms:Encrypt) and C(kms:Decrypt).
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
"""

EXAMPLES = r"""
- name: Ensure that production can sign tokens
  pratikoai.mcp_servers.issuer_key:
    prefix: /mcp/production/issuer
    tags:
      Environment: production
  register: issuer

- name: Remove the key with the environment
  pratikoai.mcp_servers.issuer_key:
    prefix: /mcp/production/issuer
    state: absent
"""

RETURN = r"""
jwks:
  description: The public keys to publish; null when absent, and in check mode when the key would be made.
  returned: success
  type: dict
  sample:
    keys:
      - kty: EC
        crv: P-256
        x: f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU
        y: x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0
        kid: oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U
        alg: ES256
        use: sig
kid:
  description: Id of the signing key; null like C(jwks).
  returned: success
  type: str
  sample: oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U
parameters:
  description: Names of the two SSM parameters.
  returned: success
  type: dict
  contains:
    private_key:
      description: Name of the SecureString.
      type: str
      returned: always
      sample: /mcp/production/issuer/private-key
    jwks:
      description: Name of the String.
      type: str
      returned: always
      sample: /mcp/production/issuer/jwks
"""

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import run_module
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.issuer import ARGUMENT_SPEC, run


def main() -> None:
    run_module(ARGUMENT_SPEC, run)


if __name__ == "__main__":
    main()
