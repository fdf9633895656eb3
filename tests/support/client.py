# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The official MCP client, as a person's program uses it."""

from __future__ import annotations

import asyncio
import ssl
import typing as t

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

MODERN = "2026-07-28"
T = t.TypeVar("T")


def with_client(
    endpoint: str,
    token: str,
    use: t.Callable[[Client], t.Awaitable[T]],
    mode: str = MODERN,
    headers: t.Mapping[str, str] | None = None,
    tls: ssl.SSLContext | None = None,
) -> T:
    """Connect and use the client.

    :param mode: revision of the protocol, or ``legacy`` for the era before it
    :param headers: to be sent beside the token
    :param tls: whose certificates to trust; those of this machine without it
    """
    sent = {"Authorization": f"Bearer {token}", **(headers or {})}

    async def session() -> T:
        async with (
            httpx2.AsyncClient(headers=sent, timeout=60, verify=tls or True) as http,
            Client(streamable_http_client(endpoint, http_client=http), mode=mode) as client,
        ):
            return await use(client)

    return asyncio.run(session())


async def result_of(client: Client, tool: str, **arguments: t.Any) -> dict[str, t.Any]:
    """Call a tool that must succeed."""
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, result.content
    return dict(result.structured_content or {})


def call_tool(endpoint: str, token: str, tool: str, **arguments: t.Any) -> dict[str, t.Any]:
    """Connect for one call of a tool."""
    return with_client(endpoint, token, lambda client: result_of(client, tool, **arguments))
