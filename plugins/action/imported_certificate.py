# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""In-process form of the module of the same name."""

from __future__ import annotations

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.imported_certificate import (
    ARGUMENT_SPEC,
    SPEC_OPTIONS,
    run,
)
from ansible_collections.pratikoai.mcp_servers.plugins.plugin_utils.in_process import InProcessAction


class ActionModule(InProcessAction):
    """Make and import the certificate in this process: its key is in no other one."""

    module_fqcn = "pratikoai.mcp_servers.imported_certificate"
    argument_spec = ARGUMENT_SPEC
    spec_options = SPEC_OPTIONS
    run_in_process = staticmethod(run)
