#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: imported_certificate
version_added: 0.1.0
short_description: Keep a certificate for a load balancer that has no domain
description:
  - No public authority signs the name that AWS gives a load balancer. So this makes an authority of its own, lets it
    sign one certificate, forgets the authority's key, and imports the certificate with its key into ACM.
  - The keys are made in memory and are never written to a disk. The certificate's own leaves this machine to ACM alone.
  - Clients have to be given the authority's certificate, O(ca_file). It is good for O(names) alone, because nobody
    can sign with it any more.
  - The certificate is found again by its tags, and renewed O(renew_days) before its end under the same ARN. Clients
    then need the new O(ca_file).
  - With O(state=absent) it removes the environment's imported certificates that nothing uses.
  - In check mode it reads only and tells what it would do.
author: PratikoAI (@pratikoai)
options:
  environment:
    description: Name of the environment; part of the tags by which its certificate is found.
    type: str
    required: true
  names:
    description: Host names and addresses that clients call. Required with O(state=present).
    type: list
    elements: str
    default: []
  arn:
    description:
      - Certificate that the listener has now; it is looked at first.
      - Required with O(state=handed_out).
    type: str
  days:
    description: Days that a new certificate is good for.
    type: int
    default: 365
  renew_days:
    description: A certificate that ends within so many days is renewed.
    type: int
    default: 30
  tags:
    description: Further tags of a new certificate.
    type: dict
    default: {}
  ca_file:
    description: File for the authority's certificate. Writing it is no change of the environment.
    type: path
  state:
    description:
      - V(present) keeps a certificate and hands its authority out.
      - V(handed_out) only writes O(ca_file), from the certificate O(arn); of a certificate that is not ours it writes
        nothing.
      - V(absent) removes it.
    type: str
    choices: [present, handed_out, absent]
    default: present
notes:
  - "IAM actions: acm:ListCertificates and acm:ImportCertificate on C(*); acm:GetCertificate,
    acm:ListTagsForCertificate, acm:AddTagsToCertificate and acm:DeleteCertificate on the account's certificates."
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
"""

EXAMPLES = r"""
- name: Keep a certificate for the load balancer's own name
  pratikoai.mcp_servers.imported_certificate:
    environment: staging
    names: [mcp-staging-1234567890.us-east-1.elb.amazonaws.com]
    ca_file: reports/staging/ca.pem
  register: staging__own_certificate

- name: Remove it
  pratikoai.mcp_servers.imported_certificate:
    environment: staging
    state: absent
"""

RETURN = r"""
arn:
  description: The certificate; empty in check mode before there is one.
  returned: unless O(state=absent)
  type: str
  sample: arn:aws:acm:us-east-1:123456789012:certificate/0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0
ends:
  description: The day on which it ends.
  returned: unless O(state=absent)
  type: str
  sample: "2027-11-22"
why:
  description: Why a new one was made, or would be in check mode; empty where none was needed.
  returned: unless O(state=absent)
  type: str
  sample: it ends on 2026-12-01
removed:
  description: What was removed; in check mode what would be.
  returned: when O(state=absent)
  type: list
  elements: dict
  sample:
    - resource: arn:aws:acm:us-east-1:123456789012:certificate/0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0
      kind: certificate
kept:
  description: What stays because it is in use, as RV(removed).
  returned: when O(state=absent)
  type: list
  elements: dict
  sample: []
"""

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import run_module
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.imported_certificate import (
    ARGUMENT_SPEC,
    SPEC_OPTIONS,
    run,
)


def main() -> None:
    """Run as a module."""
    run_module(ARGUMENT_SPEC, run, **SPEC_OPTIONS)


if __name__ == "__main__":
    main()
