# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Inventories do not get into each other's way, the overlay goes over any, and the collection is found either way."""

from __future__ import annotations

import json
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest

from tests.support.checkout import ROOT
from tests.support.emulated import TestSandbox
from tests.support.playbook import clean_environment

pytestmark = pytest.mark.integration

OVERLAY = "sandbox"
PHASES = sorted(path.name for path in (ROOT / "inventories").iterdir() if path.name != OVERLAY)
# What ansible itself tells about where a host came from.
WHERE = {"inventory_dir", "inventory_file"}
FOREIGN = """\
mcp:
  hosts:
    tokyo:
      ansible_connection: local
      ansible_python_interpreter: "{{ ansible_playbook_python }}"
      mcp_phase: production
      mcp_region: ap-northeast-1
      mcp_memory_size: 1024
web:
  hosts:
    www.example.org:
      http_port: 80
"""


def run(home: Path, program: str, *arguments: str, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess:
    """Run one of ansible's programs."""
    return subprocess.run(
        [str(Path(sys.executable).parent / program), *arguments],
        cwd=cwd,
        env=clean_environment(home, environment),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def inventories(names: list[str]) -> list[str]:
    return [word for name in names for word in ("-i", name if "/" in name else f"inventories/{name}")]


def host_variables(home: Path, names: list[str]) -> dict[str, dict[str, t.Any]]:
    """Return each host's variables as playbooks see them, templates not filled in."""
    done = run(home, "ansible-inventory", *inventories(names), "--list", "--playbook-dir", "playbooks")
    assert done.returncode == 0, done.stderr
    hosts = json.loads(done.stdout)["_meta"]["hostvars"]
    return {host: {k: v for k, v in values.items() if k not in WHERE} for host, values in hosts.items()}


@pytest.fixture
def foreign(tmp_path: Path) -> str:
    """An inventory as somebody else would write it."""
    path = tmp_path / "theirs" / "hosts.yml"
    path.parent.mkdir()
    path.write_text(FOREIGN, encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("overlay", [[], [OVERLAY]], ids=["on AWS", "in the sandbox"])
def test_all_together_give_each_host_what_it_has_alone(private_home: Path, foreign: str, overlay: list[str]) -> None:
    together = host_variables(private_home, [*PHASES, foreign, *overlay])
    alone: dict[str, t.Any] = {}
    for name in (*PHASES, foreign):
        alone |= host_variables(private_home, [name, *overlay])
    assert together == alone
    assert set(together) >= {"production", "tokyo", "www.example.org"}


def test_overlay_wins_and_touches_environments_only(private_home: Path, foreign: str) -> None:
    before = host_variables(private_home, [*PHASES, foreign])
    after = host_variables(private_home, [*PHASES, foreign, OVERLAY])
    for host in ("production", "tokyo"):
        assert after[host]["mcp_sandbox"] is True
        assert "mcp_sandbox" not in before[host]
        added = set(after[host]) - set(before[host])
        assert {name: after[host][name] for name in before[host]} == before[host]
        assert added == {
            "mcp_sandbox",
            "mcp_sandbox_port",
            "mcp_aws_endpoint_url",
            "mcp_aws_access_key",
            "mcp_aws_secret_key",
        }
    assert after["www.example.org"] == before["www.example.org"]


def test_inventories_hold_only_what_differs() -> None:
    """Host variables of an inventory would win over the overlay's group variables."""
    assert list((ROOT / "inventories").rglob("host_vars")) == []
    assert not (ROOT / "group_vars").exists()
    assert not (ROOT / "playbooks" / "group_vars").exists()


@pytest.mark.parametrize("playbook", ["deploy.yml", "playbooks/token.yml", "playbooks/destroy.yml"])
def test_overlay_alone_is_refused_in_one_sentence(private_home: Path, playbook: str) -> None:
    done = run(private_home, "ansible-playbook", playbook, *inventories([OVERLAY]))
    assert done.returncode != 0
    said = " ".join((done.stdout + done.stderr).split())
    assert "The inventory has no environment: no host in group mcp." in said
    assert "-i inventories/production -i inventories/sandbox" in said
    assert "UNREACHABLE" not in said


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory, private_home: Path) -> Path:
    """A folder with the collection installed from its archive, and without the checkout."""
    folder = tmp_path_factory.mktemp("installed")
    built = run(private_home, "ansible-galaxy", "collection", "build", "--output-path", str(folder))
    assert built.returncode == 0, built.stderr
    archive = next(folder.glob("pratikoai-mcp_servers-*.tar.gz"))
    command = ("collection", "install", "--no-deps", "--offline", str(archive), "-p", str(folder / "collections"))
    done = run(private_home, "ansible-galaxy", *command, cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder


def test_archive_holds_nothing_generated(installed: Path) -> None:
    collection = installed / "collections" / "ansible_collections" / "pratikoai" / "mcp_servers"
    assert (collection / "app" / "pyproject.toml").exists()
    assert (collection / "aws-resource-allocation.yaml").exists()
    unwanted = {".venv", ".sandbox", ".ansible", ".git", "reports", "__pycache__", ".ruff_cache", ".mypy_cache"}
    found = {path.name for path in collection.rglob("*")} & unwanted
    assert found == set()


@pytest.mark.parametrize("playbook", ["pratikoai.mcp_servers.deploy", "their.yml"])
def test_installed_collection_plans_an_environment(
    installed: Path, private_home: Path, sandbox: TestSandbox, foreign: str, playbook: str
) -> None:
    """By its playbook's full name, and by its roles in a playbook of one's own."""
    (installed / "their.yml").write_text("- import_playbook: pratikoai.mcp_servers.deploy\n", encoding="utf-8")
    done = run(
        private_home,
        "ansible-playbook",
        playbook,
        *inventories([foreign, str(ROOT / "inventories" / OVERLAY)]),
        "--check",
        cwd=installed,
        SANDBOX_PORT=str(sandbox.port),
        ANSIBLE_COLLECTIONS_PATH=str(installed / "collections"),
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]
    assert str(installed) in done.stdout + run_dump(private_home, installed)
    assert "would change: mcp-tokyo-foundation" in done.stdout


def run_dump(home: Path, installed: Path) -> str:
    """Return where ansible finds the collection."""
    done = run(
        home, "ansible-galaxy", "collection", "list", "pratikoai.mcp_servers", cwd=installed,
        ANSIBLE_COLLECTIONS_PATH=str(installed / "collections"),
    )  # fmt: skip
    return done.stdout
