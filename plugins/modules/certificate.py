#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: certificate
version_added: 0.1.0
short_description: Keep the certificate of an environment's own domain
description:
  - Asks ACM for a public certificate with DNS validation, and finds it again by its tags. It is free, and ACM renews it
    as long as the validation record stays in DNS.
  - For a CDN it works in C(us-east-1), whatever the region, because CloudFront takes certificates from nowhere else.
  - With O(hosted_zone_id) it writes the validation record into that zone and waits for the certificate, at most
    O(wait_timeout) seconds. Without it nothing is waited for; RV(validation_records) says what to add where the
    domain's DNS is hosted.
  - One that ACM could not validate in time is replaced by a new request. One that ACM refused for good is an error
    that names the reason.
  - With O(state=absent) it removes the environment's certificates that nothing uses. It never removes one without the
    environment's tags. The validation record stays, because every certificate of that name in the account shares it.
  - In check mode it reads only and tells what it would do.
author: PratikoAI (@pratikoai)
options:
  environment:
    description: Name of the environment; part of the tags by which its certificates are found.
    type: str
    required: true
  domain:
    description:
      - The domain. Required with O(state=present).
      - With O(state=absent) only certificates of this domain are removed; without it all of the environment.
    type: str
  serves:
    description: What serves the domain; the certificate of a V(load_balancer) lives in its own region.
    type: str
    choices: [cdn, load_balancer]
    default: cdn
  given_arn:
    description: Certificate of one's own, imported or asked for elsewhere. Nothing is asked of ACM then.
    type: str
  hosted_zone_id:
    description: Public Route 53 zone of the domain, when this account has it.
    type: str
  distribution_domain:
    description:
      - The own name of the distribution or load balancer, to which the domain has to lead before it counts as ready.
      - Leave it out before there is one.
    type: str
    aliases: [address]
  distribution_id:
    description: Distribution that is removed in the same run; check mode then does not count it as a user.
    type: str
  current_arn:
    description:
      - Certificate with which the distribution serves the domain now.
      - The domain then stays ready, and its address records are not taken for somebody else's.
    type: str
  dns_lookup:
    description: Whether to look in DNS where the domain leads. V(false) is for a sandbox, where no domain resolves.
    type: bool
    default: true
  tags:
    description: Further tags of a new certificate.
    type: dict
    default: {}
  wait_timeout:
    description: Seconds to wait for the certificate with O(hosted_zone_id), and for its last user with O(state=absent).
    type: int
    default: 300
  state:
    description: Whether the certificate shall be there.
    type: str
    choices: [present, absent]
    default: present
notes:
  - "IAM actions, in us-east-1 or the region of the load balancer: acm:ListCertificates and acm:RequestCertificate on
    C(*); acm:DescribeCertificate, acm:ListTagsForCertificate, acm:AddTagsToCertificate and acm:DeleteCertificate on the
    account's certificates."
  - "IAM actions, with a zone: route53:GetHostedZone, route53:ListResourceRecordSets and
    route53:ChangeResourceRecordSets on it."
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
"""

EXAMPLES = r"""
- name: Ask for the certificate and prove the domain by Route 53
  pratikoai.mcp_servers.certificate:
    environment: production
    domain: mcp.example.com
    hosted_zone_id: Z0123456789ABCDEFGHIJ
  register: production__certificate

- name: Remove the environment's certificates
  pratikoai.mcp_servers.certificate:
    environment: production
    state: absent
"""

RETURN = r"""
arn:
  description:
    - The certificate; empty in check mode before there is one.
    - While the one in use is not valid and another one waits for its validation, the one in use.
  returned: when O(state=present)
  type: str
  sample: arn:aws:acm:us-east-1:123456789012:certificate/0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0
status:
  description: What ACM says of it, or C(ABSENT) in check mode before there is one.
  returned: when O(state=present)
  type: str
  sample: ISSUED
ready:
  description: Whether clients may be sent to the domain, because it is proven and leads to the distribution.
  returned: when O(state=present)
  type: bool
  sample: true
address_in_place:
  description: Whether the domain leads to the distribution, or will by a record of O(hosted_zone_id).
  returned: when O(state=present)
  type: bool
  sample: true
validation_records:
  description: The records that prove the domain to ACM, now and at every renewal.
  returned: when O(state=present)
  type: list
  elements: dict
  sample:
    - name: _3f2a9c.mcp.example.com
      type: CNAME
      value: _7d1b55.jkddzztszm.acm-validations.aws
removed:
  description: What was removed; in check mode what would be.
  returned: when O(state=absent)
  type: list
  elements: dict
  sample:
    - resource: arn:aws:acm:us-east-1:123456789012:certificate/0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0
      kind: certificate
      domain: mcp.example.com
kept:
  description: What stays because it is in use, as RV(removed) with C(in_use_by).
  returned: when O(state=absent)
  type: list
  elements: dict
  sample: []
"""

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.certificate import ARGUMENT_SPEC, SPEC_OPTIONS, run
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import run_module


def main() -> None:
    """Run as a module."""
    run_module(ARGUMENT_SPEC, run, **SPEC_OPTIONS)


if __name__ == "__main__":
    main()
