# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A list of lines in a file of its own: what somebody wants to have priced without a template."""

from __future__ import annotations

import dataclasses

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import allocation
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import McpError
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.preflight import read_yaml

KEYS = ("usage", "lines")


def with_list(phase: allocation.Phase, path: str) -> allocation.Phase:
    """Return a phase with the lines of a file and the usage that they name, in place of its own.

    :raises McpError: the file cannot be read, or something in it is wrong
    """
    content = read_yaml(path, "The list of lines")
    allocation.known_keys(content, KEYS, path)
    lines = content.get("lines")
    if not isinstance(lines, list) or not lines:
        raise McpError(f"lines in {path} is {lines!r}: allowed is a list as in growth of aws-resource-allocation.yaml.")
    usage = {
        key: allocation.number(value, f"usage: {key} in {path}")
        for key, value in allocation.mapping(content.get("usage"), f"usage in {path}").items()
    }
    return dataclasses.replace(phase, sizes={}, usage=usage, raw_lines=lines)
