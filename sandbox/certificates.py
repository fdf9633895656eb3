# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Let the emulated ACM issue a certificate as AWS's does: once the record that proves its domain is in DNS.

The emulator issues each one at once and knows no users of it. Here it waits for the record in a zone of the emulated
Route 53, names the distributions and load balancers that use it, and is not deleted while there is one. Certificates
that CloudFormation makes are left as they are.
"""

from __future__ import annotations

import json
import typing as t

PENDING = "PENDING_VALIDATION"

Certificate = dict[str, t.Any]


def as_requested(certificate: Certificate) -> None:
    """Turn a certificate that was issued at once into one that waits for its validation."""
    certificate["Status"] = PENDING
    for option in certificate["DomainValidationOptions"]:
        option["ValidationStatus"] = PENDING


def record_of(option: dict[str, t.Any]) -> tuple[str, str, str]:
    """Return name, type and value of the record that proves a domain."""
    record = option["ResourceRecord"]
    return record["Name"].rstrip(".").lower(), record["Type"], record["Value"].rstrip(".")


def records_in(zones: t.Iterable[list[dict[str, t.Any]]]) -> set[tuple[str, str, str]]:
    """Return name, type and value of every record of every zone."""
    return {
        (record["Name"].rstrip(".").lower(), record["Type"], str(value).rstrip("."))
        for zone in zones
        for record in zone
        for value in record.get("ResourceRecords", [])
    }


def issue_if_proven(certificate: Certificate, records: set[tuple[str, str, str]], now: str) -> None:
    """Issue a waiting certificate when all its records are there."""
    options = certificate["DomainValidationOptions"]
    if certificate["Status"] == PENDING and all(record_of(option) in records for option in options):
        certificate.update(Status="ISSUED", IssuedAt=now, NotBefore=now)
        for option in options:
            option["ValidationStatus"] = "SUCCESS"


def install() -> None:
    """Put this in front of the emulator's own handlers."""
    from ministack.services import acm, alb, cloudfront, route53

    request, describe, listing, delete = (
        getattr(acm, f"_{name}")
        for name in ("request_certificate", "describe_certificate", "list_certificates", "delete_certificate")
    )

    def refresh() -> None:
        records = records_in(route53._records.values())
        for arn, certificate in acm._certificates.items():
            issue_if_proven(certificate, records, acm.now_iso())
            users = [item["ARN"] for item in cloudfront._distributions.values() if arn in item["config_xml"]]
            for listener in alb._listeners.values():
                if arn in listener.get("Certificates", []):
                    users.append(listener["LoadBalancerArn"])
            certificate["InUseBy"] = users

    def requested(data: dict[str, t.Any]) -> t.Any:
        answer = request(data)
        made = acm._certificates.get(json.loads(answer[2]).get("CertificateArn"))
        if made:
            as_requested(made)
        return answer

    def refreshed(handler: t.Callable[[dict[str, t.Any]], t.Any]) -> t.Callable[[dict[str, t.Any]], t.Any]:
        def handle(data: dict[str, t.Any]) -> t.Any:
            refresh()
            return handler(data)

        return handle

    def deleted(data: dict[str, t.Any]) -> t.Any:
        refresh()
        certificate = acm._certificates.get(data.get("CertificateArn"))
        if certificate and certificate["InUseBy"]:
            text = f"Certificate {certificate['CertificateArn']} is in use."
            return acm.error_response_json("ResourceInUseException", text, 400)
        return delete(data)

    acm._request_certificate, acm._delete_certificate = requested, deleted
    acm._describe_certificate, acm._list_certificates = refreshed(describe), refreshed(listing)
