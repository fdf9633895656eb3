# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sessions of the older era: one that is the attacker's own, and one that must stay somebody else's."""

from __future__ import annotations

import dataclasses
import typing as t

from hypothesis import strategies as st

from tests.fuzz.checks import demand
from tests.fuzz.messages import requests
from tests.fuzz.requests import LEGACY, Case, Sent, message, post
from tests.fuzz.tokens import OWN, Credential, Credentials
from tests.fuzz.wire import Reply, Wire, converse, read_replies

OTHER = b"<OTHER-SESSION>"
NAMED = (OWN, OWN, OWN, OTHER, OTHER, OTHER, b"", b"0" * 32, b"*", b"../x", b"a" * 5000, b"\xff", OWN + b"," + OTHER)
HELLO = {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": {"name": "fuzz", "version": "1"}}


@st.composite
def session_cases(draw: st.DrawFn, port: int, credentials: Credentials) -> Case:
    """Requests that name sessions, their own and others, none, several; a session may be ended too."""
    credential = credentials.good()
    sent = post(port, credential, LEGACY, draw(requests(LEGACY)))
    method, named = (
        draw(st.sampled_from([b"POST", b"GET", b"DELETE"])),
        draw(st.lists(st.sampled_from(NAMED), max_size=3)),
    )
    if method != b"POST":
        kept = [header for header in sent.headers if header[0] != b"Content-Length"]
        sent = Sent(method, sent.target, tuple(kept))
    headers = [header for header in sent.headers if header[0] != b"Mcp-Session-Id"]
    names = [(b"Mcp-Session-Id", name) for name in named]
    sent = dataclasses.replace(sent, headers=(*names, *headers) if draw(st.booleans()) else (*headers, *names))
    foreign = bool(named) and OWN not in sent.values(b"mcp-session-id")
    # Streams stay open; whether one was opened, its first bytes say.
    return Case("sessions", Wire((sent.raw(),), "taste"), credential, (sent,), frozenset({400, 404} if foreign else ()))


class Pair:
    """Two open sessions, of two principals."""

    def __init__(self, port: int, credentials: Credentials) -> None:
        self._port = port
        self._own_token, self._other_token = credentials.good(), credentials.stranger()
        self._own, self._other = self._open(self._own_token), self._open(self._other_token)

    def fill(self, wire: Wire) -> Wire:
        """Put the sessions' names in their places."""
        parts = (part.replace(OWN, self._own).replace(OTHER, self._other) for part in wire.parts)
        return dataclasses.replace(wire, parts=tuple(parts))

    def check(self, may_end: bool) -> None:
        """Check that both sessions are still there; one that is not is opened anew.

        :param may_end: the attacker may have ended its own
        """
        other, own = self._ping(self._other_token, self._other), self._ping(self._own_token, self._own)
        if other.status != 200:
            self._other = self._open(self._other_token)
        if own.status != 200:
            self._own = self._open(self._own_token)
        demand(other.status == 200, f"somebody else's session was ended: {other}")
        demand(own.status == 200 or may_end, f"a session was lost: {own}")

    def _open(self, credential: Credential) -> bytes:
        opened = self._ask(credential, message("initialize", HELLO, LEGACY), b"")
        session = opened.headers["mcp-session-id"].encode()
        self._ask(credential, {"jsonrpc": "2.0", "method": "notifications/initialized"}, session)
        return session

    def _ping(self, credential: Credential, session: bytes) -> Reply:
        return self._ask(credential, message("ping", {}, LEGACY), session)

    def _ask(self, credential: Credential, document: dict[str, t.Any], session: bytes) -> Reply:
        sent = post(self._port, dataclasses.replace(credential, session=session), LEGACY, document)
        return read_replies(converse(self._port, Wire((sent.raw(),))))[0]
