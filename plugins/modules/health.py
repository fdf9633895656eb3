#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Look at MCP servers as their clients do."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: health
version_added: 0.1.0
short_description: Check MCP servers and HTTP endpoints by using them
description:
  - Runs all probes at once and says of each whether it is C(healthy), C(warning), C(critical) or C(unknown).
  - A probe of kind V(mcp) is a real round trip of the Model Context Protocol, revision 2026-07-28
    (C(server/discover), C(tools/list) and, if wanted, C(tools/call)); where the server is of the era before that
    revision, the C(initialize) handshake is used. The evidence says which of the two answered.
  - Without data a check is C(unknown), never C(healthy). A server that does not answer, or answers wrongly, is
    C(critical). A probe that could not look, for example because the token expired or a name does not resolve, is
    C(unknown).
  - It only reads, also in check mode. TLS certificates are always verified.
  - For HTTPS and HTTP the variables E(HTTPS_PROXY), E(HTTP_PROXY) and E(NO_PROXY) are honoured.
  - Where the connection is local it runs inside C(ansible-playbook), without a process of its own.
author:
  - PratikoAI (@pratikoai)
options:
  environment:
    description: Name of the environment, repeated in each result.
    type: str
    required: true
  probes:
    description: What to look at.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the check, unique in the list.
        type: str
        required: true
      kind:
        description:
          - V(mcp) talks MCP to the endpoint, V(http) sends one GET request.
          - V(authorizer) invokes an API Gateway REQUEST authorizer with the token and a wrong origin header. It has to
            deny by a policy, which it can only do after it read the issuer's keys and the origin secret.
        type: str
        choices: [mcp, http, authorizer]
        default: mcp
      url:
        description:
          - The URL; for O(probes[].kind=mcp) the full endpoint.
          - Exactly one of O(probes[].url) and O(probes[].lambda) is required.
        type: str
      token_file:
        description:
          - File with the bearer token, as M(pratikoai.mcp_servers.token) writes it.
          - A token is sent unencrypted to this machine only.
        type: path
      lambda:
        description:
          - Instead of O(probes[].url), for O(probes[].kind=mcp), invoke a function with the event that API Gateway's
            REST proxy integration would pass on. So a version can be asked before it gets any traffic.
          - The request ends with the function's own timeout; an answer later than O(probes[].timeout) is C(critical).
        type: dict
        suboptions:
          function_name:
            description: Name or ARN of the function.
            type: str
            required: true
          qualifier:
            description: Version or alias; without it C($LATEST).
            type: str
          host:
            description: Value of the C(Host) header, because servers check it; required for O(probes[].kind=mcp).
            type: str
      method_arn:
        description: ARN of the method that the authorizer is asked about; required for O(probes[].kind=authorizer).
        type: str
      tool:
        description:
          - Tool to call after it was seen that the server lists its tools. A result with C(isError) is C(critical).
          - Name one that only reads.
        type: str
      arguments:
        description: Arguments of O(probes[].tool).
        type: dict
      expect:
        description: Regular expression that has to be found in the text of the result of O(probes[].tool).
        type: str
      refuse_leaks:
        description:
          - Whether an answer that contains a Python traceback, a private key, an AWS access key, a bearer token, a JWT
            or the very token it was called with is C(critical). The evidence names which, and never repeats it.
          - Found by pattern; not for O(probes[].kind=http).
        type: bool
        default: false
      method:
        description: What O(probes[].kind=http) sends; V(POST) with an empty JSON object as its body.
        type: str
        choices: [GET, POST, DELETE]
        default: GET
      expect_status:
        description: HTTP status that O(probes[].kind=http) expects.
        type: int
        default: 200
      expect_json:
        description:
          - What the JSON body must contain at least. Dictionaries are compared as subsets, all else for equality.
          - For O(probes[].kind=http) only.
        type: dict
      return_json:
        description: Whether to return the JSON that O(probes[].kind=http) got, whatever its status.
        type: bool
        default: false
      samples:
        description:
          - How many requests to time. The first of several only warms up and does not count.
          - Timed are C(tools/call) where O(probes[].tool) is given, else C(tools/list); or the GET request.
        type: int
        default: 1
      warning_ms:
        description: Milliseconds of P95 above which the check is C(warning).
        type: float
      critical_ms:
        description: Milliseconds of P95 above which the check is C(critical).
        type: float
      timeout:
        description: Seconds without a complete answer after which a request is given up.
        type: float
        default: 10.0
      attempts:
        description:
          - How often to look at most. Looks again while the check is C(critical) or C(unknown).
        type: int
        default: 1
      delay:
        description: Seconds between two attempts.
        type: float
        default: 2.0
      ca_file:
        description: File with the CA certificates to trust instead of the system's.
        type: path
      next_step:
        description: What a person should type when the check is not C(healthy); there are sensible defaults.
        type: str
  fail_on:
    description: Statuses that make the task fail after all probes ran. By default it never fails.
    type: list
    elements: str
    choices: [warning, unknown, critical]
    default: []
notes:
  - O(probes[].lambda) needs the permission C(lambda:InvokeFunction). For one that is C(warning) or C(critical)
    C(lambda:GetFunctionConfiguration) tells the log group; without it the usual one is named. Nothing else calls AWS.
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
"""

EXAMPLES = r"""
- name: Make a real round trip after a deployment
  pratikoai.mcp_servers.health:
    environment: production
    probes:
      - name: endpoint
        url: https://d111111abcdef8.cloudfront.net/mcp
        token_file: reports/production/token.json
        tool: list_documents
        samples: 5
        warning_ms: 1000
        critical_ms: 2000
        attempts: 10
      - name: release
        kind: http
        url: https://d111111abcdef8.cloudfront.net/health
        expect_json:
          release: 3f2a9c
    fail_on: [critical, unknown]

- name: Ask a new version before it gets traffic
  pratikoai.mcp_servers.health:
    environment: production
    probes:
      - name: version-7
        lambda:
          function_name: mcp-production-server
          qualifier: "7"
          host: d111111abcdef8.cloudfront.net
        token_file: reports/production/token.json
"""

RETURN = r"""
status:
  description: The worst status of all checks; C(critical) is worse than C(unknown), C(warning) and C(healthy).
  returned: always
  type: str
  sample: healthy
results:
  description: One entry for each probe, in their order.
  returned: always
  type: list
  elements: dict
  contains:
    environment:
      description: Name of the environment.
      type: str
      returned: always
      sample: production
    check:
      description: Name of the probe.
      type: str
      returned: always
      sample: endpoint
    status:
      description: C(healthy), C(warning), C(critical) or C(unknown).
      type: str
      returned: always
      sample: healthy
    latency_ms:
      description: Milliseconds of the timed requests; null when there was no good answer.
      type: dict
      returned: always
      contains:
        p50:
          description: Median.
          type: float
          returned: always
          sample: 41.3
        p95:
          description: 95th percentile, nearest rank.
          type: float
          returned: always
          sample: 55.0
    evidence:
      description: What was sent and what came back.
      type: str
      returned: always
      sample: "POST https://x.example/mcp: server/discover, tools/list (7 tools) ok; MCP 2026-07-28, JSON; p95 55 ms"
    json:
      description: The answer; null where there was none, or it was no JSON.
      type: raw
      returned: when O(probes[].return_json) is true
      sample: {"status": "ready", "checks": []}
    since:
      description: Time of the observation, UTC.
      type: str
      returned: always
      sample: "2026-11-22T03:14:15Z"
    next_step:
      description: What to type; empty when healthy.
      type: str
      returned: always
      sample: ""
"""

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import run_module
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health import ARGUMENT_SPEC, run


def main() -> None:
    run_module(ARGUMENT_SPEC, run)


if __name__ == "__main__":
    main()
