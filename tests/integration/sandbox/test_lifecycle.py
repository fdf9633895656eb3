# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sandbox as a person uses it: start, stop, kill, reset, taken ports."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import time
from pathlib import Path

import pytest

from tests.support.emulated import TestSandbox, free_ports

pytestmark = pytest.mark.integration


def bucket_names(sandbox: TestSandbox) -> list[str]:
    """List the buckets of the emulated AWS."""
    return [bucket["Name"] for bucket in sandbox.client("s3").list_buckets()["Buckets"]]


def fill(sandbox: TestSandbox) -> dict[str, str]:
    """Put something into the emulated AWS and open a door."""
    store = sandbox.client("s3")
    store.create_bucket(Bucket="kept")
    store.put_object(Bucket="kept", Key="a/b", Body=b"content")
    return sandbox.door("production", host="d1.cloudfront.net")


def saved_states(sandbox: TestSandbox) -> set[str]:
    """Name the services whose state lies on disk."""
    return {path.stem for path in (sandbox.directory / "state").glob("*.json")}


def ask(url: str, path: str) -> tuple[int, bytes]:
    """GET a path at a door."""
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=10)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def test_start_is_idempotent_and_stop_leaves_nothing(own_sandbox: TestSandbox) -> None:
    own_sandbox.start()
    first = own_sandbox.status()
    assert "already running" in own_sandbox.command("start").stdout
    assert own_sandbox.status() == first
    assert first["running"] and first["endpoint"] == own_sandbox.endpoint
    own_sandbox.stop()
    assert own_sandbox.command("status").returncode == 1
    assert "nothing was running" in own_sandbox.command("stop").stdout
    for port in (own_sandbox.port, own_sandbox.port + 1):
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", port)) != 0


def test_state_and_doors_survive_a_stop_and_reset_empties_them(own_sandbox: TestSandbox) -> None:
    own_sandbox.start()
    door = fill(own_sandbox)
    own_sandbox.stop()
    own_sandbox.start()
    assert own_sandbox.client("s3").get_object(Bucket="kept", Key="a/b")["Body"].read() == b"content"
    assert own_sandbox.status()["doors"] == [door]
    assert own_sandbox.command("reset").returncode == 0
    own_sandbox.start()
    assert bucket_names(own_sandbox) == []
    assert own_sandbox.status()["doors"] == []


@pytest.mark.parametrize("part", ["emulator", "front_door"])
def test_a_killed_part_is_repaired_by_the_next_start(own_sandbox: TestSandbox, part: str) -> None:
    own_sandbox.start()
    door = fill(own_sandbox)
    deadline = time.monotonic() + 15
    while "s3" not in saved_states(own_sandbox) and time.monotonic() < deadline:
        time.sleep(0.1)
    before = own_sandbox.status()
    os.kill(before[part]["pid"], signal.SIGKILL)
    assert not own_sandbox.status()["running"]
    own_sandbox.start()
    after = own_sandbox.status()
    other = "front_door" if part == "emulator" else "emulator"
    assert after["running"] and after[part]["pid"] != before[part]["pid"]
    assert after[other]["pid"] == before[other]["pid"]
    assert bucket_names(own_sandbox) == ["kept"]
    assert own_sandbox.status()["doors"] == [door]
    assert ask(door["url"], "/mcp")[0] == 404  # the door is open, the distribution was never made


def test_a_stale_pid_file_never_ends_a_strangers_process(own_sandbox: TestSandbox) -> None:
    own_sandbox.directory.mkdir(parents=True)
    stranger = os.getpid()
    record = f'{{"pid": {stranger}, "started": "another time", "port": 1}}'
    (own_sandbox.directory / "emulator.pid").write_text(record)
    own_sandbox.start()
    assert own_sandbox.status()["emulator"]["pid"] != stranger


@pytest.mark.parametrize("offset", [0, 1])
def test_a_taken_port_is_said(own_sandbox: TestSandbox, offset: int) -> None:
    with socket.socket() as squatter:
        squatter.bind(("127.0.0.1", own_sandbox.port + offset))
        squatter.listen()
        done = own_sandbox.command("start")
    assert done.returncode == 1
    assert f"SANDBOX_PORT is {own_sandbox.port}, and port {own_sandbox.port + offset} for the" in done.stderr
    assert f"process {os.getpid()}" in done.stderr
    assert f"make deploy SANDBOX_PORT={own_sandbox.port + 100}" in done.stderr
    assert "Traceback" not in done.stderr


def test_another_checkouts_sandbox_on_the_port_is_named(own_sandbox: TestSandbox, tmp_path: Path) -> None:
    own_sandbox.start()
    other = TestSandbox(tmp_path / "other", port=own_sandbox.port)
    done = other.command("start")
    assert done.returncode == 1
    assert f"the sandbox in {own_sandbox.directory}" in done.stderr
    assert own_sandbox.status()["running"]


def test_a_running_sandbox_is_not_moved_to_another_port(own_sandbox: TestSandbox) -> None:
    own_sandbox.start()
    moved = TestSandbox(own_sandbox.directory, port=free_ports())
    done = moved.command("start")
    assert done.returncode == 1
    assert f"runs on port {own_sandbox.port} already" in done.stderr
    assert own_sandbox.status()["running"]


@pytest.mark.parametrize("port", ["80", "70000", "http"])
def test_an_impossible_port_is_refused(own_sandbox: TestSandbox, port: str) -> None:
    own_sandbox.port = port  # type: ignore[assignment]  # what a person may type
    done = own_sandbox.command("start")
    assert done.returncode == 1
    assert f"SANDBOX_PORT is '{port}'; it must be a number from 1024 to 65300" in done.stderr
    own_sandbox.port = free_ports()


def test_the_persons_aws_settings_do_not_reach_the_emulator(
    own_sandbox: TestSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "the-real-one")
    own_sandbox.start()
    pid = own_sandbox.status()["emulator"]["pid"]
    try:
        environment = Path(f"/proc/{pid}/environ").read_text(encoding="utf-8")
    except OSError:
        pytest.skip("the environment of another process can be read under /proc only")
    assert "AWS_" not in environment
    assert "BIND_HOST=127.0.0.1" in environment.split("\0")
