# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Three-valued health checks: what was measured, what it says, and what to type next."""

from __future__ import annotations

import json
import math
import re
import time
import typing as t
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from urllib.parse import urlsplit

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import AWS_ERRORS, Context, McpError
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.http_probe import (
    Complete,
    Finding,
    Reply,
    Send,
    http_sender,
    is_loopback,
    plain_url,
    probe_http,
    shorten,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.lambda_probe import (
    function_label,
    lambda_sender,
    probe_authorizer,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.leaks import redact
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.mcp_probe import Conversation, probe_mcp

# From good to bad: no data is worse than slow, a failure is worse than no data.
STATUSES = ("healthy", "warning", "unknown", "critical")
MAX_THREADS = 256

PROBE_SPEC: dict[str, t.Any] = {
    "name": {"type": "str", "required": True},
    "kind": {"type": "str", "choices": ["mcp", "http", "authorizer"], "default": "mcp"},
    "url": {"type": "str"},
    "token_file": {"type": "path", "no_log": False},
    "lambda": {
        "type": "dict",
        "options": {
            "function_name": {"type": "str", "required": True},
            "qualifier": {"type": "str"},
            "host": {"type": "str"},
        },
    },
    "method_arn": {"type": "str"},
    "tool": {"type": "str"},
    "arguments": {"type": "dict"},
    "expect": {"type": "str"},
    "refuse_leaks": {"type": "bool", "default": False},
    "method": {"type": "str", "choices": ["GET", "POST", "DELETE"], "default": "GET"},
    "expect_status": {"type": "int", "default": 200},
    "expect_json": {"type": "dict"},
    "return_json": {"type": "bool", "default": False},
    "samples": {"type": "int", "default": 1},
    "warning_ms": {"type": "float"},
    "critical_ms": {"type": "float"},
    "timeout": {"type": "float", "default": 10.0},
    "attempts": {"type": "int", "default": 1},
    "delay": {"type": "float", "default": 2.0},
    "ca_file": {"type": "path"},
    "next_step": {"type": "str"},
}
ARGUMENT_SPEC: dict[str, t.Any] = {
    "environment": {"type": "str", "required": True},
    "probes": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": PROBE_SPEC,
        "mutually_exclusive": [("url", "lambda")],
        "required_one_of": [("url", "lambda")],
        "required_by": {"arguments": ("tool",), "expect": ("tool",)},
        "required_if": [("kind", "authorizer", ("lambda", "method_arn", "token_file"))],
    },
    "fail_on": {"type": "list", "elements": "str", "choices": list(STATUSES[1:]), "default": []},
}

# What only an answer that is no MCP message can be asked for.
HTTP_ONLY = ("expect_json", "expect_status", "method", "return_json")

Measurement = tuple[list[float], str]


def percentile(values: list[float], share: float) -> float:
    """Return the smallest value that at least ``share`` of the values do not exceed (nearest rank)."""
    return round(sorted(values)[max(math.ceil(share * len(values)) - 1, 0)], 1)


def latency(times: list[float]) -> dict[str, float]:
    """Return p50 and p95 in milliseconds."""
    return {"p50": percentile(times, 0.50), "p95": percentile(times, 0.95)}


def judge_latency(p95: float, warning_ms: float | None, critical_ms: float | None) -> tuple[str, str]:
    """Return the status that a P95 deserves and the limit that it passed."""
    if critical_ms is not None and p95 > critical_ms:
        return "critical", f" over critical_ms={critical_ms:g}"
    if warning_ms is not None and p95 > warning_ms:
        return "warning", f" over warning_ms={warning_ms:g}"
    return "healthy", ""


def worst(statuses: t.Iterable[str]) -> str:
    """Return the worst status; nothing looked at is unknown."""
    return max(statuses, key=STATUSES.index, default="unknown")


def token_step(environment: str) -> str:
    return f"ansible-playbook playbooks/token.yml -i INVENTORY --limit {environment}"


def read_token(path: str | None, environment: str) -> str | None:
    """Return the access token of a token file, or None where no file is given.

    :raises Finding: unknown, because without a usable token nothing can be said about the server
    """
    if not path:
        return None
    step = token_step(environment)
    try:
        with open(path, encoding="utf-8") as file:
            content = json.load(file)
        token, expires_at = content["access_token"], content.get("expires_at")
        expired = bool(expires_at) and datetime.fromisoformat(expires_at) <= datetime.now(UTC)
    except OSError as error:
        raise Finding("unknown", f"token_file {path}: {error.strerror}", step) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Finding("unknown", f"token_file {path}: not a token file ({type(error).__name__})", step) from error
    if expired:
        raise Finding("unknown", f"token_file {path}: the token expired at {expires_at}", step)
    return str(token)


def logs_step(log_group: str) -> str:
    return f"aws logs tail {log_group} --since 15m"


def default_step(probe: dict[str, t.Any]) -> str:
    """Return what to type when the caller did not say: look at the same place by hand."""
    if probe["lambda"]:
        name = probe["lambda"]["function_name"].rpartition(":function:")[2].partition(":")[0]  # of an ARN too
        return logs_step(f"/aws/lambda/{name}")
    if probe["kind"] == "mcp":
        parts = urlsplit(plain_url(probe["url"]))
        return f"curl -i {parts.scheme}://{parts.netloc}/health"
    return f"curl -i {plain_url(probe['url'])}"


def with_log_group(ctx: Context, probe: dict[str, t.Any], step: str) -> str:
    """Return the default step of a function with the log group that it was told to write to, if AWS says it."""
    if not probe["lambda"] or step != default_step(probe):
        return step
    wanted = {"FunctionName": probe["lambda"]["function_name"], "Qualifier": probe["lambda"]["qualifier"]}
    given = {name: value for name, value in wanted.items() if value}
    try:
        config = ctx.client("lambda").get_function_configuration(**given)
    except AWS_ERRORS:
        return step
    log_group = config.get("LoggingConfig", {}).get("LogGroup")
    return logs_step(log_group) if log_group else step


def make_sender(ctx: Context, probe: dict[str, t.Any], next_step: str) -> Send:
    if probe["lambda"]:
        return lambda_sender(ctx.client("lambda"), probe["lambda"], probe["timeout"], next_step)
    return http_sender(probe["url"], probe["timeout"], probe["ca_file"])


def keeping(send: Send, replies: list[Reply]) -> Send:
    """Return a sender that keeps what comes back."""

    def sender(method: str, headers: dict[str, str], body: bytes, complete: Complete | None = None) -> Reply:
        replies.append(send(method, headers, body, complete))
        return replies[-1]

    return sender


def last_json(replies: list[Reply], token: str | None) -> t.Any:
    """Return the last answer; None where there is none, or it is no JSON."""
    try:
        return json.loads(redact(replies[-1].body.decode(), token))
    except (IndexError, ValueError):
        return None


def take(ctx: Context, probe: dict[str, t.Any], token: str | None, replies: list[Reply]) -> Measurement:
    """Look once.

    :param replies: what comes back to a probe of kind http is added here
    :raises Finding: the check is not healthy
    """
    step = default_step(probe)
    if probe["kind"] == "authorizer":
        return probe_authorizer(ctx.client("lambda"), probe, token, step)
    send = make_sender(ctx, probe, step)
    if probe["kind"] == "http":
        return probe_http(keeping(send, replies), probe, token)
    talk = Conversation(send, token, step, token_step(ctx.params["environment"]), refuse_leaks=probe["refuse_leaks"])
    times, seen = probe_mcp(talk, probe)
    place = function_label(probe["lambda"]) if probe["lambda"] else plain_url(probe["url"])
    return times, f"POST {place}: {seen}"


def observe(ctx: Context, probe: dict[str, t.Any]) -> dict[str, t.Any]:
    """Look once and return the result in its published shape."""
    result: dict[str, t.Any] = {
        "environment": ctx.params["environment"],
        "check": probe["name"],
        "latency_ms": None,
        "next_step": "",
    }
    token = None
    replies: list[Reply] = []
    try:
        token = read_token(probe["token_file"], ctx.params["environment"])
        times, seen = take(ctx, probe, token, replies)
        result["latency_ms"] = latency(times)
        p95 = result["latency_ms"]["p95"]
        result["status"], limit = judge_latency(p95, probe["warning_ms"], probe["critical_ms"])
        result["evidence"] = f"{seen}; p95 {p95:g} ms of {len(times)}{limit}"
    except Finding as finding:
        result.update(status=finding.status, evidence=finding.evidence, next_step=finding.next_step)
    if result["status"] != "healthy":
        result["next_step"] = probe["next_step"] or result["next_step"] or default_step(probe)
    # A server may echo what it was sent, and say what it should not.
    result["evidence"] = redact(result["evidence"], token)
    if probe["return_json"]:
        result["json"] = last_json(replies, token)
    result["since"] = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return result


def watch(ctx: Context, probe: dict[str, t.Any]) -> dict[str, t.Any]:
    """Look until the server answers as expected (slowness does not count), at most ``attempts`` times."""
    for attempt in range(1, probe["attempts"] + 1):
        result = observe(ctx, probe)
        if result["status"] in ("healthy", "warning") or attempt == probe["attempts"]:
            break
        ctx.progress(f"{probe['name']}: {result['status']}, attempt {attempt} of {probe['attempts']}")
        time.sleep(probe["delay"])
    if result["status"] != "unknown":  # an AWS that gave no answer is not asked again
        result["next_step"] = with_log_group(ctx, probe, result["next_step"])
    return result


def check_url(probe: dict[str, t.Any]) -> str | None:
    """Return what is wrong with the URL of a probe, or None."""
    try:
        parts = urlsplit(probe["url"])
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        valid = False
    if not valid:
        return f"url={plain_text(probe['url'])} is not an http:// or https:// URL. Correct it"
    if probe["token_file"] and parts.scheme == "http" and not is_loopback(parts.hostname):
        return f"url={plain_url(probe['url'])} would carry the token unencrypted. Use https://, or leave out token_file"
    return None


def plain_text(url: str) -> str:
    return shorten(url.rpartition("@")[2].partition("?")[0])


def check_probe(probe: dict[str, t.Any]) -> str | None:
    """Return what is wrong with a probe's options, or None."""
    for option, least in (("samples", 1), ("attempts", 1), ("timeout", 0.001), ("delay", 0)):
        if not probe[option] >= least:
            return f"{option}={probe[option]:g} is less than {least:g}. Raise it"
    if probe["kind"] == "http" and (probe["lambda"] or probe["tool"] or probe["refuse_leaks"]):
        return "kind=http takes neither lambda, tool nor refuse_leaks. Use kind: mcp, or remove them"
    if probe["kind"] == "mcp" and probe["lambda"] and not probe["lambda"]["host"]:
        return "lambda.host is not set. Name the host that the server allows"
    if probe["kind"] == "authorizer" and probe["tool"]:
        return "kind=authorizer takes no tool. Use kind: mcp, or remove it"
    if probe["kind"] != "http" and any(probe[option] != PROBE_SPEC[option].get("default") for option in HTTP_ONLY):
        return f"kind={probe['kind']} takes no {', '.join(HTTP_ONLY)}. Use kind: http, or remove them"
    wrong = check_pattern(probe["expect"])
    return wrong or (check_url(probe) if probe["url"] is not None else None)


def check_pattern(pattern: str | None) -> str | None:
    """Return what is wrong with a regular expression, or None."""
    try:
        re.compile(pattern or "")
    except re.error as error:
        return f"expect={pattern!r} is not a regular expression ({error}). Correct it"
    return None


def check_probes(probes: list[dict[str, t.Any]]) -> None:
    """Refuse what cannot be meant.

    :raises McpError: naming the probe, the option and its value
    """
    names = [probe["name"] for probe in probes]
    for probe in probes:
        wrong = check_probe(probe)
        if names.count(probe["name"]) > 1:
            wrong = "two probes have this name. Rename one"
        if wrong:
            raise McpError(f"Probe {probe['name']}: {wrong}, and run the same command again.")


def failure_message(results: list[dict[str, t.Any]], fail_on: list[str]) -> str:
    """Return what to tell about the checks whose status is not acceptable; empty when all are."""
    failing = [result for result in results if result["status"] in fail_on]
    lines = [f"{r['check']} is {r['status']}: {r['evidence']}. Next: {r['next_step']}" for r in failing]
    if not lines:
        return ""
    return f"{len(lines)} of {len(results)} checks of {results[0]['environment']} failed. " + "; ".join(lines)


def run(ctx: Context) -> dict[str, t.Any]:
    """Run all probes at once and return their results in the order of the probes."""
    probes = ctx.params["probes"]
    check_probes(probes)
    if any(probe["lambda"] for probe in probes):
        ctx.client("lambda")  # made here: boto3 clients may be shared by threads, but not made in them
    with ThreadPoolExecutor(max_workers=min(len(probes), MAX_THREADS) or 1) as pool:
        results = list(pool.map(lambda probe: watch(ctx, probe), probes))
    outcome = {"status": worst(result["status"] for result in results), "results": results}
    message = failure_message(results, ctx.params["fail_on"])
    if message:
        raise McpError(message, **outcome)
    return {"changed": False, **outcome}
