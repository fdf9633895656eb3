# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists that change while a client listens, for ``subscriptions/listen``."""

from __future__ import annotations

from mcp.server.mcpserver import Context, MCPServer

NAME = "comes_and_goes"


def register(mcp: MCPServer) -> None:
    """Put everything on the server."""

    async def tool_change(ctx: Context) -> str:
        """Add a tool, or take it away again."""
        if any(tool.name == NAME for tool in await mcp.list_tools()):
            mcp.remove_tool(NAME)
        else:
            mcp.add_tool(lambda: "here", name=NAME, description="Comes and goes")
        await ctx.notify_tools_changed()
        return "changed"

    async def prompt_change(ctx: Context) -> str:
        """Add a prompt, or take it away again."""
        if any(prompt.name == NAME for prompt in await mcp.list_prompts()):
            mcp.remove_prompt(NAME)
        else:
            mcp.prompt(NAME, description="Comes and goes")(lambda: "here")
        await ctx.notify_prompts_changed()
        return "changed"

    mcp.add_tool(tool_change, name="test_trigger_tool_change")
    mcp.add_tool(prompt_change, name="test_trigger_prompt_change")
