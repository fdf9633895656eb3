# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The public address: its domain, its floor of TLS, what its errors leave behind, and its maintenance answer."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.template import load_template

from tests.support.checkout import ROOT

# CloudFront's Developer Guide, HTTPStatusCodes (2026-11): kept for 10 s by themselves, kept when the origin says how
# long. Of the others 412 and 415 cannot be named in a distribution, and 416 is never kept.
KEPT_BY_ITSELF = {404, 414, 500, 501, 502, 503, 504}
KEPT_IF_TOLD = {400, 403, 405}
# CloudFront's quota for a function's code (2026-11).
FUNCTION_BYTES = 10_240
PATH = ROOT / "roles" / "production" / "files" / "edge.yaml"
TEMPLATE: dict[str, t.Any] = load_template(PATH.read_text(), PATH.name)
CONFIG = TEMPLATE["Resources"]["Distribution"]["Properties"]["DistributionConfig"]


def chosen(value: dict[str, t.Any], condition: str) -> tuple[t.Any, t.Any]:
    """Return both sides of an Fn::If on this condition."""
    name, then, otherwise = value["Fn::If"]
    assert name == condition
    return then, otherwise


def test_no_error_outlives_its_cause_and_none_is_replaced() -> None:
    responses = {item["ErrorCode"]: item for item in CONFIG["CustomErrorResponses"]}
    assert set(responses) == KEPT_BY_ITSELF | KEPT_IF_TOLD
    for code, item in responses.items():
        assert item == {"ErrorCode": code, "ErrorCachingMinTTL": 0}


def test_a_domain_comes_with_its_certificate_and_a_floor() -> None:
    aliases, none = chosen(CONFIG["Aliases"], "HasDomain")
    assert (aliases, none) == ([{"Ref": "Domain"}], {"Ref": "AWS::NoValue"})
    own, default = chosen(CONFIG["ViewerCertificate"], "HasDomain")
    assert own["AcmCertificateArn"] == {"Ref": "CertificateArn"}
    assert (own["SslSupportMethod"], own["MinimumProtocolVersion"]) == ("sni-only", "TLSv1.2_2021")
    assert default == {"CloudFrontDefaultCertificate": True}


@pytest.mark.parametrize(("logical_id", "kind"), [("AddressRecord", "A"), ("AddressRecordIpv6", "AAAA")])
def test_the_zone_gets_addresses_of_the_distribution(logical_id: str, kind: str) -> None:
    record = TEMPLATE["Resources"][logical_id]
    assert (record["Condition"], record["Properties"]["Type"]) == ("HasZone", kind)
    assert record["Properties"]["AliasTarget"] == {
        "HostedZoneId": "Z2FDTNDATAQYW2",
        "DNSName": {"Fn::GetAtt": ["Distribution", "DomainName"]},
    }


def test_the_maintenance_answer_is_ready_and_only_attached_for_maintenance() -> None:
    function = TEMPLATE["Resources"]["MaintenanceAnswer"]
    assert "Condition" not in function and function["Properties"]["AutoPublish"] is True
    attached, none = chosen(CONFIG["DefaultCacheBehavior"]["FunctionAssociations"], "InMaintenance")
    assert [item["EventType"] for item in attached] == ["viewer-request"]
    assert none == {"Ref": "AWS::NoValue"}


def test_the_maintenance_answer_fits_with_the_longest_message() -> None:
    code = TEMPLATE["Resources"]["MaintenanceAnswer"]["Properties"]["FunctionCode"]["Fn::Sub"]
    longest = code.replace("${MaintenanceMessage}", "ж" * 200).replace("${MaintenanceRetryAfter}", "86400")
    assert "${" not in longest
    assert len(longest.encode()) < FUNCTION_BYTES
