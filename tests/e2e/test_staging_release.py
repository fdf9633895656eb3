# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Releases of staging under load: a good one loses no call, one that is not ready never takes one, and the way back.

Official clients without retries call through the load balancer before, during and after; every call is kept under
tests/output/load. Auto Scaling's refresh is simulated by the sandbox, the servers are real processes.
"""

from __future__ import annotations

import dataclasses
import json
import time
import typing as t
from pathlib import Path

import pytest

from tests.e2e.conftest import new_environment
from tests.support.load import Load
from tests.support.moments import wait_for
from tests.support.playbook import PlaybookRun, start_playbook
from tests.support.staging import INVENTORIES, Staging
from tests.support.versioned import ENTRYPOINT, GOOD, TOOL, write_server

pytestmark = pytest.mark.e2e

GROUP = "mcp-staging"


@dataclasses.dataclass
class Site:
    """Staging with a server that tells its version."""

    staging: Staging
    folder: Path
    live: str = ""
    before: str = ""

    def serves(self, version: str) -> None:
        """Remember what serves from now on."""
        self.before, self.live = self.live, version

    def options(self, version: str, fault: str = "") -> tuple[str, ...]:
        """Return what is typed to release a version."""
        source = self.folder / f"version-{version}"
        if not source.exists():
            write_server(source, version, fault)
        variables = {
            "mcp_app_source": str(source),
            "mcp_app_entrypoint": ENTRYPOINT,
            "mcp_migrate": True,
            "mcp_verify_tool": TOOL,
            "mcp_verify_expect": GOOD,
            # One that is never ready is given up twice.
            "mcp_ready_timeout": 15 if fault else 60,
        }
        return "-e", json.dumps(variables)

    def deploy(self, version: str, fault: str = "") -> PlaybookRun:
        """Release a version."""
        return self.staging.deploy(*self.options(version, fault))

    def load(self, name: str) -> Load:
        """Return clients at the server."""
        report = self.staging.report()
        ca_file = str(self.staging.project / report["ca_file"])
        return Load(report["endpoint"], self.staging.token, f"staging-{name}", ca_file=ca_file)

    @property
    def answers(self) -> str:
        """The version that answers a client."""
        return t.cast("str", self.staging.call(TOOL)["version"])

    @property
    def records(self) -> list[dict[str, t.Any]]:
        """What the list of releases says, newest first."""
        self.staging.play("playbooks/releases.yml", *self.options(self.live)).require()
        return self.staging.report("releases")["releases"]

    @property
    def serving(self) -> dict[str, list[str]]:
        """The launch-template versions of the group's instances, by their state."""
        (group,) = self.staging.sandbox.client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"]
        found: dict[str, list[str]] = {}
        for item in group["Instances"]:
            found.setdefault(item["LifecycleState"], []).append(item["LaunchTemplate"]["Version"])
        return found


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, private_home: Path) -> t.Iterator[Site]:
    """An account of this file alone, with the first version deployed."""
    folder = tmp_path_factory.mktemp("staging-release")
    new = new_environment(folder, private_home)
    site = Site(Staging(new.project, new.sandbox, new.home), folder)
    try:
        site.staging.sandbox.start()
        site.deploy("one").require()
        site.serves("one")
        yield site
    finally:
        site.staging.sandbox.stop()


def test_a_good_release_loses_no_call(site: Site) -> None:
    with site.load("good-release") as load:
        began = time.time()
        run = site.deploy("two").require()
        ended = time.time()
        log = load.finish()
    site.serves("two")
    print(log.describe())
    log.require_span(began, ended)
    assert log.failed == []
    assert log.versions == {"one", "two"}
    assert "instance refresh" in run.stdout
    assert site.serving == {"InService": ["2"]}
    assert site.deploy("two").require().changed == 0


def test_a_release_that_is_not_ready_takes_no_call(site: Site) -> None:
    with site.load("not-ready") as load:
        began = time.time()
        run = site.deploy("three", "not ready").require(2)
        ended = time.time()
        log = load.finish()
    print(log.describe())
    log.require_span(began, ended)
    assert log.failed == [] and log.versions == {"two"}
    said = " ".join(run.output.split())
    assert "was refused: 2 new instances did not come to serve" in said
    assert "the shop is away" in said
    assert "Traffic stays where it was (release" in said
    wait_for(lambda: site.serving == {"InService": ["2"]}, "only the old version is left")
    newest = site.records[0]
    assert (newest["outcome"], newest["live"]) == ("refused", False)
    assert "did not come to serve" in newest["reason"]


@pytest.mark.proof
def test_the_next_good_release_goes_on_from_there(site: Site) -> None:
    site.deploy("four").require()
    site.serves("four")
    assert site.answers == "four"
    assert site.deploy("four").require().changed == 0


@pytest.mark.proof
def test_a_rollback_loses_no_call_and_keeps_the_data(site: Site) -> None:
    bad, good = site.live, site.before
    site.staging.call("save_document", document_id="kept", title="Written by the bad one", text="kept")
    look = site.staging.play("playbooks/rollback.yml", *site.options(bad), "--check", "--diff").require()
    assert "AWS::EC2::LaunchTemplate" in look.stdout and site.answers == bad
    with site.load("rollback") as load:
        began = time.time()
        site.staging.play("playbooks/rollback.yml", *site.options(bad)).require()
        ended = time.time()
        log = load.finish()
    print(log.describe())
    log.require_span(began, ended)
    assert log.failed == [] and log.versions == {bad, good}
    site.serves(good)
    assert site.answers == good
    assert site.staging.call("get_document", document_id="kept")["title"] == "Written by the bad one"
    newest = site.records[0]
    assert (newest["outcome"], newest["live"]) == ("live", True) and newest["rolled_back_from"]


def test_a_refused_release_cannot_be_gone_back_to(site: Site) -> None:
    refused = next(item for item in site.records if item["outcome"] == "refused")
    typed = ("playbooks/rollback.yml", *site.options(site.live))
    run = site.staging.play(*typed, "-e", f"mcp_release={refused['id']}")
    assert "was refused and never took traffic" in " ".join(run.require(2).output.split())
    emergency = site.staging.play(
        "playbooks/rollback.yml", *site.options(site.live), "-e", "mcp_emergency=true"
    ).require(2)
    assert "mcp_emergency is true: allowed is false in phase staging" in " ".join(emergency.output.split())


@pytest.mark.proof
def test_a_run_that_is_killed_in_the_refresh_is_gone_on_with(site: Site) -> None:
    client = site.staging.sandbox.client("autoscaling")

    def running() -> list[t.Any]:
        found = client.describe_instance_refreshes(AutoScalingGroupName=GROUP)["InstanceRefreshes"]
        return [item for item in found if item["Status"] in ("Pending", "InProgress")]

    began = len(client.describe_instance_refreshes(AutoScalingGroupName=GROUP)["InstanceRefreshes"])
    live = start_playbook(
        "deploy.yml",
        *INVENTORIES,
        *site.options("five"),
        home=site.staging.home,
        cwd=site.staging.project,
        env={"SANDBOX_PORT": str(site.staging.sandbox.port)},
    )
    try:
        wait_for(running, "an instance refresh runs")
    finally:
        live.kill()
        live.communicate()
    run = site.deploy("five").require()
    site.serves("five")
    assert site.answers == "five" and "took the lock" not in run.stderr
    assert len(client.describe_instance_refreshes(AutoScalingGroupName=GROUP)["InstanceRefreshes"]) == began + 1
    assert site.deploy("five").require().changed == 0
    assert site.records[0]["live"] is True
