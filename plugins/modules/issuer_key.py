#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep the keys that sign an environment's tokens."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: issuer_key
version_added: 0.1.0
short_description: Manage the token-signing keys of an environment in SSM, KMS or a folder
description:
  - Keeps a ring of ES256 keys. One signs (V(current)); while keys rotate, one more is published before it signs
    (V(next)), and those that signed before (V(retired)) stay published until their last tokens have expired.
  - With O(store=ssm) the keys lie in two free standard parameters, C(<prefix>/private-key) (SecureString) and
    C(<prefix>/jwks) (String); with O(store=file) in two files of a folder that only its owner may open.
  - With O(store=kms) every new key is made by AWS KMS (C(ECC_NIST_P256), sign and verify) and never leaves it; the same
    two parameters hold its id and its public half. AWS bills 1 USD a month for each key until its deletion is
    scheduled, and every signature as an asymmetric request; CloudTrail records each signature.
  - O(store) says where a new key is made. A ring that exists is used as it is, so that an environment moves between
    V(ssm) and V(kms) by a rotation.
  - The key id is the RFC 7638 thumbprint of the key.
  - Where a run was interrupted, or what is published was removed, the next run completes it; the private half is the
    one that counts. A key whose private half was removed is replaced.
  - An unchanged ring costs one call and no decryption.
  - A rotation is two steps with a deployment between them. First O(rotate=true), then deploy RV(jwks) wherever tokens
    are checked, then O(promote=true). The published keys do not change by the promotion; the key that signed until
    then is dropped by the first run after O(retire_after), and that run's RV(jwks) is to be deployed again.
author:
  - PratikoAI (@pratikoai)
options:
  store:
    description: Where new keys are made and kept.
    type: str
    choices: [ssm, file, kms]
    default: ssm
  prefix:
    description:
      - Path under which the two parameters live, without a slash at its end.
      - Required with O(store=ssm) and O(store=kms); excludes O(path).
    type: str
  path:
    description:
      - Folder for C(private-key.json) and C(jwks.json) alone. It is made with mode 0700, the files with mode 0600;
        a folder or a private key that others may open is refused.
      - Required with O(store=file); excludes O(prefix).
    type: path
  state:
    description:
      - Whether there should be keys.
      - After V(absent) no token of these keys can be checked any more once the servers have the new JWKS. Keys in KMS
        are scheduled for deletion.
    type: str
    choices: [present, absent]
    default: present
  rotate:
    description:
      - Whether a key should be pending beside the signing one. Made and published when there is none; where there is no
        key at all, only the signing one is made.
      - At most three keys are published. A rotation that needs a fourth is refused until a retired one is dropped.
    type: bool
    default: false
  promote:
    description:
      - Whether the pending key should sign from now on. Without a pending key nothing happens.
      - Only right when the published keys with it are live everywhere; a key that was not even written to the store's
        JWKS is refused.
    type: bool
    default: false
  revoke:
    description:
      - With O(promote=true), drop every key that does not sign any more at once, for a key that became known to others.
        Their tokens are refused as soon as RV(jwks) is deployed again.
      - With O(rotate=true), drop the keys retired by earlier rotations at once, so that there is room for a new one.
      - Without a pending key the signing one stays as it is. Rotate first.
    type: bool
    default: false
  retire_after:
    description:
      - Seconds for which a key stays published after another one took over.
      - The default is the longest life of a token (86400) and an hour.
    type: int
    default: 90000
  tags:
    description: Tags of the parameters and of keys in KMS, set when they are created.
    type: dict
    default: {}
  kms_key_id:
    description:
      - KMS key that encrypts the private parameter, instead of C(alias/aws/ssm). Used whenever it is written.
    type: str
  pending_window:
    description: Days until KMS deletes a key that was dropped, 7 to 30. It can be kept until then.
    type: int
    default: 30
requirements:
  - cryptography
notes:
  - Permissions on the two parameters are C(ssm:GetParameters), C(ssm:GetParameter), C(ssm:PutParameter),
    C(ssm:AddTagsToResource) and C(ssm:DeleteParameters); with O(kms_key_id) also C(kms:Encrypt) and C(kms:Decrypt).
  - With O(store=kms) also C(kms:CreateKey), C(kms:TagResource), C(kms:CreateAlias), C(kms:GetPublicKey),
    C(kms:DescribeKey), C(kms:ListKeys), C(kms:ListResourceTags) and C(kms:ScheduleKeyDeletion); to sign, C(kms:Sign).
  - Each key in KMS has an alias C(alias/<prefix>/<kid>) and the tag C(mcp:issuer) with the prefix. A key whose run was
    killed before the ring named it is found by that tag and used by the next run that needs one.
  - SSM cannot make a write depend on what it replaces. Two runs that rotate at the same moment are noticed by the
    version and one of them fails; the deploy lock of the playbooks keeps them apart. Files are locked.
  - SSM keeps earlier versions of a parameter. Whoever may call C(ssm:GetParameterHistory) on the private one sees
    dropped keys too, which no server accepts any more.
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

- name: Rotate, first step - publish a further key, then deploy issuer.jwks
  pratikoai.mcp_servers.issuer_key:
    prefix: /mcp/production/issuer
    rotate: true
  register: issuer

- name: Rotate, second step - once issuer.jwks is live everywhere
  pratikoai.mcp_servers.issuer_key:
    prefix: /mcp/production/issuer
    promote: true
  when: issuer.pending_kid is not none

- name: Replace a key that became known to others, after the first step was deployed, and deploy its jwks again
  pratikoai.mcp_servers.issuer_key:
    prefix: /mcp/production/issuer
    promote: true
    revoke: true
  register: issuer

- name: Keep the key where nobody can copy it
  pratikoai.mcp_servers.issuer_key:
    store: kms
    prefix: /mcp/production/issuer

- name: Keep the key of a laptop's environment in a folder
  pratikoai.mcp_servers.issuer_key:
    store: file
    path: .mcp/local/issuer

- name: Remove the keys with the environment
  pratikoai.mcp_servers.issuer_key:
    prefix: /mcp/production/issuer
    state: absent
"""

RETURN = r"""
jwks:
  description:
    - The public keys to publish; null when absent, and in check mode when the first key would be made.
    - In check mode a key that O(rotate) would make is not in it.
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
  description: Id of the signing key; null like RV(jwks).
  returned: success
  type: str
  sample: oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U
pending_changes:
  description: Like C(changed), for tasks that look in check mode and have a C(changed_when) of their own.
  returned: success, with O(state=present)
  type: bool
  sample: false
pending_kid:
  description: Id of the key that is published and waits for O(promote=true); null where none waits.
  returned: success
  type: str
  sample: cn-I_WNMClehiVp51i_0VpOENW1upEerA8sEam5hn-s
keys:
  description: All keys of the ring, in the order of RV(jwks). In an expression write C(issuer['keys']).
  returned: success
  type: list
  elements: dict
  contains:
    kid:
      description: Id of the key.
      type: str
      returned: always
      sample: oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U
    state:
      description: V(current), V(next) or V(retired).
      type: str
      returned: always
      sample: retired
    since:
      description: Since when it is in this state, UTC; null for a key made before keys could rotate.
      type: str
      returned: always
      sample: "2026-11-22T04:14:15Z"
    until:
      description: When a retired key may be dropped, UTC; null for the others.
      type: str
      returned: always
      sample: "2026-11-23T05:14:15Z"
    kms_key_id:
      description: Id of the key in KMS; null where it does not live there.
      type: str
      returned: always
      sample: null
parameters:
  description: Names of the two SSM parameters.
  returned: success, unless O(store=file)
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
files:
  description: The two files.
  returned: success, with O(store=file)
  type: dict
  contains:
    private_key:
      description: File with the private keys.
      type: str
      returned: always
      sample: /home/me/project/.mcp/local/issuer/private-key.json
    jwks:
      description: File with the key set.
      type: str
      returned: always
      sample: /home/me/project/.mcp/local/issuer/jwks.json
"""

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import run_module
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.issuer import ARGUMENT_SPEC, SPEC_OPTIONS, run


def main() -> None:
    run_module(ARGUMENT_SPEC, run, **SPEC_OPTIONS)


if __name__ == "__main__":
    main()
