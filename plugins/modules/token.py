#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mint access tokens for an MCP server."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: token
version_added: 0.1.0
short_description: Mint a short-lived access token with the environment's own key
description:
  - Signs an ES256 JWT (RFC 9068, C(typ) is C(at+jwt)) with the current key of those that
    M(pratikoai.mcp_servers.issuer_key) keeps, and writes it to a file that only its owner can read.
  - The token is never returned, shown or logged.
  - It always reports RV(ignore:changed=false), because a token is an output of the run and not a state of the
    environment.
  - In check mode it checks its options, sends no request and writes nothing.
author:
  - PratikoAI (@pratikoai)
options:
  store:
    description:
      - Where the keys are kept, as given to M(pratikoai.mcp_servers.issuer_key). V(ssm) and V(kms) are the same here,
        because the parameters say where each key lives.
    type: str
    choices: [ssm, file, kms]
    default: ssm
  prefix:
    description:
      - Path of the keys' parameters, as given to M(pratikoai.mcp_servers.issuer_key).
      - Required with O(store=ssm) and O(store=kms); excludes O(key_path).
    type: str
  key_path:
    description:
      - Folder of the keys; the option C(path) of M(pratikoai.mcp_servers.issuer_key).
      - Required with O(store=file); excludes O(prefix).
    type: path
  issuer:
    description: Claim C(iss); the public URL of the environment.
    type: str
    required: true
  audience:
    description: Claim C(aud); the endpoint that the token is for (RFC 8707).
    type: str
    required: true
  subject:
    description: Claim C(sub).
    type: str
    default: operator
  client_id:
    description: Claim C(client_id).
    type: str
    default: pratikoai-cli
  scopes:
    description: Claim C(scope); what the bearer may do.
    type: list
    elements: str
    required: true
  lifetime:
    description: Seconds until the token expires, 60 to 86400.
    type: int
    default: 3600
  path:
    description: File to write, mode 0600; missing folders are created.
    type: path
    required: true
requirements:
  - PyJWT[crypto]
notes:
  - Whoever may call C(ssm:GetParameter) on C(<prefix>/private-key) (and C(kms:Decrypt), where the key has its own KMS
    key) may mint tokens. For a key that lives in KMS C(kms:Sign) is needed as well, and AWS bills the signature.
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
"""

EXAMPLES = r"""
- name: Mint a token that may read for one hour
  pratikoai.mcp_servers.token:
    prefix: /mcp/production/issuer
    issuer: https://d111111abcdef8.cloudfront.net
    audience: https://d111111abcdef8.cloudfront.net/mcp
    scopes: [documents:read]
    path: reports/production/token.json

- name: Mint a token on a laptop
  pratikoai.mcp_servers.token:
    store: file
    key_path: .mcp/local/issuer
    issuer: http://127.0.0.1:8000
    audience: http://127.0.0.1:8000/mcp
    scopes: [documents:read, documents:write]
    path: reports/local/token.json
"""

RETURN = r"""
path:
  description:
    - The file; a JSON object with C(access_token), C(token_type), C(expires_at), C(scopes) and C(audience).
  returned: success
  type: str
  sample: reports/production/token.json
expires_at:
  description: When the token expires, UTC.
  returned: success
  type: str
  sample: "2026-11-22T04:14:15Z"
scopes:
  description: What the bearer may do.
  returned: success
  type: list
  elements: str
  sample: [documents:read]
audience:
  description: The endpoint that the token is for.
  returned: success
  type: str
  sample: https://d111111abcdef8.cloudfront.net/mcp
kid:
  description: Id of the key that signed; null in check mode.
  returned: success
  type: str
  sample: oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U
"""

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import run_module
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.token import ARGUMENT_SPEC, SPEC_OPTIONS, run


def main() -> None:
    run_module(ARGUMENT_SPEC, run, **SPEC_OPTIONS)


if __name__ == "__main__":
    main()
