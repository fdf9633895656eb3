# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When the sandbox issues a certificate: not before the record that proves its domain is there, exactly as named."""

from __future__ import annotations

import typing as t

import certificates
import pytest

NOW = "2026-11-22T15:00:00.000Z"
NAME, VALUE = "_proof.mcp.example.com.", "token.acm.example."


def requested() -> dict[str, t.Any]:
    """Return a certificate as the emulator makes it, turned into one that waits."""
    record = {"Name": NAME, "Type": "CNAME", "Value": VALUE}
    made = {
        "Status": "ISSUED",
        "DomainValidationOptions": [{"ValidationStatus": "SUCCESS", "ResourceRecord": record}],
    }
    certificates.as_requested(made)
    return made


@pytest.mark.parametrize(
    ("record", "status"),
    [
        ({"Name": NAME, "Type": "CNAME", "ResourceRecords": [VALUE]}, "ISSUED"),
        ({"Name": "_PROOF.mcp.example.com", "Type": "CNAME", "ResourceRecords": [VALUE.rstrip(".")]}, "ISSUED"),
        ({"Name": NAME, "Type": "TXT", "ResourceRecords": [VALUE]}, "PENDING_VALIDATION"),
        ({"Name": NAME, "Type": "CNAME", "ResourceRecords": ["another."]}, "PENDING_VALIDATION"),
        ({"Name": "mcp.example.com.", "Type": "A", "AliasTarget": {}}, "PENDING_VALIDATION"),
    ],
)
def test_it_is_issued_by_its_own_record_alone(record: dict[str, t.Any], status: str) -> None:
    certificate = requested()
    certificates.issue_if_proven(certificate, certificates.records_in([[], [record]]), NOW)
    assert certificate["Status"] == status
    assert (certificate["DomainValidationOptions"][0]["ValidationStatus"] == "SUCCESS") is (status == "ISSUED")
    assert certificate.get("IssuedAt") == (NOW if status == "ISSUED" else None)


def test_one_that_is_issued_stays_when_its_record_goes() -> None:
    certificate = {"Status": "ISSUED", "DomainValidationOptions": [], "IssuedAt": "before"}
    certificates.issue_if_proven(certificate, set(), NOW)
    assert certificate == {"Status": "ISSUED", "DomainValidationOptions": [], "IssuedAt": "before"}
