# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Look at an environment's two secrets, have them made, and rotate them step by step by its rotation function."""

from __future__ import annotations

import json
import time
import typing as t
import uuid

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import (
    AWS_ERRORS,
    Context,
    McpError,
    error_code,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.deploy_lock import renew_lock
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.gateway_account import is_not_implemented
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.lock_renewal import LOCK_OPTION
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.secret_places import (
    SECRETS,
    STORES,
    Found,
    ParameterPlace,
    make_place,
    prepare,
)

ARGUMENT_SPEC: dict[str, t.Any] = {
    "environment": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["present", "rotated", "absent"], "default": "present"},
    "store": {"type": "str", "choices": list(STORES), "default": "secretsmanager", "no_log": False},
    "in_use": {"type": "str", "choices": [*STORES, ""], "default": "", "no_log": False},
    "secrets": {"type": "list", "elements": "str", "choices": list(SECRETS), "default": list(SECRETS), "no_log": False},
    "revoke": {"type": "bool", "default": False},
    "api_id": {"type": "str"},
    "stage": {"type": "str", "default": "live"},
    "timeout": {"type": "int", "default": 1800},
    "tags": {"type": "dict", "default": {}},
    "lock": LOCK_OPTION,
}
SPEC_OPTIONS: dict[str, t.Any] = {}
STEPS = ("createSecret", "setSecret", "testSecret", "finishSecret")
# For so long the function waits in one call; its answer has to arrive before the client gives up.
WAIT_S = 20
# For so long an authorizer and a server go on with a value that was revoked (app/src/pratiko_mcp).
CACHED_S = 61
VARIABLES = {"origin": "MCP_ORIGIN_SECRET", "request_state": "MCP_REQUEST_STATE_SECRET"}
READERS = {"origin": "authorizer", "request_state": "server"}
AGAIN = "Run the same command again: it goes on where this one stopped."


def shown(found: Found | None) -> dict[str, t.Any]:
    """Return what a result says about a secret; never a value."""
    if found is None:
        return {"id": None, "version": None, "field": None, "pending": None}
    field = found.field
    return {"id": found.id, "version": found.versions.get(field), "field": field, "pending": found.pending}


def ensure_present(ctx: Context) -> dict[str, t.Any]:
    """Have the secrets in their store, and say which versions there are."""
    looked = {name: prepare(ctx, name) for name in SECRETS}
    changed = any(change for _found, change in looked.values())
    unknown = (ctx.check_mode and changed) or any(found is None for found, _change in looked.values())
    return {
        "changed": changed,
        "pending_changes": unknown,
        "secrets": {name: shown(found) for name, (found, _change) in looked.items()},
    }


def ensure_absent(ctx: Context) -> dict[str, t.Any]:
    """Remove the parameters; secrets of Secrets Manager belong to the data stack."""
    places = [make_place(ctx, "ssm", name) for name in SECRETS]
    there = [place for place in places if isinstance(place, ParameterPlace) and place.find()]
    if not ctx.check_mode:
        for place in there:
            place.remove()
    return {"changed": bool(there), "removed": [place.name for place in there]}


# Rotation


class Function:
    """The rotation function of an environment."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._client = ctx.client("lambda")
        self._prefix = f"mcp-{ctx.params['environment']}"

    def reads(self, function: str, secret: str, qualifier: str | None = None) -> str | None:
        """Return which secret a function was told to read; None where there is no such function."""
        extra = {"Qualifier": qualifier} if qualifier else {}
        try:
            found = self._client.get_function_configuration(FunctionName=f"{self._prefix}-{function}", **extra)
        except AWS_ERRORS as error:
            if error_code(error) == "ResourceNotFoundException":
                return None
            raise
        return str(found.get("Environment", {}).get("Variables", {}).get(VARIABLES[secret], ""))

    def call(self, event: dict[str, t.Any]) -> dict[str, t.Any]:
        """Take a step.

        :raises McpError: the function refused or failed
        """
        name = f"{self._prefix}-rotation"
        answer = self._client.invoke(FunctionName=name, Payload=json.dumps(event).encode())
        payload = json.loads(answer["Payload"].read() or b"{}")
        if answer.get("FunctionError"):
            raise McpError(
                f"{event['Step']} of {event['SecretId']} failed: {payload.get('errorMessage', 'no reason given')}. "
                f"Every value that was accepted before still is. {AGAIN} Its log: aws logs tail "
                f"/mcp/{self._ctx.params['environment']}/rotation"
            )
        return t.cast("dict[str, t.Any]", payload)


def require_deployed(ctx: Context, function: Function, secret: str) -> Found:
    """Return the secret to rotate, once it is certain that everybody reads it there.

    :raises McpError: it is not there, or a deploy has not ended
    """
    store, environment = ctx.params["store"], ctx.params["environment"]
    found = make_place(ctx, store, secret).find()
    if found is None:
        raise McpError(
            f"secrets: there is no {secret.replace('_', ' ')} secret of {environment} in {store}. Nothing was changed. "
            "Deploy first: ansible-playbook deploy.yml -i <inventory>"
        )
    told = {
        "rotation": function.reads("rotation", secret),
        READERS[secret]: function.reads(READERS[secret], secret, "live"),
    }
    wrong = [name for name, source in told.items() if source != found.id]
    if wrong:
        raise McpError(
            f"store={store}: function mcp-{environment}-{wrong[0]} does not read {found.id}: a deploy has not ended, "
            "or mcp_secret_store was changed since. Nothing was changed. "
            "Deploy first: ansible-playbook deploy.yml -i <inventory>"
        )
    return found


def lock_renewer(ctx: Context) -> t.Callable[[], None]:
    """Return what keeps the deploy lock's lease while we wait."""
    lock = ctx.params["lock"]

    def renew() -> None:
        if lock and not renew_lock(
            ctx.client("s3"), *(lock[name] for name in ("bucket", "key", "run_id", "lease", "owner"))
        ):
            raise McpError(
                f"Another run took the deploy lock s3://{lock['bucket']}/{lock['key']} over while this one waited. It "
                "stops here; every value that was accepted before still is."
            )

    return renew


def take_step(ctx: Context, function: Function, event: dict[str, t.Any]) -> None:
    """Take a step, again and again while it only has to wait.

    :raises McpError: it fails, or takes too long
    """
    deadline, renew = time.monotonic() + ctx.params["timeout"], lock_renewer(ctx)
    while not function.call({**event, "WaitSeconds": WAIT_S})["done"]:
        if time.monotonic() > deadline:
            raise McpError(
                f"{event['Step']} of {event['SecretId']} is not done after {ctx.params['timeout']} s (timeout). The "
                f"old and the new value are both accepted. {AGAIN}"
            )
        ctx.progress(f"{event['Step']}: not everywhere yet, waiting on")
        renew()


def rotate(ctx: Context, function: Function, secret: str, found: Found) -> dict[str, t.Any]:
    """Rotate one secret, or end the rotation of it that was begun."""
    began = time.monotonic()
    started = function.call(
        {"Step": "startRotation", "SecretId": found.id, "ClientRequestToken": str(uuid.uuid4()), "WaitSeconds": WAIT_S}
    )
    token = started["token"]
    ctx.progress(f"{secret}: {'going on with' if started['resumed'] else 'new'} version {token}")
    for step in STEPS:
        ctx.progress(f"{secret}: {step}")
        take_step(ctx, function, {"Step": step, "SecretId": found.id, "ClientRequestToken": token})
    if ctx.params["revoke"]:
        function.call({"Step": "revokeSecret", "SecretId": found.id, "WaitSeconds": WAIT_S})
    return {
        "target": secret,
        "id": found.id,
        "before": found.versions.get("current"),
        "after": token,
        "resumed": started["resumed"],
        "revoked": ctx.params["revoke"],
        "seconds": round(time.monotonic() - began, 3),
    }


def forget_cached(ctx: Context) -> bool:
    """Wait until no process has a revoked value in memory, then drop what API Gateway remembers of the authorizer.

    :returns: whether the gateway could be told
    """
    ctx.progress(f"waiting {CACHED_S} s until no function has the revoked value in memory")
    time.sleep(CACHED_S)
    if not ctx.params["api_id"]:
        return False
    try:
        ctx.client("apigateway").flush_stage_authorizers_cache(
            restApiId=ctx.params["api_id"], stageName=ctx.params["stage"]
        )
    except AWS_ERRORS as error:
        if is_not_implemented(error) or error_code(error) in ("404", "NotFoundException"):
            ctx.warn(
                "API Gateway's cache of the authorizer's answers could not be emptied: calls with the revoked value "
                "that it has let pass before go on for at most mcp_authorizer_ttl seconds."
            )
            return False
        raise
    return True


def ensure_rotated(ctx: Context) -> dict[str, t.Any]:
    """Rotate; each run makes new values."""
    function = Function(ctx)
    found = {secret: require_deployed(ctx, function, secret) for secret in SECRETS if secret in ctx.params["secrets"]}
    planned = [
        {"target": name, "id": secret.id, "before": secret.versions.get("current"), "resumed": bool(secret.pending)}
        for name, secret in found.items()
    ]
    if ctx.check_mode:
        return {"changed": True, "rotated": planned, "flushed": False}
    rotated = [rotate(ctx, function, name, secret) for name, secret in found.items()]
    flushed = forget_cached(ctx) if ctx.params["revoke"] else False
    return {"changed": True, "rotated": rotated, "flushed": flushed}


def run(ctx: Context) -> dict[str, t.Any]:
    """Be the module: dispatch on the state."""
    states = {"present": ensure_present, "rotated": ensure_rotated, "absent": ensure_absent}
    return states[ctx.params["state"]](ctx)
