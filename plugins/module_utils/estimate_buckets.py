# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What buckets cost, by what this collection keeps in them."""

from __future__ import annotations

import typing as t

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.estimate_amount import Usage
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.estimate_need import (
    Gap,
    Need,
    Reader,
    Said,
    kept,
    keyed,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.estimate_template import Resource

TIERED_AT_ONCE = "INTELLIGENT_TIERING"


def rules(resource: Resource) -> list[Resource]:
    """Return a bucket's lifecycle rules."""
    found = resource.get("LifecycleConfiguration.Rules") or []
    return [
        Resource(resource.layer, resource.logical_id, "", rule) for rule in found if rule.get("Status") == "Enabled"
    ]


def state_bucket(_resource: Resource, usage: Usage) -> Said:
    """Price the bucket of packages and records."""
    yield Need("s3.standard", usage("state_gb"))
    yield Need("s3.put", usage("state_puts"))
    yield Need("s3.get", usage("state_gets"))


def files_bucket(resource: Resource, usage: Usage) -> Said:
    """Price the files, in the class that the bucket's lifecycle gives them."""
    tiered = any(
        step.get("StorageClass") == TIERED_AT_ONCE for rule in rules(resource) for step in rule.get("Transitions") or []
    )
    stored = usage("files_gb")
    if tiered:
        infrequent, archive = usage("files_infrequent_share"), usage("files_archive_share")
        yield Need("s3.it.frequent", stored.without(infrequent + archive))
        yield Need("s3.it.infrequent", stored * infrequent)
        yield Need("s3.it.archive_instant", stored * archive)
        yield Need("s3.it.monitoring", usage("files_objects"))
        yield Need("s3.it.transition", usage("files_added"))
    else:
        yield Need("s3.standard", stored)
    yield Need("s3.put", usage("file_puts"))
    yield Need("s3.get", usage("file_gets"))
    if resource.text("VersioningConfiguration.Status") == "Enabled":
        yield from old_versions(resource, usage, "s3.it.frequent" if tiered else "s3.standard")


def old_versions(resource: Resource, usage: Usage, item: str) -> Said:
    """Price what was deleted or overwritten and is kept for a while."""
    path = "NoncurrentVersionExpiration.NoncurrentDays"
    days = next((rule.number(path) for rule in rules(resource) if rule.get(path)), None)
    if days is None:
        yield Gap("old versions of files never end, so they grow every month")
        return
    yield Need(item, usage("files_replaced_gb") * kept(days))


def access_log_bucket(resource: Resource, usage: Usage) -> Said:
    """Price the load balancer's access log."""
    days = next((rule.number("ExpirationInDays") for rule in rules(resource) if rule.get("ExpirationInDays")), None)
    if days is None:
        yield Gap("its log never ends, so it grows every month")
    else:
        yield Need("s3.standard", usage("access_log_gb") * kept(days))
    yield Need("s3.put", usage("access_log_puts"))


BUCKETS: dict[str, Reader] = {
    "StateBucket": state_bucket,
    "FilesBucket": files_bucket,
    "LogsBucket": access_log_bucket,
}


def bucket(resource: Resource, usage: Usage) -> Said:
    """Price a bucket by what this collection keeps in it."""
    reader = keyed(resource.logical_id, BUCKETS)
    if reader is None:
        yield Gap(f"nothing is assumed of what is in it; assumptions are there for {', '.join(BUCKETS)}")
        return
    yield from reader(resource, usage)


READERS: dict[str, Reader] = {"AWS::S3::Bucket": bucket}
__all__: t.Final = ["READERS"]
