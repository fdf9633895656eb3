#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: release_evidence
version_added: 1.0.0
short_description: Make sure that a release was verified in another environment
description:
  - Looks into the state buckets of other environments for the record of a verification of this release, and fails with
    both ways out where there is none that counts.
  - A record counts when it is of the same account, the same region and the same kind of endpoint (the emulated AWS or
    the real one), of one of O(phases), when the server itself answered, and when nobody went back from the
    release since.
  - A release that already takes traffic here passes; then only settings around it change.
  - It only reads.
options:
  release:
    description: Id of the release.
    type: str
    required: true
  environment:
    description: The environment that is to take it.
    type: str
    required: true
  account:
    description: Account of both environments; it has to own the buckets.
    type: str
    required: true
  sandbox:
    description: Whether this is the emulated AWS.
    type: bool
    required: true
  app:
    description: The stack of the app, with its C(parameters) and C(outputs); none before the first deploy.
    type: dict
    default: {}
  environments:
    description: Names of the environments whose evidence counts, in the order in which they are asked.
    type: list
    elements: str
    required: true
  phases:
    description: Phases whose evidence counts.
    type: list
    elements: str
    required: true
  skip_reason:
    description: Why the release goes on without evidence. It is returned, for the audit trail.
    type: str
  command:
    description: Name of the playbook, for the command that an error names.
    type: str
    default: deploy
notes:
  - "IAM actions: s3:ListBucket and s3:GetObject on the state buckets of this environment and of O(environments)."
  - An action plugin of the same name runs the same code inside C(ansible-playbook).
author: PratikoAI (@pratikoai)
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
"""

EXAMPLES = r"""
- name: Make sure that staging has verified it
  pratikoai.mcp_servers.release_evidence:
    release: 3f2a9c0d1e4b
    environment: production
    account: "123456789012"
    sandbox: false
    app: "{{ mcp_deployment.stacks.app }}"
    environments: [staging]
    phases: [staging]
"""

RETURN = r"""
gate:
  description: Why the release may go on. C(by) is V(release) where it takes traffic here already, V(evidence) or
    V(reason).
  returned: success
  type: dict
  sample:
    release: 3f2a9c0d1e4b
    by: evidence
    evidence:
      id: 20261122-150001-1234f2
      environment: staging
      time: "2026-11-22T15:00:01.123Z"
      who: ada@laptop
      run_id: 20261122T145500Z-a1b2c3
    reason: null
"""

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import run_module
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.gate import ARGUMENT_SPEC, run


def main() -> None:
    """Run as a module."""
    run_module(ARGUMENT_SPEC, run)


if __name__ == "__main__":
    main()
