# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of the variables of a domain of one's own, before anything is touched."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import McpError

LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
ZONE_ID = re.compile(r"Z[A-Z0-9]{1,31}")
# ACM's limit for the name that a certificate is made out to (RFC 5280's common name).
DOMAIN_LENGTH = 64
AWS_OWN = (".cloudfront.net", ".amazonaws.com", ".on.aws", ".aws.dev")
EXAMPLE = "-e mcp_domain=mcp.example.com"


def problem_of(domain: str) -> str:
    """Say what is wrong with a domain; empty when it is right."""
    if "://" in domain or "/" in domain or ":" in domain:
        return "a name alone is allowed, without https://, port and path"
    if domain.startswith("*."):
        return "a wildcard is not an address: name the one host that clients call"
    if not domain.isascii():
        return "letters beyond a to z are written in their DNS form, which begins with xn--"
    if domain != domain.lower() or domain.endswith("."):
        return "allowed are lower-case letters, and no dot at the end"
    labels = domain.split(".")
    if len(labels) < 2 or not all(LABEL.fullmatch(label) for label in labels) or labels[-1].isdigit():
        return "allowed is a domain name of letters, digits, hyphens and at least one dot"
    if len(domain) > DOMAIN_LENGTH:
        return f"it has {len(domain)} characters, and a certificate takes {DOMAIN_LENGTH}"
    if domain.endswith(AWS_OWN):
        return "it belongs to AWS, which issues no certificate for it; without mcp_domain the CDN's own name is used"
    return ""


def check_domain(values: dict[str, t.Any]) -> None:
    """Check ``mcp_domain`` and ``mcp_hosted_zone_id``.

    :param values: the validated variables with their types
    :raises McpError: the first that is wrong
    """
    domain, zone = values.get("mcp_domain", ""), values.get("mcp_hosted_zone_id", "")
    if domain and (problem := problem_of(domain)):
        raise McpError(f"mcp_domain is '{domain}': {problem}. For example: {EXAMPLE}", variable="mcp_domain")
    if zone and not domain:
        raise McpError(
            f"mcp_hosted_zone_id is '{zone}' but mcp_domain is not set: allowed is a zone together with the domain "
            f"whose records it gets. For example: {EXAMPLE}",
            variable="mcp_hosted_zone_id",
        )
    if zone and not ZONE_ID.fullmatch(zone):
        raise McpError(
            f"mcp_hosted_zone_id is '{zone}': allowed is the id of a Route 53 zone, such as Z0123456789ABCDEFGHIJ. "
            "List yours with: aws route53 list-hosted-zones --query 'HostedZones[].[Id,Name]' --output text",
            variable="mcp_hosted_zone_id",
        )
