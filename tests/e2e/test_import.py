# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stacks deleted by hand, a data destroy that was killed, secrets given up: a deploy takes back what they left."""

from __future__ import annotations

import re
import typing as t
from pathlib import Path

import pytest

from tests.e2e.conftest import new_environment
from tests.support.client import call_tool
from tests.support.environment import Environment
from tests.support.playbook import PlaybookRun
from tests.support.snapshot import snapshot

pytestmark = [pytest.mark.e2e, pytest.mark.proof]

RETAINED = {
    "DocumentsTable": "mcp-production-documents",
    "FilesBucket": "mcp-production-files-000000000000-us-east-1",
    "RequestStateSecret": "mcp-production-request-state",
    "OriginSecret": "mcp-production-origin-key",
}


def delete_by_hand(environment: Environment, *layers: str) -> None:
    """Delete stacks as somebody does in the console, who lifts the protection first."""
    client = environment.sandbox.client("cloudformation")
    for layer in layers:
        name = f"mcp-production-{layer}"
        client.update_termination_protection(StackName=name, EnableTerminationProtection=False)
        client.delete_stack(StackName=name)
        client.get_waiter("stack_delete_complete").wait(StackName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 60})


def resources(environment: Environment, layer: str) -> dict[str, str]:
    """Return the physical ids of a stack's resources."""
    found = environment.sandbox.client("cloudformation").describe_stack_resources(StackName=f"mcp-production-{layer}")
    return {item["LogicalResourceId"]: item["PhysicalResourceId"] for item in found["StackResources"]}


def secret_versions(environment: Environment) -> dict[str, t.Any]:
    """Return what tells whether a secret is the same one with the same values."""
    return snapshot(environment.sandbox)["secret"]


class Story:
    """One environment, its stacks deleted twice."""

    def __init__(self, environment: Environment) -> None:
        self.environment = environment
        self.runs: dict[str, PlaybookRun] = {}
        environment.deploy().require()
        self.save("first")
        self.secrets = secret_versions(environment)

    def save(self, document: str) -> None:
        endpoint, token = self.environment.report()["endpoint"], self.environment.token
        call_tool(endpoint, token, "save_document", document_id=document, title=document, text=f"{document} text")

    def read(self, document: str) -> str:
        endpoint, token = self.environment.report()["endpoint"], self.environment.token
        return str(call_tool(endpoint, token, "get_document", document_id=document)["text"])

    def run(self, name: str, playbook: str, *options: str) -> None:
        self.runs[name] = self.environment.play(playbook, *options)

    def tell(self) -> t.Self:
        """Lose the data stack while the server runs; then lose all but the app's data as a killed destroy does."""
        delete_by_hand(self.environment, "data")
        self.run("look", "deploy.yml", "--check", "--diff")
        self.run("data", "deploy.yml")
        self.run("data again", "deploy.yml")
        self.documents = [self.read("first")]
        self.secrets_after = secret_versions(self.environment)
        self.resources = resources(self.environment, "data")
        self.save("second")
        self.run("app destroyed", "playbooks/destroy.yml", "-e", "mcp_confirm=production")
        delete_by_hand(self.environment, "edge", "data", "foundation")
        self.run("all", "deploy.yml")
        self.runs["all"].require()
        self.documents += [self.read("first"), self.read("second")]
        self.foundation = resources(self.environment, "foundation")
        return self


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory, private_home: Path) -> t.Iterator[Story]:
    environment = new_environment(tmp_path_factory.mktemp("import"), private_home)
    try:
        environment.sandbox.start()
        yield Story(environment).tell()
    finally:
        environment.sandbox.stop()


def test_a_look_says_what_would_be_taken_back(story: Story) -> None:
    run = story.runs["look"].require()
    assert run.changed > 0
    assert set(re.findall(r"<-\s+import\s+\S+\s+(\w+)", run.stdout)) == set(RETAINED)
    # The app goes on with the same table.
    assert "MCP_TABLE" not in run.stdout


def test_the_data_stack_holds_what_its_predecessor_left(story: Story) -> None:
    story.runs["data"].require()
    assert {name: story.resources[name] for name in RETAINED} == RETAINED
    assert {"FilesBucketPolicy", "LimitsParameter"} <= set(story.resources)


def test_nothing_is_lost(story: Story) -> None:
    assert story.documents == ["first text", "first text", "second text"]
    assert story.secrets_after == story.secrets


def test_afterwards_a_run_changes_nothing(story: Story) -> None:
    assert story.runs["data again"].require().changed == 0


def test_after_a_killed_destroy_the_state_bucket_is_taken_back_too(story: Story) -> None:
    assert story.foundation["StateBucket"] == "mcp-production-state-000000000000-us-east-1"


def test_secrets_that_were_given_up_by_name_are_taken_back(story: Story) -> None:
    """The store changes, the old copies leave the stack, and the store changes back: in force is the newest value."""
    environment, secrets = story.environment, {"RequestStateSecret", "OriginSecret"}
    in_ssm = ("-e", "mcp_secret_store=ssm")
    environment.deploy(*in_ssm).require()
    environment.deploy(*in_ssm, "-e", f"mcp_allow_replacement={','.join(secrets)}").require()
    assert not secrets & set(resources(environment, "data"))
    environment.play("playbooks/rotate_secrets.yml", *in_ssm).require()
    look = environment.deploy("--check", "--diff").require()
    assert set(re.findall(r"<-\s+import\s+\S+\s+(\w+)", look.stdout)) == secrets
    environment.deploy().require()
    assert {name: resources(environment, "data")[name] for name in RETAINED} == RETAINED
    assert story.read("first") == "first text"
    assert environment.deploy().require().changed == 0
