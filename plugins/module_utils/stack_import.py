# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring back into a stack what it, or the one before it, left on AWS: retained tables, buckets, secrets.

CloudFormation's own ImportExistingResources finds neither names that are written with Ref or Fn::Sub nor secrets,
whose identifier is made by AWS. So what exists is looked up here and imported by its identifier, and an ordinary update
makes the rest: an import creates, changes and removes nothing. A run that is killed in between leaves a stack that the
next run updates.
"""

from __future__ import annotations

import time
import typing as t
import uuid

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import (
    AWS_ERRORS,
    Context,
    McpError,
    error_code,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.s3_objects import (
    Bucket,
    BucketMissing,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.stack_change_set import (
    CHANGE_SET_PREFIX,
    Body,
    described_change_set,
    execute,
    refused_by_cloudformation,
    request_parameters,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.stack_changes import (
    Change,
    make_change,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.stack_desired import (
    Desired,
    current_parameters,
    known_inputs,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.stack_operation import (
    finish,
    held_resources,
    read_template,
    watch,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.stack_source import (
    bucket_owner,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.stack_watch import (
    Stack,
    find_stack,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.template import (
    Template,
    live_resources,
    sha256_of,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.template_references import (
    Json,
    canonical,
    substitute,
)

RETAINED = ("Retain", "RetainExceptOnCreate")
GONE = "ResourceNotFoundException"


def find_table(ctx: Context, name: str) -> str | None:
    """Return a table's identifier, None where there is no such table.

    :raises McpError: it is being deleted
    """
    table = ctx.client("dynamodb").describe_table(TableName=name)["Table"]
    if table["TableStatus"] == "DELETING":
        raise McpError(f"Table {name} is still being deleted. Run the same command again in a minute.")
    return name


def find_bucket(ctx: Context, name: str) -> str | None:
    """Return a bucket's identifier, None where there is no such bucket.

    :raises McpError: it belongs to somebody else
    """
    try:
        Bucket(ctx.client("s3"), name, bucket_owner(ctx)).require()
    except BucketMissing:
        return None
    return name


def find_secret(ctx: Context, name: str) -> str | None:
    """Return a secret's identifier, which is its ARN.

    :raises McpError: it waits for its deletion, and its name is not free until then
    """
    secret = ctx.client("secretsmanager").describe_secret(SecretId=name)
    if secret.get("DeletedDate"):
        raise McpError(
            f"Secret {name} waits for its deletion, and its name is not free until then. To keep it, type: "
            f"aws secretsmanager restore-secret --secret-id {name}"
        )
    return str(secret["ARN"])


class Kind(t.NamedTuple):
    """How resources of a type are named, found and identified."""

    name: str
    identifier: str
    find: t.Callable[[Context, str], str | None]


KINDS = {
    "AWS::DynamoDB::Table": Kind("TableName", "TableName", find_table),
    "AWS::S3::Bucket": Kind("BucketName", "BucketName", find_bucket),
    "AWS::SecretsManager::Secret": Kind("Name", "Id", find_secret),
}


def existing_resources(ctx: Context, desired: Desired, stack: Stack | None) -> dict[str, dict[str, str]]:
    """Return the template's retained resources that are on AWS but not in the stack: logical id -> identifier."""
    if not ctx.params["import_existing"]:
        return {}
    values = known_inputs(desired, stack)
    wanted = {
        logical_id: resource
        for logical_id, resource in live_resources(desired.template.document, values).items()
        if resource["Type"] in KINDS and resource.get("DeletionPolicy") in RETAINED
    }
    held: dict[str, str] = {}
    if stack and wanted:
        summaries = held_resources(ctx.client("cloudformation"), stack)
        held = {item["LogicalResourceId"]: item.get("PhysicalResourceId", "") for item in summaries}
    found = {}
    for logical_id, resource in wanted.items():
        kind = KINDS[resource["Type"]]
        name = substitute(resource.get("Properties", {}).get(kind.name), values)
        identifier = look_up(ctx, kind, name) if isinstance(name, str) and logical_id not in held else None
        if identifier and identifier not in held.values():
            found[logical_id] = {kind.identifier: identifier}
    return found


def look_up(ctx: Context, kind: Kind, name: str) -> str | None:
    """Return the identifier of an existing resource, None where there is none."""
    try:
        return kind.find(ctx, name)
    except AWS_ERRORS as error:
        if error_code(error) == GONE:
            return None
        raise


def mark_imports(rows: list[Change], found: t.Container[str]) -> list[Change]:
    """Say "import" instead of "create" where a resource exists."""
    return [{**row, "action": "import"} if row["logical_id"] in found else row for row in rows]


def import_template(ctx: Context, desired: Desired, stack: Stack | None, found: t.Collection[str]) -> Template:
    """Return the stack's own template, with these resources added: an import takes no other change, and no outputs.

    Values are written into what is added, because those of the stack stay as they are until the update.
    """
    values, resources = known_inputs(desired, stack), desired.template.document["Resources"]
    # Whatever becomes of the import, what was there before it stays.
    added = {name: {**substitute(resources[name], values), "DeletionPolicy": "Retain"} for name in found}
    for body in added.values():
        for part in ("Condition", "DependsOn"):
            body.pop(part, None)
    if stack:
        base = read_template(ctx.client("cloudformation"), stack["StackId"], "Original")
    else:
        parts = desired.template.document.items()
        base = {name: part for name, part in parts if name not in ("Outputs", "Resources", "Transform")}
    document: Json = {**base, "Resources": {**base.get("Resources", {}), **added}}
    return Template(document=document, body=canonical(document), sha256=sha256_of(document))


def import_resources(
    ctx: Context, desired: Desired, stack: Stack | None, found: dict[str, dict[str, str]]
) -> tuple[Stack | None, list[Change]]:
    """Take what exists into the stack, or make one of it; return it and the rows.

    :param found: what existing_resources() says
    :raises McpError: CloudFormation cannot import it
    """
    client = ctx.client("cloudformation")
    types = {name: desired.template.document["Resources"][name]["Type"] for name in found}
    ctx.progress(f"{desired.name}: importing {', '.join(sorted(found))}, left on AWS by an earlier stack")
    template = import_template(ctx, desired, stack, found)
    kept = [{"ParameterKey": name, "UsePreviousValue": True} for name in current_parameters(stack or {})]
    body = Body(ctx, template)
    name = f"{CHANGE_SET_PREFIX}{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{uuid.uuid4().hex[:8]}"
    with refused_by_cloudformation(ctx):
        created = client.create_change_set(
            StackName=desired.name,
            ChangeSetName=name,
            ClientToken=name,
            ChangeSetType="IMPORT",
            Capabilities=ctx.params["capabilities"],
            Parameters=kept if stack else request_parameters(desired, None),
            ResourcesToImport=[
                {"ResourceType": types[key], "LogicalResourceId": key, "ResourceIdentifier": identifier}
                for key, identifier in sorted(found.items())
            ],
            **body.request(),
        )
    change_set = described_change_set(ctx, created["Id"], created["StackId"])
    operation = watch(ctx, change_set.stack_id, total=len(found))
    execute(client, change_set)
    finish(operation, ("IMPORT_COMPLETE",))
    return find_stack(client, desired.name), [make_change("import", key, types[key]) for key in sorted(found)]
