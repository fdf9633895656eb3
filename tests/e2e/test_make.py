# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands that a person types first, in a checkout of their own."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import typing as t
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.checkout import ROOT, copy_project
from tests.support.emulated import emulator_venv, free_ports
from tests.support.playbook import clean_environment, parse_recap

pytestmark = pytest.mark.e2e

Done = subprocess.CompletedProcess


@dataclass(frozen=True)
class Checkout:
    """A checkout that has nothing but its files; the virtual environments are those of the tests."""

    project: Path
    home: Path
    port: int

    def make(self, *arguments: str, **environment: str) -> Done[str]:
        """Type ``make``."""
        return subprocess.run(
            ["make", *arguments, f"VENV={ROOT / '.venv'}", f"SANDBOX_VENV={emulator_venv()}"],
            cwd=self.project,
            env=clean_environment(self.home, environment),
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )

    def made(self, *arguments: str) -> Done[str]:
        """Type ``make`` with this checkout's port; it must end well."""
        done = self.make(*arguments, f"SANDBOX_PORT={self.port}")
        assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]
        return done

    def report(self, name: str) -> dict[str, t.Any]:
        path = self.project / "reports" / "sandbox-production" / f"{name}.json"
        return json.loads(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory, private_home: Path) -> t.Iterator[Checkout]:
    """A checkout; its sandbox is stopped at the end, and what it still runs would fail the test of that."""
    if not shutil.which("make"):
        pytest.fail("make is missing; the README asks for it")
    project = copy_project(ROOT, tmp_path_factory.mktemp("make") / "a checkout")
    (project / ".sandbox").mkdir()
    (project / ".sandbox" / "venv").symlink_to(emulator_venv())
    found = Checkout(project, private_home, free_ports())
    try:
        yield found
    finally:
        found.make("sandbox-stop")


@pytest.fixture(scope="module")
def deployed_by_make(checkout: Checkout) -> Done[str]:
    """The first ``make deploy``."""
    return checkout.made("deploy")


def changed(done: Done[str]) -> int:
    return sum(counts["changed"] for counts in parse_recap(done.stdout).values())


def says(done: Done[str], *wanted: str) -> bool:
    """Say whether a command was refused in one message that has all of these."""
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    said = " ".join((done.stdout + done.stderr).split())
    assert [text for text in wanted if text not in said] == [], said[-3000:]
    return True


def test_make_deploy_ends_with_the_endpoint(checkout: Checkout, deployed_by_make: Done[str]) -> None:
    report = checkout.report("deployment")
    assert report["changed"] is True
    assert f"endpoint:  {report['endpoint']}" in deployed_by_make.stdout
    with urllib.request.urlopen(report["health_url"], timeout=30) as answer:
        assert json.load(answer)["release"] == report["release"]["id"]


@pytest.mark.usefixtures("deployed_by_make")
def test_make_deploy_again_changes_nothing(checkout: Checkout) -> None:
    again = checkout.made("deploy")
    assert changed(again) == 0
    assert "already running" in again.stdout


@pytest.mark.usefixtures("deployed_by_make")
def test_people_own_aws_settings_stay_out_of_play(checkout: Checkout) -> None:
    theirs = {
        "AWS_PROFILE": "their-profile",
        "AWS_ACCESS_KEY_ID": "their-key",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "ANSIBLE_COLLECTIONS_PATH": "/nowhere",
    }
    done = checkout.make("token", f"SANDBOX_PORT={checkout.port}", **theirs)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.usefixtures("deployed_by_make")
def test_destroy_asks_for_the_name(checkout: Checkout) -> None:
    done = checkout.make("destroy", f"SANDBOX_PORT={checkout.port}")
    assert says(done, "mcp_confirm is ''", "Nothing was removed", "production")


@pytest.mark.usefixtures("deployed_by_make")
def test_second_port_for_a_running_sandbox_is_refused(checkout: Checkout) -> None:
    done = checkout.make("deploy", f"SANDBOX_PORT={checkout.port + 100}")
    assert says(done, f"SANDBOX_PORT is {checkout.port + 100}", f"SANDBOX_PORT={checkout.port}")


@pytest.mark.usefixtures("deployed_by_make")
def test_state_survives_a_stop_and_then_destroy_and_stop_leave_nothing_running(checkout: Checkout) -> None:
    endpoint = checkout.report("deployment")["endpoint"]
    stopped = checkout.made("sandbox-stop")
    assert "Sandbox stopped." in stopped.stdout
    assert not listens(checkout.port)
    again = checkout.made("deploy")
    assert changed(again) == 0
    assert checkout.report("deployment")["endpoint"] == endpoint
    removed = checkout.made("destroy", "CONFIRM=production")
    assert changed(removed) > 0
    assert checkout.report("destroy")["kept"]
    checkout.made("sandbox-stop")
    assert not listens(checkout.port)
    assert "nothing was running" in checkout.made("sandbox-stop").stdout


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_taken_port_is_said(checkout: Checkout) -> None:
    base = free_ports()
    with socket.create_server(("127.0.0.1", base)):
        done = checkout.make("sandbox-start", f"SANDBOX_PORT={base}")
        other = checkout.make("sandbox-start", f"SANDBOX_PORT={base}", "ENV=staging")
    assert says(done, f"SANDBOX_PORT is {base}", "held by", f"make deploy SANDBOX_PORT={base + 100}")
    assert says(other, f"make deploy ENV=staging SANDBOX_PORT={base + 100}")


@pytest.mark.parametrize("port", ["80", "http", "70000"])
def test_impossible_port_is_said(checkout: Checkout, port: str) -> None:
    done = checkout.make("sandbox-start", f"SANDBOX_PORT={port}")
    assert says(done, f"SANDBOX_PORT is '{port}'", "1024 to 65300")


def test_environment_without_inventory_is_said(checkout: Checkout) -> None:
    done = checkout.make("deploy", "ENV=rehearsal")
    assert says(done, "ENV is 'rehearsal'", "inventories/rehearsal", "production", "make deploy ENV=production")


def test_help_lists_the_commands(checkout: Checkout) -> None:
    done = checkout.make("help")
    assert done.returncode == 0
    for target in ("deploy", "destroy", "token", "sandbox-stop", "check", "lint", "test", "venv"):
        assert f"make {target} " in done.stdout
