# SPDX-License-Identifier: MIT
"""What the API Gateway authorizer answers."""

from __future__ import annotations

import json
import time
from typing import Any

import boto3
import jwt
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber
from cryptography.hazmat.primitives.asymmetric import ec
from pratiko_mcp import aws_json
from pratiko_mcp.auth import KeySource, KeysUnavailable, Verifier
from pratiko_mcp.authorizer import SECRET_MAX_AGE_SECONDS, SECRET_TTL_SECONDS, Authorizer, OriginSecret
from pratiko_mcp.settings import TokenSettings

ISSUER = "https://mcp.example.com"
ARN = "arn:aws:secretsmanager:us-east-1:123456789012:secret:origin-AbCdEf"
METHOD_ARN = "arn:aws:execute-api:us-east-1:123456789012:abc123/live/POST/mcp"
KEY = ec.generate_private_key(ec.SECP256R1())
JWKS = {"keys": [{**jwt.algorithms.ECAlgorithm.to_jwk(KEY.public_key(), as_dict=True), "kid": "1"}]}
# In this order they are read.
STAGES = ("AWSPENDING", "AWSCURRENT", "AWSPREVIOUS")


def token(**changes: Any) -> str:
    claims = {"iss": ISSUER, "aud": ISSUER + "/mcp", "sub": "alice", "scope": "read write", "client_id": "cli"}
    return jwt.encode({**claims, "exp": int(time.time()) + 300, **changes}, KEY, "ES256", headers={"kid": "1"})


class Bench:
    """An authorizer over a stubbed Secrets Manager and a clock that only the test moves."""

    def __init__(self, patch: pytest.MonkeyPatch, jwks_url: str | None = None, jwks: Any = JWKS) -> None:
        self._client = boto3.client(
            "secretsmanager", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x"
        )
        self.stub = Stubber(self._client)
        self.stub.activate()
        self.now = 100.0
        self.fetched: list[str] = []
        settings = TokenSettings(ISSUER, (ISSUER + "/mcp",), None if jwks_url else jwks, jwks_url)
        verifier = Verifier(settings, KeySource(settings, self._fetch, find_url=lambda issuer: issuer + "/found"))
        self.authorizer = Authorizer(verifier, OriginSecret(ARN, lambda: self.now))
        patch.setattr(aws_json, "call", self._call)

    def _call(self, service: str, target: str, document: dict[str, str]) -> Any:
        """Answer as the stub does, after checking the call against botocore's model of the service."""
        model = self._client.meta.service_model
        assert (service, target) == (model.signing_name, f"{model.metadata['targetPrefix']}.GetSecretValue")
        assert model.metadata["jsonVersion"] == "1.1"
        return self._client.get_secret_value(**document)

    def _fetch(self, url: str) -> dict[str, Any]:
        self.fetched.append(url)
        if "unreachable" in url:
            raise KeysUnavailable(url)
        return JWKS

    def secret(self, **stages: str | None) -> None:
        """Expect reads of stages in this order; None is a stage that does not exist."""
        for stage, value in stages.items():
            expected = {"SecretId": ARN, "VersionStage": stage}
            if value is None:
                self.stub.add_client_error("get_secret_value", "ResourceNotFoundException", expected_params=expected)
            else:
                self.stub.add_response("get_secret_value", {"SecretString": value}, expected)

    def effect(self, origin: str | None, bearer: str | None = None, **event: Any) -> str:
        decision = self.decide(origin, bearer, **event)
        return str(decision["policyDocument"]["Statement"][0]["Effect"])

    def decide(self, origin: str | None, bearer: str | None = None, **event: Any) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {bearer or token()}"} | ({"X-Mcp-Origin": origin} if origin else {})
        return self.authorizer.decide({"headers": headers, "methodArn": METHOD_ARN, **event})


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(monkeypatch)


def test_allow(bench: Bench) -> None:
    bench.secret(AWSCURRENT="s1")
    expiry = int(time.time()) + 100
    assert bench.decide("s1", token(exp=expiry)) == {
        "principalId": "alice",
        "policyDocument": {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Action": "execute-api:Invoke",
                    "Effect": "Allow",
                    "Resource": "arn:aws:execute-api:us-east-1:123456789012:abc123/live/*",
                }
            ],
        },
        "context": {
            "sub": "alice",
            "log_sub": "alice",
            "scope": "read write",
            "client_id": "cli",
            "exp": str(expiry),
        },
    }


def test_a_subject_cannot_write_into_the_access_log(bench: Bench) -> None:
    """The log puts it between quotes as it is."""
    bench.secret(AWSCURRENT="s1")
    subject = 'a","status":"200\n\\é'
    context = bench.decide("s1", token(sub=subject))["context"]
    assert context["sub"] == subject
    assert json.loads(f'{{"sub":"{context["log_sub"]}"}}') == {"sub": subject}


@pytest.mark.parametrize(
    "headers",
    [
        None,
        {},
        {"Authorization": "Basic abc"},
        {"Authorization": "Bearer abc"},
        {"authorization": "Bearer " + token(exp=1)},
        {"authorization": "Bearer " + token(aud="other"), "x-mcp-origin": "s1"},
    ],
)
def test_unauthorized_before_the_secret_is_read(bench: Bench, headers: dict[str, str] | None) -> None:
    with pytest.raises(Exception, match=r"^Unauthorized$"):
        bench.authorizer.decide({"headers": headers, "methodArn": METHOD_ARN})


@pytest.mark.parametrize("origin", [None, "wrong", "", "\ud800"])
def test_deny_round_the_cdn(bench: Bench, origin: str | None) -> None:
    bench.secret(AWSCURRENT="s1")
    bench.secret(AWSPENDING=None, AWSCURRENT="s1", AWSPREVIOUS=None)
    assert bench.effect(origin) == "Deny"
    bench.stub.assert_no_pending_responses()


def test_wrong_origin_is_denied_after_keys_and_secret_were_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """A release gate asks this of a new authorizer: its answer proves that both can be read."""
    bench = Bench(monkeypatch, jwks_url="https://issuer.example/keys")
    bench.secret(AWSCURRENT="s1")
    bench.secret(AWSPENDING=None, AWSCURRENT="s1", AWSPREVIOUS=None)
    assert bench.effect("wrong", type="REQUEST") == "Deny"
    assert bench.fetched == ["https://issuer.example/keys"]
    bench.stub.assert_no_pending_responses()


def test_unreadable_secret_is_an_error_not_a_decision(bench: Bench) -> None:
    bench.stub.add_client_error("get_secret_value", "AccessDeniedException")
    with pytest.raises(ClientError, match="AccessDenied"):
        bench.effect("wrong")


def test_unreadable_keys_are_an_error_before_the_secret_is_read(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not "Unauthorized": API Gateway answers 500, and no client throws a good token away."""
    bench = Bench(monkeypatch, jwks_url="https://unreachable.example/keys")
    bearer = token()
    with pytest.raises(KeysUnavailable, match="unreachable") as failure:
        bench.effect("s1", bearer)
    output = capsys.readouterr().out
    assert json.loads(output) == {"event": "authorizer", "decision": "error", "reason": "KEYS"}
    assert bearer not in output and bearer not in str(failure.value)


def test_keys_of_a_foreign_issuer_are_discovered(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, jwks=None)
    bench.secret(AWSCURRENT="s1")
    assert [bench.effect("s1"), bench.effect("s1")] == ["Allow", "Allow"]
    assert bench.fetched == [ISSUER + "/found"]


def test_secret_is_cached(bench: Bench) -> None:
    bench.secret(AWSCURRENT="s1")
    assert [bench.effect("s1") for _ in range(3)] == ["Allow"] * 3
    bench.now += SECRET_TTL_SECONDS + 1
    bench.secret(AWSCURRENT="s2")
    assert bench.effect("s2") == "Allow"
    bench.stub.assert_no_pending_responses()


@pytest.mark.parametrize("stage", STAGES)
def test_rotation_is_noticed_at_once(bench: Bench, stage: str) -> None:
    bench.secret(AWSCURRENT="s1")
    bench.effect("s1")
    bench.secret(**{name: "s2" if name == stage else f"other-{name}" for name in STAGES})
    assert bench.effect("s2") == "Allow"


def test_values_around_a_rotation_are_all_good(bench: Bench) -> None:
    bench.secret(AWSCURRENT="s2")
    bench.secret(AWSPENDING="s3", AWSCURRENT="s2", AWSPREVIOUS="s1")
    assert [bench.effect(origin) for origin in ("s1", "s2", "s3")] == ["Allow"] * 3


def test_a_store_that_is_away_for_a_moment_refuses_no_good_call(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    bench.secret(AWSCURRENT="s1")
    bench.effect("s1")
    bench.now += SECRET_TTL_SECONDS + 1
    bench.stub.add_client_error("get_secret_value", "InternalServiceError")
    assert [bench.effect("s1"), bench.effect("s1")] == ["Allow", "Allow"]
    assert capsys.readouterr().out.count('"reason": "SECRET"') == 1  # the second did not even ask
    bench.now += SECRET_MAX_AGE_SECONDS
    bench.stub.add_client_error("get_secret_value", "InternalServiceError")
    with pytest.raises(ClientError, match="InternalServiceError"):
        bench.effect("s1")


def test_an_old_value_is_refused_a_minute_after_its_rotation_has_ended(bench: Bench) -> None:
    bench.secret(AWSCURRENT="s1")
    bench.secret(AWSPENDING="s2", AWSCURRENT="s1", AWSPREVIOUS=None)
    assert [bench.effect("s1"), bench.effect("s2")] == ["Allow", "Allow"]
    bench.now += SECRET_TTL_SECONDS + 1
    bench.secret(AWSCURRENT="s2")
    assert bench.effect("s2") == "Allow"
    bench.secret(AWSPENDING=None, AWSCURRENT="s2", AWSPREVIOUS=None)
    assert bench.effect("s1") == "Deny"
    bench.stub.assert_no_pending_responses()


def test_a_parameter_is_read_once_for_all_stages(monkeypatch: pytest.MonkeyPatch) -> None:
    document = {"current": "s2", "pending": "s3", "previous": None, "versions": {"current": "v2", "pending": "v3"}}
    asked: list[Any] = []

    def call(*question: Any) -> Any:
        asked.append(question)
        return {"Parameter": {"Value": json.dumps(document)}}

    monkeypatch.setattr(aws_json, "call", call)
    origin = OriginSecret("ssm:/mcp/production/secrets/origin", lambda: 100.0)
    assert [origin.matches(value) for value in ("s2", "s3", "s1", "")] == [True, True, False, False]
    wanted = {"Name": "/mcp/production/secrets/origin", "WithDecryption": True}
    assert asked == [("ssm", "AmazonSSM.GetParameter", wanted)] * 4  # s2; then s3, s1 and nothing make it look again


@pytest.mark.parametrize("value", ["a secret", "[1]"])
def test_a_parameter_that_is_no_secret_is_an_error_that_does_not_show_it(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setattr(aws_json, "call", lambda *_question: {"Parameter": {"Value": value}})
    with pytest.raises(LookupError, match="/mcp/production/secrets/origin holds no secret") as failure:
        OriginSecret("ssm:/mcp/production/secrets/origin").matches("x")
    assert value not in str(failure.value)


def test_json_value(bench: Bench) -> None:
    bench.secret(AWSCURRENT=json.dumps({"value": "s1"}))
    assert bench.effect("s1") == "Allow"


def test_number_stays_text(bench: Bench) -> None:
    bench.secret(AWSCURRENT="12345")
    assert bench.effect("12345") == "Allow"


@pytest.mark.parametrize("value", [None, '{"value": ""}'])
def test_secret_without_a_value_is_an_error_not_a_decision(bench: Bench, value: str | None) -> None:
    bench.secret(AWSCURRENT=value)
    with pytest.raises(LookupError, match="has no value"):
        bench.effect(None)


def test_log_has_no_secrets(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    bench.secret(AWSCURRENT="s1")
    bearer = token()
    bench.decide("s1", bearer)
    line = capsys.readouterr().out
    assert json.loads(line) == {"event": "authorizer", "decision": "allowed", "reason": ""}
    assert bearer not in line


def test_handler_reads_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    from pratiko_mcp import authorizer

    monkeypatch.setenv("MCP_PUBLIC_URL", ISSUER)
    monkeypatch.setenv("MCP_JWKS", json.dumps(JWKS))
    monkeypatch.setenv("MCP_ORIGIN_SECRET", ARN)
    authorizer._authorizer.cache_clear()
    with pytest.raises(Exception, match=r"^Unauthorized$"):
        authorizer.handler({"headers": {"authorization": "Bearer x"}, "methodArn": METHOD_ARN}, None)
