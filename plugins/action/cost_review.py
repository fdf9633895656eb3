# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the module ``cost_review`` in process."""

from __future__ import annotations

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.cost_review import ARGUMENT_SPEC, run
from ansible_collections.pratikoai.mcp_servers.plugins.plugin_utils.in_process import InProcessAction


class ActionModule(InProcessAction):
    """Write the cost review, and show it."""

    module_fqcn = "pratikoai.mcp_servers.cost_review"
    argument_spec = ARGUMENT_SPEC
    run_in_process = staticmethod(run)
