# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our templates as CloudFormation sees them: literals inlined, SAM translated, conditions decided."""

from __future__ import annotations

import ipaddress
import itertools
import typing as t

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import template as templates
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import template_references as references

from tests.support.checkout import ROOT

REGION = "us-east-1"
ACCOUNT = "123456789012"
PRODUCTION = {path.stem: path for path in sorted(ROOT.glob("roles/production/files/*.yaml"))}
# Its foundation is production's.
STAGING = {f"staging-{path.stem}": path for path in sorted(ROOT.glob("roles/staging/files/*.yaml"))}
LAYERS = {**PRODUCTION, **STAGING}
# Values without a default are written into these before they are deployed.
WITH_LITERALS = ("app", "staging-app")
# As the roles deploy to AWS without any variable set.
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
    "RotationMemorySize": 256,
    "OtherThrottleRate": 5,
    "OtherThrottleBurst": 10,
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
    "VpcCidr": "10.42.0.0/16",
    "ServerPort": 8000,
    "InstanceClass": "db.t3.micro",
    "InstanceClassMemoryMb": "1024",
    "AllocatedStorage": 20,
    "MaxAllocatedStorage": 50,
    "EngineVersion": "17",
    "BackupRetentionDays": 7,
    "MultiAz": "false",
    "InstanceType": "t3.micro",
    "ImageId": "ami-0123456789abcdef0",
    "MinSize": 1,
    "MaxSize": 2,
    "DatabasePrepared": "true",
    "PublicSubnetIds": "subnet-0a,subnet-0b",
    "DatabaseSubnetIds": "subnet-0c,subnet-0d",
    "UserData": "#!/bin/bash\ntrue\n",
    "StateBucket": "mcp-production-state",
    "DatabaseUser": "mcp",
    "LimitsParameter": "/mcp/production/limits",
}
# Everything that a variable can switch on.
FULL: dict[str, t.Any] = {
    **PLAIN,
    "AlertsKey": "own",
    "AlertEmail": "oncall@example.org",
    "AllowedCidrs": "192.0.2.0/25,192.0.2.128/25,198.51.100.0/24,203.0.113.0/25,203.0.113.128/25",
    "Tracing": "Active",
    "SnapStart": "PublishedVersions",
    "Domain": "mcp.example.org",
    "HostedZoneId": "Z0123456789ABC",
    "CertificateArn": f"arn:aws:acm:{REGION}:{ACCOUNT}:certificate/0123",
}
# The other store of secrets, and the maintenance answer at both places.
OTHER: dict[str, t.Any] = {**FULL, "SecretStore": "ssm", "GatewayMode": "maintenance", "Maintenance": "true"}
# What stands in for AWS's own only there; before the first release, too.
SANDBOX: dict[str, t.Any] = {
    **PLAIN,
    "Sandbox": "true",
    "SandboxPort": 4566,
    "DatabasePrepared": "false",
    "LiveVersion": "",
}
# What excludes each other, so that every resource is in at least one of them, or in the sandbox alone.
EVERY = {"plain": PLAIN, "everything-on": FULL, "ssm-and-maintenance": OTHER}
SANDBOX_ALONE = ("staging-data",)
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
    literals = {
        name: value for name, value in values.items() if layer in WITH_LITERALS and "Default" not in declared[name]
    }
    ready = templates.build_template(str(path), literals)
    texts = {name: templates.parameter_text(value) for name, value in values.items()}
    for name, spec in declared.items():
        if spec["Type"] == "CommaDelimitedList":
            values[name] = texts[name].split(",")
    return decided(templates.expand(ready.document, texts, REGION), {**values, **PSEUDO})


def decided(document: dict[str, t.Any], values: dict[str, t.Any]) -> dict[str, t.Any]:
    """Put values and the branches that they choose in place, and leave out what a false condition leaves out."""
    texts = {name: templates.parameter_text(value) for name, value in values.items()}
    mappings = document.get("Mappings", {})
    known = {name: value if isinstance(value, list) else texts[name] for name, value in values.items()}
    conditions = computed(references.substitute(document.get("Conditions", {}), known), mappings)

    def choose(node: dict[str, t.Any]) -> t.Any:
        if set(node) != {"Fn::If"}:
            return node
        name, then, otherwise = node["Fn::If"]
        chosen = then if templates.holds({"Condition": name}, conditions, texts) else otherwise
        return without_no_value(references.walk(chosen, choose))

    live = templates.live_resources(document, texts)
    chosen = without_no_value(references.walk(live, choose))
    resources = computed(references.substitute(chosen, values), mappings)
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Resources": {
            name: {key: item for key, item in body.items() if key != "Condition"} for name, body in resources.items()
        },
    }


def computed(node: t.Any, mappings: dict[str, t.Any]) -> t.Any:
    """Work out the functions whose arguments are all known."""
    if isinstance(node, list):
        return [computed(item, mappings) for item in node]
    if not isinstance(node, dict):
        return node
    node = {key: computed(value, mappings) for key, value in node.items()}
    (function, given), *more = node.items() or [("", None)]
    if more or not function.startswith("Fn::"):
        return node
    if function == "Fn::GetAZs":
        return [f"{given or REGION}{letter}" for letter in "abcdef"]
    if function == "Fn::Split" and isinstance(given[1], str):
        return given[1].split(given[0])
    if function == "Fn::Select" and isinstance(given[1], list):
        return given[1][given[0]]
    if function == "Fn::FindInMap" and isinstance(given[1], str):
        return mappings[given[0]][given[1]][given[2]]
    if function == "Fn::Cidr" and isinstance(given[0], str):
        block, count, bits = given
        parts = ipaddress.ip_network(block).subnets(new_prefix=32 - bits)
        return [str(part) for part in itertools.islice(parts, count)]
    return node


def without_no_value(node: t.Any) -> t.Any:
    """Leave out what AWS::NoValue stands for."""
    nothing = {"Ref": "AWS::NoValue"}
    if isinstance(node, list):
        return [without_no_value(item) for item in node if item != nothing]
    if isinstance(node, dict) and node != nothing:
        return {key: without_no_value(value) for key, value in node.items() if value != nothing}
    return node
