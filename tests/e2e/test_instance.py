# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Staging's real user data in a systemd container: boot, harden, crash, refuse, wait; nothing secret is left lying."""

from __future__ import annotations

import re
import time
import typing as t

import pytest

from tests.stand_ins import images
from tests.support import docker_engine
from tests.support.client import result_of, with_client
from tests.support.emulated import TestSandbox
from tests.support.instance import Instance, World, exposure, world

# `make proof` has an engine where one answers; with MCP_DOCKER_TESTS=1, as root on Debian, it starts one.
pytestmark = [pytest.mark.e2e, pytest.mark.proof]

# 0 is a service that can do nothing, 10 one without any sandbox; of the rest, the network makes 1.0.
EXPOSURE = 1.5


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[None]:
    """A Docker engine with the image."""
    with docker_engine.engine(tmp_path_factory.mktemp("engine")) as missing:
        if missing:
            pytest.skip(missing)
        images.build_instance()
        yield


@pytest.fixture(scope="module")
def here(engine: None, tmp_path_factory: pytest.TempPathFactory, sandbox: TestSandbox) -> t.Iterator[World]:
    """The world of these instances; its database is there."""
    with world(tmp_path_factory.mktemp("instances"), sandbox) as made:
        made.gate.open()
        yield made


@pytest.fixture(scope="module")
def release(here: World, tmp_path_factory: pytest.TempPathFactory) -> dict[str, t.Any]:
    """The reference server's package for instances, in the state bucket."""
    return here.package(tmp_path_factory.mktemp("packages"))


@pytest.fixture(scope="module")
def booted(here: World, release: dict[str, t.Any]) -> Instance:
    """An instance in service."""
    instance = here.boot(here.user_data(release))
    assert here.verdict(instance) == "CONTINUE", instance.boot_log
    return instance


def eventually(holds: t.Callable[[], bool], seconds: float, what: str) -> None:
    """Wait until something holds."""
    ends = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < ends, f"not within {seconds:g} s: {what}"
        time.sleep(0.5)


def is_ready(instance: Instance) -> bool:
    """Tell whether the instance's server is."""
    said = instance.ask("/ready")
    return bool(said) and said["status"] == "ready"


def test_an_instance_makes_itself_and_serves(here: World, booted: Instance, release: dict[str, t.Any]) -> None:
    assert booted.unit("ActiveState", "SubState", "User", "NRestarts") == {
        "ActiveState": "active",
        "SubState": "running",
        "User": "mcp",
        "NRestarts": "0",
    }
    ready = booted.ask("/ready")
    assert (ready["release"], ready["status"]) == (release["release"], "ready")
    assert {check["name"] for check in ready["checks"]} == {"documents", "schema", "files", "limits"}
    log = booted.boot_log
    assert "changed: made the user app" in log and "changed: empty -> 0003" in log
    assert f"mcp: CONTINUE: release {release['release']} answers" in log
    assert booted.run("systemctl", "is-enabled", "mcp-server.service").strip() == "enabled"
    assert booted.run("stat", "--format=%U %a", "/etc/mcp/server.env", f"/opt/mcp/{release['release']}").split() == [
        *("root", "644"),
        *("root", "755"),
    ]


def test_a_tool_writes_to_the_database(here: World, booted: Instance) -> None:
    endpoint = f"http://{booted.address}:8000/mcp"
    # A load balancer passes on the host that its client named.
    document = {"document_id": "first", "title": "First", "text": "from an instance"}
    saved = with_client(
        endpoint,
        here.token(),
        lambda client: result_of(client, "save_document", **document),
        headers={"Host": "staging.test"},
    )
    assert saved["version"] == 1
    assert here.gate.database.execute("SELECT body FROM documents WHERE id = 'first'") == [("from an instance",)]
    assert len(set(here.gate.tokens)) > 1 and here.gate.refused == []
    lines = booted.read("/var/log/mcp/server.log")
    assert '"_aws"' in lines and "save_document" in lines


def test_the_unit_gives_up_what_a_server_does_not_need(booted: Instance) -> None:
    security = booted.run("systemd-analyze", "security", "--no-pager", "mcp-server.service")
    print(security.splitlines()[-1])
    assert exposure(security) < EXPOSURE
    pid = booted.unit("MainPID")["MainPID"]
    status = dict(line.split(":\t", 1) for line in booted.read(f"/proc/{pid}/status").splitlines() if ":\t" in line)
    assert (status["NoNewPrivs"], status["Seccomp"], status["CapBnd"], status["CapEff"]) == (
        *("1", "2"),
        *("0000000000000000", "0000000000000000"),
    )
    # Seen from inside, by another program in the same sandbox: the system cannot be written to, homes cannot be read.
    program = "touch /etc/x /opt/mcp/x /var/log/mcp/x; ls -A /root /home; id -un"
    unit = booted.read("/etc/systemd/system/mcp-server.service")
    probe = re.sub("(?m)^ExecStart=.*$", f'ExecStart=/bin/sh -c "{program}"', unit)
    probe = re.sub("(?m)^Standard(Output|Error)=.*$", r"Standard\1=append:/run/probe.log", probe)
    probe = probe.replace("Type=exec", "Type=oneshot").replace("Restart=always", "Restart=no")
    booted.run(
        "sh", "-c", f"cat >/run/systemd/system/probe.service <<'EOF'\n{probe}\nEOF\nsystemctl start probe.service"
    )
    said = booted.read("/run/probe.log")
    assert said.count("Read-only file system") == 3 and said.splitlines()[-1] == "mcp", said
    assert said.count("cannot open directory") == 2, said


def test_nothing_secret_is_on_the_disk_or_in_a_process(here: World, booted: Instance) -> None:
    assert {name: booted.contains(value) for name, value in here.secrets.items()} == {name: [] for name in here.secrets}
    assert all(not booted.contains(token.rpartition("X-Amz-Signature=")[2]) for token in here.gate.tokens[-2:])


def test_a_crash_is_followed_by_a_start(booted: Instance) -> None:
    before = booted.unit("MainPID")["MainPID"]
    booted.run("kill", "-KILL", before)
    eventually(lambda: booted.unit("MainPID")["MainPID"] not in (before, "0") and is_ready(booted), 30, "ready again")
    assert booted.unit("NRestarts", "Result") == {"NRestarts": "1", "Result": "success"}


def test_a_stop_is_orderly_and_a_reboot_starts_the_server(booted: Instance) -> None:
    booted.run("systemctl", "restart", "mcp-server.service")
    eventually(lambda: is_ready(booted), 30, "ready after a restart")
    assert booted.unit("Result", "ExecMainStatus") == {"Result": "success", "ExecMainStatus": "0"}
    booted.run("logrotate", "--force", "/etc/logrotate.d/mcp")
    assert booted.read("/var/log/mcp/server.log.1") != ""
    booted.run("systemctl", "restart", "mcp-server.service")
    eventually(lambda: "serving pratiko_mcp.reference.server:mcp" in booted.read("/var/log/mcp/server.log"), 30, "logs")
    assert booted.run("stat", "--format=%U:%G %a", "/var/log/mcp/server.log").split() == ["root:cwagent", "640"]


def test_the_next_instance_needs_the_master_user_no_more(
    here: World, release: dict[str, t.Any], booted: Instance
) -> None:
    gone = here.user_data(release, master_secret_arn=here.arns["master"] + "-gone")
    instance = here.boot(gone)
    assert here.verdict(instance) == "CONTINUE"
    assert "unchanged: the user app can log in" in instance.boot_log
    assert "unchanged: 0003" in instance.boot_log


def test_a_package_with_another_hash_is_refused(here: World, release: dict[str, t.Any]) -> None:
    instance = here.boot(here.user_data({**release, "sha256": "0" * 64}))
    assert here.verdict(instance) == "ABANDON"
    assert f"failed at: comparing the package with its hash, {'0' * 64}" in instance.boot_log.splitlines()[-1]
    assert instance.run("ls", "-A", "/opt/mcp") == ""
    assert instance.run("systemctl", "is-active", "mcp-server.service", check=False).strip() == "inactive"
    assert instance.run("sh", "-c", "ls -A /var/tmp | grep ^mcp || true") == ""


def test_a_database_that_is_away_at_boot_is_waited_for(here: World, release: dict[str, t.Any]) -> None:
    here.gate.close()
    instance = here.boot(here.user_data(release))
    eventually(lambda: "making the user of the database" in instance.boot_log, 90, "it comes to the database")
    time.sleep(5)
    assert "ABANDON" not in instance.boot_log and "bringing the schema" not in instance.boot_log
    here.gate.open()
    assert here.verdict(instance) == "CONTINUE"
    # Later the server waits for itself: nobody restarts it, and /health does not ask the database.
    here.gate.close()
    here.gate.database.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'app'")
    eventually(lambda: not is_ready(instance), 30, "/ready says that the database is away")
    assert instance.ask("/health")["status"] == "ok"
    here.gate.open()
    eventually(lambda: is_ready(instance), 30, "ready again")
    assert instance.unit("NRestarts") == {"NRestarts": "0"}


@pytest.mark.parametrize(
    ("wrong", "at", "why"),
    [
        ({"MCP_LIMITS_PARAMETER": "/mcp/nobody/limits"}, "waiting for /ready", "mcp: not ready: ['limits: "),
        ({"MCP_ENTRYPOINT": "nothing.at_all:app"}, "the server ended again and again", "nothing.at_all:app"),
    ],
)
def test_a_release_that_is_not_ready_gives_itself_up(
    here: World, release: dict[str, t.Any], wrong: dict[str, str], at: str, why: str
) -> None:
    instance = here.boot(here.user_data(release, environment=wrong, ready_seconds=90 if "ENTRY" in str(wrong) else 15))
    assert here.verdict(instance) == "ABANDON"
    log = instance.boot_log
    assert at in log.splitlines()[-1] and why in log
