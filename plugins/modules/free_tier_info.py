#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: free_tier_info
version_added: 1.0.0
short_description: Plan, credits and free offers of an AWS account
description:
  - Reads the account's plan with its credits, and how much of each free offer was used this month.
  - AWS lists only offers of which something was used. A service that is not listed is unknown, not free; those that
    are expected to have an offer are named in RV(unknown).
  - An account whose plan AWS does not tell is unknown too, and no failure.
  - The requests are free of charge. They go to us-east-1, whatever the region of the task.
options:
  expect:
    description: Services that are expected to have an offer that is always free.
    type: list
    elements: str
    default:
      - AWS Data Transfer
      - AWS Key Management Service
      - AWS Lambda
      - Amazon CloudFront
      - Amazon DynamoDB
      - Amazon Simple Notification Service
      - AmazonCloudWatch
  sandbox:
    description: Whether this talks to the emulated AWS, which knows neither plans nor offers; then AWS is not asked.
    type: bool
    default: false
  unavailable:
    description: What to do where AWS does not tell; V(mark) returns RV(available=false) and the reason.
    type: str
    choices: [fail, mark]
    default: fail
notes:
  - Supports C(check_mode); it changes nothing.
  - "IAM actions: freetier:GetAccountPlanState and freetier:GetFreeTierUsage."
  - An action plugin of the same name runs the same code inside C(ansible-playbook).
author: PratikoAI (@pratikoai)
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
"""

EXAMPLES = r"""
- name: See what is left of the free tier
  pratikoai.mcp_servers.free_tier_info:
  register: free_tier

- name: Read the plan, and go on where AWS does not tell what is used
  pratikoai.mcp_servers.free_tier_info:
    unavailable: mark
"""

RETURN = r"""
available:
  description: Whether AWS told what was asked for.
  returned: success
  type: bool
  sample: true
why:
  description: Why it did not.
  returned: success
  type: str
  sample: not available on the emulator
error_code:
  description: AWS's code of the error, where it did not.
  returned: success
  type: str
  sample: AccessDeniedException
plan:
  description: The plan, with C(type) FREE, PAID or unknown; then C(unknown) says why. C(days_left) are those until it
    ends.
  returned: success
  type: dict
  sample:
    type: FREE
    status: ACTIVE
    credits:
      amount: "87.5"
      unit: USD
    expires: "2027-03-01"
    days_left: 98
    account: "123456789012"
offers:
  description:
    - The offers of which something was used, the nearest to its end first.
    - C(days_to_exhaustion) is at the month's rate, and null where the offer begins anew before, or is a trial.
      C(state) is one of ok, forecast_over, exhausted and unknown.
  returned: success
  type: list
  elements: dict
  sample:
    - service: AWS Lambda
      description: 400000.0 seconds of compute time per month are always free
      region: global
      operation: Invoke
      usage_type: Global-Lambda-GB-Second
      unit: Second
      type: Always Free
      used: "310000"
      limit: "400000"
      forecast: "420000"
      percent: "77.5"
      days_to_exhaustion: 6
      exhausted_on: "2026-11-29"
      state: forecast_over
unknown:
  description: What is not known, and why.
  returned: success
  type: list
  elements: dict
  sample:
    - what: Amazon CloudFront
      why: AWS does not list an offer of this service. That is unknown, not free.
"""

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import run_module
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.free_tier_info import ARGUMENT_SPEC, run


def main() -> None:
    """Run as a module."""
    run_module(ARGUMENT_SPEC, run)


if __name__ == "__main__":
    main()
