# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The first deploy, its reports and its token; and the second deploy, which changes nothing."""

from __future__ import annotations

import datetime
import json
import typing as t
import urllib.request

import pytest

from tests.support.client import call_tool
from tests.support.environment import Environment

pytestmark = pytest.mark.e2e

STACKS = {f"mcp-production-{layer}" for layer in ("foundation", "data", "edge", "app", "watch")}
SHAPE: dict[str, t.Any] = {
    "phase": str,
    "environment": str,
    "sandbox": bool,
    "region": str,
    "endpoint": str,
    "api_endpoint": str,
    "health_url": str,
    "release": {"id": str, "packages": [{"target": str, "sha256": str, "bytes": int}]},
    "stacks": [{"name": str, "status": str, "changed": bool}],
    "changed": bool,
    "duration_s": float,
    "not_available": [str],
    "health": [
        {
            "environment": str,
            "check": str,
            "status": str,
            "latency_ms": {"p50": float, "p95": float},
            "evidence": str,
            "since": str,
            "next_step": str,
        }
    ],
}


def misfits(value: t.Any, shape: t.Any, where: str = "report") -> list[str]:
    """Name what has not the shape; a list has the shape of its one member and is not empty."""
    if isinstance(shape, dict):
        missing = [f"{where}.{key} is missing" for key in shape if key not in value]
        return missing + [
            wrong
            for key, inner in shape.items()
            if key in value
            for wrong in misfits(value[key], inner, f"{where}.{key}")
        ]
    if isinstance(shape, list):
        if not isinstance(value, list) or not value:
            return [f"{where} is {value!r}"]
        return [wrong for index, item in enumerate(value) for wrong in misfits(item, shape[0], f"{where}[{index}]")]
    # type, not isinstance: a boolean is an int to Python and not to a reader of JSON.
    return [] if type(value) is shape else [f"{where} is {value!r}"]


def test_first_deploy_ends_well(first_runs) -> None:
    assert first_runs.first.rc == 0
    assert first_runs.first.recap["production"]["failed"] == 0
    assert first_runs.first.changed > 0
    assert "WARNING" not in first_runs.first.output


def test_report_has_everything_in_the_right_type(first_runs) -> None:
    assert misfits(first_runs.first_report, SHAPE) == []


def test_report_says_what_was_deployed(first_runs) -> None:
    report = first_runs.first_report
    assert (report["phase"], report["environment"], report["sandbox"]) == ("production", "production", True)
    assert report["region"] == "us-east-1"
    assert {stack["name"] for stack in report["stacks"]} == STACKS
    assert all(stack["changed"] and stack["status"].endswith("_COMPLETE") for stack in report["stacks"])
    assert report["changed"] is True
    assert {check["status"] for check in report["health"]} == {"healthy"}
    package = report["release"]["packages"][0]
    assert package["target"].startswith("sandbox-cp3")
    assert len(package["sha256"]) == 64
    assert package["bytes"] > 1_000_000


def test_endpoints_are_full_urls(first_runs) -> None:
    report, port = first_runs.first_report, first_runs.environment.sandbox.port
    assert report["endpoint"].startswith("http://127.0.0.1:")
    assert report["endpoint"].endswith("/mcp")
    assert report["api_endpoint"].startswith(f"http://127.0.0.1:{port}/")
    assert report["api_endpoint"].endswith("/mcp")


def test_health_url_answers_the_release(deployed: Environment) -> None:
    report = deployed.report()
    with urllib.request.urlopen(report["health_url"], timeout=30) as answer:
        assert json.load(answer) == {
            "status": "ok",
            "release": report["release"]["id"],
            "environment": "production",
            "server": "production",
        }


def test_token_file_is_private_and_usable(deployed: Environment) -> None:
    path = deployed.reports / "token.json"
    assert path.stat().st_mode & 0o777 == 0o600
    token = json.loads(path.read_text(encoding="utf-8"))
    assert set(token) == {"access_token", "token_type", "expires_at", "scopes", "audience"}
    assert token["token_type"] == "Bearer"
    assert token["scopes"] == ["documents:read", "documents:write"]
    assert token["audience"] == deployed.report()["endpoint"]
    expires = datetime.datetime.fromisoformat(token["expires_at"])
    left = expires - datetime.datetime.now(datetime.UTC)
    assert datetime.timedelta(0) < left <= datetime.timedelta(hours=1)


def test_token_is_in_no_output_and_no_other_report(first_runs) -> None:
    signature = first_runs.environment.token.rpartition(".")[2]
    assert len(signature) == 86
    others = [
        path for path in (first_runs.environment.project / "reports").rglob("*.json") if path.name != "token.json"
    ]
    assert others
    # A token's beginning is the same for all of one key; none of any run may show.
    beginning = first_runs.environment.token.partition(".")[0]
    said = [first_runs.first.output, first_runs.second.output, *(path.read_text(encoding="utf-8") for path in others)]
    assert [text for text in said if beginning in text or signature in text] == []


def test_summary_says_what_a_person_needs(first_runs) -> None:
    report, said = first_runs.first_report, first_runs.first.stdout
    for wanted in (
        f"endpoint:  {report['endpoint']}",
        f"release:   {report['release']['id']}",
        report["token_file"],
        "playbooks/token.yml",
        "claude mcp add",
        "playbooks/destroy.yml",
        *report["not_available"],
    ):
        assert wanted in said


def test_second_deploy_changes_nothing(first_runs) -> None:
    assert first_runs.second.rc == 0
    assert first_runs.second.changed == 0
    report = first_runs.environment.report()
    assert report["changed"] is False
    assert not any(stack["changed"] or stack["planned"] for stack in report["stacks"])
    for key in ("endpoint", "api_endpoint", "health_url", "release"):
        assert report[key] == first_runs.first_report[key]


def test_second_deploy_builds_and_uploads_nothing(first_runs) -> None:
    assert "uploading release" in first_runs.first.stdout
    assert "building sandbox-cp" not in first_runs.second.stdout
    assert "uploading release" not in first_runs.second.stdout
    assert "change set" not in first_runs.second.stdout


def test_lock_is_released_and_the_run_is_audited(first_runs) -> None:
    s3 = first_runs.environment.sandbox.client("s3")
    bucket = "mcp-production-state-000000000000-us-east-1"
    keys = [item["Key"] for item in s3.list_objects_v2(Bucket=bucket)["Contents"]]
    assert "lock.json" not in keys
    run = [key for key in keys if first_runs.first_report["run_id"] in key]
    lines = [
        json.loads(line)
        for key in run
        for line in s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode().splitlines()
    ]
    assert {line["target"] for line in lines if line["what"] == "stack applied"} == STACKS
    assert [line["after"] for line in lines if line["what"] == "finished"] == [first_runs.first_report["release"]["id"]]


def test_a_default_written_out_is_no_change(deployed: Environment) -> None:
    """A value of the command line is text, in the inventory it is a number: the same environment either way."""
    written_out = {
        "mcp_memory_size": 512,
        "mcp_authorizer_memory_size": 256,
        "mcp_request_timeout": 28,
        "mcp_authorizer_ttl": 300,
        "mcp_log_retention_days": 30,
        "mcp_throttle_rate": 50,
        "mcp_throttle_burst": 100,
        "mcp_max_read_request_units": 100,
        "mcp_noncurrent_days": 30,
    }
    options = [word for name, value in written_out.items() for word in ("-e", f"{name}={value}")]
    assert deployed.deploy("--check", "--diff", *options).require().changed == 0


def test_token_playbook_writes_another_token(edited: Environment) -> None:
    run = edited.play("playbooks/token.yml", "-e", "mcp_token_scopes=documents:read").require()
    assert run.changed == 0
    token = json.loads((edited.reports / "token.json").read_text(encoding="utf-8"))
    assert token["scopes"] == ["documents:read"]
    assert token["access_token"] not in run.output
    listed = call_tool(token["audience"], token["access_token"], "list_documents")
    assert isinstance(listed["documents"], list)
