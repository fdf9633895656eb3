# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report of a run, its summary, and what the filters hand on."""

from __future__ import annotations

import datetime
import json
import threading

from ansible_collections.pratikoai.mcp_servers.plugins.filter.audit_lines import audit_lines
from ansible_collections.pratikoai.mcp_servers.plugins.filter.with_stacks import with_stacks
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import report
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import Context, call_run


def deployment(**more):
    """Return what the verbs of a deploy hand on."""
    stack = {"name": "mcp-production-app", "status": "UPDATE_COMPLETE", "outputs": {}, "changed": True}
    return {
        "phase": "production",
        "environment": "production",
        "sandbox": True,
        "region": "us-east-1",
        "account": "000000000000",
        "run_id": "r1",
        "started_at": datetime.datetime.now(datetime.UTC).isoformat(),
        "stacks": {"app": stack},
        "release": {
            "id": "abc",
            "packages": [{"target": "t", "sha256": "s", "bytes": 1, "key": "k"}],
            "server": {"kind": "FastMCP", "eras": ["session"]},
            "degraded": ["speaks the older protocol only"],
        },
        "endpoint": "http://127.0.0.1:4568/mcp",
        "token_file": "reports/production/token.json",
        "health": [{"check": "mcp", "status": "healthy", "latency_ms": {"p50": 12.5, "p95": 12.5}}],
        **more,
    }


def run(tmp_path, lines=None, check_mode=False, **params):
    """Run the module's logic."""
    params = {
        "name": "deployment",
        "directory": str(tmp_path / "production"),
        "all_hosts_directory": None,
        "deployment": deployment(),
        "failure": None,
        "kept": [],
        "next_steps": [],
        **params,
    }
    ctx = Context(params=params, make_client=lambda *_: None, check_mode=check_mode, progress=(lines or []).append)
    return call_run(ctx, report.run)


def test_the_report_has_what_machines_read(tmp_path):
    result = run(tmp_path)
    written = json.loads((tmp_path / "production" / "deployment.json").read_text())
    assert written == json.loads(json.dumps(result["report"]))
    assert written["changed"] is True and written["stacks"][0]["changed"] is True
    assert written["release"] == {
        "id": "abc",
        "packages": [{"target": "t", "sha256": "s", "bytes": 1}],
        "server": {"kind": "FastMCP", "eras": ["session"]},
        "degraded": ["speaks the older protocol only"],
    }
    assert written["duration_s"] >= 0 and written["not_available"] and result["changed"] is False


def test_on_aws_nothing_is_listed_as_not_available(tmp_path):
    assert run(tmp_path, deployment=deployment(sandbox=False))["report"]["not_available"] == []


def test_a_failed_run_is_reported_and_fails_with_its_reason(tmp_path):
    result = run(tmp_path, failure={"task": "Plan", "msg": "no such region"})
    assert result["failed"] and result["msg"] == "no such region"
    assert json.loads((tmp_path / "production" / "deployment.json").read_text())["failure"]["task"] == "Plan"


def test_a_run_that_failed_before_it_knew_anything_is_reported(tmp_path):
    assert run(tmp_path, deployment={"environment": "production"}, failure={"task": "t", "msg": "m"})["msg"] == "m"
    assert (tmp_path / "production" / "deployment.json").exists()


def test_check_mode_writes_nothing(tmp_path):
    run(tmp_path, check_mode=True)
    assert not (tmp_path / "production").exists()


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "production").write_text("a file")
    result = run(tmp_path)
    assert result["failed"] and "mcp_report_dir" in result["msg"]


def test_the_summary_shows_the_way_to_a_token_but_never_a_token(tmp_path):
    token = tmp_path / "token.json"
    token.write_text('{"access_token": "s3cret"}')
    lines: list[str] = ["."]
    run(tmp_path, lines, deployment=deployment(token_file=str(token)))
    text = "\n".join(lines)
    assert "degraded:  speaks the older protocol only" in lines
    assert str(token) in text and "s3cret" not in text and "http://127.0.0.1:4568/mcp" in text
    assert "mcp healthy, 12.5 ms" in text and "mcp-production-app" in text


def test_hosts_that_report_at_once_do_not_lose_each_other(tmp_path):
    path = tmp_path / "all" / "deployment.json"
    threads = [threading.Thread(target=report.merge_hosts, args=(path, f"e{n}", {"n": n})) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert json.loads(path.read_text()) == {f"e{n}": {"n": n} for n in range(8)}


def test_a_plan_marks_planned_and_an_apply_marks_changed():
    start: dict = {"stacks": {"app": {"name": "a", "status": None, "outputs": {}, "parameters": {}}}}
    planned = with_stacks(start, [{"layer": "app", "changes": [{}], "changed": False}], "planned")
    assert planned["stacks"]["app"]["planned"] and not planned["stacks"]["app"]["changed"]
    applied = with_stacks(
        planned, [{"layer": "app", "status": "CREATE_COMPLETE", "outputs": {"A": "1"}, "changed": True}], "present"
    )
    again = with_stacks(applied, [{"layer": "app", "status": "CREATE_COMPLETE", "changed": False}], "present")
    assert again["stacks"]["app"]["changed"] and again["stacks"]["app"]["outputs"] == {"A": "1"}
    assert "changed" not in start["stacks"]["app"]


def test_the_audit_trail_names_what_changed_and_how_the_run_ended():
    lines = audit_lines(deployment(backups=[{"resource": "t", "target": "arn"}], removed=["bucket"]))
    assert [line["what"] for line in lines] == ["stack applied", "removed", "backed up", "finished"]
    assert lines[-1]["after"] == "abc"
    assert audit_lines(deployment(), {"msg": "why"})[-1] | {"target": None} == {
        "what": "failed", "target": None, "before": None, "after": "why",
    }  # fmt: skip
