# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Start, stop and look at the sandbox: an emulated AWS and its front door, on loopback only."""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import http.client
import json
import os
import shutil
import sys
import time
import typing as t
from dataclasses import dataclass
from pathlib import Path

import certificate_keys
import databases
import instances
import processes

HERE = Path(__file__).resolve().parent
START_SECONDS = 60.0
SAVE_SECONDS = 20.0
READY_PAGE = "/_ministack/ready"
DOORS_PAGE = "/_sandbox/doors"


class SandboxError(Exception):
    """What is wrong, and what to type."""


@dataclass(frozen=True)
class Sandbox:
    """Where a sandbox lives.

    :param python: the interpreter that has the emulator; functions run in it as well
    :param port: of the emulated AWS; the front door's control port is the next one
    :param keep: keep the state over restarts
    """

    directory: Path
    python: Path
    port: int
    keep: bool = True

    @property
    def emulator_pid(self) -> Path:
        """The emulator's pid file."""
        return self.directory / "emulator.pid"

    @property
    def front_door_pid(self) -> Path:
        """The front door's pid file."""
        return self.directory / "front_door.pid"

    @property
    def endpoint(self) -> str:
        """Base URL of the emulated AWS."""
        return f"http://127.0.0.1:{self.port}"


def emulator_environment(sandbox: Sandbox) -> dict[str, str]:
    """Return the emulator's whole environment.

    Its functions inherit it, so nothing of the user's own AWS settings may be in it.
    """
    directory = sandbox.directory
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "LANG": "C.UTF-8",
        "HOME": str(directory / "home"),
        "TMPDIR": str(directory / "tmp"),
        "GATEWAY_PORT": str(sandbox.port),
        "BIND_HOST": "127.0.0.1",
        "MINISTACK_HOST": "localhost",
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "CLOUDTRAIL_RECORDING": "1",
        "PERSIST_STATE": "1" if sandbox.keep else "0",
        "STATE_DIR": str(directory / "state"),
        "S3_PERSIST": "1" if sandbox.keep else "0",
        "S3_DATA_DIR": str(directory / "s3"),
        # Without Docker it publishes nothing beyond loopback and touches nobody's containers.
        "DOCKER_HOST": f"unix://{directory / 'no-docker.sock'}",
    }


def answers(port: int, path: str, timeout: float = 5.0) -> dict[str, t.Any] | None:
    """GET a JSON page of a loopback port; None: no such answer within ``timeout`` seconds."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return json.loads(response.read()) if response.status == 200 else None
    except (OSError, ValueError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def make_deploy(port: int) -> str:
    """Return the command that goes on with another port; make hands on what was typed behind it."""
    environment = os.environ.get("ENV", "")
    chosen = f" ENV={environment}" if environment in ("local", "staging") else ""
    return f"make deploy{chosen} SANDBOX_PORT={port}"


def require_free(port: int, base: int) -> None:
    """Refuse a taken port, and say who has it.

    :raises SandboxError: the port is taken
    """
    if processes.port_is_free(port):
        return
    other = (answers(base + 1, "/_sandbox/status", timeout=1.0) or {}).get("directory")
    holder = f"the sandbox in {other}" if other else processes.port_holder(port) or "another process"
    what = "emulated AWS" if port == base else "front door"
    raise SandboxError(
        f"SANDBOX_PORT is {base}, and port {port} for the {what} is held by {holder}. "
        f"Choose another one (it takes a few ports from there on): {make_deploy(base + 100)}"
    )


def last_line(log: Path) -> str:
    """Return the last thing a log says."""
    with contextlib.suppress(OSError, IndexError):
        return log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1]
    return "nothing"


def wait_until(pid: int, port: int, path: str, log: Path) -> None:
    """Wait until the page answers.

    :raises SandboxError: the process died, or the page never came
    """
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if answers(port, path) is not None:
            return
        if processes.process_start(pid) is None:
            break
        time.sleep(0.05)
    raise SandboxError(
        f"The sandbox did not start on port {port}; the log {log} ends with: {last_line(log)}. "
        "If that does not help, begin anew with: make sandbox-reset deploy"
    )


def emulator_runs(sandbox: Sandbox) -> bool:
    """Say whether the emulated AWS lives and answers."""
    return bool(processes.read_pid_file(sandbox.emulator_pid)) and answers(sandbox.port, READY_PAGE) is not None


def front_door_runs(sandbox: Sandbox) -> bool:
    """Say whether the front door lives and answers."""
    return bool(processes.read_pid_file(sandbox.front_door_pid)) and answers(sandbox.port + 1, DOORS_PAGE) is not None


def start_emulator(sandbox: Sandbox) -> None:
    """Start the emulated AWS.

    :raises SandboxError: it does not come up
    """
    if not sandbox.keep:
        forget_stand_ins(sandbox)
    for name in ("home", "tmp", "state", "s3"):
        (sandbox.directory / name).mkdir(parents=True, exist_ok=True)
    log = sandbox.directory / "logs" / "emulator.log"
    command = [str(sandbox.python), str(HERE / "emulator.py"), "--port", str(sandbox.port)]
    command += ["--pid-file", str(sandbox.emulator_pid)]
    pid = processes.spawn(command, log, emulator_environment(sandbox), sandbox.directory)
    wait_until(pid, sandbox.port, READY_PAGE, log)


def kill_workers(sandbox: Sandbox) -> None:
    """End functions that outlived their emulator, and remove what they ran from."""
    processes.kill_by_text(str(sandbox.directory / "tmp" / "ministack-"))
    shutil.rmtree(sandbox.directory / "tmp", ignore_errors=True)


def end_stand_ins(sandbox: Sandbox) -> None:
    """End what stands for instances and databases; what they hold is kept."""
    instances.end_all(sandbox.directory)
    databases.end_all(sandbox.directory)


def forget_stand_ins(sandbox: Sandbox) -> None:
    """End them, and remove what they hold."""
    end_stand_ins(sandbox)
    for name in (instances.FOLDER, databases.FOLDER):
        shutil.rmtree(sandbox.directory / name, ignore_errors=True)


def start_front_door(sandbox: Sandbox) -> None:
    """Start the front door.

    :raises SandboxError: it does not come up
    """
    port = sandbox.port + 1
    log = sandbox.directory / "logs" / "front_door.log"
    command = [str(sandbox.python), str(HERE / "front_door.py"), "--port", str(port), "--emulator", sandbox.endpoint]
    command += ["--directory", str(sandbox.directory), "--pid-file", str(sandbox.front_door_pid)]
    environment = {"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8"}
    pid = processes.spawn(command, log, environment, sandbox.directory)
    wait_until(pid, port, DOORS_PAGE, log)


def refuse_other_port(sandbox: Sandbox) -> None:
    """A second port for a running sandbox would tear its endpoints away.

    :raises SandboxError: it runs on another port
    """
    for path, offset in ((sandbox.emulator_pid, 0), (sandbox.front_door_pid, 1)):
        record = processes.read_pid_file(path)
        if record and int(record["port"]) != sandbox.port + offset:
            running = int(record["port"]) - offset
            raise SandboxError(
                f"SANDBOX_PORT is {sandbox.port}, but this sandbox runs on port {running} already. "
                f"Go on with: {make_deploy(running)} - or end it first with: make sandbox-stop"
            )


def clear_the_way(sandbox: Sandbox, emulator: bool, front_door: bool) -> None:
    """End what lives but does not answer; only when both ports are free may anything start.

    :raises SandboxError: a port is taken
    """
    if emulator:
        processes.stop(sandbox.emulator_pid, SAVE_SECONDS)
        kill_workers(sandbox)
        require_free(sandbox.port, sandbox.port)
    if front_door:
        processes.stop(sandbox.front_door_pid, 2.0)
        require_free(sandbox.port + 1, sandbox.port)


def start(sandbox: Sandbox) -> None:
    """Start what does not run yet.

    :raises SandboxError: it cannot
    """
    if not sandbox.python.exists():
        raise SandboxError(f"There is no emulator in {sandbox.python.parent.parent}. Make it with: make venv")
    began = time.monotonic()
    refuse_other_port(sandbox)
    (sandbox.directory / "logs").mkdir(parents=True, exist_ok=True)
    emulator, front_door = not emulator_runs(sandbox), not front_door_runs(sandbox)
    clear_the_way(sandbox, emulator, front_door)
    if emulator:
        start_emulator(sandbox)
    if front_door:
        start_front_door(sandbox)
    verb = f"started in {time.monotonic() - began:.1f} s" if emulator or front_door else "already running"
    print(f"Sandbox {verb}: emulated AWS {sandbox.endpoint}, its front door {sandbox.port + 1}, in {sandbox.directory}")
    for door in (answers(sandbox.port + 1, DOORS_PAGE) or {}).get("doors", []):
        if "error" in door:
            print(f"The door '{door['name']}' is shut: {door['error']}. The next deploy opens another one.")


def stop(sandbox: Sandbox) -> None:
    """Stop both; the emulator saves its state first."""
    found = [processes.stop(sandbox.front_door_pid, 2.0), processes.stop(sandbox.emulator_pid, SAVE_SECONDS)]
    kill_workers(sandbox)
    end_stand_ins(sandbox)
    print("Sandbox stopped." if any(found) else "Sandbox: nothing was running.")


def reset(sandbox: Sandbox) -> None:
    """Stop, and forget everything that was deployed."""
    stop(sandbox)
    forget_stand_ins(sandbox)
    for name in ("home", "state", "s3", "logs", certificate_keys.FOLDER):
        shutil.rmtree(sandbox.directory / name, ignore_errors=True)
    (sandbox.directory / "doors.json").unlink(missing_ok=True)
    print("Sandbox emptied. Begin anew with: make deploy")


def status(sandbox: Sandbox) -> dict[str, t.Any]:
    """Say what runs."""
    emulator = processes.read_pid_file(sandbox.emulator_pid)
    front_door = processes.read_pid_file(sandbox.front_door_pid)
    port = int(emulator["port"]) if emulator else sandbox.port
    healthy = bool(emulator) and answers(port, READY_PAGE) is not None
    doors = answers(int(front_door["port"]), DOORS_PAGE) if front_door else None
    return {
        "running": healthy and doors is not None,
        "directory": str(sandbox.directory),
        "endpoint": f"http://127.0.0.1:{port}",
        "control": f"http://127.0.0.1:{port + 1}",
        "emulator": {"pid": emulator and emulator["pid"], "healthy": healthy},
        "front_door": {"pid": front_door and front_door["pid"], "healthy": doors is not None},
        "doors": (doors or {}).get("doors", []),
    }


def show_status(sandbox: Sandbox, as_json: bool) -> int:
    """Print the status; 0: it runs, 1: it does not."""
    told = status(sandbox)
    if as_json:
        print(json.dumps(told, indent=2))
    else:
        print(f"Sandbox in {told['directory']}: {'running' if told['running'] else 'not running'}")
        for part in ("emulator", "front_door"):
            print(f"  {part}: {'healthy' if told[part]['healthy'] else 'away'} (pid {told[part]['pid']})")
        for door in told["doors"]:
            print(f"  door {door['name']}: {door.get('error') or door['url']} -> {door['host']}")
    return 0 if told["running"] else 1


def port_number(text: str) -> int:
    """Parse SANDBOX_PORT; the front door needs room after it."""
    if not text.isdigit() or not 1024 <= int(text) <= 65300:
        raise SandboxError(f"SANDBOX_PORT is '{text}'; it must be a number from 1024 to 65300, for example 4566.")
    return int(text)


@contextlib.contextmanager
def only_one(directory: Path) -> t.Iterator[None]:
    """Two starts at once wait for each other."""
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(0o700)  # the emulated AWS keeps secrets and signing keys here
    with (directory / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("action", choices=("start", "stop", "status", "reset"))
    parser.add_argument("--dir", type=Path, default=Path(".sandbox"), help="where the sandbox lives")
    parser.add_argument("--port", default=os.environ.get("SANDBOX_PORT") or "4566")
    parser.add_argument("--venv", type=Path, help="virtual environment of the emulator (default: venv in --dir)")
    parser.add_argument("--forget", action="store_true", help="do not keep the state over a stop")
    parser.add_argument("--json", action="store_true", help="status for machines")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Act; 1: not running, or refused with a sentence."""
    options = parse(arguments)
    directory = options.dir.resolve()
    try:
        # Not resolved: the venv's python is a link, and the link's place makes it a venv.
        python = (options.venv or directory / "venv").absolute() / "bin" / "python"
        sandbox = Sandbox(directory, python, port_number(options.port), keep=not options.forget)
        if options.action == "status":
            return show_status(sandbox, options.json)
        with only_one(directory):
            {"start": start, "stop": stop, "reset": reset}[options.action](sandbox)
    except SandboxError as error:
        print(f"ERROR: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
