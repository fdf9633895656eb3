# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Append-only audit lines: one object a call in the state bucket, in a local folder while that is out of reach."""

from __future__ import annotations

import json
import os
import re
import typing as t
from datetime import datetime

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import McpError
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.folder_objects import Folder
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.s3_objects import Bucket

MAX_SAME_NAME = 1000


def audit_name(run_id: str, now: datetime) -> str:
    """Return the name of a call's audit lines: they sort by time, and say which run wrote them."""
    return f"{now:%Y%m%dT%H%M%S.%fZ}-{re.sub(r'[^A-Za-z0-9._-]', '_', run_id)}"


def audit_body(params: dict[str, t.Any], who: str, now: datetime) -> bytes:
    """Write the audit lines of one call as JSONL (empty when there are none)."""
    time = now.isoformat().replace("+00:00", "Z")
    common = {"time": time, "who": who, "environment": params["environment"], "run_id": params["run_id"]}
    wanted = ("what", "target", "before", "after")
    lines = [{**common, **{name: line.get(name) for name in wanted}} for line in params["audit"] or []]
    return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines).encode()


def upload(bucket: Bucket | Folder, name: str, body: bytes) -> str:
    """Add lines to the bucket and return their key; lines that are already there stay once, none is overwritten."""
    day = f"{name[0:4]}/{name[4:6]}/{name[6:8]}"
    for number in range(MAX_SAME_NAME):
        key = f"audit/{day}/{name}-{number}.jsonl"
        if bucket.write(key, body, IfNoneMatch="*", ContentType="application/x-ndjson"):
            return key
        there = bucket.read(key)
        if there and there.body == body:
            return key
    raise McpError(f"No free name for audit lines at {bucket.url(f'audit/{day}/{name}')}: look there, something loops.")


def local_name(name: str) -> str:
    """Return the name of a new local file for lines that the bucket does not take."""
    return f"{name}-{os.getpid()}.jsonl"


def name_of(file_name: str) -> str:
    """Return the name of the lines in a local file.

    :raises ValueError: it is not the name of such a file
    """
    name = file_name.removesuffix(".jsonl").rpartition("-")[0]
    if not re.fullmatch(r"\d{8}T[^/]*", name):
        raise ValueError("its name is not that of audit lines")
    return name


def foreign(body: bytes, environment: str) -> bool:
    """Tell whether lines are about another environment.

    :raises ValueError: these are no audit lines
    """
    try:
        return any(json.loads(line).get("environment", environment) != environment for line in body.splitlines())
    except (AttributeError, RecursionError) as error:
        raise ValueError("not every line is a JSON object") from error
