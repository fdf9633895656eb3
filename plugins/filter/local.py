# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the records and the services of a local environment."""

from __future__ import annotations

import typing as t

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import local_plan


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Return them by name."""
        return {
            "local_changes": local_plan.changes,
            "local_port_problem": local_plan.port_problem,
            "local_release_target": local_plan.target,
            "local_releases": local_plan.describe,
            "local_with_schema": local_plan.with_schema,
        }
