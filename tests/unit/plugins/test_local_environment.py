# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A local environment before anything is touched: bad input, the runtime's choice, what must not be left behind."""

from __future__ import annotations

import json
import socket
import stat
import typing as t
from pathlib import Path

import pytest
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import local_environment, local_runtime
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import McpError
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.local_runtime import Choice, Docker, choose

PORTS = {"server": 8000, "postgres": 5432, "redis": 6379}
GOOD = Docker("", "28.1.0", "2.39.1", "unix:///var/run/docker.sock", "x86_64")
NONE = Docker("there is no command docker on PATH: install Docker")


def values(**changed: t.Any) -> dict[str, t.Any]:
    """Return an environment's validated variables."""
    return {
        "mcp_environment": "local",
        "mcp_local_runtime": "process",
        "mcp_local_postgres_version": 18,
        "mcp_python_version": "3.13",
        "mcp_local_images": {"server_base": "", "postgres": "", "redis": "redis:8"},
        **changed,
    }


@pytest.fixture
def listening() -> t.Iterator[int]:
    """A port of 127.0.0.1 on which something listens."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


# Options


def test_a_dictionary_keeps_the_defaults_that_are_not_named():
    assert local_environment.merged("mcp_local_ports", {"redis": 7000}, {"default": PORTS}) == {**PORTS, "redis": 7000}


def test_a_misspelt_service_is_named_with_the_nearest():
    with pytest.raises(
        McpError, match=r"'postgress': no such service\. Did you mean postgres\?.*server, postgres, redis"
    ):
        local_environment.merged("mcp_local_ports", {"postgress": 1}, {"default": PORTS})


@pytest.mark.parametrize("value", [80, 0, 65536, "http", True, -1, None, 5432.0])
def test_what_is_no_port_is_refused_by_name(value):
    with pytest.raises(
        McpError, match=r"^mcp_local_ports\.redis is .*: allowed is a port from 1024 to 65535\. For example"
    ):
        local_environment.check_ports({**PORTS, "redis": value})


def test_ports_of_the_command_line_are_text_and_become_numbers():
    assert local_environment.check_ports({"server": "8001"}) == {"server": 8001}


def test_one_port_for_two_services_is_refused():
    with pytest.raises(McpError, match="gives server and redis the same port 8000"):
        local_environment.check_ports({**PORTS, "redis": 8000})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("mcp_local_s3_bucket", "My_Bucket"),
        ("mcp_local_alert_url", "hooks.example.org"),
        ("mcp_local_alert_url", "ftp://example.org/x"),
        ("mcp_local_postgres_version", 9),
        ("mcp_sandbox", True),
    ],
)
def test_a_wrong_value_is_named_with_what_is_allowed(name, value):
    with pytest.raises(McpError, match=rf"^{name} (is|=) .*(allowed|Leave)"):
        local_environment.check_values({name: value})


def test_a_server_that_is_no_folder_cannot_be_followed(tmp_path):
    assert local_environment.reloads(values(), str(tmp_path))
    assert not local_environment.reloads(values(mcp_local_reload=False), str(tmp_path))
    assert not local_environment.reloads(values(mcp_app_source="my-server==1.0"), None)
    with pytest.raises(McpError, match=r"mcp_local_reload is true, but mcp_app_source is 'my-server==1\.0'"):
        local_environment.reloads(values(mcp_app_source="my-server==1.0", mcp_local_reload=True), None)


def test_images_follow_the_versions_unless_they_are_given():
    images = local_environment.images(values(mcp_local_postgres_version=17))
    assert images["postgres"].endswith("postgres:17-trixie")
    assert images["server_base"].endswith("python:3.13-slim-trixie")
    assert local_environment.images(values(mcp_local_images={"postgres": "mine:1"})) == {"postgres": "mine:1"}


# The runtime


def test_docker_is_taken_where_it_answers_and_processes_where_it_does_not():
    assert choose("auto", None, GOOD, "local") == Choice("docker", "Docker 28.1.0 answers, with Compose 2.39.1")
    assert choose("auto", None, NONE, "local") == Choice("process", "there is no command docker on PATH")


def test_what_holds_the_data_is_stayed_with():
    assert choose("auto", "process", GOOD, "local").runtime == "process"
    assert "though Docker 28.1.0 answers" in choose("auto", "process", GOOD, "local").reason
    with pytest.raises(McpError, match=r"the data of local lies with Docker, but there is no command docker"):
        choose("auto", "docker", NONE, "local")


def test_docker_that_is_asked_for_and_missing_is_an_error():
    with pytest.raises(McpError, match=r"mcp_local_runtime is docker, but .*-e mcp_local_runtime=process"):
        choose("docker", None, NONE, "local")


def fake_docker(folder: Path, script: str) -> None:
    """Put a command docker on PATH."""
    folder.mkdir(exist_ok=True)
    path = folder / "docker"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


@pytest.mark.parametrize(
    ("script", "problem"),
    [
        ('echo "Cannot connect to the Docker daemon." >&2; exit 1', r"engine does not answer \(Cannot connect"),
        ("echo null", r"engine does not answer \(it said nothing\)"),
        (
            'case "$1 $2" in "version --format") echo \'{"Version": "28.1", "Arch": "amd64"}\';;'
            ' "context inspect") echo unix:///x;; *) echo "\'compose\' is not a docker command." >&2; exit 1;; esac',
            "the command 'docker compose' is missing: install",
        ),
        (
            'case "$1 $2" in "version --format") echo \'{"Version": "28.1", "Arch": "amd64"}\';;'
            ' "context inspect") echo unix:///x;; *) echo 2.17.3;; esac',
            r"Compose is 2\.17\.3, and 2\.18\.0 or later is needed",
        ),
    ],
)
def test_each_way_in_which_docker_cannot_be_used_is_told(tmp_path, monkeypatch, script, problem):
    fake_docker(tmp_path / "bin", script)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    found = local_runtime.look_for_docker()
    with pytest.raises(McpError, match=problem):
        choose("docker", None, found, "local")
    assert choose("auto", None, found, "local").runtime == "process"


def test_an_engine_of_another_machine_is_described(tmp_path, monkeypatch):
    script = (
        'case "$1 $2" in "version --format") echo \'{"Version": "28.1", "Arch": "arm64"}\';;'
        ' "context inspect") echo unix:///home/ada/.colima/docker.sock;; *) echo v2.39.1-desktop.1;; esac'
    )
    fake_docker(tmp_path / "bin", script)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    found = local_runtime.look_for_docker()
    assert found == Docker("", "28.1", "2.39.1-desktop.1", "unix:///home/ada/.colima/docker.sock", "arm64")


def test_services_are_those_that_the_runtime_has():
    docker = local_runtime.service_names("docker", emulated_s3=True, installed=())
    assert docker[:4] == ["postgres", "redis", "s3", "server"] and "grafana" in docker
    assert local_runtime.service_names("process", emulated_s3=False, installed=("prometheus",)) == [
        "postgres", "redis", "server", "prometheus",
    ]  # fmt: skip
    assert "postgres-exporter" not in local_environment.published("docker", docker)


# What must not be left behind


@pytest.mark.parametrize(
    ("used", "wanted"),
    [
        ({"runtime": "docker", "postgres_version": 18}, r"lies in the runtime docker.*-e mcp_local_runtime=docker"),
        (
            {"runtime": "process", "postgres_version": 17},
            r"was written by PostgreSQL 17.*-e mcp_local_postgres_version=17",
        ),
    ],
)
def test_data_of_another_runtime_or_major_version_stops_the_run(used, wanted):
    with pytest.raises(McpError, match=wanted) as caught:
        local_environment.refuse_move(values(), used, "process", "inventories/local")
    for step in ("destroy.yml", "mcp_destroy_data=true", "deploy.yml", "restore.yml", "Nothing was changed"):
        assert step in caught.value.message


def test_the_same_runtime_and_version_goes_on():
    local_environment.refuse_move(values(), {"runtime": "process", "postgres_version": 18}, "process", "x")
    local_environment.refuse_move(values(), {}, "docker", "x")


def test_an_older_postgresql_is_not_offered_a_way_that_it_cannot_go():
    used = {"runtime": "docker", "postgres_version": 19}
    with pytest.raises(McpError, match=r"allowed is 19 or later") as caught:
        local_environment.refuse_move(values(), used, "process", "inventories/local")
    assert "-e mcp_local_runtime=docker -e mcp_local_postgres_version=19" in caught.value.message
    assert "destroy.yml" not in caught.value.message


@pytest.mark.parametrize(
    ("kept", "wanted", "said"),
    [
        (
            "team",
            None,
            r"mcp_local_s3_bucket is not set, but the files of local are in bucket team.*: -e mcp_local_s3_bucket",
        ),
        (None, "team", r"mcp_local_s3_bucket is team, but .* in the emulated S3.*: leave mcp_local_s3_bucket out  To"),
        (
            "team",
            "other",
            r"mcp_local_s3_bucket is other, but .* bucket team.*deploy\.yml -i i -e mcp_local_s3_bucket=other",
        ),
    ],
)
def test_files_of_another_bucket_are_not_left_behind(kept, wanted, said):
    used = {"runtime": "process", "postgres_version": 18, "bucket": kept}
    given = values(mcp_local_s3_bucket=wanted) if wanted else values()
    with pytest.raises(McpError, match=said):
        local_environment.refuse_move(given, used, "process", "i")
    local_environment.refuse_move(given, {**used, "bucket": wanted}, "process", "i")


def docker_with(folder: Path, monkeypatch: pytest.MonkeyPatch, containers_of: str = "", volumes: str = "") -> None:
    """Put a command docker on PATH whose project has containers of a folder, and volumes."""
    script = f'case "$1" in ps) printf "{containers_of}";; volume) printf "{volumes}";; *) exit 1;; esac'
    fake_docker(folder / "bin", script)
    monkeypatch.setenv("PATH", f"{folder / 'bin'}:/usr/bin:/bin")


def test_volumes_of_which_the_folder_knows_nothing_are_not_touched(tmp_path, monkeypatch):
    docker_with(tmp_path, monkeypatch, volumes=r"mcp-local_postgres\nmcp-local_s3\n")
    with pytest.raises(McpError) as caught:
        local_environment.refuse_strangers(values(), tmp_path / "my l" / "local", {})
    for word in ("mcp-local_postgres, mcp-local_s3", "Nothing was changed", "-e mcp_environment=local-2", "used.json'"):
        assert word in caught.value.message
    local_environment.refuse_strangers(values(), tmp_path, {"runtime": "docker"})


def test_containers_of_another_checkout_are_not_touched_and_those_of_a_moved_one_are_ours(tmp_path, monkeypatch):
    there, here = tmp_path / "a" / "local", tmp_path / "b" / "local"
    (there / "state").mkdir(parents=True)
    (there / "state" / "used.json").write_text("{}")
    docker_with(tmp_path, monkeypatch, containers_of=rf"{there}\n\n")
    with pytest.raises(McpError, match=rf"belongs to {there}\. Nothing was changed.*-e mcp_environment=local-2"):
        local_environment.refuse_strangers(values(), here, {"runtime": "docker"})
    local_environment.refuse_strangers(values(), there, {"runtime": "docker"})
    there.parent.rename(here.parent)
    local_environment.refuse_strangers(values(), here, {"runtime": "docker"})


def test_a_docker_that_does_not_answer_is_not_taken_for_an_empty_one(tmp_path, monkeypatch):
    fake_docker(tmp_path / "bin", 'echo "no permission" >&2; exit 1')
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    with pytest.raises(McpError, match=r"no permission.*nobody knows whose data that is\. Nothing was changed"):
        local_environment.refuse_strangers(values(), tmp_path, {})


@pytest.mark.parametrize("text", ["{", "[]", '{"runtime": "podman"}'])
def test_an_unreadable_note_of_what_holds_the_data_stops_the_run(tmp_path, text):
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "used.json").write_text(text)
    with pytest.raises(McpError, match="nobody knows which runtime holds the data"):
        local_environment.read_used(tmp_path)


# Ports, folder, space


def test_a_port_that_somebody_else_holds_is_named_with_another(listening):
    mine, problem = local_environment.taken_ports({"postgres-exporter": listening}, {})
    assert mine == []
    assert f"another program listens on {listening} (postgres-exporter)" in problem
    assert json.dumps({"mcp_local_ports": {"postgres_exporter": listening + 1}}) in problem


def test_a_port_of_the_last_apply_may_be_our_own(listening):
    used = {"ports": {"server": listening}}
    assert local_environment.taken_ports({"server": listening}, used) == (["server"], "")


def test_a_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(McpError, match=r"^mcp_local_dir is .*allowed is a folder that you may write to"):
        local_environment.check_folder(tmp_path / "file" / "local")


def test_a_folder_too_long_for_a_socket_is_refused(tmp_path):
    with pytest.raises(McpError, match="bytes long: allowed are"):
        local_environment.check_folder(tmp_path / ("long" * 30) / "local")


def test_too_little_space_is_told_in_megabytes(tmp_path):
    assert local_environment.space_problem(tmp_path, 1) == ""
    assert "the database needs 99999999 MB" in local_environment.space_problem(tmp_path, 99_999_999)


# The source


def test_what_a_deploy_writes_into_the_source_is_not_watched(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    source = local_environment.source_of({"mcp_app_source": "."}, "")
    given = {"mcp_local_dir": ".local", "mcp_report_dir": str(tmp_path / "out" / "reports")}
    assert local_environment.unwatched(given, source) == [".local", "out/reports"]
    assert local_environment.unwatched({"mcp_local_dir": "../l", "mcp_report_dir": ".."}, source) == []
    assert local_environment.unwatched(given, None) == []
