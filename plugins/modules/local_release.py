#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: local_release
version_added: "0.1.0"
short_description: Bring a release of an MCP server to where it is run
description:
  - Makes sure that a release lies in a folder of its own, from which a server can be run. C(app) in it has the server
    and the runtime, C(dependencies) what they need; Python looks into them in this order.
  - Releases that need the same share one copy of it, whose files are those of the cache where both are on one disk.
  - Other releases stay, the newest ones, to go back to.
options:
  directory:
    description: Folder of the releases.
    type: path
    required: true
  release:
    description: Id of the release.
    type: str
    required: true
  package:
    description:
      - Its package, as M(pratikoai.mcp_servers.package) returns it for
        O(pratikoai.mcp_servers.package#module:state=unpacked). Without it the release has to be there.
    type: path
  keep:
    description: How many releases stay, this one among them.
    type: int
    default: 10
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
author:
  - PratikoAI (@pratikoai)
"""

EXAMPLES = r"""
- name: Bring the release here
  pratikoai.mcp_servers.local_release:
    directory: .local/local/releases
    release: "{{ package__result.release.id }}"
    package: "{{ package__result.path }}"
"""

RETURN = r"""
path:
  description: Folder of the release.
  returned: success
  type: str
  sample: /home/ada/mcp/.local/local/releases/0c1d2e3f4a5b
removed:
  description: Releases that were removed because newer ones are kept (in check mode those that would be).
  returned: success
  type: list
  elements: str
  sample: []
"""

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import run_module
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.local_release import ARGUMENT_SPEC, run


def main() -> None:
    """Run as a module."""
    run_module(ARGUMENT_SPEC, run)


if __name__ == "__main__":
    main()
