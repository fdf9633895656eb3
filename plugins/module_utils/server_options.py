# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of the variables that reach the MCP server itself, before anything is touched."""

from __future__ import annotations

import json
import math
import re
import typing as t

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import McpError

# A function's variables share 4 KB (Lambda quotas, 2026-11), counted as JSON. Names, URLs and three signing keys, as
# many as a rotation publishes, need up to 2.5 KB of it; this is left for what the inventory sets.
SHARED_BYTES = 1536
# The user data of an instance has 16 KB (EC2 quotas, 2026-11); script, keys and addresses need three quarters of it.
USER_DATA_BYTES = 3072
SHARED = ("mcp_tool_scopes", "mcp_app_environment", "mcp_allowed_origins")
# A standard SSM parameter holds 4 KB (SSM quotas, 2026-11); an advanced one costs 0.05 USD a month.
PARAMETER_BYTES = 4096
MAX_CALLS_PER_MINUTE = 1_000_000
SMALLEST_BODY, LARGEST_BODY = 1024, 4 * 1024 * 1024
SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")
VARIABLE = re.compile(r"[A-Za-z]\w*", re.ASCII)
RESERVED = ("AWS_", "LAMBDA_", "MCP_")


def refuse(name: str, problem: str, allowed: str, example: str) -> McpError:
    """Return the one error that a wrong variable gets."""
    return McpError(f"{name} {problem}: allowed is {allowed}. For example: -e '{example}'", variable=name)


def compact(value: t.Any) -> str:
    """Return a value as the templates write it."""
    return json.dumps(value, sort_keys=True)


def check_shared(values: dict[str, t.Any]) -> None:
    """:raises McpError: the function's variables, or the instance's user data, would not fit"""
    staging = values.get("mcp_phase") == "staging"
    most, place = (USER_DATA_BYTES, "instances' user data") if staging else (SHARED_BYTES, "function's variables")
    sizes = {name: len(json.dumps(compact(values[name]))) for name in SHARED if values.get(name)}
    if sum(sizes.values()) > most:
        largest = max(sizes, key=lambda name: sizes[name])
        used = ", ".join(f"{name} {size}" for name, size in sizes.items())
        raise refuse(
            largest,
            f"is the largest of what does not fit into the {place} ({used} bytes as JSON)",
            f"{most} bytes together; a prefix such as get_* covers many tools",
            '{"mcp_tool_scopes": {"*": ["documents:read"]}}' if largest == "mcp_tool_scopes" else largest + "=...",
        )


def check_tool_scopes(scopes: dict[str, t.Any]) -> None:
    """:raises McpError: it is not a list of scopes for each tool"""
    example = '{"mcp_tool_scopes": {"save_document": ["documents:write"], "*": ["documents:read"]}}'
    for tool, needed in scopes.items():
        listed = isinstance(needed, list) and all(isinstance(scope, str) and SCOPE.fullmatch(scope) for scope in needed)
        if not tool or "*" in tool[:-1] or not listed:
            allowed = (
                "a list of scopes (printable ASCII without spaces, quotes and backslashes) for each tool, a name or a "
                "prefix that ends in *"
            )
            raise refuse("mcp_tool_scopes", f"has {tool!r}: {needed!r}", allowed, example)


def is_rate(value: t.Any) -> bool:
    """Tell whether a value is a number of calls a minute."""
    # By isinstance: Ansible's own values are of subclasses.
    whole = isinstance(value, int) and not isinstance(value, bool)
    return value is None or (whole and 1 <= value <= MAX_CALLS_PER_MINUTE)


def check_limits(limits: dict[str, t.Any]) -> None:
    """:raises McpError: the server would not understand it"""
    example = '{"mcp_limits": {"calls_per_minute": 120, "tools": {"save_document": {"enabled": false}}}}'
    rate = f"a whole number of calls from 1 to {MAX_CALLS_PER_MINUTE}"
    known = {"calls_per_minute": rate, "tools": "settings for each tool", "features": "true or false for each feature"}
    for name in limits:
        if name not in known:
            raise refuse("mcp_limits", f"has the key {name!r}", "calls_per_minute, tools and features", example)
    if not is_rate(limits.get("calls_per_minute")):
        raise refuse("mcp_limits", f"has calls_per_minute={limits['calls_per_minute']!r}", rate, example)
    for name in ("tools", "features"):
        if not isinstance(limits.get(name, {}), dict):
            raise refuse("mcp_limits", f"has {name}={limits[name]!r}", known[name], example)
    for tool, settings in limits.get("tools", {}).items():
        if not _is_tool_setting(settings) or ("*" in tool and tool != "*"):
            allowed = f"calls_per_minute ({rate}) and enabled (true or false) for a tool's name, or * for all others"
            raise refuse("mcp_limits", f"has tools.{tool}={settings!r}", allowed, example)
    for feature, value in limits.get("features", {}).items():
        if not isinstance(value, bool):
            raise refuse("mcp_limits", f"has features.{feature}={value!r}", "true or false", example)
    size = len(compact(limits).encode())
    if size > PARAMETER_BYTES:
        raise refuse("mcp_limits", f"takes {size} bytes as JSON", f"at most {PARAMETER_BYTES}", example)


def _is_tool_setting(settings: t.Any) -> bool:
    return (
        isinstance(settings, dict)
        and set(settings) <= {"calls_per_minute", "enabled"}
        and is_rate(settings.get("calls_per_minute"))
        and isinstance(settings.get("enabled", True), bool)
    )


def check_app_environment(variables: dict[str, t.Any]) -> None:
    """:raises McpError: a name is reserved or impossible, or a value is no text"""
    example = '{"mcp_app_environment": {"GREETING": "hello"}}'
    for name, value in variables.items():
        if not VARIABLE.fullmatch(name) or name.upper().startswith(RESERVED):
            allowed = "a name of letters, digits and _, none that starts with " + ", ".join(RESERVED)
            raise refuse("mcp_app_environment", f"has the name {name!r}", allowed, example)
        usable = isinstance(value, (str, int, float)) and not isinstance(value, bool)
        if not usable or (isinstance(value, float) and not math.isfinite(value)):
            allowed = 'a text or a number; write true and false as texts, "true"'
            raise refuse("mcp_app_environment", f"has {name} of type {type(value).__name__}", allowed, example)


def check_body(size: int) -> None:
    """:raises McpError: Lambda would refuse the largest body before the server could"""
    if not SMALLEST_BODY <= size <= LARGEST_BODY:
        allowed = f"{SMALLEST_BODY} to {LARGEST_BODY} bytes, because Lambda takes 6 MB with everything around the body"
        raise refuse("mcp_max_body_bytes", f"is {size}", allowed, f"mcp_max_body_bytes={LARGEST_BODY}")


def check_lambda(values: dict[str, t.Any]) -> None:
    """:raises McpError: a setting that Lambda does not offer"""
    if values.get("mcp_phase") != "production":
        return
    if values.get("mcp_sessions"):
        raise refuse(
            "mcp_sessions", "is true", "false in phase production: Lambda keeps no sessions", "mcp_sessions=false"
        )
    version = str(values.get("mcp_python_version", "3.13"))
    if values.get("mcp_snapstart") and int(version.partition(".")[2]) < 12:
        raise refuse(
            "mcp_snapstart",
            f"is true with mcp_python_version={version}",
            "true from Python 3.12 on",
            "mcp_python_version=3.13",
        )


def check_server(values: dict[str, t.Any]) -> None:
    """Check every variable that the server reads.

    :param values: the validated variables with their types
    :raises McpError: the first that is wrong
    """
    check_tool_scopes(values.get("mcp_tool_scopes", {}))
    check_limits(values.get("mcp_limits", {}))
    check_app_environment(values.get("mcp_app_environment", {}))
    if values.get("mcp_phase") != "local":
        check_shared(values)
    check_body(values.get("mcp_max_body_bytes", LARGEST_BODY))
    check_lambda(values)
