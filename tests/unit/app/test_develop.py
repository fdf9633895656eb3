# SPDX-License-Identifier: MIT
"""``python -m pratiko_mcp.develop``: how long it pauses, and where it looks for edits."""

from __future__ import annotations

from pathlib import Path

import pytest
from pratiko_mcp.develop import LONGEST_PAUSE, folders_within, pause_after


@pytest.mark.parametrize(("failures", "seconds"), [(0, 0), (1, 0.5), (2, 1.5), (5, 15.5), (10_000, LONGEST_PAUSE)])
def test_pause_grows_to_a_limit(failures: int, seconds: float) -> None:
    assert pause_after(failures) == seconds


def test_nothing_of_tools_packages_and_data_is_watched(tmp_path: Path) -> None:
    made = (
        "package/inner",
        "package/__pycache__",
        ".git",
        ".local/local/data",
        "reports/local",
        "node_modules/x",
        "env",
    )
    for name in made:
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "env" / "pyvenv.cfg").touch()
    (tmp_path / "package" / "round").symlink_to(tmp_path)
    found = folders_within([tmp_path], [tmp_path / "reports"])
    assert sorted(str(folder.relative_to(tmp_path)) for folder in found) == [".", "package", "package/inner"]


def test_a_source_in_a_hidden_folder_is_watched(tmp_path: Path) -> None:
    source = tmp_path / ".local" / "share" / "server"
    source.mkdir(parents=True)
    assert folders_within([source]) == [source]
    assert folders_within([tmp_path / "gone"]) == []
