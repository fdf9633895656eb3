# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Choose the release to go back to, and make sure that what it needs is still there."""

from __future__ import annotations

import typing as t

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import releases
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import (
    AWS_ERRORS,
    Context,
    McpError,
    error_code,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.s3_objects import Bucket

ARGUMENT_SPEC: dict[str, t.Any] = {
    "records": {"type": "list", "elements": "dict", "required": True},
    "app": {"type": "dict", "required": True},
    "traffic": {"type": "dict", "default": {}},
    "release": {"type": "str"},
    "interrupted_run_id": {"type": "str"},
    "versions_only": {"type": "bool", "default": False},
    "bucket": {"type": "str", "required": True},
    "bucket_owner": {"type": "str"},
    "functions": {
        "type": "dict",
        "options": {"server": {"type": "str", "required": True}, "authorizer": {"type": "str", "required": True}},
    },
}
SPEC_OPTIONS: dict[str, t.Any] = {"required_if": [("versions_only", True, ("functions",))]}
SHOWN = 10
UNDO = "An alias was moved beside the stack; move it back: ansible-playbook playbooks/undo.yml -i <inventory>"
LIST_THEM = "List them: ansible-playbook playbooks/releases.yml -i <inventory>"
# Of these a version holds what it was published with: with another one it refuses every token of today.
ADDRESSES = ("PublicUrl", "Issuer", "Audience")
NEEDED = ("template_key", "literals", "versions")


def known(records: list[releases.Record]) -> str:
    """Name the releases that one can go back to, the newest first."""
    good = [record for record in releases.history(records) if record["body"].get("outcome") in releases.GOOD]
    named = [f"{record['id']} (release {releases.release_id(record)}, {record['time']})" for record in good[:SHOWN]]
    return ", ".join(named) if named else "none"


def is_rollback_of(run_id: str | None, now: releases.Record | None) -> bool:
    """Say whether the present release is what a run has gone back to."""
    return bool(run_id and now and now.get("run_id") == run_id and now["body"].get("rolled_back_from"))


def choose(
    records: list[releases.Record], app: releases.Stack, wanted: str | None, interrupted: str | None, beside: bool
) -> releases.Record:
    """Return the release to go back to: the one that is named, else the one that was live before the present one.

    :param interrupted: id of a run that died, and whose command is typed again
    :param beside: whether an alias is elsewhere than the stack has it
    :raises McpError: there is none, or it cannot be gone back to
    """
    now = releases.present(records, app)
    if now and not wanted and is_rollback_of(interrupted, now):
        return now  # it has already taken traffic: the one before it is what the dead run went away from
    if wanted:
        target = releases.find_by_id(records, wanted)
        if target is None:
            raise McpError(
                f"mcp_release is '{wanted}': no such release is recorded. Allowed: {known(records)}. Nothing was "
                f"changed. {LIST_THEM}"
            )
    else:
        if now is None:
            raise McpError(
                "No record tells which release is live, so there is none before it. Nothing was changed. Name one: "
                f"-e mcp_release=..., allowed: {known(records)}. {LIST_THEM}"
            )
        before = now["body"].get("previous")
        target = releases.find_by_id(records, before) if before else None
        if target is None:
            what = f"its record {before} is not among the newest" if before else "it is the first one"
            raise McpError(
                f"There is no release to go back to: release {releases.release_id(now)} ({now['id']}) is live, and "
                f"{what}. Nothing was changed. {LIST_THEM}"
            )
    check_record(target, now, beside)
    return target


def check_emergency(params: dict[str, t.Any], target: releases.Record, now: releases.Record | None) -> None:
    """:raises McpError: moving the aliases to this release would change nothing, or refuse every token"""
    name = f"Release {releases.release_id(target)} ({target['id']})"
    rendered = f"Nothing was changed. Make it again instead, without mcp_emergency: -e mcp_release={target['id']}"
    own = releases.own_versions(params["app"])
    if releases.has_versions(target, own) and not moved(params["app"], params["traffic"]):
        raise McpError(
            f"{name} has the versions that take traffic already: it differs in the gateway alone, which mcp_emergency "
            f"does not move. {rendered}"
        )
    before, today = target["body"]["literals"], now["body"].get("literals", {}) if now else {}
    for key in ADDRESSES:
        if before.get(key) and today.get(key) and before[key] != today[key]:
            raise McpError(
                f"{name} was published with {key} {before[key]}, and today it is {today[key]}: its versions refuse "
                f"every token of today. {rendered}"
            )


def moved(app: releases.Stack, traffic: dict[str, t.Any]) -> bool:
    """Say whether an alias is known to be elsewhere than the stack has it."""
    return any(traffic.get(field) not in (None, own) for field, own in releases.own_versions(app).items())


def check_record(target: releases.Record, now: releases.Record | None, beside: bool) -> None:
    """:raises McpError: this release cannot be gone back to"""
    body, name = target["body"], f"Release {releases.release_id(target)} ({target['id']})"
    version = body.get("format")
    if version != releases.FORMAT:
        raise McpError(
            f"{name} was recorded in format {version!r}; this version of the collection reads format "
            f"{releases.FORMAT}. Nothing was changed. Use the collection that wrote it: ansible-galaxy collection "
            "install --upgrade pratikoai.mcp_servers"
        )
    if body.get("outcome") not in releases.GOOD:
        raise McpError(
            f"{name} was refused and never took traffic: {body.get('reason')} Nothing was changed. {LIST_THEM}"
        )
    missing = [key for key in NEEDED if not body.get(key)]
    if missing:
        raise McpError(f"{name}: its record lacks {', '.join(missing)}. Nothing was changed. {LIST_THEM}")
    if now and target["id"] == now["id"]:
        step = UNDO if beside else LIST_THEM
        raise McpError(f"{name} is the one that the stack holds already. Nothing was changed. {step}")


def check_objects(bucket: Bucket, target: releases.Record, aliases: bool) -> None:
    """:raises McpError: the package or the template is not in the bucket any more

    :param aliases: whether there are aliases that need neither
    """
    body = target["body"]
    package = body.get("package_key") or body["literals"].get("CodeKey", "")
    beside = f"  Or move the aliases alone, which needs neither: -e mcp_emergency=true -e mcp_release={target['id']}"
    for what, key in (("package", package), ("template", body["template_key"])):
        if bucket.size(key) is None:
            raise McpError(
                f"The {what} of release {releases.release_id(target)} ({target['id']}) is gone: {bucket.url(key)} does "
                "not exist. Nothing was changed. The bucket is versioned; look for it with: aws s3api "
                f"list-object-versions --bucket {bucket.name} --prefix {key}{beside if aliases else ''}"
            )


def check_versions(client: t.Any, functions: dict[str, str], target: releases.Record) -> None:
    """:raises McpError: a version is not published any more, so no alias can be moved to it"""
    for role, name in functions.items():
        version = str(target["body"]["versions"].get(role))
        try:
            client.get_function_configuration(FunctionName=name, Qualifier=version)
        except AWS_ERRORS as error:
            if error_code(error) != "ResourceNotFoundException":
                raise
            raise McpError(
                f"Version {version} of function {name} is gone, so release {releases.release_id(target)} "
                f"({target['id']}) cannot take traffic at once. Nothing was changed. Publish it again instead, without "
                f"mcp_emergency: -e mcp_release={target['id']}"
            ) from error


def run(ctx: Context) -> dict[str, t.Any]:
    """Choose and check; changes nothing."""
    params = ctx.params
    records, app = params["records"], params["app"]
    beside, now = moved(app, params["traffic"]), releases.present(records, app)
    target = choose(records, app, params["release"], params["interrupted_run_id"], beside)
    if params["versions_only"]:
        check_emergency(params, target, now)
        check_versions(ctx.client("lambda"), params["functions"], target)
    else:
        check_objects(
            Bucket(ctx.client("s3"), params["bucket"], params["bucket_owner"]), target, bool(params["functions"])
        )
    return {"changed": False, "target": target, "present": now}
