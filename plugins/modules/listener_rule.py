#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: listener_rule
version_added: 1.0.0
short_description: Switch the prepared maintenance rule of a load balancer
description:
  - The rule exists all the time. Off, its condition is a host that nobody asks for, C(off.maintenance.invalid); on, it
    is every path. What it answers is not touched, nor are its priority and its listener.
  - Without O(maintenance) it only reads.
options:
  rule_arn:
    description: ARN of the rule.
    type: str
    required: true
  maintenance:
    description: V(true) gives every call the maintenance answer, V(false) none.
    type: str
    choices: ["true", "false"]
notes:
  - Supports C(check_mode).
  - "IAM actions: elasticloadbalancing:DescribeRules on C(*), elasticloadbalancing:ModifyRule on the rule."
  - An action plugin of the same name runs the same code inside C(ansible-playbook).
author: PratikoAI (@pratikoai)
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
"""

EXAMPLES = r"""
- name: Give every caller the maintenance answer
  pratikoai.mcp_servers.listener_rule:
    rule_arn: "{{ mcp_deployment.stacks.edge.outputs.MaintenanceRuleArn }}"
    maintenance: "true"
"""

RETURN = r"""
before:
  description: What the rule did before. C(maintenance) is V(by hand) where its condition is neither of the two.
  returned: success
  type: dict
  sample: {maintenance: "false"}
after:
  description: What it does now; in check mode what it would do.
  returned: success
  type: dict
  sample: {maintenance: "true"}
differences:
  description: What differs between the two.
  returned: success
  type: list
  elements: dict
  sample:
    - field: maintenance
      before: "false"
      after: "true"
"""

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import run_module
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.listener_rule import ARGUMENT_SPEC, run


def main() -> None:
    """Run as a module."""
    run_module(ARGUMENT_SPEC, run)


if __name__ == "__main__":
    main()
