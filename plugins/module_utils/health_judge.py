# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a look means: an observation, a finding or a failure becomes a result in its published shape."""

from __future__ import annotations

import math
import typing as t
from collections.abc import Sequence
from datetime import UTC, datetime

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import (
    AWS_ERRORS,
    McpError,
    describe_aws_error,
    error_code,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_kind import (
    Finding,
    Kind,
    Look,
    Observation,
    worst,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_thresholds import Thresholds
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.http_probe import shorten
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.leaks import redact

# How AWS's services say that the caller may not; HeadBucket has no more than the number.
REFUSALS = ("AccessDenied", "Unauthorized", "AuthorizationError", "Forbidden", "403")
# How an emulator says that it does not know the operation.
NOT_EMULATED = ("NotImplemented", "NotYetImplemented", "UnknownOperationException", "InvalidAction", "501")


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least ``share`` of the values do not exceed (nearest rank)."""
    return round(sorted(values)[max(math.ceil(share * len(values)) - 1, 0)], 1)


def latency(times: Sequence[float]) -> dict[str, float]:
    """Return p50 and p95 in milliseconds."""
    return {"p50": percentile(times, 0.50), "p95": percentile(times, 0.95)}


def judge_latency(p95: float, probe: dict[str, t.Any], thresholds: Thresholds) -> tuple[str, str]:
    """Return the status that a P95 deserves and the limit that it passed."""
    for status in ("critical", "warning"):
        name, limit = f"{status}_ms", probe[f"{status}_ms"]
        if limit is None:
            name, limit = f"own_p95_ms.{status}", thresholds.limit("own_p95_ms", status)
        if limit is not None and p95 > limit:
            return status, f" over {name}={limit:g}"
    return "healthy", ""


def moment(at: datetime) -> str:
    """Return a time in UTC as results carry it."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def aws_finding(error: Exception, kind: Kind, sandbox: bool) -> Observation:
    """Say what AWS's answer means: nothing is known, and why."""
    code = error_code(error)
    operation = str(getattr(error, "operation_name", ""))
    action = kind.actions.get(operation, operation)
    answer = getattr(error, "response", None) or {}
    if sandbox and (code in NOT_EMULATED or answer.get("ResponseMetadata", {}).get("HTTPStatusCode") == 501):
        return Observation("unknown", f"{operation} is not available on the emulator ({code})")
    if code.startswith(REFUSALS):
        text = f"AWS refuses {action} to these credentials ({code}). Allow it to them"
        return Observation("unknown", text, next_step="aws sts get-caller-identity")
    return Observation("unknown", shorten_middle(describe_aws_error(error)))


def shorten_middle(text: str) -> str:
    """Return a text of one line that fits into evidence twice over: AWS's sentences are longer than a server's."""
    line = " ".join(text.split())
    return line if len(line) <= 500 else line[:497] + "..."


def what_happened(error: BaseException, kind: Kind, sandbox: bool) -> Observation:
    """Return what an exception of a look says about the check."""
    if isinstance(error, Finding):
        return Observation(error.status, error.evidence, next_step=error.next_step, not_offered=error.not_offered)
    if isinstance(error, McpError):
        return Observation("unknown", error.message)
    if isinstance(error, AWS_ERRORS):
        return aws_finding(t.cast("Exception", error), kind, sandbox)
    return Observation("unknown", f"the check itself failed: {type(error).__name__}: {shorten(str(error))}")


def hide(text: str, token: str | None, secrets: Sequence[str]) -> str:
    """Return a text without secrets: a server may echo what it was sent, and say what it should not."""
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, "<password>")
    return redact(text, token)


def empty_result(environment: str, probe: dict[str, t.Any], now: datetime) -> dict[str, t.Any]:
    """Return the result of a check of which nothing is known yet."""
    return {
        "environment": environment,
        "check": probe["name"],
        "kind": str(probe["kind"]),
        "status": "unknown",
        "latency_ms": None,
        "evidence": "",
        "since": moment(now),
        "next_step": "",
    }


def result_of(look: Look, kind: Kind, seen: Observation) -> dict[str, t.Any]:
    """Return what was observed as a result."""
    probe = look.probe
    result = empty_result(look.environment, probe, datetime.now(UTC))
    result.update(status=seen.status, evidence=seen.evidence)
    if seen.since:
        result["since"] = seen.since
    if seen.times:
        result["latency_ms"] = latency(seen.times)
        p95 = result["latency_ms"]["p95"]
        status, limit = judge_latency(p95, probe, look.thresholds)
        result["status"] = worst([seen.status, status])
        result["evidence"] += f"; p95 {p95:g} ms of {len(seen.times)}{limit}"
    result["evidence"] = hide(result["evidence"], look.token, look.secrets)
    if result["status"] != "healthy":
        step = probe["next_step"] or seen.next_step or kind.step(probe)
        result["next_step"] = hide(step, look.token, look.secrets)
    if probe["return_json"]:
        result["json"] = seen.body
    return result


def without_look(
    environment: str, probe: dict[str, t.Any], evidence: str, next_step: str, now: datetime
) -> dict[str, t.Any]:
    """Return the result of a probe that did not look, or not in time."""
    result = empty_result(environment, probe, now)
    result.update(evidence=evidence, next_step=probe["next_step"] or next_step)
    if probe["return_json"] is True:
        result["json"] = None
    return result
