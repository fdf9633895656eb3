# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What asks the client back, from 2026-07-28 on: a result that says what is missing, and the call repeated with it.

Asked by hand here, because the suite fixes the names of the questions.
"""

from __future__ import annotations

import typing as t

from mcp.server.mcpserver import Context, MCPServer, Resolve, Sample
from mcp_types import (
    ClientCapabilities,
    CreateMessageRequest,
    CreateMessageRequestParams,
    CreateMessageResult,
    ElicitRequest,
    ElicitRequestFormParams,
    ElicitResult,
    InputRequest,
    InputRequiredResult,
    ListRootsRequest,
    ListRootsResult,
    SamplingMessage,
    TextContent,
)

R = t.TypeVar("R")


def form(message: str, field: str, kind: str = "string") -> ElicitRequest:
    """Return a question to the user with one field."""
    schema = {"type": "object", "properties": {field: {"type": kind}}, "required": [field]}
    return ElicitRequest(params=ElicitRequestFormParams(message=message, requested_schema=schema))


def said(text: str) -> SamplingMessage:
    """Return a message of the user's to the client's model."""
    return SamplingMessage(role="user", content=TextContent(type="text", text=text))


def prompt_of(text: str) -> CreateMessageRequest:
    """Return a question to the client's model."""
    return CreateMessageRequest(params=CreateMessageRequestParams(messages=[said(text)], max_tokens=100))


def ask(state: str | None = None, /, **requests: InputRequest) -> InputRequiredResult:
    """Return what the client has to find out before it calls again."""
    return InputRequiredResult(input_requests=requests, request_state=state)


def answered(ctx: Context, name: str, kind: type[R]) -> R | None:
    """Return the client's answer to a question, when it is there and of the right kind."""
    answer = (ctx.input_responses or {}).get(name)
    return answer if isinstance(answer, kind) else None


def filled_in(ctx: Context, name: str, field: str) -> t.Any:
    """Return what the user filled in, or None."""
    answer = answered(ctx, name, ElicitResult)
    return (answer.content or {}).get(field) if answer and answer.action == "accept" else None


async def elicitation(ctx: Context) -> str | InputRequiredResult:
    """Ask the user."""
    name = filled_in(ctx, "user_name", "name")
    return f"Hello, {name}!" if name else ask(user_name=form("What is your name?", "name"))


async def sampling(ctx: Context) -> str | InputRequiredResult:
    """Ask the client's model."""
    answer = answered(ctx, "capital_question", CreateMessageResult)
    if answer is None:
        return ask(capital_question=prompt_of("What is the capital of France?"))
    return answer.content.text if isinstance(answer.content, TextContent) else "not a text"


async def list_roots(ctx: Context) -> str | InputRequiredResult:
    """Ask for the client's roots."""
    answer = answered(ctx, "client_roots", ListRootsResult)
    return ", ".join(str(root.uri) for root in answer.roots) if answer else ask(client_roots=ListRootsRequest())


async def request_state(ctx: Context) -> str | InputRequiredResult:
    """Give the client a state to bring back; the SDK seals it and refuses one that was changed."""
    if ctx.request_state == "waiting for the user" and filled_in(ctx, "confirm", "ok"):
        return "state-ok"
    return ask("waiting for the user", confirm=form("Please confirm", "ok", "boolean"))


async def multiple_inputs(ctx: Context) -> str | InputRequiredResult:
    """Ask for three things at once."""
    name = filled_in(ctx, "user_name", "name")
    greeting = answered(ctx, "greeting", CreateMessageResult)
    roots = answered(ctx, "client_roots", ListRootsResult)
    if name and greeting and roots and ctx.request_state == "three questions":
        return f"{name} has {len(roots.roots)} roots"
    return ask(
        "three questions",
        user_name=form("What is your name?", "name"),
        greeting=prompt_of("Generate a greeting"),
        client_roots=ListRootsRequest(),
    )


async def multi_round(ctx: Context) -> str | InputRequiredResult:
    """Ask twice; what was answered first travels in the state."""
    name = filled_in(ctx, "step1", "name")
    if ctx.request_state == "round 1" and name:
        return ask(f"round 2: {name}", step2=form("Step 2: What is your favorite color?", "color"))
    color = filled_in(ctx, "step2", "color")
    if ctx.request_state and ctx.request_state.startswith("round 2: ") and color:
        return f"{ctx.request_state.removeprefix('round 2: ')} likes {color}"
    return ask("round 1", step1=form("Step 1: What is your name?", "name"))


async def capabilities(ctx: Context) -> str | InputRequiredResult:
    """Ask only what the client says that it can answer."""
    can = ctx.client_capabilities or ClientCapabilities()
    requests: dict[str, InputRequest] = {}
    if can.sampling is not None:
        requests["sampled"] = prompt_of("Say something")
    if can.elicitation is not None:
        requests["filled_in"] = form("Say something", "words")
    if can.roots is not None:
        requests["roots"] = ListRootsRequest()
    return ask(**requests) if requests and not ctx.input_responses else "nothing to ask"


async def prompt_with_context(ctx: Context) -> str | InputRequiredResult:
    """Ask the user before there is a prompt."""
    context = filled_in(ctx, "user_context", "context")
    asked = ask(user_context=form("What context should the prompt use?", "context"))
    return f"The context is: {context}" if context else asked


def capital() -> Sample:
    """Need the client's model; the SDK refuses for a client that has none."""
    return Sample([said("What is the capital of France?")], max_tokens=100)


async def missing_capability(answer: t.Annotated[CreateMessageResult, Resolve(capital)]) -> str:
    """Need a client that can ask a model."""
    return answer.model


def register(mcp: MCPServer) -> None:
    """Put everything on the server."""
    for tool in (elicitation, sampling, list_roots, request_state, multiple_inputs, multi_round, capabilities):
        mcp.add_tool(tool, name=f"test_input_required_result_{tool.__name__}", structured_output=False)
    mcp.add_tool(request_state, name="test_input_required_result_tampered_state", structured_output=False)
    mcp.add_tool(elicitation, name="test_streaming_elicitation", structured_output=False)
    mcp.add_tool(missing_capability, name="test_missing_capability")
    mcp.prompt("test_input_required_result_prompt")(prompt_with_context)
