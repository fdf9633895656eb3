# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The keys that sign an environment's tokens: made, rotated with overlap, removed."""

from __future__ import annotations

import contextlib
import time
import typing as t

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import issuer_keyring as keyring
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import issuer_kms as kms
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import Context, McpError
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.issuer_keyring import Key, Ring
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.issuer_store import Look, Store, make_store

ARGUMENT_SPEC: dict[str, t.Any] = {
    "store": {"type": "str", "choices": ["ssm", "file", "kms"], "default": "ssm"},
    "prefix": {"type": "str"},
    "path": {"type": "path"},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "rotate": {"type": "bool", "default": False},
    "promote": {"type": "bool", "default": False},
    "revoke": {"type": "bool", "default": False},
    "retire_after": {"type": "int", "default": 90000},
    "tags": {"type": "dict", "default": {}},
    "kms_key_id": {"type": "str", "no_log": False},
    "pending_window": {"type": "int", "default": 30},
}
SPEC_OPTIONS: dict[str, t.Any] = {
    "mutually_exclusive": [("prefix", "path")],
    "required_if": [("store", "ssm", ["prefix"]), ("store", "kms", ["prefix"]), ("store", "file", ["path"])],
}


def check_params(params: dict[str, t.Any]) -> None:
    """Refuse options that contradict each other, and numbers out of their range.

    :raises McpError: naming them and what to write instead
    """
    steps = [name for name in ("rotate", "promote", "revoke") if params[name]]
    if params["state"] == "absent" and steps:
        raise McpError(f"{steps[0]}=true does not go with state=absent, which removes every key. Leave one out.")
    if params["rotate"] and params["promote"]:
        raise McpError(
            "rotate=true and promote=true do not go together: a new key may only sign once the published keys with it "
            "are live everywhere. Run with rotate=true, deploy the keys that it returns, then run with promote=true."
        )
    if params["revoke"] and not (params["promote"] or params["rotate"]):
        raise McpError(
            "revoke=true goes with rotate=true or promote=true: it drops the keys that do not sign any more. Add the "
            "step that is meant."
        )
    if params["retire_after"] < 0:
        raise McpError(f"retire_after={params['retire_after']} is not allowed. Allowed: seconds, 0 or more.")
    if not 7 <= params["pending_window"] <= 30:
        raise McpError(f"pending_window={params['pending_window']} is not allowed. Allowed: 7 to 30 days.")


def settle(ring: Ring, params: dict[str, t.Any], now: float) -> Ring:
    """Return the ring after the steps that need no new key: promotion, and what then is due."""
    return keyring.kept(turn(ring, params, now), now)


def turn(ring: Ring, params: dict[str, t.Any], now: float) -> Ring:
    """Return the ring after the promotion, where one is asked for; revoked keys are due at once."""
    if params["promote"]:
        ring = keyring.promoted(ring, now, params["retire_after"])
    return keyring.revoked(ring, now) if params["revoke"] else ring


def wanted_key(ring: Ring, params: dict[str, t.Any]) -> str | None:
    """Return in which state a key has to be made, if one has to be.

    :raises McpError: there is no room for it
    """
    if not ring:
        return "current"
    if not params["rotate"] or keyring.in_state(ring, "next"):
        return None
    keyring.check_room(ring)
    return "next"


def check_published(look: Look, params: dict[str, t.Any]) -> None:
    """Refuse to let a key sign that nobody can have deployed yet.

    :raises McpError: saying what to do first
    """
    pending = keyring.in_state(look.ring, "next")
    if params["promote"] and pending and not (look.complete and pending["kid"] in look.published):
        raise McpError(
            f"promote=true is refused: the key {pending['kid']} is not published yet, because a run was interrupted. "
            "Run without promote, deploy the keys that it returns everywhere, then promote."
        )


def make_key(ctx: Context, state: str, ring: Ring, now: float) -> Key:
    """Make a key where the options want it."""
    if ctx.params["store"] != "kms":
        return keyring.new_key(state, now, keyring.new_private_jwk())
    key_id, jwk = kms.make_key(ctx.client("kms"), ctx.params["prefix"], ctx.params["tags"], ring)
    return keyring.new_key(state, now, jwk, key_id)


def advance(ctx: Context, store: Store, now: float) -> Ring:
    """Take the steps one write after the other; a run killed between any two of them is completed by the next one."""
    ring = store.read()
    turned = turn(ring, ctx.params, now)
    if turned != ring:
        ring = store.write(turned)
    left = keyring.kept(ring, now)
    if left != ring:
        # First the keys, then what knows of them.
        end_keys(ctx, [key for key in ring if key not in left])
        ring = store.write(left)
    state = wanted_key(ring, ctx.params)
    if state:
        ring = store.write([*ring, make_key(ctx, state, ring, now)])
    store.publish(ring)
    return ring


def end_keys(ctx: Context, keys: Ring) -> None:
    """Have KMS delete those of the keys that live there."""
    for key in keys:
        if key["kms_key_id"]:
            kms.end_key(ctx.client("kms"), key["kms_key_id"], ctx.params["pending_window"])


def ensure_present(ctx: Context, store: Store) -> dict[str, t.Any]:
    now = time.time()
    look = store.look()
    check_published(look, ctx.params)
    ring = settle(look.ring, ctx.params, now)
    changed = bool(wanted_key(ring, ctx.params)) or ring != look.ring or not look.complete
    if changed and not ctx.check_mode:
        ring = advance(ctx, store, now)
    return {"changed": changed, "pending_changes": changed, **shown(ring)}


def shown(ring: Ring) -> dict[str, t.Any]:
    """Return what a result says about a ring; never a private half."""
    signing, pending = keyring.in_state(ring, "current"), keyring.in_state(ring, "next")
    return {
        "jwks": keyring.public_jwks(ring) if ring else None,
        "kid": signing["kid"] if signing else None,
        "pending_kid": pending["kid"] if pending else None,
        "keys": keyring.described(ring),
    }


def ensure_absent(ctx: Context, store: Store) -> dict[str, t.Any]:
    there = store.exists()
    if there and not ctx.check_mode:
        # What holds no keys has none in KMS either, and is removed all the same.
        with contextlib.suppress(McpError):
            end_keys(ctx, store.look().ring)
        store.remove()
    return {"changed": there, **shown([])}


def run(ctx: Context) -> dict[str, t.Any]:
    """Ensure that the keys are there as asked for, or that they are not."""
    check_params(ctx.params)
    store = make_store(ctx, ctx.params["prefix"], ctx.params["path"])
    if ctx.params["state"] == "absent":
        result = ensure_absent(ctx, store)
    else:
        with contextlib.nullcontext() if ctx.check_mode else store.lock():
            result = ensure_present(ctx, store)
    return {**result, "files" if ctx.params["store"] == "file" else "parameters": store.names}
