# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects of one bucket in memory, for tests with many calls; the emulated AWS proves that S3 does the same."""

from __future__ import annotations

import hashlib
import io
import typing as t
from collections import Counter

from botocore.exceptions import ClientError


def refusal(code: str, status: int, operation: str) -> ClientError:
    """Return an answer of S3's that says no."""
    answer = {"Error": {"Code": code, "Message": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, operation)


class MemoryS3:
    """A client of one bucket.

    :param fails: the error to raise by name of the method
    """

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.fails: dict[str, Exception] = {}
        self.calls: Counter[str] = Counter()

    def _begin(self, method: str) -> None:
        self.calls[method] += 1
        if method in self.fails:
            raise self.fails[method]

    def head_bucket(self, **_place: str) -> dict[str, t.Any]:
        """Say that the bucket is there."""
        self._begin("head_bucket")
        return {}

    def put_object(self, Key: str, Body: bytes, IfNoneMatch: str = "", IfMatch: str = "", **_rest: str) -> t.Any:
        """Write an object under its condition."""
        self._begin("put_object")
        there = self.objects.get(Key)
        if (IfNoneMatch and there is not None) or (IfMatch and (there is None or etag(there) != IfMatch)):
            raise refusal("PreconditionFailed", 412, "PutObject")
        self.objects[Key] = bytes(Body)
        return {"ETag": etag(Body)}

    def get_object(self, Key: str, **_place: str) -> t.Any:
        """Read an object."""
        self._begin("get_object")
        if Key not in self.objects:
            raise refusal("NoSuchKey", 404, "GetObject")
        return {"Body": io.BytesIO(self.objects[Key]), "ETag": etag(self.objects[Key])}

    def delete_object(self, Key: str, IfMatch: str, **_place: str) -> None:
        """Remove an object as it was read."""
        self._begin("delete_object")
        if Key not in self.objects or etag(self.objects[Key]) != IfMatch:
            raise refusal("PreconditionFailed", 412, "DeleteObject")
        del self.objects[Key]

    def list_objects_v2(self, Prefix: str, MaxKeys: int, ContinuationToken: str = "", **_place: str) -> t.Any:
        """List keys forwards, as S3 does."""
        self._begin("list_objects_v2")
        keys = sorted(key for key in self.objects if key.startswith(Prefix) and key > ContinuationToken)
        page = {"Contents": [{"Key": key} for key in keys[:MaxKeys]], "IsTruncated": len(keys) > MaxKeys}
        return {**page, "NextContinuationToken": keys[MaxKeys - 1]} if page["IsTruncated"] else page


class FileStore(MemoryS3):
    """S3 with what a backup asks of it.

    :param removed: key of a file that is gone when it is fetched, though it was listed
    """

    removed = ""

    def get_paginator(self, _name: str) -> t.Any:
        """Return what lists all files."""
        return self

    def paginate(self, **_place: str) -> list[dict[str, t.Any]]:
        """List all files, in two pages."""
        self._begin("list_objects_v2")
        return [{"Contents": [{"Key": key, "Size": len(body)} for key, body in self.objects.items()]}, {}]

    def get_object(self, Key: str, **place: str) -> t.Any:
        """Read an object."""
        if self.removed == Key:
            raise refusal("NoSuchKey", 404, "GetObject")
        return super().get_object(Key, **place)

    def put_object(self, Key: str, Body: t.Any, IfNoneMatch: str = "", IfMatch: str = "", **rest: str) -> t.Any:
        """Write an object from a stream."""
        return super().put_object(Key, Body.read(), IfNoneMatch, IfMatch, **rest)


def etag(body: bytes) -> str:
    """Return an entity tag."""
    return f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'
