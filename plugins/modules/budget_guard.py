#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: budget_guard
version_added: 1.0.0
short_description: Hold a deploy against its budget
description:
  - Compares three figures with the budget, each for itself; the estimate of a month with this deploy, what was spent
    since the month began, and what AWS expects of the whole month with what this deploy adds from today on.
  - A figure that is not known is named, and the others decide. Without any the answer is unknown, which V(block) stops
    too. It is also unknown where the known ones are within the budget and something without a price comes on top;
    that is said, and stops nothing.
  - What was spent and is expected comes from the environment's budget in AWS Budgets, which costs nothing. Only where
    that has no answer and O(policy=block) Cost Explorer is asked, once a day, and not in check mode. With
    O(policy=warn) nobody is asked about a deploy that adds nothing.
  - A deploy that adds nothing is never stopped, nor one that makes the environment cheaper, which is the way back into
    the budget.
  - On an account of AWS's free plan, a deploy that would use up the credits before the plan ends needs O(use_credits).
  - It changes nothing.
options:
  environment:
    description: Name of the environment.
    type: str
    required: true
  account:
    description: AWS account of the environment.
    type: str
    required: true
  estimate:
    description: The estimate, as M(pratikoai.mcp_servers.cost_estimate) returns it.
    type: dict
    default: {}
  deployed:
    description: Whether anything of the environment exists; nothing was spent before.
    type: bool
    required: true
  cap_usd:
    description: What the environment may cost in a month, in US dollars. Without it nothing is stopped.
    type: str
  policy:
    description: What a deploy over the budget does; V(warn) says so and goes on, V(block) stops.
    type: str
    choices: [warn, block]
    default: warn
  override_reason:
    description: Why a deploy goes on though it would be stopped.
    type: str
  account_plan:
    description: The plan of the account, as M(pratikoai.mcp_servers.free_tier_info) returns it. Without it AWS is
      asked, in a deploy or a plan that creates or adds something.
    type: dict
    default: {}
  use_credits:
    description: Whether the deploy may use up the credits of a free plan before that plan ends.
    type: bool
    default: false
  bucket:
    description: State bucket, where the day's answer of Cost Explorer is kept.
    type: str
  max_api_calls:
    description: Paid requests to Cost Explorer at most; V(0) for none.
    type: int
    default: 3
  cost_explorer_endpoint_url:
    description: Endpoint of an emulated Cost Explorer.
    type: str
  sandbox:
    description: Whether this is the emulated AWS, which knows of no costs.
    type: bool
    default: false
  command:
    description: The playbook's name, for the commands of messages.
    type: str
    default: deploy
notes:
  - Supports C(check_mode); it stops there too.
  - "IAM actions: budgets:ViewBudget, ce:GetCostAndUsage, ce:ListCostAllocationTags, freetier:GetAccountPlanState;
    without them what was spent, or the plan, counts as unknown."
  - An action plugin of the same name runs the same code inside C(ansible-playbook).
author: PratikoAI (@pratikoai)
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
"""

EXAMPLES = r"""
- name: Hold the deploy against the budget
  pratikoai.mcp_servers.budget_guard:
    environment: staging
    account: "123456789012"
    deployed: true
    estimate: "{{ mcp_deployment.estimate }}"
    cap_usd: "60"
    policy: block
"""

RETURN = r"""
guard:
  description: The judgement.
  returned: success
  type: dict
  contains:
    environment:
      description: Name of the environment.
      returned: always
      type: str
      sample: staging
    verdict:
      description: C(within), C(over), C(unknown) where no figure is known or something without a price comes on top, or
        C(off) without a budget.
      returned: always
      type: str
      sample: over
    decision:
      description: C(go), C(warned) or C(overridden); a deploy that is stopped fails.
      returned: always
      type: str
      sample: overridden
    policy:
      description: The policy.
      returned: always
      type: str
      sample: block
    cap:
      description: The budget in US dollars a month, as a decimal string; null without one.
      returned: always
      type: str
      sample: "60"
    figures:
      description: What was held against it, each with its value in US dollars (null where it is not known), whether it
        is over, and where it comes from or why it is not known.
      returned: always
      type: list
      elements: dict
      sample: [{"name": "month_to_date", "value": "61.20", "over": true, "why": "of AWS Budgets"}]
    difference:
      description: What the deploy adds to a month, in US dollars; null where that is not known.
      returned: always
      type: str
      sample: "13.14"
    reason:
      description: Why it goes on though it would be stopped; null where nobody had to say.
      returned: always
      type: str
      sample: load test until Friday
    text:
      description: All of it in one sentence.
      returned: always
      type: str
      sample: OVER the budget of staging, 60.00 USD a month; estimate 72.35, month to date 61.20, forecast unknown
"""

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.budget_figures import ARGUMENT_SPEC, run
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import run_module


def main() -> None:
    """Run as a module."""
    run_module(ARGUMENT_SPEC, run)


if __name__ == "__main__":
    main()
