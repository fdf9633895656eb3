# SPDX-License-Identifier: MIT
"""``python -m pratiko_mcp.develop``: edits go live, failed ones change nothing, what is killed comes back."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import os
import re
import signal
import site
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import watchfiles
from pratiko_mcp import develop

from tests.support.checkout import ROOT
from tests.support.emulated import free_ports

# Without the SDK: it starts in a moment.
SERVER = """
import asyncio

VERSION = "one"

async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    if scope["path"] == "/slow":
        await asyncio.sleep(2)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": VERSION.encode()})
"""
SECONDS = 30.0


class Runner:
    """The runner on a folder with one module."""

    def __init__(self, folder: Path, source: str = SERVER, *options: str, python: Sequence[str] = ()) -> None:
        self.port = free_ports(1)
        self.module = folder / "edited.py"
        self.log = folder.parent / "log"
        self.module.write_text(source, encoding="utf-8")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("MCP_", "PYTHON"))}
        env = {
            **kept,
            "PYTHONPATH": os.pathsep.join(map(str, (ROOT / "app" / "src", folder, *site.getsitepackages()))),
            "MCP_AUTH": "none",
            "MCP_ENTRYPOINT": "edited:app",
            "MCP_PUBLIC_URL": f"http://127.0.0.1:{self.port}",
        }
        command = [sys.executable, *python, "-m", "pratiko_mcp.develop", "--port", str(self.port), *options]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, env=env, cwd=folder, stdout=log, stderr=log)

    def edit(self, old: str, new: str) -> None:
        """Save the module with one text replaced."""
        self.module.write_text(self.module.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")

    def get(self, path: str = "/") -> tuple[int, str]:
        """Ask the server; (0, reason) where nobody takes the connection."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        except OSError as error:
            return 0, str(error)
        finally:
            connection.close()

    def says(self, text: str) -> bool:
        """Tell whether the log has a text."""
        return text in self.log.read_text(encoding="utf-8")

    def child(self) -> int:
        """Return the id of the process that serves."""
        return int(re.findall(r"live after [\d.]+ s, process (\d+)", self.log.read_text(encoding="utf-8"))[-1])

    def wait(self, condition: Callable[[], bool]) -> None:
        """Wait until something is so."""
        deadline = time.monotonic() + SECONDS
        while not condition():
            assert time.monotonic() < deadline, self.log.read_text(encoding="utf-8")[-3000:]
            time.sleep(0.1)

    def wait_for(self, version: str) -> None:
        """Wait until the server answers with a version."""
        self.wait(lambda: self.get() == (200, version))

    def end(self) -> None:
        """End it as a supervisor would."""
        self.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(20)
        self.process.kill()
        self.process.wait()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "source"
    made.mkdir()
    return made


@pytest.fixture
def runner(folder: Path) -> Iterator[Runner]:
    started = Runner(folder)
    try:
        started.wait_for("one")
        yield started
    finally:
        started.end()


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_failed_edit_keeps_the_last_good_one_and_the_next_good_edit_recovers(runner: Runner) -> None:
    runner.edit('"one"', '"two"')
    runner.wait_for("two")
    serving = runner.child()
    runner.edit("import asyncio", "import asyncio\nimport no_such_module")
    runner.wait(lambda: runner.says("the version before goes on serving"))
    assert runner.get() == (200, "two") and runner.child() == serving
    assert runner.says("Traceback (most recent call last)")
    assert runner.says("ModuleNotFoundError: No module named 'no_such_module'")
    runner.module.write_text(SERVER.replace('"one"', '"three"'), encoding="utf-8")
    runner.wait_for("three")


def test_two_edits_of_one_size_in_one_second_both_count(runner: Runner) -> None:
    """Python's bytecode remembers the second and the size of its source, and would be taken for that of the second."""
    for version in ("two", "six", "ten"):
        runner.edit(re.search(r'VERSION = "(\w+)"', runner.module.read_text())[1], version)  # type: ignore[index]
        runner.wait_for(version)


def test_calls_go_on_while_edits_go_live(runner: Runner) -> None:
    """Those in flight end on the version they began with, and none is refused or cut off."""
    answers: list[tuple[int, str]] = []
    ended = threading.Event()

    def ask() -> None:
        while not ended.is_set():
            answers.append(runner.get())
            time.sleep(0.02)

    slow: list[tuple[int, str]] = []
    threads = [threading.Thread(target=ask), threading.Thread(target=lambda: slow.append(runner.get("/slow")))]
    for thread in threads:
        thread.start()
    runner.edit('"one"', '"two"')
    runner.wait_for("two")
    ended.set()
    for thread in threads:
        thread.join(30)
    assert {status for status, _version in answers} == {200}, answers
    assert slow == [(200, "one")]


def test_new_folders_are_watched_and_ignored_ones_are_not(folder: Path) -> None:
    (folder / "reports").mkdir()
    runner = Runner(folder, SERVER, "--watch", str(folder), "--ignore", str(folder / "reports"))
    try:
        runner.wait_for("one")
        (folder / "reports" / "deployment.json").write_text("{}", encoding="utf-8")
        (folder / ".local").mkdir()
        (folder / ".local" / "used.json").write_text("{}", encoding="utf-8")
        (folder / "words").mkdir()
        runner.wait(lambda: runner.says("changed: words"))
        (folder / "words" / "greeting.py").write_text('WORD = "hello"\n', encoding="utf-8")
        runner.wait(lambda: runner.says("changed: greeting.py"))
        runner.edit('VERSION = "one"', "from words.greeting import WORD as VERSION")
        runner.wait_for("hello")
        runner.module.with_name("words").joinpath("greeting.py").write_text('WORD = "bye"\n', encoding="utf-8")
        runner.wait_for("bye")
        assert not runner.says(".json") and not runner.says("changed: .local")
    finally:
        runner.end()


def test_an_edit_before_the_watch_begins_is_seen(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in the moment in which a new folder is taken into the watch."""
    seen: list[Path] = []
    begin = watchfiles.awatch
    (folder / "gone.py").touch()
    (folder / "same.py").touch()

    def edit_first(*paths: Path, **options: Any) -> Any:
        if not seen:
            (folder / "late.py").touch()
            (folder / "late").mkdir()
            (folder / "gone.py").unlink()
        return begin(*paths, **options)

    async def note(files: Sequence[Path]) -> None:
        seen.extend(files)

    async def watch() -> None:
        with socket.socket() as listener:
            runner = develop.Runner(listener, (), [folder])
            monkeypatch.setattr(runner, "_edited", note)
            watching = asyncio.create_task(runner._watch())
            while not seen:
                await asyncio.sleep(0.01)
            (folder / "late" / "inside.py").touch()
            while folder / "late" / "inside.py" not in seen:
                await asyncio.sleep(0.01)
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)

    monkeypatch.setattr(watchfiles, "awatch", edit_first)
    asyncio.run(asyncio.wait_for(watch(), SECONDS))
    assert set(seen) == {folder / name for name in ("late.py", "late", "gone.py", "late/inside.py")}


def test_children_do_without_the_packages_that_the_runner_does_without(folder: Path) -> None:
    runner = Runner(folder, SERVER.replace('"one"', "str(__import__('sys').flags.no_site)"), python=["-S"])
    try:
        runner.wait_for("1")
    finally:
        runner.end()


def test_killed_server_comes_back(runner: Runner) -> None:
    killed = runner.child()
    os.kill(killed, signal.SIGKILL)
    runner.wait(lambda: runner.child() != killed)
    runner.wait_for("one")
    assert runner.says("the server ended after")


def test_source_that_never_started_is_said_and_mended_by_an_edit(folder: Path) -> None:
    runner = Runner(folder, "def broken(:\n")
    try:
        runner.wait(lambda: runner.get()[0] == 503)
        assert json.loads(runner.get()[1])["error"] == "server_not_running"
        assert runner.says("SyntaxError") and runner.says("nothing serves")
        runner.module.write_text(SERVER, encoding="utf-8")
        runner.wait_for("one")
    finally:
        runner.end()


def test_server_ends_with_its_runner(runner: Runner) -> None:
    """Also with one that was killed: else it would keep the port, and an old version in it."""
    child = runner.child()
    runner.process.kill()
    runner.process.wait()
    runner.wait(lambda: not is_alive(child))
    assert runner.get()[0] == 0


def test_orderly_end(runner: Runner) -> None:
    child = runner.child()
    runner.process.terminate()
    assert runner.process.wait(20) == 0
    assert not is_alive(child)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--watch", "/no/such/folder"], "--watch is '/no/such/folder'. Allowed: a folder that is there"),
        (["--host", "203.0.113.1"], "--port is 8000"),
    ],
)
def test_bad_arguments_are_one_sentence(arguments: list[str], said: str) -> None:
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "app" / "src")}
    done = subprocess.run(
        [sys.executable, "-m", "pratiko_mcp.develop", *arguments], env=env, capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 1
    assert said in done.stderr and "Traceback" not in done.stderr
