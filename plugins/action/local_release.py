# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the module ``local_release`` in process."""

from __future__ import annotations

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.local_release import ARGUMENT_SPEC, run
from ansible_collections.pratikoai.mcp_servers.plugins.plugin_utils.in_process import InProcessAction


class ActionModule(InProcessAction):
    """Bring a release to where it is run."""

    module_fqcn = "pratikoai.mcp_servers.local_release"
    argument_spec = ARGUMENT_SPEC
    run_in_process = staticmethod(run)
