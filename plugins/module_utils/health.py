# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Three-valued health checks: what was measured, what it says, and what to type next."""

from __future__ import annotations

import functools
import math
import typing as t
from datetime import UTC, datetime

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import Context, McpError
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_clients import Clients
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_judge import empty_result, without_look
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_kind import STATUSES, worst
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_options import check_probes
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_run_all import Clock, run_all
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_thresholds import (
    AGAIN,
    Thresholds,
    usable_thresholds,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_watch import (
    Result,
    Round,
    broken,
    clients_of,
    late,
    watch,
)

# What is wrong in a probe, the deadline or a threshold is found by the engine, not by Ansible, which would refuse
# the whole task: nothing of it must keep the others from looking.
ARGUMENT_SPEC: dict[str, t.Any] = {
    "environment": {"type": "str", "required": True},
    "probes": {"type": "list", "elements": "dict", "required": True},
    "fail_on": {"type": "list", "elements": "str", "choices": list(STATUSES[1:]), "default": []},
    "deadline": {"type": "raw"},
    "thresholds": {"type": "raw"},
    "sandbox": {"type": "bool", "default": False},
}


def refused(environment: str, probe: dict[str, t.Any], wrong: str) -> Result:
    """Return the result of a probe whose options are wrong."""
    step = "correct the probe, and run the same command again"
    return without_look(environment, probe, wrong, step, datetime.now(UTC))


def usable_deadline(given: t.Any) -> tuple[float | None, str | None]:
    """Return the deadline in seconds (None: there is none), and what is wrong with it."""
    if given is None:
        return None, None
    try:
        seconds = math.nan if isinstance(given, bool) else float(given)
    except (TypeError, ValueError):
        seconds = math.nan
    if math.isfinite(seconds) and seconds > 0:
        return seconds, None
    return None, f"deadline={given!r} is not a number of seconds above 0. {AGAIN}"


def unusable(environment: str, name: str, text: str) -> Result:
    """Return the result that tells of a wrong option of the task."""
    result = empty_result(environment, {"name": name, "kind": name}, datetime.now(UTC))
    return result | {"evidence": text, "next_step": f"correct {name}, and run the same command again"}


def failure_message(results: list[Result], fail_on: list[str]) -> str:
    """Return what to tell about the checks whose status is not acceptable; empty when all are."""
    failing = [result for result in results if result["status"] in fail_on]
    lines = [f"{r['check']} is {r['status']}: {r['evidence']}. Next: {r['next_step']}" for r in failing]
    if not lines:
        return ""
    return f"{len(lines)} of {len(results)} checks of {results[0]['environment']} failed. " + "; ".join(lines)


def look_at_all(ctx: Context, clock: Clock, limits: Thresholds, probes: list[dict[str, t.Any]]) -> list[Result | None]:
    """Return the results of probes whose options are right, in their order; None for what is left out."""
    clients = Clients(ctx, (wanted for probe in probes for wanted in clients_of(probe)))
    round_ = Round(ctx, clock, limits, clients)
    return run_all(
        [functools.partial(watch, round_, probe) for probe in probes],
        clock,
        late=lambda number: late(round_, probes[number]),
        broken=lambda number, error: broken(round_, probes[number], error),
    )


def run(ctx: Context) -> dict[str, t.Any]:
    """Run all probes at once and return their results in the order of the probes, then what else is wrong.

    :raises McpError: a probe or another option is wrong, or a status is one of ``fail_on``; the results are with it
    """
    environment = ctx.params["environment"]
    deadline, late_wrong = usable_deadline(ctx.params["deadline"])
    limits, limits_wrong = usable_thresholds(ctx.params["thresholds"])
    probes = check_probes(ctx.params["probes"])
    looked = iter(look_at_all(ctx, Clock(deadline), limits, [probe for probe, wrong in probes if not wrong]))
    told = [refused(environment, probe, wrong) if wrong else next(looked) for probe, wrong in probes]
    settings = {"thresholds": " ".join(limits_wrong), "deadline": late_wrong}
    messages = [text for text in settings.values() if text]
    results = [result for result in told if result is not None]
    results += [unusable(environment, name, text) for name, text in settings.items() if text]
    outcome = {"status": worst(result["status"] for result in results), "results": results}
    messages += [f"Probe {p['name']}: {wrong}, and run the same command again." for p, wrong in probes if wrong]
    messages += [message for message in [failure_message(results, ctx.params["fail_on"])] if message]
    if messages:
        raise McpError(" ".join(messages), **outcome)
    return {"changed": False, **outcome}
