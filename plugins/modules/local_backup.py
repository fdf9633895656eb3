#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: local_backup
version_added: "0.1.0"
short_description: Back up and restore the database and files of a local environment
description:
  - Writes a dump of the PostgreSQL database C(mcp) and a copy of all files of a bucket into a folder of their own, with
    a description. A backup is there only when it is complete, and when its dump was restored into a database of its own
    and found equal.
  - Restores a backup beside the database in use first, compares it, puts the files back (those that are there besides
    stay), and only then lets it take that one's place. A restore that fails, or is killed, leaves the one or the other
    in use, whole.
  - The commands have to reach the server as a user who may create databases, and carry no password.
options:
  directory:
    description: Folder of the backups.
    type: path
    required: true
  environment:
    description: Name of the environment.
    type: str
    required: true
  state:
    description: What to do; V(listed) only tells which backups there are.
    type: str
    choices: [taken, restored, listed]
    default: taken
  backup:
    description: Id of the backup to restore. The default is the newest.
    type: str
  replaced:
    description:
      - Id of the backup of what a restore replaces. The replaced database is removed when that backup has all of it.
      - Else, and without this option, it stays as the database C(mcp_replaced) until the next restore.
    type: str
  pg_dump:
    description: The command C(pg_dump) as a list, with what it needs to reach the server.
    type: list
    elements: str
  psql:
    description: The command C(psql) as a list, with what it needs to reach the server.
    type: list
    elements: str
  bucket:
    description: Bucket with the files. Without it only the database is meant.
    type: str
  describe:
    description: What else the description of a backup says.
    type: dict
    default: {}
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
author:
  - PratikoAI (@pratikoai)
"""

EXAMPLES = r"""
- name: Back up
  pratikoai.mcp_servers.local_backup:
    directory: .local/local/backups
    environment: local
    pg_dump: [docker, exec, --interactive, mcp-local-postgres-1, pg_dump, --username=mcp]
    psql: [docker, exec, --interactive, mcp-local-postgres-1, psql, --username=mcp]
  register: backup
"""

RETURN = r"""
backup:
  description: The backup that was taken or restored; null when one would be taken in check mode.
  returned: when O(state) is V(taken) or V(restored)
  type: dict
  sample: {"id": "20261122-150001-1234f2", "rows": 12, "files": 3, "path": ".local/local/backups/2026"}
backups:
  description:
    - All backups, newest first. One that lost something is not C(complete), and C(problem) says what.
    - Only sizes are looked at; a restore reads and compares all of it before it begins.
  returned: when O(state=listed)
  type: list
  elements: dict
  sample:
    - {id: 20261122-150001-1234f2, rows: 12, files: 3, bytes: 52311, why: asked for, complete: true, problem: ""}
"""

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import run_module
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.local_backup import ARGUMENT_SPEC, SPEC_OPTIONS, run


def main() -> None:
    """Run as a module."""
    run_module(ARGUMENT_SPEC, run, **SPEC_OPTIONS)


if __name__ == "__main__":
    main()
