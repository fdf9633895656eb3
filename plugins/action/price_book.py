# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""In-process form of the module of the same name."""

from __future__ import annotations

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.price_book_refresh import ARGUMENT_SPEC, run
from ansible_collections.pratikoai.mcp_servers.plugins.plugin_utils.in_process import InProcessAction


class ActionModule(InProcessAction):
    """Check and refresh prices from this process, and say which region is being asked."""

    module_fqcn = "pratikoai.mcp_servers.price_book"
    argument_spec = ARGUMENT_SPEC
    run_in_process = staticmethod(run)
