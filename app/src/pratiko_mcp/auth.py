# SPDX-License-Identifier: MIT
"""Access tokens: the one verification that the runtime and the API Gateway authorizer share."""

from __future__ import annotations

import base64
import enum
import json
import math
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import jwt

from .discovery import KeysUnavailable, fetch_key_set, find_key_set, in_time
from .settings import TokenSettings

ALGORITHMS = {"ES256": "EC", "RS256": "RSA"}
LEEWAY_SECONDS = 30
MIN_RSA_BITS = 2048
MAX_TOKEN_CHARS = 16_384
KEYS_TTL_SECONDS = 3600
# Tokens with invented key ids must not become requests to the issuer.
REFETCH_INTERVAL_SECONDS = 10
# An issuer that does not answer must not be waited for by every call.
RETRY_INTERVAL_SECONDS = 5
# Verifying a signature is most of the runtime's own work: a client's next calls bring the same token.
ACCEPTED_TTL_SECONDS = 60
MAX_ACCEPTED = 256
LAST_SECOND = 253_402_300_799  # of the year 9999; what is beyond it is no date


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


class ScopeMissing(PermissionError):
    """The caller's token lacks a scope; ``missing`` names which."""

    def __init__(self, missing: tuple[str, ...]) -> None:
        super().__init__(f"The token lacks the scope {' '.join(missing)}")
        self.missing = missing


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


def require_scope(*scopes: str) -> None:
    """Go on only if the caller's token has all of these scopes; where authentication is off, everybody may.

    :raises ScopeMissing: naming those that it lacks
    """
    token = current_token.get()
    missing = tuple(scope for scope in scopes if token and scope not in token.scopes)
    if missing:
        raise ScopeMissing(missing)


def bearer_token(header: str | None) -> str:
    """Return the token of an Authorization header.

    :raises TokenRefused: there is none
    """
    scheme, _, token = (header or "").strip().partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise TokenRefused(Refusal.MISSING)
    return token.strip()


class KeySource:
    """The issuer's public keys: inline, or fetched and cached.

    :param fetch: downloads a key set
    :param find_url: finds out where it is, when no setting says so
    """

    def __init__(
        self,
        settings: TokenSettings,
        fetch: Callable[[str], Mapping[str, Any]] = fetch_key_set,
        clock: Callable[[], float] = time.monotonic,
        find_url: Callable[[str], str] = find_key_set,
    ) -> None:
        self._settings = settings
        self._fetch = fetch
        self._clock = clock
        self._find_url = find_url
        self._lock = threading.Lock()
        self._stale_at = -math.inf
        self._refetch_at = -math.inf
        self._retry_at = -math.inf
        self._problem = ""
        self._keys = _KeySet(settings.jwks["keys"] if settings.jwks else ())
        self._is_remote = settings.jwks is None

    def find(self, kid: str | None, algorithm: str) -> jwt.PyJWK | None:
        """Return the key for a token's header, asking the issuer again once when its key id is not known.

        :raises KeysUnavailable: there are no keys at all
        """
        is_new = self._is_remote and self._renew()
        key = self._keys.find(kid, algorithm)
        if key is None and kid and self._is_remote and not is_new:
            key = self._refetch(kid, algorithm)
        return key

    def forget(self) -> None:
        """Have fetched keys fetched again; until then, and if their issuer is away, those we have are good."""
        if self._is_remote:
            self._stale_at = self._refetch_at = self._retry_at = -math.inf

    def _renew(self) -> bool:
        """Fetch keys that are stale; tell whether they were fetched after this call began."""
        if self._clock() < self._stale_at:
            return False
        # While one call fetches, the others go on with the keys we have; without keys they wait.
        if not self._lock.acquire(blocking=not self._keys.known):
            return False
        try:
            if self._clock() >= self._stale_at:
                self._refresh()
            return True
        finally:
            self._lock.release()

    def _refetch(self, kid: str, algorithm: str) -> jwt.PyJWK | None:
        with self._lock:
            key = self._keys.find(kid, algorithm)  # another call may have fetched it meanwhile
            if key is None and self._clock() >= self._refetch_at:
                self._refetch_at = self._clock() + REFETCH_INTERVAL_SECONDS
                self._refresh()
                key = self._keys.find(kid, algorithm)
            return key

    def _refresh(self) -> None:
        """Fetch the keys; an issuer that does not answer leaves the ones we have in force, and is left in peace."""
        if self._clock() >= self._retry_at:
            try:
                self._keys = _KeySet(in_time(self._load))
                self._stale_at = self._clock() + KEYS_TTL_SECONDS
                return
            except KeysUnavailable as error:
                self._problem = str(error)
                self._retry_at = self._clock() + RETRY_INTERVAL_SECONDS
        if not self._keys.known:
            raise KeysUnavailable(self._problem)

    def _load(self) -> list[Mapping[str, Any]]:
        # Metadata is read again with the keys: an issuer may move them.
        return list(self._fetch(self._settings.jwks_url or self._find_url(self._settings.issuer))["keys"])


class _KeySet:
    """Keys of one moment; those that tokens asked for stay prepared."""

    def __init__(self, known: Iterable[Mapping[str, Any]]) -> None:
        self.known = list(known)
        self._prepared: dict[tuple[str | None, str], jwt.PyJWK] = {}

    def find(self, kid: str | None, algorithm: str) -> jwt.PyJWK | None:
        if (kid, algorithm) not in self._prepared:
            usable = [key for key in self.known if _fits(key, algorithm) and kid in (None, key.get("kid"))]
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
    if len(token) > MAX_TOKEN_CHARS or len(segments) != 3:
        raise TokenRefused(Refusal.MALFORMED)
    try:
        header = json.loads(_decode_segment(segments[0]))
        algorithm, kid = header.get("alg"), header.get("kid")
    except (ValueError, RecursionError, AttributeError) as error:
        raise TokenRefused(Refusal.MALFORMED) from error
    if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
        raise TokenRefused(Refusal.ALGORITHM)
    # RFC 7515: a critical extension that is not understood must lead to a refusal.
    if "crit" in header or not (kid is None or isinstance(kid, str)):
        raise TokenRefused(Refusal.MALFORMED)
    if not all(map(_is_canonical, segments[1:])):
        raise TokenRefused(Refusal.MALFORMED)
    return header


def _is_canonical(segment: str) -> bool:
    try:
        return bool(_decode_segment(segment))
    except ValueError:
        return False


def _decode_segment(segment: str) -> bytes:
    """Decode base64url; of the ways to write the same bytes only the canonical one is taken.

    :raises ValueError: it is written otherwise
    """
    data = base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
    if base64.urlsafe_b64encode(data).rstrip(b"=").decode() != segment:
        raise ValueError("not canonical")
    return data


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
        claims = jwt.decode(
            token,
            key=key.key,
            algorithms=[algorithm],
            issuer=issuer,
            leeway=LEEWAY_SECONDS,
            options={"require": ["exp", "iss"], "verify_aud": False, "verify_sub": False, "verify_jti": False},
        )
    except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError) as error:
        reason = next((refusal for kind, refusal in _REFUSALS if isinstance(error, kind)), Refusal.CLAIMS)
        raise TokenRefused(reason) from error
    # The library also takes a number that is written as text, which is none (RFC 7519).
    if not all(_is_date(claims[name]) for name in ("exp", "nbf", "iat") if name in claims):
        raise TokenRefused(Refusal.CLAIMS)
    return claims


def _is_date(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= LAST_SECOND


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
    # An entry of a list with a space in it would be two scopes to whoever joins them.
    if not isinstance(parts, list) or not all(isinstance(part, str) and part.split() == [part] for part in parts):
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
        self.may_block = settings.jwks is None

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
