# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A domain of one's own: one clear error each, before anything is touched."""

from __future__ import annotations

import pytest
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import domain_options
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import McpError

ZONE = "Z0123456789ABCDEFGHIJ"


@pytest.mark.parametrize("domain", ["mcp.example.com", "example.it", "a-b.xn--caf-dma.example", "1.example.com"])
@pytest.mark.parametrize("zone", ["", ZONE])
def test_a_domain_is_taken_with_and_without_a_zone(domain: str, zone: str) -> None:
    domain_options.check_domain({"mcp_domain": domain, "mcp_hosted_zone_id": zone})


def test_neither_is_needed() -> None:
    domain_options.check_domain({})


@pytest.mark.parametrize(
    ("domain", "said"),
    [
        ("https://mcp.example.com", "without https://"),
        ("mcp.example.com/mcp", "without https://"),
        ("mcp.example.com:443", "without https://"),
        ("*.example.com", "a wildcard is not an address"),
        ("café.example", "begins with xn--"),
        ("MCP.example.com", "lower-case"),
        ("mcp.example.com.", "no dot at the end"),
        ("localhost", "at least one dot"),
        ("mcp..example.com", "at least one dot"),
        ("-mcp.example.com", "letters, digits, hyphens"),
        ("mcp_1.example.com", "letters, digits, hyphens"),
        ("192.0.2.1", "allowed is a domain name"),
        ("a" * 60 + ".example.com", "it has 72 characters, and a certificate takes 64"),
        ("d123.cloudfront.net", "it belongs to AWS"),
    ],
)
def test_a_wrong_domain_is_named_with_what_is_allowed(domain: str, said: str) -> None:
    with pytest.raises(McpError) as refused:
        domain_options.check_domain({"mcp_domain": domain})
    assert f"mcp_domain is '{domain}'" in refused.value.message and said in refused.value.message
    assert "-e mcp_domain=" in refused.value.message


@pytest.mark.parametrize(
    ("values", "parts"),
    [
        ({"mcp_hosted_zone_id": ZONE}, [f"mcp_hosted_zone_id is '{ZONE}'", "mcp_domain is not set", "-e mcp_domain="]),
        (
            {"mcp_domain": "mcp.example.com", "mcp_hosted_zone_id": "example.com"},
            ["mcp_hosted_zone_id is 'example.com'", "aws route53 list-hosted-zones"],
        ),
        (
            {"mcp_domain": "mcp.example.com", "mcp_hosted_zone_id": f"/hostedzone/{ZONE}"},
            [f"mcp_hosted_zone_id is '/hostedzone/{ZONE}'", "such as Z"],
        ),
    ],
)
def test_a_wrong_zone_is_named_with_what_is_allowed(values: dict[str, str], parts: list[str]) -> None:
    with pytest.raises(McpError) as refused:
        domain_options.check_domain(values)
    assert [part for part in parts if part not in refused.value.message] == []
