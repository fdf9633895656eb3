# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands before the servers: a distribution, and the certificates."""

from __future__ import annotations

import typing as t
from datetime import timedelta

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_aws_common import (
    ANY_NAME,
    TARGET,
    Part,
    Row,
    actions,
    ask,
    aws,
    command,
    missing,
    must,
    named,
    play,
    quoted,
    target,
    together,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_aws_words import (
    between,
    judged,
    minute,
    plural,
    span,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_kind import Kind, Look, Observation

GLOBAL_REGION = "us-east-1"
ISSUED = ("ISSUED", "EXPIRED")


def distribution_parts(look: Look, distribution: Row) -> list[Part]:
    """Judge whether a distribution answers, and everywhere with the same settings."""
    config, status = distribution.get("DistributionConfig") or {}, distribution.get("Status")
    changed = distribution.get("LastModifiedTime")
    when = f" since {minute(changed)}" if changed else ""
    parts = [Part("healthy", "deployed everywhere")]
    if status != "Deployed":
        wait = aws(look, "cloudfront", f"cloudfront wait distribution-deployed --id {quoted(look)}")
        parts = [Part("warning", f"{status}{when}: not every edge has the newest settings yet", wait, changed)]
    if not config.get("Enabled"):
        parts.append(Part("critical", "it is switched off, callers get an error", play(look, "deploy"), changed))
    return parts


def look_at_distribution(look: Look) -> Observation:
    """Look at a distribution."""
    answer = ask(look, "cloudfront", "get_distribution", ("NoSuchDistribution",), Id=target(look))
    if answer is None:
        return Observation("critical", f"distribution {target(look)} does not exist", next_step=play(look, "deploy"))
    found = answer["Distribution"]
    return together(f"distribution {target(look)} ({found.get('DomainName')})", distribution_parts(look, found))


# Certificates


def status_part(look: Look, found: Row) -> Part:
    """Judge a certificate's status."""
    status = str(found.get("Status"))
    if status in ISSUED:  # the days say the rest
        return Part("healthy", status)
    why = found.get("FailureReason") or found.get("RevocationReason")
    why = f" ({why})" if why else ""
    if status == "PENDING_VALIDATION":
        why = ": its validation record is not in DNS yet"
    return Part("critical", f"{status}{why}", describe(look), found.get("RevokedAt") or found.get("CreatedAt"))


def describe(look: Look) -> str:
    return aws(look, "acm", f"acm describe-certificate --certificate-arn {quoted(look)}")


def days_part(look: Look, found: Row) -> Part:
    """Judge how long a certificate is still good; AWS renews those that it issued itself."""
    end: t.Any = found.get("NotAfter")
    if end is None:
        return Part("unknown", "it names no end")
    left = between(look.now, end)
    own, renewed = found.get("Type") == "IMPORTED", "renewed by AWS"
    if own:
        renewed = "imported, so AWS does not renew it"
    elif found.get("RenewalEligibility") == "INELIGIBLE":
        renewed = "not renewed by AWS" + ("" if found.get("InUseBy") else ", because nothing uses it")
    status, passed = judged(look, "certificate_days", left / timedelta(days=1))
    step = play(look, "deploy") if own else describe(look)
    if left < timedelta():
        return Part("critical", f"ended {span(left)} ago, at {minute(end)}; {renewed}", step, end)
    text = f"{plural(left.days, 'day')} left, until {minute(end)}{passed}; {renewed}"
    return Part(status, text, step)


def renewal_part(look: Look, found: Row) -> Part | None:
    """Judge the renewal that AWS has begun, None where it has not."""
    renewal = found.get("RenewalSummary") or {}
    status, since = renewal.get("RenewalStatus"), renewal.get("UpdatedAt")
    if status == "FAILED":
        why = renewal.get("RenewalStatusReason") or "no reason given"
        return Part("critical", f"its renewal failed ({why})", describe(look), since)
    if status == "PENDING_VALIDATION":
        return Part("warning", "its renewal waits for its validation record in DNS", describe(look), since)
    return None


def look_at_certificate(look: Look) -> Observation:
    """Look at a certificate of ACM."""
    answer = ask(look, "acm", "describe_certificate", ("ResourceNotFoundException",), CertificateArn=target(look))
    if answer is None:
        return missing(look, "acm", f"certificate {target(look)}")
    found = answer["Certificate"]
    state = status_part(look, found)
    parts: list[Part | None] = [state, renewal_part(look, found)]
    if state.status == "healthy":
        parts.append(days_part(look, found))
    return together(f"certificate of {found.get('DomainName')}", [part for part in parts if part])


KINDS = named(
    Kind(
        name="distribution",
        look=look_at_distribution,
        options=frozenset({"target"}),
        required=("target",),
        services=("cloudfront",),
        region=GLOBAL_REGION,
        check=ANY_NAME,
        step=command("cloudfront get-distribution --id {target} --query Distribution.Status"),
        actions=actions(cloudfront="GetDistribution"),
    ),
    Kind(
        name="certificate",
        look=look_at_certificate,
        options=TARGET,
        required=("target",),
        services=("acm",),
        check=must(r"arn:\S+:acm:\S+:certificate/\S+", "the ARN of a certificate of ACM"),
        step=command("acm describe-certificate --certificate-arn {target}"),
        actions=actions(acm="DescribeCertificate"),
    ),
)
