# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs as a controller makes them: each in a copy of the project folder that is deleted afterwards."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import typing as t
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.environment import INVENTORIES, Environment
from tests.support.playbook import clean_environment, parse_recap

pytestmark = pytest.mark.e2e


@dataclass(frozen=True)
class Job:
    """What a controller keeps of a run."""

    rc: int
    stdout: str
    stats: dict[str, t.Any]

    @property
    def changed(self) -> int:
        return sum(counts["changed"] for counts in parse_recap(self.stdout).values())


def run_job(environment: Environment, folder: Path, playbook: str, variables: dict[str, t.Any]) -> Job:
    """Run a playbook in a copy of the project, then delete the copy.

    :param variables: what a survey or the job before in a workflow hands in
    """
    copy = environment.copied_to(folder / "project")
    (folder / "env").mkdir(parents=True)
    (folder / "env" / "extravars").write_text(json.dumps(variables), encoding="utf-8")
    (folder / "env" / "settings").write_text(json.dumps({"process_isolation": False}), encoding="utf-8")
    runner = str(Path(sys.executable).parent / "ansible-runner")
    done = subprocess.run(
        [runner, "run", str(folder), "-p", playbook, "--ident", "job", f"--cmdline={' '.join(INVENTORIES)}"],
        env=clean_environment(environment.home, {"SANDBOX_PORT": str(environment.sandbox.port)}),
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    shutil.rmtree(copy.project)
    events = [json.loads(path.read_text(encoding="utf-8")) for path in (folder / "artifacts/job/job_events").iterdir()]
    stats = [event["event_data"] for event in events if event["event"] == "playbook_on_stats"]
    return Job(done.returncode, done.stdout, stats[0] if stats else {})


@pytest.fixture(scope="module")
def job(deployed: Environment, tmp_path_factory: pytest.TempPathFactory) -> Job:
    """A deploy by a controller."""
    return run_job(deployed, tmp_path_factory.mktemp("job"), "deploy.yml", {"mcp_operator": "controller"})


def test_another_copy_knows_the_environment(job: Job) -> None:
    assert job.rc == 0, job.stdout[-4000:]
    assert job.changed == 0
    assert "building sandbox-cp" not in job.stdout
    assert "uploading release" not in job.stdout


def test_progress_and_summary_reach_the_controller(job: Job, deployed: Environment) -> None:
    assert f"endpoint:  {deployed.report()['endpoint']}" in job.stdout


def test_artifact_says_what_was_deployed(job: Job, deployed: Environment) -> None:
    artifact = job.stats["artifact_data"]["mcp_deployments"]["production"]
    report = deployed.report()
    for key in ("phase", "environment", "sandbox", "region", "endpoint", "api_endpoint", "health_url"):
        assert artifact[key] == report[key]
    assert artifact["release"]["id"] == report["release"]["id"]
    assert deployed.token.rpartition(".")[2] not in json.dumps(job.stats)


def test_next_job_of_a_workflow_gets_the_artifact(job: Job, deployed: Environment, tmp_path: Path) -> None:
    """A controller hands artifacts on as extra variables, which win over everything that a run finds out itself."""
    stale = json.loads(json.dumps(job.stats["artifact_data"]))
    stale["mcp_deployments"]["production"]["state_bucket"] = "somebody-elses"
    after = run_job(deployed, tmp_path / "next", "playbooks/token.yml", stale)
    assert after.rc == 0, after.stdout[-4000:]
    assert after.changed == 0


def test_audit_trail_names_the_operator(job: Job, deployed: Environment) -> None:
    run_id = job.stats["artifact_data"]["mcp_deployments"]["production"]["run_id"]
    s3 = deployed.sandbox.client("s3")
    bucket = "mcp-production-state-000000000000-us-east-1"
    keys = [item["Key"] for item in s3.list_objects_v2(Bucket=bucket, Prefix="audit/")["Contents"]]
    lines = [
        json.loads(line)
        for key in keys
        if run_id in key
        for line in s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode().splitlines()
    ]
    assert {line["who"] for line in lines} == {"controller"}
