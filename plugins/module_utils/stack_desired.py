# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stack as it shall be, and where the one that is there differs from it."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import (
    McpError,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.stack_changes import (
    STACK_TYPE,
    Change,
    make_change,
    make_detail,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.stack_watch import (
    Stack,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.template import (
    HASH_OUTPUT,
    Template,
    known_values,
    live_resources,
    parameter_text,
    prepare_template,
    sha256_of,
    unknown_name,
)


@dataclass(frozen=True)
class Desired:
    """A stack as it shall be.

    :param parameters: text values; None keeps the stack's current value
    :param tags: None leaves the tags as they are
    :param protection: termination protection; None leaves it as it is
    :param source: what to call the template in messages
    """

    name: str
    template: Template
    parameters: dict[str, str | None]
    tags: dict[str, str] | None
    protection: bool | None
    source: str

    @property
    def inputs_sha256(self) -> str:
        """Hash of what is given beside the template."""
        return sha256_of({"parameters": self.parameters, "tags": self.tags, "protection": self.protection})


def read_desired(params: dict[str, t.Any], text: str, source: str) -> Desired:
    """Build what is wanted from the options and the template's text.

    :raises McpError: a parameter that the template does not have
    """
    template = prepare_template(text, source, params["literals"])
    for option in ("parameters", "unknown_parameters"):
        for name in params[option]:
            if name not in template.parameters:
                raise McpError(unknown_name(option, name, template.parameters))
    values = {name: None if value is None else parameter_text(value) for name, value in params["parameters"].items()}
    tags = params["tags"]
    return Desired(
        name=params["name"],
        template=template,
        parameters=values,
        tags=None if tags is None else {key: parameter_text(value) for key, value in tags.items()},
        protection=params["termination_protection"],
        source=source,
    )


def pairs(items: list[dict[str, str]], key: str, value: str) -> dict[str, str]:
    """Turn CloudFormation's lists of pairs into a dictionary."""
    return {item[key]: item.get(value, "") for item in items}


def current_outputs(stack: Stack) -> dict[str, str]:
    """Return the stack's outputs, our own hash included."""
    return pairs(stack.get("Outputs", []), "OutputKey", "OutputValue")


def current_parameters(stack: Stack) -> dict[str, str]:
    """Return the stack's parameters as CloudFormation shows them."""
    return pairs(stack.get("Parameters", []), "ParameterKey", "ParameterValue")


def readable_parameters(stack: Stack) -> dict[str, str]:
    """Return the parameters whose values AWS shows."""
    return {name: value for name, value in current_parameters(stack).items() if value != "****"}


def known_inputs(desired: Desired, stack: Stack | None) -> dict[str, str]:
    """Return the values of the parameters as far as they are known: given, kept, or a default."""
    given = {name: value for name, value in desired.parameters.items() if value is not None}
    return known_values(desired.template, {**readable_parameters(stack or {}), **given})


def with_defaults(document: dict[str, t.Any], values: dict[str, str]) -> dict[str, t.Any]:
    """Return a template with known values as defaults: who validates it then sees what a condition leaves out."""
    definitions = {
        name: {**spec, "Default": values[name]} if name in values and not spec.get("NoEcho") else spec
        for name, spec in document.get("Parameters", {}).items()
    }
    return {**document, "Parameters": definitions} if definitions else document


def hidden_parameters(desired: Desired) -> set[str]:
    """Return the parameters whose values are not to be shown."""
    definitions = desired.template.parameters
    return {name for name, spec in definitions.items() if parameter_text(spec.get("NoEcho", False)) == "true"}


def is_unchanged(stack: Stack, desired: Desired) -> bool:
    """Say whether one look proves that an update would find nothing to do (termination protection aside)."""
    template = desired.template
    if not stack["StackStatus"].endswith("_COMPLETE") or template.has_moving_references:
        return False
    if current_outputs(stack).get(HASH_OUTPUT) != template.sha256:
        return False
    current, hidden = current_parameters(stack), hidden_parameters(desired)
    for name, value in desired.parameters.items():
        if value is not None and (name in hidden or current.get(name) != value):
            return False
    return desired.tags is None or desired.tags == pairs(stack.get("Tags", []), "Key", "Value")


def required_parameters(desired: Desired, stack: Stack | None, unknown: set[str]) -> None:
    """Check that every parameter has a value: given, kept, or a default.

    :raises McpError: some have none
    """
    kept = set() if stack is None else set(current_parameters(stack))
    have = {name for name, value in desired.parameters.items() if value is not None} | kept | unknown
    missing = [name for name, spec in desired.template.parameters.items() if "Default" not in spec and name not in have]
    if missing:
        raise McpError(
            f"parameters: stack {desired.name} needs a value for {', '.join(missing)}, "
            "which has no default and no value in an existing stack."
        )


def outline_rows(stack: Stack, desired: Desired) -> list[Change]:
    """Return a row for what differs without touching a resource: outputs, descriptions, unused parameters."""
    before, after = current_outputs(stack), desired.template.sha256
    had, will = sorted(set(before) - {HASH_OUTPUT}), sorted(live_outputs(stack, desired))
    details = []
    if before.get(HASH_OUTPUT) != after:
        named = ("Outputs", had, will) if had != will else ("Template", before.get(HASH_OUTPUT), after)
        details.append(make_detail(*named))
    current = current_parameters(stack)
    for name, value in desired.parameters.items():
        if value is not None and name not in hidden_parameters(desired) and current.get(name) != value:
            details.append(make_detail(f"Parameters.{name}", current.get(name), value))
    tags = pairs(stack.get("Tags", []), "Key", "Value")
    if desired.tags is not None and desired.tags != tags:
        details.append(make_detail("Tags", tags, desired.tags))
    return [make_change("update", desired.name, STACK_TYPE, details=details)] if details else []


def live_outputs(stack: Stack, desired: Desired) -> dict[str, t.Any]:
    """Return the outputs whose condition holds or is not known."""
    document = {**desired.template.document, "Resources": desired.template.document.get("Outputs", {})}
    return live_resources(document, known_inputs(desired, stack))
