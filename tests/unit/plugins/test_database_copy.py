# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A copy of a database beside it, by requests that AWS's own service model accepts."""

from __future__ import annotations

import datetime
import typing as t

import boto3
import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import database_copy
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import Context, McpError
from botocore.stub import Stubber

LIVE, COPY = "mcp-staging", "mcp-staging-restored"
COMMON = {
    "DBInstanceClass": "db.t3.micro",
    "PubliclyAccessible": False,
    "MultiAZ": False,
    "DeletionProtection": False,
    "EnableIAMDatabaseAuthentication": True,
    "Tags": [{"Key": "mcp:environment", "Value": "staging"}, {"Key": "mcp:restored-from", "Value": "s1"}],
    "DBSubnetGroupName": "subnets",
    "VpcSecurityGroupIds": ["sg-1"],
    "DBParameterGroupName": "tls",
}
SOURCE = {
    "DBInstanceIdentifier": LIVE,
    "DBInstanceClass": "db.t3.micro",
    "EngineVersion": "17.6",
    "DBSubnetGroup": {"DBSubnetGroupName": "subnets"},
    "VpcSecurityGroups": [{"VpcSecurityGroupId": "sg-1", "Status": "active"}],
    "DBParameterGroups": [{"DBParameterGroupName": "tls", "ParameterApplyStatus": "in-sync"}],
}


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that only waiting moves; returns the waits."""
    waits: list[float] = []
    monkeypatch.setattr(database_copy.time, "sleep", waits.append)
    monkeypatch.setattr(database_copy.time, "monotonic", lambda: 1000.0 + sum(waits))
    return waits


def instance(state: str) -> dict[str, t.Any]:
    """Return the copy as RDS describes it."""
    return {
        "DBInstanceIdentifier": COPY,
        "DBInstanceStatus": state,
        "Endpoint": {"Address": "copy.example", "Port": 5432},
        "DbiResourceId": "db-1",
        "TagList": [{"Key": "mcp:restored-from", "Value": "s1"}],
    }


class Rds:
    """RDS, which answers what a test expects, in that order."""

    def __init__(self) -> None:
        keys = {"region_name": "us-east-1", "aws_access_key_id": "x", "aws_secret_access_key": "x"}
        self.stub = Stubber(boto3.client("rds", **keys))

    def has(self, name: str, found: dict[str, t.Any] | None) -> Rds:
        """Expect a look at an instance."""
        if found is None:
            self.stub.add_client_error(
                "describe_db_instances", "DBInstanceNotFound", expected_params={"DBInstanceIdentifier": name}
            )
        else:
            self.stub.add_response("describe_db_instances", {"DBInstances": [found]}, {"DBInstanceIdentifier": name})
        return self

    def restores(self, how: str, **wanted: t.Any) -> Rds:
        """Expect a restore."""
        self.stub.add_response(f"restore_db_instance_{how}", {}, {**COMMON, **wanted})
        return self

    def snapshot(self, version: str) -> Rds:
        """Expect a look at a snapshot."""
        found = {"DBSnapshots": [{"EngineVersion": version}]}
        self.stub.add_response("describe_db_snapshots", found, {"DBSnapshotIdentifier": "s1"})
        return self

    def run(self, check: bool = False, **options: t.Any) -> dict[str, t.Any]:
        """Run the module's logic; every step has to be taken."""
        tags = {"mcp:restored-from": "s1", "mcp:environment": "staging"}
        given = {"source": LIVE, "name": COPY, "tags": tags, **options}
        checked = ArgumentSpecValidator(database_copy.ARGUMENT_SPEC, **database_copy.SPEC_OPTIONS).validate(given)
        assert not checked.error_messages
        with self.stub:
            context = Context(
                params=checked.validated_parameters, make_client=lambda *_names: self.stub.client, check_mode=check
            )
            outcome = database_copy.run(context)
            self.stub.assert_no_pending_responses()
        return outcome

    def refused(self, **options: t.Any) -> str:
        """Return what is said where it does not work."""
        with pytest.raises(McpError) as caught:
            self.run(**options)
        return caught.value.message


def test_a_snapshot_is_restored_as_the_database_in_use_is(clock: list[float]) -> None:
    rds = Rds().has(COPY, None).has(LIVE, SOURCE).snapshot("17.4")
    rds.restores("from_db_snapshot", DBInstanceIdentifier=COPY, DBSnapshotIdentifier="s1")
    outcome = rds.has(COPY, None).has(COPY, instance("creating")).has(COPY, instance("available")).run(snapshot="s1")
    assert outcome["changed"] and clock == [2.0, 4.0]
    assert outcome["copy"] == {
        "name": COPY,
        "host": "copy.example",
        "port": 5432,
        "resource_id": "db-1",
        "tags": {"mcp:restored-from": "s1"},
    }


def test_a_snapshot_from_before_an_upgrade_gets_the_parameters_of_its_own_version(clock: list[float]) -> None:
    rds = Rds().has(COPY, None).has(LIVE, SOURCE).snapshot("16.9")
    wanted = {name: value for name, value in COMMON.items() if name != "DBParameterGroupName"}
    whole = {**wanted, "DBInstanceIdentifier": COPY, "DBSnapshotIdentifier": "s1"}
    rds.stub.add_response("restore_db_instance_from_db_snapshot", {}, whole)
    assert rds.has(COPY, instance("available")).run(snapshot="s1")["changed"]


@pytest.mark.parametrize(
    ("time", "wanted"),
    [
        ("latest", {"UseLatestRestorableTime": True}),
        ("2026-11-23T09:30:00Z", {"RestoreTime": "2026-11-23T09:30:00Z"}),
    ],
)
def test_a_moment_is_restored_with_its_tags(time: str, wanted: dict[str, t.Any]) -> None:
    rds = Rds().has(COPY, None).has(LIVE, SOURCE)
    names = {"SourceDBInstanceIdentifier": LIVE, "TargetDBInstanceIdentifier": COPY}
    rds.restores("to_point_in_time", **names, **wanted)
    assert rds.has(COPY, instance("available")).run(time=time)["changed"]


def test_a_copy_that_a_killed_run_asked_for_is_waited_for() -> None:
    rds = Rds().has(COPY, instance("creating")).has(COPY, instance("backing-up")).has(COPY, instance("available"))
    outcome = rds.run(snapshot="s1")
    assert not outcome["changed"] and outcome["copy"]["host"] == "copy.example"


def test_check_mode_restores_nothing() -> None:
    assert Rds().has(COPY, None).has(LIVE, SOURCE).run(check=True, snapshot="s1") == {"changed": True, "copy": None}
    outcome = Rds().has(COPY, instance("available")).run(check=True, snapshot="s1")
    assert not outcome["changed"] and outcome["copy"]["name"] == COPY


def test_what_is_not_there_is_named() -> None:
    assert "no database mcp-staging to restore beside" in Rds().has(COPY, None).has(LIVE, None).refused(snapshot="s1")
    rds = (
        Rds()
        .has(COPY, None)
        .has(LIVE, {**SOURCE, "LatestRestorableTime": datetime.datetime(2026, 11, 23, 9, tzinfo=datetime.UTC)})
    )
    rds.stub.add_client_error("restore_db_instance_to_point_in_time", "InvalidRestoreFault", "too early")
    said = rds.refused(time="2026-11-01T00:00:00Z")
    assert "cannot restore time 2026-11-01T00:00:00Z" in said and "too early" in said
    assert "The latest moment is 2026-11-23 09:00" in said and "Nothing was changed." in said


@pytest.mark.parametrize("state", ["failed", "incompatible-restore"])
def test_a_copy_that_will_not_be_is_given_up(state: str) -> None:
    said = Rds().has(COPY, instance("creating")).has(COPY, instance(state)).refused(snapshot="s1")
    assert f"is {state} after" in said and "mcp_restore_action=discard" in said


def test_the_wait_ends_somewhere() -> None:
    rds = Rds()
    for _look in range(7):
        rds.has(COPY, instance("creating"))
    assert "is creating after 34 s" in rds.refused(snapshot="s1", timeout=30)
