# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read what Compose and the engine say."""

from __future__ import annotations

import typing as t

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import compose


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Return them by name."""
        return {
            "compose_plan": compose.compose_plan,
            "compose_status": compose.compose_status,
            "compose_trouble": compose.compose_trouble,
            "missing_images": compose.missing_images,
            "server_image": compose.server_image,
            "troubled_containers": compose.troubled,
        }
