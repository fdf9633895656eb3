# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The issuer_key module's logic: what it asks of SSM, in which order, and what survives an interruption."""

from __future__ import annotations

import json
import typing as t

import boto3
import jwt
import pytest
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import issuer
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import Context, McpError, call_run
from botocore.stub import ANY, Stubber

PREFIX = "/mcp/testing/issuer"
PRIVATE, JWKS = f"{PREFIX}/private-key", f"{PREFIX}/jwks"
BOTH = {"private_key": PRIVATE, "jwks": JWKS}
# The key of RFC 7517, appendix A.1; its thumbprint is known from other implementations.
RFC_KEY = {
    "kty": "EC",
    "crv": "P-256",
    "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
    "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
}


class Ssm:
    """A stubbed SSM client: each expected call is one line of a test, in order."""

    def __init__(self) -> None:
        options = {"region_name": "us-east-1", "aws_access_key_id": "x", "aws_secret_access_key": "x"}
        self.client = boto3.client("ssm", **options)
        self.stubber = Stubber(self.client)
        self.stubber.activate()
        self.written: dict[str, str] = {}
        self.client.meta.events.register("provide-client-params.ssm.PutParameter", self._record)

    def _record(self, params: dict[str, t.Any], **_rest: t.Any) -> None:
        self.written[params["Name"]] = params["Value"]

    def look(self, **values: str) -> Ssm:
        """Expect the look at both parameters; ``private`` and ``jwks`` are those that exist."""
        found = [
            {"Name": f"{PREFIX}/{'private-key' if name == 'private' else name}", "Value": value, "Type": kind}
            for name, kind in (("private", "SecureString"), ("jwks", "String"))
            if (value := values.get(name)) is not None
        ]
        expected = {"Names": [PRIVATE, JWKS], "WithDecryption": False}
        self.stubber.add_response("get_parameters", {"Parameters": found}, expected)
        return self

    def read_private(self, value: str | None) -> Ssm:
        expected = {"Name": PRIVATE, "WithDecryption": True}
        if value is None:
            self.stubber.add_client_error("get_parameter", "ParameterNotFound", expected_params=expected)
        else:
            self.stubber.add_response("get_parameter", {"Parameter": {"Name": PRIVATE, "Value": value}}, expected)
        return self

    def put(self, name: str, exists: bool = False, tags: t.Any = (), **extra: str) -> Ssm:
        kind = "SecureString" if name == PRIVATE else "String"
        expected = {"Name": name, "Value": ANY, "Tags": list(tags), "Overwrite": False, "Type": kind, **extra}
        if exists:
            self.stubber.add_client_error("put_parameter", "ParameterAlreadyExists", expected_params=expected)
        else:
            self.stubber.add_response("put_parameter", {"Version": 1}, expected)
        return self

    def delete(self, *names: str, deleted: t.Sequence[str] = ()) -> Ssm:
        answer = {"DeletedParameters": list(deleted)} if deleted else {}
        self.stubber.add_response("delete_parameters", answer, {"Names": list(names)})
        return self


def run(ssm: Ssm, check_mode: bool = False, **options: t.Any) -> dict[str, t.Any]:
    params = {"prefix": PREFIX, "state": "present", "tags": {}, "kms_key_id": None, **options}
    result = issuer.run(Context(params=params, make_client=lambda *_names: ssm.client, check_mode=check_mode))
    ssm.stubber.assert_no_pending_responses()
    assert result["parameters"] == BOTH
    assert '"d"' not in json.dumps(result)
    return result


def test_the_thumbprint_is_that_of_rfc_7638() -> None:
    assert issuer.thumbprint(RFC_KEY) == "cn-I_WNMClehiVp51i_0VpOENW1upEerA8sEam5hn-s"
    assert issuer.thumbprint({**RFC_KEY, "use": "sig", "kid": "x"}) == issuer.thumbprint(RFC_KEY)


def test_a_new_key_is_usable_and_only_its_public_half_is_published() -> None:
    private = issuer.new_private_jwk()
    jwks = issuer.public_jwks(private)
    (public,) = jwks["keys"]
    assert set(public) == {"kty", "crv", "x", "y", "kid", "alg", "use"}
    assert (public["alg"], public["use"], public["kid"]) == ("ES256", "sig", issuer.thumbprint(private))
    signed = jwt.encode({"a": 1}, jwt.PyJWK(t.cast(dict, private)).key, "ES256")
    assert jwt.decode(signed, jwt.PyJWKSet.from_dict(jwks).keys[0].key, ["ES256"]) == {"a": 1}
    assert issuer.new_private_jwk()["kid"] != private["kid"]


def test_a_number_with_leading_zeros_keeps_its_length() -> None:
    assert issuer.b64(1) == "A" * 42 + "E"


def test_a_first_run_writes_the_private_half_first() -> None:
    tags = [{"Key": "Environment", "Value": "testing"}]
    ssm = Ssm().look().read_private(None).put(PRIVATE, tags=tags, KeyId="alias/own").put(JWKS, tags=tags)
    result = run(ssm, tags={"Environment": "testing"}, kms_key_id="alias/own")
    assert result["changed"] is True
    assert list(ssm.written) == [PRIVATE, JWKS]
    private = json.loads(ssm.written[PRIVATE])
    assert json.loads(ssm.written[JWKS]) == result["jwks"] == issuer.public_jwks(private)
    assert result["kid"] == private["kid"] and private["alg"] == "ES256" and private["use"] == "sig"


def test_an_unchanged_key_is_one_call_without_decryption() -> None:
    jwks = issuer.public_jwks(issuer.new_private_jwk())
    ssm = Ssm().look(private="sealed", jwks=json.dumps(jwks))
    assert run(ssm) == {"changed": False, "jwks": jwks, "kid": jwks["keys"][0]["kid"], "parameters": BOTH}


def test_check_mode_only_looks() -> None:
    assert run(Ssm().look(), check_mode=True) == {"changed": True, "jwks": None, "kid": None, "parameters": BOTH}
    assert run(Ssm().look(private="sealed"), check_mode=True)["changed"] is True
    assert run(Ssm().look(private="sealed", jwks="{}"), check_mode=True, state="absent")["changed"] is True
    assert run(Ssm().look(), check_mode=True, state="absent")["changed"] is False


def test_after_a_crash_between_the_halves_the_public_one_is_derived() -> None:
    private = issuer.new_private_jwk()
    ssm = Ssm().look(private="sealed").read_private(json.dumps(private)).put(JWKS)
    result = run(ssm)
    assert result["changed"] is True and result["jwks"] == issuer.public_jwks(private)
    assert list(ssm.written) == [JWKS]


@pytest.mark.parametrize("stale", ["not json", "[]", '{"keys": []}', '{"keys": [{}]}'])
def test_an_unusable_jwks_is_derived_again(stale: str) -> None:
    private = issuer.new_private_jwk()
    ssm = Ssm().look(private="sealed", jwks=stale).delete(JWKS, deleted=[JWKS])
    result = run(ssm.read_private(json.dumps(private)).put(JWKS))
    assert result["changed"] is True and result["kid"] == private["kid"]


def test_a_jwks_whose_private_half_is_gone_is_removed_before_a_new_key_is_made() -> None:
    old = issuer.public_jwks(issuer.new_private_jwk())
    ssm = Ssm().look(jwks=json.dumps(old)).delete(JWKS, deleted=[JWKS]).read_private(None).put(PRIVATE).put(JWKS)
    result = run(ssm)
    assert result["changed"] is True and result["kid"] != old["keys"][0]["kid"]


def test_of_two_runs_at_once_the_first_key_wins() -> None:
    other = issuer.new_private_jwk()
    ssm = Ssm().look().read_private(None).put(PRIVATE, exists=True).read_private(json.dumps(other))
    result = run(ssm.put(JWKS, exists=True))
    assert result["jwks"] == issuer.public_jwks(other)


def test_a_key_that_vanishes_at_once_is_an_error() -> None:
    ssm = Ssm().look().read_private(None).put(PRIVATE, exists=True).read_private(None)
    with pytest.raises(McpError, match="appeared and vanished during this run"):
        run(ssm)


@pytest.mark.parametrize("value", ["not json", "[]", '{"kty": "EC"}', '{"kty": 1}'])
def test_a_parameter_that_holds_something_else_is_not_touched(value: str) -> None:
    ssm = Ssm().look(private="sealed").read_private(value)
    with pytest.raises(McpError, match=f"aws ssm delete-parameter --name {PRIVATE}$") as failure:
        run(ssm)
    assert value not in failure.value.message


def test_absent_removes_both_and_is_idempotent() -> None:
    gone = {"jwks": None, "kid": None, "parameters": BOTH}
    assert run(Ssm().delete(PRIVATE, JWKS, deleted=[JWKS]), state="absent") == {"changed": True, **gone}
    assert run(Ssm().delete(PRIVATE, JWKS), state="absent") == {"changed": False, **gone}


@pytest.mark.parametrize("prefix", ["", "mcp/x", "/mcp/x/", "/mcp//x", "/aws/x", "/ssm/x", "/AWSx", "/mcp/a b", "/"])
def test_prefixes_that_ssm_refuses_are_refused_first(prefix: str) -> None:
    with pytest.raises(McpError, match="is not a parameter path") as failure:
        run(Ssm(), prefix=prefix)
    assert f"prefix={prefix} " in failure.value.message


def test_what_aws_refuses_is_said() -> None:
    ssm = Ssm()
    ssm.stubber.add_client_error("get_parameters", "AccessDeniedException", "not authorized to ssm:GetParameters")
    params: dict[str, t.Any] = {"prefix": PREFIX, "state": "present", "tags": {}, "kms_key_id": None}
    result = call_run(Context(params=params, make_client=lambda *_names: ssm.client), issuer.run)
    assert result["failed"] is True and "ssm:GetParameters" in result["msg"]
