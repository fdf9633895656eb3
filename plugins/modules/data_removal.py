#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: data_removal
version_added: 0.1.0
short_description: Remove tables, buckets and secrets that outlived their stack, after a final backup
description:
  - Removes the stateful resources that CloudFormation retained when their stack was deleted.
  - Nothing is deleted before every backup of the call exists and is verified. A table gets an on-demand backup, which
    must be C(AVAILABLE) and of the table as it is now. Of a bucket every current object is copied on the side of S3;
    then both are listed again and compared, object by object, in name and size.
  - A secret is deleted at once and without a backup, because the next deploy makes a new value; its name is free
    again when the task ends.
  - A resource that does not exist counts as removed. A run that was killed is completed by the next one. That one
    backs up what it still finds, so with another O(backup_prefix) the backup of the killed run stays where it was,
    as the file C(backups-<time>.json) in its O(backup_prefix) tells.
  - While a bucket is emptied, a version that was overwritten or deleted before never becomes current again.
  - Names must begin with C(mcp-<environment>-), so that no variable can lead it to another environment.
  - Stop what writes first, for example by deleting the stack C(app); an object that is written during the backup
    stops the run before anything is deleted.
  - Backups are billed until somebody deletes them, a table's by DynamoDB and the copies by S3.
author: PratikoAI (@pratikoai)
options:
  environment:
    description: Name of the environment; part of every name.
    type: str
    required: true
  tables:
    description: Names of DynamoDB tables.
    type: list
    elements: str
    default: []
  buckets:
    description: Names of buckets.
    type: list
    elements: str
    default: []
  secrets:
    description: Names or ARNs of secrets in Secrets Manager.
    type: list
    elements: str
    default: []
  backup:
    description:
      - Whether to make backups.
      - V(false) is only for buckets that are the backup themselves, such as the state bucket when the foundation is
        removed; it is refused together with O(tables).
    type: bool
    default: true
  backup_bucket:
    description:
      - Bucket for the copies; it must exist, and must not be one of O(buckets).
      - Required with O(buckets), unless O(backup=false).
    type: str
  bucket_owner:
    description:
      - Account that has to own the buckets. Their names can be guessed, so somebody else could have taken one.
    type: str
  backup_prefix:
    description:
      - Where in O(backup_bucket) the copies go, each below the name of its bucket.
      - Required with O(backup_bucket).
    type: str
notes:
  - In check mode it says what would be removed and where the backup would be. It counts the objects of a bucket by
    listing them; of a table it knows what DynamoDB last counted, up to six hours ago.
  - CopyObject takes an object's headers and tags along. An object over 5 GB is copied in parts, with its headers but
    without its tags.
  - When AWS refuses something after the backups, RV(backups) and RV(removed) are in the failed result, too.
  - "IAM actions, on tables and backups: dynamodb:DescribeTable, dynamodb:CreateBackup, dynamodb:DescribeBackup,
    dynamodb:UpdateTable, dynamodb:DeleteTable."
  - "IAM actions, on the buckets: s3:ListBucket, s3:ListBucketVersions, s3:ListBucketMultipartUploads, s3:GetObject,
    s3:GetObjectTagging, s3:DeleteObject, s3:DeleteObjectVersion, s3:AbortMultipartUpload, s3:DeleteBucket; on the
    backup bucket: s3:ListBucket, s3:PutObject, s3:PutObjectTagging."
  - "IAM actions, on the secrets: secretsmanager:DescribeSecret, secretsmanager:DeleteSecret."
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
"""

EXAMPLES = r"""
- name: Remove an environment's data
  pratikoai.mcp_servers.data_removal:
    environment: production
    tables:
      - mcp-production-documents
    buckets:
      - mcp-production-files-123456789012-us-east-1
    secrets:
      - mcp-production-request-state
      - mcp-production-origin
    backup_bucket: mcp-production-state-123456789012-us-east-1
    backup_prefix: final-backup/20261122T150000Z-a1b2c3
  register: production__removal

- name: Remove the state bucket with all the backups in it
  pratikoai.mcp_servers.data_removal:
    environment: production
    buckets:
      - mcp-production-state-123456789012-us-east-1
    backup: false
"""

RETURN = r"""
backups:
  description: The verified backups; in check mode those that would be made.
  returned: success
  type: list
  elements: dict
  contains:
    resource:
      description: Name of what was backed up.
      returned: success
      type: str
      sample: mcp-production-documents
    kind:
      description: Either C(table) or C(bucket).
      returned: success
      type: str
      sample: table
    target:
      description:
        - ARN of the table's backup, or the address of the bucket's copy.
        - In check mode a table's backup has no ARN yet; it is V(backup) and its name then.
      returned: success
      type: str
      sample: arn:aws:dynamodb:us-east-1:123456789012:table/mcp-production-documents/backup/01795361922143-05ccbf2f
    objects:
      description: Number of objects; of a table the number of items that DynamoDB last counted, up to six hours ago.
      returned: success
      type: int
      sample: 1100
    bytes:
      description: Size in bytes.
      returned: success
      type: int
      sample: 5242880
removed:
  description: What was removed, in this order; in check mode what would be.
  returned: success
  type: list
  elements: dict
  contains:
    resource:
      description: Name or ARN as it was given.
      returned: success
      type: str
      sample: mcp-production-documents
    kind:
      description: One of C(table), C(bucket) and C(secret).
      returned: success
      type: str
      sample: table
"""

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import run_module
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.data_removal import ARGUMENT_SPEC, SPEC_OPTIONS, run


def main() -> None:
    """Run as a module."""
    run_module(ARGUMENT_SPEC, run, **SPEC_OPTIONS)


if __name__ == "__main__":
    main()
