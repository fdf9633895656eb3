# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""secret_rotation: secrets are made once, carried between stores, and rotated by the function's own steps."""

from __future__ import annotations

import io
import json
import typing as t

import pytest
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import secret_rotation as module
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import Context, McpError
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.secret_places import NAMES
from botocore.exceptions import ClientError
from pratiko_mcp import rotation

from tests.unit.app.rotation_world import (
    OLD_KEY,
    OLD_ORIGIN,
    PARAMETERS,
    SECRETS_MANAGER,
    V1,
    V2,
    World,
)

ORIGIN, STATE = (f"/mcp/production/secrets/{NAMES['ssm'][name]}" for name in ("origin", "request_state"))


class Functions:
    """Lambda: the rotation function as it is, and what the functions were told to read."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.steps: list[str] = []
        self.told: dict[str, dict[str, str]] = {}
        self.tell(world.settings.origin_secret, world.settings.request_state_secret)

    def tell(self, origin: str, state: str) -> None:
        both = {"MCP_ORIGIN_SECRET": origin, "MCP_REQUEST_STATE_SECRET": state}
        self.told = {"rotation": both, "authorizer": both, "server": both}

    def get_function_configuration(self, FunctionName: str, Qualifier: str = "") -> dict[str, t.Any]:
        name = FunctionName.removeprefix("mcp-production-")
        assert Qualifier == ("" if name == "rotation" else "live")
        if name not in self.told:
            raise ClientError({"Error": {"Code": "ResourceNotFoundException"}}, "GetFunctionConfiguration")
        return {"Environment": {"Variables": self.told[name]}}

    def invoke(self, FunctionName: str, Payload: bytes) -> dict[str, t.Any]:
        assert FunctionName == "mcp-production-rotation"
        event = json.loads(Payload)
        self.steps.append(f"{event['Step']} {event['SecretId']}")
        opened = self.world.rotation(event["SecretId"])
        try:
            result = rotation.answer(event, opened, event["WaitSeconds"])
        except rotation.RotationError as failed:
            text = json.dumps({"errorMessage": str(failed), "errorType": "RotationError"})
            return {"FunctionError": "Unhandled", "Payload": io.BytesIO(text.encode())}
        return {"Payload": io.BytesIO(json.dumps(result).encode())}


class Gateway:
    """API Gateway's cache of the authorizer's answers."""

    def __init__(self) -> None:
        self.flushed: list[tuple[str, str]] = []
        self.refusal: ClientError | None = None

    def flush_stage_authorizers_cache(self, restApiId: str, stageName: str) -> None:
        if self.refusal:
            raise self.refusal
        self.flushed.append((restApiId, stageName))


class Bench:
    """One environment and the module."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.functions, self.gateway = Functions(world), Gateway()
        self.said: list[str] = []
        self.warnings: list[str] = []

    def client(self, service: str, _region: str | None = None) -> t.Any:
        others: dict[str, t.Any] = {"lambda": self.functions, "apigateway": self.gateway, "s3": "s3"}
        return others.get(service) or self.world.client(service)

    def run(self, check_mode: bool = False, **params: t.Any) -> dict[str, t.Any]:
        defaults = {name: spec.get("default") for name, spec in module.ARGUMENT_SPEC.items()}
        ctx = Context(
            {**defaults, "environment": "production", **params},
            self.client,
            check_mode,
            progress=self.said.append,
            warn=self.warnings.append,
        )
        result = module.run(ctx)
        told = json.dumps([result, self.said, self.warnings])
        for value in self.values():
            assert value not in told
        return result

    def values(self) -> set[str]:
        """Return every value that any store holds."""
        held = {value for values in self.world.secrets.values.values() for value in values.values()}
        for source in (PARAMETERS.origin_secret, PARAMETERS.request_state_secret):
            if source.removeprefix("ssm:") in self.world.parameters.stored:
                held |= set(self.world.parameters.at(source).values())
        return {value for value in held if value}


@pytest.fixture(autouse=True)
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Time that was waited for, without waiting."""
    waits: list[float] = []
    monkeypatch.setattr(module.time, "sleep", waits.append)
    return waits


@pytest.fixture(params=[SECRETS_MANAGER, PARAMETERS], ids=["secretsmanager", "ssm"])
def bench(request: pytest.FixtureRequest) -> Bench:
    return Bench(World(request.param))


def store_of(bench: Bench) -> str:
    return "ssm" if bench.world.settings is PARAMETERS else "secretsmanager"


def test_a_look_tells_versions_and_changes_nothing(bench: Bench) -> None:
    store = store_of(bench)
    result = bench.run(store=store, in_use=store)
    assert (result["changed"], result["pending_changes"]) == (False, False)
    wanted = {"id": bench.world.settings.origin_secret, "version": V1, "field": "current", "pending": None}
    assert result["secrets"]["origin"] == wanted
    assert not [call for call in bench.world.calls if call.startswith(("put", "update"))]


def test_while_a_rotation_is_under_way_a_deploy_gets_the_new_version(bench: Bench) -> None:
    bench.world.rotation(bench.world.settings.origin_secret).start(V2)
    found = bench.run(store=store_of(bench), in_use=store_of(bench))["secrets"]["origin"]
    assert (found["version"], found["field"], found["pending"]) == (V2, "pending", V2)


def test_a_pending_version_without_a_value_is_none() -> None:
    """A rotation that failed in createSecret leaves its label on an empty version, which no stack could read."""
    bench = Bench(World(SECRETS_MANAGER))
    bench.world.secrets.labels[SECRETS_MANAGER.origin_secret]["AWSPENDING"] = V2
    found = bench.run(store="secretsmanager", in_use="secretsmanager")["secrets"]["origin"]
    assert (found["version"], found["field"], found["pending"]) == (V1, "current", None)


@pytest.mark.parametrize("code", ["AccessDeniedException", "InternalServiceError"])
def test_a_pending_version_that_cannot_be_looked_at_is_no_empty_one(code: str) -> None:
    """Whoever may only rotate is not shown values; any other failure ends the look."""
    bench = Bench(World(SECRETS_MANAGER))
    bench.world.rotation(SECRETS_MANAGER.origin_secret).start(V2)

    def refuse() -> None:
        raise bench.world.secrets.refuse(code, "GetSecretValue")

    bench.world.before["get_secret_value"] = refuse
    if code == "AccessDeniedException":
        assert bench.run(store="secretsmanager", in_use="secretsmanager")["secrets"]["origin"]["pending"] == V2
    else:
        with pytest.raises(ClientError, match=code):
            bench.run(store="secretsmanager", in_use="secretsmanager")


def test_parameters_are_made_once_and_never_overwritten() -> None:
    bench = Bench(World(PARAMETERS))
    bench.world.parameters.stored.clear()
    look = bench.run(store="ssm", check_mode=True)
    assert look["changed"] and look["pending_changes"] and not bench.world.parameters.stored
    assert look["secrets"]["origin"]["id"] == PARAMETERS.origin_secret
    first = bench.run(store="ssm", tags={"mcp:environment": "production"})
    stored = dict(bench.world.parameters.stored)
    assert first["changed"] and not first["pending_changes"] and set(stored) == {ORIGIN, STATE}
    second = bench.run(store="ssm", in_use="ssm")
    assert not second["changed"] and second["secrets"] == first["secrets"]
    assert bench.world.parameters.stored == stored
    documents = [json.loads(text) for text, _ in stored.values()]
    assert len({document["current"] for document in documents}) == 2


def test_a_secret_that_the_data_stack_has_yet_to_make_is_not_known() -> None:
    bench = Bench(World(SECRETS_MANAGER))
    bench.world.secrets.values.clear()
    result = bench.run(check_mode=True)
    assert result["pending_changes"] and not result["changed"]
    assert result["secrets"]["origin"] == {"id": None, "version": None, "field": None, "pending": None}


def test_a_parameter_of_somebody_else_is_left_alone() -> None:
    bench = Bench(World(PARAMETERS))
    bench.world.parameters.stored[ORIGIN] = ("hands off", 1)
    with pytest.raises(McpError, match="holds no secret of an environment") as failure:
        bench.run(store="ssm")
    assert "hands off" not in failure.value.message and bench.world.parameters.stored[ORIGIN] == ("hands off", 1)


def test_a_secret_that_waits_for_its_deletion_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(World(SECRETS_MANAGER))
    deleted = {"ARN": "arn", "DeletedDate": "2026-11-22"}
    monkeypatch.setattr(bench.world.secrets, "on_describe_secret", lambda **_request: deleted, raising=False)
    with pytest.raises(McpError, match="restore-secret --secret-id mcp-production-origin-key"):
        bench.run()


def test_values_are_carried_to_ssm_and_back_while_callers_go_on() -> None:
    bench = Bench(World(SECRETS_MANAGER))
    world = bench.world
    world.parameters.stored.clear()
    rotation_of_state = world.rotation(SECRETS_MANAGER.request_state_secret)
    rotation_of_state.start(V2)
    for step in rotation.STEPS:
        rotation_of_state.step(step, V2, 600)
    state = world.secrets.at(SECRETS_MANAGER.request_state_secret)
    look = bench.run(store="ssm", in_use="secretsmanager", check_mode=True)
    assert look["changed"] and not world.parameters.stored
    assert bench.run(store="ssm", in_use="secretsmanager")["changed"]
    assert world.parameters.at(PARAMETERS.origin_secret) == {"AWSCURRENT": OLD_ORIGIN}
    assert world.parameters.at(PARAMETERS.request_state_secret) == state and state["AWSPREVIOUS"] == OLD_KEY
    assert not bench.run(store="ssm", in_use="secretsmanager")["changed"]
    carry_back(bench, state)


def carry_back(bench: Bench, state: t.Mapping[str, str]) -> None:
    """Go back to Secrets Manager, whose secrets the data stack has made anew."""
    world = bench.world
    for arn in world.secrets.values:
        world.secrets.values[arn], world.secrets.labels[arn] = {V1: "made by CloudFormation"}, {"AWSCURRENT": V1}
    assert bench.run(store="secretsmanager", in_use="ssm")["changed"]
    assert world.secrets.at(SECRETS_MANAGER.origin_secret) == {"AWSCURRENT": OLD_ORIGIN}
    assert world.secrets.at(SECRETS_MANAGER.request_state_secret) == state
    assert not bench.run(store="secretsmanager", in_use="ssm")["changed"]


def test_a_stale_copy_in_the_other_store_is_overwritten_by_what_is_in_force() -> None:
    bench = Bench(World(SECRETS_MANAGER))
    bench.world.secrets.values[SECRETS_MANAGER.origin_secret][V1] = "in force"
    bench.run(store="ssm", in_use="secretsmanager")
    assert bench.world.parameters.at(PARAMETERS.origin_secret) == {"AWSCURRENT": "in force"}


def test_a_store_does_not_change_in_the_middle_of_a_rotation() -> None:
    bench = Bench(World(SECRETS_MANAGER))
    bench.world.parameters.stored.clear()
    bench.world.rotation(SECRETS_MANAGER.origin_secret).start(V2)
    with pytest.raises(McpError, match=r"a rotation of the origin secret .* has not ended.*rotate_secrets.yml"):
        bench.run(store="ssm", in_use="secretsmanager")
    assert not bench.world.parameters.stored


def test_both_rotate_step_by_step(bench: Bench) -> None:
    settings = bench.world.settings
    result = bench.run(state="rotated", store=store_of(bench))
    names = ["startRotation", *rotation.STEPS]
    wanted = [
        f"{step} {source}" for source in (settings.origin_secret, settings.request_state_secret) for step in names
    ]
    assert bench.functions.steps == wanted
    assert [(item["target"], item["before"], item["resumed"]) for item in result["rotated"]] == [
        ("origin", V1, False),
        ("request_state", V1, False),
    ]
    assert bench.world.at(settings.origin_secret) == {"AWSCURRENT": bench.world.cdn.header}
    assert bench.world.cdn.header != OLD_ORIGIN
    assert "origin: testSecret" in bench.said


def test_each_run_rotates_and_check_mode_says_so(bench: Bench) -> None:
    look = bench.run(state="rotated", store=store_of(bench), secrets=["origin"], check_mode=True)
    assert look["changed"] and [item["target"] for item in look["rotated"]] == ["origin"]
    assert bench.functions.steps == [] and bench.world.cdn.header == OLD_ORIGIN
    headers = set()
    for _ in range(2):
        assert bench.run(state="rotated", store=store_of(bench), secrets=["origin"])["changed"]
        headers.add(bench.world.cdn.header)
    assert len(headers) == 2


def test_a_rotation_that_was_left_half_way_is_ended(bench: Bench) -> None:
    source = bench.world.settings.origin_secret
    opened = bench.world.rotation(source)
    opened.start(V2)
    opened.step("setSecret", V2, 600)
    header = bench.world.cdn.header
    (item,) = bench.run(state="rotated", store=store_of(bench), secrets=["origin"])["rotated"]
    assert item["resumed"] and item["after"] == V2 and bench.world.cdn.header == header
    assert f"origin: going on with version {V2}" in bench.said


LOCK = {"bucket": "b", "key": "lock.json", "run_id": "r", "lease": 900, "owner": None}


@pytest.mark.parametrize("held", [True, False])
def test_while_a_slow_distribution_is_waited_for_the_lock_is_kept(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, held: bool
) -> None:
    renewed: list[t.Any] = []

    def renew(_s3: t.Any, *place: t.Any) -> bool:
        renewed.append(place)
        return held

    monkeypatch.setattr(module, "renew_lock", renew)
    bench.world.cdn.looks_to_deploy = 9
    options: t.Any = {"state": "rotated", "store": store_of(bench), "secrets": ["origin"], "lock": LOCK}
    if held:
        bench.run(**options)
    else:
        with pytest.raises(McpError, match="Another run took the deploy lock"):
            bench.run(**options)
    assert renewed and set(renewed) == {("b", "lock.json", "r", 900, None)}
    accepted = set(bench.world.at(bench.world.settings.origin_secret).values())
    assert accepted == {bench.world.cdn.header} | (set() if held else {OLD_ORIGIN})


def test_a_distribution_that_does_not_come_ends_the_wait(bench: Bench) -> None:
    bench.world.cdn.looks_to_deploy = 10_000
    with pytest.raises(McpError, match=r"testSecret .* is not done after 0 s.*Run the same command again"):
        bench.run(state="rotated", store=store_of(bench), timeout=0)


def test_a_step_that_fails_says_why_and_what_to_type(bench: Bench) -> None:
    bench.world.cdn.config["Origins"]["Items"].pop(0)
    with pytest.raises(
        McpError, match=r"setSecret .* has no header x-mcp-origin.*aws logs tail /mcp/production/rotation"
    ):
        bench.run(state="rotated", store=store_of(bench))


def test_a_revoked_value_is_forgotten_everywhere(bench: Bench, slept: list[float]) -> None:
    result = bench.run(state="rotated", store=store_of(bench), revoke=True, api_id="abc123")
    assert set(bench.world.at(bench.world.settings.request_state_secret)) == {"AWSCURRENT"}
    assert result["flushed"] and bench.gateway.flushed == [("abc123", "live")]
    assert slept == [module.CACHED_S] and all(item["revoked"] for item in result["rotated"])


@pytest.mark.parametrize(("code", "status"), [("NotImplemented", 501), ("NotFoundException", 404)])
def test_a_gateway_that_cannot_forget_is_said(bench: Bench, code: str, status: int) -> None:
    answer: t.Any = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    bench.gateway.refusal = ClientError(answer, "FlushStageAuthorizersCache")
    assert not bench.run(state="rotated", store=store_of(bench), revoke=True, api_id="abc123")["flushed"]
    assert "at most mcp_authorizer_ttl seconds" in bench.warnings[0]


def test_any_other_refusal_of_the_gateway_fails(bench: Bench) -> None:
    answer: t.Any = {"Error": {"Code": "AccessDeniedException"}, "ResponseMetadata": {"HTTPStatusCode": 403}}
    bench.gateway.refusal = ClientError(answer, "FlushStageAuthorizersCache")
    with pytest.raises(ClientError):
        bench.run(state="rotated", store=store_of(bench), revoke=True, api_id="abc123")


@pytest.mark.parametrize("function", ["rotation", "authorizer"])
def test_what_not_everybody_reads_is_not_rotated(bench: Bench, function: str) -> None:
    """A deploy that changes the store was killed before its release: the old version reads the other one."""
    bench.functions.told[function] = {"MCP_ORIGIN_SECRET": "elsewhere", "MCP_REQUEST_STATE_SECRET": "elsewhere"}
    with pytest.raises(McpError, match=f"mcp-production-{function} does not read .*a deploy has not ended"):
        bench.run(state="rotated", store=store_of(bench))
    del bench.functions.told[function]
    with pytest.raises(McpError, match="Deploy first"):
        bench.run(state="rotated", store=store_of(bench))
    assert bench.functions.steps == []


def test_secrets_that_are_not_there_cannot_rotate() -> None:
    bench = Bench(World(PARAMETERS))
    bench.world.parameters.stored.clear()
    with pytest.raises(McpError, match="there is no origin secret of production in ssm"):
        bench.run(state="rotated", store="ssm")


def test_parameters_are_removed_with_the_environment() -> None:
    bench = Bench(World(PARAMETERS))
    assert bench.run(state="absent", check_mode=True)["removed"] == [ORIGIN, STATE]
    assert bench.run(state="absent") == {"changed": True, "removed": [ORIGIN, STATE]}
    assert bench.run(state="absent") == {"changed": False, "removed": []}
