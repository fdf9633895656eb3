# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Scopes, limits and switches of a deployed server, as a client meets them."""

from __future__ import annotations

import json
import time
import typing as t
import urllib.error
import urllib.request

import pytest
from mcp import Client
from mcp.shared.exceptions import MCPError

from tests.support.client import MODERN, with_client
from tests.support.environment import Environment

pytestmark = pytest.mark.e2e

WRITERS = {"save_document", "delete_document", "create_upload_url"}
SWITCHED_OFF = {"mcp_limits": {"tools": {"search_documents": {"enabled": False}}}}


async def listed(client: Client) -> set[str]:
    """Return the names of the tools that a client sees."""
    return {tool.name for tool in (await client.list_tools()).tools}


async def refusal(client: Client, tool: str, arguments: dict[str, t.Any]) -> str:
    """Return what a client is told that must not call a tool."""
    with pytest.raises(MCPError) as caught:
        await client.call_tool(tool, arguments)
    return caught.value.error.message


def serving_version(environment: Environment) -> str:
    """Return the version of the function that takes traffic."""
    alias = environment.sandbox.client("lambda").get_alias(FunctionName="mcp-production-server", Name="live")
    return str(alias["FunctionVersion"])


@pytest.mark.parametrize("mode", [MODERN, "legacy"])
def test_a_token_without_a_scope_neither_sees_nor_calls_what_needs_it(
    deployed: Environment, edited: Environment, mode: str
) -> None:
    edited.play("playbooks/token.yml", "-e", json.dumps({"mcp_token_scopes": ["documents:read"]})).require()
    endpoint = deployed.report()["endpoint"]
    names = with_client(endpoint, edited.token, listed, mode)
    assert "get_document" in names and not names & WRITERS
    document = {"document_id": "refused", "title": "t", "text": "x"}
    told = with_client(endpoint, edited.token, lambda client: refusal(client, "save_document", document), mode)
    assert "documents:write" in told
    assert with_client(endpoint, deployed.token, listed, mode) > WRITERS


@pytest.mark.parametrize("path", ["/ready", "/metrics"])
def test_what_is_for_operators_is_not_routed_in_public(deployed: Environment, path: str) -> None:
    url = deployed.report()["health_url"].removesuffix("/health") + path
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {deployed.token}"})
    with pytest.raises(urllib.error.HTTPError) as caught, urllib.request.urlopen(request, timeout=30):
        pass
    assert caught.value.code == 404


@pytest.fixture
def limited(edited: Environment) -> t.Iterator[Environment]:
    """A checkout whose limits are lifted afterwards."""
    try:
        yield edited
    finally:
        edited.play("playbooks/limits.yml", "-e", '{"mcp_limits": {}}').require()


def test_a_switch_reaches_the_running_server_within_a_minute(deployed: Environment, limited: Environment) -> None:
    endpoint, version = deployed.report()["endpoint"], serving_version(deployed)
    assert "search_documents" in with_client(endpoint, deployed.token, listed)
    look = limited.play("playbooks/limits.yml", "-e", json.dumps(SWITCHED_OFF), "--check", "--diff").require()
    assert "would change: mcp-production-data" in look.stdout and '"enabled": false' in look.stdout
    assert limited.play("playbooks/limits.yml", "-e", json.dumps(SWITCHED_OFF)).require().changed == 1
    until = time.monotonic() + 60
    while "search_documents" in with_client(endpoint, deployed.token, listed):
        assert time.monotonic() < until, "the switch took longer than a minute"
        time.sleep(1)
    told = with_client(
        endpoint, deployed.token, lambda client: refusal(client, "search_documents", {"query": "anything"})
    )
    assert "search_documents" in told
    assert serving_version(deployed) == version
    assert limited.play("playbooks/limits.yml", "-e", json.dumps(SWITCHED_OFF)).require().changed == 0
    # A deploy without limits of its own keeps those in force.
    assert limited.deploy().require().changed == 0


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "mcp_limits is not set"),
        (["-e", '{"mcp_limits": {"tools": {"save_document": {"enabled": "no"}}}}'], "tools.save_document"),
    ],
)
def test_wrong_limits_change_nothing(limited: Environment, arguments: list[str], says: str) -> None:
    run = limited.play("playbooks/limits.yml", *arguments)
    assert run.rc != 0 and says in run.stdout
    value = limited.sandbox.client("ssm").get_parameter(Name="/mcp/production/limits")["Parameter"]["Value"]
    assert json.loads(value) == {}
