#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: traffic
version_added: 1.0.0
short_description: Read and set where an API's traffic goes, outside its stack
description:
  - Reads which deployment an API Gateway stage serves, what its MCP method is throttled to, and which versions the
    aliases of its functions name.
  - Sets what O(set) names and is not so yet, within seconds and without a stack update. The stack does not know of it;
    whoever calls this keeps a record of it.
  - Everything is read again after a change, so RV(after) is what AWS says.
  - Targets are looked up first. Nothing is changed when one of them does not exist.
options:
  api_id:
    description: Id of the REST API.
    type: str
    required: true
  stage:
    description: Name of its stage.
    type: str
    default: live
  functions:
    description: The functions behind it. A function that is not named is neither read nor set.
    type: dict
    default: {}
    suboptions:
      server:
        description: Name of the server's function.
        type: str
      authorizer:
        description: Name of the authorizer's function.
        type: str
  alias:
    description: Name of the alias, the same for each function.
    type: str
    default: live
  throttle_path:
    description: Path of the resource whose POST method is throttled; plain or escaped, as C(/mcp) or C(/~1mcp).
    type: str
    default: /mcp
  set:
    description:
      - Fields to change; without it nothing is changed. A field without a value stays as it is.
      - The fields are V(stage_deployment), V(server_version), V(authorizer_version), V(throttle_rate) in requests a
        second and V(throttle_burst) in requests.
      - Setting a version also removes the weights of other versions; RV(before) names them.
    type: dict
  alarms:
    description:
      - Names of the CloudWatch alarms that would watch a release. Those that are in ALARM already are returned and
        warned of.
    type: list
    elements: str
    default: []
notes:
  - Supports C(check_mode); it tells what would be set, after the same look at the targets.
  - "IAM actions: apigateway:GET and apigateway:PATCH on C(/restapis/<id>/*), lambda:GetAlias, lambda:UpdateAlias and
    lambda:GetFunctionConfiguration on the functions; cloudwatch:DescribeAlarms with O(alarms)."
  - An action plugin of the same name runs the same code inside C(ansible-playbook).
author: PratikoAI (@pratikoai)
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
"""

EXAMPLES = r"""
- name: Read where traffic goes
  pratikoai.mcp_servers.traffic:
    api_id: a1b2c3d4e5
    functions:
      server: mcp-production-server
      authorizer: mcp-production-authorizer

- name: Serve the deployment with the maintenance answer
  pratikoai.mcp_servers.traffic:
    api_id: a1b2c3d4e5
    set:
      stage_deployment: k2m4n6

- name: Move an alias back at once
  pratikoai.mcp_servers.traffic:
    api_id: a1b2c3d4e5
    functions:
      server: mcp-production-server
    set:
      server_version: "6"
"""

RETURN = r"""
fields:
  description: What is in force now, to go back to; in check mode what would still be.
  returned: success
  type: dict
  sample:
    stage_deployment: k2m4n6
    server_version: "7"
    authorizer_version: "3"
    throttle_rate: 20.0
    throttle_burst: 40
before:
  description: The fields before; a value is null where there is no such stage or alias, or where Lambda does not answer
    a task that sets fields of the stage alone. An alias that sends a part of the calls to other versions has them in
    C(server_version_weights) or C(authorizer_version_weights).
  returned: success
  type: dict
  sample:
    stage_deployment: a9b8c7
    server_version: "7"
after:
  description: The fields after; in check mode as they would be.
  returned: success
  type: dict
  sample:
    stage_deployment: k2m4n6
    server_version: "7"
differences:
  description: What differs between the two, field by field.
  returned: success
  type: list
  elements: dict
  sample:
    - field: stage_deployment
      before: a9b8c7
      after: k2m4n6
ringing:
  description: Names of those O(alarms) that are in ALARM.
  returned: with O(alarms)
  type: list
  elements: str
  sample: [mcp-production-error-rate]
"""

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import run_module
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.traffic import ARGUMENT_SPEC, run


def main() -> None:
    """Run as a module."""
    run_module(ARGUMENT_SPEC, run)


if __name__ == "__main__":
    main()
