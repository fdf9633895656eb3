# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What tells of money, in memory: AWS Budgets with actions, alarms, topics, alerts of unusual spending."""

from __future__ import annotations

import copy
import typing as t
from decimal import Decimal

from tests.support.memory_aws import MemoryService, Refused

Item = dict[str, t.Any]


def key_of(notification: Item) -> tuple[t.Any, ...]:
    """Return what AWS tells notifications apart by."""
    return tuple(
        notification[name] for name in ("NotificationType", "ComparisonOperator", "Threshold", "ThresholdType")
    )


class Budgets(MemoryService):
    """AWS Budgets."""

    service = "budgets"

    def __init__(self) -> None:
        super().__init__()
        self.budgets: dict[str, Item] = {}
        self.told: dict[str, list[Item]] = {}
        self.actions: dict[str, list[Item]] = {}
        self.tags: dict[str, list[Item]] = {}

    def _of(self, name: str) -> Item:
        if name not in self.budgets:
            raise Refused("NotFoundException", f"Unable to get budget: {name}")
        return self.budgets[name]

    def describe_budget(self, AccountId: str, BudgetName: str) -> Item:
        return {"Budget": copy.deepcopy(self._of(BudgetName))}

    def create_budget(
        self, AccountId: str, Budget: Item, NotificationsWithSubscribers: list[Item], ResourceTags: list[Item]
    ) -> None:
        name = Budget["BudgetName"]
        if name in self.budgets:
            raise Refused("DuplicateRecordException")
        spend = {"ActualSpend": {"Amount": "0", "Unit": "USD"}}
        self.budgets[name] = {**copy.deepcopy(Budget), "CalculatedSpend": spend}
        self.told[name] = copy.deepcopy(NotificationsWithSubscribers)
        self.tags[name] = ResourceTags
        # As AWS shows amounts.
        self.budgets[name]["BudgetLimit"]["Amount"] = str(Decimal(Budget["BudgetLimit"]["Amount"]) + Decimal("0.0"))

    def update_budget(self, AccountId: str, NewBudget: Item) -> None:
        old = self._of(NewBudget["BudgetName"])
        self.budgets[NewBudget["BudgetName"]] = {**copy.deepcopy(NewBudget), "CalculatedSpend": old["CalculatedSpend"]}

    def delete_budget(self, AccountId: str, BudgetName: str) -> None:
        self._of(BudgetName)
        assert not self.actions.get(BudgetName), "an action is still there"
        del self.budgets[BudgetName], self.told[BudgetName]

    def describe_notifications_for_budget(self, AccountId: str, BudgetName: str, NextToken: str = "0") -> Item:
        """One a page, as nothing promises more."""
        self._of(BudgetName)
        number, told = int(NextToken), self.told[BudgetName]
        page = [{**item["Notification"], "NotificationState": "OK"} for item in told[number : number + 1]]
        more = {"NextToken": str(number + 1)} if number + 1 < len(told) else {}
        return {"Notifications": page, **more}

    def _entry(self, name: str, notification: Item) -> Item:
        entries = [item for item in self.told[name] if key_of(item["Notification"]) == key_of(notification)]
        if not entries:
            raise Refused("NotFoundException")
        return entries[0]

    def describe_subscribers_for_notification(self, AccountId: str, BudgetName: str, Notification: Item) -> Item:
        return {"Subscribers": copy.deepcopy(self._entry(BudgetName, Notification)["Subscribers"])}

    def create_notification(self, AccountId: str, BudgetName: str, Notification: Item, Subscribers: list[Item]) -> None:
        if len(self.told[BudgetName]) == 10:
            raise Refused("CreationLimitExceededException")
        self.told[BudgetName].append({"Notification": Notification, "Subscribers": Subscribers})

    def delete_notification(self, AccountId: str, BudgetName: str, Notification: Item) -> None:
        self.told[BudgetName].remove(self._entry(BudgetName, Notification))

    def describe_budget_actions_for_budget(self, AccountId: str, BudgetName: str) -> Item:
        return {"Actions": copy.deepcopy(self.actions.get(BudgetName, []))}

    def create_budget_action(self, AccountId: str, BudgetName: str, **action: t.Any) -> Item:
        self._of(BudgetName)
        number = f"00000000-0000-0000-0000-{sum(map(len, self.actions.values())):012}"
        item = {**copy.deepcopy(action), "ActionId": number, "BudgetName": BudgetName, "Status": "STANDBY"}
        self.actions.setdefault(BudgetName, []).append(item)
        return {"AccountId": AccountId, "BudgetName": BudgetName, "ActionId": number}

    def _action(self, name: str, number: str) -> Item:
        return next(item for item in self.actions[name] if item["ActionId"] == number)

    def update_budget_action(self, AccountId: str, BudgetName: str, ActionId: str, **action: t.Any) -> Item:
        item = self._action(BudgetName, ActionId)
        old = copy.deepcopy(item)
        item.update(copy.deepcopy(action))
        return {"AccountId": AccountId, "BudgetName": BudgetName, "OldAction": old, "NewAction": copy.deepcopy(item)}

    def delete_budget_action(self, AccountId: str, BudgetName: str, ActionId: str) -> Item:
        item = self._action(BudgetName, ActionId)
        self.actions[BudgetName].remove(item)
        return {"AccountId": AccountId, "BudgetName": BudgetName, "Action": item}


class Alarms(MemoryService):
    """Alarms of CloudWatch in one region."""

    service = "cloudwatch"

    def __init__(self) -> None:
        super().__init__()
        self.alarms: dict[str, Item] = {}
        self.metrics: list[Item] = [{"MetricName": "EstimatedCharges"}]

    def describe_alarms(self, AlarmNames: list[str], AlarmTypes: list[str]) -> Item:
        return {"MetricAlarms": [copy.deepcopy(self.alarms[name]) for name in AlarmNames if name in self.alarms]}

    def put_metric_alarm(self, **alarm: t.Any) -> None:
        self.alarms[alarm["AlarmName"]] = {**copy.deepcopy(alarm), "StateValue": "INSUFFICIENT_DATA"}

    def delete_alarms(self, AlarmNames: list[str]) -> None:
        for name in AlarmNames:
            del self.alarms[name]

    def list_metrics(self, **_metric: t.Any) -> Item:
        return {"Metrics": copy.deepcopy(self.metrics)}


class Topics(MemoryService):
    """Topics of SNS in one region."""

    service = "sns"

    def __init__(self, account: str) -> None:
        super().__init__()
        self.account = account
        self.topics: dict[str, list[str]] = {}
        self.policies: dict[str, str] = {}
        self.tags: dict[str, list[Item]] = {}

    def list_subscriptions_by_topic(self, TopicArn: str) -> Item:
        if TopicArn not in self.topics:
            raise Refused("NotFound", "Topic does not exist", 404)
        return {"Subscriptions": [{"Endpoint": address, "Protocol": "email"} for address in self.topics[TopicArn]]}

    def create_topic(self, Name: str, Attributes: Item, Tags: list[Item]) -> Item:
        arn = f"arn:aws:sns:us-east-1:{self.account}:{Name}"
        self.topics.setdefault(arn, [])
        self.policies[arn] = Attributes["Policy"]
        self.tags[arn] = Tags
        return {"TopicArn": arn}

    def subscribe(self, TopicArn: str, Protocol: str, Endpoint: str) -> Item:
        self.topics[TopicArn].append(Endpoint)
        return {"SubscriptionArn": "pending confirmation"}

    def delete_topic(self, TopicArn: str) -> None:
        del self.topics[TopicArn]


class Anomalies(MemoryService):
    """Cost Anomaly Detection, a part of Cost Explorer."""

    service = "ce"

    def __init__(self, account: str) -> None:
        super().__init__()
        self.account = account
        self.monitors: list[Item] = []
        self.subscriptions: list[Item] = []

    def get_anomaly_monitors(self) -> Item:
        return {"AnomalyMonitors": copy.deepcopy(self.monitors)}

    def create_anomaly_monitor(self, AnomalyMonitor: Item) -> Item:
        if any(item.get("MonitorDimension") == "SERVICE" for item in self.monitors):
            raise Refused("LimitExceededException", "Limit exceeded on dimensional spend monitor creation")
        arn = f"arn:aws:ce::{self.account}:anomalymonitor/{len(self.monitors)}"
        self.monitors.append({**AnomalyMonitor, "MonitorArn": arn})
        return {"MonitorArn": arn}

    def delete_anomaly_monitor(self, MonitorArn: str) -> None:
        self.monitors = [item for item in self.monitors if item["MonitorArn"] != MonitorArn]

    def get_anomaly_subscriptions(self, NextPageToken: str = "0") -> Item:
        """One a page."""
        number = int(NextPageToken)
        more = {"NextPageToken": str(number + 1)} if number + 1 < len(self.subscriptions) else {}
        return {"AnomalySubscriptions": copy.deepcopy(self.subscriptions[number : number + 1]), **more}

    def create_anomaly_subscription(self, AnomalySubscription: Item, ResourceTags: list[Item]) -> Item:
        frequency = AnomalySubscription["Frequency"]
        kinds = {item["Type"] for item in AnomalySubscription["Subscribers"]}
        if kinds != ({"SNS"} if frequency == "IMMEDIATE" else {"EMAIL"}):
            raise Refused("ValidationException", f"{frequency} does not take {kinds}")
        arn = f"arn:aws:ce::{self.account}:anomalysubscription/{len(self.subscriptions)}"
        self.subscriptions.append({**copy.deepcopy(AnomalySubscription), "SubscriptionArn": arn})
        return {"SubscriptionArn": arn}

    def update_anomaly_subscription(self, SubscriptionArn: str, **changes: t.Any) -> Item:
        item = next(item for item in self.subscriptions if item["SubscriptionArn"] == SubscriptionArn)
        item.update(copy.deepcopy(changes))
        return {"SubscriptionArn": SubscriptionArn}

    def delete_anomaly_subscription(self, SubscriptionArn: str) -> None:
        self.subscriptions = [item for item in self.subscriptions if item["SubscriptionArn"] != SubscriptionArn]
