# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One probe of a task: look, and look again until the server answers, within the time that there is."""

from __future__ import annotations

import functools
import time
import typing as t
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import Context
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_clients import Clients, Wanted
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_http import read_token, step_of
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_judge import (
    hide,
    result_of,
    what_happened,
    without_look,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_kind import Finding, Kind, Look
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_kinds import KINDS
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_run_all import Clock
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_thresholds import Thresholds
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.http_pool import Pools
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.lambda_probe import log_group_of, logs_step

Result = dict[str, t.Any]


@dataclass(frozen=True)
class Round:
    """What all probes of a task share.

    :param seen: the newest complete look of each probe by name
    """

    ctx: Context
    clock: Clock
    thresholds: Thresholds
    clients: Clients
    pools: Pools = field(default_factory=Pools)
    seen: dict[str, Result] = field(default_factory=dict)

    @property
    def environment(self) -> str:
        return str(self.ctx.params["environment"])


def clients_of(probe: dict[str, t.Any]) -> Iterator[Wanted]:
    """Return the AWS clients that a probe uses; to a function that is invoked belongs the time that it needs."""
    kind = KINDS[probe["kind"]]
    region = kind.region or probe["region"]
    if probe["lambda"]:
        yield "lambda", None, True
    for service in kind.services:
        yield service, region, False


def next_seconds(clock: Clock, timeout: float) -> float:
    """Return how long the next request may take.

    :raises Finding: the deadline has passed
    """
    left = min(clock.left(), timeout)
    if left <= 0:
        raise Finding("unknown", late_text(clock))
    return left


def late_text(clock: Clock) -> str:
    return f"gave no answer within the deadline of {clock.deadline or 0:g} s"


def new_look(round_: Round, probe: dict[str, t.Any]) -> Look:
    """Return what a kind's function gets, but the token."""
    keys = {service: (service, region, patient) for service, region, patient in clients_of(probe)}
    return Look(
        probe=probe,
        environment=round_.environment,
        token=None,
        thresholds=round_.thresholds,
        sandbox=round_.ctx.params["sandbox"],
        now=datetime.now(UTC),
        client=lambda service: round_.clients.get(*keys[service]),
        seconds_left=functools.partial(next_seconds, round_.clock, probe["timeout"]),
        pools=round_.pools,
    )


def observe(round_: Round, probe: dict[str, t.Any]) -> Result | None:
    """Look once and return the result in its published shape, None where an optional check is not offered."""
    kind, look = KINDS[probe["kind"]], new_look(round_, probe)
    try:
        look.token = read_token(probe["token_file"], round_.environment)
        seen = kind.look(look)
    except BaseException as error:  # of whatever sort: it is this check's, and the others go on
        seen = what_happened(error, kind, look.sandbox)
    return None if seen.not_offered and probe["optional"] else result_of(look, kind, seen)


def watch(round_: Round, probe: dict[str, t.Any]) -> Result | None:
    """Look until the server answers as expected (slowness does not count), at most ``attempts`` times.

    :returns: None where there is nothing to look at and the probe is optional
    """
    for attempt in range(1, probe["attempts"] + 1):
        result = observe(round_, probe)
        if result is None:
            return None
        if round_.clock.over():  # cut off by the deadline, which says nothing about the server
            return late(round_, probe)
        round_.seen[probe["name"]] = result
        last = attempt == probe["attempts"] or round_.clock.left() <= probe["delay"]
        if result["status"] in ("healthy", "warning") or last:
            break
        round_.ctx.progress(f"{probe['name']}: {result['status']}, attempt {attempt} of {probe['attempts']}")
        time.sleep(probe["delay"])
    if result is not None and probe["lambda"] and result["status"] in ("warning", "critical"):
        result["next_step"] = with_log_group(round_, probe, result["next_step"])
    return result


def with_log_group(round_: Round, probe: dict[str, t.Any], step: str) -> str:
    """Return the default step of a function with the log group that it was told to write to, if AWS says it."""
    if step != step_of(probe):
        return step
    log_group = log_group_of(round_.clients.get("lambda", None, True), probe["lambda"])
    return logs_step(log_group) if log_group else step


def kind_step(probe: dict[str, t.Any]) -> str:
    """Return the default next step of a probe whose options are right."""
    return KINDS[probe["kind"]].step(probe)


def late(round_: Round, probe: dict[str, t.Any]) -> Result:
    """Return the result of a probe that did not end in time: what an earlier attempt saw, if there was one."""
    if probe["name"] in round_.seen:
        return round_.seen[probe["name"]]
    return without_look(round_.environment, probe, late_text(round_.clock), kind_step(probe), datetime.now(UTC))


def broken(round_: Round, probe: dict[str, t.Any], error: BaseException) -> Result:
    """Return the result of a probe whose result could not be made."""
    kind: Kind = KINDS[probe["kind"]]
    text = hide(what_happened(error, kind, sandbox=False).evidence, None, [])
    return without_look(round_.environment, probe, text, kind_step(probe), datetime.now(UTC))
