# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measured traffic of the last hour: what callers got, as AWS counted it."""

from __future__ import annotations

import shlex
from collections.abc import Callable

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_aws_common import (
    ANY_NAME,
    NO_EMULATION,
    TARGET,
    aws,
    command,
    must,
    named,
    play,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_aws_metrics import (
    METRIC_ACTIONS,
    p95,
    total,
    window,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_aws_sources import (
    API,
    BALANCER,
    FUNCTION,
    Source,
    function_name,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_aws_words import judged, number, plural
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_kind import Kind, Look, Observation


def logs(look: Look, source: Source) -> str:
    """Return the command that shows what went wrong: the server's log, or that of another function."""
    own = f"mcp-{look.environment}-"
    name = function_name(str(look.probe["target"])) if source is FUNCTION else f"{own}server"
    group = f"/mcp/{look.environment}/{name.removeprefix(own)}" if name.startswith(own) else f"/aws/lambda/{name}"
    return aws(look, "cloudwatch", f"logs tail {shlex.quote(group)} --since 1h --filter-pattern ERROR")


def series(look: Look, source: Source) -> str:
    """Return the command that shows whether CloudWatch knows the place at all."""
    pairs = [f"Name={name},Value={shlex.quote(value)}" for name, value in source.dimensions(look.probe).items()]
    listing = f"cloudwatch list-metrics --namespace {source.namespace} --dimensions {' '.join(pairs)}"
    return aws(look, "cloudwatch", listing)


def is_judged(look: Look, calls: float) -> bool:
    return calls >= look.thresholds.number("traffic_minimum_calls")


def not_judged(look: Look, source: Source, calls: float, told: str = "") -> Observation:
    """Return that there were too few calls to judge."""
    least = number(look.thresholds.number("traffic_minimum_calls"))
    begin = f"{source.what(look)}: {plural(calls, 'call') if calls else 'no calls'} in {window(look)}"
    text = (
        begin
        + (f", fewer than {least}" if calls and not is_judged(look, calls) else "")
        + ": not judged"
        + (f" ({told})" if told else "")
    )
    if look.sandbox and not calls:
        text += f" (measured traffic: {NO_EMULATION})"
    return Observation("unknown", text, next_step=series(look, source))


def look_at_errors(look: Look, source: Source) -> Observation:
    """Judge which part of the calls failed."""
    names = dict.fromkeys((*source.calls, *source.errors))
    counts = {name: total(look, source.metric(look, name)) or 0 for name in names}
    calls, failed = sum(counts[name] for name in source.calls), sum(counts[name] for name in source.errors)
    told = ", ".join(f"{number(counts[name], 0)} {words}" for name, words in source.errors.items() if counts[name])
    if not is_judged(look, calls):
        return not_judged(look, source, calls, told)
    percent = 100 * failed / calls
    text = f"{source.what(look)}: {plural(calls, 'call')} in {window(look)}, {told or 'none failed'}"
    status, passed = judged(look, "traffic_error_percent", percent)
    return Observation(status, f"{text} ({number(percent)} %){passed}", next_step=logs(look, source))


def look_at_latency(look: Look, source: Source) -> Observation:
    """Judge how long the slowest twentieth of the calls took."""
    metric = source.metric(look, source.time)
    calls = total(look, metric, "SampleCount") or 0
    if not is_judged(look, calls):
        return not_judged(look, source, calls)
    slowest = p95(look, metric)
    if slowest is None:
        return not_judged(look, source, calls, f"P95: {NO_EMULATION}" if look.sandbox else "CloudWatch has no P95")
    ms = slowest * source.to_ms
    text = f"{source.what(look)}: P95 {number(ms, 1)} ms of {plural(calls, 'call')} in {window(look)}{source.note}"
    status, passed = judged(look, "traffic_p95_ms", ms)
    return Observation(status, text + passed, next_step=logs(look, source))


def look_at_throttles(look: Look, source: Source) -> Observation:
    """Judge how many calls Lambda refused, because too many ran at once; those are none of its calls."""
    refused = total(look, source.metric(look, "Throttles")) or 0
    calls = total(look, source.metric(look, "Invocations")) or 0
    if not calls and not refused:
        return not_judged(look, source, 0)
    text = f"{source.what(look)}: {plural(refused, 'call')} refused beside {number(calls, 0)} taken in {window(look)}"
    status, passed = judged(look, "throttles", refused)
    return Observation(status, text + passed, next_step=play(look, "limits"))


def traffic(
    name: str, look: Callable[[Look, Source], Observation], source: Source, option: str = "", required: bool = False
) -> Kind:
    """Return a kind that judges measured traffic.

    :param option: what it takes besides the target
    """
    check = must(r"app/\S+/\w+", "app/NAME/ID, as its metrics name it") if source is BALANCER else ANY_NAME
    return Kind(
        name=name,
        look=lambda found: look(found, source),
        options=TARGET | ({option} if option else frozenset()),
        required=("target", option) if required else ("target",),
        services=("cloudwatch",),
        check=check,
        step=command(f"cloudwatch list-metrics --namespace {source.namespace}"),
        actions=METRIC_ACTIONS,
    )


KINDS = named(
    traffic("function_errors", look_at_errors, FUNCTION, "qualifier"),
    traffic("function_latency", look_at_latency, FUNCTION, "qualifier"),
    traffic("function_throttles", look_at_throttles, FUNCTION, "qualifier"),
    traffic("api_errors", look_at_errors, API, "stage", required=True),
    traffic("api_latency", look_at_latency, API, "stage", required=True),
    traffic("balancer_errors", look_at_errors, BALANCER),
    traffic("balancer_latency", look_at_latency, BALANCER),
)
