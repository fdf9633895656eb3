# SPDX-License-Identifier: MIT
"""The reference server's stores and the origin secret against an emulated AWS."""

from __future__ import annotations

import threading
import urllib.request
import uuid
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from pratiko_mcp import aws_secrets
from pratiko_mcp.authorizer import OriginSecret
from pratiko_mcp.reference.files import Files, make_s3_client
from pratiko_mcp.reference.storage import DynamoStorage, MemoryStorage, Storage, VersionConflict

pytestmark = pytest.mark.integration


@pytest.fixture
def aws(sandbox_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Let every client of the test talk to the emulator, as a deployed function's would to AWS."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", sandbox_endpoint)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    return sandbox_endpoint


def make_table() -> tuple[Any, str]:
    client, name = boto3.client("dynamodb"), f"documents-{uuid.uuid4().hex[:8]}"
    client.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in ("pk", "sk")],
        BillingMode="PAY_PER_REQUEST",
    )
    client.get_waiter("table_exists").wait(TableName=name)
    return client, name


@pytest.fixture(params=["dynamodb", "memory"])
def storage(request: pytest.FixtureRequest) -> Iterator[Storage]:
    """Both backends, which must behave alike."""
    if request.param == "memory":
        yield MemoryStorage()
        return
    request.getfixturevalue("aws")
    client, name = make_table()
    yield DynamoStorage(name)
    client.delete_table(TableName=name)


def test_life_of_a_document(storage: Storage) -> None:
    assert storage.get("a") is None
    first = storage.save("a", "Title", "tüxt", None)
    assert (first.version, first.size_bytes) == (1, 5)
    assert storage.get("a") == first
    assert storage.save("a", "Title", "tüxt", None) == first
    second = storage.save("a", "Title", "other", 1)
    assert (second.version, second.created_at) == (2, first.created_at)
    assert storage.page(10, None).documents == (second.summary(),)
    assert storage.delete("a", 2)
    assert not storage.delete("a", None)
    assert (storage.get("a"), storage.page(10, None).documents) == (None, ())


def test_versions_are_checked(storage: Storage) -> None:
    storage.save("a", "T", "x", 0)
    for change in (lambda: storage.save("a", "T", "y", 0), lambda: storage.save("a", "T", "y", 7)):
        with pytest.raises(VersionConflict, match="is at version 1"):
            change()
    with pytest.raises(VersionConflict):
        storage.delete("a", 7)
    assert storage.get("a") is not None


def test_pages_and_search(storage: Storage) -> None:
    for number in range(7):
        storage.save(f"doc-{number}", "Even" if number % 2 == 0 else "Odd", "x", None)
    ids: list[str] = []
    after = None
    while True:
        page = storage.page(3, after)
        assert len(page.documents) <= 3
        ids += [document.document_id for document in page.documents]
        if page.next_id is None:
            break
        after = page.next_id
    assert ids == [f"doc-{number}" for number in range(7)]
    found = storage.page(2, None, "even")
    assert [document.document_id for document in found.documents] == ["doc-0", "doc-2"]
    rest = storage.page(10, found.next_id, "even")
    assert [document.document_id for document in rest.documents] == ["doc-4", "doc-6"]


def test_largest_document(storage: Storage) -> None:
    text = "ü" * 150_000
    storage.save("big", "T" * 200, text, None)
    stored = storage.get("big")
    assert stored is not None
    assert stored.text == text


def test_two_writers_and_one_expected_version(storage: Storage) -> None:
    storage.save("a", "T", "x", None)
    outcomes: list[str] = []

    def write(text: str) -> None:
        try:
            storage.save("a", "T", text, 1)
            outcomes.append("saved")
        except VersionConflict:
            outcomes.append("conflict")

    writers = [threading.Thread(target=write, args=(text,)) for text in ("one", "two")]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert sorted(outcomes) == ["conflict", "saved"]


def test_file_links(aws: str) -> None:
    make_s3_client.cache_clear()
    bucket = f"files-{uuid.uuid4().hex[:8]}"
    boto3.client("s3").create_bucket(Bucket=bucket)
    files = Files(bucket)
    assert files.download_link("a.txt") is None
    upload = files.upload_link("a.txt", "text/plain", 5)
    request = urllib.request.Request(upload.url, b"hello", upload.headers, method=upload.method)
    assert urllib.request.urlopen(request, timeout=10).status == 200
    download = files.download_link("a.txt")
    assert download is not None
    with urllib.request.urlopen(download.url, timeout=10) as reply:
        assert (reply.read(), reply.headers["content-type"]) == (b"hello", "text/plain")
    make_s3_client.cache_clear()


def test_origin_secret_rotates(aws: str) -> None:
    client = boto3.client("secretsmanager")
    arn = client.create_secret(Name=f"origin-{uuid.uuid4().hex[:8]}", SecretString="first")["ARN"]
    secret = OriginSecret(arn)
    assert (secret.matches("first"), secret.matches("second"), secret.matches("")) == (True, False, False)
    client.put_secret_value(SecretId=arn, SecretString="second")
    assert (secret.matches("second"), secret.matches("first")) == (True, True)
    client.put_secret_value(SecretId=arn, SecretString="third")
    assert secret.matches("third")
    assert not secret.matches("first")
    assert aws_secrets.read_values(client, arn) == ("third", "second")
    client.delete_secret(SecretId=arn, ForceDeleteWithoutRecovery=True)
