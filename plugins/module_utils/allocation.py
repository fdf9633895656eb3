# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The file of sizes, usage assumptions, budgets and claims of every phase."""

from __future__ import annotations

import dataclasses
import os
import typing as t
from decimal import Decimal

from ansible.module_utils.common.yaml import yaml_load
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import allocation_lines, estimate_usage
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import McpError
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.options import closest, quantity_of

PHASES = ("local", "staging", "production", "growth", "scale")
# What a phase has beside its sizes.
PARTS = ("usage", "budget", "claim", "lines")
CLAIM_KEYS = ("stated", "later", "unit", "note")
# Of a claim beside the phases: one of the three ways to recompute it.
OTHER_CLAIM_KEYS = ("claim", "stated", "unit", "note", "lines", "item", "cheap", "dear")

Mapping = dict[str, t.Any]


def number(value: t.Any, where: str) -> Decimal:
    """Return a number.

    :raises McpError: it is none, or it is negative
    """
    found = quantity_of(value)
    if found is None:
        raise McpError(f"{where} is {value!r}: allowed is a number of at least 0.")
    return found


def mapping(value: t.Any, where: str) -> Mapping:
    """Return a mapping; nothing is an empty one.

    :raises McpError: it is none
    """
    if value is not None and not isinstance(value, dict):
        raise McpError(f"{where} is {value!r}: allowed is a mapping.")
    return value or {}


def known_keys(entry: Mapping, known: t.Collection[str], where: str) -> None:
    """:raises McpError: there is a key that nothing reads"""
    for key in entry:
        if key not in known:
            raise McpError(f"{where} has the key '{key}'.{closest(key, known)} Allowed: {', '.join(known)}.")


@dataclasses.dataclass(frozen=True)
class Phase:
    """One phase.

    :param sizes: what templates take
    :param usage: what a month is assumed to take, by key
    :param budget: USD a month, None where the file has none
    :param claim: what the brief said: ``stated``, ``unit``, ``note``, and ``later`` where it said two figures
    :param raw_lines: what is billed, where there are no templates to read it from
    """

    name: str
    sizes: Mapping
    usage: dict[str, Decimal]
    budget: Decimal | None
    claim: Mapping | None
    raw_lines: list[Mapping] | None = None

    def with_usage(self, overrides: Mapping) -> Phase:
        """Return the phase with other assumptions.

        :raises McpError: nothing reads one of them, or it is no number of at least 0
        """
        return dataclasses.replace(self, usage=estimate_usage.check_parts({**self.usage, **self._usage(overrides)}))

    def _usage(self, given: Mapping) -> dict[str, Decimal]:
        if not self.raw_lines:
            return estimate_usage.check_usage(given)
        for key in given:
            if key not in self.usage:
                raise McpError(
                    f"usage: {key} is no usage assumption of phase {self.name}.{closest(key, self.usage)} "
                    f"Allowed are: {', '.join(sorted(self.usage))}."
                )
        return {key: number(value, f"usage: {key}") for key, value in given.items()}

    def lines(self) -> list[Mapping]:
        """Return what is billed, with its quantities worked out; empty where templates say it.

        :raises McpError: a line is wrong
        """
        return allocation_lines.resolve(
            self.raw_lines or [], self.usage, self.sizes, f"phase {self.name} of the allocation file"
        )


class Allocation:
    """The whole file, validated when it was read."""

    def __init__(self, data: Mapping, path: str) -> None:
        phases = mapping(data.get("phases"), f"phases in {path}")
        self.path = path
        self.phases = {name: self._phase(name, mapping(raw, f"phase {name} in {path}")) for name, raw in phases.items()}
        for phase in self.phases.values():
            phase.lines()
        self.claims: dict[str, Mapping] = mapping(data.get("claims"), f"claims in {path}")
        for name, claim in self.claims.items():
            self._other_claim(name, claim)

    def phase(self, name: str) -> Phase:
        """Return a phase.

        :raises McpError: the file has none of that name
        """
        if name not in self.phases:
            raise McpError(
                f"phase '{name}' is not in {self.path}.{closest(name, self.phases)} It has: {', '.join(self.phases)}. "
                "For example: -e mcp_estimate_phase=growth"
            )
        return self.phases[name]

    def claim_lines(self, name: str) -> list[Mapping]:
        """Return what a claim beside the phases costs, as lines; empty where it is about something else.

        :raises McpError: a line is wrong
        """
        return allocation_lines.resolve(self.claims[name].get("lines") or [], {}, {}, f"claim {name} in {self.path}")

    def _phase(self, name: str, raw: Mapping) -> Phase:
        where = f"phase {name} in {self.path}"
        usage, lines = mapping(raw.get("usage"), f"usage of {where}"), raw.get("lines")
        if lines is not None and not isinstance(lines, list):
            raise McpError(f"lines of {where} is {lines!r}: allowed is a list.")
        if lines:
            numbers = {key: number(value, f"usage: {key} of {where}") for key, value in usage.items()}
        else:
            try:
                numbers = estimate_usage.check_usage(usage)
            except McpError as error:
                raise McpError(f"In {where}: {error.message}") from error
        budget = mapping(raw.get("budget"), f"budget of {where}")
        known_keys(budget, ("monthly_usd",), f"budget of {where}")
        cap = number(budget["monthly_usd"], f"budget.monthly_usd of {where}") if "monthly_usd" in budget else None
        claim = mapping(raw.get("claim"), f"claim of {where}") or None
        if claim:
            known_keys(claim, CLAIM_KEYS, f"claim of {where}")
            self._figures(claim, where)
        sizes = {key: value for key, value in raw.items() if key not in PARTS}
        return Phase(name, sizes, numbers, cap, claim, lines)

    def _figures(self, claim: Mapping, where: str) -> None:
        """:raises McpError: a claim has no figure, or one that is no number"""
        for key in ("stated", "unit"):
            if key not in claim:
                raise McpError(f"claim of {where} has no '{key}'.")
        for key in ("stated", "later"):
            if key in claim:
                number(claim[key], f"claim.{key} of {where}")

    def _other_claim(self, name: str, claim: t.Any) -> None:
        where = f"claim {name} in {self.path}"
        known_keys(mapping(claim, where), OTHER_CLAIM_KEYS, where)
        self._figures(claim or {}, where)
        if ("lines" in claim) + ("item" in claim) + ("cheap" in claim and "dear" in claim) != 1:
            raise McpError(f"{where} needs one of 'lines', 'item', or 'cheap' and 'dear'.")
        self.claim_lines(name)


def load(path: str) -> Allocation:
    """Read the file and validate the whole of it.

    :raises McpError: it cannot be read, or something in it is wrong
    """
    try:
        with open(os.path.expanduser(path), encoding="utf-8") as handle:
            data = yaml_load(handle)
    except Exception as error:  # the YAML library's errors have no class that is known without it
        raise McpError(
            f"The allocation file {path} cannot be read: {error}. Name another: -e mcp_sizes_file=FILE"
        ) from error
    if not isinstance(data, dict) or "phases" not in data:
        raise McpError(f"The allocation file {path} has no 'phases'. Name another one: -e mcp_sizes_file=FILE")
    return Allocation(data, path)
