# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""data_removal: nothing is deleted unless every backup is verified. The stubs refuse every call not listed here."""

from __future__ import annotations

import json
import typing as t

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import data_removal, retained_table
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import SHARED_SESSION, Context, McpError
from botocore.stub import ANY, Stubber

TABLE, FILES, STATE, SECRET = "mcp-prod-documents", "mcp-prod-files", "mcp-prod-state", "mcp-prod-origin"
PREFIX = "final-backup/run-1"
COPIES = f"{PREFIX}/{FILES}/"
ARN = f"arn:aws:dynamodb:us-east-1:123456789012:table/{TABLE}/backup/01795361922143-05ccbf2f"
ONE = {"Key": "a", "Size": 3, "ETag": '"e"'}


class Aws:
    """Stubbed clients; ``expect`` lists the calls in their order, for each service."""

    def __init__(self) -> None:
        options = {"aws_access_key_id": "x", "aws_secret_access_key": "x", "region_name": "us-east-1"}
        self.clients = {name: SHARED_SESSION.client(name, **options) for name in ("dynamodb", "s3", "secretsmanager")}
        self.stubs = {name: Stubber(client) for name, client in self.clients.items()}
        for stub in self.stubs.values():
            stub.activate()

    def expect(self, service: str, call: str, answer: dict[str, t.Any] | str | None = None, **wanted: t.Any) -> None:
        if isinstance(answer, str):
            status = 404 if answer.startswith(("NoSuch", "404", "ResourceNotFound")) else 403
            self.stubs[service].add_client_error(call, answer, "said AWS", status, expected_params=wanted or None)
        else:
            self.stubs[service].add_response(call, answer or {}, wanted or None)

    def table(self, status: str | None = "ACTIVE", **more: t.Any) -> None:
        known = {"Table": {"TableName": TABLE, "TableId": "id-1", "TableStatus": status, **more}}
        self.expect("dynamodb", "describe_table", known if status else "ResourceNotFoundException", TableName=TABLE)

    def backup(self, status: str, table_id: str = "id-1") -> None:
        details = {
            "BackupArn": ARN,
            "BackupName": "name",
            "BackupStatus": status,
            "BackupType": "USER",
            "BackupCreationDateTime": 0,
            "BackupSizeBytes": 200,
        }
        source = {
            "TableName": TABLE,
            "TableId": table_id,
            "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
            "TableCreationDateTime": 0,
            "ProvisionedThroughput": {"ReadCapacityUnits": 1, "WriteCapacityUnits": 1},
            "ItemCount": 2,
        }
        described = {"BackupDescription": {"BackupDetails": details, "SourceTableDetails": source}}
        self.expect("dynamodb", "describe_backup", described, BackupArn=ARN)

    def table_with_backup(self, *statuses: str, table_id: str = "id-1") -> None:
        """Answer all that comes before a table's removal: found, not going, active, backed up."""
        for _look in ("exists", "is_going", "active"):
            self.table()
        details = {
            "BackupArn": ARN,
            "BackupName": "name",
            "BackupStatus": "CREATING",
            "BackupType": "USER",
            "BackupCreationDateTime": 0,
        }
        self.expect("dynamodb", "create_backup", {"BackupDetails": details}, TableName=TABLE, BackupName=ANY)
        for status in statuses:
            self.backup(status, table_id)
        if statuses[-1] == "AVAILABLE":
            self.backup("AVAILABLE", table_id)
            self.table()

    def listed(self, bucket: str, prefix: str, *objects: dict[str, t.Any]) -> None:
        answer = {"Contents": list(objects)} if objects else {}
        self.expect("s3", "list_objects_v2", answer, Bucket=bucket, Prefix=prefix)

    def bucket_with_copy(
        self, *copies: dict[str, t.Any], now: tuple[dict[str, t.Any], ...] = (ONE,), made: str = '"e"'
    ) -> None:
        """Answer all that comes before a bucket's removal; ``copies`` is what the copy turns out to be."""
        self.expect("s3", "head_bucket", {}, Bucket=FILES)
        self.expect("s3", "head_bucket", {}, Bucket=STATE)
        self.listed(FILES, "", ONE)
        source = {"Bucket": FILES, "Key": "a"}
        wanted = {"Bucket": STATE, "Key": COPIES + "a", "CopySource": source, "CopySourceIfMatch": '"e"'}
        self.expect("s3", "copy_object", {"CopyObjectResult": {"ETag": made}}, **wanted)
        self.listed(FILES, "", *now)
        self.listed(STATE, COPIES, *copies)

    def run(self, check_mode: bool = False, **options: t.Any) -> dict[str, t.Any]:
        copies = {"backup_bucket": STATE, "backup_prefix": PREFIX} if "buckets" in options else {}
        given = {"environment": "prod", **copies, **options}
        checked = ArgumentSpecValidator(data_removal.ARGUMENT_SPEC, **data_removal.SPEC_OPTIONS).validate(given)
        assert not checked.error_messages, checked.error_messages
        ctx = Context(
            params=checked.validated_parameters,
            make_client=lambda service, _region: self.clients[service],
            check_mode=check_mode,
            diff_mode=True,
        )
        return data_removal.run(ctx)

    def refuse(self, **options: t.Any) -> McpError:
        """Run into a failure, and see that every expected call was made and no other."""
        with pytest.raises(McpError) as caught:
            self.run(**options)
        self.done()
        return caught.value

    def done(self) -> None:
        for stub in self.stubs.values():
            stub.assert_no_pending_responses()


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Aws:
    monkeypatch.setattr(retained_table, "pauses", lambda _interval: iter(lambda: 0.0, None))
    return Aws()


def copied(key: str = "a", size: int = 3, etag: str = '"e"') -> dict[str, t.Any]:
    return {"Key": COPIES + key, "Size": size, "ETag": etag}


# --- Nothing is deleted


@pytest.mark.parametrize("status", ["DELETED", "FAILED"])
def test_a_backup_that_does_not_become_available_deletes_nothing(aws: Aws, status: str) -> None:
    aws.table_with_backup("CREATING", status)
    error = aws.refuse(tables=[TABLE])
    assert f"is {status}, not AVAILABLE. Nothing was deleted. Correct it and run the same command" in error.message


def test_a_backup_that_takes_too_long_deletes_nothing(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retained_table, "LONGEST_WAIT_S", -1.0)
    aws.table_with_backup("CREATING")
    assert "takes longer than" in aws.refuse(tables=[TABLE]).message


def test_a_backup_of_an_earlier_table_of_the_same_name_deletes_nothing(aws: Aws) -> None:
    aws.table_with_backup("AVAILABLE", table_id="id-0")
    assert "is of another table" in aws.refuse(tables=[TABLE]).message


def test_a_table_that_cannot_be_backed_up_is_not_waited_for(aws: Aws) -> None:
    for _look in ("exists", "is_going", "active"):
        aws.table("ARCHIVED")
    assert f"{TABLE} is ARCHIVED" in aws.refuse(tables=[TABLE]).message


@pytest.mark.parametrize(
    "copies",
    [(), (copied(size=2),), (copied("b"),)],
    ids=["fewer objects", "fewer bytes", "another object"],
)
def test_a_copy_that_is_not_the_same_deletes_nothing(aws: Aws, copies: tuple[dict[str, t.Any], ...]) -> None:
    aws.bucket_with_copy(*copies)
    error = aws.refuse(buckets=[FILES])
    assert f"The copy s3://{STATE}/{COPIES}a is missing or is not 3 bytes long" in error.message
    assert "Nothing was deleted." in error.message


@pytest.mark.parametrize(
    ("copy", "source"),
    [(copied(etag='"other"'), ONE), (copied(), {**ONE, "ETag": '"new"'})],
    ids=["the copy was overwritten", "the object was overwritten"],
)
def test_other_content_of_the_same_size_deletes_nothing(
    aws: Aws, copy: dict[str, t.Any], source: dict[str, t.Any]
) -> None:
    aws.bucket_with_copy(copy, now=(source,))
    error = aws.refuse(buckets=[FILES])
    assert f"s3://{STATE}/{COPIES}a" in error.message and "has changed since it was copied" in error.message
    assert "Nothing was deleted." in error.message


def test_a_copy_with_another_etag_is_the_one_that_s3_made(aws: Aws) -> None:
    """As for objects that were uploaded in parts, or encrypted with a key of KMS."""
    aws.bucket_with_copy(copied(etag='"m"'), made='"m"')
    aws.expect("s3", "put_object", "AccessDenied")
    assert "Could not write" in aws.refuse(buckets=[FILES]).message


def test_an_object_written_during_the_copy_deletes_nothing(aws: Aws) -> None:
    aws.bucket_with_copy(copied(), now=(ONE, {"Key": "b", "Size": 1, "ETag": '"f"'}))
    assert f"{COPIES}b is missing" in aws.refuse(buckets=[FILES]).message


def test_a_failed_copy_deletes_neither_the_bucket_nor_the_table_backed_up_before(aws: Aws) -> None:
    aws.table_with_backup("AVAILABLE")
    aws.expect("s3", "head_bucket", {}, Bucket=FILES)
    aws.expect("s3", "head_bucket", {}, Bucket=STATE)
    aws.listed(FILES, "", ONE)
    aws.expect("s3", "copy_object", "AccessDenied")
    error = aws.refuse(tables=[TABLE], buckets=[FILES])
    assert f"Could not copy s3://{FILES}/a" in error.message
    assert error.details["error_code"] == "AccessDenied"


def test_a_record_that_cannot_be_written_deletes_nothing(aws: Aws) -> None:
    aws.bucket_with_copy(copied())
    aws.expect("s3", "put_object", "AccessDenied")
    assert "Could not write" in aws.refuse(buckets=[FILES]).message


def test_a_missing_backup_bucket_deletes_nothing(aws: Aws) -> None:
    aws.expect("s3", "head_bucket", {}, Bucket=FILES)
    aws.expect("s3", "head_bucket", "404", Bucket=STATE)
    assert f"{STATE} does not exist. Nothing was deleted." in aws.refuse(buckets=[FILES]).message


def test_a_bucket_whose_name_somebody_else_took_is_not_touched(aws: Aws) -> None:
    aws.expect("s3", "head_bucket", "403", Bucket=FILES, ExpectedBucketOwner="123456789012")
    message = aws.refuse(buckets=[FILES], bucket_owner="123456789012").message
    assert FILES in message and "123456789012" in message


def test_a_bucket_of_somebody_else_is_not_taken_for_a_missing_one(aws: Aws) -> None:
    aws.expect("s3", "head_bucket", "403", Bucket=FILES)
    assert "Nothing was deleted." in aws.refuse(buckets=[FILES]).message


@pytest.mark.parametrize(
    ("options", "wrong"),
    [
        ({"tables": ["mcp-staging-documents"]}, "tables has 'mcp-staging-documents'"),
        ({"buckets": ["photos"]}, "buckets has 'photos'"),
        ({"secrets": ["arn:aws:secretsmanager:us-east-1:1:secret:db-AbCdEf"]}, "secrets has 'arn:"),
        ({"buckets": [FILES], "backup_bucket": None}, "backup_bucket is not set"),
        ({"buckets": [FILES, STATE]}, f"backup_bucket is '{STATE}'"),
        ({"buckets": [FILES], "backup_prefix": "/"}, "backup_prefix is empty"),
        ({"tables": [TABLE], "backup": False}, "backup is false and tables is set"),
    ],
)
def test_options_that_would_delete_without_a_backup_or_elsewhere_are_refused(
    aws: Aws, options: dict[str, t.Any], wrong: str
) -> None:
    error = aws.refuse(**options)
    assert wrong in error.message
    assert "Nothing was deleted." in error.message


def test_a_backup_bucket_needs_a_prefix() -> None:
    given = {"environment": "prod", "backup_bucket": STATE}
    checked = ArgumentSpecValidator(data_removal.ARGUMENT_SPEC, **data_removal.SPEC_OPTIONS).validate(given)
    assert "backup_prefix" in checked.error_messages[0]


# --- What is deleted


def test_a_table_is_backed_up_unprotected_and_deleted(aws: Aws) -> None:
    aws.table_with_backup("CREATING", "AVAILABLE")
    aws.table(DeletionProtectionEnabled=True)
    aws.expect("dynamodb", "update_table", {}, TableName=TABLE, DeletionProtectionEnabled=False)
    aws.table("UPDATING")
    aws.table()
    aws.expect("dynamodb", "delete_table", {}, TableName=TABLE)
    aws.table("DELETING")
    aws.table(None)
    result = aws.run(tables=[TABLE, TABLE])
    aws.done()
    assert result["backups"] == [{"resource": TABLE, "kind": "table", "target": ARN, "objects": 2, "bytes": 200}]
    assert result["removed"] == [{"resource": TABLE, "kind": "table"}]
    assert result["changed"]
    assert result["diff"] == [{"prepared": f"- table {TABLE} (backup: {ARN})\n"}]


def test_a_table_that_is_already_being_deleted_is_only_waited_for(aws: Aws) -> None:
    for _look in ("exists", "is_going", "remove"):
        aws.table("DELETING")
    aws.table(None)
    result = aws.run(tables=[TABLE])
    aws.done()
    assert (result["backups"], result["removed"]) == ([], [{"resource": TABLE, "kind": "table"}])


def test_a_bucket_loses_old_versions_first_and_a_page_only_after_the_next_was_listed(aws: Aws) -> None:
    aws.bucket_with_copy(copied("0-of-a-killed-run"), copied())
    aws.expect("s3", "put_object", {"ETag": "x"}, Bucket=STATE, Key=ANY, Body=ANY)
    first = {"IsTruncated": True, "NextKeyMarker": "a", "NextVersionIdMarker": "1"}
    first["Versions"] = [version("a", "2", True), version("a", "1", False)]
    second = {"Versions": [version("b", "3", False)], "DeleteMarkers": [version("b", "4", True)]}
    for gone in (("1", "3"), ("2", "4")):
        aws.expect("s3", "list_object_versions", first, Bucket=FILES)
        aws.expect("s3", "list_object_versions", second, Bucket=FILES, KeyMarker="a", VersionIdMarker="1")
        for key, version_id in zip("ab", gone, strict=True):
            delete = {"Objects": [{"Key": key, "VersionId": version_id}], "Quiet": True}
            aws.expect("s3", "delete_objects", {}, Bucket=FILES, Delete=delete)
    aws.expect("s3", "list_multipart_uploads", {"Uploads": [{"Key": "c", "UploadId": "u"}]}, Bucket=FILES)
    aws.expect("s3", "abort_multipart_upload", {}, Bucket=FILES, Key="c", UploadId="u")
    aws.expect("s3", "delete_bucket", {}, Bucket=FILES)
    result = aws.run(buckets=[FILES])
    aws.done()
    target = f"s3://{STATE}/{COPIES}"
    assert result["backups"] == [{"resource": FILES, "kind": "bucket", "target": target, "objects": 1, "bytes": 3}]


def version(key: str, version_id: str, latest: bool) -> dict[str, t.Any]:
    return {"Key": key, "VersionId": version_id, "IsLatest": latest}


def empty_bucket(aws: Aws, answer: dict[str, t.Any] | str | None = None) -> None:
    aws.expect("s3", "list_object_versions", {}, Bucket=FILES)
    aws.expect("s3", "list_object_versions", {}, Bucket=FILES)
    aws.expect("s3", "list_multipart_uploads", {}, Bucket=FILES)
    aws.expect("s3", "delete_bucket", answer, Bucket=FILES)


def test_a_bucket_that_is_filled_again_is_emptied_again_and_in_the_end_reported(aws: Aws) -> None:
    aws.expect("s3", "head_bucket", {}, Bucket=FILES)
    empty_bucket(aws, "BucketNotEmpty")
    empty_bucket(aws, "OperationAborted")
    empty_bucket(aws)
    assert aws.run(buckets=[FILES], backup=False, backup_bucket=None)["removed"]
    aws.expect("s3", "head_bucket", {}, Bucket=FILES)
    for _round in range(3):
        empty_bucket(aws, "BucketNotEmpty")
    error = aws.refuse(buckets=[FILES], backup=False)
    assert "is filled again" in error.message
    assert "backups are complete" not in error.message


def test_a_refused_deletion_tells_what_is_removed_and_where_the_backups_are(aws: Aws) -> None:
    aws.table_with_backup("AVAILABLE")
    aws.bucket_with_copy(copied())
    aws.expect("s3", "put_object", {"ETag": "x"}, Bucket=STATE, Key=ANY, Body=ANY)
    aws.table()
    aws.table()
    aws.expect("dynamodb", "delete_table", {}, TableName=TABLE)
    aws.table(None)
    aws.expect("s3", "list_object_versions", {"Versions": [version("a", "1", False)]}, Bucket=FILES)
    errors = [{"Key": "a", "VersionId": "1", "Code": "AccessDenied", "Message": "locked"}]
    aws.expect("s3", "delete_objects", {"Errors": errors}, Bucket=FILES, Delete=ANY)
    error = aws.refuse(tables=[TABLE], buckets=[FILES])
    assert "refused to delete 1 of 1 versions" in error.message
    assert f"The bucket {FILES} is not, or not fully, removed; the backups are complete." in error.message
    assert error.details["removed"] == [{"resource": TABLE, "kind": "table"}]
    assert [backup["target"] for backup in error.details["backups"]] == [ARN, f"s3://{STATE}/{COPIES}"]
    assert error.details["changed"] is True


def test_a_secret_is_deleted_at_once_and_its_name_is_free_afterwards(aws: Aws) -> None:
    arn = f"arn:aws:secretsmanager:us-east-1:123456789012:secret:{SECRET}-AbCdEf"
    aws.expect("secretsmanager", "describe_secret", {}, SecretId=arn)
    aws.expect("secretsmanager", "delete_secret", {}, SecretId=arn, ForceDeleteWithoutRecovery=True)
    aws.expect("secretsmanager", "describe_secret", {}, SecretId=arn)
    aws.expect("secretsmanager", "describe_secret", "ResourceNotFoundException", SecretId=arn)
    result = aws.run(secrets=[arn])
    aws.done()
    assert (result["removed"], result["backups"]) == ([{"resource": arn, "kind": "secret"}], [])


# --- What is left alone


def test_what_does_not_exist_is_no_change_and_needs_no_backup_bucket(aws: Aws) -> None:
    aws.table(None)
    aws.expect("s3", "head_bucket", "404", Bucket=FILES)
    aws.expect("secretsmanager", "describe_secret", "ResourceNotFoundException", SecretId=SECRET)
    result = aws.run(tables=[TABLE], buckets=[FILES], secrets=[SECRET])
    aws.done()
    assert result == {"changed": False, "backups": [], "removed": []}


def test_check_mode_reads_only_and_tells_the_same(aws: Aws) -> None:
    for _look in ("exists", "is_going"):
        aws.table()
    aws.table(ItemCount=7, TableSizeBytes=70)
    aws.expect("s3", "head_bucket", {}, Bucket=FILES)
    aws.expect("s3", "head_bucket", {}, Bucket=STATE)
    aws.listed(FILES, "", ONE)
    aws.expect("secretsmanager", "describe_secret", {}, SecretId=SECRET)
    result = aws.run(check_mode=True, tables=[TABLE], buckets=[FILES], secrets=[SECRET])
    aws.done()
    assert [entry["kind"] for entry in result["removed"]] == ["table", "bucket", "secret"]
    assert result["backups"][0]["target"].startswith("backup mcp-prod-final-")
    assert result["backups"][0]["objects"] == 7
    target = f"s3://{STATE}/{COPIES}"
    assert result["backups"][1] == {"resource": FILES, "kind": "bucket", "target": target, "objects": 1, "bytes": 3}
    assert result["changed"]


def test_the_record_beside_the_copies_names_every_backup(aws: Aws) -> None:
    written: list[dict[str, t.Any]] = []
    aws.clients["s3"].meta.events.register(
        "provide-client-params.s3.PutObject", lambda params, **_more: written.append(params)
    )
    aws.bucket_with_copy(copied())
    aws.expect("s3", "put_object", {"ETag": "x"}, Bucket=STATE, Key=ANY, Body=ANY)
    empty_bucket(aws)
    result = aws.run(buckets=[FILES])
    aws.done()
    assert written[0]["Key"].startswith(f"{PREFIX}/backups-")
    assert json.loads(written[0]["Body"].read())["backups"] == result["backups"]
