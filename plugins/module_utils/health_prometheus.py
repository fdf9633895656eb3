# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The check kind prometheus: whether it is ready, whom it watches, and what it raises alarm about."""

from __future__ import annotations

import shlex
import typing as t
from collections.abc import Iterable

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_http import check_url
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_kind import (
    TIMED,
    Finding,
    Kind,
    Look,
    Observation,
    worst,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.http_probe import (
    http_sender,
    measure,
    parse_json,
    plain_url,
    shorten,
)

# Alerts that only tell that alerting works.
QUIET = ("none", "info")
STATUS_OF = {"up": "healthy", "down": "warning"}
Judged = list[tuple[str, str]]


def prometheus_step(probe: dict[str, t.Any]) -> str:
    alerts = f"{plain_url(probe['url']).rstrip('/')}/api/v1/alerts"
    return f"curl -s {shlex.quote(alerts)}"


def get(look: Look, path: str) -> tuple[bytes, float]:
    """Return the body of an answer and the milliseconds.

    :raises Finding: critical: no answer, or an error
    """
    url = f"{plain_url(look.probe['url']).rstrip('/')}{path}"
    reply = http_sender(url, look.seconds_left, look.probe["ca_file"], look.pools)("GET", {}, b"", None)
    if reply.status != 200:
        raise Finding("critical", f"GET {url}: {reply.describe()} (expected 200)", f"curl -i {shlex.quote(url)}")
    return reply.body, reply.ms


def listed(look: Look, path: str, name: str) -> list[dict[str, t.Any]]:
    """Return the list that an endpoint of the API answers with.

    :raises Finding: critical: the answer is another
    """
    body, _ms = get(look, path)
    try:
        entries = parse_json(body)["data"][name]
        return [entry for entry in entries if isinstance(entry, dict)]
    except (ValueError, KeyError, TypeError) as error:
        text = f"{path}: no list of {name} in {shorten(body.decode('utf-8', 'replace'))}"
        raise Finding("critical", text) from error


def judge_targets(targets: Iterable[dict[str, t.Any]], jobs: list[str]) -> Judged:
    """Return a status and a sentence for each target that is not up, and for each job that has none."""
    found: Judged = []
    seen: set[str] = set()
    for target in targets:
        labels = target.get("labels") or {}
        job, health = str(labels.get("job")), str(target.get("health"))
        if jobs and job not in jobs:
            continue
        seen.add(job)
        status = STATUS_OF.get(health, "unknown")
        if status != "healthy":
            why = shorten(str(target.get("lastError") or "not asked yet"))
            found.append((status, f"target {job} ({labels.get('instance')}) is {health}: {why}"))
    found += [("warning", f"no target of job {job}") for job in jobs if job not in seen]
    return found if found or seen else [("unknown", "it watches nothing")]


def judge_alerts(alerts: Iterable[dict[str, t.Any]]) -> tuple[Judged, str | None]:
    """Return a status and a sentence for each alert that fires, and since when the first does."""
    found: Judged = []
    times: list[str] = []
    for alert in alerts:
        labels = alert.get("labels") or {}
        severity = str(labels.get("severity") or "warning")
        if alert.get("state") == "firing" and severity not in QUIET:
            status = "critical" if severity == "critical" else "warning"
            found.append((status, f"alert {labels.get('alertname')} fires ({severity})"))
            times.append(str(alert.get("activeAt") or ""))
    begins = min((time for time in times if time), default="")[:19]
    return found, f"{begins}Z" if begins else None


def look_prometheus(look: Look) -> Observation:
    """Ask whether it is ready, then for its targets and alerts."""
    times = tuple(measure(lambda: get(look, "/-/ready")[1], look.probe["samples"]))
    targets = listed(look, "/api/v1/targets?state=active", "activeTargets")
    judged = judge_targets(targets, look.probe["jobs"])
    alarming, since = judge_alerts(listed(look, "/api/v1/alerts", "alerts"))
    judged = sorted(judged + alarming, key=lambda one: one[0] != "critical")
    place = plain_url(look.probe["url"])
    if not judged:
        return Observation("healthy", f"{place}: ready, {len(targets)} targets, all up, no alert fires", times)
    return Observation(worst(status for status, _text in judged), f"{place}: {join(judged)}", times, since)


def join(judged: Judged) -> str:
    """Return the first sentences, and how many more there are."""
    shown = "; ".join(text for _status, text in judged[:5])
    return shown if len(judged) <= 5 else f"{shown}; and {len(judged) - 5} more"


PROMETHEUS = Kind(
    "prometheus",
    look_prometheus,
    TIMED | {"url", "jobs", "ca_file"},
    required=("url",),
    check=check_url,
    step=prometheus_step,
)
