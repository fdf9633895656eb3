#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: instance_refresh
version_added: 0.1.0
short_description: Let an Auto Scaling group run one version of its launch template
description:
  - Replaces the instances of a group by an instance refresh, each new one first, and shows how far it is.
  - A version whose instances do not come to serve is taken back without waiting for AWS's own limit of an hour, after
    O(lost_launches) launches that came to nothing or O(timeout) seconds. The failure says why in the words of the
    scaling activity and of the instance's console.
  - AWS also takes the version back by itself, when the refresh fails or one of O(alarms) rings.
  - A group that has no instance in service yet, and launches that version, is waited for.
  - A refresh that an interrupted run has left is gone on with where it goes to the same version, else taken back.
  - Without O(version) it only says what the group runs, also where there is no such group.
author: PratikoAI (@pratikoai)
options:
  group:
    description: Name of the Auto Scaling group.
    type: str
    required: true
  launch_template_id:
    description: Launch template whose version it is. Required with O(version).
    type: str
  version:
    description: Number of the version that all instances shall run. A group that runs it already is left alone.
    type: str
  image_parameter:
    description: Public SSM parameter that names the newest image; it is read where O(version) is not given.
    type: str
  alarms:
    description:
      - Names of CloudWatch alarms that take the version back when one of them rings during the refresh.
      - Those that do not exist are left out. Where one rings already, none watches, and a warning says so.
    type: list
    elements: str
    default: []
  warmup:
    description: Seconds that a new instance serves before the next one is replaced.
    type: int
    default: 60
  bake_time:
    description:
      - Seconds that O(alarms) go on watching after the last instance was replaced. Without them an alarm that needs
        minutes to ring would come too late to take the version back.
      - They count for O(timeout).
    type: int
    default: 0
  lost_launches:
    description: So many launches that came to nothing end the attempt.
    type: int
    default: 2
  timeout:
    description: Seconds after which the attempt ends, in which all instances have to serve.
    type: int
    default: 1800
  poll_interval:
    description: Seconds between two looks.
    type: float
    default: 5
notes:
  - "IAM actions: autoscaling:DescribeAutoScalingGroups, autoscaling:DescribeScalingActivities,
    autoscaling:DescribeInstanceRefreshes on C(*); autoscaling:StartInstanceRefresh,
    autoscaling:RollbackInstanceRefresh and autoscaling:CancelInstanceRefresh on the group; ec2:RunInstances,
    ec2:CreateTags and iam:PassRole as the launch template needs them; ec2:GetConsoleOutput, cloudwatch:DescribeAlarms;
    ssm:GetParameter with O(image_parameter)."
  - In check mode it only looks, and says whether instances would be replaced.
extends_documentation_fragment:
  - pratikoai.mcp_servers.deploy_lock
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
"""

EXAMPLES = r"""
- name: Look what the group runs
  pratikoai.mcp_servers.instance_refresh:
    group: mcp-staging
  register: staging__group

- name: Let the new version take traffic
  pratikoai.mcp_servers.instance_refresh:
    group: mcp-staging
    launch_template_id: lt-0123456789abcdef0
    version: "4"
    alarms: [mcp-staging-target-errors]
"""

RETURN = r"""
there:
  description: Whether there is such a group.
  returned: success
  type: bool
  sample: true
serving:
  description: The version that takes calls; where two do, that of most instances. Empty where none does.
  returned: success
  type: str
  sample: "4"
versions:
  description: How many instances in service each version has.
  returned: success
  type: dict
  sample: {"4": 2}
launches:
  description: The version that the group makes new instances from.
  returned: success
  type: str
  sample: "4"
instances:
  description: The instances of the group.
  returned: success
  type: list
  elements: dict
  sample: [{id: i-0123456789abcdef0, state: InService, health: Healthy, version: "4", zone: us-east-1a}]
before:
  description: RV(versions) as it was before.
  returned: with O(version)
  type: dict
  sample: {"3": 2}
refresh_id:
  description: The instance refresh that replaced the instances; null where none was needed.
  returned: with O(version)
  type: str
  sample: 08b91cf7-8fa6-48af-b6a6-d227f40f1b9b
image:
  description: The newest image; null without O(image_parameter).
  returned: without O(version)
  type: str
  sample: ami-0c2023a1b2c3d4e5f
refused:
  description: Whether the group surely runs what it ran before; where not, AWS may still be at work.
  returned: failure of a new version
  type: bool
  sample: true
refresh_status:
  description: The status of the refresh when it was given up; empty where the first instances were waited for.
  returned: failure of a new version
  type: str
  sample: RollbackSuccessful
"""

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import run_module
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.instance_refresh import (
    ARGUMENT_SPEC,
    SPEC_OPTIONS,
    run,
)


def main() -> None:
    """Run as a module."""
    run_module(ARGUMENT_SPEC, run, **SPEC_OPTIONS)


if __name__ == "__main__":
    main()
