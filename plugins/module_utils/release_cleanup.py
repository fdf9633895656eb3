# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Delete what releases leave behind: deployments of the API that no stage serves, versions nobody goes back to."""

from __future__ import annotations

import typing as t

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import releases
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import (
    AWS_ERRORS,
    Context,
    describe_aws_error,
)

ARGUMENT_SPEC: dict[str, t.Any] = {
    "api_id": {"type": "str", "required": True},
    "functions": {
        "type": "dict",
        "required": True,
        "options": {"server": {"type": "str", "required": True}, "authorizer": {"type": "str", "required": True}},
    },
    "app": {"type": "dict", "required": True},
    "records": {"type": "list", "elements": "dict", "required": True},
    "keep": {"type": "int", "default": 5},
    "superseded": {"type": "bool", "default": False},
}
HELD = {"server": ("ServerVersion", "LiveVersion"), "authorizer": ("AuthorizerVersion", "LiveAuthorizerVersion")}
DEPLOYMENTS = ("ApiDeploymentId", "MaintenanceDeploymentId")


def kept_releases(records: list[releases.Record], app: releases.Stack, keep: int) -> list[releases.Record]:
    """Return the releases whose versions stay: the newest good ones, the present one and the one before it.

    :param keep: how many of the newest
    """
    good = [record for record in releases.history(records) if record["body"].get("outcome") in releases.GOOD]
    now = releases.present(records, app)
    before = releases.find_by_id(records, now["body"]["previous"]) if now and now["body"].get("previous") else None
    return good[:keep] + [record for record in (now, before) if record]


def wanted_versions(kept: list[releases.Record], app: releases.Stack, role: str) -> set[int]:
    """Return the versions of a function that releases and the stack refer to."""
    values = [app.get("outputs", {}).get(name) for name in HELD[role]]
    values += [record["body"].get("versions", {}).get(role) for record in kept]
    return {int(value) for value in values if value and str(value).isdecimal()}


def surplus_versions(published: set[int], wanted: set[int], aliased: set[int], superseded: bool) -> list[int]:
    """Return the versions to delete, oldest first.

    :param superseded: also those between the ones that stay, because each is billed
    """
    if not wanted:
        return []
    end = max(wanted) if superseded else min(wanted)
    return sorted(version for version in published - wanted - aliased if version < end)


def surplus_deployments(made: list[str], served: set[str], app: releases.Stack) -> list[str]:
    """Return the deployments that no stage serves and the stack does not hold."""
    held = {app.get("outputs", {}).get(name) for name in DEPLOYMENTS} | {app["parameters"].get("StageDeploymentId")}
    return [deployment for deployment in made if deployment not in served | held]


def pages(client: t.Any, operation: str, key: str, **arguments: t.Any) -> list[dict[str, t.Any]]:
    """Return the items of all pages of a listing."""
    found = client.get_paginator(operation).paginate(**arguments)
    return [item for page in found for item in page.get(key, [])]


def published_versions(client: t.Any, name: str) -> set[int]:
    """Return the numbers of a function's published versions."""
    items = pages(client, "list_versions_by_function", "Versions", FunctionName=name)
    return {int(item["Version"]) for item in items if str(item["Version"]).isdecimal()}


def aliased_versions(client: t.Any, name: str) -> set[int]:
    """Return the versions that any alias sends calls to."""
    found: set[str] = set()
    for alias in pages(client, "list_aliases", "Aliases", FunctionName=name):
        found |= {alias["FunctionVersion"], *alias.get("RoutingConfig", {}).get("AdditionalVersionWeights", {})}
    return {int(version) for version in found if version.isdecimal()}


def find_versions(ctx: Context, role: str, kept: list[releases.Record]) -> list[int]:
    """Return the versions of a function to delete."""
    client, name = ctx.client("lambda"), ctx.params["functions"][role]
    wanted = wanted_versions(kept, ctx.params["app"], role)
    return surplus_versions(
        published_versions(client, name), wanted, aliased_versions(client, name), ctx.params["superseded"]
    )


def find_deployments(ctx: Context) -> list[str]:
    """Return the deployments of the API to delete."""
    client, api = ctx.client("apigateway"), ctx.params["api_id"]
    made = [item["id"] for item in pages(client, "get_deployments", "items", restApiId=api)]
    served: set[str] = set()
    for stage in client.get_stages(restApiId=api).get("item", []):
        served |= {
            stage["deploymentId"],
            (stage.get("canarySettings") or {}).get("deploymentId", stage["deploymentId"]),
        }
    return surplus_deployments(made, served, ctx.params["app"])


def delete(ctx: Context, what: str, call: t.Callable[..., t.Any], **arguments: str) -> bool:
    """Delete one thing; a release that went well does not fail for what it could not tidy up."""
    if ctx.check_mode:
        return True
    try:
        call(**arguments)
    except AWS_ERRORS as error:
        ctx.warn(f"{what} could not be deleted: {describe_aws_error(error)} The next release tries again.")
        return False
    return True


def run(ctx: Context) -> dict[str, t.Any]:
    """Delete, or in check mode say what would be deleted."""
    kept = kept_releases(
        ctx.params["records"], ctx.params["app"], 0 if ctx.params["superseded"] else ctx.params["keep"]
    )
    api = ctx.params["api_id"]
    deployments = [
        item
        for item in find_deployments(ctx)
        if delete(
            ctx,
            f"Deployment {item} of API {api}",
            ctx.client("apigateway").delete_deployment,
            restApiId=api,
            deploymentId=item,
        )
    ]
    versions = {
        role: [
            str(version)
            for version in find_versions(ctx, role, kept)
            if delete(
                ctx,
                f"Version {version} of function {name}",
                ctx.client("lambda").delete_function,
                FunctionName=name,
                Qualifier=str(version),
            )
        ]
        for role, name in ctx.params["functions"].items()
    }
    return {"changed": bool(deployments or any(versions.values())), "deployments": deployments, "versions": versions}
