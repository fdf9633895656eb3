# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The two secrets of a running environment rotate, in either store, while clients call: nobody notices.

The emulator deploys a distribution at once; what a slow one means is proven step by step in tests/unit/app.
"""

from __future__ import annotations

import json
import re
import time
import typing as t
import uuid
from pathlib import Path

import httpx2
import pytest
from mcp import Client
from mcp.shared.exceptions import MCPError
from mcp.types import InputRequiredResult
from pratiko_mcp.authorizer import SECRET_TTL_SECONDS
from pratiko_mcp.rotation import STEPS

from tests.support.checkout import ROOT, copy_project, link_collection
from tests.support.client import with_client
from tests.support.emulated import TestSandbox
from tests.support.load import Load
from tests.support.moments import Proxy, Stop, wait_for
from tests.support.playbook import PlaybookRun
from tests.support.versioned import ENTRYPOINT, TOOL, write_server
from tests.support.world import World, shared_packages

pytestmark = pytest.mark.e2e

PLAYBOOK = "playbooks/rotate_secrets.yml"
NAME = "rotating"
TWO_ROUNDS = '''

from mcp.server.mcpserver import Context
from mcp.types import InputRequiredResult


@mcp.tool()
def two_rounds(ctx: Context) -> str | InputRequiredResult:
    """Ask once more before answering."""
    return f"state was {ctx.request_state}" if ctx.request_state else InputRequiredResult(request_state="round one")
'''


class Site:
    """A deployed server with a tool of two rounds."""

    def __init__(self, world: World, source: Path) -> None:
        self.world = world
        variables = {
            "mcp_app_source": str(source),
            "mcp_app_entrypoint": ENTRYPOINT,
            "mcp_verify_tool": TOOL,
            "mcp_throttle_rate": 1000,
            "mcp_throttle_burst": 2000,
        }
        self.options = ("-e", json.dumps(variables))

    def deploy(self, *extra: str) -> PlaybookRun:
        return self.world.run(*self.options, *extra).require()

    def rotate(self, *extra: str) -> PlaybookRun:
        return self.world.run(*self.options, *extra, playbook=PLAYBOOK)

    @property
    def endpoint(self) -> str:
        return str(self.world.report()["endpoint"])

    @property
    def header(self) -> str:
        """The value that the CDN sends."""
        cloudfront = self.world.client("cloudfront")
        distribution = self.world.outputs("edge")["DistributionId"]
        config = cloudfront.get_distribution_config(Id=distribution)["DistributionConfig"]
        return str(config["Origins"]["Items"][0]["CustomHeaders"]["Items"][0]["HeaderValue"])

    def status_round_the_cdn(self, origin: str) -> int:
        """Return the status of a call straight at the API; a fresh token meets no cached answer."""
        self.world.run(*self.options, playbook="playbooks/token.yml").require()
        headers = {
            "Authorization": f"Bearer {self.world.token}",
            "Accept": "application/json, text/event-stream",
            "x-mcp-origin": origin,
        }
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
        return int(httpx2.post(self.world.report()["api_endpoint"], json=body, headers=headers, timeout=60).status_code)

    def stages(self, secret: str) -> dict[str, str]:
        """Return which version of a secret each stage is on."""
        found = self.world.client("secretsmanager").describe_secret(SecretId=f"mcp-{NAME}-{secret}")
        return {stage: token for token, stages in found["VersionIdsToStages"].items() for stage in stages}

    def first_round(self) -> str:
        """Begin a call of two rounds; return the sealed state."""

        async def begin(client: Client) -> str:
            result = await client.session.call_tool("two_rounds", {}, allow_input_required=True)
            assert isinstance(result, InputRequiredResult) and result.request_state
            return result.request_state

        return with_client(self.endpoint, self.world.token, begin)

    def second_round(self, state: str) -> str:
        """Go on with a call of two rounds; return the answer, or why there is none."""

        async def end(client: Client) -> str:
            try:
                result = await client.session.call_tool("two_rounds", {}, request_state=state)
            except MCPError as error:
                return error.error.message
            return str(t.cast(t.Any, result).content[0].text)

        return with_client(self.endpoint, self.world.token, end)


@pytest.fixture(scope="module")
def site(private_home: Path, tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Site]:
    """A server in a sandbox of this module."""
    folder = tmp_path_factory.mktemp("rotating")
    sandbox = TestSandbox(folder / "sandbox")
    try:
        project = copy_project(ROOT, folder / "project")
        link_collection(project)
        source = write_server(folder / "server", "1")
        with open(source / "versioned.py", "a", encoding="utf-8") as module:
            module.write(TWO_ROUNDS)
        site = Site(World(sandbox.start(), project, folder, shared_packages(private_home), NAME), source)
        site.deploy()
        yield site
    finally:
        sandbox.stop()


@pytest.mark.parametrize("secret", ["origin", pytest.param("request_state", marks=pytest.mark.proof)])
def test_a_rotation_under_load_fails_no_call(site: Site, secret: str) -> None:
    old, state = site.header, site.first_round()
    with Load(site.endpoint, site.world.token, f"rotate-{secret}") as load:
        began = time.time()
        site.rotate("-e", f"mcp_secret={secret}").require()
        ended = time.time()
        log = load.finish()
    log.require_span(began, ended)
    assert log.failed == [], log.describe()
    assert site.second_round(state) == "state was round one"
    assert (site.header != old) == (secret == "origin")
    assert site.world.client("s3").list_objects_v2(Bucket=site.world.state_bucket, Prefix="records/rotation/")[
        "KeyCount"
    ]
    rotated = [line for line in site.world.audit() if line["what"] == "secret rotated"]
    assert rotated[-1]["target"] == secret and old not in json.dumps(site.world.audit())


@pytest.mark.proof
def test_the_old_origin_value_is_refused_a_minute_later_and_deploys_settle(site: Site) -> None:
    old = site.header
    assert site.status_round_the_cdn(old) == 200
    run = site.rotate("-e", "mcp_secret=origin").require()
    new = site.header
    assert old not in run.output and new not in run.output
    wait_for(lambda: site.status_round_the_cdn(old) == 403, "the old value is refused", SECRET_TTL_SECONDS + 40)
    assert site.status_round_the_cdn(new) == 200
    assert [site.deploy().changed, site.deploy().changed] == [1, 0]
    assert site.header == new


def test_a_look_changes_nothing(site: Site) -> None:
    before = site.header, site.stages("origin-key"), site.stages("request-state")
    run = site.rotate("--check").require()
    assert run.changed == 1 and "would change" in run.output
    assert (site.header, site.stages("origin-key"), site.stages("request-state")) == before


@pytest.mark.parametrize(
    ("step", "taken"),
    [
        (step, taken) if (step, taken) == ("testSecret", False) else pytest.param(step, taken, marks=pytest.mark.proof)
        for step in STEPS
        for taken in (False, True)
    ],
)
def test_killed_at_a_step_and_run_again(site: Site, step: str, taken: bool) -> None:
    """The run ends before a step reaches the function, or when it was taken and the run was not told."""
    old = site.header
    invoke = f"POST /2015-03-31/functions/mcp-{NAME}-rotation/invocations"
    stop = Stop(invoke, (invoke,) * (1 + STEPS.index(step)), done=taken)  # the first is startRotation
    with Proxy(stop) as proxy:
        live = site.world.start(*site.options, "-e", "mcp_secret=origin", playbook=PLAYBOOK, env=proxy.environment)
        live.until(stop.reached.is_set, step)
        assert re.findall(r"origin: (\w+Secret)", live.says(f"origin: {step}"))[-1] == step
        live.kill_tree()
    assert site.status_round_the_cdn(site.header) == 200
    run = site.rotate("-e", "mcp_secret=origin").require()
    # After the last step there is nothing left to go on with.
    assert ("origin: going on with version" in run.output) == ((step, taken) != ("finishSecret", True))
    assert site.header != old and set(site.stages("origin-key")) == {"AWSCURRENT"}
    assert site.status_round_the_cdn(site.header) == 200


def by_hand(site: Site) -> None:
    """Change the origin secret as somebody at a console does."""
    value = uuid.uuid4().hex * 2
    site.world.client("secretsmanager").put_secret_value(SecretId=f"mcp-{NAME}-origin-key", SecretString=value)


def test_a_secret_changed_by_hand_is_told_the_cdn_by_a_deploy(site: Site) -> None:
    site.deploy()
    before = site.header
    by_hand(site)
    assert site.status_round_the_cdn(before) == 200  # it is the value before, so nobody is refused
    assert site.deploy().changed == 1
    assert site.header != before and site.status_round_the_cdn(site.header) == 200
    assert site.deploy().changed == 0


@pytest.mark.proof
def test_a_secret_changed_by_hand_twice_is_repaired_by_a_rotation(site: Site) -> None:
    by_hand(site)
    by_hand(site)
    sent = site.header
    wait_for(lambda: site.status_round_the_cdn(sent) == 403, "what the CDN sends is refused", SECRET_TTL_SECONDS + 40)
    site.rotate("-e", "mcp_secret=origin").require()
    assert site.status_round_the_cdn(site.header) == 200


@pytest.mark.proof
def test_the_cheap_store_takes_over_rotates_and_gives_back(site: Site) -> None:
    in_ssm = ("-e", "mcp_secret_store=ssm")
    site.deploy()
    before, state = site.header, site.first_round()
    with Load(site.endpoint, site.world.token, "secrets-to-ssm") as load:
        site.deploy(*in_ssm)
        assert site.header == before
        site.rotate(*in_ssm).require()
        log = load.finish()
    assert log.failed == [], log.describe()
    assert site.header != before and site.second_round(state) == "state was round one"
    assert [site.deploy(*in_ssm).changed, site.deploy(*in_ssm).changed] == [1, 0]
    rotated = site.header
    refused = site.rotate()  # without saying that the store is another one
    assert refused.rc != 0 and "does not read" in refused.output and site.header == rotated
    site.deploy()
    assert site.header == rotated and site.status_round_the_cdn(rotated) == 200
    assert site.deploy().changed == 0


@pytest.mark.proof
def test_a_revoked_key_opens_nothing_any_more(site: Site) -> None:
    state = site.first_round()
    site.rotate("-e", "mcp_revoke_secret=true").require()
    assert set(site.stages("request-state")) == set(site.stages("origin-key")) == {"AWSCURRENT"}
    assert "requestState" in site.second_round(state)
