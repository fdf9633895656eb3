# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The maintenance rule of a load balancer: read, switched and read again, against AWS's own service model."""

from __future__ import annotations

import typing as t

import boto3
import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import listener_rule
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import Context, McpError
from botocore.stub import Stubber

ARN = "arn:aws:elasticloadbalancing:us-east-1:123456789012:listener-rule/app/mcp-staging/1/2/3"
KEYS = {"region_name": "us-east-1", "aws_access_key_id": "x", "aws_secret_access_key": "x"}
ON, OFF = listener_rule.CONDITIONS["true"], listener_rule.CONDITIONS["false"]
OTHER = [{"Field": "path-pattern", "PathPatternConfig": {"Values": ["/mcp"]}}]


def world(*steps: tuple[str, t.Any]) -> Stubber:
    """Return a load balancing service that answers these steps in their order, and no other."""
    stub = Stubber(boto3.client("elbv2", **KEYS))
    for step, content in steps:
        if step == "read":
            stub.add_response("describe_rules", {"Rules": [{"Conditions": content}]}, {"RuleArns": [ARN]})
        elif step == "switch":
            stub.add_response("modify_rule", {}, {"RuleArn": ARN, "Conditions": content})
        else:
            stub.add_client_error(step, content)
    return stub


def run(stub: Stubber, maintenance: str | None = None, check: bool = False) -> dict[str, t.Any]:
    """Run the module's logic on validated options; every step has to be taken."""
    given = {"rule_arn": ARN, **({"maintenance": maintenance} if maintenance else {})}
    checked = ArgumentSpecValidator(listener_rule.ARGUMENT_SPEC).validate(given)
    assert not checked.error_messages
    with stub:
        context = Context(
            params=checked.validated_parameters,
            make_client=lambda *_names: stub.client,
            check_mode=check,
            diff_mode=True,
        )
        outcome = listener_rule.run(context)
        stub.assert_no_pending_responses()
    return outcome


def test_it_is_switched_on_and_read_again() -> None:
    outcome = run(world(("read", OFF), ("switch", ON), ("read", ON)), "true")
    assert outcome["changed"] and outcome["differences"] == [
        {"field": "maintenance", "before": "false", "after": "true"}
    ]


def test_it_is_switched_off() -> None:
    outcome = run(world(("read", ON), ("switch", OFF), ("read", OFF)), "false")
    assert outcome["before"] == {"maintenance": "true"} and outcome["after"] == {"maintenance": "false"}


@pytest.mark.parametrize("state", ["true", "false"])
def test_what_is_so_already_stays(state: str) -> None:
    outcome = run(world(("read", listener_rule.CONDITIONS[state])), state)
    assert not outcome["changed"] and outcome["differences"] == [] and "diff" not in outcome


def test_check_mode_says_what_it_would_do_and_does_not() -> None:
    outcome = run(world(("read", OFF)), "true", check=True)
    assert outcome["changed"] and outcome["after"] == {"maintenance": "true"}


def test_without_a_wish_it_only_reads() -> None:
    outcome = run(world(("read", ON)))
    assert not outcome["changed"] and outcome["before"] == {"maintenance": "true"}


@pytest.mark.parametrize(
    ("conditions", "state"),
    [
        ([{"Field": "path-pattern", "Values": ["/*"]}], "true"),
        ([{"Field": "path-pattern", "Values": ["*"], "PathPatternConfig": {"Values": ["*"]}}], "true"),
        ([{"Field": "host-header", "Values": ["off.maintenance.invalid"]}], "false"),
        ([{"Field": "host-header", "HostHeaderConfig": {"Values": ["mcp.example.org"]}}], "by hand"),
        (OTHER, "by hand"),
        ([*ON, *OFF], "by hand"),
        ([], "by hand"),
    ],
)
def test_conditions_are_understood_as_aws_writes_them(conditions: list[dict[str, t.Any]], state: str) -> None:
    assert listener_rule.meaning(conditions) == state


def test_what_somebody_set_by_hand_is_set_right() -> None:
    outcome = run(world(("read", OTHER), ("switch", ON), ("read", ON)), "true")
    assert outcome["before"] == {"maintenance": "by hand"}


@pytest.mark.parametrize("error", [("describe_rules", "RuleNotFound")])
def test_a_rule_that_is_gone_names_what_to_type(error: tuple[str, str]) -> None:
    with pytest.raises(McpError) as caught:
        run(world(error), "true")
    assert "Nothing was changed." in caught.value.message and "playbooks/drift.yml" in caught.value.message


def test_a_listener_that_somebody_else_holds_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr(listener_rule.time, "sleep", waits.append)
    run(world(("read", OFF), ("modify_rule", "ResourceInUse"), ("switch", ON), ("read", ON)), "true")
    assert waits == [1.0]


def test_a_switch_that_did_not_hold_is_an_error() -> None:
    with pytest.raises(McpError, match="was set to true, and AWS says it is false"):
        run(world(("read", OFF), ("switch", ON), ("read", OFF)), "true")
