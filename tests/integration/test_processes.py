# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""processes on a real supervisord: only what differs is restarted, what is killed comes back, what fails says why."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import tempfile
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import processes
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import Context, McpError

from tests.support.emulated import free_ports

SUPERVISORD = str(Path(sys.executable).parent / "supervisord")
HEAD = """
[supervisord]
logfile=%(here)s/logs/supervisord.log
pidfile=%(here)s/run/supervisord.pid
[unix_http_server]
file=%(here)s/run/control
[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
"""
PROGRAM = """
[program:{name}]
command={command}
environment=MCP_READS="{reads}"
autostart=false
autorestart=true
startretries=100
redirect_stderr=true
stdout_logfile=%(here)s/logs/{name}.log
"""


class Folder:
    """A folder with a supervisord of its own, and web servers as its programs."""

    def __init__(self, path: Path) -> None:
        self.path = path
        first = free_ports(2)
        self.ports = {"one": first, "two": first + 1}
        self.reads = dict.fromkeys(self.ports, "a")
        self.commands = {
            name: f"{sys.executable} -m http.server --bind 127.0.0.1 --directory %(here)s/run {port}"
            for name, port in self.ports.items()
        }
        for name in ("logs", "run"):
            (path / name).mkdir()

    def run(self, state: str = "present", check_mode: bool = False, **options: t.Any) -> dict[str, t.Any]:
        """Run the module on the programs as they are described now."""
        programs = [
            PROGRAM.format(name=name, command=command, reads=self.reads[name])
            for name, command in self.commands.items()
        ]
        params = {
            "directory": str(self.path),
            "supervisord": SUPERVISORD,
            "config": HEAD + "".join(programs),
            "services": None,
            "probes": self.ports,
            "patience": 30,
            "state": state,
            **options,
        }
        return processes.run(Context(params, lambda _service, _region: pytest.fail("asked AWS"), check_mode=check_mode))

    def actions(self, **options: t.Any) -> dict[str, str]:
        """Return what the module does to each program."""
        return {action["service"]: action["action"] for action in self.run(**options)["actions"]}

    def pids(self) -> dict[str, int]:
        """Return the process of each program that runs."""
        return {name: service["pid"] for name, service in self.run("queried")["status"].items()}

    def wait_until_healthy(self) -> dict[str, t.Any]:
        """Wait until every program answers, and return how they are."""
        deadline = time.monotonic() + 30
        while True:
            status = self.run("queried")["status"]
            if all(service["health"] == "healthy" for service in status.values()):
                return status
            assert time.monotonic() < deadline, status
            time.sleep(0.1)


@pytest.fixture
def folder() -> t.Iterator[Folder]:
    # A socket's path must be short, and those of pytest are not.
    made = Folder(Path(tempfile.mkdtemp(prefix="mcp-processes-")))
    try:
        yield made
    finally:
        with contextlib.suppress(McpError):
            made.run("absent")
        shutil.rmtree(made.path)


def test_only_what_differs_is_restarted(folder: Folder) -> None:
    assert folder.actions(check_mode=True) == {"one": "create", "two": "create"}
    assert not (folder.path / "supervisord.conf").exists()
    assert folder.run()["changed"]
    before = folder.pids()
    again = folder.run()
    assert not again["changed"] and folder.pids() == before

    folder.reads["two"] = "b"
    assert folder.actions(state="planned") == folder.actions(check_mode=True) == {"one": "none", "two": "update"}
    assert folder.pids() == before
    # Who is left out stays as it is, until somebody may touch it.
    assert folder.actions(services=["one"]) == {"one": "none"}
    assert folder.pids() == before
    assert folder.actions() == {"one": "none", "two": "update"}
    after = folder.pids()
    assert after["one"] == before["one"] and after["two"] != before["two"]

    del folder.commands["one"]
    assert folder.actions() == {"one": "remove", "two": "none"}
    assert folder.pids() == {"two": after["two"]}


class FromPlaybook(str):
    """Text as the task executor hands it on: tagged, of a type of its own."""


def test_what_is_stopped_stays_so_until_it_is_started_again(folder: Folder) -> None:
    assert not folder.run("stopped", services=["one"])["changed"]
    folder.run()
    before = folder.pids()
    assert folder.run("stopped", services=["one"], check_mode=True)["changed"] and folder.pids() == before
    assert folder.run("stopped", services=[FromPlaybook("one"), FromPlaybook("none")])["changed"]
    assert folder.pids() == {**before, "one": None}
    assert not folder.run("stopped", services=["one"])["changed"]
    assert folder.actions() == {"one": "start", "two": "none"}
    assert folder.pids()["two"] == before["two"] and folder.pids()["one"]


def test_killed_programs_come_back_and_are_counted(folder: Folder) -> None:
    folder.run()
    before = folder.pids()
    for pid in before.values():
        os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 30
    while not all(pid and pid != before[name] for name, pid in folder.pids().items()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    status = folder.wait_until_healthy()
    assert {name: service["restarts"] for name, service in status.items()} == {"one": 1, "two": 1}
    assert not folder.run()["changed"]


@pytest.mark.skipif(not Path("/usr/bin/setpriv").exists(), reason="only Linux ends processes with their parent")
def test_killed_supervisord_is_started_again(folder: Folder) -> None:
    """Its socket and its pid file are still there; the programs were told to end with it."""
    folder.commands = {name: f"/usr/bin/setpriv --pdeathsig TERM -- {line}" for name, line in folder.commands.items()}
    folder.run()
    os.kill(int((folder.path / "run" / "supervisord.pid").read_text()), signal.SIGKILL)
    deadline = time.monotonic() + 10
    while not all(processes.problem_of(port) for port in folder.ports.values()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert {service["state"] for service in folder.run("queried")["status"].values()} == {"absent"}
    assert folder.actions() == {"one": "start", "two": "start"}
    folder.wait_until_healthy()


def test_program_that_does_not_start_fails_with_the_end_of_its_log(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "CRASHING_SECONDS", 1.0)
    folder.commands["two"] = "/bin/sh -c 'echo the disk is full; exit 3'"
    with pytest.raises(McpError) as raised:
        folder.run()
    assert "two did not come up within" in raised.value.message and "the disk is full" in raised.value.message
    assert raised.value.details == {"service": "two"}
    # The next run with what is right again repairs it, and leaves the other alone.
    one = folder.pids().get("one") or folder.run("queried", services=["one"])["status"]["one"]["pid"]
    folder.commands["two"] = folder.commands["one"].replace(str(folder.ports["one"]), str(folder.ports["two"]))
    folder.run()
    assert folder.wait_until_healthy()["one"]["pid"] == one


def test_stopping_ends_everything_and_a_second_time_changes_nothing(folder: Folder) -> None:
    folder.run()
    assert folder.run("absent", check_mode=True)["changed"]
    assert not processes.problem_of(folder.ports["one"])
    assert folder.run("absent")["changed"]
    assert all(processes.problem_of(port) for port in folder.ports.values())
    assert not folder.run("absent")["changed"]
