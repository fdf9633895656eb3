# SPDX-License-Identifier: MIT
"""How a call ended, read from the reply as it passes."""

from __future__ import annotations

import json
import re
from typing import Any

INTERNAL_ERROR = -32603

_RESULT = b'"result"'
_FAILURE = re.compile(rb'"isError"\s*:\s*true')
_DATA = re.compile(rb"^data:(.*)$", re.MULTILINE)


def _is_suspect(text: bytes) -> bool:
    """Tell whether a reply may be more than a plain success; most are let through after this look."""
    return b'"error"' in text or (b'"isError"' in text and _FAILURE.search(text) is not None)


class ReplyReader:
    """Finds a tool's failure or an error in a JSON or event-stream reply. ``outcome`` stays empty without one.

    ``result`` tells that there may be a result, which it is where there is no error.

    :param listing: it may be a listing of tools, whose names are kept in ``tools``
    """

    def __init__(self, listing: bool = False) -> None:
        self.outcome = ""
        self.result = False
        self.tools: list[str] = []
        self._listing = listing
        self._kind = b""
        self._parts: list[bytes] = []

    def start(self, content_type: bytes) -> None:
        """Take the reply's content type."""
        self._kind = content_type.partition(b";")[0].strip().lower()

    def feed(self, body: bytes, last: bool) -> None:
        """Take the next part; whole events are not kept."""
        if self._kind == b"text/event-stream":
            self._parts.append(body)
            if last or body.endswith((b"\n\n", b"\r\n\r\n", b"\r\r")):
                self._read_events()
        elif self._kind == b"application/json":
            self._parts.append(body)
            if last:
                document = b"".join(self._parts)
                self.result = _RESULT in document
                self._judge(document)

    def _read_events(self) -> None:
        stream = b"".join(self._parts)
        self._parts.clear()
        self.result |= _RESULT in stream
        if not self._listing and not _is_suspect(stream):
            return
        for event in re.split(rb"\r\n\r\n|\n\n|\r\r", stream):
            lines = event.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
            self._judge(b"\n".join(_DATA.findall(lines)))

    def _judge(self, text: bytes) -> None:
        if not self._listing and not _is_suspect(text):
            return
        try:
            document = json.loads(text)
        except (ValueError, RecursionError):  # for the client to find out
            return
        if not isinstance(document, dict) or "method" in document:
            return
        error, result = document.get("error"), document.get("result")
        if isinstance(error, dict):
            self.outcome = "server_error" if error.get("code") == INTERNAL_ERROR else "protocol_error"
        elif isinstance(result, dict) and result.get("isError") is True:
            self.outcome = "tool_error"
        elif isinstance(result, dict) and self._listing:
            self.tools += _names(result.get("tools"))


def _names(tools: Any) -> list[str]:
    named = [tool.get("name") for tool in tools if isinstance(tool, dict)] if isinstance(tools, list) else []
    return [name for name in named if isinstance(name, str)]
