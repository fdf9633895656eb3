# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The text of a price book: equal prices are equal text."""

from __future__ import annotations

import json
import pathlib
import re
import typing as t
from decimal import Decimal

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import local_first
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import McpError

PLAIN_WORD = re.compile(r"[A-Za-z][\w./-]*")
RESERVED = ("true", "false", "null", "yes", "no", "on", "off", "y", "n")
WIDTH = 160
HEADER = """\
# What AWS charges, in USD before tax. The module price_book writes this file again, so notes are kept in `note` only.
# A price is for one `unit`. Confidence: A AWS's own page or price list, B printed by a tool from AWS's price list,
# C a third party, M from memory. A price that is `derived` is that of us-east-1 times the region's factor.
---
"""


def decimal_text(value: Decimal) -> str:
    """Return a number without exponent, with at least two decimals: ``0.0104``, ``3.50``."""
    number = value.normalize()
    exponent = t.cast(int, number.as_tuple().exponent)
    return format(number.quantize(Decimal("0.01")) if exponent > -2 else number, "f")


def scalar(value: t.Any) -> str:
    """Write one value."""
    if isinstance(value, bool) or not isinstance(value, str):
        return json.dumps(value)
    plain = PLAIN_WORD.fullmatch(value) and value.lower() not in RESERVED
    return value if plain else json.dumps(value, ensure_ascii=False)


def flow(value: t.Any) -> str:
    """Write a value on one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{scalar(key)}: {flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(flow(item) for item in value) + "]"
    return scalar(value)


def block(value: dict[str, t.Any], indent: str = "") -> t.Iterator[str]:
    """Write a mapping over several lines; one without mappings in it stays on one line where that has room."""
    for key, item in value.items():
        line = f"{indent}{scalar(key)}: {flow(item)}"
        nested = isinstance(item, dict) and any(isinstance(part, dict) for part in item.values())
        if not isinstance(item, dict) or (not nested and len(line) <= WIDTH):
            yield line
        else:
            yield f"{indent}{scalar(key)}:"
            yield from block(item, indent + "  ")


def dump(data: dict[str, t.Any]) -> str:
    """Return the text of a price book."""
    book = {key: part for key, part in data.items() if key != "lookups"}
    # Last, so that an estimate need not read them.
    lookups = ["lookups:"] if data.get("lookups") else []
    for key, lookup in data.get("lookups", {}).items():
        line = f"  {scalar(key)}: {flow(lookup)}"
        lookups += [line] if len(line) <= WIDTH else block({key: lookup}, "  ")
    return HEADER + "\n".join([*block(book), *lookups]) + "\n"


def write(path: pathlib.Path, text: str) -> None:
    """Write the book, whole or not at all.

    :raises McpError: it cannot be written
    """
    try:
        local_first.write_whole(path, text.encode(), 0o644)
    except OSError as error:
        raise McpError(
            f"The price book {path} cannot be written ({error.strerror}). It was not changed. Choose another file: "
            "dest=..., and name it afterwards: -e mcp_price_book=..."
        ) from error


def text_of(path: pathlib.Path) -> str:
    """Return what is in a file; nothing where there is none.

    :raises McpError: it cannot be read
    """
    try:
        return path.read_text(encoding="utf-8") if path.exists() else ""
    except (OSError, UnicodeDecodeError) as error:
        raise McpError(f"dest {path} cannot be read ({error}). Choose another file: dest=...") from error
