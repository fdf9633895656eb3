#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Look at MCP servers as their clients do, and at what they depend on."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: health
version_added: 0.1.0
short_description: Check MCP servers and what they depend on by using them
description:
  - Runs all probes at once and says of each whether it is C(healthy), C(warning), C(critical) or C(unknown).
  - A probe of kind V(mcp) is a real round trip of the Model Context Protocol, revision 2026-07-28
    (C(server/discover), C(tools/list) and, if wanted, C(tools/call)); where the server is of the era before that
    revision, the C(initialize) handshake is used. The evidence says which of the two answered.
  - Without data a check is C(unknown), never C(healthy). A server that does not answer, or answers wrongly, is
    C(critical). A probe that could not look, for example because the token expired, a name does not resolve, or AWS
    refuses its credentials, is C(unknown).
  - No probe hides another. One that hangs is left behind at O(deadline); one whose options are wrong (an unknown kind,
    a misspelt or contradicting option) is C(unknown) and says so, the others run, and then the task fails. So it is
    with a wrong O(deadline) or O(thresholds), whose result is named after the option.
  - It only reads, also in check mode. TLS certificates are always verified. It asks AWS only what is free or
    practically free.
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
          - V(mcp) talks MCP to the endpoint, V(http) sends one request, V(tcp) connects to O(probes[].host) and
            O(probes[].port).
          - V(authorizer) invokes an API Gateway REQUEST authorizer with the token and a wrong origin header. It has to
            deny by a policy, which it can only do after it read the issuer's keys and the origin secret.
          - V(tls) shakes hands with O(probes[].host) by TLS 1.2 or later and verifies chain and name; the days that
            the certificate has left are judged by C(certificate_days).
          - V(postgres) times C(SELECT 1) in a read-only session; taken connections are judged by
            C(connections_percent). It needs the Python package C(psycopg).
          - V(redis) times C(PING) and tells the memory used. It needs the Python package C(redis).
          - V(prometheus) asks a Prometheus at O(probes[].url) whether it is ready, for targets that are not up
            (C(warning)) and for firing alerts (C(critical) where their severity is, else C(warning); severity none and
            info do not count).
          - All others ask AWS about O(probes[].target).
          - V(stack) is the state of a CloudFormation stack and what drift detection last found.
          - V(overrides) asks nobody. It tells the O(probes[].overrides) in force, which are a C(warning).
          - V(auto_scaling_group) counts the instances in service, V(target_group) the healthy targets of a load
            balancer.
          - V(db_instance) is the state of an RDS instance, V(db_storage) its free storage (C(storage_free_percent)),
            V(db_connections) its connections (C(connections_percent)), V(db_backup) the age of its newest restorable
            state and snapshot (C(backup_hours)).
          - V(function_errors), V(function_latency) and V(function_throttles) judge the measured traffic of a Lambda
            function, V(api_errors) and V(api_latency) of a stage of a REST API, V(balancer_errors) and
            V(balancer_latency) of an Application Load Balancer, over the last C(traffic_window_minutes). With fewer
            calls than C(traffic_minimum_calls) they are C(unknown).
          - V(table) is the state, throttling and protection of a DynamoDB table, V(table_backup) its point-in-time
            recovery, V(bucket) the protection of an S3 bucket.
          - V(distribution) is the state of a CloudFront distribution, V(certificate) of a certificate in ACM,
            V(secret) of a secret's rotation, V(alarms) of the CloudWatch alarms of a stack.
          - V(spend) is what was spent of a budget (C(spend_percent)), V(aws_health) what AWS itself reports about a
            region, which needs a support plan.
        type: str
        choices:
          - mcp
          - http
          - authorizer
          - tcp
          - tls
          - postgres
          - redis
          - prometheus
          - stack
          - overrides
          - auto_scaling_group
          - target_group
          - db_instance
          - db_storage
          - db_connections
          - function_errors
          - function_latency
          - function_throttles
          - api_errors
          - api_latency
          - balancer_errors
          - balancer_latency
          - bucket
          - table
          - distribution
          - certificate
          - alarms
          - aws_health
          - secret
          - spend
          - db_backup
          - table_backup
        default: mcp
      url:
        description:
          - The URL; for O(probes[].kind=mcp) the full endpoint, for O(probes[].kind=prometheus) what its paths follow.
            One with a user or a password is refused.
          - Required for O(probes[].kind=http) and O(probes[].kind=prometheus). For O(probes[].kind=mcp) exactly one of
            O(probes[].url) and O(probes[].lambda) is.
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
      host:
        description:
          - Name or address; required for O(probes[].kind=tcp), O(probes[].kind=tls), O(probes[].kind=postgres) and
            O(probes[].kind=redis).
          - Beyond this machine V(postgres) and V(redis) are spoken over verified TLS only.
        type: str
      port:
        description: Port; required where O(probes[].host) is.
        type: int
      user:
        description: Role for O(probes[].kind=postgres), user of an access list for O(probes[].kind=redis).
        type: str
      database:
        description: Database for O(probes[].kind=postgres); by default that of the user's name.
        type: str
      password_file:
        description:
          - File with the password for O(probes[].kind=postgres) or O(probes[].kind=redis), and nothing else.
          - For O(probes[].kind=postgres) it may be a password file of libpq (C(host:port:database:user:password), mode
            0600).
        type: path
      jobs:
        description:
          - Jobs whose targets O(probes[].kind=prometheus) judges; each has to have one. By default all that there are.
        type: list
        elements: str
        default: []
      target:
        description:
          - What to ask AWS about. The name of the stack, Auto Scaling group, function, REST API, table, bucket or
            secret; the identifier of the database; the id of the distribution; the ARN of the target group or
            certificate; the full name of the load balancer (C(app/NAME/ID)); account and name of the budget
            (C(ACCOUNT:NAME)).
          - For O(probes[].kind=alarms) the name of the stack that has them, for O(probes[].kind=aws_health) a region.
          - Required for every kind that asks AWS.
        type: str
      region:
        description: Region of O(probes[].target), if it is not O(region).
        type: str
      stage:
        description: Stage of the REST API; required for O(probes[].kind=api_errors) and O(probes[].kind=api_latency).
        type: str
      qualifier:
        description: Alias or version whose traffic is judged; by default the whole function's.
        type: str
      account:
        description: Account that has to own the bucket of O(probes[].kind=bucket); one of another is C(critical).
        type: str
      absent:
        description: What O(probes[].kind=stack) says of a stack that does not exist.
        type: str
        choices: [critical, unknown]
        default: critical
      expected:
        description:
          - Names of alarms that ring on purpose, for example while callers get the maintenance answer. For
            O(probes[].kind=alarms) they are C(warning), not C(critical).
        type: list
        elements: str
        default: []
      overrides:
        description: The overrides in force, as they lie in the state; required for O(probes[].kind=overrides).
        type: list
        elements: dict
        default: []
      diverted:
        description: Whether callers get the maintenance answer on purpose, which O(probes[].kind=overrides) tells.
        type: bool
        default: false
      optional:
        description:
          - Whether the check has no result where the account cannot have what it looks for, for example AWS Health
            without a support plan. By default it is C(unknown).
        type: bool
        default: false
      samples:
        description:
          - How many requests to time. The first of several only warms up and does not count.
          - Timed are C(tools/call) where O(probes[].tool) is given, else C(tools/list); or the request, connection,
            handshake, query or C(PING). Nothing is timed where AWS is asked.
        type: int
        default: 1
      warning_ms:
        description: Milliseconds of P95 above which the check is C(warning); by default C(own_p95_ms).
        type: float
      critical_ms:
        description: Milliseconds of P95 above which the check is C(critical).
        type: float
      timeout:
        description:
          - Seconds without a complete answer after which a request is given up; what is left until O(deadline), where
            that is less.
          - A request to AWS has limits of its own (2 seconds to connect, 5 to answer, 3 attempts).
        type: float
        default: 10.0
      attempts:
        description:
          - How often to look at most. Looks again while the check is C(critical) or C(unknown) and O(deadline) is not
            near.
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
  deadline:
    description:
      - Seconds for all probes together. What has not ended by then is C(unknown); nothing waits for it.
      - By default every probe has its own O(probes[].attempts) and O(probes[].timeout). So it is where this is no
        number above 0.
    type: raw
  thresholds:
    description:
      - Limits that differ from the defaults. A value may reach its limit; beyond it the status changes.
      - C(own_p95_ms) (warning 5000) milliseconds of a probe's own requests; C(certificate_days) (warning 30, critical
        7; fewer is worse); C(connections_percent) (80, 95); C(storage_free_percent) (20, 10; less is worse);
        C(traffic_p95_ms) (critical 500); C(traffic_error_percent) (critical 1); C(throttles) (warning 0);
        C(backup_hours) (26, 50); C(secret_overdue_days) (0, 30); C(spend_percent) (80, 100). Each is a dictionary of
        C(warning) and C(critical).
      - C(traffic_minimum_calls) (100) and C(traffic_window_minutes) (60) are numbers.
      - A dictionary. For each limit that is wrong the default is used.
    type: raw
  sandbox:
    description: Whether AWS is emulated. What the emulator does not know is then said to be missing there.
    type: bool
    default: false
notes:
  - O(probes[].lambda) needs the permission C(lambda:InvokeFunction). For one that is C(warning) or C(critical)
    C(lambda:GetFunctionConfiguration) tells the log group; without it the usual one is named.
  - A kind that asks AWS and is refused names the permission that it misses.
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

- name: Look at everything an environment depends on, for a minute at most
  pratikoai.mcp_servers.health:
    environment: production
    deadline: 60
    thresholds:
      certificate_days: {warning: 14}
    probes:
      - name: database
        kind: postgres
        host: 127.0.0.1
        port: 5432
        user: mcp
        database: mcp
        password_file: /etc/mcp/postgres-password
        samples: 4
      - name: certificate
        kind: tls
        host: mcp.example.com
        port: 443
      - name: errors
        kind: function_errors
        target: mcp-production-server
        qualifier: live

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
  description:
    - One entry for each probe, in their order, without those that are optional and not offered.
    - Behind them one each for O(thresholds) and O(deadline), where those are wrong.
  returned: always, also where the task fails
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
    kind:
      description: Kind of the probe.
      type: str
      returned: always
      sample: mcp
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
      description: Since when it is so, UTC, where the source knows; else the time of the observation.
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
