# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What instances of staging are told at their first boot: its size, its shell, its files, and what is not in it."""

from __future__ import annotations

import configparser
import json
import re
import shlex
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
import user_data

from tests.support.user_data import EXAMPLE, files, render

# EC2 takes 16 KB (2026-11); a long key set and further settings still have to fit.
MAX_BYTES = 12 * 1024
SHELLCHECK = Path(sys.executable).parent / "shellcheck"
# As whole as it gets, and as little.
VARIANTS: list[dict[str, t.Any]] = [{}, {"prepare": False, "migrates": False, "database_ca_url": ""}]
AWKWARD = {
    "MCP_APP_ENVIRONMENT": '{"GREETING": "it\'s $5 `today` \\\\ \\"now\\" %h!"}',
    "MCP_SERVER_NAME": "Team's server; $(reboot) #1",
    "MCP_JWKS": json.dumps({"keys": [{"kty": "EC", "crv": "P-256", "x": "x" * 43, "y": "y" * 43, "kid": "1"}]}),
}


def settings(script: str) -> dict[str, str]:
    """Read the settings as systemd does; a test lets the shell read them too."""
    lines = [line.partition("=") for line in files(script)["/etc/mcp/server.env"].splitlines()]
    assert all(text.startswith('"') and text.endswith('"') for _, _, text in lines)
    return {name: re.sub(r'\\(["\\$`])', r"\1", text[1:-1]) for name, _, text in lines}


def unit(script: str) -> dict[str, list[str]]:
    """Return the unit's settings by name."""
    found: dict[str, list[str]] = {}
    for line in files(script)["/etc/systemd/system/mcp-server.service"].splitlines():
        name, separator, value = line.partition("=")
        if separator and not line.startswith("#"):
            found.setdefault(name, []).append(value)
    return found


@pytest.mark.parametrize("changes", VARIANTS)
def test_shell_is_sound(changes: dict[str, t.Any], tmp_path: Path) -> None:
    script = render(**changes)
    for name, text in {"user-data": script, "mcp-run": files(script)["/usr/local/bin/mcp-run"]}.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
        checked = subprocess.run(
            [str(SHELLCHECK), "--shell=bash", str(tmp_path / name)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert (checked.returncode, checked.stdout) == (0, "")
    assert script.startswith("#!/bin/bash\n") and len(script.encode()) < MAX_BYTES
    assert max(map(len, script.splitlines())) <= 160


def test_files_are_where_stand_ins_find_them() -> None:
    assert list(files(render())) == [
        "/etc/mcp/server.env",
        "/usr/local/bin/mcp-run",
        "/etc/systemd/system/mcp-server.service",
        "/etc/logrotate.d/mcp",
        "/opt/aws/amazon-cloudwatch-agent/etc/mcp.json",
    ]


def test_settings_arrive_as_they_were_given() -> None:
    given = {**EXAMPLE["environment"], **AWKWARD}
    kept = {name: value for name, value in given.items() if value}
    region = {"AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1"}
    assert settings(render(environment=given)) == {**kept, **region}
    assert "MCP_JWKS_URL" not in render()


def test_awkward_settings_are_no_commands(tmp_path: Path) -> None:
    text = files(render(environment={**EXAMPLE["environment"], **AWKWARD}))["/etc/mcp/server.env"]
    (tmp_path / "server.env").write_text(text, encoding="utf-8")
    shown = 'set -a; . "$1"; exec "$2" -c "import json, os; print(json.dumps(dict(os.environ)))"'
    command = ["bash", "-c", shown, "bash", str(tmp_path / "server.env"), sys.executable]
    said = json.loads(subprocess.run(command, capture_output=True, text=True, check=True, env={}).stdout)
    assert {name: said[name] for name in AWKWARD} == AWKWARD


def test_the_sandbox_reads_what_an_instance_would() -> None:
    read = user_data.parse(render(environment={**EXAMPLE["environment"], **AWKWARD}))
    assert {name: read.environment[name] for name in AWKWARD} == AWKWARD
    assert read.server == ["-S", "-m", "pratiko_mcp", "--host", "0.0.0.0", "--port", "8000", "--keep-alive", "75"]
    assert [command[-1] for command in read.commands] == [EXAMPLE["master_secret_arn"], "upgrade"]
    assert read.log_group == "/mcp/staging/server"


def test_assignments_stand_on_lines_of_their_own() -> None:
    found = dict(re.findall(r"^([A-Z_]+[0-9]*)=(.*)$", render(), re.MULTILINE)[:10])
    assert {name: shlex.split(value)[0] for name, value in found.items()} == {
        "RELEASE": EXAMPLE["release"],
        "REGION": "us-east-1",
        "PACKAGE_BUCKET": EXAMPLE["package_bucket"],
        "PACKAGE_KEY": EXAMPLE["package_key"],
        "PACKAGE_SHA256": EXAMPLE["package_sha256"],
        "PYTHON": "/usr/bin/python3.13",
        "PORT": "8000",
        "GROUP": "mcp-staging",
        "HOOK": "mcp-staging-ready",
        "DEADLINE": "1740",
    }


@pytest.mark.parametrize(
    ("hosts", "asked"),
    [("", "mcp.example.com:8443"), ("localhost:*,other", "localhost"), ("other:81,localhost", "other:81")],
)
def test_ready_is_asked_under_a_name_that_is_allowed(hosts: str, asked: str, tmp_path: Path) -> None:
    given = {**EXAMPLE["environment"], "MCP_PUBLIC_URL": "https://mcp.example.com:8443", "MCP_ALLOWED_HOSTS": hosts}
    script = render(environment=given)
    (tmp_path / "server.env").write_text(files(script)["/etc/mcp/server.env"], encoding="utf-8")
    found = re.search(r"^allowed_host\(\) \{\n.*?^\}$", script, re.MULTILINE | re.DOTALL)
    assert found
    function = found.group().replace("/etc/mcp/server.env", str(tmp_path / "server.env"))
    done = subprocess.run(["bash", "-euc", f"{function}\nallowed_host"], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == asked


def test_the_hook_is_told_that_it_is_still_at_work() -> None:
    """Until the deadline, also when one call of it does not come through."""
    found = re.search(r"^keep_waiting\(\) \{\n.*?^\}$", render(), re.MULTILINE | re.DOTALL)
    assert found
    script = (
        "GROUP=g; HOOK=h; DEADLINE=1000; sleep() { SECONDS=$((SECONDS + $1)); }; metadata() { echo i-1; }\n"
        'aws() { echo "$*"; [ "$SECONDS" -lt 500 ]; }\n'
        f"{found.group()}\nkeep_waiting"
    )
    done = subprocess.run(["bash", "-euc", script], capture_output=True, text=True, check=False)
    heartbeat = "autoscaling record-lifecycle-action-heartbeat --instance-id i-1"
    line = f"{heartbeat} --auto-scaling-group-name g --lifecycle-hook-name h"
    assert done.stdout.splitlines() == [line] * 3 and done.stderr == ""


@pytest.mark.parametrize(("request_timeout", "stop"), [("28", 43), ("2.5", 18), ("", 43), ("55", 70)])
def test_a_stop_leaves_calls_in_flight_their_time(request_timeout: str, stop: int) -> None:
    environment = {**EXAMPLE["environment"], "MCP_REQUEST_TIMEOUT": request_timeout}
    assert unit(render(environment=environment))["TimeoutStopSec"] == [str(stop)]


def test_the_unit_runs_the_release_as_a_user_without_privileges() -> None:
    found = unit(render())
    assert found["ExecStart"] == ["/usr/bin/python3.13 -S -m pratiko_mcp --host 0.0.0.0 --port 8000 --keep-alive 75"]
    assert "PYTHONPATH=/opt/mcp/0123456789ab" in found["Environment"][0].split()
    assert (found["User"], found["Restart"], found["StartLimitBurst"]) == (["mcp"], ["always"], ["10"])
    wanted = {
        "NoNewPrivileges": "yes",
        "ProtectSystem": "strict",
        "ProtectHome": "yes",
        "PrivateTmp": "yes",
        "CapabilityBoundingSet": "",
        "RestrictAddressFamilies": "AF_INET AF_INET6",
        "MemoryDenyWriteExecute": "yes",
    }
    assert {name: found[name][0] for name in wanted} == wanted
    assert found["SystemCallFilter"] == ["@system-service", "~@privileged @resources"]
    # systemd 252, which Amazon Linux 2023 has, takes each section once.
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.read_string(files(render())["/etc/systemd/system/mcp-server.service"])
    assert parser.sections() == ["Unit", "Service", "Install"]


def test_database_steps_are_those_that_were_asked_for() -> None:
    blocks = dict(re.findall(r"^# >>> run (\w+)\n(.*)\n# <<< run$", render(), re.MULTILINE))
    module = ["in_time", "mcp-run", "-m", "pratiko_mcp.reference.migrate", "--wait", "600"]
    assert shlex.split(blocks["prepare"]) == [*module, "prepare", "--master-secret", EXAMPLE["master_secret_arn"]]
    assert shlex.split(blocks["upgrade"]) == [*module, "upgrade"]
    without = render(prepare=False, migrates=False, database_ca_url="")
    assert "pratiko_mcp.reference.migrate --wait" not in without and "rds-ca.pem {{" not in without
    assert "truststore" not in without and "master" not in without


def test_the_agent_sends_both_logs_and_measures_what_ec2_does_not() -> None:
    config = json.loads(files(render())["/opt/aws/amazon-cloudwatch-agent/etc/mcp.json"])
    sent = config["logs"]["logs_collected"]["files"]["collect_list"]
    assert [(entry["file_path"], entry["log_group_name"], entry["log_stream_name"]) for entry in sent] == [
        ("/var/log/mcp/server.log", "/mcp/staging/server", "{instance_id}/server"),
        ("/var/log/cloud-init-output.log", "/mcp/staging/server", "{instance_id}/boot"),
    ]
    metrics = config["metrics"]["metrics_collected"]
    assert set(metrics) == {"mem", "disk"}
    assert {entry["append_dimensions"]["AutoScalingGroupName"] for entry in metrics.values()} == {"mcp-staging"}
