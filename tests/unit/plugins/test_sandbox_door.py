# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""sandbox_door: what it asks of the front door, and what it says when there is none."""

from __future__ import annotations

import contextlib
import socket
import threading
import typing as t
from pathlib import Path

import front_door
import pytest
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import sandbox_door
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import Context, McpError

HOST = "d1234abcdefghij.cloudfront.net"
EMULATOR = "http://127.0.0.1:4566"


def run(control_url: str, check_mode: bool = False, **options: t.Any) -> dict[str, t.Any]:
    params = {
        "name": "production",
        "control_url": control_url,
        "host": HOST,
        "health_url": "",
        "kind": "distribution",
        "ca_file": None,
        **options,
    }

    def no_aws(service: str, _region: str | None) -> t.Any:
        raise AssertionError(f"asked for a client of {service}")

    return sandbox_door.run(Context(params, no_aws, check_mode=check_mode))


@pytest.fixture
def doors(tmp_path: Path) -> t.Iterator[front_door.ControlServer]:
    """The sandbox's own front door, in front of no emulator."""
    first = closed_port()
    made = front_door.Doors(tmp_path / "doors.json", EMULATOR, first)
    server = front_door.ControlServer(0, made, str(tmp_path))
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()
    for door in made.doors.values():
        door.close()


def control(doors: front_door.ControlServer) -> str:
    return f"http://127.0.0.1:{doors.server_address[1]}"


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def answering(answer: bytes) -> t.Iterator[str]:
    """Send these bytes to whoever connects first."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with contextlib.suppress(OSError):
                connection, _address = listener.accept()
                with connection:
                    connection.recv(65536)
                    connection.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    thread.join(5)


@pytest.mark.parametrize("check_mode", [False, True])
def test_without_a_front_door_it_says_how_to_start_it(check_mode: bool) -> None:
    with pytest.raises(McpError, match=r"does not answer at .*Start it with: make deploy"):
        run(f"http://127.0.0.1:{closed_port()}", check_mode)


@pytest.mark.parametrize(
    "control_url", ["http://192.0.2.1:4567", "https://127.0.0.1:4567", "http://127.0.0.1.example.com:4567", ""]
)
def test_another_machine_is_never_asked(control_url: str) -> None:
    with pytest.raises(McpError, match="control_url is '"):
        run(control_url)


@pytest.mark.parametrize("name", ["", "Production", "a/../b", "-a"])
def test_a_name_that_makes_no_door_is_refused(name: str) -> None:
    with pytest.raises(McpError, match=f"name is '{name}': allowed"):
        run("http://127.0.0.1:1", name=name)


def test_what_the_front_door_refuses_is_told_in_its_words(doors: front_door.ControlServer) -> None:
    with pytest.raises(McpError, match=r"refuses PUT .* it must be a distribution's domain"):
        run(control(doors), host="example.com")


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.7\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]",
    ],
)
def test_another_server_on_the_port_is_named_as_such(answer: bytes) -> None:
    with answering(answer) as url, pytest.raises(McpError, match="is not the sandbox's front door"):
        run(url)


def test_another_server_that_refuses_is_told_by_its_status() -> None:
    answer = b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnope"
    with answering(answer) as url, pytest.raises(McpError, match=r"refuses PUT .*: HTTP 404"):
        run(url)


def test_a_door_is_opened_and_keeps_its_address(doors: front_door.ControlServer) -> None:
    health_url = f"{EMULATOR}/_aws/execute-api/a1/live/health"
    first = run(control(doors), health_url=health_url)
    again = run(control(doors) + "/", host="d2.cloudfront.net", health_url=health_url)
    (known,) = doors.doors.list()
    assert first == again == {"changed": False, "url": known["url"], "http_url": ""}
    assert known["name"] == "production"
    assert known["host"] == "d2.cloudfront.net"
    assert known["health_url"] == health_url


def test_a_proxy_of_the_environment_is_not_used(
    doors: front_door.ControlServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{closed_port()}")
    monkeypatch.delenv("no_proxy", raising=False)
    assert run(control(doors))["url"]


def test_check_mode_finds_a_door_and_opens_none(doors: front_door.ControlServer) -> None:
    assert run(control(doors), check_mode=True) == {"changed": False, "url": "", "http_url": ""}
    assert doors.doors.list() == []
    opened = run(control(doors))
    assert run(control(doors), check_mode=True) == opened


def test_a_load_balancer_has_two_addresses_and_keeps_them(doors: front_door.ControlServer) -> None:
    options: dict[str, t.Any] = {"kind": "load_balancer", "host": "mcp-1a2b.us-east-1.elb.amazonaws.com"}
    first = run(control(doors), **options)
    (known,) = doors.doors.list()
    assert first == run(control(doors), **options) == run(control(doors), check_mode=True, **options)
    assert first == {"changed": False, "url": known["url"], "http_url": known["http_url"]}
    assert first["url"].startswith("https://localhost:") and first["http_url"].startswith("http://localhost:")


def test_a_distribution_is_no_load_balancer(doors: front_door.ControlServer) -> None:
    with pytest.raises(McpError, match=r"refuses PUT .* it must be a load balancer's name"):
        run(control(doors), kind="load_balancer")
