#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: health_report
version_added: 1.0.0
short_description: Write the health report of several environments
description:
  - Puts together what M(pratikoai.mcp_servers.health) found out about each environment, and writes it as JSON and as
    one HTML page that needs nothing but itself - environments across, checks down, the worst first.
  - Keeps the last 50 runs of each environment, for the page's trend and to tell since when a check is as it is.
  - A report is an output of the run and not a state, so the task never reports a change.
options:
  environments:
    description: What was found out, for each environment.
    type: list
    elements: dict
    required: true
    suboptions:
      environment:
        description: Name of the environment.
        type: str
        required: true
      phase:
        description: Its phase.
        type: str
      region:
        description: Its region; none for a developer's machine.
        type: str
      account:
        description: Its account; none for a developer's machine. It is not in the report.
        type: str
      sandbox:
        description: Whether this is the emulated AWS.
        type: bool
        default: false
      checked:
        description: Whether checks could run. Where all results are V(unknown), none could, whatever this says.
        type: bool
        default: true
      results:
        description: Results in the shape of M(pratikoai.mcp_servers.health). One whose status is none of its four
          counts as V(unknown).
        type: list
        elements: dict
        default: []
      failure:
        description: Why the environment could not be looked at.
        type: str
      previous:
        description:
          - The RV(runs) of the run before. Of it only what is as this module writes it is believed.
          - What the copy in O(directory) has beside it is added.
        type: dict
  directory:
    description: Folder of the two files, and of a copy of each environment's runs in a folder of its name.
    type: path
    required: true
  name:
    description: Name of the two files, without C(.json) and C(.html).
    type: str
    default: health
  copy_directory:
    description: Folder for a copy of the JSON (C(health.json)), the table (C(health.txt)), the path of the page
      (C(page)) and the exit status (C(exit-status)), for a script that waits for exactly this run.
    type: path
notes:
  - Supports C(check_mode); then nothing is written.
  - It asks nobody anything.
  - An action plugin of the same name runs the same code inside C(ansible-playbook) and shows a table.
author: PratikoAI (@pratikoai)
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
"""

EXAMPLES = r"""
- name: Look
  pratikoai.mcp_servers.health:
    environment: production
    probes:
      - name: health
        kind: http
        url: https://mcp.example.com/health
  register: look

- name: Write the report
  pratikoai.mcp_servers.health_report:
    environments:
      - environment: production
        phase: production
        region: us-east-1
        results: "{{ look.results }}"
    directory: reports
"""

RETURN = r"""
report:
  description: What the JSON file has.
  returned: success
  type: dict
  contains:
    timestamp:
      description: When it was made, ISO 8601, UTC.
      type: str
      sample: "2026-11-23T07:00:00Z"
    status:
      description: The worst status of all checks.
      type: str
      sample: warning
    total_checks:
      description: The number of checks, the sum of the four counts.
      type: int
      sample: 31
    critical_issues:
      description: How many are critical.
      type: int
      sample: 0
    warning_issues:
      description: How many are a warning.
      type: int
      sample: 1
    unknown_checks:
      description: How many are unknown.
      type: int
      sample: 2
    healthy_services:
      description: How many are healthy.
      type: int
      sample: 28
    exit_status:
      description: How C(scripts/health-check.sh) ends. V(2) for anything critical, else V(3) for an environment where
        no check could run, else V(1) for anything that is not healthy, else V(0).
      type: int
      sample: 1
    environments:
      description: Each environment as a whole, with its last runs.
      type: list
      elements: dict
      sample:
        - environment: production
          phase: production
          status: warning
          checked: true
          why: ""
          region: us-east-1
          sandbox: false
          runs: [{at: "2026-11-23T07:00:00Z", statuses: {mcp: healthy}}]
    results:
      description: All checks, the worst first.
      type: list
      elements: dict
      sample:
        - environment: production
          check: mcp
          kind: mcp
          status: healthy
          latency_ms: {p50: 71.2, p95: 84.1}
          evidence: "POST https://mcp.example.com/mcp: server/discover, tools/list (9 tools) ok"
          since: "2026-11-20T07:00:00Z"
          next_step: ""
path:
  description: The JSON file.
  returned: success
  type: str
  sample: reports/health.json
page:
  description: The page.
  returned: success
  type: str
  sample: reports/health.html
runs:
  description: For each environment the document of its last 50 runs, to be kept for the next one.
  returned: success
  type: dict
  sample:
    production:
      format: 1
      runs: [{at: "2026-11-23T07:00:00Z", statuses: {mcp: healthy}}]
      since: {mcp: {status: healthy, since: "2026-11-20T07:00:00Z"}}
"""

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import run_module
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_report import ARGUMENT_SPEC, run


def main() -> None:
    """Run as a module."""
    run_module(ARGUMENT_SPEC, run)


if __name__ == "__main__":
    main()
