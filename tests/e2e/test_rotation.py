# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A new signing key for a running environment: with overlap, and at once when the old one is known to others."""

from __future__ import annotations

import json
import time
import typing as t

import httpx2
import jwt
import pytest
from mcp import Client

from tests.support.client import with_client
from tests.support.environment import Environment

pytestmark = pytest.mark.e2e

REVOKE = ("-e", "mcp_revoke_signing_key=true")


async def listing(client: Client) -> int:
    """Return how many tools a client sees."""
    return len((await client.list_tools()).tools)


def kid(token: str) -> str:
    """Return the id of the key that signed a token."""
    return str(jwt.get_unverified_header(token)["kid"])


def status_for(endpoint: str, token: str) -> int:
    """Return the HTTP status of a listing with a token."""
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/json, text/event-stream"}
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
    return int(httpx2.post(endpoint, json=body, headers=headers, timeout=60).status_code)


@pytest.fixture
def rotating(deployed: Environment, edited: Environment) -> t.Iterator[Environment]:
    """A checkout with a token of the key that signs now; the shared one gets a token of the last key."""
    edited.play("playbooks/token.yml").require()
    try:
        yield edited
    finally:
        deployed.play("playbooks/token.yml").require()


@pytest.mark.proof
def test_a_rotation_keeps_old_tokens_and_signs_with_the_new_key(rotating: Environment) -> None:
    old = rotating.token
    look = rotating.play("playbooks/rotate_signing_key.yml", "--check").require()
    assert kid(old) in published(rotating) and len(published(rotating)) == 1, look.stdout
    rotating.play("playbooks/rotate_signing_key.yml").require()
    endpoint, new = rotating.report("rotate_signing_key")["endpoint"], rotating.token
    assert kid(new) != kid(old) and published(rotating) == {kid(old), kid(new)}
    assert with_client(endpoint, old, listing) == with_client(endpoint, new, listing) == 7
    assert rotating.deploy().require().changed == 0
    revoked_at_once(rotating, endpoint, [old, new])


def revoked_at_once(rotating: Environment, endpoint: str, tokens: list[str]) -> None:
    """Rotate because of a leak: nothing that was signed before is accepted any more."""
    rotating.play("playbooks/rotate_signing_key.yml", *REVOKE).require()
    fresh = rotating.token
    assert published(rotating) == {kid(fresh)}
    assert with_client(endpoint, fresh, listing) == 7
    assert [status_for(endpoint, token) for token in [*tokens, fresh]] == [401, 401, 200]
    assert rotating.deploy().require().changed == 0


def published(environment: Environment) -> set[str]:
    """Return the ids of the keys that the function which takes traffic accepts."""
    client = environment.sandbox.client("lambda")
    live = client.get_function_configuration(FunctionName="mcp-production-server", Qualifier="live")
    return {str(key["kid"]) for key in json.loads(live["Environment"]["Variables"]["MCP_JWKS"])["keys"]}


def test_keys_of_a_foreign_issuer_are_not_ours_to_rotate(rotating: Environment, tmp_path: t.Any) -> None:
    token = tmp_path / "token.json"
    expires = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 600))
    token.write_text(json.dumps({"access_token": "x", "expires_at": expires}))
    foreign = {"mcp_issuer": "https://issuer.example", "mcp_verify_token_file": str(token)}
    before = published(rotating)
    run = rotating.play("playbooks/rotate_signing_key.yml", "-e", json.dumps(foreign))
    assert run.rc != 0 and "rotates its keys by itself" in run.stdout
    assert published(rotating) == before
