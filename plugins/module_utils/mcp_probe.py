# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Talk to an MCP server as a client of either era does: revision 2026-07-28 first, else the older handshake."""

from __future__ import annotations

import base64
import contextlib
import json
import re
import typing as t
from dataclasses import dataclass, field

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.http_probe import (
    Finding,
    Reply,
    Send,
    measure,
    parse_json,
    shorten,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.leaks import find_leak

MODERN_VERSION = "2026-07-28"
HANDSHAKE_VERSION = "2025-11-25"
HANDSHAKE_VERSIONS = ("2024-11-05", "2025-03-26", "2025-06-18", HANDSHAKE_VERSION)
HEADER_MISMATCH = -32020
UNSUPPORTED_VERSION = -32022
CLIENT_INFO = {"name": "pratikoai.mcp_servers.health", "version": "0.1.0"}
META = {
    "io.modelcontextprotocol/protocolVersion": MODERN_VERSION,
    "io.modelcontextprotocol/clientInfo": CLIENT_INFO,
    "io.modelcontextprotocol/clientCapabilities": {},
}
# Statuses that say nothing about the protocol's era: who asks, how often, or a broken server.
ERALESS_STATUSES = (401, 403, 429)


def events(body: bytes) -> list[str]:
    """Return the data of the events of a ``text/event-stream`` body, an unfinished last one included."""
    blocks = re.split(r"\n\n+", re.sub(r"\r\n?", "\n", body.decode("utf-8", "replace")))
    found = []
    for block in blocks:
        data = [line[5:].removeprefix(" ") for line in block.split("\n") if line.startswith("data:")]
        if data:
            found.append("\n".join(data))
    return found


def find_message(body: bytes, request_id: int, is_event_stream: bool) -> dict[str, t.Any] | None:
    """Return the JSON-RPC response with this id (an error may carry no id), or None."""
    for text in events(body) if is_event_stream else [body.decode("utf-8", "replace")]:
        try:
            message = parse_json(text)
        except ValueError:
            continue
        if not isinstance(message, dict) or not isinstance(message.get("result", message.get("error")), dict):
            continue
        if message.get("id") == request_id or ("error" in message and message.get("id") is None):
            return message
    return None


def header_value(value: str) -> str:
    """Return a text as an HTTP header may carry it: printable ASCII as it is, anything else in base64."""
    safe = re.fullmatch(r"[\x20-\x7e]*", value) and value == value.strip()
    if safe and not re.fullmatch(r"=\?base64\?.*\?=", value):
        return value
    return f"=?base64?{base64.b64encode(value.encode()).decode()}?="


def parameter_headers(schema: t.Any, arguments: t.Any) -> dict[str, str]:
    """Return the ``Mcp-Param-*`` headers that a tool's input schema asks for by ``x-mcp-header``."""
    headers: dict[str, str] = {}
    properties = schema.get("properties") if isinstance(schema, dict) else None
    if not isinstance(properties, dict) or not isinstance(arguments, dict):
        return headers
    for name, child in properties.items():
        value, token = arguments.get(name), child.get("x-mcp-header") if isinstance(child, dict) else None
        if isinstance(token, str) and isinstance(value, (bool, str, int)):
            text = str(value).lower() if isinstance(value, bool) else str(value)
            headers[f"Mcp-Param-{token}"] = header_value(text)
        headers.update(parameter_headers(child, value))
    return headers


@dataclass
class Conversation:
    """What one client knows about the server while it talks to it."""

    send: Send
    token: str | None = None
    next_step: str = ""
    token_step: str = ""
    version: str = MODERN_VERSION
    session_id: str | None = None
    capabilities: dict[str, t.Any] = field(default_factory=dict)
    tool_schema: t.Any = None
    last_id: int = 0
    reply_mode: str = ""
    refuse_leaks: bool = False

    @property
    def modern(self) -> bool:
        return self.version == MODERN_VERSION

    def headers(self, method: str, params: dict[str, t.Any]) -> dict[str, str]:
        """Return the HTTP headers of a message; the modern era repeats method and name for proxies to route by."""
        headers = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        if method != "initialize":
            headers["MCP-Protocol-Version"] = self.version
        if self.session_id:
            headers["Mcp-Session-Id"] = self.session_id
        if self.modern:
            headers["Mcp-Method"] = method
            if method == "tools/call":
                headers["Mcp-Name"] = header_value(params["name"])
                headers.update(parameter_headers(self.tool_schema, params.get("arguments")))
        return headers

    def exchange(self, method: str, params: dict[str, t.Any]) -> tuple[Reply, dict[str, t.Any] | None]:
        """Send one request; return the HTTP reply and the JSON-RPC message in it, if there is one."""
        self.last_id += 1
        own_id = self.last_id
        if self.modern:
            params = dict(params, _meta=META)
        body = json.dumps({"jsonrpc": "2.0", "id": own_id, "method": method, "params": params}).encode()
        reply = self.send(
            "POST", self.headers(method, params), body, lambda part: find_message(part, own_id, True) is not None
        )
        self.reply_mode = "event stream" if reply.is_event_stream else "JSON"
        self.look_for_leaks(method, reply)
        return reply, find_message(reply.body, own_id, reply.is_event_stream)

    def look_for_leaks(self, method: str, reply: Reply) -> None:
        """:raises Finding: the answer gives away what no caller may see"""
        text = "\n".join([*reply.headers.values(), reply.body.decode("utf-8", "replace")])
        leak = find_leak(text, self.token) if self.refuse_leaks else None
        if leak:
            raise Finding("critical", f"{method}: the answer contains {leak}", self.next_step)

    def call(self, method: str, params: dict[str, t.Any]) -> tuple[dict[str, t.Any], Reply]:
        """Send one request and return its result.

        :raises Finding: an HTTP error, a JSON-RPC error, or an answer that is neither
        """
        reply, message = self.exchange(method, params)
        if message is None:
            raise self.refusal(method, reply)
        if "error" in message:
            raise Finding("critical", f"{method}: {error_text(message['error'])}", self.next_step)
        return message["result"], reply

    def refusal(self, method: str, reply: Reply) -> Finding:
        """Say what a reply without a JSON-RPC message means."""
        challenge = reply.headers.get("www-authenticate", "")
        text = f"{method}: {reply.describe()}" + (f" ({shorten(challenge)})" if challenge else "")
        if reply.status != 401:
            return Finding("critical", text, self.next_step)
        if self.token:
            return Finding("critical", f"{text}: the token of token_file is refused", self.token_step)
        return Finding("unknown", f"{text}: the server wants a token and no token_file is given", self.token_step)

    def notify(self, method: str) -> None:
        """Send a notification; its reply carries nothing."""
        body = json.dumps({"jsonrpc": "2.0", "method": method}).encode()
        self.send("POST", self.headers(method, {}), body, lambda _part: True)

    def close(self) -> None:
        """End a session, so that probing leaves none behind; servers may refuse, which harms nobody."""
        if self.session_id:
            with contextlib.suppress(Finding):
                self.send("DELETE", self.headers("DELETE", {}), b"", lambda _part: True)


def error_text(error: dict[str, t.Any]) -> str:
    return f"JSON-RPC error {error.get('code')}: {shorten(str(error.get('message')))}"


def wants_handshake(talk: Conversation, reply: Reply, message: dict[str, t.Any] | None) -> bool:
    """Say whether an answer to ``server/discover`` comes from a server of the era before it.

    :raises Finding: the answer is a failure whatever the era
    """
    if message is None:
        if reply.status in ERALESS_STATUSES or not 400 <= reply.status < 500:
            raise talk.refusal("server/discover", reply)
        return True
    if "result" in message:
        return MODERN_VERSION not in (message["result"].get("supportedVersions") or [])
    error = message["error"]
    if error.get("code") == HEADER_MISMATCH:
        raise Finding(
            "critical",
            f"server/discover: {error_text(error)}; something on the way to the server drops or changes MCP headers",
            talk.next_step,
        )
    data = error.get("data")
    supported = data.get("supported") if isinstance(data, dict) else None
    names_versions = error.get("code") == UNSUPPORTED_VERSION and isinstance(supported, list)
    if names_versions and not any(version in HANDSHAKE_VERSIONS for version in supported or []):
        raise Finding("critical", f"server/discover: the server speaks only {supported}", talk.next_step)
    return True


def shake_hands(talk: Conversation) -> None:
    """Open a conversation of the old era."""
    talk.version = HANDSHAKE_VERSION
    hello = {"protocolVersion": HANDSHAKE_VERSION, "capabilities": {}, "clientInfo": CLIENT_INFO}
    result, reply = talk.call("initialize", hello)
    talk.version = str(result.get("protocolVersion"))
    if talk.version not in HANDSHAKE_VERSIONS:
        text = f"initialize: the server answers with protocol version {shorten(talk.version)}"
        raise Finding("critical", f"{text}, not one of {', '.join(HANDSHAKE_VERSIONS)}", talk.next_step)
    talk.session_id = reply.headers.get("mcp-session-id")
    talk.capabilities = result.get("capabilities") or {}
    talk.notify("notifications/initialized")


def open_conversation(talk: Conversation) -> None:
    """Find out which era the server speaks and learn what it can do."""
    reply, message = talk.exchange("server/discover", {})
    if wants_handshake(talk, reply, message):
        shake_hands(talk)
    elif message:
        talk.capabilities = message["result"].get("capabilities") or {}


def list_tools(talk: Conversation, tool: str | None) -> tuple[int, float]:
    """Return how many tools the first page lists, and the milliseconds; remember the schema of ``tool``."""
    result, reply = talk.call("tools/list", {})
    tools = result.get("tools")
    if not isinstance(tools, list):
        raise Finding("critical", f"tools/list: no list of tools in {shorten(json.dumps(result))}", talk.next_step)
    for entry in tools:
        if isinstance(entry, dict) and entry.get("name") == tool:
            talk.tool_schema = entry.get("inputSchema")
    return len(tools), reply.ms


def call_tool(talk: Conversation, tool: str, arguments: dict[str, t.Any], expect: str | None = None) -> float:
    """Call a tool and return the milliseconds.

    :param expect: regular expression that has to be found in the text of the result
    :raises Finding: the tool failed, says something else, or asks the client what a probe cannot answer
    """
    result, reply = talk.call("tools/call", {"name": tool, "arguments": arguments})
    if result.get("isError"):
        raise Finding("critical", f"tools/call {tool}: the tool failed: {content_text(result)}", talk.next_step)
    if result.get("resultType", "complete") != "complete":
        raise Finding("unknown", f"tools/call {tool}: the tool asks its caller for input; probe another one", "")
    if expect and not re.search(expect, full_text(result)):
        text = f"tools/call {tool}: the text does not match expect={expect!r}: {content_text(result)}"
        raise Finding("critical", text, talk.next_step)
    return reply.ms


def full_text(result: dict[str, t.Any]) -> str:
    """Return the texts of a tool's result, one a line."""
    return "\n".join(str(part.get("text", "")) for part in result.get("content") or [] if isinstance(part, dict))


def content_text(result: dict[str, t.Any]) -> str:
    """Return the beginning of a tool's result, for evidence."""
    return shorten(" ".join(full_text(result).split()) or json.dumps(result))


def round_trip(talk: Conversation, probe: dict[str, t.Any]) -> tuple[list[float], str]:
    """Discover, list the tools and call the one that the probe names."""
    open_conversation(talk)
    tool, samples = probe["tool"], probe["samples"]
    steps = "server/discover" if talk.modern else "initialize"
    if "tools" not in talk.capabilities and not tool:
        method = "server/discover" if talk.modern else "ping"
        times = measure(lambda: talk.call(method, {})[1].ms, samples)
        return times, f"{steps} ok, the server has no tools; MCP {talk.version}, {talk.reply_mode}"
    count, first = list_tools(talk, tool)
    steps += f", tools/list ({count} tool{'' if count == 1 else 's'})"
    if tool:
        times = measure(lambda: call_tool(talk, tool, probe["arguments"] or {}, probe["expect"]), samples)
        steps += f", tools/call {tool}"
    elif samples == 1:
        times = [first]
    else:
        times = [list_tools(talk, None)[1] for _sample in range(samples - 1)]
    return times, f"{steps} ok; MCP {talk.version}, {talk.reply_mode}"


def probe_mcp(talk: Conversation, probe: dict[str, t.Any]) -> tuple[list[float], str]:
    """Make a real round trip of the protocol.

    :returns: milliseconds of the counted requests, and the evidence
    :raises Finding: any step failed
    """
    try:
        return round_trip(talk, probe)
    finally:
        talk.close()
