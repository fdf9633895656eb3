# SPDX-License-Identifier: MIT
"""A store that is away takes down the tools that need it, in a few seconds, and nothing else."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import BotoCoreError, ReadTimeoutError
from mcp import Client
from pratiko_mcp.reference.aws import CHECKING, WORKING, LazyClient
from pratiko_mcp.reference.dynamodb import DynamoStorage
from pratiko_mcp.reference.files import Files
from pratiko_mcp.reference.memory import MemoryStorage
from pratiko_mcp.reference.server import make_server, make_stores, ready_checks
from pratiko_mcp.reference.storage import StorageError

# Both attempts, the longest pause between them, and a slow machine.
ANSWERED_SECONDS = WORKING.attempts * WORKING.read + 1 + 2
CHECKED_SECONDS = 2
NEEDS_DOCUMENTS = {
    "get_document": {"document_id": "a"},
    "save_document": {"document_id": "a", "title": "T", "text": "x", "idempotency_key": "k"},
    "delete_document": {"document_id": "a"},
    "list_documents": {},
    "search_documents": {"query": "term"},
}
PROMPT = "summarize_document"
LINK = {"file_id": "a", "content_type": "text/plain", "size_bytes": 1}


@pytest.fixture(params=["closed", "silent", "hangs up"])
def away(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Let a service be at a port where nothing listens, or where connections are not answered, or cut."""
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)  # it keeps the credentials it has seen
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        if request.param != "closed":
            listener.listen(64)
        if request.param == "hangs up":
            threading.Thread(target=hang_up, args=(listener,)).start()
        port = listener.getsockname()[1]
        yield lambda service: monkeypatch.setenv(f"AWS_ENDPOINT_URL_{service}", f"http://127.0.0.1:{port}")
        if request.param != "closed":
            listener.shutdown(socket.SHUT_RDWR)


def hang_up(listener: socket.socket) -> None:
    """Read a little of every request, then cut the connection, until the listener goes."""
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with connection:
            connection.recv(1)


def s3_client() -> Any:
    return boto3.client("s3", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")


def ask_all(server: Any, calls: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Call tools at once; return each one's result, with the seconds that all took under ``seconds``."""

    async def run() -> dict[str, Any]:
        async with Client(server) as client:
            began = time.monotonic()
            results = await asyncio.gather(*[client.call_tool(name, given) for name, given in calls.items()])
            return {**dict(zip(calls, results, strict=True)), "seconds": time.monotonic() - began}

    return asyncio.run(run())


def test_documents_away(away: Callable[[str], None]) -> None:
    away("DYNAMODB")
    server = make_server("documents", DynamoStorage("t"), Files("b"))
    answers = ask_all(server, {**NEEDS_DOCUMENTS, "create_upload_url": LINK})
    assert answers["seconds"] < ANSWERED_SECONDS
    assert not answers["create_upload_url"].is_error
    for name in NEEDS_DOCUMENTS:
        assert answers[name].is_error
        assert "The document store does not answer. Try again in a minute." in answers[name].content[0].text


def test_many_calls_that_wait_leave_the_others_alone() -> None:
    """The SDK runs tools in 40 threads, which a store that never answers would soon hold all."""
    came_back = threading.Event()

    class Waiting(MemoryStorage):
        def get(self, document_id: str) -> None:
            came_back.wait(20)

    server = make_server("documents", Waiting(), Files("b", lambda patience: s3_client()))

    async def run() -> bool:
        async with Client(server) as client:
            reads: list[Coroutine[Any, Any, Any]] = [client.read_resource("document://a") for _ in range(30)]
            reads += [client.call_tool("get_document", {"document_id": "a"}) for _ in range(30)]
            reads += [client.get_prompt(PROMPT, {"document_id": "a"}) for _ in range(30)]
            waiting = [asyncio.ensure_future(read) for read in reads]
            await asyncio.sleep(0.2)
            try:
                link = await asyncio.wait_for(client.call_tool("create_upload_url", LINK), 10)
            finally:
                came_back.set()
                await asyncio.gather(*waiting, return_exceptions=True)
            return not link.is_error

    assert asyncio.run(run())


def test_files_away(away: Callable[[str], None]) -> None:
    away("S3")
    server = make_server("documents", MemoryStorage(), Files("b"))
    answers = ask_all(
        server, {"create_download_url": {"file_id": "a"}, "create_upload_url": LINK, "list_documents": {}}
    )
    assert answers["seconds"] < ANSWERED_SECONDS
    assert "The file store does not answer. Try again in a minute." in answers["create_download_url"].content[0].text
    assert not answers["create_upload_url"].is_error  # signing needs nobody
    assert not answers["list_documents"].is_error


def test_ready_checks_are_quick(away: Callable[[str], None]) -> None:
    away("DYNAMODB")
    away("S3")
    for check in ready_checks(make_stores({"MCP_TABLE": "t"}), Files("b")).values():
        for _ in ("makes the client", "asks"):
            began = time.monotonic()
            with pytest.raises(BotoCoreError, match=r"http://127\.0\.0\.1"):
                check()
        assert time.monotonic() - began < CHECKED_SECONDS


def test_ready_checks_of_what_there_is() -> None:
    checks = ready_checks(make_stores({}), None)
    assert list(checks) == ["documents"]
    checks["documents"]()


def test_bounds() -> None:
    """A call has 28 s and a check 2 s; one attempt is a connection and an answer, and pauses last 1 s at most."""
    assert WORKING.attempts * (WORKING.connect + WORKING.read) + WORKING.attempts - 1 < 14
    assert CHECKING.attempts == 1
    assert CHECKING.connect + CHECKING.read < CHECKED_SECONDS


def test_unanswered_write_may_have_happened(monkeypatch: pytest.MonkeyPatch) -> None:
    client = boto3.client("dynamodb", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")

    def unanswered(**request: Any) -> None:
        raise ReadTimeoutError(endpoint_url="http://127.0.0.1")

    monkeypatch.setattr(client, "get_item", lambda **request: {})
    monkeypatch.setattr(client, "transact_write_items", unanswered)
    with pytest.raises(StorageError, match="may have been made or not; repeated with the same idempotency_key"):
        DynamoStorage("t", lambda patience: client).save("a", "T", "x")


def test_clients_are_made_once_and_when_needed() -> None:
    made: list[Any] = []

    class Made:
        closed = 0

        def close(self) -> None:
            self.closed += 1

    def make(patience: Any) -> Made:
        made.append(Made())
        return made[-1]

    client = LazyClient(make, WORKING)
    client.reset()
    assert made == []
    assert client.get() is client.get()
    client.reset()
    assert (len(made), made[0].closed) == (1, 1)
