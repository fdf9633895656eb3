# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one does with an instance beside Auto Scaling: run a command in it, read its console, look for a new image."""

from __future__ import annotations

import base64
import functools
import json
import subprocess
import time
import typing as t
from pathlib import Path

import instances

# Of a test or a demonstration: other answers for AWS's public image parameters, read at every look-up.
IMAGES_FILE = "public-images.json"
CONSOLE_BYTES = 64 * 1024


def published(directory: Path) -> dict[str, str]:
    """Return the public image parameters that this sandbox has others for."""
    try:
        found = json.loads((directory / IMAGES_FILE).read_text(encoding="utf-8"))
        return {str(name): str(value) for name, value in found.items()}
    except (OSError, ValueError, AttributeError):
        return {}


class Machines:
    """Run Command, console output and public images.

    :param directory: the sandbox's
    :param stand_ins: of its instances
    """

    def __init__(self, directory: Path, stand_ins: instances.StandIns) -> None:
        self.directory = directory
        self.stand_ins = stand_ins

    def install(self) -> None:
        """Put this into the emulator."""
        from ministack.core import responses
        from ministack.services import ec2, ssm

        run, public = ec2.exec_in_instance_blocking, ssm._public_parameter

        @functools.wraps(run)
        def run_in(name: str, arguments: list[str]) -> tuple[int, str, str]:
            if not self.stand_ins.runs(name):
                return t.cast(tuple[int, str, str], run(name, arguments))
            scope = responses.get_account_id(), responses.get_region()
            try:
                return self.stand_ins.run(name, arguments, *scope)
            except (OSError, ValueError, subprocess.SubprocessError) as error:
                return 255, "", str(error)

        @functools.wraps(public)
        def public_parameter(name: str) -> t.Any:
            other, found = published(self.directory).get(name), public(name)
            return {**found, "Value": other, "Version": 2} if found and other else found

        def console(params: dict[str, t.Any]) -> t.Any:
            name = ec2._p(params, "InstanceId")
            if name not in ec2._instances and not self.stand_ins.console(name).exists():
                text = f"The instance ID '{name}' does not exist"
                return ec2._error("InvalidInstanceID.NotFound", text, 400)
            encoded = base64.b64encode(self.console(name)).decode()
            stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            inner = f"<instanceId>{name}</instanceId><timestamp>{stamp}</timestamp><output>{encoded}</output>"
            return ec2._xml(200, "GetConsoleOutputResponse", inner)

        ec2.exec_in_instance_blocking, ssm._public_parameter = run_in, public_parameter
        ec2._ACTION_MAP["GetConsoleOutput"] = console

    def console(self, name: str) -> bytes:
        """Return the end of a stand-in's console."""
        path = self.stand_ins.console(name)
        return path.read_bytes()[-CONSOLE_BYTES:] if path.exists() else b""
