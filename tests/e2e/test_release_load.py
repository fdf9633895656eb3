# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What clients see while things happen to the server that they use: releases, diversions, rotations.

Four official clients without retries call through the CDN before, during and after; every call is kept under
tests/output/load. What only weighted aliases would show (a canary's errors) the emulator cannot do: that is proven as
decision logic elsewhere.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import time
import typing as t
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.checkout import ROOT, copy_project, link_collection
from tests.support.emulated import TestSandbox
from tests.support.load import Call, Load, Log
from tests.support.moments import Proxy
from tests.support.versioned import ENTRYPOINT, GOOD, TOOL, write_server
from tests.support.world import World, shared_packages

pytestmark = pytest.mark.e2e

INVOKED = "POST .*/mcp-loaded-server/invocations.*"
MOVED = "ExecuteChangeSet mcp-loaded-app"
SWITCHED = "PATCH /restapis/.*/stages/.*"
MAINTENANCE_S = 5.0
# A release is slower than this only when it is made to be; the emulator needs 20 to 100 ms, and more when others work.
SLOWEST_MS = 1200


@dataclass
class Site:
    """A deployed server and the versions of it that there were.

    :param live: the version that takes traffic
    :param made: the newest version that was written
    """

    world: World
    folder: Path
    live: int = 0
    made: int = 0
    endpoint: str = ""

    def options(self, version: int, fault: str = "") -> tuple[str, ...]:
        """Return what is typed to release a version."""
        source = self.folder / f"version-{version}"
        if not source.exists():
            write_server(source, str(version), fault)
        variables = {
            "mcp_app_source": str(source),
            "mcp_app_entrypoint": ENTRYPOINT,
            "mcp_verify_tool": TOOL,
            "mcp_verify_expect": GOOD,
            "mcp_release_max_ms": SLOWEST_MS,
            "mcp_throttle_rate": 1000,
            "mcp_throttle_burst": 2000,
        }
        return "-e", json.dumps(variables)

    def next_version(self) -> int:
        """Return the number of a version that does not exist yet."""
        self.made += 1
        return self.made

    @property
    def current(self) -> tuple[str, ...]:
        """Return what is typed for anything that is no release."""
        return self.options(self.live)

    def load(self, name: str) -> Load:
        """Return clients at the server."""
        return Load(self.endpoint, self.world.token, name)


@pytest.fixture(scope="module")
def site(private_home: Path, tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Site]:
    """A server in a sandbox of this module."""
    folder = tmp_path_factory.mktemp("load")
    sandbox = TestSandbox(folder / "sandbox")
    try:
        project = copy_project(ROOT, folder / "project")
        link_collection(project)
        site = Site(World(sandbox.start(), project, folder, shared_packages(private_home), "loaded"), folder)
        site.live = site.next_version()
        site.world.run(*site.current).require()
        site.endpoint = site.world.report()["endpoint"]
        yield site
    finally:
        sandbox.stop()


def maintenance(call: Call) -> bool:
    """Say whether a call got the maintenance answer, in words that a client shows."""
    return call.status == 503 and "maintenance" in call.error.lower()


def test_a_good_release(site: Site) -> None:
    old, new = str(site.live), site.next_version()
    with Proxy() as proxy, site.load("good-release") as load:
        began = time.time()
        site.world.run(*site.options(new), env=proxy.environment).require()
        ended = time.time()
        log = load.finish()
    site.live = new
    print(log.describe())
    log.require_span(began, ended)
    assert log.failed == []
    assert log.versions == {old, str(new)}
    moved = proxy.last(MOVED).began
    round_trip = [one.ended for one in proxy.passed if re.fullmatch(INVOKED, str(one.call)) and one.ended < moved]
    assert log.first_answer_of(str(new)) > moved > round_trip[-1]


# What is wrong with a release, and what the report has to say about it.
BAD = {
    "import error": "importing versioned failed",
    "wrong answer": "all is well",
    "slow": f"{SLOWEST_MS}",
    "secret": "AWS access key",
    "traceback": "traceback",
    "token": "which_version",
}


# Its short form, without load, is in test_release.py.
@pytest.mark.proof
@pytest.mark.parametrize("fault", BAD)
def test_a_bad_release(site: Site, fault: str) -> None:
    before = site.world.traffic()
    with site.load(f"bad-release-{fault.replace(' ', '-')}") as load:
        began = time.time()
        run = site.world.run(*site.options(site.next_version(), fault)).require(2)
        ended = time.time()
        log = load.finish()
    print(log.describe())
    log.require_span(began, ended)
    assert log.failed == []
    assert log.versions == {str(site.live)}
    assert site.world.traffic() == before
    reason = site.world.report()["failure"]["msg"]
    assert BAD[fault].lower() in reason.lower() and reason.split(":")[0] in run.output, reason


def switched(site: Site, playbook: str) -> float:
    """Run a playbook that switches traffic; return when it did so."""
    with Proxy() as proxy:
        site.world.run(*site.current, playbook=playbook, env=proxy.environment).require()
    return proxy.last(SWITCHED).began


def test_a_diversion(site: Site) -> None:
    with site.load("divert") as load:
        away = switched(site, "playbooks/divert.yml")
        time.sleep(2)
        diverted_until = time.time()
        back = switched(site, "playbooks/undivert.yml")
        log = load.finish()
    print(log.describe())
    log.require_span(away, back)
    seconds = Log(log.between(0, diverted_until)).seconds_until(maintenance, away)
    print(f"every call got the maintenance answer {seconds:.2f} s after the switch")
    assert seconds < MAINTENANCE_S
    assert log.seconds_until(lambda call: call.ok, back) < MAINTENANCE_S
    assert all(call.ok or maintenance(call) for call in log.calls)
    assert all(call.ok for call in log.calls if call.ended < away)


@contextlib.contextmanager
def broken_function(site: Site) -> t.Iterator[None]:
    """Let a version take traffic that cannot start."""
    client, name = site.world.client("lambda"), "mcp-loaded-server"
    good, handler = site.world.live_version(), client.get_function_configuration(FunctionName=name)["Handler"]
    client.update_function_configuration(FunctionName=name, Handler="no_such_module.handler")
    try:
        bad = client.publish_version(FunctionName=name)["Version"]
        client.update_alias(FunctionName=name, Name="live", FunctionVersion=bad)
        yield
    finally:
        client.update_alias(FunctionName=name, Name="live", FunctionVersion=good)
        client.update_function_configuration(FunctionName=name, Handler=handler)
        client.delete_function(FunctionName=name, Qualifier=bad)


@pytest.mark.proof
def test_a_diversion_from_a_broken_function(site: Site) -> None:
    with site.load("divert-broken") as load, broken_function(site):
        broke = time.time()
        away = switched(site, "playbooks/divert.yml")
        log = load.finish()
    switched(site, "playbooks/undivert.yml")
    print(log.describe())
    log.require_span(broke, away)
    assert [call for call in log.between(0, away) if not call.ok and not maintenance(call)]
    assert log.seconds_until(maintenance, away) < MAINTENANCE_S


ROTATE = "playbooks/rotate_secrets.yml"
# What is typed, and which secrets have other values afterwards.
ROTATIONS = {
    "secrets": (ROTATE, "mcp_secret=all", {"mcp-loaded-origin-key", "mcp-loaded-request-state"}),
    "origin": (ROTATE, "mcp_secret=origin", {"mcp-loaded-origin-key"}),
    "request-state": (ROTATE, "mcp_secret=request_state", {"mcp-loaded-request-state"}),
    "signing-key": (
        "playbooks/rotate_signing_key.yml",
        "mcp_revoke_signing_key=false",
        {"/mcp/loaded/issuer/private-key", "/mcp/loaded/issuer/jwks"},
    ),
}


@pytest.mark.parametrize(
    "secret", [pytest.param(name, marks=[] if name == "secrets" else pytest.mark.proof) for name in ROTATIONS]
)
def test_a_rotation(site: Site, secret: str) -> None:
    playbook, option, rotated = ROTATIONS[secret]
    before = secret_values(site.world)
    with site.load(f"rotate-{secret}") as load:
        began = time.time()
        site.world.run(*site.current, "-e", option, playbook=playbook).require()
        ended = time.time()
        log = load.finish()
    print(log.describe())
    log.require_span(began, ended)
    assert log.failed == []
    after = secret_values(site.world)
    assert {name for name in before | after if before.get(name) != after.get(name)} == rotated


def secret_values(world: World) -> dict[str, str]:
    """Return a hash of every secret of the environment, by name."""
    manager, parameters = world.client("secretsmanager"), world.client("ssm")
    names = [item["Name"] for item in manager.list_secrets()["SecretList"]]
    found = {name: manager.get_secret_value(SecretId=name)["SecretString"] for name in names if world.name in name}
    listed = parameters.get_parameters_by_path(Path=f"/mcp/{world.name}", Recursive=True, WithDecryption=True)
    found |= {item["Name"]: item["Value"] for item in listed["Parameters"]}
    return {name: hashlib.sha256(value.encode()).hexdigest() for name, value in found.items()}
