# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests as clients mean them, and what may be owed to them."""

from __future__ import annotations

import json
import typing as t
from dataclasses import dataclass

from tests.fuzz.hostile import encode
from tests.fuzz.tokens import Credential
from tests.fuzz.wire import Wire

MODERN = "2026-07-28"
LEGACY = "2025-11-25"
LISTEN = "subscriptions/listen"
META = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientInfo": {"name": "fuzz", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}
NAMED_BY = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}
MAX_DEPTH = 200

Headers = tuple[tuple[bytes, bytes], ...]
NOTHING = object()


@dataclass(frozen=True)
class Sent:
    """One well-formed HTTP request."""

    method: bytes
    target: bytes
    headers: Headers
    body: bytes = b""

    def raw(self) -> bytes:
        """Return the request byte for byte."""
        lines = [b"%s %s HTTP/1.1" % (self.method, self.target), *(b"%s: %s" % header for header in self.headers)]
        return b"\r\n".join(lines) + b"\r\n\r\n" + self.body

    def values(self, name: bytes) -> list[bytes]:
        """Return a header's values in their order; the name is in lower case."""
        return [value.strip() for key, value in self.headers if key.lower() == name]


@dataclass(frozen=True)
class Case:
    """One conversation with the server.

    :param sent: the requests that replies are owed to, in their order; empty where the bytes are no HTTP
    :param credential: what all of them carry
    :param statuses: the only ones that may come; empty for any below 500
    :param valid: nothing is wrong with the requests, so that a result, perhaps a tool's error, has to come
    :param said: what the bytes say where they are coded, so that parts of it may come back
    """

    leg: str
    wire: Wire
    credential: Credential
    sent: tuple[Sent, ...] = ()
    statuses: frozenset[int] = frozenset()
    valid: bool = False
    said: bytes = b""

    def __repr__(self) -> str:
        """Return what reproduces it: the bytes, with the token's name in its place."""
        secret = self.credential.secret.encode("utf-8", "surrogatepass")
        parts = [repr(part.replace(secret, b"<TOKEN>") if secret else part) for part in self.wire.parts]
        how = f"end={self.wire.end!r}, pause={self.wire.pause:g}, <TOKEN>: {self.credential.name}"
        return f"{self.leg}: {how}\n  " + "\n  ".join(parts)


def message(method: str, params: t.Mapping[str, t.Any], version: str, id: t.Any = 1) -> dict[str, t.Any]:
    """Return a request of an era."""
    meta = {"_meta": META} if version == MODERN else {}
    return {"jsonrpc": "2.0", "id": id, "method": method, "params": {**params, **meta}}


def post(port: int, credential: Credential, version: str, document: t.Any) -> Sent:
    """Return the request that carries a message, or a body that may be none."""
    body = document if isinstance(document, bytes) else encode(document)
    headers = [
        (b"Host", b"127.0.0.1:%d" % port),
        (b"Content-Type", b"application/json"),
        (b"Accept", b"application/json, text/event-stream"),
        (b"MCP-Protocol-Version", version.encode()),
        (b"Content-Length", b"%d" % len(body)),
        (b"Connection", b"close"),
    ]
    if credential.header is not None:
        headers.append((b"Authorization", credential.header))
    if version == LEGACY and credential.session:
        headers.append((b"Mcp-Session-Id", credential.session))
    if version == MODERN:
        headers += _mirrored(decode(body))
    return Sent(b"POST", b"/mcp", tuple(headers), body)


def _mirrored(document: t.Any) -> list[tuple[bytes, bytes]]:
    """Return the headers that repeat what a message says, where headers can."""
    if not isinstance(document, dict):
        return []
    method, params = document.get("method"), document.get("params")
    name = params.get(NAMED_BY.get(str(method), "")) if isinstance(params, dict) else None
    mirrored = ((b"Mcp-Method", method), (b"Mcp-Name", name))
    return [
        (header, value.encode())
        for header, value in mirrored
        if isinstance(value, str) and value.isascii() and value.isprintable()
    ]


def case(leg: str, sent: Sent, credential: Credential, **fields: t.Any) -> Case:
    """Return a case of one request."""
    return Case(leg, Wire((sent.raw(),), ending(sent.body)), credential, (sent,), **fields)


def ending(body: bytes) -> t.Literal["read", "taste"]:
    """Say how to take the answer: of a stream that stays open by design, the beginning."""
    document = decode(body)
    return "taste" if isinstance(document, dict) and document.get("method") == LISTEN else "read"


def decode(body: bytes) -> t.Any:
    """Parse strictly; NOTHING for what is no JSON that everybody reads alike."""
    try:
        document = json.loads(body.decode(), parse_constant=_refuse)
        json.dumps(document, allow_nan=False, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return NOTHING
    return document if _depth(document) <= MAX_DEPTH else NOTHING


def owed_id(body: bytes) -> t.Any:
    """Return the id that the answer to a body has to carry; NOTHING for what is no request by JSON-RPC."""
    document = decode(body)
    if not isinstance(document, dict) or document.get("jsonrpc") != "2.0":
        return NOTHING
    id, method, params = document.get("id"), document.get("method"), document.get("params", {})
    usable = isinstance(id, (str, int)) and not isinstance(id, bool)
    return id if usable and isinstance(method, str) and isinstance(params, dict) else NOTHING


def _refuse(name: str) -> t.Any:
    raise ValueError(name)


def _depth(document: t.Any) -> int:
    level, depth = [document], 0
    while level := [node for node in level if isinstance(node, (dict, list))]:
        depth += 1
        level = [child for node in level for child in (node.values() if isinstance(node, dict) else node)]
    return depth
