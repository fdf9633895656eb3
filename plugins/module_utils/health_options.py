# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of a probe. One that is wrong is said plainly and does not keep the others from looking."""

from __future__ import annotations

import functools
import typing as t

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_kind import COMMON, Kind
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_kinds import KINDS
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.options import closest

DEFAULT_KIND = "mcp"

PROBE_SPEC: dict[str, dict[str, t.Any]] = {
    "name": {"type": "str", "required": True},
    "kind": {"type": "str", "choices": list(KINDS), "default": DEFAULT_KIND},
    "url": {"type": "str"},
    "token_file": {"type": "path", "no_log": False},
    "lambda": {
        "type": "dict",
        "options": {
            "function_name": {"type": "str", "required": True},
            "qualifier": {"type": "str"},
            "host": {"type": "str"},
        },
    },
    "method_arn": {"type": "str"},
    "tool": {"type": "str"},
    "arguments": {"type": "dict"},
    "expect": {"type": "str"},
    "refuse_leaks": {"type": "bool", "default": False},
    "method": {"type": "str", "choices": ["GET", "POST", "DELETE"], "default": "GET"},
    "expect_status": {"type": "int", "default": 200},
    "expect_json": {"type": "dict"},
    "return_json": {"type": "bool", "default": False},
    "host": {"type": "str"},
    "port": {"type": "int"},
    "user": {"type": "str"},
    "database": {"type": "str"},
    "password_file": {"type": "path", "no_log": False},
    "jobs": {"type": "list", "elements": "str", "default": []},
    "target": {"type": "str"},
    "region": {"type": "str"},
    "stage": {"type": "str"},
    "qualifier": {"type": "str"},
    "account": {"type": "str"},
    "absent": {"type": "str", "choices": ["critical", "unknown"], "default": "critical"},
    "expected": {"type": "list", "elements": "str", "default": []},
    "overrides": {"type": "list", "elements": "dict", "default": []},
    "diverted": {"type": "bool", "default": False},
    "optional": {"type": "bool", "default": False},
    "samples": {"type": "int", "default": 1},
    "warning_ms": {"type": "float"},
    "critical_ms": {"type": "float"},
    "timeout": {"type": "float", "default": 10.0},
    "attempts": {"type": "int", "default": 1},
    "delay": {"type": "float", "default": 2.0},
    "ca_file": {"type": "path"},
    "next_step": {"type": "str"},
}
LEAST = {
    "samples": 1,
    "attempts": 1,
    "timeout": 0.001,
    "delay": 0,
    "port": 1,
    "warning_ms": 0,
    "critical_ms": 0,
    "expect_status": 100,
}
MOST = {"port": 65535, "expect_status": 599}


def known(kind: Kind) -> frozenset[str]:
    """Return the options that a kind takes."""
    return kind.options | COMMON


@functools.cache
def validator_of(name: str) -> ArgumentSpecValidator:
    """Return what checks the types of a kind's options."""
    kind = KINDS[name]
    spec = {option: dict(PROBE_SPEC[option]) for option in sorted(known(kind))}
    for option in kind.required:
        spec[option].pop("default", None)
        spec[option]["required"] = True
    return ArgumentSpecValidator(spec)


def defaults() -> dict[str, t.Any]:
    """Return the options of a probe that sets none."""
    return {option: spec.get("default") for option, spec in PROBE_SPEC.items()}


def unknown_option(given: dict[str, t.Any], kind: Kind) -> str | None:
    """Return what is wrong with the names of a probe's options, or None; one that is null is not set."""
    for option in given:
        if option not in PROBE_SPEC:
            return f"{option} is no option of a probe.{closest(str(option), known(kind))} Correct it"
        if option not in known(kind) and given[option] is not None:
            takers = ", ".join(name for name, other in KINDS.items() if option in other.options)
            return f"kind={kind.name} takes no {option}. Use kind {takers}, or remove it"
    return None


def out_of_range(probe: dict[str, t.Any]) -> str | None:
    """Return which number is too small or too large, or None."""
    for option, least in LEAST.items():
        value, most = probe[option], MOST.get(option)
        if value is None:
            continue
        if not value >= least:
            return f"{option}={value:g} is less than {least:g}. Raise it"
        if most is not None and value > most:
            return f"{option}={value:g} is more than {most}. Lower it"
    return None


def checked(given: dict[str, t.Any]) -> tuple[dict[str, t.Any], str | None]:
    """Return a probe with all its options, and what is wrong with it (None where nothing is)."""
    probe = defaults() | {option: value for option, value in given.items() if value is not None}
    kind = KINDS.get(probe["kind"]) if isinstance(probe["kind"], str) else None
    if kind is None:
        text = f"kind={probe['kind']} is unknown.{closest(str(probe['kind']), KINDS)} There are: {', '.join(KINDS)}"
        return probe, f"{text}. Correct it"
    wrong = unknown_option(given, kind)
    if wrong:
        return probe, wrong
    result = validator_of(kind.name).validate({option: probe[option] for option in given if option in known(kind)})
    if result.error_messages:
        return probe, f"{'; '.join(result.error_messages)}. Correct it"
    probe = defaults() | result.validated_parameters
    return probe, out_of_range(probe) or kind.check(probe)


def check_probes(given: list[dict[str, t.Any]]) -> list[tuple[dict[str, t.Any], str | None]]:
    """Return every probe with all its options, and what is wrong with it."""
    found: list[tuple[dict[str, t.Any], str | None]] = []
    names: set[str] = set()
    for number, options in enumerate(given, 1):
        probe, wrong = checked(options)
        if not isinstance(probe["name"], str) or not probe["name"]:
            probe["name"], wrong = f"probe {number}", wrong or "name is empty. Name it"
        if probe["name"] in names:
            wrong = "two probes have this name. Rename one"
        names.add(probe["name"])
        found.append((probe, wrong))
    return found
