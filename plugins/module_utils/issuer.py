# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The key that signs an environment's tokens: private half in an SSM SecureString, public half beside it as a JWKS."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import typing as t

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import Context, McpError

ARGUMENT_SPEC: dict[str, t.Any] = {
    "prefix": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "tags": {"type": "dict", "default": {}},
    "kms_key_id": {"type": "str", "no_log": False},
}

Jwk = dict[str, str]


def parameter_names(prefix: str) -> dict[str, str]:
    """Return the names of the two parameters.

    :raises McpError: the prefix is not one that SSM takes
    """
    if not re.fullmatch(r"(/[A-Za-z0-9_.-]+)+", prefix) or re.match(r"/(aws|ssm)", prefix, re.I):
        raise McpError(
            f"prefix={prefix} is not a parameter path. It starts with / (not /aws or /ssm), has no / at its end and "
            "consists of letters, digits and _.-/ such as /mcp/production/issuer. Correct it and run again."
        )
    return {"private_key": f"{prefix}/private-key", "jwks": f"{prefix}/jwks"}


def thumbprint(jwk: Jwk) -> str:
    """Return the RFC 7638 thumbprint of an EC key, which is its ``kid``."""
    members = {name: jwk[name] for name in ("crv", "kty", "x", "y")}
    digest = hashlib.sha256(json.dumps(members, separators=(",", ":"), sort_keys=True).encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def new_private_jwk() -> Jwk:
    """Make an ES256 key.

    :raises McpError: the cryptography library is missing
    """
    try:
        from cryptography.hazmat.primitives.asymmetric import ec
    except ImportError as error:
        raise missing_library(error) from error
    numbers = ec.generate_private_key(ec.SECP256R1()).private_numbers()
    point = numbers.public_numbers
    jwk = {"kty": "EC", "crv": "P-256", "x": b64(point.x), "y": b64(point.y), "d": b64(numbers.private_value)}
    return {**jwk, "kid": thumbprint(jwk), "alg": "ES256", "use": "sig"}


def b64(number: int) -> str:
    """Return a P-256 number as a JWK holds it: 32 bytes, base64url."""
    return base64.urlsafe_b64encode(number.to_bytes(32, "big")).rstrip(b"=").decode()


def missing_library(error: ImportError) -> McpError:
    return McpError(
        f"The Python library {error.name} is missing where this task runs. "
        "Install it: python3 -m pip install 'PyJWT[crypto]'"
    )


def public_jwks(private_jwk: Jwk) -> dict[str, list[Jwk]]:
    """Return the document to publish."""
    return {"keys": [{name: value for name, value in private_jwk.items() if name != "d"}]}


def read_private_jwk(client: t.Any, name: str) -> Jwk | None:
    """Return the private key, or None where there is none.

    :raises McpError: the parameter holds something else
    """
    try:
        value = client.get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"]
    except client.exceptions.ParameterNotFound:
        return None
    try:
        jwk = json.loads(value)
        complete = all(isinstance(jwk[part], str) for part in ("crv", "kty", "x", "y", "d", "kid"))
    except (ValueError, KeyError, TypeError):
        complete = False
    if not complete:
        raise McpError(
            f"The SSM parameter {name} holds no signing key. If nothing else uses it, remove it and deploy again: "
            f"aws ssm delete-parameter --name {name}"
        )
    return t.cast(Jwk, jwk)


def create_parameter(client: t.Any, name: str, value: str, tags: dict[str, str], **extra: str) -> bool:
    """Create a parameter; return False when it exists already (it is left as it is)."""
    listed = [{"Key": str(key), "Value": str(tag)} for key, tag in tags.items()]
    try:
        client.put_parameter(Name=name, Value=value, Tags=listed, Overwrite=False, **extra)
    except client.exceptions.ParameterAlreadyExists:
        return False
    return True


def ensure_private_jwk(client: t.Any, name: str, tags: dict[str, str], kms_key_id: str | None) -> Jwk:
    """Return the private key that SSM holds, made now where there was none.

    :raises McpError: the parameter vanished between two calls
    """
    jwk = read_private_jwk(client, name)
    if jwk:
        return jwk
    jwk = new_private_jwk()
    extra = {"KeyId": kms_key_id} if kms_key_id else {}
    if create_parameter(client, name, json.dumps(jwk), tags, Type="SecureString", **extra):
        return jwk
    # Another run was faster: its key is the key.
    jwk = read_private_jwk(client, name)
    if not jwk:
        raise McpError(f"The SSM parameter {name} appeared and vanished during this run. Run the same command again.")
    return jwk


def read_published(client: t.Any, names: dict[str, str]) -> tuple[dict[str, str], dict[str, t.Any] | None]:
    """Return which parameters exist (name: type) and the published JWKS; one call, nothing is decrypted."""
    answer = client.get_parameters(Names=list(names.values()), WithDecryption=False)
    found = {parameter["Name"]: parameter for parameter in answer["Parameters"]}
    types = {name: parameter["Type"] for name, parameter in found.items()}
    try:
        jwks = json.loads(found[names["jwks"]]["Value"])
        usable = all(key["kid"] for key in jwks["keys"]) and bool(jwks["keys"])
    except (KeyError, ValueError, TypeError):
        usable = False
    return types, jwks if usable else None


def publish(client: t.Any, names: dict[str, str], params: dict[str, t.Any], stale: bool) -> dict[str, t.Any]:
    """Make what is missing, in an order in which a run killed at any point is completed by the next one."""
    if stale:
        # First, so that an unfinished repair never looks finished.
        client.delete_parameters(Names=[names["jwks"]])
    private = ensure_private_jwk(client, names["private_key"], params["tags"], params["kms_key_id"])
    jwks = public_jwks(private)
    create_parameter(client, names["jwks"], json.dumps(jwks), params["tags"], Type="String")
    return jwks


def ensure_present(ctx: Context, names: dict[str, str]) -> dict[str, t.Any]:
    client = ctx.client("ssm")
    types, jwks = read_published(client, names)
    if jwks and names["private_key"] in types:
        return {"changed": False, "jwks": jwks}
    if ctx.check_mode:
        return {"changed": True, "jwks": None}
    return {"changed": True, "jwks": publish(client, names, ctx.params, stale=names["jwks"] in types)}


def ensure_absent(ctx: Context, names: dict[str, str]) -> dict[str, t.Any]:
    client = ctx.client("ssm")
    if ctx.check_mode:
        types, _jwks = read_published(client, names)
        return {"changed": bool(types), "jwks": None}
    deleted = client.delete_parameters(Names=list(names.values())).get("DeletedParameters")
    return {"changed": bool(deleted), "jwks": None}


def run(ctx: Context) -> dict[str, t.Any]:
    """Ensure that the key is there, or that it is not."""
    names = parameter_names(ctx.params["prefix"])
    act = ensure_present if ctx.params["state"] == "present" else ensure_absent
    result = act(ctx, names)
    kid = result["jwks"]["keys"][0]["kid"] if result["jwks"] else None
    return {**result, "kid": kid, "parameters": names}
