# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Credentials: a few that are good, and every broken kind."""

from __future__ import annotations

import base64
import functools
import hmac
import json
import time
import typing as t
from dataclasses import dataclass

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import strategies as st

from tests.fuzz import hostile
from tests.support.direct import Issuer

SCOPES = "documents:read documents:write"
# Longer than any run.
LIFETIME = 6 * 3600

# Stands for the name of the attacker's session, which is known only when it has been opened.
OWN = b"<OWN-SESSION>"

Verdict = t.Literal["good", "bad", "either"]


@dataclass(frozen=True)
class Credential:
    """An Authorization header.

    :param verdict: what has to come of it; ``either`` where that depends on the details
    :param secret: what must never be seen again
    :param session: the session that requests of the older era name; empty for none
    """

    name: str
    header: bytes | None
    verdict: Verdict
    secret: str = ""
    session: bytes = b""


def segment(document: object) -> str:
    """Encode one part of a token."""
    data = document if isinstance(document, bytes) else hostile.encode(document)
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Credentials:
    """Makes credentials for one server.

    :param sessions: it has sessions, and good credentials come with one
    """

    def __init__(self, issuer: Issuer, url: str, sessions: bool) -> None:
        self._issuer = issuer
        self._url = url
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._rsa = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self._session = OWN if sessions else b""
        self._good: dict[str, str] = {}
        self._broken = {name: _bearer(f"token: {name}", token, "bad") for name, token in self._tokens().items()}

    def token(self, scope: str = SCOPES) -> str:
        """Return a good token, the same each time."""
        if scope not in self._good:
            self._good[scope] = self._issuer.token(self._url, scope=scope, exp=int(time.time()) + LIFETIME)
        return self._good[scope]

    def good(self, scope: str = SCOPES) -> Credential:
        """Return a good credential."""
        token = self.token(scope)
        return Credential(f"good, scopes {scope!r}", b"Bearer " + token.encode(), "good", token, self._session)

    def stranger(self) -> Credential:
        """Return a good credential of somebody else."""
        token = self._issuer.token(self._url, sub="stranger", exp=int(time.time()) + LIFETIME)
        return Credential("somebody else's", b"Bearer " + token.encode(), "good", token)

    def strategy(self) -> st.SearchStrategy[Credential]:
        """Draw any kind."""
        claims = st.dictionaries(st.sampled_from(CLAIMS), hostile.values | st.sampled_from(DATES), min_size=1)
        headers = st.dictionaries(st.sampled_from(MEMBERS), hostile.values | st.sampled_from(["ES256", "test"]))
        cuts = st.tuples(
            st.integers(0, 2), st.integers(0, 30), st.sampled_from(["", "A", "=", "%", ".", "+/", "\u00e9"])
        )
        return st.one_of(
            st.sampled_from(["", "documents:read", "documents:write", SCOPES, "other"]).map(self.good),
            st.sampled_from(list(self._broken.values())),
            claims.map(self._with_claims),
            headers.map(self._with_header),
            cuts.map(lambda cut: self._cut(*cut)),
            (st.sampled_from(SCHEMES) | st.binary(max_size=40).map(_as_header)).map(_without_token),
        )

    def _tokens(self) -> dict[str, str]:
        now, good = int(time.time()), self.token()
        header, payload, signature = good.split(".")
        sign = functools.partial(self._issuer.token, self._url, scope=SCOPES)
        claims = jwt.decode(good, options={"verify_signature": False})
        public = json.dumps(json.loads(self._issuer.jwks)["keys"][0])
        return {
            "expired": sign(exp=now - 3600),
            "not yet valid": sign(nbf=now + 3600),
            "issued in the future": sign(iat=now + 3600),
            "another audience": sign(aud="https://other.example/mcp"),
            "another issuer": sign(iss="https://evil.example"),
            "no subject": sign(sub="", client_id=""),
            "an id token": sign(token_use="id"),
            "exp as text": sign(exp=str(now + 600)),
            "exp beyond all dates": sign(exp=10**18),
            "aud of another type": sign(aud={"a": 1}),
            "scope of another type": sign(scope={"a": 1}),
            "signed with another key": jwt.encode(claims, self._key, "ES256", {"kid": "test"}),
            "signed with an RSA key": jwt.encode(claims, self._rsa, "RS256", {"kid": "test"}),
            "HMAC with the public key": _hmac(claims, public.encode()),
            "an unknown key id": jwt.encode(claims, self._key, "ES256", {"kid": "other"}),
            "its own key in the header": jwt.encode(
                claims,
                self._key,
                "ES256",
                {"jwk": json.loads(jwt.algorithms.ECAlgorithm.to_jwk(self._key.public_key()))},
            ),
            "algorithm none": f"{segment({'alg': 'none'})}.{payload}.",
            "algorithm NONE with a signature": f"{segment({'alg': 'NONE'})}.{payload}.{signature}",
            "a critical extension": f"{segment({'alg': 'ES256', 'kid': 'test', 'crit': ['x']})}.{payload}.{signature}",
            "no signature": f"{header}.{payload}.",
            "a signature of zeros": f"{header}.{payload}.{'A' * 86}",
            "two parts": f"{header}.{payload}",
            "four parts": f"{good}.{signature}",
            "five parts": f"{header}..{payload}.{signature}.x",
            "dots": "..",
            "long": "a" * 20_000 + "." + "b" * 20_000 + ".c",
            "a deep header": f"{segment(b'[' * 9000)}.{payload}.{signature}",
            "deep claims": f"{header}.{segment(b'[' * 9000)}.{signature}",
            "a header that is a list": f"{segment([])}.{payload}.{signature}",
            "a header that is not UTF-8": f"{segment(bytes([255, 254, 1]))}.{payload}.{signature}",
            "padding": f"{header}.{payload}.{signature}==",
            "twice": f"{good} {good}",
            "a comma list": f"{good}, {good}",
            "quoted": f'"{good}"',
        }

    def _with_claims(self, changes: dict[str, t.Any]) -> Credential:
        try:
            token = self._issuer.token(self._url, **{"exp": int(time.time()) + 600, **changes})
        except (TypeError, ValueError):  # what the library refuses to sign
            token = ".".join((self.token().split(".")[0], segment(changes), self.token().split(".")[2]))
        return _bearer(f"token with the claims {hostile.encode(changes)[:300]!r}", token, "either")

    def _with_header(self, changes: dict[str, t.Any]) -> Credential:
        """Change the header under a signature, which no longer fits, unless the change is none."""
        _, payload, signature = self.token().split(".")
        header = segment({"alg": "ES256", "kid": "test", "typ": "JWT", **changes})
        token = f"{header}.{payload}.{signature}"
        return _bearer(
            f"token with the header {hostile.encode(changes)[:300]!r}",
            token,
            "good" if token == self.token() else "bad",
        )

    def _cut(self, part: int, position: int, put: str) -> Credential:
        """Put something in place of one character of a good token."""
        parts = self.token().split(".")
        parts[part] = parts[part][:position] + put + parts[part][position + 1 :]
        token = ".".join(parts)
        return _bearer(
            f"good token, {put!r} at {position} of part {part}", token, "good" if token == self.token() else "bad"
        )


CLAIMS = ("iss", "aud", "exp", "nbf", "iat", "sub", "client_id", "azp", "scope", "scp", "token_use", "jti", "cnf", "x")
MEMBERS = ("alg", "kid", "typ", "crit", "jwk", "jku", "x5u", "x5c", "b64", "zip", "enc", "x")
DATES = (0, -1, 1, 2**31, 2**63, 253_402_300_800, 10**30, 1e308, 4e9)
SCHEMES = (
    b"",
    b"Bearer",
    b"Bearer ",
    b"Bearer  \t ",
    b"bearer x",
    b"Basic YWxpY2U6c2VjcmV0",
    b"Digest username=a",
    b"DPoP abc",
    b"Negotiate",
    b"Bearer\tabc",
    b"Bearer \xff\xfe\xfd",
    b"Bearer " + b"." * 5000,
    b"Bearer " + b"a" * 30_000,
    b"AWS4-HMAC-SHA256 Credential=AKIA",
)


def _hmac(claims: dict[str, t.Any], key: bytes) -> str:
    signed = f"{segment({'alg': 'HS256', 'kid': 'test'})}.{segment(claims)}"
    return f"{signed}.{segment(hmac.digest(key, signed.encode(), 'sha256'))}"


def _bearer(name: str, token: str, verdict: Verdict) -> Credential:
    return Credential(name, b"Bearer " + token.encode(), verdict, token)


def _without_token(header: bytes) -> Credential:
    return Credential(f"header {header[:50]!r}", header, "bad")


def _as_header(data: bytes) -> bytes:
    """Drop what ends a header."""
    return b"Bearer " + data.replace(b"\r", b"").replace(b"\n", b"").replace(b"\x00", b"").strip()
