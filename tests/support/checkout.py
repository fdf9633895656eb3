# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checkout as a collection, and copies of it to work in."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
COLLECTION = Path("ansible_collections") / "pratikoai" / "mcp_servers"


def link_collection(checkout: Path) -> Path:
    """Make ``.ansible/ansible_collections/pratikoai/mcp_servers`` lead to the checkout; return ``.ansible``."""
    link = checkout / ".ansible" / COLLECTION
    link.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):  # several test runs may begin at once
        link.symlink_to("../../..")
    return checkout / ".ansible"


def project_files(checkout: Path) -> list[str]:
    """List what a commit of the working tree would hold, and nothing that is generated."""
    answer = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=checkout,
        capture_output=True,
        text=True,
        check=True,
    )
    return sorted({name for name in answer.stdout.split("\0") if name and (checkout / name).exists()})


def copy_project(checkout: Path, target: Path, leave_out: tuple[str, ...] = ()) -> Path:
    """Copy the working tree without anything generated; return the target.

    :param leave_out: beginnings of paths that are not copied
    """
    for name in project_files(checkout):
        if name.startswith(leave_out):
            continue
        destination = target / name
        destination.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(checkout / name, destination, follow_symlinks=False)
    return target


def link_amazon(base: Path) -> None:
    """Put the collection that ours stands on beside ours, where tools look for it."""
    import ansible_collections.amazon

    amazon = Path(next(iter(ansible_collections.amazon.__path__)))
    (base / COLLECTION.parent.parent / "amazon").symlink_to(amazon)
