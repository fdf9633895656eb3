# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Molecule's scenarios run here as well."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.checkout import ROOT, copy_project, link_collection
from tests.support.emulated import emulator_venv, free_ports
from tests.support.playbook import clean_environment

pytestmark = pytest.mark.e2e

SCENARIOS = sorted(path.parent.name for path in (ROOT / "molecule").glob("*/molecule.yml"))
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
        timeout=600,
    )


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_scenario(scenario: str, tmp_path: Path, private_home: Path) -> None:
    project = copy_project(ROOT, tmp_path / "project")
    link_collection(project)
    # Molecule finds what its scenarios share from the top of a git checkout only.
    subprocess.run(["git", "init", "--quiet"], cwd=project, check=True)
    settings = {"SANDBOX_PORT": str(free_ports()), "MCP_SANDBOX_VENV": str(emulator_venv()), "NO_COLOR": "1"}
    environment = clean_environment(private_home, settings)
    try:
        done = molecule(project, environment, "test", "-s", scenario)
    finally:
        molecule(project, environment, "destroy", "-s", scenario)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said[-8000:]
    assert [action for action in ACTIONS if f"[{scenario} > {action}] Executed: Successful" not in said] == []
