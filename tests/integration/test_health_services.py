# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kinds postgres, redis and prometheus against the real servers, which are broken in turn."""

from __future__ import annotations

import contextlib
import json
import time
import typing as t
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import health

from tests.support.services import Postgres, Redis, free_port, postgres, redis
from tests.support.watching import Program, needs
from tests.unit.plugins.loopback import context


@pytest.fixture(scope="module")
def database() -> Iterator[Postgres]:
    with postgres() as service:
        yield service


@pytest.fixture(scope="module")
def cache() -> Iterator[Redis]:
    with redis() as service:
        yield service


def probe(kind: str, service: Postgres | Redis, **options: t.Any) -> dict[str, t.Any]:
    """Return a probe of a server, with its password."""
    given = {"host": "127.0.0.1", "port": service.port, "password_file": str(service.password_file), "timeout": 2}
    own = {"user": "mcp", "database": "mcp"} if kind == "postgres" else {}
    return {"name": kind, "kind": kind, **given, **own, **options}


def look(*probes: dict[str, t.Any], **options: t.Any) -> list[dict[str, t.Any]]:
    return health.run(context(*probes, **options))["results"]


def test_a_database_answers_and_its_connections_are_counted(database: Postgres) -> None:
    (result,) = look(probe("postgres", database, samples=4))
    assert result["status"] == "healthy", result["evidence"]
    assert "SELECT 1 ok, 1 of 100 connections taken (1 %); p95 " in result["evidence"]
    assert result["evidence"].endswith(" of 3") and database.password not in json.dumps(result)


def test_libpqs_password_file_is_taken_too(database: Postgres, tmp_path: Path) -> None:
    file = tmp_path / "pgpass"
    file.write_text(f"# mine\n127.0.0.1:*:*:mcp:{database.password}\n")
    file.chmod(0o600)
    (result,) = look(probe("postgres", database, password_file=str(file)))
    assert result["status"] == "healthy", result["evidence"]


def test_connections_that_run_out_are_told(database: Postgres) -> None:
    with contextlib.ExitStack() as stack:
        for _number in range(84):
            stack.enter_context(database.connect())
        (few,) = look(probe("postgres", database))
        (own,) = look(probe("postgres", database), thresholds={"connections_percent": {"critical": 84}})
    assert few["status"] == "warning" and "85 of 100 connections taken (85 %)" in few["evidence"]
    assert own["status"] == "critical"


def test_a_session_of_the_check_writes_nothing_and_says_who_it_is(database: Postgres) -> None:
    import psycopg

    options: list[dict[str, t.Any]] = []
    connect = psycopg.connect

    def noting(**given: t.Any) -> t.Any:
        options.append(given)
        return connect(**given)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(psycopg, "connect", noting)
        look(probe("postgres", database))
    with connect(**options[0]) as connection:
        assert connection.execute("SHOW application_name").fetchone() == ("pratikoai.mcp_servers.health",)
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            connection.execute("CREATE TABLE mine (id int)")


def test_a_wrong_password_is_critical_and_not_told(database: Postgres, cache: Redis, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("entirely-wrong")
    results = look(*(probe(kind, service, password_file=str(file)) for kind, service in both(database, cache)))
    assert {result["status"] for result in results} == {"critical"}
    assert "entirely-wrong" not in json.dumps(results)


def both(database: Postgres, cache: Redis) -> list[tuple[str, t.Any]]:
    return [("postgres", database), ("redis", cache)]


def test_a_missing_database_is_critical(database: Postgres) -> None:
    (result,) = look(probe("postgres", database, database="none"))
    assert result["status"] == "critical" and 'database "none" does not exist' in result["evidence"]


def test_a_cache_answers_and_its_memory_is_told(cache: Redis) -> None:
    (result,) = look(probe("redis", cache, samples=4))
    assert result["status"] == "healthy", result["evidence"]
    assert "PING ok, " in result["evidence"] and "MB used, no limit set; p95 " in result["evidence"]
    cache.client().config_set("maxmemory", 64 * 1024 * 1024)
    assert " of 64.0 MB used (" in look(probe("redis", cache))[0]["evidence"]
    assert cache.password not in json.dumps(result)


def test_a_cache_without_its_password_is_unknown(cache: Redis) -> None:
    (result,) = look(probe("redis", cache, password_file=None))
    assert result["status"] == "unknown" and "no password_file is given" in result["evidence"]


def test_each_server_is_broken_in_turn_and_the_other_stays(database: Postgres, cache: Redis) -> None:
    probes = [probe(kind, service) for kind, service in both(database, cache)]
    for number, (_kind, service) in enumerate(both(database, cache)):
        for breaks, mends in ((service.freeze, service.thaw), (service.kill, service.start)):
            breaks()
            began = time.monotonic()
            try:
                results = look(*probes, deadline=10)
            finally:
                mends()
            assert time.monotonic() - began < 6
            assert [result["status"] for result in results][number] == "critical", results[number]["evidence"]
            assert [result["status"] for result in results][1 - number] == "healthy"
            assert [result["status"] for result in look(*probes)] == ["healthy", "healthy"]


@needs("prometheus")
def test_a_prometheus_tells_of_a_target_that_went_away(tmp_path: Path) -> None:
    ports = free_port(), free_port()
    targets = [f"127.0.0.1:{ports[0]}"], [f"127.0.0.1:{ports[1]}"]
    jobs = [
        {"job_name": name, "static_configs": [{"targets": hosts}]}
        for name, hosts in zip(("itself", "gone"), targets, strict=True)
    ]
    rule = {"alert": "Gone", "expr": 'up{job="gone"} == 0', "labels": {"severity": "critical"}}
    (tmp_path / "rules.yml").write_text(json.dumps({"groups": [{"name": "all", "rules": [rule]}]}))
    told = {"global": {"scrape_interval": "1s", "evaluation_interval": "1s"}, "scrape_configs": jobs}
    (tmp_path / "prometheus.yml").write_text(json.dumps({**told, "rule_files": [str(tmp_path / "rules.yml")]}))
    url = f"http://127.0.0.1:{ports[0]}"
    flags = (f"--config.file={tmp_path / 'prometheus.yml'}", f"--storage.tsdb.path={tmp_path / 'data'}")
    asked = {"name": "prometheus", "kind": "prometheus", "url": url, "timeout": 3}
    program = Program(tmp_path, f"{url}/-/ready", "prometheus", *flags, f"--web.listen-address={targets[0][0]}")
    with program:
        ends = time.monotonic() + 30
        while "alert Gone fires" not in (result := look(asked)[0])["evidence"]:
            assert time.monotonic() < ends, result["evidence"]
            time.sleep(0.5)
        assert result["status"] == "critical" and "target gone (" in result["evidence"]
        assert result["since"].startswith("20")
