# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``--check --diff`` says what a run would change, and changes nothing; what would replace the data stops."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest

from tests.support.environment import Environment
from tests.support.snapshot import difference, snapshot

pytestmark = pytest.mark.e2e

TEMPLATES = Path("roles") / "production" / "files"


def edit(environment: Environment, template: str, old: str, new: str) -> None:
    """Replace the one occurrence of a text in a template of the checkout."""
    path = environment.project / TEMPLATES / template
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1, f"{template} has {text.count(old)} times {old!r}"
    path.write_text(text.replace(old, new), encoding="utf-8")


def audit_left_out(lines: list[str]) -> list[str]:
    """Leave out the state bucket: a run that is no dry run writes its audit trail there."""
    return [line for line in lines if not line.startswith("bucket mcp-production-state-")]


def test_look_before_the_first_deploy_leaves_nothing(first_runs) -> None:
    assert difference(first_runs.empty, first_runs.looked_at) == []
    assert not any(first_runs.looked_at.values())


def test_look_before_the_first_deploy_shows_what_it_would_make(first_runs) -> None:
    first_runs.look.require()
    assert first_runs.look.changed > 0
    for wanted in ("AWS::DynamoDB::Table", "DocumentsTable", "AWS::Lambda::Function", "AWS::CloudFront::Distribution"):
        assert wanted in first_runs.look.stdout
    for layer in ("foundation", "data", "app", "edge", "watch"):
        assert f"stack mcp-production-{layer}" in first_runs.look.stdout


def test_unchanged_environment_has_no_diff(deployed: Environment) -> None:
    before = snapshot(deployed.sandbox)
    run = deployed.deploy("--check", "--diff").require()
    assert run.changed == 0
    for sign in ("to create", "to update", "to delete", "\n---", "\n+++", "  ~ ", " -> "):
        assert sign not in run.stdout
    assert difference(before, snapshot(deployed.sandbox)) == []


def test_change_is_readable_and_only_looked_at(edited: Environment) -> None:
    edit(
        edited, "app.yaml", "gatewayresponse.header.Retry-After: \"'1'\"", "gatewayresponse.header.Retry-After: \"'2'\""
    )
    before = snapshot(edited.sandbox)
    options = (
        "mcp_memory_size=640",
        "mcp_throttle_rate=7",
        "mcp_log_retention_days=90",
        "mcp_price_class=PriceClass_All",
    )
    run = edited.deploy("--check", "--diff", *(word for option in options for word in ("-e", option))).require()
    assert run.changed > 0
    said = [line.strip() for line in run.stdout.splitlines()]
    for wanted in (
        "MemorySize: 512 -> 640",
        "MethodSettings.1.ThrottlingRateLimit: 50 -> 7",
        "RetentionInDays: 30 -> 90",
        "DistributionConfig.PriceClass: PriceClass_100 -> PriceClass_All",
    ):
        assert wanted in said
    for resource in ("ServerFunction", "ServerLogs", "ApiStage", "ThrottledResponse", "Distribution"):
        assert any("update" in line and resource in line.split() for line in said), resource
    assert any(line.startswith("+") and "ServerVersion" in line for line in said)
    assert "foundation:" not in run.stdout  # an unchanged stack has no line of a diff
    assert difference(before, snapshot(edited.sandbox)) == []


def test_sizes_of_the_data_stack_can_be_changed(deployed: Environment) -> None:
    """They replace nothing on AWS, so the guard of the data lets them pass."""
    options = ("mcp_max_read_request_units=200", "mcp_noncurrent_days=60")
    run = deployed.deploy("--check", "--diff", *(word for option in options for word in ("-e", option))).require()
    assert "OnDemandThroughput.MaxReadRequestUnits: 100 -> 200" in run.stdout
    assert "NoncurrentVersionExpiration.NoncurrentDays: 30 -> 60" in run.stdout


def rename_the_table(environment: Environment) -> None:
    edit(
        environment,
        "data.yaml",
        'TableName: !Sub "mcp-${Environment}-documents"',
        'TableName: !Sub "mcp-${Environment}-papers"',
    )


def change_its_key(environment: Environment) -> None:
    edit(environment, "data.yaml", "{AttributeName: sk, KeyType: RANGE}", "{AttributeName: range, KeyType: RANGE}")
    edit(environment, "data.yaml", "{AttributeName: sk, AttributeType: S}", "{AttributeName: range, AttributeType: S}")


@pytest.mark.parametrize(
    ("change", "options"),
    [(rename_the_table, ["--check", "--diff"]), (change_its_key, []), (rename_the_table, [])],
    ids=["look at a new name", "new key", "new name"],
)
def test_replacement_of_the_table_stops(
    edited: Environment, change: t.Callable[[Environment], None], options: list[str]
) -> None:
    change(edited)
    before = snapshot(edited.sandbox)
    run = edited.deploy(*options).require(2)
    failure = run.output.partition("fatal:")[2]
    for wanted in ("DocumentsTable", "mcp_allow_replacement", "mcp-production-data"):
        assert wanted in failure
    changes = difference(before, snapshot(edited.sandbox))
    assert (changes if options else audit_left_out(changes)) == []


def test_removal_of_the_table_stops(edited: Environment) -> None:
    """A resource that is no longer in the template would be deleted, or leave the stack unnoticed."""
    edit(edited, "data.yaml", "  DocumentsTable:\n", "  PapersTable:\n")
    path = edited.project / TEMPLATES / "data.yaml"
    text = path.read_text(encoding="utf-8").replace("DocumentsTable", "PapersTable")
    path.write_text(text.replace("-documents", "-papers"), encoding="utf-8")
    before = snapshot(edited.sandbox)
    run = edited.deploy("--check").require(2)
    assert "DocumentsTable" in run.output
    assert "mcp_allow_replacement" in run.output
    assert difference(before, snapshot(edited.sandbox)) == []
