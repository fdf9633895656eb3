# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report of a run, its summary, and what the filters hand on."""

from __future__ import annotations

import datetime
import json
import pathlib
import threading

import pytest
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
        "waiting": [],
        "inventory": "inventories/production",
        "kept": [],
        "next_steps": [],
        **params,
    }
    ctx = Context(
        params=params,
        make_client=lambda *_: None,
        check_mode=check_mode,
        progress=[].append if lines is None else lines.append,
    )
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


OVERRIDE = {"field": "server_version", "stack": "7", "actual": "6", "since": "2026-11-22T15:00:00Z", "who": "ada@x"}
FLIP = {"what": "diverted", "target": "mcp-production/live", "before": "d1", "after": "d2", "more": "left out"}


def test_what_is_in_force_beside_the_stacks_is_said(tmp_path):
    lines: list[str] = []
    waiting = ["/r/state/b/x.jsonl", "/r/state/b/records/undo/1.json"]
    more = {"overrides": [OVERRIDE], "undo_id": "20261122-150001-1234f2", "flips": [FLIP], "stacks": {}}
    result = run(tmp_path, lines, deployment=deployment(**more), waiting=waiting)["report"]
    assert result["overrides"] == [OVERRIDE] and result["waiting"] == waiting and result["changed"] is True
    undo = "ansible-playbook playbooks/undo.yml -i inventories/production -e mcp_undo=20261122-150001-1234f2"
    assert result["undo"] == undo and f"undo:      {undo}" in lines
    assert "override:  server_version is 6 instead of 7 (2026-11-22T15:00:00Z ada@x)" in lines
    assert "changed:   diverted mcp-production/live" in lines
    (told,) = (line for line in lines if line.startswith("waiting:"))
    assert "2 files" in told and "/r/state/b, /r/state/b/records/undo" in told


def test_every_field_of_traffic_is_listed_also_what_stays(tmp_path):
    lines: list[str] = []
    fields = [
        {"field": "stage_deployment", "before": "a1", "after": "m1"},
        {"field": "authorizer_version", "before": "3", "after": "3"},
    ]
    assert run(tmp_path, lines, deployment=deployment(fields=fields))["report"]["fields"] == fields
    assert "  stage_deployment:    a1 -> m1" in lines and "  authorizer_version:  3, as it was" in lines


END = "ansible-playbook playbooks/undivert.yml -i inventories/production"
AT_CDN = "-e mcp_divert_at=cdn"
STAGE = {"field": "stage_deployment", "actual": "m", "stack": "d"}


@pytest.mark.parametrize(
    ("maintenance", "overrides", "ends"),
    [
        ("false", [STAGE], [END]),
        ("true", [OVERRIDE], [f"{END} {AT_CDN}"]),
        ("true", [STAGE], [END, f"{END} {AT_CDN}"]),
        (None, [], [END]),
    ],
    ids=["at the gateway", "at the CDN", "at both", "before there were parameters"],
)
def test_a_diversion_is_told_with_the_command_that_ends_it_where_it_is(tmp_path, maintenance, overrides, ends):
    """The other door would be opened in vain: callers stay diverted, and nothing fails."""
    edge = {"name": "e", "status": "UPDATE_COMPLETE", "parameters": {"Maintenance": maintenance} if maintenance else {}}
    told = deployment(diverted=True, overrides=overrides, stacks={"edge": edge})
    lines: list[str] = []
    result = run(tmp_path, lines, deployment=told)["report"]
    assert result["undivert"] == ends
    (line,) = [line for line in lines if line.startswith("DIVERTED")]
    assert line.endswith(f"to end it: {'  and  '.join(ends)}")


def test_a_failed_run_still_says_how_to_undo_it_and_what_waits(tmp_path):
    lines: list[str] = []
    failure = {"task": "Divert", "msg": "no"}
    result = run(tmp_path, lines, deployment=deployment(undo_id="u1"), waiting=["/r/x.jsonl"], failure=failure)
    assert result["failed"] and result["msg"] == "no"
    assert [line.split(":")[0] for line in lines] == ["undo", "waiting"]


def test_nothing_beside_the_stacks_says_nothing(tmp_path):
    lines: list[str] = []
    result = run(tmp_path, lines)["report"]
    assert not {"undo", "overrides", "waiting", "flips"} & set(result)
    assert not [line for line in lines if line.startswith(("undo", "override", "waiting"))]


def test_each_flip_is_a_line_of_the_audit():
    lines = audit_lines(deployment(flips=[FLIP]))
    assert [line["what"] for line in lines] == ["stack applied", "diverted", "finished"]
    assert lines[1] == {key: FLIP[key] for key in ("what", "target", "before", "after")}


PLANNED = {
    "id": "20261122-120000-000abc",
    "layers": {
        "app": {"name": "mcp-production-app", "rows": ["create AWS::SNS::Topic Topic"]},
        "data": {"name": "mcp-production-data", "rows": []},
    },
}


def test_a_saved_plan_is_shown_with_the_command_that_executes_it(tmp_path):
    lines: list[str] = []
    run(tmp_path, lines, deployment=deployment(plan=PLANNED), inventory="inventories/x", name="plan")
    start = lines.index("  stack mcp-production-app: 1 to change")
    assert lines[start : start + 5] == [
        "  stack mcp-production-app: 1 to change",
        "    create AWS::SNS::Topic Topic",
        "  stack mcp-production-data: 0 to change",
        "plan:      20261122-120000-000abc",
        "execute:   ansible-playbook deploy.yml -i inventories/x -e mcp_plan=20261122-120000-000abc",
    ]
    assert json.loads((tmp_path / "production" / "plan.json").read_text())["plan"]["id"] == PLANNED["id"]


def test_a_plan_of_check_mode_has_no_id(tmp_path):
    lines: list[str] = []
    run(tmp_path, lines, check_mode=True, deployment=deployment(plan={**PLANNED, "id": ""}))
    assert "plan:      not saved in check mode" in lines and not [line for line in lines if "mcp_plan=" in line]


def test_reverted_drift_is_in_the_audit_trail():
    stack = {"name": "mcp-production-data", "drift": [{"logical_id": "Table"}], "reverted": True}
    lines = audit_lines(deployment(drift={"stacks": [stack, {**stack, "reverted": False}]}))
    assert [line for line in lines if line["what"] == "drift reverted"] == [
        {"what": "drift reverted", "target": "mcp-production-data", "before": ["Table"], "after": None}
    ]


def listed(**more):
    """Return a row of the list of releases."""
    return {
        "id": "20261122-150001-1234f2",
        "time": "2026-11-22T15:00:01.123Z",
        "who": "ann@desk",
        "outcome": "live",
        "reason": None,
        "release": "abc",
        "versions": {"server": "4", "authorizer": "2"},
        "rolled_back_from": None,
        "live": False,
        "in_stack": False,
        **more,
    }


def test_each_release_is_one_line(tmp_path):
    rows = [
        listed(in_stack=True),
        listed(live=True, rolled_back_from="x"),
        listed(outcome="refused", reason="new version is critical"),
        listed(live=True, in_stack=True, versions={}),
    ]
    lines: list[str] = []
    run(tmp_path, lines, deployment=deployment(releases=rows))
    said = [line for line in lines if "ann@desk" in line]
    what = "20261122-150001-1234f2  2026-11-22T15:00:01  ann@desk"
    assert said == [
        f"  {what}  live  release abc  server 4, authorizer 2  <- in the stack, not live",
        f"* {what}  live (rollback)  release abc  server 4, authorizer 2  <- live now, by an override",
        f"  {what}  refused  release abc  server 4, authorizer 2: new version is critical",
        f"* {what}  live  release abc  <- live now",
    ]


@pytest.mark.parametrize(
    "next_steps", [[], ["ansible-playbook playbooks/token.yml -i inventories/production (a new token)"]]
)
def test_a_new_token_is_told_once_with_the_inventory(tmp_path: pathlib.Path, next_steps: list[str]) -> None:
    token = tmp_path / "token.json"
    token.write_text("{}")
    lines: list[str] = []
    run(tmp_path, lines, deployment=deployment(token_file=str(token)), next_steps=next_steps)
    told = [line for line in lines if "playbooks/token.yml" in line]
    assert len(told) == 1 and "ansible-playbook playbooks/token.yml -i inventories/production" in told[0]
