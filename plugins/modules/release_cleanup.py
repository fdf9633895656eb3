#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: release_cleanup
version_added: 1.0.0
short_description: Delete what earlier releases have left behind
description:
  - Deletes deployments of the API that no stage serves and the stack does not hold, and published versions of the
    functions that are older than those of the last releases.
  - Never deletes a version that an alias sends calls to (with a weight too), that the stack holds, or that belongs to
    the present release or the one before it.
  - What cannot be deleted is a warning, and the next release tries again.
  - In check mode it says what it would delete.
options:
  api_id:
    description: Id of the REST API.
    type: str
    required: true
  functions:
    description: Names of the functions.
    type: dict
    required: true
    suboptions:
      server:
        description: Name of the server's function.
        type: str
        required: true
      authorizer:
        description: Name of the authorizer's function.
        type: str
        required: true
  app:
    description: The stack of the app, with its C(parameters) and C(outputs).
    type: dict
    required: true
  records:
    description: Records of kind C(release), the newest first.
    type: list
    elements: dict
    required: true
  keep:
    description: Of how many of the newest releases the versions stay.
    type: int
    default: 5
  superseded:
    description:
      - Whether every version goes but those of the present release and of the one before it.
      - For SnapStart, where AWS bills each published version as long as it exists.
    type: bool
    default: false
notes:
  - "IAM actions: apigateway:GET and apigateway:DELETE on C(/restapis/<id>/*), lambda:ListVersionsByFunction,
    lambda:ListAliases and lambda:DeleteFunction on the functions."
author: PratikoAI (@pratikoai)
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
"""

EXAMPLES = r"""
- name: Delete what no release needs any more
  pratikoai.mcp_servers.release_cleanup:
    api_id: a1b2c3d4e5
    functions:
      server: mcp-production-server
      authorizer: mcp-production-authorizer
    app: "{{ mcp_deployment.stacks.app }}"
    records: "{{ history.records.release }}"
"""

RETURN = r"""
deployments:
  description: Deployments that were deleted, or would be.
  returned: success
  type: list
  elements: str
  sample: [k2m4n6]
versions:
  description: Versions that were deleted, or would be, by function.
  returned: success
  type: dict
  sample: {server: ["1", "2"], authorizer: []}
"""

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import run_module
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.release_cleanup import ARGUMENT_SPEC, run


def main() -> None:
    """Run as a module."""
    run_module(ARGUMENT_SPEC, run)


if __name__ == "__main__":
    main()
