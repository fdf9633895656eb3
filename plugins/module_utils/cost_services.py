# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of services as Cost Explorer has them: a misspelt one would cost nothing, which is a wrong number."""

from __future__ import annotations

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import McpError
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.cost_answers import Costs, known_services
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.cost_cache import DayCache
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.cost_periods import Period
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.cost_requests import CostExplorer
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.options import closest

# What the phases use; any other name is looked up, for a cent.
SERVICES = frozenset(
    {
        "AWS Cost Explorer",
        "AWS Key Management Service",
        "AWS Lambda",
        "AWS Secrets Manager",
        "AWS Systems Manager",
        "AWS WAF",
        "Amazon API Gateway",
        "Amazon CloudFront",
        "Amazon DynamoDB",
        "Amazon Elastic Compute Cloud - Compute",
        "Amazon Elastic Load Balancing",
        "Amazon Relational Database Service",
        "Amazon Route 53",
        "Amazon Simple Notification Service",
        "Amazon Simple Queue Service",
        "Amazon Simple Storage Service",
        "Amazon Virtual Private Cloud",
        "AmazonCloudWatch",
        "EC2 - Other",
        "Tax",
    }
)


def check_services(explorer: CostExplorer, cache: DayCache, costs: Costs, services: list[str], period: Period) -> None:
    """Make sure that the services of a filter exist.

    :raises McpError: Cost Explorer knows no such service
    """
    known = set(SERVICES)
    if "service" in costs.keys:
        at = costs.keys.index("service")
        known |= {keys[at] for step in costs.steps for keys in step.amounts}
    if all(service in known for service in services):
        return
    known |= known_services(explorer, cache, period)
    for service in services:
        if service not in known:
            raise McpError(
                f"services has '{service}', and Cost Explorer knows no such service in this account since "
                f"{period.start}.{closest(service, known)} Allowed are names as Cost Explorer shows them, such as "
                "AWS Lambda."
            )
