# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values of a template that follow from others: functions whose arguments are known, and what stands for nothing."""

from __future__ import annotations

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.template_references import Json

NO_VALUE = {"Ref": "AWS::NoValue"}


def computed(node: Json, mappings: dict[str, Json]) -> Json:
    """Work out the functions whose arguments are all known."""
    if isinstance(node, list):
        return [computed(item, mappings) for item in node]
    if not isinstance(node, dict):
        return node
    node = {key: computed(value, mappings) for key, value in node.items()}
    (function, given), *more = node.items() or [("", None)]
    if more or not isinstance(given, list):
        return node
    if function == "Fn::Split" and isinstance(given[1], str):
        return given[1].split(given[0])
    if function == "Fn::Select" and isinstance(given[1], list):
        return given[1][int(given[0])]
    if function == "Fn::Join" and isinstance(given[1], list) and all(isinstance(item, str) for item in given[1]):
        return given[0].join(given[1])
    if function == "Fn::FindInMap" and all(isinstance(item, str) for item in given):
        return mappings.get(given[0], {}).get(given[1], {}).get(given[2], node)
    return node


def without_no_value(node: Json) -> Json:
    """Leave out what AWS::NoValue stands for."""
    if isinstance(node, list):
        return [without_no_value(item) for item in node if item != NO_VALUE]
    if isinstance(node, dict) and node != NO_VALUE:
        return {key: without_no_value(value) for key, value in node.items() if value != NO_VALUE}
    return node
