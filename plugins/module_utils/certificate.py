# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The certificate of an environment's own domain: ask for it, prove the domain, find it again, remove it."""

from __future__ import annotations

import time
import typing as t

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import certificate_dns as dns
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import (
    AWS_ERRORS,
    Context,
    McpError,
    error_code,
)

ARGUMENT_SPEC: dict[str, t.Any] = {
    "environment": {"type": "str", "required": True},
    "domain": {"type": "str"},
    "serves": {"type": "str", "choices": ["cdn", "load_balancer"], "default": "cdn"},
    "given_arn": {"type": "str"},
    "hosted_zone_id": {"type": "str"},
    "distribution_domain": {"type": "str", "aliases": ["address"]},
    "distribution_id": {"type": "str"},
    "current_arn": {"type": "str"},
    "dns_lookup": {"type": "bool", "default": True},
    "tags": {"type": "dict", "default": {}},
    "wait_timeout": {"type": "int", "default": 300},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
}
SPEC_OPTIONS: dict[str, t.Any] = {"required_if": [("state", "present", ("domain",))]}
# CloudFront takes certificates from nowhere else.
REGION = "us-east-1"
OWNER_TAGS = ("mcp:environment", "mcp:managed-by")
MANAGED_BY = "pratikoai.mcp_servers"
USABLE = ("ISSUED", "PENDING_VALIDATION")
# ACM fills in the validation record some seconds after the request.
RECORD_WAIT_S = 60
POLL_S = 5.0

Certificate = dict[str, t.Any]


def acm(ctx: Context) -> t.Any:
    """Return the client of the region that CloudFront reads, or of the load balancer's own."""
    return ctx.client("acm", REGION if ctx.params["serves"] == "cdn" else None)


def wait_until(ctx: Context, done: t.Callable[[], bool], what: str, seconds: float) -> bool:
    """Ask until it is done, at most for so many seconds; say whether it is."""
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() >= deadline:
            return False
        ctx.progress(what)
        time.sleep(POLL_S)
    return True


def describe(ctx: Context, arn: str) -> Certificate:
    """Return ACM's description of a certificate."""
    described: Certificate = acm(ctx).describe_certificate(CertificateArn=arn)["Certificate"]
    return described


def owner(ctx: Context) -> dict[str, str]:
    """Return the tags that say whose a certificate is."""
    return dict(zip(OWNER_TAGS, (str(ctx.params["environment"]), MANAGED_BY), strict=True))


def is_ours(ctx: Context, arn: str) -> bool:
    """Say whether the environment asked for this certificate."""
    answer = acm(ctx).list_tags_for_certificate(CertificateArn=arn)
    return owner(ctx).items() <= {tag["Key"]: tag.get("Value") for tag in answer.get("Tags", [])}.items()


def find_ours(ctx: Context, domain: str | None) -> list[Certificate]:
    """Return the environment's own certificates, of one domain or of all, an issued one first."""
    pages = acm(ctx).get_paginator("list_certificates").paginate()
    listed = [item for page in pages for item in page["CertificateSummaryList"]]
    ours = [
        describe(ctx, item["CertificateArn"])
        for item in listed
        if domain in (None, item.get("DomainName")) and is_ours(ctx, item["CertificateArn"])
    ]
    return sorted(ours, key=lambda item: item["Status"] != "ISSUED")


def choose(found: list[Certificate], current_arn: str | None, region: str = REGION) -> Certificate | None:
    """Return the certificate to use: what the distribution has if that is issued, else an issued or a pending one.

    :param region: where they are, for the message
    :raises McpError: ACM refused the domain for good
    """
    usable = [item for item in found if item["Status"] in USABLE]
    chosen = next((item for item in usable if item["CertificateArn"] == current_arn), None)
    if chosen is not None and chosen["Status"] == "ISSUED":
        return chosen
    failed = next((item for item in found if item["Status"] == "FAILED"), None)
    if failed and not usable:
        raise McpError(
            f"ACM refuses a certificate for mcp_domain '{failed['DomainName']}': {failed.get('FailureReason', 'OTHER')}"
            ". Nothing was changed. Repair the cause (CAA_ERROR: a CAA record of the domain that does not list "
            f"amazon.com), then type: aws acm delete-certificate --region {region} --certificate-arn "
            f"{failed['CertificateArn']}, and the same command again"
        )
    return usable[0] if usable else None


def validation_records(certificate: Certificate) -> list[dns.Record]:
    """Return the records that prove the domain; empty until ACM has made them."""
    options = [item.get("ResourceRecord") for item in certificate.get("DomainValidationOptions", [])]
    return [
        {"name": dns.bare(item["Name"]), "type": item["Type"], "value": dns.bare(item["Value"])}
        for item in options
        if item
    ]


def request(ctx: Context) -> Certificate:
    """Ask ACM for the certificate; return it with its validation records as soon as it has them."""
    domain = ctx.params["domain"]
    tags = {**ctx.params["tags"], **owner(ctx)}
    arn = acm(ctx).request_certificate(
        DomainName=domain,
        ValidationMethod="DNS",
        Tags=[{"Key": key, "Value": str(value)} for key, value in sorted(tags.items())],
    )["CertificateArn"]
    what = f"certificate of {domain}: waiting for the record that proves the domain"
    wait_until(ctx, lambda: bool(validation_records(describe(ctx, arn))), what, RECORD_WAIT_S)
    return describe(ctx, arn)


def prove(ctx: Context, certificate: Certificate) -> bool:
    """Write the validation records into the zone; say whether one was missing there."""
    zone, missing = ctx.params["hosted_zone_id"], []
    if zone:
        missing = [record for record in validation_records(certificate) if not dns.has_record(ctx, zone, record)]
    if not ctx.check_mode:
        for record in missing:
            dns.put_record(ctx, zone, record)
    return bool(missing)


def await_issue(ctx: Context, certificate: Certificate) -> Certificate:
    """Wait until ACM has seen the records in the zone; elsewhere nobody knows when somebody adds them."""
    arn = certificate["CertificateArn"]
    if certificate["Status"] == "PENDING_VALIDATION" and ctx.params["hosted_zone_id"] and not ctx.check_mode:
        what = f"certificate of {ctx.params['domain']}: waiting until ACM has issued it"
        wait_until(ctx, lambda: describe(ctx, arn)["Status"] != "PENDING_VALIDATION", what, ctx.params["wait_timeout"])
        return describe(ctx, arn)
    return certificate


def address_in_place(ctx: Context) -> bool:
    """Say whether the domain leads to the distribution, or will by a record of the zone."""
    if ctx.params["hosted_zone_id"] or not ctx.params["dns_lookup"]:
        return True
    target = ctx.params["distribution_domain"]
    return bool(target) and dns.leads_to(ctx.params["domain"], target, ctx.params["serves"] == "load_balancer")


def result(ctx: Context, certificate: Certificate | None, changed: bool) -> dict[str, t.Any]:
    """Return what is known.

    ``ready`` means that clients may be sent to the domain: proven, and its address leads to the distribution. One
    that the distribution holds already stays, whatever becomes of its certificate.
    """
    held, in_place = ctx.params["current_arn"], address_in_place(ctx)
    status = certificate["Status"] if certificate else "ABSENT"
    arn = certificate["CertificateArn"] if certificate else ""
    return {
        "changed": changed,
        "arn": held if held and status != "ISSUED" else arn,
        "status": status,
        "ready": bool(held) or (status == "ISSUED" and in_place),
        "address_in_place": in_place,
        "validation_records": validation_records(certificate) if certificate and not ctx.params["given_arn"] else [],
    }


def is_made_out_to(certificate: Certificate, domain: str) -> bool:
    """Say whether clients that call a domain take a certificate: by its name, or by a wildcard for one label."""
    names = {certificate["DomainName"], *certificate.get("SubjectAlternativeNames", [])}
    return domain in names or f"*.{domain.partition('.')[2]}" in names


def given(ctx: Context) -> Certificate:
    """Return the certificate of one's own.

    :raises McpError: there is none, it is not valid, or clients would refuse it
    """
    arn, domain = ctx.params["given_arn"], ctx.params["domain"]
    listing = f"aws acm list-certificates --region {acm(ctx).meta.region_name}"
    try:
        certificate = describe(ctx, arn)
    except AWS_ERRORS as error:
        if error_code(error) != "ResourceNotFoundException":
            raise
        raise McpError(
            f"mcp_certificate_arn is '{arn}': this account has no such certificate. Nothing was changed. List yours "
            f"with: {listing}"
        ) from error
    if certificate["Status"] != "ISSUED":
        raise McpError(
            f"mcp_certificate_arn is '{arn}', which is {certificate['Status']}: allowed is one that is ISSUED. Nothing "
            f"was changed. List yours with: {listing} --certificate-statuses ISSUED"
        )
    if not is_made_out_to(certificate, domain):
        raise McpError(
            f"mcp_certificate_arn is '{arn}', which is made out to {certificate['DomainName']}: allowed is one for "
            f"mcp_domain, {domain}. Nothing was changed. List yours with: {listing}"
        )
    return certificate


def present(ctx: Context) -> dict[str, t.Any]:
    """Find the certificate or ask for it, prove the domain where the zone is ours, and wait a while."""
    domain, zone, held = (ctx.params[name] for name in ("domain", "hosted_zone_id", "current_arn"))
    if zone:
        dns.check_zone(ctx, domain, zone)
        if not held:
            dns.check_address_is_free(ctx, zone, domain)
    if ctx.params["given_arn"]:
        return result(ctx, given(ctx), False)
    certificate = choose(find_ours(ctx, domain), held, acm(ctx).meta.region_name)
    if certificate is None and ctx.check_mode:
        return result(ctx, None, True)
    requested = certificate is None
    if certificate is None:
        certificate = request(ctx)
    proved = prove(ctx, certificate)
    return result(ctx, await_issue(ctx, certificate), requested or proved)


def users(ctx: Context, certificate: Certificate) -> list[str]:
    """Return who uses a certificate; in check mode without the distribution that would be gone by then."""
    own = f":distribution/{ctx.params['distribution_id']}"
    found = certificate.get("InUseBy", [])
    return [user for user in found if not (ctx.check_mode and ctx.params["distribution_id"] and user.endswith(own))]


def remove(ctx: Context, certificate: Certificate) -> list[str]:
    """Delete one certificate; return who still uses it, in which case it stays."""
    arn = certificate["CertificateArn"]
    if ctx.check_mode:
        return users(ctx, certificate)
    # A deleted distribution is named as a user for some minutes more.
    what = f"certificate of {certificate['DomainName']}: waiting until nothing uses it"
    wait_until(ctx, lambda: not users(ctx, describe(ctx, arn)), what, ctx.params["wait_timeout"])
    try:
        if not (left := users(ctx, describe(ctx, arn))):
            acm(ctx).delete_certificate(CertificateArn=arn)
        return left
    except AWS_ERRORS as error:
        if error_code(error) != "ResourceInUseException":
            raise
        return ["a resource that ACM does not name"]


def absent(ctx: Context) -> dict[str, t.Any]:
    """Remove every certificate of the environment that nothing uses."""
    removed, kept = [], []
    for certificate in find_ours(ctx, ctx.params["domain"]):
        entry = {"resource": certificate["CertificateArn"], "kind": "certificate", "domain": certificate["DomainName"]}
        if left := remove(ctx, certificate):
            ctx.warn(f"The certificate {entry['resource']} stays, because it is in use by {', '.join(left)}.")
            kept.append({**entry, "in_use_by": left})
        else:
            removed.append(entry)
    return {"changed": bool(removed), "removed": removed, "kept": kept}


def run(ctx: Context) -> dict[str, t.Any]:
    """Be the module."""
    return absent(ctx) if ctx.params["state"] == "absent" else present(ctx)
