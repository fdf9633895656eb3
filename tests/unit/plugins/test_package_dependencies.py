# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What servers need is installed once: packages are the same bytes as without the cache, and nothing in it is stale."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import package_build, package_dependencies

from tests.unit.plugins.test_package import NATIVE, Task
from tests.unit.plugins.tiny_server import (
    SERVER,
    make_index,
    make_project,
    make_runtime,
    make_wheel,
    pip_settings,
    write,
)

INSTALLED = f"building {NATIVE} package: bytecode of the dependencies"
EDITED = SERVER + "edited = 1\n"


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package index of this test's own."""
    folder = make_index(tmp_path / "index")
    for name in [key for key in os.environ if key.startswith("PIP_")]:
        monkeypatch.delenv(name)
    for name, value in pip_settings(folder).items():
        monkeypatch.setenv(name, value)
    return folder


@pytest.fixture
def task(tmp_path: Path, index: Path) -> Task:
    """Calls with a project in ``project`` and one cache."""
    project = make_project(tmp_path / "project")
    return Task(tmp_path, make_runtime(tmp_path / "runtime", index), source=str(project))


def lock(tmp_path: Path, index: Path, *names: str, hashes: bool = True) -> None:
    """Give the project a lock of its own."""
    lines = []
    for name in names:
        digest = hashlib.sha256((index / f"{name}-py3-none-any.whl").read_bytes()).hexdigest()
        lines.append(f"{name.replace('-', '==')}{f' --hash=sha256:{digest}' if hashes else ''}\n")
    (tmp_path / "project" / "requirements.lock").write_text("".join(lines))


def edit(tmp_path: Path, text: str = EDITED) -> None:
    write(tmp_path / "project", {"src/tiny/server.py": text})


@pytest.mark.parametrize("locked", [True, False])
def test_package_after_an_edit_has_the_bytes_of_one_made_from_nothing(
    tmp_path: Path, index: Path, task: Task, locked: bool
) -> None:
    if locked:
        lock(tmp_path, index, "helper-1.0", "boto3-1.0", "botocore-1.0")
    first = task.run()["release"]
    edit(tmp_path)
    task.said.clear()
    second = task.run()["release"]
    assert INSTALLED not in task.said and second["id"] != first["id"]
    assert second["left_out"] == first["left_out"] == ["boto3", "botocore"]
    afresh = task.run(build_dir=str(tmp_path / "empty"))["release"]
    assert INSTALLED in task.said and afresh["packages"] == second["packages"]


def test_new_version_on_the_index_is_taken_by_the_next_release(tmp_path: Path, index: Path, task: Task) -> None:
    write(tmp_path / "project", {"pyproject.toml": make_pyproject(["helper", "boto3", "open"])})
    make_wheel(index, "open", "1.0", {"open_source.py": "version = 1\n"})
    assert file_of(task.run()["path"], "open_source.py") == "version = 1\n"
    make_wheel(index, "open", "1.1", {"open_source.py": "version = 1.1\n"})
    edit(tmp_path)
    assert file_of(task.run()["path"], "open_source.py") == "version = 1.1\n"


def make_pyproject(dependencies: list[str]) -> str:
    folder = Path(os.environ["PIP_FIND_LINKS"]).parent / "another"
    return (make_project(folder, SERVER, dependencies) / "pyproject.toml").read_text()


def file_of(path: str, name: str) -> str:
    with zipfile.ZipFile(path) as archive:
        return archive.read(name).decode()


def test_other_file_under_the_version_of_a_lock_without_hashes_is_taken(
    tmp_path: Path, index: Path, task: Task
) -> None:
    lock(tmp_path, index, "helper-1.0", "boto3-1.0", "botocore-1.0", hashes=False)
    task.run()
    make_wheel(index, "helper", "1.0", {"helper/__init__.py": "built = 'again'\n"})
    edit(tmp_path)
    task.said.clear()
    assert file_of(task.run()["path"], "helper/__init__.py") == "built = 'again'\n" and INSTALLED in task.said


def test_dependency_by_address_is_installed_from_there(tmp_path: Path, index: Path, task: Task) -> None:
    wheel = make_wheel(tmp_path / "elsewhere", "direct", "1.0", {"direct.py": "here = 1\n"})
    write(tmp_path / "project", {"pyproject.toml": make_pyproject(["helper", "boto3", f"direct @ {wheel.as_uri()}"])})
    assert file_of(task.run()["path"], "direct.py") == "here = 1\n"


def test_folder_that_server_and_dependencies_share_is_whole(tmp_path: Path, index: Path, task: Task) -> None:
    make_wheel(
        index, "part", "1.0", {"shared/__init__.py": "", "shared/part.py": "x = 1\n", "shared/both.py": "x = 1\n"}
    )
    own = {
        "shared/own.py": "from shared import both, part\n",
        "shared/both.py": "from shared.part import x\nassert x\n",
    }
    write(tmp_path / "project", {f"src/{name}": text for name, text in own.items()})
    write(tmp_path / "project", {"pyproject.toml": make_pyproject(["helper", "boto3", "part"])})
    edit(tmp_path, f"from shared import own\n{SERVER}")
    zipped, unpacked = (task.run(state=state, target="local")["path"] for state in ("present", "unpacked"))
    assert file_of(zipped, "shared/both.py") == own["shared/both.py"]
    with zipfile.ZipFile(zipped) as archive:
        names = archive.namelist()
    assert len(names) == len(set(names)) and {"shared/part.py", "shared/own.py"} <= set(names)
    assert sum("shared/__pycache__/both." in name for name in names) == 1
    assert imported("tiny.server", Path(unpacked)) == ""


def imported(module: str, package: Path) -> str:
    """Import a module of an unpacked package as a server there would, and return what went wrong."""
    program = "import sys; sys.path[:0] = sys.argv[2:]; __import__(sys.argv[1])"
    folders = [str(package / name) for name in ("app", "dependencies")]
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-B", "-c", program, module, *folders], capture_output=True, text=True
    )
    return done.stderr


def test_unpacked_package_is_run_from_its_folders(tmp_path: Path, task: Task) -> None:
    result = task.run(state="unpacked", target="local", bucket="never-asked")
    package, (own,) = Path(result["path"]), result["release"]["packages"]
    assert (own["sha256"], own["bytes"], own["key"]) == (None, None, None) and own["unzipped"] > 0
    assert not [line for line in task.said if line.endswith("zip")]
    assert sorted(path.name for path in (package / "app").iterdir()) == ["pratiko_mcp", "tiny", "tiny-1.0.dist-info"]
    assert imported("tiny.server", package) == ""
    modes = {path.stat().st_mode & 0o777 for part in ("app", "dependencies/") for path in (package / part).rglob("*")}
    assert modes == {0o644, 0o755}
    task.said.clear()
    assert task.run(state="unpacked", target="local", bucket="never-asked") == result and task.said == []


def test_unpacked_package_without_its_dependencies_is_made_again(task: Task) -> None:
    result = task.run(state="unpacked", target="local")
    needed = (Path(result["path"]) / "dependencies").resolve()
    needed.parent.rename(needed.parent.with_name("gone"))
    assert task.run(state="unpacked", target="local") == result and needed.is_dir()


def test_dependencies_used_last_are_kept(tmp_path: Path, index: Path, task: Task) -> None:
    target = tmp_path / "cache" / "dependencies" / NATIVE
    for number in range(package_dependencies.KEPT + 1):
        write(target, {f"{number}/about.json": ""})
        os.utime(target / f"{number}", (number, number))
    task.run()
    found = {path.name for path in target.iterdir() if path.is_dir()}
    assert len(found) == package_dependencies.KEPT and not found & {"0", "1"}


def test_releases_of_one_target_push_out_none_of_another(tmp_path: Path) -> None:
    for number in range(package_build.RELEASES_KEPT + 5):
        folder = tmp_path / f"{number}" / ("lambda-arm64" if number < 2 else "local-folders")
        folder.mkdir(parents=True)
        os.utime(folder.parent, (number, number))
    package_build.forget_old(tmp_path)
    kept = range(5, package_build.RELEASES_KEPT + 5)
    assert {path.name for path in tmp_path.iterdir()} == {"0", "1", *map(str, kept)}


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("a==1 \\\n    --hash=sha256:1\n    # via -r x.in\n", True),
        ("a==1\n", False),
        ("-r other.lock\na==1 --hash=sha256:1\n", False),
        ("a @ https://example.org/a.whl --hash=sha256:1\n", False),
        ("./a.whl --hash=sha256:1\n", False),
    ],
)
def test_lock_decides_alone_when_it_has_hashes_and_reads_nothing_else(text: str, answer: bool) -> None:
    assert package_dependencies.decides(text) is answer


def test_what_pip_chose_is_pinned_by_hash_commit_or_release() -> None:
    digest = {"archive_info": {"hashes": {"sha256": "1f"}}}
    named = {"metadata": {"name": "a", "version": "1"}, "is_direct": False, "download_info": digest}
    assert package_dependencies.pinned([named], "0" * 12) == "a==1 --hash=sha256:1f\n"
    from_git = {"url": "https://h/r", "vcs_info": {"vcs": "git", "commit_id": "2e"}, "subdirectory": "sub"}
    direct = {"metadata": {"name": "b", "version": "1"}, "is_direct": True, "download_info": from_git}
    pinned = package_dependencies.pinned([named, direct], "0" * 12)
    assert pinned == "a==1  # 1f\nb @ git+https://h/r@2e#subdirectory=sub  # none\n"
    folder = {"metadata": {"name": "c", "version": "1"}, "is_direct": True, "download_info": {"url": "file:///c"}}
    assert package_dependencies.pinned([folder], "0" * 12).endswith(f"# {'0' * 12}\n")
