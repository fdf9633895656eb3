# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Choose what a restore of a database means, and judge the copy that it makes."""

from __future__ import annotations

import typing as t

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import database_backups


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Return them by name."""
        return {
            "copy_problem": database_backups.side_problem,
            "copy_proven": database_backups.is_proven,
            "database_backups": database_backups.database_backups,
            "restore_source": database_backups.restore_source,
        }
