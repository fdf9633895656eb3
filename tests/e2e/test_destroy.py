# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Destroy takes away what was named and nothing else; what it leaves is listed with what it bills."""

from __future__ import annotations

import json
import typing as t
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from tests.e2e.conftest import new_environment
from tests.support.client import call_tool
from tests.support.environment import Environment
from tests.support.playbook import PlaybookRun
from tests.support.snapshot import difference, names, snapshot

pytestmark = pytest.mark.e2e

STATE = "mcp-production-state-000000000000-us-east-1"
FILES = "mcp-production-files-000000000000-us-east-1"
CONFIRM = ("-e", "mcp_confirm=production")
DATA = ("-e", "mcp_destroy_data=true")
FOUNDATION = ("-e", "mcp_destroy_foundation=true")
FOUNDATION_ONLY = {
    f"bucket {STATE}",
    "stack mcp-production-foundation",
    "topic arn:aws:sns:us-east-1:000000000000:mcp-production-alerts",
}
# One per account, for every API of it: it stays.
ACCOUNT_WIDE = {
    "gateway account arn:aws:iam::000000000000:role/mcp-api-gateway-logs",
    "role mcp-api-gateway-logs",
}


@dataclass(frozen=True)
class Step:
    """How a run ended, what it reported, and what the account held then."""

    run: PlaybookRun
    report: dict[str, t.Any]
    account: dict[str, t.Any]
    objects: dict[str, bytes]

    @property
    def names(self) -> set[str]:
        return names(self.account)


@dataclass(frozen=True)
class Story:
    """One environment's life; each step was run whether the one before it went well or not."""

    environment: Environment
    steps: dict[str, Step]
    documents: dict[str, t.Any]

    def __getitem__(self, name: str) -> Step:
        return self.steps[name]


def read_objects(environment: Environment) -> dict[str, bytes]:
    """Return what the state bucket holds, without packages."""
    client = environment.sandbox.client("s3")
    if STATE not in [bucket["Name"] for bucket in client.list_buckets()["Buckets"]]:
        return {}
    keys = [item["Key"] for item in client.list_objects_v2(Bucket=STATE).get("Contents", [])]
    return {
        key: client.get_object(Bucket=STATE, Key=key)["Body"].read() for key in keys if not key.startswith("releases/")
    }


def take(environment: Environment, playbook: str, *options: str) -> Step:
    """Run a playbook and look."""
    run = environment.play(playbook, *options)
    report = environment.report("deployment" if playbook == "deploy.yml" else "destroy")
    return Step(run, report, snapshot(environment.sandbox), read_objects(environment))


def save(environment: Environment) -> None:
    """Save a document and a file."""
    endpoint, token = environment.report()["endpoint"], environment.token
    call_tool(endpoint, token, "save_document", document_id="kept", title="Kept", text="over a destroy")
    link = call_tool(endpoint, token, "create_upload_url", file_id="kept", content_type="text/plain", size_bytes=5)
    assert httpx2.put(link["url"], headers=link["headers"], content=b"bytes").status_code == 200


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory, private_home: Path) -> t.Iterator[Story]:
    """Deploy, take away more and more, and deploy again."""
    environment = new_environment(tmp_path_factory.mktemp("destroy"), private_home)
    try:
        environment.sandbox.start()
        yield tell(environment)
    finally:
        environment.sandbox.stop()


def tell(environment: Environment) -> Story:
    steps, destroy = {}, "playbooks/destroy.yml"
    environment.deploy().require()
    save(environment)
    steps["deployed"] = take(environment, "deploy.yml")
    steps["not confirmed"] = take(environment, destroy)
    steps["other confirmed"] = take(environment, destroy, "-e", "mcp_confirm=staging")
    steps["foundation alone"] = take(environment, destroy, *CONFIRM, *FOUNDATION)
    steps["looked"] = take(environment, destroy, *CONFIRM, *DATA, *FOUNDATION, "--check")
    steps["app"] = take(environment, destroy, *CONFIRM)
    steps["app again"] = take(environment, destroy, *CONFIRM)
    steps["deployed again"] = take(environment, "deploy.yml")
    endpoint, token = environment.report()["endpoint"], environment.token
    documents = call_tool(endpoint, token, "get_document", document_id="kept")
    steps["data"] = take(environment, destroy, *CONFIRM, *DATA)
    steps["data again"] = take(environment, destroy, *CONFIRM, *DATA)
    steps["all"] = take(environment, destroy, *CONFIRM, *DATA, *FOUNDATION)
    steps["all again"] = take(environment, destroy, *CONFIRM, *DATA, *FOUNDATION)
    steps["from nothing"] = take(environment, "deploy.yml")
    return Story(environment, steps, documents)


def without_audit(lines: list[str]) -> list[str]:
    return [line for line in lines if not line.startswith(f"bucket {STATE}")]


@pytest.mark.parametrize(
    ("refused", "before", "wanted"),
    [
        ("not confirmed", "deployed", ["mcp_confirm is ''", "Nothing was removed", "-e mcp_confirm=production"]),
        ("other confirmed", "not confirmed", ["mcp_confirm is 'staging'", "Nothing was removed"]),
        ("foundation alone", "other confirmed", ["mcp_destroy_foundation", "mcp_destroy_data", "Nothing was removed"]),
    ],
)
def test_refusal_says_why_and_removes_nothing(story: Story, refused: str, before: str, wanted: list[str]) -> None:
    step = story[refused]
    assert step.run.rc != 0
    said = " ".join(step.run.output.split())
    assert [text for text in wanted if text not in said] == []
    assert without_audit(difference(story[before].account, step.account)) == []
    assert "lock.json" not in step.objects


def test_look_removes_nothing_and_counts_what_it_would(story: Story) -> None:
    story["looked"].run.require()
    assert story["looked"].run.changed > 0
    assert difference(story["foundation alone"].account, story["looked"].account) == []


def test_destroy_leaves_foundation_data_and_edge(story: Story) -> None:
    step = story["app"]
    step.run.require()
    stacks = {name for name in step.names if name.startswith("stack ")}
    assert stacks == {f"stack mcp-production-{layer}" for layer in ("foundation", "data", "edge")}
    assert story["deployed"].account["alarm"]
    for kind in ("function", "api", "log group", "alarm"):
        assert step.account[kind] == {}
    # The signing key is gone; the limits belong to the data stack.
    assert set(step.account["parameter"]) == {"/mcp/production/limits"}
    for kind in ("table", "secret", "distribution", "cdn function"):
        assert step.account[kind] == story["deployed"].account[kind]
    assert step.account["bucket"][FILES] == story["deployed"].account["bucket"][FILES]


def test_destroy_lists_what_stays_and_what_it_bills(story: Story) -> None:
    kept = {item["resource"]: item["bills"] for item in story["app"].report["kept"]}
    for name in ("mcp-production-foundation", "mcp-production-data", "mcp-production-edge", FILES, STATE):
        assert any(name in resource for resource in kept), name
    assert all(kept.values())
    assert any("USD" in bills for bills in kept.values())


@pytest.mark.parametrize("name", ["app again", "data again", "all again"])
def test_second_destroy_changes_nothing(story: Story, name: str) -> None:
    before = story[name.removesuffix(" again")]
    story[name].run.require()
    assert story[name].run.changed == 0
    assert without_audit(difference(before.account, story[name].account)) == []


def test_deploy_after_destroy_keeps_the_address_and_the_data(story: Story) -> None:
    story["deployed again"].run.require()
    before, after = story["deployed"].report, story["deployed again"].report
    assert (after["endpoint"], after["health_url"]) == (before["endpoint"], before["health_url"])
    assert story.documents["text"] == "over a destroy"
    assert story["deployed again"].account["bucket"][FILES] == story["deployed"].account["bucket"][FILES]


def test_destroy_of_data_leaves_the_foundation_and_a_backup(story: Story) -> None:
    step = story["data"]
    step.run.require()
    backups = {name for name in step.names if name.startswith("backup ")}
    assert list(step.account["backup"].values()) == ["mcp-production-documents"]
    assert step.names - ACCOUNT_WIDE - backups == FOUNDATION_ONLY
    copied = [key for key in step.objects if key.startswith("final-backup/")]
    assert [key for key in copied if key.endswith("/files/kept")]
    assert b"bytes" in [step.objects[key] for key in copied]


def test_final_backup_is_in_the_audit_trail_and_in_the_list_of_what_bills(story: Story) -> None:
    step = story["data"]
    arn = next(iter(step.account["backup"]))
    lines = [
        json.loads(line)
        for key, content in step.objects.items()
        if key.startswith("audit/") and step.report["run_id"] in key
        for line in content.decode().splitlines()
    ]
    backed_up = [json.dumps(line) for line in lines if line["what"] == "backed up"]
    assert any(arn in line for line in backed_up)
    assert any("final-backup/" in line for line in backed_up)
    removed = [line["target"] for line in lines if line["what"] == "removed"]
    # Nobody is woken by what is being removed, and nothing writes while it is backed up.
    assert removed.index("mcp-production-edge") < removed.index("mcp-production-data")
    assert {f"mcp-production-{layer}" for layer in ("app", "edge", "data", "watch")} <= set(removed)
    kept = json.dumps(step.report["kept"])
    for name in (STATE, "backup", "USD"):
        assert name in kept
    assert "mcp-production-data" not in kept


def test_destroy_of_everything_leaves_the_backup_alone(story: Story) -> None:
    step = story["all"]
    step.run.require()
    backups = {name for name in step.names if name.startswith("backup ")}
    assert len(backups) == 1
    assert step.names - ACCOUNT_WIDE == backups
    assert "backup" in json.dumps(step.report["kept"])


def test_deploy_works_again_from_nothing(story: Story) -> None:
    story["from nothing"].run.require()
    report = story["from nothing"].report
    assert {check["status"] for check in report["health"]} == {"healthy"}
    listed = call_tool(report["endpoint"], story.environment.token, "list_documents")
    assert listed["documents"] == []
