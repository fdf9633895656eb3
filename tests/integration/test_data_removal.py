# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""data_removal on the emulated AWS: more objects than one page, versions, a killed run, a busy writer."""

from __future__ import annotations

import json
import typing as t
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import data_removal, retained_bucket
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import Context, McpError
from botocore.exceptions import ClientError

pytestmark = pytest.mark.integration

OBJECTS = 1100
HEADERS = {"ContentType": "text/markdown", "CacheControl": "no-store", "Metadata": {"owner": "anna"}}


class Killed(BaseException):
    """Nothing catches it, as nothing catches a SIGKILL."""


@dataclass
class World:
    """An environment of its own: what the data stack would have retained, and the state bucket.

    :param keep: keys and bodies of the current objects
    """

    aws: t.Callable[..., t.Any]
    environment: str = field(default_factory=lambda: f"r{uuid.uuid4().hex[:8]}")
    keep: dict[str, bytes] = field(default_factory=dict)
    progress: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.table, self.files, self.state = (f"mcp-{self.environment}-{name}" for name in ("docs", "files", "state"))
        self.secrets = [f"mcp-{self.environment}-origin", f"mcp-{self.environment}-request-state"]
        self.s3, self.dynamodb = self.aws("s3"), self.aws("dynamodb")
        self.s3.create_bucket(Bucket=self.state)

    def make_bucket(self, count: int) -> None:
        """Fill the bucket: ``count`` objects, of which some were overwritten, and others that were deleted."""
        self.s3.create_bucket(Bucket=self.files)
        self.s3.put_bucket_versioning(Bucket=self.files, VersioningConfiguration={"Status": "Enabled"})
        overwritten = [f"docs/{number:04}.md" for number in range(0, count, 10)]
        deleted = [f"gone/{number:04}.md" for number in range(count // 20)]
        self.put(dict.fromkeys([*overwritten, *deleted], b"old"))
        for key in deleted:
            self.s3.delete_object(Bucket=self.files, Key=key)
        self.keep = {f"docs/{number:04}.md": b"x" * (number % 50) for number in range(count - 1)}
        self.keep["docs/a b+ü&<%41>.md"] = b"unusual"
        self.put(self.keep)
        self.s3.create_multipart_upload(Bucket=self.files, Key="never-finished")

    def put(self, objects: dict[str, bytes]) -> None:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(self._put, objects.items()))

    def _put(self, item: tuple[str, bytes]) -> None:
        self.s3.put_object(Bucket=self.files, Key=item[0], Body=item[1], **HEADERS)

    def make_table(self) -> None:
        self.dynamodb.create_table(
            TableName=self.table,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
            DeletionProtectionEnabled=True,
        )
        for number in range(30):
            self.dynamodb.put_item(TableName=self.table, Item={"pk": {"S": f"d{number}"}, "body": {"S": "text"}})

    def make_secrets(self) -> None:
        for name in self.secrets:
            self.aws("secretsmanager").create_secret(Name=name, SecretString="s")

    def run(self, check_mode: bool = False, run_id: str = "run-1", **options: t.Any) -> dict[str, t.Any]:
        copies = {"backup_bucket": self.state, "backup_prefix": f"final-backup/{run_id}"}
        given = {"environment": self.environment, **copies, **options}
        checked = ArgumentSpecValidator(data_removal.ARGUMENT_SPEC, **data_removal.SPEC_OPTIONS).validate(given)
        clients = {"s3": self.s3, "dynamodb": self.dynamodb, "secretsmanager": self.aws("secretsmanager")}
        ctx = Context(
            params=checked.validated_parameters,
            make_client=lambda service, _region: clients[service],
            check_mode=check_mode,
            progress=self.progress.append,
        )
        return data_removal.run(ctx)

    def on(self, call: str, number: int, act: t.Callable[[], None]) -> None:
        """Do something just before the given S3 call is made for the ``number``-th time."""
        calls = iter(range(1, 1_000_000))
        self.s3.meta.events.register(f"before-call.s3.{call}", lambda **_more: act() if next(calls) == number else None)

    def list_in_pages_of(self, count: int) -> None:
        """Let S3 answer with short pages, so that few objects are enough for many of them."""
        for call in ("ListObjectsV2", "ListObjectVersions"):
            self.s3.meta.events.register(
                f"provide-client-params.s3.{call}", lambda params, **_more: params.update(MaxKeys=count)
            )

    def copies(self, run_id: str = "run-1") -> dict[str, bytes]:
        """Return the objects below the backup's prefix."""
        prefix = f"final-backup/{run_id}/{self.files}/"
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.state, Prefix=prefix)
        keys = [item["Key"] for page in pages for item in page.get("Contents", [])]
        with ThreadPoolExecutor(4) as pool:
            bodies = pool.map(lambda key: self.s3.get_object(Bucket=self.state, Key=key)["Body"].read(), keys)
            return {key.removeprefix(prefix): body for key, body in zip(keys, bodies, strict=True)}

    def versions(self) -> int:
        """Count versions and delete markers in the bucket."""
        pages = self.s3.get_paginator("list_object_versions").paginate(Bucket=self.files)
        return sum(len(page.get("Versions", [])) + len(page.get("DeleteMarkers", [])) for page in pages)

    def has_bucket(self) -> bool:
        return any(bucket["Name"] == self.files for bucket in self.s3.list_buckets()["Buckets"])


@pytest.fixture
def world(aws: t.Callable[..., t.Any]) -> World:
    return World(aws)


def test_everything_is_backed_up_removed_and_stays_removed(world: World) -> None:
    world.make_bucket(OBJECTS)
    world.make_table()
    world.make_secrets()
    options: dict[str, t.Any] = {"tables": [world.table], "buckets": [world.files], "secrets": world.secrets}
    before = world.versions()

    checked = world.run(check_mode=True, **options)
    assert world.versions() == before
    assert world.copies() == {}
    assert world.dynamodb.list_backups(TableName=world.table)["BackupSummaries"] == []

    result = world.run(**options)
    assert result["removed"] == checked["removed"]
    assert [entry["resource"] for entry in result["removed"]] == [world.table, world.files, *world.secrets]
    table, bucket = result["backups"]
    assert bucket == checked["backups"][1]
    assert (bucket["objects"], bucket["bytes"]) == (OBJECTS, sum(map(len, world.keep.values())))
    assert table["objects"] == 30
    assert not world.has_bucket()
    assert world.copies() == world.keep
    assert f"bucket {world.files}: 1,100 objects copied" in world.progress

    again = world.run(run_id="run-2", **options)
    assert again == {"changed": False, "backups": [], "removed": []}


def test_a_backup_can_be_restored(world: World) -> None:
    world.make_bucket(3)
    world.make_table()
    table, bucket = world.run(tables=[world.table], buckets=[world.files])["backups"]
    world.dynamodb.restore_table_from_backup(TargetTableName=world.table, BackupArn=table["target"])
    assert world.dynamodb.scan(TableName=world.table)["Count"] == 30
    assert bucket["target"] == f"s3://{world.state}/final-backup/run-1/{world.files}/"
    head = world.s3.head_object(Bucket=world.state, Key=f"final-backup/run-1/{world.files}/docs/0000.md")
    assert {key: head[key] for key in HEADERS} == HEADERS
    prefix = "final-backup/run-1/backups-"
    (record,) = world.s3.list_objects_v2(Bucket=world.state, Prefix=prefix)["Contents"]
    written = json.loads(world.s3.get_object(Bucket=world.state, Key=record["Key"])["Body"].read())
    assert written["backups"] == [table, bucket]


@pytest.mark.parametrize("run_id", ["run-1", "run-2"], ids=["same prefix", "another prefix"])
@pytest.mark.parametrize(
    ("call", "number"), [("CopyObject", 35), ("DeleteObjects", 3), ("DeleteObjects", 11), ("DeleteBucket", 1)]
)
def test_a_killed_run_is_completed_and_its_backup_stays(world: World, call: str, number: int, run_id: str) -> None:
    def die() -> None:
        raise Killed

    world.make_bucket(60)
    world.make_table()
    world.list_in_pages_of(10)
    world.on(call, number, die)
    with pytest.raises(Killed):
        world.run(tables=[world.table], buckets=[world.files])
    assert world.has_bucket()
    result = world.run(run_id=run_id, tables=[world.table], buckets=[world.files])
    assert result["removed"][-1] == {"resource": world.files, "kind": "bucket"}
    assert not world.has_bucket()
    # Whatever moment it was, all current objects are saved, and nothing that was deleted or overwritten came back.
    assert {**world.copies("run-2"), **world.copies("run-1")} == world.keep
    assert {**world.copies("run-1"), **world.copies("run-2")} == world.keep


def test_a_writer_during_the_backup_stops_the_run_before_anything_is_deleted(world: World) -> None:
    world.make_bucket(20)
    world.make_table()
    world.on("CopyObject", 20, lambda: world.put({"docs/late.md": b"late"}))
    before = world.versions()
    with pytest.raises(McpError, match=r"docs/late.md is missing .*Nothing was deleted"):
        world.run(tables=[world.table], buckets=[world.files])
    assert world.versions() == before + 1
    assert world.dynamodb.describe_table(TableName=world.table)["Table"]["DeletionProtectionEnabled"]
    assert world.run(tables=[world.table], buckets=[world.files])["changed"]
    assert world.copies() == {**world.keep, "docs/late.md": b"late"}


def test_an_object_that_is_overwritten_during_the_backup_stops_the_run(world: World) -> None:
    """With as many bytes as it had."""
    world.make_bucket(20)
    world.on("CopyObject", 20, lambda: world.put({"docs/0003.md": b"new"}))
    with pytest.raises(McpError, match=r"docs/0003.md .*has changed since it was copied.*Nothing was deleted"):
        world.run(buckets=[world.files])
    assert world.run(buckets=[world.files])["changed"]
    assert world.copies() == {**world.keep, "docs/0003.md": b"new"}


def test_a_large_object_is_copied_in_parts_with_its_headers(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    large = 12 * 1024**2
    monkeypatch.setattr(retained_bucket, "COPY_OBJECT_LIMIT", large - 1)
    monkeypatch.setattr(retained_bucket, "COPY_PART_SIZE", 5 * 1024**2)
    world.make_bucket(3)
    world.put({"large.bin": b"y" * large})
    parts: list[int] = []
    world.on("UploadPartCopy", 3, lambda: parts.append(3))
    assert world.run(buckets=[world.files])["backups"][0]["objects"] == 4
    assert parts == [3]
    copy = world.s3.get_object(Bucket=world.state, Key=f"final-backup/run-1/{world.files}/large.bin")
    assert copy["Body"].read() == b"y" * large
    assert {key: copy[key] for key in HEADERS} == HEADERS


def test_a_bucket_that_is_the_backup_itself_goes_without_one(world: World) -> None:
    world.make_bucket(5)
    world.run(buckets=[world.files])
    given: dict[str, t.Any] = {"buckets": [world.state], "backup": False, "backup_bucket": None}
    result = world.run(**given)
    assert result == {"changed": True, "backups": [], "removed": [{"resource": world.state, "kind": "bucket"}]}
    with pytest.raises(ClientError):
        world.s3.head_bucket(Bucket=world.state)
    assert world.run(**given)["changed"] is False
