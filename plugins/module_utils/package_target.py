# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a package is built for, and the interpreters of this machine that can help."""

from __future__ import annotations

import dataclasses
import functools
import os
import pathlib
import platform
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import McpError

LAMBDA_MACHINES = {"lambda-arm64": "aarch64", "lambda-x86_64": "x86_64"}
CONTAINER_MACHINES = {"container-arm64": "aarch64", "container-x86_64": "x86_64"}
INSTANCE_MACHINES = {"ec2-x86_64": "x86_64"}
MACHINES = {**LAMBDA_MACHINES, **CONTAINER_MACHINES, **INSTANCE_MACHINES}
# Where the server runs on its own, without what Lambda's runtime brings.
STANDALONE = (*CONTAINER_MACHINES, *INSTANCE_MACHINES, "ec2-sandbox", "local")
NATIVE = ("sandbox", "ec2-sandbox", "local")
TARGETS = [*MACHINES, *NATIVE]
OLDEST_GLIBC = 17


@dataclass(frozen=True)
class Target:
    """One kind of machine that a package runs on.

    :param python: interpreter of that kind on this machine, None for another machine's
    :param helper: an interpreter of the same Python version (it compiles and reads markers), None where there is none
    """

    name: str
    python_version: str
    python: str | None
    helper: str | None
    standalone: bool = False

    @property
    def pip_options(self) -> list[str]:
        """Return pip's options for wheels of this target."""
        if self.python:
            return []
        machine = MACHINES[self.name]
        platforms = [f"manylinux_2_{minor}_{machine}" for minor in range(self.glibc, OLDEST_GLIBC - 1, -1)]
        options = [text for name in [*platforms, f"manylinux2014_{machine}"] for text in ("--platform", name)]
        return [*options, "--python-version", self.python_version, "--implementation", "cp"]

    @property
    def glibc(self) -> int:
        """Return the minor version of Lambda's glibc 2: Amazon Linux 2023 from Python 3.12 on, 2 before.

        Instances have Amazon Linux 2023 with any Python; images of Python stand on Debian, whose glibc is newer.
        """
        return 34 if self.name in INSTANCE_MACHINES or int(self.python_version.partition(".")[2]) >= 12 else 26


def _same(python: str) -> bool:
    return os.path.realpath(python) == os.path.realpath(sys.executable)


@functools.cache
def version_of(python: str) -> str | None:
    """Return an interpreter's version such as "3.13"; None when it does not run (a shim may lie on PATH)."""
    if _same(python):
        return f"{sys.version_info.major}.{sys.version_info.minor}"
    try:
        asked = subprocess.run(
            [python, "-I", "-S", "-c", "import sys; print('%d.%d' % sys.version_info[:2])"],
            capture_output=True, text=True, check=False, timeout=30,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return None
    return asked.stdout.strip() if asked.returncode == 0 else None


@functools.cache
def find_python(version: str) -> str | None:
    """Return an interpreter of a version that really runs: this one, on PATH, or installed beside this one."""
    name = f"python{version}"
    beside = pathlib.Path(sys.base_prefix).parent.glob(f"*{version}*/bin/{name}")
    candidates = [sys.executable, shutil.which(name), *map(str, sorted(beside))]
    return next((python for python in candidates if python and version_of(python) == version), None)


def native_name(version: str, kind: str = "sandbox") -> str:
    """Return the target name of this machine's own packages."""
    return f"{kind}-cp{version.replace('.', '')}-{platform.machine()}"


def resolve_target(name: str, sandbox_python: str | None, python_version: str) -> Target:
    """Return the target of a task's options.

    :raises McpError: the sandbox's interpreter is missing or does not run
    """
    if not re.fullmatch(r"3\.\d{1,2}", python_version):
        raise McpError(f"python_version is {python_version!r}: allowed is a Lambda runtime's version such as 3.13.")
    standalone = name in STANDALONE
    if name not in NATIVE:
        return Target(name, python_version, None, None, standalone)
    python = os.path.expanduser(sandbox_python or sys.executable)
    version = version_of(python)
    if version is None:
        raise McpError(
            f"sandbox_python is {python!r}: this does not run. Give the interpreter that the emulator runs functions "
            "with, or leave it out for the one that runs Ansible."
        )
    return Target(native_name(version, name), version, python, python, standalone)


def with_helper(target: Target) -> Target:
    """Return the target with an interpreter of its version, where this machine has one."""
    return target if target.helper else dataclasses.replace(target, helper=find_python(target.python_version))


def native_target(python_version: str, sandbox_python: str | None) -> Target:
    """Return the target on which a package for another machine is tried: the same Python version if there is one."""
    python = find_python(python_version) or sandbox_python or sys.executable
    return resolve_target("sandbox", python, python_version)
