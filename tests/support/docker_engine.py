# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Docker engine for tests, with Compose from the package index: one that answers, or one that is started when asked.

Tests that need one are skipped where none answers. With MCP_DOCKER_TESTS=1 they are not: as root on Debian the engine
and mmdebstrap are then installed where they are missing, and the engine runs until the tests end.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import time
import typing as t
from pathlib import Path

ASKED = os.environ.get("MCP_DOCKER_TESTS") == "1"
COMPOSE = Path(sys.executable).parent / "docker-compose"
PACKAGES = {"dockerd": ["docker.io", "iptables"], "mmdebstrap": ["mmdebstrap"]}
START_SECONDS = 60


def answers() -> bool:
    """Tell whether an engine answers."""
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        return subprocess.run(["docker", "info"], capture_output=True, timeout=20, check=False).returncode == 0
    return False


def install() -> None:
    """Install what is missing from Debian's packages."""
    missing = [name for program, names in PACKAGES.items() if shutil.which(program) is None for name in names]
    if missing:
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run(["apt-get", "update", "-qq"], check=True)
        subprocess.run(
            ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing], env=environment, check=True
        )


@contextlib.contextmanager
def engine(folder: Path) -> t.Iterator[str | None]:
    """Provide an engine; yield why there is none, or None."""
    if answers():
        yield None
        return
    if not ASKED:
        yield "no Docker engine answers; MCP_DOCKER_TESTS=1 installs and starts one (as root, on Debian)"
        return
    install()
    with (folder / "dockerd.log").open("wb") as log:
        process = subprocess.Popen(["dockerd", "--pidfile", str(folder / "dockerd.pid")], stdout=log, stderr=log)
    try:
        ends = time.monotonic() + START_SECONDS
        while not answers():
            said = (folder / "dockerd.log").read_text(encoding="utf-8", errors="replace")[-2000:]
            assert process.poll() is None and time.monotonic() < ends, f"the engine does not start:\n{said}"
            time.sleep(0.5)
        yield None
    finally:
        process.terminate()
        process.wait(60)


def configure(folder: Path) -> dict[str, str]:
    """Make a Docker configuration of one's own, with Compose; return the environment that leads to it."""
    plugins = folder / "cli-plugins"
    plugins.mkdir(parents=True)
    shutil.copy(COMPOSE, plugins / "docker-compose")
    return {"DOCKER_CONFIG": str(folder)}
