# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A domain's records: those of a Route 53 zone, and what the world's DNS says."""

from __future__ import annotations

import contextlib
import socket
import typing as t

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import (
    AWS_ERRORS,
    Context,
    McpError,
    describe_aws_error,
    error_code,
)

ADDRESS_TYPES = ("A", "AAAA", "CNAME")
CDN_NAMES = ".cloudfront.net"
RECORD_TTL_S = 300

Record = dict[str, str]


def bare(name: str) -> str:
    """Return a DNS name as people write it: lower case, no dot at its end."""
    return name.rstrip(".").lower()


def check_zone(ctx: Context, domain: str, zone_id: str) -> None:
    """Make sure that the zone is the public one of the domain.

    :raises McpError: there is no such zone, or it is another domain's, or private
    """
    look = "List yours with: aws route53 list-hosted-zones --query 'HostedZones[].[Id,Name]' --output text"
    try:
        zone = ctx.client("route53").get_hosted_zone(Id=zone_id)["HostedZone"]
    except AWS_ERRORS as error:
        if error_code(error) not in ("NoSuchHostedZone", "InvalidInput"):
            raise
        raise McpError(
            f"mcp_hosted_zone_id is '{zone_id}': this account has no such zone ({describe_aws_error(error)}). {look}. "
            "Where DNS is hosted elsewhere leave it out: the report then has the records to add there"
        ) from error
    name = bare(zone["Name"])
    if zone.get("Config", {}).get("PrivateZone"):
        raise McpError(
            f"mcp_hosted_zone_id is '{zone_id}', the private zone {name}: allowed is a public one, because clients "
            f"and the certificate's issuer look there. {look}"
        )
    if domain != name and not domain.endswith(f".{name}"):
        raise McpError(
            f"mcp_hosted_zone_id is '{zone_id}', the zone of {name}, but mcp_domain is '{domain}': allowed is {name} "
            f"or a name that ends in .{name}. {look}"
        )


def records_at(ctx: Context, zone_id: str, name: str) -> list[dict[str, t.Any]]:
    """Return the zone's record sets of exactly this name."""
    answer = ctx.client("route53").list_resource_record_sets(HostedZoneId=zone_id, StartRecordName=name)
    return [item for item in answer["ResourceRecordSets"] if bare(item["Name"]) == bare(name)]


def check_address_is_free(ctx: Context, zone_id: str, domain: str) -> None:
    """:raises McpError: the domain already leads somewhere, and a deploy would not be asked to change that"""
    taken = [item for item in records_at(ctx, zone_id, domain) if item["Type"] in ADDRESS_TYPES]
    if taken:
        target = taken[0].get("AliasTarget", {}).get("DNSName") or taken[0]["ResourceRecords"][0]["Value"]
        raise McpError(
            f"mcp_domain is '{domain}', but the zone {zone_id} has a record of that name: {taken[0]['Type']} {target}. "
            "Nothing was changed. Remove it when nobody needs it any more, or choose another mcp_domain, then run the "
            "same command again"
        )


def has_record(ctx: Context, zone_id: str, record: Record) -> bool:
    """Say whether the zone has exactly this record."""
    found = (item for item in records_at(ctx, zone_id, record["name"]) if item["Type"] == record["type"])
    return any([value["Value"] for value in item.get("ResourceRecords", [])] == [record["value"]] for item in found)


def put_record(ctx: Context, zone_id: str, record: Record) -> None:
    """Write one record into the zone."""
    wanted = {
        "Name": record["name"],
        "Type": record["type"],
        "TTL": RECORD_TTL_S,
        "ResourceRecords": [{"Value": record["value"]}],
    }
    batch = {"Comment": "pratikoai.mcp_servers", "Changes": [{"Action": "UPSERT", "ResourceRecordSet": wanted}]}
    ctx.client("route53").change_resource_record_sets(HostedZoneId=zone_id, ChangeBatch=batch)


def addresses_of(name: str) -> set[str]:
    """Return the addresses of a name, as far as the world's DNS knows it."""
    try:
        return set(socket.gethostbyname_ex(name)[2])
    except OSError:
        return set()


def leads_to(domain: str, distribution: str, has_own_addresses: bool = False) -> bool:
    """Say whether the world's DNS sends a domain to the distribution, or to the load balancer.

    A CNAME shows its own name. An ALIAS at the apex of a zone shows addresses only: those of the load balancer; of its
    edge AWS names them in reverse, and no two distributions can hold one domain.

    :param has_own_addresses: whether nobody else has its addresses
    """
    try:
        name, aliases, addresses = socket.gethostbyname_ex(domain)
    except OSError:
        return False
    if bare(distribution) in map(bare, (name, *aliases)):
        return True
    if has_own_addresses and set(addresses) & addresses_of(distribution):
        return True
    for address in addresses:
        with contextlib.suppress(OSError):
            if bare(socket.gethostbyaddr(address)[0]).endswith(CDN_NAMES):
                return True
    return False
