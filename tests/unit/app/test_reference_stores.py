# SPDX-License-Identifier: MIT
"""Which stores the reference server chooses, what it says about settings it cannot use, and what it needs of them."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from pratiko_mcp import metrics
from pratiko_mcp.readiness import Degraded
from pratiko_mcp.reference import migrate, schema
from pratiko_mcp.reference.address import database_address, redis_address
from pratiko_mcp.reference.cache import CachedStorage
from pratiko_mcp.reference.memory import MemoryStorage
from pratiko_mcp.reference.postgres import PostgresStorage
from pratiko_mcp.reference.schema import Schema, SchemaMismatch, check_schema
from pratiko_mcp.reference.server import make_files, make_stores
from pratiko_mcp.settings import SettingsError

DATABASE = {"MCP_DATABASE_URL": "postgresql://mcp@127.0.0.1:5432/mcp"}
REDIS = {"MCP_REDIS_URL": "redis://127.0.0.1:6379/0"}


@pytest.fixture(autouse=True)
def sources(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """What exposes metrics, of this test only."""
    found: list[Any] = []
    monkeypatch.setattr(metrics, "_sources", found)
    yield found


def test_stores_by_what_is_set(sources: list[Any]) -> None:
    stores = make_stores(DATABASE)
    assert isinstance(stores.documents, PostgresStorage)
    assert stores.words is stores.documents
    assert list(stores.checks) == ["documents", "schema"]
    stores = make_stores({**DATABASE, **REDIS})
    assert isinstance(stores.documents, CachedStorage)
    assert isinstance(stores.words, PostgresStorage)
    assert list(stores.checks) == ["documents", "schema", "cache"]
    stores = make_stores(REDIS)
    assert isinstance(stores.documents, CachedStorage)
    assert stores.words is None
    assert list(stores.checks) == ["documents", "cache"]
    assert len(sources) == 4
    assert isinstance(make_stores({"MCP_DATABASE_URL": "", "MCP_REDIS_URL": ""}).documents, MemoryStorage)


def test_two_stores_of_documents_are_refused() -> None:
    with pytest.raises(SettingsError, match=r"MCP_TABLE is set together with MCP_DATABASE_URL\. Allowed: only one"):
        make_stores({**DATABASE, "MCP_TABLE": "t"})


@pytest.mark.parametrize(
    "url",
    [
        "mysql://mcp@h/mcp",
        "postgresql://mcp:hunter2@h/mcp",
        "postgresql:///mcp",
        "postgresql://mcp@h:0/mcp",
        "postgresql://mcp@h:port/mcp",
        "postgresql://mcp@[h/mcp",
        "h:5432",
    ],
)
def test_addresses_that_cannot_be_used(url: str) -> None:
    with pytest.raises(
        SettingsError, match=r"MCP_DATABASE_URL is not usable \(value not shown\). Allowed: a postgresql"
    ):
        database_address({"MCP_DATABASE_URL": url})


def test_addresses() -> None:
    with pytest.raises(
        SettingsError, match=r"MCP_REDIS_URL is not set\. Allowed: a redis:// URL with a host and without"
    ):
        redis_address({})
    assert redis_address({"MCP_REDIS_URL": "rediss://h"}).password() is None
    assert database_address({"MCP_DATABASE_URL": "postgres://h/mcp?sslmode=verify-full"}).url.endswith("verify-full")


def test_password_files(tmp_path: Path) -> None:
    file = tmp_path / "password"
    with pytest.raises(SettingsError, match=r"MCP_DATABASE_PASSWORD_FILE is '.*password'. Allowed: the path of a file"):
        database_address({**DATABASE, "MCP_DATABASE_PASSWORD_FILE": str(file)})
    file.write_text("first\n")
    address = database_address({**DATABASE, "MCP_DATABASE_PASSWORD_FILE": str(file)})
    assert address.password() == "first"
    file.write_text("second")
    assert address.password() == "second"
    assert "second" not in repr(address)


@pytest.mark.parametrize(
    ("variables", "module", "name"), [(DATABASE, "psycopg_pool", "MCP_DATABASE_URL"), (REDIS, "redis", "MCP_REDIS_URL")]
)
def test_what_to_install_is_said(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], module: str, name: str
) -> None:
    for imported in [
        key for key in sys.modules if re.match(rf"{module}(\.|$)|pratiko_mcp.reference.(postgres|cache)", key)
    ]:
        monkeypatch.delitem(sys.modules, imported)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(
        SettingsError, match=rf"{name} is set, and its client is not installed .*'pratiko-mcp\[postgres\]'"
    ):
        make_stores(variables)


@pytest.mark.parametrize(
    ("found", "error", "text"),
    [
        (Schema(None, None), SchemaMismatch, "the schema is empty, this server needs 0001. Type: python -m"),
        (Schema("0000", "0000"), SchemaMismatch, "the schema is 0000"),
        (Schema("0001", "0001"), Degraded, "older than .*; it fits"),
        (Schema(schema.NEWEST, "0001"), None, ""),
        (Schema("9999", "0001"), Degraded, "newer than"),
        (Schema("9999", "9998"), SchemaMismatch, "needs a server that knows 9998"),
    ],
)
def test_schemas(found: Schema, error: type[Exception] | None, text: str) -> None:
    if error is None:
        check_schema(found)
        return
    with pytest.raises(error, match=text):
        check_schema(found)


@pytest.mark.parametrize(
    ("variables", "text"),
    [
        ({}, "upgrade: MCP_DATABASE_URL is not set"),
        ({"MCP_DATABASE_URL": "postgresql://h:1"}, "no connection within 0 s"),
    ],
)
def test_a_migration_fails_with_a_sentence(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], text: str
) -> None:
    monkeypatch.delenv("MCP_DATABASE_URL", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value.replace("//h", "//127.0.0.1"))
    with pytest.raises(SystemExit, match=text) as failed:
        migrate.main(["--wait", "0", "upgrade"])
    assert str(failed.value).startswith("python -m pratiko_mcp.reference.migrate upgrade: ")


def test_links_name_the_host_that_clients_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    values = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "y", "AWS_DEFAULT_REGION": "us-east-1"}
    for name, value in {**values, "AWS_ENDPOINT_URL_S3": "http://s3:9000"}.items():
        monkeypatch.setenv(name, value)
    files = make_files({"MCP_BUCKET": "b", "MCP_FILES_URL": "http://127.0.0.1:9000"})
    assert files is not None
    link = urlsplit(files.upload_link("a", "text/plain", 5).url)
    assert (link.netloc, link.path) == ("127.0.0.1:9000", "/b/files/a")
    assert files._client.get().meta.endpoint_url == "http://s3:9000"
    files.reset()
    plain = make_files({"MCP_BUCKET": "b"})
    assert plain is not None
    assert urlsplit(plain.upload_link("a", "text/plain", 5).url).netloc == "s3:9000"
    assert make_files({}) is None
    with pytest.raises(SettingsError, match=r"MCP_FILES_URL is 's3:9000'\. Allowed: an absolute http"):
        make_files({"MCP_BUCKET": "b", "MCP_FILES_URL": "s3:9000"})


def test_what_parts_of_the_server_expose(sources: list[Any]) -> None:
    readings = [
        metrics.Reading("cache_requests", "Asked", {"hit": 2, "miss": 1}, "result", counter=True),
        metrics.Reading("db_pool_size", "Most", {"": 10}),
    ]
    metrics.expose(lambda: readings)
    rendered = metrics.make_recorder("prometheus", "test", by_tool=False).render()
    assert rendered is not None
    lines = rendered[1].decode().splitlines()
    assert 'mcp_cache_requests_total{result="hit"} 2.0' in lines
    assert "# TYPE mcp_cache_requests_total counter" in lines
    assert "mcp_db_pool_size 10.0" in lines
