# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the phases' roles ask about health: every probe is one that the module takes, and names what the stacks have."""

from __future__ import annotations

import typing as t

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import health_options
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_kinds import KINDS

from tests.unit.roles.test_estimate import ROLES, loaded, offline

ACCOUNT = "123456789012"
OUTPUTS: dict[str, dict[str, dict[str, str]]] = {
    "staging": {
        "foundation": {"StateBucket": "mcp-staging-state"},
        "network": {},
        "data": {
            "DatabaseInstanceId": "mcp-staging",
            "FilesBucket": "mcp-staging-files",
            "RequestStateSecretArn": "arn:x:secretsmanager:eu-south-1:1:secret:a",
            "DatabaseMasterSecretArn": "arn:x:secretsmanager:eu-south-1:1:secret:b",
            "DatabaseSecretArn": "none",
        },
        "edge": {
            "LoadBalancerDnsName": "mcp-staging.elb.example",
            "LoadBalancerFullName": "app/mcp-staging/1",
            "TargetGroupArn": "arn:x:elasticloadbalancing:eu-south-1:1:targetgroup/a/1",
            "HttpsListenerArn": "arn:x:listener",
        },
        "app": {"AutoScalingGroupName": "mcp-staging"},
        "watch": {"DashboardName": "mcp-staging"},
    },
    "production": {
        "foundation": {"StateBucket": "mcp-production-state"},
        "data": {
            "TableName": "mcp-production-documents",
            "FilesBucket": "mcp-production-files",
            "RequestStateSecretArn": "arn:x:secretsmanager:us-east-1:1:secret:a",
            "OriginSecretArn": "arn:x:secretsmanager:us-east-1:1:secret:b",
        },
        "edge": {"DistributionId": "E123", "DistributionDomain": "d111.cloudfront.example"},
        "app": {"ApiId": "abc", "StageName": "live"},
        "watch": {"DashboardName": "mcp-production"},
    },
}
EVERYWHERE = {"mcp", "health"}
AWS = {"overrides", "alarms", "backup", "state bucket", "files bucket", "spend", "aws health", "tls", "traffic errors"}
LOCAL = {"ready", "postgres", "redis", "s3", "prometheus", "alertmanager", "grafana"}


def deployment_of(phase: str, handed_on: dict[str, t.Any], layers: t.Container[str] | None = None) -> dict[str, t.Any]:
    """Return what preflight hands on of an environment that is there."""
    found: dict[str, t.Any] = {**handed_on, "account": ACCOUNT}
    for layer, outputs in OUTPUTS.get(phase, {}).items():
        if layers is None or layer in layers:
            found["stacks"][layer] = {**found["stacks"][layer], "status": "UPDATE_COMPLETE", "outputs": outputs}
    edge = found["stacks"].get("edge", {})
    if edge.get("status"):
        edge["parameters"] = {"CertificateArn": "arn:x:acm:us-east-1:1:certificate/c", "Domain": ""}
    if phase == "local":
        services = ["server", "postgres", "redis", "s3", "prometheus", "alertmanager", "grafana", "postgres-exporter"]
        ports = loaded("preflight", "defaults", "main.yml")["mcp_local_ports"]
        found["local"] = {
            "dir": "/home/ada/a folder/local",
            "runtime": "docker",
            "ports": ports,
            "services": {name: {} for name in services},
            "images": {},
            "reload": False,
            "used": {"runtime": "docker"},
        }
    return found


def asked(
    phase: str, layers: t.Container[str] | None = None, *, local: dict[str, t.Any] | None = None, **variables: t.Any
) -> list[dict[str, t.Any]]:
    """Return the probes of a phase, worked out."""
    extra = {name: variables.pop(name) for name in list(variables) if not name.startswith("mcp_")}
    result = offline(phase, **variables)
    deployment = deployment_of(phase, result["deployment"], layers)
    deployment |= extra.pop("deployment", {})
    if local:
        deployment["local"] |= local
    templar = Templar(
        loader=DataLoader(),
        variables={
            **loaded("preflight", "defaults", "main.yml"),
            **loaded("preflight", "vars", "main.yml"),
            **loaded(phase, "vars", "main.yml"),
            **loaded("preflight", "vars", "health.yml"),
            **loaded(phase, "vars", "health.yml"),
            **result["options"],
            "role_path": str(ROLES / phase),
            "preflight__result": {**result, "deployment": deployment},
            "mcp_deployment": deployment,
            "ansible_check_mode": False,
            "ansible_inventory_sources": ["inventories/x"],
            "omit": "__omit__",
            **extra,
        },
    )
    found: list[dict[str, t.Any]] = templar.template(
        loaded("preflight", "tasks", "health.yml")[1]["pratikoai.mcp_servers.health"]["probes"]
    )
    return [{key: value for key, value in probe.items() if "omit" not in str(value)} for probe in found]


def names(probes: list[dict[str, t.Any]]) -> list[str]:
    """Return what the checks are called."""
    return [probe["name"] for probe in probes]


@pytest.mark.parametrize("phase", ["local", "staging", "production"])
def test_the_module_takes_every_probe(phase: str) -> None:
    probes = asked(phase)
    wrong = [(probe["name"], problem) for probe, problem in health_options.check_probes(probes) if problem]
    assert wrong == []
    assert EVERYWHERE | (LOCAL if phase == "local" else AWS) <= set(names(probes))
    assert len(names(probes)) == len(set(names(probes)))


@pytest.mark.parametrize("phase", ["staging", "production"])
def test_each_layer_speaks_for_itself_and_what_is_not_there_is_not_asked(phase: str) -> None:
    probes = asked(phase, layers=("foundation", "data"))
    layers = [name.removeprefix("stack ") for name in names(probes) if name.startswith("stack ")]
    assert layers == list(OUTPUTS[phase])
    assert not {"mcp", "health", "overrides", "alarms", "tls", "traffic errors", "certificate"} & set(names(probes))
    assert {"state bucket", "backup"} <= set(names(probes))


def test_a_secret_that_the_stacks_do_not_have_is_not_asked_for() -> None:
    found = [name for name in names(asked("staging")) if name.startswith("secret")]
    assert found == ["secret request state", "secret database administrator"]


@pytest.mark.parametrize("phase", ["staging", "production"])
def test_while_it_is_diverted_the_maintenance_answer_is_what_is_wanted(phase: str) -> None:
    overrides = [{"field": "stage", "stack": "a", "actual": "b"}]
    probes = {probe["name"]: probe for probe in asked(phase, deployment={"diverted": True, "overrides": overrides})}
    assert probes["maintenance answer"]["expect_status"] == 503
    assert not EVERYWHERE & set(probes)
    assert probes["overrides"]["overrides"] == overrides


@pytest.mark.parametrize("phase", ["staging", "production"])
def test_a_look_that_failed_speaks_in_place_of_its_check(phase: str) -> None:
    assert "overrides" not in names(asked(phase, _mcp_health_said=[{"check": "overrides"}]))
    assert "overrides" in names(asked(phase, _mcp_health_said=[{"check": "token"}]))


@pytest.mark.parametrize("phase", ["local", "staging", "production"])
def test_a_persons_own_probe_comes_last_and_may_take_the_place_of_ours(phase: str) -> None:
    own = [{"name": "health", "kind": "http", "url": "http://127.0.0.1:1/x"}, {"name": "mine", "kind": "tcp"}, {}]
    probes = asked(phase, mcp_health_probes=own)
    assert probes[-3:] == own
    assert [probe for probe in probes if probe.get("name") == "health"] == own[:1]


@pytest.mark.parametrize("phase", ["staging", "production"])
def test_what_follows_a_deploy_never_judges_measured_traffic(phase: str) -> None:
    live = {probe["name"]: probe["kind"] for probe in loaded(phase, "vars", "main.yml")["_mcp_live_probes"]}
    assert live and not any(KINDS[kind].measured for kind in live.values())


def test_measured_traffic_is_told_apart() -> None:
    assert {probe["name"] for probe in asked("production") if KINDS[probe["kind"]].measured} == {
        "traffic errors",
        "traffic latency",
        "function errors",
        "function latency",
        "function throttles",
        "authorizer errors",
    }


def test_both_runtimes_of_this_machine_are_asked_where_they_listen() -> None:
    ports = {"server": 18000, "postgres": 15432, "redis": 16379, "s3": 19000, "prometheus": 19091, "grafana": 13000}
    ports |= {"alertmanager": 19093, "postgres_exporter": 19187, "redis_exporter": 19121}
    for runtime, kind in (("docker", "http"), ("process", "tcp")):
        probes = {probe["name"]: probe for probe in asked("local", local={"runtime": runtime, "ports": ports})}
        assert health_options.check_probes(list(probes.values()))[0][1] is None
        assert probes["s3"]["kind"] == kind
        assert probes["postgres"]["port"] == 15432 and probes["redis"]["port"] == 16379
        assert probes["prometheus"]["jobs"] == ["server", "postgres", "prometheus", "alertmanager"]
        assert "19091" in probes["prometheus"]["url"]
        assert ("docker logs" if runtime == "docker" else "'/home/ada/a folder") in probes["mcp"]["next_step"]


def test_what_is_not_installed_is_not_asked() -> None:
    services: dict[str, t.Any] = {name: {} for name in ("server", "postgres", "redis", "s3")}
    probes = names(asked("local", local={"runtime": "process", "services": services}))
    assert probes == ["mcp", "health", "ready", "postgres", "redis", "s3"]


def test_files_in_a_real_bucket_are_looked_for_there() -> None:
    [probe] = [
        probe for probe in asked("local", mcp_local_s3_bucket="ours", mcp_region="eu-south-1") if probe["name"] == "s3"
    ]
    assert probe == {"name": "s3", "kind": "bucket", "target": "ours", "region": "eu-south-1"}


@pytest.mark.parametrize("phase", ["staging", "production"])
def test_the_deadline_leaves_a_hung_server_time_to_be_told_from_a_slow_one(phase: str) -> None:
    deadline = loaded("preflight", "defaults", "main.yml")["mcp_health_deadline"]
    for probe in asked(phase):
        assert probe.get("timeout", 10) * probe.get("attempts", 1) + probe.get("delay", 0) < deadline, probe["name"]
