# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A bucket: whether it is there and ours, and how it protects what is in it."""

from __future__ import annotations

import re

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import AWS_ERRORS, error_code
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_aws_common import (
    ANY_NAME,
    TARGET,
    Part,
    Row,
    actions,
    ask,
    attempt,
    aws,
    command,
    missing,
    named,
    play,
    quoted,
    target,
    together,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_judge import REFUSALS, what_happened
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_kind import (
    Finding,
    Kind,
    Look,
    Observation,
)

BLOCKS = ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")


def owned(look: Look) -> Row:
    """Return how to ask for a bucket, so that one of another account is not taken for ours."""
    account = look.probe.get("account")
    return {"Bucket": target(look)} | ({"ExpectedBucketOwner": account} if account else {})


def whose(look: Look, error: BaseException) -> Finding:
    """Return what a refusal means where an account was expected: not allowed, or a bucket of somebody else."""
    other = f"belongs to another account than {look.probe['account']}"
    try:
        ask(look, "s3", "get_bucket_versioning", Bucket=target(look))
    except AWS_ERRORS:
        seen = what_happened(error, KINDS["bucket"], look.sandbox)
        return Finding(seen.status, f"{seen.evidence}; or it {other}", seen.next_step)
    return Finding("critical", f"bucket {target(look)} {other}")


def versioning_of(look: Look) -> Row | None:
    """Return what S3 says of a bucket's versions, None where there is no bucket."""
    try:
        return ask(look, "s3", "get_bucket_versioning", ("NoSuchBucket",), **owned(look))
    except AWS_ERRORS as error:
        if look.probe.get("account") and error_code(error).startswith(REFUSALS):
            raise whose(look, error) from error
        raise


def check_bucket(probe: Row) -> str | None:
    """Check the name of a bucket and the account that has to own it."""
    account = str(probe.get("account") or "")
    if account and not re.fullmatch(r"\d{12}", account):
        return ANY_NAME(probe) or f"account={account!r} is no account: its number has 12 digits. Correct it"
    return ANY_NAME(probe)


def versioning_part(look: Look, answer: Row) -> Part:
    """Judge a bucket's versioning; one that never had it says nothing."""
    if answer.get("Status") == "Enabled":
        return Part("healthy", "versioned")
    step = f"s3api put-bucket-versioning --bucket {quoted(look)} --versioning-configuration Status=Enabled"
    text = "versioning is suspended" if answer.get("Status") else "not versioned"
    return Part("warning", f"{text}: what is deleted is gone", aws(look, "s3", step))


def encryption_part(look: Look) -> Part:
    """Judge the default encryption."""
    absent = ("ServerSideEncryptionConfigurationNotFoundError",)
    answer = ask(look, "s3", "get_bucket_encryption", absent, **owned(look)) or {}
    rules = (answer.get("ServerSideEncryptionConfiguration") or {}).get("Rules") or []
    found = [(rule.get("ApplyServerSideEncryptionByDefault") or {}).get("SSEAlgorithm") for rule in rules]
    if not any(found):
        return Part("warning", "no default encryption", play(look, "drift"))
    return Part("healthy", f"encrypted ({', '.join(filter(None, found))})")


def public_part(look: Look) -> Part:
    """Judge whether all four ways to the public are blocked."""
    absent = ("NoSuchPublicAccessBlockConfiguration",)
    answer = ask(look, "s3", "get_public_access_block", absent, **owned(look)) or {}
    found = answer.get("PublicAccessBlockConfiguration") or {}
    lacking = [name for name in BLOCKS if not found.get(name)]
    if not lacking:
        return Part("healthy", "no public access")
    wanted = ",".join(f"{name}=true" for name in BLOCKS)
    step = f"s3api put-public-access-block --bucket {quoted(look)} --public-access-block-configuration {wanted}"
    return Part("warning", f"public access is not blocked ({', '.join(lacking)})", aws(look, "s3", step))


def look_at_bucket(look: Look) -> Observation:
    """Look whether a bucket is there, and how it protects what is in it."""
    versioning = versioning_of(look)
    if versioning is None:
        return missing(look, "s3", f"bucket {target(look)}")
    parts = [
        versioning_part(look, versioning),
        attempt(look, "encryption", KINDS["bucket"], lambda: encryption_part(look)),
        attempt(look, "public access", KINDS["bucket"], lambda: public_part(look)),
    ]
    return together(f"bucket {target(look)}", parts)


KINDS = named(
    Kind(
        name="bucket",
        look=look_at_bucket,
        options=TARGET | {"account"},
        required=("target",),
        services=("s3",),
        check=check_bucket,
        step=command("s3api get-bucket-location --bucket {target}"),
        actions=actions(s3="GetBucketVersioning GetBucketEncryption GetPublicAccessBlock"),
    ),
)
