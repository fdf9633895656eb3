# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Releases that are refused, releases that are gone back to, and aliases that are moved at once."""

from __future__ import annotations

import dataclasses
import json
import typing as t
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.e2e.conftest import new_environment
from tests.e2e.test_plan import edit
from tests.support import versioned
from tests.support.client import call_tool
from tests.support.environment import Environment
from tests.support.playbook import PlaybookRun

pytestmark = pytest.mark.e2e

BUCKET = "mcp-production-state-000000000000-us-east-1"
# One package for many releases: settings make a new version of the function just as code does, and in less time.
SERVER = '''\
"""The reference server, and a tool that does what the settings of its release say."""

import os
import time

from pratiko_mcp.auth import current_token
from pratiko_mcp.reference.server import READY_CHECKS, TOOL_SCOPES, mcp

CODE = "{code}"
FAULT = os.environ.get("SHOP_FAULT", "")
if FAULT == "import error" and "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
    import no_such_module
ANSWERS = {{
    "wrong answer": "all is lost",
    "secret": "all is well AKIA" + "IOSFODNN7EXAMPLE",
    "traceback": "all is well\\nTraceback (most recent call last):",
}}


@mcp.tool()
def which_version() -> dict[str, str]:
    """Tell the version."""
    if FAULT == "token" and current_token.get() is not None:
        raise RuntimeError("broken for everybody who has a token")
    if FAULT == "slow":
        time.sleep(1.5)
    return {{"version": os.environ["SHOP_VERSION"], "code": CODE, "state": ANSWERS.get(FAULT, "all is well")}}
'''
# A route that one release has and the other has not.
ROUTE = """
  ExtraResource:
    Type: AWS::ApiGateway::Resource
    Properties:
      RestApiId: !Ref Api
      ParentId: !GetAtt Api.RootResourceId
      PathPart: extra

  ExtraGet:
    Type: AWS::ApiGateway::Method
    Properties:
      RestApiId: !Ref Api
      ResourceId: !Ref ExtraResource
      HttpMethod: GET
      AuthorizationType: NONE
      Integration:
        Type: MOCK
        RequestTemplates: {application/json: '{"statusCode": 200}'}
        IntegrationResponses:
          - StatusCode: "200"
            ResponseTemplates: {application/json: '{"extra": true}'}
      MethodResponses: [{StatusCode: "200"}]

  Authorizer:
"""


@dataclasses.dataclass
class Shop:
    """An environment whose server tells its version."""

    environment: Environment
    source: Path
    endpoint: str = ""
    settings: dict[str, str] = dataclasses.field(default_factory=dict)

    def write(self, code: str, body: str = SERVER) -> None:
        """Write the source of the server."""
        self.source.mkdir(exist_ok=True)
        (self.source / "pyproject.toml").write_text(versioned.PROJECT, encoding="utf-8")
        (self.source / "versioned.py").write_text(body.format(code=code), encoding="utf-8")

    def deploy(self, version: str, fault: str = "", **variables: t.Any) -> PlaybookRun:
        """Deploy a version of the server."""
        self.settings = {"SHOP_VERSION": version, "SHOP_FAULT": fault}
        return self.again("deploy.yml", **variables)

    def again(self, playbook: str, *arguments: str, **variables: t.Any) -> PlaybookRun:
        """Run a playbook with the settings of this server."""
        settings = {
            "mcp_app_source": str(self.source),
            "mcp_app_entrypoint": versioned.ENTRYPOINT,
            "mcp_app_environment": self.settings,
            "mcp_verify_tool": versioned.TOOL,
            "mcp_verify_expect": versioned.GOOD,
            **variables,
        }
        return self.environment.play(playbook, "-e", json.dumps(settings), *arguments)

    def client(self, service: str) -> t.Any:
        """Return a client of the emulated AWS."""
        return self.environment.sandbox.client(service)

    @property
    def answer(self) -> dict[str, t.Any]:
        """What the server says to a client."""
        return call_tool(self.endpoint, self.environment.token, versioned.TOOL)

    @property
    def version(self) -> str:
        """The version that answers."""
        return str(self.answer["version"])

    @property
    def code(self) -> str:
        """The code that answers."""
        return str(self.answer["code"])

    @property
    def aliases(self) -> list[str]:
        """The versions that take traffic."""
        names = ("mcp-production-server", "mcp-production-authorizer")
        return [self.client("lambda").get_alias(FunctionName=name, Name="live")["FunctionVersion"] for name in names]

    @property
    def outputs(self) -> dict[str, str]:
        """Outputs of the app."""
        (stack,) = self.client("cloudformation").describe_stacks(StackName="mcp-production-app")["Stacks"]
        return {item["OutputKey"]: item["OutputValue"] for item in stack["Outputs"]}

    @property
    def ttl(self) -> int:
        """Seconds that the authorizer's answer is cached."""
        (authorizer,) = self.client("apigateway").get_authorizers(restApiId=self.outputs["ApiId"])["items"]
        return int(authorizer["authorizerResultTtlInSeconds"])

    @property
    def extra(self) -> int:
        """The status of the route that one release has."""
        try:
            with urllib.request.urlopen(self.endpoint.removesuffix("/mcp") + "/extra", timeout=30) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code

    def records(self, kind: str) -> list[dict[str, t.Any]]:
        """Return the bodies of the records of a kind, newest first."""
        s3 = self.client("s3")
        listed = s3.list_objects_v2(Bucket=BUCKET, Prefix=f"records/{kind}/").get("Contents", [])
        bodies = [json.loads(s3.get_object(Bucket=BUCKET, Key=item["Key"])["Body"].read()) for item in listed]
        return [record["body"] for record in sorted(bodies, key=lambda record: record["id"], reverse=True)]

    def said(self, run: PlaybookRun) -> str:
        """Return the failure that a run has reported last."""
        return " ".join(run.require(2).output.rpartition("fatal:")[2].split())


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, private_home: Path) -> t.Iterator[Shop]:
    """An environment with version one live, for this file alone."""
    folder = tmp_path_factory.mktemp("release")
    environment = new_environment(folder, private_home)
    try:
        environment.sandbox.start()
        made = Shop(environment, folder / "server")
        made.write("first")
        made.deploy("one").require()
        made.endpoint = str(environment.report()["endpoint"])
        yield made
    finally:
        environment.sandbox.stop()


REFUSED = {
    "import error": "new version is critical",
    "wrong answer": "does not match expect=",
    "slow": "over critical_ms=1000",
    "secret": "the answer contains an AWS access key",
    "traceback": "the answer contains a Python traceback",
    "token": "the tool failed",
}


@pytest.mark.parametrize(
    "fault", ["token", *(pytest.param(fault, marks=pytest.mark.proof) for fault in REFUSED if fault != "token")]
)
def test_a_bad_release_gets_no_traffic_and_the_report_names_the_reason(shop: Shop, fault: str) -> None:
    before, live = shop.aliases, shop.version
    run = shop.deploy("bad", fault, mcp_release_max_ms=1000)
    said = shop.said(run)
    assert REFUSED[fault] in said and "Traffic stays where it was" in said
    assert "AKIAIOSFODNN7EXAMPLE" not in run.output
    assert (shop.aliases, shop.version) == (before, live)
    record, *_earlier = shop.records("release")
    assert record["outcome"] == "refused" and REFUSED[fault] in record["reason"]
    assert "AKIAIOSFODNN7EXAMPLE" not in json.dumps(record)
    assert REFUSED[fault] in shop.environment.report()["failure"]["msg"]


def test_what_fails_while_it_is_packaged_changes_nothing(shop: Shop) -> None:
    before = shop.outputs
    shop.write("broken", "import no_such_module\n")
    assert "no_such_module" in shop.said(shop.again("deploy.yml"))
    shop.write("first")
    assert shop.outputs == before and shop.version != "broken"


def test_the_next_good_release_goes_on_from_a_refused_one(shop: Shop) -> None:
    shop.deploy("bad", "wrong answer").require(2)
    shop.deploy("two").require()
    assert shop.version == "two"
    assert shop.again("deploy.yml").require().changed == 0


def test_a_rollback_brings_back_code_routes_and_settings_and_can_be_rolled_back(shop: Shop) -> None:
    shop.deploy("plain", mcp_authorizer_ttl=120).require()
    assert (shop.version, shop.ttl, shop.extra) == ("plain", 120, 404)
    edit(shop.environment, "app.yaml", "\n  Authorizer:\n", ROUTE)
    edit(shop.environment, "app.yaml", "        - HealthResource\n", "        - HealthResource\n        - Extra*\n")
    shop.write("second")
    shop.deploy("special", mcp_authorizer_ttl=60).require()
    assert (shop.version, shop.code, shop.ttl, shop.extra) == ("special", "second", 60, 200)
    saved = call_tool(
        shop.endpoint, shop.environment.token, "save_document", title="kept", text="x", document_id="kept"
    )

    look = shop.again("playbooks/rollback.yml", "--check", "--diff").require()
    assert "AuthorizerResultTtlInSeconds: 60 -> 120" in look.stdout and shop.version == "special"
    shop.again("playbooks/rollback.yml").require()
    assert (shop.version, shop.code, shop.ttl, shop.extra) == ("plain", "first", 120, 404)
    kept = call_tool(shop.endpoint, shop.environment.token, "get_document", document_id="kept")
    assert kept["version"] == saved["version"]
    assert shop.records("release")[0]["source"] == "rollback"

    shop.again("playbooks/rollback.yml").require()
    assert (shop.version, shop.code, shop.ttl, shop.extra) == ("special", "second", 60, 200)
    named = next(item for item in listed(shop) if item["versions"]["server"] == shop.aliases[0])
    assert named["live"] and named["rolled_back_from"]


def listed(shop: Shop) -> list[dict[str, t.Any]]:
    """Return what playbooks/releases.yml lists."""
    shop.again("playbooks/releases.yml").require()
    return list(shop.environment.report("releases")["releases"])


def test_an_emergency_moves_the_aliases_at_once_and_is_undone(shop: Shop) -> None:
    shop.deploy("calm").require()
    shop.deploy("hasty").require()
    before, outputs = shop.aliases, shop.outputs
    run = shop.again("playbooks/rollback.yml", mcp_emergency=True).require()
    assert shop.version == "calm" and shop.outputs == outputs
    assert "change set" not in run.stdout
    assert shop.again("playbooks/rollback.yml", mcp_emergency=True).require().changed == 0

    # The same code again: the override stays, is said, and what is live is what is verified.
    run = shop.again("deploy.yml").require()
    assert run.changed == 0 and shop.version == "calm"
    fields = {item["field"] for item in shop.environment.report()["overrides"]}
    assert "server_version" in fields and "override:  server_version is" in run.stdout
    marks = {item["id"]: (item["live"], item["in_stack"]) for item in listed(shop)}
    assert sorted(marks.values(), reverse=True)[:2] == [(True, False), (False, True)]

    shop.again("playbooks/undo.yml").require()
    assert shop.version == "hasty" and shop.aliases == before
    assert shop.again("deploy.yml").require().changed == 0
    assert shop.environment.report()["overrides"] == []


@pytest.mark.proof
def test_a_release_that_passes_ends_an_override_of_the_aliases(shop: Shop) -> None:
    shop.deploy("before").require()
    shop.deploy("overridden").require()
    shop.again("playbooks/rollback.yml", mcp_emergency=True).require()
    bad = shop.deploy("bad", "wrong answer")
    assert "Traffic stays where it was" in shop.said(bad) and shop.version == "before"
    shop.deploy("after").require()
    assert shop.version == "after" and shop.environment.report()["overrides"] == []
    ended = [record for record in shop.records("override") if record["action"] == "clear"]
    assert {record["field"] for record in ended[:2]} >= {"server_version"}
    assert shop.again("deploy.yml").require().changed == 0


@pytest.mark.proof
def test_a_rollback_keeps_the_keys_that_tokens_are_signed_with_now(shop: Shop) -> None:
    shop.deploy("old keys").require()
    old = shop.environment.token
    shop.deploy("new keys").require()
    shop.again("playbooks/rotate_signing_key.yml").require()
    target = next(item["id"] for item in listed(shop) if not item["live"] and item["outcome"] == "live")
    shop.again("playbooks/rollback.yml", mcp_release=target).require()
    new = shop.environment.token
    assert new.partition(".")[0] != old.partition(".")[0]
    for token in (old, new):
        assert call_tool(shop.endpoint, token, versioned.TOOL)["state"] == versioned.GOOD


def test_an_unknown_release_is_refused_with_those_that_are_known(shop: Shop) -> None:
    outputs = shop.outputs
    said = shop.said(shop.again("playbooks/rollback.yml", mcp_release="unknown"))
    # YAML doubles the quotes in its own.
    assert "mcp_release is ''unknown'': no such release is recorded" in said
    assert shop.records("release")[0]["release"]["id"] in said
    assert shop.outputs == outputs


@pytest.mark.proof
def test_a_package_that_is_gone_is_named_before_anything_is_made(shop: Shop) -> None:
    shop.write("third")
    shop.deploy("short lived").require()
    gone = shop.records("release")[0]
    shop.write("first")
    shop.deploy("next").require()
    s3, outputs = shop.client("s3"), shop.outputs
    s3.delete_object(Bucket=BUCKET, Key=gone["literals"]["CodeKey"])
    said = shop.said(shop.again("playbooks/rollback.yml"))
    assert f"s3://{BUCKET}/{gone['literals']['CodeKey']} does not exist" in said
    assert shop.outputs == outputs and shop.version == "next"
    shop.again("playbooks/rollback.yml", mcp_emergency=True).require()
    assert shop.version == "short lived"
    shop.again("playbooks/undo.yml").require()
    assert shop.version == "next"


def test_nothing_is_left_that_no_release_needs(shop: Shop) -> None:
    gateway, api = shop.client("apigateway"), shop.outputs["ApiId"]
    made = {item["id"] for item in gateway.get_deployments(restApiId=api)["items"]}
    assert made == {shop.outputs["ApiDeploymentId"], shop.outputs["MaintenanceDeploymentId"]}
    published = shop.client("lambda").list_versions_by_function(FunctionName="mcp-production-server")["Versions"]
    numbers = {int(item["Version"]) for item in published if item["Version"] != "$LATEST"}
    lived = [int(body["versions"]["server"]) for body in shop.records("release") if body["outcome"] == "live"]
    assert set(lived[:5]) <= numbers and min(numbers) >= min(lived[:5])
