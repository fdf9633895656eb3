# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The local phase on Docker, with stand-in images: deploy, again, look, use, watch, break, remove."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import threading
import time
import typing as t
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.stand_ins import images
from tests.support import docker_engine
from tests.support.checkout import ROOT, copy_project, link_collection
from tests.support.client import call_tool
from tests.support.local import INSTRUCTIONS, edited, free_service_ports, instructions, rows
from tests.support.playbook import PlaybookRun, run_playbook
from tests.support.watching import Webhook

# `make proof` has an engine where one answers; with MCP_DOCKER_TESTS=1, as root on Debian, it starts one.
pytestmark = [pytest.mark.e2e, pytest.mark.proof]

PUBLISHED = ("server", "postgres", "redis", "s3", "prometheus", "alertmanager", "grafana")
SERVICES = {*PUBLISHED, "postgres-exporter", "redis-exporter"}
ENVIRONMENT = "rehearsal"  # not the name that a person's own environment has
PROJECT = f"mcp-{ENVIRONMENT}"


@dataclasses.dataclass(frozen=True)
class Local:
    """One local environment on Docker, in a checkout of its own."""

    project: Path
    home: Path
    variables: dict[str, t.Any]
    environment: dict[str, str]

    def play(self, playbook: str, *arguments: str, **variables: t.Any) -> PlaybookRun:
        """Run a playbook of the checkout."""
        extra = json.dumps({**self.variables, **variables})
        inventory = str(self.project / "inventories" / ENVIRONMENT)
        return run_playbook(
            playbook, "-i", inventory, "-e", extra, *arguments,
            home=self.home, cwd=self.project, env=self.environment, timeout=1500,
        )  # fmt: skip

    def docker(self, *arguments: str) -> str:
        """Run the Docker CLI."""
        environment = {**os.environ, **self.environment}
        return subprocess.run(
            ["docker", *arguments], env=environment, capture_output=True, text=True, check=True
        ).stdout

    def inspect(self, service: str) -> dict[str, t.Any]:
        """Describe a service's container."""
        return dict(json.loads(self.docker("inspect", f"{PROJECT}-{service}-1"))[0])

    def url(self, service: str, path: str = "") -> str:
        """Return a URL of a service."""
        return f"http://127.0.0.1:{self.variables['mcp_local_ports'][service]}{path}"

    def get(self, service: str, path: str) -> t.Any:
        """Fetch JSON from a service."""
        with urllib.request.urlopen(self.url(service, path), timeout=10) as answer:
            return json.load(answer)

    @property
    def token(self) -> str:
        """The access token of the last run."""
        written = (self.project / "reports" / ENVIRONMENT / "token.json").read_text(encoding="utf-8")
        return str(json.loads(written)["access_token"])

    def call(self, tool: str, **arguments: t.Any) -> dict[str, t.Any]:
        """Call a tool."""
        return call_tool(self.url("server", "/mcp"), self.token, tool, **arguments)

    def checks(self) -> dict[str, str]:
        """Return the status of /ready by its name, and of its checks by theirs; nothing while nobody answers."""
        try:
            answer = urllib.request.urlopen(self.url("server", "/ready"), timeout=10)
        except urllib.error.HTTPError as error:
            answer = error
        except OSError:
            return {}
        with answer:
            said = json.load(answer)
        return {"ready": said["status"], **{check["name"]: check["status"] for check in said.get("checks", ())}}

    def secrets(self) -> list[str]:
        """Return every password of the environment."""
        folder = self.project / ".local" / ENVIRONMENT / "secrets"
        names = ("postgres-password", "redis-password", "grafana-password", "s3-secret-key")
        return [(folder / name).read_text(encoding="utf-8").strip() for name in names]


def eventually(holds: t.Callable[[], bool], seconds: float, what: str) -> None:
    """Wait until something holds."""
    ends = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < ends, f"not within {seconds:g} s: {what}"
        time.sleep(0.5)


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory, private_home: Path) -> t.Iterator[Local]:
    """A new local environment, not deployed yet; its containers, volumes and images are removed at the end."""
    base = tmp_path_factory.mktemp("local-docker")
    with docker_engine.engine(base) as missing:
        if missing:
            pytest.skip(missing)
        images.build_all()
        project = copy_project(ROOT, base / "p")
        link_collection(project)
        hosts = {"mcp": {"children": {"mcp_env_local": {"hosts": {ENVIRONMENT: None}}}}}
        inventory = project / "inventories" / ENVIRONMENT
        (project / "inventories" / "local").rename(inventory)
        (inventory / "hosts.yml").write_text(json.dumps(hosts), encoding="utf-8")
        variables = {
            "mcp_local_runtime": "docker",
            "mcp_local_images": images.names(),
            "mcp_local_ports": {name: port for name, port in free_service_ports().items() if name in PUBLISHED},
        }
        environment = docker_engine.configure(base / "docker")
        found = Local(project, private_home, variables, environment)
        try:
            yield found
        finally:
            ended = found.play("playbooks/destroy.yml", mcp_confirm=ENVIRONMENT, mcp_destroy_data=True)
        ended.require()


@pytest.fixture(scope="module")
def webhook(local: Local) -> t.Iterator[Webhook]:
    """A receiver of alerts."""
    bridge = json.loads(local.docker("network", "inspect", "bridge"))[0]
    with Webhook(bridge["IPAM"]["Config"][0]["Gateway"]) as receiver:
        yield receiver


@pytest.fixture(scope="module")
def first(local: Local, webhook: Webhook) -> PlaybookRun:
    """The first deploy."""
    local.variables["mcp_local_alert_url"] = f"http://host.docker.internal:{webhook.server_port}/"
    return local.play("deploy.yml").require()


@pytest.fixture(scope="module")
def deployed(local: Local, first: PlaybookRun) -> Local:
    """The environment, deployed."""
    return local


def test_tools_work_on_postgresql(deployed: Local) -> None:
    saved = deployed.call("save_document", document_id="first", title="First", text="on PostgreSQL")
    assert saved["version"] == 1
    assert deployed.call("get_document", document_id="first")["text"] == "on PostgreSQL"
    sql = "select id from documents where id = 'first'"
    psql = ("psql", "--host=/var/run/postgresql", "--username=mcp", "--tuples-only", "--no-align", "--command", sql)
    rows = deployed.docker("exec", f"{PROJECT}-postgres-1", *psql)
    assert rows.strip() == "first"


def test_second_deploy_changes_nothing(deployed: Local) -> None:
    before = {service: deployed.inspect(service)["State"]["StartedAt"] for service in SERVICES}
    assert deployed.play("deploy.yml").require().changed == 0
    assert {service: deployed.inspect(service)["State"]["StartedAt"] for service in SERVICES} == before


def test_an_edit_is_live_and_a_mistake_changes_nothing(deployed: Local) -> None:
    def serves(words: str) -> t.Callable[[], bool]:
        return lambda: instructions(deployed.url("server", "/mcp"), deployed.token).startswith(words)

    started = deployed.inspect("server")["State"]["StartedAt"]
    with edited(deployed.project, "An edited store.") as source:
        eventually(serves("An edited store."), 60, "the edit is served")
        good = source.read_text(encoding="utf-8")
        source.write_text(good + "\nraise RuntimeError('a mistake')\n", encoding="utf-8")
        kept = "the version before goes on serving"
        eventually(lambda: kept in deployed.docker("logs", f"{PROJECT}-server-1"), 60, "the mistake is in the log")
        assert serves("An edited store.")()
    eventually(serves(INSTRUCTIONS), 60, "the next good edit is served")
    assert deployed.inspect("server")["State"]["StartedAt"] == started


def test_a_look_after_an_edit_predicts_the_deploy_and_changes_nothing(deployed: Local) -> None:
    before = {service: deployed.inspect(service)["Id"] for service in SERVICES}
    with edited(deployed.project, "A store of documents."):
        look = deployed.play("deploy.yml", "--check", mcp_log_level="DEBUG").require()
        assert look.changed > 0
        assert {service: deployed.inspect(service)["Id"] for service in SERVICES} == before
        done = deployed.play("deploy.yml", mcp_log_level="DEBUG").require()
    assert rows(look) == rows(done), look.output[-4000:]
    assert rows(look)["server"] == "recreate" and set(rows(look)) <= {"server", "migrate", "files"}
    changed = {service for service in SERVICES if deployed.inspect(service)["Id"] != before[service]}
    assert changed == {"server"}
    deployed.play("deploy.yml").require()


def test_an_upload_through_s3(deployed: Local) -> None:
    content = b"kept on disk"
    link = deployed.call("create_upload_url", file_id="note", content_type="text/plain", size_bytes=len(content))
    assert link["url"].startswith(deployed.url("s3", "/"))

    def put(url: str) -> int:
        request = urllib.request.Request(url, content, link["headers"], method="PUT")
        with urllib.request.urlopen(request, timeout=10) as answer:
            return int(answer.status)

    with pytest.raises(urllib.error.HTTPError) as refused:
        put(link["url"][:-4] + ("0000" if not link["url"].endswith("0000") else "1111"))
    assert refused.value.code == 403
    assert put(link["url"]) == 200
    deployed.docker("restart", f"{PROJECT}-s3-1")
    health = deployed.inspect("s3")["State"]["Health"]["Status"]
    eventually(lambda: deployed.inspect("s3")["State"]["Health"]["Status"] == "healthy", 60, f"S3 is {health}")
    download = deployed.call("create_download_url", file_id="note")
    with urllib.request.urlopen(download["url"], timeout=10) as answer:
        assert answer.read() == content


def test_prometheus_has_every_target_up(deployed: Local) -> None:
    def all_up() -> bool:
        targets = deployed.get("prometheus", "/api/v1/targets")["data"]["activeTargets"]
        return {target["labels"]["job"]: target["health"] for target in targets} == dict.fromkeys(
            ("server", "postgres", "redis", "prometheus", "alertmanager"), "up"
        )

    eventually(all_up, 60, "every target up")
    # An exporter is also up when what it asks refuses it.
    for metric in ("pg_up", "redis_up"):
        (series,) = deployed.get("prometheus", f"/api/v1/query?query={metric}")["data"]["result"]
        assert series["value"][1] == "1"


@pytest.mark.parametrize("service", sorted(SERVICES))
def test_a_container_can_do_no_more_than_it_must(deployed: Local, service: str) -> None:
    found = deployed.inspect(service)
    host, user = found["HostConfig"], found["Config"]["User"]
    assert host["ReadonlyRootfs"] and host["CapDrop"] == ["ALL"] and not host["Privileged"]
    assert "no-new-privileges:true" in host["SecurityOpt"]
    assert user.partition(":")[0] not in ("", "0", "root")
    assert host["Memory"] > 0 and host["NanoCpus"] > 0 and host["PidsLimit"] > 0
    bound = [bind["HostIp"] for binds in (host["PortBindings"] or {}).values() for bind in binds]
    assert bound == (["127.0.0.1"] if service in PUBLISHED else [])


def test_no_password_shows(deployed: Local, first: PlaybookRun) -> None:
    folder = deployed.project / ".local" / ENVIRONMENT
    shown = [first.output, json.dumps([deployed.inspect(service) for service in SERVICES])]
    shown += [deployed.docker("top", f"{PROJECT}-{service}-1", "-eo", "pid,args") for service in SERVICES]
    shown += [path.read_text(encoding="utf-8") for path in folder.glob("*.yaml")]
    shown += [path.read_text(encoding="utf-8") for path in (folder / "config").rglob("*") if path.is_file()]
    shown += [path.read_text(encoding="utf-8") for path in (deployed.project / "reports").rglob("*.json")]
    for secret in deployed.secrets():
        assert len(secret) >= 32
        assert not any(secret in text for text in shown)


def test_an_image_that_nobody_has_is_one_error(deployed: Local) -> None:
    names = {**images.names(), "redis": "127.0.0.1:9/nobody/redis:1"}
    run = deployed.play("deploy.yml", mcp_local_images=names)
    assert run.rc != 0
    assert "mcp_local_images.redis is 127.0.0.1:9/nobody/redis:1" in run.output
    assert deployed.inspect("redis")["State"]["Health"]["Status"] == "healthy"
    # What was written for it is put right.
    assert rows(deployed.play("deploy.yml").require()) == {"files": "update"}


def test_a_broken_override_is_one_error(deployed: Local) -> None:
    override = deployed.project / ".local" / ENVIRONMENT / "compose.override.yaml"
    override.write_text("services:\n  redis:\n    imagee: x\n", encoding="utf-8")
    try:
        run = deployed.play("deploy.yml", "--check")
    finally:
        override.unlink()
    assert run.rc != 0
    assert f"{override} cannot be used, Compose says:" in run.output
    assert "imagee" in run.output


def test_a_service_of_the_override_runs_until_it_is_taken_out(deployed: Local) -> None:
    override = deployed.project / ".local" / ENVIRONMENT / "compose.override.yaml"
    override.write_text("services:\n  further:\n    build: .\n", encoding="utf-8")
    try:
        assert "further has no image" in " ".join(deployed.play("deploy.yml", "--check").require(2).output.split())
        service = {
            "image": images.names()["redis"],
            "command": ["redis-server", "--save", ""],
            "depends_on": ["server"],
        }
        override.write_text(json.dumps({"services": {"further": service}}), encoding="utf-8")
        assert rows(deployed.play("deploy.yml").require()) == {"further": "create"}
        assert deployed.inspect("further")["State"]["Status"] == "running"
        assert deployed.play("deploy.yml").require().changed == 0
    finally:
        override.unlink()
    assert rows(deployed.play("deploy.yml").require()) == {"further": "remove"}


def test_a_compose_file_that_was_edited_is_put_right(deployed: Local) -> None:
    path = deployed.project / ".local" / ENVIRONMENT / "compose.yaml"
    before = path.read_text(encoding="utf-8")
    path.write_text(before + "# mine\n", encoding="utf-8")
    for arguments in (("--check",), ()):
        run = deployed.play("deploy.yml", *arguments).require()
        assert rows(run) == {"files": "update"} and "compose.yaml" in run.output
    assert path.read_text(encoding="utf-8") == before
    assert deployed.play("deploy.yml").require().changed == 0


def test_an_induced_failure_reaches_the_webhook(deployed: Local, webhook: Webhook) -> None:
    deployed.docker("stop", f"{PROJECT}-redis-exporter-1")
    try:
        # The server was away as well, while it was made again.
        while webhook.wait("McpTargetDown", "firing", 180)["labels"]["job"] != "redis":
            pass
    finally:
        deployed.docker("start", f"{PROJECT}-redis-exporter-1")


def came_back(deployed: Local, service: str, started: str) -> t.Callable[[], bool]:
    """Return what tells whether a service was started again since and is healthy."""

    def check() -> bool:
        state = deployed.inspect(service)["State"]
        return bool(state["StartedAt"] > started and state["Health"]["Status"] == "healthy")

    return check


def more_than(found: list[str], count: int) -> t.Callable[[], bool]:
    """Return what tells whether a list has grown beyond a count."""
    return lambda: len(found) > count


# What /ready and its checks say while a service is away.
AWAY: dict[str, dict[str, str]] = {
    "server": {},
    "postgres": {"ready": "not_ready", "documents": "critical"},
    "redis": {"ready": "ready", "cache": "degraded"},
}


def tells(deployed: Local, expected: dict[str, str]) -> t.Callable[[], bool]:
    """Return what tells whether /ready says this; empty: nobody answers."""

    def check() -> bool:
        found = deployed.checks()
        return expected.items() <= found.items() if expected else not found

    return check


def test_a_writer_loses_nothing_while_services_are_killed(deployed: Local) -> None:
    acknowledged: list[str] = []
    done = threading.Event()

    def write() -> None:
        number = 0
        while not done.is_set():
            number += 1
            try:
                deployed.call("save_document", document_id=f"w{number}", title="w", text="w")
                acknowledged.append(f"w{number}")
            except Exception:
                time.sleep(0.2)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for service, expected in AWAY.items():
            kept, before = len(acknowledged), deployed.inspect(service)["State"]
            os.kill(before["Pid"], signal.SIGKILL)
            eventually(came_back(deployed, service, before["StartedAt"]), 120, f"{service} comes back")
            eventually(more_than(acknowledged, kept + 3), 60, f"writes go on after {service} was killed")
            # Killed by the engine's own command it stays away.
            deployed.docker("kill", f"{PROJECT}-{service}-1")
            eventually(tells(deployed, expected), 60, f"/ready tells that {service} is away")
            deployed.docker("start", f"{PROJECT}-{service}-1")
            eventually(tells(deployed, {"ready": "ready", "cache": "healthy"}), 120, f"{service} is there again")
    finally:
        done.set()
        writer.join()
    for document_id in acknowledged:
        assert deployed.call("get_document", document_id=document_id)["text"] == "w"


def test_a_restore_brings_back_what_was_there(deployed: Local) -> None:
    deployed.call("save_document", document_id="restored", title="t", text="as it was backed up")
    deployed.play("playbooks/backup.yml").require()
    deployed.call("save_document", document_id="restored", title="t", text="as it was overwritten")
    assert deployed.call("get_document", document_id="restored")["text"] == "as it was overwritten"
    deployed.play("playbooks/restore.yml", mcp_confirm=ENVIRONMENT).require()
    # At once: nothing of before is cached.
    assert deployed.call("get_document", document_id="restored")["text"] == "as it was backed up"
    assert deployed.play("deploy.yml").require().changed == 0


def test_another_checkout_neither_takes_nor_destroys_it(deployed: Local, tmp_path: Path) -> None:
    before = {service: deployed.inspect(service)["Id"] for service in SERVICES}
    for playbook in ("deploy.yml", "playbooks/destroy.yml"):
        options = {"mcp_local_dir": str(tmp_path), "mcp_confirm": ENVIRONMENT, "mcp_destroy_data": True}
        run = deployed.play(playbook, **options).require(2)
        assert f"belongs to {deployed.project / '.local' / ENVIRONMENT}" in " ".join(run.output.split())
    assert {service: deployed.inspect(service)["Id"] for service in SERVICES} == before


def test_destroy_keeps_the_volumes_and_the_next_deploy_the_documents(deployed: Local) -> None:
    deployed.call("save_document", document_id="kept", title="Kept", text="over a destroy")
    deployed.play("playbooks/destroy.yml", mcp_confirm=ENVIRONMENT).require()
    assert deployed.docker("ps", "-aq", "--filter", f"label=com.docker.compose.project={PROJECT}") == ""
    assert f"{PROJECT}_postgres" in deployed.docker("volume", "ls", "-q").split()
    assert PROJECT not in deployed.docker("image", "ls", "--format", "{{.Repository}}")
    assert deployed.play("playbooks/destroy.yml", mcp_confirm=ENVIRONMENT).require().changed == 0
    deployed.play("deploy.yml").require()
    assert deployed.call("get_document", document_id="kept")["text"] == "over a destroy"
    # The folder is lost, and with it all that knew of the volumes.
    deployed.play("playbooks/destroy.yml", mcp_confirm=ENVIRONMENT).require()
    folder = deployed.project / ".local" / ENVIRONMENT
    shutil.rmtree(folder)
    run = deployed.play("playbooks/destroy.yml", mcp_confirm=ENVIRONMENT, mcp_destroy_data=True).require(2)
    assert f"knows nothing of what is in {PROJECT}_" in " ".join(run.output.split())
    # As that run says.
    (folder / "state").mkdir(parents=True)
    (folder / "state" / "used.json").write_text('{"runtime": "docker", "postgres_version": 18}', encoding="utf-8")
    deployed.play("playbooks/destroy.yml", mcp_confirm=ENVIRONMENT, mcp_destroy_data=True).require()
    (dump,) = (folder / "backups").glob("*/database.sql")
    assert "over a destroy" in dump.read_text(encoding="utf-8")
    assert not [name for name in deployed.docker("volume", "ls", "-q").split() if name.startswith(f"{PROJECT}_")]
