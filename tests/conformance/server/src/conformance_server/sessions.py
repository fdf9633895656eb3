# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What only the protocol up to 2025-11-25 has: requests to the client in the middle of a call, subscriptions."""

from __future__ import annotations

import typing as t

from mcp.server.mcpserver import Context, Elicit, ElicitationResult, MCPServer, Resolve, Sample
from mcp_types import (
    CreateMessageResult,
    EmptyResult,
    SetLevelRequestParams,
    SubscribeRequestParams,
    TextContent,
    UnsubscribeRequestParams,
)
from pydantic import BaseModel, Field

from .questions import said

OPTIONS = ["option1", "option2", "option3"]
# Every form of choice that the suite knows: with and without titles, one and several, and the deprecated one.
CHOICES: dict[str, t.Any] = {
    "type": "object",
    "properties": {
        "untitledSingle": {"type": "string", "enum": OPTIONS},
        "titledSingle": {
            "type": "string",
            "oneOf": [{"const": "value1", "title": "First"}, {"const": "value2", "title": "Second"}],
        },
        "legacyEnum": {"type": "string", "enum": ["opt1", "opt2"], "enumNames": ["Option One", "Option Two"]},
        "untitledMulti": {"type": "array", "items": {"type": "string", "enum": OPTIONS}},
        "titledMulti": {
            "type": "array",
            "items": {"anyOf": [{"const": "value1", "title": "First"}, {"const": "value2", "title": "Second"}]},
        },
    },
}


class Person(BaseModel):
    """What a user tells about themselves."""

    username: str = Field(description="User's response")
    email: str = Field(description="User's email address")


class Defaults(BaseModel):
    """A value of every primitive type, each with a default."""

    name: str = "John Doe"
    age: int = 30
    score: float = 95.5
    status: t.Literal["active", "inactive", "pending"] = "active"
    verified: bool = True


def ask_model(prompt: str) -> Sample:
    """Ask the client's model what the caller asks."""
    return Sample([said(prompt)], max_tokens=100)


async def sampling(prompt: str, answer: t.Annotated[CreateMessageResult, Resolve(ask_model)]) -> str:
    """Pass a question on to the client's model."""
    return f"LLM response: {answer.content.text if isinstance(answer.content, TextContent) else ''}"


def ask_person(message: str) -> Elicit[Person]:
    """Ask the user what the caller asks."""
    return Elicit(message, Person)


async def elicitation(message: str, answer: t.Annotated[ElicitationResult[Person], Resolve(ask_person)]) -> str:
    """Pass a question on to the user."""
    return f"User response: {answer.model_dump_json()}"


async def elicitation_sep1034_defaults(ctx: Context) -> str:
    """Ask the user with values filled in."""
    answer = await ctx.elicit("Please check", Defaults)
    return f"Elicitation completed: {answer.model_dump_json()}"


async def elicitation_sep1330_enums(ctx: Context) -> str:
    """Ask the user to choose."""
    answer = await ctx.session.elicit_form("Please choose", CHOICES, ctx.request_id)
    return f"Elicitation completed: action={answer.action}, content={answer.content}"


async def accept(_ctx: t.Any, _params: t.Any) -> EmptyResult:
    """Take note; nothing here ever changes, so there is nobody to tell."""
    return EmptyResult()


def register(mcp: MCPServer) -> None:
    """Put everything on the server."""
    for tool in (sampling, elicitation, elicitation_sep1034_defaults, elicitation_sep1330_enums):
        mcp.add_tool(tool, name=f"test_{tool.__name__}", structured_output=False)
    # MCPServer has no decorators for what the newer protocol dropped; its inner server takes handlers.
    inner = mcp._lowlevel_server
    inner.add_request_handler("logging/setLevel", SetLevelRequestParams, accept)
    inner.add_request_handler("resources/subscribe", SubscribeRequestParams, accept)
    inner.add_request_handler("resources/unsubscribe", UnsubscribeRequestParams, accept)
