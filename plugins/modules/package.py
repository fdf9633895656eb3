#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: package
version_added: "0.1.0"
short_description: Build and upload the package of an MCP server
description:
  - Makes a release of an MCP server. Its id is a hash over the server's source, its declared dependencies, the
    runtime and its locked requirements; the same content has the same id on every machine.
  - A release has one package for each target, because compiled wheels differ. Packages are built by pip from wheels
    only, stripped, compiled to bytecode where this machine has the target's Python version, and zipped so that equal
    files give equal bytes.
  - The server's dependencies come from its own C(requirements.lock) when its folder has one (with hashes when it lists
    them), else pip resolves them, preferring the versions that the runtime is locked to. A server that excludes what
    the runtime needs is refused.
  - The entrypoint is imported once, on this machine, and asked what kind of server it is and what that cannot do.
  - boto3, botocore, s3transfer and jmespath are left out, because Lambda's runtime ships them, and so are pip and
    setuptools.
  - A package that the bucket or O(build_dir) has is not built again. What servers need besides their own files is
    installed once for each target and set of versions, those of a lock with hashes or those that pip resolves at the
    time, and the four sets used last are kept in O(build_dir). Packages are the same bytes with it as without.
options:
  source:
    description:
      - The server. The path of a project folder with a C(pyproject.toml), the path of a wheel, C(name==1.2) or
        C(name[extra]==1.2) from the package index, or C(git+https://host/repository@<commit>).
      - What could change under one release id (an unpinned name, a branch, a tag) is refused.
      - In a folder C(tests), C(docs), C(build), C(dist), caches and hidden folders do not count and are not built in.
    type: str
    required: true
  entrypoint:
    description: The object to serve as C(package.module:object). An MCPServer, a FastMCP or an ASGI application.
    type: str
    required: true
  runtime_source:
    description: Folder of the runtime (C(app/) of this collection), with C(pratiko_mcp) and C(requirements.lock).
    type: path
    required: true
  target:
    description:
      - What to build for.
      - V(sandbox) is this machine with O(sandbox_python); its packages are named like C(sandbox-cp311-x86_64).
      - V(local) and V(ec2-sandbox) are this machine too; V(container-arm64) and V(container-x86_64) are Linux with
        O(python_version), and V(ec2-x86_64) is Amazon Linux 2023 with it.
        Nothing that Lambda's runtime ships is left out there, and an HTTP server, the AWS SDK and the clients of
        PostgreSQL and Redis are added, in the versions of C(requirements-local.lock).
    type: str
    required: true
    choices: [lambda-arm64, lambda-x86_64, container-arm64, container-x86_64, ec2-x86_64, sandbox, ec2-sandbox, local]
  sandbox_python:
    description: Interpreter that the emulator runs functions with. The default is the one that runs Ansible.
    type: path
  python_version:
    description: Python version of the Lambda runtime.
    type: str
    default: "3.13"
  build_dir:
    description: Folder of the local cache. It keeps the ten newest releases of each target.
    type: path
    default: ~/.cache/pratikoai-mcp-servers
  bucket:
    description: The environment's state bucket, in which releases lie under C(releases/).
    type: str
  bucket_owner:
    description: Account that has to own O(bucket), whose name anybody could have taken. Without it any may.
    type: str
  max_bytes:
    description:
      - Largest unzipped size of a package in bytes, of one that is there already too. The default is Lambda's limit of
        250 MiB.
    type: int
    default: 262144000
  check_environment:
    description: Environment variables that the server wants when it is imported, for the check that it does import.
    type: dict
    default: {}
  state:
    description:
      - V(present) builds the package when neither the bucket nor O(build_dir) has it.
      - V(unpacked) makes folders to run it from instead of a zip file, without a look into O(bucket). An edit of the
        server costs seconds then.
      - V(uploaded) also uploads it, and needs O(bucket).
    type: str
    choices: [present, unpacked, uploaded]
    default: present
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
  - pratikoai.mcp_servers.deploy_lock
author:
  - PratikoAI (@pratikoai)
"""

EXAMPLES = r"""
- name: Build and upload the release
  pratikoai.mcp_servers.package:
    source: ../my-server
    entrypoint: my_server.main:mcp
    runtime_source: app
    target: lambda-arm64
    bucket: mcp-production-state-123456789012-us-east-1
    state: uploaded
  register: package

- name: Try a server from the package index on this machine
  pratikoai.mcp_servers.package:
    source: my-server==1.2
    entrypoint: my_server:mcp
    runtime_source: app
    target: sandbox
"""

RETURN = r"""
release:
  description: The release.
  type: dict
  returned: always
  contains:
    id:
      description: The release's id, 12 hex digits.
      type: str
      returned: always
      sample: 0c1d2e3f4a5b
    source:
      description: The source, without path and password.
      type: str
      returned: always
      sample: my-server
    entrypoint:
      description: The object that is served.
      type: str
      returned: always
      sample: my_server.main:mcp
    python_version:
      description: Python version of the Lambda runtime.
      type: str
      returned: always
      sample: "3.13"
    packages:
      description:
        - The packages of this release that the bucket has, and the one of O(target).
        - C(bytes) counts the zip file, C(unzipped) what is in it, to which O(max_bytes) applies.
        - C(sha256) and C(bytes) are null when check mode finds that the package would have to be built, and with
          O(state=unpacked), where there is no C(key) either.
      type: list
      elements: dict
      returned: always
      sample:
        - target: lambda-arm64
          sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
          bytes: 13900000
          key: releases/0c1d2e3f4a5b/lambda-arm64.zip
          unzipped: 39800000
          bytecode: true
          server: {kind: MCPServer, sdk: mcp, sdk_version: 2.3.0, eras: [session, stateless]}
          degraded: []
          left_out: [boto3, botocore, jmespath, s3transfer]
    bytecode:
      description: Whether the package of O(target) has bytecode; null when it is not built.
      type: bool
      returned: always
      sample: true
    server:
      description: What the entrypoint is, as its SDK says; null when the package is not built or could not be tried.
      type: dict
      returned: always
      contains:
        kind:
          description:
            - V(MCPServer) of version 2 of the SDK, V(FastMCP) of version 1, V(fastmcp) for the FastMCP of that package,
              V(ASGI) for a plain application, V(other) for an object that makes one by itself.
          type: str
          returned: always
          sample: MCPServer
        sdk:
          description: Distribution of the SDK that the server stands on, null where it stands on none that is known.
          type: str
          returned: always
          sample: mcp
        sdk_version:
          description: Version of this SDK.
          type: str
          returned: always
          sample: 2.3.0
        eras:
          description:
            - Eras of the protocol that the SDK serves. V(session) is every revision through 2025-11-25, V(stateless)
              2026-07-28 and later; null where only the running server knows.
          type: list
          elements: str
          returned: always
          sample: [session, stateless]
    degraded:
      description: What the package of O(target) and its server lack, in words; with check mode what is known before.
      type: list
      elements: str
      returned: always
      sample: []
    left_out:
      description: Distributions that were resolved but left out of the package of O(target).
      type: list
      elements: str
      returned: always
      sample: [boto3, botocore, jmespath, s3transfer]
path:
  description:
    - The zip file in O(build_dir), null when it is not there.
    - With O(state=unpacked) the folder that holds C(app) and C(dependencies).
  type: str
  returned: always
  sample: /home/ada/.cache/pratikoai-mcp-servers/releases/0c1d2e3f4a5b/lambda-arm64/package.zip
"""

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import run_module
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.package import ARGUMENT_SPEC, SPEC_OPTIONS, run


def main() -> None:
    run_module(ARGUMENT_SPEC, run, **SPEC_OPTIONS)


if __name__ == "__main__":
    main()
