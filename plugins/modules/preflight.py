#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: preflight
version_added: 0.1.0
short_description: Validate an environment's variables and find out what of it exists
description:
  - Refuses misspelt C(mcp_*) variables, wrong values, a wrong account and a sandbox that is not on loopback,
    before anything is touched.
  - Then reads the caller's identity and the environment's stacks. It changes nothing.
  - In the local phase AWS is not asked. There it looks for a container engine, free ports and free space instead.
author: PratikoAI (@pratikoai)
options:
  options_file:
    description: The argument specification that lists every option of the collection.
    type: path
    required: true
  sizes_file:
    description: The file of sizes, usage assumptions and budgets of every phase.
    type: path
    required: true
  variables:
    description: Every C(mcp_*) variable of the host and its value.
    type: dict
    required: true
  runtime_source:
    description: Folder of the collection's own server, for the local phase.
    type: path
  inventory:
    description: What follows C(-i) in the commands of messages.
    type: str
    default: inventories/<environment>
  emergency:
    description: Ask only for what is needed to move traffic, and not who hears the alarms.
    type: bool
    default: false
  account_plan:
    description: Ask for the account's plan and credits too where a layer is not deployed yet or a size is another, and
      refuse what an account on AWS's free plan could not have. AWS does not tell everybody
      (freetier:GetAccountPlanState); then it is unknown.
    type: bool
    default: false
  offline:
    description: Validate alone and ask nobody, neither AWS nor this machine; everything is described as not there yet.
    type: bool
    default: false
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
"""

EXAMPLES = r"""
- name: Validate this host's variables
  pratikoai.mcp_servers.preflight:
    options_file: "{{ role_path }}/meta/argument_specs.yml"
    sizes_file: aws-resource-allocation.yaml
    variables:
      mcp_phase: production
      mcp_environment: production
      mcp_region: us-east-1
      mcp_sandbox: false
  register: preflight__result
"""

RETURN = r"""
options:
  description: The variables with their types, whatever way they were given; secrets are left out.
  returned: success
  type: dict
  sample: {"mcp_phase": "production", "mcp_request_timeout": 28}
deployment:
  description: The beginning of the dictionary C(mcp_deployment) that every verb hands on.
  returned: success
  type: dict
  contains:
    phase:
      description: The environment's phase.
      returned: success
      type: str
      sample: production
    environment:
      description: The environment's name.
      returned: success
      type: str
      sample: production
    sandbox:
      description: Whether this is the emulated AWS.
      returned: success
      type: bool
      sample: false
    region:
      description: The AWS region.
      returned: success
      type: str
      sample: us-east-1
    run_id:
      description: The id of this run, in the lock and in the audit trail.
      returned: success
      type: str
      sample: 20261122T150000Z-a1b2c3
    started_at:
      description: When the run began, ISO 8601 in UTC.
      returned: success
      type: str
      sample: "2026-11-22T15:00:00.000+00:00"
    local:
      description:
        - What the local phase works with. RV(ignore:runtime) is docker or process, RV(ignore:reason) says why;
          RV(ignore:services) are those that run here, each with its port on 127.0.0.1 and its program.
        - RV(ignore:used) is what the last apply used, RV(ignore:taken) the services on whose ports something listens,
          RV(ignore:problem) why nothing can be started.
      returned: in the local phase
      type: dict
      sample: {"dir": "/home/ada/mcp/.local/local", "runtime": "process", "reason": "no command docker on PATH"}
    account:
      description: The AWS account of the caller.
      returned: success
      type: str
      sample: "123456789012"
    caller:
      description: The ARN of the caller.
      returned: success
      type: str
      sample: arn:aws:iam::123456789012:user/ci
    account_plan:
      description: The account's plan and what is left of its credits; type is unknown where AWS does not tell.
      returned: with O(account_plan), where a layer is not deployed yet or a size is another; never in the local phase
      type: dict
      sample:
        {"type": "FREE", "status": "ACTIVE", "credits": {"amount": "87.5", "unit": "USD"}, "expires": "2027-03-01"}
    state_bucket:
      description: The name of the environment's state bucket, whether it exists or not.
      returned: success
      type: str
      sample: mcp-production-state-123456789012-us-east-1
    files_bucket:
      description: The name of the environment's files bucket, whether it exists or not.
      returned: success
      type: str
      sample: mcp-production-files-123456789012-us-east-1
    sizes:
      description: The phase's part of the sizes file.
      returned: success
      type: dict
      sample: {"lambda": {"memory_mb": 512}}
    stacks:
      description: Name, status, outputs and parameters of each stack; status is null where there is none.
      returned: success
      type: dict
      sample: {"foundation": {"name": "mcp-production-foundation", "status": null, "outputs": {}, "parameters": {}}}
"""

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import run_module
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.preflight import ARGUMENT_SPEC, run


def main() -> None:
    """Run as a module."""
    run_module(ARGUMENT_SPEC, run)


if __name__ == "__main__":
    main()
