#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: database_copy
version_added: 1.0.0
short_description: Restore an RDS instance to a second one beside it
description:
  - Restores a snapshot or a moment to an instance of its own, with the class, the subnets, the security groups and the
    parameters of the one in use, and waits until it answers.
  - One zone, not public, without deletion protection, with IAM database authentication. It bills like the one in use.
  - A copy that is there already is waited for and otherwise left alone, whatever it was made of.
options:
  source:
    description: The instance in use.
    type: str
    required: true
  name:
    description: Name of the copy.
    type: str
    required: true
  snapshot:
    description: Snapshot to restore.
    type: str
  time:
    description: V(latest), or a moment in ISO 8601 in UTC.
    type: str
  tags:
    description: Tags of the copy.
    type: dict
    default: {}
  timeout:
    description: Seconds to wait for it.
    type: int
    default: 7200
notes:
  - Supports C(check_mode), in which nothing is restored.
  - "IAM actions: rds:DescribeDBInstances, rds:RestoreDBInstanceFromDBSnapshot, rds:RestoreDBInstanceToPointInTime,
    rds:AddTagsToResource."
  - An action plugin of the same name runs the same code inside C(ansible-playbook).
author: PratikoAI (@pratikoai)
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
  - pratikoai.mcp_servers.deploy_lock
"""

EXAMPLES = r"""
- name: Restore the newest moment beside the database
  pratikoai.mcp_servers.database_copy:
    source: mcp-staging
    name: mcp-staging-restored
    time: latest
  register: beside
"""

RETURN = r"""
copy:
  description: Where it is; null in check mode where it is not there.
  returned: success
  type: dict
  sample:
    name: mcp-staging-restored
    host: mcp-staging-restored.abc.us-east-1.rds.amazonaws.com
    port: 5432
    resource_id: db-ABCDEFGHIJKL
    tags: {mcp:restored-from: time latest}
"""

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import run_module
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.database_copy import (
    ARGUMENT_SPEC,
    SPEC_OPTIONS,
    run,
)


def main() -> None:
    """Run as a module."""
    run_module(ARGUMENT_SPEC, run, **SPEC_OPTIONS)


if __name__ == "__main__":
    main()
