# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters for the commands that are named to people."""

from __future__ import annotations

import typing as t

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.typed import typed_path


class FilterModule:
    """Filters of pratikoai.mcp_servers."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Return the filters."""
        return {"typed_path": typed_path}
