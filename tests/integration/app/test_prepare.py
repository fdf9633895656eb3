# SPDX-License-Identifier: MIT
"""The user of the database, made once by the master user: with a password from a secret, and with IAM tokens."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from pratiko_mcp import aws_json
from pratiko_mcp.reference import migrate
from pratiko_mcp.reference.address import Address, database_address
from pratiko_mcp.reference.migrate import parse_arguments, run
from pratiko_mcp.reference.postgres import PostgresStorage
from pratiko_mcp.reference.prepare import PrepareFailed

from tests.support.rds import Authority, Rds, rds
from tests.support.services import postgres

pytestmark = pytest.mark.integration

SECRETS = "arn:aws:secretsmanager:us-east-1:123456789012:secret:"
MASTER, USER = SECRETS + "master", SECRETS + "app"
SECRET_KEY = "the secret key of the instance's role"
PREPARE = ("prepare", "--master-secret", MASTER)


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Rds]:
    """A new database behind what stands in for RDS, open."""
    with postgres() as database, rds(database, _tls(tmp_path), "127.0.0.1", SECRET_KEY) as made:
        made.open()
        yield made


def _tls(folder: Path) -> Any:
    return Authority.make(folder).server_tls("127.0.0.1")


@pytest.fixture
def secrets(gate: Rds, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What Secrets Manager knows; what was asked for is in ``asked``, in order."""
    known = {MASTER: json.dumps({"username": "master", "password": gate.database.password}), "asked": ""}

    def call(service: str, target: str, document: Any) -> Any:
        known["asked"] += document["SecretId"] + " "
        if document["SecretId"] not in known:
            raise LookupError("AccessDeniedException")
        return {"SecretString": known[document["SecretId"]]}

    monkeypatch.setattr(aws_json, "call", call)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "ASIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    monkeypatch.setenv("AWS_SESSION_TOKEN", "a/session+token==")
    return known


def by_token(gate: Rds, folder: Path, **more: str) -> Address:
    url = f"postgresql://app@127.0.0.1:{gate.port}/mcp?sslmode=verify-full&sslrootcert={folder / 'ca.pem'}"
    return database_address({"MCP_DATABASE_URL": url, "MCP_DATABASE_AUTH": "iam", **more})


def by_secret(gate: Rds) -> Address:
    url = f"postgresql://app@127.0.0.1:{gate.database.port}/mcp"
    return database_address({"MCP_DATABASE_URL": url, "MCP_DATABASE_SECRET": USER})


def do(address: Address, *arguments: str, wait: float = 5) -> str:
    return run(parse_arguments([f"--wait={wait}", *arguments]), address)


def test_user_with_tokens(gate: Rds, secrets: dict[str, str], tmp_path: Path) -> None:
    address = by_token(gate, tmp_path)
    assert do(address, *PREPARE) == "changed: made the user app"
    assert do(address, "upgrade") == "changed: empty -> 0003"
    storage = PostgresStorage(address)
    storage.save("first", "First", "by a token")
    assert (found := storage.get("first")) and found.text == "by a token"
    storage.check_schema()
    storage.reset()
    assert gate.tokens and gate.refused == []
    # From now on nobody asks for the master user's secret, and nobody has to be let.
    secrets.pop(MASTER)
    secrets["asked"] = ""
    assert do(address, *PREPARE) == "unchanged: the user app can log in"
    assert secrets["asked"] == ""


def test_token_of_another_account_lets_nobody_in(
    gate: Rds, secrets: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = by_token(gate, tmp_path)
    do(address, *PREPARE)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another")
    with pytest.raises(PrepareFailed, match=r"the user app cannot log in within 1 s: .*PAM authentication failed"):
        do(address, *PREPARE, wait=1)
    assert set(gate.refused) == {"it is not signed with the key of this account"}


def test_user_with_a_password_that_the_log_never_sees(gate: Rds, secrets: dict[str, str]) -> None:
    database = gate.database
    (database.data / "pg_hba.conf").write_text("host all all 127.0.0.1/32 scram-sha-256\n")
    database.execute("ALTER SYSTEM SET log_statement = 'all'")
    database.execute("SELECT pg_reload_conf()")
    secrets[USER] = json.dumps({"username": "app", "password": "a-password"})
    address = by_secret(gate)
    # The master user's address, too, goes to the database itself here.
    assert do(address, *PREPARE) == "changed: made the user app"
    assert do(address, *PREPARE) == "unchanged: the user app can log in"
    assert do(address, "upgrade") == "changed: empty -> 0003"
    log = database.log.read_text(encoding="utf-8")
    assert "CREATE ROLE" in log and "a-password" not in log
    # A password that was changed by hand is brought back.
    database.execute("ALTER ROLE app PASSWORD 'another'")
    assert do(address, *PREPARE) == "changed: made the user app"


def test_the_pool_reads_a_secret_that_changed(gate: Rds, secrets: dict[str, str]) -> None:
    database = gate.database
    (database.data / "pg_hba.conf").write_text("host all all 127.0.0.1/32 scram-sha-256\n")
    database.execute("SELECT pg_reload_conf()")
    secrets[USER] = "first"
    address = by_secret(gate)
    do(address, *PREPARE)
    do(address, "upgrade")
    storage = PostgresStorage(address)
    storage.save("kept", "Kept", "text")
    database.execute("ALTER ROLE app PASSWORD 'second'")
    secrets[USER] = "second"
    storage.reset()
    with pytest.raises(psycopg.OperationalError):
        storage.check()  # with the password of before, which it forgets
    assert (found := storage.get("kept")) and found.text == "text"
    storage.reset()


def test_a_database_that_is_away_is_waited_for(gate: Rds, secrets: dict[str, str], tmp_path: Path) -> None:
    gate.close()
    opening = threading.Timer(3, gate.open)
    opening.start()
    began = time.monotonic()
    assert do(by_token(gate, tmp_path), *PREPARE, wait=30) == "changed: made the user app"
    assert time.monotonic() - began > 2.5
    opening.join()


def test_a_database_that_stays_away_is_told(gate: Rds, secrets: dict[str, str], tmp_path: Path) -> None:
    gate.close()
    with pytest.raises(PrepareFailed, match=r"the user app cannot log in within 1 s: .*Connection refused"):
        do(by_token(gate, tmp_path), *PREPARE, wait=1)
    assert secrets["asked"] == ""


def test_without_iam_authentication_nothing_is_left_behind(gate: Rds, secrets: dict[str, str], tmp_path: Path) -> None:
    gate.database.execute("DROP ROLE rds_iam")
    with pytest.raises(PrepareFailed, match="IAM database authentication is off"):
        do(by_token(gate, tmp_path), *PREPARE)
    assert gate.database.execute("SELECT count(*) FROM pg_roles WHERE rolname = 'app'") == [(0,)]


def test_two_instances_at_the_same_time(gate: Rds, secrets: dict[str, str], tmp_path: Path) -> None:
    address, said = by_token(gate, tmp_path), []
    threads = [threading.Thread(target=lambda: said.append(do(address, *PREPARE, wait=20))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(said) == 4 and "changed: made the user app" in said


def test_a_secret_nobody_lets_us_read_is_one_sentence(
    gate: Rds, secrets: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets.pop(MASTER)
    ca = tmp_path / "ca.pem"
    url = f"postgresql://app@127.0.0.1:{gate.port}/mcp?sslmode=verify-full&sslrootcert={ca}"
    monkeypatch.setenv("MCP_DATABASE_URL", url)
    monkeypatch.setenv("MCP_DATABASE_AUTH", "iam")
    with pytest.raises(SystemExit, match=f"migrate prepare: the user app cannot log in .* {MASTER} cannot be read"):
        migrate.main(["--wait=1", *PREPARE])
