# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write and choose the records of what was flipped beside the stacks."""

from __future__ import annotations

import typing as t

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import undo


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Return them by name."""
        return {
            "cdn_records": undo.cdn_records,
            "diverted_since": undo.diverted_since,
            "flip_records": undo.flip_records,
            "flip_result": undo.flip_result,
            "live_deployment": undo.live_deployment,
            "maintenance_deployments": undo.maintenance_deployments,
            "rule_overrides": undo.rule_overrides,
            "undo_target": undo.undo_target,
        }
