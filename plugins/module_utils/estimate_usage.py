# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How much of everything a month takes: the words that usage assumptions are written in."""

from __future__ import annotations

import difflib
import typing as t
from decimal import Decimal

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import McpError
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.options import quantity_of

# Key -> what it means. Where "_per_request" may follow, a call of the endpoint stands for that many.
USAGE: dict[str, str] = {
    "requests": "calls of the endpoint a month",
    # Buckets
    "state_gb": "GB of packages, records and backups in the state bucket",
    "state_puts": "requests that write or list in the state bucket",
    "state_gets": "requests that read from the state bucket",
    "files_gb": "GB of files",
    "files_replaced_gb": "GB of files that are deleted or overwritten a month, and kept for a while",
    "files_objects": "files larger than 128 KB, which Intelligent-Tiering watches",
    "files_added": "files larger than 128 KB that are added a month, each moved into Intelligent-Tiering once",
    "files_infrequent_share": "part of the files' GB that was not read for 30 days, 0 to 1",
    "files_archive_share": "part of the files' GB that was not read for 90 days, 0 to 1",
    "file_puts": "requests that write or list files",
    "file_gets": "requests that read files",
    "access_log_gb": "GB of access log a month",
    "access_log_puts": "requests that write the load balancer's access log into its bucket",
    # Logs, metrics, alerts
    "log_stored_ratio": "GB stored for each GB of log taken in, which CloudWatch compresses",
    "server_log_gb": "GB of the server's log a month",
    "authorizer_log_gb": "GB of the authorizer's log a month",
    "rotation_log_gb": "GB of the rotation's log a month",
    "database_log_gb": "GB of the database's log a month",
    "database_upgrade_log_gb": "GB of the log of database upgrades a month",
    "flow_log_gb": "GB of the log of refused packets a month",
    "custom_metrics": "metrics that the server writes into its log",
    "tool_metrics": "further metrics by tool, three for each, where they are switched on",
    "agent_metrics": "metrics that the agent on the instances sends",
    "alerts": "messages that the alerts topic takes",
    "alert_emails": "e-mails that the alerts topic sends",
    "secret_calls": "calls to Secrets Manager a month for each secret",
    "kms_requests": "requests a month to each KMS key of one's own",
    "queue_requests": "requests to the queue of failed rotations",
    "dns_queries": "queries a month of each hosted zone of these templates",
    # Servers
    "server_hours": "hours a month that each instance runs",
    "extra_server_hours": "hours a month of instances above the least number",
    "surplus_vcpu_hours": "vCPU hours a month above what T instances earn, billed where credits are unlimited",
    "database_hours": "hours a month that the database runs",
    "backup_gb": "GB of database backups; as much as the database's storage is free",
    "load_balancer_hours": "hours a month that the load balancer exists",
    "lcu": "capacity units that the load balancer needs on average",
    "nat_gb": "GB a month through a NAT gateway",
    "data_out_gb": "GB a month from servers to the internet, past any CDN",
    "cross_az_gb": "GB a month between zones, counted once a direction",
    # Functions and the gateway
    "server_calls": "calls of the server function",
    "request_ms": "milliseconds of a call of the server function",
    "cold_starts": "starts of the server function, billed since 2025-08-01",
    "init_ms": "milliseconds of such a start",
    "authorizer_calls": "calls of the authorizer function; its answers are cached",
    "authorizer_ms": "milliseconds of a call of the authorizer function",
    "authorizer_cold_starts": "starts of the authorizer function",
    "authorizer_init_ms": "milliseconds of such a start",
    "rotation_runs": "calls of the rotation function",
    "rotation_ms": "milliseconds of a call of the rotation function",
    "provisioned_hours": "hours a month that provisioned concurrency is switched on",
    "provisioned_share": "part of the calls that provisioned concurrency answers, 0 to 1",
    "api_requests": "requests that the gateway takes",
    "traces": "traces that X-Ray records, where tracing is on",
    # Table
    "reads": "read request units of the table",
    "writes": "write request units of the table",
    "table_gb": "GB in the table",
    "table_backup_gb": "GB of on-demand backups of the table",
    # CDN
    "cdn_requests": "HTTPS requests that the CDN takes",
    "cdn_europe_share": "part of them that comes from Europe, 0 to 1",
    "cdn_gb": "GB that the CDN sends",
}
PER_REQUEST = "_per_request"
SHARE = "_share"
FILES_PARTS = ("files_infrequent_share", "files_archive_share")
# What may instead be given for each call: reads_per_request.
FOLLOWS_REQUESTS = (
    "server_calls",
    "cold_starts",
    "authorizer_calls",
    "authorizer_cold_starts",
    "api_requests",
    "traces",
    "reads",
    "writes",
    "cdn_requests",
    "cdn_gb",
    "files_added",
    "file_puts",
    "file_gets",
    "server_log_gb",
    "authorizer_log_gb",
    "access_log_gb",
    "data_out_gb",
)
# Where neither form is given, one for each call.
ONE_FOR_EACH = ("server_calls", "api_requests")
KNOWN = {**USAGE, **{key + PER_REQUEST: f"{USAGE[key]}, for each call" for key in FOLLOWS_REQUESTS}}


def usage_number(name: str, value: t.Any) -> Decimal:
    """Return a usage value as a number.

    :raises McpError: it is none, or negative, or a part of more than everything
    """
    number = quantity_of(value)
    allowed = "a part from 0 to 1" if name.endswith(SHARE) else "a number of at least 0"
    if number is None or (name.endswith(SHARE) and number > 1):
        raise McpError(f"usage: {name} is {value!r}, allowed is {allowed}. It means: {KNOWN[name]}.")
    return number


def check_parts(values: dict[str, Decimal]) -> dict[str, Decimal]:
    """Return usage assumptions whose parts are no more than the whole.

    :raises McpError: parts of the same thing add up to more than 1
    """
    parts = {key: values[key] for key in FILES_PARTS if key in values}
    if sum(parts.values()) > 1:
        told = " and ".join(f"{key} {value}" for key, value in parts.items())
        raise McpError(f"usage: {told} are more than 1 together: they are parts of the same files. Lower one of them.")
    return values


def check_usage(usage: dict[str, t.Any]) -> dict[str, Decimal]:
    """Return usage assumptions as numbers.

    :raises McpError: a key that nothing reads, or a value that is no number of at least 0, or a part above 1
    """
    for name in usage:
        if name not in KNOWN:
            close = difflib.get_close_matches(name, KNOWN, n=1)
            hint = f" Did you mean {close[0]}?" if close else ""
            raise McpError(
                f"usage: {name} is no usage assumption.{hint} Allowed are: {', '.join(sorted(KNOWN))}. "
                "They are explained in docs/COSTS.md."
            )
    return check_parts({name: usage_number(name, value) for name, value in usage.items()})


def pruned(values: dict[str, Decimal], newer: t.Iterable[str]) -> dict[str, Decimal]:
    """Return usage values without the other form of what was given anew: either a month's sum or by the call."""
    gone = {key.removesuffix(PER_REQUEST) if key.endswith(PER_REQUEST) else key + PER_REQUEST for key in newer}
    return {key: value for key, value in values.items() if key not in gone or key in set(newer)}
