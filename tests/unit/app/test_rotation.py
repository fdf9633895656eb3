# SPDX-License-Identifier: MIT
"""The four steps of a rotation: each alone, repeated, out of order, and killed anywhere; in both stores."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from pratiko_mcp import rotation as module
from pratiko_mcp.request_state import RELOAD_INTERVAL_SECONDS
from pratiko_mcp.rotation import KEY_AGE_SECONDS, STEPS, Rotation, answer
from pratiko_mcp.secret_stores import RotationError

from tests.unit.app.rotation_world import (
    DISTRIBUTION,
    OLD_KEY,
    OLD_ORIGIN,
    PARAMETERS,
    SECRETS_MANAGER,
    V1,
    V2,
    V3,
    V4,
    Killed,
    World,
)

LONG = 600.0


@pytest.fixture(params=[SECRETS_MANAGER, PARAMETERS], ids=["secretsmanager", "ssm"])
def world(request: pytest.FixtureRequest) -> World:
    return World(request.param)


def take(rotation: Rotation, token: str, *steps: str) -> list[bool]:
    return [rotation.step(step, token, LONG) for step in steps]


def rotate(world: World, source: str, token: str = V2) -> str:
    """Rotate as the playbook does; return the version that is current then."""
    started = str(world.rotation(source).start(token)["token"])
    assert take(world.rotation(source), started, *STEPS) == [True] * 4
    return started


def accepted(world: World) -> set[str]:
    """Return the origin values that the authorizer accepts."""
    return set(world.at(world.settings.origin_secret).values())


def test_an_origin_rotation_ends_with_one_value_in_the_store_and_in_the_header(world: World) -> None:
    rotate(world, world.settings.origin_secret)
    new = world.cdn.header
    assert world.at(world.settings.origin_secret) == {"AWSCURRENT": new}
    assert new != OLD_ORIGIN and len(new) == 64 and new.isalnum()


def test_only_the_header_changes_in_the_distribution(world: World) -> None:
    before = copy.deepcopy(world.cdn.config)
    rotate(world, world.settings.origin_secret)
    (updated,) = world.cdn.updates
    header = before["Origins"]["Items"][0]["CustomHeaders"]["Items"][1]
    header["HeaderValue"] = world.cdn.header
    assert updated == before


def test_what_the_cdn_sends_is_accepted_at_every_moment(world: World) -> None:
    """Seen before every call: old edges send the old value until the distribution is deployed, new ones the new one."""
    source = world.settings.origin_secret
    started = world.rotation(source).start(V2)["token"]
    world.cdn.looks_to_deploy = 3
    for step in STEPS:
        sent = {world.cdn.header} | ({OLD_ORIGIN} if step != "finishSecret" else set())
        assert sent <= accepted(world), step
        world.rotation(source).step(step, started, LONG)
    assert accepted(world) == {world.cdn.header}


def test_the_old_value_is_good_until_the_distribution_is_deployed(world: World) -> None:
    source = world.settings.origin_secret
    world.rotation(source).start(V2)
    take(world.rotation(source), V2, "createSecret", "setSecret")
    world.cdn.looks_to_deploy = 100
    assert world.rotation(source).step("testSecret", V2, 20) is False
    assert world.rotation(source).step("finishSecret", V2, 20) is False
    assert OLD_ORIGIN in accepted(world) and world.cdn.header in accepted(world)
    world.cdn.looks_to_deploy = 0
    assert take(world.rotation(source), V2, "testSecret", "finishSecret") == [True, True]
    assert OLD_ORIGIN not in accepted(world)


def test_waiting_looks_every_few_seconds_and_stays_in_its_time(world: World) -> None:
    source = world.settings.origin_secret
    world.rotation(source).start(V2)
    take(world.rotation(source), V2, "createSecret", "setSecret")
    world.cdn.looks_to_deploy = 100
    began = world.clock.time
    assert world.rotation(source).step("testSecret", V2, 21) is False
    assert 15 <= world.clock.time - began <= 21


def test_a_key_rotation_keeps_the_value_before_for_states_under_way(world: World) -> None:
    source = world.settings.request_state_secret
    rotate(world, source)
    stages = world.at(source)
    assert set(stages) == {"AWSCURRENT", "AWSPREVIOUS"} and stages["AWSPREVIOUS"] == OLD_KEY
    assert world.cdn.updates == [] and "get_distribution" not in world.calls


def test_a_key_seals_only_when_every_instance_can_have_read_it(world: World) -> None:
    source = world.settings.request_state_secret
    made = world.clock.time
    rotate(world, source)
    assert world.clock.time - made >= KEY_AGE_SECONDS > RELOAD_INTERVAL_SECONDS
    world.rotation(source).start(V3)
    assert world.rotation(source).step("testSecret", V3, 1) is False
    assert world.rotation(source).step("finishSecret", V3, 1) is False
    assert world.at(source)["AWSCURRENT"] != world.at(source)["AWSPENDING"]


def test_revoking_refuses_the_value_before_at_once(world: World) -> None:
    source = world.settings.request_state_secret
    rotate(world, source)
    for _ in range(2):
        answer({"Step": "revokeSecret"}, world.rotation(source), LONG)
        assert set(world.at(source)) == {"AWSCURRENT"}


@pytest.mark.parametrize("name", ["origin_secret", "request_state_secret"])
def test_every_step_may_be_repeated(world: World, name: str) -> None:
    source = getattr(world.settings, name)
    world.rotation(source).start(V2)
    for step in STEPS:
        assert take(world.rotation(source), V2, step, step) == [True, True]
        assert world.rotation(source).start(V4)["token"] == (V4 if step == "finishSecret" else V2)
    assert len(world.cdn.updates) == (1 if name == "origin_secret" else 0)


def test_steps_of_a_rotation_that_has_ended_change_nothing(world: World) -> None:
    source = world.settings.origin_secret
    rotate(world, source)
    before, etag = dict(world.at(source)), world.cdn.etag
    assert take(world.rotation(source), V2, *STEPS) == [True] * 4
    assert (dict(world.at(source)), world.cdn.etag) == (before, etag)


def test_steps_out_of_order_are_refused(world: World) -> None:
    source = world.settings.origin_secret
    world.rotation(source).start(V2)
    for step in ("testSecret", "finishSecret"):
        with pytest.raises(RotationError, match="does not send the pending value"):
            world.rotation(source).step(step, V2, LONG)
    assert world.at(source)["AWSCURRENT"] == OLD_ORIGIN == world.cdn.header


@pytest.mark.parametrize("step", STEPS)
def test_a_version_that_is_not_pending_is_refused(world: World, step: str) -> None:
    world.rotation(world.settings.origin_secret).start(V2)
    with pytest.raises(RotationError, match=f"{V4} is not pending"):
        world.rotation(world.settings.origin_secret).step(step, V4, LONG)
    assert world.cdn.header == OLD_ORIGIN


def test_a_value_that_a_deploy_took_out_of_the_header_never_becomes_current(world: World) -> None:
    source = world.settings.origin_secret
    world.rotation(source).start(V2)
    take(world.rotation(source), V2, "createSecret", "setSecret", "testSecret")
    world.cdn.config["Origins"]["Items"][0]["CustomHeaders"]["Items"][1]["HeaderValue"] = OLD_ORIGIN
    with pytest.raises(RotationError, match="Repeat setSecret"):
        world.rotation(source).step("finishSecret", V2, LONG)
    assert OLD_ORIGIN in accepted(world)
    assert take(world.rotation(source), V2, *STEPS) == [True] * 4
    assert accepted(world) == {world.cdn.header}


def test_somebody_else_changes_the_distribution_meanwhile(world: World) -> None:
    source = world.settings.origin_secret
    world.rotation(source).start(V2)

    def comment() -> None:
        world.cdn.config["Comment"] = "changed"
        world.cdn.etag += 1

    world.before["update_distribution"] = comment
    assert take(world.rotation(source), V2, "setSecret") == [True]
    assert world.cdn.config["Comment"] == "changed" and world.cdn.header != OLD_ORIGIN


def test_a_distribution_that_never_holds_still_is_said(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    source = world.settings.origin_secret
    world.rotation(source).start(V2)
    refused = world.cdn.refuse("PreconditionFailed", "UpdateDistribution")

    def refuse(**_request: Any) -> None:
        raise refused

    monkeypatch.setattr(world.cdn, "on_update_distribution", refuse, raising=False)
    with pytest.raises(RotationError, match="is being changed by somebody else"):
        world.rotation(source).step("setSecret", V2, LONG)


def test_a_distribution_without_the_header_is_said(world: World) -> None:
    world.cdn.config["Origins"]["Items"].pop(0)
    source = world.settings.origin_secret
    world.rotation(source).start(V2)
    with pytest.raises(RotationError, match=f"{DISTRIBUTION} has no header x-mcp-origin"):
        world.rotation(source).step("setSecret", V2, LONG)


WRITES = {
    "secretsmanager": ["put_secret_value", "update_distribution", "update_secret_version_stage"],
    "ssm": ["put_parameter", "update_distribution"],
}


@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("settings", [SECRETS_MANAGER, PARAMETERS], ids=["secretsmanager", "ssm"])
def test_killed_at_every_write_and_run_again(settings: Any, done: bool) -> None:
    kind = "ssm" if settings is PARAMETERS else "secretsmanager"
    for operation in WRITES[kind]:
        for nth in range(4):
            world = World(settings)
            kill_at_nth(world, operation, nth, done)
            assert world.cdn.header in accepted(world)
            rotate(world, settings.origin_secret, V3)
            assert accepted(world) == {world.cdn.header} and world.cdn.header != OLD_ORIGIN


def kill_at_nth(world: World, operation: str, nth: int, done: bool) -> bool:
    """Rotate and die at the nth call of this kind; say whether there was one."""
    seen = 0
    source = world.settings.origin_secret

    def count() -> None:
        nonlocal seen
        seen += 1
        if seen > nth:
            world.kill_at = (operation, done)
        else:
            world.before[operation] = count

    world.before[operation] = count
    try:
        rotate(world, source)
    except Killed:
        return True
    finally:
        world.before.clear()
        world.kill_at = None
    return False


def test_every_write_was_really_met() -> None:
    """Or the test above would kill nothing."""
    met = {
        (settings.origin_secret[:3], operation): sum(
            kill_at_nth(World(settings), operation, nth, False) for nth in range(6)
        )
        for settings, kind in ((SECRETS_MANAGER, "secretsmanager"), (PARAMETERS, "ssm"))
        for operation in WRITES[kind]
    }
    assert met == {
        ("arn", "put_secret_value"): 1,
        ("arn", "update_distribution"): 1,
        ("arn", "update_secret_version_stage"): 3,
        ("ssm", "put_parameter"): 3,
        ("ssm", "update_distribution"): 1,
    }


def test_a_secret_changed_by_hand_is_overtaken_by_a_rotation(world: World) -> None:
    """Twice, so that what the CDN sends has no stage any more: every call is refused until somebody rotates."""
    source, hand = world.settings.origin_secret, "h" * 64
    if source.startswith("ssm:"):
        document = {"current": hand, "pending": None, "previous": None, "versions": {"current": "by-hand"}}
        world.parameters.stored[source.removeprefix("ssm:")] = (json.dumps(document), 7)
    else:
        for number in (V3, V4):
            world.secrets.put_secret_value(
                SecretId=source, ClientRequestToken=number, SecretString=hand + number[0], VersionStages=["by-hand"]
            )
            world.secrets.update_secret_version_stage(
                SecretId=source,
                VersionStage="AWSCURRENT",
                MoveToVersionId=number,
                RemoveFromVersionId=world.secrets.labels[source]["AWSCURRENT"],
            )
            world.secrets.labels[source].pop("by-hand")
    assert world.cdn.header not in accepted(world)
    rotate(world, source)
    assert accepted(world) == {world.cdn.header}


def test_a_version_that_secrets_manager_made_room_for_gets_its_value() -> None:
    world = World(SECRETS_MANAGER)
    source = world.settings.origin_secret
    world.secrets.labels[source]["AWSPENDING"] = V2
    world.secrets.values[source][V2] = ""
    with pytest.raises(RotationError, match="Repeat createSecret"):
        world.rotation(source).step("setSecret", V2, LONG)
    assert take(world.rotation(source), V2, *STEPS) == [True] * 4


def test_the_check_of_a_new_schedule_passes() -> None:
    """Secrets Manager runs testSecret alone, with a pending version that has the current value."""
    world = World(SECRETS_MANAGER)
    for source in (world.settings.origin_secret, world.settings.request_state_secret):
        world.secrets.labels[source]["AWSPENDING"] = V2
        world.secrets.values[source][V2] = world.secrets.values[source][V1]
        assert world.rotation(source).step("testSecret", V2, LONG) is True


def test_two_writers_of_a_parameter_notice_each_other() -> None:
    world = World(PARAMETERS)
    name = PARAMETERS.origin_secret.removeprefix("ssm:")

    def other_writer() -> None:
        value, version = world.parameters.stored[name]
        world.parameters.stored[name] = (value, version + 1)

    world.before["put_parameter"] = other_writer
    with pytest.raises(RotationError, match="Another writer changed"):
        world.rotation(PARAMETERS.origin_secret).start(V2)


@pytest.mark.parametrize("value", ["plain text", "[]", '{"current": ""}', '{"current": "x"}'])
def test_a_parameter_that_is_no_secret_is_said_without_its_value(value: str) -> None:
    world = World(PARAMETERS)
    world.parameters.stored[PARAMETERS.origin_secret.removeprefix("ssm:")] = (value, 1)
    with pytest.raises(RotationError, match="holds no secret") as failure:
        world.rotation(PARAMETERS.origin_secret).start(V2)
    assert "plain" not in str(failure.value)


@pytest.mark.parametrize("value", ["short", ""])
def test_a_key_that_is_none_does_not_pass_the_test(value: str) -> None:
    with pytest.raises(RotationError, match=r"does not open|shorter"):
        module.check_key(value)


def test_a_key_is_checked_by_its_length_where_no_sdk_is_packaged(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr(module.importlib, "import_module", missing)
    module.check_key("k" * 32)
    with pytest.raises(RotationError, match="shorter than 32 bytes"):
        module.check_key("k" * 31)


class LambdaContext:
    """What Lambda tells a function about its time."""

    @staticmethod
    def get_remaining_time_in_millis() -> int:
        return 900_000


@pytest.fixture
def function(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """The world behind the Lambda entry point."""
    monkeypatch.setenv("MCP_ORIGIN_SECRET", world.settings.origin_secret)
    monkeypatch.setenv("MCP_REQUEST_STATE_SECRET", world.settings.request_state_secret)
    monkeypatch.setenv("MCP_DISTRIBUTION_ID", DISTRIBUTION)
    monkeypatch.setattr(module, "_client", world.client)
    monkeypatch.setattr(module, "Clock", lambda: world.clock)
    return world


def test_a_schedule_rotates_in_one_go_and_logs_no_value(function: World, capsys: pytest.CaptureFixture[str]) -> None:
    source = function.settings.origin_secret
    result = module.handler({"Step": "rotate", "SecretId": source}, LambdaContext())
    output = capsys.readouterr().out
    assert result["done"] and json.loads(output)["secret"] == source
    assert function.cdn.header != OLD_ORIGIN
    assert function.cdn.header not in output and OLD_ORIGIN not in output


def test_who_waits_for_an_answer_gets_one(function: World) -> None:
    source = function.settings.origin_secret
    token = module.handler({"Step": "startRotation", "SecretId": source}, LambdaContext())["token"]
    event = {"SecretId": source, "ClientRequestToken": token}
    module.handler({**event, "Step": "setSecret"}, LambdaContext())
    function.cdn.looks_to_deploy = 1000
    waiting = module.handler({**event, "Step": "testSecret", "WaitSeconds": 10}, LambdaContext())
    assert waiting == {"done": False, "token": token}
    with pytest.raises(RotationError, match="did not end in the time of this function"):
        module.handler({**event, "Step": "testSecret"}, LambdaContext())


@pytest.mark.parametrize(
    ("event", "says"),
    [
        ({"Step": "dropSecret"}, "Allowed: startRotation, createSecret"),
        ({"Step": "setSecret", "SecretId": "arn:of-another"}, "none of the secrets of this environment"),
    ],
)
def test_other_events_are_refused(function: World, event: dict[str, str], says: str) -> None:
    with pytest.raises(RotationError, match=says):
        module.handler({"SecretId": function.settings.origin_secret, **event}, LambdaContext())


def test_without_a_distribution_nothing_is_begun(function: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MCP_DISTRIBUTION_ID")
    with pytest.raises(RotationError, match="Deploy first"):
        module.handler({"Step": "startRotation", "SecretId": function.settings.origin_secret}, LambdaContext())
    assert function.calls == []
