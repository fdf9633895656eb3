# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the phases' roles ask about health: every probe is one that the module takes, and names what the stacks have."""

from __future__ import annotations

import re
import typing as t
from pathlib import Path

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import health_options, stack_operation
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_aws_traffic import KINDS as MEASURED

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


def world_of(
    phase: str, layers: t.Container[str] | None = None, *, local: dict[str, t.Any] | None = None, **variables: t.Any
) -> Templar:
    """Return what works variables of a phase out.

    :param layers: the layers that are there; by default all
    :param local: what differs on this machine
    """
    extra = {name: variables.pop(name) for name in list(variables) if not name.startswith("mcp_")}
    result = offline(phase, **variables)
    deployment = deployment_of(phase, result["deployment"], layers)
    deployment |= extra.pop("deployment", {})
    if local:
        deployment["local"] |= local
    for layer, status in extra.pop("statuses", {}).items():
        deployment["stacks"][layer] = {**deployment["stacks"][layer], "status": status}
    return Templar(
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


def worked_out(templar: Templar, template: str) -> t.Any:
    """Return what a variable is."""
    return templar.template(trust_as_template(f"{{{{ {template} }}}}"))


def asked(phase: str, layers: t.Container[str] | None = None, **more: t.Any) -> list[dict[str, t.Any]]:
    """Return the probes of a phase, worked out."""
    [task] = [task for task in loaded("preflight", "tasks", "health.yml") if "pratikoai.mcp_servers.health" in task]
    found = world_of(phase, layers, **more).template(task["pratikoai.mcp_servers.health"]["probes"])
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
    assert live and not any(kind in MEASURED for kind in live.values())


def test_measured_traffic_is_told_apart() -> None:
    assert {probe["name"] for probe in asked("production") if probe["kind"] in MEASURED} == {
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


STORES = ("server", "postgres", "redis", "s3")


@pytest.mark.parametrize(
    ("started", "installed", "seen"),
    [
        # Installed since the last deploy: nobody started it.
        (STORES, (*STORES, "prometheus", "alertmanager"), []),
        # Not on the PATH of whoever looks: it runs all the same.
        ((*STORES, "redis-exporter", "prometheus", "alertmanager"), STORES, ["prometheus", "alertmanager"]),
        # Nobody knows what was started.
        (None, (*STORES, "prometheus"), ["prometheus"]),
    ],
)
def test_what_the_last_deploy_started_is_asked_whatever_is_on_path(
    tmp_path: Path, started: t.Sequence[str] | None, installed: t.Sequence[str], seen: list[str]
) -> None:
    local = {"runtime": "process", "dir": str(tmp_path), "services": {name: {} for name in installed}}
    if started is not None:
        text = "\n".join(f"[program:{name}]\ncommand=/x [program:none]" for name in started)
        (tmp_path / "supervisord.conf").write_text(f"[supervisord]\nnodaemon=false\n{text}\n")
    probes = asked("local", local=local)
    assert names(probes) == ["mcp", "health", "ready", "postgres", "redis", "s3", *seen]
    for probe in probes[6:7]:
        jobs = {
            "redis-exporter": "redis",
            "server": "server",
            "prometheus": "prometheus",
            "alertmanager": "alertmanager",
        }
        assert set(probe["jobs"]) == {jobs[name] for name in started or installed if name in jobs}


@pytest.mark.parametrize(
    ("runtime", "marker"), [("process", "supervisord.conf"), ("process", "run/"), ("docker", "compose.yaml")]
)
def test_what_was_removed_from_this_machine_but_for_its_data_is_stopped(
    tmp_path: Path, runtime: str, marker: str
) -> None:
    local = {"runtime": runtime, "dir": str(tmp_path), "used": {"runtime": runtime}}
    world = world_of("local", local=local)
    assert not worked_out(world, "_mcp_health_deployed")
    told = worked_out(world, "_mcp_health_absent")
    assert told["evidence"] == "local is stopped, its data are kept"
    assert told["next_step"].startswith("ansible-playbook deploy.yml -i ")
    if marker.endswith("/"):
        (tmp_path / marker).mkdir()
    else:
        (tmp_path / marker).write_text("")
    assert worked_out(world_of("local", local=local), "_mcp_health_deployed")
    never = worked_out(world_of("local", local={**local, "used": {}}), "_mcp_health_absent")
    assert "is not deployed" in never["evidence"]


@pytest.mark.parametrize("phase", ["staging", "production"])
def test_what_playbook_destroy_leaves_is_no_failure(phase: str) -> None:
    kept = [layer for layer in OUTPUTS[phase] if layer not in ("app", "watch")]
    probes = asked(phase, kept)
    assert not [problem for _probe, problem in health_options.check_probes(probes) if problem]
    absent = {probe["name"]: probe.get("absent") for probe in probes if probe["kind"] == "stack"}
    assert {name for name, value in absent.items() if value == "unknown"} == {"stack app", "stack watch"}
    # And with its data.
    gone = {probe["name"]: probe.get("absent") for probe in asked(phase, ["foundation"]) if probe["kind"] == "stack"}
    assert gone.pop("stack foundation") == "unknown"
    assert set(gone.values()) == {"unknown"}
    for alone in ("app", "watch"):
        assert not [probe for probe in asked(phase, [*kept, alone]) if "absent" in probe]
    assert not [probe for probe in asked(phase, ()) if "absent" in probe]


@pytest.mark.parametrize("phase", ["staging", "production"])
def test_a_stack_that_holds_nothing_is_asked_nothing_else(phase: str) -> None:
    for status in (*stack_operation.UNUSABLE, "ROLLBACK_IN_PROGRESS", "DELETE_IN_PROGRESS", "DELETE_COMPLETE"):
        found = names(asked(phase, statuses={"data": status, "app": status}))
        assert {"stack data", "stack app", "certificate"} <= set(found), status
        assert not {"mcp", "health", "overrides", "files bucket", "database", "table", "backup"} & set(found), status
    world = world_of(phase, (), statuses={"app": "ROLLBACK_COMPLETE"})
    assert worked_out(world, "_mcp_health_deployed") and not worked_out(world, "_mcp_health_there")


def explained_by_maintenance(phase: str) -> set[str]:
    """Return the alarms whose own description says that the maintenance answer sets them off."""
    text = (ROLES / phase / "files" / "watch.yaml").read_text()
    alarms = re.findall(r'AlarmName: !Sub "(.+)"\n((?:.*\n)+?) +Namespace:', text)
    return {
        name.replace("${Environment}", phase) for name, said in alarms if "maintenance answer" in " ".join(said.split())
    }


@pytest.mark.parametrize("phase", ["staging", "production"])
def test_what_follows_from_the_maintenance_answer_alarms_nobody(phase: str) -> None:
    [open_one] = [probe for probe in asked(phase) if probe["name"] == "alarms"]
    assert (open_one["target"], open_one["expected"]) == (f"mcp-{phase}-watch", [])
    probes = {probe["name"]: probe for probe in asked(phase, deployment={"diverted": True})}
    assert not [problem for _probe, problem in health_options.check_probes(list(probes.values())) if problem]
    assert not [name for name in probes if name.startswith("traffic")]
    assert set(probes["alarms"]["expected"]) == explained_by_maintenance(phase)
    assert probes["overrides"]["diverted"] is True


def test_diverted_at_the_cdn_alone_the_gateway_has_no_reason_to_ring() -> None:
    world = world_of("production")
    world.available_variables["mcp_deployment"]["stacks"]["edge"]["parameters"]["Maintenance"] = "true"
    [alarms] = worked_out(world, "_mcp_health_alarms")
    assert alarms["expected"] == ["mcp-production-cdn-errors"]
    assert worked_out(world, "_mcp_health_overrides")[0]["diverted"] is False


@pytest.mark.parametrize("phase", ["staging", "production"])
def test_elsewhere_than_in_the_usual_partition_what_is_in_one_region_of_all_is_not_asked(phase: str) -> None:
    found = set(names(asked(phase, deployment={"caller": "arn:aws-us-gov:iam::123456789012:user/ada"})))
    assert not {"distribution", "spend", "aws health"} & found
    assert {"certificate", "state bucket"} <= found


@pytest.mark.parametrize("phase", ["staging", "production"])
def test_a_bucket_has_to_be_of_the_account_and_aws_health_need_not_be_had(phase: str) -> None:
    probes = {probe["name"]: probe for probe in asked(phase)}
    assert [probe["account"] for probe in probes.values() if probe["kind"] == "bucket"] == [ACCOUNT] * 2
    assert probes["aws health"]["optional"] is True


@pytest.mark.parametrize(
    ("read", "kept"),
    [
        ({"objects": {"health/runs.json": {"format": 1}}}, True),
        ({"objects": {"health/runs.json": None}}, True),
        ({"msg": "S3 refuses"}, False),
        ({"skipped": True}, False),
    ],
)
def test_runs_that_could_not_be_read_are_never_written_over(read: dict[str, t.Any], kept: bool) -> None:
    tasks = loaded("..", "playbooks", "tasks", "health_write.yml")
    [task] = [task for task in tasks if task["name"] == "Keep this run"]
    templar = Templar(loader=DataLoader(), variables={"ansible_check_mode": False, "_mcp_health_state": read})
    assert all(templar.evaluate_conditional(condition) for condition in task["when"]) is kept


@pytest.mark.parametrize("phase", ["local", "staging", "production"])
def test_a_persons_token_is_left_alone(phase: str) -> None:
    world = world_of(phase, mcp_report_dir="reports", _mcp_environment=phase)
    path = worked_out(world, "_mcp_token_file")
    assert path == f"reports/{phase}/health-token.json"
    [probe] = [probe for probe in worked_out(world, "_mcp_health_asked") if probe["name"] == "mcp"]
    assert probe["token_file"] == path
    assert worked_out(world, "_mcp_health_token_seconds") == 300
    world.available_variables["ansible_check_mode"] = True
    assert worked_out(world, "_mcp_token_file") == f"reports/{phase}/token.json"
    foreign = world_of(
        phase, mcp_issuer="https://issuer.example", mcp_jwks_url="https://x/y", mcp_verify_token_file="t.json"
    )
    assert worked_out(foreign, "_mcp_token_file") == "t.json"


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
