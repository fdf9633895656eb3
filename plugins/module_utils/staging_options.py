# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of the variables of the phase staging, before anything is touched."""

from __future__ import annotations

import ipaddress
import re
import typing as t

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import McpError

# Room for two zones with a public and a database subnet each; AWS takes no network larger than /16.
SMALLEST_PREFIX, LARGEST_PREFIX = 16, 22
# Each is a rule of the load balancer's security group, and CloudFormation cannot loop.
MOST_CIDRS = 5
# RDS: gp3 from 20 GB, automated backups for at most 35 days (AWS quotas, 2026-11).
SMALLEST_STORAGE_GB, LARGEST_STORAGE_GB = 20, 65536
LONGEST_BACKUP_DAYS = 35
ENGINE_VERSION = re.compile(r"1[4-9]")
INSTANCE_TYPE = re.compile(r"[a-z][a-z0-9-]*\.[a-z0-9]+")
CERTIFICATE = re.compile(r"arn:aws[a-z-]*:acm:([a-z0-9-]+):\d{12}:certificate/[0-9a-f-]{36}")
SHORTEST_RELEASE_S, LONGEST_RELEASE_S = 120, 7200
# The image of the instances is for this processor; so is the package.
OTHER_PROCESSOR = re.compile(r"[a-z]+\d+g[a-z]*\.")


def refuse(name: str, value: t.Any, allowed: str, example: str) -> McpError:
    """Return the one error that a wrong variable gets."""
    return McpError(
        f"{name} is '{value}': allowed is {allowed}. Nothing was changed. For example: -e {example}", variable=name
    )


def network_of(name: str, text: str, example: str) -> ipaddress.IPv4Network:
    """Return an address range.

    :raises McpError: it is none
    """
    try:
        return ipaddress.IPv4Network(text)
    except ValueError as error:
        raise refuse(name, text, f"a range of IPv4 addresses ({error})", example) from error


def check_network(values: dict[str, t.Any]) -> None:
    """:raises McpError: AWS would refuse the network, or nobody could call"""
    if "mcp_vpc_cidr" in values:
        example = "mcp_vpc_cidr=10.42.0.0/16"
        network = network_of("mcp_vpc_cidr", values["mcp_vpc_cidr"], example)
        if not (SMALLEST_PREFIX <= network.prefixlen <= LARGEST_PREFIX and network.is_private):
            allowed = f"a private range of /{SMALLEST_PREFIX} to /{LARGEST_PREFIX}"
            raise refuse("mcp_vpc_cidr", values["mcp_vpc_cidr"], allowed, example)
    if "mcp_allowed_cidrs" in values:
        example = '\'{"mcp_allowed_cidrs": ["203.0.113.0/24"]}\''
        if not 1 <= len(values["mcp_allowed_cidrs"]) <= MOST_CIDRS:
            allowed = f"1 to {MOST_CIDRS} ranges, 0.0.0.0/0 for everybody"
            raise refuse("mcp_allowed_cidrs", ", ".join(values["mcp_allowed_cidrs"]), allowed, example)
        for text in values["mcp_allowed_cidrs"]:
            network_of("mcp_allowed_cidrs", text, example)


def check_number(values: dict[str, t.Any], name: str, least: int, most: int, unit: str, example: int) -> None:
    """:raises McpError: a number is out of its range"""
    if name in values and not least <= values[name] <= most:
        raise refuse(name, values[name], f"{least} to {most} {unit}", f"{name}={example}")


def check_instances(values: dict[str, t.Any]) -> None:
    """:raises McpError: the group could not have that many, or the package would not run there"""
    check_number(values, "mcp_instances_min", 1, 20, "instances", 1)
    check_number(values, "mcp_instances_max", 1, 20, "instances", 2)
    least, most = values.get("mcp_instances_min"), values.get("mcp_instances_max")
    if least and most and least > most:
        raise refuse("mcp_instances_min", least, f"at most mcp_instances_max, {most}", f"mcp_instances_min={most}")
    kind = values.get("mcp_instance_type", "t3.micro")
    if not INSTANCE_TYPE.fullmatch(kind) or OTHER_PROCESSOR.match(kind):
        allowed = "an x86-64 type such as t3.micro (types with a g, such as t4g.micro, have another processor)"
        raise refuse("mcp_instance_type", kind, allowed, "mcp_instance_type=t3.small")
    check_number(values, "mcp_release_timeout", SHORTEST_RELEASE_S, LONGEST_RELEASE_S, "seconds", 1800)
    # Below what the lifecycle hook leaves after dnf and the package.
    check_number(values, "mcp_ready_timeout", 10, 600, "seconds", 300)


def check_database(values: dict[str, t.Any]) -> None:
    """:raises McpError: RDS would refuse it, half-way through the deploy"""
    for name in ("mcp_database_storage_gb", "mcp_database_max_storage_gb"):
        check_number(values, name, SMALLEST_STORAGE_GB, LARGEST_STORAGE_GB, "GB", 50)
    # 0 switches the backups off, and with them the way back to a moment.
    check_number(values, "mcp_database_backup_days", 1, LONGEST_BACKUP_DAYS, "days", 7)
    version = values.get("mcp_database_engine_version", "17")
    if not ENGINE_VERSION.fullmatch(version):
        allowed = "a major version of PostgreSQL from 14 on; AWS picks and keeps its minor one"
        raise refuse("mcp_database_engine_version", version, allowed, "mcp_database_engine_version=17")
    kind = values.get("mcp_database_instance_class", "db.t3.micro")
    if not kind.startswith("db.") or not INSTANCE_TYPE.fullmatch(kind[3:]):
        allowed = "a class such as db.t3.micro"
        raise refuse("mcp_database_instance_class", kind, allowed, "mcp_database_instance_class=db.t3.small")


def check_certificate(values: dict[str, t.Any]) -> None:
    """:raises McpError: the load balancer could not take the certificate, or clients would not know its name"""
    arn = values.get("mcp_certificate_arn")
    if not arn:
        return
    found = CERTIFICATE.fullmatch(arn)
    if not found or found[1] != values["mcp_region"]:
        allowed = f"the ARN of a certificate of ACM in {values['mcp_region']}, where the load balancer is"
        listing = f"aws acm list-certificates --region {values['mcp_region']}"
        raise refuse("mcp_certificate_arn", arn, f"{allowed}. List them: {listing}", "mcp_certificate_arn=arn:...")
    if not values.get("mcp_domain"):
        raise McpError(
            "mcp_certificate_arn is set but mcp_domain is not: allowed is a certificate together with the domain that "
            "clients call and that it is made out to. Nothing was changed. For example: -e mcp_domain=mcp.example.com",
            variable="mcp_domain",
        )


def check_name(values: dict[str, t.Any]) -> None:
    """:raises McpError: AWS would refuse the environment's name for a load balancer or a database, half-way"""
    name = values.get("mcp_environment", "")
    if name.endswith("-") or "--" in name:
        raise McpError(
            f"The environment is called '{name}': in phase staging allowed are names without a hyphen at their end and "
            "without two in a row, because RDS and load balancers take no others. Nothing was changed. Rename the host "
            "in the inventory.",
            variable="mcp_environment",
        )


def check_server(values: dict[str, t.Any]) -> None:
    """:raises McpError: a setting that instances behind a load balancer do not offer"""
    if values.get("mcp_sessions"):
        allowed = "false in phase staging: the load balancer sends each call to any instance"
        raise refuse("mcp_sessions", "true", allowed, "mcp_sessions=false")
    if values.get("mcp_secret_store", "secretsmanager") != "secretsmanager":
        allowed = "secretsmanager in phase staging, where RDS keeps the database's master password as well"
        raise refuse("mcp_secret_store", values["mcp_secret_store"], allowed, "mcp_secret_store=secretsmanager")


def check_values(values: dict[str, t.Any]) -> None:
    """Check every variable that only this phase reads.

    :param values: the validated variables with their types
    :raises McpError: the first that is wrong
    """
    for check in (check_name, check_network, check_instances, check_database, check_certificate, check_server):
        check(values)
