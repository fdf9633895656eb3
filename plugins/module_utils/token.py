# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mint a token with the environment's own signing key; it goes into a file and nowhere else."""

from __future__ import annotations

import json
import re
import time
import typing as t
import uuid
from urllib.parse import urlsplit

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import issuer_kms as kms
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import Context, McpError
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.issuer_keyring import (
    Jwk,
    Key,
    in_state,
    iso,
    missing_library,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.issuer_store import (
    Store,
    make_store,
    write_private_file,
)

ARGUMENT_SPEC: dict[str, t.Any] = {
    "store": {"type": "str", "choices": ["ssm", "file", "kms"], "default": "ssm"},
    "prefix": {"type": "str"},
    "key_path": {"type": "path", "no_log": False},
    "issuer": {"type": "str", "required": True},
    "audience": {"type": "str", "required": True},
    "subject": {"type": "str", "default": "operator"},
    "client_id": {"type": "str", "default": "pratikoai-cli"},
    "scopes": {"type": "list", "elements": "str", "required": True},
    "lifetime": {"type": "int", "default": 3600},
    "path": {"type": "path", "required": True},
}
SPEC_OPTIONS: dict[str, t.Any] = {
    "mutually_exclusive": [("prefix", "key_path")],
    "required_if": [("store", "ssm", ["prefix"]), ("store", "kms", ["prefix"]), ("store", "file", ["key_path"])],
}
SHORTEST_SECONDS, LONGEST_SECONDS = 60, 86400


def sign_token(private_jwk: Jwk, claims: dict[str, t.Any]) -> str:
    """Return an ES256 access token (RFC 9068) with these claims.

    :raises McpError: PyJWT is missing, or the key is not one for ES256
    """
    try:
        import jwt
    except ImportError as error:
        raise missing_library(error) from error
    try:
        key = jwt.PyJWK(private_jwk, algorithm="ES256").key
        return jwt.encode(claims, key, "ES256", headers={"kid": private_jwk["kid"], "typ": "at+jwt"})
    except (jwt.exceptions.PyJWTError, ValueError, TypeError) as error:
        raise McpError(f"The signing key {private_jwk['kid']} cannot sign with ES256: {error}") from error


def make_claims(params: dict[str, t.Any], now: int) -> dict[str, t.Any]:
    """Return the claims of a token issued now (Unix seconds)."""
    return {
        "iss": params["issuer"],
        "aud": params["audience"],
        "sub": params["subject"],
        "client_id": params["client_id"],
        "scope": " ".join(params["scopes"]),
        "iat": now,
        "nbf": now,
        "exp": now + params["lifetime"],
        "jti": str(uuid.uuid4()),
    }


def check_params(params: dict[str, t.Any]) -> None:
    """Refuse what no server would accept.

    :raises McpError: naming the option, its value and what is allowed
    """
    if not SHORTEST_SECONDS <= params["lifetime"] <= LONGEST_SECONDS:
        raise wrong("lifetime", params["lifetime"], f"{SHORTEST_SECONDS} to {LONGEST_SECONDS} seconds")
    for option in ("issuer", "audience"):
        if not params[option]:
            raise McpError(
                f"{option} is empty: the environment has no address yet. "
                "Deploy it first: ansible-playbook deploy.yml -i <inventory>"
            )
        parts = urlsplit(params[option])
        if parts.scheme not in ("http", "https") or not parts.netloc or parts.fragment:
            raise wrong(option, params[option], "an http:// or https:// URL without a fragment")
    for option in ("subject", "client_id"):
        if not params[option].strip():
            raise wrong(option, params[option], "any text that is not empty")
    for scope in params["scopes"]:
        if not re.fullmatch(r"[\x21\x23-\x5b\x5d-\x7e]+", scope):
            raise wrong("scopes", scope, 'a list of scopes of printable ASCII without spaces, " and \\')


def wrong(option: str, value: t.Any, allowed: str) -> McpError:
    return McpError(f"{option}={value} is not allowed. Allowed: {allowed}. Correct it and run the same command again.")


def signing_key(store: Store) -> Key:
    """Return the environment's signing key.

    :raises McpError: there is none yet
    """
    key = in_state(store.read(), "current")
    if not key:
        raise McpError(
            f"There is no signing key yet: {store.names['private_key']} does not exist here (in SSM: in this account "
            "and region). Deploy the environment first: ansible-playbook deploy.yml -i <inventory>"
        )
    return key


def sign(ctx: Context, key: Key, claims: dict[str, t.Any]) -> str:
    """Sign where the key lives."""
    if key["kms_key_id"]:
        return kms.sign_token(ctx.client("kms"), key, claims)
    return sign_token(key["jwk"], claims)


def token_document(token: str, claims: dict[str, t.Any]) -> str:
    """Return the content of the token file."""
    document = {
        "access_token": token,
        "token_type": "Bearer",
        "expires_at": iso(claims["exp"]),
        "scopes": claims["scope"].split(),
        "audience": claims["aud"],
    }
    return json.dumps(document, indent=2) + "\n"


def run(ctx: Context) -> dict[str, t.Any]:
    """Mint a token into a file; in check mode ask nothing and write nothing."""
    check_params(ctx.params)
    store = make_store(ctx, ctx.params["prefix"], ctx.params["key_path"])
    claims, kid = make_claims(ctx.params, int(time.time())), None
    if not ctx.check_mode:
        key = signing_key(store)
        kid = key["kid"]
        write_private_file(ctx.params["path"], token_document(sign(ctx, key, claims), claims))
    return {
        # An output of this run, not a state of the environment.
        "changed": False,
        "path": ctx.params["path"],
        "expires_at": iso(claims["exp"]),
        "scopes": ctx.params["scopes"],
        "audience": claims["aud"],
        "kid": kid,
    }
