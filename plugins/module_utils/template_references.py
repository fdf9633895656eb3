# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a template's parts refer to: find, rename and fill in references."""

from __future__ import annotations

import copy
import json
import re
import typing as t

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import McpError

SUB_TOKEN = re.compile(r"\$\{([^!}][^}]*)\}")

Json = t.Any


def canonical(node: Json) -> str:
    """Return one JSON text for equal data."""
    return json.dumps(node, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def walk(node: Json, replace: t.Callable[[dict[str, Json]], Json]) -> Json:
    """Return a copy in which ``replace`` has seen every mapping; it returns the mapping itself to leave it."""
    if isinstance(node, list):
        return [walk(item, replace) for item in node]
    if not isinstance(node, dict):
        return node
    replaced = replace(node)
    if replaced is not node:
        return replaced
    return {key: walk(value, replace) for key, value in node.items()}


def substitute(node: Json, values: dict[str, Json]) -> Json:
    """Put values in the place of ``Ref`` and ``Fn::Sub`` references to parameters."""

    def replace(mapping: dict[str, Json]) -> Json:
        if len(mapping) != 1:
            return mapping
        name = mapping.get("Ref")
        if isinstance(name, str) and name in values:
            return copy.deepcopy(values[name])
        if "Fn::Sub" in mapping:
            return _substitute_sub(mapping["Fn::Sub"], values)
        return mapping

    return walk(node, replace)


def _sub_parts(argument: Json) -> tuple[str, dict[str, Json]]:
    """Return the text and the own names of a ``Fn::Sub``.

    :raises McpError: it has another shape
    """
    parts = argument if isinstance(argument, list) else [argument, {}]
    if len(parts) != 2 or not isinstance(parts[0], str) or not isinstance(parts[1], dict):
        raise McpError(f"template: Fn::Sub takes a text, or a text and a mapping, not {canonical(argument)[:80]}")
    return parts[0], parts[1]


def _attribute_parts(argument: Json) -> list[Json]:
    """Return logical id and attribute of a ``Fn::GetAtt``.

    :raises McpError: it has another shape
    """
    parts = argument.split(".", 1) if isinstance(argument, str) else argument
    if not isinstance(parts, list) or len(parts) != 2 or not isinstance(parts[0], str):
        raise McpError(f"template: Fn::GetAtt takes LogicalId.Attribute, not {canonical(argument)[:80]}")
    return parts


def _substitute_sub(argument: Json, values: dict[str, Json]) -> Json:
    text, local = _sub_parts(argument)

    def insert(match: re.Match[str]) -> str:
        name = match.group(1)
        if name in local or name not in values:
            return match.group(0)
        return str(values[name]).replace("${", "${!")

    text = SUB_TOKEN.sub(insert, text)
    if local:
        return {"Fn::Sub": [text, substitute(local, values)]}
    return {"Fn::Sub": text} if "${" in text else text


def rename(node: Json, names: dict[str, str]) -> Json:
    """Let every ``Ref``, ``Fn::GetAtt`` and ``Fn::Sub`` follow renamed logical ids."""

    def replace(mapping: dict[str, Json]) -> Json:
        if len(mapping) != 1:
            return mapping
        ((key, value),) = mapping.items()
        if key == "Ref" and value in names:
            return {"Ref": names[value]}
        if key == "Fn::GetAtt":
            logical_id, attribute = _attribute_parts(value)
            return {"Fn::GetAtt": [names.get(logical_id, logical_id), walk(attribute, replace)]}
        if key == "Fn::Sub":
            return {"Fn::Sub": _rename_sub(value, names)}
        return mapping

    return walk(node, replace)


def _rename_sub(argument: Json, names: dict[str, str]) -> Json:
    text, local = _sub_parts(argument)

    def insert(match: re.Match[str]) -> str:
        name, dot, attribute = match.group(1).partition(".")
        return match.group(0) if name in local else "${" + names.get(name, name) + dot + attribute + "}"

    text = SUB_TOKEN.sub(insert, text)
    return [text, rename(local, names)] if isinstance(argument, list) else text


def references(node: Json) -> set[str]:
    """Return every name that ``Ref``, ``Fn::GetAtt`` and ``Fn::Sub`` mention."""
    found: set[str] = set()

    def note(mapping: dict[str, Json]) -> Json:
        for key, value in mapping.items():
            if key == "Ref" and isinstance(value, str):
                found.add(value)
            elif key == "Fn::GetAtt":
                found.add(_attribute_parts(value)[0])
            elif key == "Fn::Sub":
                text, local = _sub_parts(value)
                found.update(name.partition(".")[0] for name in SUB_TOKEN.findall(text) if name not in local)
        return mapping

    walk(node, note)
    return found


def check_references(document: dict[str, Json], source: str) -> None:
    """Find references to nothing before anything is made.

    :raises McpError: names what is referred to and not there
    """
    known = {*document["Resources"], *document.get("Parameters", {})}
    used = references([document["Resources"], document.get("Outputs", {}), document.get("Conditions", {})])
    dangling = sorted(name for name in used - known if not name.startswith("AWS::"))
    if dangling:
        raise McpError(
            f"template: {source} refers to {', '.join(dangling)}, which is neither a parameter nor a resource of it."
        )
