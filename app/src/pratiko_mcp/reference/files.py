# SPDX-License-Identifier: MIT
"""Files in S3: the server hands out links, the bytes never pass through it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .aws import CHECKING, WORKING, LazyClient, Patience, told

LINK_SECONDS = 900
STORE = "file store"
# Without s3:ListBucket S3 answers 403 for a key that does not exist.
MISSING_CODES = frozenset({"404", "NoSuchKey", "NotFound", "403", "AccessDenied"})


@dataclass(frozen=True)
class Link:
    """A presigned request. ``headers`` must be sent with it exactly as they are."""

    url: str
    method: str
    headers: dict[str, str]
    expires_in_seconds: int


def make_s3_client(patience: Patience, endpoint: str | None = None) -> Any:
    """Return the S3 client; links need signature version 4, which encrypted buckets insist on.

    The links name the region's own host: the global one answers with a redirect, which breaks their signature.

    :param endpoint: base URL of S3, where it is another one than the environment's
    """
    import boto3

    # An emulator has one host name, which no bucket can be put in front of.
    elsewhere = endpoint or os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    style = {"addressing_style": "path" if elsewhere else "virtual"}
    return boto3.client("s3", endpoint_url=endpoint, config=patience.config(signature_version="s3v4", s3=style))


class Files:
    """The files of one bucket. Every method may raise `StorageError`.

    :param links_at: base URL by which clients reach S3, where it is another one than this server's (MCP_FILES_URL):
        the host is part of a link's signature
    """

    def __init__(
        self,
        bucket: str,
        make_client: Callable[[Patience], Any] = make_s3_client,
        links_at: str | None = None,
    ) -> None:
        self._bucket = bucket
        self._client = LazyClient(make_client, WORKING)
        self._checks = LazyClient(make_client, CHECKING)
        self._links = (
            LazyClient(lambda patience: make_s3_client(patience, links_at), WORKING) if links_at else self._client
        )

    def upload_link(self, file_id: str, content_type: str, size_bytes: int) -> Link:
        """Return a link to upload exactly ``size_bytes``: type and length are part of its signature."""
        signed = {"ContentType": content_type, "ContentLength": size_bytes}
        url = self._sign("put_object", file_id, signed)
        headers = {"Content-Type": content_type, "Content-Length": str(size_bytes)}
        return Link(url, "PUT", headers, LINK_SECONDS)

    def download_link(self, file_id: str) -> Link | None:
        """Return a link to download a file, or None when there is none."""
        with told(STORE):
            if not self._exists(self._client.get(), _key(file_id)):
                return None
        return Link(self._sign("get_object", file_id, {}), "GET", {}, LINK_SECONDS)

    def check(self) -> None:
        """Return within two seconds when the store answers; no file can have the id that is asked for.

        :raises Exception: it does not answer
        """
        self._exists(self._checks.get(), _key(".ready"))

    def reset(self) -> None:
        """Drop connections, which do not survive a snapshot of the process."""
        for client in (self._client, self._checks, self._links):
            client.reset()

    def _exists(self, client: Any, key: str) -> bool:
        from botocore.exceptions import ClientError

        try:
            client.head_object(Bucket=self._bucket, Key=key)
        except ClientError as error:
            if error.response["Error"]["Code"] in MISSING_CODES:
                return False
            raise
        return True

    def _sign(self, operation: str, file_id: str, extra: dict[str, Any]) -> str:
        params = {"Bucket": self._bucket, "Key": _key(file_id), **extra}
        return str(self._links.get().generate_presigned_url(operation, Params=params, ExpiresIn=LINK_SECONDS))


def _key(file_id: str) -> str:
    return f"files/{file_id}"
