# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Remove the stateful resources that outlived their stack, after all of their final backups are verified."""

from __future__ import annotations

import datetime
import re
import typing as t
from dataclasses import dataclass

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import (
    AWS_ERRORS,
    Context,
    McpError,
    describe_aws_error,
    error_code,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.retained_bucket import RetainedBucket
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.retained_table import RetainedTable, wait_until
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.s3_objects import Bucket, to_json

ARGUMENT_SPEC: dict[str, t.Any] = {
    "environment": {"type": "str", "required": True},
    "tables": {"type": "list", "elements": "str", "default": []},
    "buckets": {"type": "list", "elements": "str", "default": []},
    "secrets": {"type": "list", "elements": "str", "default": [], "no_log": False},
    "backup": {"type": "bool", "default": True},
    "backup_bucket": {"type": "str"},
    "bucket_owner": {"type": "str"},
    "backup_prefix": {"type": "str"},
}
NAMES = ("tables", "buckets", "secrets")
SPEC_OPTIONS: dict[str, t.Any] = {"required_by": {"backup_bucket": ["backup_prefix"]}}
# An ARN ends with the name: arn:aws:secretsmanager:us-east-1:123456789012:secret:mcp-production-origin-AbCdEf
ARN_HEAD = re.compile(r"arn:.*(:secret:|:table/)")

Entry = dict[str, t.Any]


@dataclass(frozen=True)
class RetainedSecret:
    """One secret; it has no backup, because a new deploy makes a new value.

    :param client: boto3 client of Secrets Manager
    :param name: name or ARN
    """

    client: t.Any
    name: str
    progress: t.Callable[[str], None]
    kind = "secret"

    def exists(self) -> bool:
        """Say whether the secret is there; one that waits for its deletion still holds its name."""
        try:
            self.client.describe_secret(SecretId=self.name)
        except AWS_ERRORS as error:
            if error_code(error) == "ResourceNotFoundException":
                return False
            raise
        return True

    def remove(self) -> None:
        """Delete the secret at once, and wait until its name is free."""
        self.client.delete_secret(SecretId=self.name, ForceDeleteWithoutRecovery=True)
        wait_until(lambda: not self.exists(), f"Deleting the secret {self.name}", self.progress)


Retained: t.TypeAlias = RetainedTable | RetainedBucket | RetainedSecret


def check_params(params: dict[str, t.Any]) -> None:
    """Refuse what would delete without a backup, or in another environment.

    :raises McpError: naming the option, its value and what is allowed
    """
    prefix = f"mcp-{params['environment']}-"
    for option in NAMES:
        for name in params[option]:
            if not ARN_HEAD.sub("", name).startswith(prefix):
                raise McpError(
                    f"{option} has '{name}': allowed are names that begin with {prefix}, because the environment is "
                    f"'{params['environment']}'. Remove anything else by hand. Nothing was deleted."
                )
    if not params["backup"]:
        if params["tables"]:
            raise McpError(
                "backup is false and tables is set: a table is never removed without a backup. Nothing was deleted."
            )
        return
    if params["buckets"] and not params["backup_bucket"]:
        raise McpError("backup_bucket is not set: it is where the copies of the buckets go. Nothing was deleted.")
    if params["backup_bucket"] in params["buckets"]:
        raise McpError(
            f"backup_bucket is '{params['backup_bucket']}', which is to be removed as well: a backup must outlive "
            "what it was made of. Nothing was deleted."
        )
    if params["backup_bucket"] and not params["backup_prefix"].strip("/"):
        raise McpError("backup_prefix is empty: allowed is a path such as final-backup/<run_id>. Nothing was deleted.")


def retained(ctx: Context) -> list[Retained]:
    """Return those of the resources that exist, in the order of their removal."""
    tables, buckets, secrets = (dict.fromkeys(ctx.params[option]) for option in NAMES)
    owner = ctx.params["bucket_owner"]
    target = (ctx.params["backup_bucket"] or "", (ctx.params["backup_prefix"] or "").strip("/"))
    named: list[Retained] = [
        *(RetainedTable(ctx.client("dynamodb"), name, ctx.progress) for name in tables),
        *(RetainedBucket(ctx.client("s3"), name, ctx.progress, target, owner) for name in buckets),
        *(RetainedSecret(ctx.client("secretsmanager"), name, ctx.progress) for name in secrets),
    ]
    return [resource for resource in named if resource.exists()]


def to_back_up(ctx: Context, found: list[Retained]) -> list[RetainedTable | RetainedBucket]:
    """Return what needs a backup, once it is certain that the copies have a place.

    :raises McpError: the backup bucket does not exist
    """
    if not ctx.params["backup"]:
        return []
    saved = [item for item in found if not isinstance(item, RetainedSecret) and not item.is_going()]
    if saved and ctx.params["backup_bucket"]:
        Bucket(ctx.client("s3"), ctx.params["backup_bucket"], ctx.params["bucket_owner"]).require()
    return saved


def record(ctx: Context, backups: list[Entry], now: datetime.datetime) -> None:
    """Write beside the copies what was backed up: the next run of a killed one only sees what is left."""
    if backups and ctx.params["backup_bucket"]:
        key = ctx.params["backup_prefix"].strip("/") + f"/backups-{now:%Y%m%dT%H%M%SZ}.json"
        content = {"environment": ctx.params["environment"], "time": now.isoformat(), "backups": backups}
        Bucket(ctx.client("s3"), ctx.params["backup_bucket"], ctx.params["bucket_owner"]).write(key, to_json(content))


def back_up(ctx: Context, found: list[Retained]) -> list[Entry]:
    """Make and verify every backup; in check mode say what they would be.

    :raises McpError: one of them failed
    """
    now = datetime.datetime.now(datetime.UTC)
    name = f"mcp-{ctx.params['environment']}-final-{now:%Y%m%dT%H%M%SZ}"
    saved = to_back_up(ctx, found)
    if ctx.check_mode:
        return [item.plan_backup(name) for item in saved]
    backups = [item.back_up(name) for item in saved]
    record(ctx, backups, now)
    return backups


def explained(error: Exception, outcome: str, environment: str, **details: t.Any) -> McpError:
    """Return the failure with what state things are in and what to type."""
    text = error.message if isinstance(error, McpError) else describe_aws_error(error)
    again = (
        f"ansible-playbook playbooks/destroy.yml -i <inventory> -e mcp_confirm={environment} -e mcp_destroy_data=true"
    )
    facts = {**getattr(error, "details", {}), **details}
    if not isinstance(error, McpError):
        facts["error_code"] = error_code(error) or type(error).__name__
    return McpError(
        f"{text.rstrip('.')}. {outcome} Correct it and run the same command again, for example: {again}", **facts
    )


def remove(ctx: Context, found: list[Retained], backups: list[Entry]) -> list[Entry]:
    """Remove what was found.

    :raises McpError: AWS refused; ``removed`` and ``backups`` in its details say how far it came
    """
    removed: list[Entry] = []
    for item in found:
        if not ctx.check_mode:
            try:
                item.remove()
            except (McpError, *AWS_ERRORS) as error:
                outcome = f"The {item.kind} {item.name} is not, or not fully, removed"
                outcome += "; the backups are complete." if backups else "."
                details = {"backups": backups, "removed": removed, "changed": True}
                raise explained(error, outcome, ctx.params["environment"], **details) from error
            ctx.progress(f"{item.kind} {item.name}: removed")
        removed.append({"resource": item.name, "kind": item.kind})
    return removed


def render(removed: list[Entry], backups: list[Entry]) -> str:
    """Return the lines of the diff."""
    targets = {(backup["kind"], backup["resource"]): backup["target"] for backup in backups}
    lines = []
    for entry in removed:
        target = targets.get((entry["kind"], entry["resource"]))
        lines.append(f"- {entry['kind']} {entry['resource']}" + (f" (backup: {target})" if target else "") + "\n")
    return "".join(lines)


def run(ctx: Context) -> dict[str, t.Any]:
    """Back everything up, verify, and only then remove."""
    check_params(ctx.params)
    try:
        found = retained(ctx)
        backups = back_up(ctx, found)
    except (McpError, *AWS_ERRORS) as error:
        raise explained(error, "Nothing was deleted.", ctx.params["environment"]) from error
    removed = remove(ctx, found, backups)
    result: dict[str, t.Any] = {"changed": bool(removed), "backups": backups, "removed": removed}
    if ctx.diff_mode and removed:
        result["diff"] = [{"prepared": render(removed, backups)}]
    return result
