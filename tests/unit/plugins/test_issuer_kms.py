# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Signing keys in KMS: what they are called, that none is left over, and how an environment moves to them and back."""

from __future__ import annotations

import hashlib
import sys
import typing as t
from pathlib import Path

import pytest
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import issuer_keyring as keyring
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import issuer_kms as kms
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import McpError
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from tests.unit.plugins.issuer_world import PREFIX, PRIVATE, Killed, Refused, verifies
from tests.unit.plugins.test_issuer import World, states


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World("kms", tmp_path, monkeypatch)


def tags(world: World, key_id: str) -> dict[str, str]:
    return {tag["TagKey"]: tag["TagValue"] for tag in world.aws.keys[key_id]["Tags"]}


def test_a_key_has_its_tags_and_an_alias_of_its_own(world: World) -> None:
    made = world.run(tags={"Environment": "testing"})
    (key_id,) = world.aws.keys
    assert made["keys"][0]["kms_key_id"] == key_id
    assert tags(world, key_id) == {"Environment": "testing", "mcp:issuer": PREFIX}
    assert world.aws.aliases == {f"alias/mcp/testing/issuer/{made['kid']}": key_id}


def test_an_alias_has_no_dots(world: World) -> None:
    made = world.run(prefix="/mcp/v1.2/issuer")
    assert list(world.aws.aliases) == [f"alias/mcp/v1-2/issuer/{made['kid']}"]


def test_the_ring_holds_no_private_half_and_no_library_is_needed_to_read_it(world: World) -> None:
    world.run()
    assert '"d"' not in world.aws.parameters[PRIVATE]["Value"]
    world.aws.calls.clear()
    world.run()
    assert world.aws.calls == ["GetParameters"]


@pytest.mark.parametrize("writes", [1, 2])
def test_a_key_left_over_by_a_killed_run_is_used(world: World, writes: int) -> None:
    world.aws.writes_left = writes
    with pytest.raises(Killed):
        world.run()
    world.aws.writes_left = None
    (left_over,) = world.aws.keys
    assert world.run()["keys"][0]["kms_key_id"] == left_over
    assert list(world.aws.aliases.values()) == [left_over]


def test_keys_of_others_and_keys_that_were_dropped_are_not_used(world: World) -> None:
    other = world.run(prefix="/mcp/other/issuer")["keys"][0]["kms_key_id"]
    hidden = world.aws.CreateKey("ECC_NIST_P256", "SIGN_VERIFY", "", [])["KeyMetadata"]["KeyId"]
    world.aws.keys[hidden]["hidden"] = True
    gone = world.run()["keys"][0]["kms_key_id"]
    world.run(state="absent")
    new = world.run()["keys"][0]["kms_key_id"]
    assert new not in (other, hidden, gone) and len(world.aws.keys) == 4


def test_a_key_whose_material_others_may_know_is_not_used(world: World) -> None:
    tags = [{"TagKey": "mcp:issuer", "TagValue": PREFIX}]
    planted = world.aws.CreateKey("ECC_NIST_P256", "SIGN_VERIFY", "", tags)["KeyMetadata"]["KeyId"]
    world.aws.keys[planted]["origin"] = "EXTERNAL"
    assert world.run()["keys"][0]["kms_key_id"] != planted


def test_what_keeps_us_from_looking_is_an_error(world: World) -> None:
    world.run(prefix="/mcp/other/issuer")

    def throttled() -> t.NoReturn:
        raise Refused("ThrottlingException")

    world.aws.before["ListResourceTags"] = throttled
    with pytest.raises(world.aws.client("kms").exceptions.ClientError, match="ThrottlingException"):
        world.run()
    assert len(world.aws.keys) == 1


def test_dropped_keys_are_deleted_after_the_days_that_were_asked_for(world: World) -> None:
    world.run()
    world.run(rotate=True)
    world.run(promote=True, revoke=True, pending_window=7)
    assert [(key["KeyState"], key.get("days")) for key in world.aws.keys.values()] == [
        ("PendingDeletion", 7),
        ("Enabled", None),
    ]


def test_a_key_that_is_gone_from_kms_can_still_be_dropped(world: World) -> None:
    world.run()
    world.aws.keys.clear()
    assert world.run(state="absent")["changed"] is True and world.aws.parameters == {}


@pytest.mark.parametrize(("before", "after"), [("ssm", "kms"), ("kms", "ssm")])
def test_an_environment_moves_to_another_store_by_a_rotation(world: World, before: str, after: str) -> None:
    made = world.run(store=before)
    assert world.run(store=after) == {**made, "changed": False, "pending_changes": False}
    old = world.mint()
    world.run(store=after, rotate=True)
    promoted = world.run(store=after, promote=True)
    new = world.mint()
    assert verifies(old, promoted["jwks"]) and verifies(new, promoted["jwks"])
    assert [bool(key["kms_key_id"]) for key in promoted["keys"]] == [before == "kms", after == "kms"]
    world.now += 90000
    assert states(world.run(store=after)) == ["current"]
    assert len(world.usable_kms_keys()) == (1 if after == "kms" else 0)


def test_kms_signs_a_digest_so_that_any_length_fits(world: World) -> None:
    world.run()
    text = world.mint()
    name, request = world.aws.requests[-1]
    assert name == "Sign"
    assert request["Message"] == hashlib.sha256(text.rpartition(".")[0].encode()).digest()


def test_a_signature_with_short_numbers_keeps_its_length() -> None:
    assert kms.raw_signature(encode_dss_signature(1, 2)) == bytes(31) + b"\x01" + bytes(31) + b"\x02"


def test_a_key_that_cannot_sign_is_an_error_that_says_what_to_do(world: World) -> None:
    made = world.run()
    (key_id,) = world.aws.keys
    world.aws.keys[key_id]["KeyState"] = "PendingDeletion"
    with pytest.raises(McpError, match=rf"{made['kid']} cannot sign: .*aws kms cancel-key-deletion --key-id {key_id}"):
        world.mint()


@pytest.mark.parametrize(
    "library", ["cryptography.hazmat.primitives.serialization", "cryptography.hazmat.primitives.asymmetric.utils"]
)
def test_a_missing_library_is_named_with_the_command(
    world: World, library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = world.aws.CreateKey("ECC_NIST_P256", "SIGN_VERIFY", "", [])["KeyMetadata"]["KeyId"]
    client = world.aws.client("kms")
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(McpError, match=r"python3 -m pip install 'PyJWT\[crypto\]'"):
        kms._public_jwk(client, key) if "serialization" in library else kms.raw_signature(b"")


def test_the_public_half_is_the_one_of_kms(world: World) -> None:
    made = world.run()
    numbers = next(iter(world.aws.keys.values()))["pair"].public_key().public_numbers()
    assert made["jwks"]["keys"][0]["x"] == keyring.b64(numbers.x)
