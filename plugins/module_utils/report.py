# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write what a run did: JSON for machines, a summary for the person in front of it."""

from __future__ import annotations

import datetime
import fcntl
import json
import os
import shlex
import tempfile
import typing as t
from pathlib import Path

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.alerts import alert_lines
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import Context, McpError
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.database_backups import (
    backup_rows,
    comparison_lines,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.drift_table import drift_lines
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.local_report import (
    local_lines,
    local_part,
    page,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.report_money import MONEY, money_lines
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.report_place import (
    PLACE,
    address_lines,
    image_lines,
    not_available,
)

ARGUMENT_SPEC: dict[str, t.Any] = {
    "name": {"type": "str", "required": True},
    "directory": {"type": "path", "required": True},
    "all_hosts_directory": {"type": "path"},
    "deployment": {"type": "dict", "default": {}},
    "failure": {"type": "dict"},
    "waiting": {"type": "list", "elements": "str", "default": []},
    "inventory": {"type": "str", "default": "<inventory>"},
    "kept": {"type": "list", "elements": "dict", "default": []},
    "next_steps": {"type": "list", "elements": "str", "default": []},
}
AS_THEY_ARE = ("plan", "drift", "gate", "comparison", "database_backups")
HANDED_ON = ("phase", "environment", "sandbox", "region", "account", "run_id", "started_at")


def write_json(path: Path, content: dict[str, t.Any]) -> None:
    """Replace a file by JSON."""
    write_text(path, json.dumps(content, indent=2, sort_keys=False, default=str) + "\n")


def write_text(path: Path, text: str) -> None:
    """Replace a file in one step, so that a reader never sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        stream.write(text)
    os.chmod(temporary, 0o644)
    os.replace(temporary, path)


def merge_hosts(path: Path, environment: str, content: dict[str, t.Any]) -> None:
    """Put one host's report into the report over all hosts; hosts run side by side."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path.with_suffix(".lock"), "w", encoding="utf-8") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        try:
            merged = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            merged = {}
        write_json(path, {**merged, environment: content})


def seconds_since(started_at: str) -> float:
    """Return the seconds since an ISO 8601 time."""
    then = datetime.datetime.fromisoformat(started_at)
    return round((datetime.datetime.now(datetime.UTC) - then).total_seconds(), 2)


def build(params: dict[str, t.Any]) -> dict[str, t.Any]:
    """Make the report of a run from what its verbs handed on."""
    deployment = params["deployment"]
    stacks = [
        {
            "name": stack["name"],
            "status": stack["status"],
            "planned": stack.get("planned", False),
            "changed": stack.get("changed", False),
        }
        for stack in deployment.get("stacks", {}).values()
    ]
    release = deployment.get("release")
    report = {key: deployment[key] for key in HANDED_ON if key in deployment}
    report.update({key: deployment.get(key) for key in ("endpoint", "api_endpoint", "health_url", "token_file")})
    report["new_token"] = f"ansible-playbook playbooks/token.yml -i {params['inventory']}"
    report["release"] = release and {
        "id": release["id"],
        "packages": [{key: package[key] for key in ("target", "sha256", "bytes")} for package in release["packages"]],
        "server": release.get("server"),
        "degraded": release.get("degraded", []),
    }
    report["stacks"] = stacks
    report.update(local_part(deployment))
    report.update({key: deployment[key] for key in (*AS_THEY_ARE, *MONEY) if key in deployment})
    if report.get("plan", {}).get("id"):
        command = f"ansible-playbook deploy.yml -i {params['inventory']} -e mcp_plan={report['plan']['id']}"
        report["plan"] = {**report["plan"], "command": command}
    report.update({key: deployment[key] for key in ("removed", "backups", "flips", "fields") if deployment.get(key)})
    report.update(
        {key: deployment[key] for key in ("overrides", "undo_id", "diverted", "releases") if key in deployment}
    )
    report.update({key: deployment[key] for key in PLACE if deployment.get(key)})
    report["alerts"] = alert_lines(deployment)
    if report.get("undo_id"):
        inventory = params["inventory"]
        report["undo"] = f"ansible-playbook playbooks/undo.yml -i {inventory} -e mcp_undo={report['undo_id']}"
    if report.get("diverted"):
        report["undivert"] = undivert_commands(deployment, params["inventory"])
    made = [*stacks, *report.get("services", [])]
    report["changed"] = any(item["changed"] for item in made) or "removed" in report or "flips" in report
    report["health"] = deployment.get("health", [])
    report["duration_s"] = seconds_since(deployment["started_at"]) if "started_at" in deployment else None
    report["not_available"] = not_available(deployment) if deployment.get("sandbox") else []
    if params["waiting"]:
        report["waiting"] = params["waiting"]
    if params["kept"]:
        report["kept"] = params["kept"]
    if params["failure"]:
        report["failure"] = params["failure"]
    return report


def undivert_commands(deployment: dict[str, t.Any], inventory: str) -> list[str]:
    """Return what to type to end a diversion: at the gateway, at the CDN, or at both, each has its own end."""
    command = f"ansible-playbook playbooks/undivert.yml -i {inventory}"
    at_cdn = deployment.get("stacks", {}).get("edge", {}).get("parameters", {}).get("Maintenance") == "true"
    at_stage = any(item["field"] == "stage_deployment" for item in deployment.get("overrides") or [])
    return ([command] if at_stage or not at_cdn else []) + ([f"{command} -e mcp_divert_at=cdn"] if at_cdn else [])


def summary(report: dict[str, t.Any], next_steps: list[str], path: Path, check_mode: bool) -> list[str]:
    """Return the lines that a person reads at the end of a run."""
    if report.get("failure"):
        return [f"FAILED at: {report['failure'].get('task')}", str(report["failure"].get("msg")), f"report: {path}"]
    where = f"{report.get('environment')} ({report.get('phase')})"
    place = "the emulated AWS on this machine" if report.get("sandbox") else f"AWS {report.get('region')}"
    if report.get("phase") == "local":
        place = "this machine"
    lines = [f"{where} on {place}, {report['duration_s']} s"]
    changed = [stack["name"] for stack in report["stacks"] if stack["planned" if check_mode else "changed"]]
    changed += [row["service"] for row in report.get("services", []) if row["planned" if check_mode else "changed"]]
    changed += [f"{flip['what']} {flip['target']}" for flip in report.get("flips", [])]
    changed += [f"{item} removed" for item in report.get("removed", [])]
    lines.append(("would change: " if check_mode else "changed:   ") + (", ".join(changed) if changed else "nothing"))
    lines += local_lines(report)
    lines += [field_line(item) for item in report.get("fields", [])]
    lines += plan_lines(report["plan"]) if "plan" in report else []
    lines += drift_lines(report["drift"]) if "drift" in report else []
    lines += [f"backup:    {item['resource']} -> {item['target']}" for item in report.get("backups", [])]
    lines += comparison_lines(report["comparison"]) if "comparison" in report else []
    lines += backup_rows(report["database_backups"]) if "database_backups" in report else []
    for label, key in (("endpoint", "endpoint"), ("health", "health_url")):
        if report.get(key):
            lines.append(f"{label + ':':<11}{report[key]}")
    if report.get("release"):
        lines.append(f"release:   {report['release']['id']}")
        lines += gate_lines(report.get("gate") or {})
        lines += image_lines(report.get("image") or {})
        lines += [f"degraded:  {item}" for item in report["release"]["degraded"]]
    for check in report["health"]:
        latency = check.get("latency_ms") or {}
        timing = f", {latency['p50']} ms" if latency.get("p50") is not None else ""
        lines.append(f"verified:  {check['check']} {check['status']}{timing}")
    if report.get("token_file") and os.path.exists(report["token_file"]):
        told = any("token.yml" in step for step in next_steps)
        lines.append(f"token:     {report['token_file']}" + ("" if told else f" (another one: {report['new_token']})"))
        lines += client_snippet(report)
    lines += address_lines(report) if report.get("endpoint") else []
    lines += report["alerts"] if report.get("endpoint") else []
    lines += state_lines(report)
    lines += [f"kept:      {item['resource']} ({item['bills']})" for item in report.get("kept", [])]
    lines += [f"stand-in:  {item}" for item in report["not_available"]]
    lines += [f"next:      {step}" for step in next_steps]
    lines += money_lines(report)
    return lines if check_mode else [*lines, f"report:    {path}"]


def gate_lines(gate: dict[str, t.Any]) -> list[str]:
    """Say where the release was verified before it came here, or why it was not."""
    if gate.get("by") == "reason":
        return [f"NOT VERIFIED BEFORE, on purpose: {gate['reason']}"]
    found = gate.get("evidence")
    return [f"evidence:  {found['environment']} at {found['time']} by {found['who']} ({found['id']})"] if found else []


def field_line(item: dict[str, t.Any]) -> str:
    """Say where a field of traffic was and is, also where it stays."""
    moved = f"{item['before']} -> {item['after']}" if item["before"] != item["after"] else f"{item['after']}, as it was"
    return f"{'  ' + item['field'] + ':':<23}{moved}"


def override_line(item: dict[str, t.Any]) -> str:
    """Say what is in force instead of what the stacks say, since when and by whom."""
    by = " ".join(str(item[key]) for key in ("since", "who") if item.get(key))
    return f"override:  {item['field']} is {item['actual']} instead of {item['stack']}" + (f" ({by})" if by else "")


def plan_lines(plan: dict[str, t.Any]) -> list[str]:
    """Return a plan's rows and, where it was saved, its id."""
    lines = []
    for layer in plan["layers"].values():
        lines.append(f"  stack {layer['name']}: {len(layer['rows'])} to change")
        lines += [f"    {row}" for row in layer["rows"]]
    lines.append(f"plan:      {plan['id'] or 'not saved in check mode'}")
    return [*lines, *([f"execute:   {plan['command']}"] if plan.get("command") else [])]


def state_lines(report: dict[str, t.Any]) -> list[str]:
    """Say what is in force beside the stacks, how to undo what this run flipped, and what is not recorded yet."""
    lines = [override_line(item) for item in report.get("overrides") or []]
    if report.get("diverted"):
        ends = "  and  ".join(report["undivert"])
        lines.insert(0, f"DIVERTED:  every call gets the maintenance answer; to end it: {ends}")
    lines += [release_line(item) for item in report.get("releases") or []]
    lines += [f"undo:      {report['undo']}"] if report.get("undo") else []
    if report.get("waiting"):
        folders = ", ".join(sorted({str(Path(file).parent) for file in report["waiting"]}))
        count = len(report["waiting"])
        lines.append(f"waiting:   {count} files for the state bucket in {folders}; a later run uploads them")
    return lines


def release_mark(item: dict[str, t.Any]) -> str:
    """Say where a release is, if it is anywhere: an alias may have been moved beside the stack."""
    if item["live"]:
        return "  <- live now" if item["in_stack"] else "  <- live now, by an override"
    return "  <- in the stack, not live" if item["in_stack"] else ""


def release_line(item: dict[str, t.Any]) -> str:
    """Say in one line which release it is, when, whose, how it ended and where it is."""
    versions = ", ".join(f"{name} {version}" for name, version in item["versions"].items())
    # On a developer's machine there are none.
    versions = f"  {versions}" if versions else ""
    back = " (rollback)" if item.get("rolled_back_from") else ""
    why = f": {item['reason']}" if item.get("reason") else ""
    return (
        f"{'*' if item['live'] else ' '} {item['id']}  {item['time'][:19]}  {item['who']}  {item['outcome']}{back}  "
        f"release {item['release']}{versions}{release_mark(item)}{why}"
    )


def client_snippet(report: dict[str, t.Any]) -> list[str]:
    """Return a line that calls the endpoint with the token, without showing the token."""
    token = f"$(python3 -c 'import json;print(json.load(open({json.dumps(report['token_file'])}))[\"access_token\"])')"
    if "'" in report["token_file"]:
        token = f"$(jq -r .access_token {shlex.quote(report['token_file'])})"
    return [
        "client:    claude mcp add --transport http "
        f'{report["environment"]} {report["endpoint"]} --header "Authorization: Bearer {token}"'
    ]


def run(ctx: Context) -> dict[str, t.Any]:
    """Write the report, show the summary, and fail when the run failed.

    :raises McpError: the run failed, or the report cannot be written
    """
    report = build(ctx.params)
    path = Path(ctx.params["directory"]) / f"{ctx.params['name']}.json"
    failure = ctx.params["failure"]
    if not ctx.check_mode:
        try:
            write_json(path, report)
            if report.get("phase") == "local":
                write_text(path.with_suffix(".html"), page(report))
            if ctx.params["all_hosts_directory"]:
                merge_hosts(Path(ctx.params["all_hosts_directory"]) / path.name, str(report.get("environment")), report)
        except OSError as error:
            if not failure:  # the run's own failure is the one to tell
                raise McpError(
                    f"mcp_report_dir: {path} cannot be written: {error}. Choose another folder: -e mcp_report_dir=..."
                ) from error
    if failure:
        for line in state_lines(report):
            ctx.progress(line)
        raise McpError(f"{failure.get('msg')}", failed_task=failure.get("task"), report=str(path))
    for line in summary(report, ctx.params["next_steps"], path, ctx.check_mode):
        ctx.progress(line)
    return {"changed": False, "report": report, "path": str(path)}
