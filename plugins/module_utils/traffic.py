# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read and set where traffic goes, outside the stacks: the stage's deployment and throttle, the functions' aliases."""

from __future__ import annotations

import time
import typing as t

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import (
    AWS_ERRORS,
    Context,
    McpError,
    error_code,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.options import closest

ARGUMENT_SPEC: dict[str, t.Any] = {
    "api_id": {"type": "str", "required": True},
    "stage": {"type": "str", "default": "live"},
    "functions": {
        "type": "dict",
        "default": {},
        "options": {"server": {"type": "str"}, "authorizer": {"type": "str"}},
    },
    "alias": {"type": "str", "default": "live"},
    "throttle_path": {"type": "str", "default": "/mcp"},
    "set": {"type": "dict"},
    "alarms": {"type": "list", "elements": "str", "default": []},
}
STAGE_FIELDS = {
    "stage_deployment": "deploymentId",
    "throttle_rate": "throttlingRateLimit",
    "throttle_burst": "throttlingBurstLimit",
}
# In the order in which they are set: code before the routes that need it.
ALIAS_FIELDS = {"authorizer_version": "authorizer", "server_version": "server"}
FIELDS = ("stage_deployment", "server_version", "authorizer_version", "throttle_rate", "throttle_burst")
WEIGHTS = "_weights"
MISSING = ("NotFoundException", "ResourceNotFoundException")
# Somebody else changes the same stage or function at this moment, a stack update for example.
BUSY = ("ConflictException", "ResourceConflictException")
BUSY_ATTEMPTS, BUSY_DELAY_S = 10, 1.0
# Of versions that are only noted: four throttles in a row are waited out, silence takes at most half a minute.
ALIAS_LOOK = {"connect_timeout": 2, "read_timeout": 2, "retries": {"mode": "standard", "total_max_attempts": 5}}

Fields = dict[str, t.Any]


# Reading


def found(call: t.Callable[..., dict[str, t.Any]], **arguments: str) -> dict[str, t.Any] | None:
    """Return what AWS answers, None where there is no such thing."""
    try:
        return call(**arguments)
    except AWS_ERRORS as error:
        if error_code(error) in MISSING:
            return None
        raise


def method_key(resource_path: str) -> str:
    """Return a path as neither API Gateway nor the emulator writes it: ``/~1mcp`` and ``/mcp`` are ``mcp``."""
    return resource_path.replace("~1", "/").replace("~0", "~").strip("/")


def throttle_of(stage: dict[str, t.Any], resource_path: str) -> dict[str, t.Any]:
    """Return the settings of the POST method of a path, else those of the whole stage."""
    settings = {method_key(key): entry for key, entry in stage.get("methodSettings", {}).items()}
    return settings.get(f"{method_key(resource_path)}/POST") or settings.get("*/*") or {}


def read_stage(client: t.Any, params: dict[str, t.Any]) -> Fields:
    """Return the stage's fields, None each where there is no such stage."""
    stage = found(client.get_stage, restApiId=params["api_id"], stageName=params["stage"]) or {}
    both = {**throttle_of(stage, params["throttle_path"]), "deploymentId": stage.get("deploymentId")}
    return {field: both.get(key) for field, key in STAGE_FIELDS.items()}


def read_alias(client: t.Any, params: dict[str, t.Any], field: str) -> Fields:
    """Return a function's live version, and the weights of others where it has some."""
    name = params["functions"].get(ALIAS_FIELDS[field])
    alias = found(client.get_alias, FunctionName=name, Name=params["alias"]) if name else None
    weights = (alias or {}).get("RoutingConfig", {}).get("AdditionalVersionWeights", {})
    return {field: (alias or {}).get("FunctionVersion"), **({field + WEIGHTS: weights} if weights else {})}


def read_aliases(client: t.Any, params: dict[str, t.Any]) -> Fields:
    """Return the functions' live versions."""
    return {name: value for field in ALIAS_FIELDS for name, value in read_alias(client, params, field).items()}


def in_order(fields: Fields) -> Fields:
    """Return the fields as they are shown."""
    return {field: fields[field] for field in [*FIELDS, *sorted(set(fields) - set(FIELDS))]}


def read(ctx: Context) -> Fields:
    """Return where traffic goes now."""
    return in_order(read_stage(ctx.client("apigateway"), ctx.params) | read_aliases(ctx.client("lambda"), ctx.params))


def read_for_the_stage(ctx: Context) -> Fields:
    """Return where traffic goes now; a version that Lambda does not tell is None.

    For who sets the stage alone: that diverts callers from functions in trouble, and must not wait for Lambda.
    """
    fields = read_stage(ctx.client("apigateway"), ctx.params)
    try:
        aliases = read_aliases(ctx.short_client("lambda", ALIAS_LOOK), ctx.params)
    except AWS_ERRORS as error:
        ctx.warn(
            f"Lambda does not tell which versions are live (lambda:GetAlias): {error} The stage is looked after all "
            "the same; the record of how to undo this leaves the versions out."
        )
        aliases = dict.fromkeys(ALIAS_FIELDS)
    return in_order(fields | aliases)


def ringing(ctx: Context) -> list[str]:
    """Return the names of the alarms that are in ALARM, and warn of them."""
    alarms = ctx.client("cloudwatch").describe_alarms(AlarmNames=ctx.params["alarms"], StateValue="ALARM")
    names = [alarm["AlarmName"] for alarm in alarms["MetricAlarms"]]
    if names:
        ctx.warn(
            f"In ALARM already: {', '.join(names)}. A release that alarms watch would be refused for what rings, so "
            "it takes all traffic at once and no alarm takes it back. Look at the alarms again after it."
        )
    return names


# What is wanted


def refused(field: str, value: t.Any, allowed: str) -> McpError:
    """Return the one error that a wrong value gets."""
    return McpError(f"set.{field} is '{value}': allowed is {allowed}. Nothing was changed.")


def clean(field: str, value: t.Any) -> t.Any:
    """Return a field's value with its type; values of templates may be text.

    :raises McpError: it is none
    """
    text = str(value)
    if field.endswith("_version"):
        if not text.isdecimal():
            raise refused(field, value, "the number of a published version, such as 7")
        return text
    if field == "stage_deployment":
        if not text:
            raise refused(field, value, "the id of a deployment of the API")
        return text
    try:
        number = int(text) if field == "throttle_burst" else float(text)
    except ValueError:
        number = -1
    if number < 0:
        what = "a whole number of requests" if field == "throttle_burst" else "a number of requests a second"
        raise refused(field, value, f"{what}, 0 to refuse all")
    return number


def wanted(given: Fields | None) -> Fields:
    """Return the fields to set; a field without a value stays as it is.

    :raises McpError: a field or value is unknown
    """
    for field in given or {}:
        if field not in FIELDS:
            raise McpError(f"set has the field '{field}'.{closest(field, FIELDS)} Allowed: {', '.join(FIELDS)}.")
    return {field: clean(field, value) for field, value in (given or {}).items() if value is not None}


def plan(before: Fields, want: Fields) -> Fields:
    """Return the fields of ``want`` that are not so yet; weights beside the right version count as a difference."""
    return {field: value for field, value in want.items() if before[field] != value or before.get(field + WEIGHTS)}


def predict(before: Fields, changes: Fields) -> Fields:
    """Return the fields as they will be: setting a version ends its weights."""
    ended = {field + WEIGHTS for field in changes}
    return {field: value for field, value in {**before, **changes}.items() if field not in ended}


def differences(before: Fields, after: Fields) -> list[dict[str, t.Any]]:
    """Return what differs, field by field."""
    return [
        {"field": field, "before": before.get(field), "after": after.get(field)}
        for field in {**before, **after}
        if before.get(field) != after.get(field)
    ]


# Checks on AWS, before anything is set


def check_targets(ctx: Context, before: Fields, changes: Fields) -> None:
    """Make sure that what traffic shall go to exists: the emulator takes anything.

    :raises McpError: it does not, or there is nothing to set it on
    """
    for field in changes:
        if before[field] is None:
            where = f"stage {ctx.params['stage']} of API {ctx.params['api_id']}"
            if field in ALIAS_FIELDS:
                name = ctx.params["functions"].get(ALIAS_FIELDS[field])
                where = f"alias {ctx.params['alias']} of function {name or '(none given in functions)'}"
            raise McpError(f"set.{field}: there is no {where}. Nothing was changed. Deploy the environment first.")
        if field == "stage_deployment":
            check_deployment(ctx.client("apigateway"), ctx.params["api_id"], changes[field])
        elif field in ALIAS_FIELDS:
            check_version(ctx.client("lambda"), field, ctx.params["functions"][ALIAS_FIELDS[field]], changes[field])


def check_deployment(client: t.Any, api_id: str, deployment: str) -> None:
    """:raises McpError: the API has no such deployment"""
    if found(client.get_deployment, restApiId=api_id, deploymentId=deployment) is None:
        raise refused("stage_deployment", deployment, f"a deployment that API {api_id} still has")


def check_version(client: t.Any, field: str, name: str, version: str) -> None:
    """:raises McpError: the function has no such version"""
    if found(client.get_function_configuration, FunctionName=name, Qualifier=version) is None:
        raise refused(field, version, f"a version that function {name} still has")


# Setting


def patiently(call: t.Callable[..., t.Any], **arguments: t.Any) -> None:
    """Call, and again while somebody else changes the same thing."""
    for attempt in range(1, BUSY_ATTEMPTS + 1):
        try:
            call(**arguments)
            return
        except AWS_ERRORS as error:
            if error_code(error) not in BUSY or attempt == BUSY_ATTEMPTS:
                raise
        time.sleep(BUSY_DELAY_S)


def stage_patches(changes: Fields, resource_path: str) -> list[dict[str, str]]:
    """Return the operations of UpdateStage; both AWS and the emulator take the escaped path."""
    method = "/~1" + method_key(resource_path).replace("~", "~0").replace("/", "~1") + "/POST/throttling/"
    paths = {
        "throttle_rate": method + "rateLimit",
        "throttle_burst": method + "burstLimit",
        "stage_deployment": "/deploymentId",
    }
    return [
        {"op": "replace", "path": path, "value": str(changes[field])}
        for field, path in paths.items()
        if field in changes
    ]


def apply(ctx: Context, changes: Fields) -> None:
    """Set the fields; aliases first, each without weights, then the stage in one call."""
    for field, function in ALIAS_FIELDS.items():
        if field in changes:
            patiently(
                ctx.client("lambda").update_alias,
                FunctionName=ctx.params["functions"][function],
                Name=ctx.params["alias"],
                FunctionVersion=changes[field],
                RoutingConfig={"AdditionalVersionWeights": {}},
            )
    if patches := stage_patches(changes, ctx.params["throttle_path"]):
        patiently(
            ctx.client("apigateway").update_stage,
            restApiId=ctx.params["api_id"],
            stageName=ctx.params["stage"],
            patchOperations=patches,
        )


def run(ctx: Context) -> dict[str, t.Any]:
    """Read, and set what is wanted and not so yet."""
    want = wanted(ctx.params["set"])
    before = read_for_the_stage(ctx) if want and not want.keys() & ALIAS_FIELDS.keys() else read(ctx)
    changes = plan(before, want)
    after = predict(before, changes)
    if changes:
        check_targets(ctx, before, changes)
        if not ctx.check_mode:
            apply(ctx, changes)
            # The aliases were not touched by whoever sets the stage alone.
            after = (
                read(ctx)
                if changes.keys() & ALIAS_FIELDS.keys()
                else {**before, **read_stage(ctx.client("apigateway"), ctx.params)}
            )
    result: dict[str, t.Any] = {
        "changed": bool(changes),
        "fields": {field: (before if ctx.check_mode else after)[field] for field in FIELDS},
        "before": before,
        "after": after,
        "differences": differences(before, after),
    }
    if ctx.params["alarms"]:
        result["ringing"] = ringing(ctx)
    if ctx.diff_mode and changes:
        result["diff"] = [{"before": before, "after": after, "before_header": "traffic", "after_header": "traffic"}]
    return result
