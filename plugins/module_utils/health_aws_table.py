# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A table: whether it answers, refuses calls, and is protected."""

from __future__ import annotations

import shlex

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
        key = f"kms describe-key --key-id {shlex.quote(str(sealed.get('KMSMasterKeyArn')))}"
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
