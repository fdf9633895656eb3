# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Staging under a domain of one's own: with its DNS elsewhere, in Route 53, with a certificate that was there already.

The sandbox issues a certificate when its record is in an emulated zone. Its front door stands for DNS, so calls go on
through the same address; that the load balancer holds domain and certificate is what there is to see.
"""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest

from tests.e2e.conftest import new_environment
from tests.support.staging import Staging

pytestmark = [pytest.mark.e2e, pytest.mark.proof]

DOMAIN = "mcp.example.com"
WITH_DOMAIN = ("-e", f"mcp_domain={DOMAIN}")


@pytest.fixture(scope="module")
def staging(tmp_path_factory: pytest.TempPathFactory, private_home: Path) -> t.Iterator[Staging]:
    """An account of this file alone, with staging deployed without a domain."""
    new = new_environment(tmp_path_factory.mktemp("staging-domain"), private_home)
    one = Staging(new.project, new.sandbox, new.home)
    try:
        one.sandbox.start()
        one.deploy().require()
        yield one
    finally:
        one.sandbox.stop()


@pytest.fixture(scope="module")
def zone(staging: Staging) -> str:
    """The public zone of the domain."""
    made = staging.sandbox.client("route53").create_hosted_zone(Name="example.com", CallerReference="example.com")
    return str(made["HostedZone"]["Id"]).removeprefix("/hostedzone/")


def edge(staging: Staging) -> dict[str, str]:
    """Return the parameters of the edge stack."""
    client = staging.sandbox.client("cloudformation")
    (stack,) = client.describe_stacks(StackName="mcp-staging-edge")["Stacks"]
    return {item["ParameterKey"]: item["ParameterValue"] for item in stack["Parameters"]}


def listener(staging: Staging) -> str:
    """Return the certificate that callers are shown."""
    client = staging.sandbox.client("elbv2")
    (balancer,) = client.describe_load_balancers()["LoadBalancers"]
    found = client.describe_listeners(LoadBalancerArn=balancer["LoadBalancerArn"])["Listeners"]
    (https,) = [item for item in found if item["Port"] == 443]
    return str(https["Certificates"][0]["CertificateArn"])


def test_until_the_domain_is_proven_everything_goes_on_as_before(staging: Staging) -> None:
    before = listener(staging)
    run = staging.deploy(*WITH_DOMAIN).require()
    report = staging.report()
    assert {record["name"] for record in report["dns_records"]} >= {DOMAIN}
    for record in report["dns_records"]:
        assert f"dns:       add {record['name']} {record['type']} {record['value']}" in run.stdout
    assert (edge(staging)["Domain"], listener(staging)) == ("", before)
    assert staging.deploy(*WITH_DOMAIN).require().changed == 0


def test_a_zone_proves_it_and_the_load_balancer_takes_it(staging: Staging, zone: str) -> None:
    own = listener(staging)
    staging.deploy(*WITH_DOMAIN, "-e", f"mcp_hosted_zone_id={zone}").require()
    held = edge(staging)
    assert (held["Domain"], held["HostedZoneId"]) == (DOMAIN, zone)
    assert listener(staging) == held["CertificateArn"] != own
    report = staging.report()
    assert report["domain"] == DOMAIN and "dns_records" not in report
    records = staging.sandbox.client("route53").list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
    assert DOMAIN in {item["Name"].rstrip(".") for item in records if item["Type"] == "A"}
    assert staging.deploy(*WITH_DOMAIN, "-e", f"mcp_hosted_zone_id={zone}").require().changed == 0


def test_a_certificate_of_ones_own_is_taken_as_it_is(staging: Staging, zone: str) -> None:
    with_zone = (*WITH_DOMAIN, "-e", f"mcp_hosted_zone_id={zone}")
    current = edge(staging)["CertificateArn"]
    missing = current[:-4] + "0000"
    refused = staging.deploy(*with_zone, "-e", f"mcp_certificate_arn={missing}").require(2)
    assert "this account has no such certificate" in " ".join(refused.output.split())
    foreign = staging.sandbox.client("acm").request_certificate(DomainName="other.example.org", ValidationMethod="DNS")
    wrong = staging.deploy(*with_zone, "-e", f"mcp_certificate_arn={foreign['CertificateArn']}").require(2)
    assert "mcp_certificate_arn is" in wrong.output and "Nothing was changed" in " ".join(wrong.output.split())
    assert staging.deploy(*with_zone, "-e", f"mcp_certificate_arn={current}").require().changed == 0


def test_without_the_domain_it_is_the_load_balancers_own_name_again(staging: Staging) -> None:
    run = staging.deploy().require()
    held = edge(staging)
    assert (held["Domain"], held["HostedZoneId"]) == ("", "")
    assert "NO PUBLIC AUTHORITY KNOWS THIS CERTIFICATE" in run.stdout
    assert listener(staging) == held["CertificateArn"]
    assert staging.deploy().require().changed == 0


def test_a_destroy_leaves_no_certificate_of_ours(staging: Staging) -> None:
    acm = staging.sandbox.client("acm")
    staging.destroy("-e", "mcp_confirm=staging", "-e", "mcp_destroy_data=true", *WITH_DOMAIN).require()
    left = [item["DomainName"] for item in acm.list_certificates()["CertificateSummaryList"]]
    assert left == ["other.example.org"]
