# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the AWS credentials that the AWS SDK would use."""

from __future__ import annotations

DOCUMENTATION = r"""
name: aws_credentials
version_added: "0.1.0"
author: PratikoAI (@pratikoai)
short_description: Read the AWS credentials that the AWS SDK would use here
description:
  - Returns one dictionary with C(access_key), C(secret_key) and C(token) as they are at this moment.
  - They are secret. Use it in tasks with C(no_log) alone.
options:
  _terms:
    description: Nothing.
  profile:
    description: Profile of the AWS configuration; the default is the usual chain.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Hand the credentials to a server on this machine
  ansible.builtin.template:
    src: aws-credentials.j2
    dest: aws-credentials
    mode: "0600"
  no_log: true
"""

RETURN = r"""
_raw:
  description: The credentials.
  type: list
  elements: dict
"""

import typing as t

from ansible.errors import AnsibleError
from ansible.plugins.lookup import LookupBase


class LookupModule(LookupBase):
    """Lookup plugin."""

    def run(self, terms: list[str], variables: t.Any = None, **kwargs: t.Any) -> list[dict[str, t.Any]]:
        """Return the credentials.

        :raises AnsibleError: there are none
        """
        import boto3
        from botocore.exceptions import BotoCoreError

        self.set_options(var_options=variables, direct=kwargs)
        try:
            found = boto3.session.Session(profile_name=self.get_option("profile") or None).get_credentials()
            frozen = found.get_frozen_credentials() if found else None
        except BotoCoreError as error:
            raise AnsibleError(f"The AWS credentials cannot be read: {error}") from error
        if frozen is None:
            raise AnsibleError(
                "mcp_local_s3_bucket is set, and no AWS credentials were found. Set AWS_PROFILE (check with: aws sts "
                "get-caller-identity), or leave the variable out for the emulated S3."
            )
        return [{"access_key": frozen.access_key, "secret_key": frozen.secret_key, "token": frozen.token}]
