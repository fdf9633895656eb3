# SPDX-License-Identifier: MIT
"""The reference server's stores and the origin secret against an emulated AWS."""

from __future__ import annotations

import urllib.request
import uuid
from collections.abc import Iterator

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from pratiko_mcp import aws_secrets
from pratiko_mcp.authorizer import OriginSecret
from pratiko_mcp.reference.dynamodb import DynamoStorage
from pratiko_mcp.reference.files import Files
from pratiko_mcp.reference.storage import KEY_SECONDS, Once, Storage

from tests.support.storage_contract import Clock, Factory, StorageContract

pytestmark = pytest.mark.integration


@pytest.fixture
def aws(sandbox_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Let every client of the test talk to the emulator, as a deployed function's would to AWS."""
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)  # it keeps the credentials it has seen
    monkeypatch.setenv("AWS_ENDPOINT_URL", sandbox_endpoint)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    return sandbox_endpoint


def make_table() -> str:
    client, name = boto3.client("dynamodb"), f"documents-{uuid.uuid4().hex[:8]}"
    client.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in ("pk", "sk")],
        BillingMode="PAY_PER_REQUEST",
    )
    client.get_waiter("table_exists").wait(TableName=name)
    return name


class TestDynamoStorage(StorageContract):
    """The contract of every store."""

    examples = 25
    steps = 20
    long_examples = 150

    @pytest.fixture
    def factory(self, aws: str) -> Iterator[Factory]:
        tables: list[str] = []

        def make(clock: Clock) -> Storage:
            tables.append(make_table())
            return DynamoStorage(tables[-1], clock=clock)

        yield make
        client = boto3.client("dynamodb")
        for table in tables:
            client.delete_table(TableName=table)

    def test_results_expire_by_the_tables_ttl(self, storage: DynamoStorage, clock: Clock) -> None:
        storage.save("a", "T", "x", None, Once((), "k"))
        items = storage.connect().scan(TableName=storage._table)["Items"]
        expiring = [item for item in items if "expires_at" in item]
        assert [item["expires_at"] for item in expiring] == [{"N": str(int(clock.now) + KEY_SECONDS)}]
        assert expiring[0]["pk"]["S"].startswith("once#")


def test_ready_check_needs_the_table(aws: str) -> None:
    storage = DynamoStorage("no-such-table")
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        storage.check()


def test_file_links(aws: str) -> None:
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
    files.reset()
    assert files.download_link("a.txt") is not None
    files.check()


def test_file_check_needs_the_store(aws: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(EndpointConnectionError):
        Files("any-bucket").check()


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
    assert aws_secrets.read_values(arn) == ("third", "second")
    client.delete_secret(SecretId=arn, ForceDeleteWithoutRecovery=True)
