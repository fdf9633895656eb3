# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Divert, undivert and undo on a deployed environment: what callers get, what is recorded, what a second run does."""

from __future__ import annotations

import typing as t

import httpx2
import pytest
from mcp import Client, MCPError

from tests.support.client import MODERN, with_client
from tests.support.environment import INVENTORIES, Environment
from tests.support.playbook import PlaybookRun

pytestmark = pytest.mark.e2e
MESSAGE = "The server is under maintenance; please try again later"
ROUTES = (
    ("GET", "/mcp"),
    ("DELETE", "/mcp"),
    ("GET", "/health"),
    ("GET", "/.well-known/oauth-protected-resource"),
    ("GET", "/.well-known/oauth-protected-resource/mcp"),
    ("GET", "/.well-known/jwks.json"),
)
SERVER, AUTHORIZER = "mcp-production-server", "mcp-production-authorizer"


class Door:
    """A deployed environment as its callers and its operators see it."""

    def __init__(self, environment: Environment) -> None:
        self.environment = environment
        self.endpoint = str(environment.report()["endpoint"])
        self.gateway = environment.sandbox.client("apigateway")
        self.functions = environment.sandbox.client("lambda")
        (api,) = [item for item in self.gateway.get_rest_apis()["items"] if item["name"] == "mcp-production"]
        self.stage = {"restApiId": api["id"], "stageName": "live"}

    def play(self, name: str, *arguments: str, rc: int = 0) -> PlaybookRun:
        """Run one of the three playbooks."""
        return self.environment.play(f"playbooks/{name}.yml", *arguments).require(rc)

    def patch(self, path: str, value: str) -> None:
        """Change the stage by hand."""
        self.gateway.update_stage(**self.stage, patchOperations=[{"op": "replace", "path": path, "value": value}])

    def fields(self) -> dict[str, t.Any]:
        """Return where traffic goes, asked of the emulated AWS itself."""
        stage = self.gateway.get_stage(**self.stage)
        throttle = stage["methodSettings"]["/mcp/POST"]
        versions = [
            self.functions.get_alias(FunctionName=name, Name="live")["FunctionVersion"] for name in (SERVER, AUTHORIZER)
        ]
        return {
            "stage_deployment": stage["deploymentId"],
            "server_version": versions[0],
            "authorizer_version": versions[1],
            "throttle_rate": throttle["throttlingRateLimit"],
            "throttle_burst": throttle["throttlingBurstLimit"],
        }

    def ask(self, method: str, path: str) -> httpx2.Response:
        """Send one request without a token."""
        with httpx2.Client(trust_env=False, timeout=60) as client:
            return client.request(method, self.endpoint.removesuffix("/mcp") + path)

    def listing(self, mode: str = MODERN) -> int:
        """Return how many tools the official client sees."""

        async def tools(client: Client) -> int:
            return len((await client.list_tools()).tools)

        return with_client(self.endpoint, self.environment.token, tools, mode)

    def error(self, mode: str = MODERN) -> MCPError:
        """Return the error that the official client shows its user."""
        with pytest.raises((MCPError, ExceptionGroup)) as caught:
            self.listing(mode)
        error: BaseException = caught.value
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        assert isinstance(error, MCPError)
        return error


@pytest.fixture
def door(deployed: Environment) -> t.Iterator[Door]:
    """The shared environment, with a fresh token; traffic is put back by hand."""
    deployed.play("playbooks/token.yml").require()
    made = Door(deployed)
    before = made.fields()
    try:
        yield made
    finally:
        for name, field in ((SERVER, "server_version"), (AUTHORIZER, "authorizer_version")):
            made.functions.update_alias(FunctionName=name, Name="live", FunctionVersion=before[field])
        made.patch("/~1mcp/POST/throttling/rateLimit", str(before["throttle_rate"]))
        made.patch("/deploymentId", before["stage_deployment"])


def break_server(door: Door) -> None:
    """Let the live alias name a version that cannot start."""
    door.functions.update_function_configuration(FunctionName=SERVER, Handler="nothing.here")
    broken = door.functions.publish_version(FunctionName=SERVER)["Version"]
    door.functions.update_function_configuration(FunctionName=SERVER, Handler="pratiko_mcp.lambda_adapter.handler")
    door.functions.update_alias(FunctionName=SERVER, Name="live", FunctionVersion=broken)


def test_diverted_callers_are_told_why_on_every_route_and_in_both_eras(door: Door) -> None:
    before = door.fields()
    look = door.play("divert", "--check")
    assert look.changed == 1 and "would change: divert stage_deployment" in look.stdout
    assert door.fields() == before and door.listing() > 0
    run = door.play("divert")
    assert run.changed == 1
    for mode in (MODERN, "legacy", "auto"):
        error = door.error(mode).error
        assert (error.code, error.message) == (-32050, MESSAGE)
        assert error.data == {"status": "maintenance", "retry_after": 60}
    for method, path in ROUTES:
        answer = door.ask(method, path)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "60"), path
        assert answer.headers["cache-control"] == "no-store"
        assert answer.json() == {"status": "maintenance", "message": MESSAGE}
    after = door.fields()
    assert {**after, "stage_deployment": before["stage_deployment"]} == before
    report = door.environment.report("divert")
    assert [item["field"] for item in report["fields"]] == list(before)
    assert report["flips"] == [
        {
            "what": "divert",
            "target": "stage_deployment",
            "before": before["stage_deployment"],
            "after": after["stage_deployment"],
        }
    ]
    assert {check["status"] for check in report["health"]} == {"healthy"} and len(report["health"]) == len(ROUTES) + 1
    again = door.play("divert")
    assert again.changed == 0 and door.fields() == after and "flips" not in door.environment.report("divert")


def test_undivert_and_undo_lead_back_and_each_can_be_undone(door: Door) -> None:
    before = door.fields()
    door.play("divert")
    diverted = door.fields()
    assert door.play("undivert", "--check").changed == 1 and door.fields() == diverted
    assert door.play("undivert").changed == 1
    assert door.fields() == before and door.listing() > 0
    assert door.play("undivert").changed == 0
    # The last thing that was flipped is the undivert.
    assert door.play("undo", "--check").changed == 1 and door.fields() == before
    assert door.play("undo").changed == 1 and door.fields() == diverted
    record = door.environment.report("undo")["undo_id"]
    assert door.play("undo").changed == 0 and door.fields() == diverted
    assert door.play("undo", "-e", f"mcp_undo={record}").changed == 1 and door.fields() == before
    assert door.play("undo", "-e", f"mcp_undo={record}").changed == 0 and door.listing() > 0


def test_undo_sets_every_field_back(door: Door) -> None:
    before = door.fields()
    door.play("divert")
    break_server(door)
    door.patch("/~1mcp/POST/throttling/rateLimit", "1")
    changed = {field for field, value in door.fields().items() if value != before[field]}
    assert changed == {"stage_deployment", "server_version", "throttle_rate"}
    assert door.play("undo").changed == 1
    assert door.fields() == before
    rows = {row["field"]: row for row in door.environment.report("undo")["fields"]}
    assert {field: row["after"] for field, row in rows.items()} == before
    assert {field for field, row in rows.items() if row["before"] != row["after"]} == changed


def test_a_broken_server_is_diverted_and_undiverting_says_that_it_is_broken(door: Door) -> None:
    break_server(door)
    assert door.ask("GET", "/health").status_code >= 500
    assert door.play("divert").changed == 1
    assert door.error().error.message == MESSAGE
    run = door.play("undivert")
    assert run.changed == 1 and "it does not answer as it should" in run.stdout
    assert "critical" in {check["status"] for check in door.environment.report("undivert")["health"]}


def test_deploying_while_diverted_stays_diverted(door: Door) -> None:
    message = ("-e", '{"mcp_maintenance_message": "Back at 9 o\'clock"}')
    door.play("divert")
    try:
        door.environment.deploy(*message).require()
        assert door.error().error.message == "Back at 9 o'clock"
        refused = door.play("undo", rc=2)
        assert "another release than the one that was applied since" in refused.output
        assert door.error().error.message == "Back at 9 o'clock"
        door.play("undivert")
        assert door.listing() > 0
    finally:
        door.environment.deploy().require()
    assert door.listing() > 0 and door.environment.deploy().require().changed == 0


@pytest.mark.parametrize("name", ["divert", "undivert", "undo"])
def test_an_environment_that_is_not_there_is_one_clear_error(deployed: Environment, name: str) -> None:
    run = deployed.play(f"playbooks/{name}.yml", "-e", "mcp_environment=never").require(2)
    assert "never" in run.output and "not deployed" in run.output and "Nothing was changed." in run.output
    assert f"ansible-playbook deploy.yml {' '.join(INVENTORIES)}" in " ".join(run.output.split())
    assert "Traceback" not in run.output


def test_an_unknown_undo_record_is_one_clear_error(door: Door) -> None:
    before = door.fields()
    run = door.play("undo", "-e", "mcp_undo=20200101-000000-000abc", rc=2)
    assert "mcp_undo is '20200101-000000-000abc': no such undo record is known" in " ".join(run.output.split())
    assert door.fields() == before
