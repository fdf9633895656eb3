# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Be a stand-in for an instance: do what its user data would do, as processes of this machine.

The same package from S3 with the same hash check, the same settings, the same commands before the start, the unit's
ExecStart and its restarts; then the lifecycle action is completed. The user data itself is not run: there is no
dnf, no systemd with its hardening, no CloudWatch agent and no user of its own.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import os
import signal
import subprocess
import sys
import time
import types
import typing as t
import zipfile
from pathlib import Path

import instance_logs
import processes
import readiness
import user_data

# The unit's StartLimitBurst and StartLimitIntervalSec: then it stays down.
STARTS, STARTS_WITHIN = 10, 300.0
SHIP_SECONDS = 5.0


class Abandoned(Exception):
    """The instance does not come up; the message says why."""


class Told(BaseException):
    """The stand-in was told to end."""


class StandIn:
    """One stand-in.

    :param folder: its root, with the user data in it
    :param port: what its server listens to on loopback, in place of the unit's
    """

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.port = port
        self.name = folder.name
        text = (folder / "user-data").read_text(encoding="utf-8")
        self.script = user_data.parse(text)
        self.interpreter = os.path.realpath(sys.executable)
        self.release = folder / "opt" / "mcp" / self.script.values["RELEASE"]
        self.process: subprocess.Popen[bytes] | None = None
        self.ends = time.monotonic() + float(self.script.values["DEADLINE"])
        self.started: list[float] = []
        logs = {"boot": folder / "console.log", "server": folder / "var" / "log" / "mcp" / "server.log"}
        self.logs = instance_logs.Logs(self.script.log_group, self.name, logs, lambda: self.client("logs"))

    def say(self, text: str) -> None:
        """Write to the console."""
        print(f"mcp: {text}", flush=True)

    def client(self, service: str) -> t.Any:
        """Return a client of the emulated AWS."""
        import boto3

        return boto3.client(service, region_name=self.script.values["REGION"])

    def here(self, text: str) -> str:
        """Return a text with this stand-in's folders and Python."""
        return user_data.moved(text, self.folder, self.script.values["PYTHON"], self.interpreter)

    @property
    def environment(self) -> dict[str, str]:
        """What the server and its commands see."""
        settings = {name: self.here(value) for name, value in self.script.environment.items()}
        own = {name: os.environ[name] for name in os.environ if name.startswith("AWS_")}
        plain = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "HOME": str(self.folder)}
        return {**plain, **settings, **own, "PYTHONPATH": str(self.release)}

    def install(self) -> None:
        """Fetch the package, compare its hash and unpack it; write the files.

        :raises Abandoned: it is another package
        """
        bucket, key = self.script.values["PACKAGE_BUCKET"], self.script.values["PACKAGE_KEY"]
        archive = self.folder / "package.zip"
        self.client("s3").download_file(bucket, key, str(archive))
        found = hashlib.sha256(archive.read_bytes()).hexdigest()
        if found != self.script.values["PACKAGE_SHA256"]:
            raise Abandoned(f"the package s3://{bucket}/{key} has the hash {found}, which is not the release's")
        self.release.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(archive) as package:
            package.extractall(self.release)
        archive.unlink()
        for path, content in self.script.files.items():
            target = self.folder / path.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(self.here(content), encoding="utf-8")
            target.chmod(0o700)
        (self.folder / "var" / "log" / "mcp").mkdir(parents=True, exist_ok=True)

    def prepare(self) -> None:
        """Run what comes before the start; it waits for the database by itself.

        :raises Abandoned: it does not work
        """
        for arguments in self.script.commands:
            command = [self.interpreter, "-S", *(self.here(argument) for argument in arguments)]
            self.process = subprocess.Popen(command, env=self.environment, cwd=self.folder)
            try:
                status = self.process.wait(max(1.0, self.ends - time.monotonic()))
            except subprocess.TimeoutExpired:
                raise Abandoned(f"{' '.join(arguments)} takes too long") from None
            if status:
                raise Abandoned(f"{' '.join(arguments)} does not work")

    def start(self) -> None:
        """Start the server as its unit says, on this stand-in's address."""
        arguments = [self.here(argument) for argument in self.script.server]
        for option, value in (("--host", "127.0.0.1"), ("--port", str(self.port))):
            if option in arguments:
                arguments[arguments.index(option) + 1] = value
        self.started = [*self.started, time.monotonic()][-STARTS:]
        with self.logs.paths["server"].open("ab") as output:
            self.process = subprocess.Popen(
                [self.interpreter, *arguments], env=self.environment, cwd=self.folder, stdout=output, stderr=output
            )

    def keep_running(self) -> None:
        """Start the server again after it has ended, as the unit's Restart and RestartSec say.

        :raises Abandoned: it has ended again and again
        """
        if self.process and self.process.poll() is not None:
            if len(self.started) == STARTS and time.monotonic() - self.started[0] < STARTS_WITHIN:
                raise Abandoned("the server ended again and again")
            pause = (self.script.unit.get("RestartSec") or ["1"])[-1].rstrip("s")
            self.say(f"the server ended with {self.process.returncode}; it starts again in {pause} s")
            time.sleep(float(pause))
            self.start()

    def wait_until_ready(self) -> None:
        """Wait until the server is ready.

        :raises Abandoned: it is not in time
        """
        ends = min(self.ends, time.monotonic() + float(self.script.values["READY_SECONDS"]))
        release, host = self.script.values["RELEASE"], self.script.allowed_host
        while problem := readiness.problem(self.port, host, release):
            if time.monotonic() > ends:
                raise Abandoned(f"waiting for /ready: {problem}")
            self.keep_running()
            time.sleep(0.2)

    def complete(self, result: str) -> None:
        """Complete the lifecycle action."""
        group, hook = self.script.values["GROUP"], self.script.values["HOOK"]
        self.client("autoscaling").complete_lifecycle_action(
            LifecycleHookName=hook, AutoScalingGroupName=group, InstanceId=self.name, LifecycleActionResult=result
        )

    def boot(self) -> None:
        """Do what the user data does, once; after a restart of the stand-in only start the server."""
        booted = self.folder / "booted"
        if booted.exists():
            return self.start()
        try:
            self.install()
            self.prepare()
            self.start()
            self.wait_until_ready()
            self.complete("CONTINUE")
        except Exception as error:
            self.say(f"last lines of the server's log\n{self.logs.end_of('server')}")
            self.say(f"ABANDON: release {self.script.values['RELEASE']}: failed at: {error}")
            with contextlib.suppress(Exception):
                self.logs.ship()
            self.complete("ABANDON")
            raise Abandoned(str(error)) from error
        booted.touch()
        return None

    def serve(self) -> None:
        """Keep the server running until told to end."""
        shipped = 0.0
        while True:
            self.keep_running()
            if time.monotonic() - shipped > SHIP_SECONDS:
                shipped = time.monotonic()
                with contextlib.suppress(Exception):  # logs wait for an emulated AWS that is away
                    self.logs.ship()
            time.sleep(0.2)

    def end(self) -> None:
        """End the server in its orderly way; being told again changes nothing."""
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def told_to_end(number: int, frame: types.FrameType | None) -> None:
    """Leave whatever is being done."""
    raise Told


def main() -> int:
    """Be the stand-in; 1: it was abandoned."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, told_to_end)
    processes.write_pid_file(options.folder / "pid.json", port=options.port)
    stand_in = StandIn(options.folder, options.port)
    try:
        stand_in.boot()
        stand_in.serve()
    except Abandoned:
        return 1
    except Told:
        return 0
    finally:
        stand_in.end()
    return 0


if __name__ == "__main__":
    sys.exit(main())
