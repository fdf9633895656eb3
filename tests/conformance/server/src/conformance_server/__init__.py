# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The server that the protocol's conformance suite is run against: ``conformance_server:mcp``.

The suite calls tools, prompts and resources by names that it fixes; a server without them fails its scenarios.
"""

from __future__ import annotations

from mcp.server.mcpserver import MCPServer

from . import answers, questions, sessions, subscriptions

mcp = MCPServer(
    "conformance",
    version="1.0.0",
    instructions="Answers the conformance suite of the Model Context Protocol.",
)
for part in (answers, questions, sessions, subscriptions):
    part.register(mcp)
