# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every test may use: the collection by its full name, a sandbox, ansible-playbook."""

from __future__ import annotations

import os
import typing as t
from pathlib import Path

import pytest

from tests.support.checkout import ROOT, copy_project, link_collection
from tests.support.emulated import TestSandbox
from tests.support.playbook import PlaybookRun, run_playbook

PROOF = os.environ.get("MCP_PROOF") == "1"
LEFT_OUT = pytest.StashKey[int]()


def _make_collection_importable() -> None:
    """Let ``ansible_collections.pratikoai.mcp_servers`` be this checkout, wherever it lies."""
    from ansible.utils.collection_loader._collection_finder import _AnsibleCollectionFinder

    finder = _AnsibleCollectionFinder(paths=[str(link_collection(ROOT))])
    finder._install()


def pytest_configure(config: pytest.Config) -> None:
    """Prepare imports before any test is collected."""
    _make_collection_importable()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the long forms out, and say so at the end; keep together on one worker what shares an environment."""
    if config.pluginmanager.has_plugin("xdist"):
        for item in items:
            shared = "first_runs" in getattr(item, "fixturenames", ())
            group = "deployed" if shared else ".".join(item.path.relative_to(ROOT).with_suffix("").parts)
            item.add_marker(pytest.mark.xdist_group(group))
    if PROOF:
        return
    long_forms = [item for item in items if item.get_closest_marker("proof")]
    config.stash[LEFT_OUT] = len(long_forms)
    if long_forms:
        config.hook.pytest_deselected(items=long_forms)
        items[:] = [item for item in items if item not in long_forms]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say what was left out."""
    count = config.stash.get(LEFT_OUT, 0)
    if count:
        terminalreporter.write_line(f"{count} long forms left out; run them with: make proof")


@pytest.fixture(scope="session", autouse=True)
def _no_real_aws(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[None]:
    """No test may reach a real account: a home without settings, and no credentials of the person's."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [key for key in os.environ if key.startswith("AWS_")]:
            patch.delenv(name)
        nowhere = tmp_path_factory.mktemp("aws") / "none"
        patch.setenv("AWS_CONFIG_FILE", str(nowhere))
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(nowhere))
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        yield


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[TestSandbox]:
    """An emulated AWS with its front door, shared by the session; nothing is kept."""
    emulated = TestSandbox(tmp_path_factory.mktemp("sandbox"))
    try:
        yield emulated.start()
    finally:
        emulated.stop()


@pytest.fixture
def own_sandbox(tmp_path: Path) -> t.Iterator[TestSandbox]:
    """A sandbox for one test alone, which keeps its state over ``stop`` and ``start``; not started yet."""
    emulated = TestSandbox(tmp_path / "sandbox", keep=True)
    try:
        yield emulated
    finally:
        emulated.stop()


@pytest.fixture(scope="session")
def sandbox_endpoint(sandbox: TestSandbox) -> str:
    """Base URL of the session's emulated AWS."""
    return sandbox.endpoint


@pytest.fixture(scope="session")
def aws(sandbox: TestSandbox) -> t.Callable[..., t.Any]:
    """Make boto3 clients of the session's emulated AWS: ``aws("s3")``."""
    return sandbox.client


@pytest.fixture(scope="session")
def private_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home directory without anybody's settings."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the working tree that a test may deploy from and write reports into."""
    copy = copy_project(ROOT, tmp_path / "project")
    link_collection(copy)
    return copy


@pytest.fixture(scope="session")
def ansible_playbook(private_home: Path) -> t.Callable[..., PlaybookRun]:
    """Run ansible-playbook: ``ansible_playbook("deploy.yml", "-i", ..., cwd=project, env=sandbox.environment)``."""

    def run(*arguments: str, cwd: Path = ROOT, env: dict[str, str] | None = None, timeout: float = 600) -> PlaybookRun:
        return run_playbook(*arguments, home=private_home, cwd=cwd, env=env, timeout=timeout)

    return run
