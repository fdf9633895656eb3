# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The health checks of distributions and certificates."""

from __future__ import annotations

import typing as t

import pytest
from botocore.session import get_session

from tests.unit.plugins.test_health_aws import DEPLOY, TARGETS, Result, answer, before, look_at

ID = "E2QWRUHAPOMQZL"


def distribution(status: str, enabled: bool) -> Result:
    config = {
        "CallerReference": "x",
        "Origins": {"Quantity": 1, "Items": [{"Id": "x", "DomainName": "x.example.org"}]},
        "DefaultCacheBehavior": {"TargetOriginId": "x", "ViewerProtocolPolicy": "https-only"},
        "Comment": "",
        "Enabled": enabled,
    }
    found = {
        "Id": ID,
        "ARN": f"arn:aws:cloudfront::123456789012:distribution/{ID}",
        "Status": status,
        "LastModifiedTime": before(minutes=14),
        "InProgressInvalidationBatches": 0,
        "DomainName": "d111111abcdef8.cloudfront.net",
        "ActiveTrustedSigners": {"Enabled": False, "Quantity": 0},
        "ActiveTrustedKeyGroups": {"Enabled": False, "Quantity": 0},
        "DistributionConfig": config,
    }
    calls = {"cloudfront": [answer("get_distribution", {"Distribution": found}, Id=ID)]}
    return look_at("distribution", calls, target=ID)


def test_a_deployed_distribution_is_healthy() -> None:
    result = distribution("Deployed", True)
    assert result["status"] == "healthy"
    assert result["evidence"] == f"distribution {ID} (d111111abcdef8.cloudfront.net): deployed everywhere"


def test_a_distribution_in_progress_is_a_warning() -> None:
    result = distribution("InProgress", True)
    assert (result["status"], result["since"]) == ("warning", "2026-11-23T03:00:15Z")
    assert "InProgress since 2026-11-23 03:00 UTC: not every edge" in result["evidence"]
    assert result["next_step"] == f"aws cloudfront wait distribution-deployed --id {ID}"


@pytest.mark.parametrize("status", ["Deployed", "InProgress"])
def test_a_distribution_that_is_switched_off_is_critical(status: str) -> None:
    result = distribution(status, False)
    assert (result["status"], result["next_step"]) == ("critical", DEPLOY)
    assert "it is switched off" in result["evidence"]


def test_a_missing_distribution_is_critical() -> None:
    calls = {"cloudfront": [answer("get_distribution", "NoSuchDistribution")]}
    result = look_at("distribution", calls, target=ID)
    assert (result["status"], result["evidence"]) == ("critical", f"distribution {ID} does not exist")


# Certificates

ARN = TARGETS["certificate"]


def certificate(days: float | None = 200, **fields: t.Any) -> Result:
    found = {
        "CertificateArn": ARN,
        "DomainName": "mcp.example.org",
        "Status": "ISSUED",
        "Type": "AMAZON_ISSUED",
        **fields,
    }
    if days is not None:
        found["NotAfter"] = before(days=-days)
    calls = {"acm": [answer("describe_certificate", {"Certificate": found}, CertificateArn=ARN)]}
    return look_at("certificate", calls, target=ARN)


def test_an_issued_certificate_is_healthy() -> None:
    result = certificate()
    assert result["status"] == "healthy"
    assert result["evidence"] == (
        "certificate of mcp.example.org: ISSUED; 200 days left, until 2027-06-11 03:14 UTC; renewed by AWS"
    )


@pytest.mark.parametrize(
    ("days", "status"), [(30, "healthy"), (29.9, "warning"), (7, "warning"), (6.9, "critical"), (-3.5, "critical")]
)
def test_days_left(days: float, status: str) -> None:
    assert certificate(days)["status"] == status


def test_an_ended_certificate_says_since_when() -> None:
    result = certificate(-3.5, Status="EXPIRED")
    assert (result["status"], result["since"]) == ("critical", "2026-11-19T15:14:15Z")
    assert "ended 3 days ago, at 2026-11-19 15:14 UTC" in result["evidence"]
    assert result["next_step"] == f"aws acm describe-certificate --certificate-arn {ARN} --region us-east-1"


def test_an_imported_certificate_is_not_renewed_by_aws() -> None:
    result = certificate(20, Type="IMPORTED")
    assert (result["status"], result["next_step"]) == ("warning", DEPLOY)
    assert "imported, so AWS does not renew it" in result["evidence"]


def test_a_certificate_that_aws_will_not_renew_says_so() -> None:
    result = certificate(20, RenewalEligibility="INELIGIBLE", InUseBy=[])
    assert result["status"] == "warning"
    assert result["evidence"].endswith("; not renewed by AWS, because nothing uses it; ISSUED")
    used = certificate(
        200, RenewalEligibility="INELIGIBLE", InUseBy=["arn:aws:cloudfront::123456789012:distribution/X"]
    )
    assert used["evidence"].endswith("; not renewed by AWS") and used["status"] == "healthy"
    assert certificate(200, RenewalEligibility="ELIGIBLE")["evidence"].endswith("; renewed by AWS")
    private = certificate(200, RenewalEligibility="INELIGIBLE", Type="IMPORTED")
    assert private["evidence"].endswith("; imported, so AWS does not renew it")


def test_every_other_status_is_critical() -> None:
    for status in get_session().get_service_model("acm").shape_for("CertificateStatus").enum:
        if status not in ("ISSUED", "EXPIRED"):
            result = certificate(None, Status=status, CreatedAt=before(hours=2))
            assert (result["status"], result["since"]) == ("critical", "2026-11-23T01:14:15Z"), status
            assert status in result["evidence"]
    waiting = certificate(None, Status="PENDING_VALIDATION")
    assert "its validation record is not in DNS yet" in waiting["evidence"]
    assert "(CAA_ERROR)" in certificate(None, Status="FAILED", FailureReason="CAA_ERROR")["evidence"]
    revoked = certificate(None, Status="REVOKED", RevocationReason="KEY_COMPROMISE", RevokedAt=before(hours=1))
    assert revoked["since"] == "2026-11-23T02:14:15Z" and "(KEY_COMPROMISE)" in revoked["evidence"]


def renewal(status: str, **fields: t.Any) -> dict[str, t.Any]:
    return {
        "RenewalStatus": status,
        "DomainValidationOptions": [{"DomainName": "mcp.example.org"}],
        "UpdatedAt": before(days=1),
        **fields,
    }


def test_a_renewal_that_failed_is_critical() -> None:
    result = certificate(50, RenewalSummary=renewal("FAILED", RenewalStatusReason="CAA_ERROR"))
    assert (result["status"], result["since"]) == ("critical", "2026-11-22T03:14:15Z")
    assert "its renewal failed (CAA_ERROR)" in result["evidence"]
    assert "(no reason given)" in certificate(50, RenewalSummary=renewal("FAILED"))["evidence"]


def test_a_renewal_that_waits_is_a_warning() -> None:
    assert certificate(50, RenewalSummary=renewal("PENDING_VALIDATION"))["status"] == "warning"
    assert certificate(50, RenewalSummary=renewal("SUCCESS"))["status"] == "healthy"
    assert certificate(50, RenewalSummary=renewal("PENDING_AUTO_RENEWAL"))["status"] == "healthy"


def test_a_certificate_without_an_end_is_unknown() -> None:
    assert certificate(None)["status"] == "unknown"


def test_a_missing_certificate_is_critical() -> None:
    calls = {"acm": [answer("describe_certificate", "ResourceNotFoundException")]}
    assert look_at("certificate", calls, target=ARN)["status"] == "critical"
