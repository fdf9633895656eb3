# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the module ``health_report`` in process."""

from __future__ import annotations

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_report import ARGUMENT_SPEC, run
from ansible_collections.pratikoai.mcp_servers.plugins.plugin_utils.in_process import InProcessAction


class ActionModule(InProcessAction):
    """Write the health report, and show it."""

    module_fqcn = "pratikoai.mcp_servers.health_report"
    argument_spec = ARGUMENT_SPEC
    run_in_process = staticmethod(run)
