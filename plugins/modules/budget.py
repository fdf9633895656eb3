#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: budget
version_added: 1.0.0
short_description: Monthly budgets, the billing alarm and alerts of unusual spending
description:
  - Makes a monthly budget of the environment, which counts what has its tag, and one of the whole account, both gross
    of credits and refunds.
  - With the account's budget comes an alarm on its charges, in us-east-1, where AWS keeps that metric whatever the
    region, and a topic there that both tell. The environments of an account share all three, C(mcp-account_costs);
    each adds the addresses that it tells, and the limit that was set last holds.
  - Alerts of unusual spending use the account's own monitor of its services; it is made where there is none.
  - What is set is replaced, what is not set stays. Everything is read again after a change.
  - Budgets and alerts of unusual spending cost nothing. The alarm is one of CloudWatch's, of which an account has ten
    for free. Of budgets with actions it has two for free, each further one is 0.10 USD a day.
options:
  environment:
    description: Name of the environment; part of every name.
    type: str
    required: true
  account:
    description: AWS account of the environment.
    type: str
    required: true
  partition:
    description: Partition of the account.
    type: str
    default: aws
  state:
    description: V(present) makes and changes, V(absent) removes everything of this environment, V(read) only reads.
      What watches the whole account stays, unless O(account_usd=0).
    type: str
    choices: [present, absent, read]
    default: present
  monthly_usd:
    description: What the environment may cost in a month, in US dollars; V(0) removes its budget.
    type: str
  account_usd:
    description: What the whole account may cost in a month, in US dollars; V(0) removes its budget, the billing
      alarm and their topic, whatever environment made them.
    type: str
  anomaly_usd:
    description: Impact in US dollars from which unusual spending is told of; V(0) removes those alerts.
    type: str
  thresholds:
    description: Percentages of a budget at which AWS tells that so much was spent.
    type: list
    elements: int
    default: [50, 80, 100]
  forecast_thresholds:
    description: Percentages of a budget at which AWS tells that so much is expected to be spent.
    type: list
    elements: int
    default: [100]
  tag:
    description: Key of the tag that has the environment's name. AWS counts by it once it is activated for cost
      allocation.
    type: str
    default: mcp:environment
  emails:
    description: Addresses to write to, at most ten.
    type: list
    elements: str
    default: []
  topic_arn:
    description: Topic to publish to what concerns the environment. Its policy has to let C(budgets.amazonaws.com) and
      C(costalerts.amazonaws.com) do so.
    type: str
  alert_email:
    description: Address that already hears O(topic_arn); with O(emails) it is subscribed to the account's topic.
    type: str
  action:
    description:
      - What AWS does when the environment's budget is spent; an empty one removes it.
      - An Auto Scaling group starts another instance for one that is stopped, and a stopped database goes on billing
        its storage and is started again after seven days.
    type: dict
    suboptions:
      type:
        description: Attach an IAM policy, attach a policy of the organization, stop instances, or stop databases.
        type: str
        choices: [iam_policy, organization_policy, stop_instances, stop_databases]
      percent:
        description: Percentage of the budget at which it is done.
        type: int
        default: 100
      basis:
        description: Whether that much has to be spent or to be expected.
        type: str
        choices: [actual, forecast]
        default: actual
      approval:
        description: Whether a person agrees first.
        type: str
        choices: [manual, automatic]
        default: manual
      role_arn:
        description: Role with which AWS Budgets does it; it trusts C(budgets.amazonaws.com).
        type: str
      policy:
        description: ARN of the IAM policy, or id of the organization's policy.
        type: str
      roles:
        description: IAM roles that the policy is attached to.
        type: list
        elements: str
        default: []
      groups:
        description: IAM groups that the policy is attached to.
        type: list
        elements: str
        default: []
      users:
        description: IAM users that the policy is attached to.
        type: list
        elements: str
        default: []
      targets:
        description: Accounts or organizational units that the organization's policy is attached to.
        type: list
        elements: str
        default: []
      instances:
        description: Ids of the instances or databases to stop, in this task's region.
        type: list
        elements: str
        default: []
  tags:
    description: Tags of what is made.
    type: dict
    default: {}
  only_budgets:
    description: Read the budgets with what was spent, and neither actions nor alarm nor alerts of unusual spending; for
      O(state=read).
    type: bool
    default: false
  sandbox:
    description: Whether this is the emulated AWS, which has neither actions nor alerts of unusual spending.
    type: bool
    default: false
notes:
  - Supports C(check_mode).
  - "IAM actions: budgets:ViewBudget, which is all with O(only_budgets); budgets:ModifyBudget, budgets:TagResource;
    budgets:DescribeBudgetActionsForBudget, and with O(action) budgets:CreateBudgetAction, budgets:UpdateBudgetAction,
    budgets:DeleteBudgetAction and iam:PassRole; cloudwatch:DescribeAlarms, cloudwatch:ListMetrics,
    cloudwatch:PutMetricAlarm, cloudwatch:DeleteAlarms; sns:ListSubscriptionsByTopic, sns:CreateTopic,
    sns:SetTopicAttributes, sns:TagResource, sns:Subscribe, sns:DeleteTopic; ce:GetAnomalyMonitors,
    ce:CreateAnomalyMonitor, ce:DeleteAnomalyMonitor, ce:GetAnomalySubscriptions, ce:CreateAnomalySubscription,
    ce:UpdateAnomalySubscription, ce:DeleteAnomalySubscription, ce:TagResource."
  - An action plugin of the same name runs the same code inside C(ansible-playbook).
author: PratikoAI (@pratikoai)
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
"""

EXAMPLES = r"""
- name: Watch what production and its account cost
  pratikoai.mcp_servers.budget:
    environment: production
    account: "123456789012"
    monthly_usd: "15"
    account_usd: "50"
    anomaly_usd: "10"
    emails: [oncall@example.org]

- name: Read the budgets and what was spent
  pratikoai.mcp_servers.budget:
    environment: production
    account: "123456789012"
    state: read
  register: budget

- name: Take the right to make anything from the deployers when the month is spent, once somebody agrees
  pratikoai.mcp_servers.budget:
    environment: staging
    account: "123456789012"
    monthly_usd: "60"
    emails: [oncall@example.org]
    action:
      type: iam_policy
      role_arn: arn:aws:iam::123456789012:role/budget-actions
      policy: arn:aws:iam::123456789012:policy/nothing-new
      roles: [deployers]
"""

RETURN = r"""
budgets:
  description: The budgets that there are, with their notifications.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the budget.
      returned: always
      type: str
      sample: mcp-production
    kind:
      description: Whether it counts the environment or the whole account.
      returned: always
      type: str
      sample: environment
    limit:
      description: Its limit, as a decimal string.
      returned: always
      type: str
      sample: "15"
    unit:
      description: Currency of the limit.
      returned: always
      type: str
      sample: USD
    filters:
      description: What it counts; empty for everything.
      returned: always
      type: dict
      sample: {"TagKeyValue": ["user:mcp:environment$production"]}
    spent:
      description: What was spent this month, as a decimal string; null where AWS has counted nothing, which is not 0.
      returned: always
      type: str
      sample: "3.21"
    forecast:
      description: What AWS expects of the whole month, as a decimal string; null where it does not say.
      returned: always
      type: str
      sample: "12.90"
    thresholds:
      description: The notifications, each with its type, percentage, state and subscribers.
      returned: always
      type: list
      elements: dict
      sample: [{"type": "ACTUAL", "percent": 50.0, "state": "OK", "subscribers": ["oncall@example.org"]}]
    actions:
      description: The actions of the environment's budget.
      returned: on AWS, without O(only_budgets)
      type: list
      elements: dict
      sample: []
alarm:
  description: The billing alarm; null where there is none, and with O(only_budgets).
  returned: success
  type: dict
  sample: {"name": "mcp-account_costs", "threshold": "50", "region": "us-east-1", "topics": []}
anomalies:
  description: The monitor and the alerts of unusual spending; null on the emulator, and with O(only_budgets).
  returned: success
  type: dict
  sample: {"monitor": null, "subscriptions": []}
differences:
  description: What was changed, or in check mode would be.
  returned: success
  type: list
  elements: dict
  sample:
    - what: budget changed
      target: mcp-production
      before: {"limit": "15 USD"}
      after: {"limit": "20 USD"}
not_available:
  description: What the emulator does not offer.
  returned: success
  type: list
  elements: str
  sample: ["budget action: not available on the emulator"]
"""

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.budget import ARGUMENT_SPEC, run
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import run_module


def main() -> None:
    """Run as a module."""
    run_module(ARGUMENT_SPEC, run)


if __name__ == "__main__":
    main()
