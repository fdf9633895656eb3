# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""CloudFormation templates as data: load, inline literals, hashed logical ids, one body, local expansion."""

from __future__ import annotations

import copy
import difflib
import fnmatch
import functools
import hashlib
import re
import typing as t
from dataclasses import dataclass

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import McpError
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.template_references import (
    Json,
    canonical,
    check_references,
    rename,
    substitute,
)

try:
    import yaml
except ImportError:  # the module then says which library is missing
    yaml = None  # type: ignore[assignment,unused-ignore]  # only without PyYAML; needed only with its stubs

# An output, not a stack tag: CloudFormation copies every stack tag to every resource, so a hash
# in a tag would turn each change of the template into an update of all of them.
HASH_OUTPUT = "McpTemplateSha256"
HASH_METADATA = "McpHashOf"
SAM_TRANSFORM = "AWS::Serverless-2016-10-31"
# These only rewrite what the template itself says; a macro may answer differently every time.
PURE_TRANSFORMS = {SAM_TRANSFORM, "AWS::LanguageExtensions"}
SNAPSHOT_TYPES = ("AWS::ApiGateway::Method", "AWS::ApiGateway::GatewayResponse")
UNPINNED_SSM = re.compile(r"\{\{resolve:ssm(?:-secure)?:[^:}]+\}\}")


@dataclass(frozen=True)
class Template:
    """A template ready for CloudFormation.

    :param document: the template as data, literals inlined, logical ids hashed, without the hash output
    :param body: minified JSON with sorted keys and the hash output
    :param sha256: hex digest over the canonical document
    """

    document: dict[str, Json]
    body: str
    sha256: str

    @property
    def parameters(self) -> dict[str, dict[str, Json]]:
        """Return the declared parameters: name -> definition."""
        return self.document.get("Parameters", {})

    @property
    def has_moving_references(self) -> bool:
        """Say whether an unchanged text may mean something else today (SSM without a version, macros)."""
        if UNPINNED_SSM.search(self.body) or set(transforms(self.document)) - PURE_TRANSFORMS:
            return True
        return any("AWS::SSM::Parameter::" in str(spec.get("Type")) for spec in self.parameters.values())


def read_text(path: str) -> str:
    """Return the text of a template file.

    :raises McpError: the file cannot be read
    """
    try:
        with open(path, encoding="utf-8", newline="") as stream:
            return stream.read()
    except (OSError, UnicodeDecodeError) as error:
        raise McpError(f"template: {path} cannot be read ({error}). Give the path of a CloudFormation file.") from error


def build_template(path: str, literals: dict[str, Json]) -> Template:
    """Read a template file and make it ready.

    :raises McpError: the file cannot be read, is no template, or does not fit the literals
    """
    return prepare_template(read_text(path), path, literals)


def prepare_template(text: str, source: str, literals: dict[str, Json]) -> Template:
    """Make the text of a template ready.

    :param source: what to call it in messages
    :raises McpError: it is no template, or does not fit the literals
    """
    document = hash_logical_ids(inline_literals(load_template(text, source), literals))
    if not transforms(document):
        check_references(document, source)
    digest = sha256_of(document)
    stamped = copy.copy(document)
    stamped["Outputs"] = {**document.get("Outputs", {}), HASH_OUTPUT: {"Value": digest}}
    return Template(document=document, body=canonical(stamped), sha256=digest)


def sha256_of(node: Json) -> str:
    """Return the hex SHA-256 of data."""
    return hashlib.sha256(canonical(node).encode("utf-8")).hexdigest()


# Loading


def _construct_intrinsic(loader: t.Any, suffix: str, node: t.Any) -> dict[str, Json]:
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
        if suffix == "GetAtt":
            value = value.split(".", 1)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)
    return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


def _construct_unique_mapping(loader: t.Any, node: t.Any) -> dict[str, Json]:
    seen: set[str] = set()
    for key_node, _value in node.value:
        if key_node.value in seen and key_node.tag != "tag:yaml.org,2002:merge":
            raise yaml.constructor.ConstructorError(None, None, f"duplicate key {key_node.value}", key_node.start_mark)
        seen.add(key_node.value)
    loader.flatten_mapping(node)
    return loader.construct_mapping(node, deep=True)


@functools.lru_cache(maxsize=1)
def _loader_class() -> t.Any:
    class TemplateLoader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # chosen at run time
        """Read CloudFormation's short tags; own class, so that nobody else's loader changes."""

    # A version such as 2010-09-09 is text in a template, not a date.
    TemplateLoader.yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in TemplateLoader.yaml_implicit_resolvers.items()
    }
    TemplateLoader.add_multi_constructor("!", _construct_intrinsic)
    TemplateLoader.add_constructor("tag:yaml.org,2002:map", _construct_unique_mapping)
    return TemplateLoader


def load_template(text: str, source: str) -> dict[str, Json]:
    """Parse YAML or JSON with CloudFormation's short tags.

    :param source: the file's name, for messages
    :raises McpError: it is not a template
    """
    if yaml is None:
        raise McpError("The Python library PyYAML is missing. Install it with: pip install PyYAML")
    try:
        document = yaml.load(text, Loader=_loader_class())
    except yaml.YAMLError as error:
        raise McpError(f"template: {source} is not valid YAML: {_one_line(error)}") from error
    if not isinstance(document, dict) or not isinstance(document.get("Resources"), dict) or not document["Resources"]:
        raise McpError(f"template: {source} has no Resources, so it is no CloudFormation template.")
    for logical_id, resource in document["Resources"].items():
        if not isinstance(resource, dict) or not isinstance(resource.get("Type"), str):
            raise McpError(f"template: {source}: the resource {logical_id} has no Type.")
    return document


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


def transforms(document: dict[str, Json]) -> list[str]:
    """Return the names of the template's transforms."""
    declared = document.get("Transform", [])
    return [item if isinstance(item, str) else "AWS::Include" for item in _as_list(declared)]


def _as_list(value: Json) -> list[Json]:
    return value if isinstance(value, list) else [value]


# Literals


def inline_literals(document: dict[str, Json], literals: dict[str, Json]) -> dict[str, Json]:
    """Write values into the template in the place of the parameters of these names.

    :raises McpError: a literal without a value, or for which the template has no parameter
    """
    declared = document.get("Parameters", {})
    for name, value in literals.items():
        if name not in declared:
            raise McpError(unknown_name("literals", name, declared))
        if value is None:
            raise McpError(f"literals: {name} has no value. Give one, or pass it in parameters.")
    values = {name: _literal(value, str(declared[name].get("Type"))) for name, value in literals.items()}
    kept = {name: spec for name, spec in declared.items() if name not in literals}
    result = substitute({key: value for key, value in document.items() if key != "Parameters"}, values)
    return {**result, "Parameters": kept} if kept else result


def _literal(value: Json, parameter_type: str) -> Json:
    if isinstance(value, bool):
        return parameter_text(value)
    if isinstance(value, str) and (parameter_type == "CommaDelimitedList" or parameter_type.startswith("List<")):
        return [item.strip() for item in value.split(",")]
    return value


def parameter_text(value: Json) -> str:
    """Return a value as CloudFormation takes and shows it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        return ",".join(parameter_text(item) for item in value)
    return str(value)


def unknown_name(option: str, name: str, allowed: t.Iterable[str]) -> str:
    """Say that a name is not among the template's parameters, and which one was probably meant."""
    names = sorted(allowed)
    close = difflib.get_close_matches(name, names, n=1)
    hint = f" Did you mean {close[0]}?" if close else ""
    return f"{option}: the template has no parameter {name}.{hint} It has: {', '.join(names) or 'none'}."


# Hashed logical ids


def hash_logical_ids(document: dict[str, Json]) -> dict[str, Json]:
    """Give each resource with ``Metadata: {McpHashOf: [...]}`` an id that changes with the resources it names.

    Immutable resources (a gateway's Deployment, a function's Version) are made anew only under a new
    logical id. The id gets the first ten hex digits of a SHA-256 over the named resources.

    :raises McpError: a name matches no resource
    """
    resources = {logical_id: _without_marker(body) for logical_id, body in document["Resources"].items()}
    names: dict[str, str] = {}
    for logical_id, body in document["Resources"].items():
        patterns = body.get("Metadata", {}).get(HASH_METADATA)
        if not patterns:
            continue
        targets = _match(logical_id, _as_list(patterns), resources)
        names[logical_id] = logical_id + sha256_of(_hash_material(document, resources, targets))[:10]
        snapshots = [target for target in targets if resources[target]["Type"] in SNAPSHOT_TYPES]
        resources[logical_id] = _with_dependencies(resources[logical_id], snapshots)
    if not names:
        return {**document, "Resources": resources}
    result = rename({**document, "Resources": resources}, names)
    result["Resources"] = {
        names.get(logical_id, logical_id): _rename_dependencies(body, names)
        for logical_id, body in result["Resources"].items()
    }
    return result


def _without_marker(body: dict[str, Json]) -> dict[str, Json]:
    if HASH_METADATA not in body.get("Metadata", {}):
        return body
    metadata = {key: value for key, value in body["Metadata"].items() if key != HASH_METADATA}
    rest = {key: value for key, value in body.items() if key != "Metadata"}
    return {**rest, "Metadata": metadata} if metadata else rest


def _match(logical_id: str, patterns: list[str], resources: dict[str, Json]) -> list[str]:
    found: set[str] = set()
    for pattern in patterns:
        matched = set(fnmatch.filter(resources, pattern)) - {logical_id}
        if not matched:
            raise McpError(f"template: {HASH_METADATA} of {logical_id} names {pattern}, which matches no resource.")
        found |= matched
    return sorted(found)


def _hash_material(document: dict[str, Json], resources: dict[str, Json], targets: list[str]) -> dict[str, Json]:
    material: dict[str, Json] = {target: resources[target] for target in targets}
    if any(resources[target]["Type"].startswith("AWS::Serverless::") for target in targets):
        material["Globals"] = document.get("Globals", {})
    return material


def _with_dependencies(body: dict[str, Json], targets: list[str]) -> dict[str, Json]:
    if not targets:
        return body
    own = _as_list(body.get("DependsOn", []))
    return {**body, "DependsOn": sorted({*own, *targets})}


def _rename_dependencies(body: dict[str, Json], names: dict[str, str]) -> dict[str, Json]:
    if "DependsOn" not in body:
        return body
    own = body["DependsOn"]
    renamed = [names.get(item, item) for item in own] if isinstance(own, list) else names.get(own, own)
    return {**body, "DependsOn": renamed}


# Local expansion


def expand(document: dict[str, Json], parameters: dict[str, Json], region: str) -> dict[str, Json]:
    """Return the template as CloudFormation will see it, SAM resources translated by AWS's own translator.

    :param parameters: known values; defaults are added
    :raises McpError: the translator is missing or refuses the template
    """
    document = copy.deepcopy(document)
    if SAM_TRANSFORM not in transforms(document):
        return document
    try:
        import boto3
        from samtranslator.model.exceptions import InvalidDocumentException
        from samtranslator.parser.parser import Parser
        from samtranslator.translator.translator import Translator
        from samtranslator.utils.py27hash_fix import to_py27_compatible_template, undo_mark_unicode_str_in_template
    except ImportError as error:
        raise McpError(
            "The Python library aws-sam-translator is missing. Install it with: pip install aws-sam-translator"
        ) from error
    session = boto3.session.Session(region_name=region)
    values = dict(parameters)
    try:
        to_py27_compatible_template(document, values)
        translator = Translator(None, Parser(), boto_session=session)
        translated = translator.translate(document, parameter_values=values, get_managed_policy_map=dict)
        # They go nowhere, but are warned about when they stay.
        translator.metrics.publish()
    except InvalidDocumentException as error:
        causes = "; ".join(cause.message for cause in error.causes) or error.message
        raise McpError(f"template: SAM refuses it: {causes}") from error
    expanded = undo_mark_unicode_str_in_template(translated)
    if set(transforms(document)) == {SAM_TRANSFORM}:
        check_references(expanded, "once expanded it")
    return expanded


def known_values(template: Template, parameters: dict[str, str | None]) -> dict[str, str]:
    """Return the values that are known before the stack exists: defaults, then what was given."""
    values = {name: parameter_text(spec["Default"]) for name, spec in template.parameters.items() if "Default" in spec}
    values.update({name: value for name, value in parameters.items() if value is not None})
    return values


def live_resources(document: dict[str, Json], values: dict[str, str]) -> dict[str, dict[str, Json]]:
    """Return the resources whose condition holds or is not known yet."""
    conditions = document.get("Conditions", {})
    return {
        logical_id: body
        for logical_id, body in document["Resources"].items()
        if "Condition" not in body or holds({"Condition": body["Condition"]}, conditions, values) is not False
    }


def holds(expression: Json, conditions: dict[str, Json], values: dict[str, str]) -> bool | None:
    """Evaluate a condition; None where a value is not known."""
    if not isinstance(expression, dict) or len(expression) != 1:
        return None
    ((function, argument),) = expression.items()
    if function == "Condition":
        return holds(conditions.get(argument), conditions, values)
    if function == "Fn::Equals":
        left, right = (_scalar(item, values) for item in argument)
        return None if left is None or right is None else left == right
    if function not in ("Fn::And", "Fn::Or", "Fn::Not"):
        return None
    results = [holds(item, conditions, values) for item in argument]
    if function == "Fn::Not":
        return None if results[0] is None else not results[0]
    decisive = function == "Fn::Or"
    if decisive in results:
        return decisive
    return None if None in results else not decisive


def _scalar(node: Json, values: dict[str, str]) -> str | None:
    node = substitute(node, values)
    return None if isinstance(node, (dict, list)) else parameter_text(node)
