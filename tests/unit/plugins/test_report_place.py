# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a summary says of staging's certificate, image and stand-ins."""

from __future__ import annotations

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import report_place

USED = [{"stands_for": "EC2 instances", "stand_in": "processes", "missing": "their user data was not run"}]


def test_a_certificate_of_our_own_is_said_loudly() -> None:
    (line,) = report_place.address_lines({"tls_floor": "TLSv1.2", "ca_file": "reports/staging/ca.pem"})
    assert "NO PUBLIC AUTHORITY" in line
    assert "reports/staging/ca.pem" in line and "NODE_EXTRA_CA_CERTS" in line and "mcp_domain" in line


def test_a_newer_image_is_named_and_an_equal_one_is_not() -> None:
    assert report_place.image_lines({"in_use": "ami-1", "newest": "ami-1"}) == []
    assert report_place.image_lines({"in_use": "ami-1", "newest": ""}) == []
    (line,) = report_place.image_lines({"in_use": "ami-1", "newest": "ami-2"})
    assert "ami-1; a newer one is ami-2" in line and "-e mcp_new_image=true" in line


def test_stand_ins_come_before_what_is_not_there() -> None:
    said = report_place.not_available({"phase": "staging", "stand_ins": USED})
    assert said[0] == "EC2 instances: processes; their user data was not run"
    assert any("IAM" in line for line in said[1:])
    assert not any("CDN" in line or "Lambda" in line for line in said)


def test_production_has_its_own_list() -> None:
    assert any("Lambda" in line for line in report_place.not_available({"phase": "production"}))
