# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The state module, in process: here the lock also knows the process that holds it."""

from __future__ import annotations

import os
import typing as t

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import Context
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.state import ARGUMENT_SPEC, SPEC_OPTIONS, run
from ansible_collections.pratikoai.mcp_servers.plugins.plugin_utils.in_process import InProcessAction, warm

warm("s3")


def run_for_playbook(ctx: Context) -> dict[str, t.Any]:
    """Hold the lock for ansible-playbook, the parent of the worker process that runs a task."""
    return run(ctx, pid=os.getppid())


class ActionModule(InProcessAction):
    """Action plugin of pratikoai.mcp_servers.state."""

    module_fqcn = "pratikoai.mcp_servers.state"
    argument_spec = ARGUMENT_SPEC
    spec_options = SPEC_OPTIONS
    run_in_process = staticmethod(run_for_playbook)
