# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Small objects in one bucket: "not there" is an answer, every other failure is a clear error."""

from __future__ import annotations

import json
import typing as t
from dataclasses import dataclass

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import (
    AWS_ERRORS,
    McpError,
    describe_aws_error,
    error_code,
)

MISSING_KEY = ("NoSuchKey", "404", "NotFound")
CONDITION_FAILED = ("PreconditionFailed", "ConditionalRequestConflict", "412", "409")
NO_ANSWER = (
    "EndpointConnectionError",
    "ConnectTimeoutError",
    "ConnectionClosedError",
    "ReadTimeoutError",
    "ProxyConnectionError",
    "HTTPClientError",
    "IncompleteReadError",
    "ResponseStreamingError",
    "ResponseParserError",
)
THROTTLES = ("SlowDown", "Throttling", "ThrottlingException", "RequestLimitExceeded", "TooManyRequestsException")
DENIED = ("AccessDenied", "403", "AllAccessDisabled")
# botocore repeats a request, but not an answer that breaks off while its body is read.
BROKEN_OFF = ("IncompleteReadError", "ResponseStreamingError")
READ_ATTEMPTS = 5


class BucketMissing(McpError):
    """The bucket does not exist (yet, or any more)."""


class NoAnswer(McpError):
    """AWS could not be reached, answers with 5xx, or throttles without end."""


class Denied(McpError):
    """AWS knows these credentials and does not allow them this."""


def explain(error: Exception, verb: str, url: str, owner: str | None = None) -> McpError:
    """Return the error to raise for what S3 or botocore said.

    :param owner: account whose bucket was asked for
    """
    code = error_code(error)
    status = (getattr(error, "response", None) or {}).get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    facts = {"error_code": code or type(error).__name__, "url": url}
    if code == "NoSuchBucket":
        return BucketMissing(f"The bucket of {url} does not exist. It is part of the foundation stack.", **facts)
    text = f"Could not {verb} {url}: {describe_aws_error(error)}"
    if status >= 500 or type(error).__name__ in NO_ANSWER or code in THROTTLES:
        return NoAnswer(text, **facts)
    if code in DENIED:
        text += (
            ". Allow these credentials s3:GetObject, s3:PutObject and s3:DeleteObject on the bucket's objects and"
            " s3:ListBucket on the bucket; see who they are with: aws sts get-caller-identity"
        )
        text += describe_other_owner(url.split("/")[2], owner) if owner else ""
        return Denied(text, **facts)
    return McpError(text, **facts)


def describe_other_owner(bucket: str, owner: str) -> str:
    """Say what else a refusal may mean: S3 gives the same answer when a bucket has another owner."""
    return (
        f"  If they are allowed to, {bucket} belongs to another account than {owner}, which took its name first"
        f" (then this prints nothing: aws s3 ls | grep {bucket}): leave that bucket alone, and give the environment"
        " another name in the inventory"
    )


@dataclass(frozen=True)
class Stored:
    """One object as it was read."""

    body: bytes
    etag: str


@dataclass
class Bucket:
    """The objects of one bucket.

    :param s3: boto3 client
    :param owner: account that has to own the bucket, whose name anybody could have taken; None: any
    """

    s3: t.Any
    name: str
    owner: str | None = None
    # Whoever holds the lock may be on any machine: only the lease's end tells that it died.
    watched: t.ClassVar[bool] = False

    def look_command(self, key: str) -> str:
        """Return what shows an object."""
        return f"aws s3 cp {self.url(key)} -"

    def versions_command(self, key: str) -> str:
        """Return what lists an object's earlier versions."""
        return f"aws s3api list-object-versions --bucket {self.name} --prefix {key}"

    def remove_command(self, key: str) -> str:
        """Return what removes an object."""
        return f"aws s3 rm {self.url(key)}"

    def aside_command(self, key: str) -> str:
        """Return what puts an object aside."""
        return f"aws s3 mv {self.url(key)} {self.url('aside/' + key)}"

    @property
    def place(self) -> dict[str, str]:
        """Return what every call says about the bucket."""
        return {"Bucket": self.name, **({"ExpectedBucketOwner": self.owner} if self.owner else {})}

    def failure(self, error: Exception, verb: str, key: str = "") -> McpError:
        """Return the error to raise."""
        return explain(error, verb, self.url(key), self.owner)

    def url(self, key: str = "") -> str:
        """Return the s3:// address of a key."""
        return f"s3://{self.name}/{key}"

    def read(self, key: str) -> Stored | None:
        """Return an object, None when it is not there."""
        for attempt in range(1, READ_ATTEMPTS + 1):
            try:
                answer = self.s3.get_object(**self.place, Key=key)
                return Stored(answer["Body"].read(), answer["ETag"])
            except AWS_ERRORS as error:
                if error_code(error) in MISSING_KEY:
                    return None
                if type(error).__name__ not in BROKEN_OFF or attempt == READ_ATTEMPTS:
                    raise self.failure(error, "read", key) from error
        raise AssertionError("the last attempt returns or raises")

    def pages(self, prefix: str, size: int) -> t.Iterator[list[str]]:
        """Yield the keys under a prefix in their order, at most ``size`` (1 to 1000) at a time."""
        more: dict[str, str] = {}
        while True:
            try:
                page = self.s3.list_objects_v2(**self.place, Prefix=prefix, MaxKeys=size, **more)
            except AWS_ERRORS as error:
                raise self.failure(error, "list", prefix) from error
            yield [item["Key"] for item in page.get("Contents", [])]
            if not page.get("IsTruncated"):
                return
            more = {"ContinuationToken": page["NextContinuationToken"]}

    def write(self, key: str, body: bytes | t.IO[bytes], **options: str) -> str | None:
        """Write an object and return its ETag; None when the condition in ``options`` does not hold."""
        try:
            return str(self.s3.put_object(**self.place, Key=key, Body=body, **options)["ETag"])
        except AWS_ERRORS as error:
            # With IfMatch, "no such key" says that the object was removed in the meantime.
            if error_code(error) in CONDITION_FAILED or ("IfMatch" in options and error_code(error) in MISSING_KEY):
                return None
            raise self.failure(error, "write", key) from error

    def delete(self, key: str, etag: str) -> bool:
        """Delete an object as long as it still is the one that was read."""
        try:
            self.s3.delete_object(**self.place, Key=key, IfMatch=etag)
        except AWS_ERRORS as error:
            if error_code(error) in CONDITION_FAILED + MISSING_KEY:
                return False
            raise self.failure(error, "delete", key) from error
        return True

    def size(self, key: str) -> int | None:
        """Return an object's size in bytes, None when it is not there."""
        try:
            return int(self.s3.head_object(**self.place, Key=key)["ContentLength"])
        except AWS_ERRORS as error:
            if error_code(error) in MISSING_KEY:
                return None
            raise self.failure(error, "read", key) from error

    def require(self) -> None:
        """Ask whether the bucket is there.

        :raises BucketMissing: it is not
        """
        try:
            self.s3.head_bucket(**self.place)
        except AWS_ERRORS as error:
            if error_code(error) in MISSING_KEY:
                raise BucketMissing(f"The bucket {self.name} does not exist.") from error
            raise self.failure(error, "reach") from error

    def parse(self, key: str, stored: Stored | None) -> t.Any:
        """Return the JSON value of an object, None when it is not there.

        :raises McpError: the object is not JSON
        """
        try:
            return None if stored is None else json.loads(stored.body)
        except ValueError as error:
            raise McpError(
                f"{self.url(key)} is not JSON: {error}. Look at it with: aws s3 cp {self.url(key)} -  "
                "(the bucket is versioned: an earlier version can be copied back over it)",
                url=self.url(key),
            ) from error


def to_json(value: t.Any) -> bytes:
    """Write a value as JSON, always in the same way (equal values give equal bytes)."""
    return (json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()
