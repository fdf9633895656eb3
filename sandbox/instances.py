# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stand-ins for instances: each a process (instance_boot.py) with a folder of its own and a port on loopback.

They outlive an emulator that is killed, and are found again by the next one; ``make sandbox-stop`` ends them.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
import typing as t
from pathlib import Path

import processes
import user_data

FOLDER = "instances"
CONSOLES, KEPT_CONSOLES = "consoles", 20
FIRST_PORT, PORTS = 202, 18
COMMAND_SECONDS = 3600
# A stand-in that is told to end gets this long; its server has 15 s of it.
PATIENCE = 25.0
PID_FILE = "pid.json"


def free_port(first: int, count: int, taken: t.Iterable[int] = ()) -> int:
    """Return a free port of a range on loopback.

    :raises OSError: there is none
    """
    for port in range(first, first + count):
        if port not in taken and processes.port_is_free(port):
            return port
    raise OSError(f"no free port from {first} to {first + count - 1}")


class StandIns:
    """The stand-ins of one sandbox.

    :param directory: the sandbox's
    :param port: of the emulated AWS
    """

    def __init__(self, directory: Path, port: int) -> None:
        self.folder = directory / FOLDER
        self.port = port
        self._children: dict[str, int] = {}
        self._told: dict[str, float] = {}

    def known(self) -> list[str]:
        """Return the ids of those that have a folder."""
        return sorted(path.name for path in self.folder.glob("i-*"))

    def pid_file(self, name: str) -> Path:
        """Return where a stand-in notes who it is."""
        return self.folder / name / PID_FILE

    def runs(self, name: str) -> bool:
        """Tell whether a stand-in lives."""
        return processes.read_pid_file(self.pid_file(name)) is not None

    def environment(self, account: str, region: str) -> dict[str, str]:
        """Return what a stand-in sees: the emulated AWS, and nothing of the person's own."""
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "LANG": "C.UTF-8",
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}",
            "AWS_ACCESS_KEY_ID": account,  # twelve digits are the account
            "AWS_SECRET_ACCESS_KEY": "sandbox",
            "AWS_REGION": region,
            "AWS_DEFAULT_REGION": region,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def start(self, name: str, text: str, account: str, region: str, taken: t.Iterable[int] = ()) -> int:
        """Start the stand-in of an instance; return its port."""
        folder = self.folder / name
        folder.mkdir(parents=True, mode=0o700)
        (folder / "user-data").write_text(text, encoding="utf-8")
        port = free_port(self.port + FIRST_PORT, PORTS, taken)
        self.spawn(name, port, account, region)
        return port

    def spawn(self, name: str, port: int, account: str, region: str) -> None:
        """Start its process; in a folder that was booted before only the server starts."""
        folder = self.folder / name
        program = Path(__file__).with_name("instance_boot.py")
        command = [sys.executable, str(program), "--folder", str(folder), "--port", str(port)]
        pid = processes.spawn(command, folder / "console.log", self.environment(account, region), folder)
        # It notes itself too, but nobody shall take it for ended until then.
        processes.write_pid_file(self.pid_file(name), pid, port=port)
        self._children[name] = pid

    def end(self, name: str) -> bool:
        """Tell a stand-in to end; True: it has, and its folder is gone."""
        record = processes.read_pid_file(self.pid_file(name))
        if record:
            began = self._told.setdefault(name, time.monotonic())
            with contextlib.suppress(ProcessLookupError):
                if time.monotonic() - began > PATIENCE:
                    os.killpg(int(record["pid"]), signal.SIGKILL)  # its session, with the server
                else:
                    os.kill(int(record["pid"]), signal.SIGTERM)
            return False
        self._told.pop(name, None)
        with contextlib.suppress(OSError, KeyError):
            os.waitpid(self._children.pop(name), os.WNOHANG)  # else it would stay as a zombie
        self._keep_console(name)
        shutil.rmtree(self.folder / name, ignore_errors=True)
        return True

    def console(self, name: str) -> Path:
        """Return the file with what an instance wrote to its console; it outlives the instance, as on AWS."""
        there = self.folder / name / "console.log"
        return there if there.exists() else self.folder / CONSOLES / name

    def _keep_console(self, name: str) -> None:
        kept = self.folder / CONSOLES
        kept.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            os.replace(self.folder / name / "console.log", kept / name)
        for old in sorted(kept.iterdir(), key=lambda path: path.stat().st_mtime)[:-KEPT_CONSOLES]:
            old.unlink()

    def run(self, name: str, arguments: list[str], account: str, region: str) -> tuple[int, str, str]:
        """Run a command in a stand-in as Run Command would; return its status and what it wrote.

        The folders and the Python that the command names are those of the stand-in.
        """
        folder = self.folder / name
        script = user_data.parse((folder / "user-data").read_text(encoding="utf-8"))
        interpreter = os.path.realpath(sys.executable)
        shims = self._shims(folder, script.values["PYTHON"], interpreter)
        here = [user_data.moved(part, folder, script.values["PYTHON"], interpreter) for part in arguments]
        own = self.environment(account, region)
        environment = {**own, "PATH": f"{shims}{os.pathsep}{own['PATH']}", "HOME": str(folder)}
        done = subprocess.run(
            here, env=environment, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            errors="replace", timeout=COMMAND_SECONDS, check=False,
        )  # fmt: skip
        return done.returncode, done.stdout, done.stderr

    def _shims(self, folder: Path, python: str, interpreter: str) -> Path:
        """Return a folder for PATH with the instance's programs that this machine may not have."""
        shims = folder / "shims"
        shims.mkdir(exist_ok=True)
        programs = {
            Path(python).name: f'exec "{interpreter}" "$@"',
            # There is no user of its own: what follows is run as whoever runs the sandbox.
            "runuser": 'while [ "$1" != -- ]; do shift; done; shift; exec "$@"',
            "mcp-run": f'exec "{folder}/usr/local/bin/mcp-run" "$@"',
        }
        for name, line in programs.items():
            program = shims / name
            program.write_text(f"#!/bin/sh\n{line}\n", encoding="utf-8")
            program.chmod(0o700)
        return shims


def end_all(directory: Path, patience: float = 10.0) -> int:
    """End every stand-in of a sandbox, and keep their folders; return how many there were."""
    found = list((directory / FOLDER).glob(f"i-*/{PID_FILE}"))
    ended = sum(processes.stop(path, patience) for path in found)
    return ended + (processes.kill_by_text(f"{directory / FOLDER}/i-") if found else 0)
