# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""budget on the emulated AWS: module and action plugin alike make what is then read back there, once."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest

from tests.support.emulated import TestSandbox
from tests.support.playbook import run_playbook

pytestmark = pytest.mark.integration
PLAYBOOK = """
- hosts: localhost
  gather_facts: false
  connection: local
  vars: {{ansible_python_interpreter: "{{{{ ansible_playbook_python }}}}"}}
  tasks:
    - pratikoai.mcp_servers.budget: {options}
      environment: {environment}
      check_mode: {check_mode}
      register: result
    - ansible.builtin.copy:
        content: "{{{{ result | to_json }}}}"
        dest: {answer}
        mode: "0600"
      check_mode: false
"""
ACCOUNT = "000000000000"
EMAIL = "oncall@example.org"
SHARED = "mcp-account_costs"
SHARED_TOPIC = f"arn:aws:sns:us-east-1:{ACCOUNT}:{SHARED}"


def seen(sandbox: TestSandbox, name: str) -> dict[str, t.Any]:
    """Return what the emulated AWS itself says."""
    client = sandbox.client("budgets")
    budgets = {item["BudgetName"]: item for item in client.describe_budgets(AccountId=ACCOUNT).get("Budgets", [])}
    ours = {key: item for key, item in budgets.items() if key in (name, SHARED)}
    told = {
        key: client.describe_notifications_for_budget(AccountId=ACCOUNT, BudgetName=key)["Notifications"]
        for key in ours
    }
    alarms = sandbox.client("cloudwatch").describe_alarms(AlarmNames=[SHARED])["MetricAlarms"]
    return {
        "limits": {key: item["BudgetLimit"]["Amount"] for key, item in ours.items()},
        "filters": {key: item.get("CostFilters") for key, item in ours.items()},
        "told": {key: sorted((item["NotificationType"], item["Threshold"]) for item in told[key]) for key in ours},
        "alarms": [(item["Namespace"], item["Threshold"], item["AlarmActions"]) for item in alarms],
    }


@pytest.mark.parametrize("kind", ["action-plugin", "module"])
def test_what_is_made_is_what_the_emulated_aws_has(sandbox: TestSandbox, tmp_path: Path, kind: str) -> None:
    name = f"mcp-{kind}"
    topic = sandbox.client("sns").create_topic(Name=f"{name}-alerts")["TopicArn"]
    given = {"environment": kind, "account": ACCOUNT, "topic_arn": topic, "emails": [EMAIL], "sandbox": True}
    wanted = {**given, "monthly_usd": "15", "account_usd": "50", "anomaly_usd": "10"}

    def play(check_mode: bool = False, **options: t.Any) -> dict[str, t.Any]:
        answer, book = tmp_path / "answer.json", tmp_path / "book.yml"
        text = PLAYBOOK.format(
            options=json.dumps(options),
            environment=json.dumps({"FOR_THE_MODULE": "1"} if kind == "module" else {}),
            check_mode=json.dumps(check_mode),
            answer=answer,
        )
        book.write_text(text)
        run_playbook(str(book), home=tmp_path, env=sandbox.environment).require()
        return dict(json.loads(answer.read_text()))

    nothing = seen(sandbox, name)
    assert nothing == {"limits": {}, "filters": {}, "told": {}, "alarms": []}
    look = play(check_mode=True, **wanted)
    assert look["changed"] and seen(sandbox, name) == nothing
    done = play(**wanted)
    assert done["changed"] and done["differences"] == look["differences"]
    all_told = [("ACTUAL", 50.0), ("ACTUAL", 80.0), ("ACTUAL", 100.0), ("FORECASTED", 100.0)]
    assert seen(sandbox, name) == {
        "limits": {name: "15", SHARED: "50"},
        "filters": {name: {"TagKeyValue": [f"user:mcp:environment${kind}"]}, SHARED: {}},
        "told": {name: all_told, SHARED: all_told},
        "alarms": [("AWS/Billing", 50.0, [SHARED_TOPIC])],
    }
    for budget in done["budgets"]:
        assert [(item["type"], item["percent"]) for item in budget["thresholds"]] == all_told
        told = [SHARED_TOPIC] if budget["kind"] == "account" else sorted([topic, EMAIL])
        assert all(item["subscribers"] == told for item in budget["thresholds"])
    again = play(**wanted)
    assert not again["changed"] and again["budgets"] == done["budgets"] and again["alarm"] == done["alarm"]
    more = play(**{**wanted, "monthly_usd": "20", "thresholds": [90], "emails": []})
    assert seen(sandbox, name)["limits"][name] == "20"
    assert seen(sandbox, name)["told"][name] == [("ACTUAL", 90.0), ("FORECASTED", 100.0)]
    assert [item["subscribers"] for item in more["budgets"][0]["thresholds"]] == [[topic]] * 2
    # What watches the account is not the environment's alone.
    assert play(**given, state="absent")["changed"]
    assert seen(sandbox, name)["limits"] == {SHARED: "50"}
    assert not play(**given, state="absent")["changed"]
    assert play(**given, state="absent", account_usd="0")["changed"]
    assert seen(sandbox, name) == nothing
    sandbox.client("sns").delete_topic(TopicArn=topic)
