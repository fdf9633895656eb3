# SPDX-License-Identifier: MIT
"""Which tools a caller may use, and listings without the others."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from .auth import Token
from .messages import decode_json, encode_json

# RFC 6749, 3.3: scopes end up in a header, where nothing else may.
_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")
_PATTERN = re.compile(r"\*|[^*]+\*?")
_LINE = re.compile(rb"([^\r\n]*)(\r\n|\r|\n|\Z)")
_BOM = b"\xef\xbb\xbf"

Visible = Callable[[str], bool]


class ToolScopesError(ValueError):
    """An entry of a tool-to-scopes mapping cannot be used."""


class ListingUnreadable(ValueError):
    """A listing that cannot be understood, so that nobody can say what it would give away."""


class ToolScopes:
    """The scopes that tools need. An exact name wins over the longest prefix (``docs_*``), that over ``*``.

    :raises ToolScopesError: the first entry that cannot be used
    """

    def __init__(self, mapping: Mapping[str, Sequence[str]]) -> None:
        if not isinstance(mapping, Mapping):
            raise ToolScopesError(f"{mapping!r} is not an object that maps tool names to lists of scopes.")
        entries = {name: _scopes(name, scopes) for name, scopes in mapping.items()}
        self._exact = {name: scopes for name, scopes in entries.items() if not name.endswith("*")}
        prefixes = [(name[:-1], scopes) for name, scopes in entries.items() if name.endswith("*")]
        self._prefixes = sorted(prefixes, key=lambda entry: -len(entry[0]))

    def __bool__(self) -> bool:
        return bool(self._exact or self._prefixes)

    def required(self, tool: str) -> tuple[str, ...]:
        """Return the scopes that a tool needs, all of them; none when nothing is said about it."""
        if tool in self._exact:
            return self._exact[tool]
        return next((scopes for prefix, scopes in self._prefixes if tool.startswith(prefix)), ())

    def missing(self, tool: str, token: Token | None) -> tuple[str, ...]:
        """Return the scopes that a token lacks; without a token, authentication is off and nothing is lacking."""
        if token is None:
            return ()
        return tuple(scope for scope in self.required(tool) if scope not in token.scopes)


def _scopes(name: object, scopes: object) -> tuple[str, ...]:
    if not isinstance(name, str) or not _PATTERN.fullmatch(name):
        raise ToolScopesError(f"{name!r} is not a tool's name, a prefix such as docs_*, or *.")
    # A text is a sequence too, of letters.
    if isinstance(scopes, str) or not isinstance(scopes, Sequence):
        raise ToolScopesError(f'{name!r} has {scopes!r}. Expected a list of scopes, such as ["docs:read"].')
    for scope in scopes:
        if not isinstance(scope, str) or not _SCOPE.fullmatch(scope):
            raise ToolScopesError(
                f"{name!r} has the scope {scope!r}. A scope is ASCII text without spaces, quotes or \\."
            )
    return tuple(dict.fromkeys(scopes))


def filter_listing(content_type: str, body: bytes, visible: Visible, private: bool) -> bytes:
    """Return a reply to ``tools/list`` without the tools that the caller must not see.

    :param body: the whole reply, not compressed
    :param private: mark it as the caller's own, where it says who may cache it
    :raises ListingUnreadable: the reply is in no form that can be filtered
    """
    media_type = content_type.partition(";")[0].strip().lower()
    if not body:
        return body
    if media_type == "application/json":
        return _filter_message(body, visible, private)
    if media_type == "text/event-stream":
        bom = _BOM if body.startswith(_BOM) else b""
        return bom + b"".join(_filter_event(event, visible, private) for event in _events(body[len(bom) :]))
    raise ListingUnreadable(f"A listing came as {media_type or 'no named type'}, not as JSON or an event stream.")


def _filter_message(text: bytes, visible: Visible, private: bool) -> bytes:
    """Filter one JSON-RPC message; what is no result comes back as it is."""
    try:
        document = decode_json(text)
        if not isinstance(document, dict):
            raise ValueError("not an object")
        if "result" not in document:
            return text
        _filter_result(document["result"], visible, private)
        return encode_json(document)
    except ValueError as error:
        raise ListingUnreadable(f"A listing cannot be read: {error}") from error


def _filter_result(result: Any, visible: Visible, private: bool) -> None:
    tools = result.get("tools") if isinstance(result, dict) else None
    if not isinstance(tools, list) or not all(isinstance(tool, dict) for tool in tools):
        raise ValueError("its result has no list of tools")
    if not all(isinstance(tool.get("name"), str) for tool in tools):
        raise ValueError("it has a tool without a name")
    result["tools"] = [tool for tool in tools if visible(tool["name"])]
    if private and "cacheScope" in result:
        result["cacheScope"] = "private"


def _events(stream: bytes) -> Iterator[list[tuple[bytes, bytes]]]:
    """Split a stream into events, each a list of lines with their ends; one that is cut short counts as well."""
    lines: list[tuple[bytes, bytes]] = []
    for line, end in _LINE.findall(stream):  # the last one is always empty
        lines.append((line, end))
        if not line:
            yield lines
            lines = []


def _filter_event(lines: list[tuple[bytes, bytes]], visible: Visible, private: bool) -> bytes:
    """Rewrite the data of an event that carries a listing, as one line where its first one stood."""
    data = {
        position: line[len(b"data:") :]
        for position, (line, _) in enumerate(lines)
        if line.partition(b":")[0] == b"data"
    }
    text = b"\n".join(value.removeprefix(b" ") for value in data.values())
    filtered = _filter_message(text, visible, private) if text.strip() else text
    if filtered is not text:
        first = next(iter(data))
        lines[first] = (b"data: " + filtered, lines[first][1])
        lines = [line for position, line in enumerate(lines) if position == first or position not in data]
    return b"".join(line + end for line, end in lines)
