# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The issuer_key module's logic in every store: what a run changes, and what the next one makes of a killed run."""

from __future__ import annotations

import json
import os
import typing as t
from pathlib import Path
from types import SimpleNamespace

import pytest
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import issuer, token
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import issuer_keyring as keyring
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import McpError, call_run

from tests.unit.plugins.issuer_world import JWKS, PREFIX, PRIVATE, Aws, Killed, Refused, verifies

STORES = ("ssm", "file", "kms")
OVERLAP = 90000


class World:
    """An environment whose keys lie in one of the stores, and a clock that only the test moves."""

    def __init__(self, store: str, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.store = store
        self.folder = folder / "keys"
        self.aws = Aws()
        self.now = 1_800_000_000.0
        self._token = folder / "token.json"
        self._replace = os.replace
        patch.setattr(os, "replace", self._replaced)
        patch.setattr(issuer, "time", SimpleNamespace(time=lambda: self.now))

    @property
    def place(self) -> dict[str, t.Any]:
        here = {"path": str(self.folder), "prefix": None}
        return {"store": self.store, **(here if self.store == "file" else {"path": None, "prefix": PREFIX})}

    def run(self, check_mode: bool = False, **options: t.Any) -> dict[str, t.Any]:
        params = {name: spec.get("default") for name, spec in issuer.ARGUMENT_SPEC.items()}
        result = issuer.run(self.aws.context({**params, **self.place, **options}, check_mode))
        assert '"d"' not in json.dumps(result)
        return result

    def mint(self) -> str:
        params = {
            **self.place,
            "key_path": self.place["path"],
            "issuer": "https://x.example",
            "audience": "https://x.example/mcp",
            "subject": "operator",
            "client_id": "cli",
            "scopes": ["read"],
            "lifetime": 86400,
            "path": str(self._token),
        }
        left, self.aws.writes_left = self.aws.writes_left, None
        try:
            token.run(self.aws.context(params))
        finally:
            self.aws.writes_left = left
        return json.loads(self._token.read_text())["access_token"]

    def _replaced(self, source: str, target: str) -> None:
        """Count the writes of files as those of AWS are counted."""
        if self.aws.writes_left is not None:
            if self.aws.writes_left == 0:
                raise Killed
            self.aws.writes_left -= 1
        self._replace(source, target)

    def content(self) -> dict[str, t.Any]:
        files = {path.name: path.read_bytes() for path in self.folder.glob("*")} if self.folder.exists() else {}
        kms = {key_id: key["KeyState"] for key_id, key in self.aws.keys.items()}
        return {"files": files, "parameters": json.dumps(self.aws.parameters), "kms": kms}

    def usable_kms_keys(self) -> list[str]:
        return [key_id for key_id, key in self.aws.keys.items() if key["KeyState"] == "Enabled"]


@pytest.fixture(params=STORES)
def world(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(request.param, tmp_path, monkeypatch)


@pytest.fixture
def ssm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World("ssm", tmp_path, monkeypatch)


def states(result: dict[str, t.Any]) -> list[str]:
    return [key["state"] for key in result["keys"]]


def kids(result: dict[str, t.Any]) -> list[str]:
    return [key["kid"] for key in result["jwks"]["keys"]]


def test_the_first_run_makes_a_key_and_the_second_changes_nothing(world: World) -> None:
    made = world.run()
    assert made["changed"] is True and states(made) == ["current"] and kids(made) == [made["kid"]]
    before = world.content()
    assert world.run() == {**made, "changed": False, "pending_changes": False}
    assert world.content() == before
    assert verifies(world.mint(), made["jwks"])


def test_check_mode_changes_nothing_and_says_what_would_be(world: World) -> None:
    nothing = world.content()
    planned = world.run(check_mode=True)
    assert (planned["changed"], planned["jwks"], planned["kid"], planned["keys"]) == (True, None, None, [])
    assert world.content() == nothing
    made = world.run()
    held = world.content()
    assert world.run(check_mode=True) == {**made, "changed": False, "pending_changes": False}
    assert world.run(check_mode=True, promote=True) == {**made, "changed": False, "pending_changes": False}
    assert world.run(check_mode=True, rotate=True) == {**made, "changed": True, "pending_changes": True}
    assert world.run(check_mode=True, state="absent")["changed"] is True
    assert world.content() == held


def test_a_rotation_from_the_first_step_to_the_last(world: World) -> None:
    made = world.run()
    old = world.mint()

    rotated = world.run(rotate=True)
    assert rotated["changed"] is True and states(rotated) == ["current", "next"]
    assert rotated["kid"] == made["kid"] and rotated["pending_kid"] == kids(rotated)[1]
    assert world.run(rotate=True) == {**rotated, "changed": False, "pending_changes": False}
    assert verifies(world.mint(), made["jwks"])

    planned = world.run(check_mode=True, promote=True)
    promoted = world.run(promote=True)
    assert planned == promoted and promoted["jwks"] == rotated["jwks"]
    assert states(promoted) == ["retired", "current"] and promoted["kid"] == rotated["pending_kid"]
    assert promoted["pending_kid"] is None
    assert world.run(promote=True) == {**promoted, "changed": False, "pending_changes": False}
    new = world.mint()
    assert verifies(old, promoted["jwks"]) and verifies(new, promoted["jwks"])
    assert verifies(new, rotated["jwks"]) and not verifies(new, made["jwks"])

    world.now += OVERLAP - 1
    assert world.run() == {**promoted, "changed": False, "pending_changes": False}
    world.now += 1
    planned = world.run(check_mode=True)
    dropped = world.run()
    assert planned == dropped and dropped["changed"] is True and states(dropped) == ["current"]
    assert verifies(new, dropped["jwks"]) and not verifies(old, dropped["jwks"])
    assert world.run() == {**dropped, "changed": False, "pending_changes": False}
    assert len(world.usable_kms_keys()) == (1 if world.store == "kms" else 0)


def test_a_leaked_key_is_dropped_at_once(world: World) -> None:
    world.run()
    leaked = world.mint()
    rotated = world.run(rotate=True)
    revoked = world.run(promote=True, revoke=True)
    assert states(revoked) == ["current"] and revoked["kid"] == rotated["pending_kid"]
    assert not verifies(leaked, revoked["jwks"]) and verifies(world.mint(), revoked["jwks"])
    assert world.run(promote=True, revoke=True) == {**revoked, "changed": False, "pending_changes": False}


def test_after_a_promotion_the_old_key_can_still_be_revoked(world: World) -> None:
    world.run()
    world.run(rotate=True)
    promoted = world.run(promote=True)
    revoked = world.run(promote=True, revoke=True)
    assert revoked["changed"] is True and revoked["kid"] == promoted["kid"] and states(revoked) == ["current"]


def test_a_leaked_key_is_replaced_though_earlier_rotations_take_all_the_room(world: World) -> None:
    world.run()
    for _ in range(2):
        world.run(rotate=True)
        world.run(promote=True)
    leaked = world.mint()
    assert states(world.run(check_mode=True, rotate=True, revoke=True)) == ["current"]
    assert states(world.run(rotate=True, revoke=True)) == ["current", "next"]
    revoked = world.run(promote=True, revoke=True)
    assert states(revoked) == ["current"] and not verifies(leaked, revoked["jwks"])


def test_the_overlap_is_an_option(world: World) -> None:
    world.run()
    world.run(rotate=True)
    assert world.run(promote=True, retire_after=60)["keys"][0]["until"] == keyring.iso(world.now + 60)
    world.now += 60
    assert states(world.run()) == ["current"]


def test_a_fourth_key_is_refused_until_one_is_dropped(world: World) -> None:
    for _ in range(2):
        world.run(rotate=True)
        world.run(rotate=True)
        world.run(promote=True)
        world.now += 10
    held = world.content()
    for check_mode in (True, False):
        with pytest.raises(McpError, match="rotate=true is refused: 3 keys are published"):
            world.run(check_mode, rotate=True)
    assert world.content() == held
    world.now += OVERLAP
    assert states(world.run(rotate=True)) == ["current", "next"]


# What was done before, and the step during which the process is killed.
STEPS: dict[str, tuple[list[dict[str, t.Any]], dict[str, t.Any]]] = {
    "create": ([], {}),
    "rotate": ([{}], {"rotate": True}),
    "promote": ([{}, {"rotate": True}], {"promote": True}),
    "revoke": ([{}, {"rotate": True}], {"promote": True, "revoke": True}),
    "drop": ([{}, {"rotate": True}, {"promote": True, "retire_after": 0}], {}),
    "drop and rotate": ([{}, {"rotate": True}, {"promote": True, "retire_after": 0}], {"rotate": True}),
}


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("writes", range(6))
def test_a_run_killed_between_any_two_writes_is_completed_by_the_next(world: World, step: str, writes: int) -> None:
    earlier, options = STEPS[step]
    deployed = [world.run(**each) for each in earlier][-1:]
    world.aws.writes_left = writes
    try:
        world.run(**options)
    except Killed:
        if deployed:
            assert verifies(world.mint(), deployed[0]["jwks"]), "what signs must be what is live"
    world.aws.writes_left = None
    # Where the promotion itself was done, what is left is to publish and to drop, which any run does.
    completed = world.run(**options)
    wanted = ["retired", "current"] if step == "promote" else ["current"] + ["next"] * ("rotate" in step)
    assert states(completed) == wanted
    assert world.run(**options) == {**completed, "changed": False, "pending_changes": False}
    assert verifies(world.mint(), completed["jwks"])
    assert len(world.usable_kms_keys()) == (len(wanted) if world.store == "kms" else 0), "no key is left over"


def test_the_step_after_a_killed_one_needs_no_option(world: World) -> None:
    world.run()
    world.aws.writes_left = 3 if world.store == "kms" else 1
    with pytest.raises(Killed):
        world.run(rotate=True)
    world.aws.writes_left = None
    with pytest.raises(McpError, match=r"promote=true is refused: the key \S+ is not published yet"):
        world.run(promote=True)
    completed = world.run()
    assert completed["changed"] is True and states(completed) == ["current", "next"]
    assert states(world.run(promote=True)) == ["retired", "current"]


def test_absent_removes_everything_and_is_idempotent(world: World) -> None:
    world.run()
    world.run(rotate=True)
    gone = world.run(state="absent", pending_window=7)
    assert (gone["changed"], gone["jwks"], gone["kid"], gone["keys"]) == (True, None, None, [])
    assert world.run(state="absent") == {**gone, "changed": False}
    assert world.run(check_mode=True, state="absent")["changed"] is False
    assert world.content()["files"] == {} and world.aws.parameters == {} and not world.folder.exists()
    assert [key["days"] for key in world.aws.keys.values()] == ([7, 7] if world.store == "kms" else [])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"rotate": True, "promote": True}, "rotate=true and promote=true do not go together"),
        ({"revoke": True}, "revoke=true goes with rotate=true or promote=true"),
        ({"state": "absent", "rotate": True}, "rotate=true does not go with state=absent"),
        ({"state": "absent", "promote": True}, "promote=true does not go with state=absent"),
        ({"retire_after": -1}, "retire_after=-1 is not allowed. Allowed: seconds, 0 or more"),
        ({"pending_window": 6}, "pending_window=6 is not allowed. Allowed: 7 to 30 days"),
        ({"pending_window": 31}, "pending_window=31"),
    ],
)
def test_options_that_contradict_are_refused_before_anything_is_asked(
    world: World, options: dict[str, t.Any], words: str
) -> None:
    with pytest.raises(McpError) as failure:
        world.run(**options)
    assert words in failure.value.message
    assert world.aws.calls == [] and not world.folder.exists()


# From here on: what is particular to the two parameters.


def test_an_unchanged_key_is_one_call_without_decryption(ssm: World) -> None:
    ssm.run()
    ssm.aws.calls.clear()
    ssm.run()
    assert ssm.aws.calls == ["GetParameters"]


def test_the_private_half_is_written_first_with_its_tags_and_its_key(ssm: World) -> None:
    ssm.run(tags={"Environment": "testing"}, kms_key_id="alias/own")
    (_, private), (_, public) = [request for request in ssm.aws.requests if request[0] == "PutParameter"]
    assert (private["Name"], private["Type"], private["KeyId"]) == (PRIVATE, "SecureString", "alias/own")
    assert (public["Name"], public["Type"]) == (JWKS, "String") and "KeyId" not in public
    assert private["Tags"] == public["Tags"] == [{"Key": "Environment", "Value": "testing"}]
    ssm.run(rotate=True, kms_key_id="alias/own")
    assert ssm.aws.requests[-2][1]["KeyId"] == "alias/own"


def legacy(world: World) -> keyring.Jwk:
    """Leave the two parameters as they were before keys could rotate."""
    jwk = keyring.new_private_jwk()
    public = json.dumps({"keys": [{name: value for name, value in jwk.items() if name != "d"}]})
    world.aws.PutParameter(PRIVATE, json.dumps(jwk), "SecureString", False)
    world.aws.PutParameter(JWKS, public, "String", False)
    return jwk


def test_a_key_of_before_is_taken_as_it_is_and_can_rotate(ssm: World) -> None:
    jwk = legacy(ssm)
    held = ssm.content()
    found = ssm.run()
    assert found["changed"] is False and found["kid"] == jwk["kid"] and states(found) == ["current"]
    assert ssm.aws.calls == ["GetParameters"] and ssm.content() == held
    assert verifies(ssm.mint(), found["jwks"])
    old = ssm.mint()
    ssm.run(rotate=True)
    promoted = ssm.run(promote=True)
    assert kids(promoted)[0] == jwk["kid"] and verifies(old, promoted["jwks"])


@pytest.mark.parametrize("stale", [None, "not json", "[]", '{"keys": []}', '{"keys": [{}]}'])
def test_an_unusable_jwks_is_derived_again(ssm: World, stale: str | None) -> None:
    made = ssm.run()
    if stale is None:
        del ssm.aws.parameters[JWKS]
    else:
        ssm.aws.PutParameter(JWKS, stale, "String", True)
    assert ssm.run(check_mode=True) == made
    assert ssm.run() == made
    assert ssm.run()["changed"] is False


def test_a_jwks_whose_private_half_is_gone_is_removed_before_a_new_key_is_made(ssm: World) -> None:
    old = ssm.run()
    del ssm.aws.parameters[PRIVATE]
    ssm.aws.writes_left = 2
    with pytest.raises(Killed):
        ssm.run()
    ssm.aws.writes_left = None
    assert list(ssm.aws.parameters) == [PRIVATE]
    renewed = ssm.run()
    assert renewed["changed"] is True and kids(renewed) == [renewed["kid"]] != kids(old)


def test_of_two_first_runs_at_once_the_first_key_wins(ssm: World) -> None:
    other = keyring.new_key("current", ssm.now, keyring.new_private_jwk())
    document = keyring.private_document([other])
    ssm.aws.before["PutParameter"] = lambda: ssm.aws.PutParameter(PRIVATE, document, "SecureString", False)
    assert ssm.run()["kid"] == other["kid"]
    assert ssm.run()["changed"] is False


def test_a_key_that_vanishes_at_once_is_an_error(ssm: World) -> None:
    def taken() -> t.NoReturn:
        raise Refused("ParameterAlreadyExists")

    ssm.aws.before["PutParameter"] = taken
    with pytest.raises(McpError, match="appeared and vanished during this run"):
        ssm.run()


def test_of_two_rotations_at_once_one_fails_and_the_next_run_publishes_what_holds(ssm: World) -> None:
    ssm.run()
    theirs = [
        *keyring.read_private(ssm.aws.parameters[PRIVATE]["Value"]),
        keyring.new_key("next", ssm.now, keyring.new_private_jwk()),
    ]
    document = keyring.private_document(theirs)
    ssm.aws.before["PutParameter"] = lambda: ssm.aws.PutParameter(PRIVATE, document, "SecureString", True)
    with pytest.raises(McpError, match=r"Another run changed .*version 2 was expected, it is 3"):
        ssm.run(rotate=True)
    ssm.aws.PutParameter(JWKS, keyring.public_document(theirs, 2), "String", True)
    completed = ssm.run()
    stored = keyring.read_private(ssm.aws.parameters[PRIVATE]["Value"])
    assert completed["changed"] is True and kids(completed) == [key["kid"] for key in stored or []]


@pytest.mark.parametrize("value", ["not json", "[]", '{"kty": "EC"}', '{"kty": 1}'])
def test_a_parameter_that_holds_something_else_is_not_touched(ssm: World, value: str) -> None:
    ssm.aws.PutParameter(PRIVATE, value, "SecureString", False)
    with pytest.raises(McpError, match=f"aws ssm delete-parameter --name {PRIVATE}$") as failure:
        ssm.run()
    assert value not in failure.value.message
    assert ssm.run(state="absent")["changed"] is True and ssm.aws.parameters == {}


@pytest.mark.parametrize("prefix", ["", "mcp/x", "/mcp/x/", "/mcp//x", "/aws/x", "/ssm/x", "/AWSx", "/mcp/a b", "/"])
def test_prefixes_that_ssm_refuses_are_refused_first(ssm: World, prefix: str) -> None:
    with pytest.raises(McpError, match="is not a parameter path") as failure:
        ssm.run(prefix=prefix)
    assert f"prefix={prefix} " in failure.value.message and ssm.aws.calls == []


def test_what_aws_refuses_is_said(ssm: World) -> None:
    def denied() -> t.NoReturn:
        raise Refused("AccessDeniedException")

    ssm.aws.before["GetParameters"] = denied
    params = {name: spec.get("default") for name, spec in issuer.ARGUMENT_SPEC.items()}
    result = call_run(ssm.aws.context({**params, **ssm.place}), issuer.run)
    assert result["failed"] is True and result["error_code"] == "AccessDeniedException"
