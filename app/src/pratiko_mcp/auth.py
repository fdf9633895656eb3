# SPDX-License-Identifier: MIT
"""Access tokens: the one verification that the runtime and the API Gateway authorizer share."""

from __future__ import annotations

import base64
import enum
import json
import re
import threading
import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import jwt

from .settings import TokenSettings, is_loopback

ALGORITHMS = {"ES256": "EC", "RS256": "RSA"}
LEEWAY_SECONDS = 30
MIN_RSA_BITS = 2048
MAX_TOKEN_CHARS = 16_384
KEYS_TTL_SECONDS = 3600
# Tokens with invented key ids must not become requests to the issuer.
REFETCH_INTERVAL_SECONDS = 10
FETCH_TIMEOUT_SECONDS = 3
# Verifying a signature is most of the runtime's own work: a client's next calls bring the same token.
ACCEPTED_TTL_SECONDS = 60
MAX_ACCEPTED = 256
MAX_KEY_SET_BYTES = 262_144

_SEGMENT = re.compile(r"[A-Za-z0-9_-]+")


class Refusal(enum.Enum):
    """Why a token was refused; the value is the text that a client may see."""

    MISSING = "no bearer token"
    MALFORMED = "the token is not a JWT"
    ALGORITHM = "the token's algorithm is not accepted"
    UNKNOWN_KEY = "the token's key is not known"
    SIGNATURE = "the token's signature is wrong"
    EXPIRED = "the token has expired"
    NOT_YET_VALID = "the token is not valid yet"
    ISSUER = "the token's issuer is not accepted"
    AUDIENCE = "the token is for another audience"
    CLAIMS = "a required claim is missing or unusable"


class TokenRefused(Exception):
    """The request carries no token, or one that must not be accepted."""

    def __init__(self, reason: Refusal) -> None:
        super().__init__(reason.value)
        self.reason = reason


class KeysUnavailable(Exception):
    """The issuer's keys could not be fetched: nothing can be said about the token."""


@dataclass(frozen=True)
class Token:
    """A verified access token. ``expires_at`` is in seconds since 1970."""

    subject: str
    client_id: str
    scopes: tuple[str, ...]
    expires_at: int
    issuer: str


# The token of the request being served, for tools that need to know their caller.
current_token: ContextVar[Token | None] = ContextVar("current_token", default=None)


def bearer_token(header: str | None) -> str:
    """Return the token of an Authorization header.

    :raises TokenRefused: there is none
    """
    scheme, _, token = (header or "").strip().partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise TokenRefused(Refusal.MISSING)
    return token.strip()


def fetch_key_set(url: str) -> Mapping[str, Any]:
    """Download a JSON Web Key Set.

    :raises KeysUnavailable: no usable answer in time
    """
    try:
        with _open(url) as reply:
            document = json.loads(reply.read(MAX_KEY_SET_BYTES))
        return {"keys": [key for key in document["keys"] if isinstance(key, dict)]}
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise KeysUnavailable(f"No key set at MCP_JWKS_URL {url}: {error}") from error


def _open(url: str) -> Any:
    """Request a URL, following redirects only to where an answer cannot be replaced on its way.

    :raises OSError: no answer, or one that leads elsewhere
    """
    import urllib.request  # only deployments with an external issuer pay for this import

    class SafeRedirects(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, req: Any, fp: Any, code: Any, msg: Any, headers: Any, newurl: str) -> Any:
            if not _may_follow(req.full_url, newurl):
                raise OSError(f"it redirects to {newurl}, which is not https")
            return super().redirect_request(req, fp, code, msg, headers, newurl)

    return urllib.request.build_opener(SafeRedirects).open(url, timeout=FETCH_TIMEOUT_SECONDS)


def _may_follow(source: str, target: str) -> bool:
    """Tell whether a redirect stays on https, or on this machine, where the settings let MCP_JWKS_URL be http."""
    before, after = urlsplit(source), urlsplit(target)
    return after.scheme == "https" or (before.scheme == after.scheme == "http" and is_loopback(after.hostname))


class KeySource:
    """The issuer's public keys, inline or fetched and cached."""

    def __init__(
        self,
        settings: TokenSettings,
        fetch: Callable[[str], Mapping[str, Any]] = fetch_key_set,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url = settings.jwks_url
        self._fetch = fetch
        self._clock = clock
        self._lock = threading.Lock()
        self._fetched_at: float | None = None
        self._refetched_at: float | None = None
        self._keys: list[Mapping[str, Any]] = list(settings.jwks["keys"]) if settings.jwks else []
        self._prepared: dict[tuple[str | None, str], jwt.PyJWK] = {}

    def find(self, kid: str | None, algorithm: str) -> jwt.PyJWK | None:
        """Return the key for a token's header, asking the issuer again once when it is not known."""
        with self._lock:
            if self._url and self._is_stale():
                self._refresh(self._url)
            key = self._lookup(kid, algorithm)
            if key is None and self._url and self._may_refetch():
                self._refetched_at = self._clock()
                self._refresh(self._url)
                key = self._lookup(kid, algorithm)
            return key

    def _is_stale(self) -> bool:
        return self._fetched_at is None or self._clock() - self._fetched_at > KEYS_TTL_SECONDS

    def _may_refetch(self) -> bool:
        return self._refetched_at is None or self._clock() - self._refetched_at > REFETCH_INTERVAL_SECONDS

    def _refresh(self, url: str) -> None:
        """Fetch the keys; an issuer that does not answer leaves the ones we have in force."""
        try:
            self._keys = list(self._fetch(url)["keys"])
            self._prepared.clear()
        except KeysUnavailable:
            if not self._keys:
                raise
        self._fetched_at = self._clock()

    def _lookup(self, kid: str | None, algorithm: str) -> jwt.PyJWK | None:
        if (kid, algorithm) not in self._prepared:
            usable = [key for key in self._keys if _fits(key, algorithm) and kid in (None, key.get("kid"))]
            # Without a key id only a set of one key is unambiguous.
            key = _prepare(usable[0], algorithm) if len(usable) == 1 else None
            if key is None:
                return None
            self._prepared[kid, algorithm] = key
        return self._prepared[kid, algorithm]


def _fits(key: Mapping[str, Any], algorithm: str) -> bool:
    return (
        key.get("kty") == ALGORITHMS[algorithm]
        and key.get("alg") in (None, algorithm)
        and key.get("use") in (None, "sig")
        and (algorithm != "ES256" or key.get("crv") == "P-256")
    )


def _prepare(key: Mapping[str, Any], algorithm: str) -> jwt.PyJWK | None:
    try:
        prepared = jwt.PyJWK(dict(key), algorithm=algorithm)
    except (jwt.PyJWTError, ValueError, TypeError, KeyError):
        return None
    too_short = algorithm == "RS256" and prepared.key.key_size < MIN_RSA_BITS
    return None if too_short else prepared


def read_header(token: str) -> Mapping[str, Any]:
    """Parse a token's header and check its algorithm, before anything else of the token is looked at."""
    segments = token.split(".")
    if len(token) > MAX_TOKEN_CHARS or len(segments) != 3 or not all(map(_SEGMENT.fullmatch, segments[:2])):
        raise TokenRefused(Refusal.MALFORMED)
    try:
        header = json.loads(base64.urlsafe_b64decode(segments[0] + "=" * (-len(segments[0]) % 4)))
    except (ValueError, RecursionError) as error:
        raise TokenRefused(Refusal.MALFORMED) from error
    if not isinstance(header, dict):
        raise TokenRefused(Refusal.MALFORMED)
    algorithm, kid = header.get("alg"), header.get("kid")
    if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
        raise TokenRefused(Refusal.ALGORITHM)
    # RFC 7515: a critical extension that is not understood must lead to a refusal.
    if "crit" in header or not (kid is None or isinstance(kid, str)) or not _SEGMENT.fullmatch(segments[2]):
        raise TokenRefused(Refusal.MALFORMED)
    return header


_REFUSALS: tuple[tuple[type[Exception], Refusal], ...] = (
    (jwt.InvalidSignatureError, Refusal.SIGNATURE),
    (jwt.ExpiredSignatureError, Refusal.EXPIRED),
    (jwt.ImmatureSignatureError, Refusal.NOT_YET_VALID),
    (jwt.InvalidIssuerError, Refusal.ISSUER),
    (jwt.MissingRequiredClaimError, Refusal.CLAIMS),
    (jwt.InvalidTokenError, Refusal.CLAIMS),
)


def _decode(token: str, key: jwt.PyJWK, algorithm: str, issuer: str) -> dict[str, Any]:
    """Check signature, times and issuer; the audience has a rule of its own."""
    try:
        return jwt.decode(
            token,
            key=key.key,
            algorithms=[algorithm],
            issuer=issuer,
            leeway=LEEWAY_SECONDS,
            options={"require": ["exp", "iss"], "verify_aud": False, "verify_sub": False, "verify_jti": False},
        )
    except (jwt.PyJWTError, ValueError, TypeError, OverflowError) as error:
        reason = next((refusal for kind, refusal in _REFUSALS if isinstance(error, kind)), Refusal.CLAIMS)
        raise TokenRefused(reason) from error


def _audience_accepted(claims: Mapping[str, Any], accepted: tuple[str, ...]) -> bool:
    """Accept an ``aud`` of ours; without ``aud``, a Cognito access token by its ``client_id``."""
    if claims.get("token_use", "access") != "access":
        return False
    if "aud" not in claims:
        return claims.get("token_use") == "access" and claims.get("client_id") in accepted
    audience = claims["aud"]
    values = audience if isinstance(audience, list) else [audience]
    return any(isinstance(value, str) and value in accepted for value in values)


def _scopes(claims: Mapping[str, Any]) -> tuple[str, ...]:
    """Read ``scope`` (RFC 9068) or ``scp`` (a list with some issuers)."""
    value = claims.get("scope", claims.get("scp", ""))
    parts = value.split() if isinstance(value, str) else value
    if not isinstance(parts, list) or not all(isinstance(part, str) for part in parts):
        raise TokenRefused(Refusal.CLAIMS)
    return tuple(parts)


class Verifier:
    """Turns bearer tokens into `Token`, or refuses them."""

    def __init__(
        self, settings: TokenSettings, keys: KeySource | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        self._settings = settings
        self._keys = keys or KeySource(settings)
        self._clock = clock
        self._accepted: dict[str, tuple[Token, float]] = {}
        # A verification that may go to the network does not belong on the event loop.
        self.may_block = settings.jwks_url is not None

    def recall(self, token: str) -> Token | None:
        """Return a token accepted a moment ago that is still valid, else None."""
        verified, until = self._accepted.get(token, (None, 0.0))
        return verified if self._clock() < until else None

    def verify(self, token: str) -> Token:
        """Verify an access token.

        :raises TokenRefused: with the reason
        :raises KeysUnavailable: the issuer's keys cannot be had
        """
        if known := self.recall(token):
            return known
        verified = self._verify(token)
        if len(self._accepted) >= MAX_ACCEPTED:
            self._accepted.clear()
        until = min(self._clock() + ACCEPTED_TTL_SECONDS, verified.expires_at + LEEWAY_SECONDS)
        self._accepted[token] = (verified, until)
        return verified

    def _verify(self, token: str) -> Token:
        header = read_header(token)
        key = self._keys.find(header.get("kid"), header["alg"])
        if key is None:
            raise TokenRefused(Refusal.UNKNOWN_KEY)
        claims = _decode(token, key, header["alg"], self._settings.issuer)
        if not _audience_accepted(claims, self._settings.audiences):
            raise TokenRefused(Refusal.AUDIENCE)
        client_id = claims.get("client_id") or claims.get("azp") or ""
        subject = claims.get("sub") or client_id
        if not isinstance(subject, str) or not isinstance(client_id, str) or not subject:
            raise TokenRefused(Refusal.CLAIMS)
        return Token(subject, client_id, _scopes(claims), int(claims["exp"]), claims["iss"])
