# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Append-only audit lines: one object a call in the state bucket, in a local folder while that is out of reach."""

from __future__ import annotations

import json
import os
import pathlib
import re
import typing as t
from datetime import datetime

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import McpError
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


def upload(bucket: Bucket, name: str, body: bytes) -> str:
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


def local_folder(fallback_dir: str, bucket: str) -> pathlib.Path:
    """Return the folder of one bucket's waiting lines (a bucket's lines must not land in another's)."""
    return pathlib.Path(fallback_dir).expanduser() / bucket


def save_locally(folder: pathlib.Path, name: str, body: bytes) -> str:
    """Write lines to a new file that only its owner reads, complete or not at all; return its path."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / f"{name}-{os.getpid()}.jsonl"
    part = path.with_suffix(".part")
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as stream:
        stream.write(body)
        stream.flush()
        os.fsync(stream.fileno())
    part.rename(path)
    return str(path)


def upload_waiting(bucket: Bucket, folder: pathlib.Path) -> list[str]:
    """Upload the lines that were written while the bucket was out of reach; return their keys."""
    keys = []
    for path in sorted(folder.glob("*.jsonl")):
        try:
            body = path.read_bytes()
        except FileNotFoundError:  # another run uploads the same folder
            continue
        keys.append(upload(bucket, path.stem.rpartition("-")[0], body))
        path.unlink(missing_ok=True)
    return keys
