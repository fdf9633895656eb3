# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""In-process form of the module of the same name."""

from __future__ import annotations

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.cost_info import run
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.cost_options import ARGUMENT_SPEC, SPEC_OPTIONS
from ansible_collections.pratikoai.mcp_servers.plugins.plugin_utils.in_process import InProcessAction, warm

warm("ce")
warm("s3")


class ActionModule(InProcessAction):
    """Read the costs from this process: most answers come from the day's cache."""

    module_fqcn = "pratikoai.mcp_servers.cost_info"
    argument_spec = ARGUMENT_SPEC
    spec_options = SPEC_OPTIONS
    run_in_process = staticmethod(run)
