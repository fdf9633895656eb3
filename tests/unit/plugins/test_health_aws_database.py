# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The health checks of a database of RDS."""

from __future__ import annotations

import typing as t
from datetime import datetime

import pytest
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import health_aws_connections as connections

from tests.unit.plugins.test_health_aws import DEPLOY, NOW, Call, Result, answer, before, look_at

NAME = "mcp-staging"
GIB = 1024**3
DATABASE: dict[str, t.Any] = {
    "DBInstanceIdentifier": NAME,
    "DBInstanceClass": "db.t3.micro",
    "Engine": "postgres",
    "EngineVersion": "17.6",
    "DBInstanceStatus": "available",
    "AllocatedStorage": 20,
    "MaxAllocatedStorage": 100,
    "StorageEncrypted": True,
    "PubliclyAccessible": False,
    "BackupRetentionPeriod": 7,
    "InstanceCreateTime": before(days=90),
    "LatestRestorableTime": before(minutes=4),
    "DBParameterGroups": [{"DBParameterGroupName": "mcp-pg", "ParameterApplyStatus": "in-sync"}],
}


def described(**fields: t.Any) -> Call:
    found = {key: value for key, value in {**DATABASE, **fields}.items() if value is not None}
    return answer("describe_db_instances", {"DBInstances": [found]}, DBInstanceIdentifier=NAME)


def point(value: float, statistic: str, at: datetime) -> dict[str, t.Any]:
    return {"Timestamp": at, statistic: value}


def instance(**fields: t.Any) -> Result:
    return look_at("db_instance", {"rds": [described(**fields)]}, target=NAME)


def test_an_available_database_is_healthy() -> None:
    result = instance()
    assert result["status"] == "healthy"
    assert result["evidence"] == "database mcp-staging (postgres 17.6, db.t3.micro): available"


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("backing-up", "healthy"),
        ("storage-optimization", "healthy"),
        ("configuring-log-exports", "healthy"),
        ("configuring-associated-roles", "healthy"),
        ("configuring-activity-stream", "healthy"),
        ("resetting-master-credentials", "healthy"),
        ("renaming", "warning"),
        ("modifying", "warning"),
        ("maintenance", "warning"),
        ("rebooting", "warning"),
        ("creating", "warning"),
        ("something-new", "warning"),
        ("stopped", "critical"),
        ("failed", "critical"),
        ("storage-full", "critical"),
        ("deleting", "critical"),
        ("incompatible-parameters", "critical"),
        ("inaccessible-encryption-credentials", "critical"),
        ("insufficient-capacity", "critical"),
    ],
)
def test_a_status(status: str, expected: str) -> None:
    result = instance(DBInstanceStatus=status)
    assert result["status"] == expected and f": {status}" in result["evidence"]


def test_what_to_type_about_a_status() -> None:
    start = "aws rds start-db-instance --db-instance-identifier mcp-staging --region us-east-1"
    assert instance(DBInstanceStatus="stopped")["next_step"] == start
    assert instance(DBInstanceStatus="storage-full")["next_step"] == f"{DEPLOY} -e mcp_database_max_storage_gb=GB"
    assert instance(DBInstanceStatus="failed")["next_step"].startswith("aws rds describe-events --source-type db-inst")


def test_a_database_in_the_open_is_a_warning() -> None:
    result = instance(StorageEncrypted=False, PubliclyAccessible=True)
    assert result["status"] == "warning"
    assert "its storage is not encrypted; it has a public address; available" in result["evidence"]


@pytest.mark.parametrize("kind", ["db_instance", "db_storage", "db_connections", "db_backup"])
def test_a_missing_database_is_critical(kind: str) -> None:
    result = look_at(kind, {"rds": [answer("describe_db_instances", "DBInstanceNotFound")]}, target=NAME)
    assert (result["status"], result["next_step"]) == ("critical", DEPLOY)
    assert result["evidence"] == "database mcp-staging does not exist in us-east-1"


# Storage


def storage(*free: float, sandbox: bool = False, **fields: t.Any) -> Result:
    points = [point(gib * GIB, "Minimum", before(minutes=5 * number)) for number, gib in enumerate(free)]
    request = {
        "Namespace": "AWS/RDS",
        "MetricName": "FreeStorageSpace",
        "Dimensions": [{"Name": "DBInstanceIdentifier", "Value": NAME}],
        "StartTime": before(minutes=60, seconds=15),
        "EndTime": before(seconds=15),
        "Period": 300,
        "Statistics": ["Minimum"],
    }
    calls = {
        "rds": [described(**fields)],
        "cloudwatch": [answer("get_metric_statistics", {"Datapoints": points}, **request)],
    }
    return look_at("db_storage", calls, target=NAME, sandbox=sandbox)


def test_the_newest_free_storage_counts() -> None:
    result = storage(10, 1)
    assert result["status"] == "healthy"
    assert result["evidence"] == (
        "database mcp-staging: 10 of 20 GiB free (50 %) at 2026-11-23 03:14 UTC; "
        "AWS enlarges it by itself up to 100 GiB"
    )


@pytest.mark.parametrize(("free", "status"), [(4, "healthy"), (3.9, "warning"), (2, "warning"), (1.9, "critical")])
def test_little_free_storage(free: float, status: str) -> None:
    assert storage(free, MaxAllocatedStorage=20)["status"] == status


@pytest.mark.parametrize(("free", "status"), [(4, "healthy"), (3.9, "warning"), (1.9, "warning"), (0.1, "warning")])
def test_storage_that_aws_still_enlarges_is_a_warning_at_worst(free: float, status: str) -> None:
    assert storage(free)["status"] == status
    if free < 2:
        assert storage(free)["evidence"].endswith(
            "AWS enlarges it by itself up to 100 GiB, under storage_free_percent.critical=10"
        )


@pytest.mark.parametrize("most", [20, None])
def test_storage_that_does_not_grow_any_more_is_said(most: int | None) -> None:
    result = storage(1, MaxAllocatedStorage=most)
    assert "AWS does not enlarge it any more" in result["evidence"]
    assert result["next_step"] == f"{DEPLOY} -e mcp_database_max_storage_gb=GB"


def test_storage_that_can_grow_is_looked_at_first() -> None:
    expected = "aws rds describe-db-instances --db-instance-identifier mcp-staging --region us-east-1"
    assert storage(1)["next_step"] == expected
    assert storage(sandbox=True)["next_step"] == f"{expected} --endpoint-url https://rds.us-east-1.amazonaws.com"


def test_no_figure_of_storage_is_unknown() -> None:
    result = storage()
    assert (result["status"], "emulator" in result["evidence"]) == ("unknown", False)
    assert result["evidence"] == "database mcp-staging: no datapoint of FreeStorageSpace in 60 minutes"
    assert storage(sandbox=True)["evidence"].endswith(", not available on the emulator")
    assert storage(5, AllocatedStorage=0)["status"] == "unknown"


# Connections

FORMULA = "LEAST({DBInstanceClassMemory/9531392},5000)"


def parameter(value: str | None) -> dict[str, t.Any]:
    return {"ParameterName": "max_connections"} | ({"ParameterValue": value} if value is not None else {})


def used(most: float | None, *parameters: dict[str, t.Any], pages: bool = False, **fields: t.Any) -> Result:
    points = [] if most is None else [point(most, "Maximum", NOW), point(1, "Maximum", before(hours=1))]
    found = {"Parameters": [{"ParameterName": "other", "ParameterValue": "1"}, *parameters]}
    asked = [answer("describe_db_parameters", found, DBParameterGroupName="mcp-pg")]
    if pages:
        more = {"Parameters": [{"ParameterName": "first"}], "Marker": "more"}
        asked = [
            answer("describe_db_parameters", more, DBParameterGroupName="mcp-pg"),
            answer("describe_db_parameters", found, DBParameterGroupName="mcp-pg", Marker="more"),
        ]
    known = most is not None and fields.get("DBParameterGroups") is None
    calls = {
        "rds": [described(**fields), *(asked if known else [])],
        "cloudwatch": [answer("get_metric_statistics", {"Datapoints": points})],
    }
    return look_at("db_connections", calls, target=NAME)


@pytest.mark.parametrize(("most", "status"), [(80, "healthy"), (81, "warning"), (95, "warning"), (96, "critical")])
def test_connections_of_a_number_that_is_set(most: int, status: str) -> None:
    result = used(most, parameter("100"))
    assert result["status"] == status
    assert result["evidence"].startswith(
        f"database mcp-staging: at most {most} connections in 60 minutes, {most} % of the 100 that a db.t3.micro takes"
    )
    assert result["evidence"].endswith({"healthy": "takes", "warning": "warning=80", "critical": "critical=95"}[status])


def test_connections_of_the_formula_are_an_estimate() -> None:
    result = used(42, parameter(FORMULA), pages=True)
    assert result["status"] == "healthy"
    assert result["evidence"].endswith("42 connections in 60 minutes, 50 % of the about 84 that a db.t3.micro takes")


@pytest.mark.parametrize(
    ("text", "size", "expected"),
    [
        ("200", "db.strange", (200, "")),
        (FORMULA, "db.t4g.medium", (337, "about ")),
        (FORMULA.replace(",", ", "), "db.r6g.large", (1351, "about ")),
        (FORMULA, "db.m5.4xlarge", (5000, "about ")),
        (FORMULA, "db.z1d.large", (1351, "about ")),
        (FORMULA, "db.c6gd.large", (337, "about ")),
        (FORMULA, "db.x2g.large", (2703, "about ")),
        (FORMULA, "db.x8g.large", (2703, "about ")),
        (FORMULA.replace("5000", "50000"), "db.x2iedn.xlarge", (10814, "about ")),
        (FORMULA.replace("5000", "50000"), "db.x1e.xlarge", (10814, "about ")),
        (FORMULA, "db.q1.large", None),
        (FORMULA, "db.m5.48xlarge", None),
        ("GREATEST({DBInstanceClassMemory/1},5)", "db.t3.micro", None),
        ("", "db.t3.micro", None),
    ],
)
def test_the_limit_of_a_class(text: str, size: str, expected: t.Any) -> None:
    assert connections.limit_of(text, size) == expected


@pytest.mark.parametrize("parameters", [(), (parameter("some formula"),), (parameter(None),)])
def test_connections_without_a_limit_are_unknown(parameters: tuple[dict[str, t.Any], ...]) -> None:
    result = used(42, *parameters)
    assert result["status"] == "unknown" and "names no number" in result["evidence"]


def test_a_database_without_a_parameter_group_is_unknown() -> None:
    assert used(42, DBParameterGroups=[])["status"] == "unknown"


def test_no_figure_of_connections_is_unknown() -> None:
    assert "no datapoint of DatabaseConnections" in used(None)["evidence"]


# The way back


def snapshot(age: float | None, status: str = "available") -> dict[str, t.Any]:
    found = {"DBSnapshotIdentifier": f"rds:{age}", "Status": status, "SnapshotType": "automated"}
    return found if age is None else {**found, "SnapshotCreateTime": before(hours=age)}


def backup(*snapshots: dict[str, t.Any], sandbox: bool = False, **fields: t.Any) -> Result:
    listed = [
        answer("describe_db_snapshots", {"DBSnapshots": list(snapshots[:1]), "Marker": "more"}),
        answer("describe_db_snapshots", {"DBSnapshots": list(snapshots[1:])}),
    ]
    return look_at("db_backup", {"rds": [described(**fields), *listed]}, target=NAME, sandbox=sandbox)


def test_a_fresh_backup_is_healthy() -> None:
    result = backup(snapshot(30), snapshot(3), snapshot(1, "creating"), snapshot(None))
    assert result["status"] == "healthy"
    assert result["evidence"] == (
        "database mcp-staging: newest snapshot rds:3 3 hours ago; "
        "can be restored to any second of 7 days up to 4 minutes ago"
    )


@pytest.mark.parametrize(("hours", "status"), [(26, "healthy"), (27, "warning"), (50, "warning"), (51, "critical")])
def test_an_old_snapshot(hours: int, status: str) -> None:
    result = backup(snapshot(hours))
    assert result["status"] == status
    if status != "healthy":
        assert result["next_step"] == "ansible-playbook playbooks/backup.yml -i INVENTORY --limit production"
        assert result["since"] == before(hours=hours).strftime("%Y-%m-%dT%H:%M:%SZ")


def test_a_restorable_time_that_stands_still_is_critical() -> None:
    result = backup(snapshot(3), LatestRestorableTime=before(hours=60))
    assert result["status"] == "critical"
    assert result["evidence"].startswith(
        "database mcp-staging: can be restored to any second of 7 days up to 2 days ago, over "
    )


def test_backups_that_are_off_are_critical() -> None:
    result = backup(snapshot(3), BackupRetentionPeriod=0, LatestRestorableTime=None)
    assert (result["status"], result["next_step"]) == ("critical", DEPLOY)
    assert "automated backups are off" in result["evidence"]


def test_no_snapshot_at_all() -> None:
    assert backup()["status"] == "critical"
    assert backup(InstanceCreateTime=before(hours=2))["status"] == "healthy"
    assert backup(snapshot(3), LatestRestorableTime=None)["status"] == "unknown"


def test_the_emulator_takes_no_daily_snapshots() -> None:
    assert backup(snapshot(3), sandbox=True)["status"] == "healthy"
    for result in (backup(sandbox=True), backup(snapshot(99), sandbox=True)):
        assert result["status"] == "unknown"
        assert "daily ones: not available on the emulator" in result["evidence"]
