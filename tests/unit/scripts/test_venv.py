# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Virtual environments: made once, and every failure is one message."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.support.checkout import ROOT

SCRIPT = ROOT / "scripts" / "venv.py"


def run(directory: Path, program: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """Make an environment without any requirement, or with those of requirements.txt there."""
    (directory / "requirements.txt").touch()
    command = [sys.executable, "-c", program] if program else [sys.executable, str(SCRIPT)]
    return subprocess.run(
        [*command, "venv=requirements.txt"],
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        env={**os.environ, **environment},
    )


def test_made_once_then_nothing_to_do_until_requirements_change(tmp_path: Path) -> None:
    assert "venv: installed requirements.txt" in run(tmp_path).stdout
    again = run(tmp_path)
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")
    (tmp_path / "requirements.txt").write_text("# changed\n")
    assert "installed" in run(tmp_path).stdout
    moved = tmp_path / "moved"
    moved.mkdir()
    (tmp_path / "venv").rename(moved / "venv")
    (tmp_path / "requirements.txt").rename(moved / "requirements.txt")
    assert "installed" in run(moved).stdout  # scripts in an environment name its old place
    linked = tmp_path / "linked"
    linked.mkdir()
    (linked / "venv").symlink_to(moved / "venv")
    assert "installed" in run(linked).stdout
    assert run(moved).stdout == ""  # the one that the link led to is left alone


def test_an_index_that_cannot_be_reached_is_said_in_one_message(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("nobody-has-this==1\n")
    done = run(
        tmp_path,
        PIP_CONFIG_FILE=os.devnull,
        PIP_FIND_LINKS="",
        PIP_INDEX_URL="http://user:secret@127.0.0.1:9/simple",
        PIP_RETRIES="1",
    )
    assert done.returncode == 1
    assert done.stderr.startswith("ERROR: The package index http://127.0.0.1:9/simple cannot be reached.")
    assert "make venv PIP_INDEX_URL=" in done.stderr
    assert "secret" not in done.stderr and "Traceback" not in done.stderr
    assert not list((tmp_path / "venv").glob(".installed-*"))


def test_a_python_without_venv_says_what_to_install(tmp_path: Path) -> None:
    program = (
        f"import sys, runpy; sys.modules['ensurepip'] = None; runpy.run_path({str(SCRIPT)!r}, run_name='__main__')"
    )
    done = run(tmp_path, program)
    assert done.returncode == 1
    assert "cannot make virtual environments" in done.stderr
    assert "apt-get install python3" in done.stderr or "brew install python@3" in done.stderr
    assert not (tmp_path / "venv").exists()
