# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The health checks of buckets and tables."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_aws import KINDS

from tests.unit.plugins.test_health_aws import DEPLOY, NOW, Call, Result, answer, before, look_at

BUCKET, TABLE = "mcp-production-files", "mcp-production-documents"
VERSIONED = {"Status": "Enabled"}
SEALED = {
    "ServerSideEncryptionConfiguration": {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]}
}
BLOCKS = {"BlockPublicAcls": True, "BlockPublicPolicy": True, "IgnorePublicAcls": True, "RestrictPublicBuckets": True}
CLOSED = {"PublicAccessBlockConfiguration": BLOCKS}


def bucket(versioning: t.Any = VERSIONED, encryption: t.Any = SEALED, public: t.Any = CLOSED) -> Result:
    calls = [
        answer("get_bucket_versioning", versioning, Bucket=BUCKET),
        answer("get_bucket_encryption", encryption, Bucket=BUCKET),
        answer("get_public_access_block", public, Bucket=BUCKET),
    ]
    return look_at("bucket", {"s3": calls}, target=BUCKET)


def test_a_protected_bucket_is_healthy() -> None:
    result = bucket()
    assert result["status"] == "healthy"
    assert result["evidence"] == "bucket mcp-production-files: versioned; encrypted (AES256); no public access"


@pytest.mark.parametrize(("answered", "text"), [({}, "not versioned"), ({"Status": "Suspended"}, "is suspended")])
def test_a_bucket_without_versions_is_a_warning(answered: dict[str, str], text: str) -> None:
    result = bucket(versioning=answered)
    assert result["status"] == "warning" and text in result["evidence"]
    assert result["next_step"].startswith(f"aws s3api put-bucket-versioning --bucket {BUCKET} --versioning-conf")


@pytest.mark.parametrize(
    "answered",
    ["ServerSideEncryptionConfigurationNotFoundError", {"ServerSideEncryptionConfiguration": {"Rules": []}}],
)
def test_a_bucket_without_encryption_is_a_warning(answered: t.Any) -> None:
    result = bucket(encryption=answered)
    assert result["status"] == "warning" and "no default encryption" in result["evidence"]


def test_a_bucket_in_the_open_is_a_warning() -> None:
    result = bucket(public="NoSuchPublicAccessBlockConfiguration")
    assert result["status"] == "warning" and "public access is not blocked (BlockPublicAcls," in result["evidence"]
    some = bucket(public={"PublicAccessBlockConfiguration": {**BLOCKS, "IgnorePublicAcls": False}})
    assert "public access is not blocked (IgnorePublicAcls)" in some["evidence"]
    assert "BlockPublicAcls=true,BlockPublicPolicy=true" in some["next_step"]


def test_what_cannot_be_read_of_a_bucket_does_not_hide_the_rest() -> None:
    result = bucket(versioning={}, public="AccessDenied")
    assert result["status"] == "unknown"
    assert "public access not known: " in result["evidence"] and "s3:GetBucketPublicAccessBlock" in result["evidence"]
    assert "not versioned" in result["evidence"]


ACCOUNT = "123456789012"
OWNED = {"Bucket": BUCKET, "ExpectedBucketOwner": ACCOUNT}


def owned(*calls: Call) -> Result:
    return look_at("bucket", {"s3": list(calls)}, target=BUCKET, account=ACCOUNT)


def test_a_bucket_is_asked_as_that_of_its_account() -> None:
    result = owned(
        answer("get_bucket_versioning", VERSIONED, **OWNED),
        answer("get_bucket_encryption", SEALED, **OWNED),
        answer("get_public_access_block", CLOSED, **OWNED),
    )
    assert result["status"] == "healthy"


def test_a_bucket_that_another_account_took_is_critical() -> None:
    result = owned(
        answer("get_bucket_versioning", "AccessDenied", **OWNED), answer("get_bucket_versioning", {}, Bucket=BUCKET)
    )
    assert (result["status"], result["next_step"]) == (
        "critical", f"aws s3api get-bucket-location --bucket {BUCKET} --region us-east-1",
    )  # fmt: skip
    assert result["evidence"] == f"bucket {BUCKET} belongs to another account than {ACCOUNT}"


def test_a_bucket_that_refuses_both_ways_is_unknown() -> None:
    refused = answer("get_bucket_versioning", "AccessDenied", **OWNED)
    result = owned(refused, answer("get_bucket_versioning", "AccessDenied", Bucket=BUCKET))
    assert result["status"] == "unknown" and "AWS refuses s3:GetBucketVersioning" in result["evidence"]
    assert result["evidence"].endswith(f"Allow it to them; or it belongs to another account than {ACCOUNT}")
    slow = owned(answer("get_bucket_versioning", "SlowDown", **OWNED))
    assert slow["status"] == "unknown" and "another account" not in slow["evidence"]
    anybody = look_at("bucket", {"s3": [answer("get_bucket_versioning", "AccessDenied", Bucket=BUCKET)]}, target=BUCKET)
    assert anybody["status"] == "unknown" and "another account" not in anybody["evidence"]
    assert owned(answer("get_bucket_versioning", "NoSuchBucket", **OWNED))["status"] == "critical"


def test_an_account_has_twelve_digits() -> None:
    wrong = KINDS["bucket"].check({"kind": "bucket", "target": BUCKET, "account": "12"})
    assert wrong == "account='12' is no account: its number has 12 digits. Correct it"
    assert KINDS["bucket"].check({"kind": "bucket", "target": "a b", "account": "12"}).startswith("target=")
    assert KINDS["bucket"].check({"kind": "bucket", "target": BUCKET, "account": ACCOUNT}) is None


def test_a_missing_bucket_is_critical() -> None:
    result = look_at("bucket", {"s3": [answer("get_bucket_versioning", "NoSuchBucket")]}, target=BUCKET)
    assert (result["status"], result["next_step"]) == ("critical", DEPLOY)


# Tables

ACTIVE: Result = {
    "TableName": TABLE,
    "TableStatus": "ACTIVE",
    "ItemCount": 1234,
    "SSEDescription": {"Status": "ENABLED", "SSEType": "KMS", "KMSMasterKeyArn": "arn:aws:kms:us-east-1:1:key/k"},
    "DeletionProtectionEnabled": True,
}


def sums(*values: float) -> dict[str, t.Any]:
    return {"Datapoints": [{"Timestamp": NOW, "Sum": value} for value in values]}


def asked(name: str) -> dict[str, t.Any]:
    return {
        "Namespace": "AWS/DynamoDB",
        "MetricName": name,
        "Dimensions": [{"Name": "TableName", "Value": TABLE}],
        "StartTime": before(minutes=60, seconds=15),
        "EndTime": before(seconds=15),
        "Period": 3600,
        "Statistics": ["Sum"],
    }


def table(reads: t.Any = None, writes: t.Any = None, **fields: t.Any) -> Result:
    found = {key: value for key, value in {**ACTIVE, **fields}.items() if value is not None}
    metrics = [answer("get_metric_statistics", reads or sums(), **asked("ReadThrottleEvents"))]
    if not isinstance(reads, str):
        metrics.append(answer("get_metric_statistics", writes or sums(), **asked("WriteThrottleEvents")))
    calls = {"dynamodb": [answer("describe_table", {"Table": found}, TableName=TABLE)], "cloudwatch": metrics}
    return look_at("table", calls, target=TABLE)


def test_an_active_table_is_healthy() -> None:
    result = table()
    assert result["status"] == "healthy"
    assert result["evidence"] == (
        "table mcp-production-documents (about 1,234 items): ACTIVE; encrypted (KMS); "
        "0 reads and 0 writes refused in 60 minutes"
    )
    assert "encrypted (a key of AWS)" in table(SSEDescription=None, ItemCount=0)["evidence"]


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("UPDATING", "warning"),
        ("CREATING", "warning"),
        ("REPLICATION_NOT_AUTHORIZED", "warning"),
        ("DELETING", "critical"),
        ("ARCHIVED", "critical"),
        ("INACCESSIBLE_ENCRYPTION_CREDENTIALS", "critical"),
    ],
)
def test_a_table_status(status: str, expected: str) -> None:
    result = table(TableStatus=status)
    assert result["status"] == expected and status in result["evidence"]


def test_a_table_that_anybody_can_delete_is_a_warning() -> None:
    result = table(DeletionProtectionEnabled=False)
    assert result["status"] == "warning" and "not protected from deletion" in result["evidence"]
    step = f"aws dynamodb update-table --table-name {TABLE} --deletion-protection-enabled --region us-east-1"
    assert result["next_step"] == step
    assert table(DeletionProtectionEnabled=None)["status"] == "warning"


def test_a_key_that_cannot_be_used_is_critical() -> None:
    sealed: Result = {**ACTIVE["SSEDescription"], "InaccessibleEncryptionDateTime": before(hours=2)}
    result = table(SSEDescription=sealed)
    assert (result["status"], result["since"]) == ("critical", "2026-11-23T01:14:15Z")
    assert result["next_step"].startswith("aws kms describe-key --key-id arn:aws:kms:")
    sealed |= {"KMSMasterKeyArn": "arn:aws:kms:us-east-1:1:key/$(x)"}
    assert "--key-id 'arn:aws:kms:us-east-1:1:key/$(x)' " in table(SSEDescription=sealed)["next_step"]


def test_throttled_calls_are_a_warning() -> None:
    assert (table(sums(0), sums())["status"], table(sums(1), sums())["status"]) == ("healthy", "warning")
    result = table(sums(40, 2), sums(3))
    assert result["status"] == "warning" and "42 reads and 3 writes refused in 60 minutes" in result["evidence"]
    assert result["next_step"] == "ansible-playbook playbooks/limits.yml -i INVENTORY --limit production"


def test_metrics_that_cannot_be_read_do_not_hide_the_table() -> None:
    result = table("AccessDenied", TableStatus="DELETING")
    assert result["status"] == "critical" and "throttles not known: " in result["evidence"]
    result = table("AccessDenied")
    assert result["status"] == "unknown" and "cloudwatch:GetMetricStatistics" in result["evidence"]


def test_a_missing_table_is_critical() -> None:
    result = look_at("table", {"dynamodb": [answer("describe_table", "ResourceNotFoundException")]}, target=TABLE)
    assert result["evidence"] == "table mcp-production-documents does not exist in us-east-1"
    assert (result["status"], result["next_step"]) == ("critical", DEPLOY)


# Their way back


def recovery(response: t.Any, *, sandbox: bool = False) -> Result:
    if isinstance(response, dict):
        found = {"ContinuousBackupsStatus": "ENABLED", "PointInTimeRecoveryDescription": response}
        response = {"ContinuousBackupsDescription": found}
    calls = {"dynamodb": [answer("describe_continuous_backups", response, TableName=TABLE)]}
    return look_at("table_backup", calls, target=TABLE, sandbox=sandbox)


def enabled(**age: float) -> dict[str, t.Any]:
    newest = {"LatestRestorableDateTime": before(**age)} if age else {}
    return {"PointInTimeRecoveryStatus": "ENABLED", "RecoveryPeriodInDays": 35, **newest}


def test_a_table_that_can_be_restored_is_healthy() -> None:
    result = recovery(enabled(minutes=5))
    assert result["status"] == "healthy"
    assert result["evidence"] == f"table {TABLE}: can be restored to any second of 35 days up to 5 minutes ago"


@pytest.mark.parametrize(("hours", "status"), [(27, "warning"), (51, "critical")])
def test_a_restorable_time_that_stands_still(hours: int, status: str) -> None:
    result = recovery(enabled(hours=hours))
    assert (result["status"], result["since"]) == (status, before(hours=hours).strftime("%Y-%m-%dT%H:%M:%SZ"))


@pytest.mark.parametrize("response", [{"PointInTimeRecoveryStatus": "DISABLED"}, {}])
def test_a_table_without_recovery_is_critical(response: dict[str, str]) -> None:
    result = recovery(response)
    assert result["status"] == "critical"
    assert result["next_step"].startswith(f"aws dynamodb update-continuous-backups --table-name {TABLE} ")
    there = recovery(response, sandbox=True)  # the emulator's stacks do not switch it on
    assert there["status"] == "unknown" and there["evidence"].endswith("not available on the emulator")


def test_no_moment_is_unknown() -> None:
    assert recovery(enabled())["evidence"].endswith("its newest moment: AWS names no moment yet")
    assert recovery(enabled(), sandbox=True)["evidence"].endswith("not available on the emulator")
    assert recovery(enabled())["status"] == "unknown"


@pytest.mark.parametrize("code", ["TableNotFoundException", "ResourceNotFoundException"])
def test_no_table_no_backup(code: str) -> None:
    assert recovery(code)["status"] == "critical"
