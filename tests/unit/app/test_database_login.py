# SPDX-License-Identifier: MIT
"""How the server logs in to its database without a password on any disk: by a secret, or by IAM tokens."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from pratiko_mcp import aws_json
from pratiko_mcp.reference.address import database_address
from pratiko_mcp.reference.login import IamLogin, PasswordUnavailable, SecretLogin
from pratiko_mcp.reference.prepare import master_login
from pratiko_mcp.settings import SettingsError

ARN = "arn:aws:secretsmanager:us-east-1:123456789012:secret:mcp-staging-database-AbCdEf"
HOST = "mcp-staging.abc.us-east-1.rds.amazonaws.com"
VERIFIED = f"postgresql://mcp@{HOST}:5433/mcp?sslmode=verify-full&sslrootcert=/etc/mcp/rds-ca.pem"
PLAIN = "postgresql://mcp@127.0.0.1:5432/mcp"


@pytest.fixture
def secret(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], list[Any]]:
    """Let Secrets Manager answer with a text; return what it was asked."""
    asked: list[Any] = []

    def answers(text: str) -> list[Any]:
        def call(service: str, target: str, document: Any) -> Any:
            asked.append((service, target, document))
            return {"SecretString": text}

        monkeypatch.setattr(aws_json, "call", call)
        return asked

    return answers


def test_a_secret_is_read_once_and_again_after_a_refusal(secret: Callable[[str], list[Any]]) -> None:
    asked = secret(json.dumps({"username": "mcp", "password": "first"}))
    address = database_address({"MCP_DATABASE_URL": PLAIN, "MCP_DATABASE_SECRET": ARN})
    assert (address.password(), address.password(), len(asked)) == ("first", "first", 1)
    assert asked[0] == (
        "secretsmanager",
        "secretsmanager.GetSecretValue",
        {"SecretId": ARN, "VersionStage": "AWSCURRENT"},
    )
    secret("second")
    assert address.password() == "first"
    address.refused()
    assert address.password() == "second"
    assert "second" not in repr(address) and "second" not in repr(vars(address))


@pytest.mark.parametrize(
    ("text", "password"), [("12345", "12345"), ('{"value": "v"}', "v"), ('{"password": "p"}', "p")]
)
def test_forms_of_a_secret(secret: Callable[[str], list[Any]], text: str, password: str) -> None:
    secret(text)
    assert SecretLogin(ARN).credentials() == ("", password)


def test_a_secret_without_a_password_is_told_without_its_text(secret: Callable[[str], list[Any]]) -> None:
    secret('{"passwd": "hunter2"}')
    with pytest.raises(PasswordUnavailable, match='a JSON object without "password"') as told:
        SecretLogin(ARN).password()
    assert "hunter2" not in str(told.value)


def test_a_secret_that_cannot_be_read_is_an_operating_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def call(service: str, target: str, document: Any) -> Any:
        raise LookupError("AWS_REGION is not set")

    monkeypatch.setattr(aws_json, "call", call)
    with pytest.raises(OSError, match=f"the database's secret {ARN} cannot be read: LookupError: AWS_REGION"):
        SecretLogin(ARN).password()


@pytest.fixture
def role(monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials as an instance has them."""
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "ASIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a secret key")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "a/session+token==")


def test_a_token_is_what_boto3_makes(role: None, monkeypatch: pytest.MonkeyPatch) -> None:
    import botocore.auth

    fixed = botocore.auth.get_current_datetime()
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda *_, **__: fixed)
    client = boto3.session.Session().client("rds", region_name="us-east-1")  # the default one remembers other keys
    theirs = client.generate_db_auth_token(DBHostname=HOST, Port=5433, DBUsername="mcp")
    assert IamLogin(VERIFIED).password() == theirs


def test_every_connection_has_a_token_of_its_own(role: None, monkeypatch: pytest.MonkeyPatch) -> None:
    address = database_address({"MCP_DATABASE_URL": VERIFIED, "MCP_DATABASE_AUTH": "iam"})
    first = address.password() or ""
    assert first.startswith(f"{HOST}:5433/?Action=connect&DBUser=mcp&") and "X-Amz-Expires=900" in first
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another key, as after an hour")
    assert address.password() != first


def test_no_credentials_at_aws_is_an_operating_error(role: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aws_json, "credentials", lambda: None)
    with pytest.raises(PasswordUnavailable, match="no IAM token for the database: NoCredentialsError"):
        IamLogin(VERIFIED).password()


@pytest.mark.parametrize(
    "url",
    [PLAIN, VERIFIED.replace("verify-full", "require"), VERIFIED.replace("mcp@", ""), f"{VERIFIED}&sslmode=disable"],
)
def test_a_token_goes_to_nobody_but_the_database(url: str) -> None:
    with pytest.raises(SettingsError, match="Allowed: with MCP_DATABASE_AUTH=iam a URL with a user and sslmode=verify"):
        database_address({"MCP_DATABASE_URL": url, "MCP_DATABASE_AUTH": "iam"})


def test_one_way_to_log_in(tmp_path: Any) -> None:
    (tmp_path / "password").write_text("p")
    file, iam = {"MCP_DATABASE_PASSWORD_FILE": str(tmp_path / "password")}, {"MCP_DATABASE_AUTH": "iam"}
    for more in ({**file, **iam}, {**file, "MCP_DATABASE_SECRET": ARN}, {**iam, "MCP_DATABASE_SECRET": ARN}):
        with pytest.raises(SettingsError, match=r"is set together with MCP_DATABASE_\w+"):
            database_address({"MCP_DATABASE_URL": VERIFIED, **more})
    with pytest.raises(SettingsError, match=r"MCP_DATABASE_AUTH is 'kerberos'\. Allowed: password, iam"):
        database_address({"MCP_DATABASE_URL": PLAIN, "MCP_DATABASE_AUTH": "kerberos"})
    with pytest.raises(SettingsError, match=r"MCP_DATABASE_SECRET is not an ARN \(value not shown\)"):
        database_address({"MCP_DATABASE_URL": PLAIN, "MCP_DATABASE_SECRET": "hunter2"})
    with pytest.raises(SettingsError, match="--master-secret is not set"):
        master_login("")
