#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: processes
version_added: 0.1.0
short_description: Run the services of a local environment as supervised processes
description:
  - Compares the programs of a configuration of supervisord with those that run, and starts, restarts or stops what
    differs and nothing else. What a program reads beside its command counts when a hash of it is part of its settings.
  - Then waits until each of them runs and answers. One that does not fails the task with the end of its log.
  - supervisord itself is started when it does not run. It starts no program by itself, and starts each again that ends.
  - It calls nothing but supervisord's Unix socket and the probes.
author: PratikoAI (@pratikoai)
options:
  directory:
    description: Folder of the environment. C(supervisord.conf) lies in it, the socket in C(run), the logs in C(logs).
    type: path
    required: true
  supervisord:
    description: Path of supervisord.
    type: path
  config:
    description: Text of C(supervisord.conf), whose programs have C(autostart=false).
    type: str
  services:
    description: Programs that may be touched and are waited for. The default is all.
    type: list
    elements: str
  probes:
    description:
      - How to tell that a program answers, by its name.
      - A port of 127.0.0.1 that takes connections, or a dictionary with C(url) (answers 200) or C(command) (a list,
        ends with 0).
    type: dict
    default: {}
  patience:
    description: Seconds to wait for each program.
    type: int
    default: 60
  state:
    description:
      - V(present) runs the programs of O(config), V(planned) only says what that would do.
      - V(queried) says how the programs are.
      - V(stopped) stops O(services) in their order; the next V(present) starts them again.
      - V(absent) stops all of them, and supervisord.
    type: str
    choices: [planned, present, queried, stopped, absent]
    default: present
notes:
  - The connection options of AWS are accepted like everywhere in this collection, and not used.
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
"""

EXAMPLES = r"""
- name: Run the stores
  pratikoai.mcp_servers.processes:
    directory: "{{ playbook_dir }}/.local/local"
    supervisord: /home/ada/.cache/pratikoai-mcp-servers/services/bin/supervisord
    config: "{{ lookup('ansible.builtin.template', 'supervisord.conf.j2') }}"
    services: [postgres, redis]
    probes:
      redis: 6379
"""

RETURN = r"""
actions:
  description: What had to be done, in order; of check mode and V(planned) what would have to be.
  returned: success
  type: list
  elements: dict
  contains:
    service:
      description: The program.
      returned: always
      type: str
      sample: postgres
    action:
      description: One of V(create), V(update), V(start), V(remove) and V(none).
      returned: always
      type: str
      sample: update
    why:
      description: What differs; empty for V(none).
      returned: always
      type: str
      sample: "changed: command"
status:
  description: How the programs are, by name; empty unless O(state) is V(queried).
  returned: success
  type: dict
  sample:
    postgres: {state: running, health: healthy, reason: '', pid: 4711, restarts: 0}
machine:
  description: What decides how programs are run here.
  returned: when O(state) is V(queried)
  type: dict
  sample: {python: "3.13", platform: linux-x86_64, root: false}
"""

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import run_module
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.processes import ARGUMENT_SPEC, SPEC_OPTIONS, run


def main() -> None:
    """Run as a module."""
    run_module(ARGUMENT_SPEC, run, **SPEC_OPTIONS)


if __name__ == "__main__":
    main()
