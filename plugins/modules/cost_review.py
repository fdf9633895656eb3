#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: cost_review
version_added: 1.0.0
short_description: Write the cost review of several environments
description:
  - Puts together what M(pratikoai.mcp_servers.cost_info), M(pratikoai.mcp_servers.cost_estimate),
    M(pratikoai.mcp_servers.free_tier_info) and M(pratikoai.mcp_servers.budget) found out about each environment, and
    writes it as JSON and as one HTML page that needs nothing but itself.
  - Every number of the page is in the JSON. What nobody knows is listed with the reason, and is never 0.
  - The brief's claims stand beside figures that are computed from the price book.
  - A review is an output of the run and not a state, so the task never reports a change.
options:
  environments:
    description: What was found out, for each environment.
    type: list
    elements: dict
    required: true
    suboptions:
      environment:
        description: Name of the environment.
        type: str
        required: true
      phase:
        description: Its phase.
        type: str
      region:
        description: Its region; none for a developer's machine.
        type: str
      account:
        description: Its account; none for a developer's machine.
        type: str
      sandbox:
        description: Whether this is the emulated AWS.
        type: bool
        default: false
      budget_usd:
        description: What it may cost a month, in US dollars.
        type: str
      account_budget_usd:
        description: What its account may cost a month, where no AWS budget says so.
        type: str
      estimate:
        description: The estimate of M(pratikoai.mcp_servers.cost_estimate).
        type: dict
      own:
        description: Its own costs, the result of M(pratikoai.mcp_servers.cost_info) for its tag.
        type: dict
      costs:
        description:
          - The costs of its account, results of M(pratikoai.mcp_servers.cost_info).
          - Those of the presets V(month_to_date), V(trailing_30) for the chart, and V(trailing_7) for what moved are
            used. One environment speaks for all of an account.
        type: list
        elements: dict
        default: []
      free_tier:
        description: The result of M(pratikoai.mcp_servers.free_tier_info), where it speaks for the account.
        type: dict
      budgets:
        description: The budgets that M(pratikoai.mcp_servers.budget) read.
        type: list
        elements: dict
        default: []
      budgets_why:
        description: Why the budgets could not be read.
        type: str
      failure:
        description: Why the environment could not be looked at.
        type: str
  allocation:
    description: The file with the brief's claims, C(aws-resource-allocation.yaml). Phases that it lists line by line
      are estimated from there.
    type: path
    required: true
  price_book:
    description: The price book.
    type: path
    required: true
  directory:
    description: Folder of the two files.
    type: path
    required: true
  name:
    description: Name of the two files, without C(.json) and C(.html).
    type: str
    default: cost_review
notes:
  - Supports C(check_mode); then nothing is written.
  - It asks AWS nothing. Which questions were paid for is in RV(review.api).
  - An action plugin of the same name runs the same code inside C(ansible-playbook) and shows a table.
author: PratikoAI (@pratikoai)
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
"""

EXAMPLES = r"""
- name: Ask what the month has cost
  pratikoai.mcp_servers.cost_info:
    preset: month_to_date
    tag_value: production
    bucket: mcp-production-state-123456789012-us-east-1
  register: month

- name: Write the review
  pratikoai.mcp_servers.cost_review:
    environments:
      - environment: production
        phase: production
        region: us-east-1
        account: "123456789012"
        budget_usd: "20"
        estimate: "{{ mcp_deployment.estimate }}"
        own: "{{ month }}"
    allocation: aws-resource-allocation.yaml
    price_book: price-book.yaml
    directory: reports
"""

RETURN = r"""
review:
  description: What the JSON file has. Money is a decimal string in US dollars; what is not known is null.
  returned: success
  type: dict
  contains:
    as_of:
      description: When it was made.
      type: str
      sample: "2026-11-23T07:00:00+00:00"
    environments:
      description: Each environment against its budget. C(state) is V(within), V(watch), V(over), V(unknown) or V(free).
      type: list
      elements: dict
      sample:
        - environment: production
          phase: production
          budget: "20"
          month_to_date: "4.07"
          forecast: {amount: "5.55", low: "5.20", high: "5.90", level: 80, method: average}
          estimate: "5.553"
          state: within
    accounts:
      description:
        - Each account - its month, its last 30 days by service, what moved in the week, its free tier.
        - C(estimate) is what its environments are estimated at C(alone) and C(together), and their C(overlap), because
          what is always free an account has once. Null where no two of them are estimated.
      type: list
      elements: dict
    claims:
      description: The brief's claims beside the recomputed figures.
      type: list
      elements: dict
      sample:
        - {claim: Phase staging in its first year, stated: "0", recomputed: "52.70", unit: USD a month,
           verdict: does_not_hold, why: the 12-month free tier is closed}
    gaps:
      description: What is not known, and why.
      type: list
      elements: dict
      sample: [{where: account 123456789012, what: free tier, why: "freetier:GetFreeTierUsage is not allowed"}]
    api:
      description: How often Cost Explorer was paid for an answer, and how much.
      type: dict
      sample: {calls: 1, cost_usd: "0.01"}
path:
  description: The JSON file.
  returned: success
  type: str
  sample: reports/cost_review.json
page:
  description: The page.
  returned: success
  type: str
  sample: reports/cost_review.html
"""

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import run_module
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.cost_review import ARGUMENT_SPEC, run


def main() -> None:
    """Run as a module."""
    run_module(ARGUMENT_SPEC, run)


if __name__ == "__main__":
    main()
