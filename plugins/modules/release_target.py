#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: release_target
version_added: 1.0.0
short_description: Choose the release to go back to
description:
  - Chooses from the records of kind C(release) that M(pratikoai.mcp_servers.state) returns, and makes sure that what
    the release needs is still there.
  - It only reads.
options:
  records:
    description: Records of kind C(release), the newest first.
    type: list
    elements: dict
    required: true
  app:
    description: The stack of the app, with its C(parameters) and C(outputs).
    type: dict
    required: true
  traffic:
    description:
      - Where traffic goes, as M(pratikoai.mcp_servers.traffic) says.
      - Without it the aliases count as being where the stack has them.
    type: dict
    default: {}
  release:
    description:
      - Id of a record, or of a release (then the newest record of it that took traffic).
      - The default is the release that was live before the present one.
    type: str
  interrupted_run_id:
    description:
      - Id of a run that died, and whose lock this run has taken over.
      - Where that run has already gone back to a release, this release is chosen, so that the same command typed again
        ends where the first one would have ended.
    type: str
  versions_only:
    description:
      - Whether only the published versions of the functions are needed, as to move the aliases at once. Otherwise
        package and template are.
      - A release that has the same versions is refused then, and one whose versions take tokens of another address or
        issuer than the present release.
    type: bool
    default: false
  bucket:
    description: Bucket of packages and templates.
    type: str
    required: true
  bucket_owner:
    description: Account that has to own it.
    type: str
  functions:
    description: Names of the functions. Required with O(versions_only=true); leave it out where there are none.
    type: dict
    suboptions:
      server:
        description: Name of the server's function.
        type: str
        required: true
      authorizer:
        description: Name of the authorizer's function.
        type: str
        required: true
notes:
  - "IAM actions: s3:GetObject and s3:ListBucket on the bucket; lambda:GetFunctionConfiguration with
    O(versions_only=true)."
author: PratikoAI (@pratikoai)
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
"""

EXAMPLES = r"""
- name: Choose the release that was live before the present one
  pratikoai.mcp_servers.release_target:
    records: "{{ history.records.release }}"
    app: "{{ mcp_deployment.stacks.app }}"
    bucket: mcp-production-state-123456789012-us-east-1
    functions:
      server: mcp-production-server
      authorizer: mcp-production-authorizer
"""

RETURN = r"""
target:
  description: The record of the release to go back to.
  returned: success
  type: dict
  sample: {id: 20261122-150001-1234f2, kind: release, body: {outcome: live}}
present:
  description: The record of the release that the stack holds; null where there is none.
  returned: success
  type: dict
  sample: {id: 20261122-160001-123ab1, kind: release, body: {outcome: live}}
"""

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import run_module
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.release_target import (
    ARGUMENT_SPEC,
    SPEC_OPTIONS,
    run,
)


def main() -> None:
    """Run as a module."""
    run_module(ARGUMENT_SPEC, run, **SPEC_OPTIONS)


if __name__ == "__main__":
    main()
