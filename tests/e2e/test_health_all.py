# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""scripts/health-check.sh over all three phases at once, each dependency of local and staging really broken in turn."""

from __future__ import annotations

import shutil
import tempfile
import typing as t
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.conftest import new_environment
from tests.support.environment import Environment
from tests.support.health import Checked, checked
from tests.support.local import Local
from tests.support.staging import Staging
from tests.support.world import shared_packages

pytestmark = [pytest.mark.e2e, pytest.mark.proof]


@dataclass(frozen=True)
class Everything:
    """Three environments of one checkout: local on this machine, the other two in a sandbox."""

    local: Local
    staging: Staging
    production: Environment

    def look(self) -> Checked:
        """Check them all."""
        env = {"SANDBOX_PORT": str(self.staging.sandbox.port)}
        return checked(self.staging.project, self.staging.home, "--sandbox", "all", env=env)


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory, private_home: Path) -> t.Iterator[Everything]:
    """All three phases, deployed."""
    production = new_environment(tmp_path_factory.mktemp("all"), private_home)
    staging = Staging(production.project, production.sandbox, private_home)
    folder = Path(tempfile.mkdtemp(prefix="mcp-health-"))
    local = Local(production.project, folder, private_home, shared_packages(private_home))
    local.into_inventory()
    try:
        production.sandbox.start()
        local.play().require()
        staging.deploy().require()
        production.deploy().require()
        yield Everything(local, staging, production)
    finally:
        local.end()
        production.sandbox.stop()
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def calm(everything: Everything) -> Checked:
    """What is said while nothing is broken."""
    return everything.look()
