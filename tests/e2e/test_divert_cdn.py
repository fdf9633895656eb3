# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The CDN answers by itself when the gateway is gone; a deploy keeps that; undivert and undo end it."""

from __future__ import annotations

import contextlib
import os
import re
import typing as t
from pathlib import Path

import httpx2
import pytest
from mcp import Client, MCPError

from tests.e2e.conftest import new_environment
from tests.support.client import MODERN, with_client
from tests.support.environment import Environment
from tests.support.node import install_node
from tests.support.playbook import PlaybookRun

pytestmark = pytest.mark.e2e

AT_CDN = ("-e", "mcp_divert_at=cdn")
MESSAGE = "Back at 9 o'clock"
BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


class Story:
    """One environment that is diverted at the CDN; each step was run whether the one before it went well or not."""

    def __init__(self, environment: Environment) -> None:
        self.environment = environment
        environment.deploy().require()
        self.endpoint = str(environment.report()["endpoint"])
        self.runs: dict[str, PlaybookRun] = {}
        self.reports: dict[str, dict[str, t.Any]] = {}
        self.shown: dict[str, str] = {}

    def run(self, name: str, playbook: str, *options: str) -> None:
        path = "deploy.yml" if playbook == "deploy" else f"playbooks/{playbook}.yml"
        self.runs[name] = self.environment.play(path, *options)
        if "--check" not in options:
            self.reports[name] = self.environment.report("deployment" if playbook == "deploy" else playbook)
        self.shown[name] = self.error_of_a_client()

    def error_of_a_client(self) -> str:
        """Return what the official client says, empty where it gets its tools."""

        async def tools(client: Client) -> int:
            return len((await client.list_tools()).tools)

        try:
            with_client(self.endpoint, self.environment.token, tools, MODERN)
        except (MCPError, ExceptionGroup) as error:
            inner: BaseException = error
            while isinstance(inner, BaseExceptionGroup):
                inner = inner.exceptions[0]
            return str(inner)
        return ""

    def ask(self, method: str, path: str, **headers: str) -> httpx2.Response:
        with httpx2.Client(trust_env=False, timeout=60) as client:
            return client.request(method, self.endpoint.removesuffix("/mcp") + path, headers=headers)

    @property
    def header(self) -> str:
        """The value by which the CDN proves itself to the API."""
        client = self.environment.sandbox.client
        (stack,) = client("cloudformation").describe_stacks(StackName="mcp-production-edge")["Stacks"]
        outputs = {item["OutputKey"]: item["OutputValue"] for item in stack["Outputs"]}
        found = client("cloudfront").get_distribution_config(Id=outputs["DistributionId"])["DistributionConfig"]
        return str(found["Origins"]["Items"][0]["CustomHeaders"]["Items"][0]["HeaderValue"])

    @property
    def comment(self) -> str:
        """What the distribution says that it is."""
        client = self.environment.sandbox.client("cloudfront")
        (found,) = client.list_distributions()["DistributionList"]["Items"]
        return str(client.get_distribution_config(Id=found["Id"])["DistributionConfig"]["Comment"])

    def edit_template(self) -> t.Callable[[], None]:
        """Change the template as an upgrade does that was not deployed yet; return what takes that back."""
        path = self.environment.project / "roles" / "production" / "files" / "edge.yaml"
        before = path.read_text(encoding="utf-8")
        after = re.sub(r"(?m)^( +Comment:).*$", r"\1 not deployed", before)
        assert after != before
        path.write_text(after, encoding="utf-8")
        return lambda: t.cast(None, path.write_text(before, encoding="utf-8"))

    def delete_the_api(self) -> None:
        """Lose the gateway by hand, as in the outage that this is for."""
        gateway = self.environment.sandbox.client("apigateway")
        (api,) = [item for item in gateway.get_rest_apis()["items"] if item["name"] == "mcp-production"]
        gateway.delete_rest_api(restApiId=api["id"])

    def tell(self) -> t.Self:
        take_back = self.edit_template()
        self.run("look", "divert", *AT_CDN, "--check")
        self.run("diverted", "divert", *AT_CDN, "-e", f'mcp_maintenance_message="{MESSAGE}"')
        self.answers = {
            (method, path): self.ask(method, path, **BROWSER)
            for method in ("GET", "POST", "DELETE", "HEAD")
            for path in ("/mcp", "/", "/.well-known/jwks.json", "/nothing/here")
        }
        self.run("again", "divert", *AT_CDN, "-e", f'mcp_maintenance_message="{MESSAGE}"')
        self.comment_of_diverted = self.comment
        take_back()
        self.run("at the other door", "undivert")
        self.run("deployed", "deploy")
        self.run("undiverted", "undivert", *AT_CDN)
        self.run("undone", "undo")
        self.run("undone again", "undo")
        self.run("ended", "undivert", *AT_CDN)
        self.delete_the_api()
        self.run("without a gateway", "divert", *AT_CDN)
        return self


@contextlib.contextmanager
def begun(folder: Path, private_home: Path) -> t.Iterator[Story]:
    """Deploy an environment in a sandbox of its own."""
    environment = new_environment(folder, private_home)
    with pytest.MonkeyPatch.context() as patch:
        # The emulator runs the function on the first Node that it finds.
        patch.setenv("PATH", f"{install_node().parent}{os.pathsep}{os.environ['PATH']}")
        try:
            environment.sandbox.start()
            yield Story(environment)
        finally:
            environment.sandbox.stop()


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory, private_home: Path) -> t.Iterator[Story]:
    with begun(tmp_path_factory.mktemp("cdn"), private_home) as story:
        yield story.tell()


def test_a_look_changes_nothing(story: Story) -> None:
    story.runs["look"].require()
    assert story.runs["look"].changed > 0
    assert story.shown["look"] == ""


def test_every_path_and_method_is_answered_by_the_cdn(story: Story) -> None:
    story.runs["diverted"].require()
    for (method, path), answer in story.answers.items():
        assert answer.status_code == 503, (method, path)
        assert (answer.headers["retry-after"], answer.headers["cache-control"]) == ("60", "no-store")
        assert "FunctionGeneratedResponse" in answer.headers["x-cache"]


def test_a_template_that_was_not_deployed_stays_so(story: Story) -> None:
    assert story.comment_of_diverted == story.comment and "not deployed" not in story.comment


def test_programs_and_people_are_told_why(story: Story) -> None:
    assert MESSAGE in story.shown["diverted"]
    error = story.answers["POST", "/mcp"].json()["error"]
    assert (error["code"], error["message"]) == (-32050, MESSAGE)
    page = story.answers["GET", "/"]
    assert page.headers["content-type"].startswith("text/html") and MESSAGE in page.text
    assert story.answers["HEAD", "/"].text == ""
    assert story.answers["DELETE", "/mcp"].json()["status"] == "maintenance"


def test_a_second_run_changes_nothing(story: Story) -> None:
    assert story.runs["again"].require().changed == 0
    assert story.runs["undone again"].require().changed == 0


def test_undivert_at_the_gateway_says_that_the_cdn_answers(story: Story) -> None:
    run = story.runs["at the other door"].require()
    assert MESSAGE in story.shown["at the other door"] and run.changed == 0
    said = " ".join(run.stdout.split())
    assert "still get the maintenance answer of the CDN: ansible-playbook playbooks/undivert.yml" in said
    assert "-e mcp_divert_at=cdn" in said and "rollback" not in said
    assert story.reports["at the other door"]["diverted"] is True


def test_a_deploy_stays_diverted_and_says_so(story: Story) -> None:
    story.runs["deployed"].require()
    assert MESSAGE in story.shown["deployed"]
    (override,) = [item for item in story.reports["deployed"]["overrides"] if item["field"] == "cdn_maintenance"]
    assert (override["stack"], override["actual"]) == ("false", "true") and override["since"] and override["who"]
    assert "override:  cdn_maintenance is true instead of false" in story.runs["deployed"].stdout


def test_undivert_and_undo_go_back_and_forth(story: Story) -> None:
    for name, diverted in (("undiverted", False), ("undone", True), ("ended", False)):
        story.runs[name].require()
        assert bool(story.shown[name]) is diverted, name


def test_it_needs_no_gateway(story: Story) -> None:
    story.runs["without a gateway"].require()
    assert "maintenance" in story.shown["without a gateway"]


@pytest.mark.proof
def test_the_cdn_never_goes_back_to_an_old_secret(tmp_path: Path, private_home: Path) -> None:
    """After a rotation, in either store; without a secret it can be diverted, and is not led to a sure refusal."""
    with begun(tmp_path, private_home) as story:
        for store in ("secretsmanager", "ssm"):
            in_store = ("-e", f"mcp_secret_store={store}")
            story.environment.deploy(*in_store).require()
            deployed = story.header
            story.environment.play("playbooks/rotate_secrets.yml", *in_store, "-e", "mcp_secret=origin").require()
            rotated = story.header
            assert rotated != deployed
            for playbook, diverted in (("divert", True), ("undivert", False)):
                # The store is that of the stack, whatever the inventory says by now.
                story.run(playbook, playbook, *AT_CDN)
                run = story.runs[playbook].require()
                assert (story.header, bool(story.shown[playbook])) == (rotated, diverted), (store, playbook)
                assert rotated not in run.output
        names = '{"mcp_allow_replacement": ["OriginSecret", "RequestStateSecret"]}'
        story.environment.deploy("-e", "mcp_secret_store=ssm", "-e", names).require()
        look = story.environment.destroy("-e", "mcp_confirm=production", "--check").require()
        for name in ("origin-key", "request-state"):  # in no stack any more, but there and billed
            assert f"kept:      secret mcp-production-{name} (0.40 USD a month" in look.stdout
        story.environment.sandbox.client("ssm").delete_parameter(Name="/mcp/production/secrets/origin")
        story.environment.play("playbooks/divert.yml", *AT_CDN).require()
        refused = story.environment.play("playbooks/undivert.yml", *AT_CDN).require(2)
        assert "every call would be refused" in refused.output and "maintenance" in story.error_of_a_client()
