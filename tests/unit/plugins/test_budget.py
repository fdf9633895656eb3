# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""budget: a second run changes nothing, check mode changes nothing, and what is read back is what was asked for."""

from __future__ import annotations

import json
import typing as t

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import budget
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import Context, McpError

from tests.support.memory_aws import MemoryService, Refused
from tests.support.memory_budgets import Alarms, Anomalies, Budgets, Topics

ACCOUNT = "123456789012"
TOPIC = f"arn:aws:sns:us-east-1:{ACCOUNT}:mcp-production-alerts"
ELSEWHERE = TOPIC.replace("us-east-1", "eu-south-1")
SHARED = "mcp-account_costs"
SHARED_TOPIC = f"arn:aws:sns:us-east-1:{ACCOUNT}:{SHARED}"
EMAIL = "oncall@example.org"
EVERYTHING: dict[str, t.Any] = {
    "environment": "production",
    "account": ACCOUNT,
    "monthly_usd": "15",
    "account_usd": "50",
    "anomaly_usd": "10",
    "topic_arn": TOPIC,
    "alert_email": EMAIL,
    "tags": {"mcp:environment": "production", "mcp:phase": "production", "mcp:managed-by": "x"},
}
ROLE = f"arn:aws:iam::{ACCOUNT}:role/budget-actions"
POLICY = f"arn:aws:iam::{ACCOUNT}:policy/nothing-new"
ACTION = {"type": "iam_policy", "role_arn": ROLE, "policy": POLICY, "roles": ["deployers"]}


class Account:
    """An account's services, and tasks of the module on them."""

    def __init__(self) -> None:
        self.budgets, self.alarms = Budgets(), Alarms()
        self.topics, self.anomalies = Topics(ACCOUNT), Anomalies(ACCOUNT)
        everything: tuple[MemoryService, ...] = (self.budgets, self.alarms, self.topics, self.anomalies)
        self.services = {item.service: item for item in everything}
        self.regions: set[tuple[str, str | None]] = set()
        self.warned: list[str] = []

    def client(self, service: str, region: str | None) -> t.Any:
        self.regions.add((service, region))
        return self.services[service].client

    def run(self, check_mode: bool = False, diff_mode: bool = False, **options: t.Any) -> dict[str, t.Any]:
        """Run the module with EVERYTHING but what is given."""
        given = {name: value for name, value in {**EVERYTHING, **options}.items() if value is not None}
        validated = ArgumentSpecValidator(budget.ARGUMENT_SPEC).validate(given)
        assert not validated.error_messages, validated.error_messages
        ctx = Context(
            validated.validated_parameters,
            self.client,
            check_mode=check_mode,
            diff_mode=diff_mode,
            warn=self.warned.append,
        )
        return budget.run(ctx)

    @property
    def writes(self) -> list[str]:
        """What was changed so far."""
        return [name for item in self.services.values() for name in item.writes]


@pytest.fixture
def aws() -> Account:
    return Account()


def whats(result: dict[str, t.Any]) -> list[tuple[str, str]]:
    """Return what was done, and to what."""
    return [(row["what"], row["target"]) for row in result["differences"]]


def test_everything_is_made_in_one_run(aws: Account) -> None:
    result = aws.run()
    assert result["changed"]
    assert whats(result) == [
        ("budget created", "mcp-production"),
        ("topic created", SHARED),
        ("subscriber added", f"{SHARED}: {EMAIL}"),
        ("budget created", SHARED),
        ("alarm created", SHARED),
        ("anomaly alert created", "mcp-production-anomalies"),
    ]
    assert aws.warned == [] and result["not_available"] == []


def test_what_is_read_back_is_what_was_asked_for(aws: Account) -> None:
    result = aws.run(emails=[EMAIL])
    own, account = result["budgets"]
    assert (own["name"], own["kind"], own["limit"], own["unit"]) == ("mcp-production", "environment", "15", "USD")
    assert own["filters"] == {"TagKeyValue": ["user:mcp:environment$production"]}
    assert (account["name"], account["kind"], account["limit"]) == (SHARED, "account", "50")
    assert account["filters"] == {}
    for item in result["budgets"]:
        found = [(told["type"], told["percent"]) for told in item["thresholds"]]
        assert found == [("ACTUAL", 50.0), ("ACTUAL", 80.0), ("ACTUAL", 100.0), ("FORECASTED", 100.0)]
    assert all(told["subscribers"] == [TOPIC, EMAIL] for told in own["thresholds"])
    assert all(told["subscribers"] == [SHARED_TOPIC] for told in account["thresholds"])
    assert result["alarm"] == {
        "name": SHARED,
        "threshold": "50",
        "region": "us-east-1",
        "topics": [SHARED_TOPIC],
    }
    assert result["anomalies"]["monitor"] == aws.anomalies.monitors[0]["MonitorArn"]
    assert result["anomalies"]["subscriptions"] == [
        {"name": "mcp-production-anomalies", "frequency": "IMMEDIATE", "impact_usd": "10", "subscribers": [TOPIC]},
        {"name": "mcp-production-anomalies-daily", "frequency": "DAILY", "impact_usd": "10", "subscribers": [EMAIL]},
    ]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"emails": [EMAIL, "cfo@example.org"]},
        {"topic_arn": None, "emails": [EMAIL]},
        {"topic_arn": ELSEWHERE, "alert_email": None},
        {"action": ACTION},
        {"monthly_usd": "12.50"},
    ],
)
def test_a_second_run_changes_nothing(aws: Account, options: dict[str, t.Any]) -> None:
    first = aws.run(**options)
    before = aws.writes
    second = aws.run(**options)
    assert first["changed"] and not second["changed"] and second["differences"] == []
    assert aws.writes == before
    assert {**second, "changed": True, "differences": first["differences"]} == first


def test_check_mode_changes_nothing_and_says_the_same(aws: Account) -> None:
    planned = aws.run(check_mode=True, diff_mode=True)
    assert planned["changed"] and aws.writes == [] and planned["budgets"] == []
    assert planned["differences"] == aws.run()["differences"]
    (shown,) = planned["diff"]
    assert shown["before"]["budget created: mcp-production"] is None
    assert shown["after"]["budget created: mcp-production"]["limit"] == "15 USD"


def test_a_budget_counts_gross_of_credits(aws: Account) -> None:
    aws.run()
    assert aws.budgets.budgets["mcp-production"]["CostTypes"] == {"IncludeCredit": False, "IncludeRefund": False}


def test_one_that_somebody_made_net_of_credits_is_set_right(aws: Account) -> None:
    aws.run()
    changed = aws.budgets.budgets["mcp-production"]
    changed["CostTypes"] = {"IncludeCredit": True, "IncludeRefund": True, "IncludeTax": False}
    result = aws.run()
    assert result["differences"] == [
        {"what": "budget changed", "target": "mcp-production", "before": {"gross": False}, "after": {"gross": True}}
    ]
    # What it counts beside them is nobody's business here.
    assert aws.budgets.budgets["mcp-production"]["CostTypes"]["IncludeTax"] is False


def test_a_new_limit_is_the_only_change(aws: Account) -> None:
    aws.run()
    result = aws.run(monthly_usd="20")
    assert result["differences"] == [
        {
            "what": "budget changed",
            "target": "mcp-production",
            "before": {"limit": "15 USD"},
            "after": {"limit": "20 USD"},
        }
    ]
    assert result["budgets"][0]["limit"] == "20"


def test_the_period_of_a_budget_stays(aws: Account) -> None:
    aws.run()
    period = {"Start": 1788220800, "End": 3706473600}
    aws.budgets.budgets["mcp-production"]["TimePeriod"] = period
    aws.run(monthly_usd="20")
    assert aws.budgets.budgets["mcp-production"]["TimePeriod"] == period


def test_thresholds_are_replaced(aws: Account) -> None:
    aws.run(anomaly_usd=None, account_usd=None)
    result = aws.run(anomaly_usd=None, account_usd=None, thresholds=[80, 100, 120], forecast_thresholds=[])
    assert whats(result) == [
        ("notification removed", "mcp-production: spent above 50 %"),
        ("notification removed", "mcp-production: forecast above 100 %"),
        ("notification added", "mcp-production: spent above 120 %"),
    ]
    assert [told["percent"] for told in result["budgets"][0]["thresholds"]] == [80.0, 100.0, 120.0]


def test_ten_thresholds_are_exchanged_for_ten_others(aws: Account) -> None:
    """AWS takes ten: those that go, go first."""
    few: dict[str, t.Any] = {"anomaly_usd": None, "account_usd": None, "forecast_thresholds": []}
    aws.run(**few, thresholds=list(range(10, 101, 10)))
    result = aws.run(**few, thresholds=list(range(15, 106, 10)))
    assert [told["percent"] for told in result["budgets"][0]["thresholds"]] == [float(n) for n in range(15, 106, 10)]


def test_who_is_told_is_replaced(aws: Account) -> None:
    """The topic and every address of before are gone, though AWS removes a notification with its last subscriber."""
    aws.run(anomaly_usd=None, account_usd=None)
    result = aws.run(anomaly_usd=None, account_usd=None, topic_arn=None, emails=[EMAIL])
    assert [row["what"] for row in result["differences"]] == ["notification changed"] * 4
    assert result["differences"][0]["before"] == [TOPIC] and result["differences"][0]["after"] == [EMAIL]
    assert [told["subscribers"] for told in result["budgets"][0]["thresholds"]] == [[EMAIL]] * 4


def test_what_is_not_set_stays(aws: Account) -> None:
    aws.run(emails=[EMAIL], action=ACTION)
    result = aws.run(emails=[EMAIL], monthly_usd=None, account_usd=None, anomaly_usd=None)
    assert not result["changed"]
    assert len(result["budgets"]) == 2 and result["alarm"] and result["anomalies"]["subscriptions"]
    assert len(result["budgets"][0]["actions"]) == 1


def test_zero_removes_each_alone(aws: Account) -> None:
    aws.run()
    assert whats(aws.run(account_usd="0")) == [
        ("budget removed", SHARED),
        ("alarm removed", SHARED),
        ("topic removed", SHARED),
    ]
    assert whats(aws.run(account_usd="0", anomaly_usd="0.00")) == [
        ("anomaly alert removed", "mcp-production-anomalies"),
        ("anomaly monitor removed", "mcp-services"),
    ]
    assert whats(aws.run(account_usd="0", anomaly_usd="0", monthly_usd="0")) == [("budget removed", "mcp-production")]
    assert not aws.run(account_usd="0", anomaly_usd="0", monthly_usd="0")["changed"]


def test_absent_removes_everything_of_this_environment_alone(aws: Account) -> None:
    aws.run(environment="staging", topic_arn=ELSEWHERE, emails=[EMAIL])
    others = json.dumps([aws.budgets.budgets, aws.alarms.alarms, aws.topics.topics, aws.anomalies.subscriptions])
    aws.run(topic_arn=ELSEWHERE, emails=[EMAIL], action=ACTION)
    result = aws.run(state="absent", topic_arn=None, monthly_usd=None, anomaly_usd=None)
    assert result["changed"] and [item["name"] for item in result["budgets"]] == [SHARED] and result["alarm"]
    assert "all its environments share them" in aws.warned[-1] and "mcp_billing_alert_usd=0" in aws.warned[-1]
    now = json.dumps([aws.budgets.budgets, aws.alarms.alarms, aws.topics.topics, aws.anomalies.subscriptions])
    assert now == others
    # The monitor is still used.
    assert len(aws.anomalies.monitors) == 1
    assert not aws.run(state="absent", topic_arn=None)["changed"]


def test_the_account_s_go_when_that_is_said(aws: Account) -> None:
    aws.run()
    result = aws.run(state="absent", account_usd="0")
    assert (result["budgets"], result["alarm"], aws.topics.topics, aws.warned) == ([], None, {}, [])


def test_environments_of_an_account_share_what_watches_it(aws: Account) -> None:
    """A second environment adds whom it tells; then neither changes anything."""
    aws.run()
    other: dict[str, t.Any] = {"environment": "staging", "topic_arn": ELSEWHERE, "alert_email": "ada@example.org"}
    assert whats(aws.run(**other, monthly_usd="60"))[:2] == [
        ("budget created", "mcp-staging"),
        ("subscriber added", f"{SHARED}: ada@example.org"),
    ]
    assert [row["target"] for row in aws.run(**other, monthly_usd="60")["differences"]] == []
    assert not aws.run()["changed"]
    assert sorted(aws.topics.topics[SHARED_TOPIC]) == ["ada@example.org", EMAIL]
    assert set(aws.budgets.budgets) == {"mcp-production", "mcp-staging", SHARED}


def test_an_environment_that_makes_the_account_s_budget_meanwhile_is_no_failure(
    aws: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = aws.budgets.create_budget

    def twice(**budget: t.Any) -> None:
        create(**budget)
        create(**budget)

    with monkeypatch.context() as busy:
        busy.setattr(aws.budgets, "create_budget", twice)
        assert aws.run(monthly_usd=None)["budgets"][0]["name"] == SHARED
        with pytest.raises(McpError, match="Not done: budget created: mcp-production"):
            aws.run()


def test_what_is_the_account_s_has_no_environment_s_tags(aws: Account) -> None:
    aws.run()
    assert [tag["Key"] for tag in aws.topics.tags[SHARED_TOPIC]] == ["mcp:managed-by"]
    assert [tag["Key"] for tag in aws.budgets.tags[SHARED]] == ["mcp:managed-by"]
    assert "mcp:environment" in [tag["Key"] for tag in aws.budgets.tags["mcp-production"]]


def test_a_review_reads_budgets_alone(aws: Account) -> None:
    aws.run(action=ACTION)
    before = {name: len(item.calls) for name, item in aws.services.items()}
    result = aws.run(state="read", only_budgets=True, topic_arn=None)
    assert [item["name"] for item in result["budgets"]] == ["mcp-production", SHARED]
    assert (result["alarm"], result["anomalies"], result["not_available"]) == (None, None, [])
    assert [name for name, item in aws.services.items() if len(item.calls) > before[name]] == ["budgets"]
    assert not [name for name in aws.budgets.calls if "action" in name][before["budgets"] :]


def test_reading_needs_nobody_to_tell_and_changes_nothing(aws: Account) -> None:
    aws.run()
    before = aws.writes
    result = aws.run(state="read", topic_arn=None, monthly_usd="99")
    assert not result["changed"] and aws.writes == before and result["budgets"][0]["limit"] == "15"


def test_what_was_spent_comes_with_it_and_nothing_counted_is_not_zero(aws: Account) -> None:
    assert aws.run()["budgets"][0]["spent"] is None
    spend = {"ActualSpend": {"Amount": "3.210", "Unit": "USD"}, "ForecastedSpend": {"Amount": "12.9", "Unit": "USD"}}
    aws.budgets.budgets["mcp-production"]["CalculatedSpend"] = spend
    result = aws.run()["budgets"][0]
    assert (result["spent"], result["forecast"]) == ("3.21", "12.9")


# The billing alarm


def test_the_alarm_is_in_the_one_region_that_has_the_metric(aws: Account) -> None:
    aws.run(topic_arn=ELSEWHERE)
    assert ("cloudwatch", "us-east-1") in aws.regions and ("sns", "us-east-1") in aws.regions
    alarm = aws.alarms.alarms[SHARED]
    assert (alarm["Namespace"], alarm["MetricName"]) == ("AWS/Billing", "EstimatedCharges")
    assert alarm["Dimensions"] == [{"Name": "Currency", "Value": "USD"}]
    assert alarm["Threshold"] == 50.0 and alarm["TreatMissingData"] == "notBreaching"


@pytest.mark.parametrize("topic", [TOPIC, ELSEWHERE])
def test_the_account_has_a_topic_of_its_own(aws: Account, topic: str) -> None:
    result = aws.run(topic_arn=topic, emails=["cfo@example.org"])
    assert result["alarm"]["topics"] == [SHARED_TOPIC]
    assert sorted(aws.topics.topics[SHARED_TOPIC]) == ["cfo@example.org", EMAIL]
    statements = {item["Sid"]: item for item in json.loads(aws.topics.policies[SHARED_TOPIC])["Statement"]}
    assert statements["AlarmsOfThisAccount"]["Condition"] == {"StringEquals": {"aws:SourceAccount": ACCOUNT}}
    assert statements["BudgetsOfThisAccount"]["Principal"] == {"Service": "budgets.amazonaws.com"}
    assert statements["OnlyTls"]["Effect"] == "Deny"
    assert result["budgets"][0]["thresholds"][0]["subscribers"] == [topic, "cfo@example.org"]


def test_an_alarm_that_nobody_hears_is_warned_of(aws: Account) -> None:
    aws.run(alert_email=None)
    assert len(aws.warned) == 1 and "Nobody hears the account's budget and billing alarm" in aws.warned[0]


def test_an_alarm_that_cannot_ring_is_warned_of(aws: Account) -> None:
    aws.alarms.metrics = []
    aws.run()
    assert len(aws.warned) == 1 and "Receive CloudWatch billing alerts" in aws.warned[0]


def test_an_alarm_that_somebody_muted_is_set_right(aws: Account) -> None:
    aws.run()
    aws.alarms.alarms[SHARED]["ActionsEnabled"] = False
    assert whats(aws.run()) == [("alarm changed", SHARED)]


# Unusual spending


def test_the_monitor_that_aws_made_is_used_and_never_removed(aws: Account) -> None:
    """An account can have one; AWS makes it for new ones."""
    arn = f"arn:aws:ce::{ACCOUNT}:anomalymonitor/aws"
    default = {"MonitorName": "Default-Services-Monitor", "MonitorType": "DIMENSIONAL", "MonitorDimension": "SERVICE"}
    tag = {"MonitorName": "tags", "MonitorType": "DIMENSIONAL", "MonitorDimension": "TAG", "MonitorArn": arn + "tag"}
    aws.anomalies.monitors = [tag, {**default, "MonitorArn": arn}]
    assert aws.run()["anomalies"]["monitor"] == arn
    aws.run(state="absent")
    assert len(aws.anomalies.monitors) == 2


def test_two_alerts_make_one_monitor(aws: Account) -> None:
    result = aws.run(emails=[EMAIL])
    assert len(aws.anomalies.monitors) == 1
    assert len(result["anomalies"]["subscriptions"]) == 2
    assert all(item["MonitorArnList"] == [result["anomalies"]["monitor"]] for item in aws.anomalies.subscriptions)


def test_a_new_impact_changes_the_alert(aws: Account) -> None:
    aws.run(emails=[EMAIL])
    result = aws.run(emails=[EMAIL], anomaly_usd="25")
    assert [
        (row["what"], row["before"]["impact_usd"], row["after"]["impact_usd"]) for row in result["differences"]
    ] == [
        ("anomaly alert changed", "10", "25"),
        ("anomaly alert changed", "10", "25"),
    ]


def test_an_address_that_goes_takes_its_alert_with_it(aws: Account) -> None:
    aws.run(emails=[EMAIL], account_usd=None, monthly_usd=None)
    result = aws.run(account_usd=None, monthly_usd=None)
    assert whats(result) == [("anomaly alert removed", "mcp-production-anomalies-daily")]
    assert len(aws.anomalies.monitors) == 1


# Actions


def test_an_action_comes_after_its_budget(aws: Account) -> None:
    result = aws.run(action=ACTION)
    assert whats(result)[1] == ("action created", "mcp-production: action")
    (action,) = aws.budgets.actions["mcp-production"]
    assert action["ActionType"] == "APPLY_IAM_POLICY" and action["ApprovalModel"] == "MANUAL"
    assert action["Definition"] == {"IamActionDefinition": {"PolicyArn": POLICY, "Roles": ["deployers"]}}
    assert action["ActionThreshold"] == {"ActionThresholdValue": 100.0, "ActionThresholdType": "PERCENTAGE"}
    (shown,) = result["budgets"][0]["actions"]
    assert shown["Status"] == "STANDBY" and "0.10 USD a day" in shown["bills"]


@pytest.mark.parametrize(
    ("action", "definition"),
    [
        (
            {"type": "organization_policy", "role_arn": ROLE, "policy": "p-12345678", "targets": [ACCOUNT]},
            {"ScpActionDefinition": {"PolicyId": "p-12345678", "TargetIds": [ACCOUNT]}},
        ),
        (
            {"type": "stop_databases", "role_arn": ROLE, "instances": ["mcp-staging"], "approval": "automatic"},
            {
                "SsmActionDefinition": {
                    "ActionSubType": "STOP_RDS_INSTANCES",
                    "Region": "us-east-1",
                    "InstanceIds": ["mcp-staging"],
                }
            },
        ),
    ],
)
def test_each_kind_of_action(aws: Account, action: dict[str, t.Any], definition: dict[str, t.Any]) -> None:
    aws.run(action=action)
    assert aws.budgets.actions["mcp-production"][0]["Definition"] == definition


def test_an_action_is_changed_in_place_but_for_its_type(aws: Account) -> None:
    aws.run(action=ACTION)
    few: dict[str, t.Any] = {"account_usd": None, "anomaly_usd": None}
    assert [row["what"] for row in aws.run(**few, action={**ACTION, "percent": 120})["differences"]] == [
        "action changed"
    ]
    stop = {"type": "stop_instances", "role_arn": ROLE, "instances": ["i-0123456789abcdef0"]}
    changed = aws.run(**few, action=stop)
    assert [row["what"] for row in changed["differences"]] == ["action removed", "action created"]
    assert "An Auto Scaling group starts another instance" in aws.warned[-1]


def test_an_empty_action_removes_it(aws: Account) -> None:
    aws.run(action=ACTION)
    assert whats(aws.run(action={})) == [("action removed", "mcp-production: action")]
    assert not aws.run(action={})["changed"]


@pytest.mark.parametrize(
    ("action", "said"),
    [
        ({"type": "iam_policy", "role_arn": ROLE}, "has no policy, no roles or groups or users"),
        ({"type": "stop_instances", "instances": ["i-1"]}, "has no role_arn"),
        ({"role_arn": ROLE}, "action has no type"),
    ],
)
def test_half_an_action_is_refused(aws: Account, action: dict[str, t.Any], said: str) -> None:
    with pytest.raises(McpError, match=said):
        aws.run(action=action)
    assert aws.writes == []


def test_an_action_needs_a_budget(aws: Account) -> None:
    with pytest.raises(McpError, match="no budget that could have one"):
        aws.run(action=ACTION, monthly_usd=None)
    assert aws.writes == []


# The emulator


def test_the_emulator_is_asked_only_for_what_it_has(aws: Account) -> None:
    result = aws.run(sandbox=True, action=ACTION, emails=[EMAIL])
    assert aws.anomalies.calls == [] and not [name for name in aws.budgets.calls if "action" in name]
    assert result["anomalies"] is None and len(result["budgets"]) == 2 and result["alarm"]
    assert all(item.endswith("not available on the emulator") for item in result["not_available"])
    assert {item.split(":")[0] for item in result["not_available"]} == {
        "budget action",
        "what was spent and is expected",
        "the metric behind the billing alarm",
        "anomaly alerts",
    }
    assert aws.warned == []
    assert not aws.run(sandbox=True, action=ACTION, emails=[EMAIL])["changed"]


# Bad input


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"monthly_usd": "-5"}, "monthly_usd is '-5': allowed is an amount in US dollars"),
        ({"monthly_usd": "much"}, "monthly_usd is 'much'"),
        ({"account_usd": "1e3"}, "account_usd is '1e3'"),
        ({"anomaly_usd": "NaN"}, "anomaly_usd is 'NaN'"),
        ({"emails": ["nobody"]}, "emails has 'nobody'"),
        ({"emails": [f"a{number}@example.org" for number in range(11)]}, "emails has a list of 11"),
        ({"thresholds": [0]}, "thresholds has '0'"),
        ({"thresholds": [50, 50]}, "thresholds has '50, 50'.*each once"),
        ({"thresholds": list(range(1, 11))}, "have 11 percentages: allowed are 10"),
        ({"topic_arn": None}, "Nobody would be told"),
        ({"only_budgets": True}, "only_budgets is true and state is 'present'"),
    ],
)
def test_bad_options_are_refused_before_anything(aws: Account, options: dict[str, t.Any], said: str) -> None:
    with pytest.raises(McpError, match=said) as caught:
        aws.run(**options)
    assert "Nothing was changed" in caught.value.message
    assert aws.writes == [] and aws.budgets.calls == []


def test_a_failure_half_way_says_what_was_done_and_a_second_run_does_the_rest(
    aws: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_alarm: t.Any) -> None:
        raise Refused("AccessDenied", "not authorized to perform: cloudwatch:PutMetricAlarm", 403)

    with monkeypatch.context() as away:
        away.setattr(aws.alarms, "put_metric_alarm", refuse)
        with pytest.raises(McpError) as caught:
            aws.run()
    assert "Not done: alarm created: mcp-account_costs" in caught.value.message
    assert "cloudwatch:PutMetricAlarm" in caught.value.message
    assert "Done before: budget created: mcp-production; topic created: mcp-account_costs;" in caught.value.message
    assert [row["what"] for row in caught.value.details["done"]] == [
        "budget created",
        "topic created",
        "subscriber added",
        "budget created",
    ]
    assert whats(aws.run()) == [
        ("alarm created", SHARED),
        ("anomaly alert created", "mcp-production-anomalies"),
    ]
