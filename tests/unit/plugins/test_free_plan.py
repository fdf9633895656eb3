# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a FREE plan would refuse stops before anything is created; what AWS does not tell stops nothing."""

from __future__ import annotations

import datetime
import typing as t

import pytest
import yaml
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import free_plan, preflight
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import Context, McpError

from tests.support.checkout import ROOT
from tests.support.memory_aws import MemoryService, Refused

SIZES = yaml.safe_load((ROOT / "aws-resource-allocation.yaml").read_text())["phases"]["staging"]
FREE, PAID, UNKNOWN = ({"type": kind} for kind in ("FREE", "PAID", "unknown"))
NONE: dict[str, t.Any] = {"app": {"parameters": {}}, "data": {"parameters": {}}}
SMALL = {"mcp_phase": "staging", "mcp_database_backup_days": 1}


class FreeTier(MemoryService):
    """The service freetier."""

    service = "freetier"
    refusal: Refused | None = None

    def get_account_plan_state(self) -> dict[str, t.Any]:
        if self.refusal:
            raise self.refusal
        return {
            "accountId": "123456789012",
            "accountPlanType": "FREE",
            "accountPlanStatus": "ACTIVE",
            "accountPlanRemainingCredits": {"amount": 87.5, "unit": "USD"},
            "accountPlanExpirationDate": datetime.datetime(2027, 3, 1, tzinfo=datetime.UTC),
        }


def look(service: FreeTier | None) -> tuple[dict[str, t.Any], list[tuple[t.Any, ...]]]:
    """Ask for the plan; return it, and what clients were made."""
    made: list[tuple[t.Any, ...]] = []
    params: dict[str, t.Any] = {}

    def client(name: str, region: str | None) -> t.Any:
        made.append((name, region, params["aws_config"]["connect_timeout"]))
        assert service
        return service.client

    plan = free_plan.look(Context(params, client), sandbox=service is None)
    return plan, made


def test_the_plan_is_asked_for_where_it_is_and_not_for_long() -> None:
    plan, made = look(FreeTier())
    assert plan["type"] == "FREE" and plan["expires"] == "2027-03-01"
    assert plan["credits"] == {"amount": "87.5", "unit": "USD"}
    assert made == [("freetier", "us-east-1", 2)]


@pytest.mark.parametrize("code", ["ResourceNotFoundException", "AccessDeniedException", "InternalServerException"])
def test_what_aws_does_not_tell_is_unknown(code: str) -> None:
    service = FreeTier()
    service.refusal = Refused(code)
    plan, _made = look(service)
    assert plan["type"] == "unknown" and plan["unknown"]


def test_the_emulator_is_not_asked() -> None:
    plan, made = look(None)
    assert plan["unknown"] == "not available on the emulator" and made == []


@pytest.mark.parametrize(
    ("values", "said", "smaller"),
    [
        ({}, "RDS refuses to keep backups for 7 days", "-e mcp_database_backup_days=1  Or"),
        ({**SMALL, "mcp_database_backup_days": 2}, "for 2 days", "-e mcp_database_backup_days=1  Or"),
        ({**SMALL, "mcp_instance_type": "t3.medium"}, "EC2 refuses t3.medium", "-e mcp_instance_type=t3.micro  Or"),
        (
            {**SMALL, "mcp_database_instance_class": "db.t3.small"},
            "RDS refuses db.t3.small",
            "-e mcp_database_instance_class=db.t3.micro  Or",
        ),
    ],
)
def test_a_free_plan_takes_small_things_only(values: dict[str, t.Any], said: str, smaller: str) -> None:
    """Our own default of seven days of backups is one that it refuses."""
    with pytest.raises(McpError) as caught:
        free_plan.check(FREE, {"mcp_phase": "staging", **values}, SIZES, NONE)
    assert said in caught.value.message and smaller in caught.value.message
    assert "Nothing was changed" in caught.value.message and "upgrade-account-plan" in caught.value.message


@pytest.mark.parametrize("plan", [FREE, PAID, UNKNOWN, {}])
def test_what_it_takes_goes_on(plan: dict[str, t.Any]) -> None:
    free_plan.check(plan, {**SMALL, "mcp_instance_type": "t3.small"}, SIZES, NONE)
    free_plan.check(plan, {"mcp_phase": "production"}, {}, {})


@pytest.mark.parametrize("plan", [PAID, UNKNOWN, {}])
def test_others_than_a_free_plan_refuse_nothing(plan: dict[str, t.Any]) -> None:
    free_plan.check(plan, {"mcp_phase": "staging", "mcp_instance_type": "m7i.large"}, SIZES, NONE)


def test_what_aws_has_taken_already_is_not_asked_about() -> None:
    stacks = {
        "app": {"parameters": {"InstanceType": "t3.medium"}},
        "data": {"parameters": {"BackupRetentionDays": "7"}},
    }
    values = {"mcp_phase": "staging", "mcp_instance_type": "t3.medium"}
    free_plan.check(FREE, values, SIZES, stacks)
    with pytest.raises(McpError, match=r"t3\.large"):
        free_plan.check(FREE, {**values, "mcp_instance_type": "t3.large"}, SIZES, stacks)


def preflight_of(
    monkeypatch: pytest.MonkeyPatch, phase: str, stacks: dict[str, t.Any] = NONE, **params: t.Any
) -> dict[str, t.Any]:
    """Run preflight on an account with a FREE plan; what else it looks at is given."""
    values = {"mcp_phase": phase, "mcp_environment": phase, "mcp_sandbox": False, "mcp_region": "us-east-1"}
    values["mcp_database_backup_days"] = 2
    monkeypatch.setattr(preflight, "validated", lambda _ctx: values)
    monkeypatch.setattr(preflight, "describe", lambda *_arguments: {"stacks": stacks})
    monkeypatch.setattr(preflight, "read_yaml", lambda *_arguments: {"phases": {"staging": SIZES}})
    service = FreeTier()
    result = preflight.run(Context({"sizes_file": "", **params}, lambda *_arguments: service.client))
    deployment: dict[str, t.Any] = result["deployment"]
    return deployment


def test_preflight_stops_before_anything_is_created(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(McpError, match="free plan"):
        preflight_of(monkeypatch, "staging", account_plan=True)


def test_preflight_hands_the_plan_on(monkeypatch: pytest.MonkeyPatch) -> None:
    assert preflight_of(monkeypatch, "production", account_plan=True)["account_plan"]["type"] == "FREE"


@pytest.mark.parametrize(("phase", "asked"), [("local", True), ("staging", False)])
def test_preflight_asks_only_where_somebody_wants_to_know(
    monkeypatch: pytest.MonkeyPatch, phase: str, asked: bool
) -> None:
    assert "account_plan" not in preflight_of(monkeypatch, phase, account_plan=asked)


DEPLOYED: dict[str, t.Any] = {
    "app": {"status": "UPDATE_COMPLETE", "parameters": {"InstanceType": SIZES["ec2"]["instance_type"]}},
    "data": {
        "status": "UPDATE_COMPLETE",
        "parameters": {"InstanceClass": SIZES["rds"]["instance_class"], "BackupRetentionDays": "2"},
    },
}


@pytest.mark.parametrize("phase", ["staging", "production"])
def test_preflight_asks_nobody_where_everything_is_there_already(monkeypatch: pytest.MonkeyPatch, phase: str) -> None:
    assert "account_plan" not in preflight_of(monkeypatch, phase, DEPLOYED, account_plan=True)


@pytest.mark.parametrize(
    "other",
    [
        {"app": {**DEPLOYED["app"], "status": None}},
        {"data": {"status": "UPDATE_COMPLETE", "parameters": {**DEPLOYED["data"]["parameters"], "InstanceClass": "x"}}},
    ],
)
def test_preflight_asks_before_something_is_created_or_has_another_size(
    monkeypatch: pytest.MonkeyPatch, other: dict[str, t.Any]
) -> None:
    found = preflight_of(monkeypatch, "staging", {**DEPLOYED, **other}, account_plan=True)
    assert found["account_plan"]["type"] == "FREE"
