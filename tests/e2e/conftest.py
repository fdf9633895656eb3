# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One deployed environment that most tests share; what they need of its first runs is recorded on the way."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.checkout import ROOT, copy_project, link_collection
from tests.support.emulated import TestSandbox
from tests.support.environment import Environment
from tests.support.playbook import PlaybookRun
from tests.support.snapshot import snapshot


@dataclass(frozen=True)
class FirstRuns:
    """A look before the first deploy, the first deploy, and the same again."""

    environment: Environment
    empty: dict[str, t.Any]
    look: PlaybookRun
    looked_at: dict[str, t.Any]
    first: PlaybookRun
    first_report: dict[str, t.Any]
    second: PlaybookRun


def new_environment(directory: Path, home: Path) -> Environment:
    """Return an environment with a copy of the working tree and a sandbox that is not started."""
    project = copy_project(ROOT, directory / "project")
    link_collection(project)
    return Environment(project, TestSandbox(directory / "sandbox"), home)


@pytest.fixture(scope="session")
def first_runs(tmp_path_factory: pytest.TempPathFactory, private_home: Path) -> t.Iterator[FirstRuns]:
    """The shared environment with the record of its first runs; tests leave its account as they found it."""
    environment = new_environment(tmp_path_factory.mktemp("e2e"), private_home)
    try:
        environment.sandbox.start()
        empty = snapshot(environment.sandbox)
        look = environment.deploy("--check", "--diff")
        looked_at = snapshot(environment.sandbox)
        first = environment.deploy().require()
        first_report = environment.report()
        second = environment.deploy()
        yield FirstRuns(environment, empty, look, looked_at, first, first_report, second)
    finally:
        environment.sandbox.stop()


@pytest.fixture(scope="session")
def deployed(first_runs: FirstRuns) -> Environment:
    """The shared environment, deployed."""
    return first_runs.environment


@pytest.fixture
def edited(deployed: Environment, tmp_path: Path) -> Environment:
    """The shared environment seen from a checkout that a test may edit."""
    return deployed.copied_to(tmp_path / "edited")
