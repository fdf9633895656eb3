# SPDX-License-Identifier: MIT
"""Files in S3: the server hands out links, the bytes never pass through it."""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass
from typing import Any

LINK_SECONDS = 900


@dataclass(frozen=True)
class Link:
    """A presigned request. ``headers`` must be sent with it exactly as they are."""

    url: str
    method: str
    headers: dict[str, str]
    expires_in_seconds: int


@functools.cache
def make_s3_client() -> Any:
    """Return the S3 client; links need signature version 4, which encrypted buckets insist on.

    The links name the region's own host: the global one answers with a redirect, which breaks their signature.
    """
    import boto3
    from botocore.config import Config

    # An emulator has one host name, which no bucket can be put in front of.
    elsewhere = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    style = {"addressing_style": "path" if elsewhere else "virtual"}
    retries = {"mode": "standard", "total_max_attempts": 5}
    config = Config(signature_version="s3v4", s3=style, connect_timeout=2, read_timeout=5, retries=retries)
    return boto3.client("s3", config=config)


class Files:
    """The files of one bucket."""

    def __init__(self, bucket: str, client: Any = None) -> None:
        self._bucket = bucket
        self._client = client

    def upload_link(self, file_id: str, content_type: str, size_bytes: int) -> Link:
        """Return a link to upload exactly ``size_bytes``: type and length are part of its signature."""
        signed = {"ContentType": content_type, "ContentLength": size_bytes}
        url = self._sign("put_object", file_id, signed)
        headers = {"Content-Type": content_type, "Content-Length": str(size_bytes)}
        return Link(url, "PUT", headers, LINK_SECONDS)

    def download_link(self, file_id: str) -> Link | None:
        """Return a link to download a file, or None when there is none."""
        from botocore.exceptions import ClientError

        try:
            self._s3().head_object(Bucket=self._bucket, Key=_key(file_id))
        except ClientError as error:
            # Without s3:ListBucket S3 answers 403 for a key that does not exist.
            if error.response["Error"]["Code"] in ("404", "NoSuchKey", "NotFound", "403", "AccessDenied"):
                return None
            raise
        return Link(self._sign("get_object", file_id, {}), "GET", {}, LINK_SECONDS)

    def _sign(self, operation: str, file_id: str, extra: dict[str, Any]) -> str:
        params = {"Bucket": self._bucket, "Key": _key(file_id), **extra}
        return str(self._s3().generate_presigned_url(operation, Params=params, ExpiresIn=LINK_SECONDS))

    def _s3(self) -> Any:
        self._client = self._client or make_s3_client()
        return self._client


def _key(file_id: str) -> str:
    return f"files/{file_id}"
