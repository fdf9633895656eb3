# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""In-process form of the module of the same name."""

from __future__ import annotations

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.estimate import ARGUMENT_SPEC, run
from ansible_collections.pratikoai.mcp_servers.plugins.plugin_utils.in_process import InProcessAction


class ActionModule(InProcessAction):
    """Estimate from this process: every plan has one, and it takes a twentieth of a second."""

    module_fqcn = "pratikoai.mcp_servers.cost_estimate"
    argument_spec = ARGUMENT_SPEC
    run_in_process = staticmethod(run)
