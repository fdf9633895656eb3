#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: instance_command
version_added: 1.0.0
short_description: Run a command on an instance of an Auto Scaling group and read its JSON
description:
  - Chooses an instance that is in service, has Systems Manager run the command there as root, and returns the JSON that
    it prints on its standard output, of which Systems Manager hands on 24,000 characters.
  - The command is in the history of Systems Manager, so it must not contain a secret.
options:
  group:
    description: Name of the Auto Scaling group.
    type: str
    required: true
  command:
    description: The command, for C(/bin/sh).
    type: str
    required: true
  what:
    description: What it does, in words, for messages and the history of Systems Manager.
    type: str
    default: the command
  timeout:
    description: Seconds that it may take.
    type: int
    default: 600
notes:
  - Supports C(check_mode), in which nothing is run.
  - "IAM actions: autoscaling:DescribeAutoScalingGroups on C(*), ssm:SendCommand on the document C(AWS-RunShellScript)
    and the instances, ssm:GetCommandInvocation on C(*)."
  - An action plugin of the same name runs the same code inside C(ansible-playbook).
author: PratikoAI (@pratikoai)
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
  - pratikoai.mcp_servers.deploy_lock
"""

EXAMPLES = r"""
- name: Count and hash the rows of the database
  pratikoai.mcp_servers.instance_command:
    group: mcp-staging
    command: /usr/local/bin/mcp-run -m pratiko_mcp.reference.compare digest
    what: the look at the database
  register: look
"""

RETURN = r"""
instance_id:
  description: The instance that was asked.
  returned: success
  type: str
  sample: i-0123456789abcdef0
result:
  description: What the command printed; null in check mode.
  returned: success
  type: raw
  sample:
    tables:
      '"public"."documents"': {rows: 3, checksum: 4f2a9c}
"""

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import run_module
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.instance_command import ARGUMENT_SPEC, run


def main() -> None:
    """Run as a module."""
    run_module(ARGUMENT_SPEC, run)


if __name__ == "__main__":
    main()
