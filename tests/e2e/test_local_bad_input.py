# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a local deploy refuses: one error with the variable, what is allowed and what to type, and nothing is made."""

from __future__ import annotations

import socket
import typing as t
from pathlib import Path

import pytest
import yaml

from tests.support.checkout import ROOT, link_collection
from tests.support.local import free_service_ports
from tests.support.playbook import PlaybookRun, run_playbook

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module", autouse=True)
def _collection() -> None:
    link_collection(ROOT)


def play(folder: Path, home: Path, playbook: str = "deploy.yml", **variables: t.Any) -> PlaybookRun:
    """Run a playbook on the local inventory, with everything it makes in a folder."""
    given = {
        "mcp_local_dir": str(folder / "l"),
        "mcp_report_dir": str(folder / "r"),
        "mcp_local_runtime": "process",
        "mcp_local_ports": free_service_ports(),
    }
    chosen = folder / "variables.yml"
    chosen.write_text(yaml.safe_dump({**given, **variables}), encoding="utf-8")
    return run_playbook(playbook, "-i", "inventories/local", "-e", f"@{chosen}", home=home)


def refused(run: PlaybookRun, *words: str) -> None:
    """Assert that a run ended with one error that has these words, and no traceback."""
    run.require(2)
    # In the words of the report, which names it once more, lines are folded.
    said = " ".join(run.output.split())
    assert [word for word in words if word not in said] == [], said[-3000:]
    assert "Traceback" not in said


@pytest.fixture
def taken() -> t.Iterator[int]:
    """A port of 127.0.0.1 that another program holds."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


def test_a_taken_port(tmp_path, private_home, taken):
    run = play(tmp_path, private_home, mcp_local_ports={**free_service_ports(), "redis": taken})
    refused(run, "mcp_local_ports", "another program listens on", f"{taken} (redis)", "Nothing was changed")
    assert not (tmp_path / "l" / "local" / "secrets").exists()


def test_an_engine_that_is_not_running(tmp_path, private_home, monkeypatch):
    (tmp_path / "bin").mkdir()
    docker = tmp_path / "bin" / "docker"
    docker.write_text("#!/bin/sh\necho 'Cannot connect to the Docker daemon' >&2\nexit 1\n")
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", f"{docker.parent}:/usr/bin:/bin")
    run = play(tmp_path, private_home, mcp_local_runtime="docker")
    refused(run, "mcp_local_runtime is docker", "Cannot connect to the Docker daemon", "-e mcp_local_runtime=process")


def test_no_space_for_the_database(tmp_path, private_home):
    sizes = yaml.safe_load((ROOT / "aws-resource-allocation.yaml").read_text(encoding="utf-8"))
    sizes["phases"]["local"]["disk_free_mb"] = 10**9
    (tmp_path / "sizes.yaml").write_text(yaml.safe_dump(sizes), encoding="utf-8")
    run = play(tmp_path, private_home, mcp_sizes_file=str(tmp_path / "sizes.yaml"))
    refused(run, "mcp_local_dir", "the database needs 1000000000 MB", "Nothing was changed")


def test_data_of_another_runtime_is_not_left_behind(tmp_path, private_home):
    state = tmp_path / "l" / "local" / "state"
    state.mkdir(parents=True)
    (state / "used.json").write_text('{"runtime": "docker", "postgres_version": 18, "ports": {}}', encoding="utf-8")
    run = play(tmp_path, private_home)
    refused(run, "the data of local lies in the runtime docker", "destroy.yml -i inventories/local", "restore.yml")


def test_the_sandbox_overlay_has_no_place_here(tmp_path, private_home):
    refused(play(tmp_path, private_home, mcp_sandbox=True), "mcp_sandbox is true", "Leave the sandbox inventory out")


def test_a_restore_wants_to_be_meant(tmp_path, private_home):
    refused(play(tmp_path, private_home, "playbooks/restore.yml"), "mcp_confirm is ''", "-e mcp_confirm=local")


def test_a_verb_without_a_meaning_says_so_and_changes_nothing(tmp_path, private_home):
    run = play(tmp_path, private_home, "playbooks/divert.yml").require()
    assert "not applicable in phase local" in run.output
    assert run.changed == 0
