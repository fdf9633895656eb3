# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Paths as a person would type them."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.typed import typed_path


@pytest.mark.parametrize("shown", ["here", "elsewhere", "gone", "", None])
def test_a_path_is_relative_to_where_ansible_runs_whatever_the_shell_says(
    shown: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("here", "elsewhere"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "here")
    if shown is None:
        monkeypatch.delenv("PWD", raising=False)
    else:
        monkeypatch.setenv("PWD", str(tmp_path / shown) if shown else "")
    assert typed_path(str(tmp_path / "here" / "inventories" / "local")) == "inventories/local"


def test_the_name_by_which_a_linked_folder_was_entered_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "real").mkdir()
    link = tmp_path / "link"
    link.symlink_to("real")
    monkeypatch.chdir(link)
    monkeypatch.setenv("PWD", str(link))
    assert typed_path(str(link / "inventories")) == "inventories"
