# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a summary says of an environment's place: its address, its image, and what stands in for what in the sandbox."""

from __future__ import annotations

import typing as t

# Keys of a deployment that its report has where they have a value.
PLACE = ("domain", "dns_records", "tls_floor", "ca_file", "image", "stand_ins")
EVERYWHERE = (
    "IAM: the emulator's permissions prove nothing about AWS's",
    "prices and bills: the emulator has none",
)
SANDBOX_NOT_AVAILABLE = {
    "production": (
        "TLS at the CDN: the front door speaks plain HTTP on loopback",
        "gateway access logs: accepted and not written by the emulator",
        "gateway request validation from CloudFormation: accepted and not done by the emulator",
        "the Lambda runtime: the emulator runs this machine's Python, on this machine's processor",
        "alarms and traces: accepted, but the emulator measures nothing of API, table and CDN and traces nothing",
        *EVERYWHERE,
    ),
    "staging": (
        "alarms: accepted, but the emulator measures nothing of load balancer, instances and database",
        *EVERYWHERE,
    ),
}


def not_available(deployment: dict[str, t.Any]) -> list[str]:
    """Return what of AWS is not there in the sandbox, and what stands in for what."""
    used = [
        f"{item['stands_for']}: {item['stand_in']}; {item['missing']}" for item in deployment.get("stand_ins") or []
    ]
    phase = str(deployment.get("phase"))
    return used + list(SANDBOX_NOT_AVAILABLE.get(phase, SANDBOX_NOT_AVAILABLE["production"]))


def image_lines(image: dict[str, str]) -> list[str]:
    """Say that AWS has published another image than the one in use."""
    if not image.get("in_use") or not image.get("newest") or image["in_use"] == image["newest"]:
        return []
    return [
        f"image:     {image['in_use']}; a newer one is {image['newest']}: the next release takes it, or "
        "-e mcp_new_image=true"
    ]


def address_lines(report: dict[str, t.Any]) -> list[str]:
    """Say which records a domain still needs, and what callers may use as long as there is none."""
    records = report.get("dns_records", [])
    lines = [f"dns:       add {record['name']} {record['type']} {record['value']}" for record in records]
    if any(record["type"] == "CNAME" and record["name"].count(".") == 1 for record in records):
        lines.append("dns:       a name without a part before it takes no CNAME: add an ALIAS or ANAME of that target")
    if report.get("ca_file"):
        lines.append(
            "tls:       NO PUBLIC AUTHORITY KNOWS THIS CERTIFICATE. Clients have to be given its own authority: "
            f"{report['ca_file']} (Claude Code and other Node.js: NODE_EXTRA_CA_CERTS, curl: --cacert). With "
            "mcp_domain they need nothing"
        )
    if report.get("tls_floor") == "TLSv1":
        lines.append("tls:       the CDN's own name also takes TLS 1.0 and 1.1; with mcp_domain the floor is TLS 1.2")
    return lines
