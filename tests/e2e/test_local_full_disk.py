# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The disk fills while a local environment is written to: nothing that was acknowledged is lost."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
import typing as t
from pathlib import Path

import pytest

from tests.support.checkout import ROOT, copy_project, link_collection
from tests.support.local import Local, wait_until
from tests.support.world import shared_packages

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.proof,
    pytest.mark.skipif(os.geteuid() != 0, reason="a small disk of its own can be mounted by root only"),
]
# More than is asked to be free before the database starts.
DISK_MB = 1300
LARGE = "word " * 50_000


@contextlib.contextmanager
def small_disk() -> t.Iterator[Path]:
    """Mount a disk in memory."""
    folder = Path(tempfile.mkdtemp(prefix="mcp-disk-"))
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)
        folder.rmdir()


@pytest.fixture
def local(tmp_path: Path, private_home: Path) -> t.Iterator[Local]:
    """An environment whose folder is on a small disk."""
    project = copy_project(ROOT, tmp_path / "project")
    link_collection(project)
    with small_disk() as folder:
        made = Local(project, folder, private_home, shared_packages(private_home))
        try:
            yield made
        finally:
            made.end()


def save(local: Local, name: str) -> bool:
    """Save a large document; tell whether that was acknowledged."""
    try:
        local.call("save_document", document_id=name, title=name, text=LARGE)
    except (AssertionError, BaseExceptionGroup):
        return False
    return True


def test_a_full_disk_loses_nothing_that_was_acknowledged(local: Local) -> None:
    local.play().require()
    assert save(local, "first")
    filler = local.folder / "filler"
    left = os.statvfs(local.folder)
    with filler.open("wb") as stream:
        os.posix_fallocate(stream.fileno(), 0, left.f_bavail * left.f_frsize - 1024 * 1024)
    names = [f"large-{number}" for number in range(400)]
    acknowledged = ["first"]
    for name in names:
        if not save(local, name):
            break
        acknowledged.append(name)
    assert len(acknowledged) < len(names), "the disk never filled"
    filler.unlink()
    wait_until(lambda: local.ready()[0] == 200)
    assert all(local.call("get_document", document_id=name)["text"] == LARGE for name in acknowledged)
    assert save(local, "afterwards")
    assert local.play().require().changed == 0
