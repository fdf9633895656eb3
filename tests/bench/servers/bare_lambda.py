# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The SDK's server on Lambda with as little as works: one loop, one lifespan, events of a REST API.

With BARE_AUTH=pyjwt every call's token is checked by PyJWT, as its documentation shows; without, nothing is checked.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import typing as t

from bare_asgi import app

loop = asyncio.new_event_loop()
lifespan = app.router.lifespan_context(app)
loop.run_until_complete(lifespan.__aenter__())

if os.environ.get("BARE_AUTH") == "pyjwt":
    import jwt

    KEY = jwt.PyJWKSet.from_json(os.environ["MCP_JWKS"]).keys[0]
    ISSUER = os.environ["MCP_PUBLIC_URL"]

    def check(headers: dict[str, str]) -> None:
        """Raise unless the call brings a valid token."""
        token = headers["authorization"].removeprefix("Bearer ")
        jwt.decode(token, KEY, algorithms=["ES256"], issuer=ISSUER, audience=ISSUER + "/mcp")
else:

    def check(headers: dict[str, str]) -> None:
        """Accept everything."""


async def serve(event: dict[str, t.Any], headers: dict[str, str]) -> dict[str, t.Any]:
    """Run the application for one event."""
    body = event.get("body") or ""
    content = base64.b64decode(body) if event.get("isBase64Encoded") else body.encode()
    requests = [{"type": "http.request", "body": content, "more_body": False}]
    answer: dict[str, t.Any] = {"isBase64Encoded": False}
    parts = []
    finished = asyncio.Event()

    async def receive() -> dict[str, t.Any]:
        if requests:
            return requests.pop()
        await finished.wait()
        return {"type": "http.disconnect"}

    async def send(message: t.Any) -> None:
        if message["type"] == "http.response.start":
            answer["statusCode"] = message["status"]
            answer["headers"] = {name.decode(): value.decode() for name, value in message["headers"]}
        else:
            parts.append(message.get("body", b""))
            if not message.get("more_body"):
                finished.set()

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": event["httpMethod"],
        "scheme": "https",
        "path": event["path"],
        "raw_path": event["path"].encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "client": None,
        "server": None,
    }
    await app(scope, receive, send)
    return {**answer, "body": b"".join(parts).decode()}


def handler(event: dict[str, t.Any], _context: object) -> dict[str, t.Any]:
    """Answer API Gateway."""
    headers = {name.lower(): value for name, value in event["headers"].items()}
    check(headers)
    reply = loop.run_until_complete(serve(event, headers))
    print(json.dumps({"path": event["path"], "status": reply["statusCode"]}), flush=True)
    return reply
