# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Signing keys in a folder: who may open it, and that two runs at once do not undo each other."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import issuer_keyring as keyring
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import issuer_store
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import McpError

from tests.unit.plugins.test_issuer import World, states


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World("file", tmp_path, monkeypatch)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_only_the_owner_may_open_the_folder_and_its_files(world: World, umask: int) -> None:
    previous = os.umask(umask)
    try:
        made = world.run()
    finally:
        os.umask(previous)
    assert {path.name: mode(path) for path in world.folder.iterdir()} == {"private-key.json": 0o600, "jwks.json": 0o600}
    assert mode(world.folder) == 0o700
    assert made["files"] == {
        "private_key": str(world.folder / "private-key.json"),
        "jwks": str(world.folder / "jwks.json"),
    }
    assert json.loads((world.folder / "jwks.json").read_text()) == made["jwks"]


def test_a_folder_that_others_may_open_is_refused(world: World) -> None:
    world.folder.mkdir(mode=0o755)
    world.folder.chmod(0o755)
    with pytest.raises(McpError, match=rf"mode 0755.*chmod 700 {world.folder} "):
        world.run()
    assert list(world.folder.iterdir()) == []


@pytest.mark.parametrize("name", ["private-key.json", ""])
def test_keys_that_others_could_read_are_refused_until_that_is_repaired(world: World, name: str) -> None:
    world.run()
    path = world.folder / name
    closed = mode(path)
    path.chmod(0o644 if name else 0o755)
    for attempt in (world.run, lambda: world.run(check_mode=True), world.mint):
        with pytest.raises(McpError, match=rf"is open to others .*chmod {closed:o} {path} .*rotate=true"):
            attempt()
    path.chmod(closed)
    assert world.run()["changed"] is False


@pytest.mark.parametrize("content", ["", "{", "[]", "\udcff"])
def test_a_file_that_holds_something_else_is_not_touched(world: World, content: str) -> None:
    world.folder.mkdir(mode=0o700)
    file = world.folder / "private-key.json"
    file.write_bytes(content.encode(errors="surrogateescape"))
    file.chmod(0o600)
    with pytest.raises(McpError, match=f"{file} (holds no signing key|cannot be read)"):
        world.run()
    assert file.read_bytes() == content.encode(errors="surrogateescape")


@pytest.mark.parametrize("lost", [None, "", "[]", '{"keys": []}'])
def test_a_key_set_that_does_not_fit_is_written_again(world: World, lost: str | None) -> None:
    made = world.run()
    file = world.folder / "jwks.json"
    file.unlink() if lost is None else file.write_text(lost)
    assert world.run(check_mode=True) == made and world.run() == made
    assert json.loads(file.read_text()) == made["jwks"]


def test_a_place_that_cannot_be_used_is_said(tmp_path: Path, world: World) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(McpError, match=r"path=.*/file/keys cannot be used: .*Name a folder for the keys alone"):
        world.run(path=str(tmp_path / "file" / "keys"))


def test_absent_leaves_what_is_not_ours(world: World) -> None:
    world.run()
    (world.folder / "notes.txt").write_text("mine")
    assert world.run(state="absent")["changed"] is True
    assert os.listdir(world.folder) == ["notes.txt"]


def test_a_second_run_waits_for_the_first(world: World) -> None:
    world.run()
    waiter = (
        f"import fcntl, os; fcntl.flock(os.open({str(world.folder)!r}, os.O_RDONLY), fcntl.LOCK_EX | fcntl.LOCK_NB)"
    )
    command = [sys.executable, "-c", waiter]
    with issuer_store.FileStore(str(world.folder)).lock():
        busy = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "BlockingIOError" in busy.stderr
    assert subprocess.run(command, check=False).returncode == 0


def test_what_an_earlier_form_wrote_is_read(world: World) -> None:
    world.folder.mkdir(mode=0o700)
    jwk = keyring.new_private_jwk()
    issuer_store.write_private_file(str(world.folder / "private-key.json"), json.dumps(jwk))
    found: dict[str, t.Any] = world.run()
    assert found["kid"] == jwk["kid"] and found["changed"] is True and states(found) == ["current"]
