# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a template's text comes from, and where it is kept: a file, the stack, or a bucket under its hash."""

from __future__ import annotations

import hashlib
import re

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import (
    AWS_ERRORS,
    Context,
    McpError,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.s3_objects import (
    Bucket,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.stack_operation import read_template
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.stack_watch import is_missing
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.template import (
    HASH_OUTPUT,
    read_text,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.template_references import canonical

KEY_PATTERN = re.compile(r"(?:.*/)?source-(?P<sha256>[0-9a-f]{64})\.yaml")


def template_bucket(ctx: Context) -> Bucket:
    """Return the bucket of long templates and of kept source texts.

    :raises McpError: none is named
    """
    name = ctx.params["template_bucket"]
    if not name:
        raise McpError(
            "template_bucket is not set: template_key and keep_template need the bucket in which source texts lie."
        )
    return Bucket(ctx.client("s3"), name, bucket_owner(ctx))


def bucket_owner(ctx: Context) -> str | None:
    """Return the account that has to own the bucket: as given, else the lock's; None: any."""
    owner: str | None = ctx.params["template_bucket_owner"] or (ctx.params["lock"] or {}).get("owner")
    return owner


def source_name(ctx: Context) -> str:
    """Return what to call the template in messages."""
    key = ctx.params["template_key"]
    if ctx.params["deployed_template"]:
        return f"the template of stack {ctx.params['name']}"
    return f"s3://{ctx.params['template_bucket']}/{key}" if key else str(ctx.params["template"])


def read_source(ctx: Context) -> str:
    """Return the template's source text.

    :raises McpError: it cannot be read, or is not the text that its key names
    """
    key = ctx.params["template_key"]
    if ctx.params["deployed_template"]:
        return read_deployed(ctx)
    return read_kept(template_bucket(ctx), key) if key else read_text(ctx.params["template"])


def read_deployed(ctx: Context) -> str:
    """Return the template that the stack has, without the output with its hash.

    :raises McpError: there is no such stack
    """
    name = ctx.params["name"]
    try:
        document = read_template(ctx.client("cloudformation"), name, "Original")
    except AWS_ERRORS as error:
        if not is_missing(error):
            raise
        raise McpError(f"deployed_template: there is no stack {name}. Nothing was changed. Deploy it first.") from error
    document["Outputs"] = {key: value for key, value in document["Outputs"].items() if key != HASH_OUTPUT}
    if not document["Outputs"]:
        del document["Outputs"]
    return canonical(document)


def read_kept(bucket: Bucket, key: str) -> str:
    """Read a source text by its content address.

    :raises McpError: the key is none, the object is gone, or its text is not the one that was kept
    """
    address = KEY_PATTERN.fullmatch(key)
    if not address:
        raise McpError(
            f"template_key is '{key}': allowed is a key that keep_template returned, <prefix>/source-<sha256>.yaml."
        )
    stored = bucket.read(key)
    if stored is None:
        raise McpError(
            f"template_key: {bucket.url(key)} does not exist any more, so this version of the stack cannot be made "
            "again. Nothing was changed. The bucket is versioned: look for a deleted version with: "
            f"aws s3api list-object-versions --bucket {bucket.name} --prefix {key}"
        )
    digest = hashlib.sha256(stored.body).hexdigest()
    if digest != address["sha256"]:
        raise McpError(
            f"template_key: {bucket.url(key)} is not the text that was kept: its SHA-256 is {digest}. Nothing was "
            "changed. The bucket is versioned: find the version that was kept with: "
            f"aws s3api list-object-versions --bucket {bucket.name} --prefix {key}"
        )
    return stored.body.decode("utf-8")


def kept_key(ctx: Context, text: str) -> str:
    """Return the key under which the source text lies, or would lie; empty where it is not kept."""
    if ctx.params["template_key"]:
        return str(ctx.params["template_key"])
    if not ctx.params["keep_template"]:
        return ""
    digest = hashlib.sha256(text.encode("utf-8")).hexdigest()
    return f"{ctx.params['template_prefix'].strip('/')}/source-{digest}.yaml"


def keep_source(ctx: Context, text: str, key: str) -> None:
    """Upload the source text, unless it lies there."""
    if not ctx.params["keep_template"]:
        return
    bucket = template_bucket(ctx)
    if bucket.size(key) is None:
        bucket.write(key, text.encode("utf-8"), ContentType="text/yaml")
