# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether an HTTP answer is the expected one."""

from __future__ import annotations

import json
import shlex
import typing as t

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.http_probe import (
    Finding,
    Reply,
    Send,
    measure,
    parse_json,
    plain_url,
    shorten,
)


def differences(expected: t.Any, actual: t.Any, path: str = "") -> list[str]:
    """Return where ``actual`` lacks or contradicts ``expected`` (dictionaries are compared as subsets)."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        found: list[str] = []
        for key, value in expected.items():
            where = f"{path}.{key}" if path else str(key)
            found += differences(value, actual[key], where) if key in actual else [f"{where} is missing"]
        return found
    return [] if expected == actual else [f"{path or 'the answer'} is {shorten(json.dumps(actual))}, not {expected!r}"]


def judge_http(reply: Reply, expect_status: int, expect_json: dict[str, t.Any] | None) -> str | None:
    """Return what is wrong with a reply, or None."""
    if reply.status != expect_status:
        return f"{reply.describe()} (expected {expect_status})"
    if not expect_json:
        return None
    try:
        actual = parse_json(reply.body)
    except ValueError:
        return f"{reply.describe()} (expected JSON)"
    wrong = differences(expect_json, actual)
    return f"HTTP {reply.status}: {'; '.join(wrong)}" if wrong else None


def probe_http(send: Send, probe: dict[str, t.Any], token: str | None) -> tuple[list[float], str]:
    """Ask the URL of a probe.

    :returns: milliseconds of the counted requests, and the evidence
    :raises Finding: no answer, or not the expected one
    """
    url, method = plain_url(probe["url"]), probe["method"]
    headers = {"Accept": "application/json, */*;q=0.5"} | ({"Authorization": f"Bearer {token}"} if token else {})
    body = b"{}" if method == "POST" else b""
    headers |= {"Content-Type": "application/json"} if body else {}
    look = f"curl -i {'' if method == 'GET' else f'-X {method} '}{shlex.quote(url)}"
    seen = ""

    def call() -> float:
        nonlocal seen
        reply = send(method, headers, body, None)
        wrong = judge_http(reply, probe["expect_status"], probe["expect_json"])
        if wrong:
            raise Finding("critical", f"{method} {url}: {wrong}", look)
        seen = reply.describe()
        return reply.ms

    times = measure(call, probe["samples"])
    return times, f"{method} {url}: {seen}"
