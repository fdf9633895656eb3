# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep a certificate of our own in ACM for a load balancer without a domain, and hand its authority to clients."""

from __future__ import annotations

import datetime
import typing as t

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import own_certificate as own
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.certificate import MANAGED_BY, OWNER_TAGS
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import (
    AWS_ERRORS,
    Context,
    error_code,
)

ARGUMENT_SPEC: dict[str, t.Any] = {
    "environment": {"type": "str", "required": True},
    "names": {"type": "list", "elements": "str", "default": []},
    "arn": {"type": "str"},
    "days": {"type": "int", "default": 365},
    "renew_days": {"type": "int", "default": 30},
    "tags": {"type": "dict", "default": {}},
    "ca_file": {"type": "path"},
    "state": {"type": "str", "choices": ["present", "handed_out", "absent"], "default": "present"},
}
SPEC_OPTIONS: dict[str, t.Any] = {
    "required_if": [("state", "present", ("names",)), ("state", "handed_out", ("arn", "ca_file"))]
}
# Beside the tags of all that is ours: other certificates of the environment are asked for, not imported.
KIND_TAG, KIND = "mcp:certificate", "imported"
GONE = ("ResourceNotFoundException", "InvalidArnException")
# ACM lists RSA certificates alone unless it is told otherwise.
KEY_TYPES = ["EC_prime256v1"]


class Held(t.NamedTuple):
    """A certificate that ACM has."""

    arn: str
    certificate: str
    chain: str


def our_tags(ctx: Context) -> dict[str, str]:
    """Return the tags by which the certificate is found again."""
    return dict(zip((*OWNER_TAGS, KIND_TAG), (str(ctx.params["environment"]), MANAGED_BY, KIND), strict=True))


def is_ours(ctx: Context, arn: str) -> bool:
    """Say whether a certificate is the environment's own, imported one."""
    answer = ctx.client("acm").list_tags_for_certificate(CertificateArn=arn)
    return our_tags(ctx).items() <= {tag["Key"]: tag.get("Value") for tag in answer.get("Tags", [])}.items()


def find_ours(ctx: Context) -> list[str]:
    """Return the ARNs of the environment's imported certificates."""
    pages = ctx.client("acm").get_paginator("list_certificates").paginate(Includes={"keyTypes": KEY_TYPES})
    listed = [item for page in pages for item in page["CertificateSummaryList"]]
    arns = [item["CertificateArn"] for item in listed if item.get("Type", "IMPORTED") == "IMPORTED"]
    return [arn for arn in arns if is_ours(ctx, arn)]


def read(ctx: Context, arn: str) -> Held | None:
    """Return a certificate by its ARN; None where there is none."""
    try:
        answer = ctx.client("acm").get_certificate(CertificateArn=arn)
    except AWS_ERRORS as error:
        if error_code(error) in GONE:
            return None
        raise
    return Held(arn, answer["Certificate"], answer.get("CertificateChain", ""))


def find(ctx: Context) -> Held | None:
    """Return the environment's certificate: what the listener has where that is ours, else what is found by tags."""
    arn = ctx.params["arn"]
    if arn and (held := read(ctx, arn)) and held.chain and is_ours(ctx, arn):
        return held
    return next((held for arn in find_ours(ctx) if (held := read(ctx, arn))), None)


def why_new(ctx: Context, held: Held | None) -> str:
    """Say why a new certificate is needed; an empty text: none is."""
    if held is None:
        return "there is none yet"
    left = own.end_of(held.certificate) - datetime.datetime.now(datetime.UTC)
    if left < datetime.timedelta(days=ctx.params["renew_days"]):
        return f"it ends on {own.end_of(held.certificate):%Y-%m-%d}"
    missing = set(ctx.params["names"]) - own.names_of(held.certificate)
    return f"it is not made out to {', '.join(sorted(missing))}" if missing else ""


def import_new(ctx: Context, held: Held | None) -> Held:
    """Make a certificate and import it, under the ARN of the one before where there is one: nothing else changes."""
    made = own.make(f"mcp-{ctx.params['environment']}", ctx.params["names"], ctx.params["days"])
    tags = [{"Key": key, "Value": str(value)} for key, value in sorted({**ctx.params["tags"], **our_tags(ctx)}.items())]
    which: dict[str, t.Any] = {"CertificateArn": held.arn} if held else {"Tags": tags}
    if held:
        ctx.warn(
            "The load balancer gets a new self-signed certificate. Clients that trust the file of the one before "
            f"cannot call any more until they have the new one: {ctx.params['ca_file'] or 'ca_file'}"
        )
    arn = ctx.client("acm").import_certificate(
        Certificate=made.certificate, PrivateKey=made.key, CertificateChain=made.chain, **which
    )["CertificateArn"]
    return Held(str(arn), made.certificate.decode(), made.chain.decode())


def hand_out(ctx: Context, held: Held) -> None:
    """Write the authority's certificate for clients; it is no secret."""
    if ctx.params["ca_file"] and not ctx.check_mode:
        own.write_for_clients(ctx.params["ca_file"], held.chain)


def describe(held: Held | None, changed: bool, why: str) -> dict[str, t.Any]:
    """Return what is known of the certificate."""
    return {
        "changed": changed,
        "arn": held.arn if held else "",
        "ends": f"{own.end_of(held.certificate):%Y-%m-%d}" if held else "",
        "why": why,
    }


def present(ctx: Context) -> dict[str, t.Any]:
    """Keep a certificate for the names that does not end soon."""
    held = find(ctx)
    why = why_new(ctx, held)
    if why and not ctx.check_mode:
        held = import_new(ctx, held)
    if held:
        hand_out(ctx, held)
    return describe(held, bool(why), why)


def handed_out(ctx: Context) -> dict[str, t.Any]:
    """Write the authority of the certificate that the listener has; nothing where it is another one."""
    held = read(ctx, ctx.params["arn"])
    if held and is_ours(ctx, held.arn):
        hand_out(ctx, held)
    return describe(held, False, "")


def absent(ctx: Context) -> dict[str, t.Any]:
    """Remove the environment's imported certificates; one that is in use stays."""
    removed, kept = [], []
    for arn in find_ours(ctx):
        entry = {"resource": arn, "kind": "certificate"}
        try:
            if not ctx.check_mode:
                ctx.client("acm").delete_certificate(CertificateArn=arn)
            removed.append(entry)
        except AWS_ERRORS as error:
            if error_code(error) != "ResourceInUseException":
                raise
            ctx.warn(f"The certificate {arn} stays, because it is in use.")
            kept.append(entry)
    return {"changed": bool(removed), "removed": removed, "kept": kept}


def run(ctx: Context) -> dict[str, t.Any]:
    """Be the module."""
    if ctx.params["state"] == "absent":
        return absent(ctx)
    own.require_library()
    return present(ctx) if ctx.params["state"] == "present" else handed_out(ctx)
