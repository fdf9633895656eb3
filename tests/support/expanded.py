# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our templates as CloudFormation sees them: literals inlined, SAM translated, conditions decided."""

from __future__ import annotations

import typing as t

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import template as templates
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import template_references as references

from tests.support.checkout import ROOT

REGION = "us-east-1"
ACCOUNT = "123456789012"
LAYERS = {path.stem: path for path in sorted(ROOT.glob("roles/*/files/*.yaml"))}
# As the role deploys production to AWS without any variable set.
PLAIN: dict[str, t.Any] = {
    "Environment": "production",
    "Region": REGION,
    "Release": "0123456789ab",
    "CodeBucket": "mcp-production-state",
    "CodeKey": "packages/lambda-arm64.zip",
    "Runtime": "python3.13",
    "Architecture": "arm64",
    "MemorySize": 512,
    "AuthorizerMemorySize": 256,
    "Timeout": 28,
    "LogRetentionDays": 30,
    "NoncurrentDays": 30,
    "OriginReadTimeout": 30,
    "SandboxPort": 0,
    "Sandbox": "false",
    "SnapStart": "None",
    "Tracing": "PassThrough",
    "ReleaseStrategy": "Canary10Percent5Minutes",
    "ShiftTraffic": "true",
    "SecretStore": "secretsmanager",
    "SecretRotationDays": 90,
    "LiveVersion": "7",
    "LiveAuthorizerVersion": "7",
}
# Everything that a variable can switch on.
FULL: dict[str, t.Any] = {
    **PLAIN,
    "AlertsKey": "own",
    "AlertEmail": "oncall@example.org",
    "Tracing": "Active",
    "SnapStart": "PublishedVersions",
    "Domain": "mcp.example.org",
    "HostedZoneId": "Z0123456789ABC",
    "CertificateArn": f"arn:aws:acm:{REGION}:{ACCOUNT}:certificate/0123",
}
# The other store of secrets, and the maintenance answer at both places.
OTHER: dict[str, t.Any] = {**FULL, "SecretStore": "ssm", "GatewayMode": "maintenance", "Maintenance": "true"}
# What excludes each other, so that every resource is in at least one of them.
EVERY = {"plain": PLAIN, "everything-on": FULL, "ssm-and-maintenance": OTHER}
PSEUDO = {"AWS::Region": REGION, "AWS::Partition": "aws", "AWS::AccountId": ACCOUNT, "AWS::URLSuffix": "amazonaws.com"}


def value_of(name: str, spec: dict[str, t.Any], given: dict[str, t.Any]) -> t.Any:
    """Return a parameter's value: the given one, its default, or one that fits its type."""
    if name in given:
        return given[name]
    if "Default" in spec:
        return spec["Default"]
    allowed = spec.get("AllowedValues")
    if allowed:
        return allowed[0]
    return 10 if spec["Type"] == "Number" else name.lower()


def expanded(layer: str, given: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
    """Return a layer's template expanded, with its parameters' values in their place and its conditions decided.

    :raises McpError: it does not fit together
    """
    path = LAYERS[layer]
    declared = templates.load_template(path.read_text(encoding="utf-8"), path.name).get("Parameters", {})
    values = {name: value_of(name, spec, PLAIN if given is None else given) for name, spec in declared.items()}
    literals = {name: value for name, value in values.items() if layer == "app" and "Default" not in declared[name]}
    ready = templates.build_template(str(path), literals)
    texts = {name: templates.parameter_text(value) for name, value in values.items()}
    return decided(templates.expand(ready.document, texts, REGION), {**values, **PSEUDO})


def decided(document: dict[str, t.Any], values: dict[str, t.Any]) -> dict[str, t.Any]:
    """Put values and the branches that they choose in place, and leave out what a false condition leaves out."""
    conditions = document.get("Conditions", {})
    texts = {name: templates.parameter_text(value) for name, value in values.items()}

    def choose(node: dict[str, t.Any]) -> t.Any:
        if set(node) != {"Fn::If"}:
            return node
        name, then, otherwise = node["Fn::If"]
        chosen = then if templates.holds({"Condition": name}, conditions, texts) else otherwise
        return without_no_value(references.walk(chosen, choose))

    live = templates.live_resources(document, texts)
    chosen = without_no_value(references.walk(live, choose))
    resources = references.substitute(chosen, values)
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Resources": {
            name: {key: item for key, item in body.items() if key != "Condition"} for name, body in resources.items()
        },
    }


def without_no_value(node: t.Any) -> t.Any:
    """Leave out what AWS::NoValue stands for."""
    nothing = {"Ref": "AWS::NoValue"}
    if isinstance(node, list):
        return [without_no_value(item) for item in node if item != nothing]
    if isinstance(node, dict) and node != nothing:
        return {key: without_no_value(value) for key, value in node.items() if value != nothing}
    return node
