# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stands in for an instance's metadata service, version 2 alone: without a session's token everything is 401.

Answers what lies in ``/etc/stand-in``: texts by the path below ``/latest`` in ``metadata.json``, and ``user-data``.
"""

from __future__ import annotations

import json
import secrets
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ADDRESS = ("169.254.169.254", 80)
FOLDER = Path("/etc/stand-in")
TEXTS = json.loads((FOLDER / "metadata.json").read_text(encoding="utf-8"))
TEXTS["/user-data"] = (FOLDER / "user-data").read_text(encoding="utf-8")
TOKEN = secrets.token_urlsafe(40)


class Metadata(BaseHTTPRequestHandler):
    """One request."""

    def do_PUT(self) -> None:
        """Open a session."""
        seconds = self.headers.get("X-aws-ec2-metadata-token-ttl-seconds", "")
        usable = self.path == "/latest/api/token" and seconds.isdigit() and 1 <= int(seconds) <= 21600
        self._answer(*((200, TOKEN) if usable else (400, "")), {"X-aws-ec2-metadata-token-ttl-seconds": seconds})

    def do_GET(self) -> None:
        """Answer a question of a session."""
        if self.headers.get("X-aws-ec2-metadata-token") != TOKEN:
            self._answer(401, "")
        else:
            text = TEXTS.get(self.path.removeprefix("/latest").rstrip("/"))
            self._answer(*((404, "") if text is None else (200, text)))

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing: an answer may be a credential."""

    def _answer(self, status: int, text: str, headers: dict[str, str] | None = None) -> None:
        body = text.encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    ThreadingHTTPServer(ADDRESS, Metadata).serve_forever()
