# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role writes for Prometheus and Alertmanager, and both live in front of server, PostgreSQL and Redis.

Grafana itself is not run: the queries of every panel of every dashboard are sent to Prometheus as Grafana would.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import random
import re
import subprocess
import sys
import threading
import typing as t
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from tests.support.checkout import ROOT
from tests.support.client import MODERN, call_tool, with_client
from tests.support.direct import Issuer
from tests.support.playbook import PlaybookRun, run_playbook
from tests.support.services import Postgres, Redis, free_port, postgres, redis
from tests.support.watching import Labels, Program, Prometheus, Webhook, needs, panels

PROGRAMS = (
    "prometheus",
    "prometheus-alertmanager",
    "prometheus-postgres-exporter",
    "prometheus-redis-exporter",
)
LIVE = needs(*PROGRAMS)
SERVICES = ("server", "postgres-exporter", "redis-exporter", "prometheus", "alertmanager")
SERVER = """
import time
from pratiko_mcp.reference.server import READY_CHECKS, TOOL_SCOPES, mcp

@mcp.tool()
def wait(seconds: float) -> str:
    time.sleep(seconds)
    return "done"
"""
Values = list[dict[Labels, float]]


@dataclasses.dataclass(frozen=True)
class Round:
    """One time that the role writes its configuration.

    :param values: of ``mcp_deployment.local``, beside the folder
    """

    runtime: str
    check: bool = False
    values: dict[str, t.Any] = dataclasses.field(default_factory=dict)
    variables: dict[str, t.Any] = dataclasses.field(default_factory=dict)

    def tasks(self, folder: Path) -> list[dict[str, t.Any]]:
        """Return the tasks that do it, and tell whose configuration changed."""
        names = [*SERVICES, *(["grafana"] if self.runtime == "docker" else [])]
        ports = {name.replace("-", "_"): 9000 + number for number, name in enumerate(SERVICES)} | {
            "postgres": 5432,
            "redis": 6379,
            "s3": 9100,
        }
        local = {"dir": str(folder), "runtime": self.runtime, "ports": ports, "services": dict.fromkeys(names)}
        role = {"name": "pratikoai.mcp_servers.local", "tasks_from": "write_files"}
        told = "changes: {{ local__files.paths | map('relpath', mcp_deployment.local.dir) | join(' ') }};"
        # What watches, and nothing else.
        own: dict[str, t.Any] = {
            "_local_files": "{{ _local_observability_files | selectattr('service', 'in', _mcp_local_services) }}",
            "_local_data_folders": [],
            "_local_password_files": [],
            "_local_secret_owner": None,
        }
        return [
            {
                "ansible.builtin.set_fact": {
                    "mcp_deployment": {"local": {**local, **self.values}, "sizes": {}},
                    **self.variables,
                }
            },
            {"ansible.builtin.include_role": {**role, "apply": {"check_mode": self.check}}, "vars": own},
            {"ansible.builtin.debug": {"msg": told}},
        ]


def render(folder: Path, home: Path, *rounds: Round) -> tuple[PlaybookRun, list[str]]:
    """Have the role write its configuration for an environment in a folder; return whose changed, each time."""
    secrets = folder / "environment" / "secrets"
    secrets.mkdir(parents=True)
    (secrets / "redis-password").write_text("password of redis", encoding="utf-8")
    tasks = [task for one in rounds for task in one.tasks(folder / "environment")]
    play = {"hosts": "localhost", "gather_facts": False, "vars": {"mcp_environment": "local"}, "tasks": tasks}
    (folder / "play.yml").write_text(json.dumps([play]), encoding="utf-8")
    here = ("-c", "local", "-e", f"ansible_python_interpreter={sys.executable}")
    run = run_playbook(str(folder / "play.yml"), "-i", "localhost,", "--diff", *here, home=home).require()
    return run, [readers(paths.split()) for paths in re.findall(r"changes: ([^;]*);", run.stdout)]


def readers(paths: list[str]) -> str:
    """Return who reads files of an environment's folder: config/<service>/..., secrets/<service>.json."""
    return " ".join(sorted({path.split("/")[1].removesuffix(".json") for path in paths}))


def targets(folder: Path) -> dict[str, str]:
    """Return the addresses that Prometheus was told to fetch from."""
    text = (folder / "environment" / "config" / "prometheus" / "prometheus.yml").read_text(encoding="utf-8")
    jobs = yaml.safe_load(text)["scrape_configs"]
    return {job["job_name"]: job["static_configs"][0]["targets"][0] for job in jobs}


def test_containers_are_watched_by_name_and_a_second_run_changes_nothing(tmp_path: Path, private_home: Path) -> None:
    url = {"mcp_local_alert_url": "http://127.0.0.1:9999/secret-path"}
    edited = {"mcp_local_alert_url": "https://example.org/hook"}
    run, changes = render(
        tmp_path,
        private_home,
        Round("docker", variables=url),
        Round("docker", variables=url),
        Round("docker", check=True, variables=edited),
    )
    everything = "alertmanager grafana prometheus redis-exporter"
    assert changes == [everything, "", "alertmanager"]
    assert "secret-path" not in run.output and "password of redis" not in run.output
    assert targets(tmp_path) == {
        "server": "server:8000",
        "postgres": "postgres-exporter:9187",
        "redis": "redis-exporter:9121",
        "prometheus": "127.0.0.1:9090",
        "alertmanager": "alertmanager:9093",
    }
    config = tmp_path / "environment" / "config"
    assert "http://host.docker.internal:9999/secret-path" in (config / "alertmanager" / "alertmanager.yml").read_text()
    assert len(list((config / "grafana" / "dashboards").glob("*.json"))) == 4
    passwords = tmp_path / "environment" / "secrets" / "redis-exporter.json"
    assert json.loads(passwords.read_text()) == {"redis://redis:6379": "password of redis"}
    assert passwords.stat().st_mode & 0o777 == 0o600


def test_processes_are_watched_where_their_programs_are(tmp_path: Path, private_home: Path) -> None:
    services = {"services": dict.fromkeys(["server", "prometheus", "redis-exporter"])}
    _, changes = render(tmp_path, private_home, Round("process", values=services))
    assert changes == ["prometheus redis-exporter"]
    assert targets(tmp_path) == {"server": "127.0.0.1:9000", "redis": "127.0.0.1:9002", "prometheus": "127.0.0.1:9003"}
    config = tmp_path / "environment" / "config"
    assert "alerting" not in yaml.safe_load((config / "prometheus" / "prometheus.yml").read_text(encoding="utf-8"))
    assert not (config / "grafana").exists()


@dataclasses.dataclass
class Live:
    """Everything that runs, and a token for its server."""

    prometheus: Prometheus
    webhook: Webhook
    database: Postgres
    cache: Redis
    server: Program
    url: str
    token: str

    def call(self, tool: str, **arguments: t.Any) -> None:
        """Call a tool; how it ends is for the metrics to say."""
        with contextlib.suppress(Exception, BaseExceptionGroup):
            call_tool(f"{self.url}/mcp", self.token, tool, **arguments)

    def values(self, title: str) -> Values:
        """Return the present values of a panel's queries."""
        return [self.prometheus.ask(query) for query in panels()[title]]

    def healthy(self) -> bool:
        """Tell whether everything is there."""
        down = self.prometheus.ask("up == 0 or mcp_dependency_up < 1 or pg_up == 0 or redis_up == 0")
        return not down and len(self.prometheus.ask("up == 1")) == len(SERVICES)


def use(live: Live, stop: threading.Event) -> None:
    """Do what clients do all day."""
    number = 0
    while not stop.wait(0.5):
        number += 1
        live.call("save_document", document_id=f"daily-{number % 5}", title="t", text=f"text {number}")
        live.call("get_document", document_id=f"daily-{number % 5}")
        live.call("get_document", document_id=f"daily-{number % 5}")


@contextlib.contextmanager
def running(folder: Path, home: Path) -> Iterator[Live]:
    """Run an environment as the role configures it, fetched from every two seconds instead of five."""
    issuer = Issuer()
    with postgres() as database, redis() as cache, Webhook() as webhook, contextlib.ExitStack() as stack:
        ports = {name.replace("-", "_"): free_port() for name in SERVICES}
        known = {"ports": {**ports, "postgres": database.port, "redis": cache.port, "s3": 0}}
        options = {"mcp_local_alert_url": webhook.url, "_mcp_scrape_interval": "2s"}
        render(folder, home, Round("process", values=known, variables=options))
        config, secrets = folder / "environment" / "config", folder / "environment" / "secrets"
        (secrets / "redis-exporter.json").write_text(
            (secrets / "redis-exporter.json").read_text().replace("password of redis", cache.password)
        )
        at = {name: f"127.0.0.1:{ports[name.replace('-', '_')]}" for name in SERVICES}
        url = f"http://{at['server']}"
        (folder / "observed.py").write_text(SERVER, encoding="utf-8")
        settings = {
            **database.environment,
            **cache.environment,
            "PYTHONPATH": f"{ROOT / 'app' / 'src'}:{folder}",
            "MCP_PUBLIC_URL": url,
            "MCP_ENTRYPOINT": "observed:mcp",
            "MCP_JWKS": issuer.jwks,
            "MCP_REQUEST_TIMEOUT": "2",
            "MCP_RELEASE": "first",
        }
        serve = (sys.executable, "-m", "pratiko_mcp")
        migrate = [sys.executable, "-m", "pratiko_mcp.reference.migrate", "upgrade"]
        subprocess.run(migrate, env={**settings}, check=True, capture_output=True)
        server = Program(folder, f"{url}/health", *serve, "--port", url.rpartition(":")[2], **settings)
        programs = [
            server,
            Program(
                folder,
                f"http://{at['postgres-exporter']}/metrics",
                "prometheus-postgres-exporter",
                f"--web.listen-address={at['postgres-exporter']}",
                DATA_SOURCE_URI=f"127.0.0.1:{database.port}/mcp?sslmode=disable",
                DATA_SOURCE_USER="mcp",
                DATA_SOURCE_PASS_FILE=str(database.password_file),
            ),
            Program(
                folder,
                f"http://{at['redis-exporter']}/metrics",
                "prometheus-redis-exporter",
                f"-web.listen-address={at['redis-exporter']}",
                f"-redis.addr=redis://127.0.0.1:{cache.port}",
                f"-redis.password-file={secrets / 'redis-exporter.json'}",
            ),
            Program(
                folder,
                f"http://{at['alertmanager']}/-/ready",
                "prometheus-alertmanager",
                f"--config.file={config / 'alertmanager' / 'alertmanager.yml'}",
                f"--storage.path={folder / 'alertmanager'}",
                f"--web.listen-address={at['alertmanager']}",
                "--cluster.listen-address=",
            ),
            Program(
                folder,
                f"http://{at['prometheus']}/-/ready",
                "prometheus",
                f"--config.file={config / 'prometheus' / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'prometheus'}",
                f"--web.listen-address={at['prometheus']}",
            ),
        ]
        for program in programs:
            stack.enter_context(program)
        token = issuer.token(url, scope="documents:read documents:write")
        yield Live(Prometheus(f"http://{at['prometheus']}", "10s"), webhook, database, cache, server, url, token)


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory, private_home: Path) -> Iterator[Live]:
    """A watched environment in daily use."""
    with running(tmp_path_factory.mktemp("live"), private_home) as one:
        stop = threading.Event()
        thread = threading.Thread(target=use, args=(one, stop))
        thread.start()
        try:
            yield one
        finally:
            stop.set()
            thread.join()


def series(values: Values) -> dict[tuple[int, Labels], float]:
    """Return the values of a panel's series."""
    return {(number, labels): value for number, query in enumerate(values) for labels, value in query.items()}


def rises(before: Values, after: Values) -> bool:
    """Tell whether a series is a third higher than it was, or new."""
    was = series(before)
    return any(value > was.get(key, 0) * 4 / 3 + 1e-9 for key, value in series(after).items())


def falls(before: Values, after: Values) -> bool:
    """Tell whether a series is a third lower than it was."""
    now = series(after)
    return any(key in now and now[key] < value * 2 / 3 - 1e-9 for key, value in series(before).items())


def dips(before: Values, after: Values) -> bool:
    """Tell whether a share that was whole is not any more."""
    now = series(after)
    return any(value > 0.999 > now.get(key, 1) for key, value in series(before).items())


def ends(before: Values, after: Values) -> bool:
    """Tell whether a series is not there any more."""
    return bool(series(before).keys() - series(after).keys())


@dataclasses.dataclass(frozen=True)
class Fault:
    """Something that happens to the environment.

    :param act: makes it happen; called again and again while the panels are looked at if it ``lasts``
    :param undo: ends it
    :param panels: what they show then, by dashboard and title
    """

    name: str
    act: Callable[[Live], object]
    panels: dict[str, Callable[[Values, Values], bool]]
    undo: Callable[[Live], object] = lambda live: None
    lasts: bool = False


def many_calls(live: Live) -> None:
    """Save, read, list and search more than usual, in both eras."""

    async def calls(client: t.Any) -> None:
        for number in range(10):
            text = random.randbytes(100_000).hex()
            await client.call_tool("save_document", {"document_id": f"new-{number}", "title": "t", "text": text})
            await client.call_tool("get_document", {"document_id": f"new-{number}"})
            await client.call_tool("get_document", {"document_id": f"new-{number}"})
            await client.call_tool("list_documents", {})

    for mode in ("legacy", MODERN):
        with_client(f"{live.url}/mcp", live.token, calls, mode)


def deadlock(live: Live) -> None:
    """Let two transactions wait for each other until PostgreSQL ends one."""
    ids = (1, 2)
    live.database.execute("CREATE TABLE IF NOT EXISTS locked (id int PRIMARY KEY)")
    live.database.execute("INSERT INTO locked VALUES (1), (2) ON CONFLICT DO NOTHING")
    first_taken = threading.Barrier(2)

    def take(order: tuple[int, ...]) -> None:
        with live.database.connect() as connection, contextlib.suppress(Exception), connection.transaction():
            for number in order:
                connection.execute("SELECT FROM locked WHERE id = %s FOR UPDATE", (number,))
                if number == order[0]:
                    first_taken.wait(10)

    both = [threading.Thread(target=take, args=(order,)) for order in (ids, ids[::-1])]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()


def slow_calls(live: Live) -> None:
    """Call a tool that takes nearly a second, and one that takes longer than a call may."""
    calls = [threading.Thread(target=live.call, args=("wait",), kwargs={"seconds": value}) for value in (0.8, 0.8, 3)]
    for thread in calls:
        thread.start()
    for thread in calls:
        thread.join()


def foreign_tokens(live: Live) -> None:
    """Call with a token of nobody's."""
    for _ in range(3):
        dataclasses.replace(live, token=Issuer().token(live.url)).call("list_documents")


def alarming_kill(live: Live) -> None:
    """Kill PostgreSQL, and wait until the operator knows."""
    live.database.kill()
    alert = live.webhook.wait("McpPostgresDown", "firing")
    assert alert["labels"]["environment"] == "local"
    assert alert["annotations"]["summary"] == "PostgreSQL does not answer its exporter"


def another_release(live: Live) -> None:
    """Start the server anew, as another release."""
    live.server.kill()
    live.server.start(MCP_RELEASE="second")


FAULTS = (
    Fault(
        "many calls",
        many_calls,
        {
            "business: Events a minute": rises,
            "business: Events in 24 hours": rises,
            "business: Growth of the stored data": rises,
            "business: Successful calls a minute by tool": rises,
            "business: Tool calls that succeeded": rises,
            "business: Tools in use": rises,
            "dependencies: Commands a second": rises,
            "dependencies: Keys": rises,
            "dependencies: Memory of Redis": rises,
            "dependencies: Reads from the cache": rises,
            "dependencies: Rows a second": rises,
            "dependencies: Size of the database": rises,
            "dependencies: Transactions a second": rises,
            "mcp-traffic: Busiest tools": rises,
            "mcp-traffic: Calls a second by tool": rises,
            "mcp-traffic: Messages a second by era": rises,
            "mcp-traffic: Messages a second by method": rises,
            "mcp-traffic: Messages a second by outcome": rises,
            "system-health: Messages a second": rises,
            "system-health: Processor": rises,
        },
        lasts=True,
    ),
    Fault("a deadlock", deadlock, {"dependencies: Deadlocks": rises}),
    Fault(
        "foreign tokens",
        foreign_tokens,
        {"mcp-traffic: Refused and limited": rises, "business: Turned away": rises},
        lasts=True,
    ),
    Fault(
        "slow calls",
        slow_calls,
        {
            "business: Served without our fault": dips,
            "mcp-traffic: 95th percentile by tool": rises,
            "mcp-traffic: Average time by tool": rises,
            "mcp-traffic: Failed calls by tool": rises,
            "mcp-traffic: In flight": rises,
            "mcp-traffic: Slow answers a second": rises,
            "system-health: 95th percentile": rises,
            "system-health: Failed share": rises,
            "system-health: Failed, of all messages": rises,
            "system-health: Time to answer": rises,
        },
        lasts=True,
    ),
    Fault(
        "Redis hangs",
        lambda live: live.cache.freeze(),
        {
            "dependencies: Found in the cache": falls,
            "dependencies: Time of the checks": rises,
            "dependencies: Time to fetch": rises,
        },
        lambda live: live.cache.thaw(),
    ),
    Fault(
        "Redis is killed",
        lambda live: live.cache.kill(),
        {"dependencies: Redis answers": falls, "dependencies: Checks": falls},
        lambda live: live.cache.start(),
    ),
    Fault(
        "PostgreSQL is killed",
        alarming_kill,
        {
            "dependencies: Blocks found in memory": ends,
            "dependencies: Connections": ends,
            "dependencies: Database connections of the server": falls,
            "dependencies: Notifications a second": rises,
            "dependencies: PostgreSQL answers": falls,
            "system-health: Alerts firing": rises,
            "system-health: Dependencies away": rises,
        },
        lambda live: live.database.start(),
    ),
    Fault(
        "another release starts",
        another_release,
        {
            "system-health: Release": rises,
            "system-health: Starts of the server": rises,
            "system-health: Up for": falls,
        },
    ),
    Fault(
        "the server is killed",
        lambda live: live.server.kill(),
        {
            "system-health: Memory": ends,
            "system-health: Open files": ends,
            "system-health: Targets": falls,
            "system-health: Targets down": rises,
        },
        lambda live: live.server.start(),
    ),
)


def test_every_panel_has_its_fault() -> None:
    assert sorted(title for fault in FAULTS for title in fault.panels) == sorted(panels())


@LIVE
def test_every_panel_shows_something(live: Live) -> None:
    empty: list[str] = []

    def look() -> bool:
        empty[:] = [
            f"{title}: {query}" for title in panels() for query in panels()[title] if not live.prometheus.ask(query)
        ]
        return not empty

    live.prometheus.until(look, lambda: f"these return nothing: {empty}", 60)
    assert live.healthy()


@LIVE
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name.replace(" ", "-"))
def test_panels_show_the_fault(live: Live, fault: Fault) -> None:
    live.prometheus.until(live.healthy, lambda: "everything is there", 60)
    before = {title: live.values(title) for title in fault.panels}
    missing = dict(fault.panels)
    try:
        fault.act(live)

        def look() -> bool:
            for title in [title for title, shows in missing.items() if shows(before[title], live.values(title))]:
                del missing[title]
            if missing and fault.lasts:
                fault.act(live)
            return not missing

        def seen() -> str:
            return f"not shown: { {title: (before[title], live.values(title)) for title in missing} }"

        live.prometheus.until(look, seen, 90)
    finally:
        fault.undo(live)
