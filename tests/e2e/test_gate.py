# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Production takes no release that was not verified before it: by a rehearsal on a second host, or with a reason."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest

from tests.e2e.conftest import new_environment
from tests.support.environment import INVENTORIES, Environment
from tests.support.playbook import PlaybookRun, run_playbook
from tests.support.snapshot import difference, snapshot

pytestmark = pytest.mark.e2e

REHEARSAL = """\
mcp:
  children:
    mcp_env_production:
      hosts:
        rehearsal:
"""
# On AWS the first of them is the default of production; in the sandbox it is asked for.
GATE = {"mcp_require_staging": True, "mcp_gate_environments": ["rehearsal"], "mcp_gate_phases": ["production"]}
REASON = "fix of an outage, the rehearsal follows"


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory, private_home: Path) -> t.Iterator[Environment]:
    """An account of this file alone, where nothing is deployed yet, and an inventory of a second production."""
    one = new_environment(tmp_path_factory.mktemp("gate"), private_home)
    (one.project / "rehearsal.yml").write_text(REHEARSAL, encoding="utf-8")
    try:
        one.sandbox.start()
        yield one
    finally:
        one.sandbox.stop()


def gated(environment: Environment, playbook: str, *arguments: str, **variables: t.Any) -> PlaybookRun:
    """Run a playbook on production, which asks for evidence of the rehearsal."""
    return environment.play(playbook, "-e", json.dumps({**GATE, **variables}), *arguments)


def rehearse(environment: Environment) -> PlaybookRun:
    """Deploy the second production."""
    return run_playbook(
        "deploy.yml", *INVENTORIES[:2], "-i", "rehearsal.yml", *INVENTORIES[2:], "--limit", "rehearsal",
        home=environment.home, cwd=environment.project, env={"SANDBOX_PORT": str(environment.sandbox.port)},
    )  # fmt: skip


def stored(environment: Environment, prefix: str, name: str = "production") -> list[str]:
    """Return objects of a state bucket, in the order of their keys."""
    bucket, s3 = f"mcp-{name}-state-000000000000-us-east-1", environment.sandbox.client("s3")
    keys = [item["Key"] for item in s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])]
    return [s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode() for key in keys]


def newest_release(environment: Environment) -> dict[str, t.Any]:
    """Return the body of the newest record of a release of production."""
    return json.loads(stored(environment, "records/release/")[0])["body"]


def refused(environment: Environment, playbook: str, *arguments: str, **variables: t.Any) -> str:
    """Run what has to be refused before anything is touched; return what it said on one line."""
    before = snapshot(environment.sandbox)
    run = gated(environment, playbook, *arguments, **variables).require(2)
    touched = [line for line in difference(before, snapshot(environment.sandbox)) if "-state-" not in line]
    assert touched == []
    said = " ".join(run.output.split())
    assert "has not been verified in rehearsal, which production asks for" in said
    assert "-e 'mcp_skip_staging_reason=\"...\"'" in said and "deploy.yml -i inventories/rehearsal" in said
    return said


@pytest.mark.parametrize("arguments", [("deploy.yml",), ("deploy.yml", "--check"), ("playbooks/plan.yml",)])
def test_a_first_deploy_is_refused(environment: Environment, arguments: tuple[str, ...]) -> None:
    """Deploy, look and plan alike; the buckets that were looked into are named."""
    said = refused(environment, *arguments)
    assert "s3://mcp-rehearsal-state-000000000000-us-east-1/records/evidence/ (there is no such bucket)" in said
    assert f"ansible-playbook {arguments[0]} -i " in said


def test_what_the_rehearsal_verified_is_taken(environment: Environment) -> None:
    """The record of the release says whose evidence it was; the same again changes nothing."""
    rehearse(environment).require()
    (evidence,) = map(json.loads, stored(environment, "records/evidence/", "rehearsal"))
    run = gated(environment, "deploy.yml").require()
    gate = newest_release(environment)["gate"]
    assert gate["by"] == "evidence" and gate["evidence"]["id"] == evidence["id"]
    assert f"evidence:  rehearsal at {evidence['time']} by {evidence['who']}" in run.stdout
    assert environment.report()["gate"] == gate
    assert gated(environment, "deploy.yml").require().changed == 0


def test_settings_around_it_need_no_new_evidence(environment: Environment) -> None:
    """Evidence is about a release: what it is, not how much memory it has here."""
    gated(environment, "deploy.yml", mcp_request_timeout=25).require()
    assert newest_release(environment)["gate"]["by"] == "release"


def test_another_release_needs_evidence_or_a_reason(environment: Environment) -> None:
    """The reason is in the record of the release, in the audit trail, and on the screen."""
    variables = {"mcp_request_timeout": 25, "mcp_python_version": "3.12"}
    said = refused(environment, "deploy.yml", **variables)
    assert "(none of its 1 records is of this release)" in said
    run = gated(environment, "deploy.yml", **variables, mcp_skip_staging_reason=REASON).require()
    assert f"NOT VERIFIED BEFORE, on purpose: {REASON}" in run.stdout
    body = newest_release(environment)
    assert body["outcome"] == "live" and body["gate"]["reason"] == REASON
    lines = [json.loads(line) for text in stored(environment, "audit/") for line in text.splitlines()]
    (line,) = [line for line in lines if line["what"] == "staging skipped"]
    assert (line["target"], line["after"]) == (body["release"]["id"], REASON)
    assert gated(environment, "deploy.yml", **variables).require().changed == 0
