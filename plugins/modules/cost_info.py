#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: cost_info
version_added: 1.0.0
short_description: What an AWS account has spent, from Cost Explorer
description:
  - Reads costs by service, tag, usage type or account, compares them with the period before, names what moved most, and
    says what the month may come to.
  - Every request to Cost Explorer costs USD 0.01, and each page of an answer is one. One request a day, kept with the
    environment, answers the reports by service and by tag of every preset (RV(previous) of V(last_month) and
    a long range need another).
  - What AWS cannot tell is marked as unknown, never shown as 0. That is so with a tag that is not activated for cost
    allocation, with an environment that no cost carries the tag of, and with days that are missing.
  - Amounts are exact decimal strings in the currency of RV(currency). Days are UTC days, and the last day of every
    period is included.
options:
  preset:
    description:
      - The days of the report.
      - V(trailing_7) and V(trailing_30) end with yesterday, V(month_to_date) with today, of which little is known yet.
      - V(range) goes from O(start) through O(end).
    type: str
    choices: [month_to_date, last_month, trailing_7, trailing_30, range]
    default: month_to_date
  start:
    description: First day of a range, as C(2026-11-01).
    type: str
  end:
    description: Last day of a range, which is included.
    type: str
  granularity:
    description: The steps of RV(by_day). A long range by whole months is asked for by month, which takes fewer pages.
    type: str
    choices: [daily, monthly]
    default: daily
  group_by:
    description: What to group by, at most two.
    type: list
    elements: str
    choices: [service, tag, usage_type, account]
    default: [service]
  tag_key:
    description: The tag that tells environments apart.
    type: str
    default: mcp:environment
  tag_value:
    description: Only costs with this value of O(tag_key), such as an environment's name.
    type: str
  services:
    description:
      - Only these services, by their names in Cost Explorer.
      - A name that is not in the answer is looked up, for one more request; one that does not exist is refused.
    type: list
    elements: str
    default: []
  accounts:
    description:
      - Only these accounts. Name the environment's own, because the management account of an organization sees the
        costs of all.
    type: list
    elements: str
    default: []
  gross:
    description: Whether to leave credits and refunds out, as they hide what is used.
    type: bool
    default: true
  previous:
    description: Whether to compare with the period before.
    type: bool
    default: true
  top:
    description: How many groups RV(top_movers) has at most.
    type: int
    default: 5
  forecast:
    description:
      - How to tell what the current month may come to.
      - V(average) takes the average of the newest complete days, at most 14, for each day that is left, and costs
        nothing. V(cost_explorer) asks for AWS's own forecast, one more request.
    type: str
    choices: [average, cost_explorer, none]
    default: average
  forecast_level:
    description: How sure the interval of the forecast is, in percent.
    type: int
    default: 80
  anomalies:
    description: Whether to ask for the anomalies that AWS found; one more request, two where it found none.
    type: bool
    default: false
  activate_tags:
    description: Whether to activate O(tag_key) for cost allocation where it is not. Only the account that pays may.
    type: bool
    default: false
  max_api_calls:
    description: How many requests to Cost Explorer this task may make.
    type: int
    default: 3
  bucket:
    description: Bucket that keeps the day's answers, below C(cost-cache/); the environment's state bucket.
    type: str
  bucket_owner:
    description: Account that has to own O(bucket), whose name anybody could have taken. Without it any may.
    type: str
  directory:
    description: Folder that keeps the day's answers where there is no bucket; needs O(accounts).
    type: path
  refresh:
    description: Whether to ask again, though today's answer is kept.
    type: bool
    default: false
  sandbox:
    description: Whether this talks to the emulated AWS, which has no Cost Explorer; then AWS is not asked.
    type: bool
    default: false
  cost_explorer_endpoint_url:
    description: Where Cost Explorer is, when it is not where AWS is, such as an emulator with data of its own. In the
      sandbox only a loopback address is allowed.
    type: str
  unavailable:
    description: What to do where AWS cannot tell, or O(max_api_calls) is reached; V(mark) returns RV(available=false)
      and the reason.
    type: str
    choices: [fail, mark]
    default: fail
notes:
  - Supports C(check_mode). It asks all the same where today's answer is not kept, which is paid for unless
    O(max_api_calls=0), and writes nothing.
  - An answer that Cost Explorer does not have yet, or that takes more than O(max_api_calls), is kept as such for the
    day too, so that the next task does not pay for half of it again. With more calls, or O(refresh), AWS is asked
    again.
  - "IAM actions: ce:GetCostAndUsage; ce:ListCostAllocationTags where no cost carries the tag; ce:GetCostForecast,
    ce:GetAnomalies, ce:GetAnomalyMonitors, ce:GetDimensionValues and ce:UpdateCostAllocationTagsStatus where they are
    asked for; s3:GetObject, s3:PutObject and s3:ListBucket on O(bucket)."
  - An action plugin of the same name runs the same code inside C(ansible-playbook).
author: PratikoAI (@pratikoai)
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
"""

EXAMPLES = r"""
- name: See what this month has cost, by service
  pratikoai.mcp_servers.cost_info:
    accounts: ["123456789012"]
    bucket: mcp-production-state-123456789012-us-east-1
  register: costs

- name: See what one environment has cost, out of the same answer
  pratikoai.mcp_servers.cost_info:
    tag_value: production
    accounts: ["123456789012"]
    bucket: mcp-production-state-123456789012-us-east-1

- name: Compare two environments over last month
  pratikoai.mcp_servers.cost_info:
    preset: last_month
    group_by: [tag]

- name: Activate the tag, so that costs by environment are known from tomorrow on
  pratikoai.mcp_servers.cost_info:
    group_by: [tag]
    activate_tags: true

- name: Ask for AWS's own forecast and its anomalies
  pratikoai.mcp_servers.cost_info:
    forecast: cost_explorer
    anomalies: true
    max_api_calls: 5
"""

RETURN = r"""
available:
  description: Whether AWS could tell the costs.
  returned: success
  type: bool
  sample: true
why:
  description: Why it could not.
  returned: success
  type: str
  sample: not available on the emulator
error_code:
  description: AWS's code of the error, where it could not.
  returned: success
  type: str
  sample: DataUnavailableException
currency:
  description: The currency of every amount.
  returned: success
  type: str
  sample: USD
gross:
  description: Whether credits and refunds are left out.
  returned: success
  type: bool
  sample: true
period:
  description: The days of the report.
  returned: success
  type: dict
  sample:
    preset: month_to_date
    start: "2026-11-01"
    end: "2026-11-22"
    days: 22
    granularity: daily
total:
  description: What was spent of what was asked for; null where it is unknown.
  returned: success
  type: str
  sample: "38.61"
account_total:
  description: What was spent in all in O(accounts); null where the answer has only O(services).
  returned: success
  type: str
  sample: "41.20"
groups:
  description:
    - The groups, the dearest first, each with its share in percent.
    - C(previous), C(difference) and C(percent) compare the complete days alone, see RV(previous).
  returned: success
  type: list
  elements: dict
  sample:
    - keys:
        service: Amazon Relational Database Service
      name: Amazon Relational Database Service
      amount: "12.44"
      share: "32.2"
      previous: "11.9"
      difference: "0.11"
      percent: "0.9"
by_day:
  description: The same step by step, the oldest first. Those with C(may_grow) are not complete.
  returned: success
  type: list
  elements: dict
  sample:
    - start: "2026-11-01"
      end: "2026-11-01"
      total: "1.72"
      groups:
        Amazon Relational Database Service: "0.57"
      may_grow: false
previous:
  description: The period before, cut to as many days as this one has complete ones; null without any.
  returned: success
  type: dict
  sample:
    start: "2026-10-01"
    end: "2026-10-20"
    amount: "33.9"
    compared_start: "2026-11-01"
    compared_end: "2026-11-20"
    compared: "34.4"
    difference: "0.5"
    percent: "1.5"
top_movers:
  description: The groups whose costs changed most against the period before.
  returned: success
  type: list
  elements: dict
  sample:
    - name: AmazonCloudWatch
      amount: "3.1"
      previous: "1.2"
      difference: "1.9"
      percent: "158.3"
forecast:
  description: What the whole current month may come to, with an interval; C(amount) is null where nobody can tell, and
    C(why) says it.
  returned: success
  type: dict
  sample:
    method: average
    start: "2026-11-01"
    end: "2026-11-30"
    amount: "52.1"
    low: "51.02"
    high: "53.18"
    level: 80
    why:
anomalies:
  description: What AWS found; null where it was not asked for or is unknown.
  returned: success
  type: list
  elements: dict
  sample:
    - id: 4f2a
      start: "2026-11-12"
      end: "2026-11-13"
      what: AmazonCloudWatch
      impact: "4.2"
      expected: "0.3"
      actual: "4.5"
      causes: ["AmazonCloudWatch, DataProcessing-Bytes, us-east-1"]
tag:
  description: What is known of O(tag_key), with C(status) active, inactive, not_listed or unknown; null where it has no
    part in the report.
  returned: success
  type: dict
  sample:
    key: mcp:environment
    value: production
    status: active
    first_seen: "2026-10-02"
    why:
may_grow_from:
  description: The first day whose costs may still grow, as Cost Explorer lags by about a day.
  returned: success
  type: str
  sample: "2026-11-21"
unknown:
  description: What is not known, and why.
  returned: success
  type: list
  elements: dict
  sample:
    - what: tag
      why: The tag mcp:environment is not activated for cost allocation.
api_calls:
  description: How many requests to Cost Explorer went out, repeated ones among them.
  returned: always
  type: int
  sample: 1
api_cost_usd:
  description: What they cost at most.
  returned: always
  type: str
  sample: "0.01"
cached:
  description: Whether nothing was asked for, because today's answer was kept.
  returned: success
  type: bool
  sample: false
fetched_at:
  description: When AWS told the costs.
  returned: success
  type: str
  sample: "2026-11-22T14:03:11+00:00"
cache:
  description: Where the answer is kept; null where it is not.
  returned: success
  type: str
  sample: s3://mcp-production-state-123456789012-us-east-1/cost-cache/2026-11-22/0f3c9b7d2a6e4f1188aa02bd.json
"""

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import run_module
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.cost_info import run
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.cost_options import ARGUMENT_SPEC, SPEC_OPTIONS


def main() -> None:
    """Run as a module."""
    run_module(ARGUMENT_SPEC, run, **SPEC_OPTIONS)


if __name__ == "__main__":
    main()
