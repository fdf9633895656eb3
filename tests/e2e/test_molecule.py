# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Molecule's scenarios run here as well."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.stand_ins import images
from tests.support import docker_engine
from tests.support.checkout import ROOT, copy_project, link_collection
from tests.support.emulated import emulator_venv, free_ports
from tests.support.playbook import clean_environment

pytestmark = pytest.mark.e2e

# Local environments are deployed by tests of their own all the time; their scenario is the long form, and there with
# Docker where an engine answers. So is staging. Instances are containers.
LONG_FORMS = ("local", "instance", "staging")
SCENARIOS = [
    pytest.param(name, marks=pytest.mark.proof) if name in LONG_FORMS else name
    for name in sorted(path.parent.name for path in (ROOT / "molecule").glob("*/molecule.yml"))
]
ACTIONS = ("create", "converge", "idempotence", "verify", "cleanup", "destroy")


def molecule(project: Path, environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run molecule."""
    return subprocess.run(
        [str(Path(sys.executable).parent / "molecule"), *arguments],
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=1800,
    )


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_scenario(scenario: str, tmp_path: Path, private_home: Path) -> None:
    project = copy_project(ROOT, tmp_path / "project")
    link_collection(project)
    # Molecule finds what its scenarios share from the top of a git checkout only.
    subprocess.run(["git", "init", "--quiet"], cwd=project, check=True)
    port = str(free_ports(30))
    settings = {"SANDBOX_PORT": port, "MCP_LOCAL_PORT": port, "MCP_SANDBOX_VENV": str(emulator_venv()), "NO_COLOR": "1"}
    with contextlib.ExitStack() as stack:
        if scenario == "instance" and (missing := stack.enter_context(docker_engine.engine(tmp_path))):
            pytest.skip(missing)
        if scenario == "local" and stack.enter_context(docker_engine.engine(tmp_path)) is None:
            settings |= docker_engine.configure(tmp_path / "docker")
            settings |= {"MCP_MOLECULE_LIMIT": "all", "MCP_LOCAL_IMAGES": json.dumps(images.build_all())}
        environment = clean_environment(private_home, settings)
        try:
            done = molecule(project, environment, "test", "-s", scenario)
        finally:
            molecule(project, environment, "destroy", "-s", scenario)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said[-8000:]
    assert [action for action in ACTIONS if f"[{scenario} > {action}] Executed: Successful" not in said] == []
