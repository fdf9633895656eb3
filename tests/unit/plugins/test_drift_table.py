# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Drift as a person reads it; what was set on purpose is told apart."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.drift_table import drift_lines, drift_report

ALIAS = "arn:aws:lambda:us-east-1:123456789012:function:mcp-production-server:live"


def row(kind: str, physical_id: str, *paths: str, status: str = "MODIFIED") -> dict[str, t.Any]:
    """Return a drifted resource."""
    differences = [{"path": path, "expected": "1", "actual": "2" * 99, "kind": "NOT_EQUAL"} for path in paths]
    base = {"logical_id": "X", "physical_id": physical_id, "type": kind, "status": status, "reason": ""}
    return {**base, "differences": differences}


def report(*rows: dict[str, t.Any], fields: tuple[str, ...] = (), **more: t.Any) -> dict[str, t.Any]:
    """Return the drift of one stack while overrides of these fields are in force."""
    blind = [{"logical_id": "M", "type": "AWS::ApiGateway::Method", "reason": "x"}]
    result = {"name": "s", "status": "UPDATE_COMPLETE", "drift": list(rows), "in_sync": ["A"], "not_checked": blind}
    return drift_report([{**result, "reason": "", **more}], [{"field": field} for field in fields])


STAGE = "AWS::ApiGateway::Stage"
LAMBDA = "AWS::Lambda::Alias"


@pytest.mark.parametrize(
    ("drifted", "fields", "on_purpose"),
    [
        (row(STAGE, "live", "/DeploymentId"), ("stage_deployment",), True),
        (row(STAGE, "live", "/DeploymentId"), (), False),
        (row(STAGE, "live", "/DeploymentId"), ("throttle_rate",), False),
        (row(STAGE, "live", "/MethodSettings/0/ThrottlingRateLimit"), ("throttle_rate",), True),
        (row(STAGE, "live", "/DeploymentId", "/Description"), ("stage_deployment",), False),
        (row(LAMBDA, ALIAS, "/FunctionVersion"), ("server_version",), True),
        (row(LAMBDA, ALIAS, "/FunctionVersion"), ("authorizer_version",), False),
        (row(LAMBDA, ALIAS, status="DELETED"), ("server_version",), False),
        (row("AWS::DynamoDB::Table", "t", "/DeploymentId"), ("stage_deployment",), False),
        (row(STAGE, "live", "/DeploymentId"), ("a_field_of_a_newer_version",), False),
    ],
)
def test_an_override_is_no_unknown_drift(drifted: dict[str, t.Any], fields: tuple[str, ...], on_purpose: bool):
    """Only where type, property and function fit, and it explains every property."""
    found = report(drifted, fields=fields)
    assert (found["on_purpose"], found["unknown"]) == ((1, 0) if on_purpose else (0, 1))


def test_the_table():
    """Counts, resources, properties with both values, what could not be looked at."""
    lines = drift_lines(report(row(STAGE, "live", "/DeploymentId"), fields=("stage_deployment",)))
    assert lines[:2] == [
        "drift:     0 unknown, 1 set on purpose",
        "  s: 1 drifted, 1 as in the template, 1 not checked",
    ]
    assert lines[2].split() == ["MODIFIED", STAGE, "X", "(live)"]
    assert lines[3].strip() == f"/DeploymentId: 1 -> {'2' * 57}... (override stage_deployment)"
    assert lines[4].strip() == "not checked: AWS::ApiGateway::Method"


def test_a_layer_that_is_not_reverted_says_why():
    """Only where there is something that could have been reverted."""
    drifted = row(STAGE, "live", "/Description")
    results = [
        {"name": layer, "layer": layer, "status": "s", "drift": rows, "in_sync": [], "not_checked": [], "reason": ""}
        for layer, rows in (("edge", [drifted]), ("app", []), ("data", [drifted]))
    ]
    found = drift_report(results, [], {"edge": "by hand", "app": "an override"})
    assert [stack.get("not_available") for stack in found["stacks"]] == ["by hand", None, None]


def test_what_was_done_about_it():
    """Reverted, or why not."""
    drifted = row(STAGE, "live", "/Description")
    assert "    reverted: X" in drift_lines(report(drifted, reverted=True))
    assert "    not offered" in drift_lines(report(drifted, reverted=False, not_available="not offered"))
    assert "    Failed on Odd" in drift_lines(report(reason="Failed on Odd"))
