# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A local environment in the process runtime: deployed, asked, written to, its processes killed by their ids."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import typing as t
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from mcp import Client

from tests.support.client import call_tool, with_client
from tests.support.emulated import free_ports
from tests.support.playbook import PlaybookRun, run_playbook

# As mcp_local_ports names them.
SERVICES = (
    "server", "postgres", "redis", "s3", "prometheus", "alertmanager", "grafana", "postgres_exporter", "redis_exporter"
)  # fmt: skip
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
# What a person's shell may have: an emulated S3 is nothing of theirs.
FOREIGN = {"AWS_PROFILE": "somebody", "AWS_SESSION_TOKEN": "of-a-real-account"}
INSTRUCTIONS = "A document store."
ROW = re.compile(r"^  \[[\w-]+\]   \S ([\w-]+): (\w+)", re.MULTILINE)


@dataclass
class Local:
    """The environment ``local`` of one checkout.

    :param folder: short, because sockets lie below it
    :param packages: cache of packages and of what the services run with; shared, so that each is made once
    """

    project: Path
    folder: Path
    home: Path
    packages: Path
    ports: dict[str, int] = field(default_factory=dict)
    variables: dict[str, t.Any] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=FOREIGN.copy)

    def __post_init__(self) -> None:
        self.ports = free_service_ports()

    def play(self, playbook: str = "deploy.yml", *arguments: str, **variables: t.Any) -> PlaybookRun:
        """Run a playbook on it."""
        options = self.command(playbook, *arguments, **variables)
        return run_playbook(*options, home=self.home, cwd=self.project, env=self.environment, timeout=900)

    def command(self, playbook: str, *arguments: str, **variables: t.Any) -> tuple[str, ...]:
        """Return what ansible-playbook is given to run a playbook on it."""
        given = {**self.given, **variables}
        return (playbook, "-i", "inventories/local", "-e", json.dumps(given), *arguments)

    @property
    def given(self) -> dict[str, t.Any]:
        """The variables that make it an environment of a test."""
        return {
            "mcp_local_runtime": "process",
            "mcp_local_dir": str(self.folder / "local"),
            "mcp_local_ports": self.ports,
            "mcp_build_dir": str(self.packages),
            "mcp_report_dir": str(self.folder / "reports"),
            **self.variables,
        }

    def into_inventory(self) -> None:
        """Write the variables into the checkout's inventory, for commands that take none."""
        path = self.project / "inventories" / "local" / "group_vars" / "mcp_env_local.yml"
        lines = [f"{name}: {json.dumps(value)}\n" for name, value in self.given.items()]
        path.write_text(path.read_text(encoding="utf-8") + "".join(lines), encoding="utf-8")

    def report(self, name: str = "deployment") -> dict[str, t.Any]:
        """Return a report of the last run that wrote it."""
        return dict(json.loads((self.folder / "reports" / "local" / f"{name}.json").read_text(encoding="utf-8")))

    @property
    def dir(self) -> Path:
        """The environment's folder."""
        return self.folder / "local" / "local"

    @property
    def url(self) -> str:
        """The server's public URL."""
        return f"http://127.0.0.1:{self.ports['server']}"

    @property
    def token(self) -> str:
        """The access token of the last run."""
        return str(json.loads((self.folder / "reports" / "local" / "token.json").read_text("utf-8"))["access_token"])

    def call(self, tool: str, **arguments: t.Any) -> dict[str, t.Any]:
        """Call a tool as a client does."""
        return call_tool(f"{self.url}/mcp", self.token, tool, **arguments)

    def instructions(self) -> str:
        """Return what the server says of itself; empty while nobody does."""
        return instructions(f"{self.url}/mcp", self.token)

    def ready(self) -> tuple[int, dict[str, t.Any]]:
        """Return the status and the body of /ready; (0, nothing) where nobody takes the connection."""
        try:
            with DIRECT.open(f"{self.url}/ready", timeout=10) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())
        except OSError:
            return 0, {}

    def checks(self) -> dict[str, str]:
        """Return the checks of /ready with their states; nothing while nobody answers."""
        return {check["name"]: check["status"] for check in self.ready()[1].get("checks", ())}

    def migrate(self, *arguments: str) -> None:
        """Type the command that changes the schema of its database."""
        settings = {
            "MCP_DATABASE_URL": f"postgresql://mcp@127.0.0.1:{self.ports['postgres']}/mcp",
            "MCP_DATABASE_PASSWORD_FILE": str(self.dir / "secrets" / "postgres-password"),
            "PYTHONPATH": str(self.project / "app" / "src"),
        }
        command = [sys.executable, "-m", "pratiko_mcp.reference.migrate", *arguments]
        subprocess.run(command, env={**os.environ, **settings}, check=True)

    def pids(self) -> dict[str, int]:
        """Return the processes that supervisord runs, by service."""
        from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.supervisor import Supervisor

        return {name: process["pid"] for name, process in Supervisor(self.dir).processes().items() if process["pid"]}

    def kill(self, service: str) -> None:
        """Kill a service as a crash would, and wait until another one is started in its place."""
        killed = self.pids()[service]
        os.kill(killed, signal.SIGKILL)
        wait_until(lambda: self.pids().get(service, killed) != killed)

    @contextlib.contextmanager
    def away(self, service: str) -> t.Iterator[None]:
        """Kill a service as a crash would, and let nobody start it again before the block ends."""
        killed = self.pids()[service]
        with frozen(psutil.Process(killed).ppid(), children=False):
            os.kill(killed, signal.SIGKILL)
            yield
        wait_until(lambda: self.pids().get(service, killed) != killed)

    def end(self) -> None:
        """End supervisord, and with it every service, whatever became of the environment."""
        from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.supervisor import Supervisor

        with contextlib.suppress(OSError):
            supervisor = Supervisor(self.dir)
            daemon = psutil.Process(supervisor.ask("getPID"))
            processes = daemon.children(recursive=True)
            supervisor.ask("shutdown")
            psutil.wait_procs([daemon, *processes], 60)

    def wait_until_ready(self) -> dict[str, t.Any]:
        """Wait until /ready says so, and return what it says."""
        wait_until(lambda: self.ready()[0] == 200 and "degraded" not in self.checks().values())
        return self.ready()[1]


def instructions(endpoint: str, token: str) -> str:
    """Return what a server says of itself; empty while nobody does."""

    async def asked(client: Client) -> str:
        return client.instructions or ""

    with contextlib.suppress(Exception, BaseExceptionGroup):
        return with_client(endpoint, token, asked, "legacy")  # the later era does not ask for it by itself
    return ""


@contextlib.contextmanager
def edited(project: Path, words: str) -> t.Iterator[Path]:
    """Let the source of a checkout's server say other words of itself while the block runs."""
    source = project / "app" / "src" / "pratiko_mcp" / "reference" / "server.py"
    original = source.read_text(encoding="utf-8")
    assert INSTRUCTIONS in original
    source.write_text(original.replace(INSTRUCTIONS, words), encoding="utf-8")
    try:
        yield source
    finally:
        source.write_text(original, encoding="utf-8")


def free_service_ports() -> dict[str, int]:
    """Return free ports for all services: a developer's own environment may run on the usual ones."""
    first = free_ports(len(SERVICES))
    return {service: first + place for place, service in enumerate(SERVICES)}


def is_kept(local: Local, name: str) -> bool:
    """Tell whether the server has a document."""
    try:
        return bool(local.call("get_document", document_id=name)["document_id"] == name)
    except (AssertionError, BaseExceptionGroup):
        return False


def rows(run: PlaybookRun) -> dict[str, str]:
    """Return the services that a run changes or would change, and what it does to each."""
    return dict(ROW.findall(run.output))


@contextlib.contextmanager
def frozen(pid: int, children: bool = True) -> t.Iterator[None]:
    """Let a process answer nobody while the block runs."""
    processes = [psutil.Process(pid), *(psutil.Process(pid).children() if children else ())]
    for process in processes:
        process.suspend()
    try:
        yield
    finally:
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.resume()


def wait_until(condition: t.Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait until something is so.

    :raises AssertionError: it is not in time
    """
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.1)


class Writer(threading.Thread):
    """Saves documents until it is stopped, and remembers which were acknowledged."""

    def __init__(self, local: Local) -> None:
        super().__init__(daemon=True)
        self.acknowledged: list[str] = []
        self.refused = 0
        self._local = local
        self._ended = threading.Event()

    def run(self) -> None:
        """Write."""
        number = 0
        while not self._ended.is_set():
            number += 1
            name = f"written-{number}"
            try:
                self._local.call("save_document", document_id=name, title=name, text="text")
                self.acknowledged.append(name)
            except (Exception, BaseExceptionGroup):  # refused, cut off or not answered: not acknowledged
                self.refused += 1
                time.sleep(0.2)

    def wait_for_more(self, count: int = 3) -> None:
        """Wait until more documents are acknowledged."""
        wanted = len(self.acknowledged) + count
        wait_until(lambda: len(self.acknowledged) >= wanted)

    def stop(self) -> None:
        """End it."""
        self._ended.set()
        self.join(60)


@contextlib.contextmanager
def writing(local: Local) -> t.Iterator[Writer]:
    """Write while the block runs."""
    writer = Writer(local)
    writer.start()
    try:
        yield writer
    finally:
        writer.stop()
