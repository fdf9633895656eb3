# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The server of both sides: one tool that reads a table, written as the SDK's own examples are."""

from __future__ import annotations

import functools
import os
import typing as t
from dataclasses import dataclass

from mcp.server.mcpserver import MCPServer

mcp = MCPServer("one-tool")


@dataclass(frozen=True)
class Document:
    """A stored document."""

    document_id: str
    text: str


@functools.cache
def table() -> t.Any:
    """Return a DynamoDB client."""
    import boto3

    return boto3.client("dynamodb")


@mcp.tool()
def get_document(document_id: str) -> Document:
    """Read a document."""
    key = {"pk": {"S": f"doc#{document_id}"}, "sk": {"S": "content"}}
    item = table().get_item(TableName=os.environ["MCP_TABLE"], Key=key)["Item"]
    return Document(document_id, item["text"]["S"])


@mcp.tool()
def echo(text: str) -> str:
    """Give a text back: for measurements that are to see nothing but the server."""
    return text


if "MCP_TABLE" in os.environ:
    table()  # while the instance starts, as AWS advises
