# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the module ``preflight`` in process."""

from __future__ import annotations

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.preflight import ARGUMENT_SPEC, run
from ansible_collections.pratikoai.mcp_servers.plugins.plugin_utils.in_process import InProcessAction, warm

for service in ("sts", "cloudformation", "s3", "ssm"):
    warm(service)


class ActionModule(InProcessAction):
    """Validate an environment's variables and find out what is there."""

    module_fqcn = "pratikoai.mcp_servers.preflight"
    argument_spec = ARGUMENT_SPEC
    run_in_process = staticmethod(run)
