# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Release ids, packages of tiny servers from an index that is a folder, and every way in which a build can fail."""

from __future__ import annotations

import functools
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import threading
import time
import typing as t
import zipfile
from pathlib import Path

import pytest
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import (
    package,
    package_build,
    package_check,
    package_dependencies,
    package_install,
    package_pip,
    package_source,
    package_target,
    package_tree,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import Context, McpError

from tests.unit.plugins.tiny_server import (
    SERVER,
    make_index,
    make_project,
    make_runtime,
    make_wheel,
    pip_settings,
    write,
)

VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
ASGI_NOTE = (
    "the server is a plain ASGI application: which revisions of MCP it speaks shows only when it runs "
    "(the verification names the one it was answered in)"
)
NATIVE = f"sandbox-cp{sys.version_info.major}{sys.version_info.minor}-{platform.machine()}"


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Path]:
    """A package index that is a folder, and the only one that pip sees."""
    folder = make_index(tmp_path_factory.mktemp("index"))
    make_wheel(folder, "torn", "1.0", {"torn.py": "", "Requires-Dist": "served>=1.3"})
    make_wheel(folder, "useful", "1.0", {"useful.py": ""})
    more = {"Requires-Dist": "useful; extra == 'more'\nProvides-Extra: more"}
    make_wheel(folder, "served", "1.3", {"served.py": "async def app(scope, receive, send): pass\n", **more})
    with pytest.MonkeyPatch.context() as patch:
        for name in [key for key in os.environ if key.startswith("PIP_")]:
            patch.delenv(name)
        for name, value in pip_settings(folder).items():
            patch.setenv(name, value)
        yield folder


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory, index: Path) -> Path:
    """A runtime with two locked requirements."""
    return make_runtime(tmp_path_factory.mktemp("runtime"), index)


class Task:
    """Calls of ``run`` with one cache, no bucket."""

    def __init__(self, folder: Path, runtime: Path, **params: t.Any) -> None:
        defaults = {name: option.get("default") for name, option in package.ARGUMENT_SPEC.items()}
        own = {"runtime_source": str(runtime), "build_dir": str(folder / "cache"), "entrypoint": "tiny.server:app"}
        self.params = {**defaults, **own, "target": "sandbox", "python_version": VERSION, **params}
        self.said: list[str] = []

    def run(self, check_mode: bool = False, **params: t.Any) -> dict[str, t.Any]:
        ctx = Context({**self.params, **params}, lambda *_any: None, check_mode=check_mode, progress=self.said.append)
        return package.run(ctx)


class Built(t.NamedTuple):
    task: Task
    project: Path
    result: dict[str, t.Any]

    @property
    def archive(self) -> zipfile.ZipFile:
        return zipfile.ZipFile(self.result["path"])


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, runtime: Path) -> Built:
    """One package for this machine."""
    folder = tmp_path_factory.mktemp("built")
    project = make_project(folder / "project")
    task = Task(folder, runtime, source=str(project))
    return Built(task, project, task.run())


def test_package_holds_server_dependencies_and_runtime(built: Built) -> None:
    names = set(built.archive.namelist())
    assert {"tiny/server.py", "helper/__init__.py", "tokens.py", "pratiko_mcp/__init__.py"} <= names
    assert "tiny-1.0.dist-info/METADATA" in names
    assert not [name for name in names if name.startswith(("boto3", "botocore")) or "/tests/" in name]
    assert not [name for name in names if name.endswith(("RECORD", "INSTALLER", "REQUESTED", "direct_url.json"))]
    release = built.result["release"]
    assert release["left_out"] == ["boto3", "botocore"]
    assert any("left out" in line and "boto3" in line for line in built.task.said)
    assert f"building {NATIVE} package: dependencies" in built.task.said
    (own,) = release["packages"]
    assert own["target"] == NATIVE and own["key"] == f"releases/{release['id']}/{NATIVE}.zip"
    content = Path(built.result["path"]).read_bytes()
    assert own["bytes"] == len(content) and own["sha256"] == hashlib.sha256(content).hexdigest()
    assert built.result["changed"] is False


def test_runtime_lock_pins_what_the_server_leaves_open(built: Built) -> None:
    assert b"new" not in built.archive.read("helper/__init__.py")


def test_zip_is_plain_and_its_bytecode_is_used(built: Built, tmp_path: Path) -> None:
    entries = built.archive.infolist()
    assert [entry.filename for entry in entries] == sorted(entry.filename for entry in entries)
    assert {entry.date_time for entry in entries} == {(1980, 1, 1, 0, 0, 0)}
    assert {entry.external_attr >> 16 for entry in entries} <= {0o100644, 0o100755}
    assert built.result["release"]["bytecode"] is True
    built.archive.extractall(tmp_path)
    program = "import sys; sys.path.insert(0, sys.argv[1]); import tokens; print(tokens.version)"
    (tmp_path / "tokens.py").write_text("version = 'from source'\n")
    done = subprocess.run([sys.executable, "-I", "-S", "-c", program, str(tmp_path)], capture_output=True, text=True)
    assert done.stdout.strip() == "3"


def test_source_folder_is_left_as_it_was(built: Built) -> None:
    found = sorted(path.relative_to(built.project).as_posix() for path in built.project.rglob("*") if path.is_file())
    assert found == ["backend.py", "pyproject.toml", "src/tiny/__init__.py", "src/tiny/server.py"]


def test_another_machines_copy_gives_equal_bytes(built: Built, tmp_path: Path, runtime: Path) -> None:
    copy = shutil.copytree(built.project, tmp_path / "elsewhere" / "project")
    for name in ("src/tiny/server.py", "pyproject.toml"):
        os.utime(copy / name, (1, 1))
    write(copy, {"src/tiny/__pycache__/x.pyc": "x", ".git/HEAD": "x", "tests/test_x.py": "x", ".venv/y.py": "y"})
    other_runtime = shutil.copytree(runtime, tmp_path / "runtime")
    again = Task(tmp_path, other_runtime, source=str(copy)).run()
    assert again["release"]["id"] == built.result["release"]["id"]
    assert again["path"] != built.result["path"]
    assert again["release"]["packages"] == built.result["release"]["packages"]


def test_second_run_builds_nothing(built: Built) -> None:
    before = len(built.task.said)
    assert built.task.run() == built.result
    assert len(built.task.said) == before


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Replace the build by a moment's pause and a file; return the targets that were built."""
    targets: list[str] = []

    def make(_build: package_install.Build, target: package_target.Target, work: Path) -> dict[str, t.Any]:
        targets.append(target.name)
        time.sleep(0.1)
        write(work, {"out/package.zip": "zip"})
        return {"target": target.name, "sha256": "x", "bytes": 3, "unzipped": 3}

    monkeypatch.setattr(package_build, "make", make)
    return targets


def test_damaged_cache_is_built_again(built: Built, tmp_path: Path, quick: list[str]) -> None:
    path = Path(built.task.run(build_dir=str(tmp_path))["path"])
    path.write_bytes(b"damaged")
    (path.parents[1] / ".building-killed").mkdir()
    assert built.task.run(build_dir=str(tmp_path))["path"] == str(path)
    assert path.read_bytes() == b"zip" and len(quick) == 2
    assert not list(tmp_path.rglob(".building-*"))


def test_two_builds_at_once_build_once(built: Built, tmp_path: Path, quick: list[str]) -> None:
    results: list[dict[str, t.Any]] = []
    threads = [
        threading.Thread(target=lambda: results.append(built.task.run(build_dir=str(tmp_path)))) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results[0] == results[1] and quick == [NATIVE]


def test_check_mode_knows_id_and_key_and_builds_nothing(built: Built, tmp_path: Path) -> None:
    result = built.task.run(check_mode=True, build_dir=str(tmp_path / "none"))
    assert result["release"]["id"] == built.result["release"]["id"] and result["path"] is None
    (own,) = result["release"]["packages"]
    assert own["sha256"] is None and own["key"] == built.result["release"]["packages"][0]["key"]
    assert result["release"]["degraded"] == [] and result["release"]["server"] is None
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("name", ["source", "entrypoint", "python_version", "runtime", "runtime lock", "declarations"])
def test_everything_that_matters_changes_the_id(built: Built, tmp_path: Path, runtime: Path, name: str) -> None:
    project = shutil.copytree(built.project, tmp_path / "project")
    runtime = shutil.copytree(runtime, tmp_path / "runtime")
    params: dict[str, t.Any] = {"source": str(project), "runtime_source": str(runtime)}
    changed = {
        "source": project / "src/tiny/server.py",
        "declarations": project / "pyproject.toml",
        "runtime": runtime / "src/pratiko_mcp/__init__.py",
        "runtime lock": runtime / "requirements.lock",
    }
    if name in changed:
        with changed[name].open("a") as stream:
            stream.write("# changed\n")
    elif name == "entrypoint":
        params[name] = "tiny.server:other"
    else:
        params[name] = "3.99"
    assert built.task.run(check_mode=True, **params)["release"]["id"] != built.result["release"]["id"]


def test_other_machine_gets_its_own_wheels_and_is_tried_here(tmp_path: Path, runtime: Path) -> None:
    server = "import binary\nasync def app(scope, receive, send):\n    pass\n"
    project = make_project(tmp_path / "project", server, ["binary"])
    task = Task(tmp_path, runtime, source=str(project), target="lambda-arm64")
    result = task.run()
    with zipfile.ZipFile(result["path"]) as archive:
        assert b"arm" in archive.read("binary.py")
    assert result["release"]["bytecode"] is True and result["release"]["server"]["kind"] == "ASGI"
    assert result["release"]["degraded"] == [ASGI_NOTE]
    assert any("trying tiny.server:app on this machine" in line for line in task.said)


@pytest.mark.parametrize("first", ["sandbox", "lambda-x86_64"])
def test_server_is_tried_once_for_all_machines(tmp_path: Path, runtime: Path, first: str) -> None:
    task = Task(tmp_path, runtime, source=str(make_project(tmp_path / "project")))
    server = task.run(target=first)["release"]["server"]
    assert server["kind"] == "ASGI"
    task.said.clear()
    assert task.run(target="lambda-arm64")["release"]["server"] == server
    assert not any("trying" in line for line in task.said)


def test_without_the_targets_python_the_result_says_what_is_missing(
    tmp_path: Path, runtime: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(package_target, "find_python", lambda _version: None)
    project = make_project(tmp_path / "project")
    arm = {"source": str(project), "target": "lambda-arm64", "python_version": "3.99"}
    result = Task(tmp_path, runtime, **arm).run()
    release = result["release"]
    assert release["bytecode"] is False
    with zipfile.ZipFile(result["path"]) as archive:
        assert not [name for name in archive.namelist() if name.endswith(".pyc")]
    planned = Task(tmp_path / "other", runtime, **arm).run(check_mode=True)["release"]
    assert planned["degraded"] == [release["degraded"][1]]
    tried, bytecode, asgi = release["degraded"]
    assert asgi == ASGI_NOTE
    assert f"tried with Python {VERSION}" in tried and "no bytecode" in bytecode and "3.99" in bytecode


def test_own_lock_of_the_server_is_obeyed_with_hashes(tmp_path: Path, runtime: Path, index: Path) -> None:
    project = make_project(tmp_path / "project", "import helper\nasync def app(a, b, c):\n    helper.new\n", ["helper"])
    digest = hashlib.sha256((index / "helper-2.0-py3-none-any.whl").read_bytes()).hexdigest()
    (project / "requirements.lock").write_text(f"helper==2.0 --hash=sha256:{digest}\n")
    result = Task(tmp_path, runtime, source=str(project)).run()
    with zipfile.ZipFile(result["path"]) as archive:
        assert b"new" in archive.read("helper/__init__.py")
    assert result["release"]["degraded"][0].endswith("was tested with: helper 2.0 instead of 1.0")
    (project / "requirements.lock").write_text(f"helper==2.0 --hash=sha256:{'1' * 64}\n")
    with pytest.raises(McpError, match=r"(?i)hash"):
        Task(tmp_path, runtime, source=str(project)).run()


def test_server_that_wants_other_versions_than_the_runtime_gets_them(tmp_path: Path, runtime: Path) -> None:
    project = make_project(tmp_path / "project", SERVER, ["helper", "boto3", "tokens<3"])
    result = Task(tmp_path, runtime, source=str(project)).run()
    with zipfile.ZipFile(result["path"]) as archive:
        assert archive.read("tokens.py") == b"version = 2\n"
    note, asgi = result["release"]["degraded"]
    assert asgi == ASGI_NOTE and note.endswith("was tested with: helper 2.0 instead of 1.0, tokens 2.0 instead of 3.0")


@pytest.fixture
def strict_runtime(tmp_path: Path, runtime: Path) -> Path:
    """A runtime that says which versions it can live with."""
    copy = shutil.copytree(runtime, tmp_path / "strict")
    return write(copy, {"requirements.in": "# why\ntokens>=3\nhelper\n"})


def require_clash(error: McpError, *parts: str) -> None:
    assert "the server and the runtime share one package and cannot: " in error.message
    assert error.details["variable"] == "mcp_app_source"
    for part in parts:
        assert part in error.message, error.message


def test_server_that_excludes_the_runtime_is_refused_with_both_named(tmp_path: Path, strict_runtime: Path) -> None:
    project = make_project(tmp_path / "project", SERVER, ["helper", "boto3", "tokens<3"])
    require_clash(
        refusal(Task(tmp_path, strict_runtime, source=str(project)).run),
        "the runtime needs tokens>=3",
        "tiny 1.0 depends on tokens<3",
    )


def test_server_whose_lock_excludes_the_runtime_is_refused(tmp_path: Path, strict_runtime: Path) -> None:
    project = make_project(tmp_path / "project", "async def app(a, b, c): ...\n", ["tokens"])
    (project / "requirements.lock").write_text("tokens==2.0\n")
    require_clash(
        refusal(Task(tmp_path, strict_runtime, source=str(project)).run),
        "the runtime needs tokens>=3",
        "its lock has tokens==2.0",
    )
    (project / "requirements.lock").write_text("tokens==3.0\n")
    assert Task(tmp_path, strict_runtime, source=str(project)).run()["path"]


def test_other_versions_that_fit_the_runtime_are_taken(tmp_path: Path, strict_runtime: Path) -> None:
    project = make_project(tmp_path / "project", SERVER, ["helper>1", "boto3"])
    result = Task(tmp_path, strict_runtime, source=str(project)).run()
    assert result["release"]["degraded"][0].endswith("was tested with: helper 2.0 instead of 1.0")
    with zipfile.ZipFile(result["path"]) as archive:
        assert archive.read("tokens.py") == b"version = 3\n"


def test_server_whose_own_dependencies_exclude_each_other(tmp_path: Path, strict_runtime: Path) -> None:
    project = make_project(tmp_path / "project", SERVER, ["helper", "boto3", "served<1.3", "torn"])
    error = refusal(Task(tmp_path, strict_runtime, source=str(project)).run)
    assert "these exclude each other: " in error.message
    assert "tiny 1.0 depends on served<1.3" in error.message and "torn 1.0 depends on served>=1.3" in error.message


def test_smaller_lock_of_the_runtime_is_preferred(tmp_path: Path, runtime: Path) -> None:
    copy = shutil.copytree(runtime, tmp_path / "runtime")
    (copy / "requirements-runtime.lock").write_text("")
    assert package_source.runtime_lock(str(copy)).name == "requirements-runtime.lock"
    assert package_source.runtime_lock(str(runtime)).name == "requirements.lock"


def test_server_from_the_index(tmp_path: Path, runtime: Path) -> None:
    result = Task(tmp_path, runtime, source="served == 1.2", entrypoint="served:app").run()
    assert result["release"]["source"] == "served==1.2"
    assert "served.py" in zipfile.ZipFile(result["path"]).namelist()


def test_extras_of_a_server_from_the_index_are_installed(tmp_path: Path, runtime: Path) -> None:
    task = Task(tmp_path, runtime, entrypoint="served:app")
    plain, extra = task.run(source="served==1.3"), task.run(source="served[more]==1.3")
    assert plain["release"]["id"] != extra["release"]["id"] and extra["release"]["source"] == "served[more]==1.3"
    assert "useful.py" in zipfile.ZipFile(extra["path"]).namelist()
    assert "useful.py" not in zipfile.ZipFile(plain["path"]).namelist()


def test_server_from_git(tmp_path: Path, runtime: Path) -> None:
    project = make_project(tmp_path / "server")
    git = ["git", "-C", str(project), "-c", "user.name=a", "-c", "user.email=a@b"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "x"]):
        subprocess.run([*git, *command], check=True)
    commit = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()
    write(project, {"src/tiny/server.py": "raise RuntimeError('after the commit')\n"})
    result = Task(tmp_path, runtime, source=f"git+file://{project}@{commit}").run()
    assert result["release"]["source"].endswith(commit)
    assert zipfile.ZipFile(result["path"]).read("tiny/server.py") == SERVER.encode()


def test_server_as_a_wheel(tmp_path: Path, runtime: Path) -> None:
    files = {"served.py": "async def app(scope, receive, send): pass\n"}
    wheel = make_wheel(tmp_path / "a", "served", "1.0", files)
    result = Task(tmp_path, runtime, source=str(wheel), entrypoint="served:app").run()
    assert result["release"]["source"] == wheel.name and result["release"]["bytecode"]


def refusal(action: t.Callable[[], t.Any]) -> McpError:
    with pytest.raises(McpError) as caught:
        action()
    return caught.value


def test_wheel_for_another_platform_is_refused(tmp_path: Path, runtime: Path) -> None:
    wheel = make_wheel(tmp_path / "a", "served", "1.0", {"served.py": ""}, "py3-none-win_amd64")
    error = refusal(Task(tmp_path, runtime, source=str(wheel), entrypoint="served:app").run)
    assert "mcp_app_source" in error.message and wheel.name in error.message and NATIVE in error.message


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("./missing", "there is nothing at"),
        ("/missing/x-1.0-py3-none-any.whl", "there is nothing at"),
        ("???", "this is no source"),
        ("git+", "this is no source"),
        ("git+https://user:secret@example.invalid/a/b@main", "a branch or tag can move"),
    ],
)
def test_source_that_is_none_is_refused(value: str, words: str) -> None:
    error = refusal(lambda: package_source.parse_source(value))
    assert error.message.startswith("mcp_app_source is ") and words in error.message and "secret" not in error.message
    assert error.details["variable"] == "mcp_app_source"


def test_folder_without_a_project_is_refused(tmp_path: Path) -> None:
    error = refusal(lambda: package_source.parse_source(str(tmp_path)))
    assert "has no pyproject.toml" in error.message and "build-backend" in error.message


def test_git_is_asked_for_the_commit(tmp_path: Path) -> None:
    repository = tmp_path / "repo"
    git = ["git", "-C", str(repository), "-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run(["git", "init", "-q", str(repository)], check=True)
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "x"], check=True)
    commit = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()
    url = f"git+file://{repository}"
    for text, fragment in ((url, ""), (f"{url}@HEAD#subdirectory=a", "#subdirectory=a")):
        error = refusal(functools.partial(package_source.parse_source, text))
        assert f"Name the commit: {url}@{commit}{fragment}." in error.message
    pinned = package_source.parse_source(f"{url}@{commit}")
    assert pinned.kind == "git" and pinned.text == f"{url}@{commit}"


def test_password_in_a_git_address_is_neither_shown_nor_hashed() -> None:
    address = "example.invalid/a/b@" + "0" * 40
    source = package_source.parse_source(f"git+https://user:secret@{address}")
    assert source.label == f"git+https://{address}"


def test_missing_git_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert "git is not installed" in refusal(lambda: package_source.parse_source("git+https://h/r")).message


def test_unpinned_name_is_refused_with_the_pinned_form(index: Path) -> None:
    assert "Pin it: served==" in refusal(lambda: package_source.parse_source("served>=1")).message


def test_newest_version_is_read_from_the_index(monkeypatch: pytest.MonkeyPatch) -> None:
    said = "served (1.4)\nAvailable versions: 1.4, 1.2\n"
    monkeypatch.setattr(package_pip, "_run", lambda *_any: (0, said))
    error = refusal(lambda: package_source.parse_source("served[extra]"))
    assert "Pin it: served[extra]==1.4" in error.message


@pytest.mark.parametrize("entrypoint", ["app", "tiny.server", "tiny/server:app", "tiny.server:", "a:b c", "a..b:c"])
def test_entrypoint_without_the_form_is_refused(entrypoint: str) -> None:
    error = refusal(lambda: package_check.check_form(entrypoint))
    assert error.details == {"variable": "mcp_app_entrypoint", "value": entrypoint}
    assert "package.module:object" in error.message


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """An unpacked package with servers of every kind."""
    files = {
        "pratiko_mcp/__init__.py": "",
        "good.py": "class MCPServer:\n    def streamable_http_app(self): ...\nmcp = MCPServer()\n",
        "fast.py": "class FastMCP:\n    def http_app(self): ...\nclass holder: mcp = FastMCP()\n",
        "asgi.py": "import boto3\nclass App:\n    async def __call__(self, scope, receive, send): ...\napp = App()\n",
        "bad.py": "number = 1\ndef factory(): ...\nclass FastMCP:\n    def http_app(self): ...\n",
        "env.py": "import os\nvalue = os.environ['MY_URL']\nasync def app(a, b, c): ...\n",
        "deep.py": "def f():\n    raise ValueError('no database: http://x')\nf()\n",
        "lonely.py": "import pytest\n",
        "exits.py": "import sys\nsys.exit('bye')\n",
    }
    return write(tmp_path / "site", files)


SDK_2 = {
    "mcp_types/__init__.py": "from . import version\n",
    "mcp_types/version.py": "HANDSHAKE_PROTOCOL_VERSIONS = ['2025-11-25']\nMODERN_PROTOCOL_VERSIONS = ['2026-07-28']\n",
    "mcp/__init__.py": "import mcp_types\n",
    "mcp/server/__init__.py": "",
    "mcp/server/mcpserver/__init__.py": "class MCPServer:\n    def streamable_http_app(self): ...\n",
    "mcp-2.3.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: mcp\nVersion: 2.3.0\n",
}
SDK_1 = {
    "mcp/__init__.py": "from mcp.shared import version\n",
    "mcp/shared/__init__.py": "",
    "mcp/shared/version.py": "SUPPORTED_PROTOCOL_VERSIONS = ['2024-11-05', '2025-11-25']\n",
    "mcp/server/__init__.py": "",
    "mcp/server/fastmcp/__init__.py": "class FastMCP:\n    def streamable_http_app(self): ...\n",
    "mcp-1.30.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: mcp\nVersion: 1.30.0\n",
}
FASTMCP = {"fastmcp/__init__.py": "import mcp\nclass FastMCP:\n    def http_app(self): ...\n"}
BOTH = ["session", "stateless"]


@pytest.mark.parametrize(
    ("files", "server", "answer"),
    [
        (SDK_2, "from mcp.server.mcpserver import MCPServer as Any", ("MCPServer", "mcp", "2.3.0", BOTH)),
        (SDK_1, "from mcp.server.fastmcp import FastMCP as Any", ("FastMCP", "mcp", "1.30.0", ["session"])),
        (SDK_2 | FASTMCP, "from fastmcp import FastMCP as Any", ("fastmcp", "mcp", "2.3.0", BOTH)),
        (SDK_1 | FASTMCP, "from fastmcp import FastMCP as Any", ("fastmcp", "mcp", "1.30.0", ["session"])),
        (SDK_2, "class Any:\n    async def __call__(self, scope, receive, send): ...", ("ASGI", None, None, None)),
        (SDK_2, "class Any:\n    def http_app(self): ...", ("other", None, None, None)),
        ({}, "class MCPServer:\n    def streamable_http_app(self): ...\nAny = MCPServer", ("other", None, None, None)),
    ],
)
def test_kind_of_server_is_asked_from_its_sdk(
    tmp_path: Path, files: dict[str, str], server: str, answer: tuple[t.Any, ...]
) -> None:
    site = write(
        tmp_path, {"pratiko_mcp/__init__.py": "", **files, "main.py": f"{server}\nclass Own(Any): ...\nmcp = Own()\n"}
    )
    found = package_check.check_entrypoint(site, sys.executable, "main:mcp", {})
    assert tuple(found[name] for name in ("kind", "sdk", "sdk_version", "eras")) == answer


def test_shortcomings_are_those_of_the_kind() -> None:
    server = {"kind": "MCPServer", "sdk": "mcp", "sdk_version": "2.3.0", "eras": BOTH}
    assert package_check.shortcomings(server) == [] == package_check.shortcomings(None)
    (old,) = package_check.shortcomings({**server, "sdk_version": "1.30.0", "eras": ["session"]})
    assert "mcp 1.30.0" in old and "2026-07-28" in old and "sampling, elicitation" in old
    assert package_check.shortcomings({**server, "kind": "ASGI", "eras": None}) == [ASGI_NOTE]
    (other,) = package_check.shortcomings({**server, "kind": "other", "eras": None})
    assert "of no known SDK" in other


@pytest.mark.parametrize("entrypoint", ["good:mcp", "fast:holder.mcp", "asgi:app"])
def test_entrypoint_that_can_be_served(site: Path, entrypoint: str) -> None:
    assert package_check.check_entrypoint(site, sys.executable, entrypoint, {})["kind"] in ("other", "ASGI")


@pytest.mark.parametrize(
    ("entrypoint", "words"),
    [
        ("missing:app", "ModuleNotFoundError: No module named 'missing'"),
        ("good:nothing", "AttributeError: module 'good' has no attribute 'nothing'"),
        ("bad:number", "it is of type builtins.int"),
        ("bad:factory", "it is of type builtins.function"),
        ("bad:FastMCP", "it is of type builtins.type"),
        ("deep:app", "ValueError: no database: http://x"),
        ("lonely:app", "ModuleNotFoundError: No module named 'pytest'"),
        ("exits:app", "bye"),
        ("env:app", "KeyError: 'MY_URL'"),
    ],
)
def test_entrypoint_that_cannot_be_served(site: Path, entrypoint: str, words: str) -> None:
    error = refusal(lambda: package_check.check_entrypoint(site, sys.executable, entrypoint, {}))
    assert f"mcp_app_entrypoint is '{entrypoint}'" in error.message and words in error.message
    assert "MCPServer, a FastMCP or an ASGI application" in error.message


def test_server_gets_the_variables_it_wants(site: Path) -> None:
    assert package_check.check_entrypoint(site, sys.executable, "env:app", {"MY_URL": "x"})


def test_entrypoint_that_hangs_is_stopped(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(site, {"slow.py": "import time\ntime.sleep(60)\n"})
    monkeypatch.setattr(package_check, "SECONDS", 0.5)
    assert (
        "more than 0.5 seconds"
        in refusal(lambda: package_check.check_entrypoint(site, sys.executable, "slow:app", {})).message
    )


def test_nothing_half_made_is_left(tmp_path: Path, runtime: Path) -> None:
    project = make_project(tmp_path / "project", "raise RuntimeError('broken')\n")
    error = refusal(Task(tmp_path, runtime, source=str(project)).run)
    assert "RuntimeError: broken" in error.message
    # What it needs is complete, and spares the next attempt its time.
    assert [path.name for path in (tmp_path / "cache" / "releases").rglob("*") if path.is_file()] == ["build.lock"]
    assert not list((tmp_path / "cache").rglob(".building-*"))


def test_package_over_the_limit_names_the_largest(tmp_path: Path, runtime: Path) -> None:
    project = make_project(tmp_path / "project")
    write(project, {"src/heavy/__init__.py": "x = 1\n" * 50000})
    error = refusal(Task(tmp_path, runtime, source=str(project), max_bytes=100000).run)
    assert "mcp_package_max_bytes is 100000" in error.message and "Largest, in MiB: heavy " in error.message
    assert error.details["bytes"] > 100000
    assert not list((tmp_path / "cache").rglob("*.zip"))


@pytest.mark.parametrize("check_mode", [True, False])
def test_limit_holds_for_a_package_that_is_there_already(built: Built, check_mode: bool) -> None:
    (own,) = built.result["release"]["packages"]
    assert own["unzipped"] == sum(entry.file_size for entry in built.archive.infolist())
    error = refusal(lambda: built.task.run(check_mode, max_bytes=own["unzipped"] - 1))
    assert (
        f"mcp_package_max_bytes is {own['unzipped'] - 1}" in error.message and error.details["bytes"] == own["unzipped"]
    )
    assert built.task.run(check_mode, max_bytes=own["unzipped"]) == built.result


def test_unreachable_index_is_named(tmp_path: Path, runtime: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.delenv("PIP_FIND_LINKS")
    monkeypatch.setenv("PIP_INDEX_URL", "http://me:secret@127.0.0.1:9/simple")
    error = refusal(Task(tmp_path, runtime, source=str(make_project(tmp_path / "project"))).run)
    assert "index http://127.0.0.1:9/simple cannot be reached" in error.message and "secret" not in error.message
    assert "export PIP_INDEX_URL=" in error.message
    assert not list((tmp_path / "cache").rglob("*.zip"))


def test_dependency_that_does_not_exist_is_named(tmp_path: Path, runtime: Path) -> None:
    project = make_project(tmp_path / "project", SERVER, ["nowhere-to-be-found"])
    error = refusal(Task(tmp_path, runtime, source=str(project)).run)
    assert (
        "nowhere-to-be-found" in error.message
        and "Only wheels" in error.message
        and "cannot be reached" not in error.message
    )


def test_missing_pip_is_told() -> None:
    error = package_pip.explain("install", "/venv/bin/python: No module named pip")
    assert f"{sys.executable} -m ensurepip" in error.message


def test_lock_loses_entries_with_their_hashes() -> None:
    lock = "A_b==1 \\\n    --hash=sha256:1\n    # via x\nc==2 ; python_version < '3.13' \\\n    --hash=sha256:2\n"
    assert package_dependencies.lock_without(lock, {"a-b"}) == lock[lock.index("c==2") :]
    assert package_dependencies.pins(lock) == "A_b==1\nc==2\n"


def test_runtime_that_is_none_is_told(tmp_path: Path) -> None:
    assert "Point it at the folder app/" in refusal(lambda: package_source.runtime_folder(str(tmp_path))).message


def test_interpreters_that_do_not_run_are_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shim = tmp_path / "python3.99"
    shim.write_text("#!/bin/sh\nexit 127\n")
    shim.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert package_target.find_python("3.99") is None
    error = refusal(lambda: package_target.resolve_target("sandbox", str(shim), VERSION))
    assert "sandbox_python" in error.message and "does not run" in error.message
    assert "python_version is '3'" in refusal(lambda: package_target.resolve_target("sandbox", None, "3")).message


def test_wheels_of_lambda_are_those_its_glibc_runs() -> None:
    new = package_target.Target("lambda-arm64", "3.13", None, None).pip_options
    old = package_target.Target("lambda-x86_64", "3.11", None, None).pip_options
    assert "manylinux_2_34_aarch64" in new and "manylinux_2_35_aarch64" not in new and "manylinux2014_aarch64" in new
    assert "manylinux_2_26_x86_64" in old and "manylinux_2_27_x86_64" not in old
    assert new[new.index("--python-version") + 1] == "3.13"


def test_packages_of_instances_have_what_lambda_brings_by_itself() -> None:
    real = package_target.resolve_target("ec2-x86_64", None, "3.11")
    assert real.standalone and real.python is None
    # Amazon Linux 2023 has its glibc whatever the Python.
    assert "manylinux_2_34_x86_64" in real.pip_options and "manylinux_2_35_x86_64" not in real.pip_options
    here = package_target.resolve_target("ec2-sandbox", sys.executable, "3.13")
    assert here.standalone and here.python == sys.executable and here.name.startswith("ec2-sandbox-cp3")


def test_cache_keeps_the_newest_releases(tmp_path: Path) -> None:
    for number in range(package_build.RELEASES_KEPT + 2):
        folder = tmp_path / f"{number}"
        folder.mkdir()
        os.utime(folder, (number, number))
    package_build.forget_old(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {str(n) for n in range(2, package_build.RELEASES_KEPT + 2)}


def test_own_tests_of_the_server_stay(tmp_path: Path) -> None:
    files = {"own/tests/x.py": "", "other/tests/x.py": "", "own-1.dist-info/RECORD": "own/tests/x.py,,\n"}
    package_tree.strip(write(tmp_path, files), "own")
    assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()] == [
        "own/tests/x.py"
    ]
