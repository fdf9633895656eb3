# SPDX-License-Identifier: MIT
"""The reference server as a process on PostgreSQL and Redis, which are killed in turn while a writer goes on."""

from __future__ import annotations

import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pratiko_mcp.reference import migrate
from pratiko_mcp.reference.address import Address

from tests.support import services
from tests.support.client import result_of, with_client
from tests.support.direct import Issuer, serve
from tests.support.services import Postgres, Redis
from tests.unit.app.served import MODERN, headers_of, request

pytestmark = pytest.mark.integration


@dataclass
class World:
    """A server and its stores."""

    url: str
    token: str
    database: Postgres
    cache: Redis

    def get(self, path: str) -> tuple[int, str]:
        """Fetch a path; return status and body."""
        try:
            with urllib.request.urlopen(self.url + path, timeout=30) as reply:
                return reply.status, reply.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def ready(self) -> tuple[int, dict[str, str]]:
        """Ask for readiness; return status and each check's."""
        status, body = self.get("/ready")
        return status, {check["name"]: check["status"] for check in json.loads(body)["checks"]}

    def metrics(self) -> dict[str, float]:
        """Return the metrics of the stores."""
        lines = [line.rpartition(" ") for line in self.get("/metrics")[1].splitlines()]
        return {name: float(value) for name, _, value in lines if name.startswith(("mcp_cache", "mcp_db"))}

    def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """Call a tool once; return its structured result, or its text under ``error``."""
        body = request(MODERN, "tools/call", name=tool, arguments=arguments)
        headers = headers_of(MODERN, name=tool) | {"authorization": f"Bearer {self.token}"}
        with urllib.request.urlopen(urllib.request.Request(self.url + "/mcp", body, headers), timeout=30) as reply:
            message = json.loads(reply.read().decode().rpartition("data: ")[2])["result"]
        return {"error": message["content"][0]["text"]} if message.get("isError") else message["structuredContent"]

    def until(self, state: Callable[[], bool], seconds: float = 15) -> None:
        """Wait for a state."""
        ends = time.monotonic() + seconds
        while not state():
            assert time.monotonic() < ends, self.get("/ready")
            time.sleep(0.1)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder, issuer = tmp_path_factory.mktemp("server"), Issuer()
    with services.postgres() as database, services.redis() as cache:
        migrate.run(migrate.parse_arguments(["upgrade"]), Address(database.url(), str(database.password_file)))
        variables = {"MCP_JWKS": issuer.jwks, **database.environment, **cache.environment}
        with serve(folder, folder, **variables) as url:
            yield World(url, issuer.token(url, scope="documents:read documents:write"), database, cache)
        log = (folder / "server.log").read_text(encoding="utf-8")
        assert database.password not in log
        assert cache.password not in log
        assert "Traceback" not in log


def test_tools_on_postgresql(world: World) -> None:
    async def use(client: Any) -> tuple[set[str], dict[str, Any]]:
        tools = {tool.name for tool in (await client.list_tools()).tools}
        await result_of(client, "save_document", document_id="a", title="Invoice", text="the due date is near")
        for _ in range(3):
            assert (await result_of(client, "get_document", document_id="a"))["version"] == 1
        assert (await result_of(client, "search_documents", query="voice"))["documents"][0]["document_id"] == "a"
        return tools, await result_of(client, "find_documents", query='"due date" -paid')

    tools, found = with_client(world.url + "/mcp", world.token, use)
    assert "find_documents" in tools
    assert [match["document"]["document_id"] for match in found["documents"]] == ["a"]
    assert "**due**" in found["documents"][0]["excerpt"]
    assert world.ready() == (200, {"documents": "healthy", "schema": "healthy", "cache": "healthy"})
    metrics = world.metrics()
    assert metrics['mcp_cache_requests_total{result="hit"}'] == 2
    assert metrics['mcp_cache_requests_total{result="miss"}'] == 1
    assert metrics['mcp_cache_requests_total{result="error"}'] == 0
    assert metrics['mcp_db_pool_connections{state="idle"}'] >= 1
    assert {name for name in metrics if name.startswith("mcp_db_pool")} == {
        'mcp_db_pool_connections{state="idle"}',
        'mcp_db_pool_connections{state="used"}',
        'mcp_db_pool_connections{state="waiting"}',
        "mcp_db_pool_size",
    }


class Writer(threading.Thread):
    """Saves and reads back, without a pause."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world
        self._done = threading.Event()
        self.acknowledged: list[str] = []
        self.told: list[str] = []
        self.stale: list[str] = []

    def run(self) -> None:
        number = 0
        while not self._done.is_set():
            number += 1
            name = f"w{number:05}"
            arguments = {"document_id": name, "title": "T", "text": name, "idempotency_key": name}
            saved = self._world.call("save_document", **arguments)
            if "error" in saved:
                self.told.append(saved["error"])
                continue
            self.acknowledged.append(name)
            read = self._world.call("get_document", document_id=name)
            if "error" not in read and read["text"] != name:
                self.stale.append(name)

    def stop(self) -> None:
        self._done.set()
        self.join()


def test_a_writer_while_stores_are_killed(world: World) -> None:
    writer = Writer(world)
    writer.start()
    try:
        world.until(lambda: len(writer.acknowledged) > 20)
        world.cache.kill()
        world.until(lambda: world.ready() == (200, {"documents": "healthy", "schema": "healthy", "cache": "degraded"}))
        before = len(writer.acknowledged)
        world.until(lambda: len(writer.acknowledged) > before + 10)
        assert writer.told == []
        assert world.metrics()['mcp_cache_requests_total{result="error"}'] > 0
        world.cache.start()
        world.until(lambda: world.ready()[1]["cache"] == "healthy")

        world.database.kill()
        world.until(lambda: world.ready()[0] == 503 and world.ready()[1]["documents"] == "critical")
        world.until(lambda: len(writer.told) > 0)
        world.database.start()
        world.until(lambda: world.ready()[0] == 200)
        before = len(writer.acknowledged)
        world.until(lambda: len(writer.acknowledged) > before + 10)
    finally:
        writer.stop()
    assert writer.stale == []
    assert all("The document store does not answer. Try again in a minute." in text for text in writer.told)
    for name in writer.acknowledged:
        assert world.call("get_document", document_id=name)["text"] == name


def test_a_server_starts_while_its_stores_are_away(tmp_path: Path) -> None:
    nobody = f"127.0.0.1:{services.free_port()}"
    variables = {"MCP_DATABASE_URL": f"postgresql://mcp@{nobody}/mcp", "MCP_REDIS_URL": f"redis://{nobody}/0"}
    with serve(tmp_path, tmp_path, MCP_JWKS=Issuer().jwks, **variables) as url:
        world = World(url, "", None, None)  # type: ignore[arg-type]
        status, checks = world.ready()
    assert (status, checks) == (503, {"documents": "critical", "schema": "critical", "cache": "degraded"})
