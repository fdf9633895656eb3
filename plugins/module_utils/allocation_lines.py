# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines of an estimate whose quantities are products of numbers, usage assumptions and sizes."""

from __future__ import annotations

import re
import typing as t
from decimal import Decimal, DecimalException

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import McpError
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.options import closest

NEEDED = ("resource", "item", "quantity", "unit")
KEYS = (*NEEDED, "assumption", "each")
PLACE = re.compile(r"\{([^{}]*)\}")

Mapping = dict[str, t.Any]


def flat(sizes: Mapping, prefix: str = "") -> dict[str, t.Any]:
    """Return sizes by their dotted names."""
    found: dict[str, t.Any] = {}
    for key, value in sizes.items():
        if isinstance(value, dict):
            found.update(flat(value, f"{prefix}{key}."))
        else:
            found[prefix + key] = value
    return found


def operand(word: str, names: dict[str, t.Any], where: str) -> tuple[Decimal, str]:
    """Return the value of a number or a name, and how it is shown.

    :raises McpError: there is no such name, or it is no number
    """
    if word not in names:
        try:
            value = Decimal(word)
        except DecimalException:
            raise McpError(
                f"{where}: quantity has '{word}', which is no number, usage assumption or size."
                f"{closest(word, names)} Allowed: {', '.join(sorted(names)) or 'numbers'}."
            ) from None
        shown = word
    else:
        try:
            value = Decimal(str(names[word]))
        except DecimalException:
            raise McpError(f"{where}: quantity has '{word}', which is {names[word]!r} and no number.") from None
        shown = f"{value:f} ({word})"
    if not value.is_finite() or value < 0:
        raise McpError(f"{where}: quantity has {shown}: allowed is a number of at least 0.")
    return value, shown


def worked_out(formula: t.Any, names: dict[str, t.Any], where: str) -> tuple[Decimal, str]:
    """Return a quantity, and the formula with its numbers; without names in it the formula is empty.

    :raises McpError: it is no number and no product, or it is negative
    """
    if isinstance(formula, bool) or not isinstance(formula, (int, float, str)):
        raise McpError(f"{where}: quantity is {formula!r}: allowed is a number, or a product such as 2 * hours.")
    words = str(formula).split()
    total, shown = operand(words[0] if words else "", names, where)
    text = [shown]
    for sign, word in zip(words[1::2], words[2::2], strict=False):
        value, shown = operand(word, names, where)
        if sign not in ("*", "/") or (sign == "/" and not value):
            raise McpError(f"{where}: quantity has '{sign} {word}': allowed are * and / with spaces around them.")
        total = total * value if sign == "*" else total / value
        text += [sign, shown]
    if len(words) % 2 == 0:
        raise McpError(f"{where}: quantity is '{formula}': a number or name is missing at its end.")
    total = total.quantize(Decimal(1)) if total == total.to_integral_value() else total
    return total, " ".join(text) if names.keys() & set(words) else ""


def filled(text: str, names: dict[str, t.Any], where: str) -> str:
    """Return an item's key with the sizes that it names in braces.

    :raises McpError: there is no such size
    """

    def value(match: re.Match[str]) -> str:
        if match[1] not in names:
            raise McpError(f"{where}: item has '{{{match[1]}}}', which is no size.{closest(match[1], names)}")
        return str(names[match[1]])

    return PLACE.sub(value, text)


def resolve(lines: list[Mapping], usage: t.Mapping[str, Decimal], sizes: Mapping, where: str) -> list[Mapping]:
    """Return lines with their quantities worked out; one that is for ``each`` of several becomes one for each.

    :param where: whose lines these are, for errors
    :raises McpError: a line has a key too few or too many, or a quantity that is none
    """
    names = {**flat(sizes), **usage}
    found = []
    for number, line in enumerate(lines):
        here = f"Line {number + 1} of {where}"
        if not isinstance(line, dict):
            raise McpError(f"{here} is {line!r}: allowed is a mapping with {', '.join(NEEDED)}.")
        for key in NEEDED:
            if key not in line:
                raise McpError(f"{here} has no '{key}'.")
        for key in line:
            if key not in KEYS:
                raise McpError(f"{here} has the key '{key}'.{closest(key, KEYS)} Allowed: {', '.join(KEYS)}.")
        quantity, formula = worked_out(line["quantity"], names, here)
        assumption = "; ".join(part for part in (str(line.get("assumption") or ""), formula) if part)
        item = filled(str(line["item"]), names, here)
        for group in line.get("each") or [""]:
            found.append(
                {
                    "resource": f"{line['resource']} ({group})" if group else str(line["resource"]),
                    "item": item,
                    "quantity": quantity,
                    "unit": str(line["unit"]),
                    "assumption": assumption,
                    "group": group,
                }
            )
    return found
