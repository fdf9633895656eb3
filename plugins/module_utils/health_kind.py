# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a kind of check is: the options that it takes, and the function that looks once."""

from __future__ import annotations

import typing as t
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import http_probe
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_thresholds import Thresholds
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.http_pool import Pools

# From good to bad: no data is worse than slow, a failure is worse than no data.
STATUSES = ("healthy", "warning", "unknown", "critical")

# For the kinds: what a function raises when the check is not healthy.
Finding = http_probe.Finding

# Options that every kind takes.
COMMON = frozenset({"name", "kind", "timeout", "attempts", "delay", "next_step", "optional"})
# Options of the kinds that time their requests.
TIMED = frozenset({"samples", "warning_ms", "critical_ms"})


def worst(statuses: Iterable[str]) -> str:
    """Return the worst status; nothing looked at is unknown."""
    return max(statuses, key=STATUSES.index, default="unknown")


def nothing_wrong(_probe: dict[str, t.Any]) -> str | None:
    """Accept all options."""
    return None


def no_step(_probe: dict[str, t.Any]) -> str:
    """Know no command."""
    return ""


@dataclass(frozen=True)
class Observation:
    """What one look saw.

    :param status: ``healthy``, ``warning``, ``critical`` or ``unknown``
    :param evidence: one sentence with the figures
    :param times: milliseconds of the timed requests
    :param since: ISO 8601 UTC (``2026-11-22T03:14:15Z``): since when it is so, where the source knows
    :param next_step: the command to type; empty: the kind's own
    :param body: what ``return_json`` returns
    :param not_offered: there is nothing to look at, because the account cannot have it: with the probe's option
        ``optional`` no result is told
    """

    status: str
    evidence: str
    times: tuple[float, ...] = ()
    since: str | None = None
    next_step: str = ""
    body: t.Any = None
    not_offered: bool = False


@dataclass
class Look:
    """What a kind's function gets.

    :param probe: the options; those that the user did not set have their defaults or None
    :param token: the access token of ``token_file``
    :param sandbox: whether AWS is emulated
    :param now: the time of the look, UTC
    :param client: returns the boto3 client of one of the kind's services, made beforehand
    :param seconds_left: how many seconds the next request may take: the probe's timeout, or what the task's deadline
        leaves of it; above 0
    :raises Finding: from seconds_left: unknown, because the deadline has passed
    :param pools: the HTTP connections of the task
    :param secrets: what must not be told; a function that reads a password adds it here before it uses it
    """

    probe: dict[str, t.Any]
    environment: str
    token: str | None
    thresholds: Thresholds
    sandbox: bool
    now: datetime
    client: Callable[[str], t.Any]
    seconds_left: Callable[[], float]
    secrets: list[str] = field(default_factory=list)
    pools: Pools = field(default_factory=Pools)


@dataclass(frozen=True)
class Kind:
    """One kind of check.

    :param look: looks once; may raise `Finding`, and whatever boto3 raises (which becomes ``unknown``)
    :param options: what it takes besides COMMON
    :param required: options without which it cannot look
    :param services: boto3 services that it asks
    :param region: the region of a global service; empty: the probe's own, else the task's
    :param check: returns what is wrong with the options ("port=0 is ... Correct it"), or None
    :param step: returns the default next step
    :param actions: the IAM action behind each operation of boto3 that it calls
        ({"GetBucketEncryption": "s3:GetEncryptionConfiguration"}); what is refused is named by it
    """

    name: str
    look: Callable[[Look], Observation]
    options: frozenset[str]
    required: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    region: str = ""
    check: Callable[[dict[str, t.Any]], str | None] = nothing_wrong
    step: Callable[[dict[str, t.Any]], str] = no_step
    actions: Mapping[str, str] = field(default_factory=dict)
