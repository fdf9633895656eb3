#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: report
version_added: 0.1.0
short_description: Write what a run did
description:
  - Writes the report of a run as JSON and, when it runs in process, shows a summary.
  - A report is an output of the run and not a state of the environment, so the task never reports a change.
  - With O(failure) the report is written and the task fails with the same reason.
author: PratikoAI (@pratikoai)
options:
  name:
    description: Name of the report, C(deployment) for example.
    type: str
    required: true
  directory:
    description: Folder of the environment's reports.
    type: path
    required: true
  all_hosts_directory:
    description: Folder of the reports over several hosts; omit it for one host.
    type: path
  deployment:
    description: The dictionary C(mcp_deployment) that the verbs handed on.
    type: dict
    default: {}
  failure:
    description: The failed task's name as C(task) and its message as C(msg).
    type: dict
  waiting:
    description: Files that the state bucket has not taken yet.
    type: list
    elements: str
    default: []
  inventory:
    description: What follows C(-i) in the commands that are shown.
    type: str
    default: <inventory>
  kept:
    description: What a destroy left, each with C(resource) and C(bills).
    type: list
    elements: dict
    default: []
  next_steps:
    description: What to type next.
    type: list
    elements: str
    default: []
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
"""

EXAMPLES = r"""
- name: Report
  pratikoai.mcp_servers.report:
    name: deployment
    directory: reports/production
    deployment: "{{ mcp_deployment }}"
"""

RETURN = r"""
path:
  description: The file that was written.
  returned: success
  type: str
  sample: reports/production/deployment.json
report:
  description: Its content.
  returned: success
  type: dict
  sample: {"phase": "production", "endpoint": "https://d111111abcdef8.cloudfront.net/mcp", "changed": false}
"""

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import run_module
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.report import ARGUMENT_SPEC, run


def main() -> None:
    """Run as a module."""
    run_module(ARGUMENT_SPEC, run)


if __name__ == "__main__":
    main()
