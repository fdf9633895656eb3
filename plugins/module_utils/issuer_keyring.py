# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An environment's signing keys as data: their states, and the two documents in which they are kept.

A ring is a list of keys ``{kid, state, since, until, jwk, kms_key_id}``. ``state`` is ``current`` (signs), ``next``
(published, will sign) or ``retired`` (published until ``until``). ``jwk`` has a private half (``d``) in the private
document only, and never where the key lives in KMS. The order of a ring never changes, so that a promotion leaves
the published JWKS as it is.
"""

from __future__ import annotations

import base64
import hashlib
import json
import typing as t
from datetime import UTC, datetime

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import McpError

Jwk = dict[str, str]
Key = dict[str, t.Any]
Ring = list[Key]

STATES = ("current", "next", "retired")
# What a standard parameter of SSM and the environment of a Lambda function hold besides everything else.
MAX_KEYS = 3


def iso(seconds: float) -> str:
    """Return Unix seconds as UTC; such texts sort by time."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def b64(number: int) -> str:
    """Return a P-256 number as a JWK holds it: 32 bytes, base64url."""
    return base64.urlsafe_b64encode(number.to_bytes(32, "big")).rstrip(b"=").decode()


def thumbprint(jwk: Jwk) -> str:
    """Return the RFC 7638 thumbprint of an EC key, which is its ``kid``."""
    members = {name: jwk[name] for name in ("crv", "kty", "x", "y")}
    digest = hashlib.sha256(json.dumps(members, separators=(",", ":"), sort_keys=True).encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def public_jwk(point: t.Any) -> Jwk:
    """Return the JWK of an ES256 public key, given its numbers as the cryptography library has them."""
    jwk = {"kty": "EC", "crv": "P-256", "x": b64(point.x), "y": b64(point.y)}
    return {**jwk, "kid": thumbprint(jwk), "alg": "ES256", "use": "sig"}


def new_private_jwk() -> Jwk:
    """Make an ES256 key.

    :raises McpError: the cryptography library is missing
    """
    try:
        from cryptography.hazmat.primitives.asymmetric import ec
    except ImportError as error:
        raise missing_library(error) from error
    numbers = ec.generate_private_key(ec.SECP256R1()).private_numbers()
    return {**public_jwk(numbers.public_numbers), "d": b64(numbers.private_value)}


def missing_library(error: ImportError) -> McpError:
    """Return the failure for a library that is not installed."""
    return McpError(
        f"The Python library {error.name} is missing where this task runs. "
        "Install it: python3 -m pip install 'PyJWT[crypto]'"
    )


def new_key(state: str, now: float, jwk: Jwk, kms_key_id: str | None = None) -> Key:
    """Return a key in its first state."""
    since = iso(now)
    return {"kid": jwk["kid"], "state": state, "since": since, "until": None, "jwk": jwk, "kms_key_id": kms_key_id}


def in_state(ring: Ring, state: str) -> Key | None:
    """Return the first key in a state."""
    return next((key for key in ring if key["state"] == state), None)


def promoted(ring: Ring, now: float, retire_after: int) -> Ring:
    """Return the ring in which the pending key signs; without one, the ring as it is.

    :param retire_after: seconds for which the key that signed until now stays published
    """
    if not in_state(ring, "next"):
        return ring
    changes = {
        "current": {"state": "retired", "since": iso(now), "until": iso(now + retire_after)},
        "next": {"state": "current", "since": iso(now)},
        "retired": {},
    }
    return [{**key, **changes[key["state"]]} for key in ring]


def revoked(ring: Ring, now: float) -> Ring:
    """Return the ring in which every retired key is due."""
    return [{**key, "until": min(key["until"], iso(now))} if key["state"] == "retired" else key for key in ring]


def kept(ring: Ring, now: float) -> Ring:
    """Return the ring without the retired keys whose time has come."""
    return [key for key in ring if key["state"] != "retired" or key["until"] > iso(now)]


def check_room(ring: Ring) -> None:
    """Refuse a further key where as many are published as there is room for.

    :raises McpError: saying when there will be room
    """
    if len(ring) >= MAX_KEYS:
        until = min(key["until"] for key in ring if key["state"] == "retired")
        raise McpError(
            f"rotate=true is refused: {len(ring)} keys are published, which is all there is room for. The oldest "
            f"retired one is dropped by the first run after {until}. Rotate again after that, or drop the retired "
            "keys at once, with every token that they signed: revoke=true (mcp_revoke_signing_key=true of the playbook)"
        )


def public_jwks(ring: Ring) -> dict[str, list[Jwk]]:
    """Return the key set to publish."""
    return {"keys": [{name: value for name, value in key["jwk"].items() if name != "d"} for key in ring]}


def described(ring: Ring) -> list[dict[str, t.Any]]:
    """Return what may be shown of a ring: everything but the keys themselves."""
    return [{name: key[name] for name in ("kid", "state", "since", "until", "kms_key_id")} for key in ring]


def private_document(ring: Ring) -> str:
    """Return the document that holds the keys."""
    return json.dumps({"keys": ring}, separators=(",", ":"))


def public_document(ring: Ring, version: int) -> str:
    """Return the document beside it: the key set, and of which version of the private document it is the public half.

    A run that was killed between the two leaves them apart, and the next one sees it without decrypting anything.
    """
    document = {**public_jwks(ring), "states": described(ring), "version": version}
    return json.dumps(document, separators=(",", ":"))


def read_private(text: str) -> Ring | None:
    """Parse the private document, or the single private JWK that it was before keys could rotate.

    :returns: None when it is neither
    """
    try:
        document = json.loads(text)
        ring = document["keys"] if "keys" in document else [_only(document)]
        complete = all(key["kms_key_id"] or isinstance(key["jwk"]["d"], str) for key in ring)
        return ring if complete and _is_ring(ring) else None
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def read_public(text: str) -> tuple[Ring, int] | None:
    """Parse the public document: the ring without private halves, and the version of the private document.

    :returns: None when it cannot be used
    """
    try:
        document = json.loads(text)
        jwks = document["keys"]
        if "states" in document:
            ring = [{**state, "jwk": jwk} for state, jwk in zip(document["states"], jwks, strict=True)]
        else:  # as it was before keys could rotate: one key, whose private half was written once
            ring = [_only(*jwks)]
        version = document.get("version", 1)
        return (ring, version) if isinstance(version, int) and _is_ring(ring) else None
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _only(jwk: Jwk) -> Key:
    return {"kid": jwk["kid"], "state": "current", "since": None, "until": None, "jwk": jwk, "kms_key_id": None}


def _is_ring(ring: Ring) -> bool:
    """Tell whether these are keys with one that signs, and no more than one that will."""
    states = [key["state"] for key in ring]
    whole = all(
        key["kid"] == key["jwk"]["kid"]
        and all(isinstance(key["jwk"][part], str) for part in ("crv", "kty", "x", "y", "kid"))
        and (key["state"] != "retired" or isinstance(key["until"], str))
        for key in ring
    )
    return whole and set(states) <= set(STATES) and states.count("current") == 1 and states.count("next") <= 1
