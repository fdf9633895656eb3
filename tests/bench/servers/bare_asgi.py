# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The SDK's application as it is, set up as ours is: stateless, SSE only where a tool reports progress."""

from __future__ import annotations

import os

import one_tool
from mcp.server.transport_security import TransportSecuritySettings

security = TransportSecuritySettings(allowed_hosts=[os.environ["BARE_HOST"]])
app = one_tool.mcp.streamable_http_app(stateless_http=True, transport_security=security)
