# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a summary says about the public address: records to add, and the floor of TLS."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import report

PROOF = {"name": "_3f2a.mcp.example.com", "type": "CNAME", "value": "_7d1b.acm-validations.aws"}


def address(name: str) -> dict[str, str]:
    """Return the record that leads a domain to the distribution."""
    return {"name": name, "type": "CNAME", "value": "d1abc.cloudfront.net"}


@pytest.mark.parametrize(
    ("found", "lines"),
    [
        ({"tls_floor": "TLSv1.2", "domain": "mcp.example.com"}, []),
        ({"tls_floor": "TLSv1"}, ["TLS 1.0 and 1.1"]),
        (
            {"tls_floor": "TLSv1", "dns_records": [PROOF, address("mcp.example.com")]},
            [
                "add _3f2a.mcp.example.com CNAME _7d1b.acm-validations.aws",
                "add mcp.example.com CNAME d1abc.cloudfront.net",
                "TLS 1.0",
            ],
        ),
        (
            {"tls_floor": "TLSv1", "dns_records": [address("example.com")]},
            ["add example.com CNAME d1abc.cloudfront.net", "add an ALIAS or ANAME", "TLS 1.0"],
        ),
    ],
)
def test_the_summary_says_what_is_left_to_do(found: dict[str, t.Any], lines: list[str]) -> None:
    said = report.address_lines(found)
    assert len(said) == len(lines)
    assert [text for text, line in zip(lines, said, strict=True) if text not in line] == []


def test_the_report_has_it_for_machines() -> None:
    handed_on = {"domain": "", "tls_floor": "TLSv1", "dns_records": [PROOF]}
    params = {**{key: spec.get("default") for key, spec in report.ARGUMENT_SPEC.items()}, "deployment": handed_on}
    built = report.build(params)
    assert (built["tls_floor"], built["dns_records"]) == ("TLSv1", [PROOF])
    assert "domain" not in built
