# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where data are: buckets and tables."""

from __future__ import annotations

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
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_aws_metrics import (
    METRIC_ACTIONS,
    Metric,
    total,
    window,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_aws_words import judged, number, plural
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_kind import Kind, Look, Observation

BLOCKS = ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")

# Buckets


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
    answer = ask(look, "s3", "get_bucket_encryption", absent, Bucket=target(look)) or {}
    rules = (answer.get("ServerSideEncryptionConfiguration") or {}).get("Rules") or []
    found = [(rule.get("ApplyServerSideEncryptionByDefault") or {}).get("SSEAlgorithm") for rule in rules]
    if not any(found):
        return Part("warning", "no default encryption", play(look, "drift"))
    return Part("healthy", f"encrypted ({', '.join(filter(None, found))})")


def public_part(look: Look) -> Part:
    """Judge whether all four ways to the public are blocked."""
    absent = ("NoSuchPublicAccessBlockConfiguration",)
    answer = ask(look, "s3", "get_public_access_block", absent, Bucket=target(look)) or {}
    found = answer.get("PublicAccessBlockConfiguration") or {}
    lacking = [name for name in BLOCKS if not found.get(name)]
    if not lacking:
        return Part("healthy", "no public access")
    wanted = ",".join(f"{name}=true" for name in BLOCKS)
    step = f"s3api put-public-access-block --bucket {quoted(look)} --public-access-block-configuration {wanted}"
    return Part("warning", f"public access is not blocked ({', '.join(lacking)})", aws(look, "s3", step))


def look_at_bucket(look: Look) -> Observation:
    """Look whether a bucket is there, and how it protects what is in it."""
    versioning = ask(look, "s3", "get_bucket_versioning", ("NoSuchBucket",), Bucket=target(look))
    if versioning is None:
        return missing(look, "s3", f"bucket {target(look)}")
    parts = [
        versioning_part(look, versioning),
        attempt(look, "encryption", KINDS["bucket"], lambda: encryption_part(look)),
        attempt(look, "public access", KINDS["bucket"], lambda: public_part(look)),
    ]
    return together(f"bucket {target(look)}", parts)


# Tables

TABLE_STATES = {
    "ACTIVE": "healthy",
    "UPDATING": "warning",
    "CREATING": "warning",
    "REPLICATION_NOT_AUTHORIZED": "warning",
}
SOME_STATE = {"UPDATING": "it answers meanwhile", "CREATING": "it does not answer yet"}


def table_part(table: Row) -> Part:
    """Judge a table's status."""
    status = str(table.get("TableStatus"))
    level = TABLE_STATES.get(status, "critical")
    meaning = SOME_STATE.get(status, "it does not answer" if level == "critical" else "")
    return Part(level, f"{status}: {meaning}" if meaning else status)


def protection_parts(look: Look, table: Row) -> list[Part]:
    """Judge a table's encryption and deletion protection; without a key of its own DynamoDB takes one of AWS's."""
    sealed = table.get("SSEDescription") or {}
    parts = [Part("healthy", f"encrypted ({sealed.get('SSEType') or 'a key of AWS'})")]
    if sealed.get("InaccessibleEncryptionDateTime"):
        since = sealed["InaccessibleEncryptionDateTime"]
        key = f"kms describe-key --key-id {sealed.get('KMSMasterKeyArn')}"
        parts = [Part("critical", "DynamoDB cannot use its KMS key", aws(look, "dynamodb", key), since)]
    if not table.get("DeletionProtectionEnabled"):
        step = f"dynamodb update-table --table-name {quoted(look)} --deletion-protection-enabled"
        parts.append(Part("warning", "not protected from deletion", aws(look, "dynamodb", step)))
    return parts


def throttles_part(look: Look) -> Part:
    """Judge how many reads and writes were refused; DynamoDB writes a figure only when it refuses."""
    dimensions = {"TableName": target(look)}
    reads = total(look, Metric("AWS/DynamoDB", "ReadThrottleEvents", dimensions)) or 0
    writes = total(look, Metric("AWS/DynamoDB", "WriteThrottleEvents", dimensions)) or 0
    text = f"{plural(reads, 'read')} and {plural(writes, 'write')} refused in {window(look)}"
    status, passed = judged(look, "throttles", reads + writes)
    return Part(status, text + passed, play(look, "limits"))


def look_at_table(look: Look) -> Observation:
    """Look at a table."""
    answer = ask(look, "dynamodb", "describe_table", ("ResourceNotFoundException",), TableName=target(look))
    if answer is None:
        return missing(look, "dynamodb", f"table {target(look)}")
    table = answer["Table"]
    parts = [table_part(table), *protection_parts(look, table)]
    parts.append(attempt(look, "throttles", KINDS["table"], lambda: throttles_part(look)))
    items = table.get("ItemCount")
    return together(f"table {target(look)}" + (f" (about {number(items)} items)" if items else ""), parts)


KINDS = named(
    Kind(
        name="bucket",
        look=look_at_bucket,
        options=TARGET,
        required=("target",),
        services=("s3",),
        check=ANY_NAME,
        step=command("s3api get-bucket-location --bucket {target}"),
        actions=actions(s3="GetBucketVersioning GetBucketEncryption GetPublicAccessBlock"),
    ),
    Kind(
        name="table",
        look=look_at_table,
        options=TARGET,
        required=("target",),
        services=("dynamodb", "cloudwatch"),
        check=ANY_NAME,
        step=command("dynamodb describe-table --table-name {target}"),
        actions=actions(dynamodb="DescribeTable") | METRIC_ACTIONS,
    ),
)
