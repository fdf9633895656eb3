# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The package module, in process."""

from __future__ import annotations

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.package import ARGUMENT_SPEC, SPEC_OPTIONS, run
from ansible_collections.pratikoai.mcp_servers.plugins.plugin_utils.in_process import InProcessAction, warm

warm("s3")


class ActionModule(InProcessAction):
    """Action plugin of pratikoai.mcp_servers.package."""

    module_fqcn = "pratikoai.mcp_servers.package"
    argument_spec = ARGUMENT_SPEC
    spec_options = SPEC_OPTIONS
    run_in_process = staticmethod(run)
