# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the stack module in process."""

from __future__ import annotations

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.stack import ARGUMENT_SPEC, SPEC_OPTIONS, run
from ansible_collections.pratikoai.mcp_servers.plugins.plugin_utils.in_process import InProcessAction, warm

for service in ("cloudformation", "s3", "sts", "ssm"):
    warm(service)


class ActionModule(InProcessAction):
    """Plan, make and remove a stack."""

    module_fqcn = "pratikoai.mcp_servers.stack"
    argument_spec = ARGUMENT_SPEC
    spec_options = SPEC_OPTIONS
    run_in_process = staticmethod(run)
