# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the phases' roles tell the module cost_estimate, as playbooks/estimate.yml does: nobody asked, nothing there."""

from __future__ import annotations

import typing as t
from decimal import Decimal

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import preflight
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import Context

from tests.support.checkout import ROOT
from tests.unit.plugins import estimate_world as world

ROLES = ROOT / "roles"
PREFLIGHT = ROLES / "preflight"


def loaded(*path: str) -> t.Any:
    """Return a file of the roles with its templates."""
    return DataLoader().load_from_file(str(ROLES.joinpath(*path)), cache="none", trusted_as_template=True)


def nobody(*_asked: t.Any) -> t.Any:
    """Be the client of a run that asks nobody."""
    raise AssertionError("AWS was asked")


def offline(phase: str, **variables: t.Any) -> dict[str, t.Any]:
    """Return what preflight hands on without asking anybody."""
    defaults = loaded("preflight", "defaults", "main.yml")
    given = {key: value for key, value in defaults.items() if "{{" not in str(value)}
    given |= {"mcp_phase": phase, "mcp_environment": phase, "mcp_require_staging": False, **variables}
    params = {
        "options_file": str(PREFLIGHT / "meta" / "argument_specs.yml"),
        "sizes_file": str(ROOT / "aws-resource-allocation.yaml"),
        "variables": given,
        "emergency": False,
        "account_plan": False,
        "offline": True,
        "runtime_source": None,
        "inventory": "inventories/x",
    }
    return preflight.run(Context(params, nobody))


def arguments(phase: str, registered: dict[str, t.Any] | None = None, **variables: t.Any) -> dict[str, t.Any]:
    """Return the arguments of the role's task, worked out.

    :param registered: what tasks before it found
    """
    result = offline(phase, **variables)
    templar = Templar(
        loader=DataLoader(),
        variables={
            **loaded("preflight", "defaults", "main.yml"),
            **loaded("preflight", "vars", "main.yml"),
            **loaded(phase, "vars", "main.yml"),
            **result["options"],
            **(registered or {}),
            "role_path": str(ROLES / phase),
            "preflight__result": result,
            "mcp_deployment": result["deployment"],
            "ansible_check_mode": False,
            "ansible_inventory_sources": ["inventories/x"],
            "_mcp_estimate_path": "reports/estimate.json",
        },
    )
    task = loaded("preflight", "tasks", "estimate.yml")[0]
    templar.available_variables = {**templar.available_variables, **task["vars"]}
    found: dict[str, t.Any] = templar.template(task["pratikoai.mcp_servers.cost_estimate"])
    return found


@pytest.mark.parametrize("phase", ["local", "staging", "production"])
def test_offline_asks_nobody_and_finds_nothing(phase: str) -> None:
    deployment = offline(phase)["deployment"]
    assert all(stack["status"] is None for stack in deployment["stacks"].values())
    assert set(deployment["stacks"]) == set(preflight.LAYERS.get(phase, ()))
    assert deployment["sizes"] and "local" not in deployment


@pytest.mark.parametrize("phase", ["staging", "production"])
def test_the_role_gives_the_estimate_of_its_templates(phase: str) -> None:
    options = arguments(phase)
    assert options["usage"] == {} and options["beside"] == [] and options["sandbox"] is False
    assert "deployed" not in options or "omit" in str(options["deployed"])
    estimate = world.run(phase, stacks=options["stacks"], usage=options["usage"])["estimate"]
    assert estimate["unpriced"] == []
    # Offline a load balancer has no certificate yet, so nobody watches one.
    alarms = {line["resource"] for line in estimate["lines"]} ^ {
        line["resource"] for line in world.estimated(phase)["lines"]
    }
    assert alarms <= {"watch.CertificateAlarm", "watch.CdnErrorsAlarm"}
    assert estimate["totals"]["always_free"] == world.estimated(phase)["totals"]["always_free"]


@pytest.mark.parametrize(
    ("phase", "variables", "item", "quantity"),
    [
        ("staging", {"mcp_instance_type": "t3.small"}, "ec2.t3.small", "730"),
        ("staging", {"mcp_instances_min": 2}, "ec2.t3.micro", "1460"),
        ("staging", {"mcp_database_instance_class": "db.t3.small"}, "rds.postgres.db.t3.small", "730"),
        ("staging", {"mcp_database_multi_az": True}, "rds.gp3", "40"),
        ("staging", {"mcp_database_storage_gb": 100}, "rds.gp3", "100"),
        ("staging", {"mcp_alerts_key": "own"}, "kms.key", "1"),
        ("production", {"mcp_memory_size": 1024}, "lambda.gb_seconds.arm64", "100000"),
        ("production", {"mcp_signing_key_store": "kms"}, "kms.key", "1"),
        ("production", {"mcp_usage": {"requests": 2_000_000}}, "apigateway.rest", "2"),
    ],
)
def test_a_variable_reaches_its_line(phase: str, variables: dict[str, t.Any], item: str, quantity: str) -> None:
    options = arguments(phase, **variables)
    given = {key: options[key] for key in ("stacks", "usage", "beside")}
    lines = world.run(phase, **given)["estimate"]["lines"]
    assert quantity in [line["quantity"] for line in lines if line["item"] == item]


def test_a_machine_of_ones_own_costs_nothing_but_for_a_real_bucket() -> None:
    def costs(**variables: t.Any) -> dict[str, t.Any]:
        options = arguments("local", **variables)
        return t.cast("dict[str, t.Any]", world.run("local", stacks={}, beside=options["beside"])["estimate"])

    assert costs()["claim"]["verdict"] == "holds" and costs()["lines"] == []
    real = costs(mcp_local_s3_bucket="mine")
    assert [item["resource"] for item in real["unpriced"]] == ["bucket mine"]
    assert real["claim"]["verdict"] == "not_comparable"


@pytest.mark.parametrize("phase", ["staging", "production"])
def test_without_metrics_there_are_none_to_pay(phase: str) -> None:
    assert arguments(phase, mcp_metrics="off")["usage"] == {"custom_metrics": 0}


@pytest.mark.parametrize("phase", ["staging", "production"])
def test_metrics_by_tool_are_counted_or_named(phase: str) -> None:
    options = arguments(phase, mcp_metrics_by_tool=True)
    estimate = world.run(phase, **{key: options[key] for key in ("stacks", "usage", "beside")})["estimate"]
    assert [item["resource"] for item in estimate["unpriced"]] == ["metrics by tool"]
    assert "Three metrics each" in estimate["unpriced"][0]["why"]
    given = {"mcp_usage": {"tool_metrics": 12}}
    options = arguments(phase, mcp_metrics_by_tool=True, **given)
    estimate = world.run(phase, **{key: options[key] for key in ("stacks", "usage", "beside")})["estimate"]
    assert options["beside"] == [] and "12" in [
        line["quantity"] for line in estimate["lines"] if line["item"] == "cloudwatch.metric"
    ]
    switched_off: list[dict[str, t.Any]] = [{}, {"mcp_metrics_by_tool": True, "mcp_metrics": "off"}]
    for off in switched_off:
        assert arguments(phase, None, **off, **given)["usage"]["tool_metrics"] == 0


@pytest.mark.parametrize("phase", ["staging", "production"])
def test_a_signing_key_is_beside_the_stacks_by_what_is_in_kms(phase: str) -> None:
    def keys(store: str, *ids: str | None) -> list[tuple[int, int]]:
        looked = {f"{phase}__key": {"keys": [{"kms_key_id": name} for name in ids]}}
        rows = arguments(phase, {} if ids == ("skipped",) else looked, mcp_signing_key_store=store)["beside"]
        return [(row["quantity"], row["deployed"]) for row in rows]

    assert keys("kms", "skipped") == keys("kms") == keys("kms", None) == [(1, 0)]
    assert keys("kms", "a") == [(1, 1)] and keys("kms", "a", "b") == [(2, 2)]
    assert keys("ssm", None) == [] and keys("ssm", "a") == [(1, 1)]


def test_secrets_in_ssm_cost_nothing() -> None:
    options = arguments("production", mcp_secret_store="ssm")
    estimate = world.run("production", stacks=options["stacks"])["estimate"]
    assert not [line for line in estimate["lines"] if line["item"].startswith("secretsmanager")]
    assert world.total(estimate) < world.total(world.estimated("production")) - Decimal("0.8")
