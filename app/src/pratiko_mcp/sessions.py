# SPDX-License-Identifier: MIT
"""Who opened which session: a session belongs to its principal, and nobody has more of them than memory allows."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Mapping

from .asgi import AsgiApp, Event, Scope
from .auth import Token

SESSION_HEADER = "mcp-session-id"
MAX_SESSIONS = 1000
# One principal alone must not push everybody else's sessions out.
MAX_SESSIONS_EACH = 100

Principal = tuple[str, ...]


def principal_of(token: Token | None) -> Principal:
    """Return who a token speaks for; without authentication everybody is the same."""
    return (token.issuer, token.subject, token.client_id) if token else ()


def owner_of(token: Token | None, with_scopes: bool) -> Principal:
    """Return whose a session is.

    :param with_scopes: version 1 of the SDK runs every tool of a session with the token that opened it: there a token
        with other scopes must not use it
    """
    return principal_of(token) + (tuple(sorted(token.scopes)) if token and with_scopes else ())


class Sessions:
    """Owners of open sessions, the longest unused one first."""

    def __init__(self, limit: int = MAX_SESSIONS, limit_each: int = MAX_SESSIONS_EACH) -> None:
        self._limit = limit
        self._limit_each = limit_each
        self._owners: OrderedDict[str, Principal] = OrderedDict()
        self._counts: Counter[Principal] = Counter()

    def __len__(self) -> int:
        return len(self._owners)

    def allows(self, session: str, principal: Principal) -> bool:
        """Tell whether a session exists and is the principal's; one that is somebody else's does not exist either."""
        if self._owners.get(session) != principal:
            return False
        self._owners.move_to_end(session)
        return True

    def add(self, session: str, principal: Principal) -> str | None:
        """Take a new session; return the one that has to end for it. One that is known already keeps its owner."""
        if session in self._owners:
            return None
        self._owners[session] = principal
        self._counts[principal] += 1
        if self._counts[principal] > self._limit_each:
            surplus = next(name for name, owner in self._owners.items() if owner == principal)
        elif len(self._owners) > self._limit:
            surplus = next(iter(self._owners))
        else:
            return None
        self.forget(surplus)
        return surplus

    def forget(self, session: str) -> None:
        """Drop a session that has ended."""
        owner = self._owners.pop(session, None)
        if owner is not None:
            self._counts[owner] -= 1
            self._counts += Counter()  # drops principals without sessions


async def end_session(inner: AsgiApp, scope: Scope, session: str) -> None:
    """Let the server end one of its sessions, as if its client had said so.

    :param scope: of any request for the endpoint; gives the address
    """
    given: Mapping[bytes, bytes] = {name.lower(): value for name, value in scope["headers"]}
    headers = [(b"host", given.get(b"host", b"")), (SESSION_HEADER.encode(), session.encode("latin-1"))]

    async def receive() -> Event:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(_event: Event) -> None:
        return None

    await inner({**scope, "method": "DELETE", "headers": headers}, receive, send)
