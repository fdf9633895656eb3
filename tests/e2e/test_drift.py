# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What somebody changed past the stacks is found, told on the terminal and in a report, and is no failure."""

from __future__ import annotations

import pytest

from tests.support.environment import Environment
from tests.support.expanded import PRODUCTION
from tests.support.snapshot import difference, snapshot

pytestmark = pytest.mark.e2e

TABLE = "mcp-production-documents"


def test_no_drift(deployed: Environment) -> None:
    """Nothing found, nothing touched, and what cannot be looked at is named."""
    before = snapshot(deployed.sandbox)
    run = deployed.play("playbooks/drift.yml").require()
    drift = deployed.report("drift")["drift"]
    assert (drift["unknown"], drift["on_purpose"], run.changed) == (0, 0, 0)
    assert {stack["name"] for stack in drift["stacks"]} == {f"mcp-production-{layer}" for layer in PRODUCTION}
    assert all(stack["not_checked"] for stack in drift["stacks"])
    assert sum(stack["in_sync"] for stack in drift["stacks"]) > 0
    assert difference(before, snapshot(deployed.sandbox)) == []


def test_drift_of_a_table(deployed: Environment) -> None:
    """Expected and actual value, exit code 0; on the emulator it is not reverted, which is said."""
    client = deployed.sandbox.client("dynamodb")
    client.update_table(TableName=TABLE, DeletionProtectionEnabled=False)
    try:
        run = deployed.play("playbooks/drift.yml").require()
        assert "drift:     1 unknown, 0 set on purpose" in run.stdout
        assert "/DeletionProtectionEnabled: true -> false" in run.stdout
        stacks = {stack["name"]: stack for stack in deployed.report("drift")["drift"]["stacks"]}
        (row,) = stacks["mcp-production-data"]["drift"]
        assert (row["logical_id"], row["status"], row["physical_id"]) == ("DocumentsTable", "MODIFIED", TABLE)
        run = deployed.play("playbooks/drift.yml", "-e", "mcp_revert_drift=true").require()
        assert "mcp-production-data: this endpoint does not revert drift" in run.stdout and run.changed == 0
        assert client.describe_table(TableName=TABLE)["Table"]["DeletionProtectionEnabled"] is False
    finally:
        client.update_table(TableName=TABLE, DeletionProtectionEnabled=True)


def test_drift_of_nothing(deployed: Environment) -> None:
    """An environment that is not deployed is one clear error."""
    run = deployed.play("playbooks/drift.yml", "-e", "mcp_environment=nowhere").require(2)
    assert "nowhere is not deployed, so nothing can have drifted" in run.output
