#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: files
version_added: 0.1.0
short_description: Write a set of folders and files
description:
  - Compares folders and files with what is wanted of them, and makes or replaces those that differ, each of them whole.
  - One task for all that a service reads. On this machine it runs inside of ansible-playbook, so that a look costs
    milliseconds.
author: PratikoAI (@pratikoai)
options:
  folders:
    description:
      - Folders and their permissions in octal digits, made in this order before the files.
      - Folders above them that are missing are made too.
    type: dict
    default: {}
  files:
    description: Files. Each has one of O(files[].content), O(files[].secret) and O(files[].src).
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Its path; with a folder as O(files[].src) the folder below which the files lie.
        type: path
        required: true
      content:
        description: Its text.
        type: str
      secret:
        description: Its text, where that shows up in no output and no diff.
        type: str
      src:
        description: A file to copy, or a folder to copy all files of. Files that are there besides stay.
        type: path
      keep:
        description: Whether a file that is there keeps its content; mode and owner are looked after all the same.
        type: bool
        default: false
      mode:
        description: Its permissions in octal digits. A folder made for it can be entered by who may read it.
        type: str
        default: "0600"
      owner:
        description: Numeric id of the user and of the group that it belongs to. The default is whoever makes it.
        type: int
      service:
        description: Who reads it, for RV(digests).
        type: str
        default: ""
notes:
  - The connection options of AWS are accepted like everywhere in this collection, and not used.
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
"""

EXAMPLES = r"""
- name: Write what the cache reads
  pratikoai.mcp_servers.files:
    folders: {.local: "0700", .local/config: "0700"}
    files:
      - path: .local/config/valkey.conf
        secret: "requirepass {{ password }}"
        service: redis
  register: files
"""

RETURN = r"""
paths:
  description: Folders and files that differed, as they were written or in check mode would be.
  returned: success
  type: list
  elements: str
  sample: [/home/ada/mcp/.local/config/valkey.conf]
digests:
  description: For each O(files[].service) a digest over the paths and contents of its files as they are wanted.
  returned: success
  type: dict
  sample: {redis: 0c1d2e3f4a5b6c7d}
"""

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import run_module
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.files import ARGUMENT_SPEC, run


def main() -> None:
    """Run as a module."""
    run_module(ARGUMENT_SPEC, run)


if __name__ == "__main__":
    main()
