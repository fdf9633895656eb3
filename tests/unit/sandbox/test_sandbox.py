# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of the sandbox that need no emulator."""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import socket
import subprocess
import sys
import time
import typing as t
from pathlib import Path

import emulator
import processes
import pytest

# By name: mypy takes the directory of the same name for it.
sandbox_command = importlib.import_module("sandbox")
SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]


def record(path: Path, pid: int, started: str | None) -> Path:
    """Write a pid file as a process would."""
    path.write_text(json.dumps({"pid": pid, "started": started, "port": 1}))
    return path


@pytest.fixture
def sleeper() -> t.Iterator[subprocess.Popen[bytes]]:
    """A process that does nothing."""
    process = subprocess.Popen(SLEEP)
    yield process
    process.kill()
    process.wait()


def test_a_process_is_known_by_id_and_start_time(tmp_path: Path, sleeper: subprocess.Popen[bytes]) -> None:
    started = processes.process_start(sleeper.pid)
    assert processes.read_pid_file(record(tmp_path / "a.pid", sleeper.pid, started)) is not None
    assert processes.read_pid_file(record(tmp_path / "a.pid", sleeper.pid, "another time")) is None
    assert processes.read_pid_file(record(tmp_path / "a.pid", sleeper.pid, None)) is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": "x"}', "null"])
def test_a_broken_pid_file_names_nobody(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.pid").write_text(text)
    assert processes.read_pid_file(tmp_path / "a.pid") is None


def test_stop_ends_ours_and_spares_a_stranger(tmp_path: Path, sleeper: subprocess.Popen[bytes]) -> None:
    assert processes.stop(record(tmp_path / "a.pid", sleeper.pid, "another time"), 1.0) is False
    assert sleeper.poll() is None
    assert processes.stop(record(tmp_path / "a.pid", sleeper.pid, processes.process_start(sleeper.pid)), 1.0)
    assert processes.process_start(sleeper.pid) is None
    assert not (tmp_path / "a.pid").exists()


def test_stop_kills_what_does_not_listen(tmp_path: Path) -> None:
    program = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as process:
        assert process.stdout and process.stdout.readline()
        assert processes.stop(record(tmp_path / "a.pid", process.pid, processes.process_start(process.pid)), 0.2)
        assert processes.process_start(process.pid) is None


def test_a_zombie_counts_as_gone() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        deadline = time.monotonic() + 10
        while processes.process_start(process.pid) is not None and time.monotonic() < deadline:
            time.sleep(0.01)
        assert processes.process_start(process.pid) is None


def test_functions_that_outlived_the_emulator_are_found_by_their_place(tmp_path: Path) -> None:
    place = tmp_path / "tmp" / "ministack-lambda-x"
    with subprocess.Popen([*SLEEP, str(place / "_worker.py")]) as worker:
        # A process that has only just been made has no command line yet.
        deadline = time.monotonic() + 10
        while not processes.find_by_text(str(place)) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert processes.find_by_text(str(tmp_path / "other")) == []
        assert processes.kill_by_text(str(tmp_path / "tmp" / "ministack-")) == 1
        assert worker.wait(5) == -9


def test_the_holder_of_a_port_is_named() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        assert processes.port_is_free(port) is False
        assert processes.port_holder(port).startswith(f"process {os.getpid()} (")
    assert processes.port_is_free(port)
    assert processes.port_holder(port) == ""


def test_the_holder_of_a_port_is_named_in_one_line() -> None:
    program = "import socket, sys\ns = socket.create_server(('127.0.0.1', 0))\nprint(s.getsockname()[1], flush=True)\n"
    command = [sys.executable, "-c", program + "sys.stdin.read()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout
        named = processes.port_holder(int(holder.stdout.readline()))
        holder.communicate()
    assert named.startswith(f"process {holder.pid} (") and "import socket, sys s = " in named and "\n" not in named


def test_the_emulator_listens_on_loopback_and_inherits_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "mine")
    sandbox = sandbox_command.Sandbox(tmp_path, tmp_path / "python", 4566)
    environment = sandbox_command.emulator_environment(sandbox)
    assert environment["BIND_HOST"] == "127.0.0.1"
    assert "mine" not in environment.values()
    inside = [environment[key] for key in ("HOME", "TMPDIR", "STATE_DIR", "S3_DATA_DIR")]
    assert all(value.startswith(f"{tmp_path}{os.sep}") for value in inside)


def test_without_the_emulator_the_command_says_what_to_type(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert sandbox_command.main(["start", "--dir", str(tmp_path / "s")]) == 1
    assert "make venv" in capsys.readouterr().err


@pytest.mark.parametrize("port", ["", "0", "1023", "65301", "-1", "4566x"])
def test_a_port_out_of_range_is_refused(port: str) -> None:
    with pytest.raises(sandbox_command.SandboxError, match="from 1024 to 65300"):
        sandbox_command.port_number(port)


def test_state_is_saved_after_use_and_only_when_nothing_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(emulator.time, "monotonic", lambda: now)
    seen: list[bool] = []

    async def inner(_scope: t.Any, _receive: t.Any, _send: t.Any) -> None:
        seen.append(activity.quiet_since(0.0))

    activity = emulator.Activity(inner)
    assert not activity.quiet_since(0.0)
    asyncio.run(activity({"type": "http", "path": "/_ministack/ready"}, None, None))
    now = 200.0
    assert not activity.quiet_since(0.0)  # looking at the emulator is no use of it
    asyncio.run(activity({"type": "http", "path": "/bucket"}, None, None))
    assert not activity.quiet_since(0.0)  # just now
    now = 210.0
    assert activity.quiet_since(0.0)
    assert not activity.quiet_since(205.0)  # saved already
    assert seen == [False, False]
