# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every size in a template comes from the allocation file: with other sizes there, each of them is in the template."""

from __future__ import annotations

import copy
import functools
import re
import typing as t
from pathlib import Path

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.allocation import PARTS
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.template import load_template

from tests.support import expanded as expansion
from tests.support.checkout import ROOT
from tests.support.expanded import PLAIN, expanded

PHASES = yaml.safe_load((ROOT / "aws-resource-allocation.yaml").read_text(encoding="utf-8"))["phases"]
SIZES = {name: {key: value for key, value in phase.items() if key not in PARTS} for name, phase in PHASES.items()}
LAYERS = {
    "staging": ("foundation", "staging-network", "staging-data", "staging-edge", "staging-app", "staging-watch"),
    "production": ("foundation", "data", "edge", "app", "watch"),
}
# Others than those of the file, that AWS would take, too; numbers become 32 times what they are.
OTHER_WORDS = {
    "t3.micro": "t3.large",
    "db.t3.micro": "db.t3.large",
    "17": "16",
    "PriceClass_100": "PriceClass_All",
    False: True,
}
# Of each property that is a size: where in the file it comes from; several where several resources have it.
FROM: dict[str, dict[str, str]] = {
    "staging": {
        "InstanceType": "ec2.instance_type",
        "VolumeSize": "ec2.volume_gb",
        "MinSize": "ec2.min",
        "MaxSize": "ec2.max",
        "DBInstanceClass": "rds.instance_class",
        "AllocatedStorage": "rds.storage_gb",
        "MaxAllocatedStorage": "rds.max_storage_gb",
        "EngineVersion": "rds.engine_version",
        "BackupRetentionPeriod": "rds.backup_days",
        "MultiAZ": "rds.multi_az",
        "RetentionInDays": "logs.retention_days",
        "ExpirationInDays": "logs.retention_days",
        "NoncurrentDays": "s3.noncurrent_days",
    },
    "production": {
        "MemorySize": "lambda.memory_mb lambda.authorizer_memory_mb lambda.rotation_memory_mb",
        "ThrottlingRateLimit": "api_gateway.throttle_rate api_gateway.other_throttle_rate",
        "ThrottlingBurstLimit": "api_gateway.throttle_burst api_gateway.other_throttle_burst",
        "MaxReadRequestUnits": "dynamodb.max_read_request_units",
        "MaxWriteRequestUnits": "dynamodb.max_write_request_units",
        "PriceClass": "cloudfront.price_class",
        "RetentionInDays": "logs.retention_days",
        "NoncurrentDays": "s3.noncurrent_days",
    },
}
# What is called as a size is, and is none that a person chooses: by resource and property.
NO_SIZE = {
    ("StateBucket", "NoncurrentDays"): "records are kept as long everywhere",
    ("StateBucket", "ExpirationInDays"): "what a killed plan left there",
    ("LogsBucket", "NoncurrentDays"): "the log's versions go a day after it",
    ("RotationDeadLetters", "MessageRetentionPeriod"): "the longest that a queue keeps messages; it costs nothing",
}
SIZE = re.compile(
    r"(Memory|Instance|Volume|Min|Max|Desired|Ephemeral)?(Size|Capacity|Storage)|(DB)?Instance(Type|Class)|MultiAZ"
    r"|\w*Retention\w*|(Noncurrent|Expiration\w*)Days|\w*(Rate|Burst)Limit|\w*RequestUnits|\w*CapacityUnits"
    r"|PriceClass|EngineVersion|Iops|Throughput|\w*Concurren\w*|MaxAllocatedStorage|AllocatedStorage|ExpirationInDays"
)


def leaves(sizes: dict[str, t.Any], prefix: str = "") -> t.Iterator[tuple[str, t.Any]]:
    """Return the sizes by their dotted names."""
    for key, value in sizes.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def others(sizes: dict[str, t.Any]) -> dict[str, t.Any]:
    """Return other sizes."""
    return {
        key: others(value)
        if isinstance(value, dict)
        else OTHER_WORDS[value]
        if isinstance(value, (str, bool))
        else value * 32
        for key, value in sizes.items()
    }


def evaluated(phase: str, sizes: dict[str, t.Any]) -> dict[str, t.Any]:
    """Return those parameters of the phase's role that name a size, worked out as the role does."""
    variables = yaml.safe_load((ROOT / "roles" / phase / "vars" / "main.yml").read_text(encoding="utf-8"))
    known = {"_mcp_sizes": sizes, "_mcp_options": {}, "_staging_memory_mb": variables.get("_staging_memory_mb")}
    templar = Templar(loader=DataLoader(), variables=known)
    given = {
        name: text
        for group in (*variables["_mcp_parameters"].values(), *variables["_mcp_literals"].values())
        for name, text in group.items()
        if "_mcp_sizes" in str(text)
    }
    return {name: templar.template(trust_as_template(str(text))) for name, text in given.items()}


def properties(node: t.Any) -> t.Iterator[tuple[str, t.Any]]:
    """Return every property that is called as a size is, however deep it is."""
    if isinstance(node, list):
        for item in node:
            yield from properties(item)
    elif isinstance(node, dict):
        for key, value in node.items():
            if SIZE.fullmatch(key) and not isinstance(value, (dict, list)):
                yield key, value
            yield from properties(value)


def sizes_of(phase: str, sizes: dict[str, t.Any]) -> list[tuple[str, str, str]]:
    """Return resource, property and value of every size in the phase's expanded templates."""
    given = {**PLAIN, **evaluated(phase, sizes)}
    return [
        (resource, name, str(value).lower())
        for layer in LAYERS[phase]
        for resource, body in expanded(layer, given)["Resources"].items()
        for name, value in properties(body.get("Properties", {}))
        if (resource, name) not in NO_SIZE
    ]


@pytest.mark.parametrize("phase", FROM)
@pytest.mark.parametrize("changed", [False, True])
def test_every_size_in_the_templates_is_the_files(phase: str, changed: bool) -> None:
    sizes = others(SIZES[phase]) if changed else SIZES[phase]
    by_name = {name: str(value).lower() for name, value in leaves(sizes)}
    found = sizes_of(phase, sizes)
    assert {name for _resource, name, _value in found} == set(FROM[phase])
    for resource, name, value in found:
        allowed = [by_name[size] for size in FROM[phase][name].split()]
        assert value in allowed, f"{resource}.{name} is {value}, not {allowed}"


@functools.cache
def declared(layer: str) -> dict[str, t.Any]:
    """Return the parameters of a layer's template."""
    path = expansion.LAYERS[layer]
    return load_template(path.read_text(encoding="utf-8"), path.name)["Parameters"]


@pytest.mark.parametrize(("phase", "size"), [(phase, size) for phase in FROM for size, _value in leaves(SIZES[phase])])
def test_each_size_of_the_file_changes_a_template(phase: str, size: str) -> None:
    sizes = copy.deepcopy(SIZES[phase])
    group, _dot, name = size.partition(".")
    sizes[group][name] = others(SIZES[phase])[group][name]
    before, after = evaluated(phase, SIZES[phase]), evaluated(phase, sizes)
    changed = {parameter for parameter, value in after.items() if value != before[parameter]}
    layers = [layer for layer in LAYERS[phase] if changed & declared(layer).keys()]
    assert layers, f"{size} is in no template"
    for layer in layers:
        assert expanded(layer, {**PLAIN, **before}) != expanded(layer, {**PLAIN, **after})


# Local: Compose's ceilings, and the programs of the process runtime.

LOCAL = ROOT / "roles" / "local"


def local_texts() -> str:
    """Return everything that the local phase reads its sizes in."""
    paths = [*LOCAL.rglob("*.yml"), *LOCAL.rglob("*.j2"), Path(ROOT, "plugins", "module_utils", "local_environment.py")]
    return "\n".join(path.read_text(encoding="utf-8") for path in paths)


@pytest.mark.parametrize("changed", [False, True])
def test_every_ceiling_of_compose_is_the_files(changed: bool) -> None:
    sizes = others(SIZES["local"]) if changed else SIZES["local"]
    text = (LOCAL / "templates" / "compose.yaml.j2").read_text(encoding="utf-8")
    found = re.findall(r"^    (mem_limit|cpus): (.*)$|retention\.time=(.*)$", text, re.MULTILINE)
    templar = Templar(loader=DataLoader(), variables={"_mcp_sizes": sizes, "_local_processors": 10**6})
    assert len(found) == 2 * text.count("mem_limit:") + 1
    for key, limit, retention in found:
        named = re.findall(r"_mcp_sizes\.([\w.]+)", limit or retention)
        assert len(named) == 1, f"{key} is {limit or retention}"
        value = dict(leaves(sizes))[named[0]]
        unit = {"mem_limit": "m", "cpus": ""}.get(key, "d")
        assert str(templar.template(trust_as_template(limit or retention))) == f"{value}{unit}"


@pytest.mark.parametrize("size", [name for name, _value in leaves(SIZES["local"])])
def test_each_size_of_local_is_used(size: str) -> None:
    assert f"_mcp_sizes.{size}" in local_texts() or f'sizes.get("{size}"' in local_texts()
