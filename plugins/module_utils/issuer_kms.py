# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Signing keys that never leave KMS: made, used and ended by its API; only their public halves are known here."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import re
import typing as t

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import McpError, error_code
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.issuer_keyring import (
    Jwk,
    Key,
    Ring,
    missing_library,
    public_jwk,
)

# Finds a key again whose run was killed before the ring named it: such a key would cost money for ever.
TAG = "mcp:issuer"


def make_key(client: t.Any, prefix: str, tags: dict[str, str], ring: Ring) -> tuple[str, Jwk]:
    """Return a key that the ring does not have yet, its id and public JWK; a key left over by a killed run is used."""
    key_id = _left_over(client, prefix, {key["kms_key_id"] for key in ring}) or _create(client, prefix, tags)
    jwk = _public_jwk(client, key_id)
    # An alias of its own for every key: it never has to move, and it goes when the key goes.
    alias = f"alias/{re.sub('[^A-Za-z0-9/_-]', '-', prefix.strip('/'))}/{jwk['kid']}"
    with contextlib.suppress(client.exceptions.AlreadyExistsException):
        client.create_alias(AliasName=alias, TargetKeyId=key_id)
    return key_id, jwk


def _left_over(client: t.Any, prefix: str, known: set[str]) -> str | None:
    for page in client.get_paginator("list_keys").paginate():
        for key_id in (key["KeyId"] for key in page["Keys"]):
            if key_id not in known and _tags(client, key_id).get(TAG) == prefix and _is_usable(client, key_id):
                return key_id
    return None


def _tags(client: t.Any, key_id: str) -> dict[str, str]:
    """Return a key's tags; none where its policy keeps us out."""
    try:
        return {tag["TagKey"]: tag["TagValue"] for tag in client.list_resource_tags(KeyId=key_id)["Tags"]}
    except client.exceptions.ClientError as error:
        if error_code(error) in ("AccessDeniedException", "NotFoundException"):
            return {}
        raise


def _is_usable(client: t.Any, key_id: str) -> bool:
    """Tell whether a key can sign for us; one whose material was brought from outside is known there as well."""
    found = client.describe_key(KeyId=key_id)["KeyMetadata"]
    wanted = {"KeyState": "Enabled", "KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY", "Origin": "AWS_KMS"}
    return all(found.get(name) == value for name, value in wanted.items())


def _create(client: t.Any, prefix: str, tags: dict[str, str]) -> str:
    listed = [{"TagKey": str(key), "TagValue": str(tag)} for key, tag in {**tags, TAG: prefix}.items()]
    description = f"Signs access tokens; managed by pratikoai.mcp_servers.issuer_key, prefix {prefix}"
    made = client.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY", Description=description, Tags=listed)
    return made["KeyMetadata"]["KeyId"]


def _public_jwk(client: t.Any, key_id: str) -> Jwk:
    try:
        from cryptography.hazmat.primitives.serialization import load_der_public_key
    except ImportError as error:
        raise missing_library(error) from error
    key: t.Any = load_der_public_key(client.get_public_key(KeyId=key_id)["PublicKey"])
    return public_jwk(key.public_numbers())


def end_key(client: t.Any, key_id: str, days: int) -> None:
    """Have a key deleted after a number of days; one that is on its way or gone is left alone."""
    with contextlib.suppress(client.exceptions.KMSInvalidStateException, client.exceptions.NotFoundException):
        client.schedule_key_deletion(KeyId=key_id, PendingWindowInDays=days)


def sign_token(client: t.Any, key: Key, claims: dict[str, t.Any]) -> str:
    """Return an ES256 access token (RFC 9068) with these claims, signed by KMS.

    :raises McpError: the key cannot sign, or the cryptography library is missing
    """
    header = {"alg": "ES256", "kid": key["kid"], "typ": "at+jwt"}
    signed = ".".join(_b64(json.dumps(part, separators=(",", ":")).encode()) for part in (header, claims))
    digest = hashlib.sha256(signed.encode()).digest()
    try:
        # A digest, because KMS takes no message of more than 4096 bytes.
        answer = client.sign(
            KeyId=key["kms_key_id"], Message=digest, MessageType="DIGEST", SigningAlgorithm="ECDSA_SHA_256"
        )
    except (
        client.exceptions.KMSInvalidStateException,
        client.exceptions.NotFoundException,
        client.exceptions.DisabledException,
    ) as error:
        raise McpError(
            f"The signing key {key['kid']} cannot sign: {error}. Look at it: aws kms describe-key --key-id "
            f"{key['kms_key_id']}  A key that is pending deletion can be kept: aws kms cancel-key-deletion --key-id "
            f"{key['kms_key_id']} and then aws kms enable-key with the same option"
        ) from error
    return f"{signed}.{_b64(raw_signature(answer['Signature']))}"


def raw_signature(der: bytes) -> bytes:
    """Turn the DER signature of KMS into the one of RFC 7518: r and s, 32 bytes each.

    :raises McpError: the cryptography library is missing
    """
    try:
        from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
    except ImportError as error:
        raise missing_library(error) from error
    return b"".join(number.to_bytes(32, "big") for number in decode_dss_signature(der))


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
