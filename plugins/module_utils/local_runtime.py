# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the local phase runs its services with: Docker where its engine and Compose v2 are there, else processes."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import typing as t
from dataclasses import dataclass

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import McpError

ENGINE_SECONDS = 20
# The first Compose with all that community.docker.docker_compose_v2 asks of it (its documentation, 4.8).
OLDEST_COMPOSE = (2, 18, 0)
INSTALL_DOCKER = "install Docker (https://docs.docker.com/engine/install)"
INSTALL_COMPOSE = "install Compose v2 (https://docs.docker.com/compose/install/linux)"
MACHINES = {"amd64": "x86_64", "x86_64": "x86_64", "arm64": "arm64", "aarch64": "arm64"}
# The first of each that is on PATH; Debian's packages have other names than the projects' own releases.
PROGRAMS = {
    "prometheus": ("prometheus",),
    "alertmanager": ("alertmanager", "prometheus-alertmanager"),
    "postgres-exporter": ("postgres_exporter", "prometheus-postgres-exporter"),
    "redis-exporter": ("redis_exporter", "prometheus-redis-exporter"),
}


@dataclass(frozen=True)
class Docker:
    """What was found of Docker.

    :param problem: why it cannot be used, with what to do about it; empty when it can
    :param host: address of the engine that the command line uses, as in DOCKER_HOST
    :param machine: of the engine, as package targets name it
    """

    problem: str = ""
    engine: str = ""
    compose: str = ""
    host: str = ""
    machine: str = ""


@dataclass(frozen=True)
class Choice:
    """The runtime and why it was chosen."""

    runtime: str
    reason: str


def ask(command: list[str]) -> tuple[int, str, str]:
    """Run a short command; return its code, output and errors.

    :raises McpError: it does not end
    """
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", check=False,
            timeout=ENGINE_SECONDS,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return 124, "", f"no answer within {ENGINE_SECONDS} seconds"
    except OSError as error:
        return 127, "", str(error)
    return done.returncode, done.stdout.strip(), done.stderr.strip()


def last_line(text: str) -> str:
    """Return the end of what a command complained about."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1].rstrip(".") if lines else "it said nothing"


def version_tuple(text: str) -> tuple[int, ...]:
    """Return the numbers of a version such as ``v2.39.1-desktop.1``; empty when it is none."""
    found = re.match(r"v?(\d+)\.(\d+)(?:\.(\d+))?", text)
    return tuple(int(part or 0) for part in found.groups()) if found else ()


def look_at_compose(docker: Docker) -> Docker:
    """Add Compose's version, or what is wrong with it."""
    code, output, errors = ask(["docker", "compose", "version", "--short"])
    found = version_tuple(output) if code == 0 else ()
    if not found:
        # The engine's command line takes an unknown word for a misspelt one and says so at length.
        said = "" if "is not a docker command" in errors or "unknown" in errors else f" ({last_line(errors)})"
        problem = f"the command 'docker compose' is missing{said}: {INSTALL_COMPOSE}"
    elif found < OLDEST_COMPOSE:
        oldest = ".".join(map(str, OLDEST_COMPOSE))
        problem = f"Compose is {output.removeprefix('v')}, and {oldest} or later is needed: {INSTALL_COMPOSE}"
    else:
        problem = ""
    return Docker(problem, docker.engine, output.removeprefix("v"), docker.host, docker.machine)


def look_for_docker() -> Docker:
    """Find out whether Docker can be used here, and what its engine and Compose are."""
    if shutil.which("docker") is None:
        return Docker(f"there is no command docker on PATH: {INSTALL_DOCKER}")
    code, output, errors = ask(["docker", "version", "--format", "{{json .Server}}"])
    try:
        server = json.loads(output) if code == 0 else None
    except ValueError:
        server = None
    if not isinstance(server, dict):
        start = "start it (Linux: sudo systemctl start docker; macOS: open -a Docker), and see that you may use it"
        return Docker(f"Docker's engine does not answer ({last_line(errors)}): {start}, check with: docker info")
    code, host, _errors = ask(["docker", "context", "inspect", "--format", "{{.Endpoints.docker.Host}}"])
    machine = MACHINES.get(str(server.get("Arch")), "x86_64")
    return look_at_compose(Docker("", str(server.get("Version")), "", host if code == 0 else "", machine))


def choose(wanted: str, used: str | None, docker: Docker, environment: str) -> Choice:
    """Choose the runtime.

    :param wanted: mcp_local_runtime
    :param used: the runtime that holds the environment's data, None where there is none yet
    :raises McpError: what is wanted cannot be had
    """
    if wanted == "process":
        return Choice("process", "mcp_local_runtime says so")
    if docker.problem and (wanted == "docker" or used == "docker"):
        why = "mcp_local_runtime is docker" if wanted == "docker" else f"the data of {environment} lies with Docker"
        other = "Or do without Docker: -e mcp_local_runtime=process" if used is None else "Then type the same again"
        raise McpError(f"{why}, but {docker.problem}. Nothing was changed. {other}", variable="mcp_local_runtime")
    found = f"Docker {docker.engine} answers, with Compose {docker.compose}"
    if wanted == "docker":
        return Choice("docker", f"mcp_local_runtime says so; {found}")
    if used == "docker":
        return Choice("docker", f"it holds the data; {found}")
    if used == "process":
        return Choice("process", "it holds the data" + ("" if docker.problem else f", though {found}"))
    if docker.problem:
        return Choice("process", docker.problem.partition(":")[0])
    return Choice("docker", found)


def programs() -> dict[str, str]:
    """Return the paths of the optional services' programs that are on PATH, by service."""
    found = {service: next(filter(None, map(shutil.which, names)), None) for service, names in PROGRAMS.items()}
    return {service: path for service, path in found.items() if path}


def service_names(runtime: str, emulated_s3: bool, installed: t.Collection[str]) -> list[str]:
    """Return the services that run, in the order in which they start.

    :param installed: services whose programs are on PATH
    """
    stores = ["postgres", "redis", *(["s3"] if emulated_s3 else [])]
    watching = ["postgres-exporter", "redis-exporter", "prometheus", "alertmanager"]
    if runtime == "docker":
        return [*stores, "server", *watching, "grafana"]
    return [*stores, "server", *(service for service in watching if service in installed)]
