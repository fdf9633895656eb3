# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The folders of a local environment's releases: complete or not there, shared, and forgotten with what they needed."""

from __future__ import annotations

import errno
import os
import pathlib
import shutil
import typing as t

import pytest
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import local_release
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import Context, McpError

FIRST, SECOND, THIRD = "1" * 12, "2" * 12, "3" * 12


@pytest.fixture
def directory(tmp_path: pathlib.Path) -> pathlib.Path:
    """Where the releases of one target are."""
    return tmp_path / "releases" / "process"


def packaged(folder: pathlib.Path, release: str, needs: str = "aaaa") -> pathlib.Path:
    """Make a package as the cache has it: the server, and a link to the set of what it needs."""
    package, needed = folder / "packages" / release, folder / "sets" / needs / "dependencies"
    needed.mkdir(parents=True, exist_ok=True)
    (needed / "library.py").write_text(needs)
    (package / "app").mkdir(parents=True)
    (package / "app" / "server.py").write_text(release)
    (package / "dependencies").symlink_to(needed)
    return package


def run(directory: pathlib.Path, release: str, package: pathlib.Path | None = None, **given: t.Any) -> dict[str, t.Any]:
    """Run the module's logic."""
    check_mode = given.pop("check_mode", False)
    params = {"directory": str(directory), "release": release, "package": package and str(package), "keep": 10, **given}

    def no_client(service: str, _region: str | None) -> t.Any:
        raise AssertionError(service)

    return local_release.run(Context(params=params, make_client=no_client, check_mode=check_mode))


def test_a_release_is_placed_once_and_shares_what_it_needs(tmp_path: pathlib.Path, directory: pathlib.Path) -> None:
    first, second = packaged(tmp_path, FIRST), packaged(tmp_path, SECOND)
    assert run(directory, FIRST, first) == {"changed": True, "path": str(directory / FIRST), "removed": []}
    assert run(directory, FIRST, first)["changed"] is False
    assert run(directory, SECOND, second)["changed"] is True
    assert (directory / FIRST / "app" / "server.py").read_text() == FIRST
    assert (directory / FIRST / "dependencies").resolve() == (directory / SECOND / "dependencies").resolve()
    assert (directory / SECOND / "dependencies" / "library.py").read_text() == "aaaa"
    assert sorted(path.name for path in directory.iterdir()) == [FIRST, SECOND, "dependencies"]


def test_what_is_shared_with_the_cache_cannot_be_edited_in_place(
    tmp_path: pathlib.Path, directory: pathlib.Path
) -> None:
    package = packaged(tmp_path, FIRST)
    run(directory, FIRST, package)
    ours, cached = directory / FIRST / "dependencies" / "library.py", package / "dependencies" / "library.py"
    assert ours.samefile(cached)
    assert not ours.stat().st_mode & local_release.WRITABLE
    assert (directory / FIRST / "app" / "server.py").stat().st_mode & local_release.WRITABLE


def test_without_hard_links_it_is_copied(
    tmp_path: pathlib.Path, directory: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def other_device(_source: str, _target: str) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", other_device)
    package = packaged(tmp_path, FIRST)
    run(directory, FIRST, package)
    ours, cached = directory / FIRST / "dependencies" / "library.py", package / "dependencies" / "library.py"
    assert ours.read_text() == "aaaa" and not ours.samefile(cached)


@pytest.mark.parametrize("fails_at", range(4))
def test_a_placement_that_fails_leaves_nothing_and_the_next_one_succeeds(
    fails_at: int, tmp_path: pathlib.Path, directory: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of its steps: the server's copy, what it needs, and the two new names."""
    package, steps = packaged(tmp_path, FIRST), []

    def failing(real: t.Callable[..., t.Any]) -> t.Callable[..., t.Any]:
        def step(*arguments: t.Any, **options: t.Any) -> t.Any:
            steps.append(arguments)
            if len(steps) - 1 == fails_at:
                raise OSError(errno.ENOSPC, "No space left on device")
            return real(*arguments, **options)

        return step

    with monkeypatch.context() as patched:
        patched.setattr(shutil, "copytree", failing(shutil.copytree))
        patched.setattr(pathlib.Path, "rename", failing(pathlib.Path.rename))
        with pytest.raises(McpError, match=f"Release {FIRST} could not be brought .*No space left.*free some space"):
            run(directory, FIRST, package)
    assert len(steps) == fails_at + 1
    assert [path.name for path in directory.iterdir()] in ([], ["dependencies"])
    assert run(directory, FIRST, package)["changed"] is True
    assert (directory / FIRST / "dependencies" / "library.py").read_text() == "aaaa"


def test_the_oldest_are_forgotten_with_what_only_they_needed(tmp_path: pathlib.Path, directory: pathlib.Path) -> None:
    for age, (release, needs) in enumerate([(FIRST, "aaaa"), (SECOND, "bbbb")]):
        run(directory, release, packaged(tmp_path, release, needs))
        os.utime(directory / release, (age, age))
    (directory / "notes").mkdir()  # somebody's own
    third = packaged(tmp_path, THIRD, "bbbb")
    looked = run(directory, THIRD, third, keep=2, check_mode=True)
    assert looked == {"changed": True, "path": str(directory / THIRD), "removed": [FIRST]}
    assert (directory / FIRST).is_dir() and not (directory / THIRD).exists()
    assert run(directory, THIRD, third, keep=2)["removed"] == [FIRST]
    assert sorted(path.name for path in directory.iterdir()) == [SECOND, THIRD, "dependencies", "notes"]
    assert [path.name for path in (directory / "dependencies").iterdir()] == ["bbbb"]
    assert (directory / THIRD / "dependencies" / "library.py").read_text() == "bbbb"


def test_going_back_to_a_release_keeps_it_from_being_forgotten(tmp_path: pathlib.Path, directory: pathlib.Path) -> None:
    for age, release in enumerate([FIRST, SECOND]):
        run(directory, release, packaged(tmp_path, release))
        os.utime(directory / release, (age, age))
    assert run(directory, FIRST, keep=1) == {"changed": False, "path": str(directory / FIRST), "removed": [SECOND]}
    assert run(directory, FIRST, keep=1)["removed"] == []


def test_a_release_that_is_gone_names_those_that_are_there(tmp_path: pathlib.Path, directory: pathlib.Path) -> None:
    with pytest.raises(McpError, match=r"there are: none\. Nothing was changed"):
        run(directory, FIRST)
    run(directory, SECOND, packaged(tmp_path, SECOND))
    with pytest.raises(McpError, match=f"Release {FIRST} is not in .* any more; there are: {SECOND}. Nothing"):
        run(directory, FIRST)
    assert run(directory, FIRST, check_mode=True)["changed"] is True
