# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which local release serves and which can be gone back to, what becomes of services, the page."""

from __future__ import annotations

import shutil
import typing as t
from pathlib import Path

import pytest
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import (
    local_plan,
    local_release,
    local_report,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import Context, McpError
from pratiko_mcp import readiness
from pratiko_mcp.reference import schema

from tests.unit.plugins.tiny_server import write


def record(number: int, outcome: str = "live", **body: t.Any) -> dict[str, t.Any]:
    """Return a record of a release; higher numbers are newer."""
    return {
        "id": f"r{number}",
        "time": f"2026-11-2{number}T10:00:00Z",
        "who": "ada",
        "body": {"format": 1, "outcome": outcome, "runtime": "process", "release": {"id": f"{number:012x}"}, **body},
    }


SECOND, FIRST = record(2, previous="r1"), record(1)


# Releases


def test_the_release_that_serves_is_the_newest_that_was_not_refused():
    described = local_plan.describe([record(3, "refused", reason="no"), SECOND, FIRST])
    assert described["present"]["id"] == "r2"
    assert [(row["id"], row["live"]) for row in described["rows"]] == [("r3", False), ("r2", True), ("r1", False)]
    assert local_plan.describe([])["present"] == {}


def test_one_goes_back_to_the_release_before():
    assert local_plan.target([SECOND, FIRST], None, "process")["record"]["id"] == "r1"
    assert local_plan.target([SECOND, FIRST], f"{1:012x}", "process")["record"]["id"] == "r1"


@pytest.mark.parametrize(
    ("records", "wanted", "runtime", "problem"),
    [
        ([], None, "process", "No release is recorded"),
        ([FIRST], None, "process", "There is no release before 000000000001"),
        ([SECOND, FIRST], "r9", "process", "mcp_release is 'r9': no such release is recorded. Allowed: r2"),
        ([SECOND, FIRST], "r2", "process", "is the one that serves"),
        ([SECOND, FIRST], "r1", "docker", "was packaged for the runtime process"),
        ([SECOND, record(1, "refused", reason="broke")], "r1", "process", "was refused and never served: broke"),
        ([SECOND, record(1, format=7)], "r1", "process", "was recorded in format 7"),
    ],
)
def test_what_cannot_be_gone_back_to_is_said(records, wanted, runtime, problem):
    found = local_plan.target(records, wanted, runtime)
    assert problem in found["problem"]
    assert "Nothing was changed" in found["problem"] and "releases.yml" in found["problem"]


# Services


def test_a_plan_and_what_was_done_come_together():
    planned = [
        {"service": "redis", "action": "none", "why": ""},
        {"service": "postgres", "action": "create", "why": "it is not there"},
        {"service": "server", "action": "recreate", "why": "its settings"},
    ]
    rows = local_plan.changes(
        planned, [{"service": "postgres", "action": "create", "why": "", "changed": True}], ["server"]
    )
    assert [(row["service"], row["planned"], row["changed"]) for row in rows] == [
        ("redis", False, False), ("postgres", True, True), ("server", True, True),
    ]  # fmt: skip
    assert not any(row["changed"] for row in local_plan.changes(planned))
    assert local_plan.lines(rows) == ["  + postgres: create", "  ~ server: recreate (its settings)"]


def test_a_port_belongs_to_its_service_only_while_that_runs():
    ports, taken = {"postgres_exporter": 9187, "redis": 6379}, ["postgres-exporter", "redis"]
    running = {"postgres-exporter": {"state": "running"}, "redis": {"state": "running"}}
    assert local_plan.port_problem(taken, ports, running) == ""
    stopped = {"postgres-exporter": {"state": "exited"}, "redis": {"state": "running"}}
    assert "listens on 9187 (postgres-exporter)" in local_plan.port_problem(taken, ports, stopped)


# Releases on disk


def context(**params: t.Any) -> Context:
    """Return the surroundings of a task."""
    defaults = {name: spec.get("default") for name, spec in local_release.ARGUMENT_SPEC.items()}
    return Context(params={**defaults, **params}, make_client=lambda *_any: None)


def make_package(folder: Path, needed: str) -> Path:
    """Write a package as the cache has it, beside what it needs."""
    write(folder, {f"dependencies/local/{needed}/site/helper.py": needed, f"{needed}/app/server/main.py": "x = 1"})
    (folder / needed / "dependencies").symlink_to(folder / "dependencies" / "local" / needed / "site")
    return folder / needed


def test_a_release_is_brought_once_and_old_ones_go(tmp_path):
    one, two = make_package(tmp_path / "cache", "a" * 12), make_package(tmp_path / "cache", "b" * 12)

    def bring(digit, package, **params):
        return local_release.run(
            context(directory=str(tmp_path / "r"), release=digit * 12, package=str(package), **params)
        )

    first = bring("0", one)
    assert first["changed"] and (Path(first["path"]) / "app" / "server" / "main.py").read_text() == "x = 1"
    assert (Path(first["path"]) / "dependencies" / "helper.py").read_text() == "a" * 12
    assert not bring("0", one)["changed"]
    # What releases share is there once, and goes with the last of them.
    assert bring("1", one)["changed"] and bring("2", two)["removed"] == []
    shared = tmp_path / "r" / "dependencies"
    assert sorted(path.name for path in shared.iterdir()) == ["a" * 12, "b" * 12]
    assert bring("2", two, keep=2)["removed"] == ["0" * 12]
    assert sorted(path.name for path in shared.iterdir()) == ["a" * 12, "b" * 12]
    assert bring("2", two, keep=1)["removed"] == ["1" * 12]
    assert [path.name for path in shared.iterdir()] == ["b" * 12]
    assert sorted(path.name for path in (tmp_path / "r").iterdir()) == ["2" * 12, "dependencies"]


def test_a_release_outlives_the_cache_that_it_came_from(tmp_path, monkeypatch):
    package = make_package(tmp_path / "cache", "a" * 12)

    def elsewhere(*_names):
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(local_release.os, "link", elsewhere)
    found = local_release.run(context(directory=str(tmp_path / "r"), release="0" * 12, package=str(package)))
    shutil.rmtree(tmp_path / "cache")
    assert (Path(found["path"]) / "dependencies" / "helper.py").read_text() == "a" * 12


def test_a_release_that_is_gone_or_broken_is_told(tmp_path):
    with pytest.raises(McpError, match=r"Release 0{12} is not in .* any more; there are: none"):
        local_release.run(context(directory=str(tmp_path / "r"), release="0" * 12))
    package = make_package(tmp_path / "cache", "a" * 12)
    shutil.rmtree(package / "app")
    with pytest.raises(McpError, match=r"could not be brought from .*rm -r "):
        local_release.run(context(directory=str(tmp_path / "r"), release="0" * 12, package=str(package)))
    assert list((tmp_path / "r").iterdir()) == []


# The schema


def said(revision, needs=None):
    """Return what /ready says of a schema, by the server's own words."""
    reason = ""
    try:
        schema.check_schema(schema.Schema(revision, needs))
    except (readiness.Degraded, schema.SchemaMismatch) as error:
        reason = str(error) if isinstance(error, readiness.Degraded) else f"SchemaMismatch: {error}"
    return {"status": "ready", "checks": [{"name": "documents", "reason": ""}, {"name": "schema", "reason": reason}]}


@pytest.mark.parametrize(
    ("ready", "why"),
    [
        (said("0001"), f"the schema is behind: 0001, older than {schema.NEWEST}"),
        (said(None), f"the schema is behind: empty, this server needs {schema.OLDEST}"),
        (said(schema.NEWEST), None),
        (said("9998"), None),
        (said("9999", "9999"), None),
        (None, None),
        ("", None),
        ([], None),
        ({"checks": None}, None),
    ],
)
def test_a_schema_that_is_behind_is_planned_and_nothing_else_is(ready, why):
    row = {"service": "migrate", "action": "none", "why": ""}
    server = {"service": "server", "action": "none", "why": ""}
    for planned in ([server], [row, server]):
        migration = {"service": "migrate", "action": "update", "why": why}
        wanted = [server, migration] if why else planned
        assert local_plan.with_schema(planned, ready) == wanted
    due = [{"service": "migrate", "action": "recreate", "why": "its settings changed"}]
    assert local_plan.with_schema(due, ready) == due


# The page


def test_the_page_escapes_what_it_shows_and_names_what_is_missing():
    report = {
        "environment": "local",
        "phase": "local",
        "endpoint": "http://127.0.0.1:8000/mcp",
        "health": [{"check": "mcp <x>", "status": "healthy", "latency_ms": {"p50": 3}}],
        "failure": {"task": "T", "msg": "<script>alert(1)</script>"},
        "backups": [{"resource": "database (2 rows)", "target": "/d/backups/1"}],
        **local_report.local_part({
            "local": {"runtime": "process", "reason": "no Docker", "dir": "/d", "reload": True, "source": "/s",
                      "services": {"server": {"port": 8000}}},
            "services": [{"service": "server", "action": "create", "why": "new", "planned": True, "changed": True}],
        }),
    }  # fmt: skip
    page = local_report.page(report)
    assert "<script>" not in page and "&lt;script&gt;" in page and "mcp &lt;x&gt;" in page
    assert '<a href="http://127.0.0.1:8000/mcp">' in page and '<span class="healthy">' in page
    assert "Grafana, which the process runtime does not have" in page
    assert "<td>database (2 rows)</td><td>/d/backups/1</td>" in page
    assert "runtime:   process: no Docker" in local_report.local_lines(report)


def test_backups_are_listed_on_screen_and_on_the_page():
    local = {"runtime": "process", "reason": "no Docker", "dir": "/d", "reload": False, "services": {}}
    good = {"id": "b2", "time": "2026-11-22T10:00:00Z", "rows": 2, "files": 1, "bytes": 1234567, "why": "asked for"}
    lost = {"id": "b1", **dict.fromkeys(("time", "rows", "files", "bytes", "why")), "problem": "<backup.json> is gone"}
    rows = [{**good, "problem": ""}, lost]
    part = local_report.local_part({"local": local, "listed_backups": rows})
    lines = local_report.local_lines(part)
    assert "  b2  2026-11-22T10:00:00Z  2 rows, 1 files, 1.2 MB  asked for" in lines
    assert "  b1  NOT COMPLETE: <backup.json> is gone" in lines
    page = local_report.page({**part, "health": []})
    assert '<td data-head="Holds">2 rows, 1 files, 1.2 MB</td><td data-head="Why">asked for</td>' in page
    assert ">yes</td>" in page and ">no: &lt;backup.json&gt; is gone</td>" in page
    none = local_report.local_part({"local": local, "listed_backups": []})
    assert "backups:   none" in local_report.local_lines(none)


@pytest.mark.parametrize(("size", "text"), [(0, "0 bytes"), (999, "999 bytes"), (1000, "1.0 kB"), (10**10, "10.0 GB")])
def test_a_size_is_written_for_a_person(size, text):
    assert local_report.size_text(size) == text
