# SPDX-License-Identifier: MIT
"""Who may call what, how often, right now: scopes, switched-off tools and limits, decided for each message."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from typing import Any, NamedTuple

from .auth import Token
from .limits import PolicySource, RateLimiter
from .messages import INSUFFICIENT_SCOPE, RATE_LIMITED, TOOL_DISABLED, Message
from .sessions import principal_of
from .tool_access import ToolScopes

TOOL_CALL = "tools/call"


class Denial(NamedTuple):
    """A message that is not let through. ``status`` is the HTTP status for clients that read errors with one."""

    code: int
    reason: str
    text: str
    status: int
    outcome: str
    data: dict[str, Any]
    headers: tuple[tuple[str, str], ...] = ()


class Gate:
    """Decides about messages.

    :param challenge: of the WWW-Authenticate header, to which a missing scope is added
    """

    def __init__(self, scopes: ToolScopes, source: PolicySource | None, challenge: str) -> None:
        self._scopes = scopes
        self._source = source
        self._challenge = challenge
        # Invented tools are counted as well: only the server knows which there are, and calls that fail count too.
        self._callers, self._tools = RateLimiter(), RateLimiter()

    async def check(self, message: Message, token: Token | None) -> Denial | None:
        """Return why a message must not go on; None lets it through."""
        if self._source and self._source.due():
            await asyncio.to_thread(self._source.refresh)
        tool = message.name if message.method == TOOL_CALL else None
        if tool is not None:
            denial = self._disabled(tool) or self._lacking(tool, token)
            if denial:
                return denial
        return self._limited(message, tool, token)

    def hides(self) -> bool:
        """Tell whether listings may have to leave tools out."""
        return bool(self._scopes) or bool(self._source and self._source.policy.disables_tools)

    def visible(self, token: Token | None) -> Callable[[str], bool]:
        """Return what tells whether a caller may know of a tool."""
        return lambda tool: not self._disabled(tool) and not self._scopes.missing(tool, token)

    @property
    def personal(self) -> bool:
        """Whether two callers may see different listings."""
        return bool(self._scopes)

    def _disabled(self, tool: str) -> Denial | None:
        if self._source is None or self._source.policy.tool(tool).enabled:
            return None
        text = f"The tool {tool} is switched off at the moment."
        return Denial(TOOL_DISABLED, "TOOL_DISABLED", text, 200, "refused", {"tool": tool})

    def _lacking(self, tool: str, token: Token | None) -> Denial | None:
        missing = self._scopes.missing(tool, token)
        if not missing:
            return None
        scope = " ".join(self._scopes.required(tool))
        text = f"The tool {tool} needs the scope {' '.join(missing)}, which the token does not have."
        header = ("www-authenticate", f'{self._challenge}, error="insufficient_scope", scope="{scope}"')
        return Denial(INSUFFICIENT_SCOPE, "INSUFFICIENT_SCOPE", text, 403, "refused", {"scope": scope}, (header,))

    def _limited(self, message: Message, tool: str | None, token: Token | None) -> Denial | None:
        # Nobody is told that a notification was dropped, and a session would not go on without some.
        if self._source is None or (message.kind != "request" and tool is None):
            return None
        policy = self._source.policy
        wait = 0.0
        if policy.calls_per_minute:
            wait = self._callers.take(principal_of(token), policy.calls_per_minute)
        if tool is not None and not wait and (per_minute := policy.tool(tool).calls_per_minute):
            wait = self._tools.take(tool, per_minute)
        if not wait:
            return None
        seconds = max(1, math.ceil(wait))
        text = f"Too many calls. The next one may come in {seconds} s."
        header = ("retry-after", str(seconds))
        return Denial(RATE_LIMITED, "RATE_LIMITED", text, 429, "limited", {"retryAfter": seconds}, (header,))
