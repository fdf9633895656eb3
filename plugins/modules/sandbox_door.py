#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: sandbox_door
version_added: 0.1.0
short_description: Open the sandbox's door to an emulated distribution or load balancer
description:
  - In the sandbox the domain of a distribution or of a load balancer does not resolve. A small front door on this
    machine stands for DNS and for the edge of the CDN, with one port for each distribution and two for each load
    balancer, one with TLS by the certificate of its listener and one without.
  - This asks it for the ports, which stay the same as long as the sandbox is not reset.
  - It always reports RV(ignore:changed=false), because the door is the sandbox's DNS and not a part of the environment.
  - It calls nothing but the front door, never AWS.
  - In check mode it only looks for the door.
author: PratikoAI (@pratikoai)
options:
  name:
    description: Name of the door; the environment's name.
    type: str
    required: true
  control_url:
    description: Base URL of the front door's control port, which must be a loopback address.
    type: str
    required: true
  host:
    description: The domain of the distribution or of the load balancer.
    type: str
    required: true
  health_url:
    description:
      - Where the emulator serves the health page, because it keeps the path C(/health) of every host for itself.
      - Without it the door has no health page.
      - A load balancer's door does not need it.
    type: str
    default: ""
  ca_file:
    description: File for the certificate that a load balancer's door shows, which stands for one that ACM has issued.
    type: path
  kind:
    description: What the door leads to.
    type: str
    choices: [distribution, load_balancer]
    default: distribution
notes:
  - The connection options of AWS are accepted like everywhere in this collection, and not used.
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
"""

EXAMPLES = r"""
- name: Open the sandbox's door to the distribution
  pratikoai.mcp_servers.sandbox_door:
    name: production
    control_url: http://127.0.0.1:4567
    host: d1234abcdefghij.cloudfront.net
    health_url: http://127.0.0.1:4566/_aws/execute-api/a1b2c3d4e5/live/health
  register: production__door

- name: Open the sandbox's door to the load balancer
  pratikoai.mcp_servers.sandbox_door:
    name: staging
    control_url: http://127.0.0.1:4567
    kind: load_balancer
    host: mcp-staging-1a2b3c4d.us-east-1.elb.amazonaws.com
  register: staging__door
"""

RETURN = r"""
url:
  description:
    - Public URL in the sandbox, without a slash at its end.
    - Empty in check mode when there is no such door yet.
  returned: success
  type: str
  sample: http://127.0.0.1:4568
http_url:
  description: URL without TLS of a load balancer's door, without a slash at its end; else empty.
  returned: success
  type: str
  sample: http://localhost:4570
"""

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import run_module
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.sandbox_door import ARGUMENT_SPEC, run


def main() -> None:
    """Run as a module."""
    run_module(ARGUMENT_SPEC, run)


if __name__ == "__main__":
    main()
