# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The PostgreSQL behind the emulated RDS: made by a stack, refused without TLS, saved, restored, renamed, kept."""

from __future__ import annotations

import json
import os
import typing as t

import psycopg
import pytest

from tests.support.emulated import TestSandbox
from tests.support.fleet import until

pytestmark = pytest.mark.integration
TEMPLATE = """
Parameters:
  Protected: {Type: String, Default: "false"}
  Class: {Type: String, Default: db.t3.micro}
Resources:
  Secret:
    Type: AWS::SecretsManager::Secret
    Properties:
      Name: !Sub "${AWS::StackName}-master"
      GenerateSecretString:
        SecretStringTemplate: '{"username": "mcp_admin"}'
        GenerateStringKey: password
        PasswordLength: 40
        ExcludePunctuation: true
  Database:
    Type: AWS::RDS::DBInstance
    DeletionPolicy: Snapshot
    Properties:
      DBInstanceIdentifier: !Ref AWS::StackName
      Engine: postgres
      EngineVersion: "17"
      DBInstanceClass: !Ref Class
      DBName: mcp
      AllocatedStorage: 20
      MasterUsername: mcp_admin
      MasterUserPassword: !Sub "{{resolve:secretsmanager:${Secret}:SecretString:password}}"
      DeletionProtection: !Ref Protected
Outputs:
  Port: {Value: !GetAtt Database.Endpoint.Port}
"""


class Made:
    """A database of a stack."""

    def __init__(self, sandbox: TestSandbox, name: str, **parameters: str) -> None:
        self.name = name
        self.stacks, self.service = sandbox.client("cloudformation"), sandbox.client("rds")
        self.stacks.create_stack(StackName=name, TemplateBody=TEMPLATE, Parameters=self.parameters(parameters))
        until(lambda: self.status() == "CREATE_COMPLETE", 60)
        secret = sandbox.client("secretsmanager").get_secret_value(SecretId=f"{name}-master")["SecretString"]
        self.password = json.loads(secret)["password"]
        self.port = int(self.stacks.describe_stacks(StackName=name)["Stacks"][0]["Outputs"][0]["OutputValue"])

    def parameters(self, given: dict[str, str]) -> list[dict[str, str]]:
        """Return parameters as a call has them."""
        return [{"ParameterKey": key, "ParameterValue": value} for key, value in given.items()]

    def status(self) -> str:
        """Return the stack's status."""
        found = self.stacks.list_stacks()["StackSummaries"]
        return next(str(item["StackStatus"]) for item in found if item["StackName"] == self.name)

    def update(self, **parameters: str) -> None:
        """Update the stack."""
        self.stacks.update_stack(StackName=self.name, TemplateBody=TEMPLATE, Parameters=self.parameters(parameters))
        until(lambda: self.status() == "UPDATE_COMPLETE", 30)

    def remove(self) -> str:
        """Delete the stack; return its last status."""
        self.stacks.delete_stack(StackName=self.name)
        return str(until(lambda: self.status() if self.status() in ("DELETE_COMPLETE", "DELETE_FAILED") else "", 30))

    def instance(self, name: str) -> dict[str, t.Any]:
        """Return an instance that is available."""

        def found() -> dict[str, t.Any] | None:
            (record,) = self.service.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"]
            return record if record["DBInstanceStatus"] == "available" else None

        return t.cast(dict[str, t.Any], until(found))

    def execute(self, statement: str, port: int = 0, user: str = "mcp_admin", **more: str) -> list[tuple[t.Any, ...]]:
        """Run a statement over TLS."""
        settings = {"sslmode": "require", "password": self.password, **more}
        with psycopg.connect(
            host="127.0.0.1", port=port or self.port, dbname="mcp", user=user, autocommit=True, **settings
        ) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []


def test_a_stack_has_a_database_with_rds_roles_and_tls_alone(sandbox: TestSandbox) -> None:
    made = Made(sandbox, "db-roles")
    rights = made.execute("SELECT rolsuper, rolcreaterole, rolcreatedb FROM pg_roles WHERE rolname = current_user")
    assert rights == [(False, True, True)]
    made.execute("CREATE ROLE mcp LOGIN PASSWORD 'x'; GRANT rds_iam TO mcp; GRANT CREATE ON SCHEMA public TO mcp")
    made.execute("CREATE TABLE kept (n int)", user="mcp", password="x")
    with pytest.raises(psycopg.OperationalError, match="no encryption"):
        made.execute("SELECT 1", sslmode="disable")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        made.execute("SELECT 1", password="wrong")
    assert made.remove() == "DELETE_COMPLETE"
    snapshots = made.service.describe_db_snapshots(DBInstanceIdentifier="db-roles")["DBSnapshots"]
    assert [item["Status"] for item in snapshots] == ["available"]
    with pytest.raises(psycopg.OperationalError):
        made.execute("SELECT 1")


def test_an_update_keeps_the_data_and_protection_holds_the_stack(sandbox: TestSandbox) -> None:
    made = Made(sandbox, "db-guarded", Protected="true")
    made.execute("CREATE TABLE kept AS SELECT 7 AS n")
    made.update(Protected="true", Class="db.t3.small")
    assert made.execute("SELECT n FROM kept") == [(7,)]
    with pytest.raises(made.service.exceptions.ClientError, match="DeletionProtection"):
        made.service.delete_db_instance(DBInstanceIdentifier="db-guarded", SkipFinalSnapshot=True)
    assert made.remove() == "DELETE_FAILED"
    assert made.execute("SELECT n FROM kept") == [(7,)]
    made.service.modify_db_instance(DBInstanceIdentifier="db-guarded", DeletionProtection=False)
    assert made.remove() == "DELETE_COMPLETE"


def test_a_snapshot_and_the_present_are_restored_beside_it(sandbox: TestSandbox) -> None:
    made = Made(sandbox, "db-copies")
    made.execute("CREATE TABLE kept AS SELECT 1 AS n")
    made.service.create_db_snapshot(DBInstanceIdentifier="db-copies", DBSnapshotIdentifier="one")
    made.execute("INSERT INTO kept VALUES (2)")
    made.service.restore_db_instance_from_db_snapshot(DBInstanceIdentifier="db-then", DBSnapshotIdentifier="one")
    made.service.restore_db_instance_to_point_in_time(
        SourceDBInstanceIdentifier="db-copies", TargetDBInstanceIdentifier="db-now", UseLatestRestorableTime=True
    )
    counts = {
        name: made.execute("SELECT count(*) FROM kept", made.instance(name)["Endpoint"]["Port"])[0][0]
        for name in ("db-then", "db-now")
    }
    assert counts == {"db-then": 1, "db-now": 2}
    assert made.execute("SELECT count(*) FROM kept") == [(2,)]
    with pytest.raises(made.service.exceptions.ClientError, match="FinalDBSnapshotIdentifier is required"):
        made.service.delete_db_instance(DBInstanceIdentifier="db-now")
    made.service.delete_db_instance(DBInstanceIdentifier="db-now", FinalDBSnapshotIdentifier="last")
    made.service.delete_db_instance(DBInstanceIdentifier="db-then", SkipFinalSnapshot=True)
    assert made.service.describe_db_snapshots(DBSnapshotIdentifier="last")["DBSnapshots"][0]["Status"] == "available"
    made.remove()


def test_an_address_goes_with_the_name(sandbox: TestSandbox) -> None:
    made = Made(sandbox, "db-names")
    made.execute("CREATE TABLE kept AS SELECT 'old' AS n")
    made.service.create_db_snapshot(DBInstanceIdentifier="db-names", DBSnapshotIdentifier="names")
    made.service.restore_db_instance_from_db_snapshot(DBInstanceIdentifier="db-other", DBSnapshotIdentifier="names")
    made.execute("UPDATE kept SET n = 'new'", made.instance("db-other")["Endpoint"]["Port"])
    for before, after in (("db-names", "db-aside"), ("db-other", "db-names")):
        made.service.modify_db_instance(
            DBInstanceIdentifier=before, NewDBInstanceIdentifier=after, ApplyImmediately=True
        )
        made.instance(after)
    assert made.execute("SELECT n FROM kept") == [("new",)]
    made.service.modify_db_instance(
        DBInstanceIdentifier="db-names", MasterUserPassword="another-one", ApplyImmediately=True
    )
    assert made.execute("SELECT n FROM kept", password="another-one") == [("new",)]
    made.service.delete_db_instance(DBInstanceIdentifier="db-aside", SkipFinalSnapshot=True)
    made.remove()


def test_data_outlives_a_stop_and_the_server_a_killed_emulator(own_sandbox: TestSandbox) -> None:
    made = Made(own_sandbox.start(), "db-kept")
    made.execute("CREATE TABLE kept AS SELECT 7 AS n")
    own_sandbox.stop()
    with pytest.raises(psycopg.OperationalError):
        made.execute("SELECT 1")
    own_sandbox.start()
    made.instance("db-kept")
    assert made.execute("SELECT n FROM kept") == [(7,)]
    os.kill(own_sandbox.status()["emulator"]["pid"], 9)
    assert made.execute("SELECT n FROM kept") == [(7,)]
    own_sandbox.start()
    made.instance("db-kept")
    assert made.execute("SELECT n FROM kept") == [(7,)]
    assert own_sandbox.command("reset").returncode == 0
    assert not (own_sandbox.directory / "databases").exists()
