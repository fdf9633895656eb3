#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: price_book
version_added: 0.1.0
short_description: Validate a price book, and read its prices again from AWS
description:
  - Reads the file of prices that estimates are made with, validates the whole of it, and returns the prices that an
    estimate would mark, each with why - older than 90 days, estimated by a regional factor, or from memory.
  - With O(state=refreshed) it asks AWS's price list for them. A price that is found gets today's date, AWS as its
    source and confidence A; what was estimated by a regional factor becomes a price of its own.
  - A price that the list does not have, has twice, or has as 0, stays as it is and is returned in RV(not_found).
  - The list is asked in us-east-1, whatever the region of the task, and asking costs nothing.
  - The file is written whole or not at all. Notes are kept; comments of your own are not.
author: PratikoAI (@pratikoai)
options:
  path:
    description: The price book to start from; the collection's own is C(price-book.yaml) in its folder.
    type: path
    required: true
  dest:
    description:
      - File to write, for example a copy of your own that C(mcp_price_book) names. The default is O(path).
    type: path
  state:
    description:
      - V(refreshed) asks AWS and writes what differs.
      - V(checked) validates the file alone. Nothing is asked and nothing is written.
    type: str
    choices: [refreshed, checked]
    default: refreshed
  regions:
    description: Regions to ask for. Prices that are the same everywhere are asked for once.
    type: list
    elements: str
    default: [us-east-1, eu-west-1, eu-central-1, eu-south-1]
  items:
    description:
      - Items to ask for; all of them without it.
      - One that is not in the book is added, where it belongs to a family of it. These are C(ec2.<type>),
        C(rds.postgres.<class>), C(elasticache.redis.<type>) and C(elasticache.valkey.<type>).
    type: list
    elements: str
    default: []
  sandbox:
    description: Whether AWS is the emulated one, which has no price list. It is not asked then.
    type: bool
    default: false
notes:
  - Supports C(check_mode); it asks AWS and writes nothing.
  - "IAM actions: pricing:GetProducts on C(*)."
  - An action plugin of the same name runs the same code inside C(ansible-playbook).
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
"""

EXAMPLES = r"""
- name: See which prices are old or estimated
  pratikoai.mcp_servers.price_book:
    path: price-book.yaml
    state: checked

- name: Read Milan's prices from AWS into a copy
  pratikoai.mcp_servers.price_book:
    path: price-book.yaml
    dest: my-prices.yaml
    regions: [eu-south-1]

- name: Add an instance type
  pratikoai.mcp_servers.price_book:
    path: my-prices.yaml
    items: [ec2.m7i.large]
"""

RETURN = r"""
path:
  description: The file that was written, or would be.
  returned: success
  type: str
  sample: /home/me/my-prices.yaml
as_of:
  description: Date of the newest price that AWS gave.
  returned: success
  type: str
  sample: "2026-11-22"
count:
  description: Number of items in the book.
  returned: success
  type: int
  sample: 95
doubts:
  description: Prices that an estimate marks, with the marks.
  returned: success
  type: list
  elements: dict
  sample:
    - item: alb.hour
      region: eu-south-1
      marks: [estimated by a regional factor (1.16 of us-east-1)]
differences:
  description: Prices that AWS has otherwise than the book had them, before and after.
  returned: with O(state=refreshed), but for the sandbox
  type: list
  elements: dict
  sample:
    - item: alb.hour
      region: eu-south-1
      before: {derived: true}
      after: {value: "0.0264", source: price-list, as_of: "2026-11-22", confidence: A}
read:
  description: Number of prices that AWS gave.
  returned: with O(state=refreshed), but for the sandbox
  type: int
  sample: 288
not_found:
  description: Prices that AWS did not give, and why. They stay as they are.
  returned: with O(state=refreshed), but for the sandbox
  type: list
  elements: dict
  sample:
    - item: rds.backup
      region: eu-south-1
      why: AWS's list has no such product
by_hand:
  description: Items that AWS's list is not asked for. Their prices have to be looked up by a person.
  returned: with O(state=refreshed), but for the sandbox
  type: list
  elements: str
  sample: [ce.request, cloudfront.plan.pro]
not_available:
  description: What the emulated AWS does not offer.
  returned: in the sandbox
  type: list
  elements: str
  sample: ["AWS's price list: not available on the emulator"]
"""

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import run_module
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.price_book_refresh import ARGUMENT_SPEC, run


def main() -> None:
    """Run as a module."""
    run_module(ARGUMENT_SPEC, run)


if __name__ == "__main__":
    main()
