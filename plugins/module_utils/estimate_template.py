# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The resources that a template makes, with the values of its parameters in their place."""

from __future__ import annotations

import functools
import typing as t
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import template as templates
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import McpError
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.estimate_amount import Amount, exact, unknown
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.estimate_values import computed, without_no_value
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.template_references import (
    Json,
    substitute,
    walk,
)

FUNCTION = "AWS::Serverless::Function"
# From these the translator makes resources of their own, which may be billed.
NEEDS_TRANSLATOR = ("Events", "EventInvokeConfig", "FunctionUrlConfig")
# What an estimate is not about: it says what the same would cost on AWS.
AS_ON_AWS = {"Sandbox": "false", "SandboxPort": "0"}


def as_it_is(node: Json) -> Json:
    """Return what has no references."""
    return node


@dataclass(frozen=True)
class Resource:
    """A resource of a stack.

    :param layer: the stack's part of the environment
    :param raw: its properties as the template has them
    :param siblings: all resources of its template by logical id
    :param resolve: puts values in their place
    """

    layer: str
    logical_id: str
    type: str
    raw: dict[str, Json]
    siblings: dict[str, Resource] = field(default_factory=dict, repr=False, compare=False)
    resolve: t.Callable[[Json], Json] = field(default=as_it_is, repr=False, compare=False)

    @functools.cached_property
    def properties(self) -> dict[str, Json]:
        """Return its properties with values in their place; most resources are free and never asked."""
        found: dict[str, Json] = self.resolve(self.raw)
        return found

    @property
    def name(self) -> str:
        """Return what lines call it."""
        return f"{self.layer}.{self.logical_id}"

    def get(self, path: str, default: Json = None) -> Json:
        """Return a property, by its path with dots."""
        node: Json = self.properties
        for part in path.split("."):
            if not isinstance(node, dict) or part not in node:
                return default
            node = node[part]
        return node

    def number(self, path: str, default: int | None = None) -> Amount:
        """Return a property that is a number."""
        value = self.get(path, default)
        if value is None:
            return unknown(path, f"{path} is not set")
        try:
            return exact(Decimal(str(value)), path)
        except InvalidOperation:
            return unknown(path, f"{path} is not known yet")

    def text(self, path: str, default: str = "") -> str | None:
        """Return a property that is text, None where it is not known."""
        value = self.get(path, default)
        return None if isinstance(value, (dict, list)) else templates.parameter_text(value)

    def flag(self, path: str) -> bool:
        """Tell whether a property is true."""
        return self.text(path, "false") == "true"

    def referred(self, path: str) -> Resource | None:
        """Return the resource of the same template that a property names."""
        value = self.get(path)
        name = value.get("Ref") if isinstance(value, dict) else None
        return self.siblings.get(name) if isinstance(name, str) else None


def read_resources(
    layer: str, text: str, source: str, parameters: dict[str, Json], literals: dict[str, Json], **how: t.Any
) -> list[Resource]:
    """Return the resources of a template whose conditions hold, or are not known yet.

    :param parameters: of the stack; empty text is a value that is not known yet
    :param literals: what is written into the template before it is deployed; also only some of it
    :param how: of ``expanded``
    :raises McpError: it is no template
    """
    document = templates.load_template(text, source)
    values = known_values(document, {**parameters, **literals})
    return chosen(layer, expanded(document, values, **how), values, how["region"])


def known_values(document: dict[str, Json], given: dict[str, Json]) -> dict[str, Json]:
    """Return the values of a template's parameters as far as they are known."""
    values: dict[str, Json] = {}
    for name, spec in document.get("Parameters", {}).items():
        value = AS_ON_AWS.get(name, given.get(name, spec.get("Default")))
        is_list = str(spec.get("Type")).startswith(("List<", "CommaDelimitedList"))
        if value is None or (value == "" and is_list):
            continue
        text = templates.parameter_text(value)
        values[name] = [item.strip() for item in text.split(",")] if is_list else text
    return values


def expanded(document: dict[str, Json], values: dict[str, Json], region: str, translate: bool) -> dict[str, Json]:
    """Return a template without resources of SAM.

    :param translate: by AWS's own translator, where it is installed; else only what needs it
    """
    serverless = {
        name: body for name, body in document["Resources"].items() if body["Type"].startswith("AWS::Serverless::")
    }
    if not serverless:
        return document
    if translate or document.get("Globals") or not all(is_plain_function(body) for body in serverless.values()):
        texts = {name: templates.parameter_text(value) for name, value in values.items()}
        try:
            return templates.expand(document, texts, region)
        except McpError as error:
            if "pip install" not in error.message:
                raise
    # A function without events is the same function with or without SAM; others stay, and are then not priced.
    simple = {name: as_function(body) if is_plain_function(body) else body for name, body in serverless.items()}
    return {**document, "Resources": {**document["Resources"], **simple}}


def is_plain_function(body: dict[str, Json]) -> bool:
    """Tell whether a resource of SAM is a function that makes nothing else that is billed."""
    return body["Type"] == FUNCTION and not any(body.get("Properties", {}).get(name) for name in NEEDS_TRANSLATOR)


def as_function(body: dict[str, Json]) -> dict[str, Json]:
    """Return a function of SAM as Lambda's own type, as far as prices go."""
    properties = dict(body.get("Properties", {}))
    if "Tracing" in properties:
        properties["TracingConfig"] = {"Mode": properties.pop("Tracing")}
    return {**body, "Type": "AWS::Lambda::Function", "Properties": properties}


def chosen(layer: str, document: dict[str, Json], values: dict[str, Json], region: str) -> list[Resource]:
    """Return the live resources with the branches that the values choose."""
    known = {**values, "AWS::Region": region, "AWS::Partition": "aws", "AWS::URLSuffix": "amazonaws.com"}
    texts = {name: templates.parameter_text(value) for name, value in known.items()}
    mappings = document.get("Mappings", {})
    conditions = computed(substitute(document.get("Conditions", {}), texts), mappings)

    def choose(node: dict[str, Json]) -> Json:
        if set(node) != {"Fn::If"}:
            return node
        name, then, otherwise = node["Fn::If"]
        holds = templates.holds({"Condition": name}, conditions, texts)
        if holds is None:
            return node
        return without_no_value(walk(then if holds else otherwise, choose))

    def resolve(node: Json) -> Json:
        return computed(substitute(without_no_value(walk(node, choose)), known), mappings)

    siblings: dict[str, Resource] = {}
    for name, body in templates.live_resources({**document, "Conditions": conditions}, texts).items():
        siblings[name] = Resource(layer, name, body["Type"], body.get("Properties", {}), siblings, resolve)
    return list(siblings.values())
