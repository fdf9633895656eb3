# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""scripts/health-check.sh over production: each dependency is broken in turn, and AWS answers badly."""

from __future__ import annotations

import contextlib
import json
import re
import typing as t
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.e2e.conftest import new_environment
from tests.support.environment import Environment
from tests.support.faults import Faults, sometimes
from tests.support.health import Checked, checked, health_check, turned

pytestmark = pytest.mark.e2e

DEADLINE_S = 60.0
# Of a run beside the deadline of its checks: ansible-playbook's own start, looks, state.
BESIDE_S = 30.0


def look(deployed: Environment, env: dict[str, str] | None = None) -> Checked:
    """Check production in the sandbox."""
    environment = {"SANDBOX_PORT": str(deployed.sandbox.port), **(env or {})}
    return checked(deployed.project, deployed.home, "--sandbox", "production", env=environment)


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory, private_home: Path) -> Iterator[Environment]:
    """Production as nobody else touches it."""
    environment = new_environment(tmp_path_factory.mktemp("health"), private_home)
    try:
        environment.sandbox.start()
        environment.deploy().require()
        yield environment
    finally:
        environment.sandbox.stop()


@pytest.fixture(scope="module")
def calm(deployed: Environment) -> Checked:
    """What is said while nothing is broken."""
    return look(deployed)


def test_a_deployed_environment_is_healthy_but_for_what_nobody_can_know(calm: Checked) -> None:
    assert calm.report["critical_issues"] == calm.report["warning_issues"] == 0, calm.report["results"]
    assert calm.code == (1 if calm.report["unknown_checks"] else 0)
    statuses = {check: status for (_environment, check), status in calm.statuses.items()}
    healthy = {check for check, status in statuses.items() if status == "healthy"}
    assert healthy >= {"mcp", "health", "stack app", "stack data", "distribution", "table", "files bucket", "overrides"}


@contextlib.contextmanager
def public(deployed: Environment) -> Iterator[None]:
    """Somebody opens the bucket of the documents."""
    client, bucket = deployed.sandbox.client("s3"), "mcp-production-files-000000000000-us-east-1"
    before = client.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
    client.delete_public_access_block(Bucket=bucket)
    try:
        yield
    finally:
        client.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=before)


@contextlib.contextmanager
def ringing(deployed: Environment) -> Iterator[None]:
    """An alarm rings."""
    client, name = deployed.sandbox.client("cloudwatch"), "mcp-production-error-rate"
    client.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="a test")
    try:
        yield
    finally:
        client.set_alarm_state(AlarmName=name, StateValue="OK", StateReason="a test")


@contextlib.contextmanager
def without_server(deployed: Environment) -> Iterator[None]:
    """The alias that takes traffic is gone."""
    client, function = deployed.sandbox.client("lambda"), "mcp-production-server"
    version = client.get_alias(FunctionName=function, Name="live")["FunctionVersion"]
    client.delete_alias(FunctionName=function, Name="live")
    try:
        yield
    finally:
        client.create_alias(FunctionName=function, Name="live", FunctionVersion=version)


BROKEN: dict[str, tuple[Callable[[Environment], AbstractContextManager[None]], dict[str, str], int]] = {
    "a public bucket": (public, {"files bucket": "warning"}, 1),
    "an alarm": (ringing, {"alarms": "critical"}, 2),
    "no server": (without_server, {"mcp": "critical", "health": "critical"}, 2),
}


def test_exactly_what_depends_on_it_turns_and_turns_back(deployed: Environment, calm: Checked) -> None:
    before = calm.statuses
    for name, (broken, expected, code) in BROKEN.items():
        with broken(deployed):
            during = look(deployed)
        after = look(deployed).statuses
        assert turned(before, during.statuses) == {("production", check): s for check, s in expected.items()}, name
        assert during.code == code, name
        # An alarm that rang has data from then on.
        known = {("production", "alarms"): "healthy"} if name == "an alarm" else {}
        assert turned(before, after).items() <= known.items(), name
        before = after


@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.proof) for seed in range(2, 7))])
def test_a_third_of_all_calls_fails_and_the_report_is_true(deployed: Environment, seed: int) -> None:
    calm = look(deployed)
    with Faults(sometimes(seed)) as faults:
        seen = look(deployed, faults.environment)
    assert len(faults.met) > 10, faults.describe()
    changed = turned(calm.statuses, seen.statuses)
    assert set(changed.values()) <= {"unknown", "gone"}, (changed, faults.describe(), seen.report["results"])
    # What is gone stands behind the one sentence that the environment could not be looked at.
    assert "gone" not in changed.values() or ("production", "environment") in changed
    assert seen.seconds < DEADLINE_S + BESIDE_S


def secrets_of(deployed: Environment) -> set[str]:
    """Return everything that nobody may read."""
    found = {deployed.token}
    client = deployed.sandbox.client("secretsmanager")
    for page in client.get_paginator("list_secrets").paginate():
        for secret in page["SecretList"]:
            value = client.get_secret_value(SecretId=secret["ARN"]).get("SecretString", "")
            found |= {value, *(re.findall(r'"([^"]{16,})"', value))}
    return {secret for secret in found if len(secret) >= 16}


def test_no_secret_is_told_at_any_verbosity(deployed: Environment) -> None:
    run = deployed.play("playbooks/health.yml", "-vvvvv").require()
    secrets = secrets_of(deployed)
    assert len(secrets) >= 2
    folder = deployed.project / "reports"
    tokens = list(folder.rglob("health-token.json"))
    assert [path.stat().st_mode & 0o777 for path in tokens] == [0o600]
    secrets |= {json.loads(path.read_text())["access_token"] for path in tokens}
    texts = {path.name: path.read_text() for path in folder.rglob("*health*") if path.is_file() and path not in tokens}
    assert {"health.json", "health.html"} <= {name.removeprefix("sandbox-") for name in texts}
    texts["output"] = run.output
    assert [name for name, text in texts.items() if any(secret in text for secret in secrets)] == []


BAD: dict[str, tuple[list[str], str]] = {
    "an environment that is none": (["prodction"], "prodction"),
    "a form that is none": (["production", "xml"], "xml"),
    "an option that is none": (["--sandbx", "production"], "--sandbx"),
    "too many words": (["production", "console", "local"], "local"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_words_are_one_clear_sentence(deployed: Environment, name: str) -> None:
    arguments, word = BAD[name]
    run = health_check(deployed.project, deployed.home, *arguments)
    assert run.returncode == 3 and run.stdout == ""
    assert word in run.stderr and "health-check" in run.stderr and len(run.stderr.splitlines()) <= 4


def test_without_credentials_every_environment_says_so(project: Path, private_home: Path) -> None:
    run = health_check(project, private_home, "production", "json")
    report: dict[str, t.Any] = json.loads(run.stdout)
    assert run.returncode == 3
    (result,) = report["results"]
    assert result["status"] == "unknown" and "No AWS credentials were found" in result["evidence"]


def test_an_environment_of_which_nothing_can_be_said_hides_no_other(
    project: Path, private_home: Path, tmp_path: Path
) -> None:
    here = {"ansible_connection": "local", "ansible_python_interpreter": "{{ ansible_playbook_python }}"}
    hosts = {
        "a": {"mcp_phase": "staging", "mcp_environment": "{{ nope }}", **here},
        "b": {"mcp_phase": "staging", "mcp_region": "{{ nope }}", **here},
        "c": here,
    }
    (tmp_path / "broken.yml").write_text(json.dumps({"all": {"children": {"mcp": {"hosts": hosts}}}}))
    run = health_check(project, private_home, "local", "json", "--", "-i", str(tmp_path / "broken.yml"))
    report: dict[str, t.Any] = json.loads(run.stdout)
    assert run.returncode == report["exit_status"] == 3
    assert {row["environment"]: row["checked"] for row in report["environments"]} == dict.fromkeys(
        ["local", "a", "b", "c"], False
    )
    assert {row["check"] for row in report["results"]} == {"environment"}
    assert all("nope" in row["evidence"] for row in report["results"] if row["environment"] in ("a", "b"))


def test_an_environment_that_was_never_deployed_says_how_to(project: Path, private_home: Path, sandbox: t.Any) -> None:
    env = {"SANDBOX_PORT": str(sandbox.port)}
    seen = checked(project, private_home, "--sandbox", "production", env=env)
    assert seen.code == 3
    assert [(r["status"], "deploy.yml" in r["next_step"]) for r in seen.report["results"]] == [("unknown", True)]
