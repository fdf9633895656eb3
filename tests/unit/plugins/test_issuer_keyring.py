# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ring of signing keys as data: what a step makes of it, and what its two documents hold."""

from __future__ import annotations

import json
import typing as t

import jwt
import pytest
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import issuer_keyring as keyring
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import McpError

NOW = 1_800_000_000
# The key of RFC 7517, appendix A.1; its thumbprint is known from other implementations.
RFC_KEY = {
    "kty": "EC",
    "crv": "P-256",
    "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
    "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
}
SSM_STANDARD_CHARS = 4096


def ring(*states: str) -> keyring.Ring:
    """Return keys in these states; a retired one is due an hour from now."""
    made = [keyring.new_key(state, NOW, keyring.new_private_jwk()) for state in states]
    return [{**key, "until": keyring.iso(NOW + 3600)} if key["state"] == "retired" else key for key in made]


def states(of: keyring.Ring) -> list[str]:
    return [key["state"] for key in of]


def test_the_thumbprint_is_that_of_rfc_7638() -> None:
    assert keyring.thumbprint(RFC_KEY) == "cn-I_WNMClehiVp51i_0VpOENW1upEerA8sEam5hn-s"
    assert keyring.thumbprint({**RFC_KEY, "use": "sig", "kid": "x"}) == keyring.thumbprint(RFC_KEY)


def test_a_new_key_is_usable_and_only_its_public_half_is_published() -> None:
    keys = ring("current")
    jwks = keyring.public_jwks(keys)
    (public,) = jwks["keys"]
    assert set(public) == {"kty", "crv", "x", "y", "kid", "alg", "use"}
    assert (public["alg"], public["use"], public["kid"]) == ("ES256", "sig", keyring.thumbprint(public))
    signed = jwt.encode({"a": 1}, jwt.PyJWK(keys[0]["jwk"]).key, "ES256")
    assert jwt.decode(signed, jwt.PyJWKSet.from_dict(jwks).keys[0].key, ["ES256"]) == {"a": 1}
    assert keyring.new_private_jwk()["kid"] != public["kid"]


def test_a_number_with_leading_zeros_keeps_its_length() -> None:
    assert keyring.b64(1) == "A" * 42 + "E"


def test_a_promotion_changes_who_signs_and_not_what_is_published() -> None:
    before = ring("retired", "current", "next")
    after = keyring.promoted(before, NOW + 5, 100)
    assert states(after) == ["retired", "retired", "current"]
    assert after[0] == before[0]
    assert (after[1]["since"], after[1]["until"]) == (keyring.iso(NOW + 5), keyring.iso(NOW + 105))
    assert keyring.public_jwks(after) == keyring.public_jwks(before)


def test_without_a_pending_key_a_promotion_changes_nothing() -> None:
    before = ring("retired", "current")
    assert keyring.promoted(before, NOW, 100) == before


def test_a_retired_key_is_kept_until_its_time() -> None:
    keys = ring("retired", "current", "next")
    assert keyring.kept(keys, NOW + 3599) == keys
    assert keyring.kept(keys, NOW + 3600) == keys[1:]


def test_revoked_keys_are_due_at_once_and_late_ones_stay_due() -> None:
    assert states(keyring.kept(keyring.revoked(ring("retired", "current", "next"), NOW), NOW)) == ["current", "next"]
    assert keyring.revoked(ring("retired", "current"), NOW + 9999)[0]["until"] == keyring.iso(NOW + 3600)


def test_a_fourth_key_is_refused_with_the_time_when_there_is_room() -> None:
    keyring.check_room(ring("retired", "current"))
    full = ring("retired", "retired", "current")
    full[1]["until"] = keyring.iso(NOW + 60)
    with pytest.raises(McpError, match=rf"3 keys are published.*after {keyring.iso(NOW + 60)}\."):
        keyring.check_room(full)


@pytest.mark.parametrize("kms_key_id", [None, "mrk-" + "a" * 32])
def test_three_keys_fit_into_standard_parameters(kms_key_id: str | None) -> None:
    full = [{**key, "kms_key_id": kms_key_id} for key in ring("retired", "current", "next")]
    assert len(keyring.private_document(full)) < SSM_STANDARD_CHARS // 2
    assert len(keyring.public_document(full, 99)) < SSM_STANDARD_CHARS // 2


def test_both_documents_come_back_as_they_were() -> None:
    keys = ring("retired", "current", "next")
    assert keyring.read_private(keyring.private_document(keys)) == keys
    found = keyring.read_public(keyring.public_document(keys, 7))
    assert found is not None
    public, version = found
    assert version == 7 and '"d"' not in json.dumps(public)
    assert keyring.described(public) == keyring.described(keys)
    assert keyring.public_jwks(public) == keyring.public_jwks(keys)


def test_the_documents_of_before_keys_could_rotate_are_read() -> None:
    jwk = keyring.new_private_jwk()
    private = keyring.read_private(json.dumps(jwk))
    public = keyring.read_public(json.dumps({"keys": [{name: jwk[name] for name in jwk if name != "d"}]}))
    assert private is not None and public is not None
    assert (states(private), private[0]["since"], private[0]["jwk"]) == (["current"], None, jwk)
    assert public == ([{**private[0], "jwk": keyring.public_jwks(private)["keys"][0]}], 1)


GOOD = ring("current")


@pytest.mark.parametrize(
    "broken",
    [
        "not json",
        "[]",
        "7",
        "null",
        '{"keys": []}',
        '{"keys": [{}]}',
        '{"keys": 7}',
        '{"kty": "EC"}',
        json.dumps({"keys": [{**GOOD[0], "kid": "another"}]}),
        json.dumps({"keys": [{**GOOD[0], "state": "sleeping"}]}),
        json.dumps({"keys": [{**GOOD[0], "jwk": {**GOOD[0]["jwk"], "d": 7}}]}),
        json.dumps({"keys": [*GOOD, *ring("current")]}),
        json.dumps({"keys": ring("next")}),
        json.dumps({"keys": ring("current", "next", "next")}),
        json.dumps({"keys": [*GOOD, {**ring("retired")[0], "until": None}]}),
    ],
)
def test_what_is_no_ring_is_not_taken_for_one(broken: str) -> None:
    assert keyring.read_private(broken) is None
    assert keyring.read_public(broken) is None


def test_a_public_document_that_does_not_fit_itself_is_not_used() -> None:
    document: dict[str, t.Any] = json.loads(keyring.public_document(ring("current", "next"), 2))
    for change in ({"keys": document["keys"][::-1]}, {"keys": document["keys"][:1]}, {"version": "2"}):
        assert keyring.read_public(json.dumps({**document, **change})) is None
