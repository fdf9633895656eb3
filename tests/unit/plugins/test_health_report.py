# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a health report says: counts that add up, the worst first, since when, and what a shell is told."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import (
    health_kind,
    health_report,
    health_report_data,
    health_report_runs,
    health_report_table,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import Context, McpError

from tests.support import health_world as world

BEFORE_NOW = "2026-11-23T06:00:00Z"
SHAPE = {"environment", "check", "kind", "status", "latency_ms", "evidence", "since", "next_step"}


def build(*parts, now=world.NOW):
    """Build the report of these environments."""
    previous = {part["environment"]: health_report_runs.usable(part["previous"], now) for part in parts}
    return health_report_data.build(list(parts), previous, now)


def statuses(*given):
    """Return an environment whose checks have these statuses."""
    return [world.result(f"check {place}", status) for place, status in enumerate(given)]


@pytest.fixture(autouse=True)
def _stopped_clock(monkeypatch):
    """It is always the same time."""
    monkeypatch.setattr(health_report, "clock", lambda: datetime.fromisoformat(world.NOW).astimezone(UTC))


def run(directory: Path, parts, check_mode=False, **more):
    """Run the module's logic; return its result and what it showed."""
    shown: list[str] = []
    params = {"environments": parts, "directory": str(directory), "name": "health", "copy_directory": None, **more}
    ctx = Context(params, lambda *_: None, check_mode=check_mode, progress=shown.append)
    return health_report.run(ctx), shown


# The report


def test_counts_are_integers_that_add_up_and_the_worst_is_first():
    report, _ = build(*world.three())
    parts = ("critical_issues", "warning_issues", "unknown_checks", "healthy_services")
    assert [report[key] for key in parts] == [2, 2, 3, 34]
    assert sum(report[key] for key in parts) == report["total_checks"] == len(report["results"]) == 41
    assert all(type(report[key]) is int for key in (*parts, "total_checks", "exit_status"))
    order = [health_kind.STATUSES.index(row["status"]) for row in report["results"]]
    assert order == sorted(order, reverse=True)
    assert all(set(row) == SHAPE for row in report["results"])
    assert report["status"] == "critical"
    assert report["timestamp"] == world.NOW
    assert [row["status"] for row in report["environments"]] == ["warning", "critical", "unknown"]


@pytest.mark.parametrize(
    ("given", "checked", "status"),
    [
        (["healthy"], True, 0),
        (["healthy", "warning"], True, 1),
        (["unknown", "healthy"], True, 1),
        (["unknown", "unknown"], True, 3),
        (["unknown"], False, 3),
        ([], True, 3),
        (["warning", "unknown"], False, 3),
        (["critical", "healthy"], True, 2),
        (["critical"], False, 2),
    ],
)
def test_a_shell_is_told_critical_first_then_what_could_not_be_checked(given, checked, status):
    report, _ = build(world.part("one", statuses(*given), checked=checked), world.part("two", statuses("healthy")))
    assert report["exit_status"] == status


def test_nothing_at_all_is_unknown_and_never_healthy():
    report, _ = build()
    assert (report["status"], report["exit_status"], report["total_checks"]) == ("unknown", 3, 0)
    report, _ = build(world.part("one", [], checked=False))
    assert (report["environments"][0]["status"], report["exit_status"]) == ("unknown", 3)


def test_where_everything_is_unknown_no_check_could_run():
    report, _ = build(
        world.part("one", statuses("unknown", "unknown")), world.part("two", statuses("unknown", "healthy"))
    )
    assert [row["checked"] for row in report["environments"]] == [False, True]


def test_two_results_of_one_name_are_both_told():
    own = [world.result("token", "critical"), world.result("token"), world.result("token (2)"), world.result("token")]
    report, documents = build(world.part("one", own), world.part("two", own[:1]))
    assert sorted(row["check"] for row in report["results"] if row["environment"] == "one") == [
        "token",
        "token (2)",
        "token (2) (2)",
        "token (3)",
    ]
    assert documents["one"]["runs"][-1]["statuses"]["token"] == "critical"
    assert [row["check"] for row in report["results"] if row["environment"] == "two"] == ["token"]


def test_a_status_that_nobody_knows_is_unknown():
    report, _ = build(world.part("one", [world.result("mcp", "fine"), {"check": "bare"}]))
    assert [row["status"] for row in report["results"]] == ["unknown", "unknown"]
    assert report["results"][0]["check"] == "bare"


def test_what_a_probe_returned_beside_its_result_stays_out():
    report, _ = build(world.part("one", [world.result("ready", json={"checks": []})]))
    assert "json" not in report["results"][0]


# Runs


def test_since_goes_on_while_the_status_stays_and_begins_anew_when_it_changes():
    _, first = build(world.part("one", statuses("warning")), now="2026-11-23T07:00:00Z")
    second = [world.result("check 0", "warning", since="2026-11-23T07:10:00Z")]
    report, documents = build(world.part("one", second, previous=first["one"]), now="2026-11-23T07:10:00Z")
    assert report["results"][0]["since"] == "2026-11-23T07:00:00Z"
    third = [world.result("check 0", "healthy", since="2026-11-23T07:20:00Z")]
    report, documents = build(world.part("one", third, previous=documents["one"]), now="2026-11-23T07:20:00Z")
    assert report["results"][0]["since"] == "2026-11-23T07:20:00Z"
    assert [run["statuses"] for run in documents["one"]["runs"]] == [
        {"check 0": "warning"},
        {"check 0": "warning"},
        {"check 0": "healthy"},
    ]


def test_the_source_may_know_an_earlier_time():
    known = {"format": 1, "runs": [], "since": {"check 0": {"status": "critical", "since": "2026-11-23T06:00:00Z"}}}
    own = [world.result("check 0", "critical", since="2026-11-22T01:00:00Z")]
    report, _ = build(world.part("one", own, previous=known))
    assert report["results"][0]["since"] == "2026-11-22T01:00:00Z"


def test_fifty_runs_are_kept():
    report, documents = build(world.part("one", [world.result("mcp")], previous=world.history(["mcp"], 50)))
    runs = documents["one"]["runs"]
    assert len(runs) == 50
    assert runs[-1] == {"at": world.NOW, "statuses": {"mcp": "healthy"}}
    assert report["environments"][0]["runs"] == runs


def test_of_a_check_that_is_gone_for_fifty_runs_nothing_is_kept():
    before = {"format": 1, "runs": [], "since": {"old": {"status": "healthy", "since": world.NOW}}}
    _, documents = build(world.part("one", [world.result("mcp")], previous=before))
    assert set(documents["one"]["since"]) == {"mcp"}
    back = world.history(["mcp", "redis"])
    _, documents = build(world.part("one", [world.result("mcp")], previous=back))
    assert set(documents["one"]["since"]) == {"mcp", "redis"}


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        "text",
        {},
        {"format": 2, "runs": [{}]},
        {"format": 1, "runs": "all", "since": "ever"},
        {"format": 1, "runs": [None, {"at": 1}, {"at": BEFORE_NOW, "statuses": {"a": "fine"}}], "since": {"a": 1}},
        {"format": 1, "runs": [{"at": BEFORE_NOW, "statuses": {"a": ["healthy"]}}], "since": {"a": {"status": {}}}},
        {"format": 1, "runs": [{"at": "9999-01-01T00:00:00Z", "statuses": {}}, {"at": "9999", "statuses": {}}]},
        {"format": 1, "runs": [{"at": "2026-13-01T00:00:00Z", "statuses": {}}, {"at": "", "statuses": {}}]},
        {"format": 1, "since": {"a": {"status": "fine", "since": BEFORE_NOW}, "b": {"status": "healthy"}}},
        {"format": 1, "since": {"a": {"status": "healthy", "since": "0001 forever"}}},
        {"format": 1, "since": {"a": {"status": "healthy", "since": "2026-11-24T00:00:00Z"}}},
    ],
)
def test_what_cannot_be_is_not_believed(document):
    assert health_report_runs.usable(document, world.NOW) == health_report_runs.empty()


def test_what_somebody_put_beside_the_runs_goes_nowhere():
    run_of = {
        "at": BEFORE_NOW,
        "statuses": {f"check {place}": "healthy" for place in range(1000)},
        "p95": {"a": float("nan")},
    }
    since = {f"check {place}": {"status": "healthy", "since": BEFORE_NOW, "more": "x" * 99} for place in range(1000)}
    found = health_report_runs.usable({"format": 1, "runs": [run_of] * 99, "since": since, "more": 1}, world.NOW)
    assert len(found["runs"]) == 50 and len(found["since"]) == 200
    assert len(found["runs"][0]["statuses"]) == 200 and set(found["runs"][0]) == {"at", "statuses"}
    assert found["since"]["check 0"] == {"status": "healthy", "since": BEFORE_NOW}
    json.dumps(found, allow_nan=False)


def test_a_clock_that_is_a_little_ahead_loses_no_run():
    ahead = {"format": 1, "runs": [{"at": "2026-11-23T07:02:00Z", "statuses": {}}], "since": {}}
    assert health_report_runs.usable(ahead, world.NOW)["runs"] == ahead["runs"]


def test_the_runs_of_the_state_and_of_this_machine_are_put_together(tmp_path):
    copy = world.history(["mcp", "redis"], 2)
    copy["runs"][1]["at"] = "2026-11-23T06:55:00Z"
    copy["since"]["mcp"]["since"] = "2026-11-01T00:00:00Z"
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "health-runs.json").write_text(json.dumps(copy))
    part = world.part("one", [world.result("mcp"), world.result("redis")], previous=world.history(["mcp"], 3))
    result, _ = run(tmp_path, [part])
    known = result["runs"]["one"]
    assert [item["at"][11:16] for item in known["runs"]] == ["06:30", "06:40", "06:50", "06:55", "07:00"]
    # The earlier word on a status that is the same, from wherever it is known.
    assert known["since"]["mcp"]["since"] == "2026-11-01T00:00:00Z"
    assert known["since"]["redis"]["since"] == world.before(30000)


def test_a_copy_that_somebody_poisoned_takes_nothing_away(tmp_path):
    (tmp_path / "one").mkdir()
    bad = {
        "format": 1,
        "runs": [{"at": "9999", "statuses": {}}],
        "since": {"mcp": {"status": "healthy", "since": "0001"}},
    }
    (tmp_path / "one" / "health-runs.json").write_text(json.dumps(bad))
    part = world.part("one", [world.result("mcp")], previous=world.history(["mcp"], 3))
    result, _ = run(tmp_path, [part])
    assert len(result["runs"]["one"]["runs"]) == 4
    assert result["report"]["results"][0]["since"] == world.before(30000)
    (tmp_path / "one" / "health-runs.json").write_text("[" * 100000)
    assert len(run(tmp_path, [part])[0]["runs"]["one"]["runs"]) == 4


def test_what_only_this_machine_knows_is_not_lost(tmp_path):
    run(tmp_path, [world.part("one", [world.result("mcp")], previous=world.history(["mcp"], 3))])
    result, _ = run(tmp_path, [world.part("one", [world.result("mcp")])])
    assert len(result["runs"]["one"]["runs"]) == 5
    assert (tmp_path / "one" / "health-runs.json").exists()


def test_the_emulated_environment_has_a_copy_of_its_own(tmp_path):
    run(tmp_path, [world.part("one", [world.result("mcp")], sandbox=True)])
    assert (tmp_path / "sandbox-one" / "health-runs.json").exists()
    assert not (tmp_path / "one").exists()


# The module


def test_it_writes_json_page_and_what_a_script_waits_for(tmp_path):
    copies = tmp_path / "a folder with spaces"
    result, shown = run(tmp_path / "reports", world.three(), copy_directory=str(copies))
    written = json.loads((tmp_path / "reports" / "health.json").read_text())
    assert written == result["report"] == json.loads((copies / "health.json").read_text())
    assert (copies / "exit-status").read_text() == "2\n"
    assert (copies / "page").read_text() == f"{result['page']}\n"
    table = (copies / "health.txt").read_text().splitlines()
    assert shown == [*table, f"page: {result['page']}"]
    assert Path(result["page"]).read_text().startswith("<!doctype html>")
    assert result["changed"] is False


def test_the_time_is_of_now_in_utc(tmp_path, monkeypatch):
    monkeypatch.undo()
    result, _ = run(tmp_path, [world.part("one", [])])
    seen = datetime.fromisoformat(result["report"]["timestamp"])
    assert abs((health_report.clock() - seen).total_seconds()) < 5


def test_check_mode_writes_nothing(tmp_path):
    result, shown = run(tmp_path / "reports", world.three(), check_mode=True, copy_directory=str(tmp_path / "copy"))
    assert list(tmp_path.iterdir()) == []
    assert result["report"]["total_checks"] == 41
    assert not any(line.startswith("page") for line in shown)


def test_two_environments_of_one_name_are_refused(tmp_path):
    with pytest.raises(McpError, match="environments has 'one' twice: each name is allowed once"):
        run(tmp_path, [world.part("one", []), world.part("one", [])])


def test_a_folder_that_cannot_be_written_is_named_and_the_report_is_not_lost(tmp_path):
    (tmp_path / "reports").write_text("a file\n")
    with pytest.raises(McpError, match=r"mcp_report_dir: .* cannot be written: .* -e mcp_report_dir=") as caught:
        run(tmp_path / "reports", world.three(), copy_directory=str(tmp_path / "copies"))
    assert caught.value.details["report"]["critical_issues"] == 2
    # Whoever waits for the copies is told all the same.
    assert (tmp_path / "copies" / "exit-status").read_text() == "2\n"
    assert not (tmp_path / "copies" / "page").exists()


# The table


def test_the_table_has_the_worst_first_and_what_to_type_below_it():
    report, _ = build(*world.three())
    table = health_report_table.lines(report)
    assert table[0].split() == ["status", "environment", "check", "p95", "ms", "evidence"]
    assert table[1].startswith("critical  staging")
    assert "since 2026-11-23T05:25:00Z" in table[1]
    assert table[2].strip() == f"next: {world.STEPS['database']}"
    assert table[-2] == "41 checks: 2 critical, 3 unknown, 2 warning, 34 healthy"
    assert table[-1] == "exit status 2: something is critical"
    healthy = [line for line in table if line.startswith("healthy")]
    assert len(healthy) == 34
    assert not any("since" in line for line in healthy)


def test_what_cannot_be_checked_stands_out():
    failed = world.part("one", statuses("unknown"), checked=False, failure="AWS did not answer")
    report, _ = build(failed)
    assert "one (one, us-east-1): unknown, NO CHECK COULD RUN" in health_report_table.lines(report)


def test_an_answer_of_a_server_cannot_move_the_cursor():
    hostile = world.result("a\x1b[2Jb", "critical", evidence="two\nlines\r\x07 \x9b31m", next_step="x\ny")
    report, _ = build(world.part("one", [hostile]))
    table = health_report_table.lines(report)
    assert all(line.isprintable() for line in table)
    assert len(table) == 6


def test_nobody_may_read_half_a_file(tmp_path):
    run(tmp_path, world.three())
    left = [name for _, _, files in os.walk(tmp_path) for name in files if name.startswith(".")]
    assert left == []
