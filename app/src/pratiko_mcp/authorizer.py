# SPDX-License-Identifier: MIT
"""API Gateway REQUEST authorizer: a valid token, and proof that the call came through the CDN.

Kept free of the MCP SDK and of the runtime: it runs on every cold path in front of them.
"""

from __future__ import annotations

import functools
import hmac
import json
import time
from collections.abc import Callable, Mapping
from typing import Any

from . import aws_secrets
from .auth import KeysUnavailable, Token, TokenRefused, Verifier, bearer_token
from .settings import load_authorizer_settings

ORIGIN_HEADER = "x-mcp-origin"
# For so long a value is good that was revoked; a read that fails leaves it good for a little longer.
SECRET_TTL_SECONDS = 60
SECRET_MAX_AGE_SECONDS = 300
SECRET_RETRY_SECONDS = 10


class OriginSecret:
    """The value that the CDN adds to its requests; while it rotates, the values around it are good as well."""

    def __init__(self, source: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._source = source
        self._clock = clock
        self._values: tuple[str, ...] = ()
        self._read_at = 0.0
        self._due = 0.0

    def matches(self, presented: str) -> bool:
        """Compare with the cached values; on a mismatch read every stage once more."""
        if not self._values or self._clock() > self._due:
            self._refresh()
        if self._is_known(presented):
            return True
        self._read(aws_secrets.STAGES)
        return self._is_known(presented)

    def _refresh(self) -> None:
        try:
            self._read((aws_secrets.CURRENT,))
        except Exception:  # one bad minute of the store is no reason to refuse good calls
            if not self._values or self._clock() - self._read_at > SECRET_MAX_AGE_SECONDS:
                raise
            self._due = self._clock() + SECRET_RETRY_SECONDS
            _log("error", "SECRET")

    def _read(self, stages: tuple[str, ...]) -> None:
        self._values = aws_secrets.read_values(self._source, stages)
        self._read_at = self._clock()
        self._due = self._read_at + SECRET_TTL_SECONDS

    def _is_known(self, presented: str) -> bool:
        given = presented.encode(errors="surrogatepass")
        # A sum compares with every value, so that the time taken does not tell which one matched.
        return sum(hmac.compare_digest(given, value.encode()) for value in self._values) > 0


class Authorizer:
    """Decides about one call. Refused tokens raise, because only that makes API Gateway answer 401."""

    def __init__(self, verifier: Verifier, origin: OriginSecret) -> None:
        self._verifier = verifier
        self._origin = origin

    def decide(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Return the policy for an authorizer event.

        :raises Exception: with the text "Unauthorized", for API Gateway's 401; any other text makes it answer 500
        """
        headers = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
        try:
            token = self._verifier.verify(bearer_token(headers.get("authorization")))
        except TokenRefused as refused:
            _log("refused", refused.reason.name)
            raise Exception("Unauthorized") from refused
        except KeysUnavailable:
            _log("error", "KEYS")
            raise
        allowed = self._origin.matches(headers.get(ORIGIN_HEADER) or "")
        _log("allowed" if allowed else "denied", "" if allowed else "ORIGIN")
        return policy(token, "Allow" if allowed else "Deny", event["methodArn"])


def policy(token: Token, effect: str, method_arn: str) -> dict[str, Any]:
    """Build a policy for the whole stage: API Gateway caches it, so it must not depend on this call's path."""
    stage_arn = "/".join(method_arn.split("/")[:2])
    return {
        "principalId": token.subject,
        "policyDocument": {
            "Version": "2012-10-17",
            "Statement": [{"Action": "execute-api:Invoke", "Effect": effect, "Resource": f"{stage_arn}/*"}],
        },
        "context": {
            "sub": token.subject,
            # The access log writes it between quotes, as it is.
            "log_sub": json.dumps(token.subject)[1:-1],
            "scope": " ".join(token.scopes),
            "client_id": token.client_id,
            "exp": str(token.expires_at),
        },
    }


def _log(decision: str, reason: str) -> None:
    print(json.dumps({"event": "authorizer", "decision": decision, "reason": reason}), flush=True)


@functools.cache
def _authorizer() -> Authorizer:
    settings = load_authorizer_settings()
    return Authorizer(Verifier(settings.token), OriginSecret(settings.origin_secret))


def handler(event: Mapping[str, Any], _context: object) -> dict[str, Any]:
    """Answer API Gateway (the Lambda entry point)."""
    return _authorizer().decide(event)
