# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stand-ins' reading of the real user data, and the small parts that need no emulator."""

from __future__ import annotations

import base64
import datetime
import json
import struct
import typing as t
from pathlib import Path

import capacity
import certificate_keys
import instance_logs
import load_balancer_door
import machines
import postgres
import postgres_tls
import pytest
import self_signed
import targets
import user_data

from tests.support.user_data import EXAMPLE, render


def test_the_real_user_data_is_read() -> None:
    odd = "quo\"ted $HOME `id` back\\slash 'single' # no comment"
    environment = {**EXAMPLE["environment"], "MCP_GREETING": odd}
    script = user_data.parse(render(environment=environment))
    assert script.values["PACKAGE_KEY"] == EXAMPLE["package_key"]
    assert (script.values["GROUP"], script.values["HOOK"]) == ("mcp-staging", "mcp-staging-ready")
    assert script.environment["MCP_GREETING"] == odd
    assert script.environment["PYTHONPATH"] == "/opt/mcp/0123456789ab"
    assert script.server[:3] == ["-S", "-m", "pratiko_mcp"] and "--port" in script.server
    assert [command[command.index("-m") + 1] for command in script.commands] == ["pratiko_mcp.reference.migrate"] * 2
    assert script.commands[0][-1] == EXAMPLE["master_secret_arn"] and script.commands[1][-1] == "upgrade"
    assert script.log_group == "/mcp/staging/server"
    assert script.allowed_host == "mcp-staging-1234567890.us-east-1.elb.amazonaws.com"
    assert float(script.values["READY_SECONDS"]) > 0 and (script.unit["RestartSec"], script.unit["Restart"])


def test_without_migrations_nothing_is_run_before_the_start() -> None:
    assert user_data.parse(render(prepare=False, migrates=False)).commands == []


@pytest.mark.parametrize("text", ["", "#!/bin/bash\necho hello\n", render().replace("# >>> file /etc/mcp", "# file ")])
def test_what_is_no_user_data_of_the_phase_is_said(text: str) -> None:
    with pytest.raises(user_data.Unreadable):
        user_data.parse(text)


def test_another_program_than_the_releases_python_is_not_started() -> None:
    script = user_data.parse(render().replace("ExecStart=/usr/bin/python3.13", "ExecStart=/usr/bin/env python3.13"))
    with pytest.raises(user_data.Unreadable, match="ExecStart"):
        _ = script.server


@pytest.mark.parametrize("text", ["#!/bin/bash\n", base64.b64encode(b"#!/bin/bash\n").decode()])
def test_user_data_comes_encoded_or_plain(text: str) -> None:
    assert user_data.text_of(text) == "#!/bin/bash\n"


@pytest.mark.parametrize(
    ("text", "moved"),
    [
        ("/opt/mcp/abc", "/x/opt/mcp/abc"),
        (". /etc/mcp/server.env; ls /opt/mcp", ". /x/etc/mcp/server.env; ls /x/opt/mcp"),
        ("sslrootcert=/etc/mcp/rds-ca.pem", "sslrootcert=/x/etc/mcp/rds-ca.pem"),
        ("/usr/bin/python3.13 -S -m a", "/p -S -m a"),
        ("/srv/opt/mcp /opt/mcpx /usr/bin/python3.131", "/srv/opt/mcp /opt/mcpx /usr/bin/python3.131"),
    ],
)
def test_folders_and_python_become_the_stand_ins_own(text: str, moved: str) -> None:
    assert user_data.moved(text, Path("/x"), "/usr/bin/python3.13", "/p") == moved


@pytest.mark.parametrize(
    ("desired", "preferences", "expected"),
    [
        (1, {"MinHealthyPercentage": 100, "MaxHealthyPercentage": 200}, capacity.Bounds(1, 1, 2, True)),
        (3, {"MinHealthyPercentage": 90, "MaxHealthyPercentage": 110}, capacity.Bounds(3, 3, 4, True)),
        (4, {"MinHealthyPercentage": 50, "MaxHealthyPercentage": 100}, capacity.Bounds(4, 2, 4, False)),
        (2, {"MinHealthyPercentage": 100, "MaxHealthyPercentage": 100}, capacity.Bounds(2, 2, 3, True)),
        (2, {"MinHealthyPercentage": 100}, capacity.Bounds(2, 1, 2, False)),
        (10, {}, capacity.Bounds(10, 9, 10, False)),
    ],
)
def test_percentages_become_numbers(desired: int, preferences: dict[str, int], expected: capacity.Bounds) -> None:
    assert capacity.bounds_of(desired, preferences) == expected


@pytest.mark.parametrize(
    ("matcher", "status", "fits"),
    [("200", 200, True), ("200,202", 202, True), ("200-299", 204, True), ("200", 302, False)],
)
def test_a_matcher_is_read_as_the_load_balancer_does(matcher: str, status: int, fits: bool) -> None:
    assert targets.matches(matcher, status) is fits


def test_a_target_becomes_healthy_by_its_count_and_unhealthy_by_its_time() -> None:
    group = {"HealthyThresholdCount": 2, "UnhealthyThresholdCount": 3, "HealthCheckIntervalSeconds": 10}
    target = targets.Target("i-1", 1)
    states = []
    for now, good in ((0, True), (1, False), (2, True), (3, True), (4, False), (33, False), (34, False), (35, True)):
        targets.judge(target, group, good, float(now))
        states.append(target.state)
    assert states == ["initial", "initial", "initial", "healthy", "healthy", "healthy", "unhealthy", "unhealthy"]


def test_a_healthy_target_is_asked_at_its_interval_and_another_at_once() -> None:
    steady, failing = targets.Target("a", 1, state="healthy", checked=10.0), targets.Target("b", 2, checked=10.0)
    shaky = targets.Target("c", 3, state="healthy", checked=10.0, bad_since=9.0)
    assert [steady.is_due(5, now) for now in (12.0, 15.0)] == [False, True]
    assert failing.is_due(5, 10.1) and shaky.is_due(5, 10.1)


def test_calls_go_to_healthy_targets_by_turns_and_to_all_where_none_is() -> None:
    healthy, sick = targets.Target("a", 1, state="healthy"), targets.Target("b", 2, state="unhealthy")
    other, leaving = targets.Target("c", 3, state="healthy"), targets.Target("d", 4, state="draining")
    chosen = [targets.choose([healthy, sick, other, leaving], turn) for turn in range(4)]
    assert chosen == [healthy, other, healthy, other]
    assert targets.choose([sick, leaving], 0) is sick
    assert targets.choose([leaving], 0) is None


def test_roles_of_a_database_hold_whatever_its_names_and_passwords_have() -> None:
    made = "\n".join(postgres.roles('ad"min', "pa'ss"))
    assert "CREATE ROLE \"ad\"\"min\" LOGIN CREATEDB CREATEROLE PASSWORD 'pa''ss'" in made
    assert "SUPERUSER" not in made


def test_a_connection_without_tls_gets_postgresqls_own_refusal() -> None:
    answer = postgres_tls.refusal("127.0.0.1")
    assert answer[:1] == b"E" and struct.unpack("!i", answer[1:5])[0] == len(answer) - 1
    assert b"C28000\0" in answer and b"no encryption" in answer


def test_an_imported_certificate_says_its_names_and_dates() -> None:
    public, _private = self_signed.make(["mcp.example.com", "localhost", "127.0.0.1"])
    found = certificate_keys.details_of(public.decode())
    assert found["DomainName"] == "mcp.example.com"
    assert found["SubjectAlternativeNames"] == ["mcp.example.com", "localhost", "127.0.0.1"]
    lasts = [datetime.datetime.fromisoformat(found[key]) for key in ("NotBefore", "NotAfter")]
    assert (lasts[1] - lasts[0]).days == self_signed.DAYS + 1


def test_a_key_lies_where_only_its_user_reads_it(tmp_path: Path) -> None:
    keys = certificate_keys.Keys(tmp_path)
    path = keys.write("arn:aws:acm:us-east-1:1:certificate/abc", "KEY", "CERTIFICATE", "")
    assert path.read_text(encoding="utf-8") == "KEY\nCERTIFICATE\n"
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    issued = keys.of({"CertificateArn": "arn:x/issued", "SubjectAlternativeNames": ["mcp.example.com"]})
    assert "PRIVATE KEY" in issued.read_text(encoding="utf-8")
    assert keys.of({"CertificateArn": "arn:x/issued"}) == issued


@pytest.mark.parametrize(
    ("location", "leads"),
    [
        ("https://lb-1.us-east-1.elb.amazonaws.com:443/mcp?a=b", "https://localhost:4568/mcp?a=b"),
        ("https://LB-1.us-east-1.elb.amazonaws.com/", "https://localhost:4568/"),
        ("https://elsewhere.example.com/", "https://elsewhere.example.com/"),
        ("/relative", "/relative"),
    ],
)
def test_only_redirects_to_the_load_balancer_itself_lead_to_its_door(location: str, leads: str) -> None:
    host = "lb-1.us-east-1.elb.amazonaws.com"
    assert load_balancer_door.redirected(location, host, "https://localhost:4568") == leads


@pytest.mark.parametrize("content", [None, "", "[]", "no JSON"])
def test_without_a_file_of_images_aws_has_published_nothing_new(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / machines.IMAGES_FILE).write_text(content)
    assert machines.published(tmp_path) == {}


def test_a_file_of_images_says_what_is_published(tmp_path: Path) -> None:
    (tmp_path / machines.IMAGES_FILE).write_text(json.dumps({"/aws/service/x": "ami-2"}))
    assert machines.published(tmp_path) == {"/aws/service/x": "ami-2"}


class Logs:
    """Takes what is sent."""

    class exceptions:
        ResourceAlreadyExistsException = KeyError

    def __init__(self) -> None:
        self.sent: list[tuple[str, list[str]]] = []

    def create_log_stream(self, **call: t.Any) -> None:
        raise KeyError

    def put_log_events(self, **call: t.Any) -> None:
        self.sent.append((call["logStreamName"], [event["message"] for event in call["logEvents"]]))


def test_whole_lines_are_sent_once(tmp_path: Path) -> None:
    path, there = tmp_path / "console.log", Logs()
    logs = instance_logs.Logs("/g", "i-1", {"boot": path, "server": tmp_path / "none"}, lambda: there)
    logs.ship()
    path.write_text("one\ntwo\nhal")
    logs.ship()
    path.write_text("one\ntwo\nhalf\n")
    logs.ship()
    logs.ship()
    assert there.sent == [("i-1/boot", ["one", "two"]), ("i-1/boot", ["half"])]
    assert logs.end_of("boot") == "one\ntwo\nhalf" and logs.end_of("server") == ""
