# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A sandbox of one's own for tests: emulated AWS and front door on free ports."""

from __future__ import annotations

import http.client
import json
import os
import random
import socket
import subprocess
import sys
import typing as t
from pathlib import Path

from tests.support.checkout import ROOT

CREDENTIALS = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
REGION = "us-east-1"
PORTS = 8


class SandboxFailed(Exception):
    """The sandbox command failed; its words are the message."""


def free_ports(count: int = PORTS) -> int:
    """Return the first of ``count`` loopback ports in a row that are free now."""
    for _ in range(200):
        base = random.randrange(20000, 30000)
        if all(_is_free(port) for port in range(base, base + count)):
            return base
    raise SandboxFailed(f"no {count} free ports in a row between 20000 and 30000")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def emulator_venv() -> Path:
    """Return the virtual environment that has the emulator.

    :raises SandboxFailed: there is none
    """
    venv = Path(os.environ.get("MCP_SANDBOX_VENV") or ROOT / ".sandbox" / "venv")
    if not (venv / "bin" / "python").exists():
        raise SandboxFailed(f"There is no emulator in {venv}. Make it with: make venv")
    return venv


class TestSandbox:
    """A sandbox in a directory of its own; ``start`` and ``stop`` are the command that users have.

    :param keep: keep the state over a stop
    """

    __test__ = False

    def __init__(self, directory: Path, keep: bool = False, port: int | None = None) -> None:
        self.directory = directory
        self.keep = keep
        self.port = port or free_ports()

    @property
    def endpoint(self) -> str:
        """Base URL of the emulated AWS."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def control(self) -> str:
        """Base URL of the front door's control port."""
        return f"http://127.0.0.1:{self.port + 1}"

    @property
    def environment(self) -> dict[str, str]:
        """What ansible-playbook and the AWS SDK need to find this sandbox."""
        return {
            "SANDBOX_PORT": str(self.port),
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": CREDENTIALS["aws_access_key_id"],
            "AWS_SECRET_ACCESS_KEY": CREDENTIALS["aws_secret_access_key"],
            "AWS_DEFAULT_REGION": REGION,
            "AWS_REGION": REGION,
        }

    def command(self, action: str, *options: str) -> subprocess.CompletedProcess[str]:
        """Run ``sandbox.py action``."""
        command = [sys.executable, str(ROOT / "sandbox" / "sandbox.py"), action, "--dir", str(self.directory)]
        command += ["--port", str(self.port), "--venv", str(emulator_venv()), *options]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)

    def start(self) -> TestSandbox:
        """Start, or repair.

        :raises SandboxFailed: it does not start
        """
        done = self.command("start", *([] if self.keep else ["--forget"]))
        if done.returncode:
            raise SandboxFailed(done.stderr.strip() or done.stdout.strip())
        return self

    def stop(self) -> None:
        """Stop emulator, front door and the functions that outlive them.

        :raises SandboxFailed: something is left
        """
        done = self.command("stop")
        if done.returncode:
            raise SandboxFailed(done.stderr.strip())

    def status(self) -> dict[str, t.Any]:
        """Return ``status --json``."""
        return json.loads(self.command("status", "--json").stdout)

    def door(self, name: str, **wanted: str) -> dict[str, t.Any]:
        """Make a door in the front door; return what it says."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port + 1, timeout=10)
        try:
            connection.request("PUT", f"/_sandbox/doors/{name}", json.dumps(wanted))
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()

    def client(self, service: str, **options: t.Any) -> t.Any:
        """Return a boto3 client of this sandbox."""
        import boto3
        from botocore.config import Config

        config = Config(retries={"total_max_attempts": 3, "mode": "standard"}, s3={"addressing_style": "path"})
        settings = {"endpoint_url": self.endpoint, "region_name": REGION, "config": config, **CREDENTIALS, **options}
        return boto3.session.Session().client(service, **settings)

    def reset(self) -> None:
        """Empty the emulated AWS without a restart."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request("POST", "/_ministack/reset")
            connection.getresponse().read()
        finally:
            connection.close()
