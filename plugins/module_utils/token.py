# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mint a token with the environment's own signing key; it goes into a file and nowhere else."""

from __future__ import annotations

import json
import os
import re
import tempfile
import time
import typing as t
import uuid
from datetime import UTC, datetime
from urllib.parse import urlsplit

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import Context, McpError
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.issuer import (
    Jwk,
    missing_library,
    parameter_names,
    read_private_jwk,
)

ARGUMENT_SPEC: dict[str, t.Any] = {
    "prefix": {"type": "str", "required": True},
    "issuer": {"type": "str", "required": True},
    "audience": {"type": "str", "required": True},
    "subject": {"type": "str", "default": "operator"},
    "client_id": {"type": "str", "default": "pratikoai-cli"},
    "scopes": {"type": "list", "elements": "str", "required": True},
    "lifetime": {"type": "int", "default": 3600},
    "path": {"type": "path", "required": True},
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
                "Deploy it first: ansible-playbook deploy.yml -i inventories/<phase>"
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


def write_private_file(path: str, text: str) -> None:
    """Write a file that only its owner may read; it is complete or not there.

    :raises McpError: the folder or the file cannot be written
    """
    folder = os.path.dirname(os.path.abspath(path))
    temporary = None
    try:
        os.makedirs(folder, exist_ok=True)
        # mkstemp makes it with mode 0600, so there is no moment in which others could read it.
        handle, temporary = tempfile.mkstemp(dir=folder, prefix=f".{os.path.basename(path)}.")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(temporary, path)
    except OSError as error:
        if temporary and os.path.exists(temporary):
            os.unlink(temporary)
        raise McpError(
            f"path={path} cannot be written: {error.strerror}. Name a file in a folder that you may write to."
        ) from error


def iso(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def signing_key(ctx: Context) -> Jwk:
    """Return the environment's private key.

    :raises McpError: there is none yet
    """
    name = parameter_names(ctx.params["prefix"])["private_key"]
    jwk = read_private_jwk(ctx.client("ssm"), name)
    if not jwk:
        raise McpError(
            f"There is no signing key yet: the SSM parameter {name} does not exist in this account and region. "
            "Deploy the environment first: ansible-playbook deploy.yml -i inventories/<phase>"
        )
    return jwk


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
    parameter_names(ctx.params["prefix"])
    claims, kid = make_claims(ctx.params, int(time.time())), None
    if not ctx.check_mode:
        key = signing_key(ctx)
        kid = key["kid"]
        write_private_file(ctx.params["path"], token_document(sign_token(key, claims), claims))
    return {
        # An output of this run, not a state of the environment.
        "changed": False,
        "path": ctx.params["path"],
        "expires_at": iso(claims["exp"]),
        "scopes": ctx.params["scopes"],
        "audience": claims["aud"],
        "kid": kid,
    }
