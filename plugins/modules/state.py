#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: state
version_added: "0.1.0"
short_description: Deploy lock, audit lines and records of an environment
description:
  - Reads and writes what an environment knows about itself, in its state bucket, or in a folder for an environment of
    this machine.
  - The deploy lock is the object C(lock.json), taken by a conditional put. A run that holds it can be replaced at once
    when its process on this same machine is gone, else when its lease is over.
  - Audit lines and records are append-only. Each call adds new objects and changes none. When the bucket does not
    exist, does not answer or does not take them, they are written to O(fallback_dir), a warning says where, and the
    next call that reaches the bucket uploads them.
  - An object that cannot be read, or that a newer version of the collection wrote, is named with what to type; nothing
    is overwritten or deleted.
  - Locks, audit lines and records are bookkeeping, not the environment, so RV(ignore:changed) is always V(false).
  - A bucket that does not exist is no failure (see RV(bucket_exists)). Before the bucket exists, CloudFormation's own
    refusal of a second create is the lock.
options:
  bucket:
    description: Name of the environment's state bucket.
    type: str
  directory:
    description:
      - Folder of the environment's state, for an environment that lives on this machine; in place of O(bucket).
      - There a run whose process lives on this machine keeps the deploy lock, whatever its lease says.
    type: path
  bucket_owner:
    description: Account that has to own O(bucket), whose name anybody could have taken. Without it any may.
    type: str
  environment:
    description: Name of the environment (the inventory host).
    type: str
    required: true
  run_id:
    description: Identifies this run; the same for all its tasks.
    type: str
    required: true
  lock:
    description:
      - V(acquire) takes the deploy lock, or renews it when this run holds it already.
      - V(release) gives it back when this run holds it.
      - V(keep) leaves it alone.
      - In check mode V(acquire) only tells who holds it.
    type: str
    choices: [acquire, release, keep]
    default: keep
  lease:
    description: Seconds until others may take the lock over from a run that died elsewhere.
    type: int
    default: 900
  operator:
    description: Who runs this, for the lock and the audit lines. The default is C(user@host).
    type: str
  command:
    description: What was typed, to be shown to whoever finds the lock held. Leave secrets out.
    type: str
    default: ""
  take_over_run_id:
    description: Takes the lock over from exactly this run, which is known to have ended.
    type: str
  audit:
    description: Audit lines to add.
    type: list
    elements: dict
    default: []
    suboptions:
      what:
        description: What was done.
        type: str
        required: true
      target:
        description: To what it was done.
        type: str
        required: true
      before:
        description: The value before.
        type: raw
      after:
        description: The value after.
        type: raw
  add:
    description: Records to add, each as a new object below C(records/<kind>/).
    type: list
    elements: dict
    default: []
    suboptions:
      kind:
        description: What it records.
        type: str
        required: true
        choices: [release, evidence, plan, undo, override, rotation]
      body:
        description: What happened, as the kind wants it. Leave secrets out.
        type: dict
        required: true
  records:
    description:
      - Kinds of records to read, each with how many of the newest to read (V(0) for all), or with the id of the one to
        read.
      - Records that wait in O(fallback_dir) are among them.
    type: dict
    default: {}
  put:
    description: Keys and the objects to write there as JSON. One that is already there as it should be is left alone.
    type: dict
    default: {}
  get:
    description: Keys of the JSON objects to read.
    type: list
    elements: str
    default: []
  emergency:
    description:
      - Whether to go on where the state cannot be read, with loud warnings, because what the run is about cannot wait.
      - The lock is left out where nobody can tell who holds it; one that somebody holds is still respected. Records
        that cannot be read are skipped, and where S3 does not answer only those in O(fallback_dir) are known. A record
        that is asked for by its id has to be readable all the same.
      - S3 is given up on within seconds instead of minutes, and asked once a run.
    type: bool
    default: false
  fallback_dir:
    description: Folder for audit lines and records that the bucket does not take.
    type: path
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
author:
  - PratikoAI (@pratikoai)
"""

EXAMPLES = r"""
- name: Take the deploy lock and read the release in use
  pratikoai.mcp_servers.state:
    bucket: mcp-production-state-123456789012-us-east-1
    environment: production
    run_id: 20261122T150000Z-4f2a
    command: ansible-playbook deploy.yml -i inventories/production
    lock: acquire
    get: [current.json]
    fallback_dir: reports/production/audit
  register: state

- name: Record a change and give the lock back
  pratikoai.mcp_servers.state:
    bucket: mcp-production-state-123456789012-us-east-1
    environment: production
    run_id: 20261122T150000Z-4f2a
    audit:
      - what: alias moved
        target: mcp-production-app/live
        before: "6"
        after: "7"
    put:
      current.json: {release: 0c1d2e3f4a5b}
    lock: release
    fallback_dir: reports/production/audit

- name: Record how to undo what comes next, and read the ten newest releases
  pratikoai.mcp_servers.state:
    bucket: mcp-production-state-123456789012-us-east-1
    environment: production
    run_id: 20261122T150000Z-4f2a
    add:
      - kind: undo
        body: {command: divert, fields: {stage_deployment: a1b2c3}}
    records: {release: 10}
    fallback_dir: reports/production/audit
  register: state
"""

RETURN = r"""
bucket_exists:
  description: Whether the bucket exists; null when AWS did not answer.
  type: bool
  returned: always
  sample: true
lock:
  description: The lock after an acquire (in check mode the lock that lies there), else null.
  type: dict
  returned: always
  sample:
    environment: production
    run_id: 20261122T150000Z-4f2a
    operator: ada@laptop
    host: laptop
    machine_id: 0a1b2c3d
    pid: 4711
    pid_started: "86021"
    since: "2026-11-22T15:00:00Z"
    lease_until: "2026-11-22T15:15:00Z"
    command: ansible-playbook deploy.yml -i inventories/production
acquired:
  description: Whether this run holds the lock now.
  type: bool
  returned: always
  sample: true
released:
  description: Whether this call gave the lock back.
  type: bool
  returned: always
  sample: false
taken_over_from:
  description: The lock of the run from which the lock was taken over, else null.
  type: dict
  returned: always
  sample: null
objects:
  description: The objects of O(get), null for those that are missing.
  type: dict
  returned: always
  sample: {current.json: {release: 0c1d2e3f4a5b}}
written:
  description: Keys of O(put) whose object differed (in check mode those that would be written).
  type: list
  elements: str
  returned: always
  sample: [current.json]
audit_key:
  description: Key of this call's audit lines, null when it had none or they wait on disk.
  type: str
  returned: always
  sample: audit/2026/11/22/20261122T150000.000000Z-20261122T150000Z-4f2a-0.jsonl
added:
  description: Ids of the records of O(add), in the bucket or waiting on disk; none in check mode.
  type: list
  elements: str
  returned: always
  sample: [20261122-150001-1234f2]
records:
  description: The records of O(records) by kind, newest first.
  type: dict
  returned: always
  sample:
    undo:
      - format: 1
        id: 20261122-150001-1234f2
        kind: undo
        time: "2026-11-22T15:00:01.123Z"
        who: ada@laptop
        environment: production
        run_id: 20261122T150000Z-4f2a
        body: {command: divert, fields: {stage_deployment: a1b2c3}}
unreadable:
  description: Key, kind and reason of each object that was skipped because of O(emergency).
  type: list
  elements: dict
  returned: always
  sample: []
uploaded:
  description: Keys of audit lines and records that had waited on disk and were uploaded by this call.
  type: list
  elements: str
  returned: always
  sample: []
waiting:
  description: Files with audit lines and records that the bucket has not taken yet, of this call and of earlier ones.
  type: list
  elements: str
  returned: always
  sample: []
"""

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import run_module
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.state import ARGUMENT_SPEC, SPEC_OPTIONS, run


def main() -> None:
    run_module(ARGUMENT_SPEC, run, **SPEC_OPTIONS)


if __name__ == "__main__":
    main()
