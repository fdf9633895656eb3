#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: cost_estimate
version_added: 0.1.0
short_description: Estimate what an environment costs in a month
description:
  - Reads how much of what an environment has from its expanded templates, or from a list of lines, how much of it a
    month uses from the allocation file, and what that costs from the price book. Every line can be computed again
    by hand.
  - A resource is priced, or free with a reason, or listed in RV(estimate.unpriced) with what is not known of it.
    Nothing that is unknown counts as 0.
  - What an account always has free is taken off once, in the order of the lines.
  - AWS is not asked for prices. It is only asked for deployed templates that are about to change, with O(deployed), and
    for metrics, with O(usage_source=cloudwatch); both are free.
author: PratikoAI (@pratikoai)
options:
  phase:
    description: Phase of the allocation file, V(local), V(staging), V(production), V(growth) or V(scale).
    type: str
    required: true
  environment:
    description: Name of the environment. The default is O(phase).
    type: str
  allocation:
    description: The allocation file, with usage, budget and claim of every phase.
    type: path
    required: true
  price_book:
    description: The price book.
    type: path
    required: true
  stacks:
    description:
      - The stacks by layer, each with C(template), a path, and C(parameters) and C(literals) as for
        M(pratikoai.mcp_servers.stack). Values that are not known yet may be missing or empty.
      - Without stacks the lines of O(lines_file) or of the phase are priced.
    type: dict
    default: {}
  lines_file:
    description: YAML file with C(lines), each with C(resource), C(item), C(quantity), and optionally C(unit) and
      C(assumption).
    type: path
  beside:
    description:
      - Further lines of what an environment has beside its stacks, with C(resource), C(item), C(quantity), C(unit) and
        C(assumption). A quantity of null is not known.
      - C(deployed) is how much of it is there by now, for the difference; without it, all of it where a stack is there.
    type: list
    elements: dict
    default: []
  usage:
    description: Usage assumptions that go before those of the phase.
    type: dict
    default: {}
  usage_source:
    description: Where usage comes from. What CloudWatch does not know of the last 30 days is the file's.
    type: str
    choices: [file, cloudwatch]
    default: file
  outputs:
    description: Outputs of the stacks, which name the resources that CloudWatch measured.
    type: dict
    default: {}
  sandbox:
    description: Whether AWS is the emulated one, which measures nothing.
    type: bool
    default: false
  deployed:
    description:
      - What is deployed, by layer, with C(name), C(status), C(parameters) and C(planned) of each stack, to compare
        with.
      - Only the templates of stacks that are planned to change are asked for.
    type: dict
  account_plan:
    description: The account's plan with C(credits) (C(amount)) and C(expires), to say how long credits last.
    type: dict
    default: {}
  allowances_used:
    description: What other environments of the account take of what is always free, by key of RV(estimate.allowances).
    type: dict
    default: {}
  translate:
    description: Whether AWS's own translator expands SAM templates where it is installed. Without it only those that
      need it, which takes a second less.
    type: bool
    default: false
  allow_gaps:
    description: Whether a region without prices gives an estimate that is unknown, instead of an error.
    type: bool
    default: false
  path:
    description: File to write the estimate to; it is shown, too.
    type: path
  today:
    description: The day from which the age of prices counts. The default is today.
    type: str
notes:
  - Supports C(check_mode) and C(diff_mode); no file is written in check mode.
  - "IAM actions: cloudformation:GetTemplate with O(deployed), cloudwatch:GetMetricStatistics with
    O(usage_source=cloudwatch)."
  - An action plugin of the same name runs the same code inside C(ansible-playbook).
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
"""

EXAMPLES = r"""
- name: Estimate the growth phase from its lines
  pratikoai.mcp_servers.cost_estimate:
    phase: growth
    region: us-east-1
    allocation: aws-resource-allocation.yaml
    price_book: price-book.yaml
    path: reports/growth/estimate.json

- name: Estimate a table with five times the calls
  pratikoai.mcp_servers.cost_estimate:
    phase: production
    region: eu-south-1
    allocation: aws-resource-allocation.yaml
    price_book: price-book.yaml
    usage:
      requests: 2500000
    stacks:
      data:
        template: roles/production/files/data.yaml
        parameters:
          Secrets: true
"""

RETURN = r"""
estimate:
  description: The estimate. Money and quantities are decimal numbers as text.
  returned: success
  type: dict
  contains:
    phase:
      description: The phase.
      returned: success
      type: str
      sample: staging
    environment:
      description: The environment's name.
      returned: success
      type: str
      sample: staging
    region:
      description: The region whose prices were taken.
      returned: success
      type: str
      sample: us-east-1
    currency:
      description: The currency, before tax.
      returned: success
      type: str
      sample: USD
    as_of:
      description: Date of the price book.
      returned: success
      type: str
      sample: "2026-11-22"
    lines:
      description: One line for each item of each resource. Their C(monthly) add up to C(totals.always_free).
      returned: success
      type: list
      elements: dict
      sample:
        - resource: edge.LoadBalancer
          item: alb.hour
          quantity: "730"
          unit: hour
          unit_price: "0.0225"
          allowance: "0"
          monthly: "16.425"
          list: "16.425"
          assumption: load_balancer_hours 730
          source: AWS price API
          as_of: "2026-11-22"
          confidence: B
          marks: []
    free:
      description: Resources that cost nothing, and why.
      returned: success
      type: list
      elements: dict
      sample: [{resource: app.ServerRole, type: "AWS::IAM::Role", why: permissions are free}]
    unpriced:
      description: What is billed and not known, and why.
      returned: success
      type: list
      elements: dict
      sample: [{resource: app.Cache, type: "AWS::DAX::Cluster", why: this type is neither priced nor known to be free}]
    totals:
      description: The sum without what is always free, the sum with it, and how long credits last. C(credits) is null
        where none are known, else C(balance) and C(runway_months).
      returned: success
      type: dict
      sample: {list: "60.78", always_free: "52.70", credits: {balance: "200", runway_months: "3.7"}}
    allowances:
      description: What of the account's free amounts is used.
      returned: success
      type: list
      elements: dict
      sample: [{key: cloudwatch-alarms, amount: "10", unit: alarm-month, used: "6"}]
    marks:
      description: Doubts about prices, and how many lines have them.
      returned: success
      type: list
      elements: dict
      sample: [{mark: older than 90 days, lines: 3}]
    claim:
      description: What the project's brief claims, with what it is today. C(verdict) is V(holds), V(does_not_hold) or
        V(not_comparable).
      returned: success
      type: dict
      sample: {stated: "0", unit: USD a month, recomputed: "52.70", verdict: does_not_hold}
    budget:
      description: The phase's budget.
      returned: success
      type: dict
      sample: {monthly_usd: "60"}
    usage_source:
      description: Where usage was to come from.
      returned: success
      type: str
      sample: file
    usage_notes:
      description: What was measured and what was not.
      returned: success
      type: list
      elements: str
      sample: []
    difference:
      description: By how much the bill would change against what is deployed. C(monthly) is null where that is not
        known, and C(why) says why. Null without O(deployed).
      returned: success
      type: dict
      sample:
        against: deployed
        before: "52.70"
        after: "65.84"
        monthly: "+13.14"
        lines:
          - {resource: data.Database, item: rds.postgres.db.t3.small, before: "0", after: "26.28", monthly: "+26.28"}
        unpriced: []
path:
  description: The file that was written.
  returned: with O(path)
  type: str
  sample: reports/staging/estimate.json
"""

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import run_module
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.estimate import ARGUMENT_SPEC, run


def main() -> None:
    """Run as a module."""
    run_module(ARGUMENT_SPEC, run)


if __name__ == "__main__":
    main()
