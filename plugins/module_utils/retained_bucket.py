# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A bucket that outlived its stack: copy what is in it, compare, then remove it with all its versions."""

from __future__ import annotations

import typing as t
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import AWS_ERRORS, McpError, error_code
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.s3_objects import Bucket, BucketMissing, explain

# S3's limits: one CopyObject, and one part of a multipart copy may be larger than boto3's 8 MB.
COPY_OBJECT_LIMIT = 5 * 1024**3
COPY_PART_SIZE = 256 * 1024**2
# botocore's connection pool has ten places.
COPIES_AT_ONCE = 10
EMPTYING_ROUNDS = 3
STILL_IN_USE = ("BucketNotEmpty", "OperationAborted")
KEPT_HEADERS = ("CacheControl", "ContentDisposition", "ContentEncoding", "ContentLanguage", "ContentType", "Metadata")

Listed = dict[str, t.Any]


def object_pages(s3: t.Any, bucket: str, prefix: str = "") -> t.Iterator[list[Listed]]:
    """Yield the current objects of a bucket, up to 1,000 at a time, in the order of their keys."""
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        yield page.get("Contents", [])


def version_pages(s3: t.Any, bucket: str, latest: bool) -> t.Iterator[list[Listed]]:
    """Yield versions and delete markers, either the latest of each key or the ones below it.

    A page comes only after the next one was asked for: a listing goes on from its page's last version,
    which the reader is about to delete.
    """
    previous: list[Listed] = []
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
        yield previous
        entries = page.get("Versions", []) + page.get("DeleteMarkers", [])
        wanted = [entry for entry in entries if entry["IsLatest"] == latest]
        previous = [{key: entry[key] for key in ("Key", "VersionId")} for entry in wanted]
    yield previous


def total(pages: t.Iterable[list[Listed]]) -> tuple[int, int]:
    """Return the number of objects and their bytes."""
    count = size = 0
    for page in pages:
        count += len(page)
        size += sum(item["Size"] for item in page)
    return count, size


@dataclass(frozen=True)
class RetainedBucket:
    """One bucket.

    :param s3: boto3 client
    :param target: where copies go, as (bucket, prefix without a slash at its end)
    :param owner: account that has to own it; None: any
    """

    s3: t.Any
    name: str
    progress: t.Callable[[str], None]
    target: tuple[str, str] = ("", "")
    owner: str | None = None
    kind = "bucket"

    def exists(self) -> bool:
        """Say whether the bucket is there.

        :raises McpError: it cannot be told, or the bucket belongs to somebody else
        """
        try:
            Bucket(self.s3, self.name, self.owner).require()
        except BucketMissing:
            return False
        return True

    def is_going(self) -> bool:
        """A bucket is there or gone, never in between."""
        return False

    def plan_backup(self, _name: str) -> dict[str, t.Any]:
        """Return what a backup would hold."""
        return self._as_backup(*total(object_pages(self.s3, self.name)))

    def back_up(self, _name: str) -> dict[str, t.Any]:
        """Copy every current object on the server's side, then compare.

        :raises McpError: an object could not be copied, or the copy is not complete
        """
        copied = 0
        # Where S3 gave the copy another ETag: uploads in parts and keys of KMS. All others need no remembering.
        others: dict[str, tuple[str, str]] = {}
        with ThreadPoolExecutor(COPIES_AT_ONCE) as pool:
            for page in filter(None, object_pages(self.s3, self.name)):
                made = pool.map(self._copy, page)
                pairs = {item["Key"]: (item["ETag"], etag) for item, etag in zip(page, made, strict=True)}
                others |= {key: pair for key, pair in pairs.items() if pair[0] != pair[1]}
                copied += len(pairs)
                self.progress(f"bucket {self.name}: {copied:,} objects copied")
        count, size = self._compared(others)
        self.progress(f"bucket {self.name}: the copy is complete, {count:,} objects, {size:,} bytes")
        return self._as_backup(count, size)

    def remove(self) -> None:
        """Delete every version, every delete marker and every unfinished upload, then the bucket.

        :raises McpError: something is protected, or something writes into the bucket all the time
        """
        for _round in range(EMPTYING_ROUNDS):
            self._empty()
            if self._deleted():
                return
        raise McpError(f"The bucket {self.name} is filled again while it is being emptied: stop what writes into it.")

    @property
    def _copy_prefix(self) -> str:
        return f"{self.target[1]}/{self.name}/"

    def _as_backup(self, count: int, size: int) -> dict[str, t.Any]:
        target = f"s3://{self.target[0]}/{self._copy_prefix}"
        return {"resource": self.name, "kind": self.kind, "target": target, "objects": count, "bytes": size}

    def _copy(self, item: Listed) -> str:
        """Copy one object as it was listed; return the copy's ETag."""
        source = {"Bucket": self.name, "Key": item["Key"]}
        options = {"Bucket": self.target[0], "Key": self._copy_prefix + item["Key"], "CopySource": source}
        try:
            if item["Size"] > COPY_OBJECT_LIMIT:
                self._copy_in_parts(item["ETag"], **options)
                return str(self.s3.head_object(Bucket=options["Bucket"], Key=options["Key"])["ETag"])
            answer = self.s3.copy_object(CopySourceIfMatch=item["ETag"], **options)
            return str(answer["CopyObjectResult"]["ETag"])
        except AWS_ERRORS as error:
            raise explain(error, "copy", f"s3://{self.name}/{item['Key']}") from error

    def _copy_in_parts(self, etag: str, **options: t.Any) -> None:
        """Copy one large object; unlike CopyObject this does not take its headers along by itself."""
        from boto3.s3.transfer import TransferConfig

        head = self.s3.head_object(**options["CopySource"])
        kept = {key: head[key] for key in KEPT_HEADERS if key in head}
        config = TransferConfig(multipart_chunksize=COPY_PART_SIZE)
        self.s3.copy(ExtraArgs={**kept, "CopySourceIfMatch": etag}, Config=config, **options)

    def _compared(self, others: dict[str, tuple[str, str]]) -> tuple[int, int]:
        """Return count and bytes of what is in the bucket now, all of which the copy has too.

        Both listings have the order of the keys; more in the copy (from a killed run) does no harm.

        :param others: ETags of object and copy where they differ, by the object's key
        """
        bucket, prefix = self.target[0], self._copy_prefix
        copies = (item for page in object_pages(self.s3, bucket, prefix) for item in page)
        count = size = 0
        for page in object_pages(self.s3, self.name):
            for item in page:
                wanted = prefix + item["Key"]
                copy = next((copy for copy in copies if copy["Key"] == wanted), {})
                if copy.get("Size") != item["Size"]:
                    raise McpError(
                        f"The copy s3://{bucket}/{wanted} is missing or is not {item['Size']} bytes long as the "
                        f"object in {self.name} is: something still writes there, or the copy was tampered with."
                    )
                # S3 copied what had the first ETag, and said that the copy has the second.
                if (item["ETag"], copy["ETag"]) != others.get(item["Key"], (item["ETag"], item["ETag"])):
                    raise McpError(
                        f"The copy s3://{bucket}/{wanted} or the object in {self.name} has changed since it was copied:"
                        " something still writes there, or the copy was tampered with."
                    )
                count, size = count + 1, size + item["Size"]
        return count, size

    def _empty(self) -> None:
        deleted = 0
        # Older versions first: a killed run never lets a deleted or overwritten object come back.
        for latest in (False, True):
            for page in filter(None, version_pages(self.s3, self.name, latest)):
                self._delete(page)
                deleted += len(page)
                self.progress(f"bucket {self.name}: {deleted:,} versions deleted")
        for page in self.s3.get_paginator("list_multipart_uploads").paginate(Bucket=self.name):
            for upload in page.get("Uploads", []):
                self._abort(upload)

    def _delete(self, versions: list[Listed]) -> None:
        answer = self.s3.delete_objects(Bucket=self.name, Delete={"Objects": versions, "Quiet": True})
        if errors := answer.get("Errors"):
            raise McpError(
                f"S3 refused to delete {len(errors)} of {len(versions)} versions in {self.name}, the first one "
                f"{errors[0].get('Key')}: {errors[0].get('Code')} {errors[0].get('Message', '')}"
            )

    def _abort(self, upload: Listed) -> None:
        try:
            self.s3.abort_multipart_upload(Bucket=self.name, Key=upload["Key"], UploadId=upload["UploadId"])
        except AWS_ERRORS as error:
            if error_code(error) != "NoSuchUpload":  # it was completed or aborted by its owner
                raise

    def _deleted(self) -> bool:
        try:
            self.s3.delete_bucket(Bucket=self.name)
        except AWS_ERRORS as error:
            if error_code(error) in STILL_IN_USE:
                return False
            if error_code(error) != "NoSuchBucket":
                raise
        return True
