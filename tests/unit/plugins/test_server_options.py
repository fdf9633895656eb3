# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Variables that reach the server: what it understands passes, anything else stops with one clear error."""

from __future__ import annotations

import json
import re
import typing as t

import pytest
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import McpError
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.server_options import check_server
from pratiko_mcp.limits import parse_policy
from pratiko_mcp.settings import load_settings


class Tagged(str):
    """As Ansible's own texts: of a class that is not str itself."""


class TaggedInt(int):
    """As Ansible's own numbers."""


GOOD: list[dict[str, t.Any]] = [
    {},
    {"mcp_tool_scopes": {"save_document": ["documents:write"], "get_*": [], "*": ["documents:read", "x"]}},
    {"mcp_limits": {"calls_per_minute": 1, "tools": {"*": {"calls_per_minute": 5}, "a": {"enabled": False}}}},
    {"mcp_limits": {"calls_per_minute": None, "features": {"beta": True}}},
    {"mcp_app_environment": {"GREETING": "hello", "LEVEL": 3}},
    {"mcp_app_environment": {Tagged("GREETING"): Tagged("hello"), "LEVEL": TaggedInt(3)}},
    {"mcp_limits": {"calls_per_minute": TaggedInt(5)}},
    {"mcp_max_body_bytes": 1024, "mcp_phase": "production", "mcp_snapstart": True, "mcp_python_version": "3.12"},
    {"mcp_sessions": True, "mcp_phase": "local"},
]
BAD: list[tuple[dict[str, t.Any], str]] = [
    ({"mcp_tool_scopes": {"save": "documents:write"}}, "'save': 'documents:write'"),
    ({"mcp_tool_scopes": {"a*b": ["x"]}}, "'a*b'"),
    ({"mcp_tool_scopes": {"a": ["two words"]}}, "two words"),
    ({"mcp_tool_scopes": {f"tool_{number}": ["documents:read"] for number in range(60)}}, "1536 bytes together"),
    (
        {
            "mcp_tool_scopes": {"*": ["x" * 900]},
            "mcp_app_environment": {"NOTE": "y" * 400},
            "mcp_allowed_origins": ["https://" + "z" * 300],
        },
        "mcp_tool_scopes 917",
    ),
    ({"mcp_limits": {"tools": {"delete_*": {"enabled": False}}}}, "tools.delete_*"),
    ({"mcp_limits": {"calls_per_minute": 1_000_001}}, "calls_per_minute=1000001"),
    ({"mcp_limits": {"per_minute": 5}}, "'per_minute'"),
    ({"mcp_limits": {"calls_per_minute": 0}}, "calls_per_minute=0"),
    ({"mcp_limits": {"calls_per_minute": True}}, "calls_per_minute=True"),
    ({"mcp_limits": {"tools": ["save"]}}, "tools=['save']"),
    ({"mcp_limits": {"tools": {"save": {"enabled": "no"}}}}, "tools.save"),
    ({"mcp_limits": {"tools": {"save": {"limit": 5}}}}, "tools.save"),
    ({"mcp_limits": {"features": {"beta": "yes"}}}, "features.beta='yes'"),
    ({"mcp_limits": {"features": {f"feature_{number}": True for number in range(300)}}}, "at most 4096"),
    ({"mcp_app_environment": {"MCP_AUTH": "none"}}, "'MCP_AUTH'"),
    ({"mcp_app_environment": {"aws_region": "x"}}, "'aws_region'"),
    ({"mcp_app_environment": {"A-B": "x"}}, "'A-B'"),
    ({"mcp_app_environment": {"LIST": ["x"]}}, "LIST of type list"),
    ({"mcp_app_environment": {"DEBUG": True}}, "DEBUG of type bool"),
    ({"mcp_app_environment": {"NOTHING": None}}, "NOTHING of type NoneType"),
    ({"mcp_app_environment": {"MUCH": float("inf")}}, "MUCH of type float"),
    ({"mcp_app_environment": {"Größe": "x"}}, "'Größe'"),
    ({"mcp_max_body_bytes": 4194305}, "is 4194305"),
    ({"mcp_sessions": True, "mcp_phase": "production"}, "mcp_sessions is true"),
    ({"mcp_snapstart": True, "mcp_phase": "production", "mcp_python_version": "3.11"}, "mcp_python_version=3.11"),
]


@pytest.mark.parametrize("values", GOOD)
def test_what_the_server_understands_passes(values):
    check_server(values)


@pytest.mark.parametrize(("values", "says"), BAD)
def test_anything_else_names_variable_value_and_example(values, says):
    with pytest.raises(McpError) as caught:
        check_server(values)
    name = caught.value.details["variable"]
    assert caught.value.message.startswith(name + " ")
    assert says in caught.value.message
    example = caught.value.message.rpartition(" For example: -e '")[2].removesuffix("'")
    if example.endswith("=..."):
        assert example == name + "=..."
    elif example.startswith("{"):
        check_server(json.loads(example))
    else:
        assert re.fullmatch(r"mcp_[a-z_]+=\S+", example)


@pytest.mark.parametrize("limits", [values["mcp_limits"] for values in GOOD if "mcp_limits" in values])
def test_limits_that_pass_are_a_policy_of_the_server(limits):
    parse_policy(json.dumps(limits))


@pytest.mark.parametrize("limits", [values["mcp_limits"] for values, _ in BAD if "mcp_limits" in values][:-1])
def test_limits_that_are_refused_would_be_refused_by_the_server(limits):
    with pytest.raises(ValueError):
        parse_policy(json.dumps(limits))


def server_env(variables: dict[str, t.Any]) -> dict[str, str]:
    """Return the server's environment as the template writes it."""
    return {"MCP_AUTH": "none", "MCP_APP_ENVIRONMENT": json.dumps(variables, sort_keys=True)}


@pytest.mark.parametrize("values", [values for values in GOOD if "mcp_app_environment" in values])
def test_variables_that_pass_are_taken_by_the_server(values):
    load_settings(server_env(values["mcp_app_environment"]))


@pytest.mark.parametrize("values", [values for values, _ in BAD if list(values) == ["mcp_app_environment"]])
def test_variables_that_are_refused_would_be_refused_by_the_server(values):
    with pytest.raises(ValueError, match="MCP_APP_ENVIRONMENT"):
        load_settings(server_env(values["mcp_app_environment"]))
