# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What answers without asking back: content of every kind, progress, log messages, completion."""

from __future__ import annotations

import asyncio
import io
import json
import struct
import typing as t
import wave
import zlib

from mcp.server.mcpserver import Audio, Context, Image, MCPServer, UserMessage
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import Completion, ContentBlock, EmbeddedResource, TextContent, TextResourceContents
from pydantic import Field

PAUSE = 0.05  # the suite wants to see that notifications arrive one by one


def png() -> bytes:
    """Return a picture of one red pixel."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    pixels = zlib.compress(b"\x00\xff\x00\x00")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def wav() -> bytes:
    """Return a hundredth of a second of silence."""
    stream = io.BytesIO()
    with wave.open(stream, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(bytes(160))
    return stream.getvalue()


def embedded(uri: str, text: str, mime_type: str = "text/plain") -> EmbeddedResource:
    """Return a resource that travels inside another result."""
    return EmbeddedResource(type="resource", resource=TextResourceContents(uri=uri, mime_type=mime_type, text=text))


def simple_text() -> str:
    """Answer with text."""
    return "This is a simple text response for testing."


def image_content() -> Image:
    """Answer with a picture."""
    return Image(data=png(), format="png")


def audio_content() -> Audio:
    """Answer with a sound."""
    return Audio(data=wav(), format="wav")


def embedded_resource() -> EmbeddedResource:
    """Answer with a resource."""
    return embedded("test://embedded-resource", "This is an embedded resource content.")


def multiple_content_types() -> list[ContentBlock]:
    """Answer with text, a picture and a resource."""
    document = json.dumps({"test": "data", "value": 123})
    return [
        TextContent(type="text", text="Multiple content types test:"),
        image_content().to_image_content(),
        embedded("test://mixed-content-resource", document, "application/json"),
    ]


def error_handling() -> str:
    """Fail on purpose.

    :raises ToolError: always
    """
    raise ToolError("This tool intentionally returns an error for testing")


async def with_progress(ctx: Context) -> str:
    """Report three steps."""
    for step in (0, 50, 100):
        await ctx.report_progress(step, 100)
        await asyncio.sleep(PAUSE)
    return "done"


async def with_logging(ctx: Context) -> str:
    """Send three log messages."""
    for message in ("Tool execution started", "Tool processing data", "Tool execution completed"):
        await ctx.info(message)
        await asyncio.sleep(PAUSE)
    return "done"


async def logging_tool(ctx: Context) -> str:
    """Send a log message, to whom asked for such; the suite waits half a second for the whole answer."""
    await ctx.info("Tool executed")
    return "done"


def in_region(region: t.Annotated[str, Field(json_schema_extra={"x-mcp-header": "Region"})]) -> str:
    """Take an argument that clients repeat in a header, for proxies to route by."""
    return f"in {region}"


def prompt_with_arguments(
    arg1: t.Annotated[str, Field(description="First test argument")],
    arg2: t.Annotated[str, Field(description="Second test argument")],
) -> str:
    """Two arguments in a text."""
    return f"Prompt with arguments: arg1='{arg1}', arg2='{arg2}'"


# The suite names the argument, in this spelling.
def prompt_with_embedded_resource(resourceUri: str) -> list[UserMessage]:
    """A resource and what to do with it."""
    return [
        UserMessage(embedded(resourceUri, "Embedded resource content for testing.")),
        UserMessage("Please process the embedded resource above."),
    ]


def prompt_with_image() -> list[UserMessage]:
    """A picture and what to do with it."""
    return [UserMessage(image_content().to_image_content()), UserMessage("Please analyze the image above.")]


def data_of(id: str) -> str:
    """Data of one id."""
    return json.dumps({"id": id, "templateTest": True, "data": f"Data for ID: {id}"})


async def complete(_ref: t.Any, argument: t.Any, _context: t.Any) -> Completion:
    """Suggest values for any argument."""
    values = [value for value in ("paris", "park", "party") if value.startswith(argument.value)]
    return Completion(values=values, total=len(values), has_more=False)


def register(mcp: MCPServer) -> None:
    """Put everything on the server."""
    plain = (simple_text, image_content, audio_content, embedded_resource, multiple_content_types, error_handling)
    for function in plain:
        mcp.add_tool(function, name=f"test_{function.__name__}", structured_output=False)
    mcp.add_tool(with_progress, name="test_tool_with_progress")
    mcp.add_tool(with_logging, name="test_tool_with_logging")
    mcp.add_tool(logging_tool, name="test_logging_tool")
    mcp.add_tool(in_region, name="test_x_mcp_header")
    mcp.prompt("test_simple_prompt", description="No arguments")(lambda: "This is a simple prompt for testing.")
    for prompt in (prompt_with_arguments, prompt_with_embedded_resource, prompt_with_image):
        mcp.prompt(f"test_{prompt.__name__}")(prompt)
    static = mcp.resource("test://static-text", name="static-text", description="A text", mime_type="text/plain")
    static(lambda: "This is the content of the static text resource.")
    mcp.resource("test://static-binary", name="static-binary", description="A picture", mime_type="image/png")(png)
    mcp.resource("test://template/{id}/data", name="template", mime_type="application/json")(data_of)
    watched = mcp.resource("test://watched-resource", name="watched", description="Never changes")
    watched(lambda: "Watched resource content")
    mcp.completion()(complete)
